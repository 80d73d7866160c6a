"""Other servers, each in the environment that ``make bench-peers`` made for it.

A peer that is not there, or does not start here, is left out, and the report says why.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPException
from importlib.metadata import Distribution
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final, NamedTuple

import lightgbm
import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.drivers import Bodies, Orders
from benchmarks.harness import ROOT
from benchmarks.model import PromisedModel
from benchmarks.servers import started, tail_of
from fraudkit.errors import StoreError

__all__ = ["PEERS", "Peer", "Peers", "running_peers"]

_START_SECONDS_MAX: Final = 60.0
_ROWS_SENT: Final = 1_000
_ROWS_CHECKED: Final = 5

_encode = msgspec.json.Encoder().encode


class Peer(NamedTuple):
    """How a server is started and asked.

    Attributes
    ----------
    name : str
        Prefix of its figures.
    folder : str
        Of its environment, within the folder of all of them; the package that serves.
    command : callable
        From the environment's ``bin`` folder, the port and a scratch folder to the command.
    settings : dict of str
        Environment variables of its own.
    path : str
        Of the URL.
    body : callable or None
        From a feature row to a request; ``None`` where whole orders are sent.
    probability : callable
        From its answer to the probability in it.
    """

    name: str
    folder: str
    command: Callable[[Path, int, Path], Sequence[str]]
    settings: dict[str, str]
    path: str
    body: Callable[[list[float]], bytes] | None
    probability: Callable[[Any], float]


class Peers(NamedTuple):
    """The peers of one run.

    Attributes
    ----------
    sent : dict
        Name → URL and what is sent there, of the peers that run.
    left_out : dict of str
        Name → why it does not.
    versions : dict of str
        Name → version of the package that serves, of the peers that run.
    """

    sent: dict[str, tuple[str, Orders | Bodies]]
    left_out: dict[str, str]
    versions: dict[str, str]


def _mlserver(programs: Path, port: int, scratch: Path) -> list[str]:
    """Write the settings that ``mlserver start`` reads; of its ports only HTTP's is asked."""
    settings = {
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": _free_port(),
        "metrics_port": _free_port(),
        "metrics_dir": str(scratch),
        "parallel_workers": 0,
        "debug": False,
    }
    model = {
        "name": "fraud",
        "implementation": "benchmarks.peers.mlserver_model.FraudModel",
    }
    (scratch / "settings.json").write_bytes(_encode(settings))
    (scratch / "model-settings.json").write_bytes(_encode(model))
    return [str(programs / "mlserver"), "start", str(scratch)]


PEERS: Final = (
    Peer(
        name="plain_fastapi",
        folder="fastapi",
        command=lambda programs, port, _: [
            *(str(programs / "python"), "-m", "uvicorn", "benchmarks.peers.fastapi_app:app"),
            *("--host", "127.0.0.1", "--port", str(port)),
            *("--no-access-log", "--log-level", "warning"),
        ],
        settings={},
        path="/v1/score",
        body=None,
        probability=lambda answer: answer["fraud_probability"],
    ),
    Peer(
        name="mlserver",
        folder="mlserver",
        command=_mlserver,
        settings={},
        path="/v2/models/fraud/infer",
        body=lambda row: _encode(
            {"inputs": [{"name": "rows", "shape": [1, len(row)], "datatype": "FP64", "data": row}]}
        ),
        probability=lambda answer: answer["outputs"][0]["data"][0],
    ),
    Peer(
        name="bentoml",
        folder="bentoml",
        command=lambda programs, port, _: [
            *(str(programs / "bentoml"), "serve", "benchmarks.peers.bentoml_service:Fraud"),
            *("--host", "127.0.0.1", "--port", str(port)),
        ],
        settings={"BENTOML_DO_NOT_TRACK": "True"},
        path="/predict",
        body=lambda row: _encode({"rows": [row]}),
        probability=lambda answer: answer[0],
    ),
    Peer(
        name="litserve",
        folder="litserve",
        command=lambda programs, *_: [
            str(programs / "python"),
            "-m",
            "benchmarks.peers.litserve_app",
        ],
        settings={},
        path="/predict",
        body=lambda row: _encode({"rows": [row]}),
        probability=lambda answer: answer["fraud_probability"][0],
    ),
)


