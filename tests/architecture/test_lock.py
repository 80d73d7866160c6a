"""The lock files say what pyproject.toml asks for."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.files import ROOT
from tests.architecture.lock_inputs import digest_of_inputs

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCKS = {
    name: (ROOT / "requirements" / f"{name}.txt").read_text("utf-8") for name in ("serve", "dev")
}
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)(?: ; ([^\\]+?))? \\$", re.MULTILINE)


def pins_of(lock: str) -> dict[str, set[tuple[str, str]]]:
    """Return name → {(version, marker)}."""
    pins: dict[str, set[tuple[str, str]]] = {}
    for name, version, marker in PIN.findall(LOCKS[lock]):
        pins.setdefault(canonicalize_name(name), set()).add((version, marker))
    return pins


def declared(lock: str) -> list[Requirement]:
    project, groups = PYPROJECT["project"], PYPROJECT["dependency-groups"]
    extras = project["optional-dependencies"]
    wanted = [*PYPROJECT["build-system"]["requires"], *project["dependencies"], *groups["build"]]
    if lock == "serve":
        wanted += extras["service"]
    else:
        wanted += groups["dev"] + [text for extra in extras.values() for text in extra]
    return [Requirement(text) for text in wanted]


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_was_made_from_what_is_declared(lock: str) -> None:
    made_from = re.search(r"inputs ([0-9a-f]{16})", LOCKS[lock])
    assert made_from is not None
    assert made_from[1] == digest_of_inputs(PYPROJECT), "run make lock"


@pytest.mark.parametrize("lock", LOCKS)
def test_every_declared_dependency_is_locked_at_a_version_that_it_allows(lock: str) -> None:
    pins = pins_of(lock)
    wrong = [
        str(wanted)
        for wanted in declared(lock)
        if not (held := pins.get(canonicalize_name(wanted.name)))
        or not all(wanted.specifier.contains(version) for version, _ in held)
    ]
    assert wrong == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(lock: str) -> None:
    blocks = re.split(r"^(?=[A-Za-z0-9])", LOCKS[lock], flags=re.MULTILINE)[1:]
    assert len(blocks) == sum(len(held) for held in pins_of(lock).values())
    assert [block for block in blocks if "--hash=sha256:" not in block] == []


def test_both_locks_hold_the_same_versions() -> None:
    serve, dev = (
        {name: {version for version, _ in held} for name, held in pins_of(lock).items()}
        for lock in LOCKS
    )
    assert {name: held for name, held in serve.items() if not held <= dev.get(name, set())} == {}


def test_a_changed_dependency_changes_the_digest() -> None:
    project = PYPROJECT["project"]
    changed = {**PYPROJECT, "project": {**project, "dependencies": [*project["dependencies"], "x"]}}
    assert digest_of_inputs(changed) != digest_of_inputs(PYPROJECT)


def test_a_changed_tool_setting_does_not_change_the_digest() -> None:
    assert digest_of_inputs({**PYPROJECT, "tool": {}}) == digest_of_inputs(PYPROJECT)


def test_the_makefile_installs_from_the_locks() -> None:
    text = Path(ROOT / "Makefile").read_text("utf-8")
    assert "--require-hashes" in text
    assert all(f"requirements/{lock}.txt" in text for lock in LOCKS)


@pytest.mark.parametrize("peer", ["fastapi", "mlserver", "bentoml", "litserve"])
def test_a_peer_of_the_benchmarks_is_locked_with_hashes(peer: str) -> None:
    folder = ROOT / "requirements"
    wanted = (folder / f"peers-{peer}.in").read_text("utf-8").split()
    lock = (folder / f"peers-{peer}.txt").read_text("utf-8")
    blocks = re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE)[1:]
    assert {peer, "lightgbm"} <= set(wanted)
    assert set(wanted) <= {canonicalize_name(block.partition("==")[0]) for block in blocks}
    assert [block for block in blocks if "--hash=sha256:" not in block] == []
