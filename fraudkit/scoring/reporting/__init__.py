"""A training report as people read it: its sections, its plots and its page."""
