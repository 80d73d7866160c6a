"""API keys: what an entry holds, and that it never holds or shows the secret."""

from __future__ import annotations

import hashlib
import re
import secrets

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.access import SCOPES, ApiKey, digest_of, key_id_of, new_key
from fraudkit.errors import InputError

NOW_MS = 1_772_000_000_000


def made(**given: object) -> tuple[ApiKey, str]:
    settings = {"name": "checkout", "scopes": ["score"], **given}
    return new_key(now_ms=NOW_MS, random_bytes=secrets.token_bytes, **settings)


def test_the_text_has_256_random_bits_and_the_entry_its_digest_alone() -> None:
    generator = np.random.default_rng(1)
    drawn: list[int] = []

    def random_bytes(count: int) -> bytes:
        drawn.append(count)
        return generator.bytes(count)

    key, text = new_key("till", SCOPES, now_ms=NOW_MS, random_bytes=random_bytes)
    assert drawn == [6, 32]
    assert re.fullmatch(rf"fk_{key.key_id}_[0-9a-f]{{64}}", text)
    assert key.sha256 == hashlib.sha256(text.encode()).hexdigest() == digest_of(text.encode()).hex()
    assert (key.name, key.scopes, key.created_at_ms) == ("till", SCOPES, NOW_MS)
    secret = text.rsplit("_", 1)[1]
    shown = f"{key!r} {key} {[key]} {msgspec.json.encode(key).decode()}"
    assert secret not in shown
    assert key.sha256 not in f"{key!r} {key} {[key]}"


def test_two_keys_have_nothing_in_common() -> None:
    (first, one), (second, other) = made(), made()
    assert first.key_id != second.key_id
    assert one.rsplit("_", 1)[1] != other.rsplit("_", 1)[1]


@pytest.mark.parametrize(
    ("given_values", "said"),
    [
        ({"scopes": []}, "length >= 1"),
        ({"scopes": ["score", "score"]}, "must differ"),
        ({"scopes": ["read"]}, "scopes are score, outcomes, admin"),
        ({"name": ""}, "length >= 1"),
        ({"name": "x" * 101}, "length <= 100"),
        ({"name": "a\x1b[2J"}, "printable"),
        ({"requests_per_second": 0.0}, ">= 0.001"),
        ({"requests_per_second": float("nan")}, ">= 0.001"),
        ({"requests_per_second": float("inf")}, "<= 1000000"),
        ({"burst": 5}, "burst needs requests_per_second"),
        ({"requests_per_second": 1.0, "burst": 0}, ">= 1"),
        ({"expires_at_ms": NOW_MS}, "in the future"),
    ],
)
def test_what_makes_no_key_is_refused(given_values: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        made(**given_values)


def test_a_key_counts_until_it_expires_or_is_revoked() -> None:
    key, _ = made(expires_at_ms=NOW_MS + 10)
    assert [key.state(NOW_MS + passed) for passed in (0, 9, 10)] == ["active", "active", "expired"]
    revoked = msgspec.structs.replace(key, revoked_at_ms=NOW_MS + 5)
    assert [revoked.state(NOW_MS + passed) for passed in (4, 5, 10)] == [
        "active",
        "revoked",
        "revoked",
    ]


@pytest.mark.parametrize(
    ("rate", "burst", "allowed"), [(0.001, None, 1), (2.5, None, 3), (7.0, None, 7), (7.0, 2, 2)]
)
def test_the_burst_is_that_of_a_second_unless_said(
    rate: float, burst: int | None, allowed: int
) -> None:
    key, _ = made(requests_per_second=rate, burst=burst)
    assert key.allowed_burst == allowed


@given(st.binary(max_size=100))
def test_any_text_has_an_id_or_none(text: bytes) -> None:
    found = key_id_of(text)
    assert found == b"" or text.startswith(b"fk_" + found + b"_")
