"""The command line: thin; every command reads, calls the library, and shows.

An error of ours is one message and exit status 2, never a traceback. ``--json`` prints one JSON
object for machines on standard output; people's tables and progress are not mixed into it.
"""

from fraudkit.cli.program import app, main

__all__ = ["app", "main"]
