"""Card numbers are found wherever they stand; what merely has many digits is let through."""

import hashlib
import re
import time
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fraudkit.domain.card_number import looks_like_card_number, may_hold_card_number

# Prefix and lengths as the schemes publish them.
SCHEMES = [
    ("4", (16, 18, 19)),
    *((str(prefix), (16,)) for prefix in (51, 55, 2221, 2300, 2699, 2720)),
    ("34", (15,)),
    ("37", (15,)),
    *((prefix, (14, 16, 19)) for prefix in ("300", "305", "36", "38", "39")),
    *((prefix, (16, 19)) for prefix in ("3528", "3589", "6011", "644", "65")),
    *((prefix, (16, 17, 18, 19)) for prefix in ("62", "81", "2200", "2204")),
    *((prefix, (14, 16, 19)) for prefix in ("50", "56", "58", "67")),
]
TEST_NUMBERS = [  # published by the schemes and providers for testing
    "4111111111111111",
    "4242424242424242",
    "5555555555554444",
    "2223003122003222",
    "378282246310005",
    "30569309025904",
    "38520000023237",
    "36227206271667",
    "3566002020360505",
    "6011111111111117",
    "6205500000000000004",
]
SEPARATORS = ["", " ", "-", "\u00a0"]
# What may stand beside a number: anything but digits, a plus, and what makes up a digest.
AROUND = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="0123456789+-abcdefABCDEF")
)


def luhn_digit(digits: str) -> str:
    """Return the digit that makes the sum a multiple of ten; by table, unlike the code."""
    doubled = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
    total = sum(
        doubled[int(digit)] if place % 2 == 0 else int(digit)
        for place, digit in enumerate(digits[::-1])
    )
    return str(-total % 10)


@st.composite
def card_numbers(draw: st.DrawFn) -> str:
    prefix, lengths = draw(st.sampled_from(SCHEMES))
    missing = draw(st.sampled_from(lengths)) - len(prefix) - 1
    digits = prefix + draw(st.text("0123456789", min_size=missing, max_size=missing))
    return digits + luhn_digit(digits)


def printed(number: str, separator: str) -> str:
    """Group a number as it is printed on the card."""
    if len(number) in {14, 15}:
        groups = [number[:4], number[4:10], number[10:]]
    else:
        groups = re.findall(".{1,4}", number)
    return separator.join(groups)


@given(number=card_numbers(), separator=st.sampled_from(SEPARATORS), before=AROUND, after=AROUND)
def test_a_card_number_is_found_in_any_text(
    number: str, separator: str, before: str, after: str
) -> None:
    text = before + printed(number, separator) + after
    assert looks_like_card_number(text)
    assert may_hold_card_number(text.encode())


@given(number=card_numbers(), separator=st.sampled_from(SEPARATORS[1:]), text=AROUND)
@pytest.mark.parametrize("follows", [" 12/27", " 1227", " 123", "  123", " exp 01/30", ", 007"])
def test_what_is_written_after_a_card_number_does_not_hide_it(
    number: str, separator: str, text: str, follows: str
) -> None:
    # A fourth group of 1 to 3 digits and the security code after it read as one longer group.
    assume(len(number) in {14, 15, 16})
    assert looks_like_card_number(text + printed(number, separator) + follows)


@given(st.text(st.sampled_from("0123456789 -\u00a0+a4")))
def test_the_quick_look_never_misses_what_the_close_look_finds(text: str) -> None:
    if looks_like_card_number(text):
        assert may_hold_card_number(text.encode())


@given(number=card_numbers(), digit=st.integers(1, 9), place=st.integers(0, 18))
def test_a_wrong_digit_makes_it_no_card_number(number: str, digit: int, place: int) -> None:
    place %= len(number)
    changed = str((int(number[place]) + digit) % 10)
    assert not looks_like_card_number(number[:place] + changed + number[place + 1 :])


@pytest.mark.parametrize("number", TEST_NUMBERS)
@pytest.mark.parametrize("separator", SEPARATORS)
def test_published_test_numbers_are_found(number: str, separator: str) -> None:
    assert looks_like_card_number(f"no. {printed(number, separator)}.")


@given(country=st.integers(1, 999), national=st.integers(10**6, 10**11))
@pytest.mark.parametrize("form", ["+{}{}", "+{} {}", "00{} {}", "({}) {}"])
def test_a_telephone_number_is_let_through(form: str, country: int, national: int) -> None:
    assert not looks_like_card_number(form.format(country, national))


@given(st.integers(0, 10**14))
def test_digits_after_a_plus_are_a_telephone_number(digits: int) -> None:
    assert not looks_like_card_number(f"+{digits}")


@given(st.binary(max_size=64))
@pytest.mark.parametrize("name", ["md5", "sha1", "sha256", "sha512"])
def test_a_digest_is_let_through(name: str, content: bytes) -> None:
    digest = hashlib.new(name, content, usedforsecurity=False).hexdigest()
    assert not looks_like_card_number(digest)
    assert not looks_like_card_number(digest.upper())


@given(st.uuids())
def test_a_uuid_is_let_through(identifier: UUID) -> None:
    assume(re.search("[a-f]", str(identifier)) is not None)
    assert not looks_like_card_number(str(identifier))
    assert not looks_like_card_number(identifier.hex)


@given(milliseconds=st.integers(0, 4_102_444_800_000), nanoseconds=st.integers(0, 999_999))
def test_a_unix_time_is_let_through(milliseconds: int, nanoseconds: int) -> None:
    assert not looks_like_card_number(str(milliseconds))
    recent = 1_500_000_000_000 + milliseconds % 500_000_000_000
    assert not looks_like_card_number(f"{recent}{nanoseconds:06d}")


@given(st.datetimes())
def test_a_time_is_let_through(moment: object) -> None:
    assert not looks_like_card_number(str(moment))


@given(st.ip_addresses())
def test_an_ip_address_is_let_through(address: object) -> None:
    assert not looks_like_card_number(str(address))


@pytest.mark.parametrize(
    "text",
    ["", "411111", "411111******1111", "4111", "41111111 1111", "4111111111111112", "0" * 16],
)
def test_parts_and_masked_numbers_are_let_through(text: str) -> None:
    assert not looks_like_card_number(text)


@pytest.mark.parametrize(
    "piece", ["5500005555555559-", "5500005555555559-a-", f"5500005555555559-{'a' * 30} "]
)
def test_a_long_text_full_of_them_is_searched_in_a_moment(piece: str) -> None:
    """Digests that hold card numbers are no card numbers; once the time grew with the square."""
    text = piece * (250_000 // len(piece)) + "a"
    start = time.perf_counter()
    assert not looks_like_card_number(text)
    assert time.perf_counter() - start < 2
