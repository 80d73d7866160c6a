"""The real server as a process of its own, and streams of orders to send to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest

from service import examples

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "models" / "current"
FIRST_ORDER_AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass
class Service:
    """A running ``python -m service``."""

    process: subprocess.Popen[str]
    url: str
    greeting: str
    data_dir: Path

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30, trust_env=False)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def environment(data_dir: Path, **settings: str) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("FRAUDKIT_")}
    return {
        **clean,
        "FRAUDKIT_BUNDLE": str(BUNDLE),
        "FRAUDKIT_DATA_DIR": str(data_dir),
        "FRAUDKIT_PORT": "0",
        "FRAUDKIT_DEADLINE_MS": "60000",  # a busy machine must not change a decision
        **settings,
    }


@contextmanager
def running(data_dir: Path, **settings: str) -> Iterator[Service]:
    log_path = data_dir.with_suffix(".log")
    with log_path.open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "service"],
            cwd=ROOT,
            env=environment(data_dir, **settings),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    greeting = ""
    try:
        while "curl -sS" not in greeting:
            line = process.stdout.readline()
            assert line, f"the service did not start: {log_path.read_text()}"
            greeting += line
        url = greeting.split("curl -sS ")[1].split("/v1/score")[0]
        yield Service(process, url, greeting, data_dir)
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture(scope="session")
def start_service() -> Callable[..., Any]:
    return running


@pytest.fixture(scope="session")
def service_environment() -> Callable[..., dict[str, str]]:
    return environment


@pytest.fixture(scope="session")
def bundle() -> Path:
    return BUNDLE


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("service") / "data") as started:
        yield started


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    with service.client() as opened:
        yield opened


def orders_of(seed: int, count: int, *, first: int = 0) -> list[dict[str, Any]]:
    """Return orders a minute apart, from few customers, so that every window fills."""
    generator = np.random.default_rng((seed, first))
    return [_order(generator, first + number) for number in range(count)]


def _order(generator: np.random.Generator, number: int) -> dict[str, Any]:
    customer, card, device = (int(drawn) for drawn in generator.integers(0, [12, 15, 9]))
    made_at = FIRST_ORDER_AT + timedelta(minutes=number, milliseconds=int(generator.integers(999)))
    payment = examples.ORDER["payment"]
    return {
        **examples.ORDER,
        "transaction_id": f"order-{number}",
        "event_time": made_at.isoformat(timespec="milliseconds"),
        "account": {**examples.ORDER["account"], "user_id": f"customer-{customer}"},
        "email": {"address": f"customer-{customer}@example.com"},
        "payment": {**payment, "card": {**payment["card"], "fingerprint": f"card-{card}"}},
        "order": {"amount_minor": int(generator.integers(500, 90_000)), "currency": "EUR"},
        "device": {
            "fingerprint": f"device-{device}",
            "ip_address": f"192.0.2.{device}",
        },
    }


def outcome_of(order: dict[str, Any], number: int) -> dict[str, Any]:
    """Return what became of an order, one minute later."""
    known_at = datetime.fromisoformat(order["event_time"]) + timedelta(minutes=1)
    kinds: list[dict[str, Any]] = [
        {"kind": "authorized"},
        {"kind": "issuer_declined", "decline": "hard", "code": "stolen_card"},
        {"kind": "chargeback", "is_fraud": True, "reason": "10.4"},
    ]
    return {
        **kinds[number % len(kinds)],
        "outcome_id": f"outcome-of-{order['transaction_id']}",
        "transaction_id": order["transaction_id"],
        "occurred_at": known_at.isoformat(),
        "available_at": known_at.isoformat(),
    }


@pytest.fixture(scope="session")
def make_orders() -> Callable[..., list[dict[str, Any]]]:
    return orders_of


@pytest.fixture(scope="session")
def make_stream() -> Callable[..., list[tuple[str, bytes]]]:
    """Orders and, after each third, an outcome of an earlier one: ``(path, body)``."""

    def stream(seed: int, count: int, *, first: int = 0) -> list[tuple[str, bytes]]:
        requests: list[tuple[str, bytes]] = []
        orders = orders_of(seed, count, first=first)
        for number, order in enumerate(orders):
            requests.append(("/v1/score", msgspec.json.encode(order)))
            if number % 3 == 2:
                outcome = outcome_of(orders[number - 2], number // 3)
                requests.append(("/v1/outcomes", msgspec.json.encode(outcome)))
        return requests

    return stream
