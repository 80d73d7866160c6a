"""``python -m benchmarks.http``: what the service answers in a second, and against what.

``POST /v1/score`` of ``python -m service`` with the default catalogue, 300 trees of 63 leaves, a
policy, reasons and its journal, against `benchmarks.bare_app`, which only decodes the same orders
and encodes a small answer, and against the servers that ``make bench-peers`` installed, which run
the same trees on rows that they are given. Each has one core and one worker, the driver has
another core, and all are driven in turn at 1, 8 and 64 connections.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from rich.table import Table

from benchmarks.cores import LOAD_CORE, SERVER_CORE
from benchmarks.drivers import Orders, driver_name, write_tails
from benchmarks.harness import ROOT, Report, context, options, print_report
from benchmarks.made_up_orders import N_LEAVES, N_TREES
from benchmarks.model import promised_model
from benchmarks.peer_servers import running_peers
from benchmarks.servers import bare_asgi, our_service
from benchmarks.soak import soak, warm_up_seconds
from benchmarks.targets import CONNECTIONS, LATENCIES, Target, ratios
from fraudkit.errors import JournalError
from fraudkit.journal.record import DecisionRecord
from fraudkit.journal.sqlite import SqliteJournal
from fraudkit.simulate import simulate

__all__ = ["main", "measure"]

DISTINCT_ORDERS: Final = 4_000
"""Simulated orders that are sent in turn, each time with a new id and a later time."""

CAVEATS: Final = (
    "Each connection waits for its answer, so latency is that of a server that is kept busy.",
    "wrk adds the latencies of orders that it would have sent while it waited for a slow answer.",
    "The servers are driven in turn and share their core; those that are not driven idle.",
    "Ours has every order in its journal when it answers; no other server keeps anything.",
    "An order in the journal survives kill -9; the newest may be lost in a power cut.",
    "The peers are given their feature rows; a missing value is 0 there, as JSON has no NaN.",
    "Before it was driven, each peer gave the model's probability for the first rows.",
    "Without wrk an asyncio driver is used, which is slower than a bare server: see `driver`.",
    "The trees are fitted to a simulated shop with noise: good for timing only.",
)

_PEER_ENVIRONMENTS: Final = ROOT / "build" / "peers"
_ROUNDS: Final = 2
_WARM_UP_SECONDS_MAX: Final = 3
_WARM_UP_CONNECTIONS: Final = 8
_SOAK_LOAD_SHARE: Final = 0.5
_ORDERS_A_SECOND_MAX: Final = 20_000
_SPAN: Final = timedelta(days=300)  # the simulated shop's clock stays behind the real one
_STEP_SECONDS_MAX: Final = 300
_JOURNAL: Final = "journal.sqlite3"
_TITLES: Final = {
    "ours": "ours: /v1/score",
    "bare_asgi": "bare ASGI",
    "plain_fastapi": "FastAPI, pydantic, LightGBM",
    "mlserver": "MLServer",
    "bentoml": "BentoML",
    "litserve": "LitServe",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark from the command line."""
    parser = options("What the service answers in a second.")
    parser.add_argument(
        "--seconds", type=int, default=10, help="driven so long at each number of connections"
    )
    parser.add_argument(
        "--soak", type=int, default=0, help="seconds at half load to see memory grow; 0: not"
    )
    parser.add_argument(
        "--peers", type=Path, default=_PEER_ENVIRONMENTS, help="folder of the peers' environments"
    )
    parser.add_argument("--trees", type=int, default=N_TREES, help="fewer: for tests, not figures")
    given = parser.parse_args(arguments)
    for name, value, least in (
        ("seconds", given.seconds, 1),
        ("soak", given.soak, 0),
        ("trees", given.trees, 1),
    ):
        if value < least:
            parser.error(f"--{name} must be at least {least}, got {value}")
    report = measure(
        given.seconds,
        given.seed,
        soak_seconds=given.soak,
        environments=given.peers,
        n_trees=given.trees,
    )
    print_report(report, [_table(report)], _caveats(report.context), as_json=given.json)
    return 0


