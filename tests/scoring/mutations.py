"""Mutated bundles: bytes flipped, files cut, fields swapped or edited, each from a number.

``python -m tests.scoring.mutations FIRST COUNT FOLDER`` opens mutated bundles whose manifest was
made again to fit, decides with those that load, and writes what became of each. It is a process
of its own so that a crash is seen as one.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

import fraudkit as fk
from fraudkit.domain.money import rate_table
from fraudkit.errors import FraudkitError
from fraudkit.features.catalog import default_features, feature_set
from fraudkit.features.expression import expression_feature
from fraudkit.payments.catalog import PaymentCatalog
from fraudkit.scoring.bundle import Bundle, BundleContent, load_bundle
from fraudkit.scoring.calibration import Calibration, probability
from fraudkit.scoring.learning.boosting import ModelSettings
from fraudkit.scoring.learning.fit import fit_model, reference_row
from fraudkit.scoring.manifest import FILES, MANIFEST, manifest_of
from fraudkit.stores.memory import MemoryStore

__all__ = ["Files", "content", "mutated", "refitted", "write"]

Files = dict[str, bytes]

PLAIN = (
    *(None, True, False, -1, 0, 1, 2**31, 2**63, 2**64, 10**30, 1e308, -1e308, 1e-320, 0.5),
    *("", "x", "NaN", "../x", "a\0b", "{value.__class__}", "{value:>999999999}", "{x}", "{", "}"),
    *([], {}, [[]], [None], {"a": 1}, "demographic.age", "custom_inputs.x", "EUR", "1e999999999"),
    "é" * 300,
)
TOKENS = (
    *("-1", "0", "1", "7", "1e400", "nan", "inf", "-inf", "1e-320", "2147483647", "-2147483648"),
    *("99999999999999999999", "1e308", "x", "", "0x10", "1_0", "255", "256", "4294967295"),
)
TOKEN = re.compile(rb"-?[0-9][0-9.e+-]*")
NUMBERS = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e308, -1e308, 5e-324, -1.0, 2.0**31, 1e18)


def content() -> BundleContent:
    """Return a small bundle that has one of each: number, category, window, expression."""
    per_line = expression_feature(
        "per_line",
        "reference_amount_minor / order.item_count",
        unit="minor units",
        meaning="Amount a line",
        reason_code="BASKET",
        text="each line costs {value:.0f}",
    )
    features = default_features(
        levels={"card_brand": ["amex", "visa"]}, own_features=[per_line]
    ).keep(["amount", "local_hour", "card_brand", "per_line", "card_attempts_1h", "card_gap_30d"])
    rng = np.random.default_rng(5)
    rows = np.column_stack(
        [
            rng.exponential(5000, 300),
            rng.integers(0, 24, 300),
            rng.integers(0, 2, 300),
            rng.exponential(900, 300),
            *(rng.poisson(1, 300) for _ in features.names[4:]),
        ]
    ).astype(np.float64)
    rows[rng.random(rows.shape) < 0.2] = np.nan
    is_fraud = rng.random(300) < np.where(np.nan_to_num(rows[:, 4]) > 1, 0.8, 0.1)
    settings = ModelSettings(min_data_in_leaf=5, num_leaves=6, n_trees=4)
    text = fit_model(rows, is_fraud, features, settings).text
    return BundleContent(
        model_text=text,
        features=features,
        calibration=Calibration(
            method="isotonic", raw_score=(-3.0, -0.5, 1.0), log_odds=(-5.0, -1.0, 0.5)
        ),
        reference=reference_row(rows, is_fraud, text),
        rates=rate_table("EUR", {"USD": {"2026-01-01": "0.85"}}),
        policy_text='on_unknown_amount = "review"\n[costs]\nmargin_share = 0.3\n',
        training={"orders": 300, "sources": {"mail_domains": "lists 1"}, "metrics": {"auc": 0.9}},
        card="# Model card\n",
        libraries={"fraudkit": "0.1.0"},
        search=[{"num_leaves": 6, "log_loss": 0.25}],
    )


def mutated(files: Files, rng: np.random.Generator) -> Files:
    """Return the files with one to three mutations; at least one of them differs."""
    while True:
        harmed = dict(files)
        for _ in range(int(rng.integers(1, 4))):
            harmed.update(_harmed(harmed, rng))
        if harmed != files:
            return harmed


def refitted(files: Files, digest: str) -> Files:
    """Return the files with a manifest that was made again to fit them, as an attacker would.

    ``digest`` is the feature set's where ``features.json`` describes none.
    """
    with suppress(FraudkitError, msgspec.MsgspecError, ValueError, RecursionError):
        digest = feature_set(msgspec.json.decode(files["features.json"])).digest
    listed = {name: held for name, held in files.items() if name in FILES}
    return {**files, MANIFEST: manifest_of(listed, digest)}


def write(folder: Path, files: Files, before: Files) -> None:
    """Bring a folder that holds one set of files to hold another."""
    changed = {name for name in before | files if before.get(name) != files.get(name)}
    for name in changed & before.keys():
        (folder / name).unlink()  # a new file is many times as fast as one that is cut to nothing
    for name in changed & files.keys():
        (folder / name).write_bytes(files[name])


def _harmed(files: Files, rng: np.random.Generator) -> Files:
    """Return one or two files, harmed in one of the ways."""
    names = sorted(files)
    name = names[rng.integers(len(names))]
    ways: list[Callable[[bytes, np.random.Generator], bytes]] = [_flip, _cut, _drop, _repeat]
    ways += [_edit_number, _edit_number, _swap_lines]
    if name.endswith(".json"):
        ways += [_edit_field, _edit_field, _edit_field, _swap_fields, _swap_fields]
    if rng.random() < 0.03:
        other = names[rng.integers(len(names))]
        return {name: files[other], other: files[name]}
    return {name: ways[rng.integers(len(ways))](files[name], rng)}


def _flip(held: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(held or b"\0")
    changed[rng.integers(len(changed))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _cut(held: bytes, rng: np.random.Generator) -> bytes:
    return held[: rng.integers(len(held) + 1)]


def _drop(held: bytes, rng: np.random.Generator) -> bytes:
    first, end = sorted(rng.integers(0, len(held) + 1, 2).tolist())
    return held[:first] + held[end:]


def _repeat(held: bytes, rng: np.random.Generator) -> bytes:
    first, end = sorted(rng.integers(0, len(held) + 1, 2).tolist())
    return held[:end] + held[first:]


def _edit_number(held: bytes, rng: np.random.Generator) -> bytes:
    tokens = list(TOKEN.finditer(held))
    if not tokens:
        return held
    token = tokens[rng.integers(len(tokens))]
    put = TOKENS[rng.integers(len(TOKENS))].encode()
    return held[: token.start()] + put + held[token.end() :]


def _swap_lines(held: bytes, rng: np.random.Generator) -> bytes:
    lines = held.split(b"\n")
    one, other = rng.integers(0, len(lines), 2).tolist()
    lines[one], lines[other] = lines[other], lines[one]
    return b"\n".join(lines)


def _edit_field(held: bytes, rng: np.random.Generator) -> bytes:
    def edit(plain: Any) -> Any:
        places = list(_places(plain))
        if not places:
            return plain
        where, key = places[rng.integers(len(places))]
        if rng.random() < 0.2:
            del where[key]
        else:
            where[key] = PLAIN[rng.integers(len(PLAIN))]
        return plain

    return _edited(held, edit)


def _swap_fields(held: bytes, rng: np.random.Generator) -> bytes:
    def swap(plain: Any) -> Any:
        places = list(_places(plain))
        if not places:
            return plain
        one, other = (places[place] for place in rng.integers(0, len(places), 2))
        one[0][one[1]], other[0][other[1]] = other[0][other[1]], one[0][one[1]]
        return plain

    return _edited(held, swap)


def _edited(held: bytes, edit: Callable[[Any], Any]) -> bytes:
    try:
        plain = edit(msgspec.json.decode(held))
        return msgspec.json.format(msgspec.json.encode(plain), indent=1) + b"\n"
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        return held + b" "


def _places(plain: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place in nested plain values: a container, and a key or index in it."""
    for key in plain if isinstance(plain, dict) else range(len(plain)) if _is_list(plain) else ():
        yield plain, key
        yield from _places(plain[key])


