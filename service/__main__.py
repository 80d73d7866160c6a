"""``python -m service``: the settings from the environment, then the server."""

from __future__ import annotations

import os
import sys

from fraudkit.errors import FraudkitError
from service.settings import Settings

__all__ = ["main"]


def main() -> int:
    """Serve until told to stop; return the exit status, 2 where it cannot start."""
    try:
        settings = Settings.from_environment(os.environ)
        # After the settings: a wrong one is told at once, not after seconds of imports.
        from service.serving import serve

        serve(settings)
    except FraudkitError as error:
        sys.stderr.write(f"The service cannot start: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stdout.write("Stopped.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
