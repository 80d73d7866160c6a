"""The part of pyproject.toml that the lock files are made from, as a digest.

``make lock`` writes the digest into each lock file and ``test_lock.py`` compares, so a
dependency that changed without a new lock is found without a network.
"""

import hashlib
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

__all__ = ["digest_of_inputs"]

ROOT = Path(__file__).parents[2]


def digest_of_inputs(pyproject: dict[str, Any]) -> str:
    """Return 16 hexadecimal digits that change when a declared dependency does."""
    project = pyproject["project"]
    inputs = [
        pyproject["build-system"]["requires"],
        project["requires-python"],
        project["dependencies"],
        project.get("optional-dependencies", {}),
        pyproject["dependency-groups"],
    ]
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]


if __name__ == "__main__":
    sys.stdout.write(digest_of_inputs(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))))
