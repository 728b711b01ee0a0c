"""The octets of a store held against the rows that name them: there, of the right size, and, read deeply, the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from axis.care.compared import Compared
from axis.care.findings import Code, Collector
from axis.holding import Holding, Sort, StoredFile
from axis.log.findings import MOST_OF_A_CODE
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
    rows = done = 0
    for one in inline_sizes(session):
        rows += 1
        if one.found_size != one.ref.size:
            found.add(_SIZE[one.kind], one.owner, f"{one.found_size} octets, {one.ref.size} were stored")
    for kind in ("payload", "evidence") if deep else ("evidence",):
        changed, more = list[str](), 0
        for number, (sha256, octets) in enumerate(inline_octets(session, kind), 1):
            done += len(octets)
            if hashlib.sha256(octets).hexdigest() != sha256:
                if len(changed) < MOST_OF_A_CODE:
                    changed.append(sha256)
                else:
                    more += 1
            told(kind, number, rows)
        for owner, sha256 in _owners(session, changed):
            found.add(_DIGEST[kind], owner, sha256)
        if more:
            found.add(_DIGEST[kind], times=more)
    return done


def _owners(session: Session, changed: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Whose they are, asked once they are known: hardly ever are there any."""
    wanted = frozenset(changed)
    owners = {one.ref.sha256: one.owner for one in inline_sizes(session) if one.ref.sha256 in wanted} if wanted else {}
    yield from ((owners.get(sha256, sha256), sha256) for sha256 in changed)


def check_files(
    session: Session, holding: Holding, deep: bool, told: Told, found: Collector, aside: Compared
) -> Hashed:
    """Octets that rows name and that lie in files. `aside` knows afterwards who names which.

    `holding` is asked after the rows, so that nothing that a row names can be missing for a moment only.
    """
    aside.rows_name(named_files(session))
    aside.are_there(_there(holding))
    if aside.number(missing=True)[0]:  # a bucket is listed in pages: what is put back in between is on none of them
        aside.are_there(_there(holding))
    octets = number = 0
    whole, last = aside.number()[0], None
    for one in aside.names():
        if last is not None and one.ref.sha256 == last.sha256:
            if one.ref.size != last.size:
                found.add(_SIZE[one.kind], one.owner, "two rows name the same octets with different sizes")
            continue
        last, number = one.ref, number + 1
        file = aside.file(last.sha256)
        if file is None:
            found.add(_MISSING[one.kind], one.owner, last.sha256)
        elif file.size != last.size:
            found.add(_SIZE[one.kind], one.owner, f"{file.size} octets, {last.size} were stored: {last.sha256}")
        elif deep:
            octets += file.size
            if not _whole(holding, file):
                found.add(_DIGEST[one.kind], one.owner, last.sha256)
        told("blobs", number, whole)
    return Hashed(aside.number_of_files(), octets)


def _there(holding: Holding) -> Iterator[StoredFile]:
    return (one for one in holding.stored() if one.sort in (Sort.NAMED, Sort.ASIDE))


def check_strangers(holding: Holding, aside: Compared, now: float, deep: bool, found: Collector) -> int:
    """Files that no row names. Returns the octets hashed."""
    octets = 0
    for file in holding.stored():
        age = now - file.mtime
        if file.sort is Sort.STRAY:
            found.add(Code.BLOB_STRAY, file.where)
        elif file.sort is Sort.SPOOLED:
            if age >= IN_FLIGHT_S:
                found.add(Code.SPOOL_LEFTOVER, file.name, _old(age))
        elif not aside.is_named(file.name):
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
