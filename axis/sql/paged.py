"""Questions to a whole store, some rows at a time: it need not fit in memory. Each text is made once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import ClauseElement, ColumnElement, Select, Text, literal_column

from axis.sql.driver import Session

SOME: Final = 2_000
"""Rows without octets that are in memory at once."""


def paged(session: Session, asked: Select[Any], by: ColumnElement[Any], some: int = SOME) -> Iterator[Sequence[Any]]:
    """The rows of `asked` in pages, in the order of `by`: its first column, a number from 0 or a text."""
    text = _behind(asked, by, some, session.statements.one_writer)
    after: int | str = "" if isinstance(by.type, Text) else -1
    while page := session.run(text, after=after).fetchall():
        yield page
        after = page[-1][0]


@cache
def text_of(asked: ClauseElement) -> str:
    """The text of a statement without values of its own, the same for both databases. Of one that lives as long as the
    process: it is kept."""
    return str(asked)


def placeholder(session: Session, name: str) -> str:
    """How the driver writes a named value."""
    return _named(name, session.statements.one_writer)


def _named(name: str, one_writer: bool) -> str:
    return f":{name}" if one_writer else f"%({name})s"


@cache
def _behind(asked: Select[Any], by: ColumnElement[Any], some: int, one_writer: bool) -> str:
    further = by > literal_column(_named("after", one_writer))
    return str(asked.where(further).order_by(by).limit(literal_column(str(some))))
