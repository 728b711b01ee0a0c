"""Whom to believe: from a certificate to a root of ours, judged at one time, with the revocation evidence we hold.

Paths are built from our own store only; a message's certificates never take part (a bag fed by an attacker can keep a
path builder busy for minutes: measured). Our own checks come first, because they are quick and say why;
pyhanko-certvalidator then judges the one path after RFC 5280 §6 and may only make it worse.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from itertools import chain

from signing.ahead import may_wait
from signing.certificate import SHA1_QUIRK, Leaf, Purpose, judge_leaf, judge_trade, load_leaf
from signing.pathcheck import judge_path
from signing.policy import SignaturePolicy
from signing.refusal import Refused, passed
from signing.revocation.judge import Used
from signing.revocation.path import Setting, hashes_of, judge_issuers, judge_revocation
from signing.revocation.seen import Seen
from signing.store import Issuer
from signing.trust import AnchorRule, Trust
from signing.verdict import Check, Evidence, Reason, Signer, SubIndication

__all__ = [
    "AnchorRule",
    "CertificateCache",
    "CertificateVerdict",
    "Purpose",
    "Trust",
    "judge_along",
    "judge_certificate",
    "judge_paths",
]


@dataclass(frozen=True, slots=True)
class CertificateVerdict:
    """What a certificate is worth at the time `at`. `sub_indication` is `None` when it is good.

    `leaf` and `path` are SHA-256 of DER in hex, the path from the leaf to the root. `evidence` names all that was
    looked at: with just that, the same judgement gives the same verdict. `valid_until` is the earliest end of a fact
    used: that of a revocation list or answer, a certificate's notAfter, the time in which the root is believed, or the
    last moment before something that is dated ahead begins; only good verdicts have one.
    `quirks` names each tolerance that was needed, `proven` the earlier time for which it was asked.
    """

    sub_indication: SubIndication | None
    reason: Reason
    at: datetime
    leaf: str
    signer: Signer | None
    path: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    checks: tuple[Check, ...] = ()
    valid_until: datetime | None = None
    quirks: tuple[str, ...] = ()
    proven: datetime | None = None


def judge_certificate(
    leaf_der: bytes,
    trust: Trust,
    at: datetime,
    policy: SignaturePolicy,
    *,
    purpose: Purpose = Purpose.DOCUMENT,
    proven: datetime | None = None,
    seen: Seen | None = None,
) -> CertificateVerdict:
    """Judge whether this certificate may sign for `purpose` at `at`, and whether we know its issuers.

    `proven` is an earlier time at which the signature is proved to have existed, by a trusted time stamp: then the
    certificate must have been valid and not revoked at that time, and what came later does not count. `seen` is what
    was looked at before, for the same question; it is filled further.

    Never raises: what cannot be completed is `POLICY_PROCESSING_ERROR`. Takes 1 to 4 ms; keep the result in a
    `CertificateCache`.
    """
    checks: list[Check] = []
    digest = hashlib.sha256(leaf_der).hexdigest()
    signer: Signer | None = None
    seen = Seen() if seen is None else seen
    leaf: Leaf | None = None
    try:
        leaf = load_leaf(leaf_der)
        signer = leaf.signer
        if proven is not None and proven > at:
            raise Refused(Reason.TIME, proven.isoformat(), at.isoformat())
        checks.extend(judge_leaf(leaf, policy, proven or at, purpose, trust.old_hash(proven)))
        found = judge_paths(leaf, trust, at, policy, purpose=purpose, proven=proven, before=checks, seen=seen)
        return replace(found, proven=proven)
    except Refused as error:
        early = leaf is not None and error.reason is Reason.NOT_YET_VALID and proven is None
        if leaf is not None and early and may_wait(leaf.not_before, at):
            return _not_yet(leaf, error, checks, trust, at, policy, purpose, seen)
        refused = error
    except Exception as surprise:  # noqa: BLE001 - asn1crypto and pyHanko raise bare KeyErrors for odd bytes
        refused = Refused(Reason.PROCESSING, type(surprise).__name__)
    checks.append(refused.check())
    return CertificateVerdict(
        refused.sub_indication,
        refused.reason,
        at,
        digest,
        signer,
        evidence=seen.rows(),
        checks=tuple(checks),
        proven=proven,
    )


def _not_yet(
    leaf: Leaf,
    early: Refused,
    checks: Sequence[Check],
    trust: Trust,
    at: datetime,
    policy: SignaturePolicy,
    purpose: Purpose,
    seen: Seen,
) -> CertificateVerdict:
    """A certificate that is valid only a little after `at` waits for that, where nothing else is known against it: it
    is judged for the moment from which it is valid, and never good before."""
    then = judge_certificate(leaf.der, trust, leaf.not_before, policy, purpose=purpose, seen=seen)
    if then.sub_indication not in (None, SubIndication.TRY_LATER):
        return replace(then, at=at, checks=(*checks, *then.checks, early.check()))
    waits = Refused(early.reason, early.observed, early.required, sub_indication=SubIndication.TRY_LATER)
    return replace(
        then,
        sub_indication=waits.sub_indication,
        reason=waits.reason,
        at=at,
        checks=(*checks, *then.checks, waits.check()),
        valid_until=None,
    )


def judge_paths(
    leaf: Leaf,
    trust: Trust,
    at: datetime,
    policy: SignaturePolicy,
    *,
    purpose: Purpose = Purpose.DOCUMENT,
    proven: datetime | None = None,
    before: Sequence[Check] = (),
    seen: Seen | None = None,
) -> CertificateVerdict:
    """The verdict of the first good path, or of the first path where none is good; but one that was revoked after what
    is believed along any of them is revoked. What `leaf` itself may be used for is not asked. `Refused` UNTRUSTED where
    no path leads to a root that is believed for `purpose` at that time."""
    checks = [*before]
    seen = Seen() if seen is None else seen
    paths = trust.store.paths(leaf, policy.max_path_length)
    for path in paths:
        seen.saw(path)
    refusals = [trust.rule_of(path[-1]).refusal(purpose, proven or at) for path in paths]
    allowed = [path for path, refusal in zip(paths, refusals, strict=True) if refusal is None]
    if not allowed:
        raise Refused(Reason.UNTRUSTED, next(filter(None, refusals), leaf.signer.issuer))
    checks.append(passed(Reason.UNTRUSTED))
    found = [
        judge_along(leaf, path, trust, at, policy, purpose=purpose, proven=proven, before=checks, seen=seen)
        for path in allowed
    ]
    revoked = (one for one in found if one.reason is Reason.REVOKED)
    good = (one for one in found if one.sub_indication is None)
    verdict = with_seen(next(chain(revoked, good, found)), seen)
    if verdict.valid_until is None or proven is not None:
        return verdict
    return replace(verdict, valid_until=min([verdict.valid_until, *seen.turns]))


def with_seen(verdict: CertificateVerdict, seen: Seen) -> CertificateVerdict:
    """`verdict`, with the rows of what was looked at after it was given."""
    named = {row.sha256 for row in verdict.evidence}
    return replace(verdict, evidence=(*verdict.evidence, *(row for row in seen.rows() if row.sha256 not in named)))


def judge_along(
    leaf: Leaf,
    path: tuple[Issuer, ...],
    trust: Trust,
    at: datetime,
    policy: SignaturePolicy,
    *,
    purpose: Purpose = Purpose.DOCUMENT,
    proven: datetime | None = None,
    before: Sequence[Check] = (),
    seen: Seen | None = None,
) -> CertificateVerdict:
    """The verdict along one path of our store."""
    checks = [*before]
    seen = Seen() if seen is None else seen
    names = (leaf.sha256, *(issuer.sha256 for issuer in path))
    used: tuple[Used, ...] = ()
    setting = Setting(trust.store, policy, trust.freshness, trust.path_rules, trust.old_hash(proven), at, seen)
    try:
        judge_issuers(path, setting)
        if purpose is Purpose.DOCUMENT:
            for issuer in path[:-1]:
                judge_trade(issuer.certificate)
        found = judge_revocation(leaf, path, setting)
        used = found.used
        checks += (passed(Reason.REVOKED), passed(Reason.CA_REVOKED))
        if found.used:
            checks.append(passed(Reason.REVOCATION_UNKNOWN))
        judge_path(leaf.der, path, setting.moment, trust.path_rules, hashes_of(setting))
        checks.append(passed(Reason.CHAIN))
    except Refused as refused:
        checks.append(refused.check())
        return CertificateVerdict(
            refused.sub_indication,
            refused.reason,
            at,
            leaf.sha256,
            leaf.signer,
            names,
            seen.rows(names, used),
            tuple(checks),
        )
    ends = [leaf.not_after, *(issuer.certificate.not_valid_after_utc for issuer in path)]
    ends += [end + trust.freshness.grace for end in (*(one.end for one in found.used), *seen.ends)]
    ends += [*filter(None, (trust.rule_of(path[-1]).until,)), *seen.turns]
    still = [end for end in ends if proven is None or end >= at]  # what was proved for the past does not end
    quirks = found.quirks
    if setting.old_hash.allowed:
        quirks += (SHA1_QUIRK,)
    end = min(still, default=None)
    return CertificateVerdict(
        None, Reason.GOOD, at, leaf.sha256, leaf.signer, names, seen.rows(names, used), tuple(checks), end, quirks
    )


class CertificateCache:
    """Verdicts on certificates, for as long as their facts hold. The shell owns it; one thread at a time.

    The key is the certificate, what we believe in and the policy, so a new revocation list or root makes every entry
    unreachable at once, a new answer of a responder those of its certificate. Only good verdicts are kept, and none is
    used for a time before it was made or after `valid_until`.
    """

    def __init__(self, most: int = 4096) -> None:
        self._most = most
        self._entries: OrderedDict[tuple[str, str, str], CertificateVerdict] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, leaf: bytes, trust: Trust, policy: SignaturePolicy, at: datetime) -> CertificateVerdict | None:
        """The verdict on the certificate `leaf` (DER) that holds at `at`, if there is one."""
        key = (_digest(leaf), _epoch(leaf, trust), policy.sha256)
        entry = self._entries.get(key)
        if entry is None or entry.valid_until is None or not entry.at <= at <= entry.valid_until:
            return None
        self._entries.move_to_end(key)
        return entry

    def keep(
        self, leaf: bytes, trust: Trust, policy: SignaturePolicy, at: datetime, verdict: CertificateVerdict
    ) -> None:
        """Remember what `judge_certificate` said of these, for documents and without a proven time; a verdict on
        another certificate or time is not kept."""
        digest = _digest(leaf)
        if verdict.sub_indication is not None or (verdict.leaf, verdict.at) != (digest, at):
            return
        if verdict.proven is not None:
            return  # it holds for one signature only
        key = (digest, _epoch(leaf, trust), policy.sha256)
        self._entries[key] = verdict
        self._entries.move_to_end(key)
        while len(self._entries) > self._most:
            self._entries.popitem(last=False)


@lru_cache(maxsize=512)
def _digest(leaf: bytes) -> str:
    """SHA-256, lower-case hex. Cached: the same octets, of `Leaf.der`, are asked for again and again."""
    return hashlib.sha256(leaf).hexdigest()


def _epoch(leaf: bytes, trust: Trust) -> str:
    if not trust.answers:
        return trust.epoch
    try:
        return trust.epoch_for(load_leaf(leaf))
    except Refused:
        return trust.epoch
