"""Revocation along a path: each certificate but the root, with the lists and answers of our own store.

Whoever signs a list is believed only with a path of its own to the same root, none of it revoked (RFC 5280 §6.3.3 (f)).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509

from signing.certificate import (
    Leaf,
    OldHash,
    judge_hash,
    judge_issuer,
    judge_issuer_signature,
    read_extensions,
)
from signing.pathcheck import PathRules, judge_path
from signing.policy import SignaturePolicy
from signing.refusal import Refused
from signing.revocation.crl import Crl, Freshness
from signing.revocation.judge import Finding, Question, Rules, Used, judge
from signing.revocation.name import NameKey, name_key
from signing.revocation.ocsp import Status, needs_no_check
from signing.revocation.point import points_of
from signing.store import Issuer, Store
from signing.verdict import Reason


@dataclass(frozen=True, slots=True)
class Findings:
    """What the path's revocation rests on."""

    used: tuple[Used, ...] = ()
    quirks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """Under what a path is judged: our store and rules, the time of judging and the proven one."""

    store: Store
    policy: SignaturePolicy
    freshness: Freshness
    path_rules: PathRules
    old_hash: OldHash
    at: datetime

    @property
    def moment(self) -> datetime:
        """The time for which certificates must be valid."""
        return self.old_hash.proven or self.at


def judge_revocation(leaf: Leaf | Issuer, path: Sequence[Issuer], setting: Setting) -> Findings:
    """Ask for every certificate of the path. `Refused`: REVOKED, CA_REVOKED, or REVOCATION_UNKNOWN where the policy
    does not do without."""
    return Asker(setting, path[-1]).along(leaf, path)


def judge_issuers(path: Sequence[Issuer], setting: Setting) -> None:
    """Each issuer may issue, is valid, and its key and signature are strong enough. `Refused` if not."""
    below = 0
    for issuer in path:
        judge_issuer(issuer.certificate, setting.policy, setting.moment, below)
        if issuer is not path[-1]:
            judge_issuer_signature(issuer.certificate, setting.policy, setting.old_hash)
        if not is_self_issued(issuer.certificate):
            below += 1


def is_self_issued(certificate: x509.Certificate) -> bool:
    """Such a certificate does not count against a path length (RFC 5280 §6.1.4 (l))."""
    return name_key(certificate.subject) == name_key(certificate.issuer)


def hashes_of(setting: Setting) -> frozenset[str]:
    allowed = setting.policy.certificate_hashes
    return allowed | {"sha1"} if setting.old_hash.allowed else allowed


@dataclass(slots=True)
class Asker:
    """Asks about certificates whose paths end at `root`, and remembers which signers of lists may be believed."""

    setting: Setting
    root: Issuer
    believed: dict[str, bool] = field(default_factory=dict)

    def along(self, leaf: Leaf | Issuer, path: Sequence[Issuer]) -> Findings:
        found = [self.ask(subject, issuer) for subject, issuer in zip((leaf, *path[:-1]), path, strict=True)]
        for number, finding in enumerate(found):
            if finding.status is Status.REVOKED:
                raise Refused(Reason.REVOKED if number == 0 else Reason.CA_REVOKED, finding.detail)
        unknown = [finding.detail for finding in found if finding.status is Status.UNKNOWN]
        if unknown and self.setting.policy.require_revocation:
            raise Refused(Reason.REVOCATION_UNKNOWN, unknown[0])
        used = tuple(dict.fromkeys(one for finding in found for one in finding.used))
        return Findings(used, tuple(dict.fromkeys(quirk for finding in found for quirk in finding.quirks)))

    def ask(self, subject: Leaf | Issuer, issuer: Issuer) -> Finding:
        return self._about(subject.certificate, issuer, with_answers=True)

    def _about(self, certificate: x509.Certificate, issuer: Issuer, with_answers: bool) -> Finding:
        setting, store = self.setting, self.setting.store
        question = Question(certificate, issuer.certificate, issuer.sha256, setting.at, setting.old_hash.proven)

        def speaks(crl: Crl) -> str | None:
            return self._signer(crl, issuer)

        return judge(
            question,
            Rules(setting.freshness, setting.policy.certificate_hashes),
            store.lists_from(_publishers(certificate)),
            store.answers_about(certificate.serial_number) if with_answers else (),
            speaks,
            self.delegates_of(issuer),
        )

    def _signer(self, crl: Crl, issuer: Issuer) -> str | None:
        """Whose key made the list: the issuer's own, or that of another whom we believe."""
        if crl.is_signed_by(issuer.certificate, issuer.sha256):
            return issuer.sha256
        for other in self.setting.store.signers(crl.issuer):
            if crl.is_signed_by(other.certificate, other.sha256) and self._believes(other):
                return other.sha256
        return None

    def _believes(self, signer: Issuer) -> bool:
        known = self.believed.get(signer.sha256)
        if known is None:
            # While it is being asked about, a signer is taken at its word: a list may speak about the very certificate
            # whose key made it (PKITS 4.4.19), and one that lists its own signer convicts it.
            self.believed[signer.sha256] = True
            known = self.believed[signer.sha256] = self._judge_signer(signer)
        return known

    def _judge_signer(self, signer: Issuer) -> bool:
        if signer.root:
            return signer.sha256 == self.root.sha256
        setting = self.setting
        for path in setting.store.paths(signer, setting.policy.max_path_length):
            if path[-1].sha256 != self.root.sha256:
                continue
            try:
                _judge_holder(signer.certificate, setting)
                judge_issuers(path, setting)
                judge_path(signer.der, path, setting.moment, setting.path_rules, hashes_of(setting))
                self.along(signer, path)
            except Refused:
                continue
            return True
        return False

    def delegates_of(self, issuer: Issuer) -> Callable[[x509.Certificate], bool]:
        """What is asked of a certificate with which somebody answers for `issuer`."""
        return lambda delegate: self._delegate_is_good(delegate, issuer)

    def _delegate_is_good(self, delegate: x509.Certificate, issuer: Issuer) -> bool:
        """A responder's certificate: a strong key, and not revoked after a list, unless it needs no check."""
        try:
            _judge_holder(delegate, self.setting)
        except Refused:
            return False
        return needs_no_check(delegate) or self._about(delegate, issuer, False).status is Status.GOOD


def _judge_holder(certificate: x509.Certificate, setting: Setting) -> None:
    """What a certificate that signs lists or answers must be by itself."""
    read_extensions(certificate)
    weakness = setting.policy.weakness(certificate.public_key())
    if weakness is not None:
        raise Refused(Reason.WEAK_KEY, weakness)
    judge_hash(certificate, setting.policy, "a signer of evidence", setting.old_hash)
    if not certificate.not_valid_before_utc <= setting.moment <= certificate.not_valid_after_utc:
        raise Refused(Reason.CHAIN, "a signer of evidence out of its validity")


def _publishers(certificate: x509.Certificate) -> list[NameKey]:
    """Whose lists may speak about a certificate: its issuer's, and those that its distribution points name."""
    names = [name_key(certificate.issuer)]
    for point in points_of(certificate):
        for kind, value in point.issuers or ():
            if kind == "directory" and isinstance(value, tuple):
                names.append(value)
    return names
