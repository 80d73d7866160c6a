"""How a model is learnt: rows of a history, boosted trees, the search for settings, calibration."""
