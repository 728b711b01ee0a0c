"""Take in a neighbour's notice and pass it on towards the sender."""

from __future__ import annotations

import json
from dataclasses import dataclass

import structlog

from axis.core.canonical import canonical
from axis.core.model import Cargo, Notice, NoticeOutcome, Principal
from axis.core.notice import TYPE, handed_to, may_tell_more, pass_on
from axis.core.ports import Ledger
from axis.core.problems import Kind, Problem, Refused
from axis.flow.context import Context
from schemas.codes import AgencyCode, CodeError
from schemas.envelope import MessageKind

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Told:
    """What a notice tells of. `recipients` is empty but where it is of a delivery that failed."""

    node: str
    sender: AgencyCode
    kind: MessageKind
    document_id: str
    digest: str
    outcome: NoticeOutcome
    recipients: frozenset[AgencyCode]


async def take_notice(octets: bytes, by: Principal, ctx: Context) -> Notice | None:
    """Store a notice that `by` handed over and make it out towards the sender; `None` for a repeat.

    Only the axis that the document was handed to may tell of it, only about a document that went through here, and of
    no recipient but those that it was handed over for: `Refused(NOT_FOUND)` otherwise. Not without end either:
    `Refused(BAD_REQUEST)`. Its signature is for the sender, who knows the other axis; here the authenticated connection
    vouches for it.
    """
    told = _read(octets)
    if told.node == ctx.node:  # what we told ourselves nobody need bring us
        raise Refused(Problem(Kind.BAD_REQUEST, "not a notice of another axis"))

    def body(ledger: Ledger) -> Notice | None:
        network = ctx.network
        stored = ledger.same_document(told.sender, told.kind, told.document_id)
        document = next((one for one in stored if one.digest == told.digest), None)
        deliveries = ledger.handed_to(document.ref) if document else ()
        handed = handed_to(by.name, deliveries, network)
        if document is None or not handed or not told.recipients <= handed:
            raise Refused(Problem(Kind.NOT_FOUND))
        if ledger.same_notice(document.ref, octets):
            return None
        if not may_tell_more(ledger.notices(document.ref), deliveries):
            raise Refused(Problem(Kind.BAD_REQUEST, "too many notices about this document"))
        decision = pass_on(octets, told.outcome, told.recipients, document, by.name, network, ctx.now(), ctx.new_id)
        ledger.apply(decision)
        return decision.reply

    notice = await ctx.store.transact(body)
    ctx.wake()
    if notice is not None:
        log.info("notice_taken", notice=notice.ref, document=notice.document, outcome=notice.outcome.value, by=by.name)
    return notice


def _read(octets: bytes) -> _Told:
    """What a notice tells of. `Refused(BAD_REQUEST)` for anything that is not the canonical form of one."""
    try:
        facts = json.loads(octets)
        if canonical(facts) != octets or facts["type"] != TYPE or not isinstance(facts["signature"], str):
            raise ValueError
        outcome = NoticeOutcome(facts["outcome"])
        failed = outcome is NoticeOutcome.UNDELIVERED
        # Of a status its reporter alone is told, by the axis that it is connected to: that is never passed on.
        if failed and (facts["cargo"] != Cargo.DOCUMENT or not facts["recipients"]):
            raise ValueError
        return _Told(
            node=str(facts["node"]),
            sender=AgencyCode.parse(facts["sender"]),
            kind=MessageKind[str(facts["kind"]).upper()],
            document_id=str(facts["document_id"]),
            digest=str(facts["package_sha256"]),
            outcome=outcome,
            recipients=frozenset(map(AgencyCode.parse, facts["recipients"])) if failed else frozenset(),
        )
    except (ValueError, TypeError, KeyError, CodeError, RecursionError):
        raise Refused(Problem(Kind.BAD_REQUEST, "not a notice")) from None
