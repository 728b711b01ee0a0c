"""The store: one write path, grouped; reads beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty
from typing import TypeVar

from axis.core.model import PayloadRef
from axis.core.ports import About, Ledger
from axis.sql.driver import Database, Messenger, StoreError
from axis.sql.group import GroupCommitter
from axis.sql.readers import Readers
from axis.sql.views import Questions, Shelf, SqlViews

T = TypeVar("T")


class SqlStore:
    """Implements `axis.core.ports.Store`. Opened by `axis.sql.engine.open_store`, closed by `close`.

    Bodies run one after the other, in the writer thread or, brief ones, on the event loop while that thread waits: they
    may not touch what belongs to the loop.
    """

    def __init__(self, database: Database, shelf: Shelf) -> None:
        self._database = database
        self._readers = Readers(database, Questions)
        self._committer = GroupCommitter(database, self._readers)
        self._views = SqlViews(self._readers, shelf, database.reads_aside)
        self._shelf = shelf
        self._closed = False
        self._messenger: Messenger | None = None

    def listen(self, heard: Callable[[], None]) -> None:
        """Call `heard`, on this event loop, when another process of the database may have written. A hint: it may come
        for nothing, and may not come. Nothing where there are no others."""
        loop = asyncio.get_running_loop()

        def tell() -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(heard)

        self._messenger = self._database.messenger(tell)
        if self._messenger is not None:
            self._committer.committed = self._messenger.tell

    def watch_for(self, missing: Callable[[Ledger], str | None]) -> None:
        """Before anything is written to a database that was lost and found again, ask `missing` what it has lost:
        while it says something nothing is written."""
        self._committer.missing = missing

    @property
    def views(self) -> SqlViews:
        return self._views

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written now, in words for our log; `None` when it can."""
        return self._committer.trouble

    def ended(self) -> Sequence[str]:
        """The processes whose transactions were ended since this was asked: they stood still in them."""
        found = []
        with suppress(Empty):
            while True:
                found.append(self._committer.ended.get_nowait())
        return found

    @property
    def concerns(self) -> tuple[str, ...]:
        """What whoever looks after the database should hear of, in words for our log."""
        return self._database.concerns

    @property
    def poisoned(self) -> bool:
        """A commit failed and reopening did not mend it: every call answers `Unavailable`. End the process."""
        return self._committer.trouble is not None and not self._committer.hopeful

    @property
    def id(self) -> str:
        """The store's random identity, given when it was made; a copy of the store has the same."""
        name = self._readers.ask(lambda ask: ask.meta("store_id"))
        if name is None:
            raise StoreError("the store has no identity: it was not made by migrations")
        return name

    async def transact(self, body: Callable[[Ledger], T], about: About | None = None, brief: int = 0) -> T:
        """See `Store.transact`. `Unavailable.problem.extra["outcome"]` says `unknown` or `not-stored`."""
        job = self._committer.submit(body, about, brief)
        try:
            outcome: T = await job.future
        except asyncio.CancelledError:
            await job.landed()  # not before: it lands, and must not land after `CancelledError`
            raise
        return outcome

    async def shelve(self, octets: bytes) -> tuple[PayloadRef, bytes | None]:
        return await self._shelf.shelve(octets)

    async def close(self) -> None:
        """Finish what is queued, then close. Repeating is harmless; later calls answer `Unavailable`."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._committer.close()
        if self._closed:
            return
        self._closed = True
        if self._messenger is not None:
            self._messenger.close()
        self._views.close()
        with suppress(StoreError):  # the process ends anyway, and the connection with it
            self._readers.close()
        self._database.close()
