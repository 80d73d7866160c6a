"""The published schemas and the written vocabulary say what the structs say."""

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.domain.document import schema_path, vocabulary_markdown, write_documents
from fraudkit.domain.schema import (
    DOCUMENTS,
    attribute_meanings,
    json_schema,
    structs_of,
    summary_of,
)
from tests.architecture.files import ROOT
from tests.domain.documents import documents

DOCS = ROOT / "docs"
STRUCTS = {struct for kind in DOCUMENTS.values() for struct in structs_of(kind)}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_committed_schema_is_the_generated_one(name: str) -> None:
    written = json.loads((DOCS / schema_path(name)).read_text("utf-8"))
    assert written == json_schema(name), "run make docs"


def test_the_committed_vocabulary_is_the_generated_one() -> None:
    assert (DOCS / "vocabulary.md").read_text("utf-8") == vocabulary_markdown(), "run make docs"


def test_nothing_else_stands_among_the_schemas() -> None:
    assert {path.name for path in (DOCS / "schema").iterdir()} == {
        schema_path(name).name for name in DOCUMENTS
    }


def test_writing_gives_the_same_bytes(tmp_path: Any) -> None:
    write_documents(tmp_path)
    for name in ["vocabulary.md", *map(schema_path, DOCUMENTS)]:
        assert (tmp_path / name).read_bytes() == (DOCS / name).read_bytes(), "run make docs"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_reference_resolves(name: str) -> None:
    schema = json_schema(name)
    references = set(re.findall(r'"#/\$defs/(\w+)"', json.dumps(schema)))
    assert references == set(schema["$defs"])


@pytest.mark.parametrize("name", DOCUMENTS)
@given(data=st.data())
def test_the_schema_takes_every_field_that_the_decoder_takes(name: str, data: Any) -> None:
    schema = json_schema(name)
    assert misfits(data.draw(documents(DOCUMENTS[name])), schema, schema) == []


def misfits(value: Any, schema: dict[str, Any], root: dict[str, Any], path: str = "") -> list[str]:
    """Return where a value breaks the few keywords that the schemas use."""
    schema = resolved(schema, root)
    if "anyOf" in schema:
        tries = [misfits(value, choice, root, path) for choice in schema["anyOf"]]
        return [] if [] in tries else tries[0]
    if "enum" in schema:
        return [] if value in schema["enum"] else [path]
    if not isinstance(value, TYPES[schema.get("type", "any")]):
        return [path]
    if isinstance(value, list):
        return [
            wrong
            for place, held in enumerate(value)
            for wrong in misfits(held, schema["items"], root, f"{path}/{place}")
        ]
    return object_misfits(value, schema, root, path) if isinstance(value, dict) else []


def object_misfits(
    value: dict[str, Any], schema: dict[str, Any], root: dict[str, Any], path: str
) -> list[str]:
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    wrong = [f"{path}/{name}" for name in schema.get("required", []) if name not in value]
    for name, held in value.items():
        inner = properties.get(name, others)
        if isinstance(inner, dict):
            wrong += misfits(held, inner, root, f"{path}/{name}")
        elif not inner:
            wrong.append(f"{path}/{name}")
    return wrong


def resolved(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    return root["$defs"][reference.rpartition("/")[2]] if reference else schema


TYPES: dict[str, Any] = {
    "any": object,
    "array": list,
    "boolean": bool,
    "integer": int,
    "null": type(None),
    "number": (int, float),
    "object": dict,
    "string": str,
}


@pytest.mark.parametrize("name", ["Transaction", "Outcome", "PaymentContext"])
def test_what_is_sent_takes_no_unknown_field(name: str) -> None:
    assert all(
        part["additionalProperties"] is False for part in json_schema(name)["$defs"].values()
    )


def test_a_schema_is_a_value_of_its_own() -> None:
    json_schema("Decision")["$defs"].clear()
    assert json_schema("Decision")["$defs"]


@pytest.mark.parametrize("struct", sorted(STRUCTS, key=lambda struct: struct.__name__))
def test_docstrings_speak_of_fields_that_exist(struct: type[msgspec.Struct]) -> None:
    assert set(attribute_meanings(struct)) <= set(struct.__struct_fields__)
    assert summary_of(struct).endswith(".")


def test_every_field_is_in_the_vocabulary() -> None:
    text = vocabulary_markdown()
    for struct in STRUCTS:
        for field in struct.__struct_fields__:
            assert re.search(rf"^\| `(?:\S+\.)?{field}` \|", text, re.MULTILINE), (struct, field)


@pytest.mark.parametrize(
    "line",
    [
        "| `order.items[].quantity` | integer ≥ 1 and ≤ 1000000 | no, `1` |  |",
        "| `event_time` | time with an offset | yes |",
        "| `payment.card.funding` | one of `credit`, `debit`, `prepaid`, `unknown` | no |  |",
        "| `billing.country` | ISO 3166-1 alpha-2 country code | no | ISO 3166-1 alpha-2. |",
        "| `kind` | `chargeback` | yes | Which kind it is. |",
    ],
)
def test_the_vocabulary_reads_in_words(line: str) -> None:
    assert line.replace("1000000", "1,000,000") in vocabulary_markdown()
