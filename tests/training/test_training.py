"""Training uses what was known at its horizon and nothing else, and gives the same bytes again."""

from __future__ import annotations

from pathlib import Path

import msgspec
import polars as pl
import pytest

from fraudkit.decisions.costs import Costs
from fraudkit.decisions.policy import Policy, parse_policy
from fraudkit.domain.money import rate_table
from fraudkit.errors import FraudkitError, TrainingError
from fraudkit.mapping import MappedData
from fraudkit.scoring.bundle import load_bundle, write_bundle
from fraudkit.scoring.learning.training_rows import LEVEL_ORDERS_MIN
from fraudkit.scoring.learning.walk_forward import N_MODELS
from fraudkit.training import Training, train
from tests.training.table import DAY_MS, MAPPING, QUICK, START_MS, read_table, table
from tests.training.trained_shop import ORDERS, TRAINED_ORDERS, TrainedShop

RATES = rate_table("EUR")
HORIZON_MS = START_MS + 45 * DAY_MS
DELAY_DAYS = 2.0


def trained(data: MappedData, horizon_ms: int = HORIZON_MS, **settings: int) -> Training:
    return train(
        data,
        RATES,
        horizon_ms=horizon_ms,
        label_delay_days=DELAY_DAYS,
        settings=msgspec.structs.replace(QUICK, **settings),
    )


def bundle_bytes(training: Training, folder: Path) -> dict[str, bytes]:
    write_bundle(folder, training.content)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def orders() -> pl.DataFrame:
    return table()


