"""What people are told of the PDFs inside attachments: the outcome in words, and one line for each signature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from axis.core.model import AttachmentCheck, AttachmentRecord, AttachmentVerdict
from axis.core.times import rfc3339
from axis.web.shapes import FindingFacts, MarkFacts, PdfFacts, PdfSignatureFacts, SignaturesFacts
from signing.verdict import OUTCOMES, REASONS, PdfOutcome, Reason, Sentence

NOT_YET: Final = Sentence("chưa kiểm tra", "not judged yet")
NO_PDF: Final = Sentence("không có tệp PDF", "no PDF in it")
ACTIVE: Final = "active-content"
"""The finding whose detail is shown: kinds of content by their words in PDF. Others have details for us."""
BAD: Final = frozenset({PdfOutcome.INVALID, PdfOutcome.INDETERMINATE})
"""What a status page marks."""


def words(outcome: PdfOutcome | None, judged: bool = True) -> Sentence:
    if outcome is not None:
        return OUTCOMES[outcome]
    return NO_PDF if judged else NOT_YET


def mark(check: AttachmentCheck | None) -> MarkFacts | None:
    """What is attached to a document, as a whole: the worst of it. `None` where there is nothing to judge."""
    return None if check is None else told_mark(check.outcome, check.rounds > 0, check.due_at is not None)


def told_mark(outcome: PdfOutcome | None, judged: bool, again: bool) -> MarkFacts:
    """The same from its parts: whether it was judged, and whether it will be again."""
    told = words(outcome, judged)
    return {"outcome": outcome.value if outcome else None, "vi": told.vi, "en": told.en, "again": again}


def newest(verdicts: Sequence[AttachmentVerdict]) -> dict[int, AttachmentVerdict]:
    """The judgement that counts, by the attachment's place in the manifest; `verdicts` in their order."""
    return {one.found.place: one for one in verdicts}


def attachment_signatures(
    record: AttachmentRecord, place: int, verdicts: Sequence[AttachmentVerdict]
) -> SignaturesFacts | None:
    """The signatures in one attachment: the newest judgement whole, of earlier ones the outcome. `None` without any."""
    if record.form is None:
        return None
    own = [one for one in verdicts if one.found.place == place]
    if not own:
        return {"outcome": None, "vi": NOT_YET.vi, "en": NOT_YET.en, "pdfs": [], "not_seen": []}
    last = own[-1]
    told = words(last.found.outcome)
    verdict: Mapping[str, Any] = last.found.verdict
    return {
        "outcome": last.found.outcome.value if last.found.outcome else None,
        "vi": told.vi,
        "en": told.en,
        "reason": last.found.reason.value if last.found.reason else None,
        "judged_at": rfc3339(last.judged_at),
        "waits_for_revocation": last.found.waits,
        "pdfs": [pdf_summary(entry) for entry in verdict["entries"]],
        "not_seen": verdict["problems"],
        "earlier": [
            {"judged_at": rfc3339(one.judged_at), "outcome": one.found.outcome.value if one.found.outcome else None}
            for one in own[:-1]
        ],
    }


def pdf_summary(entry: Mapping[str, Any]) -> PdfFacts:
    """One PDF, from the stored form of its verdict."""
    verdict = entry["verdict"]
    return {
        "path": entry["path"],
        "outcome": verdict["outcome"],
        "vi": verdict["words"]["vi"],
        "en": verdict["words"]["en"],
        "reason": verdict["reason"],
        "findings": [_finding(one) for one in verdict["findings"]],
        "signatures": [_signature(one) for one in verdict["signatures"]],
    }


def _finding(one: Mapping[str, Any]) -> FindingFacts:
    detail = one["detail"] if one["code"] == ACTIVE else ""
    return {"code": one["code"], "detail": detail, "vi": one["sentence"]["vi"], "en": one["sentence"]["en"]}


def _signature(one: Mapping[str, Any]) -> PdfSignatureFacts:
    verdict, told = one["verdict"], OUTCOMES[PdfOutcome(one["outcome"])]
    signer = verdict["signer"]
    sentence = REASONS[Reason(verdict["reason"])]
    return {
        "field": one["field"],
        "outcome": one["outcome"],
        "vi": told.vi,
        "en": told.en,
        "reason": verdict["reason"],
        "reason_vi": sentence.vi,
        "reason_en": sentence.en,
        "signer": signer["subject"] if signer else None,
        "certificate": signer["certificate"] if signer else None,
        "claimed_at": verdict["claimed_at"],
        "proven_at": one["proven_at"],
        "role_hint": one["role"]["role"],
        "changes_after": one["changes"],
        "changes_detail": one["changes_detail"],
        "revision": one["revision"],
    }
