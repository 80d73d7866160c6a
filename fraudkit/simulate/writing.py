"""`write_shop`: a shop as files that a newcomer can open, train on and look up.

Invariant: the bytes depend on the shop and on nothing else: no clock, no platform's line ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from fraudkit.errors import DataFileError
from fraudkit.simulate.countries import RATES
from fraudkit.simulate.rules import RULES
from fraudkit.simulate.rules_text import rules_text
from fraudkit.simulate.shop import Shop

__all__ = ["LABEL_DELAY_DAYS", "write_shop"]

LABEL_DELAY_DAYS = 60
"""An order without a report of fraud counts as honest after so many days; some come later."""


def write_shop(shop: Shop, directory: Path) -> None:
    """Write a shop into a directory, which is made if needed; files of these names are replaced.

    ``orders.ndjson``, ``outcomes.ndjson``, ``truth.csv``, ``mapping.toml`` and ``RULES.md``.

    Raises
    ------
    fraudkit.errors.DataFileError
        If the directory or a file in it cannot be written.
    """
    truth = "".join(
        f"{transaction.transaction_id},{truth}\n"
        for transaction, truth in zip(shop.transactions, shop.truth, strict=True)
    )
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _write_lines(directory / "orders.ndjson", shop.transactions)
        _write_lines(directory / "outcomes.ndjson", shop.outcomes)
        (directory / "truth.csv").write_bytes(b"transaction_id,truth\n" + truth.encode())
        (directory / "mapping.toml").write_bytes(_mapping().encode())
        (directory / "RULES.md").write_bytes(rules_text(RULES).encode())
    except OSError as error:
        raise DataFileError(
            f"the directory of a simulated shop must be writable. Got {error.strerror} at "
            f"{error.filename}; name another directory."
        ) from error


def _write_lines(path: Path, values: Iterable[Struct]) -> None:
    encoder = msgspec.json.Encoder()
    line = bytearray()
    with path.open("wb") as file:
        for value in values:
            encoder.encode_into(value, line)
            line += b"\n"
            file.write(line)


def _mapping() -> str:
    lines = [
        "# How to read this shop: the orders are in fraudkit's own vocabulary.",
        "[mapping]",
        'reference_currency = "EUR"',
        "",
        "[label]",
        f"delay_days = {LABEL_DELAY_DAYS}  # without a report of fraud, an order is honest by then",
        "",
        "[outcomes]",
        'file = "outcomes.ndjson"  # beside this file',
    ]
    for currency, dated in RATES.items():
        lines += ["", f"[rates.{currency}]"]
        lines += [f'"{day}" = "{rate}"' for day, rate in dated.items()]
    return "\n".join(lines) + "\n"