def measure(
    seconds: int,
    seed: int,
    *,
    soak_seconds: int = 0,
    environments: Path = _PEER_ENVIRONMENTS,
    n_trees: int = N_TREES,
) -> Report:
    """Return the figures of driving each server.

    Parameters
    ----------
    seconds : int
        How long, at each number of connections.
    seed : int
        Of the simulated orders.
    soak_seconds : int
        How long ours is then driven at half of the most that it answered; 0: not at all.
    environments : Path
        The folder of the peers' environments.
    n_trees : int
        Of the model.

    Raises
    ------
    fraudkit.errors.StoreError
        If a server of ours does not start, or any server does not answer well.
    fraudkit.errors.JournalError
        If an order was answered that the journal does not hold.
    """
    with TemporaryDirectory() as held:
        folder = Path(held)
        model = promised_model(folder / "model", n_trees=n_trees)
        orders = _orders(folder / "orders", seconds, soak_seconds, seed)
        (folder / "peers").mkdir()
        with (
            our_service(model.bundle, folder / "data") as service,
            bare_asgi() as bare,
            running_peers(environments, model, orders, folder / "peers") as peers,
        ):
            ours = Target("ours", service.url, orders)
            others = [Target(name, url, sent) for name, (url, sent) in peers.sent.items()]
            targets = [ours, Target("bare_asgi", bare.url, orders), *others]
            _drive_in_turn(targets, seconds)
            figures = {
                name: value for target in targets for name, value in target.figures().items()
            }
            figures |= ratios(figures)
            if soak_seconds:
                figures |= _soaked(ours, service.process_id, soak_seconds, figures)
        _check_journal(folder / "data" / _JOURNAL, ours.answered)
    figures["errors"] = float(sum(target.failed for target in targets))
    return Report(
        benchmark="http",
        figures=figures,
        context=context(
            n=ours.counted,
            seed=seed,
            packages="fraudkit fastapi starlette uvicorn uvloop httptools msgspec numba".split(),
            driver=driver_name(),
            connections=CONNECTIONS,
            seconds=seconds,
            soak_seconds=soak_seconds,
            distinct_orders=DISTINCT_ORDERS,
            trees=n_trees,
            leaves=N_LEAVES,
            features=model.rows.shape[1],
            server_core=SERVER_CORE,
            load_core=LOAD_CORE,
            peer_versions=peers.versions,
            left_out=peers.left_out,
        ),
    )


def _drive_in_turn(targets: Sequence[Target], seconds: int) -> None:
    rounds = min(_ROUNDS, seconds)
    for target in targets:
        target.drive(min(_WARM_UP_SECONDS_MAX, seconds), _WARM_UP_CONNECTIONS, is_counted=False)
    for connections in CONNECTIONS:
        for _ in range(rounds):
            for target in targets:
                target.drive(seconds // rounds, connections)


def _soaked(
    ours: Target, process_id: int, seconds: int, figures: dict[str, float]
) -> dict[str, float]:
    most = max(figures[f"ours_rps_c{connections}"] for connections in CONNECTIONS)
    soaked = soak(ours, process_id, seconds, _SOAK_LOAD_SHARE * most)
    return {"soak_rps": soaked.rps, "memory_growth_mb": soaked.memory_growth_mb}


def _orders(tails: Path, seconds: int, soak_seconds: int, seed: int) -> Orders:
    transactions = simulate(DISTINCT_ORDERS, seed).transactions
    write_tails(tails, transactions)
    driven_s = _WARM_UP_SECONDS_MAX + len(CONNECTIONS) * seconds
    if soak_seconds:
        driven_s += soak_seconds + warm_up_seconds(soak_seconds)
    orders_most = _ORDERS_A_SECOND_MAX * driven_s
    return Orders(
        tails=tails,
        prefix="b",
        first_at=transactions[-1].event_time.astimezone(UTC),
        step_s=max(1, min(_STEP_SECONDS_MAX, int(_SPAN.total_seconds()) // orders_most)),
    )


def _check_journal(path: Path, answered: int) -> None:
    """Hold that every answered request was decided by itself and is in the journal."""
    with SqliteJournal.open_readonly(path) as journal:
        held = sum(isinstance(record, DecisionRecord) for record in journal.records())
    if held < answered:
        raise JournalError(
            f"The service's journal must hold every order it answered. Got {held} decisions for "
            f"{answered} answers; the figures are not of scoring"
        )


def _caveats(told: dict[str, Any]) -> list[str]:
    caveats = list(CAVEATS)
    if told["server_core"] is None:
        caveats.append("Driver and servers take time from each other: there is one core for both.")
    else:
        caveats.append(f"Servers on core {told['server_core']}, driver on {told['load_core']}.")
    return [*caveats, *(f"Left out: {name}, {why}" for name, why in told["left_out"].items())]


def _table(report: Report) -> Table:
    figures, told = report.figures, report.context
    table = Table(
        "connections",
        "",
        "requests/s",
        *(f"{suffix} ms" for suffix in LATENCIES),
        title=f"{told['trees']} trees x {told['leaves']} leaves, {told['features']} features, "
        f"{told['driver']}, {told['seconds']} s each",
        caption=_caption(figures),
    )
    for connections in CONNECTIONS:
        for name, title in _TITLES.items():
            if f"{name}_rps_c{connections}" in figures:
                latencies = (figures[f"{name}_{part}_ms_c{connections}"] for part in LATENCIES)
                rps = figures[f"{name}_rps_c{connections}"]
                table.add_row(
                    str(connections), title, f"{rps:,.0f}", *(f"{value:.2f}" for value in latencies)
                )
        table.add_section()
    return table


def _caption(figures: dict[str, float]) -> str:
    said = [f"ours answers at least {figures['ours_over_bare']:.2f} x the bare one"]
    for name, title in (
        ("ours_over_plain_fastapi", "the FastAPI route"),
        ("ours_over_fastest_model_server", "the fastest model server"),
    ):
        if name in figures:
            said.append(f"{figures[name]:.1f} x {title}")
    said.append(f"{figures['errors']:.0f} errors")
    if "memory_growth_mb" in figures:
        said.append(
            f"{figures['memory_growth_mb']:+.1f} MB at {figures['soak_rps']:,.0f} requests/s"
        )
    return "; ".join(said)


if __name__ == "__main__":
    sys.exit(main())
