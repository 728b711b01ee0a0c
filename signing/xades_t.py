"""The unsigned properties of XAdES-B-T and B-LT: time stamps of the signature, and values that came along.

Nothing here is signed by the signer. A time stamp proves what its authority's signature proves and is judged in
`signing.timestamp`; certificates and revocation data of the message are hints: named in the verdict, and used for
nothing but to find the certificate that a token names.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lxml import etree

from signing.algorithm import C14N, EXC_C14N
from signing.c14n import canonical
from signing.certificate import MAX_CERTIFICATE_BYTES
from signing.grammar import COUNTERSIGNATURE, DS, XADES
from signing.octets import decode_base64
from signing.policy import SignaturePolicy
from signing.refusal import Refused
from signing.timestamp.cms import MAX_TOKEN_BYTES
from signing.verdict import HINT, Evidence, Reason

MOST_STAMPS: Final = 4
_MOST_HINTS: Final = 32
_MAX_REVOCATION_BYTES: Final = 1024 * 1024
_DER: Final = ("", "http://uri.etsi.org/01903/v1.2.2#DER")
_UNSIGNED: Final = (XADES + "UnsignedProperties", XADES + "UnsignedSignatureProperties")


@dataclass(frozen=True, slots=True)
class Stamp:
    """One SignatureTimeStamp token (DER) and the octets that it must be of."""

    token: bytes
    octets: bytes


@dataclass(frozen=True, slots=True)
class Stamps:
    """What the unsigned properties hold. `certificates` (DER) and `hints` come from the message and prove nothing."""

    stamps: tuple[Stamp, ...] = ()
    certificates: tuple[bytes, ...] = ()
    hints: tuple[Evidence, ...] = ()


NO_STAMPS: Final = Stamps()


def read_stamps(container: etree._Element | None, value: etree._Element, policy: SignaturePolicy) -> Stamps:
    """Read the unsigned properties in ds:Object, whose grammar was checked. `value` is the SignatureValue element.

    `Refused`: STRUCTURE for what is no base64 of DER, C14N, LIMIT. `C14nFailed` passes through.
    """
    if container is None or len(container[0]) < 2:
        return NO_STAMPS
    properties = container[0][1][0]
    stamps: list[Stamp] = []
    octets: dict[str, bytes] = {}
    for element in properties.iterchildren(XADES + "SignatureTimeStamp"):
        method = _method(element, policy)
        if method not in octets:
            octets[method] = canonical(value, method)
        for inner in element.iterchildren(XADES + "EncapsulatedTimeStamp"):
            stamps.append(Stamp(_decoded(inner, MAX_TOKEN_BYTES), octets[method]))
    if len(stamps) > MOST_STAMPS:
        raise Refused(Reason.LIMIT, f"{len(stamps)} time stamps", f"at most {MOST_STAMPS}")
    certificates, hints = _hints(properties)
    return Stamps(tuple(stamps), certificates, hints)


def _method(stamp: etree._Element, policy: SignaturePolicy) -> str:
    """How SignatureValue was canonicalised. EN 319 132-1 §4.5: inclusive C14N 1.0 where nothing is said."""
    first = stamp[0]
    if first.tag != DS + "CanonicalizationMethod":
        return C14N
    method = first.get("Algorithm", "")
    if len(first) or method not in policy.c14n_algorithms:
        raise Refused(Reason.C14N, method)
    return method


def _hints(properties: etree._Element) -> tuple[tuple[bytes, ...], tuple[Evidence, ...]]:
    certificates: dict[bytes, None] = {}
    hints: dict[Evidence, None] = {}
    for kind, tag, most in _VALUES:
        for element in _values(properties, tag):
            der = _decoded(element, most)
            hints[Evidence(kind, hashlib.sha256(der).hexdigest(), HINT)] = None
            if kind == "certificate":
                certificates[der] = None
    if len(hints) > _MOST_HINTS:
        raise Refused(Reason.LIMIT, f"{len(hints)} validation values", f"at most {_MOST_HINTS}")
    return tuple(certificates), tuple(hints)


def _values(properties: etree._Element, tag: str) -> Iterator[etree._Element]:
    """Those of this signature: what a countersignature took along is its own."""
    for holder in properties:
        if holder.tag != COUNTERSIGNATURE:
            yield from holder.iter(tag)


_VALUES: Final = (
    ("certificate", XADES + "EncapsulatedX509Certificate", MAX_CERTIFICATE_BYTES),
    ("crl", XADES + "EncapsulatedCRLValue", _MAX_REVOCATION_BYTES),
    ("ocsp", XADES + "EncapsulatedOCSPValue", _MAX_REVOCATION_BYTES),
)


def _decoded(element: etree._Element, most: int) -> bytes:
    if element.get("Encoding", "") not in _DER:
        raise Refused(Reason.STRUCTURE, "a validation value that is not DER")
    try:
        return decode_base64(element.text, most)
    except ValueError as error:
        raise Refused(Reason.STRUCTURE, f"{element.tag.rpartition('}')[2]}: {error}") from error


def timestamp_octets(signature: etree._Element) -> bytes:
    """The octets of `signature` (one of ours, in its document) that a time stamp must be of: its SignatureValue.

    Exclusive C14N, so that they stay the same wherever the signature travels.
    """
    value = signature.find(DS + "SignatureValue")
    if value is None:
        raise ValueError("no SignatureValue")
    return canonical(value, EXC_C14N)


def add_signature_timestamp(signature: etree._Element, token: bytes) -> None:
    """Put a token over `timestamp_octets(signature)` into the signature, which becomes XAdES-B-T.

    Nothing signed is touched. `ValueError` if the signature has no XAdES properties or is full.
    """
    qualifying = signature.find(f"{DS}Object/{XADES}QualifyingProperties")
    if qualifying is None:
        raise ValueError("the signature has no QualifyingProperties")
    place = qualifying
    for tag in _UNSIGNED:
        found = place.find(tag)
        place = etree.SubElement(place, tag) if found is None else found
    if len(place.findall(f"{XADES}SignatureTimeStamp/{XADES}EncapsulatedTimeStamp")) >= MOST_STAMPS:
        raise ValueError(f"the signature has {MOST_STAMPS} time stamps already")
    # XAdES gives SignatureTimeStamp its place by name only; first keeps it before the values of level LT.
    stamp = etree.Element(XADES + "SignatureTimeStamp")
    place.insert(len(place.findall(XADES + "SignatureTimeStamp")), stamp)
    etree.SubElement(stamp, DS + "CanonicalizationMethod", Algorithm=EXC_C14N)
    etree.SubElement(stamp, XADES + "EncapsulatedTimeStamp").text = b64encode(token).decode()
