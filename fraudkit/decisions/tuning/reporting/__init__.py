"""A tuning report as people read it: its words, its plots and its page."""
