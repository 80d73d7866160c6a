"""A store that holds the contract passes; one that lies fails by the check that names the lie."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from fraudkit.checks import STORE_CHECKS, CheckFailed, check_store
from fraudkit.errors import InputError
from fraudkit.features.window_arrays import EVENT_ID
from fraudkit.stores.memory import MemoryStore
from tests.checks.losing_stores import LOSSES
from tests.checks.lying_stores import LIES, CountsTies, LoadsRepeats
from tests.checks.plain_store import PlainStore, Row

DAY_MS = 86_400_000


@pytest.mark.parametrize("allowed_lateness_ms", [0, 1_000, DAY_MS, 30 * DAY_MS])
def test_a_store_that_holds_the_contract_passes(allowed_lateness_ms: int) -> None:
    report = check_store(
        lambda plan: PlainStore(plan, allowed_lateness_ms=allowed_lateness_ms),
        allowed_lateness_ms=allowed_lateness_ms,
        streams=4,
        seed=allowed_lateness_ms,
    )
    assert [result.check for result in report.results] == [check.name for check in STORE_CHECKS]
    assert report.subject == "PlainStore"


@pytest.mark.parametrize(
    ("lie", "check"), {**LIES, **LOSSES}.items(), ids=lambda held: getattr(held, "__name__", held)
)
def test_a_lie_fails_the_check_that_names_it(lie: type[PlainStore], check: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        check_store(lie)
    assert caught.value.check == check
    assert caught.value.subject == lie.__name__
    assert caught.value.expected != caught.value.received


class Breaks(PlainStore):
    def read(self, query: Row, out: NDArray[np.float64]) -> None:
        if len(self.rows) > 2:
            raise KeyError("gone")
        super().read(query, out)


def test_what_a_store_raises_is_told() -> None:
    with pytest.raises(CheckFailed, match=r"Expected an answer, got KeyError: 'gone':") as caught:
        check_store(Breaks)
    assert caught.value.check == "no event is lost"
    assert caught.value.shown_by.count("\n") == 3


def test_the_fewest_steps_that_show_a_fault_are_told() -> None:
    with pytest.raises(CheckFailed) as caught:
        check_store(CountsTies)
    first, second = caught.value.shown_by.splitlines()
    assert first.startswith("  1. append id ")
    assert second.startswith("  2. read id ")
    assert " at +0 ms " in first
    assert " at +0 ms " in second
    assert str(caught.value) == (
        "CountsTies fails the check 'ties in event time are invisible': Events of the same "
        "millisecond do not see each other, whichever came first. Expected "
        f"card_count_attempted_60000 = 0.0, got 1.0:\n{first}\n{second}"
    )


def test_a_bulk_load_is_cut_down_too() -> None:
    with pytest.raises(CheckFailed) as caught:
        check_store(LoadsRepeats)
    (load,) = [line for line in caught.value.shown_by.splitlines() if "load" in line]
    assert load.count(" id ") <= 2


class Lasting(PlainStore):
    """Its rows outlive it."""

    outlives_process = True

    def opened_again(self) -> PlainStore:
        store = type(self)(self.plan)
        store.rows, store.waiting, store.newest_ms = self.rows, self.waiting, self.newest_ms
        return store


class LosesIdsAtRestart(Lasting):
    def opened_again(self) -> PlainStore:
        store = super().opened_again()
        for row in store.rows:
            row[EVENT_ID] += 1
        return store


class LosesWaitingOutcomesAtRestart(Lasting):
    def opened_again(self) -> PlainStore:
        store = super().opened_again()
        store.waiting = []
        return store


class LosesTheTimeAtRestart(Lasting):
    def opened_again(self) -> PlainStore:
        store = super().opened_again()
        store.newest_ms = -(2**62)
        return store


def opened_again(store: object) -> PlainStore:
    assert isinstance(store, Lasting)
    return store.opened_again()


def test_a_store_that_outlives_its_process_is_opened_again() -> None:
    report = check_store(Lasting, reopen=opened_again, streams=2)
    (restart,) = [result for result in report.results if "restart" in result.check]
    assert restart.tried == "2 streams, 16 steps"
    for lie in (LosesIdsAtRestart, LosesWaitingOutcomesAtRestart, LosesTheTimeAtRestart):
        with pytest.raises(CheckFailed) as caught:
            check_store(lie, reopen=opened_again)
        assert caught.value.check == "a restart changes nothing"


def test_how_to_open_it_again_must_be_told() -> None:
    with pytest.raises(InputError, match="must be told how to open Lasting again"):
        check_store(Lasting)


def test_what_was_not_tried_is_said() -> None:
    report = check_store(PlainStore, streams=1)
    assert [r.check for r in report.results if r.tried.startswith("not tried")] == [
        "a restart changes nothing"
    ]
    assert "PlainStore: all checks hold" in str(report)
    assert "not tried: it ends with its process" in str(report)


def test_the_embedded_store_holds_the_contract() -> None:
    check_store(MemoryStore)
    check_store(
        lambda plan: MemoryStore(plan, allowed_lateness_ms=60_000), allowed_lateness_ms=60_000
    )
