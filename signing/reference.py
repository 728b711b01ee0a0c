"""References: read from the authenticated SignedInfo, resolved through one index, digested, and told by name.

Three kinds and no fourth: the whole document without the signature (`URI=""`), one element of it (`#id`), one
attachment (`cid:`). Nothing is ever fetched.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from hmac import compare_digest
from typing import Final, cast

from lxml import etree

from signing.algorithm import (
    C14N,
    DATED_DIGESTS,
    DIGEST_SIZES,
    DIGESTS,
    ENVELOPED,
    EXC_C14N,
    OTHER_C14N,
    SIGNATURES,
)
from signing.c14n import XML, Splices, canonical, canonical_without, digest_canonical, work_beside_octets
from signing.grammar import DS, check
from signing.octets import Octets, decode_base64
from signing.policy import SignaturePolicy
from signing.refusal import Refused
from signing.verdict import Covered, Reason, SubIndication

SIGNED_PROPERTIES: Final = "http://uri.etsi.org/01903#SignedProperties"
COUNTERSIGNED: Final = "http://uri.etsi.org/01903#CountersignedSignature"
_TYPES: Final = frozenset({None, SIGNED_PROPERTIES, COUNTERSIGNED})

ID_ATTRIBUTES: Final = frozenset(
    {
        "Id",
        "ID",
        "id",
        "{http://www.w3.org/XML/1998/namespace}id",
        "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd}Id",
    }
)
"""Every attribute that some signer takes for an Id. A value may occur once among all of them."""

MOST_WORK: Final = 8 * 1024 * 1024
"""What all references of all signatures of a document may cost beside their octets (`work_beside_octets`): 70 ms. Every
commune of the country in `To`, with a dozen of namespaces in scope, inclusively."""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,199}")
# Not `#default`: lxml drops it silently, so its canonical form would be another than the signer's.
_PREFIX: Final = re.compile(r"[^\W\d][\w.\-]{0,63}")


class Kind(Enum):
    WHOLE = auto()
    ELEMENT = auto()
    ATTACHMENT = auto()


@dataclass(frozen=True, slots=True)
class Reference:
    """One Reference of SignedInfo. `target` is the Id or the content id; `method` the canonicalisation."""

    kind: Kind
    uri: str
    target: str
    type: str | None
    method: str
    prefixes: tuple[str, ...]
    algorithm: str
    digest_name: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class SignedInfo:
    method: str
    prefixes: tuple[str, ...]
    algorithm: str
    references: tuple[Reference, ...]


def read_method(element: etree._Element, policy: SignaturePolicy) -> tuple[str, tuple[str, ...]]:
    """Read a CanonicalizationMethod: its algorithm and prefix list."""
    check(element)
    method = element.get("Algorithm", "")
    if method not in policy.c14n_algorithms:
        raise Refused(Reason.C14N, method)
    return method, _prefixes(element, method, policy)


def read_signed_info(element: etree._Element, policy: SignaturePolicy, most_references: int) -> SignedInfo:
    """Read the re-parsed canonical copy of SignedInfo. All of it is allow-listed, before any public-key operation."""
    if element.tag != DS + "SignedInfo":
        raise Refused(Reason.STRUCTURE, "the canonical copy is no SignedInfo")
    for name in [str(name) for name in element.attrib]:
        if name.startswith(XML) and len(element) and element[0].get("Algorithm") == C14N:
            # Inclusive C14N lets the apex inherit these from ancestors; that the original has none was checked.
            del element.attrib[name]
    if len(element) > most_references + 2:
        raise Refused(Reason.LIMIT, f"{len(element) - 2} references", f"at most {most_references}")
    check(element)
    method, prefixes = read_method(element[0], policy)
    algorithm = element[1].get("Algorithm", "")
    accepted = algorithm in policy.signature_algorithms and algorithm in SIGNATURES
    if not accepted and not policy.takes_dated(algorithm):
        raise Refused(Reason.ALGORITHM, algorithm)
    return SignedInfo(method, prefixes, algorithm, tuple(_read_reference(child, policy) for child in [*element][2:]))


def _read_reference(element: etree._Element, policy: SignaturePolicy) -> Reference:
    uri, type_ = element.get("URI"), element.get("Type")
    if uri is None:
        raise Refused(Reason.REFERENCE, "a Reference without URI")
    if type_ not in _TYPES:
        raise Refused(Reason.REFERENCE, f"Type {type_}")
    transforms = list(element[0]) if element[0].tag == DS + "Transforms" else []
    kind, target = _classify(uri)
    method, prefixes = _read_transforms(transforms, kind, policy)
    algorithm = element[-2].get("Algorithm", "")
    name = digest_name(algorithm, policy)
    if name is None:
        raise Refused(Reason.ALGORITHM, algorithm)
    try:
        digest = decode_base64(element[-1].text, DIGEST_SIZES[name])
    except ValueError as error:
        raise Refused(Reason.STRUCTURE, f"DigestValue: {error}") from error
    if len(digest) != DIGEST_SIZES[name]:
        raise Refused(Reason.STRUCTURE, "DigestValue of the wrong length")
    return Reference(kind, uri, target, type_, method, prefixes, algorithm, name, digest)


def digest_name(algorithm: str, policy: SignaturePolicy) -> str | None:
    """The name in `hashlib` of a DigestMethod that may be worked on, or `None`."""
    if policy.takes_dated(algorithm):
        return DATED_DIGESTS.get(algorithm)
    return DIGESTS.get(algorithm) if algorithm in policy.digest_algorithms else None


def _classify(uri: str) -> tuple[Kind, str]:
    if uri == "":
        return Kind.WHOLE, ""
    if uri.startswith("#") and _NAME.fullmatch(uri, 1):
        return Kind.ELEMENT, uri[1:]
    if uri.startswith("cid:") and len(uri) > 4:
        return Kind.ATTACHMENT, uri[4:]
    raise Refused(Reason.REFERENCE, uri, 'an empty URI, "#id" or "cid:"')


def _read_transforms(
    transforms: list[etree._Element], kind: Kind, policy: SignaturePolicy
) -> tuple[str, tuple[str, ...]]:
    """Return the canonicalisation that the transforms amount to. Every URI is known, or the Reference is refused."""
    if len(transforms) > policy.max_transforms:
        raise Refused(Reason.TRANSFORM, f"{len(transforms)} transforms", f"at most {policy.max_transforms}")
    names = [transform.get("Algorithm", "") for transform in transforms]
    for name in names:
        if name in OTHER_C14N:
            raise Refused(Reason.C14N, name)
        if name not in policy.transforms:
            raise Refused(Reason.TRANSFORM, name)
    if kind is Kind.ATTACHMENT:
        if names:
            raise Refused(Reason.TRANSFORM, names[0], "none on an attachment")
        return "", ()
    if kind is Kind.WHOLE:
        if not names or names[0] != ENVELOPED:
            raise Refused(Reason.TRANSFORM, names[0] if names else "none", "enveloped-signature first")
        if len(transforms[0]):
            raise Refused(Reason.TRANSFORM, "content inside enveloped-signature")
        del names[0], transforms[0]
    if not names:
        # XML-DSig 1.1 §4.4.3.2: what is left as a node-set is digested as inclusive C14N 1.0 has it.
        if C14N not in policy.c14n_algorithms:
            raise Refused(Reason.C14N, "implicit inclusive canonicalisation")
        return C14N, ()
    if len(names) > 1 or names[0] not in (EXC_C14N, C14N) or names[0] not in policy.c14n_algorithms:
        raise Refused(Reason.TRANSFORM, " ".join(names), "one canonicalisation, last")
    return names[0], _prefixes(transforms[0], names[0], policy)


def _prefixes(element: etree._Element, method: str, policy: SignaturePolicy) -> tuple[str, ...]:
    if not len(element):
        return ()
    if method != EXC_C14N:
        raise Refused(Reason.TRANSFORM, f"InclusiveNamespaces for {method}")
    prefixes = tuple((element[0].get("PrefixList") or "").split())
    if len(prefixes) > policy.max_prefixes or not all(_PREFIX.fullmatch(prefix) for prefix in prefixes):
        raise Refused(Reason.TRANSFORM, "PrefixList")
    return prefixes


def index_ids(root: etree._Element, policy: SignaturePolicy) -> dict[str, etree._Element]:
    """Map every Id to its element, in one pass. `Refused`: DUPLICATE_ID, or LIMIT for too many attributes.

    Comparison is by code points: no case folding, no normalisation.
    """
    index: dict[str, etree._Element] = {}
    most = policy.max_attributes
    for element in root.iter("*"):
        names = element.keys()
        if not names:
            continue
        if len(names) > most:
            raise Refused(Reason.LIMIT, f"{len(names)} attributes on one element", f"at most {most}")
        for name in names:
            if name in ID_ATTRIBUTES:
                value = element.get(name, "")
                if value in index:
                    raise Refused(Reason.DUPLICATE_ID, value)
                index[value] = element
    return index


@dataclass(slots=True)
class Digested:
    """What the references of one signature have been found to cover."""

    covered: list[Covered] = field(default_factory=list)
    whole: bytes | None = None
    elements: list[tuple[etree._Element, bytes]] = field(default_factory=list)
    attachments: set[str] = field(default_factory=set)
    signed_properties: bytes | None = None


class Work:
    """What may still be worked for the signatures of one document, beside the octets that each covers."""

    def __init__(self) -> None:
        self._left = MOST_WORK

    def spend(self, work: int) -> None:
        self._left -= work
        if self._left < 0:
            raise Refused(Reason.LIMIT, "canonicalisation with many namespaces in scope", f"at most {MOST_WORK} looks")


class Digester:
    """Resolves and digests the references of one signature, each target once, within one budget of octets."""

    def __init__(
        self,
        signature: etree._Element,
        index: Mapping[str, etree._Element],
        attachments: Mapping[str, Octets],
        splices: Splices,
        policy: SignaturePolicy,
        work: Work,
        type_: str | None = None,
    ) -> None:
        """`type_` is what each Reference to an element must have as its Type, but for that to SignedProperties."""
        self._type, self._work = type_, work
        self._signature, self._index, self._attachments = signature, index, attachments
        self._splices, self._policy = splices, policy
        self._left = policy.max_enveloped_bytes
        self._seen: set[tuple[Kind, str]] = set()

    def digest(self, references: Collection[Reference], properties: etree._Element | None) -> Digested:
        """Digest them all. `properties` is the SignedProperties element of this signature, if it has one.

        `Refused`: REFERENCE for a target that is not there, may not be referenced or is referenced twice; DIGEST for
        content that differs; LIMIT. `C14nFailed` passes through.
        """
        result = Digested()
        for reference in references:
            if (reference.kind, reference.target) in self._seen:
                raise Refused(Reason.REFERENCE, f"{reference.uri} is referenced twice")
            self._seen.add((reference.kind, reference.target))
            if reference.kind is Kind.ATTACHMENT:
                self._attachment(reference, result)
            elif reference.kind is Kind.WHOLE:
                self._whole(reference, result)
            else:
                self._element(reference, properties, result)
        return result

    def _attachment(self, reference: Reference, result: Digested) -> None:
        octets = self._attachments.get(reference.target)
        if octets is None or reference.type is not None:
            raise Refused(Reason.REFERENCE, reference.uri, sub_indication=SubIndication.SIGNED_DATA_NOT_FOUND)
        found = octets.digest(reference.digest_name)
        self._compare(reference, found, octets.size, reference.uri, result)
        result.attachments.add(reference.target)

    def _whole(self, reference: Reference, result: Digested) -> None:
        if reference.type is not None:
            raise Refused(Reason.REFERENCE, f"Type {reference.type} of the whole document")
        root = self._signature.getroottree().getroot()
        self._work.spend(work_beside_octets(root, reference.method, reference.prefixes))
        octets = canonical_without(self._signature, reference.method, reference.prefixes)
        self._xml(reference, octets, "/", result, whole=True)
        result.whole = octets

    def _element(self, reference: Reference, properties: etree._Element | None, result: Digested) -> None:
        element = self._index.get(reference.target)
        if element is None:
            raise Refused(Reason.REFERENCE, reference.uri, sub_indication=SubIndication.SIGNED_DATA_NOT_FOUND)
        is_properties = properties is not None and element is properties
        if reference.type != (SIGNED_PROPERTIES if is_properties else self._type):
            raise Refused(Reason.STRUCTURE, f"{reference.uri}: Type and target do not belong together")
        if not is_properties and lies_in(element, self._signature):
            raise Refused(Reason.REFERENCE, f"{reference.uri} lies inside the signature")
        self._work.spend(work_beside_octets(element, reference.method, reference.prefixes))
        octets = canonical(element, reference.method, reference.prefixes)
        self._xml(reference, octets, path_of(element), result)
        if is_properties:
            result.signed_properties = octets
        else:
            result.elements.append((element, octets))

    def _xml(self, reference: Reference, octets: bytes, target: str, result: Digested, whole: bool = False) -> None:
        pieces = self._splices.pieces(octets, whole=whole)
        self._spend(sum(map(len, pieces)))
        found, count = digest_canonical(pieces, reference.digest_name)
        self._compare(reference, found, count, target, result)

    def _spend(self, octets: int) -> None:
        self._left -= octets
        if self._left < 0:
            raise Refused(Reason.LIMIT, "signed octets", f"at most {self._policy.max_enveloped_bytes}")

    @staticmethod
    def _compare(reference: Reference, found: bytes, count: int, target: str, result: Digested) -> None:
        if not compare_digest(found, reference.digest):
            raise Refused(Reason.DIGEST, f"{reference.uri or 'document'}: {found.hex()}", reference.digest.hex())
        result.covered.append(Covered(reference.uri, target, reference.digest_name, found.hex(), count))


def lies_in(element: etree._Element, other: etree._Element) -> bool:
    """Say whether `element` is `other` or stands under it."""
    node: etree._Element | None = element
    while node is not None:
        if node is other:
            return True
        node = node.getparent()
    return False


def path_of(element: etree._Element) -> str:
    """The path of local names from the root: `/edXML/edXMLEnvelope`."""
    path, node = "", cast("etree._Element | None", element)
    while node is not None:
        path, node = f"/{node.tag.rpartition('}')[2]}{path}", node.getparent()
    return path
