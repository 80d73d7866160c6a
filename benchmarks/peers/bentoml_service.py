"""BentoML: ``bentoml serve`` on this service; the method is a coroutine, so no thread is asked."""

import os

import bentoml
import lightgbm

__all__ = ["Fraud"]


@bentoml.service(
    workers=1,
    logging={"access": {"enabled": False}},
    metrics={"enabled": False},
)
class Fraud:
    """The text model behind one method."""

    def __init__(self) -> None:
        self._booster = lightgbm.Booster(model_file=os.environ["PEER_MODEL"])

    @bentoml.api
    async def predict(self, rows: list[list[float]]) -> list[float]:
        """Return the probability of each row."""
        probability: list[float] = list(self._booster.predict(rows, num_threads=1))
        return probability
