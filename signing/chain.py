"""Whom to believe: from a certificate to a root of ours, judged at one time, with the revocation lists we hold.

Paths are built from our own store only; a message's certificates never take part (a bag fed by an attacker can keep a
path builder busy for minutes, signing.md §2.2). Our own checks come first, because they are quick and say why;
pyhanko-certvalidator then judges the one path after RFC 5280 §6 and may only make it worse.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from signing.certificate import (
    Leaf,
    judge_issuer,
    judge_issuer_signature,
    judge_leaf,
    load_leaf,
)
from signing.pathcheck import check_path
from signing.policy import SignaturePolicy
from signing.refusal import Refused, passed
from signing.store import Crl, Issuer, Store
from signing.verdict import Check, Evidence, Reason, Signer, SubIndication


class Trust:
    """What we believe in: self-signed roots, the intermediates under them, and revocation lists, all DER.

    Immutable. `epoch` names the whole set and changes with any of it. `problems` tells in words what was given and
    cannot be used; such an entry takes no part.
    """

    def __init__(
        self,
        anchors: Sequence[bytes] = (),
        intermediates: Sequence[bytes] = (),
        crls: Sequence[bytes] = (),
    ) -> None:
        self.anchors, self.intermediates, self.crls = tuple(anchors), tuple(intermediates), tuple(crls)
        self._epoch: str | None = None
        self._store: Store | None = None

    @property
    def epoch(self) -> str:
        if self._epoch is None:
            state = hashlib.sha256()
            for label, items in (("anchor", self.anchors), ("intermediate", self.intermediates), ("crl", self.crls)):
                for digest in sorted({hashlib.sha256(item).hexdigest() for item in items}):
                    state.update(f"{label} {digest}\n".encode())
            self._epoch = state.hexdigest()
        return self._epoch

    @property
    def store(self) -> Store:
        """The parsed form, made at the first use."""
        if self._store is None:
            self._store = Store(self.anchors, self.intermediates, self.crls)
        return self._store

    @property
    def problems(self) -> tuple[str, ...]:
        return self.store.problems


@dataclass(frozen=True, slots=True)
class CertificateVerdict:
    """What a certificate is worth at the time `at`. `sub_indication` is `None` when it is good.

    `leaf` and `path` are SHA-256 of DER in hex, the path from the leaf to the root. `valid_until` is the earliest end
    of a fact used: a revocation list's nextUpdate or a certificate's notAfter; only good verdicts have one.
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


def judge_certificate(leaf_der: bytes, trust: Trust, at: datetime, policy: SignaturePolicy) -> CertificateVerdict:
    """Judge whether this certificate may sign documents at `at`, and whether we know its issuers.

    Never raises: what cannot be completed is `POLICY_PROCESSING_ERROR`. Takes 1 to 4 ms (more with huge revocation
    lists); keep the result in a `CertificateCache`.
    """
    checks: list[Check] = []
    digest = hashlib.sha256(leaf_der).hexdigest()
    signer: Signer | None = None
    try:
        leaf = load_leaf(leaf_der)
        signer = leaf.signer
        checks.extend(judge_leaf(leaf, policy, at))
        return _along_paths(leaf, signer, trust.store, at, policy, checks)
    except Refused as error:
        refused = error
    except Exception as surprise:  # noqa: BLE001 - asn1crypto and pyHanko raise bare KeyErrors for odd bytes
        refused = Refused(Reason.PROCESSING, type(surprise).__name__)
    checks.append(refused.check())
    return CertificateVerdict(refused.sub_indication, refused.reason, at, digest, signer, checks=tuple(checks))


def _along_paths(
    leaf: Leaf, signer: Signer, store: Store, at: datetime, policy: SignaturePolicy, checks: list[Check]
) -> CertificateVerdict:
    """The verdict of the first good path, or of the first path where none is good."""
    paths = store.paths(leaf, policy.max_path_length)
    if not paths:
        raise Refused(Reason.UNTRUSTED, signer.issuer)
    checks.append(passed(Reason.UNTRUSTED))
    first: CertificateVerdict | None = None
    for path in paths:
        verdict = _along(leaf, signer, path, store, at, policy, checks)
        if verdict.sub_indication is None:
            return verdict
        first = first or verdict
    assert first is not None
    return first


