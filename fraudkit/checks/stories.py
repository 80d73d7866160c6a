"""Streams that each bring one clause of the contract to the point.

A story takes a `fraudkit.checks.scene.Scene` and returns steps; only its own clause can make a
store fail that holds those told before it. Times lie off the windows' edges where edges are not
the point.
"""

from __future__ import annotations

from typing import Final, Literal

from fraudkit.checks.contract import Event
from fraudkit.checks.scene import DAY_MS, HOUR_MS, MINUTE_MS, WIDTHS_MS, Scene
from fraudkit.checks.steps import Step
from fraudkit.domain.outcome import Status
from fraudkit.features.window_arrays import NO_AMOUNT, NO_KEY

__all__ = [
    "at_the_edges",
    "counted",
    "delivered_in_any_order",
    "exchanged",
    "forgotten",
    "hot_key",
    "late",
    "loaded",
    "many",
    "mixed",
    "old",
    "only_read",
    "outcome_first",
    "own_past",
    "plenty",
    "plenty_waiting",
    "repeated_with_an_outcome",
    "reported_twice",
    "reported_with_a_time",
    "restarted",
    "same_hashes",
    "tied_in_event_time",
    "tied_in_receipt",
    "too_late",
    "twice",
    "without_keys",
]

_STATUSES: Final = (Status.FRAUD, Status.DECLINED_SOFT)
_Call = Literal["append", "exchange", "exchange_at_once", "read"]


def _calls(call: _Call, *events: Event) -> list[Step]:
    return [Step(call, (event,)) for event in events]


def _record(event: Event, status: Status, known_at_ms: int) -> Step:
    return Step("record", event_id=event.event_id, status=status, known_at_ms=known_at_ms)


def twice(scene: Scene) -> list[Step]:
    """Tell of one event that is delivered again, as it was and with a change."""
    first, again, asked = scene.times(3)
    event = scene.event(first)
    other = scene.event(again, event_id=event.event_id, card=scene.hash())
    reads = _calls("read", scene.event(asked), scene.event(asked, card=other.hashes[0]))
    return [*_calls("append", event), *reads, *_calls("append", event, other), *reads]


def many(scene: Scene) -> list[Step]:
    """Tell of many events of a few keys."""
    cards = [scene.hash() for _ in range(3)]
    *times, asked = scene.times(26)
    events = [scene.event(time, card=cards[scene.up_to(2)]) for time in times]
    return [
        *_calls("append", *events),
        *_calls("read", *[scene.event(asked, card=card) for card in cards]),
    ]


def plenty(scene: Scene) -> list[Step]:
    """Tell of more events of a card than its windows look at, and of many others."""
    times = scene.times(1_400)
    cards = [scene.card if place % 7 else scene.hash() for place in range(len(times))]
    rows = [scene.event(time, card=card) for time, card in zip(times, cards, strict=True)]
    asked = scene.later(times[-1])
    reads = _calls("read", scene.event(asked), scene.event(asked, card=cards[0]))
    return [Step("load", tuple(rows)), *reads, Step("counters")]


def plenty_waiting(scene: Scene) -> list[Step]:
    """Tell of many outcomes that come before their events."""
    *times, known, asked = scene.times(62)
    events = [scene.event(time) for time in times]
    return [
        *[_record(event, Status.FRAUD, known) for event in events],
        *_calls("append", *events),
        *_calls("read", scene.event(asked)),
    ]


def repeated_with_an_outcome(scene: Scene) -> list[Step]:
    """Tell of an event that comes again with what it did not bring at first."""
    first, known, asked = scene.times(3)
    event = scene.event(first)
    again = event._replace(known=((Status.FRAUD, known),))
    return [*_calls("append", event, again), *_calls("read", scene.event(asked))]


def own_past(scene: Scene) -> list[Step]:
    """Tell of an order that is asked about again after it was taken in."""
    first, second, asked = scene.times(3)
    event = scene.event(second)
    again = event._replace(event_time_ms=asked, available_at_ms=asked)
    return [
        *_calls("append", scene.event(first)),
        *_calls("exchange", event),
        *_calls("read", event, again),
    ]


