"""The trained shop, for every test here."""

import pytest

from tests.training.trained_shop import TrainedShop, trained_shop


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> TrainedShop:
    return trained_shop(tmp_path_factory.getbasetemp())
