"""The model that a benchmark runs: the bundle of this checkout, or a small one made on the spot.

Invariant: every way that is compared runs the trees of the one ``model.txt``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec
import numpy as np

from benchmarks.harness import ROOT
from fraudkit.decisions.policy import Policy, policy_toml
from fraudkit.features.catalog import default_features
from fraudkit.features.offline import feature_rows
from fraudkit.mapping import Mapping, read_data
from fraudkit.scoring.bundle import BundleContent, resolve_bundle, write_bundle
from fraudkit.scoring.calibration import Calibration
from fraudkit.scoring.learning.boosting import ModelSettings
from fraudkit.scoring.learning.fit import fit_model, reference_row
from fraudkit.simulate import simulate, write_shop

__all__ = ["bundle_folder"]

CURRENT: Final = ROOT / "models" / "current"

_TRAINING_ORDERS: Final = 6_000
_TRAINING_SEED: Final = 1
_N_TREES: Final = 100


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
        write_bundle(Path(folder) / "timing-only", _timing_only(Path(folder) / "shop"))
        yield Path(folder) / "timing-only"


def _timing_only(folder: Path) -> BundleContent:
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
    text = fit_model(rows, is_fraud, features, ModelSettings(n_trees=_N_TREES)).text
    costs = msgspec.structs.replace(Policy().costs, currency=mapping.rates.reference_currency)
    return BundleContent(
        model_text=text,
        features=features,
        calibration=Calibration(method="identity", raw_score=(-1.0, 1.0), log_odds=(-1.0, 1.0)),
        reference=reference_row(rows, is_fraud, text),
        rates=mapping.rates,
        policy_text=policy_toml(Policy(costs=costs)),
        training={},
        card="For timing only.\n",
        libraries={},
    )
