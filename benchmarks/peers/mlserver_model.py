"""MLServer: ``mlserver start`` on a folder whose settings name this model."""

import os

import lightgbm
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

__all__ = ["FraudModel"]


class FraudModel(MLModel):
    """The text model behind the inference protocol."""

    async def load(self) -> bool:
        """Read the model."""
        self._booster = lightgbm.Booster(model_file=os.environ["PEER_MODEL"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Score the rows of one request."""
        rows = NumpyCodec.decode_input(payload.inputs[0])
        probability = self._booster.predict(rows, num_threads=1)
        return InferenceResponse(
            model_name=self.name,
            outputs=[NumpyCodec.encode_output("fraud_probability", probability)],
        )
