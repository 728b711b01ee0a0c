"""The one way in for a PDF: find its signatures, judge each, conclude on the document."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from signing.certificate import signer_of
from signing.chain import CertificateVerdict, Trust, judge_certificate
from signing.pdf.cms import DATA, TST_INFO, Signed, check_cms, digest_of, read_cms
from signing.pdf.conclude import conclude
from signing.pdf.policy import PdfLimits, PdfPolicy, outcome_of
from signing.pdf.role import guess_role
from signing.pdf.timestamp import judge_token
from signing.pdf.verdict import (
    Changes,
    Finding,
    FindingCode,
    PdfSignature,
    PdfVerdict,
    Role,
    RoleHint,
    Timestamp,
)
from signing.policy import SignaturePolicy
from signing.refusal import Refused, passed
from signing.verdict import (
    Check,
    CheckStatus,
    Covered,
    Evidence,
    Indication,
    Reason,
    SubIndication,
    Verdict,
    indication_of,
)

if TYPE_CHECKING:
    from signing.pdf.reader import Reader
    from signing.pdf.structure import Coverage, Field, Form, Range

SUB_FILTERS: Final = frozenset({"/ETSI.CAdES.detached", "/adbe.pkcs7.detached"})
_SHA1_FILTERS: Final = frozenset({"/adbe.pkcs7.sha1", "/adbe.x509.rsa_sha1"})
_VIETNAM: Final = timedelta(hours=7)
_NEAR: Final = timedelta(minutes=5)
_CHANGED: Final = "pdf-changes"


def judge_pdf(
    octets: bytes,
    trust: Trust,
    at: datetime,
    policy: SignaturePolicy,
    limits: PdfLimits = PdfLimits(),  # noqa: B008 - frozen
    pdf_policy: PdfPolicy = PdfPolicy(),  # noqa: B008 - frozen
) -> PdfVerdict:
    """Judge every signature of a PDF at the time `at` (with a zone).

    Never raises for what stands in the file: a file that cannot be read is INDETERMINATE with a finding that says why.
    Bounded by `limits` before certificates are judged; each signature then costs one certificate path (1 to 4 ms).
    """
    task = _Task(octets, trust, at, policy, limits, pdf_policy)
    if len(octets) > limits.most_octets:
        task.note(FindingCode.LIMIT, f"{len(octets)} octets, at most {limits.most_octets}")
        return conclude(task.facts(), (), (), tuple(task.findings), pdf_policy)
    return task.run()


@dataclass
class _Facts:
    """What the building blocks found out about one signature, as far as they got."""

    field: str = ""
    sub_filter: str = ""
    visible: bool = False
    byte_range: tuple[int, ...] = ()
    revision: int = 0
    covers_revision: bool = False
    covers_file: bool = False
    changes: Changes = Changes.UNKNOWN
    changes_detail: str = ""
    certification: int | None = None
    signed: Signed | None = None
    value_is_good: bool = False
    covered: tuple[Covered, ...] = ()
    claimed_at: datetime | None = None
    timestamps: tuple[Timestamp, ...] = ()
    checks: list[Check] = field(default_factory=list)
    quirks: list[str] = field(default_factory=list)


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

    def facts(self) -> PdfVerdict:
        """The document, not yet concluded on."""
        return PdfVerdict(
            outcome=outcome_of(SubIndication.UNSIGNED),
            reason=Reason.UNSIGNED,
            at=self.at,
            sha256=hashlib.sha256(self.octets).hexdigest(),
            octets=len(self.octets),
            revisions=self.revisions,
            policy=self.policy.name,
            policy_sha256=self.policy.sha256,
        )

    def run(self) -> PdfVerdict:
        from pyhanko.pdf_utils.misc import PdfError, PdfStrictReadError  # type: ignore[import-untyped]

        from signing.pdf.reader import Exhausted, Steps, is_hybrid, survey

        signatures: tuple[PdfSignature, ...] = ()
        timestamps: tuple[PdfSignature, ...] = ()
        steps = Steps(self.limits.most_steps)
        try:
            sections = survey(self.octets, steps, self.limits)
            self.revisions = len(sections)
            hybrid = any(is_hybrid(section) for section in sections)
            if not hybrid:
                try:
                    signatures, timestamps = self._read(steps, strict=True)
                    return conclude(self.facts(), signatures, timestamps, tuple(self.findings), self.pdf_policy)
                except PdfStrictReadError:
                    self.findings.clear()
            self.note(FindingCode.LENIENT, "hybrid cross-references" if hybrid else "")
            signatures, timestamps = self._read(steps, strict=False)
        except Exhausted as error:
            self.note(FindingCode.LIMIT, str(error))
        except (PdfError, ValueError, KeyError, IndexError, TypeError, AttributeError, AssertionError) as error:
            # pyHanko's own errors, and what its parser raises where a file breaks the grammar.
            self.note(FindingCode.DAMAGED, type(error).__name__)
        except RecursionError:
            self.note(FindingCode.LIMIT, "nesting")
        except Exception as surprise:  # noqa: BLE001 - a surprise inside the judge must become neither a pass nor a crash
            self.note(FindingCode.PROCESSING, type(surprise).__name__)
        return conclude(self.facts(), signatures, timestamps, tuple(self.findings), self.pdf_policy)

    def _read(self, steps: object, *, strict: bool) -> tuple[tuple[PdfSignature, ...], tuple[PdfSignature, ...]]:
        from signing.pdf.reader import Reader, Steps
        from signing.pdf.structure import has_validation_data, read_byte_range, read_form, stray_signatures

        assert isinstance(steps, Steps)
        reader = Reader(self.octets, steps, self.limits, strict)
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
        ranges = [found for one in form.filled if (found := read_byte_range(one))]
        strays = stray_signatures(self.octets, ranges, form)
        if strays:
            self.note(FindingCode.OUTSIDE_FORM, str(strays))
        document_stamps = tuple(self._document_stamp(one, reader, form) for one in form.filled if one.is_timestamp)
        signatures = tuple(
            self._signature(one, reader, form, document_stamps) for one in form.filled if not one.is_timestamp
        )
        return signatures, document_stamps

    # --- one signature

    def _signature(
        self, one: Field, reader: Reader, form: Form, document_stamps: tuple[PdfSignature, ...]
    ) -> PdfSignature:
        found = _Facts()

        def judge() -> CertificateVerdict:
            if one.sub_filter in _SHA1_FILTERS:
                raise Refused(Reason.ALGORITHM, one.sub_filter)
            if one.sub_filter not in SUB_FILTERS:
                raise Refused(Reason.STRUCTURE, one.sub_filter, sub_indication=SubIndication.NOT_VERIFIABLE)
            spot, coverage = self._structure(one, reader, found)
            signed = self._cms(spot, DATA, found)
            self._claim(one, signed, found)
            digest = self._digest(signed.digest, spot)
            found.covered = (self._covered(one, spot, signed.digest, digest),)
            check_cms(signed, digest, DATA)
            found.value_is_good = True
            found.checks += (passed(Reason.DIGEST), passed(Reason.VALUE))
            self._changes(one, coverage, form, found)
            found.timestamps = tuple(
                judge_token(
                    token,
                    lambda name: digest_of(name, signed.value),
                    self.trust,
                    self.at,
                    self.policy,
                    self.limits,
                )
                for token in signed.tokens
            )
            proof = self._proof(found, document_stamps)
            self._judge_claim(found, proof)
            return self._certificate(signed, found, proof)

        return self._result(judge, found, one)

    def _document_stamp(self, one: Field, reader: Reader, form: Form) -> PdfSignature:
        found = _Facts()

        def judge() -> CertificateVerdict:
            spot, coverage = self._structure(one, reader, found)
            signed = self._cms(spot, TST_INFO, found)
            stamp = judge_token(
                _unpadded(spot.contents),
                lambda name: self._digest(name, spot),
                self.trust,
                self.at,
                self.policy,
                self.limits,
            )
            found.timestamps = (stamp,)
            found.value_is_good = stamp.genuine
            if not stamp.genuine:
                raise Refused(stamp.reason, sub_indication=stamp.sub_indication)
            found.covered = (self._covered(one, spot, signed.digest, self._digest(signed.digest, spot)),)
            found.checks += (passed(Reason.DIGEST), passed(Reason.VALUE))
            self._changes(one, coverage, form, found)
            if stamp.sub_indication is not None:
                raise Refused(stamp.reason, sub_indication=stamp.sub_indication)
            leaf = signed.leaf
            return CertificateVerdict(None, Reason.GOOD, self.at, leaf.sha256, signer_of(leaf))

        return self._result(judge, found, one)

    def _structure(self, one: Field, reader: Reader, found: _Facts) -> tuple[Range, Coverage]:
        from signing.pdf.structure import Coverage, check_range

        spot = check_range(self.octets, one, reader, self.limits)
        # pyHanko parses the CMS here, and only then the coverage; ours is the stricter reading and comes first.
        read_cms(spot.contents, TST_INFO if one.is_timestamp else DATA, self.policy, self.limits)
        coverage = Coverage(self.octets, reader, one, spot)
        found.revision = coverage.revision + 1
        found.covers_revision, found.covers_file = coverage.revision_is_covered, coverage.file_is_covered
        found.certification = coverage.certification
        if not coverage.revision_is_covered:
            raise Refused(
                Reason.COVERAGE, "part of its revision is not covered", sub_indication=SubIndication.FORMAT_FAILURE
            )
        found.checks += (passed(Reason.STRUCTURE), passed(Reason.COVERAGE))
        return spot, coverage

    def _cms(self, spot: Range, content_type: str, found: _Facts) -> Signed:
        signed = found.signed = read_cms(spot.contents, content_type, self.policy, self.limits)
        found.quirks += signed.quirks
        found.checks += (passed(Reason.KEYINFO), passed(Reason.ALGORITHM))
        return signed

    def _digest(self, name: str, spot: Range) -> bytes:
        view = memoryview(self.octets)
        return digest_of(name, view[: spot.left], view[spot.right : spot.end])

    def _covered(self, one: Field, spot: Range, name: str, digest: bytes) -> Covered:
        uri = f"ByteRange 0 {spot.left} {spot.right} {spot.end - spot.right}"
        return Covered(uri, one.name, name, digest.hex(), spot.left + spot.end - spot.right)

    def _changes(self, one: Field, coverage: Coverage, form: Form, found: _Facts) -> None:
        others = frozenset(other.name for other in form.filled if other.name != one.name)
        found.changes, found.changes_detail = coverage.changes(others, frozenset(form.empty))
        if found.changes in self.pdf_policy.accepted_changes:
            found.checks.append(Check(_CHANGED, "format", CheckStatus.OK, found.changes.value))
            return
        if found.changes is Changes.UNKNOWN:
            raise Refused(Reason.PROCESSING, f"comparison of revisions: {found.changes_detail}")
        detail = f"{found.changes.value}: {found.changes_detail}"
        raise Refused(Reason.DIGEST, detail, sub_indication=SubIndication.FORMAT_FAILURE)

    # --- time

    def _claim(self, one: Field, signed: Signed, found: _Facts) -> None:
        """What the signer says about the time: the signed attribute, else /M. It proves nothing."""
        from pyhanko.pdf_utils.generic import parse_pdf_date  # type: ignore[import-untyped]

        entry: datetime | None = None
        try:
            if "/M" in one.dictionary:
                entry = parse_pdf_date(one.dictionary["/M"], strict=False)
        except Exception:  # noqa: BLE001 - a date that cannot be read is no date, whatever the parser stumbled over
            found.quirks.append("signing-time-unreadable")
        if entry is not None and entry.tzinfo is None:
            found.quirks.append("signing-time-without-zone")
            entry = None
        found.claimed_at = signed.claimed_at or entry
        if signed.claimed_at and entry and abs(signed.claimed_at - entry) > _NEAR:
            found.quirks.append("signing-times-differ")

    def _proof(self, found: _Facts, document_stamps: tuple[PdfSignature, ...]) -> datetime | None:
        """The earliest trusted time at which the signature existed: its own tokens, and those over its revision."""
        stamps = list(found.timestamps)
        stamps += (
            stamp
            for document in document_stamps
            if document.verdict.passed and document.revision > found.revision
            for stamp in document.timestamps
        )
        return min((s.gen_time for s in stamps if s.trusted and s.gen_time is not None), default=None)

    def _judge_claim(self, found: _Facts, proof: datetime | None) -> None:
        """Record local time marked as UTC (+7 h, domain.md §7.2), and refuse a claim later than the policy allows."""
        claimed = found.claimed_at
        if claimed is None:
            return
        ahead = claimed - (proof or self.at)
        if proof is not None:
            local = abs(ahead - _VIETNAM) <= _NEAR
        else:
            local = _NEAR < ahead <= _VIETNAM + _NEAR
        if local:
            found.quirks.append("signing-time-local-as-utc")
        if claimed - self.at > self.policy.signing_time_ahead:
            raise Refused(Reason.TIME, claimed.isoformat(), self.at.isoformat())
        found.checks.append(passed(Reason.TIME))

    # --- certificate

    def _certificate(self, signed: Signed, found: _Facts, proof: datetime | None) -> CertificateVerdict:
        """Judge the certificate now; where that is too late and a time is proved, at that time.

        Good now and already valid at the proved time is good. Expired now, with no proof of an earlier time, is no
        failure but doubt, unless the signer himself claims to have signed after the end (EN 319 102-1 §5.2.6:
        OUT_OF_BOUNDS_NO_POE). Revoked is final unless a time before the revocation is proved (design.md §2).
        """
        now = judge_certificate(signed.leaf.der, self.trust, self.at, self.policy)
        if proof is None:
            late = found.claimed_at is not None and found.claimed_at > signed.leaf.not_after + _VIETNAM + _NEAR
            if now.sub_indication is SubIndication.EXPIRED and not late:
                return _replaced(now, SubIndication.OUT_OF_BOUNDS_NO_POE)
            return now
        if proof < signed.leaf.not_before or proof > signed.leaf.not_after:
            return judge_certificate(signed.leaf.der, self.trust, proof, self.policy)
        if now.sub_indication is None or now.reason not in _TOO_LATE:
            return now
        for moment in (proof, min(signed.leaf.not_after, self.at)):
            then = judge_certificate(signed.leaf.der, self.trust, moment, self.policy)
            if then.sub_indication is None:
                return then
        return judge_certificate(signed.leaf.der, self.trust, proof, self.policy)

    # --- the result

    def _result(self, judge: Callable[[], CertificateVerdict], found: _Facts, one: Field) -> PdfSignature:
        from pyhanko.pdf_utils.misc import PdfError, PdfStrictReadError

        from signing.pdf.reader import Exhausted
        from signing.pdf.structure import is_visible, read_byte_range

        found.field, found.sub_filter = one.name[:200], one.sub_filter.removeprefix("/")
        found.visible, found.byte_range = is_visible(one.field), read_byte_range(one)
        try:
            return self._signature_of(found, judge(), None)
        except Refused as error:
            refused = error
        except (Exhausted, PdfStrictReadError):
            raise
        except (PdfError, KeyError, IndexError, TypeError, AttributeError, AssertionError, ValueError) as error:
            refused = Refused(Reason.STRUCTURE, type(error).__name__)
        except Exception as surprise:  # noqa: BLE001 - must become neither a pass nor a crash
            refused = Refused(Reason.PROCESSING, type(surprise).__name__)
        return self._signature_of(found, None, refused)

    def _signature_of(
        self, found: _Facts, certificate: CertificateVerdict | None, refused: Refused | None
    ) -> PdfSignature:
        leaf = found.signed.leaf if found.signed is not None and found.value_is_good else None
        checks, path, evidence = [*found.checks], tuple[str, ...](), tuple[Evidence, ...]()
        if certificate is not None:
            sub_indication, reason, at = certificate.sub_indication, certificate.reason, certificate.at
            checks += certificate.checks
            path, evidence = certificate.path, certificate.evidence
        else:
            assert refused is not None
            sub_indication, reason, at = refused.sub_indication, refused.reason, self.at
            checks.append(refused.check())
        evidence += tuple(Evidence("time-stamp", stamp.sha256, stamp.authority) for stamp in found.timestamps)
        verdict = Verdict(
            indication=Indication.TOTAL_PASSED if sub_indication is None else indication_of(sub_indication),
            sub_indication=sub_indication,
            reason=reason,
            at=at,
            policy=self.policy.name,
            policy_sha256=self.policy.sha256,
            profile="pdf",
            signature_algorithm=found.signed.algorithm if found.signed else None,
            claimed_at=found.claimed_at,
            signer=signer_of(leaf) if leaf else None,
            path=path,
            covered=found.covered,
            checks=tuple(checks),
            evidence=evidence,
            quirks=tuple(found.quirks),
            valid_until=certificate.valid_until if certificate else None,
        )
        return PdfSignature(
            field=found.field,
            sub_filter=found.sub_filter,
            revision=found.revision,
            byte_range=found.byte_range,
            covers_revision=found.covers_revision,
            covers_file=found.covers_file,
            changes=found.changes,
            changes_detail=found.changes_detail,
            visible=found.visible,
            certification=found.certification,
            role=guess_role(leaf) if leaf else RoleHint(Role.UNKNOWN),
            timestamps=found.timestamps,
            embedded=tuple(hashlib.sha256(other).hexdigest() for other in found.signed.others) if found.signed else (),
            outcome=outcome_of(sub_indication),
            verdict=verdict,
        )