def tied_in_event_time(scene: Scene) -> list[Step]:
    """Tell of events of the same millisecond."""
    first, tied = scene.times(2)
    events = [scene.event(tied, available_at_ms=tied + place) for place in range(3)]
    after = [scene.event(tied, available_at_ms=tied + HOUR_MS) for _ in range(2)]
    return [
        *_calls("append", scene.event(first), *events),
        *_calls("read", after[0]),
        *_calls("append", after[1]),
        *_calls("read", after[0], *events),
    ]


def tied_in_receipt(scene: Scene) -> list[Step]:
    """Tell of an event received in the millisecond in which it is asked about."""
    first, asked = scene.times(2)
    event = scene.event(first, available_at_ms=asked)
    return [
        *_calls("append", event),
        *_calls("read", *[scene.event(asked, available_at_ms=asked + d) for d in (-1, 0, 1)]),
    ]


def at_the_edges(scene: Scene) -> list[Step]:
    """Tell of events a millisecond on either side of every edge."""
    asked = scene.start_ms + WIDTHS_MS[-1]
    ages = [1, *(width + beside for width in WIDTHS_MS for beside in (-1, 0, 1))]
    events = [scene.event(asked - age, available_at_ms=asked) for age in sorted(ages)[::-1]]
    received = asked + 2
    return [
        *_calls("append", *events),
        *_calls("read", scene.event(asked, available_at_ms=received)),
        *_calls("read", scene.event(asked + 1, available_at_ms=received)),
    ]


