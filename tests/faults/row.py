"""What the tables of faults are made of: one row, and one defence that is taken away."""

from __future__ import annotations

from dataclasses import dataclass

from tests.mutations.edit import Mutation


@dataclass(frozen=True)
class Row:
    """`tests` are node ids without parameters. Without tests, `note` says why there are none."""

    id: str
    what: str
    how: str
    tests: tuple[str, ...] = ()
    note: str = ""


def row(id: str, what: str, how: str, *tests: str, note: str = "") -> Row:
    return Row(id, what, how, tests, note)


@dataclass(frozen=True)
class Broken:
    """`point` must fail with words that match `says`: mostly the name of the checker's rule."""

    point: str
    mutation: Mutation
    says: str
