"""The one way in: is this signature good, what does it cover, whose is it.

`verify` does all of it. `inspect`, `prove` and `conclude` are its parts for callers that keep certificate verdicts or
judge certificates elsewhere. None of them raises for what stands in a document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from lxml import etree

from signing.c14n import Splices
from signing.chain import CertificateVerdict, Trust, judge_certificate
from signing.octets import InMemory, Octets
from signing.policy import Mode, SignaturePolicy
from signing.refusal import Refused
from signing.timestamp import TimestampVerdict, judge_token
from signing.verdict import (
    Check,
    CheckStatus,
    Evidence,
    Indication,
    Reason,
    SubIndication,
    Verdict,
    indication_of,
    unsigned,
)
from signing.xmldsig import Findings, MustCover, Verified, examine

__all__ = [
    "InMemory",
    "Inspection",
    "Judgement",
    "MustCover",
    "Octets",
    "Proof",
    "Verified",
    "conclude",
    "inspect",
    "judge_proven",
    "prove",
    "verify",
]


NO_SPLICES: Final[Mapping[str, bytes]] = MappingProxyType({})


@dataclass(frozen=True)
class Inspection:
    """Everything but the certificate's trust.

    `verdict` stands where that question does not arise: there is no signature, or it is not good. Otherwise it is
    `None`, and `leaf` is the DER of the certificate that must be judged.
    """

    at: datetime
    policy: SignaturePolicy
    findings: Findings
    verdict: Verdict | None
    verified: Verified | None

    @property
    def certificate(self) -> bytes | None:
        """The certificate (DER) that must be judged, or `None` where that question does not arise."""
        leaf = self.findings.leaf
        return leaf.der if leaf is not None and self.verdict is None else None

    @property
    def has_timestamps(self) -> bool:
        """Say whether `prove` has anything to do: then the certificate is judged for what it finds."""
        return self.verdict is None and bool(self.findings.stamps.stamps)


@dataclass(frozen=True)
class Proof:
    """What the time stamps of a signature prove.

    `at` is the earliest time by which the signature is proved to have existed; `None` where no token is believed.
    `waiting` is the same of tokens that lack only revocation evidence.
    """

    timestamps: tuple[TimestampVerdict, ...] = ()
    at: datetime | None = None
    waiting: datetime | None = None


_NO_PROOF: Final = Proof()


@dataclass(frozen=True)
class Judgement:
    """The verdict, and what may be read. `verified` is there when the mathematics and the coverage are good, whatever
    the certificate is worth."""

    verdict: Verdict
    verified: Verified | None


def verify(
    root: etree._Element,
    signatures: Sequence[etree._Element],
    must_cover: MustCover,
    policy: SignaturePolicy,
    trust: Trust,
    at: datetime,
    splices: Mapping[str, bytes] = NO_SPLICES,
    tsa: Trust | None = None,
) -> Judgement:
    """Judge the one signature of a document at the time `at` (with a zone).

    `tsa` is whom to believe for time stamps; by default `trust`, whose rules say which roots are for that.
    `root` is the root of a tree that passed a gate for size, depth, attributes and DOCTYPE. `signatures` are the
    signature blocks the caller found; `must_cover` what it will use; `splices` the texts cut out before parsing
    (`signing.c14n.Splices`).
    """
    inspection = inspect(root, signatures, must_cover, policy, at, splices)
    leaf = inspection.certificate
    if leaf is None:
        return conclude(inspection, None)
    proof = prove(inspection, trust if tsa is None else tsa)
    return conclude(inspection, judge_proven(leaf, trust, at, policy, proof), proof)


def prove(inspection: Inspection, tsa: Trust) -> Proof:
    """Judge the time stamps of a signature whose value is good. Never raises; some 5 ms for each, at most four."""
    if not inspection.has_timestamps:
        return Proof()
    found, at = inspection.findings.stamps, inspection.at
    verdicts = tuple(
        judge_token(stamp.token, stamp.octets, tsa, at, inspection.policy, known=found.certificates)
        for stamp in found.stamps
    )
    waiting = (
        verdict.gen_time + verdict.accuracy
        for verdict in verdicts
        if verdict.sub_indication is SubIndication.TRY_LATER and verdict.gen_time is not None
    )
    proven = (verdict.proven_at for verdict in verdicts if verdict.proven_at is not None)
    # An authority's clock may be a little ahead of ours; the signature lies before us all the same.
    return Proof(verdicts, min((at, *times)) if (times := [*proven]) else None, min(waiting, default=None))


def judge_proven(leaf: bytes, trust: Trust, at: datetime, policy: SignaturePolicy, proof: Proof) -> CertificateVerdict:
    """Judge the certificate for the time that is proved, or for `at`.

    What fails now, and would be good at the time of a token that lacks only evidence of revocation, waits with it.
    """
    verdict = judge_certificate(leaf, trust, at, policy, proven=proof.at)
    if verdict.sub_indication is None or proof.waiting is None or verdict.sub_indication is SubIndication.TRY_LATER:
        return verdict
    later = judge_certificate(leaf, trust, at, policy, proven=min(at, proof.waiting))
    if later.sub_indication is not None:
        return verdict
    missing = Refused(Reason.REVOCATION_UNKNOWN, "the time stamp's authority")
    return replace(
        verdict,
        sub_indication=missing.sub_indication,
        reason=missing.reason,
        checks=(*verdict.checks, missing.check()),
    )


def inspect(
    root: etree._Element,
    signatures: Sequence[etree._Element],
    must_cover: MustCover,
    policy: SignaturePolicy,
    at: datetime,
    splices: Mapping[str, bytes] = NO_SPLICES,
) -> Inspection:
    """Judge structure, value, digests and coverage. Never raises for bad input: a surprise is a verdict too."""
    found = Findings()
    try:
        if not signatures:
            return Inspection(at, policy, found, unsigned(at, policy.name, policy.sha256), None)
        if len(signatures) > 1:
            raise Refused(Reason.STRUCTURE, f"{len(signatures)} signatures", "exactly one")
        verified = examine(root, signatures[0], must_cover, policy, at, Splices(splices), found)
        return Inspection(at, policy, found, None, verified)
    except Refused as error:
        refused = error
    except Exception as surprise:  # noqa: BLE001 - a surprise inside the judge must become neither a pass nor a crash
        refused = Refused(Reason.PROCESSING, type(surprise).__name__)
    return Inspection(at, policy, found, _refuse(refused, at, policy, found), None)


def conclude(inspection: Inspection, certificate: CertificateVerdict | None, proof: Proof = _NO_PROOF) -> Judgement:
    """Join an inspection, the verdict on its certificate, which must be of that certificate and for the time that
    `proof` has, and that proof."""
    if inspection.verdict is not None:
        return Judgement(inspection.verdict, None)
    found, at, policy = inspection.findings, inspection.at, inspection.policy
    if certificate is None or found.leaf is None or certificate.leaf != found.leaf.sha256:
        return Judgement(_refuse(Refused(Reason.PROCESSING, "no verdict on this certificate"), at, policy, found), None)
    if certificate.proven != proof.at:
        # For another time it may be better than it is: only for `at`, without any proof, is it never too good.
        return Judgement(_refuse(Refused(Reason.PROCESSING, "a verdict for another time"), at, policy, found), None)
    checks = [_row(timestamp) for timestamp in proof.timestamps]
    try:
        _times(inspection, proof)
    except Refused as refused:
        verdict = _refuse(refused, at, policy, found)
        before, last = verdict.checks[:-1], verdict.checks[-1]
        return Judgement(replace(verdict, checks=(*before, *checks, last), evidence=_evidence(found, proof)), None)
    sub_indication = certificate.sub_indication
    return Judgement(
        Verdict(
            indication=Indication.TOTAL_PASSED if sub_indication is None else indication_of(sub_indication),
            sub_indication=sub_indication,
            reason=certificate.reason,
            at=at,
            policy=policy.name,
            policy_sha256=policy.sha256,
            profile=found.profile,
            signature_algorithm=found.algorithm,
            claimed_at=found.claimed_at,
            signer=certificate.signer,
            path=certificate.path,
            covered=found.covered,
            not_covered=found.not_covered,
            checks=(*found.checks, *checks, *certificate.checks),
            evidence=(*certificate.evidence, *_evidence(found, proof)),
            quirks=(*found.quirks, *certificate.quirks),
            valid_until=_valid_until(certificate, proof),
            best_signature_time=proof.at,
        ),
        inspection.verified,
    )


def _times(inspection: Inspection, proof: Proof) -> None:
    """What the time stamps make of a signature that is good in itself.

    A token that is not believed proves nothing and changes nothing: anybody can add one, nothing of it is signed. One
    that is false, of something else or altered, breaks the one true shape.
    """
    found, policy = inspection.findings, inspection.policy
    if policy.mode is Mode.REQUIRED:
        for timestamp in proof.timestamps:
            if timestamp.is_false:
                raise Refused(
                    Reason.TIMESTAMP, f"{timestamp.reason}: {timestamp.sha256}", sub_indication=timestamp.sub_indication
                )
    claimed_at = found.claimed_at
    if proof.at is not None and claimed_at is not None and claimed_at > proof.at + policy.signing_time_ahead:
        observed, required = claimed_at.isoformat(), f"not after {proof.at.isoformat()}"
        raise Refused(Reason.TIME, observed, required, sub_indication=SubIndication.TIMESTAMP_ORDER_FAILURE)
    if found.sha1 and not policy.takes_sha1(proof.at):
        raise Refused(
            Reason.ALGORITHM,
            f"SHA-1: {', '.join(found.sha1)}",
            f"proved before {policy.sha1_before}",
            sub_indication=SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE,
        )


def _row(timestamp: TimestampVerdict) -> Check:
    good = timestamp.sub_indication is None
    status = CheckStatus.OK if good else CheckStatus.NOT_OK if timestamp.is_false else CheckStatus.WARNING
    what = "proved" if good else f"{timestamp.sub_indication}: {timestamp.reason}"
    when = "" if timestamp.gen_time is None else f" {timestamp.gen_time.isoformat()}"
    return Check(Reason.TIMESTAMP.value, "tst", status, f"{what}{when}", timestamp.sha256)


def _evidence(found: Findings, proof: Proof) -> tuple[Evidence, ...]:
    """Every token, what the believed ones rest on, and the hints of the message; each once."""
    rows: dict[Evidence, None] = {}
    for timestamp in proof.timestamps:
        for row in timestamp.evidence or (Evidence("time-stamp", timestamp.sha256),):
            rows[row] = None
    return (*rows, *found.stamps.hints)


def _valid_until(certificate: CertificateVerdict, proof: Proof) -> datetime | None:
    ends = [certificate.valid_until]
    if proof.at is not None:
        ends += (timestamp.valid_until for timestamp in proof.timestamps if timestamp.proven_at is not None)
    return min((end for end in ends if end is not None), default=None)


def _refuse(refused: Refused, at: datetime, policy: SignaturePolicy, found: Findings) -> Verdict:
    sub_indication = refused.under(policy.mode)
    return Verdict(
        indication=indication_of(sub_indication),
        sub_indication=sub_indication,
        reason=refused.reason,
        at=at,
        policy=policy.name,
        policy_sha256=policy.sha256,
        profile=found.profile,
        signature_algorithm=found.algorithm,
        claimed_at=found.claimed_at,
        # Before the value was checked, a certificate in KeyInfo is only a claim about somebody else.
        signer=found.leaf.signer if found.leaf is not None and found.value_is_good else None,
        covered=found.covered,
        not_covered=found.not_covered,
        checks=(*found.checks, refused.check()),
        quirks=found.quirks,
    )
