"""From errors to answers: the status, a stable code, and where and how to put it right.

Invariant: an answer never holds a traceback, a key or a full card number.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from fraudkit.domain.decoding import BODY_BYTES_MAX
from fraudkit.errors import (
    ArtifactError,
    CardNumberRefused,
    FraudkitError,
    GuardrailError,
    InputError,
    InvalidField,
    PolicyError,
    StoreError,
    TransactionConflict,
)

__all__ = [
    "CODES",
    "Answer",
    "ErrorBody",
    "ErrorDetail",
    "internal_error",
    "refusal",
    "refusal_of",
    "refusal_of_status",
]

CODES: dict[str, tuple[int, str]] = {
    "malformed_json": (400, "The body is not JSON in UTF-8"),
    "invalid_header": (400, "A header does not hold; `expected` names it"),
    "malformed_request": (400, "The bytes are no HTTP/1.1 request"),
    "unauthorized": (401, "The key is missing or wrong, or counts no more"),
    "forbidden": (403, "The key has not the scope that the route needs; `expected` names it"),
    "not_found": (404, "There is nothing at this path"),
    "decision_not_found": (404, "The journal holds no decision about this transaction"),
    "method_not_allowed": (405, "The path is there, the method is not"),
    "body_timeout": (408, "The body did not arrive in time"),
    "head_timeout": (408, "The headers did not arrive in time"),
    "transaction_conflict": (409, "The id was decided with other content; `received` says what"),
    "not_explained": (409, "Another bundle, or no score, made the decision; `hint` says more"),
    "bundle_fixed": (409, "This service was started with one bundle alone, not with a registry"),
    "change_refused": (409, "The bundle or policy must not be put in force; nothing was changed"),
    "guardrails_not_kept": (409, "What guardrails do not let pass; `received` says what"),
    "body_too_large": (413, f"The body is longer than {BODY_BYTES_MAX:,} bytes"),
    "unsupported_media_type": (415, "The body is declared as something other than plain JSON"),
    "invalid_field": (422, "One field does not hold; `pointer` says which"),
    "card_number_refused": (422, "A string looks like a full card number; none is ever taken in"),
    "request_refused": (400, "The request cannot be served as it is"),
    "head_too_large": (431, "The headers are longer than the service takes in"),
    "rate_limited": (429, "More requests than the key may send; nothing was recorded"),
    "internal_error": (500, "A fault of the service; nothing of it is told"),
    "overloaded": (503, "More requests than may wait; nothing was recorded, send again later"),
    "store_unavailable": (
        503,
        "No journal can be written, or what stands cannot be read; nothing was recorded",
    ),
}
"""Error code → HTTP status and meaning."""

_json_decoder = msgspec.json.Decoder(float_hook=float)  # a number out of range is still JSON
_HEADERS = {
    "unauthorized": ((b"www-authenticate", b"Bearer"),),
    "overloaded": ((b"retry-after", b"1"),),
    "store_unavailable": ((b"retry-after", b"1"),),
}


class ErrorDetail(Struct, frozen=True, kw_only=True):
    """What was wrong with a request.

    Attributes
    ----------
    code : str
        Stable; match on this.
    pointer : str
        JSON pointer (RFC 6901) into the body, to what is there or to the field that is missing;
        ``""`` is the whole request.
    expected, received : str
        What must hold, and what came.
    hint : str
        The likely fix; never empty.
    message : str
        All of it in one sentence, for a person.
    """

    code: str
    pointer: str
    expected: str
    received: str
    hint: str
    message: str


class ErrorBody(Struct, frozen=True):
    """The body of every answer that is not a success."""

    error: ErrorDetail


class Answer(Struct, frozen=True):
    """An HTTP answer: the status, the JSON of the body, and headers beyond the content type."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


def refusal(
    code: str,
    expected: str,
    received: str,
    hint: str,
    *,
    pointer: str = "",
    message: str = "",
) -> Answer:
    """Return the answer to a request that ends here.

    Parameters
    ----------
    code : str
        One of `CODES`.
    expected, received, hint, pointer, message : str
        As in `ErrorDetail`; the message is made of the others where it is empty.
    """
    written = f"Expected {expected}, got {received}; {hint}"
    detail = ErrorDetail(
        code=code,
        pointer=pointer,
        expected=expected,
        received=received,
        hint=hint,
        message=message or written,
    )
    headers = _HEADERS.get(code, ())
    return Answer(CODES[code][0], msgspec.json.encode(ErrorBody(detail)), headers)


def refusal_of(error: FraudkitError, body: bytes = b"") -> Answer:
    """Return the answer to an error that a body led to."""
    if isinstance(error, InvalidField):
        return refusal(
            _code_of(error, body),
            error.expected,
            error.received,
            error.hint or f"send {error.expected}",
            pointer=error.pointer,
            message=str(error),
        )
    if isinstance(error, GuardrailError):
        return refusal(
            "guardrails_not_kept",
            "a change that keeps to the guardrails",
            "; ".join(error.findings),
            "send override with the reason, or check the policy on recent orders with `fraudkit "
            "policy promote` where the models folder is: the service takes it from there",
        )
    if isinstance(error, ArtifactError | PolicyError):
        return refusal(
            "change_refused",
            "a bundle that may be put in force",
            "another",
            "see `message`; nothing was changed",
            message=str(error),
        )
    if isinstance(error, StoreError):
        return refusal(
            "store_unavailable",
            "a journal that can be written",
            "a failed write",
            "nothing was recorded; send the request again, and see /readyz",
        )
    if isinstance(error, InputError):
        return refusal(
            "invalid_field",
            "a request that can be served",
            "another",
            "see `message`",
            message=str(error),
        )
    return internal_error()


def internal_error() -> Answer:
    """Return the answer to a fault of the service."""
    return refusal("internal_error", "an answer", "a fault of the service", "see its log")


def refusal_of_status(status: int) -> Answer:
    """Return the answer for a status that the framework chose."""
    if status == 404:
        return refusal("not_found", "a path of this service", "another path", "see /docs")
    if status == 405:
        return refusal("method_not_allowed", "a method of this path", "another one", "see /docs")
    if status >= 500:
        return internal_error()
    return refusal("request_refused", "a request that can be served", "another", "see /docs")


def _code_of(error: InvalidField, body: bytes) -> str:
    if isinstance(error, CardNumberRefused):
        return "card_number_refused"
    if isinstance(error, TransactionConflict):
        return "transaction_conflict"
    if error.pointer == "" and not _is_json(body):
        return "malformed_json"
    return "invalid_field"


def _is_json(body: bytes) -> bool:
    try:
        _json_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
