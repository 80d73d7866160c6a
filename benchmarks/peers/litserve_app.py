"""LitServe: this module run as a script, on the port ``PEER_PORT``."""

import os
from typing import Any

import lightgbm
import litserve
import numpy as np
from numpy.typing import NDArray

__all__ = ["FraudAPI"]


class FraudAPI(litserve.LitAPI):
    """The text model behind ``/predict``."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe passes it
        """Read the model."""
        self._booster = lightgbm.Booster(model_file=os.environ["PEER_MODEL"])

    def decode_request(self, request: dict[str, Any]) -> NDArray[np.float64]:
        """Return the rows of a request."""
        return np.array(request["rows"])

    def predict(self, rows: NDArray[np.float64]) -> Any:
        """Return the probability of each row."""
        return self._booster.predict(rows, num_threads=1)

    def encode_response(self, probability: NDArray[np.float64]) -> dict[str, Any]:
        """Return the answer."""
        return {"fraud_probability": probability.tolist()}


if __name__ == "__main__":
    litserve.LitServer(FraudAPI(), accelerator="cpu", workers_per_device=1).run(
        host="127.0.0.1",
        port=int(os.environ["PEER_PORT"]),
        num_api_servers=1,
        log_level="warning",
        access_log=False,
        generate_client_file=False,
    )
