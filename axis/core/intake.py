"""Decide what becomes of a submission: accept, hold, repeat, refuse; and where an accepted document goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from axis.core.acceptance import Acceptance, accept, refusal
from axis.core.attachments import (
    Cause,
    after_hold,
    attachment_refusal,
    decide_attachments,
    deciding,
    first_check,
    gate,
    stricter,
)
from axis.core.canonical import Json
from axis.core.concern import concerned_id
from axis.core.entry import commitment
from axis.core.hop import MAX_HOPS
from axis.core.model import (
    AddDelivery,
    AddDocument,
    AttachmentCheck,
    AttachmentRecord,
    Cargo,
    Change,
    Decision,
    Delivery,
    DeliveryId,
    Document,
    DocumentRef,
    EntryKind,
    JudgedAttachment,
    LogEntry,
    MarkCrossed,
    MoveDocument,
    NewId,
    Role,
    SetWays,
    Submission,
    Way,
)
from axis.core.network import Network, lane
from axis.core.problems import Kind, Problem
from axis.core.states import INTAKE, DeliveryState, IntakeEvent, IntakeState, advance
from axis.core.way import shares, targets, ways
from schemas.codes import AgencyCode
from schemas.envelope import Envelope, MessageKind
from signing.verdict import Verdict

ROUTES_AN_ENTRY = 200
"""Routes told by one log entry: 200 of the longest codes, endpoints and prefixes stay well below 64 KiB."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a package says, read from its verified bytes; where a profile lets unsigned ones in, the gated ones."""

    envelope: Envelope
    document_id: str
    attachments: tuple[AttachmentRecord, ...] = ()
    notes: tuple[str, ...] = ()


def decide_intake(
    sub: Submission,
    content: Content,
    verdict: Verdict,
    seen: Sequence[Document],
    addressed: Mapping[AgencyCode, DeliveryState],
    network: Network,
    now: datetime,
    new_id: NewId,
    nonce: str,
    held: int = 0,
    attached: Sequence[JudgedAttachment] | None = None,
    early: bool = False,
) -> Decision[Document | Problem]:
    """Decide one submission.

    `seen` are the stored documents under the same (sender, kind, document id), `addressed` the recipients that the one
    of the same digest was made out to already, with how each delivery stands, `held` how many documents wait under the
    signer's trust anchor, `attached` what the judge said of the attachments, where that gates (`PdfRule.GATE`),
    otherwise `None`. `early` says that what it concerns is to be waited for (`axis.flow.early`): it is held, or it
    would be there first. The reply is the stored document or the problem to answer with; a refusal changes nothing but
    the log. Repeats come before the verdict: what was accepted stays accepted.
    """
    problem = _stranger(sub, content.envelope, network)
    if problem:
        return refused(sub, problem, verdict, now)
    same = next((document for document in seen if document.digest == sub.digest), None)
    if same is not None:
        return _repeat(sub, content.envelope, verdict, same, addressed, network, now, new_id)
    outcome = accept(sub.by.profile, verdict)
    if outcome is Acceptance.REFUSE:
        return refused(sub, refusal(verdict), verdict, now)
    if outcome is Acceptance.ACCEPT and not verdict.passed:
        problem = _not_vouched(sub, content.envelope, network)
        if problem:
            return refused(sub, problem, verdict, now)
    if attached is not None:
        outcome = stricter(outcome, gate(attached))
        bad = deciding(attached)
        if outcome is Acceptance.REFUSE and bad is not None:
            return refused(sub, attachment_refusal(bad), verdict, now)
    if early:
        outcome = stricter(outcome, Acceptance.HOLD)
    if outcome is Acceptance.HOLD and held >= network.hold_count:
        return refused(sub, Problem(Kind.REVOCATION_UNKNOWN), verdict, now)
    if seen and content.envelope.kind is MessageKind.NEW:
        return refused(sub, Problem(Kind.DUPLICATE_CONFLICT), verdict, now)
    problem = _unreachable(sub, content.envelope, network, now)
    if problem:
        return refused(sub, problem, verdict, now)
    state = advance(INTAKE, IntakeState.START, _EVENT[outcome])
    envelope = content.envelope
    document = Document(
        ref=DocumentRef(new_id()),
        sender=envelope.sender.code,
        kind=envelope.kind,
        document_id=content.document_id,
        concerns=concerned_id(envelope, content.document_id),
        digest=sub.digest,
        payload=sub.payload,
        number=str(envelope.number),
        subject=envelope.subject,
        recipients=tuple(item.code for item in envelope.recipients),
        verdict=verdict,
        state=state,
        receipt_state=state,
        by=sub.by.name,
        via=sub.by.role,
        accepted_at=now,
        nonce=nonce,
        issued_on=envelope.issued_on,
        priority=envelope.other.priority,
        attachments=content.attachments,
        only_for=sub.only_for,
        hops=sub.hops,
        crossed=sub.by.role is Role.NATIONAL,
        notes=content.notes,
        form=sub.form,
    )
    judged: Decision[AttachmentCheck | None] = Decision((), (), None)
    if attached:
        judged = decide_attachments(document, None, {}, attached, Cause.INTAKE, network, now)
    if state is IntakeState.HELD:
        entry = LogEntry(EntryKind.HELD, now, sub.by.name, document.ref, document_facts(document))
        return Decision((entry, *judged.entries), (AddDocument(document), *judged.changes), document)
    deliveries, routed = _fan_out(document, targets(document), network, now, new_id)
    if not document.crossed and _crosses(deliveries, network):
        document = replace(document, crossed=True)
    entries = (
        LogEntry(EntryKind.ACCEPTED, now, sub.by.name, document.ref, document_facts(document)),
        *routed,
        *judged.entries,
    )
    checks = (*judged.changes, *first_check(document, network, now))
    return Decision(entries, (AddDocument(document), *map(AddDelivery, deliveries), *checks), document)


