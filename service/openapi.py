"""The OpenAPI document, made from the same structs that decode and encode.

Invariant: no schema is written by hand, and every example decodes as what it stands for.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from fraudkit.domain.codes import COUNTRIES, CURRENCIES
from fraudkit.domain.decision import Decision
from fraudkit.domain.decoding import BODY_BYTES_MAX
from fraudkit.domain.outcome import Outcome
from fraudkit.domain.payment_choice import PaymentContext, Recommendation
from fraudkit.domain.schema import attribute_meanings, structs_of, summary_of
from fraudkit.domain.transaction import Transaction
from service import examples
from service.bundle_changes import InForce, PromoteBundle, PromotePolicy, RollBack
from service.changing import Changed
from service.deadlines import DEADLINE_HEADER, DEADLINE_MS_MAX
from service.erasing import ErasureRequest, ErasureResult
from service.readiness import Ready
from service.reading import ExplainedDecision
from service.refusals import CODES, ErrorBody
from service.routes import Alive, OutcomeAccepted

__all__ = ["openapi_document"]

_REFERENCE = "#/components/schemas/{name}"
_LONG_LISTS = {"CountryCode": COUNTRIES, "CurrencyCode": CURRENCIES}
_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "description": "A key, as `fraudkit keys create` prints it. A route names the scope it needs: "
    "`score` asks for decisions and payment methods, `outcomes` tells what became of an order, "
    "`admin` administers.",
}
_DEADLINE = {
    "name": DEADLINE_HEADER.decode(),
    "in": "header",
    "description": "How many milliseconds you wait for the answer; the setting of the service "
    "holds where it is shorter",
    "schema": {"type": "integer", "minimum": 1, "maximum": DEADLINE_MS_MAX},
}
_KEY_REFUSALS = (401, 403, 429)
_HEAD_REFUSALS = (400, 408, 431)
_DECODING_REFUSALS = (*_HEAD_REFUSALS, 413, 415, 422, 500)
_HEADERS = {
    "RequestId": (
        "x-request-id",
        "What the request is called in the log: the name that it brought, or a new one",
        {"type": "string", "minLength": 1, "maxLength": 64},
    ),
    "RetryAfter": (
        "retry-after",
        "Send the request again after so many seconds",
        {"type": "integer", "minimum": 1},
    ),
    "Authenticate": (
        "www-authenticate",
        "`Bearer`, and where the key is not enough, the scope that is needed",
        {"type": "string"},
    ),
}
_HEADERS_OF_STATUS = {
    "401": ("Authenticate",),
    "403": ("Authenticate",),
    "429": ("RetryAfter",),
    "503": ("RetryAfter",),
}
_NOT_OBSERVED = frozenset({"400", "408", "431"})
"""Answered also where the bytes were not yet a request, so without a name."""
_BEYOND = (
    f"A body has at most {BODY_BYTES_MAX:,} bytes, and where a key stands twice in an object the "
    "last counts. Beyond what the schema says, no string looks like a full card number or holds "
    "half a surrogate pair, whole numbers have no decimal point and no exponent, and times have a "
    "year from 1 to 9999, an hour below 24 and a second below 60"
)


def openapi_document(version: str, *, needs_key: bool) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the service.

    Parameters
    ----------
    version : str
        The version of fraudkit.
    needs_key : bool
        Whether callers must send a key.
    """
    kinds: tuple[Any, ...] = (
        Transaction,
        Decision,
        Outcome,
        OutcomeAccepted,
        PaymentContext,
        Recommendation,
        ErrorBody,
        Alive,
        Ready,
        ExplainedDecision,
        InForce,
        PromoteBundle,
        RollBack,
        PromotePolicy,
        Changed,
        ErasureRequest,
        ErasureResult,
    )
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    for kind in kinds:
        for struct in structs_of(kind):
            _describe(components[struct.__name__], struct)
    lists = {name: {"type": "string", "enum": sorted(held)} for name, held in _LONG_LISTS.items()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "fraudkit",
            "version": version,
            "description": "Fraud scoring and payment-method choice. An order or outcome that "
            "was answered with a 2xx is in the journal.",
        },
        "paths": _with_headers(_paths(dict(zip(kinds, schemas, strict=True)), needs_key=needs_key)),
        "components": {
            "schemas": {**_with_references(components), **lists},
            "headers": {
                key: {"description": text, "required": True, "schema": schema}
                for key, (_, text, schema) in _HEADERS.items()
            },
            "securitySchemes": {"key": _SCHEME} if needs_key else {},
        },
    }


