"""The one shape that our own network writes, recognised in the octets as they came: the usual package in little time.

Everything here is a shortcut to what `signing.xmldsig.examine` finds, never a rule of its own: a signature of this
shape that is good in every respect is told as good, with the same findings; whatever is not of the shape, or not good,
is `None` and goes the long way, which alone refuses.

A shortcut must not let anything in, whoever signed. Octets are taken as they came only where nothing in them could have
another canonical form: a signer might have digested what is not canonical. What is read here, and what the caller gets
to read, are octets that the signature or a signed digest has confirmed, never others.
"""

from __future__ import annotations

import hashlib
import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final, Protocol

from signing.algorithm import DIGESTS, ENVELOPED, EXC_C14N, SHA256_DIGEST, SIGNATURES, Checker, checker
from signing.c14n import Splices, digest_canonical
from signing.certificate import Leaf
from signing.grammar import DS, XADES
from signing.keyinfo import read_leaf
from signing.octets import Octets
from signing.policy import SignaturePolicy
from signing.pss import check_method
from signing.reference import SIGNED_PROPERTIES
from signing.refusal import passed
from signing.verdict import Check, Covered, Reason
from signing.xmldsig import OWN_CLOCKS, Findings, Verified


class Part(Protocol):
    """An element that will be read: its Id, the path to it, and its exclusive canonical form."""

    @property
    def id(self) -> bytes: ...
    @property
    def path(self) -> str: ...
    @property
    def octets(self) -> bytes: ...