@pytest.fixture(scope="module")
def expected(orders: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("expected")
    return bundle_bytes(trained(read_table(orders, folder)), folder / "bundle")


def time_ms() -> pl.Expr:
    return pl.col("time").str.to_datetime("%Y-%m-%d %H:%M:%S%.3f").dt.epoch("ms")


def is_known() -> pl.Expr:
    return time_ms() + int(DELAY_DAYS * DAY_MS) < HORIZON_MS


def changed(column: str, value: pl.Expr, where: pl.Expr) -> pl.Expr:
    return pl.when(where).then(value).otherwise(pl.col(column)).alias(column)


UNSEEN = {
    "labels that were not known yet": [
        changed("is_fraud", 1 - pl.col("is_fraud"), ~is_known()),
    ],
    "labels that never become known": [
        changed("is_fraud", pl.lit(None), ~is_known()),
    ],
    "later orders": [
        changed("amount", pl.lit(99_999.0), time_ms() >= HORIZON_MS),
        changed("mail", pl.lit("one@example.org"), time_ms() >= HORIZON_MS),
        changed("segment", pl.lit("never seen"), time_ms() >= HORIZON_MS),
        changed("always_one", pl.lit(7), time_ms() >= HORIZON_MS),
        changed("terminal", pl.lit("0"), time_ms() >= HORIZON_MS),
    ],
}


@pytest.mark.parametrize("changes", UNSEEN.values(), ids=UNSEEN)
def test_what_was_not_known_at_the_horizon_changes_no_byte(
    orders: pl.DataFrame, expected: dict[str, bytes], tmp_path: Path, changes: list[pl.Expr]
) -> None:
    frame = orders.with_columns(changes)
    assert not frame.equals(orders)
    assert bundle_bytes(trained(read_table(frame, tmp_path)), tmp_path / "bundle") == expected


def test_orders_after_the_horizon_may_be_absent(
    orders: pl.DataFrame, expected: dict[str, bytes], tmp_path: Path
) -> None:
    frame = orders.filter(time_ms() < HORIZON_MS)
    assert 0 < len(frame) < len(orders)
    assert bundle_bytes(trained(read_table(frame, tmp_path)), tmp_path / "bundle") == expected


SEEN = {
    "a label that was known": [changed("is_fraud", 1 - pl.col("is_fraud"), pl.col("id") == "t700")],
    "the last order": [changed("amount", pl.lit(5e4), pl.col("id") == "t700")],
}


@pytest.mark.parametrize("changes", SEEN.values(), ids=SEEN)
def test_what_was_known_changes_the_bundle(
    orders: pl.DataFrame, expected: dict[str, bytes], tmp_path: Path, changes: list[pl.Expr]
) -> None:
    data = read_table(orders.with_columns(changes), tmp_path)
    assert bundle_bytes(trained(data), tmp_path / "bundle") != expected


def test_the_seed_is_all_that_chance_has(
    orders: pl.DataFrame, expected: dict[str, bytes], tmp_path: Path
) -> None:
    data = read_table(orders, tmp_path)
    again = bundle_bytes(trained(data), tmp_path / "again")
    other = bundle_bytes(trained(data, seed=1), tmp_path / "other")
    assert again == expected
    assert other["model.txt"] != expected["model.txt"]


def test_features_that_say_nothing_are_left_out(expected: dict[str, bytes]) -> None:
    names = [plain["name"] for plain in features_of(expected)]
    assert "custom_basket" in names
    assert "terminal_attempts_7d" in names
    assert "email_attempts_30d" in names
    assert not {"custom_always_one", "is_guest", "card_attempts_1d", "currency"} & set(names)


def features_of(files: dict[str, bytes]) -> list[dict[str, object]]:
    return msgspec.json.decode(files["features.json"])["features"]


def test_common_values_get_a_code_and_rare_ones_do_not(
    orders: pl.DataFrame, tmp_path: Path
) -> None:
    rare = pl.int_range(pl.len()).is_in(range(LEVEL_ORDERS_MIN - 1))
    uncommon = pl.int_range(pl.len()).is_in(range(100, 100 + LEVEL_ORDERS_MIN))
    frame = orders.with_columns(changed("segment", pl.lit("rare"), rare)).with_columns(
        changed("segment", pl.lit("uncommon"), uncommon)
    )
    files = bundle_bytes(trained(read_table(frame, tmp_path)), tmp_path / "bundle")
    levels = [plain["levels"] for plain in features_of(files) if plain["name"] == "custom_segment"]
    assert levels == [["a", "b", "uncommon"]]


def test_the_summary_counts_what_was_used(orders: pl.DataFrame, tmp_path: Path) -> None:
    made = trained(read_table(orders, tmp_path))
    used = orders.filter(time_ms() < HORIZON_MS)
    known = used.filter(is_known())
    assert made.summary["orders"] == len(used)
    assert made.summary["orders_with_known_label"] == len(known)
    assert made.summary["frauds"] == known["is_fraud"].sum()
    assert made.summary["horizon_ms"] == HORIZON_MS
    held_back = made.summary["held_back"]
    later = used.filter(time_ms() >= held_back["from_ms"])
    assert held_back["orders"] == len(later)
    assert held_back["label_known_share"] == len(later.filter(is_known())) / len(later)
    assert made.metrics.n_orders == len(later.filter(is_known()))
    assert made.metrics.auc > 0.8


def test_the_default_policy_is_in_the_reference_currency(
    orders: pl.DataFrame, tmp_path: Path
) -> None:
    data = read_table(orders, tmp_path)
    usd = train(data, rate_table("USD"), horizon_ms=HORIZON_MS, settings=QUICK)
    assert parse_policy(usd.content.policy_text).costs.currency == "USD"
    own = Policy(costs=Costs(margin_share=0.4))
    made = train(data, RATES, horizon_ms=HORIZON_MS, settings=QUICK, policy=own)
    assert parse_policy(made.content.policy_text) == own


def test_costs_in_another_currency_than_the_amounts_are_refused(
    orders: pl.DataFrame, tmp_path: Path
) -> None:
    policy = Policy(costs=Costs(currency="USD"))
    with pytest.raises(FraudkitError, match="must be the reference currency EUR, got USD"):
        train(
            read_table(orders, tmp_path), RATES,
            horizon_ms=HORIZON_MS, settings=QUICK, policy=policy,
        )  # fmt: skip


WITHOUT_LABEL = MAPPING.partition("[label]")[0]
TOO_LITTLE = {
    "no orders": (START_MS, 1_500, MAPPING, "needs orders before the horizon"),
    "no label": (HORIZON_MS, 1_500, WITHOUT_LABEL, r"state \[label\] or \[outcomes\]"),
    "no label yet": (START_MS + DAY_MS, 1_500, MAPPING, r"label was known before the horizon"),
    "few frauds": (HORIZON_MS, 120, MAPPING, "at least 5 frauds with a known label, got"),
    "one order": (HORIZON_MS, 1, MAPPING, "."),
    "ten orders": (HORIZON_MS, 10, MAPPING, "."),
}


@pytest.mark.parametrize(
    ("horizon_ms", "count", "mapping", "told"), TOO_LITTLE.values(), ids=TOO_LITTLE
)
def test_too_little_to_learn_from_is_told(
    tmp_path: Path, horizon_ms: int, count: int, mapping: str, told: str
) -> None:
    data = read_table(table(count), tmp_path, mapping)
    with pytest.raises(TrainingError, match=told):
        trained(data, horizon_ms)


@pytest.mark.parametrize("label", [0, 1])
def test_labels_that_are_all_the_same_are_told(
    orders: pl.DataFrame, tmp_path: Path, label: int
) -> None:
    data = read_table(orders.with_columns(is_fraud=pl.lit(label)), tmp_path)
    with pytest.raises(TrainingError, match="frauds"):
        trained(data)


def test_orders_that_are_all_the_same_are_told(orders: pl.DataFrame, tmp_path: Path) -> None:
    same = [pl.lit(5.0).alias("amount"), pl.lit("a").alias("segment"), pl.lit(1).alias("basket")]
    nobody = [pl.lit(None, pl.String).alias(name) for name in ("mail", "terminal")]
    at_once = pl.lit("2026-01-01 00:00:00").alias("time")
    data = read_table(orders.with_columns(*same, *nobody, at_once), tmp_path)
    with pytest.raises(TrainingError, match="at least one feature must vary"):
        trained(data)


def test_a_shop_with_outcomes_alone_is_learnt_from(shop: TrainedShop) -> None:
    summary = shop.training.summary
    assert summary["orders"] == TRAINED_ORDERS < ORDERS
    assert summary["orders_with_known_label"] < TRAINED_ORDERS
    assert shop.training.metrics.auc > 0.7
    assert load_bundle(shop.bundle).training == msgspec.json.decode(msgspec.json.encode(summary))


def test_stages_are_told_in_order(orders: pl.DataFrame, tmp_path: Path) -> None:
    told: list[str] = []
    train(
        read_table(orders, tmp_path), RATES,
        horizon_ms=HORIZON_MS, settings=QUICK, progress=told.append,
    )  # fmt: skip
    assert told == ["features", "forward steps", "final model", "figures"]


def test_a_search_tells_each_trial_and_leaves_its_table_in_the_bundle(
    orders: pl.DataFrame, expected: dict[str, bytes], tmp_path: Path
) -> None:
    told: list[str] = []
    made = train(
        read_table(orders, tmp_path), RATES,
        horizon_ms=HORIZON_MS, label_delay_days=DELAY_DAYS, n_candidates=2, progress=told.append,
    )  # fmt: skip
    trials = [stage for stage in told if stage.startswith("settings: ")]
    assert told == ["features", *trials, "forward steps", "final model", "figures"]
    table = made.content.search
    # The defaults and the other candidate, in three rungs; each on as many folds.
    assert len(table) == 2 + 2 + 2
    assert len(trials) in (6, 12, 18)
    assert trials[-1].startswith(f"settings: {len(trials)} of {len(trials)} trials, best log loss")
    (chosen,) = [row for row in table if row["is_chosen"]]
    used = made.summary["settings"]
    assert {name: chosen[name] for name in used if name != "n_models"} == {
        name: value for name, value in used.items() if name != "n_models"
    }
    assert used["n_models"] == N_MODELS
    assert made.summary["n_trees"] == chosen["n_trees"] * N_MODELS
    files = bundle_bytes(made, tmp_path / "searched")
    assert msgspec.json.decode(files["search.json"]) == table
    assert msgspec.json.decode(expected["search.json"]) == []


def test_an_order_that_cannot_be_challenged_is_not_costed_as_if_it_could(
    orders: pl.DataFrame, tmp_path: Path
) -> None:
    free_challenges = Costs(challenge_honest_dropout_share=0.0, challenge_liability_shift_share=1.0)
    costs = {}
    for method in ("card", "wallet"):
        text = MAPPING.replace("[constants]", f'[constants]\n"payment.method" = "{method}"')
        made = train(
            read_table(orders, tmp_path, text), RATES,
            horizon_ms=HORIZON_MS, settings=QUICK, policy=Policy(costs=free_challenges),
        )  # fmt: skip
        assert made.metrics.mean_cost_minor is not None
        costs[method] = made.metrics.mean_cost_minor.value
    assert costs["card"] < costs["wallet"]