@contextmanager
def running_peers(
    environments: Path, model: PromisedModel, orders: Orders, scratch: Path
) -> Iterator[Peers]:
    """Run every peer that is installed, and hold that each gives the model's probabilities.

    Parameters
    ----------
    environments : Path
        The folder of their environments.
    model : PromisedModel
        The trees, and the rows that are sent.
    orders : Orders
        What is sent to a server that takes whole orders.
    scratch : Path
        An empty folder.
    """
    rows = model.rows[:_ROWS_SENT]
    np.save(scratch / "rows.npy", rows)
    sent: dict[str, tuple[str, Orders | Bodies]] = {}
    left_out, versions = {}, {}
    with ExitStack() as running:
        for peer in PEERS:
            programs = environments.absolute() / peer.folder / "bin"
            if not (programs / "python").exists():
                left_out[peer.name] = "not installed: run make bench-peers"
                continue
            requests = _requests(peer, rows, orders, scratch)
            try:
                url = running.enter_context(_serving(peer, programs, scratch, model, requests))
            except (OSError, StoreError) as error:
                left_out[peer.name] = str(error)
            else:
                sent[peer.name] = url, requests
                versions[peer.name] = _version(peer.folder, programs.parent)
        yield Peers(sent, left_out, versions)


def _version(package: str, environment: Path) -> str:
    packages = [str(path) for path in environment.glob("lib/python3*/site-packages")]
    found = Distribution.discover(name=package, path=packages)
    return next((distribution.version for distribution in found), "unknown")


def _requests(
    peer: Peer, rows: NDArray[np.float64], orders: Orders, scratch: Path
) -> Orders | Bodies:
    if peer.body is None:
        return orders
    file = scratch / f"{peer.name}.bodies"
    file.write_bytes(b"".join(peer.body(row) + b"\n" for row in rows.tolist()))
    return Bodies(file=file, path=peer.path)


@contextmanager
def _serving(
    peer: Peer, programs: Path, scratch: Path, model: PromisedModel, sent: Orders | Bodies
) -> Iterator[str]:
    port, own = _free_port(), scratch / peer.name
    own.mkdir()
    settings = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "BENTOML_HOME": str(own),
        "PEER_MODEL": str(model.bundle / "model.txt"),
        "PEER_ROWS": str(scratch / "rows.npy"),
        "PEER_PORT": str(port),
        **peer.settings,
    }
    booster = lightgbm.Booster(model_file=model.bundle / "model.txt")
    expected = np.asarray(booster.predict(model.rows[:_ROWS_CHECKED], num_threads=1)).tolist()
    with started(peer.command(programs, port, own), settings) as (process, log):
        deadline = monotonic() + _START_SECONDS_MAX
        for number, probability in enumerate(expected):
            body = sent.body(number, sent.lines()[number])
            while (answer := _answer(port, sent.path, body)) is None:
                if process.poll() is not None or monotonic() > deadline:
                    raise StoreError(f"does not start here: {tail_of(log)}")
                sleep(0.2)
            got = peer.probability(msgspec.json.decode(answer))
            if got != probability:
                raise StoreError(
                    f"must give the model's probability {probability!r}. Got {got!r}; two models "
                    "that disagree are not timed"
                )
        yield f"http://127.0.0.1:{port}"


def _answer(port: int, path: str, body: bytes) -> bytes | None:
    """Return the body of a good answer, ``None`` where there is none yet."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("POST", path, body, {"content-type": "application/json"})
        answer = connection.getresponse()
        said = answer.read()
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()
    return said if answer.status == 200 else None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
