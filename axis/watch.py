"""What a running node looks after besides its work: its store, and the certificate that it shows."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import structlog

from axis.tls import server_context

log = structlog.get_logger()


class Watched(Protocol):
    """A store that says how it is: `trouble` while nothing can be written, `poisoned` when only a restart helps.
    `ended` are the processes that stood still in a transaction since it was last asked."""

    @property
    def trouble(self) -> str | None: ...

    @property
    def poisoned(self) -> bool: ...

    def ended(self) -> Sequence[str]: ...


class StorePoisoned(Exception):
    """A commit failed in a way that leaves its outcome unknown."""


async def watch_store(store: Watched, stop: asyncio.Event) -> None:
    """Tell when nothing can be written, and when it can again. End the process when the store is past helping itself:
    an honest restart reconciles, a guess does not."""
    told: str | None = None
    while not stop.is_set():
        trouble = store.trouble
        if trouble != told:
            told = trouble
            log.info("store_back") if trouble is None else log.error("store_lost", error=trouble)
        for process in store.ended():
            log.warning("store_transaction_ended", process=process)
        if store.poisoned:
            raise StorePoisoned("the outcome of a commit is unknown; restart to reconcile")
        try:
            async with asyncio.timeout(1):
                await stop.wait()
        except TimeoutError:
            continue


async def watch_certificate(
    certificate: Path,
    key: Path,
    client_ca: Sequence[Path],
    show: Callable[[ssl.SSLContext], None],
    every: timedelta,
    stop: asyncio.Event,
) -> None:
    """`show` what the files hold now, where that is something new: new connections get it, those that stand keep what
    they have. A pair that does not fit, as while one of two files is replaced, leaves the old one in force and is told
    once. Looks each `every`."""
    files, told = (certificate, key, *client_ca), ""
    try:
        shown = await asyncio.to_thread(_digest, files)
    except OSError:  # gone since they were read: the first round tells
        shown = ""
    while not stop.is_set():
        try:
            async with asyncio.timeout(every.total_seconds()):
                await stop.wait()
        except TimeoutError:
            try:
                # The digest first: what is replaced while it is read is read again in the next round.
                fresh = await asyncio.to_thread(_digest, files)
                if fresh == shown:
                    continue
                context = await asyncio.to_thread(server_context, certificate, key, client_ca)
            except OSError as error:  # `ssl.SSLError` among them
                if str(error) != told:
                    log.error("certificate_not_reloaded", error=str(error))
                told = str(error)
                continue
            shown, told = fresh, ""
            show(context)
            log.info("certificate_reloaded")


def _digest(files: Sequence[Path]) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in files)).hexdigest()
