"""At which time a signer's certificate is judged, and what a claimed time is worth."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from signing.certificate import Leaf
from signing.chain import CertificateVerdict, Trust, judge_certificate
from signing.pdf.cms import Signed
from signing.policy import SignaturePolicy
from signing.verdict import SubIndication

NEAR: Final = timedelta(minutes=5)
LOCAL_AS_UTC: Final = "signing-time-local-as-utc"
_VIETNAM: Final = timedelta(hours=7)


def judge_in_time(
    leaf: Leaf,
    trust: Trust,
    at: datetime,
    policy: SignaturePolicy,
    proof: datetime | None,
    claimed_at: datetime | None,
) -> CertificateVerdict:
    """Judge the certificate now, or for the earlier time that a trusted time stamp proves.

    Expired now, with no proof of an earlier time, is doubt and no failure (EN 319 102-1: OUT_OF_BOUNDS_NO_POE),
    unless the signer himself claims to have signed after the end. Revoked is final unless a time before it is proved.
    """
    if proof is not None:
        return judge_certificate(leaf.der, trust, at, policy, proven=min(proof, at))
    now = judge_certificate(leaf.der, trust, at, policy)
    late = claimed_at is not None and claimed_at > leaf.not_after + _VIETNAM + NEAR
    if now.sub_indication is SubIndication.EXPIRED and not late:
        return replace(now, sub_indication=SubIndication.OUT_OF_BOUNDS_NO_POE)
    return now


def is_local_as_utc(claimed_at: datetime, proof: datetime | None, at: datetime) -> bool:
    """Say whether a claimed time looks like Vietnamese local time marked as UTC (field, observed). Never corrected."""
    if proof is not None:
        return abs(claimed_at - proof - _VIETNAM) <= NEAR
    return NEAR < claimed_at - at <= _VIETNAM + NEAR


def offered_issuers(signed: Signed, trust: Trust, policy: SignaturePolicy) -> list[str]:
    """Name the certificates in the CMS that would lead to a root of ours, if the operator took them into the store.

    They are not used: what a message brings takes no part in building paths (ADR 0008).
    """
    if not signed.others:
        return []
    wider = Trust(trust.anchors, (*trust.intermediates, *signed.others)).store
    known = {hashlib.sha256(der).hexdigest() for der in trust.intermediates}
    missing = {
        issuer.sha256
        for path in wider.paths(signed.leaf, policy.max_path_length)
        for issuer in path
        if not issuer.root and issuer.sha256 not in known
    }
    return [f"issuer-offered {digest}" for digest in sorted(missing)]
