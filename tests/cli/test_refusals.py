"""What a command cannot do it says in one message, with exit status 2 and no traceback."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree

import polars as pl
import pytest

from tests.cli.conftest import Ran, Run, Table
from tests.training.table import MAPPING


def refused(ran: Ran, error: str, told: str) -> None:
    assert ran.status == 2
    assert ran.out == ""
    assert "Traceback" not in ran.err
    lines = ran.err.strip().splitlines()
    assert lines[0] == f"error {error}"
    assert told in "\n".join(lines[1:])
    assert ran.err.count(f"error {error}") == 1


@pytest.fixture
def words(files: Table, tmp_path: Path) -> dict[str, list[object]]:
    """Return the words of each command, all well, to be spoilt one by one."""
    data = ["--data", files.csv, "--mapping", files.mapping]
    return {
        "train": ["train", *data, "--out", tmp_path / "b", "--json"],
        "score": ["score", "--bundle", files.bundle, *data, "--out", tmp_path / "s.parquet"],
        "evaluate": ["evaluate", "--scores", tmp_path / "s.parquet", *data],
    }


def put(words: list[object], option: str, value: object) -> list[object]:
    place = words.index(option) + 1
    return [*words[:place], value, *words[place + 1 :]]


@pytest.mark.parametrize("command", ["train", "score"])
def test_a_mapping_that_does_not_fit_says_so_column_by_column(
    run: Run, words: dict[str, list[object]], tmp_path: Path, command: str
) -> None:
    path = tmp_path / "mapping.toml"
    path.write_text(MAPPING.replace('"mail"', '"mial"').replace('"amount"\n', '"amuont"\n'))
    ran = run(*put(words[command], "--mapping", path))
    refused(ran, "MappingError", "does not fit")
    assert "did you mean 'mail'" in ran.err
    assert "did you mean 'amount'" in ran.err
    assert not (tmp_path / "b").exists()


WRONG = [
    ("train", "--data", "absent.csv", "DataFileError", "absent.csv"),
    ("train", "--mapping", "absent.toml", "MappingError", "absent.toml"),
    ("score", "--bundle", "absent", "BundleError", "make one with `fraudkit train`"),
    ("score", "--bundle", "x" * 300, "BundleError", "make one with `fraudkit train`"),
    ("score", "--bundle", ".", "BundleError", "manifest.json must be readable"),
    ("score", "--data", "absent.csv", "DataFileError", "absent.csv"),
    ("score", "--out", "scores.csv", "InputError", "must end in .parquet, got 'scores.csv'"),
    ("score", "--out", "absent/s.parquet", "InputError", "absent/s.parquet"),
    ("evaluate", "--scores", "absent.parquet", "DataFileError", "absent.parquet"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "option", "name", "error", "told"), WRONG)
def test_a_file_that_is_not_there_or_is_another_is_named(
    run: Run, words: dict[str, list[object]], tmp_path: Path,
    command: str, option: str, name: str, error: str, told: str,
) -> None:  # fmt: skip
    refused(run(*put(words[command], option, tmp_path / name)), error, told)


def test_an_altered_bundle_is_refused(
    run: Run, words: dict[str, list[object]], files: Table, tmp_path: Path
) -> None:
    altered = copytree(files.bundle, tmp_path / "altered")
    (altered / "policy.toml").write_text("[costs]\nmargin_share = 0.9\n")
    ran = run(*put(words["score"], "--bundle", altered))
    refused(ran, "BundleError", "policy.toml is not the file that the manifest was made for")
    (altered / "policy.toml").unlink()
    refused(run(*put(words["score"], "--bundle", altered)), "BundleError", "must be readable")


def test_a_folder_that_holds_something_else_is_not_written_into(
    run: Run, words: dict[str, list[object]], tmp_path: Path
) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.txt").write_text("precious")
    refused(run(*words["train"]), "BundleError", "choose another --out")
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["thesis.txt"]


TIMES = [
    ("yesterday", "must be an RFC 3339 time such as 2026-03-01T00:00:00Z, got 'yesterday'"),
    ("2026-02-30T00:00:00Z", "must be an RFC 3339 time"),
    ("2026-03-01", "must be an RFC 3339 time"),
    ("2026-03-01T00:00:00", "must have an offset"),
    ("9999-12-31T23:59:59-14:00", "must be in the years 1 to 9999 of UTC"),
]


@pytest.mark.parametrize(("text", "told"), TIMES)
def test_a_time_that_is_none_is_refused(
    run: Run, words: dict[str, list[object]], text: str, told: str
) -> None:
    refused(run(*words["train"], "--until", text), "InputError", f"--until {told}")
    assert run(*words["score"]).status == 0
    refused(run(*words["evaluate"], "--as-of", text), "InputError", f"--as-of {told}")


def test_a_history_too_short_to_learn_from_is_told(
    run: Run, words: dict[str, list[object]]
) -> None:
    ran = run(*words["train"], "--until", "2026-01-02T00:00:00Z")
    refused(ran, "TrainingError", "label was known before the horizon")


POLICIES = [
    ("costs = [", "PolicyError", "must be TOML"),
    ("[costs]\nmargin = 0.2", "PolicyError", "did you mean 'margin_share'"),
    ("[costs]\nmargin_share = 20", "PolicyError", "/costs/margin_share"),
    ("\udcff", "InputError", "must be a readable policy file"),
    (None, "InputError", "must be a readable policy file"),
]


@pytest.mark.parametrize(("text", "error", "told"), POLICIES)
def test_a_policy_that_does_not_hold_is_refused(
    run: Run, words: dict[str, list[object]], tmp_path: Path,
    text: str | None, error: str, told: str,
) -> None:  # fmt: skip
    path = tmp_path / "policy.toml"
    if text is not None:
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    refused(run(*words["train"], "--policy", path), error, told)


def test_costs_in_another_currency_than_the_amounts_are_refused(
    run: Run, words: dict[str, list[object]], tmp_path: Path
) -> None:
    (tmp_path / "policy.toml").write_text('[costs]\ncurrency = "USD"\n')
    for command in ("train", "evaluate"):
        if command == "evaluate":
            assert run(*words["score"]).status == 0
        ran = run(*words[command], "--policy", tmp_path / "policy.toml")
        refused(ran, "PolicyError", "must be the reference currency EUR, got USD")


def test_a_parquet_file_that_is_no_scores_file_is_refused(
    run: Run, words: dict[str, list[object]], tmp_path: Path
) -> None:
    pl.DataFrame({"transaction_id": ["t1"]}).write_parquet(tmp_path / "s.parquet")
    refused(run(*words["evaluate"]), "DataFileError", "make it with `fraudkit score`")


def test_scores_of_other_orders_are_told(
    run: Run, words: dict[str, list[object]], files: Table, tmp_path: Path
) -> None:
    assert run(*words["score"]).status == 0
    others = pl.read_csv(files.csv).with_columns(pl.col("id") + "-other")
    others.write_csv(tmp_path / "others.csv")
    ran = run(*put(words["evaluate"], "--data", tmp_path / "others.csv"))
    refused(ran, "TrainingError", "check that transaction_id agrees")


@pytest.mark.parametrize(
    ("given", "told"),
    [(["--orders", 0, "--seed", 1], "--orders"), (["--orders", "many", "--seed", 1], "--orders")],
)
def test_a_number_that_is_none_is_shown_with_the_usage(
    run: Run, tmp_path: Path, given: list[object], told: str
) -> None:
    ran = run("simulate", *given, "--out", tmp_path / "shop")
    assert (ran.status, ran.out) == (2, "")
    assert told in ran.err
    assert "Traceback" not in ran.err


def test_a_seed_below_zero_is_refused(run: Run, tmp_path: Path) -> None:
    ran = run("simulate", "--orders", 10, "--seed", -1, "--out", tmp_path / "shop")
    refused(ran, "InputError", "seed must not be negative")


def test_lines_of_the_outcomes_file_that_do_not_hold_are_told(
    run: Run, words: dict[str, list[object]], tmp_path: Path
) -> None:
    known = "2026-01-02T00:00:00Z"
    whole = (
        f'{{"kind":"early_fraud_warning","outcome_id":"o1","transaction_id":"t1",'
        f'"occurred_at":"{known}","available_at":"{known}"}}\n'
    )
    (tmp_path / "outcomes.ndjson").write_text(whole + '{"kind": "fraud"}\n' * 2)
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(f'{MAPPING}\n[outcomes]\nfile = "outcomes.ndjson"\n')
    ran = run(*put(words["score"], "--mapping", mapping))
    assert ran.status == 0
    assert "2 lines of the outcomes file are in error" in ran.err
    assert "/kind" in ran.err
