"""Bodies that are almost what a route takes: a seeded stream of them, as bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
import numpy as np

from service import examples

__all__ = ["SECRETS", "bodies"]

SECRETS: Final = (
    "Mustermann",
    "erika.",
    "Beispielweg",
    "5550123",
    "Wanda Geheim",
    "wanda.geheim@example.com",
    "5500005555555559",
    "5500 0055 5555 5559",
    "49 170 7654321",
    "Am Versteck 99",
)
"""What a person would not want to be told: of the examples, and of what is put in their place."""

_PERSONAL: Final = frozenset(
    (
        *("first_name", "last_name", "address", "phone_number", "phone_country_code", "postal"),
        *("user_id", "fingerprint", "issuer_id_number", "last_digits", "ip_address"),
        *("note", "reviewed_by"),
    )
)
"""The fields that hold such."""

_WORDS: Final = (
    "",
    "\x00",
    "a" * 255,
    "a" * 256,
    "a" * 70_000,
    "\U0001f600" * 100,
    "../../etc/passwd",
    "$.order` - at `$",
    "~0/~1",
    "2026-03-02T20:14:05+01:00",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "1900-01-01T00:00:60Z",
    "%s{0}\n\r",
    "DE",
    "EUR",
    "card",
)
_SCALARS: Final = (
    *(b"0", b"-1", b"1e400", b"-1e400", b"NaN", b"Infinity", b"1" * 400, b"9" * 5000, b"1.0"),
    *(b"9223372036854775808", b"-9223372036854775809", b"1e-400", b"0.1e1", b"true", b"null"),
    *(b'"\\ud800"', b'"\\udc00x"', b'"\\ud83d\\ude00"', b'"\xff"', b'"\xed\xa0\x80"', b'"\\u0000"'),
    *(b"[]", b"{}", b"[[[[]]]]", b"[" * 3000 + b"]" * 3000, b'{"a":' * 3000 + b"1" + b"}" * 3000),
)
_NAMES: Final = (
    "kind",
    "order",
    "amount_minor",
    "emial",
    "",
    "a/b~c",
    "a`b",
    "x" * 300,
    "5500005555555559",
)
_TOKENS: Final = (
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b'"',
    b"\\",
    b"\x00",
    b"\xff",
    b"\xed\xa0\x80",
)

_ROUTES: Final[tuple[tuple[str, tuple[dict[str, Any], ...]], ...]] = (
    ("/v1/score", (examples.ORDER,)),
    ("/v1/outcomes", tuple(examples.OUTCOMES.values())),
    ("/v1/payment-methods", (examples.CONTEXT,)),
)


def bodies(seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """Yield paths with bodies, the same for the same seed."""
    generator = np.random.default_rng(seed)
    for number in range(count):
        path, documents = _ROUTES[int(generator.integers(len(_ROUTES)))]
        document = msgspec.json.decode(msgspec.json.encode(_one_of(generator, documents)))
        for name in ("transaction_id", "outcome_id"):
            if name in document:
                document[name] = f"{seed}-{number % 500}"
        yield path, _mutated(generator, document)


def _one_of(generator: np.random.Generator, held: Any) -> Any:
    return held[int(generator.integers(len(held)))]


def _mutated(generator: np.random.Generator, document: dict[str, Any]) -> bytes:
    for _ in range(int(generator.integers(0, 4))):
        place = _place_in(generator, document)
        _one_of(generator, _CHANGES)(generator, *place)
    body = msgspec.json.encode(document)
    for _ in range(int(generator.integers(0, 3)) if generator.random() < 0.5 else 0):
        body = _one_of(generator, _SPOILINGS)(generator, body)
    return body


def _place_in(generator: np.random.Generator, document: Any) -> tuple[Any, Any]:
    """Return something that holds, and the name or the number of what it holds."""
    while True:
        keys = list(document) if isinstance(document, dict) else list(range(len(document)))
        if not keys:
            return document, None
        key = _one_of(generator, keys)
        inner = document[key]
        if not isinstance(inner, dict | list) or generator.random() < 0.3:
            return document, key
        document = inner


def _set(generator: np.random.Generator, held: Any, key: Any) -> None:
    if key is not None:
        held[key] = _one_of(generator, (*_WORDS, *SECRETS) if key in _PERSONAL else _WORDS)


def _set_raw(generator: np.random.Generator, held: Any, key: Any) -> None:
    if key is not None:
        held[key] = msgspec.Raw(_one_of(generator, _SCALARS))


def _add(generator: np.random.Generator, held: Any, _: Any) -> None:
    value = _one_of(generator, _WORDS)
    if isinstance(held, dict):
        held[_one_of(generator, _NAMES)] = value
    elif len(held) < 2000:
        held.extend([value] * int(generator.integers(1, 1200)))


def _drop(_: np.random.Generator, held: Any, key: Any) -> None:
    if key is not None:
        del held[key]


def _wrap(_: np.random.Generator, held: Any, key: Any) -> None:
    if key is not None:
        held[key] = [held[key]]


def _flip(generator: np.random.Generator, body: bytes) -> bytes:
    if not body:
        return body
    at = int(generator.integers(len(body)))
    return body[:at] + bytes([body[at] ^ (1 << int(generator.integers(8)))]) + body[at + 1 :]


def _truncate(generator: np.random.Generator, body: bytes) -> bytes:
    return body[: int(generator.integers(len(body) + 1))]


def _insert(generator: np.random.Generator, body: bytes) -> bytes:
    at = int(generator.integers(len(body) + 1))
    return body[:at] + _one_of(generator, (*_TOKENS, *_SCALARS)) + body[at:]


def _twice(_: np.random.Generator, body: bytes) -> bytes:
    """Let every key of the outermost object stand twice."""
    return body[:-1] + b"," + body[1:]


def _recoded(_: np.random.Generator, body: bytes) -> bytes:
    return body.decode("utf-8", "replace").encode("utf-16")


def _padded(generator: np.random.Generator, body: bytes) -> bytes:
    return body + b" " * int(generator.integers(1, 300_000))


_CHANGES: Final[tuple[Callable[..., None], ...]] = (_set, _set_raw, _add, _drop, _wrap)
_SPOILINGS: Final = (_flip, _flip, _truncate, _insert, _insert, _twice, _recoded, _padded)
