"""Intents become leaves: index, write, read back, sign, remember, mark, publish. One sequencer a store.

A round, and what is true after each step:

1. *read* the intents without an index, in their order. Nothing has changed.
2. *journal*: the batch (first index, intent ids, leaves) is durable in the log's folder. From here on the assignment is
   fixed; whatever happens, the same leaves get the same indexes, so the same size can only get the same root.
3. *bundles*, then 4. *tiles*, are durable. Files are written once; a repeated round writes the same octets.
5. *reread*: entries, leaf hashes, tiles and both roots are computed again from the files, by another path.
6. *sign* the checkpoint and *compare-and-swap* it into the store of heads. This is the commit: a signature that did not
   get here was never shown to anyone and is made again over the same three lines (Ed25519 is deterministic).
7. *mark*: the database knows the indexes.
8. *publish*: the checkpoint is in the log's folder. Nobody sees a head that the database does not know.
9. *tidy*: partial tiles that became full are removed.

A crash after 1 leaves nothing. After 2 to 5, or 6 before its swap, the journal begins where the newest head ends: the
batch is done again from step 2. After 6 or 7 the journal ends where the newest head ends: what is missing of 7 to 9 is
made up for. Before that, the journal's leaves must be those of the database's intents. Everything else is a
`LogMismatch` with a name, and nothing is signed. An error in a running round is healed the same way, by the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar

import structlog

from axis.core.ports import Ledger, LostRace, Store
from axis.core.problems import Unavailable
from axis.log.disk import FULL
from axis.log.files import Batch, LogFolder
from axis.log.heads import CheckpointStore, Head
from axis.log.writer import LogMismatch, LogWriter, Mismatch, Step
from signing.note import NoteKey, NoteSigner

T = TypeVar("T")

log = structlog.get_logger(__name__)

BATCH: Final = 2048
"""Leaves of one round at most: about 1 MB of journal, and some milliseconds of the store's writer."""
GATHER: Final = timedelta(milliseconds=100)
"""Least time between the beginnings of two rounds, so that a burst shares its syncs."""
TICK: Final = timedelta(milliseconds=500)
"""How often the store is asked when nobody says that something waits: other processes write intents too."""
RETRY: Final = timedelta(seconds=2)
"""How long to wait after a round that failed for a reason that passes."""


