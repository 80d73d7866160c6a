"""What was odd about an order that did not stop its decision."""

from __future__ import annotations

from fraudkit.domain.decision import InputWarning
from fraudkit.features.online import OnlineRow
from fraudkit.features.state import Appended
from fraudkit.past import TOO_LATE_WARNING

__all__ = ["input_warnings"]


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
