"""Decide what `axis cert bind` changes: from the bindings as they are and a wish to the rows to write, or a refusal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from axis.cli.certs.book import Add, Change, End, instant_text
from axis.config.bindings import BindingBook
from axis.config.fault import suggestion
from axis.core.binding import Binding
from axis.core.registry import Registry
from schemas.codes import AgencyCode

_LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Before any certificate of Ban Cơ yếu Chính phủ (first root 2010): the beginning of what was listed without dates."""


class NotDone(Exception):
    """The wish is refused: nothing is changed. `hint` says what to do instead."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Paper:
    """A certificate as rows describe it: its fingerprint, where it is kept, whom it names, since when it is valid."""

    sha256: str
    subject: str = ""
    file: str = ""
    not_before: datetime = _LONG_AGO


@dataclass(frozen=True, slots=True)
class Wish:
    """Bind `paper` to `agencies` from `begins` to `ends`. `dated`: somebody asked for these dates."""

    paper: Paper
    agencies: tuple[AgencyCode, ...]
    begins: datetime
    ends: datetime | None = None
    dated: bool = False
    note: str = ""
    made_by: str = ""


@dataclass(slots=True)
class Plan:
    """`remarks` is what the operator should know besides."""

    changes: list[Change] = field(default_factory=list)
    agencies: list[AgencyCode] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def plan_binding(wish: Wish, book: BindingBook, registry: Registry) -> Plan:
    """New rows, one for each agency; all of them or `NotDone`."""
    plan = Plan()
    for code in dict.fromkeys(wish.agencies):
        _need_agency(code, wish.begins, registry, plan)
        new = Binding(wish.paper.sha256, code, wish.begins, wish.ends, wish.note, wish.made_by)
        for index, row in _rows(book, wish.paper.sha256, code):
            if row.meets(new):
                place = f"{book.path}:{book.line(index)}"
                raise NotDone(
                    f"{place}: this certificate already speaks for {code}, {period(row)}",
                    "end that first (--end), or bind for another time (--from)",
                )
        if _listed(wish.paper.sha256, code, book, registry):
            if not wish.dated:
                raise NotDone(
                    f"this certificate already speaks for {code}: the registry lists it without dates",
                    "give dates (--from, --to), or end it (--end)",
                )
            plan.remarks.append(_narrowed(code))
        plan.changes.append(Add(new, wish.paper.subject, wish.paper.file))
        plan.agencies.append(code)
    return plan


def plan_rollover(wish: Wish, old: Paper, overlap: timedelta, book: BindingBook, registry: Registry) -> Plan:
    """The new certificate begins, the old one ends `overlap` later. Without agencies: all that the old one has."""
    last = wish.begins + overlap
    spoken = registry.bindings.of_certificate(old.sha256)
    codes = wish.agencies or tuple(dict.fromkeys(one.agency for one in spoken if one.ends > wish.begins))
    if not codes:
        raise NotDone("the old certificate speaks for nobody", "axis cert inspect tells whom a certificate speaks for")
    lost = [code for code in codes if not any(one.agency == code and one.ends > wish.begins for one in spoken)]
    if lost:
        raise NotDone(
            f"the old certificate does not speak for {', '.join(map(str, lost))}",
            "leave --agency out to take over all that it speaks for, or bind without --replace",
        )
    dated = Wish(wish.paper, codes, wish.begins, wish.ends, True, wish.note, wish.made_by)
    plan = plan_binding(dated, book, registry)
    for code in plan.agencies:
        for _index, row in _rows(book, old.sha256, code):
            if wish.begins < row.ends < last:
                plan.remarks.append(f"for {code} the old one ends before the overlap does, {period(row)}")
        _end(old, code, last, book, registry, plan, wish.made_by)
    return plan


def plan_end(
    paper: Paper, agencies: Sequence[AgencyCode], at: datetime, book: BindingBook, registry: Registry, made_by: str
) -> Plan:
    """End what `paper` speaks for, for these agencies or all; what has not begun is taken back."""
    spoken = [one for one in registry.bindings.of_certificate(paper.sha256) if one.ends > at and one.begins < one.ends]
    codes = tuple(dict.fromkeys(agencies)) or tuple(dict.fromkeys(one.agency for one in spoken))
    lost = [code for code in codes if all(one.agency != code for one in spoken)]
    if not codes or lost:
        whom = ", ".join(map(str, lost)) or "anybody"
        raise NotDone(f"this certificate does not speak for {whom}", "axis cert inspect tells whom it speaks for")
    plan = Plan(agencies=list(codes))
    for code in codes:
        _end(paper, code, at, book, registry, plan, made_by)
    return plan


def _end(
    paper: Paper, code: AgencyCode, at: datetime, book: BindingBook, registry: Registry, plan: Plan, made_by: str
) -> None:
    for index, row in _rows(book, paper.sha256, code):
        if row.begins < row.ends and row.ends > at:
            plan.changes.append(End(index, max(row.begins, at)))
    if _listed(paper.sha256, code, book, registry):
        begins = min(paper.not_before, at)
        row = Binding(paper.sha256, code, begins, at, "listed in the registry without dates until now", made_by)
        plan.changes.append(Add(row, paper.subject, paper.file))
        plan.remarks.append(_narrowed(code))


def _narrowed(code: AgencyCode) -> str:
    return f"the registry still lists this certificate beside {code}: from now on the dates count; take it out there"


def _need_agency(code: AgencyCode, at: datetime, registry: Registry, plan: Plan) -> None:
    agency = registry.find(code)
    if agency is None:
        hint = suggestion(code.text, [one.code.text for one in registry], "list it in a file of registry.files first")
        raise NotDone(f"no agency {code} is listed", hint)
    if not agency.active(at):
        after = f", succeeded by {', '.join(map(str, agency.successors))}" if agency.successors else ""
        plan.remarks.append(f"{code} is closed at that time{after}")


def _rows(book: BindingBook, sha256: str, code: AgencyCode) -> Iterable[tuple[int, Binding]]:
    return [(index, row) for index, row in enumerate(book.bindings) if (row.certificate, row.agency) == (sha256, code)]


def _listed(sha256: str, code: AgencyCode, book: BindingBook, registry: Registry) -> bool:
    """The registry lists it, and no row with dates stands above that."""
    agency = registry.find(code)
    return agency is not None and sha256 in agency.certificates and not _rows(book, sha256, code)


def period(row: Binding) -> str:
    """`from 2026-11-24 until 2026-12-08`, as it is written in the file."""
    since = f"from {instant_text(row.valid_from)}" if row.valid_from else "always"
    return f"{since} until {instant_text(row.valid_to)}" if row.valid_to else f"{since} on"
