"""The HTTP service: a thin wrapper of `fraudkit.Engine`."""
