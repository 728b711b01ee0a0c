"""How a simulated national axis is set up, and what it knows before the first request."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from adapters.national.vxp import BASE_PATH, DEFAULT_SKEW
from schemas.codes import AgencyCode, CodeError


class SettingsError(ValueError):
    """The settings or the seeds cannot be used; the text says which part, and what to do."""


@dataclass(frozen=True, slots=True)
class SeedAgency:
    """One agency that a system speaks for. `locked` agencies are known and receive nothing (error 23)."""

    code: str
    name: str
    pcode: str = ""
    locked: bool = False


@dataclass(frozen=True, slots=True)
class SeedSystem:
    """One connected system: its id, its secret, its agencies."""

    id: str
    secret: str = field(repr=False)
    agencies: tuple[SeedAgency, ...] = ()


@dataclass(frozen=True, slots=True)
class SeedDocument:
    """A package that waits in the inbox of `to` under a known docId, so that recorded requests can be replayed."""

    doc_id: str
    to: str
    package: Path


@dataclass(frozen=True, slots=True)
class Seeds:
    systems: tuple[SeedSystem, ...] = ()
    documents: tuple[SeedDocument, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that `serve` needs.

    `skew` is how far a request's timestamp may be off. An object of the real SDK takes its timestamp when it is made
    and keeps it (VPCP SDK 2.0.1, read), so software that keeps one for hours needs hours here. `start_at` lets the
    simulator's clock begin at that instant, to replay recorded requests. `utc_offset` is the zone of requests'
    timestamps, which do not name one. `operator_token` opens the operator's endpoint; without it there is none.
    `rewrite` makes the simulator re-serialise packages as the real axis was seen to do, with `trace_organ` in the hop
    that it adds (the real one has written hops with an agency, and without). A body that is not there after
    `body_timeout` is given up. `port` 0 takes a free one.
    """

    data: Path
    seeds: Seeds = Seeds()
    host: str = "127.0.0.1"
    port: int = 18999
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    base_path: str = BASE_PATH
    operator_token: str | None = field(default=None, repr=False)
    skew: timedelta = DEFAULT_SKEW
    utc_offset: timedelta = timedelta(hours=7)
    start_at: datetime | None = None
    max_body_bytes: int = 64 * 1024 * 1024
    max_uploads: int = 4
    body_timeout: timedelta = timedelta(minutes=5)
    list_limit: int = 1_000
    rewrite: bool = False
    trace_organ: str | None = None
    grace: timedelta = timedelta(seconds=10)

    def __post_init__(self) -> None:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise SettingsError("tls_certificate and tls_key: give both or neither")
        if not self.base_path.startswith("/") or self.base_path.endswith("/"):
            raise SettingsError("base_path: begins with a slash and does not end with one")
        if self.operator_token is not None and len(self.operator_token) < 8:
            raise SettingsError("operator_token: at least 8 characters")
        if self.start_at is not None and self.start_at.tzinfo is None:
            raise SettingsError("start_at: needs a zone, such as +07:00")
        if min(self.max_body_bytes, self.max_uploads, self.list_limit) < 1 or self.skew <= timedelta(0):
            raise SettingsError("max_body_bytes, max_uploads, list_limit, skew: must be positive")


def load_seeds(path: Path) -> Seeds:
    """Read seeds from a `.toml` or `.json` file; a document's `package` is a path relative to it.

    `systems = [{id, secret, agencies = [{code, name, pcode, locked}]}]`, `documents = [{doc_id, to, package}]`.
    """
    try:
        text = path.read_text(encoding="utf-8")
        tree = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise SettingsError(f"seeds: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"seeds: {error}") from None
    return read_seeds(tree, path.parent)


def read_seeds(tree: object, folder: Path) -> Seeds:
    """Seeds from a parsed file. Unknown keys are errors, so that a misspelt one is noticed."""
    top = _table(tree, "seeds", frozenset({"systems", "documents"}))
    systems = tuple(
        _system(item, f"systems[{place}]") for place, item in enumerate(_list(top.get("systems", []), "systems"))
    )
    documents = tuple(
        _document(item, f"documents[{place}]", folder)
        for place, item in enumerate(_list(top.get("documents", []), "documents"))
    )
    _check_distinct([system.id for system in systems], "system id")
    _check_distinct([agency.code for system in systems for agency in system.agencies], "agency code")
    _check_distinct([document.doc_id for document in documents], "doc_id")
    return Seeds(systems, documents)


def _system(item: object, where: str) -> SeedSystem:
    table = _table(item, where, frozenset({"id", "secret", "agencies"}))
    agencies = _list(table.get("agencies", []), f"{where}.agencies")
    return SeedSystem(
        _text(table, "id", where),
        _text(table, "secret", where),
        tuple(_agency(agency, f"{where}.agencies[{place}]") for place, agency in enumerate(agencies)),
    )


def _agency(item: object, where: str) -> SeedAgency:
    table = _table(item, where, frozenset({"code", "name", "pcode", "locked"}))
    locked = table.get("locked", False)
    if not isinstance(locked, bool):
        raise SettingsError(f"{where}.locked: must be true or false")
    name = _text(table, "name", where) if "name" in table else ""
    pcode = table.get("pcode", "")
    if not isinstance(pcode, str):
        raise SettingsError(f"{where}.pcode: must be a text")
    return SeedAgency(_code(table, "code", where), name, pcode, locked)


def _document(item: object, where: str, folder: Path) -> SeedDocument:
    table = _table(item, where, frozenset({"doc_id", "to", "package"}))
    return SeedDocument(
        _text(table, "doc_id", where), _code(table, "to", where), folder / _text(table, "package", where)
    )


def _table(item: object, where: str, known: frozenset[str]) -> Mapping[str, object]:
    if not isinstance(item, dict):
        raise SettingsError(f"{where}: must be a table")
    unknown = sorted(str(key) for key in item if key not in known)
    if unknown:
        raise SettingsError(f"{where}: unknown key {unknown[0]!r}, known are {', '.join(sorted(known))}")
    return item


def _list(item: object, where: str) -> list[object]:
    if not isinstance(item, list):
        raise SettingsError(f"{where}: must be a list")
    return item


def _text(table: Mapping[str, object], key: str, where: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value:
        raise SettingsError(f"{where}.{key}: must be a text that is not empty")
    return value


def _code(table: Mapping[str, object], key: str, where: str) -> str:
    try:
        return AgencyCode.parse(_text(table, key, where)).text
    except CodeError as error:
        raise SettingsError(f"{where}.{key}: {error}") from None


def _check_distinct(values: list[str], what: str) -> None:
    for value in values:
        if values.count(value) > 1:
            raise SettingsError(f"seeds: {what} {value!r} occurs twice")
