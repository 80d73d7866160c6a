"""What Redis refuses, and what cannot be a Redis: told with the likely fix, and no password."""

from __future__ import annotations

import re

import pytest
from redis.exceptions import ResponseError

from fraudkit.domain.outcome import Status
from fraudkit.errors import InputError, StoreError
from fraudkit.features.state import Appended
from fraudkit.stores.redis import RedisStore
from tests.architecture.files import ROOT
from tests.stores.redis_cases import (
    HOUR_MS,
    LATENESS_MS,
    PATIENT,
    START_MS,
    event,
    exchanged,
    new_namespace,
    plan_of,
    values,
    worker,
)
from tests.stores.redis_server import RedisServer

FRAUD = f"card_count_{HOUR_MS}_fraud"
EVER = "card_count_ever_attempted"


def test_a_full_redis_is_told_from_one_that_is_down(own_server: RedisServer) -> None:
    store = worker(own_server, new_namespace())
    exchanged(store, event(1, 0))
    with own_server.client as client:
        client.config_set("maxmemory", 1)
        with pytest.raises(StoreError, match=r"must have room. Got: .*; raise its maxmemory"):
            exchanged(store, event(2, 1))
        client.config_set("maxmemory", 0)
    assert exchanged(store, event(3, 2))[1][2] == 2


@pytest.mark.parametrize("url", ["redis://:wr0ng@{}", "redis://nobody:wr0ng@{}", "redis://{}"])
def test_a_wrong_password_is_told_and_never_shown(own_server: RedisServer, url: str) -> None:
    with own_server.client as client:
        client.config_set("requirepass", "s3cret")
    address = own_server.where
    store = worker(own_server, new_namespace(), url=url.format(address))
    with pytest.raises(StoreError, match=f"Redis at {address} must let this user in") as refused:
        values(store, event(1, 0))
    assert "wr0ng" not in f"{refused.value}{refused.value.__cause__}{store!r}"
    right = worker(own_server, new_namespace(), url=f"redis://:s3cret@{address}/1")
    assert exchanged(right, event(1, 0))[0] is Appended.ACCEPTED


@pytest.mark.parametrize("url", ["redis://{}/99", "redis://{}?client_name=a%20b"])
def test_a_refusal_at_the_door_is_an_outage(own_server: RedisServer, url: str) -> None:
    store = worker(own_server, new_namespace(), url=url.format(own_server.where))
    for number in (1, 2):
        with pytest.raises(StoreError, match="must carry out every command"):
            exchanged(store, event(number, number))
        assert store.backlog == number


def test_a_name_that_is_no_hosts_is_an_outage() -> None:
    store = RedisStore(plan_of(), "redis://shop..example")
    with pytest.raises(StoreError, match="must be reachable"):
        values(store, event(1, 0))


@pytest.mark.parametrize(
    "url",
    [
        "http://user:s3cret@127.0.0.1:1",
        "redis://user:s3/cret@127.0.0.1:1",
        "redis://user:s3cret@127.0.0.1:1/0?speed=high",
        "redis://user:s3cret@127.0.0.1:1/0?db=many",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_and_never_shown(url: str) -> None:
    with pytest.raises(InputError, match="URL of Redis must be") as refused:
        RedisStore(plan_of(), url)
    assert "s3" not in str(refused.value)
    assert refused.value.__suppress_context__


def test_a_password_that_a_server_repeats_is_taken_out(own_server: RedisServer) -> None:
    """Some repeat the arguments of a command that they do not know: AUTH, say."""
    store = worker(own_server, new_namespace(), url=f"redis://:s3cret@{own_server.where}")
    nodes = store._link._nodes
    answer = "unknown command 'AUTH', with args beginning with: 's3cret'"
    assert nodes.without_secrets(answer) == answer.replace("s3cret", "***")
    with pytest.raises(StoreError) as refused:
        store._link._fail(ResponseError(answer))
    assert "s3cret" not in str(refused.value)
    assert refused.value.__suppress_context__


def test_the_commands_that_the_page_names_are_enough(own_server: RedisServer) -> None:
    page = (ROOT / "docs" / "redis.md").read_text("utf-8")
    (commands,) = re.findall(r"or these commands: `([^`]+)`", page)
    with own_server.client as client:
        client.acl_setuser(
            "worker",
            enabled=True,
            nopass=True,
            keys=["fraudkit:*"],
            commands=[f"+{command}" for command in commands.split()],
        )
    url = f"redis://worker:x@{own_server.where}"
    store = RedisStore(plan_of(), url, allowed_lateness_ms=LATENESS_MS, timeouts=PATIENT)
    for number in range(1, 12):
        assert not store.record(number, Status.FRAUD, START_MS)
        assert exchanged(store, event(number, -number))[0] is Appended.ACCEPTED
        assert exchanged(store, event(number, number, card=8))[0] is Appended.DUPLICATE
        assert store.record(number, Status.DECLINED_SOFT, START_MS)
    assert store.append(event(12, -HOUR_MS)) is Appended.TOO_LATE
    assert store.forget(11)
    assert values(store, event(99, 99))[FRAUD] == 10
    assert store.counters.events == 10
