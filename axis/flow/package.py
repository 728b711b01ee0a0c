"""A package, read twice: first as it came, then from the octets that were signed. Between the two, its signatures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from axis.core.binding import Bindings, ask, hold_to_binding, name_agencies
from axis.core.model import AttachmentRecord
from axis.core.octets import Held
from axis.flow.place import Place, place_of
from schemas import attachment as attachments
from schemas import edxml
from schemas.codes import AgencyCode
from schemas.digest import envelope_octets, package_digest
from schemas.edxml import Reading
from schemas.envelope import AttachmentInfo, Envelope
from schemas.errors import SchemaError, Violation
from schemas.gate import Raw
from schemas.limits import FieldLimits, XmlLimits, check_fields
from schemas.multipart import wire_id
from schemas.xml import Parsed, parse_xml
from signing.evidence import frame
from signing.pdf import form_of
from signing.piece import Frame
from signing.policy import SignaturePolicy
from signing.several import is_countersignature, joined
from signing.verdict import Verdict
from signing.verify import Certified, InMemory, Inspection, Judgement, MustCover, Octets, Verified, inspect

H = TypeVar("H", bound=Held, covariant=True)

Carried = Iterable[tuple[AttachmentInfo, Octets, str | None, Place]]
"""What the manifest lists, its octets, their form, and where they lie."""


@dataclass(frozen=True, slots=True)
class Part(Generic[H]):
    """An attachment that lies beside its envelope. `id` is its Content-ID, `form` that of `AttachmentRecord`."""

    id: str | None
    held: H
    form: str | None

    @property
    def size(self) -> int:
        return self.held.ref.size

    def digest(self, name: str) -> bytes:
        return self.held.digest(name)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a package says and what is attached to it. Whether that is verified, who made this knows."""

    reading: Reading
    records: tuple[AttachmentRecord, ...]
    octets: dict[str, Octets]
    attached: tuple[Place, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class Opened(Contents):
    """A gated, parsed, read package; nothing of it is verified yet. `inside`: its attachments stand in the tree."""

    parsed: Parsed
    inside: bool


def open_package(raw: Raw, limits: XmlLimits, fields: FieldLimits | None, parts: Sequence[Part[Held]] = ()) -> Opened:
    """Gate, parse and read, believing nothing. `SchemaError` with the violations by code and place.

    `raw` is the whole package, or the envelope of the attachments `parts`; what is large of it is read again when it is
    asked for. Without `fields`, lengths and the names of
    attachments are as they are: nobody is about to store them.
    """
    return open_parsed(parse_xml(raw, limits), fields, parts)


def open_parsed(parsed: Parsed, fields: FieldLimits | None, parts: Sequence[Part[Held]] = ()) -> Opened:
    """`open_package` of what is parsed already."""
    reading = edxml.read_message(parsed.root)
    if not isinstance(reading.message, Envelope):
        if parts:
            raise _mismatch("a status message has no attachments")
        carried: Carried = ()
    else:
        hold_to_fields(reading.message, fields)
        if parts and attachments.encoded_attachments(parsed):
            raise _mismatch("there are attachments inside the envelope and beside it")
        carried = beside(reading.message, parts) if parts else _inside(reading.message, parsed)
    found = contents(reading, carried, fields, envelope_octets(parsed.root))
    return Opened(found.reading, found.records, found.octets, found.attached, found.digest, parsed, inside=not parts)


def hold_to_fields(envelope: Envelope, fields: FieldLimits | None) -> None:
    """`SchemaError` where a field is longer than the site takes."""
    faults = check_fields(envelope, fields) if fields is not None and fields.rejects else ()
    if faults:
        raise SchemaError(*faults)


def contents(reading: Reading, carried: Carried, fields: FieldLimits | None, envelope: bytes) -> Contents:
    """Put together what was read and what is attached. `envelope` is the canonical one, of which the digest is."""
    records: list[AttachmentRecord] = []
    octets: dict[str, Octets] = {}
    attached: list[Place] = []
    for info, held, form, place in carried:
        fault = attachments.check_name(info.name) if fields is not None else None
        if fault:
            raise SchemaError(fault)
        octets[info.content_id] = held
        attached.append(place)
        digest = held.digest("sha256").hex()
        records.append(AttachmentRecord(info.content_id, info.name, info.content_type, held.size, digest, form))
    digest = package_digest(
        envelope,
        [(record.content_id, record.name, bytes.fromhex(record.sha256)) for record in records],
    )
    return Contents(reading, tuple(records), octets, tuple(attached), digest)


def _inside(envelope: Envelope, parsed: Parsed) -> Carried:
    encoded = attachments.encoded_attachments(parsed)
    for info, item in attachments.matched(envelope, encoded):
        found = attachments.decoded(item)
        if isinstance(found, bytes):
            yield info, InMemory(found), form_of(found), found
        else:
            yield info, found, form_of(found.head), place_of(found)


def beside(envelope: Envelope, parts: Sequence[Part[Held]]) -> Carried:
    """Pair what the manifest lists with the parts, by id alone: each is listed once and is there once."""
    listed = [wire_id(info.content_id) if info.content_id else None for info in envelope.attachments]
    found = {part.id: part for part in parts}
    if None in listed or len({*listed}) != len(listed):
        raise _mismatch("an attachment beside the envelope is listed under an id of its own")
    if None in found or len(found) != len(parts):
        raise _mismatch("a part has no Content-ID, or two have the same")
    if found.keys() - {*listed}:
        raise _mismatch("a part is there that the manifest does not list")
    if len(found) != len(listed):
        raise _mismatch("the manifest lists an attachment that is no part")
    for info, id in zip(envelope.attachments, listed, strict=True):
        part = found[id]
        yield info, part, part.form, part.held.place


def _mismatch(detail: str) -> SchemaError:
    return SchemaError(Violation("attachment-mismatch", "", detail))


def inspect_package(opened: Opened, policy: SignaturePolicy, at: datetime) -> Inspection:
    """Judge everything about its signatures but whether their certificates are trusted: each must cover all that is
    used."""
    parsed, octets = opened.parsed, opened.octets
    parts = edxml.signed_parts(parsed.root)
    named = {"MessageHeader": parts.header, "Bussiness": parts.business, "edXMLManifest": parts.manifest}
    elements = {name: element for name, element in named.items() if element is not None}
    inline = frozenset(octets) if opened.inside else frozenset[str]()
    must_cover = MustCover(elements, octets, parts.place, inline=inline)
    return inspect(parsed.root, edxml.signatures(parsed.root), must_cover, policy, at, parsed.cuts)


def read_verified(verified: Verified, limits: XmlLimits) -> Reading:
    """Read the message again from what was signed. `SchemaError` as `open_package`."""
    if verified.whole is not None:
        return edxml.read_message(parse_xml(verified.whole, limits).root)
    part = {name: parse_xml(octets, limits).root for name, octets in verified.parts.items()}
    return edxml.read_message(edxml.assemble(part["MessageHeader"], part.get("Bussiness"), part.get("edXMLManifest")))


def frames_of(judgement: Judgement, certified: Sequence[Certified], policy: SignaturePolicy) -> tuple[Frame, ...]:
    """What each signature was judged under, in their order."""
    each = judgement.each or (judgement.verdict,)
    return tuple(frame(one.evidence, policy, by.trust) for one, by in zip(each, certified, strict=True))


def hold_to_bindings(
    judgement: Judgement, sender: AgencyCode, bindings: Bindings, frames: Sequence[Frame] = ()
) -> Verdict:
    """The verdict on a package of `sender`: somebody who signed it must speak for the sender.

    The first signature that does is the primary one; where none does, the first of all. Who signed beside it, or
    countersigned, need not speak for the sender: the verdict says for whom they speak. Each of the verdicts names its
    one of `frames` as evidence, if they are given.
    """
    each = judgement.each
    if not each:
        return hold_to_binding(judgement.verdict, sender, bindings, frames[0].rows if frames else ())
    primary = next((number for number, one in enumerate(each) if _speaks(one, sender, bindings)), 0)
    rows = [one.rows for one in frames] if frames else [()] * len(each)
    told = [
        hold_to_binding(one, sender, bindings, named) if number == primary else name_agencies(one, bindings, named)
        for number, (one, named) in enumerate(zip(each, rows, strict=True))
    ]
    return joined(told, primary)


def _speaks(verdict: Verdict, sender: AgencyCode, bindings: Bindings) -> bool:
    if verdict.signer is None or is_countersignature(verdict):
        return False
    answer, _ = ask(verdict, verdict.signer.certificate, sender, bindings)
    return answer.good
