"""The stages of the requests that are looked at, and of no other."""

from __future__ import annotations

from functools import partial

import pytest

from fraudkit.errors import JournalError
from service.refusals import Answer
from service.stages import OBSERVATION, STAGES, Observation, Stages, watched

ANSWER = Answer(200, b"{}")


def order(stages: Stages) -> Answer:
    stages.of("decode", len)(b"{}")
    return stages.of("decide", lambda: ANSWER)()


def names(observation: Observation) -> list[str]:
    return [stage.name for stage in observation.stages]


def test_the_stages_of_a_watched_request_follow_each_other() -> None:
    stages = Stages()
    observation = Observation(stages)
    work = watched({OBSERVATION: observation}, partial(order, stages))
    assert work() == ANSWER
    stages.written_by(lambda: None)()
    assert names(observation) == list(STAGES)
    times = [(stage.start_ns, stage.end_ns) for stage in observation.stages]
    assert all(start <= end for start, end in times)
    assert times == sorted(times)
    assert times[0][1] <= times[1][0]


def test_a_request_that_is_not_watched_leaves_no_trace() -> None:
    stages = Stages()
    watched_one = Observation(stages)
    before = watched({OBSERVATION: watched_one}, lambda: ANSWER)
    unwatched = partial(order, stages)
    assert watched({}, unwatched) is unwatched
    before()
    unwatched()
    assert names(watched_one) == ["wait"]


def test_all_that_were_decided_before_a_write_waited_for_it_and_none_after() -> None:
    stages = Stages()
    written: list[int] = []
    write = stages.written_by(lambda: written.append(1))
    first, second, third = (Observation(stages) for _ in range(3))
    for observation in (first, second):
        stages.run(observation, lambda: ANSWER)
    write()
    stages.run(third, lambda: ANSWER)
    assert [names(held) for held in (first, second, third)] == [["journal"], ["journal"], []]
    write()
    write()
    assert names(third) == ["journal"]
    assert len(written) == 3


def test_a_stage_that_fails_has_its_time_too() -> None:
    stages = Stages()
    observation = Observation(stages)

    def fails() -> None:
        raise JournalError("full")

    with pytest.raises(JournalError):
        stages.run(observation, stages.of("decide", fails))
    with pytest.raises(JournalError):
        stages.written_by(fails)()
    assert names(observation) == ["decide", "journal"]
    stages.of("decode", len)(b"")
    assert names(observation) == ["decide", "journal"]


def test_durations_are_counted_in_seconds() -> None:
    stages = Stages()
    observation = Observation(stages)
    stages.run(observation, partial(order, stages))
    stages.count(observation.stages)
    took_ns = sum(stage.end_ns - stage.start_ns for stage in observation.stages)
    held = sum(histogram.sum_s for histogram in stages.durations.values())
    assert held == pytest.approx(took_ns / 1e9, rel=1e-9)
    assert stages.durations["wait"].is_empty
    assert not stages.durations["decode"].is_empty
