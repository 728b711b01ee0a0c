"""What documents name, and what those without content have left behind: lean, and some at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import orjson

from axis.core.retention import Leftover
from axis.core.times import parse_rfc3339, rfc3339
from axis.sql.driver import Session

_PAGE: Final = 5_000
"""Documents that are asked at once."""


def leftovers(session: Session, before: datetime, limit: int) -> Sequence[Leftover]:
    """`axis.core.ports.Views.leftovers`, in one snapshot: nobody knows which document names which octets, so all that
    have content are asked."""
    asked = session.statements.contents
    rows = session.run(asked.left, before=rfc3339(before), limit=limit).fetchall()
    if not rows:
        return ()
    unnamed = {sha256 for sha256, _, _ in rows}
    for sha256 in _names(session, asked.named):
        unnamed.discard(sha256)
    return [Leftover(sha256, parse_rfc3339(since), named, sha256 not in unnamed) for sha256, since, named in rows]


def named_before(session: Session, since: datetime) -> Iterator[str]:
    """Digests that documents named whose content was removed at `since` or later: who began to read before has time."""
    return _names(session, session.statements.contents.named_before, since=rfc3339(since))


def _names(session: Session, asked: str, **more: str) -> Iterator[str]:
    after = 0
    while page := session.run(asked, after=after, limit=_PAGE, **more).fetchall():
        for _, package, attachments in page:
            yield package
            if attachments is not None:
                yield from (one["sha256"] for one in orjson.loads(attachments))
        after = page[-1][0]
