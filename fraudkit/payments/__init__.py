"""Payment methods: the catalogue, eligibility and ranking."""
