"""The octets of a store held against the rows that name them: there, of the right size, and, read deeply, the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from axis.care.findings import Code, Collector
from axis.core.model import PayloadRef
from axis.holding import Holding, Sort, StoredFile
from axis.sql.driver import Session
from axis.sql.soundness import inline_octets, inline_sizes, named_files

IN_FLIGHT_S = 600.0
"""A file without a row that is younger may belong to a transaction that is on its way. Much longer than any takes."""

Told = Callable[[str, int, int], None]
"""Hears what is looked at, how much of it was, and how much there is."""

_MISSING = {"payload": Code.PAYLOAD_MISSING, "evidence": Code.EVIDENCE_MISSING}
_SIZE = {"payload": Code.PAYLOAD_SIZE, "evidence": Code.EVIDENCE_SIZE}
_DIGEST = {"payload": Code.PAYLOAD_DIGEST, "evidence": Code.EVIDENCE_DIGEST}


@dataclass(frozen=True, slots=True)
class Hashed:
    files: int
    octets: int


def check_rows(session: Session, deep: bool, told: Told, found: Collector) -> int:
    """Octets that lie in rows; evidence is always hashed, packages when looked at deeply. Returns the octets hashed."""
    owners: dict[str, str] = {}
    for one in inline_sizes(session):
        owners[one.ref.sha256] = one.owner
        if one.found_size != one.ref.size:
            found.add(_SIZE[one.kind], one.owner, f"{one.found_size} octets, {one.ref.size} were stored")
    done = 0
    for kind in ("payload", "evidence") if deep else ("evidence",):
        for number, (sha256, octets) in enumerate(inline_octets(session, kind), 1):
            done += len(octets)
            if hashlib.sha256(octets).hexdigest() != sha256:
                found.add(_DIGEST[kind], owners.get(sha256, sha256), sha256)
            told(kind, number, len(owners))
    return done


def check_files(
    session: Session, holding: Holding, deep: bool, told: Told, found: Collector
) -> tuple[dict[str, Sequence[tuple[str, str]]], Hashed]:
    """Octets that rows name and that lie in files. Returns who names which file, and how much was hashed.

    `holding` is asked after the rows, so that nothing that a row names can be missing for a moment only.
    """
    named: dict[str, list[tuple[str, str]]] = {}
    sizes: dict[str, PayloadRef] = {}
    for one in named_files(session):
        named.setdefault(one.ref.sha256, []).append((one.kind, one.owner))
        known = sizes.setdefault(one.ref.sha256, one.ref)
        if known.size != one.ref.size:
            found.add(_SIZE[one.kind], one.owner, "two rows name the same octets with different sizes")
    there = _there(holding)
    if not there.keys() >= sizes.keys():  # a bucket is listed in pages: what is put back in between is on none of them
        there |= _there(holding)
    octets = hashed = 0
    for number, (sha256, ref) in enumerate(sizes.items(), 1):
        file = there.get(sha256)
        kind, owner = named[sha256][0]
        if file is None:
            found.add(_MISSING[kind], owner, sha256)
        elif file.size != ref.size:
            found.add(_SIZE[kind], owner, f"{file.size} octets, {ref.size} were stored: {sha256}")
        elif deep:
            hashed, octets = hashed + 1, octets + file.size
            if not _whole(holding, file):
                found.add(_DIGEST[kind], owner, sha256)
        told("blobs", number, len(sizes))
    return dict(named), Hashed(len(there), octets)


def _there(holding: Holding) -> dict[str, StoredFile]:
    """By their digests. What is aside and named as well is read where it is named."""
    stored = sorted(holding.stored(), key=lambda one: one.sort is Sort.NAMED)
    return {one.name: one for one in stored if one.sort in (Sort.NAMED, Sort.ASIDE)}


def check_strangers(holding: Holding, named: Iterable[str], now: float, deep: bool, found: Collector) -> int:
    """Files that no row names. Returns the octets hashed."""
    names, octets = frozenset(named), 0
    for file in holding.stored():
        age = now - file.mtime
        if file.sort is Sort.STRAY:
            found.add(Code.BLOB_STRAY, file.where)
        elif file.sort is Sort.SPOOLED:
            if age >= IN_FLIGHT_S:
                found.add(Code.SPOOL_LEFTOVER, file.name, _old(age))
        elif file.name not in names:
            if age >= IN_FLIGHT_S:
                found.add(Code.BLOB_UNNAMED, file.name, f"{file.size} octets, {_old(age)}")
            if deep:
                octets += file.size
                if not _whole(holding, file):
                    found.add(Code.BLOB_DIGEST, file.name)
    return octets


def _whole(holding: Holding, file: StoredFile) -> bool:
    """Whether the octets are those that the name says. A file that was collected meanwhile is no damage."""
    try:
        return holding.digest_of(file) == (file.name, file.size)
    except FileNotFoundError:
        return True
    except OSError:
        return False  # a page that the disk does not give back, an object that does not come


def _old(age_s: float) -> str:
    hours = int(age_s // 3600)
    return f"{hours // 24} days old" if hours >= 48 else f"{hours} hours old"
