"""A training report as people read it: its sections as text and as a page with plots."""
