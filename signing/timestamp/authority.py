"""The certificate of a time-stamping authority: good now, or given up for a reason that leaves its tokens good."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final

from cryptography import x509

from signing.certificate import Leaf, Purpose
from signing.chain import CertificateVerdict, Trust, judge_certificate, judge_paths, with_seen
from signing.policy import SignaturePolicy
from signing.refusal import Refused
from signing.revocation.judge import Rules, list_used, told
from signing.revocation.name import name_key
from signing.revocation.ocsp import Status
from signing.revocation.path import Setting, judge_revocation
from signing.revocation.seen import Seen
from signing.verdict import Reason

_TOKENS_REMAIN: Final = frozenset(
    reason.value
    for reason in (
        x509.ReasonFlags.unspecified,
        x509.ReasonFlags.affiliation_changed,
        x509.ReasonFlags.superseded,
        x509.ReasonFlags.cessation_of_operation,
    )
)
"""RFC 3161 §4 no. 1: revoked for one of these, and told so, an authority keeps the tokens that it made before."""


_ENDED: Final = frozenset({Reason.EXPIRED, Reason.CHAIN})
_REVOKED: Final = frozenset({Reason.REVOKED, Reason.CA_REVOKED})


def judge_authority(
    leaf: Leaf,
    stamped: datetime,
    trust: Trust,
    at: datetime,
    policy: SignaturePolicy,
    *,
    takes_ended: bool = False,
) -> CertificateVerdict:
    """Judge the signer of a token that says to be of `stamped` at the latest.

    It has to be good at `at`: a key that was lost since could have written any time. Only where all that we have about
    its revocation says that the key was not lost, and what was revoked is the authority itself and nobody above it,
    is it judged for the time of the token; with `takes_ended` also where a certificate of its path has run out since,
    and nothing that we have says that any of them was revoked.
    """
    seen = Seen()
    now = judge_certificate(leaf.der, trust, at, policy, purpose=Purpose.TIME_STAMP, seen=seen)
    if takes_ended and now.reason in _ENDED and stamped <= at:
        return with_seen(_judge_ended(leaf, stamped, trust, at, policy, seen), seen)
    if now.reason is not Reason.REVOKED or stamped > at:
        return now
    reasons = [*_reasons(leaf, trust, at, seen)]
    if not reasons or not _TOKENS_REMAIN.issuperset(reasons):
        return with_seen(now, seen)
    then = judge_certificate(leaf.der, trust, at, policy, purpose=Purpose.TIME_STAMP, proven=stamped, seen=seen)
    if then.sub_indication is not None:
        return with_seen(now, seen)
    return with_seen(_above(leaf, then, trust, at, policy, seen), seen)


def _judge_ended(
    leaf: Leaf, stamped: datetime, trust: Trust, at: datetime, policy: SignaturePolicy, seen: Seen
) -> CertificateVerdict:
    """For the time of the token, unless anything that we have says that a certificate of the path was revoked, ever:
    whoever has the key writes the time he likes."""
    listed = judge_paths(leaf, trust, at, policy, purpose=Purpose.TIME_STAMP, seen=seen)
    if listed.reason in _REVOKED:
        return listed
    revoked = _revoked_along(leaf, trust, at, policy, seen) if listed.sub_indication is not None else None
    if revoked is not None:
        checks = (*listed.checks[:-1], revoked.check())
        return replace(listed, sub_indication=revoked.sub_indication, reason=revoked.reason, checks=checks)
    return judge_certificate(leaf.der, trust, at, policy, purpose=Purpose.TIME_STAMP, proven=stamped, seen=seen)


def _revoked_along(leaf: Leaf, trust: Trust, at: datetime, policy: SignaturePolicy, seen: Seen) -> Refused | None:
    """What we have against any certificate of a path, asked also where one above has run out: there the judge of paths
    ends before it asks."""
    setting = Setting(trust.store, policy, trust.freshness, trust.path_rules, trust.old_hash(None), at, seen)
    for path in trust.store.paths(leaf, policy.max_path_length):
        try:
            judge_revocation(leaf, path, setting)
        except Refused as refused:
            if refused.reason in _REVOKED:
                return refused
    return None


def _reasons(leaf: Leaf, trust: Trust, at: datetime, seen: Seen) -> Iterator[str]:
    """Why it was revoked, as every list and answer at hand tells it; an empty word where one does not tell."""
    issuer, serial = name_key(leaf.certificate.issuer), leaf.certificate.serial_number
    rules = Rules(trust.freshness)
    for crl in trust.store.lists_from([issuer]):
        entry = crl.find(issuer, serial)
        if entry is not None:
            seen.heard((list_used(crl, rules, at),))
            yield "" if entry.reason is None else entry.reason.value
    for answer in trust.store.answers_about(serial):
        for single in answer.singles:
            if single.serial == serial and single.status is Status.REVOKED:
                seen.heard((told(single, answer, rules),))
                # OCSP spells them with underscores, lists in one word; neither tells two reasons by one spelling.
                yield _FROM_OCSP.get(single.reason or "", "")


_FROM_OCSP: Final = {
    "unspecified": x509.ReasonFlags.unspecified.value,
    "affiliation_changed": x509.ReasonFlags.affiliation_changed.value,
    "superseded": x509.ReasonFlags.superseded.value,
    "cessation_of_operation": x509.ReasonFlags.cessation_of_operation.value,
}


def _above(
    leaf: Leaf, then: CertificateVerdict, trust: Trust, at: datetime, policy: SignaturePolicy, seen: Seen
) -> CertificateVerdict:
    """`then`, if nobody above the authority is revoked now."""
    for path in trust.store.paths(leaf, policy.max_path_length):
        if tuple(issuer.sha256 for issuer in path) != then.path[1:] or len(path) == 1:
            continue
        setting = Setting(trust.store, policy, trust.freshness, trust.path_rules, trust.old_hash(None), at, seen)
        try:
            judge_revocation(path[0], path[1:], setting)
        except Refused as refused:
            reason = Reason.CA_REVOKED if refused.reason is Reason.REVOKED else refused.reason
            above = Refused(reason, refused.observed)
            checks = (*then.checks, above.check())
            return replace(then, sub_indication=above.sub_indication, reason=reason, checks=checks, valid_until=None)
    return then
