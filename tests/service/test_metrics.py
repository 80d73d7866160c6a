"""What ``/metrics`` exposes: by the page, by what was sent, and for those who may read it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text_format

from fraudkit.deciding import in_time
from fraudkit.engine import Engine
from fraudkit.errors import StoreError
from fraudkit.journal.sqlite import SqliteJournal
from service import examples
from service.app import create_app
from service.metrics import METRICS, SAMPLED_1_IN, Metrics, StoreWatch
from service.routes import record, score
from service.settings import Settings
from tests.service.asking import error_of, get, in_process, order_with, post

KEY = "correct-horse-battery"
NOW_MS = 1_790_000_000_000
PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


def samples_of(text: str, parser: Any = text_format) -> dict[tuple[str, frozenset[Any]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parser(text)
        for sample in family.samples
    }


def value(samples: dict[Any, float], name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


@pytest.fixture
def app(tmp_path: Path, bundle: Path) -> Any:
    journal = SqliteJournal(tmp_path / "journal")
    engine = Engine.open(bundle, journal=journal, hash_key=b"k" * 32)
    return create_app(Settings(), engine=engine, journal=journal)


def test_what_was_sent_is_what_is_counted(
    tmp_path: Path, start_service: Callable[..., Any]
) -> None:
    outcome = msgspec.json.encode(examples.OUTCOMES["The issuer authorized it"])
    with start_service(tmp_path / "data") as service, service.client() as client:
        action = client.post("/v1/score", content=order_with()).json()["action"]
        for path, body in (
            *(("/v1/score", order_with()), ("/v1/score", b"{")),
            *(("/v1/outcomes", outcome), ("/v1/outcomes", outcome)),
        ):
            client.post(path, content=body)
        client.get("/nothing/here")
        versions = client.get("/readyz").json()["versions"]
        answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    samples = samples_of(answer.text)
    told = ("fraudkit_decisions_total", "fraudkit_decisions_by_country_total")
    assert value(samples, told[0], action=action) == 1
    assert value(samples, told[1], country="DE", action=action) == 1
    assert value(samples, "fraudkit_decisions_by_method_total", method="card", action=action) == 1
    assert value(samples, "fraudkit_outcomes_total", kind="authorized") == 1
    assert value(samples, "fraudkit_errors_total", code="malformed_json") == 1
    assert value(samples, "fraudkit_errors_total", code="not_found") == 1
    assert value(samples, "fraudkit_requests_shed_total") == 0
    count = "fraudkit_request_duration_seconds_count"
    assert value(samples, count, route="/v1/score", status="2xx") == 2
    assert value(samples, count, route="/v1/score", status="4xx") == 1
    assert value(samples, count, route="/v1/outcomes", status="2xx") == 2
    assert value(samples, count, route="other", status="4xx") == 1
    for stage in ("wait", "decode", "decide", "journal"):
        assert value(samples, "fraudkit_stage_duration_seconds_count", stage=stage) == 1
    assert value(samples, "fraudkit_store_up") == 1
    assert value(samples, "fraudkit_store_events") == 1
    assert value(samples, "fraudkit_journal_lag_records") == 0
    [info] = [dict(labels) for name, labels in samples if name == "fraudkit_build_info"]
    assert info.pop("version")
    assert info == versions


def test_one_order_in_sixteen_has_its_stages_timed(app: Any) -> None:
    orders = [
        post("/v1/score", order_with(transaction_id=f"t-{number}"))
        for number in range(SAMPLED_1_IN * 2 + 1)
    ]
    samples = samples_of(in_process(app, *orders, get("/metrics"))[-1].text)
    assert value(samples, "fraudkit_stage_duration_seconds_count", stage="decide") == 3
    whole = value(samples, "fraudkit_request_duration_seconds_sum", route="/v1/score", status="2xx")
    stages = sum(
        value(samples, "fraudkit_stage_duration_seconds_sum", stage=stage)
        for stage in ("wait", "decode", "decide", "journal")
    )
    assert 0 < stages < whole


def test_an_order_that_could_not_be_written_is_no_decision(tmp_path: Path, bundle: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal")
    engine = Engine.open(bundle, journal=journal, hash_key=b"k" * 32)
    app = create_app(Settings(), engine=engine, journal=journal)
    before = in_process(app, post("/v1/score", order_with()), get("/metrics"))[-1]
    journal._connection.execute("PRAGMA max_page_count = 40")
    responses = in_process(
        app, *(post("/v1/score", order_with(transaction_id=f"t-{n}")) for n in range(300))
    )
    answered = sum(response.status_code == 200 for response in responses)
    assert 0 < answered < 300
    after = samples_of(in_process(app, get("/metrics"))[0].text)
    decided = sum(v for (name, _), v in after.items() if name == "fraudkit_decisions_total")
    assert decided == answered + 1
    assert value(after, "fraudkit_errors_total", code="store_unavailable") == 300 - answered
    assert value(samples_of(before.text), "fraudkit_errors_total", code="store_unavailable") == 0


def test_an_outcome_writes_the_orders_before_it_and_they_count(
    tmp_path: Path, bundle: Path
) -> None:
    metrics = Metrics("1.2.3")
    with SqliteJournal(tmp_path / "journal") as journal:
        engine = Engine.open(bundle, journal=journal, hash_key=b"k" * 32)
        score(engine, metrics)(order_with(), NOW_MS, in_time)
        assert (len(metrics.unwritten), sum(metrics.decisions.by_action.values())) == (1, 0)
        outcome = msgspec.json.encode(examples.OUTCOMES["The issuer authorized it"])
        record(engine, metrics)(outcome, NOW_MS, in_time)
        assert len(list(journal.records())) == 2
    assert (len(metrics.unwritten), sum(metrics.decisions.by_action.values())) == (0, 1)


def families(text: str, parser: Any) -> dict[str, tuple[str, str]]:
    return {family.name: (family.type, family.documentation) for family in parser(text)}


def test_both_formats_hold_every_metric_of_the_table_with_its_type_and_meaning(app: Any) -> None:
    plain, wanted = in_process(
        app, get("/metrics"), get("/metrics", accept="application/openmetrics-text; version=1.0.0")
    )
    assert wanted.headers["content-type"].startswith("application/openmetrics-text")
    told = {
        name.removesuffix("_total"): (kind, meaning) for name, (kind, _, meaning) in METRICS.items()
    }
    openly = families(wanted.text, openmetrics)
    ours = {name: held for name, held in openly.items() if name.startswith("fraudkit_")}
    assert ours == {name: held for name, held in told.items() if name.startswith("fraudkit_")}
    assert {name: kind for name, (kind, _) in openly.items()} == {
        name: kind for name, (kind, _) in told.items()
    }
    assert families(plain.text, text_format).keys() == openly.keys()


def test_labels_are_those_of_the_table(app: Any) -> None:
    requests = [post("/v1/score", order_with()), post("/v1/score", b"{"), get("/metrics")]
    text = in_process(app, *requests)[-1].text
    for family in text_format(text):
        suffix = "_total" if family.type == "counter" else ""
        wanted = set(METRICS[family.name + suffix][1])
        assert all(set(sample.labels) - {"le"} == wanted for sample in family.samples)


def test_nothing_of_an_order_is_exposed(app: Any) -> None:
    requests = [post("/v1/score", order_with()), get("/metrics")]
    text = in_process(app, *requests)[-1].text
    order = examples.ORDER
    assert order["account"]["user_id"] not in text
    assert order["email"]["address"] not in text
    assert order["transaction_id"] not in text
    assert order["device"]["ip_address"] not in text


def test_with_a_key_metrics_ask_for_it(bundle: Path) -> None:
    app = create_app(Settings(api_key=KEY), engine=Engine.open(bundle))
    refused, wrong, told = in_process(
        app,
        get("/metrics"),
        get("/metrics", authorization=f"Bearer {KEY}x"),
        get("/metrics", authorization=f"Bearer {KEY}"),
    )
    for response in (refused, wrong):
        assert (response.status_code, error_of(response)["code"]) == (401, "unauthorized")
        assert response.headers["www-authenticate"] == "Bearer"
    assert told.status_code == 200


class Store:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.is_up = True
        self.asked = 0

    @property
    def counters(self) -> Any:
        self.asked += 1
        if not self.is_up:
            raise StoreError("Redis does not answer")
        return self._engine.counters


def test_the_store_is_asked_at_most_every_five_seconds(bundle: Path) -> None:
    store: Any = Store(Engine.open(bundle))
    now_s = [0.0]
    watch = StoreWatch(store, clock_s=lambda: now_s[0])
    for now_s[0] in (0.0, 1.0, 4.9):
        assert watch.counters() is not None
    assert store.asked == 1
    store.is_up, now_s[0] = False, 5.0
    assert watch.counters() is None
    assert watch.problem == "Redis does not answer"
    store.is_up, now_s[0] = True, 10.0
    assert watch.counters() is not None
    assert (watch.problem, store.asked) == (None, 3)


def test_a_store_that_is_down_is_said_and_tells_no_figures(bundle: Path) -> None:
    store: Any = Store(Engine.open(bundle))
    store.versions = store._engine.versions
    store.is_up = False
    metrics = Metrics("1.2.3")
    metrics.watch(store)
    samples = samples_of(metrics.exposed()[0].decode())
    assert value(samples, "fraudkit_store_up") == 0
    assert not [name for name, _ in samples if name.startswith("fraudkit_store_e")]


def test_the_page_holds_the_table_of_metrics() -> None:
    rows = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for name, (kind, labels, meaning) in METRICS.items():
        told = ", ".join(f"`{label}`" for label in labels)
        rows.append(f"| `{name}` | {kind} | {told} | {meaning} |")
    assert "\n".join(rows) in PAGE.read_text()


def test_a_request_keeps_its_name_and_others_get_one(app: Any) -> None:
    given, made, bad = in_process(
        app,
        post("/v1/score", order_with(), **{"x-request-id": "checkout-17"}),
        get("/healthz"),
        get("/nothing", **{"x-request-id": "two words"}),
    )
    names: list[httpx.Headers] = [given.headers, made.headers, bad.headers]
    first, second, third = (held["x-request-id"] for held in names)
    assert first == "checkout-17"
    assert second != third
    assert "two words" not in (second, third)
