"""The trained shop, and some of its orders to be scored, for every test here."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraudkit.mapping import MappedData
from fraudkit.rescoring import score_data, write_scores
from fraudkit.scoring.bundle import Bundle, load_bundle
from tests.rescoring.interrupting import N_ORDERS
from tests.training.trained_shop import TrainedShop, trained_shop, write_lines


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> TrainedShop:
    return trained_shop(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def bundle(shop: TrainedShop) -> Bundle:
    return load_bundle(shop.bundle)


@pytest.fixture(scope="session")
def data(shop: TrainedShop, tmp_path_factory: pytest.TempPathFactory) -> MappedData:
    path = tmp_path_factory.mktemp("orders") / "orders.ndjson"
    return shop.read(write_lines(path, shop.transactions[-N_ORDERS:]))


@pytest.fixture(scope="session")
def whole(bundle: Bundle, data: MappedData, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the bytes of a scores file that was made in one go, without parts."""
    out = tmp_path_factory.mktemp("whole") / "scores.parquet"
    write_scores(out, score_data(bundle, data), made_by=bundle.version)
    return out.read_bytes()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "scores.parquet"
