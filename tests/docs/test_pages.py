"""Every command and every snippet of the pages runs, on a shop small enough for a test.

A page is run from its first block to its last, in a folder of its own that looks like the
project's. Its shop is made once and is smaller than the page says: `SMALLER` is all that differs.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest
from threadpoolctl import threadpool_limits

import fraudkit as fk
from fraudkit.cli import app
from fraudkit.decisions.policy import parse_policy
from tests.architecture.files import ROOT
from tests.docs.pages import PAGES, Block, blocks_of, folder_like_the_project, page_text

ORDERS = 12_000
SIMULATE = "fraudkit simulate --orders 50000 --seed 1 --out build/shop\n"
SMALLER = {SIMULATE: "", "40000": "9600", "40001": "9601"}


def run(command: str, folder: Path) -> None:
    """Run a command; one of ours in this process, so that it is not loaded anew each time."""
    if command.startswith("fraudkit "):
        app(shlex.split(command)[1:], standalone_mode=False)
        return
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, f"{command}\n{ended.stderr}"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the pages' shop: fewer orders, and labels that come sooner, so that few will do."""
    folder = tmp_path_factory.mktemp("pages")
    run(f"fraudkit simulate --orders {ORDERS} --seed 1 --out {folder / 'shop'}", folder)
    mapping = folder / "shop" / "mapping.toml"
    text = mapping.read_text("utf-8")
    assert "delay_days = 60" in text
    mapping.write_text(text.replace("delay_days = 60", "delay_days = 10"), "utf-8")
    return folder / "shop"


@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs_from_top_to_bottom(
    page: str, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_like_the_project(tmp_path / "project")
    shutil.copytree(shop, folder / "build" / "shop")
    monkeypatch.chdir(folder)
    names: dict[str, object] = {"__name__": page}
    with threadpool_limits(1):  # on a busy machine threads that spin cost more than they bring
        for block in blocks_of(page):
            run_block(block, folder, names)
    assert page != "docs/data-science.md" or is_same_model(folder)


def run_block(block: Block, folder: Path, names: dict[str, object]) -> None:
    if block.reason:
        return
    if block.language == "sh":
        text = block.text
        for shown, smaller in SMALLER.items():
            text = text.replace(shown, smaller)
        for command in text.replace("\\\n", " ").splitlines():
            run(command, folder)
    elif block.language == "python":
        exec(compile(block.text, "a page", "exec"), names)  # noqa: S102 - our own pages
    elif block.language == "toml":
        (folder / "policy.toml").write_text(block.text, "utf-8")


def is_same_model(folder: Path) -> bool:
    """Return whether other costs left the model as it was, as the page says."""
    first, second = (
        (folder / "build" / name / "model.txt").read_bytes()
        for name in ("bundle", "bundle-own-costs")
    )
    return first == second


def test_what_is_not_run_is_served_or_needs_public_data() -> None:
    left_out = [block for page in PAGES for block in blocks_of(page) if block.reason]
    assert {block.reason.split(":")[0].split(";")[0] for block in left_out} == {
        "starts the service",
        "needs the service",
        "needs the public data sets",
        "needs the journal of a running service",
        "needs a trained bundle",
        "needs a PostgreSQL",
    }
    assert all(block.language == "sh" for block in left_out)


def test_every_block_is_of_a_language_that_is_run_or_read() -> None:
    languages = {block.language for page in PAGES for block in blocks_of(page)}
    assert languages == {"", "json", "python", "sh", "toml"}


def test_the_order_that_is_sent_with_curl_is_decided() -> None:
    (curl,) = [b.text for b in blocks_of("README.md") if b.text.startswith("curl")]
    body = curl.split("-d '")[1].rpartition("'")[0]
    decision = fk.Engine.open(ROOT / "models" / "current").score(
        fk.decode_transaction(body.encode())
    )
    assert decision.transaction_id == "t-1"


def test_the_answer_that_is_shown_has_the_fields_of_a_decision() -> None:
    (answer,) = [block.text for block in blocks_of("README.md") if block.language == "json"]
    shown = msgspec.json.decode(answer)
    assert tuple(shown) == fk.Decision.__struct_fields__
    assert msgspec.convert(shown, fk.Decision).reasons[0].code == "ADDRESS_MISMATCH"


def test_the_tour_simulates_as_the_pages_do() -> None:
    pages = [page for page in PAGES if "build/shop" in page_text(page)]
    assert len(pages) == 5
    assert all(SIMULATE in page_text(page) for page in pages)


def test_every_policy_that_is_shown_holds() -> None:
    shown = [block.text for block in blocks_of("docs/retuning.md") if block.language == "toml"]
    assert len(shown) == 2
    for text in shown:
        parse_policy(text)
