"""Which files belong to the project, for the tests of this folder."""

import subprocess
from functools import cache
from pathlib import Path

__all__ = ["ROOT", "is_test", "project_files", "source_files", "text_of"]

ROOT = Path(__file__).parents[2]
_NOT_OURS = {"build", "dist", "data", "__pycache__"}
_SOURCE_FOLDERS = {"fraudkit", "service", "benchmarks"}


@cache
def project_files() -> tuple[Path, ...]:
    """Return every file that is or would be committed, sorted.

    Git knows; in a source archive without Git all files are taken but hidden folders, build
    output and data.
    """
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout.decode()
        paths = [ROOT / name for name in listed.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        paths = [path for path in ROOT.rglob("*") if _is_ours(path.relative_to(ROOT))]
    return tuple(sorted(path for path in paths if path.is_file()))


def source_files() -> tuple[Path, ...]:
    """Return the modules of the library, the service and the benchmarks."""
    return tuple(
        path
        for path in project_files()
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in _SOURCE_FOLDERS
    )


def is_test(path: Path) -> bool:
    """Return whether the file is in ``tests/``."""
    return path.relative_to(ROOT).parts[0] == "tests"


def text_of(path: Path) -> str | None:
    """Return a file's text, or ``None`` where it is not UTF-8."""
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        return None


def _is_ours(path: Path) -> bool:
    hidden = any(part.startswith(".") and part != ".ci" for part in path.parts[:-1])
    return not hidden and _NOT_OURS.isdisjoint(path.parts)
