"""Run a source: fetch what waits at the other side and take it in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Protocol

import structlog

from axis.core.hands import Incoming, Source
from axis.core.model import Principal
from axis.core.octets import Spooled
from axis.core.problems import ProblemError, Refused, Unavailable
from axis.flow.context import Context
from axis.flow.receive import receive

log = structlog.get_logger()


class Spool(Protocol):
    """Where octets of unknown length are put, counted and hashed as they come."""

    async def write(self, chunk: bytes) -> None: ...
    async def finish(self) -> Spooled: ...


class OpenSpool(Protocol):
    """Opens a place for octets; what is larger than `inline_max` goes to a file at once."""

    def __call__(self, inline_max: int | None = None) -> AbstractAsyncContextManager[Spool]: ...


async def spool_all(octets: AsyncIterator[bytes], spool: Spool) -> Spooled:
    """Everything that `octets` gives, spooled. `Refused(TOO_LARGE)` past the spool's limit."""
    async for chunk in octets:
        await spool.write(chunk)
    return await spool.finish()


async def run_source(
    source: Source,
    by: Principal,
    every: timedelta,
    open_spool: OpenSpool,
    ctx: Context,
    stop: asyncio.Event,
    active: Callable[[], bool] = lambda: True,
) -> None:
    """Poll until `stop`: one round each `every`, at once again after a round that brought something.

    No round while `active` says no: then another process of this node asks.
    """
    while not stop.is_set():
        brought = 0
        try:
            if active():
                async for incoming in source.poll():
                    brought += await take(incoming, by, open_spool, ctx)
        except Unavailable as error:
            log.warning("source_unavailable", source=by.name, problem=error.problem.kind.value, **error.problem.context)
        except Refused as error:
            log.error("source_refused", source=by.name, problem=error.problem.kind.value, **error.problem.context)
        except Exception:  # the edge of an adapter: the next round asks again, nothing was acknowledged
            log.exception("source_broke", source=by.name)
        if not brought:
            try:
                async with asyncio.timeout(every.total_seconds()):
                    await stop.wait()
            except TimeoutError:
                continue


async def take(incoming: Incoming, by: Principal, open_spool: OpenSpool, ctx: Context) -> int:
    """Take in one thing that a source found: 1 when it is settled at the source, 0 when it will come again."""
    try:
        async with open_spool() as spool:
            spooled = await spool_all(incoming.octets, spool)
            await receive(spooled, by, ctx, incoming.only_for)
        await incoming.accept()
        return 1
    except Refused as error:
        log.warning("incoming_refused", source=by.name, problem=error.problem.kind.value)
        try:
            await incoming.reject(error.problem)
            return 1
        except ProblemError as second:
            log.warning("incoming_not_rejected", source=by.name, problem=second.problem.kind.value)
    except Unavailable as error:
        log.warning("incoming_deferred", source=by.name, problem=error.problem.kind.value)
    return 0
