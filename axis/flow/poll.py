"""Run a source: fetch what waits at the other side and take it in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Final, Protocol

import structlog

from axis.core.hands import Incoming, Source
from axis.core.model import Principal
from axis.core.octets import Spooled
from axis.core.ports import LostRace
from axis.core.problems import Kind, ProblemError, Refused, Unavailable
from axis.flow.context import Context
from axis.flow.receive import receive

log = structlog.get_logger()

LONGEST: Final = timedelta(minutes=1)
"""Between two rounds at a source that gave nothing to read, at the most, unless it is asked more seldom anyway."""


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
    """Poll until `stop`: one round each `every`, at once again after a round that brought something, and after rounds
    that failed twice as long each time.

    No round while `active` says no: then another process of this node asks.
    """
    failed = 0
    while not stop.is_set():
        brought = 0
        failed += 1
        try:
            if active():
                async for incoming in source.poll():
                    brought += await take(incoming, by, open_spool, ctx)
            failed = 0
        except Unavailable as error:
            log.warning("source_unavailable", source=by.name, problem=error.problem.kind.value, **error.problem.context)
        except Refused as error:
            log.error("source_refused", source=by.name, problem=error.problem.kind.value, **error.problem.context)
        except Exception:  # the edge of an adapter: the next round asks again, nothing was acknowledged
            log.exception("source_broke", source=by.name)
        if not brought:
            try:
                async with asyncio.timeout(pause(every, failed).total_seconds()):
                    await stop.wait()
            except TimeoutError:
                continue


def pause(every: timedelta, failed: int) -> timedelta:
    """How long a source is left alone after `failed` rounds in a row."""
    return min(every * (1 << min(max(failed - 1, 0), 20)), max(every, LONGEST))


async def take(incoming: Incoming, by: Principal, open_spool: OpenSpool, ctx: Context) -> int:
    """Take in one thing that a source found: 1 when it is settled at the source, 0 when it will come again.

    Whatever one of them meets is its own: those behind it have their turn. What was taken is never rejected, whatever
    the source says when it is told so.
    """
    try:
        async with open_spool() as spool:
            spooled = await spool_all(incoming.octets, spool)
            await receive(spooled, by, ctx, incoming.only_for)
    except Refused as error:
        log.warning("incoming_refused", source=by.name, problem=error.problem.kind.value)
        return await _settled(incoming.reject(error.problem), "incoming_not_rejected", by)
    except Unavailable as error:
        log.warning("incoming_deferred", source=by.name, problem=error.problem.kind.value)
        return 0
    except LostRace:
        log.warning("incoming_deferred", source=by.name, problem=Kind.STORE_UNAVAILABLE.value)
        return 0
    except Exception:  # a bug: nothing was acknowledged, so it comes again
        log.exception("incoming_broke", source=by.name)
        return 0
    return await _settled(incoming.accept(), "incoming_not_accepted", by)


async def _settled(told: Awaitable[None], otherwise: str, by: Principal) -> int:
    """Tell the source; where it does not hear, it offers the same again, and that is answered the same."""
    try:
        await told
    except ProblemError as error:
        log.warning(otherwise, source=by.name, problem=error.problem.kind.value)
        return 0
    return 1
