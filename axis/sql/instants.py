"""Log entries and documents found by the instants at which they were written.

The log has no index by what its entries are about: every entry would pay for it, and people ask seldom. Its rows stand
nearly in the order of their instants, so that a few dozen questions by key find the place of one (ADR 0046).
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from axis.core.journey.dossier import Placed
from axis.core.model import EntryKind, LogEntry
from axis.core.times import parse_rfc3339, rfc3339
from axis.sql.driver import Session

SLACK: Final = timedelta(minutes=1)
"""How far a row may stand behind one of a later instant: instants are taken before the transaction, and several
processes have clocks that differ by ten seconds at most. What a clock that was set back further wrote is not found."""
_PAGE: Final = 1_000


def entries_at(session: Session, instants: Iterable[datetime], subjects: Collection[str]) -> Iterator[Placed]:
    """The entries of just these instants about one of `subjects`, in the order of writing."""
    wanted = sorted(instants)
    exact = {rfc3339(at) for at in wanted}
    done = 0
    for first, end in _stretches(wanted):
        start, stop = max(done, _place(session, first - 2 * SLACK)), _place(session, end + 2 * SLACK)
        done = max(done, stop + 1)
        yield from _between(session, start, stop, exact, subjects)


def entry_at(session: Session, at: datetime, subject: str, kinds: Collection[EntryKind]) -> Placed | None:
    """The one entry of these kinds about `subject` that bears this instant."""
    start, stop = _place(session, at - 2 * SLACK), _place(session, at + 2 * SLACK)
    rows = session.run(session.statements.queues.intents_at, id=start, last=stop, at=rfc3339(at)).fetchall()
    found = (placed for placed in (_placed(*row) for row in rows) if placed.entry.subject == subject)
    return next((placed for placed in found if placed.entry.kind in kinds), None)


def operated_since(session: Session, at: datetime, subjects: Collection[str]) -> Iterator[Placed]:
    """What operators did since then to one of `subjects`, in the order of writing. Reads the log from there on."""
    start = _place(session, at - 2 * SLACK)
    for index, at_text, leaf in session.run(session.statements.queues.operated_from, id=start).fetchall():
        placed = _placed(index, at_text, leaf)
        if placed.entry.subject in subjects:
            yield placed


def refused_lately(session: Session, limit: int, among: int) -> list[LogEntry]:
    """What was refused, newest first: at most so many, of the newest `among` entries."""
    (last,) = session.run(session.statements.queues.last_intent).fetchone()
    rows = session.run(session.statements.queues.refused_from, id=last - among + 1, limit=limit).fetchall()
    return [_placed(*row).entry for row in rows]


def _place(session: Session, at: datetime) -> int:
    """The first row, nearly, of that instant or later."""
    (last,) = session.run(session.statements.queues.last_intent).fetchone()
    return bisect_left(range(last + 1), rfc3339(at), key=lambda id: _at(session, id))


def document_place(session: Session, at: datetime) -> int:
    """The first document, nearly, that came at that instant or later: they too stand in the order of their instants."""
    queues = session.statements.queues
    (last,) = session.run(queues.last_documents).fetchone()

    def came(seq: int) -> str:
        row = session.run(queues.accepted_from, seq=seq).fetchone()
        return "9999" if row is None else str(row[0])

    return bisect_left(range(last + 1), rfc3339(at), key=came)


def _stretches(wanted: Iterable[datetime]) -> Iterator[tuple[datetime, datetime]]:
    """First and last of those that lie so near to each other that their places would overlap."""
    first = last = None
    for at in wanted:
        if first is None or last is None:
            first = last = at
        elif at - last <= 4 * SLACK:
            last = at
        else:
            yield first, last
            first = last = at
    if first is not None and last is not None:
        yield first, last


def _at(session: Session, id: int) -> str:
    """The instant of the first row from `id` on; behind the last one, later than any."""
    row = session.run(session.statements.queues.instant_from, id=id).fetchone()
    return "9999" if row is None else str(row[0])


def _between(
    session: Session, start: int, stop: int, exact: Collection[str], subjects: Collection[str]
) -> Iterator[Placed]:
    while start <= stop:
        rows = session.run(session.statements.queues.intents_from, id=start, limit=_PAGE).fetchall()
        for id, index, at, leaf in rows:
            if id <= stop and at in exact:
                placed = _placed(index, at, leaf)
                if placed.entry.subject in subjects:
                    yield placed
        if len(rows) < _PAGE:
            return
        start = rows[-1][0] + 1


def _placed(index: int | None, at: str, leaf: bytes) -> Placed:
    said = json.loads(bytes(leaf))
    entry = LogEntry(EntryKind(said["kind"]), parse_rfc3339(at), said["actor"], said["subject"], said["facts"])
    return Placed(index, entry)
