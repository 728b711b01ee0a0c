"""What would have to be fetched to answer for a certificate, and whether what was fetched is worth keeping.

Pure: names URLs and makes requests, and leaves the network to others. URLs come only from certificates whose signatures
lead to a root of ours; what an unknown certificate says is never followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from signing.ahead import WAITS
from signing.certificate import Leaf, Purpose, load_leaf
from signing.policy import SignaturePolicy
from signing.refusal import Refused
from signing.revocation.crl import Crl, load_crl
from signing.revocation.judge import Question, Rules, judge_answers
from signing.revocation.ocsp import NotAnAnswer, Status, nonce_value, read_ocsp
from signing.revocation.path import Asker, Setting
from signing.revocation.point import points_of
from signing.store import Issuer
from signing.trust import Trust

_MOST_URLS: Final = 4
_MOST_URL: Final = 512
CLOCKS: Final = timedelta(minutes=5)
"""How far a publisher's clock may be ahead: such evidence is kept, and used when its time has come. A list may be
further ahead (`signing.ahead`): it is kept beside what is in force."""


@dataclass(frozen=True, slots=True, eq=False)
class Need:
    """Evidence about `certificate` (issued by `issuer`) that is missing: where its lists are, and its responders."""

    certificate: x509.Certificate
    issuer: Issuer
    lists: tuple[str, ...]
    responders: tuple[str, ...]

    @property
    def certificate_octets(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def ocsp_request(self, nonce: bytes) -> bytes:
        """A request for this one certificate. CertID with SHA-1, because many responders know nothing else."""
        builder = ocsp.OCSPRequestBuilder().add_certificate(
            self.certificate,
            self.issuer.certificate,
            hashes.SHA1(),  # noqa: S303 - a name, not a proof
        )
        request = builder.add_extension(x509.OCSPNonce(nonce), critical=False).build()
        return request.public_bytes(serialization.Encoding.DER)


def evidence_needed(leaf_der: bytes, trust: Trust, at: datetime, policy: SignaturePolicy) -> list[Need]:
    """What is missing for the paths of a certificate; empty where nothing is, or where no path leads to a root that is
    believed for anything: signers and the authorities of time stamps are asked about alike."""
    try:
        leaf = load_leaf(leaf_der)
    except Refused:
        return []
    found: list[Need] = []
    for path in trust.store.paths(leaf, policy.max_path_length):
        rule = trust.rule_of(path[-1])
        if any(rule.refusal(purpose, at) is None for purpose in Purpose):
            found += _missing(leaf, path, trust, at, policy)
    return found


def _missing(leaf: Leaf, path: Sequence[Issuer], trust: Trust, at: datetime, policy: SignaturePolicy) -> list[Need]:
    setting = Setting(trust.store, policy, trust.freshness, trust.path_rules, trust.old_hash(None), at)
    asker = Asker(setting, path[-1])
    subjects: tuple[Leaf | Issuer, ...] = (leaf, *path[:-1])
    return [
        need_of(subject.certificate, issuer)
        for subject, issuer in zip(subjects, path, strict=True)
        if asker.ask(subject, issuer).status is Status.UNKNOWN
    ]


def need_of(certificate: x509.Certificate, issuer: Issuer) -> Need:
    """Everything that could be asked about a certificate, whether it is missing or not."""
    urls = [url for point in points_of(certificate) for url in point.urls]
    return Need(certificate, issuer, _usable(urls), _usable(_responders(certificate)))


def _usable(urls: Sequence[str]) -> tuple[str, ...]:
    fit = (url for url in urls if url.lower().startswith(("http://", "https://")) and len(url) <= _MOST_URL)
    return tuple(dict.fromkeys(fit))[:_MOST_URLS]


def _responders(certificate: x509.Certificate) -> list[str]:
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return []
    return [
        one.access_location.value
        for one in access
        if one.access_method == AuthorityInformationAccessOID.OCSP
        and isinstance(one.access_location, x509.UniformResourceIdentifier)
    ]


def check_list(der: bytes, need: Need, trust: Trust, at: datetime, policy: SignaturePolicy) -> Crl:
    """A fetched list that is worth keeping. `ValueError` says why it is not: then what is kept stays."""
    try:
        crl = load_crl(der)
    except x509.InvalidVersion as error:
        raise ValueError("not a version of a revocation list that exists") from error
    if crl.hash_name not in policy.certificate_hashes:
        raise ValueError(f"signed with {crl.hash_name}")
    signers = trust.store.signers(crl.issuer)
    if not any(crl.is_signed_by(one.certificate, one.sha256) for one in (need.issuer, *signers)):
        raise ValueError("signed by nobody we know")
    points = points_of(need.certificate)
    if all(crl.scope.covers(point, crl.issuer, need.certificate) is None for point in points):
        raise ValueError("not about the certificates it is published for")
    if not crl.is_fresh(min(max(at, crl.this_update), at + WAITS), trust.freshness):
        raise ValueError(f"not in force: {crl.this_update.isoformat()} to {crl.next_update}")
    for known in trust.store.lists_from([crl.issuer]):
        same = known.scope == crl.scope and (known.base is None) == (crl.base is None)
        believed = any(
            known.is_signed_by(one.certificate, one.sha256) and crl.is_signed_by(one.certificate, one.sha256)
            for one in (need.issuer, *signers)
        )
        if same and believed and (known.number or 0, known.this_update) > (crl.number or 0, crl.this_update):
            raise ValueError(f"number {crl.number} is older than {known.number}, which we have")
    return crl


def check_answer(der: bytes, need: Need, nonce: bytes, trust: Trust, at: datetime, policy: SignaturePolicy) -> datetime:
    """When a fetched answer that is worth keeping ends. `ValueError` says why it is not."""
    try:
        answer = read_ocsp(der)
    except NotAnAnswer as error:
        raise ValueError(f"the responder answers {error}") from error
    if answer.nonce is not None and answer.nonce not in (nonce, nonce_value(nonce)):
        raise ValueError("an answer to another request")
    begin = max([at, answer.produced_at, *(single.this_update for single in answer.singles)])
    at = min(begin, at + CLOCKS)
    setting = Setting(trust.store, policy, trust.freshness, trust.path_rules, trust.old_hash(None), at)
    question = Question(need.certificate, need.issuer.certificate, need.issuer.sha256, at)
    rules = Rules(trust.freshness, policy.certificate_hashes)
    finding = judge_answers(question, rules, [answer], Asker(setting, need.issuer).delegates_of(need.issuer))
    if not finding.used:
        raise ValueError(finding.detail)
    return min(one.end for one in finding.used)
