"""The one who writes a log: folder, heads and key together, step by step, and what a crash leaves to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from axis.core.canonical import Json
from axis.core.merkle import EMPTY_ROOT, Frontier, frontier_of, root_of
from axis.log.checkpoint import Checkpoint
from axis.log.disk import Changed
from axis.log.files import Batch, Damaged, LogFolder, StoredTree
from axis.log.growth import check_edge, reread, write_bundles, write_tiles
from axis.log.heads import CheckpointStore, Head, HeadReason, HeadRefused
from axis.log.key import ForeignNote, LogKeys
from axis.log.succession import Change, change_facts, changes, read_change
from signing.note import Note, NoteSigner, open_note, sign_note


class Step(StrEnum):
    """What has just been done. Tests stop the process there."""

    READ = "read"
    JOURNAL = "journal"
    BUNDLES = "bundles"
    TILES = "tiles"
    REREAD = "reread"
    SIGNED = "signed"
    HEAD = "head"
    MARKED = "marked"
    PUBLISHED = "published"
    TIDIED = "tidied"


class Mismatch(StrEnum):
    """Why a log is not continued. A person must look: nothing here can be derived from what is left."""

    HEADS_LOST = "heads-lost"  # there is a log, and the store of heads is empty
    HEADS_BEHIND = "heads-behind"  # a checkpoint or round is newer than the newest head: the heads were put back
    HEADS_FOREIGN = "heads-foreign"  # the newest head is of another log, or not signed by this key
    KEY_CHANGED = "key-changed"  # the log has handed itself over to another key
    KEY_SPENT = "key-spent"  # the key that is to come has signed this log before
    HEADS_REFUSED = "heads-refused"  # the compare-and-swap said no: another writer
    FORKED = "forked"  # two signed roots for one size
    FOLDER_BEHIND = "folder-behind"  # files that the newest head covers are missing: the folder was put back
    FOLDER_DIFFERS = "folder-differs"  # the files do not give the root of the newest head, or cannot be read
    STORE_BEHIND = "store-behind"  # the database knows fewer leaves than were signed: it was put back
    STORE_AHEAD = "store-ahead"  # the database knows more leaves than were signed: the log was put back
    STORE_DIFFERS = "store-differs"  # the database holds other entries than the round that was begun
    WITNESS_AHEAD = "witness-ahead"  # a witness shows a checkpoint that the log does not reach: all was put back
    WITNESS_DIFFERS = "witness-differs"  # a witness shows another root for a size of this log: it went on otherwise


class Fenced(Exception):
    """Another process has taken the log over, with the token `fence`: this one stops writing it. Nothing is wrong."""

    def __init__(self, error: HeadRefused) -> None:
        super().__init__(str(error))
        self.fence = error.fence


class LogMismatch(Exception):
    """Database, folder and heads do not belong together. Nothing is signed until someone has decided."""

    def __init__(self, reason: Mismatch, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Outstanding:
    """What a crash left to do: a round that was begun and not signed, or one that the database does not know."""

    redo: Batch | None = None
    mark: Batch | None = None


class LogWriter:
    """Grows one log. Every method blocks on the disk; call them in a thread, one at a time."""

    def __init__(
        self,
        folder: LogFolder,
        heads: CheckpointStore,
        signer: NoteSigner,
        origin: str,
        leaving: NoteSigner | None = None,
        hook: Callable[[Step], None] = lambda step: None,
    ) -> None:
        """`leaving` is the key that signed before `signer`: it goes on until the log names `signer` in its place."""
        if signer.name != origin:
            raise ValueError("the key of a log is named after its origin (C2SP tlog-checkpoint)")
        one, other = folder.path.resolve(), heads.path.resolve()
        if one.is_relative_to(other) or other.is_relative_to(one):
            raise ValueError("the store of heads is not inside the folder of the log, nor the other way round")
        self._folder = folder
        self._heads = heads
        heads.passing = folder.drop_prepared
        self._signer = signer
        self._leaving = leaving
        self._acting = signer
        self._keys = LogKeys(tuple(one.verifier for one in (signer, leaving) if one is not None))
        self._origin = origin
        self._hook = hook
        self._frontier = Frontier()
        self._grown: tuple[int, int] | None = None
        """From where to where the last round went; `None` where only the journal tells, since a start."""

    def open(self, token: int = 0) -> None:
        """Keep other writers out: by locks, or in shared folders those with a smaller token.

        `disk.Locked`, `heads.HeadsDamaged`, `Fenced`.
        """
        self._folder.lock()
        try:
            self._heads.open(token)
        except HeadRefused as error:
            self._folder.unlock()
            raise Fenced(error) from error
        except BaseException:
            self._folder.unlock()
            raise

    def close(self) -> None:
        self._heads.close()
        self._folder.unlock()

    @property
    def head(self) -> Head:
        """The newest head: the log as it was signed last."""
        head = self._heads.latest()
        assert head is not None, "`reconcile` comes first"
        return head

    def reconcile(self, store_size: int, plan: Batch | None = None, last: bytes | None = None) -> Outstanding:
        """Compare database, folder and heads; learn the tree; say what is outstanding. `LogMismatch` where they differ.

        An empty log gets its first head here, of size 0. `last` is the last leaf that the database knows: the database
        of another node may know as many. In shared folders `plan` is the round that was begun, from
        the database; else it is the journal's. To one who was away for too long the log is ahead of the head that he
        knows, as if the heads had been put back: he is told `Fenced` instead.
        """
        self._grown = None
        try:
            self._heads.reload()
            try:
                return self._compared(store_size, plan, last)
            except LogMismatch:
                self._heads.refuse_fenced()
                raise
        except HeadRefused as error:
            raise Fenced(error) from error

    def _compared(self, store_size: int, plan: Batch | None, last: bytes | None) -> Outstanding:
        try:
            head = self._newest(store_size)
            batch = plan if self._folder.shared else self._folder.journal()
            self._check_published(head)
            self._learn(head)
            size = head.checkpoint.size
            self._acting = self._signing(head)
            if last is not None and store_size <= size and self._folder.entry(store_size - 1, size) != last:
                raise LogMismatch(Mismatch.STORE_DIFFERS, f"entry {store_size - 1} is another one in the database")
        except Damaged as error:
            reason = Mismatch.FOLDER_BEHIND if error.missing else Mismatch.FOLDER_DIFFERS
            raise LogMismatch(reason, str(error)) from error
        if store_size > size:
            raise LogMismatch(Mismatch.STORE_AHEAD, f"the database knows {store_size} leaves, {size} were signed")
        if batch is not None and batch.end > size:
            if batch.first != size:
                raise LogMismatch(Mismatch.HEADS_BEHIND, f"a round began at {batch.first}, the newest head has {size}")
            if store_size == size:
                return Outstanding(redo=batch)
        elif batch is not None and (batch.first, batch.end) == (store_size, size):
            return Outstanding(mark=batch)
        if store_size < size:
            raise LogMismatch(Mismatch.STORE_BEHIND, f"the database knows {store_size} leaves, {size} were signed")
        return Outstanding()

    def commit(self, batch: Batch) -> Head:
        """Steps 2 to 6 of a round: journal, bundles, tiles, reread, sign, head. May be repeated with the same batch."""
        old = self.head
        if batch.first != old.checkpoint.size:
            raise LogMismatch(Mismatch.STORE_DIFFERS, f"a round from {batch.first} on a tree of {old.checkpoint.size}")
        signers = self._signers(batch)
        self._folder.write_journal(batch)
        self._hook(Step.JOURNAL)
        try:
            write_bundles(self._folder, batch)
            self._hook(Step.BUNDLES)
            grown = write_tiles(self._folder, batch, self._frontier)
            self._hook(Step.TILES)
            before, root = reread(self._folder, batch.first, batch.end)
        except Changed as error:
            raise LogMismatch(Mismatch.FOLDER_DIFFERS, f"{error} exists with other octets") from error
        except Damaged as error:
            raise LogMismatch(Mismatch.FOLDER_DIFFERS, str(error)) from error
        if before != old.checkpoint.root or root != grown.root():
            raise LogMismatch(Mismatch.FOLDER_DIFFERS, "what was written does not read back to the roots")
        self._hook(Step.REREAD)
        head = self._sign(Checkpoint(self._origin, batch.end, root), old, *signers)
        self._frontier, self._grown = grown, (batch.first, batch.end)
        self._acting = signers[-1]
        return head

    def change_due(self) -> dict[str, Json] | None:
        """The facts of the entry that must still hand the log over to its new key; `None` where that signs already.

        Called after `reconcile`. `LogMismatch` for a key that has signed this log before: none comes back.
        """
        if self._acting is self._signer:
            return None
        known = {
            key for _, one in changes(self._folder, self.head.checkpoint.size) if one for key in (one.former, one.key)
        }
        if self._signer.verifier in known:
            raise LogMismatch(Mismatch.KEY_SPENT, f"{self._signer.verifier} is a key that this log had before")
        return change_facts(self._acting, self._signer)

    def _signing(self, head: Head) -> NoteSigner:
        """Which of our keys signs what comes after `head`. One that the log has replaced signs nothing any more."""
        size = head.checkpoint.size
        opened = open_note(head.note, self._keys.keys)
        assert isinstance(opened, Note), "it was opened before"
        change = read_change(self._folder.entry(size - 1, size), size - 1) if size else None
        if change is not None and (change.former in opened.signed_by or change.key in opened.signed_by):
            return self._named(change)
        if self._signer.verifier in opened.signed_by or self._leaving is None:
            return self._signer
        return self._leaving

    def _signers(self, batch: Batch) -> tuple[NoteSigner, ...]:
        """Who signs the head of a round: both keys, where it ends with the entry that changes them."""
        change = read_change(batch.leaves[-1], batch.end - 1)
        if change is None or change.former != self._acting.verifier:
            return (self._acting,)
        return self._acting, self._named(change)

    def _named(self, change: Change) -> NoteSigner:
        for one in (self._signer, self._leaving):
            if one is not None and one.verifier == change.key:
                return one
        raise LogMismatch(Mismatch.KEY_CHANGED, f"entry {change.size - 1} hands the log over to {change.key}")

    def publish(self) -> None:
        """Steps 8 and 9: put the newest head in the log's folder, then drop what it superseded. May be repeated."""
        self._folder.prepare(self.head.note)
        try:
            with self._heads.keeping():
                self._folder.publish()
        except HeadRefused as error:
            raise Fenced(error) from error
        self._folder.keep()
        self._hook(Step.PUBLISHED)
        grown = self._grown or self._journalled()
        if grown is not None:
            self._folder.drop_superseded(*grown)
        self._hook(Step.TIDIED)

    def _journalled(self) -> tuple[int, int] | None:
        batch = self._folder.journal()
        return None if batch is None else (batch.first, batch.end)

    def _newest(self, store_size: int) -> Head:
        head = self._heads.latest()
        if head is None:
            if store_size or not self._folder.is_empty():
                raise LogMismatch(Mismatch.HEADS_LOST, "the store of heads is empty, the log is not")
            return self._sign(Checkpoint(self._origin, 0, EMPTY_ROOT), None, self._signer)
        try:
            self._keys.open(head.note)
        except ForeignNote as error:
            raise LogMismatch(Mismatch.HEADS_FOREIGN, str(error)) from error
        if head.checkpoint.origin != self._origin:
            raise LogMismatch(Mismatch.HEADS_FOREIGN, f"the newest head is of {head.checkpoint.origin}")
        return head

    def _sign(self, checkpoint: Checkpoint, old: Head | None, *signers: NoteSigner) -> Head:
        note = sign_note(checkpoint.text, *signers)
        self._hook(Step.SIGNED)
        try:
            head = self._heads.advance(old, note)
        except HeadRefused as error:
            if error.reason is HeadReason.FENCED:
                raise Fenced(error) from error
            raise LogMismatch(Mismatch.HEADS_REFUSED, str(error)) from error
        self._hook(Step.HEAD)
        return head

    def _check_published(self, head: Head) -> None:
        """A published checkpoint may be older than the newest head, never newer or different.

        One that cannot be read or verified is published anew: it holds nothing that the heads do not know.
        """
        try:
            published = self._keys.open(self._folder.checkpoint() or "").checkpoint
        except (Damaged, ForeignNote):
            return
        if published.size > head.checkpoint.size:
            raise LogMismatch(
                Mismatch.HEADS_BEHIND, f"{published.size} is published, the newest head has {head.checkpoint.size}"
            )
        if published.size == head.checkpoint.size and published.root != head.checkpoint.root:
            raise LogMismatch(Mismatch.FORKED, f"two signed roots for size {published.size}")

    def _learn(self, head: Head) -> None:
        size = head.checkpoint.size
        tree = StoredTree(self._folder, size)
        if root_of(size, tree) != head.checkpoint.root:
            raise LogMismatch(Mismatch.FOLDER_DIFFERS, f"the tiles do not give the root that was signed for {size}")
        check_edge(self._folder, size)
        self._frontier = frontier_of(size, tree)
