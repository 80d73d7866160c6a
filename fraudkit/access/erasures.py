"""Erasing a customer, with its rows in the audit log.

Invariant: no erasure is without its row, and no row holds an identifier or a hash of the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from fraudkit.access.audit import AuditRow, append_audit
from fraudkit.erasure import Erased, Erasure

__all__ = ["erase_customer"]


def erase_customer(
    erasure: Erasure,
    entity: str,
    parts: Sequence[str],
    *,
    audit: Path,
    by: str,
    now_ms: Callable[[], int],
) -> Erased:
    """Remove all orders of one customer; note who wanted it before, and how much it was after.

    Both rows have `Erasure.fingerprint` as their subject. Without the second one the erasure was
    cut short; do it again.

    Parameters
    ----------
    erasure : Erasure
    entity, parts
        As of `Erasure.erase`.
    audit : Path
        The audit log.
    by : str
        Who wants it.
    now_ms : callable
        The clock: UTC epoch milliseconds.

    Raises
    ------
    fraudkit.errors.InputError
        As of `Erasure.erase`; nothing is noted.
    fraudkit.errors.StoreError
        If the journal, the windows' store or the log cannot serve.
    """
    subject = erasure.fingerprint(entity, parts)
    begun = AuditRow(
        at_ms=now_ms(), action="erasures.begin", by=by, subject=subject, details={"entity": entity}
    )
    append_audit(audit, begun)
    erased = erasure.erase(entity, parts)
    details = {"entity": entity, "orders": erased.orders, "outcomes": erased.outcomes}
    ended = AuditRow(at_ms=now_ms(), action="erasures.end", by=by, subject=subject, details=details)
    append_audit(audit, ended)
    return erased