def late(scene: Scene) -> list[Step]:
    """Tell of events that come after newer ones, and of questions in between."""
    times = scene.times(8)
    newest = times[-1]
    received = newest + DAY_MS
    order = [*times[::2], *times[1::2]]
    taken = [t for t in order if t >= newest - scene.allowed_lateness_ms]
    events = [scene.event(time, available_at_ms=max(time, times[-2])) for time in taken]
    asked = [newest, newest + 1, newest + MINUTE_MS // 2]
    asked += [t + 1 for t in taken if t + 1 >= newest - scene.allowed_lateness_ms]
    return [
        *_calls("append", *events),
        *_calls("read", *[scene.event(t, available_at_ms=received) for t in asked]),
    ]


def too_late(scene: Scene) -> list[Step]:
    """Tell of events at the allowed lateness and a millisecond beyond it."""
    newest = scene.start_ms + scene.allowed_lateness_ms
    asked = scene.event(newest + 1, available_at_ms=newest + 2)
    events = [
        scene.event(scene.start_ms + age, available_at_ms=newest) for age in (-1, 0, -HOUR_MS)
    ]
    return [
        *_calls("append", scene.event(newest)),
        *_calls("append", *events),
        Step("counters"),
        *_calls("read", asked),
    ]


def old(scene: Scene) -> list[Step]:
    """Tell of an event as old as the past reaches, for an order as late as may be."""
    asked = scene.start_ms + WIDTHS_MS[-1]
    newest = asked + scene.allowed_lateness_ms
    times = [scene.start_ms, scene.start_ms + DAY_MS, newest]
    return [
        *_calls("append", *[scene.event(time) for time in times]),
        *_calls("read", scene.event(asked, available_at_ms=newest + 1)),
    ]


def hot_key(scene: Scene) -> list[Step]:
    """Tell of a key with more events than a window looks at, two of them late."""
    *times, asked = scene.times(9)
    oldest_ms = times[-1] - scene.allowed_lateness_ms
    late_ms = [max(times[place] + 1, oldest_ms) for place in (-2, 1)]
    late_events = [scene.event(time, available_at_ms=times[-1]) for time in late_ms]
    events = [scene.event(time, amount=10**place) for place, time in enumerate(times)]
    reads = _calls("read", scene.event(asked), scene.event(asked + MINUTE_MS))
    return [*_calls("append", *events), *reads, *_calls("append", *late_events), *reads]


def only_read(scene: Scene) -> list[Step]:
    """Tell of questions about what was never seen, and of their ids coming later."""
    first, asked, after = scene.times(3)
    queries = [
        scene.event(asked),
        scene.event(asked, card=scene.hash(), email=scene.hash()),
        scene.event(asked + 400 * DAY_MS),
    ]
    return [
        *_calls("append", scene.event(first)),
        *_calls("read", *queries, *queries),
        *_calls("append", queries[0]),
        *_calls("read", scene.event(after)),
        Step("counters"),
    ]


def reported_with_a_time(scene: Scene) -> list[Step]:
    """Tell of an outcome before, in and after the millisecond in which it was known."""
    first, second, known = scene.times(3)
    events = [scene.event(first), scene.event(second)]
    asked = [scene.event(known, available_at_ms=known + beside) for beside in (-1, 0, 1)]
    return [
        *_calls("append", *events),
        _record(events[0], _STATUSES[scene.up_to(1)], known),
        *_calls("read", *asked),
    ]


def reported_twice(scene: Scene) -> list[Step]:
    """Tell of an outcome that is reported with a later and an earlier time."""
    first, early, middle, last, asked = scene.times(5)
    event = scene.event(first)
    reads = _calls("read", *[scene.event(asked, available_at_ms=t + 1) for t in (early, middle)])
    told = [[early, middle, last], [last, middle, early]][scene.up_to(1)]
    return [
        *_calls("append", event),
        *[step for time in told for step in (_record(event, Status.FRAUD, time), *reads)],
    ]


def outcome_first(scene: Scene) -> list[Step]:
    """Tell of outcomes that come before their event."""
    first, known, asked = scene.times(3)
    event = scene.event(first, known=((Status.FRAUD, known + 1),))
    return [
        _record(event, Status.FRAUD, known),
        _record(event, Status.FRAUD, known + 2),
        _record(event, Status.DECLINED_SOFT, asked + 1),
        *_calls("append", event),
        *_calls("read", *[scene.event(asked, available_at_ms=known + d) for d in (0, 1)]),
        *_calls("read", scene.event(asked, available_at_ms=asked + 2)),
    ]


def exchanged(scene: Scene) -> list[Step]:
    """Tell of reading and appending in one call, once without waiting, and once twice."""
    *times, asked = scene.times(6)
    first, *events = [scene.event(time) for time in times]
    calls = _calls("exchange", *events, events[scene.up_to(3)])
    return [*_calls("exchange_at_once", first), *calls, *_calls("read", scene.event(asked))]


def loaded(scene: Scene) -> list[Step]:
    """Tell of a bulk load with repeats, late and too late events and known outcomes."""
    *times, asked = scene.times(12)
    events = [scene.event(t, known=((Status.FRAUD, asked + scene.up_to(2)),)) for t in times]
    scene.rng.shuffle(events)
    oldest = scene.event(min(times) - scene.allowed_lateness_ms - DAY_MS)
    rows = (*events[:8], events[0], *events[8:], oldest, events[5])
    reads = _calls("read", scene.event(asked, available_at_ms=asked + 1))
    return [
        *_calls("append", scene.event(times[0])),
        Step("load", ()),
        Step("load", rows),
        *reads,
        *_calls("append", events[3]),
        Step("load", rows[:2]),
        *reads,
    ]


def forgotten(scene: Scene) -> list[Step]:
    """Tell of an event that is taken out, and comes again."""
    first, second, known, asked = scene.times(4)
    event, other = scene.event(first), scene.event(second)
    reads = _calls("read", scene.event(asked))
    told = [*_calls("append", event, other), _record(event, Status.FRAUD, known), *reads]
    again = [*_calls("append", event), *reads]
    forget = Step("forget", event_id=event.event_id)
    unsay = forget._replace(status=Status.FRAUD, known_at_ms=known)
    return [*told, forget, *reads, forget, *again, unsay, *again]


def delivered_in_any_order(scene: Scene) -> list[Step]:
    """Tell of events that come in some order or another."""
    span_ms = min(scene.allowed_lateness_ms, HOUR_MS)
    times = [scene.start_ms + scene.up_to(span_ms) for _ in range(6)]
    received = scene.start_ms + span_ms
    asked = scene.event(received + 1, available_at_ms=received + 1)
    events = [scene.event(time, available_at_ms=received) for time in times]
    return [*_calls("append", *events), *_calls("read", asked)]


def without_keys(scene: Scene) -> list[Step]:
    """Tell of events and questions without a key or an amount."""
    first, second, asked = scene.times(3)
    return [
        *_calls("append", scene.event(first, card=NO_KEY), scene.event(second, amount=NO_AMOUNT)),
        *_calls("read", scene.event(asked, card=NO_KEY), scene.event(asked)),
        *_calls("read", scene.event(asked, card=NO_KEY, email=NO_KEY)),
        *_calls("read", scene.event(asked, card=scene.hash(), amount=NO_AMOUNT)),
    ]


def same_hashes(scene: Scene) -> list[Step]:
    """Tell of a card and an e-mail address that happen to have the same hash."""
    first, second, asked = scene.times(3)
    shared = scene.hash()
    return [
        *_calls("append", scene.event(first, card=shared), scene.event(second, email=shared)),
        *_calls("read", scene.event(asked, card=shared), scene.event(asked, email=shared)),
        *_calls("read", scene.event(asked, card=shared, email=shared)),
    ]


def counted(scene: Scene) -> list[Step]:
    """Tell of everything that a store counts."""
    first, second, third = scene.times(3)
    events = [scene.event(time) for time in (first, second)]
    return [
        Step("counters"),
        *_calls("append", *events, events[0]),
        Step("counters"),
        *_calls("append", scene.event(first - scene.allowed_lateness_ms - DAY_MS)),
        _record(scene.event(third), Status.FRAUD, third),
        Step("counters"),
        Step("forget", event_id=events[1].event_id),
        Step("counters"),
    ]


def restarted(scene: Scene) -> list[Step]:
    """Tell of a store that is closed and opened again."""
    first, second, asked = scene.times(3)
    event, unseen = scene.event(first), scene.event(second)
    return [
        *_calls("append", event),
        _record(event, Status.FRAUD, second),
        _record(unseen, Status.FRAUD, second),
        Step("reopen"),
        *_calls("append", scene.event(first - scene.allowed_lateness_ms - DAY_MS)),
        *_calls("append", event, unseen),
        *_calls("read", scene.event(asked)),
    ]


def mixed(scene: Scene) -> list[Step]:
    """Tell of everything at once, at times around the windows' edges."""
    cast = [scene.hash() for _ in range(2)]
    now_ms = newest_ms = scene.start_ms
    steps: list[Step] = []
    seen: list[Event] = []
    for _ in range(30):
        now_ms += int(scene.rng.choice((0, 0, 1, 2_000, MINUTE_MS - 1, MINUTE_MS, HOUR_MS)))
        time_ms = now_ms - int(scene.rng.choice((0, 0, 0, 1, MINUTE_MS)))
        time_ms = max(time_ms, newest_ms - scene.allowed_lateness_ms)
        event = scene.event(
            time_ms,
            available_at_ms=now_ms + scene.up_to(1),
            card=[*cast, NO_KEY][scene.up_to(2)],
            email=cast[scene.up_to(1)],
            amount=[0, 5, 100, 2**50, NO_AMOUNT][scene.up_to(4)],
        )
        event = event._replace(hashes=(*event.hashes[:2], cast[scene.up_to(1)]))
        newest_ms = max(newest_ms, time_ms)
        call: _Call = ("read", "append", "exchange")[scene.up_to(2)]
        steps += _calls(call, event)
        if call != "read":
            seen.append(event)
        if seen and scene.up_to(2) == 0:
            told = seen[scene.up_to(len(seen) - 1)]
            status = (*_STATUSES, Status.REFUNDED)[scene.up_to(2)]
            steps += [_record(told, status, now_ms + scene.up_to(2)), *_calls("append", told)]
    return steps
