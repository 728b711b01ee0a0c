"""Decide what judged attachments mean: what the log tells, when they are judged again, and whether they gate.

The package's own verdict gates; those of the PDFs inside inform and mark, unless the site's rule is `gate`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from axis.core.acceptance import Acceptance
from axis.core.canonical import Json, canonical
from axis.core.entry import commitment
from axis.core.model import (
    AddAttachmentCheck,
    AddAttachmentVerdict,
    AttachmentCheck,
    AttachmentRecord,
    AttachmentVerdict,
    Change,
    Decision,
    Document,
    EntryKind,
    JudgedAttachment,
    LogEntry,
    MoveAttachmentCheck,
    PayloadRef,
)
from axis.core.network import Network, PdfRule
from axis.core.problems import Kind, Problem
from axis.core.states import IntakeState
from schemas.multipart import PackageForm
from signing.verdict import REASONS, PdfOutcome, Reason

FIRST_AGAIN: Final = timedelta(minutes=1)
LAST_AGAIN: Final = timedelta(hours=6)
"""The pauses between judgements double from one to the other: some twenty rounds in a hold budget of 72 hours."""
ATTACHMENTS_AN_ENTRY: Final = 200
"""Attachments told by one log entry: each takes below 250 octets of a leaf's 64 KiB."""

_WORST_FIRST: Final = (PdfOutcome.INVALID, PdfOutcome.INDETERMINATE, PdfOutcome.UNSIGNED, PdfOutcome.VALID)


class Cause(StrEnum):
    """Why attachments are judged now."""

    INTAKE = "intake"
    DUE = "due"
    EVIDENCE = "evidence"


GATE: Final[Mapping[PdfOutcome | None, Acceptance]] = MappingProxyType(
    {
        None: Acceptance.ACCEPT,
        PdfOutcome.VALID: Acceptance.ACCEPT,
        PdfOutcome.UNSIGNED: Acceptance.ACCEPT,
        PdfOutcome.INDETERMINATE: Acceptance.ACCEPT,
        PdfOutcome.INVALID: Acceptance.REFUSE,
    }
)
"""What one attachment does to a package under the rule `gate`, where it does not wait for evidence: then it holds.

Other doubt (damaged, encrypted, beyond a limit, an unknown root) passes marked, as unsigned does: whoever could bring
about doubt could as well take the signature out, and documents that are old or from elsewhere are lawfully in doubt.
"""


Newest = Mapping[int, JudgedAttachment]
"""What was last said of each attachment, by its place in the manifest."""


def attached_payloads(document: Document) -> tuple[PayloadRef, ...]:
    """The octets that are kept beside the envelope, in manifest order; none where they stand inside it."""
    if document.form is PackageForm.INLINE:
        return ()
    return tuple(PayloadRef(one.sha256, one.size) for one in document.attachments)


def judgeable(attachments: Iterable[AttachmentRecord]) -> dict[int, AttachmentRecord]:
    """Those that may hold signatures of their own, by place."""
    return {place: one for place, one in enumerate(attachments, 1) if one.form is not None}


def open_ones(attachments: Iterable[AttachmentRecord], newest: Newest) -> dict[int, AttachmentRecord]:
    """Those that still are to be judged, by place: never were before, or without knowing of revocation."""
    found = judgeable(attachments)
    return {place: one for place, one in found.items() if place not in newest or newest[place].waits}


def worst(found: Iterable[JudgedAttachment]) -> PdfOutcome | None:
    outcomes = {one.outcome for one in found}
    return next((outcome for outcome in _WORST_FIRST if outcome in outcomes), None)


def gate(found: Iterable[JudgedAttachment]) -> Acceptance:
    """What the attachments make of a package under the rule `gate`."""
    acceptances = {Acceptance.HOLD if one.waits else GATE[one.outcome] for one in found}
    return stricter(*acceptances)


def stricter(*acceptances: Acceptance) -> Acceptance:
    for one in (Acceptance.REFUSE, Acceptance.HOLD):
        if one in acceptances:
            return one
    return Acceptance.ACCEPT


def deciding(found: Iterable[JudgedAttachment]) -> JudgedAttachment | None:
    """The attachment that the gate's answer rests on; `None` where all pass."""
    everything = tuple(found)
    answer = gate(everything)
    return None if answer is Acceptance.ACCEPT else next(one for one in everything if gate((one,)) is answer)


