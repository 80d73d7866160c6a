"""From bytes or plain values to domain values, with errors that name the field and the fix."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from fraudkit.domain.card_number import decode_searched
from fraudkit.domain.explaining import explain
from fraudkit.domain.outcome import Outcome
from fraudkit.domain.payment_choice import PaymentContext
from fraudkit.domain.transaction import Transaction
from fraudkit.errors import InvalidField

__all__ = [
    "BODY_BYTES_MAX",
    "convert",
    "decode_outcome",
    "decode_payment_context",
    "decode_transaction",
]

BODY_BYTES_MAX = 256 * 1024
"""The largest document that is decoded, in bytes."""

T = TypeVar("T")

_NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_plain_decoder = msgspec.json.Decoder(float_hook=float)  # a number out of range is still a number
_transaction_decoder: msgspec.json.Decoder[Transaction] = msgspec.json.Decoder(Transaction)
_outcome_decoder: msgspec.json.Decoder[Outcome] = msgspec.json.Decoder(Outcome)
_payment_context_decoder: msgspec.json.Decoder[PaymentContext] = msgspec.json.Decoder(
    PaymentContext
)


def decode_transaction(body: bytes) -> Transaction:
    """Return the transaction that a JSON document holds.

    Raises
    ------
    InvalidField
        With a JSON pointer, what was expected, what came and the likely fix.

    Examples
    --------
    >>> decode_transaction(b'{"transaction_id": "t1", "emial": {}}')
    Traceback (most recent call last):
    ...
    fraudkit.errors.InvalidField: /emial: expected a known field, got unknown field 'emial'; \
did you mean 'email'?
    """
    return _decode(body, _transaction_decoder, Transaction)


def decode_outcome(body: bytes) -> Outcome:
    """Return the outcome that a JSON document holds; errors as `decode_transaction`."""
    return _decode(body, _outcome_decoder, Outcome)


def decode_payment_context(body: bytes) -> PaymentContext:
    """Return the payment context that a JSON document holds; errors as `decode_transaction`."""
    return _decode(body, _payment_context_decoder, PaymentContext)


def convert(value: object, kind: type[T]) -> T:
    """Return plain values (dictionaries, lists, strings…) as a domain value.

    Raises
    ------
    InvalidField
        As `decode_transaction`.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise explain(error, value, kind) from None


def _decode(body: bytes, decoder: msgspec.json.Decoder[T], kind: object) -> T:
    if len(body) > BODY_BYTES_MAX:
        raise InvalidField(
            "", f"at most {BODY_BYTES_MAX} bytes", f"{len(body)} bytes", "send less in one document"
        )
    try:
        return decode_searched(decoder.decode, body)
    except msgspec.ValidationError as error:
        raise explain(error, _plain(body), kind) from None
    except _NO_JSON as error:
        raise _no_json(error) from None


def _plain(body: bytes) -> object:
    """Decode without a type, to see what came; the typed decoder may have stopped earlier."""
    try:
        return _plain_decoder.decode(body)
    except _NO_JSON as error:
        raise _no_json(error) from None


def _no_json(error: Exception) -> InvalidField:
    """Return the error about bytes that are no document at all."""
    if isinstance(error, UnicodeDecodeError):
        return InvalidField("", "UTF-8 text", f"a wrong byte at {error.start}", "write it as UTF-8")
    if isinstance(error, RecursionError):
        return InvalidField(
            "", "a document nested a few levels deep", "deep nesting", "send the fields as they are"
        )
    if "out of range" in str(error):
        return InvalidField(
            "", "numbers that fit 64 bits", "a number of very many digits", "send a smaller number"
        )
    return InvalidField(
        "", "a JSON document", f"malformed JSON ({error})", "put right what stands at that byte"
    )
