"""The mathematics of one XML signature, in one order: structure, key, value, references, properties, coverage.

Structure comes before cryptography and cryptography before content, so that nothing an attacker wrote is digested or
read before somebody has signed it. What is read afterwards is read from canonical octets, never from the tree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from lxml import etree

from signing.ahead import may_wait
from signing.algorithm import DATED_SIGNATURES, NOT_AN_ALGORITHM, SHA1_DIGEST, SIGNATURES, key_fits, value_is_good
from signing.c14n import C14nFailed, Splices, canonical, reparse
from signing.certificate import Leaf
from signing.company import Company
from signing.grammar import DS, SignatureParts, split_signature
from signing.keyinfo import choose_leaf
from signing.octets import Octets, decode_base64
from signing.policy import SignaturePolicy
from signing.pss import check_method
from signing.reference import Digested, Digester, SignedInfo, lies_in, path_of, read_method, read_signed_info
from signing.refusal import Refused, passed
from signing.verdict import Check, Covered, Reason, SubIndication
from signing.xades import read_properties, signed_properties
from signing.xades_t import NO_STAMPS, Stamps, read_stamps

SIGNATURE: Final = DS + "Signature"

_NODES_PER_REFERENCE: Final = 16
_NODES_BESIDE: Final = 256
_SIGNED_INFO_PER_REFERENCE: Final = 1024
_SIGNED_INFO_BESIDE: Final = 4096
MAX_VALUE_BYTES: Final = 2048


@dataclass(frozen=True)
class MustCover:
    """What will be used, and so must be signed.

    `elements`: a name of the caller's for each element of the tree that will be read. `attachments`: content id
    (without `cid:`) to decoded octets. `place` is the only element that the signature may be a child of; `None` leaves
    that to the caller. `inline` names those attachments whose text stands in the tree (or was spliced out of it): only
    they are covered by a signature over the whole document; octets that travel beside it are not.
    """

    elements: Mapping[str, etree._Element]
    attachments: Mapping[str, Octets] = field(default_factory=dict)
    place: etree._Element | None = None
    inline: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Verified:
    """What may be read, because it was signed: canonical octets, with placeholders of splices left in.

    `whole` is the document without the signature where that was signed; `parts` the elements signed one by one, under
    the names of `MustCover.elements`.
    """

    whole: bytes | None
    parts: Mapping[str, bytes]


@dataclass(slots=True)
class Findings:
    """What is known so far; a refusal leaves behind what was found before it."""

    profile: str = "none"
    algorithm: str | None = None
    leaf: Leaf | None = None
    value_is_good: bool = False
    claimed_at: datetime | None = None
    covered: tuple[Covered, ...] = ()
    not_covered: tuple[str, ...] = ()
    checks: list[Check] = field(default_factory=list)
    quirks: tuple[str, ...] = ()
    stamps: Stamps = NO_STAMPS
    sha1: tuple[str, ...] = ()
    """What rests on SHA-1, and so on a proof of time."""
    ahead: Refused | None = None
    """It was signed after our own time, by so little that it waits for that: said when nothing else is wrong."""

    def passed(self, reason: Reason, observed: str = "", required: str = "") -> None:
        self.checks.append(passed(reason, observed, required))


def examine(
    root: etree._Element,
    signature: etree._Element,
    must_cover: MustCover,
    policy: SignaturePolicy,
    at: datetime,
    splices: Splices,
    found: Findings,
    company: Company,
) -> Verified:
    """Judge everything but the certificate's trust; write what is found into `found`. `Refused` at the first breach."""
    try:
        most = len(must_cover.elements) + len(must_cover.attachments) + policy.max_references_beyond_parts
        index = _place(root, signature, must_cover, policy, found, company)
        _refuse_dialect(signature)
        parts = split_signature(signature, _NODES_BESIDE + _NODES_PER_REFERENCE * most)
        element = signed_properties(parts.object, signature)
        found.passed(Reason.STRUCTURE)
        leaf = _key(parts, element, policy, found)
        signed_info = _signed_info(parts, policy, most, leaf, found)
        company.keep_apart(signature, signed_info.references, element)
        type_ = company.wanted_type(signature)
        digester = Digester(signature, index, must_cover.attachments, splices, policy, company.work, type_)
        digested = digester.digest(signed_info.references, element)
        found.covered = tuple(digested.covered)
        found.profile = "parts" if digested.whole is None else "enveloped"
        found.passed(Reason.REFERENCE)
        found.passed(Reason.DIGEST)
        _properties(element, digested, leaf, policy, at, found)
        found.sha1 += _sha1(signed_info, policy)
        found.stamps = read_stamps(parts.object, parts.value, policy)
        return _coverage(root, signature, must_cover, digested, found)
    except C14nFailed as error:
        raise Refused(Reason.C14N, str(error)) from error


