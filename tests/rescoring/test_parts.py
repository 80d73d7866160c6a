"""An interrupted run goes on where it was, and its file is that of one that was not."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.errors import ParameterError
from fraudkit.features.enrichment import Enrichment
from fraudkit.mapping import MappedData
from fraudkit.rescoring import PartsBegun, PartsFolder, score_data
from fraudkit.rescoring.stored_part import ScoredRows, decoded_part, encoded_part
from fraudkit.scoring.bundle import Bundle
from tests.rescoring.interrupting import BLOCK_ROWS, N_ORDERS, interrupt, score, snapshot
from tests.training.trained_shop import TrainedShop, write_lines

N_PARTS = 6
AMOUNT = "order.amount_minor"


@pytest.mark.parametrize("n_parts", [0, 1, 5])
def test_a_run_goes_on_where_it_was(
    bundle: Bundle, data: MappedData, whole: bytes, out: Path, n_parts: int
) -> None:
    folder = interrupt(bundle, data, out, n_parts)
    assert set(snapshot(folder)) == {"manifest.json"} | {f"part-0000{i}" for i in range(n_parts)}
    assert not out.exists()
    told: list[tuple[str, int, int]] = []
    begun = score(bundle, data, out, on_progress=lambda *step: told.append(step))
    assert begun == PartsBegun(n_parts=N_PARTS, n_resumed=n_parts)
    assert out.read_bytes() == whole
    assert list(out.parent.iterdir()) == [out]
    done = [min(number * BLOCK_ROWS, N_ORDERS) for number in range(n_parts + 1, N_PARTS + 1)]
    for stage in ("scores", "reasons"):
        assert [step for step in told if step[0] == stage] == [(stage, n, N_ORDERS) for n in done]


def test_what_is_all_there_is_not_computed_again(
    bundle: Bundle, data: MappedData, whole: bytes, out: Path
) -> None:
    with PartsFolder(out, block_rows=BLOCK_ROWS) as parts:
        score_data(bundle, data, parts=parts)
    stages = []
    begun = score(bundle, data, out, on_progress=lambda stage, *_: stages.append(stage))
    assert begun.n_resumed == N_PARTS
    assert set(stages) == {"decisions"}
    assert out.read_bytes() == whole


@pytest.mark.parametrize("block_rows", [N_ORDERS, N_ORDERS - 1, 1_000_000, 7])
def test_parts_of_any_size_give_the_same_file_and_few_orders_need_none(
    bundle: Bundle, data: MappedData, whole: bytes, out: Path, block_rows: int
) -> None:
    seen = []
    begun = score(
        bundle, data, out, asked={"block_rows": block_rows},
        on_progress=lambda *_: seen.append(out.with_name("scores.parquet.parts").exists()),
    )  # fmt: skip
    assert any(seen) == (block_rows < N_ORDERS)
    assert begun.n_parts == (-(-N_ORDERS // block_rows) if block_rows < N_ORDERS else 0)
    assert out.read_bytes() == whole
    assert list(out.parent.iterdir()) == [out]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def swap(path: Path) -> None:
    other = path.with_name("part-00000")
    held = other.read_bytes()
    other.write_bytes(path.read_bytes())
    path.write_bytes(held)


def lead_away(path: Path) -> None:
    path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(path.parent.parent / "elsewhere")


DAMAGES = [
    (cut, 3, 1),
    (empty, 3, 1),
    (flip, 3, 1),
    (lead_away, 3, 1),
    (swap, 2, 2),
    (Path.unlink, 3, 0),
]
MANIFESTS = [b"", b"{", b"[1]", b'{"bundle": 3}', b"\xff" * 99, b"[" * 9_999]


@pytest.mark.parametrize(("damage", "n_resumed", "n_damaged"), DAMAGES)
def test_a_damaged_part_is_computed_again(
    bundle: Bundle, data: MappedData, whole: bytes, out: Path,
    damage: Callable[[Path], None], n_resumed: int, n_damaged: int,
) -> None:  # fmt: skip
    folder = interrupt(bundle, data, out, 4)
    damage(folder / "part-00002")
    elsewhere = out.with_name("elsewhere")
    held = elsewhere.read_bytes() if elsewhere.exists() else b""
    begun = score(bundle, data, out)
    assert (begun.n_resumed, begun.n_damaged) == (n_resumed, n_damaged)
    assert out.read_bytes() == whole
    assert not held or elsewhere.read_bytes() == held


rows_of_three = st.builds(
    lambda raw, codes: ScoredRows(np.array(raw), 1 / (1 + np.exp(-np.array(raw))), codes),
    st.lists(st.floats(-9, 9), min_size=3, max_size=3),
    st.lists(st.lists(st.text(max_size=9), max_size=4), min_size=3, max_size=3),
)


@given(rows_of_three, st.data())
def test_a_part_that_is_not_as_it_was_written_is_not_read(rows: ScoredRows, drawn: Any) -> None:
    content = encoded_part("run", 1, rows)
    back = decoded_part(content, "run", 1, 3)
    assert back is not None
    assert back.raw_score.tobytes() == rows.raw_score.tobytes()
    assert back.fraud_probability.tobytes() == rows.fraud_probability.tobytes()
    assert back.reason_codes == rows.reason_codes
    place = drawn.draw(st.integers(0, len(content) - 1))
    other = drawn.draw(st.integers(1, 255)) ^ content[place]
    flipped = content[:place] + bytes([other]) + content[place + 1 :]
    for damaged in (flipped, content[:place], content + b"\0"):
        assert decoded_part(damaged, "run", 1, 3) is None
    for run, number, n_rows in (("other", 1, 3), ("run", 0, 3), ("run", 1, 2)):
        assert decoded_part(content, run, number, n_rows) is None


@given(st.binary(max_size=200))
def test_whatever_has_the_right_digest_is_a_part_or_none(body: bytes) -> None:
    assert decoded_part(sha256(body).digest() + body, "run", 0, 1) is None


def with_another(name: str, bundle: Bundle, data: MappedData) -> dict[str, Any]:
    """Return what a run is given, one thing of it another."""
    frame = data.frame.with_columns(
        pl.when(pl.col("row") == 7).then(pl.col(AMOUNT) + 1).otherwise(pl.col(AMOUNT)).alias(AMOUNT)
    )
    others: dict[str, dict[str, Any]] = {
        "bundle": {"bundle": msgspec.structs.replace(bundle, version="0" * 16)},
        "orders": {"data": dataclasses.replace(data, frame=frame)},
        "outcomes": {"data": dataclasses.replace(data, outcomes=data.outcomes[1:])},
        "history": {"history": data},
        "versions of sources": {"enrichment": Enrichment()},
        "files of sources": {"asked": {"sources": [Path(__file__)]}},
        "size of a part": {"asked": {"block_rows": BLOCK_ROWS + 1}},
    }
    return {"bundle": bundle, "data": data} | others[name]


OTHERS = [
    "bundle",
    "orders",
    "outcomes",
    "history",
    "versions of sources",
    "files of sources",
    "size of a part",
]


@pytest.mark.parametrize("name", OTHERS)
def test_parts_of_something_else_are_thrown_away(
    bundle: Bundle, data: MappedData, tmp_path: Path, out: Path, name: str
) -> None:
    changed = with_another(name, bundle, data)
    interrupt(bundle, data, out, 4)
    begun = score(out=out, **changed)
    assert (begun.n_resumed, begun.n_damaged, begun.differing) == (0, 0, (name,))
    fresh = tmp_path / "fresh" / out.name
    fresh.parent.mkdir()
    score(out=fresh, **changed)
    assert out.read_bytes() == fresh.read_bytes()


def test_what_is_thrown_away_is_gone_at_once(bundle: Bundle, data: MappedData, out: Path) -> None:
    interrupt(bundle, data, out, 4)
    folder = interrupt(msgspec.structs.replace(bundle, version="0" * 16), data, out, 1)
    assert set(snapshot(folder)) == {"manifest.json", "part-00000"}


def test_the_order_of_outcomes_does_not_matter(
    bundle: Bundle, data: MappedData, whole: bytes, out: Path
) -> None:
    interrupt(bundle, data, out, 2)
    turned = dataclasses.replace(data, outcomes=data.outcomes.reverse())
    assert score(bundle, turned, out).n_resumed == 2
    assert out.read_bytes() == whole


def test_fewer_orders_throw_the_parts_away_too(
    shop: TrainedShop, bundle: Bundle, data: MappedData, tmp_path: Path, out: Path
) -> None:
    folder = interrupt(bundle, data, out, 2)
    few = shop.read(write_lines(tmp_path / "few.ndjson", shop.transactions[:30]))
    begun: list[PartsBegun] = []
    score(bundle, few, out, asked={"on_begin": begun.append})
    assert [found.differing for found in begun] == [("number of orders",)]
    assert len(pl.read_parquet(out)) == 30
    assert not folder.exists()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b'{"bundle": 3}', b"\xff" * 99, b"[" * 9_999]
)
def test_a_manifest_that_cannot_be_read_costs_nothing(
    bundle: Bundle, data: MappedData, whole: bytes, out: Path, content: bytes
) -> None:
    folder = interrupt(bundle, data, out, 3)
    (folder / "manifest.json").write_bytes(content)
    assert score(bundle, data, out).n_resumed == 3
    assert out.read_bytes() == whole


def test_to_restart_throws_the_parts_away(
    bundle: Bundle, data: MappedData, whole: bytes, out: Path
) -> None:
    interrupt(bundle, data, out, 3)
    assert score(bundle, data, out, asked={"is_restart": True}).n_resumed == 0
    assert out.read_bytes() == whole


def test_a_model_in_memory_has_no_parts(bundle: Bundle, data: MappedData, out: Path) -> None:
    with pytest.raises(ParameterError, match="parts must come without model"):
        score_data(bundle, data, model=object(), parts=PartsFolder(out))
    with pytest.raises(ParameterError, match="block_rows must be at least 1, got 0"):
        PartsFolder(out, block_rows=0)


def test_parts_moved_elsewhere_with_their_file_go_on_there(
    bundle: Bundle, data: MappedData, whole: bytes, out: Path
) -> None:
    folder = interrupt(bundle, data, out, 2)
    there = out.with_name("other.parquet")
    shutil.move(folder, there.with_name("other.parquet.parts"))
    assert score(bundle, data, there).n_resumed == 2
    assert there.read_bytes() == whole


def test_every_stage_is_told_to_its_end(bundle: Bundle, data: MappedData) -> None:
    told: dict[str, list[tuple[int, int]]] = {}
    score_data(
        bundle, data,
        on_progress=lambda stage, done, total: told.setdefault(stage, []).append((done, total)),
    )  # fmt: skip
    assert list(told) == ["features", "scores", "reasons", "decisions"]
    for stage, steps in told.items():
        assert steps == sorted(steps), stage
        assert steps[-1][0] == steps[-1][1]
    assert told["features"][-1][1] == len(bundle.features.names)
    assert len(told["features"]) > 10
