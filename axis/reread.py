"""What a running node reads again: its configuration when it is asked to; trust, bindings and TLS now and then.

What is wrong with a file leaves the former in force, and is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Final, Protocol

import structlog

from axis.config.bindings import reread
from axis.config.fault import ConfigError
from axis.config.model import Config
from axis.core.routing import RoutingTable
from axis.flow.context import Context
from axis.reload import Configuration, parsed_trust
from axis.watch import TlsFiles

log = structlog.get_logger()

EVERY = timedelta(seconds=30)
AT_MOST_EVERY: Final = timedelta(seconds=1)


class Running(Protocol):
    """Whoever knows which configuration is in force."""

    config: Config


async def watch_trust(running: Running, ctx: Context, stop: asyncio.Event) -> None:
    """Read the trust files again now and then: a new revocation list is believed without a restart."""
    while not stop.is_set():
        try:
            async with asyncio.timeout(EVERY.total_seconds()):
                await stop.wait()
        except TimeoutError:
            await reload_trust(running, ctx)


async def reload_trust(running: Running, ctx: Context) -> None:
    """Believe in what the files say now, and judge held documents again where that is something new."""
    config = running.config
    try:
        fresh = await asyncio.to_thread(parsed_trust, config)
    except (OSError, ValueError) as error:
        log.error("trust_not_reloaded", error=str(error))
        return
    if running.config is not config:  # another names other files: what these say is over
        return
    if (fresh.epoch, fresh.answers) != (ctx.trust.epoch, ctx.trust.answers):
        ctx.trust = fresh
        ctx.evidence_came.set()
        ctx.attachments_came.set()
        log.info("trust_reloaded", epoch=fresh.epoch)


async def watch_bindings(running: Running, ctx: Context, stop: asyncio.Event) -> None:
    """Read the bindings again now and then: a new certificate speaks without a restart.

    A wrong new file leaves the old bindings in force, and is told once.
    """
    told = ""
    while not stop.is_set():
        try:
            async with asyncio.timeout(EVERY.total_seconds()):
                await stop.wait()
        except TimeoutError:
            told = await _reload_bindings(running.config, ctx, told)


async def _reload_bindings(config: Config, ctx: Context, told: str = "") -> str:
    """Believe the bindings that the file has now. What is wrong with them is returned, and logged unless `told`."""
    registry = ctx.network.registry
    try:
        fresh = await asyncio.to_thread(reread, config, registry)
    except (ConfigError, OSError) as error:
        if str(error) != told:
            log.error("bindings_not_reloaded", error=str(error))
        return str(error)
    # Somebody else may have read them in between.
    if fresh is not registry and ctx.network.registry is registry:
        ctx.network = replace(ctx.network, routes=RoutingTable(ctx.network.routes.rules, fresh))
        log.info("bindings_reloaded", bindings=len(fresh.bindings.rows))
    return ""


async def the_rest(running: Running, ctx: Context, tls: Sequence[TlsFiles]) -> None:
    """What is looked at now and then anyway."""
    await reload_trust(running, ctx)
    await _reload_bindings(running.config, ctx)
    for each in tls:
        await each.look(asked=True)


async def when_asked(
    running: Configuration,
    ctx: Context,
    tls: Callable[[], Sequence[TlsFiles]],
    asked: asyncio.Event,
    stop: asyncio.Event,
) -> None:
    """Apply what the configuration says now when somebody asks. Trust, bindings and the files of TLS are read again
    also where it has faults: they are what is looked at now and then anyway."""
    while not stop.is_set():
        waits = [asyncio.ensure_future(one.wait()) for one in (asked, stop)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for one in waits:
            one.cancel()
        if asked.is_set():
            asked.clear()
            log.info("asked_to_read_again")
            await running.reload()
            await the_rest(running, ctx, tls())
            with suppress(TimeoutError):  # who asks hundreds of times meanwhile is answered once more
                async with asyncio.timeout(AT_MOST_EVERY.total_seconds()):
                    await stop.wait()
