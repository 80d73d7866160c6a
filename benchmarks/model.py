"""The models that benchmarks run: the bundle of this checkout, or one made on the spot.

Invariant: every way that is compared runs the trees of the one ``model.txt``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import ROOT
from benchmarks.made_up_orders import N_LEAVES, N_TREES
from fraudkit.decisions.policy import Policy, policy_toml
from fraudkit.errors import ArtifactError
from fraudkit.features.catalog import default_features
from fraudkit.features.offline import feature_rows
from fraudkit.features.spec import FeatureSet
from fraudkit.mapping import Mapping, read_data
from fraudkit.scoring.bundle import BundleContent, resolve_bundle, write_bundle
from fraudkit.scoring.calibration import Calibration
from fraudkit.scoring.learning.boosting import ModelSettings
from fraudkit.scoring.learning.fit import fit_model, reference_row
from fraudkit.scoring.trees.model_text import parse_model_text
from fraudkit.simulate import simulate, write_shop

__all__ = ["PromisedModel", "bundle_folder", "promised_model"]

CURRENT: Final = ROOT / "models" / "current"

_TRAINING_ORDERS: Final = 6_000
_TRAINING_SEED: Final = 1
_SMALL: Final = ModelSettings(n_trees=100)
_NOISE_SHARE: Final = 0.2


class PromisedModel(NamedTuple):
    """A bundle of the promised size, and rows for servers that are given their rows.

    Attributes
    ----------
    bundle : Path
        The bundle's folder.
    rows : ndarray of float64, shape (n_rows, n_features)
        Feature rows of simulated orders, 0 where a value is missing: JSON has no word for NaN.
    """

    bundle: Path
    rows: NDArray[np.float64]


class _Shop(NamedTuple):
    rows: NDArray[np.float64]
    is_fraud: NDArray[np.bool_]
    features: FeatureSet
    mapping: Mapping


@contextmanager
def bundle_folder() -> Iterator[Path]:
    """Give the folder of the bundle to run, for as long as it is there.

    Where ``models/current`` is missing, a bundle is fitted to the truth of a simulated shop: it
    has the size and shape of a real one, and is good for timing only.
    """
    if CURRENT.exists():
        yield resolve_bundle(CURRENT)
        return
    with TemporaryDirectory() as folder:
        shop = _shop(Path(folder) / "shop")
        write_bundle(Path(folder) / "timing-only", _timing_only(shop, shop.is_fraud, _SMALL))
        yield Path(folder) / "timing-only"


def promised_model(folder: Path, *, n_trees: int = N_TREES) -> PromisedModel:
    """Write a bundle of `N_TREES` trees of `N_LEAVES` leaves over the default catalogue.

    Simulated frauds are too few and too plain to fill so many leaves, so a share of the honest
    orders counts as fraud by lot. The bundle is good for timing only.

    Raises
    ------
    fraudkit.errors.ArtifactError
        If a tree has fewer leaves than promised.
    """
    shop = _shop(folder / "shop")
    by_lot = np.random.default_rng(_TRAINING_SEED).random(len(shop.rows)) < _NOISE_SHARE
    settings = ModelSettings(
        boosting="gbdt",
        n_trees=n_trees,
        num_leaves=N_LEAVES,
        learning_rate=0.02,
        lambda_l2=0.0,
        max_bin=255,
        uses_directions=False,
    )
    content = _timing_only(shop, shop.is_fraud | by_lot, settings)
    n_leaves = len(parse_model_text(content.model_text)[0].value)
    if n_leaves != n_trees * N_LEAVES:
        raise ArtifactError(
            f"a model for timing must have {n_trees} x {N_LEAVES} leaves, got {n_leaves}; raise "
            "_NOISE_SHARE in benchmarks/model.py"
        )
    write_bundle(folder / "promised", content)
    return PromisedModel(folder / "promised", np.nan_to_num(shop.rows, nan=0.0))


def _shop(folder: Path) -> _Shop:
    shop = simulate(_TRAINING_ORDERS, _TRAINING_SEED)
    write_shop(shop, folder)
    mapping = Mapping.load(folder / "mapping.toml")
    data = read_data([folder / "orders.ndjson"], mapping)
    truth = {
        transaction.transaction_id: kind != "honest"
        for transaction, kind in zip(shop.transactions, shop.truth, strict=True)
    }
    is_fraud = np.array([truth[name] for name in data.frame["transaction_id"]])
    features = default_features()
    rows = feature_rows(data.frame, features, mapping.rates, data.outcomes)
    return _Shop(rows, is_fraud, features, mapping)


def _timing_only(
    shop: _Shop, is_fraud: NDArray[np.bool_], settings: ModelSettings
) -> BundleContent:
    rates = shop.mapping.rates
    text = fit_model(shop.rows, is_fraud, shop.features, settings).text
    costs = msgspec.structs.replace(Policy().costs, currency=rates.reference_currency)
    return BundleContent(
        model_text=text,
        features=shop.features,
        calibration=Calibration(method="identity", raw_score=(-1.0, 1.0), log_odds=(-1.0, 1.0)),
        reference=reference_row(shop.rows, is_fraud, text),
        rates=rates,
        policy_text=policy_toml(Policy(costs=costs)),
        training={},
        card="For timing only.\n",
        libraries={},
    )
