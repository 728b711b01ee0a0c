"""Put a backup into the place of a node, and let it go on where that forks nothing.

Everything is put together beside its place and checked there: digests, store, packages, log. Then it gets its name, and
the checkpoint store, where it was lost, is begun anew. What may be signed next is decided in `axis.core.restoration`;
the log of the node is told of the restore before it is told of anything else.

These last steps are several where the database has a place of its own. Until all are done the store says so, no node
starts on it, and the same restore, run again, goes on (`axis.sql.unfinished`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from axis.blobs import Blobs
from axis.care.backup import NotSound
from axis.care.files import Files, digest_of
from axis.care.findings import Code, Report, row_of
from axis.care.fsck import Place, check_node
from axis.care.manifest import BLOBS, DATABASE, KEYS, LOG, Manifest, NoBackup, read_manifest
from axis.care.octets import Told
from axis.care.place import UNFINISHED, Taken, appearing, put, refuse_used
from axis.care.portion import copy_log, entries, newest_head, published_head, root_at
from axis.core.model import Decision, EntryKind, PayloadRef
from axis.core.ports import Ledger
from axis.core.problems import Unavailable
from axis.core.restoration import Backup, Obstacle, Reach, Tree, Way, decide_restored, decide_way, spans
from axis.durable import sync_folder
from axis.holding import Holding, Sort
from axis.log.disk import Folder, Locked
from axis.log.entries import ReadEntry, read_entry
from axis.log.files import Damaged
from axis.log.heads import CheckpointStore, Head, HeadsDamaged
from axis.log.key import ForeignNote, LogKeys
from axis.log.lost import Lost, lost_records
from axis.sql import migrate
from axis.sql.copy import copy_store, refuse_full
from axis.sql.driver import StoreError
from axis.sql.engine import is_postgres, open_readonly, open_store, sqlite_path
from axis.sql.recovery import adopt_entries, mark, marked, unmark
from axis.sql.snapshot import settle
from axis.sql.soundness import waiting


class Step(StrEnum):
    """What has just been done. Tests stop the process there."""

    CHECKED = "checked"
    DATABASE = "database"
    NAMED = "named"
    HEADS = "heads"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class Target:
    """Where the node is to stand: `place` with its checkpoint store, all else below `data`, which must not be there."""

    node: str
    data: Path
    place: Place


@dataclass(frozen=True, slots=True)
class Order:
    """Who restores, why, what loss that person accepts, and where a copy of the log is that reaches further."""

    operator: str
    reason: str
    at: datetime
    accept_loss: bool = False
    log: Path | None = None


@dataclass(frozen=True, slots=True)
class Restored:
    """`unproved` are keys of the backup that no digest tells of, or that are not there any more."""

    manifest: Manifest
    way: Way
    lost_entries: int
    lost: Lost
    report: Report
    unproved: tuple[str, ...]


class Hindered(Exception):
    """The node may not go on like that: another history would be signed, or nobody has accepted the loss."""

    def __init__(self, obstacle: Obstacle, known: int, signed: int | None) -> None:
        told = "nobody here knows how many were signed" if signed is None else f"{signed} were signed"
        super().__init__(f"{obstacle}: the backup knows {known} entries, {told}")
        self.obstacle = obstacle
        self.known = known
        self.signed = signed


def _nothing(what: str, done: int, whole: int) -> None:
    pass


_DATABASE_NAME: Final = "axis.db"


def restore(
    backup: Path,
    target: Target,
    order: Order,
    *,
    told: Told = _nothing,
    hook: Callable[[Step], None] = lambda step: None,
) -> Restored:
    """Restore the node from `backup`. No daemon runs. Either all of it is in place afterwards, or nothing, or what is
    there is marked as unfinished: then the same restore, run again, goes on.

    `NoBackup`, `Hindered`, `NotSound`, `place.Taken`, `StoreError`, `HeadsDamaged`, `ForeignNote`, `Locked` where a
    daemon runs after all, `OSError`.
    """
    manifest, sha256 = read_manifest(backup)
    _is_ours(backup, manifest, target)
    unproved = _unproved_keys(backup, manifest)
    keys = LogKeys.parse(target.place.vkey)
    assert target.place.heads is not None, "a node has a checkpoint store"
    if _is_begun(target, sha256) and _is_there(target.data):
        return replace(_finish(manifest, sha256, target, order, keys, told), unproved=unproved)
    head = newest_head(target.place.heads, keys)
    way = _way(manifest, head, order, keys)
    if isinstance(way, Obstacle):
        raise Hindered(way, manifest.log_size, None if head is None else head.checkpoint.size)
    with _without_daemon(target.place), appearing(target.data, refuse_used) as folder:
        database = folder / _DATABASE_NAME
        put(backup / DATABASE, database, link=False)
        if digest_of(database) != (manifest.database_sha256, manifest.database_size):
            raise NoBackup(f"{DATABASE} is not the one that the manifest names")
        url = f"sqlite:///{database}"
        migrate.upgrade(url)
        blobs = Files(folder / "blobs") if isinstance(target.place.blobs, Files) else target.place.blobs
        _files(Files(backup / BLOBS), blobs, manifest, told)
        signed = _log(backup, folder / "log", manifest, way, order, keys, head)
        lost = _adopt(database, folder / "log", way)
        made = Backup(sha256, manifest.made_at)
        _tell(url, folder, decide_restored(way, made, spans(lost), target.node, order.operator, order.reason, order.at))
        settle(database)
        database.with_name(database.name + ".lock").unlink(missing_ok=True)
        here = Place(url, blobs, folder / "log", target.place.vkey, None)
        report = check_node(here, order.at, deep=True, told=told)
        if not report.sound:
            raise NotSound(report)
        gone = lost_records(_read(folder / "log", way), frozenset(lost))
        mark(database, sha256)
        settle(database)
        hook(Step.CHECKED)
        if newest_head(target.place.heads, keys) != head:
            raise Locked("the checkpoint store grew meanwhile: a daemon works with it")
        refuse_used(target.data)
        _place_database(database, target, folder, sha256)
        hook(Step.DATABASE)
    hook(Step.NAMED)
    if signed is not None:
        _begin_heads(target.place.heads, head, signed)
    hook(Step.HEADS)
    unmark(target.place.store)
    hook(Step.FINISHED)
    report = check_node(target.place, order.at, deep=False, told=told)
    return Restored(manifest, way, len(lost), gone, report, unproved)


def _is_there(data: Path) -> bool:
    try:
        refuse_used(data)
    except Taken:
        return True
    return False


def _finish(manifest: Manifest, sha256: str, target: Target, order: Order, keys: LogKeys, told: Told) -> Restored:
    """The steps that are left of a restore whose data have their name. All is looked at again before: a person may have
    put other data there meanwhile."""
    place, (way, lost) = target.place, _told(target.place.store, sha256)
    other = f"{target.data} is not what the restore of this backup has put there: move it away, and run it again"
    assert place.heads is not None, "asked before"
    with _without_daemon(place):
        report = check_node(replace(place, heads=None), order.at, deep=True, told=told)
        head, signed = newest_head(place.heads, keys), published_head(place.log, keys)
        begun = way.reach is Reach.UNKNOWN and head is None
        if any(row_of(code).fault for code in report.counts if code != Code.RESTORE_UNFINISHED) or not (
            begun or _tree(head) == _tree(signed)
        ):
            raise Taken(other)
    if signed is not None:
        _begin_heads(place.heads, head, signed)
    unmark(place.store)
    gone = lost_records(_read(place.log, way), frozenset(lost))
    return Restored(manifest, way, len(lost), gone, check_node(place, order.at, deep=False, told=told), ())


def _tree(head: Head | None) -> Tree | None:
    return None if head is None else Tree(head.checkpoint.size, head.checkpoint.root)


def _told(store: str, sha256: str) -> tuple[Way, list[int]]:
    """What an unfinished restore has told the log: how the node goes on, and which entries have lost their records."""
    with open_readonly(store, patient=True) as questions:
        said = [json.loads(leaf) for _, leaf in waiting(questions.session)]
    facts = [one["facts"] for one in said if one["kind"] == EntryKind.RESTORED and one["facts"]["backup"] == sha256][-1]
    known, size = facts["known"], facts["signed"]
    reach = Reach.UNKNOWN if facts["heads"] == "lost" else Reach.EQUAL if known == size else Reach.BEHIND
    lost = [place for first, end in facts["lost"] for place in range(first, end)]
    return Way(reach, known, size, from_copy=known < size), lost


def _is_ours(backup: Path, manifest: Manifest, target: Target) -> None:
    if backup.name.endswith(UNFINISHED):
        raise NoBackup(f"{backup} was never finished")
    if manifest.node != target.node:
        raise NoBackup(f"it is a backup of {manifest.node}, and this is {target.node}")
    if not {*manifest.log_key.split()} & {*target.place.vkey.split()}:
        raise NoBackup("the log of the backup was signed by another key than keys.log (or keys.log_former, if changed)")
    for path in (backup, backup / DATABASE):
        if path.stat().st_mode & 0o077:
            raise NoBackup(f"{path} is open to other users of this machine: chmod go= it, and ask who has read it")


def _unproved_keys(backup: Path, manifest: Manifest) -> tuple[str, ...]:
    """See that no key of the backup was damaged or exchanged. Which ones nothing can be said of."""
    unproved = []
    for name, sha256 in manifest.keys.items():
        path = backup / KEYS / name
        if not sha256 or not path.exists():
            unproved.append(name)
        elif digest_of(path)[0] != sha256:
            raise NoBackup(f"{KEYS}/{name} is not the key that the manifest names: do not use it, take it out")
    return tuple(unproved)


def _is_begun(target: Target, sha256: str) -> bool:
    """See that the store's own place is empty before anything takes hours; or that nothing but a restore of this backup
    has filled it, and was not finished. What a killed daemon left beside a SQLite file is taken for the newest part of
    whatever file has that name next."""
    url = target.place.store
    begun = marked(url)
    if begun is not None:
        if begun != sha256:
            raise Taken(f"the restore of another backup was not finished here (sha256:{begun}): run that one again")
        return True
    if is_postgres(url):
        refuse_full(url)
        return False
    path = sqlite_path(url)
    if path.is_relative_to(target.data):
        return False  # whether that is empty, `appearing` asks
    for there in (path, *(path.with_name(path.name + beside) for beside in ("-wal", "-shm", "-journal"))):
        if there.exists():
            raise Taken(f"{there} is there already: move {path} away, and all that stands beside it under its name")
    return False


@contextmanager
def _without_daemon(place: Place) -> Iterator[None]:
    """Keep daemons of this node from the checkpoint store meanwhile. `Locked` where one writes the log: it would go on
    giving receipts for documents in the old folder. Of processes that share the store only that one locks it: for the
    others the database must be empty, and the heads are looked at again in the end."""
    assert place.heads is not None, "a node has a checkpoint store"
    heads = Folder(place.heads)
    if place.heads.exists():
        heads.lock()
    try:
        yield
    finally:
        heads.unlock()


def _way(manifest: Manifest, head: Head | None, order: Order, keys: LogKeys) -> Way | Obstacle:
    """Ask the facts, and decide."""
    root = keys.open(manifest.checkpoint).checkpoint.root if manifest.checkpoint else root_at(Path(), 0)
    assert root is not None
    known = Tree(manifest.log_size, root)
    signed = None if head is None else Tree(head.checkpoint.size, head.checkpoint.root)
    copy, at_backup = None, None
    if order.log is not None:
        published = published_head(order.log, keys)
        size = signed.size if signed else published.checkpoint.size if published else 0
        found = root_at(order.log, size)
        copy = Tree(size if found is not None else 0, found or b"")
        at_backup = root_at(order.log, known.size) if found is not None and known.size <= size else None
    return decide_way(known, signed, copy, at_backup, order.accept_loss)


def _files(backup: Files, target: Holding, manifest: Manifest, told: Told) -> None:
    """Put the packages into place. That each is what its name says is looked at with everything else; in a bucket it
    would be there already, and left as it is by the next restore, so there it is looked at before."""
    there = [file for file in backup.stored() if file.sort is Sort.NAMED]
    if (len(there), sum(file.size for file in there)) != (manifest.blob_files, manifest.blob_octets):
        raise NoBackup(f"the files in {BLOBS} are not those that the manifest counts")
    for number, file in enumerate(there, 1):
        source = backup.folder / file.where
        if not isinstance(target, Files) and digest_of(source) != (file.name, file.size):
            raise NoBackup(f"{BLOBS}/{file.where} is not what its name says")
        target.take(PayloadRef(file.name, file.size), source)
        told("blobs", number, len(there))


def _log(
    backup: Path, target: Path, manifest: Manifest, way: Way, order: Order, keys: LogKeys, head: Head | None
) -> Head | None:
    """Put the log into place; returns the head that it ends with, `None` where there is no entry yet."""
    try:
        if way.from_copy:
            assert order.log is not None
            last = head or published_head(order.log, keys)
            assert last is not None, "decided from it"
            copy_log(order.log, target, last, link=False)
            return last
        if not manifest.checkpoint:
            return None
        last = keys.open(manifest.checkpoint)
        copy_log(backup / LOG, target, last, link=False)
    except Damaged as error:
        raise NoBackup(f"the log cannot be copied: {error}") from error
    return last


def _adopt(database: Path, log: Path, way: Way) -> list[int]:
    """Bring the store up to the log. Returns the places of the entries whose records are lost."""
    if way.size == way.known:
        return []

    def missing() -> Iterator[tuple[int, bytes, str, str]]:
        for place, octets in entries(log, way.known, way.size):
            entry = read_entry(octets)
            if not isinstance(entry, ReadEntry):
                raise NoBackup(f"entry {place} of the log cannot be read: {entry.code}")
            yield place, octets, entry.kind.value, entry.at

    return adopt_entries(database, missing())


def _read(log: Path, way: Way) -> Iterator[tuple[int, ReadEntry]]:
    for place, octets in entries(log, way.known, way.size):
        entry = read_entry(octets)
        assert isinstance(entry, ReadEntry), "it was read before"
        yield place, entry


def _tell(url: str, folder: Path, decision: Decision[None]) -> None:
    """One transaction of the node's own ledger: the entry waits for its place like any other."""

    async def work() -> None:
        store = open_store(url, Blobs(folder / "blobs"))
        try:

            def body(ledger: Ledger) -> None:
                ledger.apply(decision)

            await store.transact(body)
        except Unavailable as error:
            raise StoreError(f"{url} cannot be written: {error}") from error
        finally:
            await store.close()

    asyncio.run(work())


