"""A mapping file holds by itself, or says everything that is wrong with it."""

import subprocess
import sys
from pathlib import Path

import pytest

from fraudkit.domain.money import minor_unit_digits
from fraudkit.errors import MappingError
from fraudkit.mapping import Mapping

EXAMPLES = sorted((Path(__file__).parents[2] / "docs" / "examples").glob("*.toml"))


def test_reading_a_mapping_loads_no_polars() -> None:
    program = "import sys, fraudkit.mapping.spec; print('polars' in sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "False"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_hold(path: Path) -> None:
    mapping = Mapping.load(path)
    assert mapping.fields
    assert mapping.label_column is not None
    assert minor_unit_digits(mapping.rates.reference_currency) == 2


def test_every_table_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mapping.toml"
    path.write_text(
        """
        [mapping]
        amount_unit = "major"
        time_zone = "Europe/Berlin"
        time_format = "%d/%m/%Y"
        reference_currency = "USD"
        equal_times = "in_row_order"
        [fields]
        transaction_id = "id"
        order.amount = "total"
        "entities.seller" = "seller"
        [constants]
        order.currency = "USD"
        is_test = false
        account.created_at = 2024-01-01T00:00:00Z
        [entities]
        zip = "zip1"
        [features]
        numeric = ["Field 1"]
        categorical = ["state1"]
        [label]
        column = "fraud"
        fraud_values = [1, "yes"]
        delay_days = 1.5
        approve_propensity = "passed"
        [outcomes]
        file = "outcomes.ndjson"
        [rates.GBP]
        "2024-01-01" = "1.17"
        """
    )
    mapping = Mapping.load(path)
    assert mapping.fields == {
        "transaction_id": "id",
        "order.amount": "total",
        "entities.seller": "seller",
        "entities.zip": "zip1",
    }
    assert mapping.custom_entities == ("seller", "zip")
    assert mapping.custom_numeric == ("field_1",)
    assert mapping.custom_categorical == ("state1",)
    assert mapping.numeric == {"field_1": "Field 1"}
    assert mapping.label_delay_days == 1.5
    assert mapping.fraud_values == (1, "yes")
    assert mapping.equal_times == "in_row_order"
    assert mapping.label_columns == {"column": "fraud", "approve_propensity": "passed"}
    assert mapping.outcomes_file == tmp_path / "outcomes.ndjson"
    assert mapping.rates.to_reference_minor(1000, "GBP", 1_750_000_000_000) == 1170
    assert mapping.rates.reference_currency == "USD"


def test_the_identity_maps_nothing() -> None:
    mapping = Mapping.identity()
    assert (mapping.fields, mapping.constants, mapping.delay_days) == ({}, {}, None)
    assert mapping.label_delay_days == 0.0
    assert (mapping.equal_times, mapping.label_columns) == ("together", {})
    assert not mapping.has_fields


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(MappingError) as caught:
        Mapping.parse(
            """
            feature = 3
            label = 5
            [mapping]
            amount_unit = "mayor"
            time_zon = "UTC"
            time_zone = "Europe/Berlim"
            reference_currency = "usd"
            [fields]
            "emial.address" = "mail"
            transaction_id = 5
            "order.amount" = "a"
            [constants]
            "order.currency" = "EURO"
            "order.amount_minor" = 12.95
            [entities]
            "Zip code" = "zip"
            [features]
            numeric = ["Field1", "field1"]
            """
        )
    said = str(caught.value)
    for part in (
        "[feature] is no table of a mapping; did you mean 'features'?",
        "label must be a table: write [label] above its keys",
        "expected one of 'major', 'minor', got 'mayor'; did you mean 'major'?",
        "[mapping] time_zon is no key of this table; did you mean 'time_zone'?",
        "got 'Europe/Berlim'; did you mean 'Europe/Berlin'?",
        "expected an ISO 4217 currency code, got 'usd'; did you mean 'USD'?",
        "\"emial.address\": is no vocabulary path; did you mean 'email.address'?",
        '[fields] "transaction_id": expected the name of a column in quotes',
        '"order.amount" and "order.amount_minor" are both given; keep one',
        "\"order.currency\": expected an ISO 4217 currency code, got 'EURO'; did you mean 'EUR'?",
        '"order.amount_minor": expected an integer, got 12.95',
        '[entities] "Zip code": expected a name like ^[a-z0-9_]{1,25}$',
        "[features] 'field1' and 'Field1' both become custom_inputs.field1",
    ):
        assert part in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[label]\ncolumn = 'x'", "delay_days: expected the days until a label is known"),
        ("[label]\ncolumn = 'x'\ndelay_days = -1", "delay_days"),
        ("[label]\nfraud_values = [1]", "expected [label] column beside it"),
        ("[mapping]\nequal_times = 'in_order'", "got 'in_order'; did you mean 'in_row_order'?"),
        ("[label]\napprove_propensity = 0.5", "[label] approve_propensity: expected a string"),
        ("[label]\napprove_propensity = 'x'\n[fields]\norder_id = 'x'", "[fields] takes this"),
        ("[label]\napprove_propensity = 'x'\n[entities]\ny = 'x'", "[entities] takes this"),
        ("[label]\napprove_propensity = 'x'\n[features]\nnumeric = ['x']", "must not be a feature"),
        ("[label]\napprove_propensity = 'x'\n[features]\ncategorical = ['x']", "not be a feature"),
        (
            "[label]\ncolumn = 'x'\ndelay_days = 1\napprove_propensity = 'x'",
            '[label] approve_propensity = "x": [label] column takes this column too',
        ),
        ("[mapping]\ntime_format = 'DD.MM.YYYY'", "time_format"),
        ("[rates.GBP]\n2024-01-01 = 1.17", "2024-01-01]: expected a string, got a number"),
        ("[rates.GBP]\n2024-01-01 = '-1'", "a rate between 1e-9 and 1e9"),
        ("[rates.GBP]\n2024-13-01 = '1'", "a day as YYYY-MM-DD"),
        ("[rates.XYZ]\n2024-01-01 = '1'", "rates"),
        ("rates = [1]", "rates must be a table"),
        ("[entities]\n" + "\n".join(f"x{n} = 'c'" for n in range(17)), "at most 16"),
        (f"[features]\nnumeric = {[f'c{n}' for n in range(101)]}", "at most 100"),
        ("[features]\nnumeric = ['x']\n[fields]\n'custom_inputs.x' = 'y'", "given elsewhere"),
        ("[fields]\norder_id = 'a'\n[constants]\norder_id = 'b'", '"order_id" is given twice'),
        ("[constants]\n'order.amount' = 5", "a path of one plain value"),
        ("[constants]\n'order.items' = []", "a path of one plain value"),
        ("[constants]\nevent_time = 2024-01-01T00:00:00", "an RFC 3339 time with an offset"),
        ("[fields", "must be TOML"),
    ],
)
def test_what_does_not_hold_is_said(text: str, said: str) -> None:
    with pytest.raises(MappingError) as caught:
        Mapping.parse(text)
    assert said in str(caught.value)


def test_a_file_that_cannot_be_read_is_a_mapping_error(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="readable file"):
        Mapping.load(tmp_path / "absent.toml")
    (tmp_path / "latin.toml").write_bytes(b"[fields]\n# \xff")
    with pytest.raises(MappingError, match="UTF-8"):
        Mapping.load(tmp_path / "latin.toml")
