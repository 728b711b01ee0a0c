"""What a copy needs of a database, whichever it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from sqlalchemy import Table

Row = Sequence[Any]


class End(Protocol):
    """One of the two databases, held alone, inside one transaction."""

    def count(self, table: Table) -> int: ...
    def rows(self, table: Table) -> Iterator[Row]:
        """Every row in the order of the primary key, its columns in the order of the table."""
        ...

    def clear(self, table: Table) -> None: ...
    def fill(self, table: Table, rows: Iterable[Row]) -> None: ...
    def counter(self, table: Table) -> int:
        """The greatest number that was given out, 0 before the first."""
        ...

    def set_counter(self, table: Table, last: int) -> None: ...
    def commit(self) -> None: ...


def names(table: Table) -> str:
    return ", ".join(f'"{column.name}"' for column in table.c)


def key_of(table: Table) -> str:
    return ", ".join(f'"{column.name}"' for column in table.primary_key)