def _paths(schema_of: dict[Any, dict[str, Any]], *, needs_key: bool) -> dict[str, Any]:
    error = schema_of[ErrorBody]
    score = _post(
        "Decide an order",
        f"{_BEYOND}; `event_time` is at most five minutes ahead of the service's clock.",
        _content(schema_of[Transaction], {"An order paid by card": examples.ORDER}),
        {"200": _answer("The decision", schema_of[Decision], examples.DECISION)},
        _refusals(error, (*_DECODING_REFUSALS, 409, 503), needs_key=needs_key),
    )
    recommend = _post(
        "Which payment methods to show, in order",
        f"{_BEYOND}.",
        _content(schema_of[PaymentContext], {"A checkout in the Netherlands": examples.CONTEXT}),
        {"200": _answer("The ranking", schema_of[Recommendation], examples.RECOMMENDATION)},
        _refusals(error, _DECODING_REFUSALS, needs_key=needs_key),
    )
    record = _record(schema_of, error, needs_key=needs_key)
    for operation in (score, record, recommend):
        operation["parameters"] = [_DEADLINE]
    erase = _erase(schema_of, error, needs_key=needs_key)
    read = _read_decision(schema_of[ExplainedDecision], error, needs_key=needs_key)
    metrics = _read_metrics(error, needs_key=needs_key)
    changes = _changes(schema_of, needs_key=needs_key)
    if needs_key:
        scoped = (
            (score, "score"),
            (record, "outcomes"),
            (recommend, "score"),
            (erase, "admin"),
            (read, "admin"),
            (metrics, "admin"),
            *((operation, "admin") for held in changes.values() for operation in held.values()),
        )
        for operation, scope in scoped:
            operation["security"] = [{"key": [scope]}]
    return {
        "/v1/score": {"post": score},
        "/v1/outcomes": {"post": record},
        "/v1/payment-methods": {"post": recommend},
        "/v1/decisions/{transaction_id}": {"get": read},
        **changes,
        "/v1/erasures": {"post": erase},
        "/metrics": {"get": metrics},
        **_probes(schema_of),
    }


