"""Verify a whole log from its files and one public key: no server, no database, nobody's word.

Only the standard library, `cryptography` and the pure rooms of this project are imported, so that an auditor can run it
on a machine that knows nothing else. The hashes are computed from the entries upwards; tiles are compared, never
believed. A log that grows meanwhile is no fault: heads are read first, then the list of files, the journal, and the
checkpoint last.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

from axis.core.merkle import Frontier, leaf_hash
from axis.core.times import parse_rfc3339
from axis.log.checkpoint import MalformedCheckpoint
from axis.log.entries import BadEntry, read_entry
from axis.log.files import CHECKPOINT, Batch, Damaged, LogFolder
from axis.log.findings import Code, Collector, LogReport
from axis.log.heads import HISTORY, CheckpointStore, Head, HeadsDamaged
from axis.log.key import ForeignNote, LogKeys
from axis.log.leftovers import check_leftovers
from axis.log.succession import FormerKey, Succession
from axis.log.tiles import WIDTH, Bundle, Tile, bundle_at, subtree

APART: Final = timedelta(minutes=1)
"""How far entries of decisions that were taken side by side may lie apart, and clocks be put right unnoticed."""

Progress = Callable[[int, int], None]


def verify_log(
    folder: Path,
    vkey: str,
    *,
    heads: Path | None = None,
    old: str | None = None,
    progress: Progress = lambda done, total: None,
) -> LogReport:
    """Verify everything that can be verified, and go on after a fault where that makes sense.

    `vkey` is the log's verifier key (C2SP signed-note), or several with white space between; it comes from elsewhere
    than the folder. Where the key was changed, the log tells the others, and for which sizes each speaks
    (`axis.log.succession`). `heads` is the folder of the store of heads, `old` the text of a checkpoint that someone
    kept. `progress(done, total)` counts entries.
    `ValueError` for a `vkey` that is none. Faults of the log never raise.
    """
    found = Collector()
    log = LogFolder(folder)
    key = Succession(log, LogKeys.parse(vkey))
    store = CheckpointStore(heads) if heads else None
    stored, newest = _newest(store, key)
    files = list(log.stored())
    journal = _journal(log, found)
    published = _published(log, key, found)
    size = _size_to_walk(published, newest, journal, found)
    walk = _Walk(log, found, progress)
    if size is not None:
        kept = [(head.checkpoint.size, Code.ROOT_MISMATCH, head) for head in [published] if head]
        walk.go(size, heapq.merge(kept, _old(old, key, found), _stored(store, key, found), key=lambda claim: claim[0]))
        walk.judge_alteration(published)
        if store is not None:
            walk.judge_heads(published, stored, newest)
        for index in key.strange():
            found.add(Code.KEY_CHANGE, index)
        check_leftovers(log, files, walk.done, journal, found)
    return LogReport(
        published.checkpoint if published else None,
        walk.entries,
        dict(walk.kinds),
        walk.heads,
        tuple(found.findings),
        dict(found.counts),
        key.line,
    )


Claim = tuple[int, Code, Head]
"""A root that someone signed for a size, and what it means if the log has another one."""


def _newest(store: CheckpointStore | None, key: Succession) -> tuple[Head | None, Head | None]:
    """The largest stored head, and the largest that is signed as it must be: the same one, unless somebody else signed
    on. What is wrong with the others is found on the walk.
    """
    if store is None:
        return None, None
    stored = _largest(store, lambda head: True)
    return stored, stored if stored is None or _signed(stored, key) else _largest(
        store, lambda head: _signed(head, key)
    )


def _largest(store: CheckpointStore, counts: Callable[[Head], bool]) -> Head | None:
    newest: Head | None = None
    with suppress(HeadsDamaged):
        for head in store.history():
            if (newest is None or head.checkpoint.size > newest.checkpoint.size) and counts(head):
                newest = head
    return newest


def _signed(head: Head, key: Succession) -> bool:
    try:
        key.open(head.note)
    except ForeignNote:
        return False
    return True


def _journal(log: LogFolder, found: Collector) -> Batch | None:
    try:
        return log.journal()
    except Damaged as error:
        found.add(Code.JOURNAL_DAMAGED, error.place, error.detail)
        return None


def _published(log: LogFolder, key: Succession, found: Collector) -> Head | None:
    """The checkpoint. One with a wrong signature still says how far to look for more faults."""
    try:
        note = log.checkpoint()
        if note is None:
            found.add(Code.CHECKPOINT_MISSING)
            return None
        head = Head.read(note)
    except (Damaged, MalformedCheckpoint) as error:
        found.add(Code.CHECKPOINT_MALFORMED, CHECKPOINT, str(error))
        return None
    if head.checkpoint.origin != key.name:
        found.add(Code.CHECKPOINT_ORIGIN, head.checkpoint.origin, f"the key is of {key.name}")
    try:
        key.open(note)
    except ForeignNote as error:
        found.add(_unsigned(error, Code.CHECKPOINT_SIGNATURE), CHECKPOINT, str(error))
    return head


def _unsigned(error: ForeignNote, usual: Code) -> Code:
    return Code.FORMER_KEY if isinstance(error, FormerKey) else usual


def _size_to_walk(published: Head | None, newest: Head | None, journal: Batch | None, found: Collector) -> int | None:
    """How many entries to verify: what is published, or one round more if it was signed and not yet published."""
    if published is None:
        return newest.checkpoint.size if newest else None
    size = published.checkpoint.size
    if newest and journal and (journal.first, journal.end) == (size, newest.checkpoint.size):
        found.add(Code.UNPUBLISHED, newest.checkpoint.size, "a head is stored that is not published yet")
        return newest.checkpoint.size
    return size


def _old(note: str | None, key: Succession, found: Collector) -> Iterator[Claim]:
    if note is None:
        return
    try:
        head = key.open(note)
    except ForeignNote as error:
        found.add(_unsigned(error, Code.OLD_CHECKPOINT), "", str(error))
        return
    yield head.checkpoint.size, Code.OLD_INCONSISTENT, head


def _stored(store: CheckpointStore | None, key: Succession, found: Collector) -> Iterator[Claim]:
    try:
        for head in store.history() if store else ():
            try:
                yield head.checkpoint.size, Code.HEAD_MISMATCH, key.open(head.note)
            except ForeignNote as error:
                found.add(_unsigned(error, Code.HEAD_SIGNATURE), head.checkpoint.size, str(error))
    except HeadsDamaged as error:
        found.add(Code.HEADS_MALFORMED, HISTORY, str(error))


class _Walk:
    """One pass over the entries, the tiles above them, and the roots claimed for sizes on the way."""

    def __init__(self, log: LogFolder, found: Collector, progress: Progress) -> None:
        self._log = log
        self._found = found
        self._progress = progress
        self._above: list[list[bytes]] = []  # hashes of full tiles, by level, since the last full one
        self._full: list[int] = []  # full tiles seen, by level
        self._tree = Frontier()
        self._by_tiles: Frontier | None = None  # the tree as the stored leaf hashes tell it, once they differ
        self._largest_head = -1
        self._latest = ""
        self.done = 0
        self.entries = 0
        self.heads = 0
        self.kinds: Counter[str] = Counter()

    def go(self, size: int, claims: Iterator[Claim]) -> None:
        claim = self._compare_claims(claims, next(claims, None))
        for index in range((size + WIDTH - 1) // WIDTH):
            bundle = bundle_at(index, size)
            hashes = self._leaf_hashes(bundle)
            if hashes is None:
                self._found.add(Code.LOG_CUT_OFF, bundle.start, f"neither entries nor hashes from {bundle.start} on")
                break
            place = 0
            while claim is not None and claim[0] <= bundle.end:
                upto = claim[0] - bundle.start
                self._tree = self._tree.extend(hashes[place:upto])
                place = upto
                claim = self._compare_claims(claims, claim)
            self._tree = self._tree.extend(hashes[place:])
            self.done = bundle.end
            if bundle.width == WIDTH:
                self._rise(0, subtree(hashes))
            self._progress(self.done, size)
        else:
            for level, above in enumerate(self._above):
                if above:
                    self._compare(Tile(level, self._full[level], len(above)), above)
        while claim is not None:  # what was signed beyond the end
            if claim[1] is Code.OLD_INCONSISTENT:
                self._found.add(Code.ROLLED_BACK, claim[0], f"the older checkpoint has {claim[0]} entries")
            self._count(claim)
            claim = next(claims, None)

    def _compare_claims(self, claims: Iterator[Claim], claim: Claim | None) -> Claim | None:
        """Compare the claims for the size that the tree has now; answer with the first for a larger one."""
        while claim is not None and claim[0] <= self._tree.size:
            size, code, head = claim
            if size == self._tree.size and head.checkpoint.root != self._tree.root():
                self._found.add(code, size, f"another root was signed for size {size}")
            elif code is Code.HEAD_MISMATCH and size <= self._largest_head:
                self._found.add(Code.HEADS_ORDER, size, f"a head of size {size} after {self._largest_head}")
            self._count(claim)
            claim = next(claims, None)
        return claim

    def _count(self, claim: Claim) -> None:
        if claim[1] is Code.HEAD_MISMATCH:
            self.heads += 1
            self._largest_head = max(self._largest_head, claim[0])

    def _leaf_hashes(self, bundle: Bundle) -> list[bytes] | None:
        """The leaf hashes of a bundle, from its entries; where those cannot be read, from the tile."""
        entries, tile = self._entries(bundle), self._tile(bundle.hashes)
        if entries is None:
            hashes = tile
        else:
            self._judge(bundle, entries)
            hashes = [leaf_hash(entry) for entry in entries]
            if tile is not None and tile != hashes:
                self._by_tiles = self._by_tiles or self._tree
                for place, (computed, stored) in enumerate(zip(hashes, tile, strict=True)):
                    if computed != stored:
                        self._found.add(Code.LEAF_MISMATCH, bundle.start + place)
        if self._by_tiles is not None:
            self._by_tiles = self._by_tiles.extend(tile or hashes or ())
        return hashes

    def _judge(self, bundle: Bundle, entries: list[bytes]) -> None:
        for place, octets in enumerate(entries):
            read = read_entry(octets)
            if isinstance(read, BadEntry):
                self._found.add(read.code, bundle.start + place, read.detail)
            else:
                self.kinds[read.kind.value] += 1
                self._dated(bundle.start + place, read.at)
        self.entries += len(entries)

    def _dated(self, index: int, at: str) -> None:
        """A clock that is put back does this, and whoever dates an entry back. Instants sort as text."""
        if at >= self._latest:
            self._latest = at
        elif parse_rfc3339(self._latest) - parse_rfc3339(at) > APART:
            self._found.add(Code.TIME_BACK, index, f"{at} after {self._latest}")

    def _rise(self, level: int, hashed: bytes) -> None:
        """A tile of `level` is full: its hash is one more of the level above."""
        above = level + 1
        while len(self._above) <= above:
            self._above.append([])
            self._full.append(0)
        hashes = self._above[above]
        hashes.append(hashed)
        if len(hashes) == WIDTH:
            self._compare(Tile(above, self._full[above]), hashes)
            self._above[above] = []
            self._full[above] += 1
            self._rise(above, subtree(hashes))

    def _compare(self, tile: Tile, computed: list[bytes]) -> None:
        stored = self._tile(tile)
        for place, hashed in enumerate(stored or ()):
            if hashed != computed[place]:
                self._found.add(Code.TILE_MISMATCH, tile.path, f"hash {place} is not that of the tile below")

    def _entries(self, bundle: Bundle) -> list[bytes] | None:
        try:
            return self._log.entries(bundle)
        except Damaged as error:
            self._found.add(Code.BUNDLE_MISSING if error.missing else Code.BUNDLE_MALFORMED, error.place, error.detail)
            return None

    def _tile(self, tile: Tile) -> list[bytes] | None:
        try:
            return self._log.hashes(tile)
        except Damaged as error:
            self._found.add(Code.TILE_MISSING if error.missing else Code.TILE_MALFORMED, error.place, error.detail)
            return None

    def judge_alteration(self, published: Head | None) -> None:
        """Where entries and leaf hashes disagree, say which of the two the signature speaks for."""
        if self._by_tiles is None or published is None or published.checkpoint.size != self.done:
            return
        if self._tree.root() == published.checkpoint.root:
            self._found.add(Code.TILES_ALTERED)
        elif self._by_tiles.root() == published.checkpoint.root:
            self._found.add(Code.ENTRIES_ALTERED)

    def judge_heads(self, published: Head | None, stored: Head | None, newest: Head | None) -> None:
        """`newest` was read before anything else, so the log may have more by now, never less. That nobody may sign
        what is `stored` was told on the walk: it is there all the same, and nothing is missing or behind.
        """
        if stored is None:
            self._found.add(Code.HEADS_MISSING)
        elif newest is not None and newest.checkpoint.size > self.done:
            size = newest.checkpoint.size
            self._found.add(Code.ROLLED_BACK, size, f"{size} entries were signed, the log has {self.done}")
        there = max(self._largest_head, -1 if stored is None or stored is newest else stored.checkpoint.size)
        if published is not None and published.checkpoint.size > there >= 0:
            self._found.add(Code.HEADS_BEHIND, published.checkpoint.size)
