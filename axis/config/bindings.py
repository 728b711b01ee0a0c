"""Which certificates speak for which agencies, and when: the operator's file, with located faults.

`axis cert bind` writes it, a person may; the daemon reads it again when it changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field

from axis.config.checks import Raw, tables
from axis.config.fault import ConfigError, Fault, Finding, suggestion
from axis.config.files import Certificate, CertificateFile, pem_fingerprints
from axis.config.load import Fields, in_order, placed, read_model, read_text
from axis.config.locate import KeyPath, Places
from axis.config.model import Config
from axis.config.registry import Instant, load_registry
from axis.config.section import Section
from axis.config.values import Code
from axis.core.binding import Binding
from axis.core.registry import Registry

_MOST: Final = 300


class BindingRow(Section):
    """One `[[binding]]`. It holds from `valid_from` on until before `valid_to`; `file` is the certificate itself, kept
    so that `axis cert forecast` can say when it expires. `subject`, `note` and `made_by` are for people.
    """

    certificate: Annotated[Certificate, Field(examples=["sha256:5a0c...d001"])]
    agency: Annotated[Code, Field(examples=["H99.07"])]
    valid_from: Instant | None = None  # asked for below, with a hint that shows a date
    valid_to: Instant | None = None
    file: CertificateFile | None = None
    subject: Annotated[str, Field(max_length=_MOST)] = ""
    note: Annotated[str, Field(max_length=_MOST)] = ""
    made_by: Annotated[str, Field(max_length=_MOST)] = ""


class BindingFile(Section):
    """The whole file."""

    binding: tuple[BindingRow, ...] = ()


@dataclass(frozen=True, slots=True)
class BindingBook:
    """The file as it was read: its rows, its text, and where each row stands in it."""

    path: Path
    text: str
    rows: tuple[BindingRow, ...]
    places: Places

    @property
    def bindings(self) -> tuple[Binding, ...]:
        return tuple(
            Binding(
                row.certificate,
                row.agency,
                row.valid_from,
                row.valid_to,
                row.note,
                row.made_by,
                f"{self.path.name}:{self.line(index)}",
            )
            for index, row in enumerate(self.rows)
        )

    def line(self, index: int) -> int:
        """The line of a row."""
        return self.places.of_key(("binding", index)).line


def registry_of(config: Config) -> Registry:
    """The agencies with all their bindings. `ConfigError` with the faults of the agencies, or else of the bindings."""
    registry = load_registry(config.registry.files)
    return registry.bound(open_book(config, registry).bindings)


def open_book(config: Config, registry: Registry, *, may_be_new: bool = False) -> BindingBook:
    """Read the bindings. A file that is not there is empty when nothing names it, or when it `may_be_new`.

    Otherwise it is a fault: a deleted or mistyped file must not quietly become "nobody speaks for anybody", nor give
    back to a certificate of the registry what a row had ended.
    """
    path = config.registry.bindings
    if not path.exists():
        if may_be_new or "bindings" not in config.registry.model_fields_set:
            return BindingBook(path, "", (), Places(""))
        raise ConfigError([_gone(path, "axis cert bind makes it; or take registry.bindings out of the configuration")])
    return parse_book(read_text(path), path, registry)


def reread(config: Config, registry: Registry) -> Registry:
    """The registry with the bindings as the file has them now; the same object when they have not changed.

    `ConfigError` when they cannot be used, also when a file with rows has disappeared.
    """
    if registry.bindings.rows and not config.registry.bindings.exists():
        raise ConfigError([_gone(config.registry.bindings, "put it back; to end a binding: axis cert bind --end")])
    rows = open_book(config, registry).bindings
    return registry if rows == registry.bindings.rows else registry.bound(rows)


def parse_book(text: str, path: Path, registry: Registry) -> BindingBook:
    """Read `text` as the bindings of `registry`; `path` is its file, for messages and for relative paths."""
    model, _raw, places = read_model(text, path, BindingFile, _known_fields, _no_beginning)
    faults = [placed(finding, path, places) for finding in _between(model.binding, registry)]
    if faults:
        raise ConfigError(in_order(faults))
    return BindingBook(path, text, model.binding, places)


def _gone(path: Path, hint: str) -> Fault:
    return Fault(path, 1, 1, "", "the file of bindings does not exist", hint, "")


def _known_fields(_raw: Mapping[str, Any], key: KeyPath) -> Fields:
    return BindingRow.model_fields if key else BindingFile.model_fields


def _no_beginning(raw: Raw, _base: Path) -> Iterator[Finding]:
    for index, row in tables(raw, "binding"):
        if "valid_from" not in row:
            hint = "add valid_from = 2026-11-24: a day of Vietnam's calendar, or a time with its zone"
            yield Finding(("binding", index, "valid_from"), "is missing", hint, at_key=True)


def _between(rows: tuple[BindingRow, ...], registry: Registry) -> Iterator[Finding]:
    """What must hold in each row and between the rows."""
    codes = [agency.code.text for agency in registry]
    seen: dict[tuple[str, str], list[tuple[int, Binding]]] = {}
    for index, row in enumerate(rows):
        key = ("binding", index)
        if registry.find(row.agency) is None:
            hint = suggestion(row.agency.text, codes, "list it in a file of registry.files first")
            yield Finding((*key, "agency"), f"no agency {row.agency} is listed", hint)
        if row.valid_from and row.valid_to and row.valid_to < row.valid_from:
            yield Finding((*key, "valid_to"), "the binding ends before it begins", "exchange the dates")
            continue
        if row.file is not None and row.certificate not in pem_fingerprints(row.file.read_bytes()):
            hint = "the two must be the same: axis cert inspect FILE tells its fingerprint"
            yield Finding((*key, "file"), f"{row.file} holds another certificate", hint)
        binding = Binding(row.certificate, row.agency, row.valid_from, row.valid_to)
        pair = seen.setdefault((row.certificate, row.agency.text), [])
        twin = next((first for first, other in pair if other.meets(binding)), None)
        pair.append((index, binding))
        if twin is not None:
            reason = f"this certificate already speaks for {row.agency} in that time"
            yield Finding((*key, "certificate"), reason, first=("binding", twin, "certificate"))
