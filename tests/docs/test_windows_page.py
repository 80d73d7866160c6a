"""The page about windows: its examples run, its table is computed, its tests are there."""

from __future__ import annotations

import ast
import math
import re
from typing import Any, Final

import numpy as np
import pytest
from numpy.typing import NDArray

from fraudkit.domain.outcome import Status
from fraudkit.features.plan import window_plan
from fraudkit.features.spec import Aggregation, Entity, FeatureSet
from fraudkit.features.spec_checks import OPERATIONS_OF
from fraudkit.features.state import Appended
from fraudkit.features.window_arrays import AMOUNT, NO_AMOUNT, NO_KEY, Operation
from fraudkit.stores.memory import MemoryStore
from tests.architecture.files import ROOT
from tests.docs.pages import blocks_of, page_text

PAGE: Final = page_text("docs/windows.md")
EXAMPLES: Final = [block.text for block in blocks_of("docs/windows.md")]
CARD: Final = Entity(name="card", inputs=("payment.card.fingerprint",))
ACCOUNT: Final = Entity(name="account", inputs=("account.user_id",))
HOUR_MS: Final = 3_600_000
WIDTHS: Final = {"the last hour": HOUR_MS, "the last 180 days": 4320 * HOUR_MS, "so far": None}
TIME: Final = r"(?:day \d+ )?\d\d:\d\d:\d\d\.\d\d\d"
IS: Final = {
    None: Appended.ACCEPTED,
    "duplicate": Appended.DUPLICATE,
    "too late": Appended.TOO_LATE,
}
KEYS: Final = {None: 7, "out a": NO_KEY, " another": 8}
EVENT: Final = re.compile(
    rf"(?P<name>\w) happened (?P<happened>{TIME})(, received (?P<received>{TIME}))?"
    r"(?P<unknown>, amount unknown)?(, is (a )?(?P<found>duplicate|too late))?"
)
FRAUD: Final = re.compile(rf"(?P<name>\w) is fraud, known (?P<known>{TIME})")
ORDER: Final = re.compile(
    r"order( (?P<name>\w))?( with(?P<key>out a| another) card)?"
    rf" happened (?P<happened>{TIME})(, received (?P<received>{TIME}))?"
    r", (counts (?P<count>\d+) and adds up|sees) (?P<seen>\w+( \w)*?)(?P<fraud> as fraud)?"
    r" (in )?(?P<width>the last .*|so far)"
)


def ms(text: str) -> int:
    days, clock = re.fullmatch(r"(?:day (\d+) )?(.*)", text).groups()  # type: ignore[union-attr]
    hours, minutes, seconds = clock.split(":")
    milliseconds = int(seconds.replace(".", ""))
    return ((int(days or 0) * 24 + int(hours)) * 60 + int(minutes)) * 60_000 + milliseconds


def place_of(name: str) -> int:
    return ord(name) - ord("a")


def features(max_events: int) -> FeatureSet:
    """Return counts and sums: an event's amount is a power of two, so a sum says which."""
    return FeatureSet(
        [CARD],
        [
            Aggregation(
                name=f"{operation} of {where} {name}", entity="card", operation=operation,
                window_ms=width_ms, where=where, unit="", meaning="", reason_code="",
            )
            for operation in ("count", "sum")
            for where in ("attempted", "fraud")
            for name, width_ms in WIDTHS.items()
        ],
        max_events=max_events,
        retention_ms=WIDTHS["the last 180 days"],
    )  # fmt: skip


