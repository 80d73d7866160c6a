"""The shape of an e-mail address: known cases, ranges, and what never changes the answer."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.features.email_shape import (
    EMAIL_SHAPE,
    email_shape,
    is_disposable,
    is_free,
    roughness,
)

DIGEST = "9a0364b9e99bb480dd25e1f0284c8555"
locals_ = st.text(st.characters(exclude_categories=["Cs"]), max_size=80) | st.from_regex(
    r"[A-Za-z0-9.+_-]{0,80}", fullmatch=True
)
plain = st.text("abcdefghijklmnopqrstuvwxyz0123456789 ", max_size=80).map(str.encode)


def shape(address: str | None, first: str | None = None, last: str | None = None) -> Any:
    return dict(zip(EMAIL_SHAPE.names, email_shape(address, first, last), strict=True))


@pytest.mark.parametrize(
    ("address", "name", "expected"),
    [
        ("ada@example.org", "email_length", 3),
        ("a@b@example.org", "email_length", 3),
        ("@example.org", "email_length", 0),
        ("ab12@example.org", "email_digit_share", 0.5),
        ("a.b.c@example.org", "email_dot_count", 2),
        ("ada+shop@example.org", "email_is_tagged", 1),
        ("ada@example.org", "email_is_tagged", 0),
        ("ada99+77@example.org", "email_ending_digits", 2),
        ("a1d2a@example.org", "email_ending_digits", 0),
        ("1815@example.org", "email_ending_digits", 4),
        ("+77@example.org", "email_ending_digits", 0),
        ("erika+qxzvk@example.org", "email_roughness", 0),
        ("\u00e9\u00e912@example.org", "email_digit_share", 0.5),
    ],
)
def test_known_shapes(address: str, name: str, expected: float) -> None:
    assert shape(address)[name] == expected


@pytest.mark.parametrize(
    ("address", "last_name"),
    [
        ("ada.lovelace@example.org", "LoveLace"),
        ("ada.de-la-cruz@example.org", "de la Cruz"),
        ("obrien@example.org", "O'Brien"),
        ("e.mueller@example.org", "M\u00fcller"),
        ("muller7@example.org", "M\u00fcller"),
        ("mu\u0308ller@example.org", "M\u00fcller"),
        ("muller@example.org", "Mu\u0308ller"),
        ("strasse@example.org", "Stra\u00dfe"),
        ("soren.oestergaard@example.org", "\u00d8stergaard"),
        ("lukasz.walesa@example.org", "Wa\u0142\u0119sa"),
        ("yildiz@example.org", "Y\u0131ld\u0131z"),
        ("\u043c\u0430\u0440\u0438\u044f@example.org", "\u041c\u0430\u0440\u0438\u044f"),
    ],
)
def test_a_name_is_found_however_it_is_written(address: str, last_name: str) -> None:
    found = shape(address, last_name, last_name)
    assert found["email_has_name"] == found["email_has_first_name"] == 1


@pytest.mark.parametrize(
    ("address", "last_name"),
    [
        ("ada@example.org", "Turing"),
        ("ada@example.org", "M\u00fcller"),
        ("ada@turing.example", "Turing"),
        ("\u0430\u0434\u0430@example.org", "\u041c\u0430\u0440\u0438\u044f"),
    ],
)
def test_a_name_that_is_not_there_is_not_found(address: str, last_name: str) -> None:
    assert shape(address, None, last_name)["email_has_name"] == 0


@pytest.mark.parametrize(
    ("address", "last_name"),
    [
        (DIGEST, "Turing"),
        (None, "Turing"),
        ("ada@example.org", None),
        ("ada@example.org", ""),
        ("ada@example.org", " - "),
        ("ada@example.org", "\u2014"),
        ("maria@example.org", "\u041c\u0430\u0440\u0438\u044f"),
    ],
)
def test_what_cannot_be_compared_is_unknown(address: str | None, last_name: str | None) -> None:
    assert math.isnan(shape(address, None, last_name)["email_has_name"])


@pytest.mark.parametrize("address", [None, DIGEST])
def test_a_digest_has_no_shape(address: str | None) -> None:
    assert all(math.isnan(value) for value in email_shape(address, "Ada", "Lovelace"))


def test_an_empty_local_part_has_no_share_of_digits() -> None:
    assert math.isnan(shape("@example.org")["email_digit_share"])


@given(locals_, st.none() | st.text(max_size=20), st.none() | st.text(max_size=20))
def test_shapes_agree_with_the_address(local: str, first: str | None, last: str | None) -> None:
    found = shape(f"{local}@example.org", first, last)
    digits = sum(character in "0123456789" for character in local)
    assert found["email_length"] == len(local)
    assert found["email_dot_count"] == local.count(".")
    assert found["email_is_tagged"] == ("+" in local)
    if local:
        assert found["email_digit_share"] == digits / len(local)
    base = local.partition("+")[0]
    assert found["email_ending_digits"] == len(base) - len(base.rstrip("0123456789"))
    for name in ("email_has_first_name", "email_has_name"):
        assert math.isnan(found[name]) or found[name] in {0, 1}


@given(local=locals_, start=st.integers(0, 80), end=st.integers(0, 80))
def test_any_part_of_an_address_stands_in_it(local: str, start: int, end: int) -> None:
    found = shape(f"{local}@example.org", None, local[start:end])["email_has_name"]
    if local.isascii():
        assert math.isnan(found) or found == 1
        assert math.isnan(found) == (not any(map(str.isalnum, local[start:end])))


@given(local=locals_)
def test_the_domain_and_letter_case_do_not_matter(local: str) -> None:
    if local.isascii():
        one = email_shape(f"{local}@a.example", "Ada", "Lovelace")
        other = email_shape(f"{local.upper()}@b.example", "ADA", "lovelace")
        assert np.array_equal(one, other, equal_nan=True)


@given(plain)
def test_roughness_is_a_share(text: bytes) -> None:
    words = text[:64].split()
    pairs = sum(len(word) - 1 for word in words)
    value = roughness(text)
    assert math.isnan(value) == (pairs < 3)
    assert math.isnan(value) or 0 <= value <= 1


@given(plain)
def test_roughness_is_that_of_the_pairs(text: bytes) -> None:
    words = text[:64].split()
    pairs = [(a, b) for word in words for a, b in pairwise(word)]
    if len(pairs) >= 3:
        rough = sum(roughness(bytes([a, b, b, b])) > 0 for a, b in pairs)
        assert roughness(text) == rough / len(pairs)


@pytest.mark.parametrize(
    "name", ["mustermann", "elizabeth", "kowalczyk", "rodriguez", "srinivasan", "christopher"]
)
def test_names_are_smoother_than_random_keys(name: str) -> None:
    rng = np.random.default_rng(7)
    keys = "abcdefghijklmnopqrstuvwxyz0123456789"
    drawn = ["".join(rng.choice(list(keys), len(name))) for _ in range(200)]
    rougher = sum(roughness(text.encode()) > roughness(name.encode()) for text in drawn)
    assert rougher > 180


def test_kinds_of_domain() -> None:
    assert (is_free("free"), is_free("disposable"), is_free("other")) == (1, 0, 0)
    assert (is_disposable("disposable"), is_disposable("free")) == (1, 0)
    assert math.isnan(is_free(None))
    assert math.isnan(is_disposable(None))
