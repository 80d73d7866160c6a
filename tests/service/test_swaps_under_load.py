"""Bundles and policies exchanged under load: no request fails, none mixes two versions.

The orders share no identity, so what one version alone gives for each is what a new engine gives.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest
from msgspec.structs import replace

from benchmarks.soak import resident_mb
from fraudkit.domain.decoding import decode_transaction
from fraudkit.engine import Engine
from fraudkit.journal.sqlite import SqliteJournal
from fraudkit.registry import Registry
from fraudkit.scoring.bundle import load_bundle, write_bundle
from service.app import create_app
from service.settings import Settings
from tests.engine.replaced import OTHER_WINDOWS, content_of
from tests.service.asking import in_process, order_with, post

FIRST_AT = datetime(2026, 3, 2, tzinfo=UTC)
CLIENTS = 3
SWAPS = 1_000
SWAPS_BY_API = 1_000 if os.environ.get("FRAUDKIT_SLOW") == "1" else 150
GROWTH_MB_MAX = 20.0
CUT_OFFS = "[cut_offs]\nchallenge_from = 0.1\nreview_from = 0.2\ndecline_from = 0.3\n"
NAMES = ("one", "two", "one_strict", "two_strict", "other")


class Answered(NamedTuple):
    body: bytes
    status: int
    answer: bytes


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make two models with two policies each, and one with other windows."""
    folder = tmp_path_factory.mktemp("swaps") / "models"
    one, two = (content_of(OTHER_WINDOWS, seed) for seed in (3, 5))
    made = [one, two, *(replace(held, policy_text=CUT_OFFS) for held in (one, two))]
    made.append(content_of(["amount", "card_attempts_1h", "card_gap_30d"], 3))
    for name, held in zip(NAMES, made, strict=True):
        write_bundle(folder / name, held)
    Registry(folder).promote("one", now_ms=1, by="ann")
    return folder


def order(number: int) -> bytes:
    return order_with(
        transaction_id=f"t{number}",
        order_id=f"t{number}",
        event_time=(FIRST_AT + timedelta(milliseconds=number)).isoformat(timespec="milliseconds"),
        account={"user_id": f"customer-{number}"},
        email={"address": f"customer-{number}@example.com"},
        billing={"country": "DE"},
        shipping={},
        payment={"method": "card", "card": {"fingerprint": f"card-{number}"}},
        order={"amount_minor": 997 * number % 60_000, "currency": "EUR"},
        device={},
    )


def assert_each_of_one_version(answered: list[Answered], models: Path) -> set[str]:
    """Hold every answer against what its version alone gives; return the versions."""
    assert {answer.status for answer in answered} == {200}
    engines = {
        entry.version: Engine.open(models / entry.name, hash_key=b"k" * 32)
        for entry in Registry(models).entries()
    }
    found = set()
    for body, _status, answer in answered:
        version = msgspec.json.decode(answer)["versions"]["bundle"]
        expected = engines[version].score(decode_transaction(body))
        assert msgspec.json.encode(expected) == answer
        found.add(version)
    return found


def test_a_thousand_swaps_beside_requests(tmp_path: Path, models: Path) -> None:
    bundles = [load_bundle(models / name) for name in NAMES]
    answered: list[Answered] = []
    with SqliteJournal(tmp_path / "journal") as journal:
        engine = Engine.open(models / "one", journal=journal, hash_key=b"k" * 32)
        app = create_app(Settings(), engine=engine, journal=journal)
        n_swaps = 0

        def swap() -> None:
            nonlocal n_swaps
            for number in range(SWAPS):
                # The one with other windows is filled from the journal: now and then only.
                engine.replace(bundles[4 if number % 100 == 99 else number % 4])
                n_swaps += 1

        swapping = threading.Thread(target=swap)
        swapping.start()
        number = 0
        while swapping.is_alive() or number < 50:
            bodies = [order(number + place) for place in range(10)]
            number += len(bodies)
            asked = in_process(app, *(post("/v1/score", body) for body in bodies))
            answered += [
                Answered(body, answer.status_code, answer.content)
                for body, answer in zip(bodies, asked, strict=True)
            ]
        swapping.join()
    assert n_swaps == SWAPS
    found = assert_each_of_one_version(answered, models)
    assert len(found) >= 4
    actions = {msgspec.json.decode(answer.answer)["action"] for answer in answered}
    assert len(actions) >= 2


def test_swaps_by_the_interface_of_a_running_service(
    tmp_path: Path, models: Path, start_service: Callable[..., Any]
) -> None:
    answered: list[Answered] = []
    numbers = iter(range(10**9))
    is_done = threading.Event()

    def load(url: str) -> None:
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
            while not is_done.is_set():
                body = order(next(numbers))
                answer = client.post("/v1/score", content=body)
                answered.append(Answered(body, answer.status_code, answer.content))

    bundle = str(models / "current")
    with start_service(tmp_path / "data", FRAUDKIT_BUNDLE=bundle) as service:
        clients = [threading.Thread(target=load, args=(service.url,)) for _ in range(CLIENTS)]
        for thread in clients:
            thread.start()
        try:
            with service.client() as client:
                held_mb = [swapped(client, step, service.process.pid) for step in changes()]
        finally:
            is_done.set()
            for thread in clients:
                thread.join()
    assert len(assert_each_of_one_version(answered, models)) >= 4
    # After the first fifth everything has been loaded once; the rest is orders and leaks.
    growth_mb = held_mb[-1] - held_mb[len(held_mb) // 5]
    assert growth_mb < GROWTH_MB_MAX


def changes() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield what is asked for: bundles by name, policies by text, and now and then a step back."""
    for number in range(SWAPS_BY_API):
        if number % 10 == 9:
            yield "/v1/bundle/rollback", {"why": "as it was"}
        elif number % 2:
            yield "/v1/bundle/promote", {"bundle": NAMES[number % 4]}
        else:
            yield "/v1/policy/promote", {"policy": CUT_OFFS if number % 4 else f"# {number % 8}\n"}


def swapped(client: httpx.Client, step: tuple[str, dict[str, str]], process_id: int) -> float:
    """Ask for one change, see that it decides, and return the memory of the service."""
    path, said = step
    answer = client.post(path, json=said)
    assert answer.status_code == 200, answer.text
    versions = client.get("/readyz").json()["versions"]
    assert versions == answer.json()["in_force"]["versions"]
    return resident_mb(process_id)