class Sequencer:
    """Turns the intents of one store into one log. `async with` keeps other writers out and reconciles first."""

    def __init__(
        self,
        store: Store,
        folder: LogFolder,
        heads: CheckpointStore,
        signer: NoteSigner,
        origin: str,
        now: Callable[[], datetime],
        *,
        former: Sequence[NoteKey] = (),
        batch: int = BATCH,
        hook: Callable[[Step], None] = lambda step: None,
    ) -> None:
        """`former` are the keys that signed before `signer` did. `hook` is called after each step; tests stop there."""
        self._store = store
        self._writer = LogWriter(folder, heads, signer, origin, former, hook)
        self._now = now
        self._batch = batch
        self._hook = hook
        self._woken = asyncio.Event()
        self._reconciled = False
        self._logged_until = now()

    async def __aenter__(self) -> Sequencer:
        """Take the folders and bring store, folder and heads together.

        `LogMismatch` where they do not belong together, `disk.Locked` if another sequencer runs.
        """
        await _in_thread(self._writer.open)
        try:
            await self._reconcile()
        except BaseException:
            await _in_thread(self._writer.close)
            raise
        return self

    async def __aexit__(self, *exception: object) -> None:
        await _in_thread(self._writer.close)

    @property
    def head(self) -> Head:
        """The newest signed head."""
        return self._writer.head

    def wake(self) -> None:
        """Say that an intent was committed. Call it on the event loop; it costs nothing."""
        self._woken.set()

    def lag(self, now: datetime) -> timedelta:
        """How old the oldest intent outside the log may be, for the `log-stale` rule.

        Never less than the truth, as far as this process can know: while the store cannot be asked it grows.
        """
        return max(now - self._logged_until, timedelta())

    async def round(self) -> int:
        """Integrate one batch. Returns how many leaves were added, 0 when nothing waits."""
        finished = 0 if self._reconciled else await self._reconcile()
        asked = self._now()
        waiting, oldest = await self._store.views.backlog()
        self._logged_until = asked if oldest is None else min(oldest, asked)
        if not waiting:
            return finished
        size, intents = await self._store.transact(lambda ledger: (ledger.log_size(), ledger.intents(self._batch)))
        self._hook(Step.READ)
        if not intents:
            return finished
        if size != self.head.checkpoint.size:
            raise LogMismatch(
                Mismatch.STORE_DIFFERS, f"the store counts {size} leaves, the head {self.head.checkpoint.size}"
            )
        batch = Batch(size, tuple(intent.id for intent in intents), tuple(intent.leaf for intent in intents))
        self._reconciled = False  # until the round is whole, the next one looks at what there is
        await self._finish(batch)
        self._reconciled = True
        if len(intents) < self._batch:
            self._logged_until = asked
        return finished + len(intents)

    async def run(self, stop: asyncio.Event) -> None:
        """Rounds as intents come, until `stop` is set; then what still waits. `wake` after `stop.set()` to hurry.

        A full disk, an unavailable store and a lost race are waited out; every other error ends the run.
        """
        loop = asyncio.get_running_loop()
        while True:
            stopping = stop.is_set()
            self._woken.clear()
            began = loop.time()
            pause = GATHER
            try:
                added = await self.round()
            except (Unavailable, LostRace, OSError) as error:
                if stopping or (isinstance(error, OSError) and error.errno not in FULL):
                    raise
                log.warning("log_round_failed", error=str(error), lag_s=self.lag(self._now()).total_seconds())
                added, pause = 0, RETRY
            if added:
                log.debug("log_grown", added=added, size=self.head.checkpoint.size)
            elif stopping:
                return
            elif pause is GATHER:
                await self._wait(TICK)
            if not stopping:
                await asyncio.sleep(max(0.0, began + pause.total_seconds() - loop.time()))

    async def _wait(self, longest: timedelta) -> None:
        try:
            async with asyncio.timeout(longest.total_seconds()):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _reconcile(self) -> int:
        """Bring store, folder and heads together; returns how many leaves that added."""
        size = await self._store.transact(lambda ledger: ledger.log_size())
        left = await _in_thread(lambda: self._writer.reconcile(size))
        added = 0
        if left.redo is not None:
            await self._store.transact(_same_leaves(left.redo))
            log.info("log_round_redone", first=left.redo.first, leaves=len(left.redo.ids))
            await self._finish(left.redo)
            added = len(left.redo.ids)
        else:
            if left.mark is not None:
                await self._store.transact(_same_leaves(left.mark))
                await self._store.transact(_mark(left.mark))
            await _in_thread(self._writer.publish)
        self._reconciled = True
        return added

    async def _finish(self, batch: Batch) -> None:
        """Steps 2 to 9."""
        await _in_thread(lambda: self._writer.commit(batch))
        await self._store.transact(_mark(batch))
        self._hook(Step.MARKED)
        await _in_thread(self._writer.publish)


def _mark(batch: Batch) -> Callable[[Ledger], None]:
    def body(ledger: Ledger) -> None:
        if ledger.log_size() < batch.end:  # else a commit of unknown outcome had succeeded
            ledger.indexed(batch.first, batch.ids)

    return body


def _same_leaves(batch: Batch) -> Callable[[Ledger], None]:
    """See that the store still holds the intents of a journal, without an index and with the same octets."""
    wanted = dict(zip(batch.ids, batch.leaves, strict=True))

    def body(ledger: Ledger) -> None:
        limit = len(wanted)
        while True:
            there = {intent.id: intent.leaf for intent in ledger.intents(limit)}
            if wanted.items() <= there.items():
                return
            if wanted.keys() <= there.keys() or len(there) < limit:
                raise LogMismatch(
                    Mismatch.STORE_DIFFERS, f"the round from {batch.first} on has leaves that the database has not"
                )
            limit *= 4  # others were committed with smaller ids meanwhile (PostgreSQL)

    return body


async def _in_thread(work: Callable[[], T]) -> T:
    """Run disk work beside the loop. A cancelled caller still waits for it: half a round must not run on unseen."""
    future = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        raise
