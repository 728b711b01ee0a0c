"""What judged attachments mean: the gate, the schedule, what the log tells."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from axis.core.acceptance import Acceptance
from axis.core.attachments import (
    LAST_AGAIN,
    Cause,
    Newest,
    decide_attachments,
    deciding,
    gate,
    is_last,
    open_ones,
    worst,
)
from axis.core.canonical import canonical
from axis.core.entry import commitment, leaf
from axis.core.intake import decide_intake, decide_recheck
from axis.core.model import (
    AddAttachmentCheck,
    AddAttachmentVerdict,
    AddDocument,
    AttachmentCheck,
    AttachmentRecord,
    Decision,
    Document,
    EntryKind,
    JudgedAttachment,
    MoveAttachmentCheck,
)
from axis.core.network import PdfRule
from axis.core.problems import Kind
from axis.core.states import IntakeState
from signing.verdict import PdfOutcome, Reason
from tests.unit.core.world import (
    NONCE,
    NOW,
    TWENTY,
    content,
    deliveries,
    document_of,
    ids,
    network,
    passed,
    problem_of,
    sound,
    submission,
    waiting,
)

PDF = AttachmentRecord("a1", "Tờ trình.pdf", "application/pdf", 3, "ab" * 32, "pdf")
ZIP = AttachmentRecord("a2", "Phụ lục.zip", None, 3, "cd" * 32, "zip")
TEXT = AttachmentRecord("a3", "Ghi chú.txt", None, 3, "ef" * 32)
REASONS = {
    PdfOutcome.VALID: Reason.GOOD,
    PdfOutcome.UNSIGNED: Reason.UNSIGNED,
    PdfOutcome.INVALID: Reason.DIGEST,
    PdfOutcome.INDETERMINATE: Reason.PROCESSING,
    None: None,
}


def judged(outcome: PdfOutcome | None, place: int = 1, *, waits: bool = False) -> JudgedAttachment:
    reason = Reason.REVOCATION_UNKNOWN if waits else REASONS[outcome]
    return JudgedAttachment(place, f"a{place}", outcome, reason, waits, {"name": "Tờ trình.pdf", "n": place})


GOOD, BAD = judged(PdfOutcome.VALID), judged(PdfOutcome.INVALID)
UNSIGNED, DOUBT = judged(PdfOutcome.UNSIGNED), judged(PdfOutcome.INDETERMINATE)
WAITS = judged(PdfOutcome.INDETERMINATE, waits=True)
NOTHING = judged(None)


def taken(
    rule: PdfRule,
    attached: Sequence[JudgedAttachment] | None = None,
    records: Sequence[AttachmentRecord] = (PDF, ZIP, TEXT),
    verdict: Any = None,
) -> Decision[Any]:
    said = replace(content(TWENTY), attachments=tuple(records))
    at = network(pdf=rule)
    return sound(
        decide_intake(submission(), said, verdict or passed(), (), {}, at, NOW, ids("doc"), NONCE, attached=attached)
    )


def document() -> Document:
    return document_of(taken(PdfRule.OFF))


def checks(decision: Decision[Any]) -> list[AttachmentCheck]:
    kinds = (AddAttachmentCheck, MoveAttachmentCheck)
    return [change.check for change in decision.changes if isinstance(change, kinds)]


def test_beside_the_way_a_document_is_accepted_and_its_attachments_are_due() -> None:
    decision = taken(PdfRule.INFORM)
    stored = document_of(decision)
    assert stored.state is IntakeState.ACCEPTED
    assert checks(decision) == [AttachmentCheck(stored.ref, NOW, NOW)]
    assert len(deliveries(decision)) == 1


@pytest.mark.parametrize(
    ("rule", "records"), [(PdfRule.OFF, (PDF, ZIP)), (PdfRule.INFORM, (TEXT,)), (PdfRule.INFORM, ())]
)
def test_nothing_is_due_where_nothing_is_to_be_judged(rule: PdfRule, records: Sequence[AttachmentRecord]) -> None:
    assert checks(taken(rule, records=records)) == []


def test_a_held_document_s_attachments_are_due_when_it_is_released() -> None:
    held = taken(PdfRule.INFORM, verdict=waiting())
    assert checks(held) == []
    at = network(pdf=PdfRule.INFORM)
    released = decide_recheck(document_of(held), Acceptance.ACCEPT, passed(), at, NOW, ids())
    assert [check.due_at for check in checks(released)] == [NOW]
    known = AttachmentCheck(document_of(held).ref, NOW, None, 1, PdfOutcome.VALID)
    again = decide_recheck(document_of(held), Acceptance.ACCEPT, passed(), at, NOW, ids(), known)
    assert checks(again) == [], "what was judged already is not judged again"


GATED = [
    ([GOOD], Acceptance.ACCEPT),
    ([UNSIGNED], Acceptance.ACCEPT),
    ([NOTHING], Acceptance.ACCEPT),
    ([DOUBT], Acceptance.ACCEPT),
    ([], Acceptance.ACCEPT),
    ([WAITS], Acceptance.HOLD),
    ([GOOD, WAITS, UNSIGNED], Acceptance.HOLD),
    ([BAD], Acceptance.REFUSE),
    ([WAITS, BAD], Acceptance.REFUSE),
]


@pytest.mark.parametrize(("found", "acceptance"), GATED)
def test_the_gate(found: list[JudgedAttachment], acceptance: Acceptance) -> None:
    assert gate(found) is acceptance
    bad = deciding(found)
    assert (bad is None) is (acceptance is Acceptance.ACCEPT)
    if bad is not None:
        assert gate([bad]) is acceptance


def test_a_package_with_an_attachment_that_is_not_valid_is_refused_by_its_content_id() -> None:
    decision = taken(PdfRule.GATE, [GOOD, judged(PdfOutcome.INVALID, 2)])
    problem = problem_of(decision)
    assert problem.kind is Kind.ATTACHMENT_SIGNATURE_FAILED
    assert (problem.extra["content_id"], problem.extra["reason"]) == ("a2", "sig-digest")
    assert "zip" not in str(problem)
    assert decision.changes == ()


def test_a_package_that_waits_for_an_attachment_is_held_with_its_verdicts() -> None:
    decision = taken(PdfRule.GATE, [WAITS, judged(PdfOutcome.VALID, 2)])
    held = document_of(decision)
    assert held.state is IntakeState.HELD
    assert deliveries(decision) == []
    (check,) = checks(decision)
    assert (check.rounds, check.outcome) == (1, PdfOutcome.INDETERMINATE)
    assert check.due_at is not None
    assert [entry.kind for entry in decision.entries] == [EntryKind.HELD, EntryKind.ATTACHMENTS]
    refused = decide_recheck(held, Acceptance.REFUSE, passed(), network(), NOW, ids(), check)
    assert checks(refused) == [replace(check, due_at=None)], "nobody judges for a document that is gone"


def test_a_revoked_package_is_refused_as_before_whatever_is_attached() -> None:
    from signing.verdict import SubIndication
    from tests.unit.core.world import verdict_of

    revoked = verdict_of(SubIndication.REVOKED, Reason.REVOKED)
    assert problem_of(taken(PdfRule.GATE, [GOOD], verdict=revoked)).kind is Kind.SIGNATURE_FAILED


def step(
    found: Sequence[JudgedAttachment],
    check: AttachmentCheck | None,
    newest: Newest | None = None,
    cause: Cause = Cause.DUE,
    at: datetime = NOW,
    *,
    unfinished: bool = False,
) -> Decision[AttachmentCheck | None]:
    return sound(decide_attachments(document(), check, newest or {}, found, cause, network(), at, unfinished))


def due(rounds: int = 0) -> AttachmentCheck:
    return AttachmentCheck(document().ref, NOW, NOW, rounds)


def test_what_is_decided_is_not_due_again() -> None:
    decision = step([GOOD, judged(PdfOutcome.UNSIGNED, 2)], due())
    after = decision.reply
    assert after is not None
    assert (after.due_at, after.rounds, after.outcome) == (None, 1, PdfOutcome.UNSIGNED)
    assert isinstance(decision.changes[0], MoveAttachmentCheck)
    assert [change.verdict.round for change in decision.changes if isinstance(change, AddAttachmentVerdict)] == [1, 1]


def test_only_what_waits_or_was_never_judged_is_open() -> None:
    records = (PDF, ZIP, TEXT)
    assert list(open_ones(records, {})) == [1, 2]
    assert list(open_ones(records, {1: GOOD})) == [2]
    assert list(open_ones(records, {1: WAITS, 2: judged(PdfOutcome.INVALID, 2)})) == [1]


def test_doubt_is_looked_at_more_and_more_seldom_and_ends_with_the_budget() -> None:
    check, now, pauses = due(), NOW, []
    while True:
        after = step([WAITS], check, {1: WAITS}, at=now).reply
        assert after is not None
        assert after.outcome is PdfOutcome.INDETERMINATE, "time alone makes nothing valid"
        if after.due_at is None:
            assert is_last(check, network(), now)
            break
        assert not is_last(check, network(), now)
        pauses.append(after.due_at - now)
        check, now = after, after.due_at
    assert pauses[0] == timedelta(minutes=1)
    assert pauses == sorted(pauses)
    assert pauses[-1] == LAST_AGAIN
    assert len(pauses) < 25
    assert timedelta(hours=60) < now - NOW <= timedelta(hours=72)


def test_evidence_that_changes_nothing_leaves_no_trace() -> None:
    decision = step([WAITS], due(1), {1: WAITS}, Cause.EVIDENCE)
    assert (decision.entries, decision.changes) == ((), ())
    decided = step([GOOD], due(1), {1: WAITS}, Cause.EVIDENCE)
    assert decided.reply is not None
    assert (decided.reply.outcome, decided.reply.due_at) == (PdfOutcome.VALID, None)


def test_a_judge_without_time_is_asked_again() -> None:
    decision = step([], due(), unfinished=True)
    after = decision.reply
    assert after is not None
    assert (after.rounds, after.outcome, after.due_at) == (1, None, NOW + timedelta(minutes=1))
    assert [entry.facts["attachments"] for entry in decision.entries] == [[]]


def test_the_worst_counts() -> None:
    assert worst([GOOD, UNSIGNED, NOTHING]) is PdfOutcome.UNSIGNED
    assert worst([GOOD, DOUBT, UNSIGNED]) is PdfOutcome.INDETERMINATE
    assert worst([DOUBT, BAD, GOOD]) is PdfOutcome.INVALID
    assert worst([NOTHING]) is None


def test_the_log_opens_to_what_was_judged_and_tells_no_name() -> None:
    stored = document()
    (entry,) = step([GOOD], due()).entries
    octets = leaf(entry).decode()
    assert "trình" not in octets
    told: Any = json.loads(octets)["facts"]["attachments"]
    assert told == [
        [
            1,
            "valid",
            "good",
            commitment(stored.nonce, "attachment", PDF.sha256),
            commitment(stored.nonce, "attachment_verdict", canonical(GOOD.verdict).decode()),
        ]
    ]


def test_a_thousand_attachments_fit_into_leaves() -> None:
    records = tuple(replace(PDF, content_id=f"a{place}") for place in range(1, 1001))
    many = replace(document(), attachments=records)
    found = [judged(PdfOutcome.INDETERMINATE, place, waits=True) for place in range(1, 1001)]
    decision = decide_attachments(many, due(), {}, found, Cause.DUE, network(), NOW)
    assert len(decision.entries) == 5
    assert all(len(leaf(entry)) < 1 << 16 for entry in decision.entries)


def test_a_stored_document_that_is_gated_has_its_checks_in_one_decision() -> None:
    decision = taken(PdfRule.GATE, [GOOD, judged(PdfOutcome.UNSIGNED, 2)])
    assert isinstance(decision.changes[0], AddDocument)
    assert [check.due_at for check in checks(decision)] == [None]
