"""``python -m tests.registry.racing FOLDER BY COUNT``: promotes in turn, as one of several."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from fraudkit.registry import Registry, models_folder

if __name__ == "__main__":
    registry = Registry(Path(sys.argv[1]))
    names = registry.names()
    if len(sys.argv) > 4:
        dies_at = sys.argv[4]
        done = getattr(models_folder, dies_at)

        def dying(*arguments: object) -> None:
            if int(os.environ["DIES_AFTER"]):
                done(*arguments)
            os.kill(os.getpid(), 9)

        setattr(models_folder, dies_at, dying)
    for number in range(int(sys.argv[3])):
        name = names[(number + int(sys.argv[2])) % len(names)]
        registry.promote(name, now_ms=number, by=f"process {sys.argv[2]}", why="racing")
        if number % 3 == 2:
            registry.rollback(now_ms=number, by=f"process {sys.argv[2]}")
