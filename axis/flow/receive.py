"""Take in one submission: judge it, decide it, store it, answer with a receipt."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from axis.core.acceptance import Acceptance, accept, refusal
from axis.core.intake import decide_intake, refused
from axis.core.model import AddDocument, Decision, Document, Hop, Principal, StatusReport, Submission
from axis.core.ports import Ledger, Spooled
from axis.core.problems import Problem, Refused, answer_of
from axis.core.receipt import Receipt, receipt
from axis.core.states import IntakeState
from axis.core.statuses import Report, adopt
from axis.flow.context import Context
from axis.flow.judge import Judged, judge
from axis.flow.report import record_status
from schemas.codes import AgencyCode
from schemas.envelope import StatusMessage
from signing.verdict import Reason

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a submission: a document's receipt, or a recorded status."""

    receipt: Receipt | None
    status: StatusReport | None


async def receive(
    spooled: Spooled,
    by: Principal,
    ctx: Context,
    only_for: Sequence[AgencyCode] | None = None,
    hops: tuple[Hop, ...] = (),
) -> Taken:
    """Take one package or status message that `by` handed over completely.

    Returns after everything is on stable storage. `Refused` with the problem to answer: nothing is stored then but,
    for an authenticated caller, one entry in the log. `Unavailable`: repeat the same octets later, that is always safe.
    """
    ctx.refuse_when_log_is_stale()
    try:
        judged = await judge(spooled.view(), by, ctx)
    except Refused as error:
        await _log_refusal(spooled, by, error.problem, None, ctx)
        raise
    if judged.status is not None:
        return Taken(None, await _take_status(spooled, judged, judged.status, by, hops, ctx))
    only = tuple(only_for) if only_for is not None else None
    return Taken(await _take_document(spooled, judged, by, only, hops, ctx), None)


async def _take_document(
    spooled: Spooled,
    judged: Judged,
    by: Principal,
    only_for: tuple[AgencyCode, ...] | None,
    hops: tuple[Hop, ...],
    ctx: Context,
) -> Receipt:
    content = judged.content
    if content is None:
        problem = refusal(judged.verdict)
        await _log_refusal(spooled, by, problem, judged, ctx)
        raise answer_of(problem)
    now = ctx.now()
    sub = Submission(spooled.ref, judged.digest, by, now, only_for, hops)

    def decide(ledger: Ledger) -> Decision[Document | Problem]:
        envelope = content.envelope
        seen = ledger.same_document(envelope.sender.code, envelope.kind, content.document_id)
        same = next((one for one in seen if one.digest == sub.digest), None)
        addressed = ledger.addressed(same.ref) if same else frozenset()
        anchor = judged.verdict.path[-1] if judged.verdict.path else None
        held = 0 if judged.verdict.passed else ledger.held_under(anchor)
        return decide_intake(
            sub, content, judged.verdict, seen, addressed, ctx.network, now, ctx.new_id, ctx.nonce(), held
        )

    def body(ledger: Ledger) -> Document | Problem:
        decision = decide(ledger)
        stored = next((change.document for change in decision.changes if isinstance(change, AddDocument)), None)
        if stored and spooled.inline is not None:
            ledger.put_payload(spooled.ref, spooled.inline)
        ledger.apply(decision)
        if stored and stored.state is IntakeState.ACCEPTED:
            adopt_orphans(stored, ledger, ctx)
        return decision.reply

    if spooled.inline is None:
        # Large octets must be durable under their digest before the row that names them; none are kept for a refusal.
        foreseen = await ctx.store.transact(decide)
        if any(isinstance(change, AddDocument) for change in foreseen.changes):
            await spooled.keep()
    reply = await ctx.store.transact(body)
    # From here on the document, its deliveries and its log intents are on stable storage, or none of them is.
    ctx.wake()
    if isinstance(reply, Problem):
        log.warning(
            "submission_refused",
            problem=reply.kind.value,
            by=by.name,
            reason=judged.verdict.reason.value,
            package=sub.digest,
        )
        raise answer_of(reply)
    log.info("document_taken", document=reply.ref, by=by.name, state=reply.state.value, size=reply.payload.size)
    return await give_receipt(reply, ctx)


def issue_receipt(document: Document, ctx: Context) -> Receipt:
    """The receipt of a stored document: the same octets each time."""
    return receipt(document, ctx.network.node, ctx.merge_delay, ctx.receipt_key.id, ctx.receipt_key.sign)


async def give_receipt(document: Document, ctx: Context) -> Receipt:
    """`issue_receipt`, beside the event loop where the key is in a device: that may take its time."""
    if ctx.receipt_key.blocks:
        return await asyncio.to_thread(issue_receipt, document, ctx)
    return issue_receipt(document, ctx)


def adopt_orphans(document: Document, ledger: Ledger, ctx: Context) -> None:
    """Statuses that came before their document find it, in the transaction that stores it."""
    for orphan in ledger.orphans(document.sender, document.document_id, document.number):
        if orphan.receiver not in document.recipients:
            continue
        prior = ledger.statuses(document.ref, orphan.receiver)
        ledger.apply(adopt(orphan, document, prior, ctx.network, ctx.now(), ctx.new_id))


async def _take_status(
    spooled: Spooled, judged: Judged, message: StatusMessage, by: Principal, hops: tuple[Hop, ...], ctx: Context
) -> StatusReport:
    """A status that came as a message: an unsigned one stands on the connection's word, a signed one must be good."""
    signed = judged.verdict.reason is not Reason.UNSIGNED
    if signed and accept(by.profile, judged.verdict) is not Acceptance.ACCEPT:
        problem = refusal(judged.verdict)
        await _log_refusal(spooled, by, problem, judged, ctx)
        raise answer_of(problem)
    now = ctx.now()
    report = Report(
        wire=message.wire_code,
        reporter=message.reporter.code,
        addressee=message.addressee,
        at=(message.at or now).replace(microsecond=0),
        document_id=message.document_id,
        number=message.code,
        description=message.description,
        issued_on=message.promulgated_on,
        staff=message.staff,
    )
    return await record_status(report, None, by, hops, ctx)


async def _log_refusal(spooled: Spooled, by: Principal, problem: Problem, judged: Judged | None, ctx: Context) -> None:
    """One log entry for the refusal of an authenticated caller; the operational log names the digest and the reason."""
    now = ctx.now()
    verdict = judged.verdict if judged else None
    sub = Submission(spooled.ref, judged.digest if judged else "", by, now)
    await ctx.store.transact(lambda ledger: ledger.apply(refused(sub, problem, verdict, now)))
    ctx.wake()
    log.warning(
        "submission_refused",
        problem=problem.kind.value,
        by=by.name,
        reason=verdict.reason.value if verdict else None,
        bytes_sha256=spooled.ref.sha256,
        code=problem.extra.get("code"),
    )
