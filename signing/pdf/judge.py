"""The one way in for a PDF: find its signatures, judge each, conclude on the document."""

from __future__ import annotations

import hashlib
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from signing.chain import Trust
from signing.pdf.policy import EFFECTS, PdfLimits, PdfPolicy
from signing.pdf.verdict import Finding, FindingCode, PdfSignature, PdfVerdict
from signing.policy import SignaturePolicy
from signing.verdict import PdfOutcome, Reason

if TYPE_CHECKING:
    from signing.pdf.reader import Reader, Steps

_LIMITS: Final = PdfLimits()
_POLICY: Final = PdfPolicy()
_Pair = tuple[tuple[PdfSignature, ...], tuple[PdfSignature, ...]]


def judge_pdf(
    octets: bytes,
    trust: Trust,
    at: datetime,
    policy: SignaturePolicy,
    limits: PdfLimits = _LIMITS,
    pdf_policy: PdfPolicy = _POLICY,
) -> PdfVerdict:
    """Judge every signature of a PDF at the time `at` (with a zone).

    Never raises for what stands in the file: a file that cannot be read is INDETERMINATE with a finding that says why.
    Bounded by `limits` before certificates are judged; each signature then costs a certificate path (1 to 4 ms).
    """
    task = _Task(octets, trust, at, policy, limits, pdf_policy)
    if len(octets) > limits.most_octets:
        task.note(FindingCode.LIMIT, f"{len(octets)} octets, at most {limits.most_octets}")
        return task.conclude((), ())
    return task.run()


