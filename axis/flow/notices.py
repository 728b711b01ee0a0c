"""Take in a neighbour's notice and pass it on towards the sender."""

from __future__ import annotations

import json

import structlog

from axis.core.canonical import canonical
from axis.core.model import Notice, NoticeOutcome, Principal
from axis.core.notice import TYPE, pass_on
from axis.core.ports import Ledger
from axis.core.problems import Kind, Problem, Refused
from axis.flow.context import Context
from schemas.codes import AgencyCode, CodeError
from schemas.envelope import MessageKind

log = structlog.get_logger()

MAX_BYTES = 16_384


async def take_notice(octets: bytes, by: Principal, ctx: Context) -> Notice | None:
    """Store a notice that `by` handed over and make it out towards the sender; `None` for a repeat.

    Only the axis that the document was handed to may tell of it, and only about a document that went through here:
    `Refused(NOT_FOUND)` otherwise. Its signature is for the sender, who knows the other axis; here the authenticated
    connection vouches for it.
    """
    sender, kind, document_id, digest, outcome = _read(octets)

    def body(ledger: Ledger) -> Notice | None:
        stored = ledger.same_document(sender, kind, document_id)
        document = next((one for one in stored if one.digest == digest), None)
        if document is None or not ledger.was_sent(document.ref, by.name):
            raise Refused(Problem(Kind.NOT_FOUND))
        if ledger.same_notice(document.ref, octets):
            return None
        decision = pass_on(octets, outcome, document, by.name, ctx.network, ctx.now(), ctx.new_id)
        ledger.apply(decision)
        return decision.reply

    notice = await ctx.store.transact(body)
    ctx.wake()
    if notice is not None:
        log.info("notice_taken", notice=notice.ref, document=notice.document, outcome=notice.outcome.value, by=by.name)
    return notice


def _read(octets: bytes) -> tuple[AgencyCode, MessageKind, str, str, NoticeOutcome]:
    """What a notice tells of. `Refused(BAD_REQUEST)` for anything that is not the canonical form of one."""
    try:
        facts = json.loads(octets)
        if canonical(facts) != octets or facts["type"] != TYPE or not isinstance(facts["signature"], str):
            raise ValueError
        return (
            AgencyCode.parse(facts["sender"]),
            MessageKind[str(facts["kind"]).upper()],
            str(facts["document_id"]),
            str(facts["package_sha256"]),
            NoticeOutcome(facts["outcome"]),
        )
    except (ValueError, TypeError, KeyError, CodeError, RecursionError):
        raise Refused(Problem(Kind.BAD_REQUEST, "not a notice")) from None
