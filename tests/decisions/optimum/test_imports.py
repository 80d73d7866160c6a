"""The optima need numpy alone: a notebook, a service and a cluster can all seek them."""

import pytest

from tests.architecture.test_imports import loaded_by

HEAVY = {"lightgbm", "numba", "pandas", "polars", "scipy", "sklearn"}


@pytest.mark.parametrize(
    "name", ["cut_offs", "cut_offs_factor", "odds_factor", "prices", "joint_prices"]
)
def test_an_optimum_loads_no_heavy_package(name: str) -> None:
    loaded = loaded_by(f"import fraudkit.decisions.optimum.{name}")
    assert "numpy" in loaded
    assert loaded & HEAVY == set()
