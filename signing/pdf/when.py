"""At which time a signer's certificate is judged, and what a claimed time is worth."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from signing.certificate import Leaf
from signing.chain import CertificateVerdict, Trust
from signing.cms import Signed
from signing.policy import SignaturePolicy
from signing.proof import Proof, judge_proven
from signing.revocation.seen import SEEN
from signing.verdict import Evidence, SubIndication

NEAR: Final = timedelta(minutes=5)
LOCAL_AS_UTC: Final = "signing-time-local-as-utc"
_VIETNAM: Final = timedelta(hours=7)


def judge_in_time(
    leaf: Leaf,
    trust: Trust,
    at: datetime,
    policy: SignaturePolicy,
    proof: Proof,
    claimed_at: datetime | None,
) -> CertificateVerdict:
    """Judge the certificate now, or for the earlier time that a trusted time stamp proves; a stamp of whose authority
    it is not known whether it was revoked, and which would save the signature, lets it wait.

    Expired now, with no proof of an earlier time, is doubt and no failure (EN 319 102-1: OUT_OF_BOUNDS_NO_POE),
    unless the signer himself claims to have signed after the end. Revoked is final unless a time before it is proved.
    """
    now = judge_proven(leaf.der, trust, at, policy, proof)
    if proof.at is not None:
        return now
    late = claimed_at is not None and claimed_at > leaf.not_after + _VIETNAM + NEAR
    if now.sub_indication is SubIndication.EXPIRED and not late:
        return replace(now, sub_indication=SubIndication.OUT_OF_BOUNDS_NO_POE)
    return now


def is_local_as_utc(claimed_at: datetime, proof: datetime | None, at: datetime) -> bool:
    """Say whether a claimed time looks like Vietnamese local time marked as UTC (field, observed). Never corrected."""
    if proof is not None:
        return abs(claimed_at - proof - _VIETNAM) <= NEAR
    return NEAR < claimed_at - at <= _VIETNAM + NEAR


def offered_issuers(signed: Signed, trust: Trust, policy: SignaturePolicy) -> tuple[list[str], tuple[Evidence, ...]]:
    """Name the certificates in the CMS that would lead to a root of ours, if the operator took them into the store; and
    those of ours that they would lead by.

    They are not used: what a message brings takes no part in building paths (ADR 0008).
    """
    if not signed.others:
        return [], ()
    wider = Trust(trust.anchors, (*trust.intermediates, *signed.others)).store
    known = {hashlib.sha256(der).hexdigest() for der in trust.intermediates}
    issuers = {one.sha256: one for path in wider.paths(signed.leaf, policy.max_path_length) for one in path}
    ours = {name for name, one in issuers.items() if one.root or name in known}
    looked_at = tuple(Evidence("certificate", name, SEEN) for name in issuers if name in ours)
    return [f"issuer-offered {name}" for name in sorted(issuers.keys() - ours)], looked_at
