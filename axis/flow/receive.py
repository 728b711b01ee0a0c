"""Take in one submission: judge it, decide it, store it, answer with a receipt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from axis.core.acceptance import Acceptance, accept, refusal
from axis.core.attachments import gate, judgeable
from axis.core.clock_hint import Heard
from axis.core.intake import decide_intake, refused
from axis.core.model import AddDocument, Decision, Document, Hop, JudgedAttachment, Principal, StatusReport, Submission
from axis.core.network import Network, PdfRule
from axis.core.octets import Spooled
from axis.core.ports import About, Ledger, LostRace
from axis.core.problems import Kind, Problem, Refused, Unavailable, answer_of
from axis.core.receipt import Receipt, receipt
from axis.core.states import IntakeState
from axis.core.statuses import Report, adopt
from axis.flow.attachments import look
from axis.flow.context import Context, Outdated
from axis.flow.early import is_early
from axis.flow.grounds import evidence_of, make_ready
from axis.flow.judge import Judged, judge
from axis.flow.package import Part
from axis.flow.report import record_status
from schemas.codes import AgencyCode
from schemas.envelope import StatusMessage
from schemas.multipart import PackageForm
from schemas.status import Standing
from signing.verdict import Reason

log = structlog.get_logger()

PROBE: Final = b"axis-probe"
"""What a key signs to show that it does. It is no receipt."""
JUDGED_AGAIN: Final = 4
"""How often one submission is judged where the configuration changes under it each time."""


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
    parts: Sequence[Part[Spooled]] = (),
) -> Taken:
    """Take one package or status message that `by` handed over completely; `spooled` is the envelope of `parts`.

    Returns after everything is on stable storage. `Refused` with the problem to answer: nothing is stored then but,
    for an authenticated caller, one entry in the log. `Unavailable`: repeat the same octets later, that is always safe.
    """
    ctx.refuse_when_log_is_stale()
    await refuse_without_key(ctx)
    for _ in range(JUDGED_AGAIN):
        network = ctx.network
        try:
            return await _receive(spooled, network.current(by), network, ctx, only_for, hops, parts)
        except Outdated:  # the octets are here: nobody need send them again
            continue
    raise Outdated("the configuration changes again and again")


async def _receive(
    spooled: Spooled,
    by: Principal,
    network: Network,
    ctx: Context,
    only_for: Sequence[AgencyCode] | None,
    hops: tuple[Hop, ...],
    parts: Sequence[Part[Spooled]],
) -> Taken:
    """Judge and decide under one configuration. `Outdated` where another one came in between: nothing is stored."""
    try:
        judged = await judge(spooled.view(), by, ctx, parts)
    except Refused as error:
        await _log_refusal(spooled, by, error.problem, None, ctx)
        raise
    if judged.status is not None:
        return Taken(None, await _take_status(spooled, judged, judged.status, by, network, hops, ctx))
    only = tuple(only_for) if only_for is not None else None
    return Taken(await _take_document(spooled, judged, by, network, only, hops, parts, ctx), None)


async def _take_document(
    spooled: Spooled,
    judged: Judged,
    by: Principal,
    network: Network,
    only_for: tuple[AgencyCode, ...] | None,
    hops: tuple[Hop, ...],
    parts: Sequence[Part[Spooled]],
    ctx: Context,
) -> Receipt:
    ctx.admission.refuse_without_room()
    content = judged.content
    if content is None:
        problem = refusal(judged.verdict)
        await _log_refusal(spooled, by, problem, judged, ctx)
        raise answer_of(problem)
    now, envelope = ctx.now(), content.envelope
    form = PackageForm.PARTS if parts else PackageForm.INLINE
    sub = Submission(spooled.ref, judged.digest, by, now, only_for, hops, form)
    everything = (spooled, *(part.held for part in parts))
    attached: Sequence[JudgedAttachment] | None = None
    named = tuple(one.code for one in envelope.recipients)

    def decide(ledger: Ledger) -> Decision[Document | Problem]:
        ctx.see_current(network)
        seen = ledger.same_document(envelope.sender.code, envelope.kind, content.document_id)
        same = next((one for one in seen if one.digest == sub.digest), None)
        addressed = ledger.addressed(same.ref) if same else {}
        anchor = judged.verdict.path[-1] if judged.verdict.path else None
        early = is_early(content, sub.only_for or named, network, ledger)
        waits = early or not judged.verdict.passed or (attached is not None and gate(attached) is Acceptance.HOLD)
        held = ledger.held_under(anchor) if waits else 0
        verdict, nonce = judged.verdict, ctx.nonce()
        return decide_intake(
            sub, content, verdict, seen, addressed, network, now, ctx.new_id, nonce, held, attached, early
        )

    welcome = accept(by.profile, judged.verdict) is not Acceptance.REFUSE
    pieces = evidence_of(judged.verdict, judged.grounds, ctx.known) if welcome else ()
    evidence = await make_ready(pieces, ctx) if pieces else ()

    def body(ledger: Ledger) -> tuple[Document | Problem, bool]:
        decision = decide(ledger)
        stored = next((change.document for change in decision.changes if isinstance(change, AddDocument)), None)
        if stored and not prepared:
            raise LostRace("it was to be no new document, and what it repeats is gone")
        if stored:
            for one in everything:
                if one.inline is not None:
                    ledger.put_payload(one.ref, one.inline)
            ledger.put_evidence(evidence)
        ledger.apply(decision)
        if stored and stored.state is IntakeState.ACCEPTED:
            adopt_orphans(stored, ledger, network, ctx)
        return decision.reply, stored is not None

    gated = network.pdf is PdfRule.GATE and ctx.pdfs is not None and bool(judgeable(content.attachments))
    large = any(one.inline is None for one in everything)
    prepared = not gated and not large
    # Only what would be stored is judged: a repeat keeps its receipt, a stranger costs nothing.
    if gated and (prepared := await _is_new(decide, ctx)):
        looked = await look(judgeable(content.attachments), judged.attached, ctx)
        if looked.unfinished:
            raise Unavailable(Problem(Kind.INTERNAL), retry_after_s=5)
        attached = looked.found
        evidence = (*evidence, *await make_ready(looked.pieces, ctx))
    # Large octets must be durable under their digest before the row that names them; none are kept for a refusal.
    if large and (prepared or not gated) and (prepared := await _is_new(decide, ctx)):
        for one in everything:
            await one.keep()
    about = About(envelope.sender.code, content.document_id, str(envelope.number))
    reply, stored = await ctx.store.transact(body, about, brief=True)
    # From here on the document, its deliveries and its log intents are on stable storage, or none of them is.
    if stored and evidence:
        ctx.known.add(one.ref.sha256 for one in evidence)
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
    if stored:
        ctx.newest = reply.ref
        claimed_at = judged.verdict.claimed_at
        if reply.state is IntakeState.HELD and judged.verdict.reason is Reason.TIME and claimed_at is not None:
            ctx.heard(Heard.SIGNER, envelope.sender.code.text, claimed_at)
    if reply.state is IntakeState.ACCEPTED and judgeable(reply.attachments):
        ctx.attachments_came.set()
    log.info("document_taken", document=reply.ref, by=by.name, state=reply.state.value, size=reply.payload.size)
    return await give_receipt(reply, ctx)


async def _is_new(decide: Callable[[Ledger], Decision[Document | Problem]], ctx: Context) -> bool:
    """Say whether a submission would now be stored."""
    foreseen = await ctx.store.transact(decide)
    return any(isinstance(change, AddDocument) for change in foreseen.changes)


def issue_receipt(document: Document, ctx: Context) -> Receipt:
    """The receipt of a stored document: the same octets each time."""
    return receipt(document, ctx.network.node, ctx.merge_delay, ctx.receipt_key.id, ctx.receipt_key.sign)


async def give_receipt(document: Document, ctx: Context) -> Receipt:
    """`issue_receipt`, beside the event loop where the key is in a device: that may take its time."""
    if ctx.receipt_key.blocks:
        return await asyncio.to_thread(issue_receipt, document, ctx)
    return issue_receipt(document, ctx)


async def refuse_without_key(ctx: Context) -> None:
    """No receipt, no document: `Unavailable(KEY_UNAVAILABLE)` while the key's device does not sign."""
    if not ctx.receipt_key.ready():
        await asyncio.to_thread(ctx.receipt_key.sign, PROBE)


def adopt_orphans(document: Document, ledger: Ledger, network: Network, ctx: Context) -> None:
    """Statuses that came before their document find it, in the transaction that stores it.

    What was said before of each receiver is read once: there may be thousands. Repetitions have no part in what comes
    after them (`Ledger.said_of`).
    """
    before: dict[AgencyCode, list[StatusReport]] = {}
    for orphan in ledger.orphans(document.sender, document.document_id, document.number):
        if orphan.receiver not in document.recipients:
            continue
        prior = before.get(orphan.receiver)
        if prior is None:
            prior = before[orphan.receiver] = list(ledger.statuses(document.ref, orphan.receiver))
        reached = ledger.passed_on(orphan.ref)
        decision = adopt(orphan, document, prior, reached, network, ctx.now(), ctx.new_id)
        ledger.apply(decision)
        if decision.reply.standing is not Standing.REPEATED:
            prior.append(decision.reply)


async def _take_status(
    spooled: Spooled,
    judged: Judged,
    message: StatusMessage,
    by: Principal,
    network: Network,
    hops: tuple[Hop, ...],
    ctx: Context,
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
        signed=signed,
    )
    return await record_status(report, by, hops, ctx, network)


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
