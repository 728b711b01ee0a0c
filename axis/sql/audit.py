"""Everything that a store holds, in one snapshot: what `check_house` reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import func, select

from axis.core.house import Hold, Leaf, Portion
from axis.core.model import PayloadRef
from axis.sql.driver import Session
from axis.sql.engine import open_readonly, told
from axis.sql.portions import leaves, portions
from axis.sql.rows import (
    read_attachment,
    read_check,
    read_delivery,
    read_document,
    read_follow_up,
    read_notice,
    read_status,
)
from axis.sql.statements import DELIVERY_COLUMNS
from axis.sql.tables import (
    attachment_check,
    attachment_verdict,
    delivery,
    document,
    endpoint_hold,
    follow_up,
    notice,
    status_report,
)
from axis.sql.verdict import read_now
from axis.sql.views import Questions

_HOLDS: Final = str(
    select(endpoint_hold.c.endpoint, endpoint_hold.c.at, endpoint_hold.c.principal, endpoint_hold.c.reason)
)
_COUNT: Final = str(select(func.count()).select_from(document))
_READ: Final[Mapping[str, tuple[str, Callable[[Any], object]]]] = {
    "document": (str(select(document).order_by(document.c.seq)), lambda row: read_now(read_document(row))),
    "delivery": (str(select(*DELIVERY_COLUMNS).order_by(delivery.c.seq)), read_delivery),
    "status_report": (str(select(status_report).order_by(status_report.c.seq)), read_status),
    "notice": (str(select(notice)), read_notice),
    "attachment_check": (str(select(attachment_check)), read_check),
    "follow_up": (str(select(follow_up)), read_follow_up),
    "attachment_verdict": (str(select(attachment_verdict)), read_attachment),
}


class SqlBooks:
    """Implements `axis.core.house.Books`. `read_file` gives octets that are not in the database, `None` if missing."""

    def __init__(self, questions: Questions, read_file: Callable[[PayloadRef], bytes | None]) -> None:
        self._questions = questions
        self._read_file = read_file

    @property
    def session(self) -> Session:
        """For the questions of `axis.sql.soundness`, in the same snapshot."""
        return self._questions.session

    def number_of_documents(self) -> int:
        (number,) = self.session.run(_COUNT).fetchone()
        return int(number)

    def portions(self) -> Iterator[Portion]:
        return portions(self.session)

    def leaves(self) -> Iterator[Leaf]:
        return leaves(self.session)

    def rows(self) -> Mapping[str, Iterator[Callable[[], object]]]:
        """Every row of the tables whose rows become nouns, each to be read by itself: for who looks which cannot be."""
        return {name: self._each(asked, read) for name, (asked, read) in _READ.items()}

    def _each(self, asked: str, read: Callable[[Any], object]) -> Iterator[Callable[[], object]]:
        return (partial(read, row) for row in self.session.run(asked).fetchall())

    def backlog(self) -> tuple[int, datetime | None]:
        """Log intents without an index: how many, and since when the oldest waits."""
        return self._questions.backlog()

    def holds(self) -> Iterator[Hold]:
        return (Hold(*row) for row in self.session.run(_HOLDS).fetchall())

    def octets(self, ref: PayloadRef) -> bytes | None:
        inline = self._questions.octets(ref)
        return self._read_file(ref) if inline is None else inline

    def evidence(self, sha256: str) -> bytes | None:
        found = self._questions.evidence(sha256)
        if found is None:
            return None
        return self._read_file(found.ref) if found.octets is None else found.octets


@contextmanager
def open_books(url: str, read_file: Callable[[PayloadRef], bytes | None]) -> Iterator[SqlBooks]:
    """The books of a store, beside a running daemon or without one, as one snapshot that may be looked at for hours.

    `StoreDamaged` when the database meets damage while it reads, `StoreError` when it cannot be read.
    """
    with told(url), open_readonly(url, patient=True) as questions:
        questions.session.run(questions.session.snapshot)
        yield SqlBooks(questions, read_file)
