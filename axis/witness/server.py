"""A witness over HTTP (C2SP tlog-witness): `POST /add-checkpoint`, and for whoever looks, what it has of a log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Final, TypeVar

import structlog
from aiohttp import web

from axis.core.pressure import Bucket, Pressure, draw
from axis.log.key import LogKeys
from axis.log.offer import OFFER_BYTES, SIZE_TYPE, MalformedOffer, Offer, parse_offer, place_of
from axis.witness.judge import Judged, judge
from axis.witness.memory import Memory, MemoryLost
from signing.cosignature import Cosigner

T = TypeVar("T")

log = structlog.get_logger()

BODY_S: Final = 10.0
"""So long may the body of an offer take: it is a few kilobytes."""
RATE: Final = Pressure(per_second=10, burst=50)
"""How often one address is answered: a log that grows brings an offer a second. Our choice."""
_MOST_ADDRESSES: Final = 4096


class Witness:
    """Answers for the logs whose keys it was given, one offer at a time: what is remembered and what is cosigned must
    not pass each other. An error of the disk ends it (`broken`): what lies there is not known then."""

    def __init__(
        self,
        memory: Memory,
        signer: Cosigner,
        logs: Mapping[str, LogKeys],
        now: Callable[[], datetime],
        clock: Callable[[], float],
        stop: Callable[[], None],
        rate: Pressure = RATE,
    ) -> None:
        """`clock` counts seconds and only goes on; `stop` is called where the witness cannot go on."""
        self._memory = memory
        self._signer = signer
        self._logs = logs
        self._origins = {place_of(origin): origin for origin in logs}
        self._now = now
        self._clock = clock
        self._rate = rate
        self._buckets: dict[str, Bucket] = {}
        self._turn = asyncio.Lock()
        self._stop = stop
        self.broken: Exception | None = None

    def app(self) -> web.Application:
        app = web.Application(client_max_size=OFFER_BYTES)
        app.add_routes(
            [
                web.post("/add-checkpoint", self.add_checkpoint),
                web.get(r"/{place:[0-9a-f]{64}}/checkpoint", self.get_checkpoint),
            ]
        )
        return app

    async def add_checkpoint(self, request: web.Request) -> web.Response:
        """Cosign what continues what was cosigned last."""
        if not self._may_ask(request.remote or ""):
            return _said(HTTPStatus.TOO_MANY_REQUESTS, "too often")
        try:
            async with asyncio.timeout(BODY_S):
                octets = await request.read()
            offer = parse_offer(octets.decode())
        except TimeoutError:
            return _said(HTTPStatus.REQUEST_TIMEOUT, "too slow")
        except (UnicodeDecodeError, MalformedOffer) as error:
            return _said(HTTPStatus.BAD_REQUEST, str(error))
        async with self._turn:
            if self.broken is not None:
                return _said(HTTPStatus.INTERNAL_SERVER_ERROR, "nothing is cosigned any more")
            try:
                judged, line = await _whole(self._answered, offer)
            except (OSError, MemoryLost) as error:
                log.error("witness_broke", error=str(error))
                self.broken = error
                self._stop()
                return _said(HTTPStatus.INTERNAL_SERVER_ERROR, "nothing was cosigned")
        new = offer.head.checkpoint
        facts = {"origin": new.origin, "size": new.size, "root": new.root.hex()}
        if judged.status is HTTPStatus.OK:
            log.info("checkpoint_cosigned", **facts)
            return web.Response(text=line)
        if judged.second:
            log.error("second_history_offered", why=judged.told, note=offer.head.note, **facts)
        if judged.size is not None:
            return web.Response(status=judged.status, text=f"{judged.size}\n", content_type=SIZE_TYPE)
        return _said(judged.status, judged.told)

    def _answered(self, offer: Offer) -> tuple[Judged, str]:
        """What is answered, and remembered: after this returns, no older and no other checkpoint is cosigned."""
        origin = offer.head.checkpoint.origin
        judged = judge(offer, self._logs, self._memory.known(origin) if origin in self._logs else None)
        if judged.status is not HTTPStatus.OK:
            return judged, ""
        line = self._signer.cosign(offer.head.checkpoint.text, self._now())
        self._memory.keep(origin, self._logs[origin].own_lines(offer.head.note) + line)
        return judged, line

    async def get_checkpoint(self, request: web.Request) -> web.Response:
        """What was cosigned last of a log, as its log signed it: who has it can show what the log must go on from."""
        origin = self._origins.get(request.match_info["place"])
        if origin is None or not self._may_ask(request.remote or ""):
            return _said(HTTPStatus.NOT_FOUND if origin is None else HTTPStatus.TOO_MANY_REQUESTS, "not here")
        try:
            head = await asyncio.to_thread(self._memory.known, origin)
        except (OSError, MemoryLost):
            return _said(HTTPStatus.INTERNAL_SERVER_ERROR, "it cannot be read")
        if head is None:
            return _said(HTTPStatus.NOT_FOUND, "nothing was cosigned of this log yet")
        return web.Response(text=head.note)

    def _may_ask(self, address: str) -> bool:
        now = self._clock()
        bucket = self._buckets.pop(address, None) or Bucket.full(self._rate, now)
        while len(self._buckets) >= _MOST_ADDRESSES:
            self._buckets.pop(next(iter(self._buckets)))
        self._buckets[address], wait = draw(bucket, self._rate, now)
        return not wait


async def _whole(work: Callable[[Offer], T], offer: Offer) -> T:
    """Run disk work beside the loop. Whoever asked may go away meanwhile: the work is waited for all the same, so that
    the next one finds it done."""
    future = asyncio.get_running_loop().run_in_executor(None, work, offer)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        raise


def _said(status: HTTPStatus, told: str) -> web.Response:
    return web.Response(status=status, text=f"{told}\n")
