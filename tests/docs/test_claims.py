"""What the pages say of the code is so: names, options, limits, features."""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from pathlib import Path

import pytest
import typer.main

from fraudkit.cli import app
from fraudkit.decisions.costs import Costs
from fraudkit.domain.decision import Decision
from fraudkit.features.catalog import default_features
from fraudkit.features.document import features_markdown
from fraudkit.features.order_catalog import CATEGORIES
from fraudkit.features.spec import FeatureSet
from fraudkit.past import TOO_LATE_WARNING
from fraudkit.rescoring import Scores
from fraudkit.scoring.bundle import load_bundle
from fraudkit.stores.memory import MemoryStore
from fraudkit.scoring.learning.training_rows import LEVEL_ORDERS_MIN, LEVELS_MAX
from tests.architecture.files import ROOT
from tests.docs.pages import PAGES, blocks_of, page_text

PROGRAM = typer.main.get_command(app).commands  # type: ignore[attr-defined]
COMMANDS = {
    f"{name} {inner}".strip(): command
    for name, held in PROGRAM.items()
    for inner, command in getattr(held, "commands", {"": held}).items()
}
DECISIONS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
ARCHITECTURE = page_text("docs/architecture.md")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_on_a_page_that_shows_its_command(command: str) -> None:
    shown = "\n".join(text for page in PAGES if f"fraudkit {command}" in (text := page_text(page)))
    options = {name for held in COMMANDS[command].params for name in held.opts}
    assert {name for name in options if not re.search(rf"{name}\b", shown)} == set()


def test_no_page_shows_an_option_that_is_not_there() -> None:
    shown = "\n".join(
        block.text for page in PAGES for block in blocks_of(page) if block.language == "sh"
    ).replace("\\\n", " ")
    for command, options in re.findall(r"^fraudkit ((?:features |journal |keys |models |policy )?\w+)(.*)$", shown, re.MULTILINE):
        known = {name for held in COMMANDS[command].params for name in held.opts}
        assert set(re.findall(r"--[a-z-]+", options)) <= known


def test_the_features_page_is_up_to_date() -> None:
    assert page_text("docs/features.md") == features_markdown(), "run make docs"


def test_the_features_page_has_every_feature_and_every_code() -> None:
    page = page_text("docs/features.md")
    features = default_features(
        own_entities=["seller"], levels={name: ["x"] for name in CATEGORIES}
    )
    for feature in features.features:
        assert f"| `{feature.name}` |" in page
        assert f"| `{feature.reason_code}` |" in page.partition("## Reason codes")[2]
    assert f"at least {LEVEL_ORDERS_MIN} orders, at most {LEVELS_MAX} values" in page


def test_every_test_that_the_architecture_names_is_there() -> None:
    named = re.findall(r"`(tests/\S+?\.py)(?:::(\w+))?`", ARCHITECTURE)
    assert len(named) > 15
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        held = {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
        assert not name or name in held, f"{path}::{name}"


def test_every_invariant_names_what_holds_it() -> None:
    section = ARCHITECTURE.partition("## Invariants")[2].partition("\n## ")[0]
    stated = [part for part in section.split("\n\n") if part.startswith("**")]
    assert len(stated) > 15
    assert [part for part in stated if "\nHeld by " not in part] == []


def test_every_contract_of_the_layers_is_an_invariant() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = {held["name"] for held in settings["tool"]["importlinter"]["contracts"]}
    assert contracts == set(re.findall(r'contract "(.+?)"', ARCHITECTURE))


def test_every_module_of_the_code_map_is_there() -> None:
    section = ARCHITECTURE.partition("## Code map")[2].partition("\n## ")[0]
    room = ""
    for first, modules in re.findall(r"^\|(.*?)\|(.*?)\|", section, re.MULTILINE)[2:]:
        room = first.strip(" `") or room
        for module in re.findall(r"`(.+?)`", modules):
            assert list((ROOT / room).glob(module)), f"{room}/{module}"


def test_every_room_is_in_the_code_map() -> None:
    rooms = {path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("fraudkit/*/**/*.py")}
    rooms = {room for room in rooms if "__pycache__" not in room}
    assert {room for room in rooms if f"| `{room}` |" not in ARCHITECTURE} == set()


def test_the_limits_of_the_windows_are_those_of_the_code() -> None:
    features = FeatureSet((), default_features().order_features)
    page = page_text("docs/windows.md")
    assert f"{features.max_events:,} by default" in page
    defaults = MemoryStore.__init__.__kwdefaults__
    assert defaults is not None
    assert (defaults["capacity_events"], defaults["allowed_lateness_ms"]) == (10**6, 86_400_000)
    assert "a million by default" in page
    assert "The allowed lateness is a day" in page


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_its_four_parts_and_is_listed(decision: Path) -> None:
    text = decision.read_text("utf-8")
    number = int(decision.stem[:4])
    assert text.startswith(f"# {number}. ")
    parts = re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE)
    assert parts[:4] == ["Context", "Decision", "Consequences", "Measured"]
    title = text.splitlines()[0].removeprefix(f"# {number}. ")
    assert f"{number}. [{title}]({decision.name})" in page_text("docs/adr/README.md")


def test_the_checkout_page_has_every_part_of_a_decision_and_every_warning() -> None:
    page = page_text("docs/checkout.md")
    parts = set(Decision.__struct_fields__) - {"transaction_id", "raw_score", "currency"}
    assert {part for part in parts if f"| `{part}` |" not in page} == set()
    source = (ROOT / "fraudkit" / "input_checks.py").read_text("utf-8")
    codes = {*re.findall(r'code="(\w+)"', source), TOO_LATE_WARNING}
    listed = page.partition("## Warnings and degraded answers")[2].partition("\n## ")[0]
    assert codes == set(re.findall(r"^\| `([a-z]+_\w+)` \|", listed, re.MULTILINE))


def test_the_batch_page_has_every_column() -> None:
    documented = re.search(
        r"frame : polars.DataFrame\n(.*?)\npolicy", str(inspect.getdoc(Scores)), re.DOTALL
    )
    assert documented is not None
    columns = re.findall(r"``(\w+)``", documented[1])
    page = page_text("docs/batch.md").partition("## What comes out")[2]
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)[: len(columns)] == columns


def test_the_policy_that_is_shown_states_every_cost() -> None:
    (shown,) = [b.text for b in blocks_of("docs/data-science.md") if b.language == "toml"]
    assert set(tomllib.loads(shown)["costs"]) == set(Costs.__struct_fields__)


def test_the_bundle_that_is_shown_has_the_files_of_a_bundle() -> None:
    page = page_text("docs/data-science.md").partition("## Ship it")[2].partition("\n## ")[0]
    shown = set(re.findall(r"`(\w+\.(?:md|txt|json|toml))`", page))
    held = {path.name for path in (ROOT / "models" / "demo").iterdir()}
    assert shown == held


def test_the_readme_speaks_of_the_demo_bundle_as_it_is() -> None:
    bundle = load_bundle(ROOT / "models" / "current")
    trees = bundle.scorer.n_trees
    text = page_text("README.md")
    assert f"{len(bundle.features.names)} features, {trees} trees" in text
