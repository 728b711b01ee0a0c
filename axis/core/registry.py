"""The registry of agencies: who exists, under whom, and which certificates speak for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from axis.core.binding import Binding, Bindings
from schemas.codes import AgencyCode, Level

Path = tuple[str, ...]

MAX_DEPTH = 12


@dataclass(frozen=True, slots=True)
class Agency:
    """One agency (cơ quan, tổ chức). `certificates` are those listed beside it, SHA-256 of DER, hex: bindings without
    dates, see `Registry.bindings`. Outside `valid_from`..`valid_to` the agency is closed; `successors` name who took
    over.
    """

    code: AgencyCode
    name: str
    level: Level
    parent: AgencyCode | None = None
    certificates: frozenset[str] = frozenset()
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    successors: tuple[AgencyCode, ...] = ()

    def active(self, at: datetime) -> bool:
        return (self.valid_from is None or self.valid_from <= at) and (self.valid_to is None or at < self.valid_to)


class Registry:
    """All known agencies, and whom certificates speak for. Immutable; a changed registry is a new one."""

    def __init__(self, agencies: Iterable[Agency], rows: Iterable[Binding] = ()) -> None:
        """`rows` are the operator's bindings with dates."""
        self._agencies = {agency.code: agency for agency in agencies}
        steps: dict[str, str] = {}  # a hundred thousand paths share some hundred steps: less memory to reach for
        # By text: what is asked several times a request need not make a hash of a code first.
        self._paths: Mapping[str, Path] = {
            code.text: tuple(steps.setdefault(step, step) for step in self._walk(code, MAX_DEPTH))
            for code in self._agencies
        }
        self.bindings = Bindings(rows, self._listed())

    def bound(self, rows: Iterable[Binding]) -> Self:
        """The same agencies with other bindings."""
        other = copy(self)
        other.bindings = Bindings(rows, self._listed())
        return other

    def _listed(self) -> Iterator[Binding]:
        return (Binding(one, agency.code) for agency in self for one in sorted(agency.certificates))

    def __iter__(self) -> Iterator[Agency]:
        return iter(self._agencies.values())

    def __len__(self) -> int:
        return len(self._agencies)

    def find(self, code: AgencyCode) -> Agency | None:
        return self._agencies.get(code)

    def in_another_case(self, code: AgencyCode) -> bool:
        """Say whether a registered code differs from `code` in nothing but its case: people read both as one."""
        others = {code.text.upper(), code.text.lower()} - {code.text}
        return any(AgencyCode(text) in self._agencies for text in others)

    def path(self, code: AgencyCode) -> Path:
        """Where `code` hangs, top level first.

        A registered parent overrules the grammar: a code that does not continue its parent's path becomes one more
        step below it. Bounded against loops in the data.
        """
        known = self._paths.get(code.text)
        return code.path if known is None else known

    def _walk(self, code: AgencyCode, left: int) -> Path:
        agency = self._agencies.get(code)
        if agency is None or agency.parent is None or left == 0:
            return code.path
        above = self._walk(agency.parent, left - 1)
        own = code.path
        return own if own[: len(above)] == above and len(own) > len(above) else (*above, code.text)

    def within(self, code: AgencyCode, roots: Iterable[Path]) -> bool:
        """Say whether `code` lies in the subtree of one of `roots`; the empty path is everything."""
        path = self.path(code)
        for root in roots:  # noqa: SIM110 - asked several times a request: half the time of `any`
            if path[: len(root)] == root:
                return True
        return False

    def closeness(self, code: AgencyCode, roots: Iterable[Path]) -> int:
        """How closely `roots` name `code`: the steps of the longest that it lies in, -1 where it lies in none."""
        path = self.path(code)
        return max((len(root) for root in roots if path[: len(root)] == root), default=-1)


def prefix_path(text: str) -> Path:
    """A route's or an authority's prefix as a path: `*` is everything, otherwise a code of either grammar.

    `CodeError` when it is neither.
    """
    return () if text == "*" else AgencyCode.parse(text).path