def _probes(schema_of: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    ready = schema_of[Ready]
    return {
        "/healthz": {"get": _get("Is the process up?", {"200": ("It is", schema_of[Alive])})},
        "/readyz": {
            "get": _get(
                "Can orders be decided?",
                {"200": ("They can", ready), "503": ("They cannot; `problem` says why", ready)},
            )
        },
    }


def _post(
    summary: str,
    description: str,
    content: dict[str, Any],
    answers: dict[str, Any],
    refusals: dict[str, Any],
) -> dict[str, Any]:
    return {
        "summary": summary,
        "description": description,
        "operationId": summary.lower().replace(",", "").replace(" ", "_"),
        "requestBody": {"required": True, "content": content},
        "responses": {**answers, **refusals},
    }


def _record(
    schema_of: dict[Any, dict[str, Any]], error: dict[str, Any], *, needs_key: bool
) -> dict[str, Any]:
    return _post(
        "Tell what became of an order",
        f"{_BEYOND}; `available_at` is not before `occurred_at`, and at most five minutes ahead of "
        "the service's clock; and an `outcome_id` stands for one content.",
        _content(schema_of[Outcome], examples.OUTCOMES),
        {
            "202": _answer(
                "It is in the journal; an outcome id counts once, so sending again is safe",
                schema_of[OutcomeAccepted],
                {"outcome_id": "psp-event-1", "accepted": True, "duplicate": False},
            )
        },
        _refusals(error, (*_DECODING_REFUSALS, 503), needs_key=needs_key),
    )


def _erase(
    schema_of: dict[Any, dict[str, Any]], error: dict[str, Any], *, needs_key: bool
) -> dict[str, Any]:
    result = _answer(
        "How much was removed; sending again is safe",
        schema_of[ErasureResult],
        examples.ERASURE_RESULT,
    )
    return _post(
        "Erase a customer",
        "Removes all orders of one customer from the journal and the windows, with their outcomes. "
        "It reads through the whole journal, while orders are decided on. Which entities there "
        "are, and of how many fields each is, the bundle says.",
        _content(schema_of[ErasureRequest], examples.ERASURES),
        {"200": result},
        _refusals(error, (*_DECODING_REFUSALS, 503), needs_key=needs_key),
    )


def _read_decision(
    schema: dict[str, Any], error: dict[str, Any], *, needs_key: bool
) -> dict[str, Any]:
    operation = _get("Why an order was decided so", {"200": ("The decision, explained", schema)})
    operation["parameters"] = [
        {
            "name": "transaction_id",
            "in": "path",
            "required": True,
            "description": "As it was sent to `/v1/score`, percent-encoded",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        }
    ]
    operation["responses"].update(
        _refusals(error, (*_HEAD_REFUSALS, 404, 409, 500, 503), needs_key=needs_key)
    )
    return operation


def _changes(schema_of: dict[Any, dict[str, Any]], *, needs_key: bool) -> dict[str, Any]:
    """Return the paths that show and change what decides."""
    error, answers = schema_of[ErrorBody], examples.CHANGED
    asked = {
        "/v1/bundle/promote": ("Put a bundle in force", PromoteBundle, examples.PROMOTE_BUNDLE),
        "/v1/bundle/rollback": ("Put back what was in force", RollBack, examples.ROLL_BACK),
        "/v1/policy/promote": ("Put a policy in force", PromotePolicy, examples.PROMOTE_POLICY),
    }
    paths = {
        path: {
            "post": _post(
                summary,
                "Made ready beside the orders that are decided, and exchanged as one; where it is "
                "refused nothing changes.",
                _content(schema_of[kind], {"Example": example}),
                {"200": _answer("What decides now", schema_of[Changed], answers)},
                _refusals(error, (*_DECODING_REFUSALS, 409, 503), needs_key=needs_key),
            )
        }
        for path, (summary, kind, example) in asked.items()
    }
    shown = _get("What decides", {})
    shown["responses"] = {
        "200": _answer("What decides", schema_of[InForce], answers["in_force"]),
        **_refusals(error, (409, 500, 503), needs_key=needs_key),
    }
    return {"/v1/bundle": {"get": shown}, **paths}


def _read_metrics(error: dict[str, Any], *, needs_key: bool) -> dict[str, Any]:
    operation = _get("Metrics for Prometheus", {})
    text = {"schema": {"type": "string"}}
    operation["responses"] = {
        "200": {
            "description": "Prometheus' text format, or OpenMetrics where `accept` asks for it",
            "content": {"text/plain": text, "application/openmetrics-text": text},
        },
        **_refusals(error, _HEAD_REFUSALS, needs_key=needs_key),
    }
    return operation


def _get(summary: str, answers: dict[str, tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    responses = {
        status: {"description": text, "content": {"application/json": {"schema": schema}}}
        for status, (text, schema) in answers.items()
    }
    operation = summary.lower().strip("?").replace(" ", "_")
    return {"summary": summary, "operationId": operation, "responses": responses}


def _content(schema: dict[str, Any], named: dict[str, Any]) -> dict[str, Any]:
    shown = {name: {"value": value} for name, value in named.items()}
    return {"application/json": {"schema": schema, "examples": shown}}


def _answer(text: str, schema: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": _content(schema, {"Example": example})}


def _refusals(
    schema: dict[str, Any], statuses: tuple[int, ...], *, needs_key: bool
) -> dict[str, Any]:
    """Return the error answers: per status, each code with its meaning."""
    told = sorted({*statuses, *_KEY_REFUSALS} if needs_key else statuses)
    return {
        str(status): {
            "description": "; ".join(
                f"`{code}`: {meaning}"
                for code, (of_status, meaning) in CODES.items()
                if of_status == status
            ),
            "content": {"application/json": {"schema": schema, "example": examples.ERROR}},
        }
        for status in told
    }


def _with_headers(paths: dict[str, Any]) -> dict[str, Any]:
    """Add to every answer the headers that it carries."""
    for path, operations in paths.items():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                carried = () if path == "/readyz" else _HEADERS_OF_STATUS.get(status, ())
                named = () if status in _NOT_OBSERVED else ("RequestId",)
                answer["headers"] = {
                    _HEADERS[key][0]: {"$ref": f"#/components/headers/{key}"}
                    for key in (*named, *carried)
                }
    return paths


def _describe(schema: dict[str, Any], struct: type[Struct]) -> None:
    schema["description"] = summary_of(struct).replace("``", "`")
    for field, meaning in attribute_meanings(struct).items():
        schema["properties"][field]["description"] = meaning.replace("``", "`")


def _with_references(schema: Any) -> Any:
    """Replace every copy of the country and currency lists by a reference to one."""
    if isinstance(schema, list):
        return [_with_references(held) for held in schema]
    if not isinstance(schema, dict):
        return schema
    for name, held in _LONG_LISTS.items():
        if set(schema.get("enum", ())) == held:
            rest = {key: value for key, value in schema.items() if key != "enum"}
            return {**rest, "$ref": _REFERENCE.format(name=name)}
    return {key: _with_references(value) for key, value in schema.items()}
