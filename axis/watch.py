"""What a running node looks after besides its work: its store, what it shows by TLS, and whom it believes there."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

import structlog

log = structlog.get_logger()

EXPIRES_SOON: Final = timedelta(days=30)
EXPIRY_EVERY: Final = timedelta(days=1)


class Watched(Protocol):
    """A store that says how it is: `trouble` while nothing can be written, `poisoned` when only a restart helps,
    `concerns` for whoever looks after the database, although it works.
    `ended` are the processes that stood still in a transaction since it was last asked."""

    @property
    def trouble(self) -> str | None: ...

    @property
    def poisoned(self) -> bool: ...

    @property
    def concerns(self) -> tuple[str, ...]: ...

    def ended(self) -> Sequence[str]: ...


class StorePoisoned(Exception):
    """A commit failed in a way that leaves its outcome unknown."""


async def watch_store(store: Watched, stop: asyncio.Event) -> None:
    """Tell when nothing can be written, and when it can again. End the process when the store is past helping itself:
    an honest restart reconciles, a guess does not."""
    told: str | None = None
    concerned: tuple[str, ...] = ()
    while not stop.is_set():
        trouble = store.trouble
        if trouble != told:
            told = trouble
            log.info("store_back") if trouble is None else log.error("store_lost", error=trouble)
        if store.concerns != concerned:
            for concern in set(store.concerns) - set(concerned):
                log.warning("store_concern", concern=concern)
            concerned = store.concerns
        for process in store.ended():
            log.warning("store_transaction_ended", process=process)
        if store.poisoned:
            raise StorePoisoned("the outcome of a commit is unknown; restart to reconcile")
        try:
            async with asyncio.timeout(1):
                await stop.wait()
        except TimeoutError:
            continue


@dataclass(slots=True)
class TlsFiles:
    """TLS that is made from files, and made anew where these change: of the agencies' listener, or towards `endpoint`.

    Construct it before the first `make`, so that no change is missed. `make` raises `OSError` (`ssl.SSLError` is one)
    for what is not whole or does not fit together; what was in force before then stays. `show` puts a new one in force.
    """

    files: tuple[Path, ...]
    make: Callable[[], ssl.SSLContext]
    endpoint: str = ""
    show: Callable[[ssl.SSLContext], None] = field(init=False)
    _shown: str = ""
    _told: str = ""

    def __post_init__(self) -> None:
        with suppress(OSError):  # gone: `make` tells
            self._shown = _digest(self.files)

    async def look(self, asked: bool = False) -> None:
        """`show` what the files hold now, where that is something new. What is wrong with them is told once, or each
        time that somebody `asked`."""
        try:
            # The digest first: what is replaced while it is read is read again at the next look.
            fresh = await asyncio.to_thread(_digest, self.files)
            if fresh == self._shown:
                return
            context = await asyncio.to_thread(self.make)
        except OSError as error:
            if asked or str(error) != self._told:
                self._tell(str(error))
            self._told = str(error)
            return
        if fresh != self._shown:  # somebody else may have looked meanwhile
            self._shown, self._told = fresh, ""
            self.show(context)
            self._tell()

    def _tell(self, error: str = "") -> None:
        if self.endpoint and error:
            log.error("destination_tls_not_reloaded", endpoint=self.endpoint, error=error)
        elif self.endpoint:
            log.info("destination_tls_reloaded", endpoint=self.endpoint)
        elif error:
            log.error("certificate_not_reloaded", error=error)
        else:
            log.info("certificate_reloaded")


async def watch_tls(watched: Callable[[], Sequence[TlsFiles]], every: timedelta, stop: asyncio.Event) -> None:
    """Look at all of them each `every`. New connections get what is new, those that stand keep what they have."""
    while not stop.is_set():
        try:
            async with asyncio.timeout(every.total_seconds()):
                await stop.wait()
        except TimeoutError:
            for one in watched():
                await one.look()


async def watch_expiry(
    files: Callable[[], Mapping[Path, str]],
    end_of: Callable[[Path, str], datetime],
    now: Callable[[], datetime],
    stop: asyncio.Event,
) -> None:
    """Tell each day which certificates end within a month, or have ended: with those nobody connects, and nothing else
    here would say so. `files` by the key that names them."""
    while not stop.is_set():
        for path, key in files().items():
            try:
                ends = await asyncio.to_thread(end_of, path, key)
            except (OSError, ValueError):
                continue  # whoever uses the file tells
            facts: dict[str, object] = {"certificate": key, "file": path.name, "ends": ends.isoformat()}
            if ends <= now():
                log.error("certificate_expired", **facts)
            elif ends <= now() + EXPIRES_SOON:
                log.warning("certificate_expires", **facts, days=(ends - now()).days)
        with suppress(TimeoutError):
            async with asyncio.timeout(EXPIRY_EVERY.total_seconds()):
                await stop.wait()


def _digest(files: Sequence[Path]) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in files)).hexdigest()
