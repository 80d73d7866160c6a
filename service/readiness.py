"""Whether orders can be decided, and what is wrong where they cannot."""

from __future__ import annotations

from msgspec import Struct

from fraudkit.domain.decision import Versions
from fraudkit.engine import Engine
from fraudkit.errors import JournalError
from fraudkit.journal.record import Journal
from service.metrics import StoreWatch

__all__ = ["Ready", "readiness"]


class Ready(Struct, frozen=True, kw_only=True):
    """Whether orders can be decided.

    Attributes
    ----------
    ready : bool
        Whether orders are decided and kept. A store or a journal that cannot be reached does not
        count: orders are decided without the one, as degraded, and kept beside the other, until
        nothing can keep them.
    bundle_loaded, windows_rebuilt : bool
        The bundle passed its checks; the journal was replayed into the windows.
    journal_writable : bool or None
        An append would reach the journal now; ``None`` where there is no journal.
    store_reachable : bool
        The windows' store answered, within the last five seconds.
    problems : dict of str to str
        What to put right, by the name of the field above that does not hold.
    keys_problem : str or None
        Why the key file cannot be read; the keys that were loaded before go on, so orders can
        be decided nonetheless.
    bundle_problem : str | None
        Why the bundle that was put in force on the disk is not taken; the one before goes on.
    versions : Versions
        What decides.
    """

    ready: bool
    bundle_loaded: bool
    windows_rebuilt: bool
    journal_writable: bool | None
    store_reachable: bool
    problems: dict[str, str]
    keys_problem: str | None
    bundle_problem: str | None
    versions: Versions


def readiness(
    engine: Engine,
    journal: Journal | None,
    store: StoreWatch,
    *,
    keys_problem: str | None = None,
    bundle_problem: str | None = None,
) -> Ready:
    """Return the body of ``GET /readyz``.

    There is no engine before its bundle is loaded and its windows are rebuilt, so those hold
    whenever this is asked.
    """
    problems = {}
    try:
        if journal is not None:
            journal.check_writable()
    except JournalError as error:
        problems["journal_writable"] = str(error)
    is_writable = "journal_writable" not in problems
    is_reachable = store.counters() is not None
    if not is_reachable:
        problems["store_reachable"] = str(store.problem)
    return Ready(
        ready=is_writable or (journal is not None and journal.is_away),
        bundle_loaded=True,
        windows_rebuilt=True,
        journal_writable=None if journal is None else is_writable,
        store_reachable=is_reachable,
        problems=problems,
        keys_problem=keys_problem,
        bundle_problem=bundle_problem,
        versions=engine.versions,
    )
