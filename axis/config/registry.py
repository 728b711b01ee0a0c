"""The registry of agencies from TOML files, with the same located faults as the configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from axis.config.checks import Raw
from axis.config.fault import ConfigError, Fault, Finding, as_day, suggestion
from axis.config.files import Certificate
from axis.config.load import Fields, in_order, placed, read_model, read_text
from axis.config.locate import KeyPath, Places
from axis.config.section import Section
from axis.config.values import Code, fault
from axis.core.registry import MAX_DEPTH, Agency, Registry
from axis.core.times import VIETNAM
from schemas.codes import Level


def _instant(value: Any) -> datetime:
    """A day of Vietnam's calendar, or an instant with its zone."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise fault("a time needs its zone", f"write {value.isoformat()}+07:00, or only the day")
        return value.astimezone(UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), VIETNAM).astimezone(UTC)
    raise fault("must be a date without quotes", as_day(value, "write {}") or "for example 2025-07-01")


Instant = Annotated[datetime, BeforeValidator(_instant)]


class AgencyRow(Section):
    """One `[[agency]]`. From `valid_to` on the agency is closed; `successors` took over."""

    code: Annotated[Code, Field(examples=["H99.07"])]
    name: Annotated[str, Field(min_length=1, max_length=300, examples=["Sở Nội vụ"])]
    level: Annotated[Level, Field(examples=["province"])]
    parent: Code | None = None
    certificates: frozenset[Certificate] = frozenset()
    valid_from: Instant | None = None
    valid_to: Instant | None = None
    successors: tuple[Code, ...] = ()


class AgencyFile(Section):
    """One file of agencies."""

    agency: tuple[AgencyRow, ...] = ()


def load_registry(files: Sequence[Path]) -> Registry:
    """Read all files as one registry. `ConfigError` with the faults of all of them."""
    faults: list[Fault] = []
    read: list[tuple[Path, AgencyFile, Places]] = []
    for path in files:
        try:
            model, _raw, places = read_model(read_text(path), path, AgencyFile, _known_fields, _nothing_more)
            read.append((path, model, places))
        except ConfigError as error:
            faults += error.faults
    if not faults:
        faults = [placed(finding, path, places) for path, finding, places in _between(read)]
    if faults:
        raise ConfigError(in_order(faults))
    return Registry(_agency(row) for _path, model, _places in read for row in model.agency)


def _agency(row: AgencyRow) -> Agency:
    return Agency(
        code=row.code,
        name=row.name,
        level=row.level,
        parent=row.parent,
        certificates=row.certificates,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        successors=row.successors,
    )


def _known_fields(_raw: Mapping[str, Any], key: KeyPath) -> Fields:
    return AgencyRow.model_fields if key else AgencyFile.model_fields


def _nothing_more(_raw: Raw, _base: Path) -> Iterator[Finding]:
    yield from ()


def _between(read: Sequence[tuple[Path, AgencyFile, Places]]) -> Iterator[tuple[Path, Finding, Places]]:
    """What must hold between agencies, over all files."""
    rows = [
        (path, ("agency", index), row, places) for path, model, places in read for index, row in enumerate(model.agency)
    ]
    known = {row.code.text: row for _path, _key, row, _places in rows}
    seen: dict[str, tuple[Path, KeyPath, Places]] = {}
    speaks: dict[str, str] = {}
    paths: dict[tuple[str, ...], AgencyRow] = {}
    for path, key, row, places in rows:
        here = (path, key, places)
        first, above, others = seen.setdefault(row.code.text, here)
        if (first, above) != (path, key):
            hint = f"first in {first.name}:{others.of_key((*above, 'code')).line}"
            yield path, Finding((*key, "code"), f"agency {row.code} stands twice", hint), places
        twin = paths.setdefault(row.code.path, row)
        if twin.code != row.code and not _alias(row, twin):
            reason = f"{row.code} and {twin.code} are one place in the tree, written in two grammars"
            hint = "keep one; or close the older one with valid_to and successors"
            yield path, Finding((*key, "code"), reason, hint), places
        for field, code in _references(row):
            if code.text not in known:
                guessed = row.code.guess_parent()
                grammar = "list it, or leave the line out: the code's grammar is then used"
                if field == "parent" and guessed is not None and guessed.text in known:
                    grammar = f"by its code it stands below {guessed}: leave the line out, or write that"
                hint = suggestion(code.text, known.keys() - {row.code.text}, grammar)
                yield path, Finding((*key, field), f"no agency {code} is listed", hint), places
        loop = _loop(row, known)
        if loop:
            yield path, Finding((*key, "parent"), f"parents go round: {' > '.join(loop)}", "cut it somewhere"), places
        if row.valid_from and row.valid_to and row.valid_from >= row.valid_to:
            yield path, Finding((*key, "valid_to"), "the agency ends before it begins", "exchange the dates"), places
        if row.successors and row.valid_to is None:
            yield path, Finding((*key, "successors"), "an agency with successors is closed", "add valid_to"), places
        for certificate in row.certificates:
            other = speaks.setdefault(certificate, row.code.text)
            if other != row.code.text and not _alias(row, known[other]):
                reason = f"this certificate already speaks for {other}"
                hint = "one certificate, one agency; for several, with dates: axis cert bind"
                yield path, Finding((*key, "certificates"), reason, hint), places


def _references(row: AgencyRow) -> Iterator[tuple[str, Any]]:
    if row.parent is not None:
        yield "parent", row.parent
    for successor in row.successors:
        yield "successors", successor


def _alias(one: AgencyRow, other: AgencyRow) -> bool:
    """Two codes of one agency, before and after a reorganisation, may share a certificate."""
    return one.code in other.successors or other.code in one.successors


def _loop(row: AgencyRow, known: Mapping[str, AgencyRow]) -> list[str]:
    """The way up from `row` when it comes back to `row`, or never ends."""
    way = [row.code.text]
    here: AgencyRow | None = row
    while here is not None and here.parent is not None and len(way) <= MAX_DEPTH:
        way.append(here.parent.text)
        if here.parent == row.code:
            return way
        here = known.get(here.parent.text)
    return [*way, "..."] if len(way) > MAX_DEPTH and len(set(way)) == len(way) else []
