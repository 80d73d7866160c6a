"""Stores of past events behind the port in `fraudkit.features.state`."""
