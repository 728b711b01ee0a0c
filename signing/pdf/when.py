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
from signing.verdict import Reason, SubIndication

NEAR: Final = timedelta(minutes=5)
LOCAL_AS_UTC: Final = "signing-time-local-as-utc"
_VIETNAM: Final = timedelta(hours=7)
_TOO_LATE: Final = frozenset(
    {Reason.EXPIRED, Reason.REVOKED, Reason.CA_REVOKED, Reason.CHAIN, Reason.REVOCATION_UNKNOWN}
)
"""What an earlier time can mend. A key that is too weak, a root that nobody knows, are so at any time."""


def judge_in_time(
    leaf: Leaf,
    trust: Trust,
    at: datetime,
    policy: SignaturePolicy,
    proof: datetime | None,
    claimed_at: datetime | None,
) -> CertificateVerdict:
    """Judge the certificate now; where that is too late and an earlier time is proved, for that time.

    Good now and valid already at the proved time is good. Expired now, with no proof of an earlier time, is doubt and
    no failure (EN 319 102-1 §5.2.6, OUT_OF_BOUNDS_NO_POE), unless the signer himself claims to have signed after the
    end. Revoked is final (design.md §2) unless a time before the revocation is proved, and then it takes a list that
    was in force at some time between that and the certificate's end.
    """
    now = judge_certificate(leaf.der, trust, at, policy)
    if proof is None:
        late = claimed_at is not None and claimed_at > leaf.not_after + _VIETNAM + NEAR
        if now.sub_indication is SubIndication.EXPIRED and not late:
            return replace(now, sub_indication=SubIndication.OUT_OF_BOUNDS_NO_POE)
        return now
    if leaf.not_before <= proof <= leaf.not_after:
        if now.sub_indication is None or now.reason not in _TOO_LATE:
            return now
        if now.reason is Reason.EXPIRED:
            last = judge_certificate(leaf.der, trust, leaf.not_after, policy)
            if last.sub_indication is None:
                return last
    return judge_certificate(leaf.der, trust, proof, policy)


def is_local_as_utc(claimed_at: datetime, proof: datetime | None, at: datetime) -> bool:
    """Say whether a claimed time looks like Vietnamese local time marked as UTC (domain.md §7.2). Never corrected."""
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
