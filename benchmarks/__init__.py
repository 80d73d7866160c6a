"""One module a promise; run as ``python -m benchmarks.NAME [--json]``."""
