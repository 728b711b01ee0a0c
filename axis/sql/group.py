"""Group commit: one thread that drains a queue of bodies into one transaction and commits once.

No timer: while one group is on its way to the disk, the next one gathers. Each body has a savepoint of its own. Callers
hear of nothing before their group's COMMIT has returned, not even of a refusal, because what a body saw of its group's
earlier members is not true before that either.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Final

from axis.core.ports import Ledger
from axis.core.problems import Unavailable
from axis.sql.driver import Database, StoreError, WriteConnection, unavailable
from axis.sql.ledger import SqlLedger
from axis.sql.readers import Readers

MAX_WAITING: Final = 4096
MAX_GROUP: Final = 512
REOPENINGS: Final = 1


@dataclass(slots=True)
class Job:
    """One body, and the future of who waits for it. After its turn: what to tell."""

    body: Callable[[Ledger], Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


class _GroupLost(Exception):
    """The database gave up the whole transaction: nothing of the group is stored."""


class GroupCommitter:
    """The writer thread. Recovery closes `readers` too: it needs the only connection."""

    def __init__(self, database: Database, readers: Readers) -> None:
        self._database = database
        self._readers = readers
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._gate = threading.Lock()
        self._closing = False
        self._failures = 0
        self._trouble: str | None = None
        self._writer: WriteConnection | None = database.open_writer()
        self._thread = threading.Thread(target=self._run, name="axis-store", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written, `None` when it can."""
        return self._trouble

    def submit(self, body: Callable[[Ledger], Any]) -> asyncio.Future[Any]:
        """Queue a body; the future is answered after its group's COMMIT. `Unavailable` when it cannot be queued."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        with self._gate:
            if self._closing:
                raise unavailable("not-stored", "the store is closed")
            if self._trouble is not None:
                raise unavailable("not-stored", self._trouble, 30)
            if self._jobs.qsize() >= MAX_WAITING:
                raise unavailable("not-stored", f"{MAX_WAITING} transactions are waiting", 1)
            self._jobs.put(Job(body, future))
        return future

    def close(self) -> None:
        """Finish what is queued and stop. Blocks; repeating is harmless."""
        with self._gate:
            first, self._closing = not self._closing, True
            if first:
                self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        closing = False
        while not closing:
            group, closing = self._next_group()
            if group:
                self._turn(group)
        if self._writer is not None:
            with suppress(self._database.errors):
                self._writer.close()

    def _next_group(self) -> tuple[list[Job], bool]:
        """Everything that waits, at least one; and whether it was the last."""
        group: list[Job] = []
        job = self._jobs.get()
        while job is not None:
            group.append(job)
            if len(group) == MAX_GROUP:
                return group, False
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return group, False
        return group, True

    def _turn(self, group: Sequence[Job]) -> None:
        if self._writer is None:
            self._fail(group, unavailable("not-stored", self._trouble or "the store is closed", 30))
        else:
            writer = self._writer
            try:
                self._commit(writer, group)
            except BaseException as bug:  # noqa: BLE001 - without this thread every caller would wait for ever
                self._fail(group, unavailable("unknown", bug))
                self._failures = REOPENINGS
                self._poison(writer, bug)
        by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
        for job in group:
            by_loop.setdefault(job.future.get_loop(), []).append(job)
        for loop, jobs in by_loop.items():
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_answer, jobs)

    def _commit(self, writer: WriteConnection, group: Sequence[Job]) -> None:
        try:
            writer.begin()
        except self._database.errors as error:
            self._fail(group, unavailable("not-stored", error))
            if not self._database.is_busy(error):
                self._poison(writer, error)
            return
        try:
            for job in group:
                self._run_body(writer, job)
        except _GroupLost as lost:
            cause = lost.__cause__ or lost
            self._fail(group, unavailable("not-stored", cause))
            if not self._rolled_back(writer) or self._is_fatal(cause):
                self._poison(writer, cause)
            return
        # Until here a crash leaves nothing of the group. From here on the outcome is unknown until COMMIT has returned.
        try:
            writer.commit()
        except self._database.errors as error:
            self._fail(group, unavailable("unknown", error))
            self._poison(writer, error)

    def _run_body(self, writer: WriteConnection, job: Job) -> None:
        """Run one body in its savepoint. `_GroupLost` when the trouble was not its own."""
        execute = writer.session.connection.execute
        errors = self._database.errors
        try:
            execute("SAVEPOINT body")
            try:
                job.result = job.body(SqlLedger(writer.session))
            except BaseException as error:
                job.error = error
                if not writer.in_transaction or self._is_fatal(error):
                    raise _GroupLost from error
                execute("ROLLBACK TO body")
                if isinstance(error, errors) and not self._database.is_bug(error):
                    job.error = unavailable("not-stored", error)
            execute("RELEASE body")
        except errors as error:
            raise _GroupLost from error

    def _is_fatal(self, error: BaseException) -> bool:
        return isinstance(error, self._database.errors) and self._database.is_fatal(error)

    def _rolled_back(self, writer: WriteConnection) -> bool:
        try:
            if writer.in_transaction:
                writer.rollback()
        except self._database.errors:
            return False
        return True

    def _fail(self, group: Sequence[Job], error: Unavailable) -> None:
        for job in group:
            job.result, job.error = None, Unavailable(error.problem, error.retry_after_s)

    def _poison(self, writer: WriteConnection, error: BaseException) -> None:
        """Stop writing; once in a process's life, close everything, recover and go on.

        After a failed commit the connection must not be used: rows it refused came and went with later commits (E2).
        """
        self._trouble = f"a commit failed: {error!r}"
        self._writer = None
        with suppress(self._database.errors):
            writer.close()
        self._failures += 1
        if self._failures > REOPENINGS:
            return
        try:
            self._readers.close()
            self._writer = self._database.recover()
        except (self._database.errors, OSError, StoreError) as again:
            self._trouble += f"; reopening failed: {again!r}"
        else:
            self._readers.reopen()
            self._trouble = None


def _answer(jobs: Sequence[Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue
        if isinstance(job.error, StopIteration):  # a future refuses to carry it
            job.future.set_exception(RuntimeError("the body raised StopIteration"))
        elif job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)