class Story:
    """An example of the page while it is told."""

    def __init__(self, text: str) -> None:
        lines = text.splitlines()
        limits = {"max_events": 1000, "capacity_events": 100}
        while lines[0].split()[0] in limits:
            name, number = lines.pop(0).split()
            limits[name] = int(number)
        self.lines = lines
        self.features = features(limits["max_events"])
        self.plan = window_plan(self.features)
        self.store = MemoryStore(self.plan, capacity_events=limits["capacity_events"])

    def row(self, said: re.Match[str], key: int = 7) -> NDArray[np.int64]:
        place = place_of(said["name"] or "z")
        happened, received = said["happened"], said["received"]
        return self.plan.event_row(
            place + 1, ms(happened), ms(received or happened), 1 << place, [key]
        )

    def tell(self) -> None:
        for line in self.lines:
            if event := EVENT.fullmatch(line):
                row = self.row(event)
                row[AMOUNT] = NO_AMOUNT if event["unknown"] else row[AMOUNT]
                assert self.store.append(row) == IS[event["found"]], line
            elif outcome := FRAUD.fullmatch(line):
                self.store.record(place_of(outcome["name"]) + 1, Status.FRAUD, ms(outcome["known"]))
            else:
                order = ORDER.fullmatch(line)
                assert order is not None, line
                self.ask(order)

    def ask(self, order: re.Match[str]) -> None:
        out = np.full(self.plan.n_out, np.nan)
        self.store.read(self.row(order, KEYS[order["key"]]), out)
        values = dict(zip(self.features.names, out.tolist(), strict=True))
        window = f"of {'fraud' if order['fraud'] else 'attempted'} {order['width']}"
        count, total = values[f"count {window}"], values[f"sum {window}"]
        if order["seen"] == "unknown":
            assert math.isnan(count), order[0]
            assert math.isnan(total), order[0]
            return
        names = [] if order["seen"] == "nothing" else order["seen"].split()
        assert total == sum(1 << place_of(name) for name in names), order[0]
        assert count == int(order["count"] or len(names)), order[0]


@pytest.mark.parametrize("text", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_is_as_it_says(text: str) -> None:
    story = Story(text)
    story.tell()
    assert " happened " in text
    assert story.store.counters.too_late == text.count("is too late")
    assert story.store.counters.duplicates == text.count("is a duplicate")


def test_an_example_that_is_wrong_is_found() -> None:
    with pytest.raises(AssertionError):
        Story(EXAMPLES[0].replace("sees a c", "sees a b c")).tell()


TABLE: Final = re.findall(
    r"^\| `(\w+)`(?: of `(\w+)`| (\w+))? \|.*\| ([\d.]+) \|$", PAGE, re.MULTILINE
)


@pytest.mark.parametrize(
    ("operation", "where", "of", "value"), TABLE, ids=[row[0] for row in TABLE]
)
def test_an_operation_is_as_the_table_says(operation: Any, where: Any, of: str, value: str) -> None:
    window = Aggregation(
        name="worked", entity="card", operation=operation, window_ms=HOUR_MS,
        where=where or "attempted", of=of or None, unit="", meaning="", reason_code="",
    )  # fmt: skip
    plan = window_plan(FeatureSet([CARD, ACCOUNT], [window]))
    store = MemoryStore(plan)

    def row(place: int, clock: str, amount: int, account: int) -> NDArray[np.int64]:
        return plan.event_row(place, ms(clock), ms(clock), amount, [7, account][: len(plan.hashed)])

    store.append(row(1, "11:00:00.000", 500, 1))
    store.append(row(2, "11:40:00.000", 700, 2))
    store.append(row(3, "11:50:00.000", 500, 1))
    store.record(3, Status.DECLINED_HARD, ms("11:50:01.000"))
    out = np.zeros(plan.n_out)
    store.read(row(4, "12:00:00.000", 500, 2), out)
    assert round(float(out[0]), 4) == float(value)


def test_the_table_has_every_operation_and_says_what_it_looks_at() -> None:
    assert [row[0] for row in TABLE] == [operation.name.lower() for operation in Operation]
    assert {row[0] for row in TABLE if row[2]} == OPERATIONS_OF


def test_every_status_is_in_the_table_of_what_became() -> None:
    section = PAGE.partition("## What became of them")[2].partition("###")[0]
    assert {status.name.lower() for status in Status} <= set(re.findall(r"`(\w+)`", section))


def test_every_clause_has_an_example_and_names_the_tests_that_hold_it() -> None:
    clauses = re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]
    assert len(clauses) > 12
    for clause in clauses:
        title, held = clause.partition("\n")[0], re.findall(r"`(tests/\S+?\.py)::(\w+)`", clause)
        assert held, title
        assert "```text" in clause or title == "One kernel", title
        for path, name in held:
            tree = ast.parse((ROOT / path).read_text("utf-8"))
            assert name in {
                n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)
            }
