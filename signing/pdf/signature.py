"""One signature of a PDF: its building blocks in order, each stopping at the first rule that does not hold."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from pyhanko.pdf_utils.generic import parse_pdf_date
from pyhanko.pdf_utils.misc import PdfError, PdfStrictReadError

from signing.certificate import Leaf
from signing.chain import CertificateVerdict, Trust
from signing.pdf.cms import DATA, TST_INFO, Signed, digest_of, quirks_of, read_cms, unpadded
from signing.pdf.policy import PdfLimits, PdfPolicy, outcome_of
from signing.pdf.reader import Exhausted, Reader
from signing.pdf.role import guess_role
from signing.pdf.structure import Coverage, Field, Form, Range, check_range, is_visible, read_byte_range
from signing.pdf.verdict import Changes, PdfSignature, Role, RoleHint, Timestamp
from signing.pdf.when import LOCAL_AS_UTC, NEAR, is_local_as_utc, judge_in_time, offered_issuers
from signing.policy import SignaturePolicy
from signing.proof import proof_of
from signing.refusal import Refused, passed
from signing.timestamp import TimestampVerdict, judge_token
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

SUB_FILTERS: Final = frozenset({"/ETSI.CAdES.detached", "/adbe.pkcs7.detached"})
_SHA1_FILTERS: Final = frozenset({"/adbe.pkcs7.sha1", "/adbe.x509.rsa_sha1"})
_NO_MATHEMATICS: Final = frozenset({Reason.ALGORITHM, Reason.WEAK_KEY, Reason.KEYINFO})
_CHANGED: Final = "pdf-changes"


@dataclass
class _Facts:
    """What the building blocks found out about one signature, as far as they got."""

    name: str = ""
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
    proven_at: datetime | None = None
    timestamps: tuple[TimestampVerdict, ...] = ()
    rests_on: tuple[TimestampVerdict, ...] = ()
    checks: list[Check] = field(default_factory=list)
    quirks: list[str] = field(default_factory=list)


class SignatureJudge:
    """Judges the signatures of one document, whose `reader` pays for every step."""

    def __init__(
        self,
        octets: bytes,
        reader: Reader,
        form: Form,
        trust: Trust,
        at: datetime,
        policy: SignaturePolicy,
        limits: PdfLimits,
        pdf_policy: PdfPolicy,
    ) -> None:
        self.octets, self.reader, self.form, self.trust, self.at = octets, reader, form, trust, at
        self.policy, self.limits, self.pdf_policy = policy, limits, pdf_policy
        self.sealed: list[tuple[int, TimestampVerdict]] = []

    def signature(self, one: Field) -> PdfSignature:
        """Judge a signature. Document time stamps come first: they prove when what they cover existed."""
        found = _Facts()

        def judge() -> CertificateVerdict:
            if one.sub_filter in _SHA1_FILTERS:
                raise Refused(Reason.ALGORITHM, one.sub_filter)
            if one.sub_filter not in SUB_FILTERS:
                raise Refused(Reason.STRUCTURE, one.sub_filter, sub_indication=SubIndication.NOT_VERIFIABLE)
            spot, coverage = self._structure(one, found)
            try:
                signed = self._cms(spot, DATA, found)
            except Refused as weak:
                if weak.reason in _NO_MATHEMATICS:  # what was changed afterwards is seen without
                    self._changes(one, coverage, found)
                raise
            self._claim(one, signed, found)
            digest = self._digest(signed.digest, spot)
            found.covered = (self._covered(one, spot, signed.digest, digest),)
            signed.check(digest)
            found.value_is_good = True
            found.checks += (passed(Reason.DIGEST), passed(Reason.VALUE))
            self._changes(one, coverage, found)
            found.timestamps = tuple(
                self._stamp(token, lambda name: digest_of(name, signed.value)) for token in signed.tokens
            )
            found.rests_on = (*found.timestamps, *self._over(found.revision))
            found.proven_at = _earliest(found.rests_on)
            self._judge_claim(found, found.proven_at)
            proof = proof_of(found.rests_on, self.at)
            verdict = judge_in_time(signed.leaf, self.trust, self.at, self.policy, proof, found.claimed_at)
            if verdict.reason is Reason.UNTRUSTED:
                offered, looked_at = offered_issuers(signed, self.trust, self.policy)
                found.quirks += offered
                return replace(verdict, evidence=(*verdict.evidence, *looked_at))
            return verdict

        return self._result(judge, found, one)

    def document_stamp(self, one: Field) -> PdfSignature:
        """Judge a document time stamp (ISO 32000-2 §12.8.5, source to confirm): the token is the signature."""
        found = _Facts()

        def judge() -> CertificateVerdict:
            spot, coverage = self._structure(one, found)
            signed = self._cms(spot, TST_INFO, found)
            stamp = self._stamp(unpadded(spot.contents), lambda name: self._digest(name, spot))
            found.timestamps = found.rests_on = (stamp,)
            found.value_is_good = stamp.genuine
            if not stamp.genuine:
                raise _refusal(stamp)
            found.covered = (self._covered(one, spot, signed.digest, self._digest(signed.digest, spot)),)
            found.checks += (passed(Reason.DIGEST), passed(Reason.VALUE))
            self._changes(one, coverage, found)
            if stamp.sub_indication is None or stamp.waits:
                self.sealed.append((found.revision, stamp))
            if stamp.sub_indication is not None:
                raise _refusal(stamp)
            return CertificateVerdict(
                None,
                Reason.GOOD,
                self.at,
                signed.leaf.sha256,
                signed.leaf.signer,
                path=stamp.path,
                valid_until=stamp.valid_until,
            )

        return self._result(judge, found, one)

    def _stamp(self, token: bytes, imprint: Callable[[str], bytes]) -> TimestampVerdict:
        return judge_token(token, imprint, self.trust, self.at, self.policy, takes_ended=True)

    def _structure(self, one: Field, found: _Facts) -> tuple[Range, Coverage]:
        spot = check_range(self.octets, one, self.reader, self.limits)
        coverage = Coverage(self.octets, self.reader, one, spot)
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
        found.quirks += quirks_of(signed)
        found.checks += (passed(Reason.KEYINFO), passed(Reason.ALGORITHM))
        return signed

    def _digest(self, name: str, spot: Range) -> bytes:
        view = memoryview(self.octets)
        return digest_of(name, view[: spot.left], view[spot.right : spot.end])

    def _covered(self, one: Field, spot: Range, name: str, digest: bytes) -> Covered:
        uri = f"ByteRange 0 {spot.left} {spot.right} {spot.end - spot.right}"
        return Covered(uri, one.name, name, digest.hex(), spot.left + spot.end - spot.right)

    def _changes(self, one: Field, coverage: Coverage, found: _Facts) -> None:
        # Anybody can have anything stamped: what a document time stamp draws on a page, nobody has signed.
        others = [
            other
            for other in self.form.filled
            if other.name != one.name and not (other.is_timestamp and is_visible(other.field))
        ]
        found.changes, found.changes_detail = coverage.changes(others)
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
        if signed.claimed_at and entry and abs(signed.claimed_at - entry) > NEAR:
            found.quirks.append("signing-times-differ")

    def _over(self, revision: int) -> tuple[TimestampVerdict, ...]:
        """The document time stamps over `revision` that are good, or wait."""
        return tuple(stamp for own, stamp in self.sealed if own > revision)

    def _judge_claim(self, found: _Facts, proof: datetime | None) -> None:
        """Record local time marked as UTC, and refuse a claim later than the policy allows."""
        claimed = found.claimed_at
        if claimed is None:
            return
        if is_local_as_utc(claimed, proof, self.at):
            found.quirks.append(LOCAL_AS_UTC)
        if claimed - self.at > self.policy.signing_time_ahead:
            raise Refused(Reason.TIME, claimed.isoformat(), self.at.isoformat())
        found.checks.append(passed(Reason.TIME))

    # --- the result

    def _result(self, judge: Callable[[], CertificateVerdict], found: _Facts, one: Field) -> PdfSignature:
        found.name, found.sub_filter = one.name[:200], one.sub_filter.removeprefix("/")
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
        for stamp in found.rests_on:
            evidence += stamp.evidence or (Evidence("time-stamp", stamp.sha256),)
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
            signer=leaf.signer if leaf else None,
            path=path,
            covered=found.covered,
            checks=tuple(checks),
            evidence=tuple(dict.fromkeys(evidence)),
            quirks=(*found.quirks, *(certificate.quirks if certificate else ())),
            valid_until=_valid_until(certificate, found),
        )
        return PdfSignature(
            field=found.name,
            sub_filter=found.sub_filter,
            revision=found.revision,
            byte_range=found.byte_range,
            covers_revision=found.covers_revision,
            covers_file=found.covers_file,
            changes=found.changes,
            changes_detail=found.changes_detail,
            visible=found.visible,
            proven_at=found.proven_at,
            certification=found.certification,
            role=guess_role(leaf) if leaf else RoleHint(Role.UNKNOWN),
            timestamps=tuple(map(Timestamp.of, found.timestamps)),
            embedded=tuple(hashlib.sha256(other).hexdigest() for other in found.signed.others) if found.signed else (),
            outcome=outcome_of(sub_indication),
            verdict=verdict,
            certificate=leaf.der if leaf else b"",
            brought={hashlib.sha256(der).hexdigest(): der for der in _brought(leaf, found)},
            missing=tuple(dict.fromkeys(_missing(leaf, certificate, found))),
        )


def _brought(leaf: Leaf | None, found: _Facts) -> Iterator[bytes]:
    if leaf is not None:
        yield leaf.der
    yield from (stamp.certificate for stamp in found.rests_on if stamp.certificate)


def _missing(leaf: Leaf | None, certificate: CertificateVerdict | None, found: _Facts) -> Iterator[bytes]:
    if leaf is not None and certificate is not None and certificate.sub_indication is SubIndication.TRY_LATER:
        yield leaf.der
    yield from (stamp.certificate for stamp in found.rests_on if stamp.waits)


def _earliest(stamps: Iterable[TimestampVerdict]) -> datetime | None:
    """The earliest trusted time at which a signature existed: by its own tokens, or those over its revision."""
    return min((stamp.proven_at for stamp in stamps if stamp.proven_at is not None), default=None)


def _refusal(stamp: TimestampVerdict) -> Refused:
    observed = stamp.checks[-1].observed if stamp.checks else ""
    return Refused(stamp.reason, observed, sub_indication=stamp.sub_indication)


def _valid_until(certificate: CertificateVerdict | None, found: _Facts) -> datetime | None:
    if certificate is None or certificate.sub_indication is not None:
        return None
    ends = [certificate.valid_until, *(stamp.valid_until for stamp in found.rests_on if stamp.proven_at is not None)]
    return min((end for end in ends if end is not None), default=None)
