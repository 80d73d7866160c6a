"""Every path that a feature can read has a kind, and no other has."""

from __future__ import annotations

import pytest

from fraudkit.features.derived import DERIVED_PATHS
from fraudkit.features.field_kinds import field_kind, named_paths
from fraudkit.features.fields import REFERENCE_AMOUNT, field_reader
from fraudkit.mapping.vocabulary import Kind, fields

KINDS = {
    Kind.TEXT: "text", Kind.INTEGER: "number", Kind.NUMBER: "number", Kind.BOOLEAN: "truth",
    Kind.TIME: "number", Kind.ITEMS: "number",
}  # fmt: skip


def test_the_kinds_are_those_that_files_are_read_as() -> None:
    kinds = {field.frame_name: KINDS[field.kind] for field in fields().values()}
    assert {path: field_kind(path) for path in kinds} == kinds


def test_every_named_path_can_be_read() -> None:
    assert set(DERIVED_PATHS) <= set(named_paths())
    for path in set(named_paths()) - {REFERENCE_AMOUNT}:
        assert callable(field_reader(path))
    assert field_kind(REFERENCE_AMOUNT) == "number"


@pytest.mark.parametrize(
    "path",
    ["", "order", "order.items", "order.colour", "account.created_at", "custom_inputs",
     "custom_inputs.", "custom_inputs.Not a name", "entities.", "demographic.age"],
)  # fmt: skip
def test_what_cannot_be_read_has_no_kind(path: str) -> None:
    assert field_kind(path) is None
