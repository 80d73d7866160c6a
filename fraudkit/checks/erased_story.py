"""The stream of an event that is erased; see `fraudkit.checks.stories`."""

from __future__ import annotations

from fraudkit.checks.scene import Scene
from fraudkit.checks.steps import Step
from fraudkit.domain.outcome import Status

__all__ = ["erased"]


def erased(scene: Scene) -> list[Step]:
    """Tell of events that are erased, known of or not yet come, and come again."""
    first, second, known, asked = scene.times(4)
    event, other, to_come = scene.event(first), scene.event(second), scene.event(second)
    read = Step("read", (scene.event(asked),))
    told = [
        Step("record", event_id=about.event_id, status=Status.FRAUD, known_at_ms=known)
        for about in (event, other, to_come)
    ]
    return [
        Step("append", (event,)),
        Step("append", (other,)),
        *told,
        read,
        Step("erase", (event,)),
        Step("erase", (to_come,)),
        read,
        Step("erase", (event,)),
        Step("append", (event,)),
        Step("append", (to_come,)),
        read,
        Step("erase", (other,)),
        read,
    ]
