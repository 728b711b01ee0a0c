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
from signing.revocation.judge import (
    Finding,
    Question,
    Rules,
    Speaker,
    Used,
    answer_turns,
    judge,
    list_turns,
    list_used,
    told_about,
)
from signing.revocation.name import NameKey, name_key
from signing.revocation.ocsp import Status, needs_no_check
from signing.revocation.point import points_of
from signing.revocation.seen import Seen
from signing.store import Issuer, Store
from signing.verdict import Reason


@dataclass(frozen=True, slots=True)
class Findings:
    """What the path's revocation rests on."""

    used: tuple[Used, ...] = ()
    quirks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """Under what a path is judged: our store and rules, the time of judging and the proven one.

    `seen` is filled with everything that is looked at.
    """

    store: Store
    policy: SignaturePolicy
    freshness: Freshness
    path_rules: PathRules
    old_hash: OldHash
    at: datetime
    seen: Seen = field(default_factory=Seen)

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
    """Asks about certificates whose paths end at `root`, and remembers which signers of lists may be believed.

    `asking` are the signers that are being asked about, `leaning` those of them on whom the answer rests that is being
    given: it is remembered where there are none, and so nothing depends on who is asked about first. `trusting` tells
    that somebody was taken at his word who has nobody else's.
    """

    setting: Setting
    root: Issuer
    known: dict[str, Speaker | None] = field(default_factory=dict)
    asking: set[str] = field(default_factory=set)
    leaning: set[str] = field(default_factory=set)
    at_its_word: bool = False
    trusting: bool = False

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
        rules = Rules(setting.freshness, setting.policy.certificate_hashes)
        answers = store.answers_about(certificate.serial_number) if with_answers else ()
        setting.seen.heard(told_about(question, rules, answers))
        setting.seen.turns += answer_turns(question, answers)

        def speaks(crl: Crl) -> Speaker | None:
            # Of the lists at hand, only those for which this is asked can make a difference.
            setting.seen.heard((list_used(crl, rules, setting.at),))
            setting.seen.turns += list_turns(question, crl)
            return self._speaker(crl, issuer, certificate)

        lists = store.lists_from(_publishers(certificate))
        return judge(question, rules, lists, answers, speaks, self.delegates_of(issuer))

    def _speaker(self, crl: Crl, issuer: Issuer, asked_about: x509.Certificate) -> Speaker | None:
        """Whose key made the list: the issuer's own, or that of another whom we believe."""
        if crl.is_signed_by(issuer.certificate, issuer.sha256):
            return Speaker(issuer.sha256)
        found: Speaker | None = None
        for other in self.setting.store.signers(crl.issuer):
            if not crl.is_signed_by(other.certificate, other.sha256):
                continue
            self.setting.seen.saw((other,))
            speaker = self._standing(other, asked_about)
            if speaker is not None and speaker.acquits:
                return speaker
            found = found or speaker
        return found

    def _standing(self, signer: Issuer, asked_about: x509.Certificate) -> Speaker | None:
        """What a signer's word is worth about a certificate.

        Of itself a signer may speak both ways (PKITS 4.4.19). What only holds if those that are being asked about are
        taken at their word is good enough to convict, and acquits nobody.
        """
        name = signer.sha256
        if name in self.asking:
            self.leaning.add(name)
            speaker: Speaker | None = Speaker(name, acquits=signer.certificate == asked_about)
        elif name in self.known:
            speaker = self.known[name]
        else:
            speaker = self._asked(signer)
        if speaker is None or speaker.acquits or not self.at_its_word:
            return speaker
        self.trusting = True
        return Speaker(name)

    def _asked(self, signer: Issuer) -> Speaker | None:
        leaning, trusting = self.leaning, self.trusting
        self.leaning, self.trusting = set(), False
        good = self._judge_signer(signer, at_its_word=True)
        founded = good and (not self.trusting or self._judge_signer(signer, at_its_word=False))
        speaker = Speaker(signer.sha256, acquits=founded) if good else None
        self.leaning.discard(signer.sha256)
        if not self.leaning:
            self.known[signer.sha256] = speaker
        self.leaning |= leaning
        self.trusting = trusting
        return speaker

    def _judge_signer(self, signer: Issuer, *, at_its_word: bool) -> bool:
        before, self.at_its_word = self.at_its_word, at_its_word
        self.asking.add(signer.sha256)
        good = self._is_good(signer)
        self.asking.remove(signer.sha256)
        self.at_its_word = before
        return good

    def _is_good(self, signer: Issuer) -> bool:
        if signer.root:
            return signer.sha256 == self.root.sha256
        setting = self.setting
        paths = setting.store.paths(signer, setting.policy.max_path_length)
        for path in paths:
            setting.seen.saw(path)
        for path in paths:
            if path[-1].sha256 != self.root.sha256:
                continue
            try:
                _judge_holder(signer.certificate, setting)
                judge_issuers(path, setting)
                judge_path(signer.der, path, setting.moment, setting.path_rules, hashes_of(setting))
                found = self.along(signer, path)
            except Refused:
                continue
            setting.seen.saw((signer, *path), rests=True)
            setting.seen.turns += (one.certificate.not_valid_after_utc for one in (signer, *path))
            setting.seen.heard(found.used, rests=True)
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
        self.setting.seen.turns.append(delegate.not_valid_after_utc)
        if needs_no_check(delegate):
            return True
        finding = self._about(delegate, issuer, False)
        self.setting.seen.heard(finding.used, rests=finding.status is Status.GOOD)
        return finding.status is Status.GOOD


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