def _place(
    root: etree._Element,
    signature: etree._Element,
    must_cover: MustCover,
    policy: SignaturePolicy,
    found: Findings,
    company: Company,
) -> Mapping[str, etree._Element]:
    """A signature, ours by its name, where it belongs, in a document whose Ids are unique: return those."""
    if signature.tag != SIGNATURE:
        raise Refused(Reason.NAMESPACE, str(signature.tag), SIGNATURE, unverifiable=True)
    found.passed(Reason.NAMESPACE)
    if must_cover.place is not None and signature.getparent() is not must_cover.place:
        raise Refused(Reason.STRUCTURE, "the signature stands at another place")
    _check_depth(root, signature, policy)
    index = company.index()
    found.passed(Reason.LIMIT)
    found.passed(Reason.DUPLICATE_ID)
    return index


def _refuse_dialect(signature: etree._Element) -> None:
    """A block that names what is no algorithm was not made by anything that signs: nobody can ever verify it."""
    for element in signature.iter(DS + "Transform", DS + "CanonicalizationMethod"):
        if element.get("Algorithm") == NOT_AN_ALGORITHM:
            raise Refused(Reason.TRANSFORM, NOT_AN_ALGORITHM, unverifiable=True)


def _check_depth(root: etree._Element, element: etree._Element, policy: SignaturePolicy) -> None:
    depth, last = 0, element
    for ancestor in element.iterancestors():
        depth, last = depth + 1, ancestor
        if depth > policy.max_depth:
            raise Refused(Reason.LIMIT, f"depth {depth}", f"at most {policy.max_depth}")
    if last is not root or depth == 0:
        raise Refused(Reason.STRUCTURE, "the signature stands outside the document")


def _key(parts: SignatureParts, properties: etree._Element | None, policy: SignaturePolicy, found: Findings) -> Leaf:
    leaf = choose_leaf(parts.key_info, properties, policy)
    found.passed(Reason.KEYINFO, leaf.sha256)
    weakness = policy.weakness(leaf.key)
    if weakness is not None:
        raise Refused(Reason.WEAK_KEY, weakness)
    found.leaf = leaf
    return leaf


def _signed_info(
    parts: SignatureParts, policy: SignaturePolicy, most_references: int, leaf: Leaf, found: Findings
) -> SignedInfo:
    """Check the signature value and return SignedInfo as read from the very octets that were signed."""
    original = parts.signed_info
    if not len(original) or original[0].tag != DS + "CanonicalizationMethod":
        raise Refused(Reason.STRUCTURE, "no CanonicalizationMethod in its place")
    method, prefixes = read_method(original[0], policy)
    octets = canonical(original, method, prefixes)
    most_octets = _SIGNED_INFO_BESIDE + _SIGNED_INFO_PER_REFERENCE * most_references
    if len(octets) > most_octets:
        raise Refused(Reason.LIMIT, f"SignedInfo of {len(octets)} octets", f"at most {most_octets}")
    signed_info = read_signed_info(reparse(octets), policy, most_references)
    if (signed_info.method, signed_info.prefixes) != (method, prefixes):
        raise Refused(Reason.STRUCTURE, "the canonical copy of SignedInfo differs")
    found.passed(Reason.C14N, method)
    found.passed(Reason.TRANSFORM)
    found.algorithm = signed_info.algorithm
    known = DATED_SIGNATURES if policy.takes_dated(signed_info.algorithm) else SIGNATURES
    algorithm = known[signed_info.algorithm]
    if not key_fits(algorithm, leaf.key):
        raise Refused(Reason.ALGORITHM, f"{signed_info.algorithm} with a key of another kind")
    check_method(leaf.bound, signed_info.algorithm)
    found.passed(Reason.ALGORITHM, signed_info.algorithm)
    try:
        value = decode_base64(parts.value.text, MAX_VALUE_BYTES)
    except ValueError as error:
        raise Refused(Reason.STRUCTURE, f"SignatureValue: {error}") from error
    if not value_is_good(algorithm, leaf.key, value, octets):
        raise Refused(Reason.VALUE)
    found.passed(Reason.VALUE)
    found.value_is_good = True
    return signed_info


