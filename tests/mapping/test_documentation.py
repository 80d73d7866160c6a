"""``docs/mapping.md`` says what is so: its keys, its example and its errors."""

import re
from pathlib import Path

import msgspec
import pytest

from fraudkit.errors import MappingError
from fraudkit.mapping import Mapping, read_data
from fraudkit.mapping.tables import ALL_TABLES, Tables

PAGE = (Path(__file__).parents[2] / "docs" / "mapping.md").read_text("utf-8")
MAPPED = """
[mapping]
amount_unit = "major"
[fields]
transaction_id = "order_no"
event_time = "placed"
"order.amount" = "total"
"order.currency" = "currency"
"payment.card.fingerprint" = "card"
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_table_names_every_key_of_the_fixed_tables() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", PAGE, re.MULTILINE)
    assert list(dict.fromkeys(table for table, _ in rows)) == list(ALL_TABLES)
    for field in msgspec.structs.fields(Tables):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            keys = [key.strip("`") for table, key in rows if table == field.name]
            assert keys == [held.name for held in msgspec.structs.fields(field.type)]


def test_the_example_holds_and_uses_every_table() -> None:
    example = blocks("toml")[0]
    mapping = Mapping.parse(example)
    assert re.findall(r"^\[(\w+)", example, re.MULTILINE) == list(ALL_TABLES)
    assert mapping.custom_numeric == ("basket_weight",)
    assert mapping.rates.to_reference_minor(100, "GBP", 1_760_000_000_000) == 117


def test_the_errors_of_rows_are_those_shown(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(blocks("csv")[0])
    data = read_data([path], Mapping.parse(MAPPED))
    told = "".join(f"{row} {held} {error}\n" for row, held, error in data.errors.iter_rows())
    assert told == blocks("text")[0]


def test_the_misfit_is_the_one_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("orders.csv").write_text(blocks("csv")[0])
    Path("mapping.toml").write_text(blocks("toml")[1])
    with pytest.raises(MappingError) as caught:
        read_data([Path("orders.csv")], Mapping.load("mapping.toml"))
    assert f"{caught.value}\n" == blocks("text")[1]
