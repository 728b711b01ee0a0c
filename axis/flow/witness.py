"""The newest published head is offered to witnesses, and what they hold against it is found.

One task for each witness, beside the sequencer and never in its way: it reads what is published, makes the proof from
the size that its witness has, and asks. A witness that is down, slow or wrong is told about once and asked again later;
the log goes on without it.

A witness that has more than we have, or something else, is what nobody here can tell by himself: database, log and
heads were put back together. Its bare word proves nothing: with it every witness, and whoever stands between, could
stop the node. So it is asked to show a checkpoint. One that this log's own key signed ends the node (`LogMismatch`):
what would be signed next would be a second history. Without one it is told loudly, and the node goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Final

import structlog

from axis.core.merkle import EMPTY_ROOT, root_of
from axis.core.problems import ProblemError
from axis.core.witness import Answered, Witness, Witnessed
from axis.log.files import Damaged, LogFolder, StoredTree
from axis.log.heads import CheckpointStore, Head, HeadsDamaged
from axis.log.key import ForeignNote, LogKeys
from axis.log.offer import Offer, parse_size, place_of
from axis.log.proof import prove_consistency
from axis.log.witnessed import WitnessedNotes, with_cosignatures
from axis.log.writer import LogMismatch, Mismatch
from signing.cosignature import WitnessKey, cosignatures_of

log = structlog.get_logger(__name__)

EVERY: Final = timedelta(seconds=2)
"""Least time between two offers to one witness. Our choice: a log under load has two heads a second, and whoever looks
for cosignatures is content with some seconds."""
RENEW: Final = timedelta(minutes=5)
"""A head that stays the newest is offered again after this: the witness says anew that it has seen none larger."""
AHEAD: Final = timedelta(minutes=5)
"""A cosignature may be dated so far after our own clock; more, and it is not believed."""
FIRST_PAUSE: Final = timedelta(seconds=5)
LONGEST_PAUSE: Final = timedelta(minutes=5)
"""After a failure an offer waits so long, twice as long after each further one, up to the second."""
AT_START: Final = timedelta(seconds=5)
"""So long a starting node waits for its witnesses."""


class Trouble(Exception):
    """Why this offer brought nothing. `claims` is how many entries the witness says to have seen."""

    def __init__(self, told: str, claims: int | None = None) -> None:
        super().__init__(told)
        self.claims = claims


class PutBack(LogMismatch):
    """A witness shows what this log's key signed, and the log does not have: `claims` entries."""

    def __init__(self, reason: Mismatch, detail: str, claims: int) -> None:
        super().__init__(reason, detail)
        self.claims = claims


