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

Where several processes share store and folders (PostgreSQL), one of them holds the lease (`axis.flow.lease`) and the
others stand by. Then step 1 also writes the plan of the round, first index and ids, into the store, in a transaction
that sees the lease; the plan takes the journal's part. So a process that was stopped and goes on after it has lost the
lease can only repeat what its successor began with, octet for octet. Steps 6 to 8 look at its token and refuse it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import structlog

from axis.core.model import Decision, EntryKind, LogEntry
from axis.core.ports import Intent, Ledger, LostRace, Store
from axis.core.problems import Unavailable
from axis.flow.lease import LeaseLost, LogLease
from axis.log.disk import FULL, Locked
from axis.log.files import MOST_LEAVES, Batch, LogFolder
from axis.log.heads import CheckpointStore, Head
from axis.log.succession import upto_change
from axis.log.tiles import WIDTH
from axis.log.writer import Fenced, LogMismatch, LogWriter, Mismatch, Step
from signing.note import NoteSigner

T = TypeVar("T")

log = structlog.get_logger(__name__)

BATCH: Final = MOST_LEAVES
"""Leaves of one round at most: about 1 MB of journal, and some milliseconds of the store's writer."""
GATHER: Final = timedelta(milliseconds=500)
"""Least time between the beginnings of two rounds that add something. What comes after a pause does not wait."""
FEW: Final = 16
"""So many leaves do not wait for more. More are a load, and gathered: a round syncs a dozen files and folders whatever
it adds, as often as the store does in a second."""
PATIENCE: Final = 2 / 5
"""How much of the merge delay a load is gathered. The rest is for the round, and for what a
round leaves over to end at a whole tile (`_whole_tiles`), which comes `GATHER` later at worst."""
LOOK: Final = timedelta(milliseconds=100)
"""Least time between two looks at what waits."""
TICK: Final = timedelta(milliseconds=500)
"""How often the store is asked when nobody says that something waits, since other processes write intents too; and
while a load gathers, which by then may be a batch. Each look counts all that waits."""
PLAN: Final = "log_round"
"""The fact of the store that names the round in hand, where processes share the log."""
HANDED: Final = "log_key"
"""The fact of the store that names the key to which an entry, perhaps a waiting one, hands the log over."""
STAND_BY: Final = timedelta(seconds=1)
"""How often a process that stands by looks at the lease."""
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
        leaving: NoteSigner | None = None,
        batch: int = BATCH,
        hook: Callable[[Step], None] = lambda step: None,
        lease: LogLease | None = None,
        merge_delay: timedelta = timedelta(seconds=5),
    ) -> None:
        """`leaving` is the key that signed before `signer`: it hands the log over to that one at the start. `hook` is
        called after each step; tests stop there.

        An intent is in the log `merge_delay` after its commit at the latest. With `lease`, folder and heads are shared
        ones, and this is one of several sequencers.
        """
        self._store = store
        self._writer = LogWriter(folder, heads, signer, origin, leaving, hook)
        self._signer, self._origin = signer, origin
        self._now = now
        self._batch = batch
        self._patience = merge_delay.total_seconds() * PATIENCE
        self._waits_since: float | None = None
        self._hook = hook
        self._woken = asyncio.Event()
        self._reconciled = False
        self._logged_until = now()
        self._lease = lease
        self._leading = lease is None
        self._heads = heads
        self._seen: Head | None = None

    async def __aenter__(self) -> Sequencer:
        """Take the folders and bring store, folder and heads together.

        `LogMismatch` where they do not belong together, `disk.Locked` if another sequencer runs. With a lease that
        another process has, nothing is looked at yet.
        """
        if self._lease is not None:
            await self._lead(self._lease)
            return self
        await _in_thread(self._writer.open)
        try:
            await self._reconcile()
            await self._hand_over()
        except BaseException:
            await _in_thread(self._writer.close)
            raise
        return self

    async def __aexit__(self, *exception: object) -> None:
        await _in_thread(self._writer.close)
        if self._lease is not None and self._leading:
            with suppress(Unavailable, LostRace):  # then it runs out
                await self._lease.release()

    @property
    def leading(self) -> bool:
        """Whether this process is the one that writes the log."""
        return self._leading

    @property
    def head(self) -> Head:
        """The newest signed head."""
        return self._writer.head

    @property
    def seen(self) -> Head | None:
        """The newest head as far as this process knows, whoever signed it; `None` before the first."""
        return self.head if self._leading else self._seen

    async def _lead(self, lease: LogLease) -> bool:
        """Take the lease if it is free, then the folders, and bring everything together."""
        if not await lease.acquire():
            return False
        try:
            await _in_thread(lambda: self._writer.open(lease.token))
            await self._reconcile()
            await self._hand_over()
        except BaseException as error:
            await _in_thread(self._writer.close)
            if isinstance(error, LeaseLost | Fenced):
                if isinstance(error, Fenced):
                    await lease.pass_over(error.fence)
                lease.forget()
                return False
            await lease.release()
            raise
        self._leading = True
        log.info("log_lease_taken", token=lease.token)
        return True

    async def _hand_over(self) -> None:
        """Write the entry by which a new key takes the log over, where it is still due, and once.

        It is an intent like others: what waits before it is signed by the key that leaves.
        """
        facts = await _in_thread(self._writer.change_due)
        if facts is None:
            return
        entry = LogEntry(EntryKind.KEY_CHANGED, self._now(), self._origin, "", facts)

        def body(ledger: Ledger) -> None:
            if self._lease is not None:
                self._lease.hold(ledger)
            was, key = ledger.fact(HANDED), str(self._signer.verifier)
            if was != key:
                ledger.keep_fact(HANDED, was, key)
                ledger.apply(Decision((entry,), (), None))

        await self._store.transact(body)
        log.info("log_key_changes", key=self._signer.verifier.hash.hex())

    async def _stand_back(self, lease: LogLease, error: Exception) -> None:
        log.warning("log_lease_lost", error=str(error))
        self._leading = self._reconciled = False
        lease.forget()
        await _in_thread(self._writer.close)

    async def _stand_by(self, lease: LogLease) -> bool:
        """See how far the log is, and take the lease when it is free. Says whether it was taken."""
        asked = self._now()
        _, oldest = await self._store.views.backlog()
        self._logged_until = asked if oldest is None else min(oldest, asked)
        self._seen = await _in_thread(self._heads.peek)
        return await self._lead(lease)

    def wake(self) -> None:
        """Say that an intent was committed. Call it on the event loop; it costs nothing."""
        self._woken.set()

    def lag(self, now: datetime) -> timedelta:
        """How old the oldest intent outside the log may be, for the `log-stale` rule.

        Never less than the truth, as far as this process can know: while the store cannot be asked it grows.
        """
        return max(now - self._logged_until, timedelta())

    async def round(self, *, gather: bool = False) -> int:
        """Integrate one batch. Returns how many leaves were added, 0 when nothing waits or another process does it.

        With `gather`, a load is left to wait for more, and the batch ends at a whole tile where it reaches one.
        `LeaseLost`, `Fenced`: another process has taken the log over.
        """
        if not self._leading:
            return 0
        if self._lease is not None:
            await self._lease.renew()
        finished = 0 if self._reconciled else await self._reconcile()
        asked, looked = self._now(), asyncio.get_running_loop().time()
        waiting, oldest = await self._store.views.backlog()
        self._logged_until = asked if oldest is None else min(oldest, asked)
        if self._waits_since is None:
            self._waits_since = looked
        if not waiting:
            self._waits_since = None
            return finished
        if gather and FEW < waiting < self._batch and looked - self._waits_since < self._patience:
            return finished
        size, intents, left = await self._store.transact(lambda ledger: self._plan(ledger, gather))
        self._hook(Step.READ)
        if not intents:
            return finished
        self._agree(size)
        batch = Batch(size, tuple(intent.id for intent in intents), tuple(intent.leaf for intent in intents))
        self._reconciled = False  # until the round is whole, the next one looks at what there is
        await self._finish(batch)
        self._reconciled = True
        self._waits_since = looked if left else None
        if not left:
            self._logged_until = asked
        return finished + len(intents)

    def _agree(self, size: int) -> None:
        if size != self.head.checkpoint.size:
            raise LogMismatch(
                Mismatch.STORE_DIFFERS, f"the store counts {size} leaves, the head {self.head.checkpoint.size}"
            )

    def _plan(self, ledger: Ledger, gather: bool) -> tuple[int, Sequence[Intent], bool]:
        """What the next round integrates, from which index on, and whether it leaves something. Whoever takes over now
        does the same."""
        size, waiting = ledger.log_size(), ledger.intents(self._batch)
        intents = waiting[: _whole_tiles(size, len(waiting))] if gather else waiting
        intents = intents[: upto_change([intent.leaf for intent in intents])]
        if self._lease is not None:
            self._lease.hold(ledger)
            # Else the plan of a store that lost its newest commits would pass, after a restart, for the round that was
            # signed, and its intents would get the places of others.
            self._agree(size)
            if intents:
                plan = json.dumps({"first": size, "ids": [intent.id for intent in intents]})
                ledger.keep_fact(PLAN, ledger.fact(PLAN), plan)
        return size, intents, len(intents) < len(waiting) or len(waiting) == self._batch

    async def run(self, stop: asyncio.Event) -> None:
        """Rounds as intents come, until `stop` is set; then what still waits. `wake` after `stop.set()` to hurry.

        A full disk, an unavailable store and a lost race are waited out; every other error ends the run.
        """
        loop = asyncio.get_running_loop()
        grown = -GATHER.total_seconds()
        while True:
            stopping = stop.is_set()
            self._woken.clear()
            began = loop.time()
            pause = GATHER
            try:
                if self._lease is not None and not self._leading:  # at the end too: perhaps all others have ended
                    pause = GATHER if await self._stand_by(self._lease) else STAND_BY
                added = await self.round(gather=not stopping)
            except (LeaseLost, Fenced) as error:
                assert self._lease is not None
                await self._stand_back(self._lease, error)
                continue
            except (Unavailable, LostRace, OSError, Locked) as error:
                if stopping or (isinstance(error, OSError) and error.errno not in FULL):
                    raise
                why = error.problem.context if isinstance(error, Unavailable) else {}
                log.warning(
                    "log_round_failed", **{"error": str(error), **why}, lag_s=self.lag(self._now()).total_seconds()
                )
                added, pause = 0, RETRY
            if added:
                grown = began
                log.debug("log_grown", added=added, size=self.head.checkpoint.size)
            elif stopping:
                return
            elif pause is GATHER:
                await self._wait(TICK)
            if not stopping:
                look = self._next_look(began) if pause is GATHER else began + pause.total_seconds()
                await _rest(max(look, grown + GATHER.total_seconds()) - loop.time(), stop)

    def _next_look(self, last: float) -> float:
        """When to look at what waits, at the earliest: a load that gathers, not before something may be due."""
        soon = last + LOOK.total_seconds()
        if self._waits_since is None:
            return soon
        return max(soon, min(last + TICK.total_seconds(), self._waits_since + self._patience))

    async def _wait(self, longest: timedelta) -> None:
        try:
            async with asyncio.timeout(longest.total_seconds()):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _reconcile(self) -> int:
        """Bring store, folder and heads together; returns how many leaves that added."""
        size, plan, last = await self._store.transact(self._begun)
        left = await _in_thread(lambda: self._writer.reconcile(size, plan, last))
        added = 0
        if left.redo is not None:
            await self._store.transact(self._same_leaves(left.redo))
            log.info("log_round_redone", first=left.redo.first, leaves=len(left.redo.ids))
            await self._finish(left.redo)
            added = len(left.redo.ids)
        else:
            if left.mark is not None:
                await self._store.transact(self._same_leaves(left.mark))
                await self._store.transact(self._mark(left.mark))
            await _in_thread(self._writer.publish)
        self._reconciled = True
        return added

    def _begun(self, ledger: Ledger) -> tuple[int, Batch | None, bytes | None]:
        """How many leaves the store knows; where processes share the log, the round that it has planned from there on;
        and the last of the leaves."""
        size = ledger.log_size()
        last = ledger.placed(size - 1)
        if self._lease is None:
            return size, None, last
        self._lease.hold(ledger)
        text = ledger.fact(PLAN)
        plan: dict[str, Any] = {"first": -1} if text is None else json.loads(text)
        if plan["first"] != size:
            return size, None, last
        leaves = _leaves(ledger, plan["ids"])
        if leaves is None:
            raise LogMismatch(Mismatch.STORE_DIFFERS, f"the round from {size} on has entries that the database has not")
        return size, Batch(size, tuple(plan["ids"]), leaves), last

    def _same_leaves(self, batch: Batch) -> Callable[[Ledger], None]:
        """See that the store still holds the intents of a round, without an index and with the same octets. Another
        process may have marked them, if it has the lease now: that is no mismatch."""

        def body(ledger: Ledger) -> None:
            if self._lease is not None:
                self._lease.hold(ledger)
            if _leaves(ledger, batch.ids) != batch.leaves:
                raise LogMismatch(
                    Mismatch.STORE_DIFFERS, f"the round from {batch.first} on has leaves that the database has not"
                )

        return body

    def _mark(self, batch: Batch) -> Callable[[Ledger], None]:
        def body(ledger: Ledger) -> None:
            if self._lease is not None:
                self._lease.hold(ledger)
            if ledger.log_size() < batch.end:  # else a commit of unknown outcome had succeeded
                ledger.indexed(batch.first, batch.ids)

        return body

    async def _finish(self, batch: Batch) -> None:
        """Steps 2 to 9."""
        await _in_thread(lambda: self._writer.commit(batch))
        await self._store.transact(self._mark(batch))
        self._hook(Step.MARKED)
        await _in_thread(self._writer.publish)


def _whole_tiles(size: int, count: int) -> int:
    """How many of `count` leaves a tree of `size` takes so that its last tile is full: all where they fill none.

    A tile that is not full is written again, wider, by the next round, with a folder of its own to sync.
    """
    whole = (size + count) // WIDTH * WIDTH - size
    return whole if whole > 0 else count


async def _rest(seconds: float, stop: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            await stop.wait()


def _leaves(ledger: Ledger, ids: Sequence[int]) -> tuple[bytes, ...] | None:
    """The leaves of intents without an index, `None` where one of them is not there."""
    limit = len(ids)
    while True:
        there = {intent.id: intent.leaf for intent in ledger.intents(limit)}
        if all(id_ in there for id_ in ids):
            return tuple(there[id_] for id_ in ids)
        if len(there) < limit:
            return None
        limit *= 4  # others were committed with smaller ids meanwhile (PostgreSQL)


async def _in_thread(work: Callable[[], T]) -> T:
    """Run disk work beside the loop. A cancelled caller still waits for it: half a round must not run on unseen."""
    future = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        raise
