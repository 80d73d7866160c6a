"""One policy's value from another's log, on real logs with propensities: the Open Bandit Dataset.

Saito, Aihara, Matsutani and Narita, "Open Bandit Dataset and Pipeline", NeurIPS 2021, campaign
"all": a uniform random and a Thompson-sampling policy showed the same 80 items in the same week.
``FRAUDKIT_DATA`` names the folder that holds the first 10,000 rows of both logs.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from fraudkit.decisions.off_policy.day_blocks import Interval, day_interval
from fraudkit.decisions.off_policy.estimators import effective_sample_size, ips_terms, snips_terms

DATA = Path(os.environ.get("FRAUDKIT_DATA", ""))
RANDOM, THOMPSON = "open_bandit_random_all.parquet", "open_bandit_bts_all.parquet"

pytestmark = pytest.mark.skipif(
    not all((DATA / name).exists() for name in (RANDOM, THOMPSON)),
    reason="FRAUDKIT_DATA names no folder with the Open Bandit logs",
)


def log_of(name: str) -> pl.DataFrame:
    return pl.read_parquet(DATA / name).select(
        "item_id",
        "position",
        "propensity_score",
        click=pl.col("click").cast(pl.Float64),
        day=pl.col("timestamp").str.slice(0, 10).str.to_date().cast(pl.Int32),
    )


def interval_of_mean(terms: NDArray[np.float64], log: pl.DataFrame) -> Interval:
    found = day_interval(terms, log["day"].to_numpy())
    assert found is not None
    return Interval(found.low / len(terms), found.high / len(terms))


def weights_of(name: str, log: pl.DataFrame) -> NDArray[np.float64]:
    """Return what the policy that is asked about would have done, over what was done."""
    logged = log["propensity_score"].to_numpy()
    if name == RANDOM:
        return 1.0 / 80.0 / logged
    # The policy learnt as it went; the share of each item over the week is near what it did.
    own = log_of(name)
    shares = own.group_by("item_id", "position").agg(shown=pl.len() / len(own))
    of_position = own.group_by("position").agg(of_position=pl.len() / len(own))
    joined = log.join(shares, on=["item_id", "position"], how="left", maintain_order="left")
    joined = joined.join(of_position, on="position", how="left", maintain_order="left")
    probability = joined["shown"].fill_null(0.0) / joined["of_position"]
    return probability.to_numpy() / logged


@pytest.mark.parametrize(
    ("asked", "logged", "least_effective"), [(RANDOM, THOMPSON, 300.0), (THOMPSON, RANDOM, 2_000.0)]
)
def test_the_value_on_its_own_log_is_in_the_interval_from_the_others(
    asked: str, logged: str, least_effective: float
) -> None:
    log, own = log_of(logged), log_of(asked)
    weight, click = weights_of(asked, log), log["click"].to_numpy()
    on_policy = float(own["click"].to_numpy().mean())
    assert weight.mean() == pytest.approx(1.0, abs=0.05)
    assert effective_sample_size(weight) > least_effective
    for terms_of in (ips_terms, snips_terms):
        terms = terms_of(click, weight)
        low, high = interval_of_mean(terms, log)
        assert low <= on_policy <= high
        own_low, own_high = interval_of_mean(own["click"].to_numpy(), own)
        assert own_low <= terms.mean() <= own_high
