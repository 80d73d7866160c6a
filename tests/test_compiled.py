"""The compiler's cache: renewed with any kernel's source, and done without where none can be."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fraudkit

SOURCE = Path(fraudkit.__file__).parent
FOLDER_OF = """
import sys
sys.path.insert(0, sys.argv[1])
from fraudkit.compiled import cache_folder
print(cache_folder())
"""
SCORE_OF_A_WINDOW = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from fraudkit.features.offline_windows import accepted_events
print(accepted_events(np.array([5, 5]), np.zeros(2, np.int64), np.zeros(2, np.int64), None))
"""


def run(program: str, package: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, str(package)],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "", "HOME": "/nonexistent", **environment},
    )
    return done.stdout.strip()


def copied(tmp_path: Path) -> Path:
    shutil.copytree(SOURCE, tmp_path / "fraudkit", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.mark.parametrize("changed", ["features/window.py", "scoring/trees/walk.py"])
def test_a_changed_kernel_gets_a_cache_folder_of_its_own_and_the_old_one_goes(
    tmp_path: Path, changed: str
) -> None:
    package = copied(tmp_path)
    before = Path(run(FOLDER_OF, package))
    assert before.parent == tmp_path / "fraudkit" / "__pycache__"
    assert run(FOLDER_OF, package) == str(before)
    with (tmp_path / "fraudkit" / changed).open("a") as kernel:
        kernel.write("\n# changed\n")
    after = Path(run(FOLDER_OF, package))
    assert after != before
    assert after.exists()
    assert not before.exists()


def test_the_stated_folder_is_used_first(tmp_path: Path) -> None:
    package = copied(tmp_path / "package")
    folder = run(FOLDER_OF, package, NUMBA_CACHE_DIR=str(tmp_path / "stated"))
    assert Path(folder).parent == tmp_path / "stated"


def test_without_any_folder_to_write_kernels_still_run(tmp_path: Path) -> None:
    package = copied(tmp_path)
    # A file where the folder would go stands for a file system that cannot be written.
    (tmp_path / "fraudkit" / "__pycache__").write_text("")
    nowhere = str(tmp_path / "fraudkit" / "errors.py")
    assert run(FOLDER_OF, package, XDG_CACHE_HOME=nowhere) == "None"
    assert run(SCORE_OF_A_WINDOW, package, XDG_CACHE_HOME=nowhere) == "[ True False]"