_EVENT = {
    Acceptance.ACCEPT: IntakeEvent.PASS,
    Acceptance.HOLD: IntakeEvent.DOUBT,
    Acceptance.REFUSE: IntakeEvent.FAIL,
}


def decide_recheck(
    document: Document,
    acceptance: Acceptance,
    verdict: Verdict,
    network: Network,
    now: datetime,
    new_id: NewId,
    check: AttachmentCheck | None = None,
    early: bool = False,
) -> Decision[Document]:
    """Decide a held document again under a new verdict; past the hold budget doubt becomes refusal.

    `check` is how far judging its attachments is. A good one whose recipients cannot all be reached now (the routes
    changed since) goes on waiting: all or none. One that is `early`, as in `decide_intake`, waits as long as what it
    concerns, as it would in its lane.
    """
    event = _EVENT[acceptance]
    if event is IntakeEvent.PASS and early:
        return Decision((), (), document)
    if event is IntakeEvent.PASS and not all(
        _leads_on(code, way, network) for way, codes in shares(document) for code in codes
    ):
        event = IntakeEvent.DOUBT
    if event is IntakeEvent.DOUBT:
        if now - document.accepted_at < network.hold:
            return Decision((), (), document)
        event = IntakeEvent.EXPIRE
    state = advance(INTAKE, document.state, event)
    moved = replace(document, state=state, verdict=verdict)
    entry = LogEntry(
        EntryKind.RELEASED, now, network.node, document.ref, {"event": event.value, **document_facts(moved)}
    )
    change = MoveDocument(document.ref, document.state, state, verdict)
    judging = after_hold(moved, check, network, now)
    if state is not IntakeState.ACCEPTED:
        return Decision((entry,), (change, *judging), moved)
    # A delivery has the trace of one way.
    made = [_fan_out(moved, codes, network, now, new_id) for _, codes in shares(moved) if codes]
    deliveries = [one for some, _ in made for one in some]
    changes: list[Change] = [change, *map(AddDelivery, deliveries), *judging]
    if not moved.crossed and _crosses(deliveries, network):
        changes.append(MarkCrossed(document.ref))
        moved = replace(moved, crossed=True)
    return Decision((entry, *(told for _, routed in made for told in routed)), tuple(changes), moved)


def _leads_on(code: AgencyCode, way: Way, network: Network) -> bool:
    """Whether there is a route to `code`, and it does not go back to the axis that brought the document for it."""
    route = network.routes.route(code)
    return route is not None and (route.endpoint != way.by or not network.leads_away(route.endpoint))


