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
from typing import Final, cast

from lxml import etree

from signing import as_it_came
from signing.algorithm import DIGESTS, ENVELOPED, EXC_C14N, SHA256_DIGEST, SIGNATURES, Checker, checker
from signing.c14n import Splices, canonical, digest_canonical
from signing.certificate import Leaf
from signing.grammar import DS, XADES
from signing.keyinfo import read_leaf
from signing.policy import SignaturePolicy
from signing.reference import SIGNED_PROPERTIES
from signing.refusal import passed
from signing.verdict import Check, Covered, Reason
from signing.xmldsig import OWN_CLOCKS, SIGNATURE, Findings, MustCover, Verified


@dataclass(frozen=True, slots=True)
class Tidy:
    """What a gate saw in a whole document: no comment, no processing instruction, no CDATA section, at most 64
    attributes, and at most `ids` of them under any name that somebody takes for an Id. `octets` are what was parsed."""

    ids: int
    octets: bytes


_DS, _XADES = DS[1:-1], XADES[1:-1]
_ID: Final = r"([A-Za-z_][A-Za-z0-9_.\-]{0,199})"
_TEXT: Final = r"([^<]{1,12000})"  # what it says is compared or decoded, strictly
_URI: Final = r'"([^"<>&]{1,100})"'
_HEAD: Final = re.compile(
    (
        rf'<ds:Signature xmlns:ds="{re.escape(_DS)}" Id="{_ID}"><ds:SignedInfo>'
        rf'<ds:CanonicalizationMethod Algorithm="{re.escape(EXC_C14N)}"/><ds:SignatureMethod Algorithm={_URI}/>'
    ).encode()
)
_REFERENCE: Final = re.compile(
    (
        rf'<ds:Reference(?: Type={_URI})? URI="((?:#[A-Za-z_][A-Za-z0-9_.\-]{{0,199}}|cid:[^"<>&\s]{{1,300}})?)">'
        rf"(?:<ds:Transforms>((?:<ds:Transform Algorithm={_URI}/>){{1,2}})</ds:Transforms>)?"
        rf"<ds:DigestMethod Algorithm={_URI}/>"
        r"<ds:DigestValue>([A-Za-z0-9+/]{43,86}={0,2})</ds:DigestValue></ds:Reference>"
    ).encode()
)
_REST: Final = re.compile(
    (
        rf"</ds:SignedInfo><ds:SignatureValue(?: Id=\"{_ID}\")?>{_TEXT}</ds:SignatureValue>"
        rf"<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{_TEXT}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
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
_BEGIN: Final = b"<ds:Signature "
_END: Final = b"</ds:Signature>"


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
    root: etree._Element,
    signature: etree._Element,
    must_cover: MustCover,
    policy: SignaturePolicy,
    at: datetime,
    splices: Splices,
    tidy: Tidy,
) -> tuple[Verified, Findings] | None:
    """What `examine` would find about the only signature of a document, if it is of our shape and good; else `None`.

    Never raises for what stands in the document.
    """
    try:
        return _recognise(root, signature, must_cover, policy, at, splices, tidy)
    except Exception:  # noqa: BLE001 - whatever it was, the long way meets it again and says what it is
        return None


def _recognise(
    root: etree._Element,
    signature: etree._Element,
    must_cover: MustCover,
    policy: SignaturePolicy,
    at: datetime,
    splices: Splices,
    tidy: Tidy,
) -> tuple[Verified, Findings] | None:
    place = must_cover.place
    if place is None or signature.getparent() is not place:
        return None
    paths = _paths(signature, root, place, policy)
    if paths is None:
        return None
    raw = tidy.octets
    begin = raw.index(_BEGIN)
    head = _HEAD.match(raw, begin)
    if head is None:
        return None
    name, algorithm = head.groups()
    references, written, end = _references(raw, head.end())
    rest = _REST.match(raw, end)
    if rest is None:
        return None
    value_id, value, certificate, target, own_id, time, digest = rest.groups()
    key = _key_of(certificate, algorithm, policy)
    signed_info = _SIGNED_INFO % (algorithm, written)
    if target != name or digest != key.digest or not key.made(value, signed_info):
        return None
    ids = {element.get("Id"): (label, element) for label, element in must_cover.elements.items()}
    known = [name.decode(), own_id.decode(), *filter(None, ids)]
    if value_id is not None:
        known.append(value_id.decode())
    if len({*known}) != len(known) or len(known) != tidy.ids:
        return None  # something else looks like an Id: the long way looks whether one stands twice
    told = _Told(policy, splices, paths)
    document: bytes | None = None
    for type_, target, transforms, _, method, value in references:
        form, uri = (type_, transforms), target.decode()
        if form == _OF_PART and uri[1:] in ids and uri[0] == "#":
            label, element = ids[uri[1:]]
            part = as_it_came.element(raw, target[1:], _namespace(element)) or canonical(element, EXC_C14N)
            told.add(uri, told.path(element), part, method, value)
            told.parts[label] = part
        elif form == _OF_PROPERTIES and target == b"#%b" % own_id:
            told.add(uri, paths[place] + _UNDER, _SIGNED_PROPERTIES % (own_id, time, digest), method, value)
        elif form == _OF_WHOLE and not uri:
            document = as_it_came.whole(raw, begin, rest.end()) or _without_signature(root)
            told.add(uri, "/", document, method, value, whole=True)
        elif form == _OF_ATTACHMENT and uri.startswith("cid:"):
            told.attachment(uri, must_cover, method, value)
        else:
            return None
    if f"#{own_id.decode()}" not in told.uris or not _all_is_covered(root, signature, must_cover, told, document):
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
    found, written = [], b""
    while one := _REFERENCE.match(raw, at):
        type_, uri, transforms, _, method, digest = groups = one.groups(b"")
        kind = b' Type="%b"' % type_ if type_ else b""
        written += _ONE_REFERENCE % (kind, uri, _CANONICAL[transforms], method, digest)
        found.append(groups)
        at = one.end()
    return found, written, at


def _paths(
    signature: etree._Element, root: etree._Element, place: etree._Element, policy: SignaturePolicy
) -> dict[etree._Element, str] | None:
    """The paths to `place` and to what it stands in, if the signature is the only one of the document and not too
    deep."""
    nodes, node = [place], place
    while node is not root:
        above = node.getparent()
        if above is None:
            return None
        nodes.append(above)
        node = above
    ours = root.iter(SIGNATURE)
    only = next(ours, None) is signature and next(ours, None) is None
    if not only or len(nodes) > policy.max_depth:
        return None
    paths, path = dict[etree._Element, str](), ""
    for node in reversed(nodes):
        paths[node] = path = f"{path}/{node.tag.rpartition('}')[2]}"
    return paths


def _admits(policy: SignaturePolicy) -> bool:
    """Say whether `policy` takes what every package of the shape has, at its most."""
    algorithms = (
        EXC_C14N in policy.c14n_algorithms
        and {ENVELOPED, EXC_C14N} <= policy.transforms
        and SHA256_DIGEST in policy.digest_algorithms
    )
    beside_parts = policy.max_references_beyond_parts >= 2  # the whole and the properties
    counts = policy.max_transforms >= 2 and policy.max_certificates >= 1 and policy.max_attributes >= 64
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


def _without_signature(root: etree._Element) -> bytes:
    """The canonical octets of a document whose only `ds:Signature` is taken out of them."""
    octets = canonical(root, EXC_C14N)
    begin = octets.index(_BEGIN)
    end = octets.index(_END, begin) + len(_END)
    return octets[:begin] + octets[end:]


def _namespace(element: etree._Element) -> bytes:
    return element.tag.rpartition("}")[0][1:].encode()


class _Told:
    """What the references tell, compared with what is there. `ValueError` at the first that differs."""

    __slots__ = ("covered", "left", "parts", "paths", "policy", "splices", "uris")

    def __init__(self, policy: SignaturePolicy, splices: Splices, paths: Mapping[etree._Element, str]) -> None:
        self.policy, self.splices, self.paths = policy, splices, paths
        self.left = policy.max_enveloped_bytes
        self.covered: list[Covered] = []
        self.uris: set[str] = set()
        self.parts: dict[str, bytes] = {}

    def path(self, element: etree._Element) -> str:
        """`AttributeError` for an element of another document."""
        node, below = element, ""
        while node not in self.paths:
            below = f"/{node.tag.rpartition('}')[2]}{below}"
            node = cast("etree._Element", node.getparent())
        return self.paths[node] + below

    def add(self, uri: str, target: str, octets: bytes, method: bytes, told: bytes, *, whole: bool = False) -> None:
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

    def attachment(self, uri: str, must_cover: MustCover, method: bytes, told: bytes) -> None:
        algorithm, name, _ = _DIGESTS[method]
        octets = must_cover.attachments[uri[4:]]
        self._take(uri, uri, algorithm, name, octets.digest(name), octets.size, told)

    def _take(self, uri: str, target: str, algorithm: str, name: str, digest: bytes, count: int, told: bytes) -> None:
        new = uri not in self.uris and algorithm in self.policy.digest_algorithms
        if not new or b2a_base64(digest, newline=False) != told:
            raise ValueError
        self.uris.add(uri)
        self.covered.append(Covered(uri, target, name, digest.hex(), count))


def _all_is_covered(
    root: etree._Element, signature: etree._Element, must_cover: MustCover, told: _Told, document: bytes | None
) -> bool:
    elements, inline = must_cover.elements, frozenset[str]() if document is None else must_cover.inline
    if document is None and told.parts.keys() != elements.keys():
        return False
    if document is not None and not all(_is_beside(one, signature, root) for one in elements.values()):
        return False
    return not must_cover.attachments or all(
        f"cid:{name}" in told.uris or name in inline for name in must_cover.attachments
    )


def _is_beside(element: etree._Element, signature: etree._Element, root: etree._Element) -> bool:
    """Say whether `element` stands in the document of `root`, and not in its signature."""
    node: etree._Element | None = element
    while node is not None and node is not signature:
        if node is root:
            return True
        node = node.getparent()
    return False