def attachment_refusal(found: JudgedAttachment) -> Problem:
    """The problem that the sender is answered with: which attachment, by content id, and why."""
    reason = found.reason or Reason.PROCESSING
    sentence = REASONS[reason]
    extra = {"content_id": found.content_id, "reason": reason.value, "reason_vi": sentence.vi}
    return Problem(Kind.ATTACHMENT_SIGNATURE_FAILED, sentence.en, extra)


def first_check(document: Document, network: Network, now: datetime) -> tuple[Change, ...]:
    """An accepted document whose attachments are to be judged beside its way, as soon as somebody comes to it."""
    if network.pdf is not PdfRule.INFORM or not judgeable(document.attachments):
        return ()
    return (AddAttachmentCheck(AttachmentCheck(document.ref, now, now)),)


def decide_attachments(
    document: Document,
    check: AttachmentCheck | None,
    newest: Newest,
    found: Sequence[JudgedAttachment],
    cause: Cause,
    network: Network,
    now: datetime,
    unfinished: bool = False,
) -> Decision[AttachmentCheck | None]:
    """Record one round of judging. `newest` is what was known before, `found` what is said now.

    `check` is `None` before the first round under the rule `gate`. `unfinished` where the judge was not given the time:
    the rest is judged again. Evidence that changes nothing leaves no trace; the schedule always does, and ends with the
    hold budget: then doubt stays what is shown.
    """
    if cause is Cause.EVIDENCE and all(_same(newest.get(one.place), one) for one in found):
        return Decision((), (), check)
    known = {**newest, **{one.place: one for one in found}}
    before = check or AttachmentCheck(document.ref, now, now)
    number = before.rounds + 1
    waits = unfinished or any(one.waits for one in known.values())
    due = next_due(number, before.since, now, network.hold) if waits else None
    after = replace(before, rounds=number, due_at=due, outcome=worst(known.values()))
    verdicts = [AddAttachmentVerdict(AttachmentVerdict(document.ref, number, now, one)) for one in found]
    move = AddAttachmentCheck(after) if check is None else MoveAttachmentCheck(after, check.rounds)
    return Decision(_entries(document, after, found, cause, network.node, now), (move, *verdicts), after)


def is_last(check: AttachmentCheck, network: Network, now: datetime) -> bool:
    """Say whether what is judged now will not be judged again."""
    return next_due(check.rounds + 1, check.since, now, network.hold) is None


def next_due(rounds: int, since: datetime, now: datetime, budget: timedelta) -> datetime | None:
    """When to judge again after so many rounds; `None` when the budget is spent."""
    pause = min(FIRST_AGAIN * 2 ** min(rounds - 1, 20), LAST_AGAIN)
    due = now + pause
    return None if due > since + budget else due


def after_hold(
    document: Document, check: AttachmentCheck | None, network: Network, now: datetime
) -> tuple[Change, ...]:
    """What becomes of the judging when a held document has been decided: begun, gone on with, or over."""
    if document.state is IntakeState.ACCEPTED:
        return first_check(document, network, now) if check is None else ()
    over = check is not None and check.due_at is not None
    return (MoveAttachmentCheck(replace(check, due_at=None), check.rounds),) if check and over else ()


def _same(before: JudgedAttachment | None, now: JudgedAttachment) -> bool:
    return before is not None and (before.outcome, before.reason, before.waits) == (now.outcome, now.reason, now.waits)


def attachment_commitments(document: Document, found: JudgedAttachment) -> tuple[Json, Json]:
    """What the log says of one judged attachment: commitments to its octets and to the verdict."""
    record = document.attachments[found.place - 1]
    return (
        commitment(document.nonce, "attachment", record.sha256),
        commitment(document.nonce, "attachment_verdict", canonical(found.verdict).decode()),
    )


def _entries(
    document: Document,
    check: AttachmentCheck,
    found: Sequence[JudgedAttachment],
    cause: Cause,
    node: str,
    now: datetime,
) -> tuple[LogEntry, ...]:
    told: list[Json] = []
    for one in found:
        outcome, reason = one.outcome and one.outcome.value, one.reason and one.reason.value
        told.append([one.place, outcome, reason, *attachment_commitments(document, one)])
    facts: dict[str, Json] = {
        "cause": cause.value,
        "round": check.rounds,
        "outcome": check.outcome and check.outcome.value,
        "again": check.due_at is not None,
    }
    parts = [told[first : first + ATTACHMENTS_AN_ENTRY] for first in range(0, len(told), ATTACHMENTS_AN_ENTRY)]
    return tuple(
        LogEntry(EntryKind.ATTACHMENTS, now, node, document.ref, {**facts, "attachments": part})
        for part in parts or [[]]
    )
