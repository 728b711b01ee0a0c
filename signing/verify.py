"""The one way in: is this signature good, what does it cover, whose is it.

`verify` does all of it. `inspect`, `prove` and `conclude` are its parts for callers that keep certificate verdicts or
judge certificates elsewhere. None of them raises for what stands in a document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, repeat
from typing import Final

from lxml import etree

from signing.c14n import Text
from signing.chain import CertificateVerdict, Trust
from signing.inspection import NO_SPLICES, Inspection, inspect, inspect_laid, refuse
from signing.octets import InMemory, Octets
from signing.policy import Mode, SignaturePolicy
from signing.proof import NO_PROOF, Proof, judge_proven, proof_of
from signing.refusal import Refused
from signing.several import countersigned, joined
from signing.timestamp import TimestampVerdict, judge_token
from signing.verdict import (
    Check,
    CheckStatus,
    Evidence,
    Indication,
    Reason,
    SignatureRole,
    SubIndication,
    Verdict,
    indication_of,
)
from signing.xmldsig import Findings, MustCover, Verified

__all__ = [
    "Certified",
    "InMemory",
    "Inspection",
    "Judgement",
    "MustCover",
    "Octets",
    "Proof",
    "Verified",
    "certify",
    "conclude",
    "inspect",
    "inspect_laid",
    "prove",
    "settle",
    "verify",
]


@dataclass(frozen=True)
class Certified:
    """The verdict on the certificate of one signature, the proof of time that it was judged with, and whom we believed
    for both. `None` where that question does not arise."""

    certificate: CertificateVerdict | None = None
    proof: Proof = NO_PROOF
    trust: Trust | None = None


_NOT_CERTIFIED: Final = Certified()


@dataclass(frozen=True)
class Judgement:
    """The verdict, and what may be read. `verified` is there when the mathematics and the coverage of all signatures
    side by side are good, whatever their certificates are worth; it is what the first of them covers.

    `each` are the verdicts on every signature on its own, where there are several: `verdict` joins them with the first
    as the primary one, `signing.several.joined` does with another.
    """

    verdict: Verdict
    verified: Verified | None
    each: tuple[Verdict, ...] = ()


def verify(
    root: etree._Element,
    signatures: Sequence[etree._Element],
    must_cover: MustCover,
    policy: SignaturePolicy,
    trust: Trust,
    at: datetime,
    splices: Mapping[str, Text] = NO_SPLICES,
    tsa: Trust | None = None,
) -> Judgement:
    """Judge the signatures of a document at the time `at` (with a zone).

    `tsa` is whom to believe for time stamps; by default `trust`, whose rules say which roots are for that.
    `root` is the root of a tree that passed a gate for size, depth, attributes and DOCTYPE. `signatures` are the
    signature blocks the caller found; `must_cover` what it will use; `splices` the texts cut out before parsing
    (`signing.c14n.Splices`).
    """
    return settle(inspect(root, signatures, must_cover, policy, at, splices), trust, tsa)


def settle(inspection: Inspection, trust: Trust, tsa: Trust | None = None) -> Judgement:
    """Judge the certificates of every signature that was inspected, and conclude."""
    first, *others = (certify(one, trust, inspection.at, tsa) for one in inspection.each)
    return conclude(inspection, first.certificate, first.proof, others)


def certify(inspection: Inspection, trust: Trust, at: datetime, tsa: Trust | None = None) -> Certified:
    """Judge the time stamps and the certificate of one signature; `tsa` as in `verify`."""
    leaf = inspection.certificate
    if leaf is None:
        return _NOT_CERTIFIED
    proof = prove(inspection, trust if tsa is None else tsa)
    return Certified(judge_proven(leaf, trust, at, inspection.policy, proof), proof, trust)


def prove(inspection: Inspection, tsa: Trust) -> Proof:
    """Judge the time stamps of a signature whose value is good. Never raises; some 5 ms for each, at most four."""
    if not inspection.has_timestamps:
        return NO_PROOF
    found, at = inspection.findings.stamps, inspection.at
    verdicts = (
        judge_token(stamp.token, stamp.octets, tsa, at, inspection.policy, known=found.certificates)
        for stamp in found.stamps
    )
    return proof_of(tuple(verdicts), at)


def conclude(
    inspection: Inspection,
    certificate: CertificateVerdict | None,
    proof: Proof = NO_PROOF,
    others: Sequence[Certified] = (),
) -> Judgement:
    """Join an inspection, the verdict on its certificate, which must be of that certificate and for the time that
    `proof` has, and that proof. `others` are the same of `inspection.others`; one that is missing is never good."""
    first = _conclude(inspection, certificate, proof)
    if not inspection.others:
        return first
    pairs = zip(inspection.others, chain(others, repeat(_NOT_CERTIFIED)), strict=False)
    judgements = [first, *(_conclude(one, judged.certificate, judged.proof) for one, judged in pairs)]
    each = countersigned([judgement.verdict for judgement in judgements], inspection.policy.mode)
    beside = [
        (judgement, verdict)
        for judgement, verdict in zip(judgements, each, strict=True)
        if verdict.role is not SignatureRole.COUNTERSIGNATURE
    ]
    good = all(one.verified is not None and verdict.reason is not Reason.COUNTERSIGNATURE for one, verdict in beside)
    return Judgement(joined(each), first.verified if good else None, each)


def _conclude(inspection: Inspection, certificate: CertificateVerdict | None, proof: Proof) -> Judgement:
    if inspection.verdict is not None:
        return Judgement(inspection.verdict, None)
    found, at, policy = inspection.findings, inspection.at, inspection.policy
    if certificate is None or found.leaf is None or certificate.leaf != found.leaf.sha256:
        return Judgement(refuse(Refused(Reason.PROCESSING, "no verdict on this certificate"), inspection), None)
    if certificate.proven != proof.at:
        # For another time it may be better than it is: only for `at`, without any proof, is it never too good.
        return Judgement(refuse(Refused(Reason.PROCESSING, "a verdict for another time"), inspection), None)
    checks = [_row(timestamp) for timestamp in proof.timestamps]
    try:
        _times(inspection, proof)
    except Refused as refused:
        verdict = refuse(refused, inspection)
        before, last = verdict.checks[:-1], verdict.checks[-1]
        return Judgement(replace(verdict, checks=(*before, *checks, last), evidence=_evidence(found, proof)), None)
    sub_indication, reason = certificate.sub_indication, certificate.reason
    if found.ahead is not None:
        checks.append(found.ahead.check())
        if sub_indication is None:
            sub_indication, reason = found.ahead.sub_indication, found.ahead.reason
    return Judgement(
        Verdict(
            indication=Indication.TOTAL_PASSED if sub_indication is None else indication_of(sub_indication),
            sub_indication=sub_indication,
            reason=reason,
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
            certificate_at=certificate.at,
            role=inspection.role,
            place=inspection.place,
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
    claimed_at, proven = found.claimed_at, proof.earliest
    if proven is not None and claimed_at is not None and claimed_at > proven + policy.signing_time_ahead:
        observed, required = claimed_at.isoformat(), f"not after {proven.isoformat()}"
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
    if not proof.timestamps:
        return found.stamps.hints
    rows: dict[Evidence, None] = {}
    for timestamp in proof.timestamps:
        for row in timestamp.evidence or (Evidence("time-stamp", timestamp.sha256),):
            rows[row] = None
    return (*rows, *found.stamps.hints)


def _valid_until(certificate: CertificateVerdict, proof: Proof) -> datetime | None:
    if proof.at is None:
        return certificate.valid_until
    ends = [certificate.valid_until]
    ends += (timestamp.valid_until for timestamp in proof.timestamps if timestamp.proven_at is not None)
    return min((end for end in ends if end is not None), default=None)