class _Task:
    """One document on its way through the judge."""

    def __init__(
        self,
        octets: bytes,
        trust: Trust,
        at: datetime,
        policy: SignaturePolicy,
        limits: PdfLimits,
        pdf_policy: PdfPolicy,
    ) -> None:
        self.octets, self.trust, self.at, self.policy = octets, trust, at, policy
        self.limits, self.pdf_policy = limits, pdf_policy
        self.revisions = 0
        self.findings: list[Finding] = []

    def note(self, code: FindingCode, detail: str = "") -> None:
        self.findings.append(Finding(code, detail[:300]))

    def run(self) -> PdfVerdict:
        from pyhanko.pdf_utils.misc import PdfError, PdfStrictReadError

        from signing.pdf.reader import Exhausted, Steps, is_hybrid, survey

        signatures: tuple[PdfSignature, ...] = ()
        timestamps: tuple[PdfSignature, ...] = ()
        steps = Steps(self.limits.most_steps)
        try:
            found = survey(self.octets, steps, self.limits)
            self.revisions = len(found.sections)
            hybrid = any(is_hybrid(section) for section in found.sections)
            if not hybrid:
                try:
                    signatures, timestamps = self._read(steps, found.ends, strict=True)
                    return self.conclude(signatures, timestamps)
                except PdfStrictReadError:
                    self.findings.clear()
            self.note(FindingCode.LENIENT, "hybrid cross-references" if hybrid else "")
            signatures, timestamps = self._read(steps, found.ends, strict=False)
        except Exhausted as error:
            self.note(FindingCode.LIMIT, str(error))
        except (PdfError, ValueError, KeyError, IndexError, TypeError, AttributeError, AssertionError) as error:
            # pyHanko's own errors, and what its parser raises where a file breaks the grammar.
            self.note(FindingCode.DAMAGED, type(error).__name__)
        except RecursionError:
            self.note(FindingCode.LIMIT, "nesting")
        except Exception as surprise:  # noqa: BLE001 - a surprise inside the judge must become neither a pass nor a crash
            self.note(FindingCode.PROCESSING, type(surprise).__name__)
        return self.conclude(signatures, timestamps)

    def _read(self, steps: Steps, section_ends: tuple[int, ...], *, strict: bool) -> _Pair:
        from signing.pdf.reader import Reader
        from signing.pdf.signature import SignatureJudge
        from signing.pdf.structure import has_validation_data, read_form, stray_signatures

        reader = Reader(self.octets, steps, self.limits, strict, section_ends)
        if "/Encrypt" in reader.trailer:
            self.note(FindingCode.ENCRYPTED)
            return (), ()
        form = read_form(reader, self.limits)
        for name in form.removed:
            self.note(FindingCode.REMOVED, name)
        for name in form.empty:
            self.note(FindingCode.EMPTY_FIELD, name)
        if has_validation_data(reader):
            self.note(FindingCode.VALIDATION_DATA)
        strays = stray_signatures(self.octets, form)
        if strays:
            self.note(FindingCode.OUTSIDE_FORM, str(strays))
        judge = SignatureJudge(
            self.octets, reader, form, self.trust, self.at, self.policy, self.limits, self.pdf_policy
        )
        timestamps = tuple(judge.document_stamp(one) for one in form.filled if one.is_timestamp)
        signatures = tuple(judge.signature(one) for one in form.filled if not one.is_timestamp)
        if signatures:
            self._note_active(reader)
        return signatures, timestamps

    def _note_active(self, reader: Reader) -> None:
        from signing.pdf.active import active_content

        kinds, whole = active_content(reader)
        if kinds:
            self.note(FindingCode.ACTIVE, ", ".join(kinds))
        if not whole:
            self.note(FindingCode.NOT_SEARCHED)

    def conclude(self, signatures: tuple[PdfSignature, ...], timestamps: tuple[PdfSignature, ...]) -> PdfVerdict:
        """One outcome: what is wrong outweighs what is in doubt, and that outweighs what is good."""
        for stamp in timestamps:
            if stamp.outcome is PdfOutcome.INVALID:
                self.note(FindingCode.TIMESTAMP_FAILED, stamp.field)
            elif stamp.outcome is PdfOutcome.INDETERMINATE:
                self.note(_STAMPS.get(stamp.verdict.reason, FindingCode.TIMESTAMP_DOUBTFUL), stamp.field)
        for signature in signatures:
            codes = {_STAMPS[one.reason] for one in signature.timestamps if one.reason in _STAMPS}
            for code in sorted(codes):
                self.note(code, signature.field)
        for role in sorted(self.pdf_policy.require - {signature.role.role for signature in signatures}):
            if signatures:
                self.note(FindingCode.ROLE_NOT_SHOWN, role.value)
        outcome, reason = self._outcome(signatures)
        return PdfVerdict(
            outcome=outcome,
            reason=reason,
            at=self.at,
            sha256=hashlib.sha256(self.octets).hexdigest(),
            octets=len(self.octets),
            revisions=self.revisions,
            policy=self.policy.name,
            policy_sha256=self.policy.sha256,
            signatures=signatures,
            timestamps=timestamps,
            findings=tuple(self.findings),
        )

    def _outcome(self, signatures: tuple[PdfSignature, ...]) -> tuple[PdfOutcome, Reason]:
        for outcome in (PdfOutcome.INVALID, PdfOutcome.INDETERMINATE):
            for signature in signatures:
                if signature.outcome is outcome:
                    return outcome, signature.verdict.reason
            for finding in self.findings:
                if EFFECTS[finding.code] is outcome:
                    return outcome, _REASONS.get(finding.code, Reason.STRUCTURE)
        if signatures:
            return PdfOutcome.VALID, Reason.GOOD
        if any(finding.code is FindingCode.OUTSIDE_FORM for finding in self.findings):
            return PdfOutcome.INDETERMINATE, Reason.STRUCTURE
        return PdfOutcome.UNSIGNED, Reason.UNSIGNED


_STAMPS: Final = MappingProxyType(
    {
        Reason.REVOCATION_UNKNOWN: FindingCode.TIMESTAMP_UNKNOWN,
        Reason.REVOKED: FindingCode.TIMESTAMP_REVOKED,
        Reason.CA_REVOKED: FindingCode.TIMESTAMP_REVOKED,
    }
)
"""What is noted of a time stamp whose authority is one of ours, by why it is not believed. Readers show its time to
whoever opens the file: it counts also where the signature does without it. That of a stranger only informs."""

_REASONS: Final = MappingProxyType(
    {
        FindingCode.LIMIT: Reason.LIMIT,
        FindingCode.PROCESSING: Reason.PROCESSING,
        FindingCode.ENCRYPTED: Reason.PROCESSING,
        FindingCode.REMOVED: Reason.DIGEST,
        FindingCode.TIMESTAMP_FAILED: Reason.TIME,
        FindingCode.TIMESTAMP_UNKNOWN: Reason.REVOCATION_UNKNOWN,
        FindingCode.TIMESTAMP_REVOKED: Reason.TIMESTAMP,
        FindingCode.ROLE_NOT_SHOWN: Reason.KEYINFO,
    }
)
"""The sentence for a document that a finding decided; STRUCTURE for the rest."""
