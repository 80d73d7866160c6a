"""Boosted trees from LightGBM's text: read, laid out, walked, explained; or left to LightGBM."""
