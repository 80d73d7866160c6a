"""The shape of an e-mail address: what stands before the ``@``, and whether it is a name.

Invariant: a digest of an address, which has no ``@``, has no shape: every value is NaN.
"""

from __future__ import annotations

import unicodedata
from math import nan
from typing import Final

from fraudkit.features.feature_group import FeatureGroup

__all__ = ["EMAIL_SHAPE", "email_shape", "is_disposable", "is_free", "roughness"]

_DIGITS: Final = b"0123456789"
_LETTERS: Final = b"abcdefghijklmnopqrstuvwxyz"
_VOWELS: Final = b"aeiouy"
_LONGEST_JUDGED: Final = 64
_FEWEST_PAIRS: Final = 3

# Consonants that follow each other inside names of European and Indian languages.
_SMOOTH: Final = frozenset(
    """
    bh bl br ch ck cl cr ct cz dh dj dl dr ds dz fl fr ft gh gl gn gr hl hm hn hr ht kh kl kn kr
    ks ld lf lg lh lk lm ln lp ls lt lv mb mp ms nc nd nf ng nh nj nk ns nt nz pf ph pl pr ps
    pt rb rc rd rf rg rh rk rl rm rn rp rs rt rv rz sc sh sk sl sm sn sp st sv sw sz th tr ts tz
    vr wn wr ws zh zk
    """.split()
)


def _is_rough(first: int, second: int) -> bool:
    if (first in _DIGITS) != (second in _DIGITS):
        return True
    is_soft = first == second or first in _DIGITS or first in _VOWELS or second in _VOWELS
    return not is_soft and chr(first) + chr(second) not in _SMOOTH


_PLAIN: Final = _LETTERS + _DIGITS
_ROUGH: Final = tuple(
    bytes(
        first in _PLAIN and second in _PLAIN and _is_rough(first, second) for second in range(128)
    )
    for first in range(128)
)
"""Whether a character after another makes a rough pair, by their ASCII codes."""
_TO_PLAIN: Final = bytes(
    low if (low := ord(chr(byte).lower())) in _PLAIN else ord(" ") for byte in range(256)
)
_TWO_LETTERS: Final = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "æ": "ae", "œ": "oe"}
)
_ONE_LETTER: Final = str.maketrans(
    {"ø": "o", "æ": "a", "œ": "o", "ł": "l", "đ": "d", "ð": "d", "\u0131": "i", "ħ": "h", "þ": "th"}
)


def email_shape(
    address: str | None, first_name: str | None, last_name: str | None
) -> tuple[float, ...]:
    """Return the shape of an e-mail address, as `EMAIL_SHAPE` names it.

    Length (characters), share of digits, number of dots, and whether there is a tag (``+`` and
    what follows) are those of what stands before the ``@``. Digits at the end and `roughness`
    leave the tag out. Whether a name stands in it is told but for letter case, punctuation and
    marks: ``Müller`` stands in ``mueller`` and in ``muller``. A name that has no Latin letters
    cannot be expected in an address of Latin letters: NaN.

    Examples
    --------
    >>> email_shape("erika.m84@mail.example", "Erika", "Mustermann")
    (9, 0.2222222222222222, 1, False, 2, 0.16666666666666666, True, False)
    """
    local, at, _ = (address or "").rpartition("@")
    if not at:
        return _NO_SHAPE
    length = len(local)
    characters = local.encode("ascii", "replace")  # one byte a character
    plain = characters.translate(_TO_PLAIN)
    joined = plain.translate(None, b" ").decode()
    digits = length - len(characters.translate(None, _DIGITS))
    is_tagged = "+" in local
    base = plain[: characters.index(b"+")] if is_tagged else plain
    return (
        length,
        digits / length if length else nan,
        local.count("."),
        is_tagged,
        len(base) - len(base.rstrip(_DIGITS)),
        roughness(base),
        _has_name(local, joined, first_name),
        _has_name(local, joined, last_name),
    )


EMAIL_SHAPE: Final = FeatureGroup(
    inputs=("email.address", "billing.first_name", "billing.last_name"),
    names=(
        "email_length",
        "email_digit_share",
        "email_dot_count",
        "email_is_tagged",
        "email_ending_digits",
        "email_roughness",
        "email_has_first_name",
        "email_has_name",
    ),
    compute=email_shape,
)
_NO_SHAPE: Final = (nan,) * len(EMAIL_SHAPE.names)


def roughness(plain: bytes) -> float:
    """Return how random a text of small letters and digits looks, 0 to 1.

    The share of rough pairs among neighbouring letters and digits, of the first 64 characters.
    A pair is rough if one is a digit and the other a letter, or if both are consonants (not
    a, e, i, o, u, y), not the same, and not often together inside names, as 98 of the 380 pairs
    are. Names have about 0.1, letters hit at random 0.4, letters and digits 0.6. NaN for fewer
    than 3 pairs.

    Examples
    --------
    >>> roughness(b"mustermann"), roughness(b"qx7410"), roughness(b"ada")
    (0.0, 0.4, nan)
    """
    judged = plain[:_LONGEST_JUDGED]
    pairs = len(judged) - judged.count(b" ") - len(judged.split())
    if pairs < _FEWEST_PAIRS:
        return nan
    rough, previous = 0, judged[0]
    for character in judged:
        rough += _ROUGH[previous][character]
        previous = character
    return rough / pairs


def is_free(domain_kind: str | None) -> float:
    """Return 1 for a domain where anybody gets an address for nothing, 0 for another kind."""
    return nan if domain_kind is None else float(domain_kind == "free")


def is_disposable(domain_kind: str | None) -> float:
    """Return 1 for a domain of addresses that are thrown away, 0 for another kind."""
    return nan if domain_kind is None else float(domain_kind == "disposable")


def _has_name(local: str, joined: str, name: str | None) -> float:
    if name is None:
        return nan
    if not (name.isascii() and local.isascii()):
        return _has_marked_name(local, name)
    wanted = name.lower()
    if not wanted.isalnum():
        wanted = "".join(filter(str.isalnum, wanted))
    return wanted in joined if wanted else nan


def _has_marked_name(local: str, name: str) -> float:
    wanted = _spellings(name)
    if not wanted:
        return nan
    texts = _spellings(local)
    if any(spelling in text for spelling in wanted for text in texts):
        return 1.0
    is_comparable = not local.isascii() or any(map(str.isascii, wanted))
    return 0.0 if is_comparable else nan


def _spellings(text: str) -> set[str]:
    """Return a text's letters and digits as they may be written without marks."""
    folded = unicodedata.normalize("NFC", text).casefold()
    spellings = (folded.translate(table) for table in (_TWO_LETTERS, _ONE_LETTER))
    plain = (
        "".join(filter(str.isalnum, unicodedata.normalize("NFKD", spelling)))
        for spelling in spellings
    )
    return set(plain) - {""}
