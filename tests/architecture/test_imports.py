"""What an import loads, seen from a fresh interpreter.

import-linter reads the source; this holds what it cannot see: an import made by a package's
``__init__``, by a dependency, or by name at run time.
"""

import subprocess
import sys

import pytest

from tests.architecture.files import ROOT, source_files

WEB = {"fastapi", "httptools", "starlette", "uvicorn", "uvloop"}
OFFLINE = {"joblib", "lightgbm", "pandas", "polars", "pyarrow", "sklearn"}
SHELL = {"rich", "typer"}
SERVICE_MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in source_files()
    if path.relative_to(ROOT).parts[0] == "service" and path.name != "__main__.py"
)


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a fresh interpreter holds after the statement."""
    program = f"{statement}\nimport sys\nprint(*sorted(sys.modules), sep='\\n')"
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return set(ended.stdout.split("\n"))


def test_importing_fraudkit_loads_next_to_nothing() -> None:
    loaded = loaded_by("import fraudkit")
    assert loaded & (WEB | OFFLINE | SHELL | {"numba", "numpy"}) == set()


def test_the_request_path_loads_no_offline_and_no_web_package() -> None:
    loaded = loaded_by("import fraudkit.engine")
    assert loaded & (WEB | OFFLINE | SHELL) == set()
    assert (
        loaded & {"fraudkit.training", "fraudkit.rescoring", "fraudkit.features.offline"} == set()
    )


@pytest.mark.parametrize("name", ["fraudkit.domain.decoding", "fraudkit.domain.schema"])
def test_the_vocabulary_needs_msgspec_alone(name: str) -> None:
    assert loaded_by(f"import {name}") & (WEB | OFFLINE | SHELL | {"numba", "numpy"}) == set()


def test_the_service_loads_no_offline_package() -> None:
    loaded = loaded_by("\n".join(f"import {name}" for name in SERVICE_MODULES))
    assert loaded & OFFLINE == set()


def test_the_command_line_shows_its_help_without_the_offline_packages() -> None:
    assert loaded_by("import fraudkit.cli") & (OFFLINE | WEB) == set()


def test_a_loaded_package_is_seen() -> None:
    assert "polars" in loaded_by("import polars")
