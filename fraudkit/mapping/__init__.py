"""From a merchant's columns to the vocabulary."""
