"""Ten times the normal load: who cannot be served is told at once, and nothing that was is lost."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path
from time import perf_counter

import msgspec
import numpy as np

from tests.crash.asking import Answer, Asker, Request
from tests.crash.ledger import Ledger, name_of_record
from tests.crash.lives import SLOW, life
from tests.crash.load import Load, ask_all
from tests.crash.outage import assert_taught_the_same
from tests.crash.stream import Stream
from tests.crash.twin import records_of

SEED = 8
NORMAL_SECONDS = 1.5
PEAK_SECONDS = 300.0 if SLOW else 3.0
PEAK_TIMES = 10
WAITING_MAX = 16
CONNECTIONS = 160
ANSWER_SECONDS_MAX = 5.0
"""Far more than is promised: client and server share the cores with other tests."""
RECOVERY_SECONDS_MAX = 5.0


class Peak:
    """An open loop: requests are sent at their times, whatever became of those before.

    As far as the client can: where it cannot send so many, it sends what it can.

    Parameters
    ----------
    port : int
        Of the service.
    ledger : Ledger
        What comes of it.
    """

    def __init__(self, port: int, ledger: Ledger) -> None:
        self._askers = asyncio.Queue[Asker]()
        for _ in range(CONNECTIONS):
            self._askers.put_nowait(Asker(port))
        self._ledger = ledger
        self.answers: list[Answer] = []

    async def run(self, stream: Stream, rate_rps: float, seconds: float) -> None:
        start = perf_counter()
        sent: set[asyncio.Task[None]] = set()
        for number in count():
            if perf_counter() > start + seconds:
                break
            early_s = start + number / rate_rps - perf_counter()
            if early_s > 0:
                await asyncio.sleep(early_s)
            asker = await self._askers.get()
            task = asyncio.create_task(self._ask(asker, next(stream)))
            sent.add(task)
            task.add_done_callback(sent.discard)
        await asyncio.gather(*sent)
        while not self._askers.empty():
            self._askers.get_nowait().close()

    async def _ask(self, asker: Asker, request: Request) -> None:
        answer = await asker.ask(request)
        self._ledger.take_in(request, answer)
        self.answers.append(answer)
        self._askers.put_nowait(asker)


def test_a_peak_sheds_what_it_must_and_loses_nothing(tmp_path: Path) -> None:
    data_dir, ledger, stream = tmp_path / "data", Ledger(), Stream(SEED)
    load = Load(stream, ledger, np.random.default_rng(SEED))

    async def lived() -> list[Answer]:
        with life(data_dir, FRAUDKIT_WAITING_MAX=str(WAITING_MAX)) as service:
            async with load.running(service.port, connections=4):
                await asyncio.sleep(NORMAL_SECONDS)
            normal_rps = len(ledger.acknowledged) / NORMAL_SECONDS
            assert not ledger.refused, "the normal load was too much"
            peak = Peak(service.port, ledger)
            await peak.run(stream, PEAK_TIMES * normal_rps, PEAK_SECONDS)
            refused = ledger.refused.total()
            async with load.running(service.port, connections=4):
                await load.recovered(seconds_max=RECOVERY_SECONDS_MAX)
            assert ledger.refused.total() == refused, "it sheds though the peak is over"
            service.kill()
        with life(data_dir) as restarted:
            await ask_all(restarted.port, ledger.settled[:], ledger)
        return peak.answers

    answers = asyncio.run(lived())
    shed = [answer for answer in answers if answer.status == 503]
    assert len(shed) > len(answers) // 100, "the peak was none"
    assert {msgspec.json.decode(answer.body)["error"]["code"] for answer in shed} == {"overloaded"}
    assert max(answer.seconds for answer in answers) <= ANSWER_SECONDS_MAX
    records = records_of(data_dir)
    ledger.assert_held_once(records)
    shed_names = {request.name for request in ledger.unsettled}
    assert not shed_names & set(map(name_of_record, records)), "what was shed is written"
    assert_taught_the_same(data_dir, records, stream, SEED)
