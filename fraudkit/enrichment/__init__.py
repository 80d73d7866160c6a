"""Adapters for what a merchant brings, behind the ports in `fraudkit.features.enrichment`."""
