"""Certificates as files and as fingerprints: what the operator names, and what this node's files can show."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from axis.config import Config
from axis.config.bindings import BindingBook
from axis.trust import certificates

_FINGERPRINT: Final = re.compile(r"(?:sha256:)?((?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Named:
    """A certificate as it was named on the command line. `der` is `None` when only its fingerprint is known."""

    sha256: str
    der: bytes | None
    where: str
    more: int = 0  # further certificates of the same file


@dataclass(slots=True)
class Shelf:
    """The certificates that files of this node hold, by SHA-256 of the DER in hex, and what could not be read."""

    found: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)

    def put(self, path: Path, where: str) -> None:
        try:
            for der in certificates(path):
                self.found.setdefault(sha256(der).hexdigest(), (der, where))
        except (OSError, ValueError) as error:
            self.unread.append(f"{where}: {error}")

    def named(self, text: str) -> Named:
        """The certificate that `text` names: a file, else a fingerprint. `ValueError` with the reason otherwise."""
        path = Path(text)
        if path.is_file():
            ders = certificates(path)
            return Named(sha256(ders[0]).hexdigest(), ders[0], str(path), len(ders) - 1)
        shape = _FINGERPRINT.fullmatch(text)
        if shape is None:
            raise ValueError(f"{text} is neither a file nor the SHA-256 fingerprint of a certificate")
        fingerprint = shape[1].replace(":", "").lower()
        der, where = self.found.get(fingerprint, (None, ""))
        return Named(fingerprint, der, where)


def shelf_of(config: Config, book: BindingBook) -> Shelf:
    """Everything that the registry, the bindings and the connections name as a file."""
    shelf = Shelf()
    for file in config.registry.files:
        listed = tomllib.loads(file.read_text()).get("agency", ())
        for agency in listed:
            for path in _files(agency.get("certificates", ()), file.parent):
                shelf.put(path, f"{agency['code']} in {file.name}")
    for index, row in enumerate(book.rows):
        if row.file is not None:
            shelf.put(row.file, f"{book.path.name}:{book.line(index)}")
    for row in tomllib.loads(book.text).get("binding", ()):
        for path in _files([row["certificate"]], book.path.parent):
            shelf.put(path, book.path.name)
    return shelf


def client_files(config: Config, path: Path) -> Iterator[tuple[str, Path]]:
    """The client certificates of endpoints that `path`, the configuration, gives as files."""
    endpoints = tomllib.loads(path.read_text()).get("endpoint", ())
    for endpoint, model in zip(endpoints, config.endpoint, strict=True):
        for file in _files(endpoint.get("certificates", ()), path.absolute().parent):
            yield model.name, file


def _files(texts: Iterable[str], base: Path) -> Iterator[Path]:
    yield from (base / Path(text).expanduser() for text in texts if not text.startswith("sha256:"))
