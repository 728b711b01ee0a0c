"""Group commit: one thread that drains a queue of bodies into one transaction and commits once.

No timer: while one group is on its way to the disk, the next one gathers. Each body has a savepoint of its own. Callers
hear of nothing before their group's COMMIT has returned, not even of a refusal, because what a body saw of its group's
earlier members is not true before that either.

Brief bodies run on the event loop while this thread waits: the driver gives the interpreter lock up at every
statement, and a busy loop lets the thread have it back some milliseconds later (ADR 0031). Where the database is not at
hand, those do that ask nothing but what was foreseen (ADR 0052).

Where several processes share the database, a body that finds another one at work on the same thing is taken back to its
savepoint and runs again in the next group. Nobody waits for a lock while holding others, so nobody can wait in a ring.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Final

from axis.core.ports import About, Ledger
from axis.core.problems import Unavailable
from axis.sql.driver import AsksMore, Contended, Database, StoreError, WriteConnection, unavailable
from axis.sql.errand import Errand
from axis.sql.ledger import SqlLedger
from axis.sql.read import Reader
from axis.sql.readers import Readers

MAX_WAITING: Final = 4096
MAX_GROUP: Final = 512
MAX_BRIEF: Final = 24
"""How many brief bodies the loop runs in one go: some 5 ms, in which it does nothing else."""
REOPENINGS: Final = 1
PATIENCE_S: Final = 5.0
"""How long a body is run again because other processes were in its way."""
STEP_ASIDE_S: Final = 0.004
"""How long the thread pauses at most when nobody of a group got through: others commit within that time."""
RECONNECT_S: Final = 0.5
"""How often a lost database is looked for."""
LOOK_S: Final = 60.0
"""How often the database is asked whether what it commits is still durable: so long a promise may rest on the last
look. A question a minute costs nothing; an hour would be an hour of receipts."""
FULL_S: Final = 10.0
"""How long a server counts as full after it has last said so, before it is tried."""
FULL: Final = "the disk of the database server is full"
RELIEVE_S: Final = 2.0
"""How often processes are looked for that stand still in a transaction: some tenths of a millisecond each time."""


@dataclass(slots=True)
class Job:
    """One body, and the future of who waits for it. After its turn: what to tell."""

    body: Callable[[Ledger], Any]
    future: asyncio.Future[Any]
    about: About | None = None
    brief: int = 0
    """How many brief bodies it is worth, none where it is not to run on the loop."""
    result: Any = None
    error: BaseException | None = None
    until: float | None = None
    """When patience ends, set when it had to step aside for the first time."""
    again: bool = False
    left: bool = False
    """It asked where it could not."""
    told: bool = False
    """Whoever waits was told. Written on the loop, like everything about the future."""

    async def landed(self) -> None:
        """Wait until it would have been told, however often its caller is cancelled: the first time cancels the future,
        and the commit lands all the same."""
        if self.told:
            return
        self.future = self.future.get_loop().create_future()
        while not self.future.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([self.future])
        self.future.exception()  # nobody else asks for it


class _GroupLost(Exception):
    """The database gave up the whole transaction: nothing of the group is stored."""


class GroupCommitter:
    """The writer thread. Recovery closes `readers` too: it needs the only connection."""

    def __init__(self, database: Database, readers: Readers[Reader]) -> None:
        self._database = database
        self._readers = readers
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._again: list[Job] = []
        self._gate = threading.Lock()
        self._closing = False
        self._failures = 0
        self.committed: Callable[[], None] = lambda: None
        """Called in the thread after each group that changed something and is on stable storage."""
        self.missing: Callable[[Ledger], str | None] = lambda ledger: None
        """Asked in the thread before anything is written to a database that was opened again: what it has lost."""
        self._trouble: str | None = None
        self.hopeful = True
        """Whether a store that cannot be written is opened anew until it can."""
        self._full_at: float | None = None
        """When the server had no room, for the last time."""
        self._writer: WriteConnection | None = database.open_writer()
        self._looked = self._relieved = time.monotonic()
        self.ended: SimpleQueue[str] = SimpleQueue()
        """The processes whose transactions were ended because they stood still."""
        self._thread = threading.Thread(target=self._run, name="axis-store", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written, `None` when it can. To a full server it is tried all the same: a small one may
        find room, and nobody else tells when there is room again."""
        return self._trouble or (FULL if self._full_at is not None else None)

    def submit(self, body: Callable[[Ledger], Any], about: About | None = None, brief: int = 0) -> Job:
        """Queue a body; its future is answered after its group's COMMIT. `Unavailable` when it cannot be queued."""
        job = Job(body, asyncio.get_running_loop().create_future(), about, brief)
        with self._gate:
            if self._closing:
                raise unavailable("not-stored", "the store is closed")
            if self._trouble is not None:
                raise unavailable("not-stored", self._trouble, 30)
            if self._jobs.qsize() >= MAX_WAITING:
                raise unavailable("not-stored", f"{MAX_WAITING} transactions are waiting", 1)
            self._jobs.put(job)
        return job

    def close(self) -> None:
        """Finish what is queued and stop. Blocks; repeating is harmless."""
        with self._gate:
            first, self._closing = not self._closing, True
            if first:
                self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        closing = False
        while not closing or self._again:
            try:
                group, last = self._next_group(closing)
            except Empty:
                self._reconnect()
                continue
            closing = closing or last
            if group:
                self._turn(group)
        if self._writer is not None:
            with suppress(self._database.errors):
                self._writer.close()

    def _next_group(self, closing: bool) -> tuple[list[Job], bool]:
        """Everything that waits, at least one; and whether it was the last. `Empty` while the database is away."""
        group, self._again = self._again, []
        if not group:
            away = self._writer is None and self.hopeful
            job = self._jobs.get(timeout=RECONNECT_S if away else None)
            if job is None:
                return group, True
            group.append(job)
        brief = sum(job.brief for job in group)
        while not closing and len(group) < MAX_GROUP and brief < MAX_BRIEF:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                break
            if job is None:
                return group, True
            group.append(job)
            brief += job.brief
        return group, False

    def _look(self) -> None:
        """Where a commit is no longer durable, nothing is written until it is again. Who stands in the way ends."""
        now = time.monotonic()
        if self._writer is None:
            return
        try:
            if now - self._relieved >= RELIEVE_S:
                self._relieved = now
                for process in self._writer.relieve():
                    self.ended.put(process)
            if now - self._looked >= LOOK_S:
                self._looked = now
                self._writer.prove()
        except (self._database.errors, StoreError) as error:
            self._poison(self._writer, error)

    def _turn(self, group: Sequence[Job]) -> None:
        self._look()
        if self._writer is None:
            self._fail(group, unavailable("not-stored", self._trouble or "the store is closed", 30))
        else:
            try:
                self._commit(group)
            except BaseException as bug:  # noqa: BLE001 - without this thread every caller would wait for ever
                self._fail(group, unavailable("unknown", bug))
                self._failures = REOPENINGS
                if self._writer is not None:
                    self._poison(self._writer, bug)
        self._again = [job for job in group if job.again]
        by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
        for job in group:
            if not job.again:
                by_loop.setdefault(job.future.get_loop(), []).append(job)
        for loop, jobs in by_loop.items():
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_answer, jobs)
        if not by_loop:
            time.sleep(random.uniform(STEP_ASIDE_S / 4, STEP_ASIDE_S))  # noqa: S311 - spreads, hides nothing

    def _begun(self, group: Sequence[Job], together: bool) -> WriteConnection | None:
        """The write connection inside a new transaction; a lost one is replaced once, since nothing was begun."""
        for last in (False, True):
            writer = self._writer
            if writer is None:
                break
            try:
                writer.begin(together, _about(group))
            except self._database.errors as error:
                self._fail(group, unavailable("not-stored", error))
                if self._database.is_busy(error):
                    break
                self._poison(writer, error)
                if last or not self._database.reconnects:
                    break
            else:
                return writer
        return None

    def _commit(self, group: Sequence[Job], together: bool = True) -> None:
        writer = self._begun(group, together)
        if writer is None:
            return
        for job in group:
            job.result, job.error, job.again, job.left = None, None, False, False
        try:
            self._run_bodies(writer, group)
        except _GroupLost as lost:
            cause = lost.__cause__ or lost
            fatal, several = self._is_fatal(cause), writer.together and self._is_of_one(cause)
            self._give_back(group, cause)
            if not self._rolled_back(writer) or fatal:
                self._poison(writer, cause)
            elif several:
                self._commit(group, together=False)  # now each of them hears of its own faults
            return
        # Until here a crash leaves nothing of the group. From here on the outcome is unknown until COMMIT has returned.
        try:
            writer.commit()
        except self._database.errors as error:
            if self._database.is_contended(error) and self._rolled_back(writer):
                self._give_back(group, error)  # the database says itself that nothing is stored
                return
            self._see_full(error)
            self._fail(group, unavailable("unknown", error))
            self._poison(writer, error)
        else:
            if writer.wrote:  # else processes would wake each other for ever by looking
                full = self._full_at
                if full is not None and time.monotonic() - full >= FULL_S and self._has_room(writer):
                    self._full_at = None
                self.committed()

    def _run_bodies(self, writer: WriteConnection, group: Sequence[Job]) -> None:
        try:
            self._run_each(writer, self._run_brief(writer, group))
        except self._database.errors as error:
            raise _GroupLost from error

    def _run_brief(self, writer: WriteConnection, group: Sequence[Job]) -> Sequence[Job]:
        """Run the brief bodies of `group` on their loops; what is left for this thread.

        Where the database is not at hand, those whose questions were foreseen: who asks more is left, too. One that is
        alone and worth one is left as well: then the loop is hardly busy, and two hops cost more.
        """
        away = self._database.reads_aside
        brief = [job for job in group if job.brief and not (away and job.about is None)]
        if self._closing or sum(job.brief for job in brief) < 2 or (away and not writer.together):
            return group
        if away:
            writer.foresee(_about(group))
        by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
        for job in brief:
            by_loop.setdefault(job.future.get_loop(), []).append(job)
        for loop, jobs in by_loop.items():
            Errand(partial(self._run_here if away else self._run_each, writer, jobs)).run_on(loop)
        done = {id(job) for job in brief if not job.left}
        return [job for job in group if id(job) not in done]

    def _run_here(self, writer: WriteConnection, jobs: Sequence[Job]) -> None:
        with writer.silence():
            for job in jobs:
                self._run_body(writer, job)

    def _run_each(self, writer: WriteConnection, jobs: Sequence[Job]) -> None:
        writer.foresee(_about(jobs))
        for job in jobs:
            self._run_body(writer, job)
        writer.finish()

    def _run_body(self, writer: WriteConnection, job: Job) -> None:
        """Run one body in its savepoint. `_GroupLost` when the trouble was not its own."""
        session, errors = writer.session, self._database.errors
        try:
            writer.save()
            try:
                job.result = job.body(SqlLedger(session))
                session.settle()
            except BaseException as error:
                unclear = writer.together and isinstance(error, errors)
                if unclear or not writer.in_transaction or self._is_fatal(error):
                    job.error = error
                    raise _GroupLost from error
                writer.undo()
                self._judge(job, session.blame(error) if isinstance(error, Exception) else error)
            writer.release()
        except errors as error:
            raise _GroupLost from error

    def _judge(self, job: Job, error: BaseException) -> None:
        """What a body that failed alone is told, or that it runs again."""
        job.error = error
        self._see_full(error)
        database = self._database
        if isinstance(error, AsksMore):
            job.left, job.error = True, None
        elif isinstance(error, Contended) or (isinstance(error, database.errors) and database.is_contended(error)):
            now = time.monotonic()
            job.until = job.until or now + PATIENCE_S
            job.again = now < job.until
            job.error = unavailable("not-stored", error, 1)
        elif isinstance(error, database.errors) and not database.is_bug(error):
            job.error = unavailable("not-stored", error)

    def _give_back(self, group: Sequence[Job], cause: BaseException) -> None:
        """Nothing of the group is stored. Where others were in its way, all of it runs again."""
        self._see_full(cause)
        if isinstance(cause, self._database.errors) and self._database.is_contended(cause):
            for job in group:
                self._judge(job, cause)
        else:
            self._fail(group, unavailable("not-stored", cause))

    def _has_room(self, writer: WriteConnection) -> bool:
        """Whether something new finds room, too: a commit that only changed a row says nothing about that."""
        try:
            writer.try_room()
        except self._database.errors as error:
            self._see_full(error)
            if not self._rolled_back(writer):
                self._poison(writer, error)
            return False
        return True

    def _see_full(self, error: BaseException) -> None:
        if isinstance(error, self._database.errors) and self._database.is_full(error):
            self._full_at = time.monotonic()

    def _is_fatal(self, error: BaseException) -> bool:
        return isinstance(error, self._database.errors) and self._database.is_fatal(error)

    def _is_of_one(self, error: BaseException) -> bool:
        return not isinstance(error, self._database.errors) or self._database.is_of_one(error)

    def _rolled_back(self, writer: WriteConnection) -> bool:
        try:
            if writer.in_transaction:
                writer.rollback()
        except self._database.errors:
            return False
        return True

    def _fail(self, group: Sequence[Job], error: Unavailable) -> None:
        for job in group:
            job.result, job.error, job.again = None, Unavailable(error.problem, error.retry_after_s), False

    def _poison(self, writer: WriteConnection, error: BaseException) -> None:
        """Stop writing; close everything, recover and go on: on SQLite once in a process's life, or for want of room.

        After a failed commit the connection must not be used: rows it refused came and went with later commits (E2).
        """
        self.hopeful = self._database.reopens(error)
        self._trouble = f"the database failed: {error!r}"
        self._writer = None
        with suppress(self._database.errors):
            writer.close()
        self._failures += not self.hopeful
        if self._failures <= REOPENINGS:
            self._recover()

    def _reconnect(self) -> None:
        if self._writer is None and self.hopeful:
            self._recover()

    def _recover(self) -> None:
        try:
            self._readers.close()
            self._writer = self._whole(self._database.recover())
        except (self._database.errors, OSError, StoreError) as again:
            self.hopeful = self._database.reopens(again)
            self._trouble = f"{(self._trouble or '').partition('; reopening')[0]}; reopening failed: {again!r}"
        else:
            self._readers.reopen()
            self._looked = time.monotonic()
            self._trouble = None

    def _whole(self, writer: WriteConnection) -> WriteConnection:
        """The connection, if its database has what it had. `StoreError`; then it is closed."""
        try:
            writer.begin(together=False)
            missing = self.missing(SqlLedger(writer.session))
            writer.rollback()
            if missing is not None:
                raise StoreError(f"the database has lost what it had committed: {missing}")
        except BaseException:
            writer.close()
            raise
        return writer


def _about(jobs: Sequence[Job]) -> list[About]:
    return [job.about for job in jobs if job.about is not None]


def _answer(jobs: Sequence[Job]) -> None:
    for job in jobs:
        job.told = True
        if job.future.done():  # its caller was cancelled a moment ago
            continue
        if isinstance(job.error, StopIteration):  # a future refuses to carry it
            job.future.set_exception(RuntimeError("the body raised StopIteration"))
        elif job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)
