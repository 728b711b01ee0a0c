"""The one way in: is this signature good, what does it cover, whose is it.

`verify` does all of it. `inspect` and `conclude` are its two halves for callers that keep certificate verdicts or judge
certificates elsewhere. None of them raises for what stands in a document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from lxml import etree

from signing.c14n import Splices
from signing.chain import CertificateVerdict, Trust, judge_certificate
from signing.octets import InMemory, Octets
from signing.policy import SignaturePolicy
from signing.refusal import Refused
from signing.verdict import Indication, Reason, Verdict, indication_of, unsigned
from signing.xmldsig import Findings, MustCover, Verified, examine

__all__ = [
    "InMemory",
    "Inspection",
    "Judgement",
    "MustCover",
    "Octets",
    "Verified",
    "conclude",
    "inspect",
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
) -> Judgement:
    """Judge the one signature of a document at the time `at` (with a zone).

    `root` is the root of a tree that passed a gate for size, depth, attributes and DOCTYPE. `signatures` are the
    signature blocks the caller found; `must_cover` what it will use; `splices` the texts cut out before parsing
    (`signing.c14n.Splices`).
    """
    inspection = inspect(root, signatures, must_cover, policy, at, splices)
    leaf = inspection.certificate
    return conclude(inspection, None if leaf is None else judge_certificate(leaf, trust, at, policy))


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


def conclude(inspection: Inspection, certificate: CertificateVerdict | None) -> Judgement:
    """Join an inspection and the verdict on its certificate, which must be of that certificate."""
    if inspection.verdict is not None:
        return Judgement(inspection.verdict, None)
    found, at, policy = inspection.findings, inspection.at, inspection.policy
    if certificate is None or found.leaf is None or certificate.leaf != found.leaf.sha256:
        return Judgement(_refuse(Refused(Reason.PROCESSING, "no verdict on this certificate"), at, policy, found), None)
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
            checks=(*found.checks, *certificate.checks),
            evidence=certificate.evidence,
            quirks=(*found.quirks, *certificate.quirks),
            valid_until=certificate.valid_until,
        ),
        inspection.verified,
    )


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