def _is_list(plain: Any) -> bool:
    return isinstance(plain, list)


def _decides(bundle: Bundle, rng: np.random.Generator) -> None:
    """Decide with a bundle that loaded: a few orders, and 100 rows of anything."""
    with fk.Engine(
        bundle,
        catalog=CATALOG,
        store=lambda plan: MemoryStore(plan, capacity_events=8),
    ) as engine:
        for order in ORDERS:
            decision = engine.score(fk.decode_transaction(order))
            assert 0.0 <= decision.fraud_probability <= 1.0
            assert np.isfinite(decision.raw_score)
            assert all(np.isfinite(reason.weight) for reason in decision.reasons)
    rows = rng.normal(0, 3000, (100, len(bundle.features.names)))
    is_odd = rng.random(rows.shape) < 0.5
    rows[is_odd] = rng.choice(NUMBERS, int(is_odd.sum()))
    scores = bundle.scorer.score_many(rows)
    assert np.isfinite(scores).all()
    assert np.isfinite(bundle.scorer.explain_many(rows)).all()
    log_odds = bundle.calibration.log_odds_of_many(scores)
    assert not np.isnan(log_odds).any()
    assert all(0.0 <= probability(value) <= 1.0 for value in log_odds.tolist())


CATALOG = PaymentCatalog.default()
ORDERS = tuple(
    f"""{{"transaction_id": "t{number}", "event_time": "2026-03-02T0{number}:14:05+01:00",
     "order": {{"amount_minor": {10 ** (2 * number)}, "currency": "{currency}",
       "items": [{{"quantity": 2, "price_minor": 5}}]}},
     "payment": {{"method": "card", "card": {{"fingerprint": "c", "brand": "visa"}}}},
     "device": {{"fingerprint": "d"}}}}""".encode()
    for number, currency in enumerate(["EUR", "USD", "JPY"])
)


def _became(folder: Path, rng: np.random.Generator) -> str:
    try:
        _decides(load_bundle(folder), rng)
    except FraudkitError:
        return "refused"
    return "decided"


def main(first: int, count: int, folder: Path) -> None:
    """Write one line for each mutation: what became of it."""
    digest = load_bundle(folder).features.digest
    files = {name: (folder / name).read_bytes() for name in FILES}
    now = {**files, MANIFEST: (folder / MANIFEST).read_bytes()}
    for number in range(first, first + count):
        rng = np.random.default_rng((2, number))
        harmed = refitted(mutated(files, rng), digest)
        write(folder, harmed, now)
        now = harmed
        try:
            became = _became(folder, rng)
        except BaseException as error:
            raise AssertionError(f"mutation {number} is neither refused nor decides") from error
        sys.stdout.write(f"{number} {became}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
