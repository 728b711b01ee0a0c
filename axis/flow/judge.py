"""From octets to a judged message: gate, parse, read, verify, read again from what was verified."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import ParamSpec, TypeVar

from axis.core.acceptance import Acceptance, accept
from axis.core.intake import Content
from axis.core.model import Principal, Profile
from axis.core.octets import Held
from axis.core.problems import Kind, Problem, Refused, Unavailable
from axis.flow.context import Context
from axis.flow.grounds import NO_GROUNDS, Grounds
from axis.flow.package import (
    Contents,
    Opened,
    Part,
    frames_of,
    hold_to_bindings,
    inspect_package,
    open_parsed,
    read_verified,
)
from axis.flow.place import Place
from axis.flow.usual import Usual, usual_of
from schemas import edxml
from schemas.cuts import Skeleton
from schemas.edxml import Reading
from schemas.envelope import StatusMessage
from schemas.errors import SchemaError
from schemas.gate import Raw
from schemas.xml import gated, parse_gated
from signing.chain import CertificateVerdict, Trust, judge_certificate
from signing.policy import SignaturePolicy
from signing.verdict import Reason, Verdict
from signing.verify import Certified, Inspection, Judgement, certify, conclude

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Judged:
    """A message with its verdict.

    `content` is `None` when nothing in the package may be believed: then the verdict refuses it. `status` is set
    instead for a status message. `attached` are the decoded attachments, or where they lie, in the order of the
    manifest. `grounds` is where the octets of the verdict's evidence are; only a document has any.
    """

    verdict: Verdict
    content: Content | None
    status: StatusMessage | None
    digest: str
    attached: tuple[Place, ...] = ()
    grounds: Grounds = NO_GROUNDS


async def judge(raw: Raw, by: Principal, ctx: Context, parts: Sequence[Part[Held]] = ()) -> Judged:
    """Judge one package or status message as it came from `by`; `raw` is the envelope of the attachments `parts`.

    `Refused` for octets that are no message, `Unavailable` where they cannot be read. Small ones are worked on inline,
    larger ones in a thread; the certificate's path is judged in a thread when the cache does not know it.
    """
    small = len(raw) + sum(part.size for part in parts) <= ctx.inline_judging_bytes
    policy = ctx.policies[by.profile]
    at = ctx.judged_at()
    found, inspection = await _run(small, _look, raw, policy, at, ctx, parts)
    judgement, certified = await _conclude(inspection, policy, at, ctx)
    if isinstance(found, Usual):
        read = None if judgement.verified is None else found.read(ctx.field_limits)
        if read is not None:
            return _judged(read, read.reading, inspection, judgement, certified, ctx)
        opened, inspection = await _run(small, _inspect, found.gated, policy, at, ctx, parts)
        judgement, certified = await _conclude(inspection, policy, at, ctx)
    else:
        opened = found
    return believe(opened, inspection, judgement, certified, by.profile, ctx)


async def _run(here: bool, work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """Do `work`, here or in a thread."""
    return work(*given, **named) if here else await asyncio.to_thread(work, *given, **named)


def _look(
    raw: Raw, policy: SignaturePolicy, at: datetime, ctx: Context, parts: Sequence[Part[Held]]
) -> tuple[Usual | Opened, Inspection]:
    """Gate and inspect: the usual package by what it is signed by, any other one parsed, by what it says."""
    with _refusing():
        skeleton = gated(raw, ctx.xml_limits)
        usual = usual_of(skeleton, ctx.xml_limits, parts)
        inspection = None if usual is None else usual.inspect(policy, at)
    if usual is None or inspection is None:
        return _inspect(skeleton, policy, at, ctx, parts)
    return usual, inspection


def _inspect(
    skeleton: Skeleton, policy: SignaturePolicy, at: datetime, ctx: Context, parts: Sequence[Part[Held]]
) -> tuple[Opened, Inspection]:
    with _refusing():
        opened = open_parsed(parse_gated(skeleton, ctx.xml_limits), ctx.field_limits, parts)
        return opened, inspect_package(opened, policy, at)


@contextmanager
def _refusing() -> Iterator[None]:
    """What is found wrong inside, as the problem to answer."""
    try:
        yield
    except SchemaError as error:
        raise Refused(problem_of(error)) from error
    except OSError as error:
        context = {"blob": "cannot be read", "error": repr(error)}
        raise Unavailable(Problem(Kind.STORE_UNAVAILABLE, context=context), retry_after_s=5) from error


def problem_of(error: SchemaError) -> Problem:
    """What a sender is told of a package that cannot be read: codes and places, never its content."""
    first = error.violations[0]
    if first.code == "xml-too-large":
        kind = Kind.TOO_LARGE
    elif first.code.startswith("part-"):
        kind = Kind.MALFORMED_PARTS
    elif error.malformed:
        kind = Kind.MALFORMED_XML
    elif first.code.startswith("attachment"):
        kind = Kind.ATTACHMENT
    else:
        kind = Kind.SCHEMA_VIOLATION
    told = tuple(str(violation) for violation in error.violations[:20])
    return Problem(kind, first.detail, {"violations": told, "code": first.code})


Concluded = tuple[Judgement, tuple[Certified, ...]]


async def _conclude(inspection: Inspection, policy: SignaturePolicy, at: datetime, ctx: Context) -> Concluded:
    if not inspection.others:
        only = await _certify(inspection, policy, at, ctx)
        return conclude(inspection, only.certificate, only.proof), (only,)
    # All at once: nobody waits for the responder of one signer behind that of another.
    first, *others = await asyncio.gather(*(_certify(one, policy, at, ctx) for one in inspection.each))
    return conclude(inspection, first.certificate, first.proof, others), (first, *others)


async def _certify(inspection: Inspection, policy: SignaturePolicy, at: datetime, ctx: Context) -> Certified:
    leaf, trust = inspection.certificate, ctx.trust
    if leaf is None:
        return Certified()
    if inspection.has_timestamps:
        # For the time that the stamps prove, which is this signature's alone: nothing of it goes into the cache.
        proven = await asyncio.to_thread(certify, inspection, trust, at)
        missing = (leaf, *(stamp.certificate for stamp in proven.proof.timestamps if stamp.waits))
        if _waits(proven.certificate) and ctx.evidence and any(await asyncio.gather(*map(ctx.evidence.bring, missing))):
            proven = await asyncio.to_thread(certify, inspection, ctx.trust, ctx.judged_at())
        return proven
    known = ctx.certificates.find(leaf, trust, policy, at)
    if known is None:
        known = await _judge_certificate(leaf, trust, policy, at, ctx)
        if _waits(known) and ctx.evidence and await ctx.evidence.bring(leaf):
            # Later than before: what a responder has only just said was not yet said then.
            trust = ctx.trust
            known = await _judge_certificate(leaf, trust, policy, ctx.judged_at(), ctx)
    return Certified(known, trust=trust)


def _waits(verdict: CertificateVerdict | None) -> bool:
    return verdict is not None and verdict.reason is Reason.REVOCATION_UNKNOWN


async def _judge_certificate(
    leaf: bytes, trust: Trust, policy: SignaturePolicy, at: datetime, ctx: Context
) -> CertificateVerdict:
    judging = judge_certificate if ctx.paths is None else ctx.paths.judge
    verdict = await asyncio.to_thread(judging, leaf, trust, at, policy)
    ctx.certificates.keep(leaf, trust, policy, at, verdict)
    return verdict


def believe(
    opened: Opened,
    inspection: Inspection,
    judgement: Judgement,
    certified: tuple[Certified, ...],
    profile: Profile,
    ctx: Context,
) -> Judged:
    """Read the message again from the verified octets.

    Unverified octets are believed only where the profile lets such a verdict in.
    """
    verdict = judgement.verdict
    if judgement.verified is not None:
        try:
            message = read_verified(judgement.verified, ctx.xml_limits)
        except SchemaError as error:
            raise Refused(problem_of(error)) from error
    elif accept(profile, verdict) is Acceptance.ACCEPT or _attested(opened.reading, verdict):
        message = opened.reading
    else:
        return Judged(verdict, None, None, opened.digest)
    return _judged(opened, message, inspection, judgement, certified, ctx)


def _judged(
    opened: Contents,
    message: Reading,
    inspection: Inspection,
    judgement: Judgement,
    certified: tuple[Certified, ...],
    ctx: Context,
) -> Judged:
    """Put together what is believed of a package, and ask whether somebody who signed speaks for the sender."""
    verdict = judgement.verdict
    bindings = ctx.network.registry.bindings
    if isinstance(message.message, StatusMessage):
        verdict = hold_to_bindings(judgement, message.message.reporter.code, bindings)
        return Judged(verdict, None, message.message, opened.digest)
    envelope = message.message
    frames = frames_of(judgement, certified, inspection.policy)
    verdict = hold_to_bindings(judgement, envelope.sender.code, bindings, frames)
    leaves = tuple(one.certificate for one in inspection.each if one.certificate is not None)
    grounds = Grounds(certified, frames, leaves, bindings, envelope.sender.code)
    notes = (*opened.reading.notes, *verdict.quirks)
    content = Content(envelope, edxml.effective_document_id(envelope), opened.records, notes)
    return Judged(verdict, content, None, opened.digest, opened.attached, grounds)


def _attested(reading: Reading, verdict: Verdict) -> bool:
    """An unsigned status message stands on the word of the authenticated connection, whatever its profile."""
    return isinstance(reading.message, StatusMessage) and verdict.reason is Reason.UNSIGNED