def _place_database(database: Path, target: Target, folder: Path, sha256: str) -> None:
    """Where the node looks for it: in the folder, in a file elsewhere, or in an empty PostgreSQL. Whole or not at all;
    in the place of what an unfinished restore of this backup has left."""
    url = target.place.store
    if is_postgres(url):
        copy_store(f"sqlite:///{database}", url, restoring=sha256)
        database.unlink()
        for beside in folder.glob(f"{_DATABASE_NAME}*"):
            beside.unlink()
        return
    path = sqlite_path(url)
    if path.is_relative_to(target.data):
        inside = folder / path.relative_to(target.data)
        inside.parent.mkdir(parents=True, exist_ok=True)
        database.rename(inside)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        coming = path.with_name(path.name + UNFINISHED)
        coming.unlink(missing_ok=True)  # of one that was killed
        try:
            put(database, coming, link=False)
            _is_begun(target, sha256)
            coming.rename(path)
        finally:
            coming.unlink(missing_ok=True)
        sync_folder(path.parent)
        database.unlink()


def _begin_heads(heads: Path, head: Head | None, signed: Head) -> None:
    """Where the checkpoint store was lost, it begins with the head that the log ends with."""
    if head is not None:
        return
    store = CheckpointStore(heads)
    store.open()
    try:
        store.advance(None, signed.note)
    finally:
        store.close()


__all__: Sequence[str] = ["ForeignNote", "HeadsDamaged", "Hindered", "Order", "Restored", "Target", "restore"]