class Witnessing:
    """What passes between the log and one witness. `told` is how it stands."""

    def __init__(
        self,
        key: WitnessKey,
        witness: Witness,
        folder: LogFolder,
        heads: CheckpointStore,
        keys: LogKeys,
        now: Callable[[], datetime],
        *,
        mark: str = "",
        accept: bool = False,
        every: timedelta = EVERY,
    ) -> None:
        """`mark` tells this process apart from others that share the folder. With `accept` somebody has said that the
        log goes on although a witness has seen another one."""
        self.key = key
        self.told = Witnessed(key.name)
        self._witness = witness
        self._folder = folder
        self._heads = heads
        self._keys = keys
        self._now = now
        self._notes = WitnessedNotes(folder.path, mark)
        self._accept = accept
        self._every = every
        self._known = 0
        """What the witness has, as far as we know; a wrong guess costs one more question."""
        self._cosigned: bytes | None = None
        self._failures = 0

    def remember(self) -> None:
        """Read what was cosigned before this process began."""
        note = self._notes.of(self.key)
        if note is None:
            return
        with suppress(ForeignNote):
            size = self._keys.open(note).checkpoint.size
            (cosignature,), _ = cosignatures_of(note, [self.key])
            self._known = size
            self.told = replace(self.told, size=size, at=cosignature.at)

    async def run(self, stop: asyncio.Event, active: Callable[[], bool]) -> None:
        """Offer what is new until `stop` is set, while this process is the one that writes the log. `LogMismatch`."""
        while not stop.is_set():
            pause = self._every
            if not active():
                await asyncio.to_thread(self.remember)  # what another process was told
            elif not await self.offer():
                pause = min(FIRST_PAUSE * 2 ** min(self._failures - 1, 10), LONGEST_PAUSE)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause.total_seconds()):
                    await stop.wait()

    async def offer(self) -> bool:
        """Offer the newest published head, unless it was cosigned lately. Says whether all is well. `LogMismatch`."""
        try:
            head = await asyncio.to_thread(self._published)
            if head is None or self._is_fresh(head):
                return not self._failures
            await self._offer(head)
        except (Trouble, ProblemError, Damaged, HeadsDamaged, ForeignNote, OSError) as error:
            self._tell(str(error), error.claims if isinstance(error, Trouble) else self.told.claims)
            return False
        except PutBack as error:
            self._tell(str(error), error.claims)
            if not self._accept:
                raise
            return False
        return True

    def _published(self) -> Head | None:
        """What everybody may see: the database knows it, and the heads have it."""
        note = self._folder.checkpoint()
        return None if note is None else self._keys.open(note)

    def _is_fresh(self, head: Head) -> bool:
        at = self.told.at
        return head.checkpoint.root == self._cosigned and at is not None and self._now() - at < RENEW

    async def _offer(self, head: Head) -> None:
        size = head.checkpoint.size
        for _ in range(2):  # the second time from the size that the witness has told
            old = min(self._known, size)
            proof = await asyncio.to_thread(prove_consistency, self._folder.path, old, size) if old else []
            answer = await self._witness.add_checkpoint(Offer(old, tuple(proof), head).text)
            if answer.status == HTTPStatus.OK:
                await self._take(head, answer)
                return
            if answer.status == HTTPStatus.UNPROCESSABLE_ENTITY:
                self._known = await self._compare(f"it refuses the proof from {old} to {size}", None)
            elif answer.status == HTTPStatus.CONFLICT:
                self._known = has = _size_of(answer)
                if has > size and has <= await asyncio.to_thread(self._newest):
                    return  # we were slow: the next one is published by now
                if has > size or has == old == size:
                    self._known = await self._compare(f"it says that it has cosigned {has} entries, or others", has)
            else:
                raise Trouble(f"HTTP {answer.status}")
            if self._known == old:
                break
        raise Trouble(f"it has cosigned {self._known} entries of this log, and refuses what follows")

    async def _take(self, head: Head, answer: Answered) -> None:
        """Believe the cosignature if it is one, of this head, by this witness, and keep it."""
        good, bad = cosignatures_of(head.note + answer.text, [self.key])
        if bad or not good:
            raise Trouble("its cosignature of this checkpoint does not hold" if bad else "it did not cosign")
        (cosignature,) = good
        if cosignature.at > self._now() + AHEAD:
            raise Trouble(f"its cosignature is dated {cosignature.at.isoformat()}: its clock is wrong, or ours")
        await asyncio.to_thread(self._notes.keep, self.key, head.note + cosignature.line)
        self._known, self._cosigned = head.checkpoint.size, head.checkpoint.root
        if self._failures or self.told.at is None:
            log.info("witness_cosigns", witness=self.key.name, size=head.checkpoint.size)
        self._failures = 0
        self.told = Witnessed(self.key.name, head.checkpoint.size, cosignature.at)

    async def _compare(self, told: str, claims: int | None) -> int:
        """Have the witness show what it has, and hold it against the newest head, which is read after it.

        `LogMismatch` for what this log's key signed and the log does not have; `Trouble` with `told` where nothing is
        proved. What belongs to this log is answered with its size.
        """
        answer = await self._witness.checkpoint(place_of(self._keys.name))
        try:
            shown = self._keys.open(answer.text if answer.status == HTTPStatus.OK else "").checkpoint
        except ForeignNote:
            raise Trouble(f"{told}, and shows no checkpoint of this log", claims) from None
        newest = await asyncio.to_thread(self._newest)
        by = f"{self.key.name} shows a checkpoint of {shown.size} entries that this log's key signed"
        if shown.size > newest:
            raise PutBack(Mismatch.WITNESS_AHEAD, f"{by}; here are {newest}", shown.size)
        if shown.root != await asyncio.to_thread(self._root_at, shown.size, newest):
            raise PutBack(Mismatch.WITNESS_DIFFERS, f"{by}; here are others", shown.size)
        if claims is not None and claims > newest:
            raise Trouble(f"{told}, and shows a checkpoint of {shown.size}", claims)
        return shown.size

    def _newest(self) -> int:
        """How many entries were signed, by whichever process."""
        head = self._heads.peek()
        return head.checkpoint.size if head else 0

    async def look(self) -> int:
        """Ask what the witness has, and offer nothing: the size of its checkpoint, which belongs to this log.

        `LogMismatch`, `Trouble`, `Unavailable`.
        """
        return await self._compare("it answers", None)

    def _root_at(self, size: int, newest: int) -> bytes:
        return root_of(size, StoredTree(self._folder, newest)) if size else EMPTY_ROOT

    def _tell(self, trouble: str, claims: int | None) -> None:
        """Once for each kind of trouble, however long it lasts."""
        self._failures += 1
        facts = {"witness": self.key.name, "error": trouble, "size": self.told.size}
        if claims is not None and claims != self.told.claims:
            log.error("witness_disagrees", **facts, claims=claims)
        elif not self.told.trouble:
            log.warning("witness_lost", **facts)
        self.told = replace(self.told, trouble=trouble, claims=claims)


async def ask_at_start(witnesses: Sequence[Witnessing], wait: timedelta = AT_START) -> None:
    """Ask every witness before anything new is signed, all at once. Whoever does not answer in time is asked later.
    `LogMismatch`."""
    for one in witnesses:
        await asyncio.to_thread(one.remember)
    tasks = [asyncio.ensure_future(one.offer()) for one in witnesses]
    if not tasks:
        return
    done, waiting = await asyncio.wait(tasks, timeout=wait.total_seconds(), return_when=asyncio.FIRST_EXCEPTION)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for task in done:
        task.result()


def published(folder: Path) -> bytes | None:
    """The newest checkpoint of a log's folder, with the lines of all witnesses that have cosigned it so far. `None`
    where there is none that can be read."""
    try:
        note = LogFolder(folder).checkpoint()
    except Damaged:
        return None
    return None if note is None else with_cosignatures(note, WitnessedNotes(folder).all()).encode()


def _size_of(answer: Answered) -> int:
    try:
        return parse_size(answer.text.removesuffix("\n"))
    except ValueError:
        raise Trouble("HTTP 409 without the size that it has") from None
