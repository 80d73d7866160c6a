"""What one writes first: a FastAPI route, the order as a pydantic model, ``Booster.predict``.

The feature row is given: the rows of the file ``PEER_ROWS`` are taken in turn. The route is a
coroutine, which is faster here than FastAPI's thread for a plain function.
"""

import os
from itertools import cycle

import lightgbm
import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.incoming_order import IncomingOrder

__all__ = ["Answer", "app", "score"]

DECLINE_AT = 0.5

app = FastAPI()
_booster = lightgbm.Booster(model_file=os.environ["PEER_MODEL"])
_rows = cycle(np.load(os.environ["PEER_ROWS"])[:, None, :])


class Answer(BaseModel):
    """The probability and what to do."""

    transaction_id: str
    fraud_probability: float
    action: str


@app.post("/v1/score")
async def score(order: IncomingOrder) -> Answer:
    """Score an order."""
    probability = float(_booster.predict(next(_rows), num_threads=1)[0])
    return Answer(
        transaction_id=order.transaction_id,
        fraud_probability=probability,
        action="decline" if probability >= DECLINE_AT else "accept",
    )
