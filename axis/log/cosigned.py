"""Which witnesses stand for a log, from its files and the witnesses' keys: nobody is asked, and nobody's word is taken.

A cosignature counts where its checkpoint was signed by the log, cosigned by the witness, and is the beginning of the
log that was verified. The keys of the witnesses come from elsewhere than the folder, as the log's key does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from axis.core.merkle import EMPTY_ROOT, root_of
from axis.log.checkpoint import Checkpoint
from axis.log.files import Damaged, LogFolder, StoredTree
from axis.log.findings import Code, Finding
from axis.log.key import ForeignNote, LogKeys
from axis.log.witnessed import WitnessedNotes
from signing.cosignature import WitnessKey, cosignatures_of


@dataclass(frozen=True, slots=True)
class Stands:
    """A witness that had seen the first `size` entries of this log, and none other, at that time."""

    key: WitnessKey
    size: int
    at: datetime


def check_witnesses(
    folder: Path,
    keys: LogKeys,
    witnesses: Sequence[WitnessKey],
    quorum: int,
    head: Checkpoint,
    more: Iterable[str] = (),
) -> tuple[Sequence[Stands], Sequence[Finding]]:
    """Who of `witnesses` stands for the log in `folder`, which was verified up to `head`, each with the largest
    checkpoint; and what speaks against the log. `more` are notes that somebody kept."""
    log = LogFolder(folder)
    stand, found = dict[WitnessKey, Stands](), dict[Finding, None]()
    for note in (*_published(log), *WitnessedNotes(folder).all(), *more):
        try:
            seen = keys.open(note).checkpoint
        except ForeignNote:
            continue  # the log's own reader tells
        good, bad = cosignatures_of(note, witnesses)
        for key in bad:
            found[Finding(Code.COSIGNATURE, key.name, f"of a checkpoint of {seen.size} entries")] = None
        for one in good:
            against = _against(log, seen, head)
            if against is not None:
                found[Finding(against, str(seen.size), f"{one.key.name} cosigned it at {one.at.isoformat()}")] = None
            elif one.key not in stand or (seen.size, one.at) > (stand[one.key].size, stand[one.key].at):
                stand[one.key] = Stands(one.key, seen.size, one.at)
    if len(stand) < quorum:
        found[
            Finding(Code.WITNESS_QUORUM, "", f"{len(stand)} of {len(witnesses)} witnesses, {quorum} are asked for")
        ] = None
    return tuple(stand.values()), tuple(found)


def _published(log: LogFolder) -> Iterable[str]:
    try:
        note = log.checkpoint()
    except Damaged:
        return ()
    return () if note is None else (note,)


def _against(log: LogFolder, seen: Checkpoint, head: Checkpoint) -> Code | None:
    """What it means for the log that a witness has seen this checkpoint of it; `None` where it is its beginning."""
    if seen.size > head.size:
        return Code.ROLLED_BACK
    try:
        root = root_of(seen.size, StoredTree(log, head.size)) if seen.size else EMPTY_ROOT
    except Damaged:
        return None if seen == head else Code.WITNESS_MISMATCH
    return None if root == seen.root else Code.WITNESS_MISMATCH
