"""The desk of an agency (văn thư): what it sends, what it received, which status comes next. No network in here."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from axis.demo.journal import Event, Journal
from axis.demo.package import Package, make_package
from axis.demo.plan import Flaw, Planned
from schemas import attachment as attachments
from schemas.edxml import read_message
from schemas.envelope import Envelope
from schemas.limits import XmlLimits
from schemas.xml import parse_xml
from signing.sign import load_signer

STEPS: Final[Mapping[str, str]] = {
    "01": "Hệ thống: đã nhận văn bản",
    "02": "Văn thư: từ chối tiếp nhận, văn bản gửi không đúng thẩm quyền giải quyết",
    "03": "Văn thư: tiếp nhận, vào sổ văn bản đến",
    "04": "Lãnh đạo: phân công xử lý",
    "05": "Chuyên viên: đang xử lý văn bản đến",
    "06": "Chuyên viên: hoàn thành xử lý",
}
"""Role and action, as the official samples word them."""

HANDLED: Final = ("03", "04", "05", "06")
REFUSED: Final = ("02",)


@dataclass(frozen=True, slots=True)
class Settings:
    """What one agency's system is told by the demo; the file is written by `layout`."""

    agency: str
    name: str
    journal: Path
    bad_packages: Path
    issued_on: date
    keys: Mapping[str, tuple[Path, Path]]
    documents: tuple[Planned, ...]
    refuses: frozenset[str]
    url: str
    ca: Path
    certificate: Path | None = None
    key: Path | None = None
    api_key_file: Path | None = None
    system_id: str = ""
    secret_file: Path | None = None


def read_settings(path: Path) -> Settings:
    data = json.loads(path.read_text(encoding="utf-8"))
    files = {"journal", "bad_packages", "ca", "certificate", "key", "api_key_file", "secret_file"}
    data |= {name: Path(data[name]) for name in files if name in data}
    data["issued_on"] = date.fromisoformat(data["issued_on"])
    data["keys"] = {use: (Path(pair["certificate"]), Path(pair["key"])) for use, pair in data["keys"].items()}
    data["documents"] = tuple(_planned(item) for item in data["documents"])
    data["refuses"] = frozenset(data["refuses"])
    return Settings(**data)


def _planned(item: Mapping[str, Any]) -> Planned:
    values = {field.name: item[field.name] for field in fields(Planned)}
    values |= {name: tuple(values[name]) for name in ("recipients", "attachments", "refusers")}
    return Planned(**values | {"flaw": Flaw(values["flaw"]) if values["flaw"] else None})


@dataclass(slots=True)
class Case:
    """One received document (văn bản đến) and the statuses that are still to be reported."""

    document_id: str
    sender: str
    number: str
    issued_on: date | None
    reference: str
    waiting: deque[str]


class Desk:
    """The agency's own books: everything it knows stands in its journal as well."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.journal = Journal(settings.journal)
        self._keys = {
            use: load_signer(key.read_bytes(), cert.read_bytes()) for use, (cert, key) in settings.keys.items()
        }
        self._unsent = deque(settings.documents)
        self._cases: list[Case] = []
        self._known: set[str] = set()
        self._told: set[tuple[str, str]] = set()

    def next_package(self) -> tuple[Planned, Package] | None:
        """The next document to send, written and signed."""
        if not self._unsent:
            return None
        document = self._unsent.popleft()
        package = make_package(document, self.settings.issued_on, self._keys, datetime.now(UTC))
        if document.flaw:
            (self.settings.bad_packages / f"{document.flaw}.edxml").write_bytes(package.octets)
        return document, package

    def sent(self, document: Planned, package: Package, reference: str, package_sha256: str = "") -> None:
        self.journal.write(
            Event.SENT,
            name=document.name,
            document_id=document.document_id,
            document=reference,
            size=len(package.octets),
            package_sha256=package_sha256,
            attachments=list(package.attachments),
        )

    def refused(self, document: Planned, problem: Mapping[str, Any]) -> None:
        facts = {name: problem.get(name) for name in ("status", "reason", "sub_indication", "reason_vi", "detail")}
        kind = str(problem.get("type", "")).rpartition(":")[2]
        self.journal.write(Event.REFUSED, name=document.name, document_id=document.document_id, problem=kind, **facts)

    def knows(self, delivery: str) -> bool:
        """Say whether this delivery was taken before: the same id is never taken twice."""
        return delivery in self._known

    def take(self, delivery: str, reference: str, octets: bytes) -> Case:
        """Take a package into the books: read, its attachments hashed, noted on disk; then its handling begins."""
        envelope, digests = open_package(octets)
        document_id = envelope.document_id or ""
        self.journal.write(
            Event.RECEIVED,
            delivery=delivery,
            document=reference,
            document_id=document_id,
            sender=envelope.sender.code.text,
            receiver=self.settings.agency,
            size=len(octets),
            sha256=sha256(octets).hexdigest(),
            attachments=list(digests),
        )
        self._known.add(delivery)
        steps = REFUSED if document_id in self.settings.refuses else HANDLED
        case = Case(
            document_id, envelope.sender.code.text, str(envelope.number), envelope.issued_on, reference, deque(steps)
        )
        self._cases.append(case)
        return case

    def due(self) -> Iterator[tuple[Case, str]]:
        """One step of every case that has one left: document by document, as people work."""
        for case in self._cases:
            if case.waiting:
                yield case, case.waiting.popleft()

    def told(self, document_id: str, code: str, at: str, by: str) -> None:
        """Note a status of our own handling, once per document and code; `by` is `agency` or `axis`."""
        if (document_id, code) not in self._told:
            self._told.add((document_id, code))
            self.journal.write(
                Event.STATUS, document_id=document_id, receiver=self.settings.agency, code=code, at=at, by=by
            )

    def heard(self, document_id: str, receiver: str, code: str, at: str) -> None:
        self.journal.write(Event.HEARD, document_id=document_id, receiver=receiver, code=code, at=at)

    def close(self) -> None:
        self.journal.close()


def open_package(octets: bytes) -> tuple[Envelope, tuple[str, ...]]:
    """What a package says, and the SHA-256 of its attachments' octets. `SchemaError` for what cannot be read."""
    parsed = parse_xml(octets, XmlLimits())
    message = read_message(parsed.root).message
    assert isinstance(message, Envelope)
    pairs = attachments.matched(message, attachments.encoded_attachments(parsed))
    return message, tuple(sha256(attachments.decode(item)).hexdigest() for _, item in pairs)


def this_second() -> datetime:
    """Now, as precise as statuses are on the wire."""
    return datetime.now(UTC).replace(microsecond=0)


def to_second(text: str) -> str:
    """An RFC 3339 instant as `2026-11-23T01:02:03Z`, so that equal instants are equal texts."""
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