def refused(sub: Submission, problem: Problem, verdict: Verdict | None, now: datetime) -> Decision[Document | Problem]:
    """The decision that refuses: one log entry, nothing stored. Only for authenticated callers."""
    facts: dict[str, Json] = {"problem": problem.kind.value, "role": sub.by.role.value}
    if verdict is not None:
        facts |= {"verdict": verdict.indication.value, "reason": verdict.reason.value}
    return Decision((LogEntry(EntryKind.REFUSED, now, sub.by.name, "", facts),), (), problem)


def _stranger(sub: Submission, envelope: Envelope, network: Network) -> Problem | None:
    sender = envelope.sender.code
    if not network.registry.within(sender, sub.by.authority):
        return Problem(Kind.NOT_YOUR_AGENCY, "From lies outside what this connection may send for")
    if network.registry.find(sender) is None:
        if sub.by.role is not Role.NATIONAL:
            return Problem(Kind.UNKNOWN_AGENCY, "the sender is not registered")
        if network.registry.in_another_case(sender):
            return Problem(Kind.UNKNOWN_AGENCY, "the sender's code is that of another agency, but for its case")
    if any(hop.node == network.node for hop in sub.hops) or len(sub.hops) >= MAX_HOPS:
        return Problem(Kind.ROUTING_LOOP)
    return None


def _not_vouched(sub: Submission, envelope: Envelope, network: Network) -> Problem | None:
    """A package that nobody's signature vouches for stands on the word of its connection alone."""
    if network.may_vouch(sub.by, envelope.sender.code, package=True):
        return None
    return Problem(Kind.NOT_YOUR_AGENCY, "the sender is reached another way, and this copy carries no good signature")


def _unreachable(sub: Submission, envelope: Envelope, network: Network, now: datetime) -> Problem | None:
    named = [item.code for item in envelope.recipients]
    if len(named) > network.max_recipients:
        return Problem(Kind.TOO_LARGE, f"at most {network.max_recipients} recipients")
    if envelope.sender.code in named:
        return Problem(Kind.SCHEMA_VIOLATION, "a document cannot be addressed to its own sender")
    if sub.only_for is not None and not set(sub.only_for) <= set(named):
        return Problem(Kind.BAD_REQUEST, "a recipient of this copy is not named in the document")
    asked_for = named if sub.only_for is None else sub.only_for
    if not asked_for:
        return Problem(Kind.BAD_REQUEST, "there is nobody that this copy is for")
    for code in asked_for:
        agency = network.registry.find(code)
        if agency is None:
            return Problem(Kind.UNKNOWN_AGENCY, "a recipient is not registered", {"agency": code.text})
        if not agency.active(now):
            successors = tuple(item.text for item in agency.successors)
            return Problem(
                Kind.INACTIVE_AGENCY, "a recipient is closed", {"agency": code.text, "successors": successors}
            )
        route = network.routes.route(code)
        if route is None:
            return Problem(Kind.NO_ROUTE, extra={"agency": code.text})
        if route.endpoint == sub.by.name and network.leads_away(route.endpoint):
            return Problem(Kind.ROUTING_LOOP, extra={"agency": code.text})
    return None


def _repeat(
    sub: Submission,
    envelope: Envelope,
    verdict: Verdict,
    document: Document,
    addressed: Mapping[AgencyCode, DeliveryState],
    network: Network,
    now: datetime,
    new_id: NewId,
) -> Decision[Document | Problem]:
    """The same package again: the first receipt. A neighbour may bring it for recipients not made out yet.

    Those are held to the same rules as on the first day: a receipt for a recipient that is not reached would be a lie.
    A held document is delivered to nobody yet; its release reaches them too. Who brings it, and for whom, is kept:
    whoever has our receipt for a recipient is told if that one is not reached, and where that is known already, there
    is no receipt.
    """
    asked_for = document.recipients if sub.only_for is None else sub.only_for
    waits = document.state is not IntakeState.ACCEPTED
    known = {*addressed, *targets(document)} if waits else {*addressed}
    fresh = tuple(code for code in asked_for if code not in known)
    brought = {code for way in ways(document) if way.by == sub.by.name for code in way.recipients}
    theirs = tuple(code for code in asked_for if code in fresh or code not in brought)
    problem = _unreached(theirs, addressed)
    if fresh and problem is None:
        problem = _unreachable(replace(sub, only_for=fresh), envelope, network, now)
    if fresh and document.removed_at is not None:
        problem = Problem(Kind.CONTENT_REMOVED, "it was accepted before, and these recipients were not among its own")
    if problem:
        return refused(sub, problem, verdict, now)
    facts: dict[str, Json] = {"role": sub.by.role.value}
    changes: list[Change] = []
    if theirs:
        way = Way(sub.by.name, sub.by.role, sub.hops, theirs, now)
        facts |= {"hops": [hop.node for hop in way.hops], "for": [code.text for code in theirs]}
        changes.append(SetWays(document.ref, document.state, (*document.ways, way)))
    entry = LogEntry(EntryKind.REPEATED, now, sub.by.name, document.ref, facts)
    if waits or not fresh:
        return Decision((entry,), tuple(changes), document)
    deliveries, routed = _fan_out(document, fresh, network, now, new_id)
    changes += map(AddDelivery, deliveries)
    if not document.crossed and (sub.by.role is Role.NATIONAL or _crosses(deliveries, network)):
        changes.append(MarkCrossed(document.ref))
    return Decision((entry, *routed), tuple(changes), document)


