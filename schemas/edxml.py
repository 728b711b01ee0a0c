"""Reads a package: tolerant of everything the field writes, strict about who says what to whom."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from lxml import etree

from schemas.dates import write_date
from schemas.document_xml import read_business, read_envelope, read_traces
from schemas.envelope import Business, Envelope, StatusMessage, TraceHeader
from schemas.errors import SchemaError, Violation
from schemas.names import BODY, BUSINESS, HEADER
from schemas.outline import outline_of
from schemas.reading import Findings, Place
from schemas.status_xml import read_status
from schemas.structure import SignedParts, assemble, envelope_of, signature_place, signatures, signed_parts

__all__ = [
    "Reading",
    "SignedParts",
    "assemble",
    "effective_document_id",
    "read_message",
    "read_trace",
    "signature_place",
    "signatures",
    "signed_parts",
]

_SHORT: Final = 1_000
"""Octets of a block of business that is worth remembering."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a package says, and notes on what had to be tolerated to read it (for the log; they quote no values)."""

    message: Envelope | StatusMessage
    notes: tuple[str, ...]


def read_message(root: etree._Element) -> Reading:
    """Read a document package, or a status message: the one that has a StatusCode.

    By local name, in any order, with any prefix, from any of the roots that were seen. Raises one `SchemaError` with
    everything that is wrong: `not-edxml`, `missing`, `repeated`, `mixed`, `foreign-namespace`, `agency-code`, `kind`,
    `status-code`, `ambiguous`. Elements without a meaning here are noted and not read.
    """
    findings = Findings()
    envelope = envelope_of(root)
    if envelope is not root:
        Place(root, "", findings).elements("edXMLEnvelope", "EdXMLEnvelope", "AttachmentEncoded")
    place = Place(envelope, "", findings)
    place.elements("AttachmentEncoded")
    message = _read(place, findings)
    findings.close()
    if findings.violations:
        raise SchemaError(*findings.violations)
    assert message is not None
    return Reading(message, tuple(findings.notes))


def read_parts(header: bytes, business: bytes, manifest: bytes) -> Reading | None:
    """Read a document package from its signed parts, as `read_message` does from their `assemble`.

    The octets are of the form of `schemas.outline`. `None` for what is left to `read_message`: what might be a status
    message, and what is to be refused.
    """
    findings = Findings()
    message = Place(outline_of(header), "MessageHeader", findings)
    trace = _usual_business(business) if len(business) <= _SHORT else None
    body = Place({"edXMLManifest": [outline_of(manifest)]}, "", findings)
    if message.elements("StatusCode"):
        return None
    envelope = read_envelope(message, _around(business, findings) if trace is None else trace, body)
    findings.close()
    if findings.violations or envelope is None:
        return None
    return Reading(envelope, tuple(findings.notes))


@lru_cache(maxsize=1024)
def _usual_business(octets: bytes) -> Business | None:
    """What a block says that leaves nothing to be noted: remembered, because nearly all say the same."""
    findings = Findings()
    block = _around(octets, findings).one(*BUSINESS)
    business = None if block is None else read_business(block)
    findings.close()
    return None if findings.violations or findings.notes else business


def _around(business: bytes, findings: Findings) -> Place:
    return Place({"Bussiness": [outline_of(business)]}, "TraceHeaderList", findings)


def read_trace(root: etree._Element) -> tuple[TraceHeader, ...]:
    """The hops that a package tells of itself, whether signed or not. Good for a loop guard, proof of nothing."""
    header = signature_place(root)
    trace = Place(header, "", Findings()).one("TraceHeaderList")
    return () if trace is None else read_traces(trace)


def effective_document_id(envelope: Envelope) -> str:
    """Its DocumentId, or the customary one: `OrganId,YYYY/MM/DD,Number/Notation`.

    Raises `SchemaError` (`missing`) when there is neither an id nor a date; `read_message` lets no such package in.
    """
    if envelope.document_id is not None:
        return envelope.document_id
    if envelope.issued_on is None:
        raise SchemaError(Violation("missing", "MessageHeader/DocumentId", "is required when there is no date"))
    return f"{envelope.sender.code},{write_date(envelope.issued_on)},{envelope.number}"


def _read(envelope: Place, findings: Findings) -> Envelope | StatusMessage | None:
    header, body = envelope.one(*HEADER, required=True), envelope.one(*BODY)
    if header is None:
        return None
    header.path = ""
    message, trace = header.one("MessageHeader", required=True), header.one("TraceHeaderList")
    if body is not None:
        body.path = ""
    if message is None:
        return None
    if message.text("StatusCode") is None:
        return read_envelope(message, trace, body)
    if trace is not None or body is not None:
        findings.refuse(
            "ambiguous", "MessageHeader/StatusCode", "a status message has no TraceHeaderList and no edXMLBody"
        )
    return read_status(message)
