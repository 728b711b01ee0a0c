"""From octets to a judged message: gate, parse, read, verify, read again from what was verified."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from axis.core.acceptance import Acceptance, accept
from axis.core.binding import hold_to_binding
from axis.core.intake import Content
from axis.core.model import AttachmentRecord, Principal, Profile
from axis.core.problems import Kind, Problem, Refused
from axis.flow.context import Context
from schemas import attachment as attachments
from schemas import edxml
from schemas.digest import envelope_octets, package_digest
from schemas.edxml import Reading
from schemas.envelope import Envelope, StatusMessage
from schemas.errors import SchemaError
from schemas.limits import FieldLimits, XmlLimits, check_fields
from schemas.xml import Parsed, parse_xml
from signing.chain import CertificateVerdict, judge_certificate
from signing.policy import SignaturePolicy
from signing.verdict import Reason, Verdict
from signing.verify import (
    InMemory,
    Inspection,
    Judgement,
    MustCover,
    Octets,
    conclude,
    inspect,
    judge_proven,
    prove,
)


@dataclass(frozen=True, slots=True)
class Judged:
    """A message with its verdict.

    `content` is `None` when nothing in the package may be believed: then the verdict refuses it. `status` is set
    instead for a status message.
    """

    verdict: Verdict
    content: Content | None
    status: StatusMessage | None
    digest: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A gated, parsed, read package; nothing of it is verified yet."""

    parsed: Parsed
    reading: Reading
    records: tuple[AttachmentRecord, ...]
    octets: dict[str, Octets]
    digest: str


async def judge(raw: memoryview, by: Principal, ctx: Context) -> Judged:
    """Judge one package or status message as it came from `by`.

    `Refused` for octets that are no message. Small ones are worked on inline, larger ones in a thread; the
    certificate's path is judged in a thread when the cache does not know it.
    """
    small = len(raw) <= ctx.inline_judging_bytes
    policy = ctx.policies[by.profile]
    at = ctx.now()
    if small:
        opened = open_package(raw, ctx.xml_limits, ctx.field_limits)
        inspection = _inspect(opened, policy, at)
    else:
        opened = await asyncio.to_thread(open_package, raw, ctx.xml_limits, ctx.field_limits)
        inspection = await asyncio.to_thread(_inspect, opened, policy, at)
    judgement = await _conclude(inspection, policy, at, ctx)
    return believe(opened, judgement, by.profile, ctx)


def open_package(raw: memoryview | bytes, limits: XmlLimits, fields: FieldLimits) -> Opened:
    """Gate, parse and read, believing nothing. `Refused` with the violations by code and place."""
    try:
        parsed = parse_xml(raw, limits)
        reading = edxml.read_message(parsed.root)
        records: list[AttachmentRecord] = []
        octets: dict[str, Octets] = {}
        if isinstance(reading.message, Envelope):
            faults = check_fields(reading.message, fields)
            if faults and fields.rejects:
                raise SchemaError(*faults)
            encoded = attachments.encoded_attachments(parsed)
            for info, item in attachments.matched(reading.message, encoded):
                fault = attachments.check_name(info.name)
                if fault:
                    raise SchemaError(fault)
                decoded = attachments.decode(item)
                held = InMemory(decoded)
                octets[info.content_id] = held
                digest = held.digest("sha256").hex()
                records.append(AttachmentRecord(info.content_id, info.name, info.content_type, len(decoded), digest))
        digest = package_digest(
            envelope_octets(parsed.root),
            [(record.content_id, record.name, bytes.fromhex(record.sha256)) for record in records],
        )
        return Opened(parsed, reading, tuple(records), octets, digest)
    except SchemaError as error:
        raise Refused(problem_of(error)) from error


def problem_of(error: SchemaError) -> Problem:
    """What a sender is told of a package that cannot be read: codes and places, never its content."""
    first = error.violations[0]
    if first.code == "xml-too-large":
        kind = Kind.TOO_LARGE
    elif error.malformed:
        kind = Kind.MALFORMED_XML
    elif first.code.startswith("attachment"):
        kind = Kind.ATTACHMENT
    else:
        kind = Kind.SCHEMA_VIOLATION
    told = tuple(str(violation) for violation in error.violations[:20])
    return Problem(kind, first.detail, {"violations": told, "code": first.code})