def _unreached(theirs: Sequence[AgencyCode], addressed: Mapping[AgencyCode, DeliveryState]) -> Problem | None:
    """What failed before it was brought by this way, too: those who brought it then were told, this one is told now."""
    for code in theirs:
        if addressed.get(code) is DeliveryState.FAILED:
            why = "it was brought by another way before, and this recipient could not be reached"
            return Problem(Kind.NO_ROUTE, why, {"agency": code.text})
    return None


def _fan_out(
    document: Document, targets: Sequence[AgencyCode], network: Network, now: datetime, new_id: NewId
) -> tuple[list[Delivery], tuple[LogEntry, ...]]:
    """One delivery per recipient of ours, one per neighbouring axis for all recipients behind it.

    Every target has a route here: the callers asked before. The log entries tell the routes, so many at a time that
    none outgrows a leaf.
    """
    groups: dict[tuple[str, AgencyCode | None], list[AgencyCode]] = {}
    chosen: list[Json] = []
    for code in dict.fromkeys(targets):  # named twice is still one recipient
        route = network.routes.route(code)
        chosen.append([code.text, route.endpoint if route else None, route.rule.prefix if route else None])
        if route is not None:
            away = network.leads_away(route.endpoint)
            groups.setdefault((route.endpoint, None if away else code), []).append(code)
    deliveries = [
        Delivery(
            id=DeliveryId(new_id()),
            cargo=Cargo.DOCUMENT,
            cargo_ref=document.ref,
            document=document.ref,
            endpoint=endpoint,
            recipients=tuple(codes),
            lane=lane(endpoint, [one] if one else (), document.sender, document.concerns),
            created_at=now,
            due_at=now,
            priority=document.priority,
        )
        for (endpoint, one), codes in groups.items()
    ]
    routed = tuple(
        LogEntry(EntryKind.ROUTED, now, network.node, document.ref, {"routes": chosen[first : first + ROUTES_AN_ENTRY]})
        for first in range(0, len(chosen), ROUTES_AN_ENTRY)
    )
    return deliveries, routed


def _crosses(deliveries: Sequence[Delivery], network: Network) -> bool:
    return any(network.roles[delivery.endpoint] is Role.NATIONAL for delivery in deliveries)


def document_facts(document: Document) -> dict[str, Json]:
    """What the log says of a document: agencies and verdict codes plainly, identity and content as commitments."""
    verdict = document.verdict
    return {
        "sender": document.sender.text,
        "recipients": [code.text for code in document.recipients],
        "kind": document.kind.slug,
        "role": str(document.via),
        "hops": [hop.node for hop in document.hops],
        "verdict": str(verdict.indication),
        "sub_indication": str(verdict.sub_indication) if verdict.sub_indication else None,
        "reason": str(verdict.reason),
        "policy_sha256": verdict.policy_sha256,
        "document_commitment": commitment(document.nonce, "document_id", document.document_id),
        "package_commitment": commitment(document.nonce, "package", document.digest),
        "bytes_commitment": commitment(document.nonce, "bytes", document.payload.sha256),
        "verdict_commitment": commitment(document.nonce, "verdict", verdict.stored()),
    }
