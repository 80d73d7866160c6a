"""Features: what they are, the window kernel, and the drivers online and offline."""
