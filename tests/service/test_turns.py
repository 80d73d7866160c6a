"""The line of requests: in order, written together, bounded, and never answered too early."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraudkit.errors import JournalError
from service.refusals import Answer, refusal_of
from service.turns import TURN_SECONDS_MAX, WAIT_SECONDS_MAX, Turns

WELL, REFUSED = Answer(200, b"well"), Answer(422, b"refused")


class Desk:
    """Works and writes, and notes what happened when."""

    def __init__(self, writes_that_fail: frozenset[int] = frozenset()) -> None:
        self.events: list[str] = []
        self.now = 0.0
        self._failing = writes_that_fail
        self._n_writes = 0

    def work(
        self, name: int, answer: Answer = WELL, *, seconds: float = 0.0
    ) -> Callable[[], Answer]:
        def worked() -> Answer:
            self.now += seconds
            self.events.append(f"work {name}")
            return answer

        return worked

    def write(self) -> None:
        self._n_writes += 1
        is_failing = self._n_writes - 1 in self._failing
        self.events.append("failed write" if is_failing else "write")
        if is_failing:
            raise JournalError("the disk is full")

    def turns(self, waiting_max: int = 100) -> Turns:
        return Turns(
            self.write, waiting_max=waiting_max, refused=refusal_of, clock=lambda: self.now
        )


async def answered(
    desk: Desk, name: int, coming: asyncio.Future[Answer | None] | None
) -> Answer | None:
    if coming is None:
        return None
    answer = await coming
    desk.events.append(f"answer {name}")
    return answer


@settings(max_examples=60, deadline=None)
@given(
    answers=st.lists(st.sampled_from([WELL, REFUSED]), max_size=20),
    groups=st.lists(st.integers(1, 6), min_size=20, max_size=20),
    failing=st.frozensets(st.integers(0, 6)),
)
def test_requests_are_worked_in_order_and_answered_after_their_write(
    answers: list[Answer], groups: list[int], failing: frozenset[int]
) -> None:
    desk = Desk(failing)

    async def come() -> list[Answer | None]:
        turns, tasks, size = desk.turns(), [], iter(groups)
        left = 0
        for name, answer in enumerate(answers):
            if left == 0:
                left = next(size)
                await asyncio.sleep(0)
            left -= 1
            coming = turns.join(desk.work(name, answer))
            tasks.append(asyncio.ensure_future(answered(desk, name, coming)))
        return list(await asyncio.gather(*tasks))

    got = asyncio.run(come())
    events = desk.events
    worked = [event for event in events if event.startswith("work")]
    assert worked == [f"work {name}" for name in range(len(answers))]
    for name, wanted in enumerate(answers):
        after = events[events.index(f"work {name}") :]
        write = next(event for event in after if event.endswith("write"))
        assert after.index(write) < after.index(f"answer {name}")
        is_lost = wanted is WELL and write == "failed write"
        answer = got[name]
        assert answer is not None
        assert (answer.status == 503) if is_lost else (answer is wanted)


def test_those_who_come_together_share_one_write() -> None:
    desk = Desk()

    async def come() -> None:
        turns = desk.turns()
        joined = [turns.join(desk.work(name)) for name in range(50)]
        await asyncio.gather(*(held for held in joined if held is not None))

    asyncio.run(come())
    assert desk.events == [*(f"work {name}" for name in range(50)), "write"]


@pytest.mark.parametrize("waiting_max", [1, 7])
def test_who_comes_to_a_full_line_is_turned_away_at_once(waiting_max: int) -> None:
    desk = Desk()

    async def come() -> list[bool]:
        turns = desk.turns(waiting_max)
        joined = [turns.join(desk.work(name)) for name in range(waiting_max + 3)]
        await asyncio.gather(*(held for held in joined if held is not None))
        again = turns.join(desk.work(99))
        assert again is not None
        await again
        return [held is not None for held in joined]

    assert asyncio.run(come()) == [True] * waiting_max + [False] * 3


def test_a_long_line_lets_the_loop_look_up_between_turns() -> None:
    desk = Desk()
    looked: list[int] = []

    async def come() -> None:
        turns = desk.turns()
        slow = TURN_SECONDS_MAX / 2
        joined = [turns.join(desk.work(name, seconds=slow)) for name in range(12)]
        while not all(held.done() for held in joined if held is not None):
            looked.append(sum(event.startswith("work") for event in desk.events))
            await asyncio.sleep(0)

    asyncio.run(come())
    assert desk.events.count("write") >= 4
    assert len(set(looked)) >= 4


def test_whoever_waited_too_long_is_turned_away_and_the_line_goes_on() -> None:
    desk = Desk()

    async def come() -> list[Answer | None]:
        turns = desk.turns()
        slow = turns.join(desk.work(0, seconds=WAIT_SECONDS_MAX * 1.01))
        joined = [slow, *(turns.join(desk.work(name)) for name in (1, 2))]
        await asyncio.sleep(0)
        joined.append(turns.join(desk.work(3)))
        return list(await asyncio.gather(*(held for held in joined if held is not None)))

    assert asyncio.run(come()) == [WELL, None, None, WELL]
    assert desk.events == ["work 0", "write", "work 3", "write"]


def test_whoever_left_is_not_worked_for() -> None:
    desk = Desk()

    async def come() -> None:
        turns = desk.turns()
        gone, stayed = turns.join(desk.work(0)), turns.join(desk.work(1))
        assert gone is not None
        assert stayed is not None
        gone.cancel()
        await stayed

    asyncio.run(come())
    assert desk.events == ["work 1", "write"]


def test_an_error_of_the_program_does_not_leave_anybody_waiting() -> None:
    def broken() -> None:
        raise RuntimeError

    async def come() -> None:
        turns = Turns(broken, waiting_max=9, refused=refusal_of)
        joined = turns.join(partial(Answer, 200, b""))
        assert joined is not None
        with pytest.raises(RuntimeError):
            await asyncio.wait_for(joined, 5)

    asyncio.run(come())
