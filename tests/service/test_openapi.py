"""The OpenAPI document: made from the structs, with examples that decode."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fraudkit.domain.decision import Decision
from fraudkit.domain.decoding import decode_outcome, decode_payment_context, decode_transaction
from fraudkit.domain.payment_choice import Recommendation
from fraudkit.features.entity_key import entity_key
from fraudkit.features.keys import IdentifierHash
from fraudkit.scoring.bundle import load_bundle
from service import examples
from service.app import create_app
from service.erasing import ErasureRequest, ErasureResult
from service.openapi import openapi_document
from service.refusals import CODES, ErrorBody
from service.routes import OutcomeAccepted
from service.settings import Settings

DOCUMENT = openapi_document("1.2.3", needs_key=True)
PAGE = Path(__file__).parents[2] / "docs" / "service.md"


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for held in node.values():
            yield from references(held)
    elif isinstance(node, list):
        for held in node:
            yield from references(held)


def shown(path: str, status: str | None = None) -> list[bytes]:
    operation = DOCUMENT["paths"][path]["post"]
    holder = operation["requestBody"] if status is None else operation["responses"][status]
    named = holder["content"]["application/json"]["examples"]
    return [msgspec.json.encode(example["value"]) for example in named.values()]


def test_every_reference_leads_somewhere() -> None:
    held = {
        f"#/components/{kind}/{name}"
        for kind in ("schemas", "headers")
        for name in DOCUMENT["components"][kind]
    }
    assert set(references(DOCUMENT)) == held


def test_request_examples_decode() -> None:
    for body in shown("/v1/score"):
        assert decode_transaction(body).transaction_id == "order-1001-attempt-1"
    for body in shown("/v1/outcomes"):
        assert decode_outcome(body).transaction_id == "order-1001-attempt-1"
    for body in shown("/v1/payment-methods"):
        assert decode_payment_context(body).country == "NL"


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/v1/score", "200", Decision),
        ("/v1/outcomes", "202", OutcomeAccepted),
        ("/v1/payment-methods", "200", Recommendation),
        ("/v1/erasures", "200", ErasureResult),
    ],
)
def test_answer_examples_are_what_the_service_encodes(path: str, status: str, kind: Any) -> None:
    for body in shown(path, status):
        assert msgspec.json.encode(msgspec.json.decode(body, type=kind)) == body


def test_the_erasure_examples_name_entities_of_the_demo_bundle(bundle: Path) -> None:
    features = load_bundle(bundle).features
    for body in shown("/v1/erasures"):
        asked = msgspec.json.decode(body, type=ErasureRequest)
        given = asked.identifier
        parts = [given] if isinstance(given, str) else given
        assert entity_key(features, asked.entity, parts, IdentifierHash(b"k" * 16))


def test_the_error_example_is_one() -> None:
    error = msgspec.convert(examples.ERROR, ErrorBody).error
    with pytest.raises(ValueError, match="emial") as caught:
        decode_transaction(b'{"emial": {}}')
    assert str(caught.value) == error.message
    assert error.code in CODES


def test_fields_carry_their_meaning_and_long_lists_stand_once() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["Order"]["description"] == "What is bought."
    amount = schemas["Order"]["properties"]["amount_minor"]
    assert amount["description"] == "The total to pay, in minor units of `currency`."
    assert schemas["Chargeback"]["properties"]["outcome_id"]["description"].startswith("The same")
    assert schemas["Order"]["properties"]["currency"]["$ref"].endswith("/CurrencyCode")
    assert len(schemas["CountryCode"]["enum"]) == 249


def test_the_key_is_asked_for_only_where_it_is_needed() -> None:
    without = openapi_document("1.2.3", needs_key=False)
    scopes = {"/v1/score": "score", "/v1/outcomes": "outcomes", "/v1/payment-methods": "score"}
    for path, scope in scopes.items():
        assert DOCUMENT["paths"][path]["post"]["security"] == [{"key": [scope]}]
        assert "security" not in without["paths"][path]["post"]
        for status in ("401", "403", "429"):
            assert status in DOCUMENT["paths"][path]["post"]["responses"]
            assert status not in without["paths"][path]["post"]["responses"]


def test_the_application_publishes_this_document() -> None:
    assert create_app(Settings()).openapi()["paths"].keys() == DOCUMENT["paths"].keys()


def test_the_page_holds_the_table_of_errors() -> None:
    rows = ["| status | `code` | meaning |", "| --- | --- | --- |"]
    ordered = sorted(CODES.items(), key=lambda entry: entry[1][0])
    rows += [f"| {status} | `{code}` | {meaning} |" for code, (status, meaning) in ordered]
    assert "\n".join(rows) in PAGE.read_text()
