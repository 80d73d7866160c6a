"""`Mapping`: how a merchant's columns become the vocabulary, as it stands in a TOML file.

Invariant: a `Mapping` that exists holds by itself; only the file it is applied to can still
contradict it. Nothing here loads polars.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from fraudkit.domain.money import RateTable, RateTableFile, rate_table
from fraudkit.errors import MappingError
from fraudkit.mapping.tables import Tables, read_tables
from fraudkit.mapping.vocabulary import CUSTOM_INPUTS, ENTITIES

__all__ = ["Mapping"]

_NOT_IN_NAMES = re.compile(r"[^a-z0-9_]")
_NAME_CHARACTERS_MAX = 25


class Mapping(Struct, frozen=True, kw_only=True):
    """How columns become the vocabulary; made by `load`, `parse` or `identity`.

    Attributes
    ----------
    source : str
        Where it came from, for messages.
    amount_unit : {"minor", "major"}
        The unit of the column mapped to ``order.amount``.
    time_zone : str or None
        Of times without an offset; ``None`` refuses them.
    time_format : str or None
        Of text times: strftime directives, ``"epoch_s"`` or ``"epoch_ms"``; ``None`` is RFC 3339
        or ISO 8601.
    fields : dict[str, str]
        Vocabulary path → column, those of ``[entities]`` included.
    constants : dict[str, str or int or float or bool or datetime]
        Vocabulary path → value of every row.
    numeric, categorical : dict[str, str]
        Name of the custom input → column.
    label_column : str or None
        The column that says fraud or not.
    fraud_values : tuple or None
        The label column's values that mean fraud; ``None`` is the usual words and numbers.
    delay_days : float or None
        Days after the order until its label is known, and the age at which an order without a
        fraud report counts as honest; ``None`` where no label is known by age.
    outcomes_file : Path or None
        NDJSON of outcomes.
    rate_file : RateTableFile
        The dated rates.
    equal_times : {"together", "in_row_order"}
        Of rows with the very same event time: ``"together"`` leaves it, and they do not see each
        other; ``"in_row_order"`` gives each a millisecond more than the row before it.
    approve_propensity_column : str or None
        The column of the probability with which an order that the policy would have declined was
        approved.

    Examples
    --------
    >>> mapping = Mapping.parse('''
    ... [fields]
    ... transaction_id = "id"
    ... "order.amount" = "total"
    ... [entities]
    ... terminal = "TERMINAL_ID"
    ... [features]
    ... numeric = ["Basket Size"]
    ... ''')
    >>> mapping.custom_entities, mapping.custom_numeric
    (('terminal',), ('basket_size',))
    """

    source: str = "the vocabulary as it stands (no mapping was given)"
    amount_unit: Literal["minor", "major"] = "minor"
    time_zone: str | None = None
    time_format: str | None = None
    fields: dict[str, str] = {}
    constants: dict[str, Any] = {}
    numeric: dict[str, str] = {}
    categorical: dict[str, str] = {}
    label_column: str | None = None
    fraud_values: tuple[str | int | float | bool, ...] | None = None
    delay_days: float | None = None
    outcomes_file: Path | None = None
    rate_file: RateTableFile = RateTableFile(reference_currency="EUR")
    equal_times: Literal["together", "in_row_order"] = "together"
    approve_propensity_column: str | None = None

    @classmethod
    def load(cls, path: str | Path) -> Mapping:
        """Return the mapping in a TOML file; its outcomes file is looked for beside it.

        Raises
        ------
        MappingError
            With every problem in it, one a line.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise MappingError(
                f"a mapping must be a readable file, {path}: {error.strerror}"
            ) from error
        except UnicodeDecodeError as error:
            raise MappingError(f"a mapping must be UTF-8 text, {path} is not") from error
        return cls.parse(text, folder=path.parent, source=str(path))

    @classmethod
    def parse(cls, text: str, *, folder: Path = Path(), source: str = "the mapping") -> Mapping:
        """Return the mapping in a TOML text; errors as `load`."""
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise MappingError(f"{source} must be TOML: {error}") from error
        tables, problems = read_tables(document)
        names, name_problems = _feature_names(tables)
        if problems or name_problems:
            raise MappingError("\n  ".join([f"{source} does not hold:", *problems, *name_problems]))
        return cls._of(tables, names, folder, source)

    @classmethod
    def identity(cls) -> Mapping:
        """Return the mapping of files whose columns are vocabulary paths already."""
        return cls()

    @classmethod
    def _of(cls, tables: Tables, names: dict[str, str], folder: Path, source: str) -> Mapping:
        general, label = tables.mapping, tables.label
        by_column = {column: name for name, column in names.items()}
        outcomes = tables.outcomes.file
        return cls(
            source=source,
            amount_unit=general.amount_unit,
            time_zone=general.time_zone,
            time_format=general.time_format,
            fields=tables.fields
            | {f"{ENTITIES}.{name}": column for name, column in tables.entities.items()},
            constants=tables.constants,
            numeric={by_column[column]: column for column in tables.features.numeric},
            categorical={by_column[column]: column for column in tables.features.categorical},
            label_column=label.column,
            fraud_values=label.fraud_values,
            delay_days=label.delay_days,
            outcomes_file=None if outcomes is None else folder / outcomes,
            rate_file=rate_table(general.reference_currency, tables.rates).file,
            equal_times=general.equal_times,
            approve_propensity_column=label.approve_propensity,
        )

    @property
    def rates(self) -> RateTable:
        """The dated rates into the reference currency."""
        return RateTable(self.rate_file)

    @property
    def label_delay_days(self) -> float:
        """Days from the order until its label is known; 0 where the mapping says nothing."""
        return self.delay_days or 0.0

    @property
    def custom_numeric(self) -> tuple[str, ...]:
        """The names in ``custom_inputs`` that were declared numeric."""
        return tuple(self.numeric)

    @property
    def custom_categorical(self) -> tuple[str, ...]:
        """The names in ``custom_inputs`` that were declared categorical."""
        return tuple(self.categorical)

    @property
    def custom_entities(self) -> tuple[str, ...]:
        """The names in ``entities`` that the mapping fills."""
        filled = [*self.fields, *self.constants]
        prefix = f"{ENTITIES}."
        return tuple(path.removeprefix(prefix) for path in filled if path.startswith(prefix))

    @property
    def label_columns(self) -> dict[str, str]:
        """The columns that ``[label]`` names, by key; none of them is a feature."""
        named = {"column": self.label_column, "approve_propensity": self.approve_propensity_column}
        return {key: column for key, column in named.items() if column is not None}

    @property
    def has_fields(self) -> bool:
        """Whether any vocabulary field is mapped; without, NDJSON is read as strictly as online."""
        return any(not path.startswith(f"{ENTITIES}.") for path in self.fields)


def _feature_names(tables: Tables) -> tuple[dict[str, str], list[str]]:
    """Return custom input name → column, and what is wrong with the names."""
    names: dict[str, str] = {}
    problems = []
    taken = {
        path.removeprefix(f"{CUSTOM_INPUTS}."): path for path in (*tables.fields, *tables.constants)
    }
    for column in (*tables.features.numeric, *tables.features.categorical):
        name = _NOT_IN_NAMES.sub("_", column.lower())[:_NAME_CHARACTERS_MAX]
        if not name:
            problems.append("[features] a column must have a name, got ''")
        elif name in names:
            problems.append(
                f"[features] {column!r} and {names[name]!r} both become custom_inputs.{name}; "
                "rename one of the columns or take one"
            )
        elif f"{CUSTOM_INPUTS}.{name}" in taken.values():
            problems.append(f"[features] {column!r}: custom_inputs.{name} is given elsewhere too")
        else:
            names[name] = column
    return names, problems