def _along(
    leaf: Leaf,
    signer: Signer,
    path: tuple[Issuer, ...],
    store: Store,
    at: datetime,
    policy: SignaturePolicy,
    before: list[Check],
) -> CertificateVerdict:
    checks = [*before]
    names = (leaf.sha256, *(issuer.sha256 for issuer in path))
    evidence = [Evidence("certificate", name) for name in names]
    try:
        for below, issuer in enumerate(path):
            judge_issuer(issuer.certificate, policy, at, below)
            if issuer is not path[-1]:
                judge_issuer_signature(issuer.certificate, policy)
        used = _revocation(leaf, path, store, at, policy)
        evidence += [Evidence("crl", crl.sha256, "", crl.this_update, crl.next_update) for crl in used]
        checks += (passed(Reason.REVOKED), passed(Reason.CA_REVOKED))
        if used:
            checks.append(passed(Reason.REVOCATION_UNKNOWN))
        check_path(leaf.der, path, store, at, policy)
        checks.append(passed(Reason.CHAIN))
    except Refused as refused:
        checks.append(refused.check())
        return CertificateVerdict(
            refused.sub_indication,
            refused.reason,
            at,
            leaf.sha256,
            signer,
            names,
            tuple(evidence),
            tuple(checks),
        )
    ends = [leaf.not_after, *(issuer.certificate.not_valid_after_utc for issuer in path)]
    ends += [crl.next_update for crl in used if crl.next_update is not None]
    return CertificateVerdict(
        None, Reason.GOOD, at, leaf.sha256, signer, names, tuple(evidence), tuple(checks), min(ends)
    )


def _revocation(leaf: Leaf, path: tuple[Issuer, ...], store: Store, at: datetime, policy: SignaturePolicy) -> list[Crl]:
    """Look every certificate of the path up in the lists of its issuer; return the fresh lists that were used.

    A list that is out of date still revokes: what was revoked stays so. It cannot acquit. "Not listed anywhere" is no
    answer where no list is fresh: REVOCATION_UNKNOWN, unless the policy does without.
    """
    used: list[Crl] = []
    unknown: str | None = None
    subjects = (leaf.certificate, *(issuer.certificate for issuer in path[:-1]))
    for number, (subject, issuer) in enumerate(zip(subjects, path, strict=True)):
        lists = store.lists_of(issuer)
        for crl in lists:
            revoked_at = crl.revoked_at(subject.serial_number)
            if revoked_at is not None and revoked_at <= at:
                raise Refused(Reason.REVOKED if number == 0 else Reason.CA_REVOKED, revoked_at.isoformat())
        fresh = [crl for crl in lists if crl.is_fresh(at)]
        if fresh:
            used.append(max(fresh, key=lambda crl: crl.this_update))
        elif unknown is None:
            unknown = f"{len(lists)} lists of the issuer of {subject.serial_number:x}, none in force"
    if unknown is not None and policy.require_revocation:
        raise Refused(Reason.REVOCATION_UNKNOWN, unknown)
    return used


class CertificateCache:
    """Verdicts on certificates, for as long as their facts hold. The shell owns it; one thread at a time.

    The key is the certificate, what we believe in and the policy, so a new revocation list or root makes every entry
    unreachable at once. Only good verdicts are kept, and none is used for a time before it was made or after
    `valid_until`.
    """

    def __init__(self, most: int = 4096) -> None:
        self._most = most
        self._entries: OrderedDict[tuple[str, str, str], CertificateVerdict] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, leaf: bytes, trust: Trust, policy: SignaturePolicy, at: datetime) -> CertificateVerdict | None:
        """The verdict on the certificate `leaf` (DER) that holds at `at`, if there is one."""
        key = (hashlib.sha256(leaf).hexdigest(), trust.epoch, policy.sha256)
        entry = self._entries.get(key)
        if entry is None or entry.valid_until is None or not entry.at <= at <= entry.valid_until:
            return None
        self._entries.move_to_end(key)
        return entry

    def keep(
        self, leaf: bytes, trust: Trust, policy: SignaturePolicy, at: datetime, verdict: CertificateVerdict
    ) -> None:
        """Remember what `judge_certificate` said of these; a verdict on another certificate or time is not kept."""
        digest = hashlib.sha256(leaf).hexdigest()
        if verdict.sub_indication is not None or (verdict.leaf, verdict.at) != (digest, at):
            return
        key = (digest, trust.epoch, policy.sha256)
        self._entries[key] = verdict
        self._entries.move_to_end(key)
        while len(self._entries) > self._most:
            self._entries.popitem(last=False)
