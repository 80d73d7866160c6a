"""`fraudkit tune`: the library's tuning, for people and for machines."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from fraudkit import console
from fraudkit.decisions.costs import Costs
from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import Constraints, Policy, parse_policy, policy_toml
from fraudkit.decisions.tuning import PolicyTuner
from fraudkit.decisions.tuning.coverage import LabelCoverage
from fraudkit.evaluation import read_scores
from fraudkit.mapping import Mapping, read_data
from fraudkit.retuning import tune_on_scores
from fraudkit.scoring.maturity import last_known_ms
from tests.cli.conftest import Run, Table
from tests.reporting.elements import check_page_needs_nothing_else


@pytest.fixture
def scores(run: Run, files: Table, tmp_path: Path) -> Path:
    path = tmp_path / "scores.parquet"
    asked = ("--data", files.csv, "--mapping", files.mapping, "--out", path)
    assert run("score", "--bundle", files.bundle, *asked).status == 0
    return path


def test_json_is_the_librarys_tuning(run: Run, files: Table, scores: Path, tmp_path: Path) -> None:
    limits = Constraints(reviews_per_day=1)
    policy = Policy(costs=Costs(margin_share=0.1), constraints=limits)
    (tmp_path / "costs.toml").write_text(policy_toml(policy))
    ran = run(
        "tune", "--scores", scores, "--data", files.csv, "--mapping", files.mapping,
        "--policy", tmp_path / "costs.toml", "--resamples", 5, "--seed", 2,
        "--out", tmp_path / "tuned.toml", "--json",
    )  # fmt: skip
    assert (ran.status, ran.out.count("\n")) == (0, 1)
    mapping = Mapping.load(files.mapping)
    data = read_data([files.csv], mapping)
    tuner = tune_on_scores(
        PolicyTuner(policy=policy, n_resamples=5, seed=2), read_scores(scores)[0], data,
        mapping.rates, label_delay_days=mapping.delay_days,
        as_of_ms=last_known_ms(data.frame, data.labels, data.outcomes,
                               has_label_column=mapping.label_column is not None),
    )  # fmt: skip
    tuned = parse_policy((tmp_path / "tuned.toml").read_text())
    assert tuned == tuner.policy_
    assert tuned.constraints == limits
    assert ran.json["odds_factor"] == tuned.odds_factor
    assert ran.json["orders"] + ran.json["unknown"] == len(data.frame)
    assert ran.json["label_known_share"] == tuner.label_known_share_
    assert msgspec.convert(ran.json["label_coverage"], LabelCoverage) == tuner.label_coverage_
    assert ran.json["notes"] == list(tuner.label_coverage_.notes)
    assert ran.json["label_coverage"]["n_orders"] == len(data.frame)
    assert msgspec.convert(ran.json["rates"], list[dict[str, object]]) == tuner.rates_.to_dicts()
    rulings = Decider(tuned).of_many(
        np.full(9, 0.3), np.full(9, 9_000.0), {}, time_ms=np.zeros(9, np.int64)
    )
    assert (rulings.action == 2).sum() <= 1


def test_people_see_tables(run: Run, files: Table, scores: Path, tmp_path: Path) -> None:
    ran = run(
        "tune", "--scores", scores, "--data", files.csv, "--mapping", files.mapping,
        "--form", "cut_offs", "--resamples", 0, "--as-of", "2026-01-25T00:00:00Z",
        "--out", tmp_path / "tuned.toml",
    )  # fmt: skip
    assert ran.status == 0
    for shown in (
        "Tuned on ",
        "are too young",
        "Warning: only",
        "From which probability of fraud on",
        "What the tuned policy does",
        "policy ",
    ):
        assert shown in ran.out
    assert parse_policy((tmp_path / "tuned.toml").read_text()).cut_offs is not None


def test_the_report_is_the_librarys_page(
    run: Run, files: Table, scores: Path, tmp_path: Path
) -> None:
    page = tmp_path / "tuned.html"
    ran = run(
        "tune", "--scores", scores, "--data", files.csv, "--mapping", files.mapping,
        "--resamples", 3, "--seed", 2, "--out", tmp_path / "tuned.toml", "--report", page,
    )  # fmt: skip
    assert ran.status == 0
    assert f"report written to {page}" in ran.out
    check_page_needs_nothing_else(page.read_text("utf-8"))
    mapping = Mapping.load(files.mapping)
    data = read_data([files.csv], mapping)
    frame, own_policy = read_scores(scores)
    tuner = tune_on_scores(
        PolicyTuner(policy=own_policy, n_resamples=3, seed=2), frame, data, mapping.rates,
        label_delay_days=mapping.delay_days,
        as_of_ms=last_known_ms(data.frame, data.labels, data.outcomes,
                               has_label_column=mapping.label_column is not None),
    )  # fmt: skip
    assert page.read_text("utf-8") == tuner.report().page()


def test_progress_goes_to_a_terminal_alone(
    run: Run, files: Table, scores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = (
        "tune", "--scores", scores, "--data", files.csv, "--mapping", files.mapping,
        "--resamples", 3, "--out", tmp_path / "tuned.toml",
    )  # fmt: skip
    assert "redrawn" not in run(*asked).err
    monkeypatch.setattr(console.err, "_force_terminal", True)
    monkeypatch.setattr(console.err, "is_interactive", True)
    monkeypatch.setenv("TERM", "xterm")
    shown = run(*asked).err
    assert "redrawn days" in shown
    assert "3 of 3" in shown
    assert "redrawn" not in run(*asked, "--json").err


def test_without_matplotlib_nothing_is_tuned_for_a_report(
    run: Run, files: Table, scores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    ran = run(
        "tune", "--scores", scores, "--data", files.csv, "--mapping", files.mapping,
        "--out", tmp_path / "tuned.toml", "--report", tmp_path / "tuned.html",
    )  # fmt: skip
    assert (ran.status, ran.out) == (2, "")
    assert "pip install 'fraudkit[report]'" in ran.err
    assert list(tmp_path.glob("tuned*")) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--out", "tuned.json"), "--out must end in .toml"),
        (("--out", "no/such/tuned.toml"), "must be a file that can be written"),
        (
            ("--out", "tuned.toml", "--report", "no/such/tuned.html"),
            "must be a file in a folder that can be written to",
        ),
        (("--out", "tuned.toml", "--segments", "billing.county"), "'billing.county' to tune by it"),
        (("--out", "tuned.toml", "--as-of", "2026"), "--as-of must be an RFC 3339 time"),
        (("--out", "tuned.toml", "--as-of", "2020-01-01T00:00:00Z"), "a tuning needs frauds"),
    ],
)
def test_what_cannot_be_tuned_is_one_message_and_leaves_nothing(
    run: Run,
    files: Table,
    scores: Path,
    words: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ("--scores", scores, "--data", files.csv, "--mapping", files.mapping)
    ran = run("tune", *asked, "--resamples", 0, *words)
    assert (ran.status, ran.out) == (2, "")
    assert message in ran.err
    assert "Traceback" not in ran.err
    assert list(tmp_path.glob("tuned*")) == []
