"""A backup of a node while it runs: one moment of the store, the files that it names, the log as far as it knows it.

The order makes it whole: the store first; then files, which are never removed while a row names them; then the log,
whose head for just that size was signed before the store could know it. Keys and the checkpoint store are no part of
it: keys must be asked for, and the memory of what was signed must not be put back with what it watches over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from axis.care.compared import compared
from axis.care.files import Files, bring, digest_of
from axis.care.findings import Report
from axis.care.fsck import Place, check_node
from axis.care.logged import is_behind, log_state
from axis.care.manifest import BLOBS, DATABASE, FILE, KEYS, LOG, Manifest
from axis.care.octets import Told
from axis.care.place import appearing, put, write
from axis.care.portion import copy_log, signed_head
from axis.log.files import Damaged
from axis.log.heads import HeadsDamaged
from axis.log.key import ForeignNote, LogKeys
from axis.sql.audit import open_books
from axis.sql.snapshot import snapshot
from axis.sql.soundness import log_size, named_files, store_id
from axis.sql.tables import SCHEMA_VERSION


class Step(StrEnum):
    """What has just been done. Tests stop the process there."""

    SNAPSHOT = "snapshot"
    FILES = "files"
    LOG = "log"
    CHECKED = "checked"
    MANIFEST = "manifest"


class Unfit(Exception):
    """The node cannot be backed up as it is: something is missing that a row or the log names."""


class NotSound(Exception):
    """The copy is not sound, and was not given its name: neither is the node, most likely."""

    def __init__(self, report: Report) -> None:
        super().__init__("the copy is not sound")
        self.report = report


@dataclass(frozen=True, slots=True)
class Taken:
    """A backup that has its name."""

    manifest: Manifest
    sha256: str
    report: Report
    signed: int | None
    """How many entries were signed, where the store has lost some of them: it is backed up as it is."""


_NEVER: Final = timedelta.max
"""Entries that wait for their place are no news here."""


def _nothing(what: str, done: int, whole: int) -> None:
    pass


def take_backup(
    place: Place,
    node: str,
    program: str,
    target: Path,
    now: datetime,
    *,
    keys: Mapping[str, Path],
    link: bool = True,
    deep: bool = True,
    told: Told = _nothing,
    hook: Callable[[Step], None] = lambda step: None,
) -> Taken:
    """Back the node up into the folder `target`, which must not be there. Beside a running node or without one.

    `keys` are copied under their names. With `link` a file is not copied where another name of it serves as well: on
    the same file system. The copy is checked before it gets its name; `deep` hashes all of it.

    `Unfit`, `NotSound`, `StoreError`, `place.Taken`, `OSError`; then there is no backup.
    """
    with compared() as aside, appearing(target) as folder:
        database = folder / DATABASE
        before = log_state(place.log, place.heads)
        snapshot(place.store, database, told)
        hook(Step.SNAPSHOT)
        copy = Place(f"sqlite:///{database}", Files(folder / BLOBS), folder / LOG, place.vkey, None)
        with open_books(copy.store, lambda ref: None) as books:
            known, identity = log_size(books.session), store_id(books.session)
            aside.rows_name(named_files(books.session))
            behind = is_behind(books.session, before)
        files, octets = aside.number()
        for number, ref in enumerate(aside.refs(), 1):
            try:
                bring(place.blobs, ref, Files(folder / BLOBS).file(ref), link=link)
            except FileNotFoundError as error:
                raise Unfit(f"the octets {ref.sha256} are missing: axis fsck tells whose they are") from error
            told("blobs", number, files)
        hook(Step.FILES)
        checkpoint, root = _log(place, copy, known, link)
        hook(Step.LOG)
        for name, key in keys.items():
            put(key, folder / KEYS / name, link=False)
        report = check_node(copy, now, deep=deep, merge_delay=_NEVER, told=told)
        if not report.sound:
            raise NotSound(report)
        hook(Step.CHECKED)
        sha256, size = digest_of(database)
        manifest = Manifest(
            node=node,
            program=program,
            schema=SCHEMA_VERSION,
            store_id=identity,
            made_at=now,
            database_sha256=sha256,
            database_size=size,
            blob_files=files,
            blob_octets=octets,
            log_size=known,
            log_root=root,
            checkpoint=checkpoint,
            log_key=place.vkey,
            keys={name: digest_of(folder / KEYS / name)[0] for name in sorted(keys)},
        )
        write(folder / FILE, manifest.encoded())
        hook(Step.MANIFEST)
    return Taken(manifest, digest_of(target / FILE)[0], report, before.size if behind else None)


def _log(place: Place, copy: Place, known: int, link: bool) -> tuple[str, str]:
    """Copy the log as far as the store knows it; its signed head and root, empty where there is no log yet."""
    assert place.heads is not None, "a node has a checkpoint store"
    try:
        head = signed_head(place.log, place.heads, known, LogKeys.parse(place.vkey))
        if head is None:
            if known:
                raise Unfit(f"no head of {known} entries was signed: the store is not that of this log; see axis fsck")
            return "", ""
        copy_log(place.log, copy.log, head, link=link)
    except (Damaged, HeadsDamaged, ForeignNote) as error:
        raise Unfit(f"the log cannot be copied: {error}; axis fsck tells more") from error
    return head.note, head.checkpoint.root.hex()