def _properties(
    element: etree._Element | None,
    digested: Digested,
    leaf: Leaf,
    policy: SignaturePolicy,
    at: datetime,
    found: Findings,
) -> None:
    """Read the signed properties from their verified octets: is it this certificate that signed, and when?"""
    if element is None:
        return
    if digested.signed_properties is None:
        raise Refused(Reason.STRUCTURE, "SignedProperties are not signed")
    properties = read_properties(reparse(digested.signed_properties), policy)
    if not properties.names(leaf.der):
        raise Refused(Reason.KEYINFO, "XAdES names another certificate")
    found.claimed_at, found.quirks = properties.claimed_at, properties.quirks
    named = properties.certificate
    if named is not None and named[0] == "sha1" and policy.takes_dated(SHA1_DIGEST):
        found.sha1 += ("SigningCertificate",)
    claimed_at = properties.claimed_at
    if claimed_at is None:
        return
    if claimed_at < leaf.not_before - policy.signing_time_ahead:
        raise Refused(Reason.TIME, claimed_at.isoformat(), f"not before {leaf.not_before.isoformat()}")
    if claimed_at > at + policy.signing_time_ahead:
        told = claimed_at.isoformat(), f"not after {at.isoformat()}"
        if not may_wait(claimed_at, at):
            raise Refused(Reason.TIME, *told)
        found.ahead = Refused(Reason.TIME, *told, sub_indication=SubIndication.TRY_LATER)
        return
    if claimed_at > at + OWN_CLOCKS:
        found.quirks += ("signing-time-ahead",)
    found.passed(Reason.TIME)


def _sha1(signed_info: SignedInfo, policy: SignaturePolicy) -> tuple[str, ...]:
    uses = ("SignatureMethod",) if policy.takes_dated(signed_info.algorithm) else ()
    return (*uses, *(one.uri or "document" for one in signed_info.references if policy.takes_dated(one.algorithm)))


OWN_CLOCKS: Final = timedelta(minutes=5)


def _coverage(
    root: etree._Element, signature: etree._Element, must_cover: MustCover, digested: Digested, found: Findings
) -> Verified:
    """What is used must be what was signed: the same element, not one of the same name or Id."""
    parts: dict[str, bytes] = {}
    missing: list[str] = []
    for name, element in must_cover.elements.items():
        octets = next((octets for other, octets in digested.elements if other is element), None)
        if octets is not None:
            parts[name] = octets
        elif digested.whole is None or not lies_in(element, root) or lies_in(element, signature):
            missing.append(name)
    for content_id in must_cover.attachments:
        inline = digested.whole is not None and content_id in must_cover.inline
        if content_id not in digested.attachments and not inline:
            missing.append(f"cid:{content_id}")
    if missing:
        found.not_covered = tuple(missing)
        raise Refused(Reason.COVERAGE, ", ".join(missing))
    if digested.whole is None:
        _refuse_unused([element for element, _ in digested.elements], must_cover)
    found.passed(Reason.COVERAGE)
    return Verified(digested.whole, MappingProxyType(parts))


def _refuse_unused(signed: Sequence[etree._Element], must_cover: MustCover) -> None:
    """What was signed must be used: an element that was taken to where nobody reads it is missing where it belongs, and
    is still covered. One that stands in a used one, or around it, was not taken away."""
    used = [*must_cover.elements.values()]
    for element in signed:
        if not any(lies_in(element, one) or lies_in(one, element) for one in used):
            raise Refused(Reason.COVERAGE, f"{path_of(element)} is signed and not used")
