"""The commands: their files, their JSON, and that each gives what the library gives."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec
import polars as pl
import pytest
from hypothesis import example, given

from fraudkit.cli.reading import time_ms
from fraudkit.decisions.costs import Costs
from fraudkit.decisions.policy import Policy, parse_policy, policy_toml
from fraudkit.domain.transaction import epoch_ms
from fraudkit.evaluation import read_scores
from fraudkit.mapping import Mapping, read_data
from fraudkit.rescoring import Scores, score_data, write_scores
from fraudkit.scoring.bundle import load_bundle
from tests.cli.conftest import ORDERS, Run, Table
from tests.domain.documents import times
from tests.training.table import DAY_MS, START_MS, table

COLUMNS = [
    "transaction_id",
    "raw_score",
    "fraud_probability",
    "action",
    "reason_codes",
    "expected_cost_minor",
    "segment",
    "shaped_by",
    "approve_propensity",
    "error",
]
UNTIL = "2026-02-15T01:00:00.500+01:00"
UNTIL_MS = START_MS + 45 * DAY_MS + 500


def bundle_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_training_says_what_it_made(run: Run, files: Table, tmp_path: Path) -> None:
    ran = run(
        "train", "--data", files.csv, "--mapping", files.mapping, "--out", tmp_path / "b",
        "--until", UNTIL, "--trained-on", "A made-up table.", "--json",
    )  # fmt: skip
    assert (ran.status, ran.out.count("\n")) == (0, 1)
    loaded = load_bundle(tmp_path / "b")
    assert ran.json["bundle"] == loaded.version
    assert ran.json["folder"] == str(tmp_path / "b")
    assert {name: ran.json[name] for name in loaded.training} == loaded.training
    used = table(ORDERS).filter(pl.col("time").str.to_datetime().dt.epoch("ms") < UNTIL_MS)
    assert loaded.training["horizon_ms"] == UNTIL_MS
    assert loaded.training["orders"] == len(used) < ORDERS
    assert "A made-up table." in (tmp_path / "b" / "card.md").read_text("utf-8")


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(
    run: Run, files: Table, tmp_path: Path
) -> None:
    words = ["train", "--data", files.csv, "--mapping", files.mapping, "--json", "--out"]
    for name, seed in (("again", []), ("other", ["--seed", 3])):
        assert run(*words, tmp_path / name, *seed).status == 0
    assert bundle_bytes(tmp_path / "again") == bundle_bytes(files.bundle)
    other = bundle_bytes(tmp_path / "other")
    assert other["model.txt"] != bundle_bytes(files.bundle)["model.txt"]


def test_a_policy_of_ones_own_goes_into_the_bundle(run: Run, files: Table, tmp_path: Path) -> None:
    policy = Policy(costs=Costs(margin_share=0.01, insult_cost_minor=10_000))
    (tmp_path / "policy.toml").write_text(policy_toml(policy))
    ran = run(
        "train", "--data", files.csv, "--mapping", files.mapping, "--out", tmp_path / "b",
        "--policy", tmp_path / "policy.toml",
    )  # fmt: skip
    assert ran.status == 0
    assert parse_policy(load_bundle(tmp_path / "b").policy_text) == policy
    assert load_bundle(tmp_path / "b").version in ran.out
    assert "Held-back last part" in ran.out


@pytest.mark.parametrize("suffix", ["csv", "parquet", "ndjson"])
def test_scores_are_those_of_the_library_in_every_format(
    run: Run, files: Table, tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / "scores.parquet"
    data = files.folder / f"orders.{suffix}"
    ran = run(
        "score", "--bundle", files.bundle, "--data", data, "--mapping", files.mapping,
        "--out", out, "--json",
    )  # fmt: skip
    assert ran.status == 0
    frame = pl.read_parquet(out)
    assert frame.columns == COLUMNS
    read = read_data([files.csv], Mapping.load(files.mapping))
    assert frame.equals(score_data(load_bundle(files.bundle), read).frame)
    assert ran.json == {
        "bundle": load_bundle(files.bundle).version,
        "orders": len(frame),
        "errors": 0,
        "history_errors": 0,
        "actions": dict(frame["action"].value_counts().rows()),
        "resumed_parts": 0,
        "out": str(out),
    }
    metadata = pl.read_parquet_metadata(out)
    assert metadata["fraudkit.bundle"] == load_bundle(files.bundle).version


def test_history_fills_the_windows(run: Run, files: Table, tmp_path: Path) -> None:
    whole = pl.read_csv(files.csv)
    parts = {"first": whole[:250], "second": whole[250:500], "last": whole[500:]}
    for name, part in parts.items():
        part.write_csv(tmp_path / f"{name}.csv")
    words = ["score", "--bundle", files.bundle, "--mapping", files.mapping, "--json"]
    history = ["--history", tmp_path / "first.csv", "--history", tmp_path / "second.csv"]
    last = ["--data", tmp_path / "last.csv"]
    assert run(*words, "--data", files.csv, "--out", tmp_path / "all.parquet").status == 0
    assert run(*words, *last, *history, "--out", tmp_path / "with.parquet").status == 0
    assert run(*words, *last, "--out", tmp_path / "without.parquet").status == 0
    expected = pl.read_parquet(tmp_path / "all.parquet")[500:]
    assert pl.read_parquet(tmp_path / "with.parquet").equals(expected)
    without = pl.read_parquet(tmp_path / "without.parquet")
    assert without["transaction_id"].equals(expected["transaction_id"])
    assert not without["raw_score"].equals(expected["raw_score"])


def test_several_data_files_are_read_one_after_the_other(
    run: Run, files: Table, tmp_path: Path
) -> None:
    whole = pl.read_csv(files.csv)
    whole[:700].write_csv(tmp_path / "a.csv")
    whole[700:].write_parquet(tmp_path / "b.parquet")
    ran = run(
        "score", "--bundle", files.bundle, "--mapping", files.mapping, "--data", tmp_path / "a.csv",
        "--data", tmp_path / "b.parquet", "--out", tmp_path / "scores.parquet", "--json",
    )  # fmt: skip
    assert ran.json["orders"] == len(whole)
    frame = pl.read_parquet(tmp_path / "scores.parquet")
    assert frame["transaction_id"].to_list() == whole["id"].to_list()


def test_a_bad_row_gets_its_error_and_the_others_are_scored(
    run: Run, files: Table, tmp_path: Path
) -> None:
    lines = files.csv.read_text("utf-8").splitlines()[:8]
    lines[2] = lines[2].replace(lines[2].split(",")[2], "a lot")
    lines[5] = lines[5].replace(lines[5].split(",")[1], "yesterday")
    lines[6] = lines[4]
    path = tmp_path / "orders.csv"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    ran = run(
        "score", "--bundle", files.bundle, "--data", path, "--mapping", files.mapping,
        "--out", tmp_path / "scores.parquet",
    )  # fmt: skip
    assert ran.status == 0
    assert "3 of 7 rows are in error" in ran.err
    assert "7 orders" in ran.out
    frame = pl.read_parquet(tmp_path / "scores.parquet")
    assert frame.columns == COLUMNS
    assert frame["transaction_id"].to_list() == ["t0", "t1", "t2", "t3", "t4", "t3", "t6"]
    assert frame["error"].is_null().to_list() == [True, False, True, True, False, False, True]
    told = frame["error"].drop_nulls().to_list()
    assert [error.split(":")[0] for error in told] == [
        "/order/amount", "/event_time", "/transaction_id",
    ]  # fmt: skip
    for column in COLUMNS[1:4]:
        assert frame[column].is_null().to_list() == frame["error"].is_not_null().to_list()


@pytest.fixture
def scores(run: Run, files: Table, tmp_path: Path) -> Path:
    out = tmp_path / "scores.parquet"
    words = ["--data", files.csv, "--mapping", files.mapping, "--out", out, "--json"]
    assert run("score", "--bundle", files.bundle, *words).status == 0
    return out


def test_an_evaluation_has_every_figure_with_what_it_is_over(
    run: Run, files: Table, scores: Path
) -> None:
    words = ["evaluate", "--scores", scores, "--data", files.csv, "--mapping", files.mapping]
    ran = run(*words, "--as-of", UNTIL, "--json")
    assert (ran.status, ran.out.count("\n")) == (0, 1)
    assert set(ran.json) == {
        "n_orders", "n_scored", "n_explored", "n_label_known", "label_known_share", "as_of_ms",
        "n_frauds",
        "auc", "average_precision", "recall_at_false_positive_rate", "brier_score", "log_loss",
        "calibration", "calibration_slope", "calibration_intercept", "cost", "by_count",
        "by_amount", "card_precision", "mean_cost_minor", "n_orders_with_cost", "n_days", "notes",
        "resamples", "seed", "first_event_ms", "last_event_ms",
    }  # fmt: skip
    assert ran.json["n_orders"] == ran.json["n_scored"] == ORDERS
    assert ran.json["as_of_ms"] == UNTIL_MS
    known = ran.json["n_label_known"]
    assert 0 < known < ORDERS
    assert ran.json["label_known_share"] == known / ORDERS
    assert set(ran.json["recall_at_false_positive_rate"]) == {"0.001", "0.01", "0.05"}
    assert sum(held["n_orders"] for held in ran.json["calibration"]) == known
    assert ran.json["cost"]["n_orders"] == known
    assert ran.json["auc"] > 0.9
    found = ran.json["by_amount"]["auc"]
    assert found["low"] < found["value"] <= found["high"]
    assert ran.json["mean_cost_minor"]["value"] == pytest.approx(
        ran.json["cost"]["policy_minor"] / known
    )
    later = run(*words, "--json").json
    assert later["n_label_known"] == later["n_scored"]


def test_an_evaluation_is_shown_to_people_too(run: Run, files: Table, scores: Path) -> None:
    ran = run("evaluate", "--scores", scores, "--data", files.csv, "--mapping", files.mapping)
    assert ran.status == 0
    for words in ("average precision", "Calibration", "declining all", "Brier score", "EUR"):
        assert words in ran.out


def test_an_evaluation_is_written_as_a_page(
    run: Run, files: Table, scores: Path, tmp_path: Path
) -> None:
    words = ["evaluate", "--scores", scores, "--data", files.csv, "--mapping", files.mapping]
    page = tmp_path / "report.html"
    ran = run(*words, "--report", page, "--entity", "entities.terminal")
    assert (ran.status, ran.err) == (0, "")
    assert f"report written to {page}" in ran.out
    assert "Card Precision@100" in ran.out
    text = page.read_text("utf-8")
    for told in ("scores.parquet as of", "Card Precision@100", "Realised cost", "<svg"):
        assert told in text


def test_a_report_that_cannot_be_written_and_an_unknown_entity_are_told(
    run: Run, files: Table, scores: Path, tmp_path: Path
) -> None:
    words = ["evaluate", "--scores", scores, "--data", files.csv, "--mapping", files.mapping]
    ran = run(*words, "--report", tmp_path / "absent" / "report.html")
    assert ran.status == 2
    assert "must be a file in a folder that can be written to" in ran.err
    ran = run(*words, "--entity", "entities.shop")
    assert ran.status == 2
    assert "must have the field 'entities.shop'" in ran.err


@pytest.fixture
def other_scores(scores: Path, tmp_path: Path) -> Path:
    """Return a file of the same orders, one without a score, decided by another model."""
    frame, policy = read_scores(scores)
    is_kept = pl.int_range(pl.len()) > 0
    changed = frame.with_columns(
        pl.when(is_kept)
        .then(1 - (1 - pl.col("fraud_probability")) ** 0.5)
        .alias("fraud_probability"),
        pl.when(is_kept).then(pl.lit("review")).alias("action"),
    )
    path = tmp_path / "others.parquet"
    write_scores(path, Scores(changed, policy), made_by="another")
    return path


def test_two_files_of_scores_are_shown_side_by_side(
    run: Run, files: Table, scores: Path, other_scores: Path
) -> None:
    words = ["evaluate", "--scores", scores, "--data", files.csv, "--mapping", files.mapping]
    ran = run(*words, "--beside", other_scores)
    assert (ran.status, ran.err) == (0, "")
    for told in ("others beside scores", "difference", "better", "not told apart"):
        assert told in ran.out
    assert f"(scores {ORDERS}, others {ORDERS - 1})" in " ".join(ran.out.split())
    plain = run(*words, "--beside", other_scores, "--json")
    assert (plain.status, plain.out.count("\n")) == (0, 1)
    assert plain.json["n_compared"] == plain.json["n_scored_by_all"] == ORDERS - 1
    assert plain.json["differences"]["others"]["auc"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert plain.json["differences"]["others"]["mean_cost_minor"]["value"] != 0.0
    assert plain.json["differences"]["others"]["log_loss"]["value"] != 0.0


def test_a_file_beside_itself_differs_by_nothing(run: Run, files: Table, scores: Path) -> None:
    words = ["evaluate", "--scores", scores, "--data", files.csv, "--mapping", files.mapping]
    found = run(*words, "--beside", scores, "--json").json
    (differences,) = found["differences"].values()
    assert differences["log_loss"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_a_page_is_of_one_file_of_scores(
    run: Run, files: Table, scores: Path, tmp_path: Path
) -> None:
    words = ["evaluate", "--scores", scores, "--data", files.csv, "--mapping", files.mapping]
    page = tmp_path / "report.html"
    ran = run(*words, "--beside", scores, "--report", page)
    assert ran.status == 2
    assert "leave out --report, or --beside" in " ".join(ran.err.split())
    assert not page.exists()


def test_other_costs_change_the_costs_alone(
    run: Run, files: Table, scores: Path, tmp_path: Path
) -> None:
    costs = Costs(margin_share=0.5)
    (tmp_path / "policy.toml").write_text(policy_toml(Policy(costs=costs)))
    words = ["evaluate", "--scores", scores, "--data", files.csv, "--mapping", files.mapping]
    own = run(*words, "--json").json
    other = run(*words, "--policy", tmp_path / "policy.toml", "--json").json
    assert other.pop("cost")["approve_all_minor"] < own.pop("cost")["approve_all_minor"]
    assert other.pop("mean_cost_minor") != own.pop("mean_cost_minor")
    assert other == own


def test_a_shop_is_simulated_the_same_again(run: Run, tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("again", 5), ("other", 6)):
        ran = run("simulate", "--orders", 300, "--seed", seed, "--out", tmp_path / name, "--json")
        assert ran.status == 0
        assert set(ran.json) == {"orders", "frauds", "out"}
        assert ran.json["orders"] == 300
    shop = bundle_bytes(tmp_path / "a")
    assert set(shop) == {
        "orders.ndjson",
        "outcomes.ndjson",
        "truth.csv",
        "mapping.toml",
        "RULES.md",
    }
    assert shop == bundle_bytes(tmp_path / "again")
    assert shop["orders.ndjson"] != bundle_bytes(tmp_path / "other")["orders.ndjson"]


@given(times())
@example(msgspec.convert("2004-01-25T03:06:40.001Z", datetime))
@example(msgspec.convert("1969-12-31T23:59:59.999500Z", datetime))
def test_a_time_option_is_exact_to_the_millisecond(moment: datetime) -> None:
    assert time_ms(moment.isoformat(), "--until") == epoch_ms(moment)
