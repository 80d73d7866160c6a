"""What is refused of what came, and what was odd about it but did not stop a decision."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from fraudkit.domain.decision import InputWarning
from fraudkit.domain.transaction import epoch_ms
from fraudkit.errors import InvalidField
from fraudkit.features.online import OnlineRow
from fraudkit.features.state import Appended
from fraudkit.journal.record import OutcomeRecord
from fraudkit.past import TOO_LATE_WARNING

__all__ = ["input_warnings", "refuse_future", "refuse_other_content"]

_CLOCK_SKEW_MS_MAX: Final = 5 * 60_000


def input_warnings(found: Appended, row: OnlineRow) -> tuple[InputWarning, ...]:
    """Return what was odd, in the order in which it was found.

    Parameters
    ----------
    found : Appended
        What became of the order's event.
    row : OnlineRow
        The order's row.
    """
    warnings = []
    if found is Appended.DUPLICATE:
        warnings.append(
            InputWarning(
                code="transaction_repeated",
                pointer="/transaction_id",
                text="decided before; it counts once in the windows, as it first came",
            )
        )
    if found is Appended.TOO_LATE:
        warnings.append(
            InputWarning(
                code=TOO_LATE_WARNING,
                pointer="/event_time",
                text="older than the allowed lateness; it is decided but not remembered",
            )
        )
    if row.reference_amount_minor is None:
        warnings.append(
            InputWarning(
                code="currency_without_rate",
                pointer="/order/currency",
                text="the rate table does not list this currency; the amount is unknown",
            )
        )
    return tuple(warnings)


def refuse_future(pointer: str, moment: datetime, now_ms: int) -> None:
    """Refuse a time more than five minutes after now.

    Raises
    ------
    InvalidField
    """
    if epoch_ms(moment) > now_ms + _CLOCK_SKEW_MS_MAX:
        raise InvalidField(
            pointer,
            "a time not in the future",
            moment.isoformat(),
            "check the clock and the offset of the sender",
        )


def refuse_other_content(record: OutcomeRecord, held: OutcomeRecord | None) -> None:
    """Refuse an outcome whose id is held with other content.

    Raises
    ------
    InvalidField
    """
    if held is not None and held.outcome != record.outcome:
        raise InvalidField(
            "/outcome_id",
            "an id that no other outcome has",
            "one that was recorded with other content",
            "give each outcome an id of its own",
        )