class Laid(Protocol):
    """A document of which is known where everything lies, and its canonical form, without a tree of it.

    From `begin` to `end` of `octets` stands its only signature, in what `place` is the path to: if that is one element,
    then `octets` are well-formed. `parts` are all that must be signed, by the caller's names for them, and all that has
    an Id beside the signature.
    """

    @property
    def octets(self) -> bytes: ...
    @property
    def begin(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def place(self) -> str: ...
    @property
    def parts(self) -> Mapping[str, Part]: ...
    def without_signature(self) -> bytes:
        """The exclusive canonical form of the document, the signature taken out."""
        ...


_DS, _XADES = DS[1:-1], XADES[1:-1]
_ID: Final = r"([A-Za-z_][A-Za-z0-9_.\-]{0,199})"
_BASE64: Final = r"([A-Za-z0-9+/=]{1,12000}+)"  # decoded strictly
_URI: Final = r'"([^"<>&]{1,100})"'  # compared
_CID: Final = r"[!#-%'-;=?-~]{1,300}+"
_HEAD: Final = re.compile(
    (
        rf'<ds:Signature xmlns:ds="{re.escape(_DS)}" Id="{_ID}"><ds:SignedInfo>'
        rf'<ds:CanonicalizationMethod Algorithm="{re.escape(EXC_C14N)}"/><ds:SignatureMethod Algorithm={_URI}/>'
    ).encode()
)
_REFERENCE: Final = re.compile(
    (
        rf'<ds:Reference(?: Type={_URI})? URI="((?:#[A-Za-z_][A-Za-z0-9_.\-]{{0,199}}|cid:{_CID})?)">'
        rf"(?:<ds:Transforms>((?:<ds:Transform Algorithm={_URI}/>){{1,2}})</ds:Transforms>)?"
        rf"<ds:DigestMethod Algorithm={_URI}/>"
        r"<ds:DigestValue>([A-Za-z0-9+/]{43,86}={0,2})</ds:DigestValue></ds:Reference>"
    ).encode()
)
_REST: Final = re.compile(
    (
        rf"</ds:SignedInfo><ds:SignatureValue(?: Id=\"{_ID}\")?>{_BASE64}</ds:SignatureValue>"
        rf"<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{_BASE64}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
        rf'<ds:Object><xades:QualifyingProperties xmlns:xades="{re.escape(_XADES)}" Target="#{_ID}">'
        rf'<xades:SignedProperties Id="{_ID}"><xades:SignedSignatureProperties>'
        r"<xades:SigningTime>(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)</xades:SigningTime>"
        r"<xades:SigningCertificateV2><xades:Cert><xades:CertDigest>"
        rf'<ds:DigestMethod Algorithm="{re.escape(SHA256_DIGEST)}"/>'
        r"<ds:DigestValue>([A-Za-z0-9+/]{43}=)</ds:DigestValue>"
        r"</xades:CertDigest></xades:Cert></xades:SigningCertificateV2>"
        r"</xades:SignedSignatureProperties></xades:SignedProperties></xades:QualifyingProperties></ds:Object>"
        r"</ds:Signature>"
    ).encode()
)


# --- what exclusive C14N makes of it: no empty tags, and declarations where an apex uses a prefix


def _transforms(*algorithms: str) -> tuple[bytes, bytes]:
    """A list of transforms as it is written, and in canonical form."""
    written = "".join(f'<ds:Transform Algorithm="{algorithm}"/>' for algorithm in algorithms)
    inner = "".join(f'<ds:Transform Algorithm="{algorithm}"></ds:Transform>' for algorithm in algorithms)
    return written.encode(), f"<ds:Transforms>{inner}</ds:Transforms>".encode()


_PART, _WHOLE = _transforms(EXC_C14N), _transforms(ENVELOPED, EXC_C14N)
_CANONICAL: Final = {b"": b"", _PART[0]: _PART[1], _WHOLE[0]: _WHOLE[1]}
_OF_PART, _OF_WHOLE, _OF_ATTACHMENT = (b"", _PART[0]), (b"", _WHOLE[0]), (b"", b"")
_OF_PROPERTIES: Final = (SIGNED_PROPERTIES.encode(), _PART[0])
_UNDER: Final = "/Signature/Object/QualifyingProperties/SignedProperties"
_DIGESTS: Final = {uri.encode(): (uri, name, getattr(hashlib, name)) for uri, name in DIGESTS.items()}

_SIGNED_INFO: Final = (
    f'<ds:SignedInfo xmlns:ds="{_DS}">'
    f'<ds:CanonicalizationMethod Algorithm="{EXC_C14N}"></ds:CanonicalizationMethod>'
    '<ds:SignatureMethod Algorithm="%b"></ds:SignatureMethod>%b</ds:SignedInfo>'
).encode()
_ONE_REFERENCE: Final = (
    b'<ds:Reference%b URI="%b">%b<ds:DigestMethod Algorithm="%b"></ds:DigestMethod>'
    b"<ds:DigestValue>%b</ds:DigestValue></ds:Reference>"
)
_SIGNED_PROPERTIES: Final = (
    f'<xades:SignedProperties xmlns:xades="{_XADES}" Id="%b"><xades:SignedSignatureProperties>'
    "<xades:SigningTime>%b</xades:SigningTime><xades:SigningCertificateV2><xades:Cert><xades:CertDigest>"
    f'<ds:DigestMethod xmlns:ds="{_DS}" Algorithm="{SHA256_DIGEST}"></ds:DigestMethod>'
    f'<ds:DigestValue xmlns:ds="{_DS}">%b</ds:DigestValue>'
    "</xades:CertDigest></xades:Cert></xades:SigningCertificateV2>"
    "</xades:SignedSignatureProperties></xades:SignedProperties>"
).encode()

_BEFORE_KEY: Final = tuple(map(passed, (Reason.NAMESPACE, Reason.LIMIT, Reason.DUPLICATE_ID, Reason.STRUCTURE)))
_AFTER_KEY: Final = tuple(map(passed, (Reason.VALUE, Reason.REFERENCE, Reason.DIGEST, Reason.TIME, Reason.COVERAGE)))


def recognise(
    laid: Laid,
    attachments: Mapping[str, Octets],
    inline: bool,
    policy: SignaturePolicy,
    at: datetime,
    splices: Splices,
) -> tuple[Verified, Findings] | None:
    """What `examine` would find about the only signature of a document, if it is of our shape and good; else `None`.

    Every part of `laid` must be covered, and every one of `attachments`, by content id without `cid:`; `inline` says
    that these stand in the document. Never raises for what stands in it.
    """
    try:
        return _recognise(laid, attachments, inline, policy, at, splices)
    except Exception:  # noqa: BLE001 - whatever it was, the long way meets it again and says what it is
        return None


def _recognise(
    laid: Laid,
    attachments: Mapping[str, Octets],
    inline: bool,
    policy: SignaturePolicy,
    at: datetime,
    splices: Splices,
) -> tuple[Verified, Findings] | None:
    raw, parts = laid.octets, laid.parts
    head = _HEAD.match(raw, laid.begin)
    if head is None or laid.place.count("/") > policy.max_depth:
        return None
    name, algorithm = head.groups()
    references, written, end = _references(raw, head.end())
    rest = _REST.match(raw, end)
    if rest is None or rest.end() != laid.end:
        return None
    value_id, value, certificate, target, own_id, time, digest = rest.groups()
    key = _key_of(certificate, algorithm, policy)
    if target != name or digest != key.digest or not key.made(value, _SIGNED_INFO % (algorithm, written)):
        return None
    labels = {part.id: label for label, part in parts.items()}
    ids = {name, own_id, *labels} if value_id is None else {name, own_id, value_id, *labels}
    if len(ids) != len(parts) + 2 + (value_id is not None):
        return None
    told = _Told(policy, splices)
    document: bytes | None = None
    for type_, uri, transforms, _, method, value in references:
        form, named = (type_, transforms), uri[1:]
        if form == _OF_PART and named in labels and uri[:1] == b"#":
            part = parts[labels[named]]
            told.add(uri, part.path, part.octets, method, value)
            told.parts[labels[named]] = part.octets
        elif form == _OF_PROPERTIES and named == own_id and uri[:1] == b"#":
            told.add(uri, laid.place + _UNDER, _SIGNED_PROPERTIES % (own_id, time, digest), method, value)
        elif form == _OF_WHOLE and not uri:
            document = laid.without_signature()
            told.add(uri, "/", document, method, value, whole=True)
        elif form == _OF_ATTACHMENT and uri[:4] == b"cid:":
            told.attachment(uri, attachments[uri[4:].decode()], method, value)
        else:
            return None
    if b"#" + own_id not in told.uris or (document is None and len(told.parts) != len(parts)):
        return None
    if not (document is not None and inline) and any(b"cid:" + one.encode() not in told.uris for one in attachments):
        return None
    claimed_at = datetime.fromisoformat(time.decode())
    ahead = policy.signing_time_ahead
    if not key.leaf.not_before - ahead <= claimed_at <= at + min(OWN_CLOCKS, ahead):
        return None
    profile = "parts" if document is None else "enveloped"
    covered, checks = tuple(told.covered), [*_BEFORE_KEY, *key.checks, *_AFTER_KEY]
    found = Findings(profile, key.algorithm, key.leaf, True, claimed_at, covered, checks=checks)
    return Verified(document, MappingProxyType(told.parts)), found


def _references(raw: bytes, at: int) -> tuple[list[tuple[bytes, ...]], bytes, int]:
    """The references that begin at `at`, as they are and in canonical form, and where they end."""
    found, written = list[tuple[bytes, ...]](), list[bytes]()
    while one := _REFERENCE.match(raw, at):
        type_, uri, transforms, _, method, digest = groups = one.groups(b"")
        kind = b' Type="%b"' % type_ if type_ else b""
        written.append(_ONE_REFERENCE % (kind, uri, _CANONICAL[transforms], method, digest))
        found.append(groups)
        at = one.end()
    return found, b"".join(written), at


def _admits(policy: SignaturePolicy) -> bool:
    """Say whether `policy` takes what every package of the shape has, at its most."""
    algorithms = (
        EXC_C14N in policy.c14n_algorithms
        and {ENVELOPED, EXC_C14N} <= policy.transforms
        and SHA256_DIGEST in policy.digest_algorithms
    )
    beside_parts = policy.max_references_beyond_parts >= 2  # the whole and the properties
    counts = policy.max_transforms >= 2 and policy.max_certificates >= 1 and policy.max_attributes >= 4
    return algorithms and beside_parts and counts


@dataclass(frozen=True, slots=True)
class _Key:
    """The key of a certificate under one SignatureMethod, strong enough for one policy. `digest` is base64."""

    leaf: Leaf
    algorithm: str
    digest: bytes
    check: Checker
    checks: tuple[Check, ...]

    def made(self, value: bytes, signed: bytes) -> bool:
        octets = a2b_base64(value, strict_mode=True)
        canonically = b2a_base64(octets, newline=False) == value
        return canonically and self.check(octets, signed)


_MOST_KEYS: Final = 1024
_KEYS: Final[dict[tuple[bytes, bytes, str], _Key]] = {}
"""The same few hundred certificates sign everything. Emptied when full, so that nobody can make it grow."""


def _key_of(certificate: bytes, algorithm: bytes, policy: SignaturePolicy) -> _Key:
    """`LookupError`, `ValueError` or `Refused` for a policy, certificate or key that is not good for the shape."""
    name = (certificate, algorithm, policy.sha256)
    known = _KEYS.get(name)
    if known is not None:
        return known
    uri = algorithm.decode()
    if not _admits(policy) or uri not in policy.signature_algorithms:
        raise ValueError
    leaf = read_leaf(certificate.decode())
    check_method(leaf.bound, uri)
    check = checker(SIGNATURES[uri], leaf.key)
    if policy.weakness(leaf.key) is not None or check is None:
        raise ValueError
    digest = b2a_base64(bytes.fromhex(leaf.sha256), newline=False)
    checks = (
        passed(Reason.KEYINFO, leaf.sha256),
        passed(Reason.C14N, EXC_C14N),
        passed(Reason.TRANSFORM),
        passed(Reason.ALGORITHM, uri),
    )
    if len(_KEYS) >= _MOST_KEYS:
        _KEYS.clear()
    return _KEYS.setdefault(name, _Key(leaf, uri, digest, check, checks))


class _Told:
    """What the references tell, compared with what is there. `ValueError` at the first that differs."""

    __slots__ = ("covered", "left", "parts", "policy", "splices", "uris")

    def __init__(self, policy: SignaturePolicy, splices: Splices) -> None:
        self.policy, self.splices = policy, splices
        self.left = policy.max_enveloped_bytes
        self.covered: list[Covered] = []
        self.uris: set[bytes] = set()
        self.parts: dict[str, bytes] = {}

    def add(self, uri: bytes, target: str, octets: bytes, method: bytes, told: bytes, *, whole: bool = False) -> None:
        algorithm, name, hashed = _DIGESTS[method]
        count = len(octets)
        if self.splices.none:
            digest = hashed(octets).digest()
        else:
            digest, count = digest_canonical(self.splices.pieces(octets, whole=whole), name)
        self.left -= count
        if self.left < 0:
            raise ValueError
        self._take(uri, target, algorithm, name, digest, count, told)

    def attachment(self, uri: bytes, octets: Octets, method: bytes, told: bytes) -> None:
        algorithm, name, _ = _DIGESTS[method]
        self._take(uri, uri.decode(), algorithm, name, octets.digest(name), octets.size, told)

    def _take(self, uri: bytes, target: str, algorithm: str, name: str, digest: bytes, count: int, told: bytes) -> None:
        new = uri not in self.uris and algorithm in self.policy.digest_algorithms
        if not new or b2a_base64(digest, newline=False) != told:
            raise ValueError
        self.uris.add(uri)
        self.covered.append(Covered(uri.decode(), target, name, digest.hex(), count))
