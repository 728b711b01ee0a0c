"""The store held against the log, both ways, while a node may be writing both.

Order makes that possible: a head is signed, then the store knows the places, then the head is published. So what was
published before the store was read is known to the store, and what the store knows was signed before.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from axis.care.findings import OF_THE_LOG, Code, Collector
from axis.log.checkpoint import MalformedCheckpoint
from axis.log.files import Batch, Damaged, LogFolder
from axis.log.heads import CheckpointStore, Head, HeadsDamaged
from axis.log.tiles import WIDTH, bundle_at
from axis.log.verify import Progress, verify_log
from axis.sql.driver import Session
from axis.sql.soundness import leaves, log_size, waiting


@dataclass(frozen=True, slots=True)
class LogState:
    """How far the log is. `signed` is the newest head's size, `published` that of the checkpoint in the folder, 0 where
    there is none or it cannot be read (`axis log verify` says why). `round` is the journal's newest."""

    signed: int
    published: int
    round: Batch | None

    @property
    def size(self) -> int:
        return max(self.signed, self.published)


def log_state(log: Path, heads: Path | None) -> LogState:
    """Look at heads, journal and checkpoint, in this order."""
    folder = LogFolder(log)
    try:
        head = CheckpointStore(heads).peek() if heads else None
    except HeadsDamaged:
        head = None
    try:
        begun = folder.journal()
    except Damaged:
        begun = None
    try:
        note = folder.checkpoint()
        published = 0 if note is None else Head.read(note).checkpoint.size
    except (Damaged, MalformedCheckpoint):
        published = 0
    return LogState(head.checkpoint.size if head else published, published, begun)


def is_begun(log: Path, heads: Path | None) -> bool:
    """Say whether there ever was a log here."""
    return not LogFolder(log).is_empty() or (heads is not None and any(CheckpointStore(heads).history()))


def is_behind(session: Session, before: LogState) -> bool:
    """Whether the store has lost places that were signed.

    One round may be signed and not marked yet: its journal says so, the store has its entries, and the node makes up
    for it.
    """
    known, begun = log_size(session), before.round
    if before.published > known:
        return True
    if before.signed <= known:
        return False
    left_over = begun is not None and (begun.first, begun.end) == (known, before.signed)
    return not left_over or begun is None or not _has(session, begun)


def _has(session: Session, begun: Batch) -> bool:
    wanted, there = dict(zip(begun.ids, begun.leaves, strict=True)), 0
    for id_, leaf in waiting(session):
        if id_ in wanted:
            if wanted[id_] != leaf:
                return False
            there += 1
    return there == len(wanted)


def hold_against_log(session: Session, log: Path, before: LogState, found: Collector) -> int:
    """Compare every entry that the store has placed with the one in the log's folder; returns how many there are.

    `before` was looked at before the snapshot of `session` was taken.
    """
    known = log_size(session)
    if is_behind(session, before):
        found.add(Code.STORE_BEHIND_LOG, known, f"{before.size} entries were signed, the store knows {known}")
    folder = LogFolder(log)
    number, entries = -1, list[bytes]()
    for index, octets in leaves(session):
        if index // WIDTH != number:
            number = index // WIDTH
            try:
                entries = folder.entries(bundle_at(number, max(known, index + 1)))
            except Damaged:
                entries = []  # a fault of the log's folder, or the store is ahead of it: told there
        place = index % WIDTH
        if place < len(entries) and entries[place] != octets:
            found.add(Code.LEAF_DIFFERS, index)
    return known


def hold_heads(known: int, after: LogState, found: Collector) -> None:
    """`after` was looked at after the store was read, which knew `known` places."""
    if known > after.size:
        found.add(Code.STORE_AHEAD_OF_LOG, known, f"the store knows {known} entries, {after.size} were signed")


def check_log(log: Path, vkey: str, heads: Path | None, progress: Progress, found: Collector) -> int:
    """Verify the log itself (`axis.log.verify`); returns how many entries were read."""
    report = verify_log(log, vkey, heads=heads, progress=progress)
    for one in report.findings:
        found.add(OF_THE_LOG + one.code, one.place, one.detail)
    for code, count in report.counts.items():
        found.counts[OF_THE_LOG + code] = count
    return report.entries