def _inspect(opened: Opened, policy: SignaturePolicy, at: datetime) -> Inspection:
    root = opened.parsed.root
    parts = edxml.signed_parts(root)
    elements = {"MessageHeader": parts.header}
    if parts.business is not None:
        elements["Bussiness"] = parts.business
    if parts.manifest is not None:
        elements["edXMLManifest"] = parts.manifest
    must_cover = MustCover(elements, opened.octets, edxml.signature_place(root), inline=frozenset(opened.octets))
    return inspect(root, edxml.signatures(root), must_cover, policy, at, opened.parsed.cuts)


async def _conclude(inspection: Inspection, policy: SignaturePolicy, at: datetime, ctx: Context) -> Judgement:
    leaf = inspection.certificate
    if leaf is None:
        return conclude(inspection, None)
    if inspection.has_timestamps:
        judgement = await asyncio.to_thread(_conclude_proven, inspection, leaf, policy, at, ctx)
        waits = judgement.verdict.reason is Reason.REVOCATION_UNKNOWN
        if waits and ctx.evidence and await ctx.evidence.bring(leaf):
            judgement = await asyncio.to_thread(_conclude_proven, inspection, leaf, policy, ctx.now(), ctx)
        return judgement
    known = ctx.certificates.find(leaf, ctx.trust, policy, at)
    if known is None:
        known = await _judge_certificate(leaf, policy, at, ctx)
        if known.reason is Reason.REVOCATION_UNKNOWN and ctx.evidence and await ctx.evidence.bring(leaf):
            # Later than before: what a responder has only just said was not yet said then.
            known = await _judge_certificate(leaf, policy, ctx.now(), ctx)
    return conclude(inspection, known)


def _conclude_proven(
    inspection: Inspection, leaf: bytes, policy: SignaturePolicy, at: datetime, ctx: Context
) -> Judgement:
    """For the time that the stamps prove, which is this signature's alone: nothing of it goes into the cache."""
    trust = ctx.trust
    proof = prove(inspection, trust)
    return conclude(inspection, judge_proven(leaf, trust, at, policy, proof), proof)


async def _judge_certificate(leaf: bytes, policy: SignaturePolicy, at: datetime, ctx: Context) -> CertificateVerdict:
    trust = ctx.trust
    judging = judge_certificate if ctx.paths is None else ctx.paths.judge
    verdict = await asyncio.to_thread(judging, leaf, trust, at, policy)
    ctx.certificates.keep(leaf, trust, policy, at, verdict)
    return verdict


def believe(opened: Opened, judgement: Judgement, profile: Profile, ctx: Context) -> Judged:
    """Read the message again from the verified octets, and ask whether the signer speaks for the sender.

    Unverified octets are believed only where the profile lets such a verdict in.
    """
    verdict = judgement.verdict
    if judgement.verified is not None:
        root = _verified_root(judgement, ctx.xml_limits)
        try:
            message = edxml.read_message(root)
        except SchemaError as error:
            raise Refused(problem_of(error)) from error
    elif accept(profile, verdict) is Acceptance.ACCEPT or _attested(opened.reading, verdict):
        message = opened.reading
    else:
        return Judged(verdict, None, None, opened.digest)
    if isinstance(message.message, StatusMessage):
        verdict = hold_to_binding(verdict, message.message.reporter.code, ctx.network.registry.bindings)
        return Judged(verdict, None, message.message, opened.digest)
    envelope = message.message
    verdict = hold_to_binding(verdict, envelope.sender.code, ctx.network.registry.bindings)
    notes = (*opened.reading.notes, *verdict.quirks)
    content = Content(envelope, edxml.effective_document_id(envelope), opened.records, notes)
    return Judged(verdict, content, None, opened.digest)


def _attested(reading: Reading, verdict: Verdict) -> bool:
    """An unsigned status message stands on the word of the authenticated connection, whatever its profile."""
    return isinstance(reading.message, StatusMessage) and verdict.reason is Reason.UNSIGNED


def _verified_root(judgement: Judgement, limits: XmlLimits) -> etree._Element:
    verified = judgement.verified
    assert verified is not None
    if verified.whole is not None:
        return parse_xml(verified.whole, limits).root
    part = {name: parse_xml(octets, limits).root for name, octets in verified.parts.items()}
    return edxml.assemble(part["MessageHeader"], part.get("Bussiness"), part.get("edXMLManifest"))
