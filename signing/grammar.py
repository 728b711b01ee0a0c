"""The closed grammar of a signature element: these elements, these attributes, this order, nothing else.

No library checks it, and most attacks on XML signatures live in what it leaves out: second copies, foreign children,
comments that split a value, keys by reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from lxml import etree

from signing.refusal import Refused
from signing.verdict import Reason

DS: Final = "{http://www.w3.org/2000/09/xmldsig#}"
XADES: Final = "{http://uri.etsi.org/01903/v1.3.2#}"
XADES141: Final = "{http://uri.etsi.org/01903/v1.4.1#}"
COUNTERSIGNATURE: Final = XADES + "CounterSignature"
INCLUSIVE_NAMESPACES: Final = "{http://www.w3.org/2001/10/xml-exc-c14n#}InclusiveNamespaces"

_WHITE: Final = " \t\r\n"


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """What one element may hold: `children` as (tag, at least, at most) in this order, or `text`.

    `ordered=False` lets the children stand in any order. `reason` is what a breach is called.
    """

    children: tuple[tuple[str, int, int], ...] = ()
    attributes: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    text: bool = False
    ordered: bool = True
    reason: Reason = Reason.STRUCTURE


MANY: Final = 1 << 30


def _names(*names: str) -> frozenset[str]:
    return frozenset(names)


_ALGORITHM = _names("Algorithm")
_TEXT = Rule(text=True)
_ENCAPSULATED = Rule(attributes=_names("Id", "Encoding"), text=True)
_PLACE = tuple((XADES + name, 0, 1) for name in ("City", "StateOrProvince", "PostalCode", "CountryName"))
_ROLE = Rule(((XADES + "ClaimedRoles", 1, 1),))
_PROPERTIES = (
    ("SigningTime", 0, 1),
    ("SigningCertificate", 0, 1),
    ("SigningCertificateV2", 0, 1),
    ("SignaturePolicyIdentifier", 0, 1),
    ("SignatureProductionPlace", 0, 1),
    ("SignatureProductionPlaceV2", 0, 1),
    ("SignerRole", 0, 1),
    ("SignerRoleV2", 0, 1),
)

APART: Final = Rule(attributes=_names("Id"), text=True)
"""A signature within another one: what it holds is checked when it is judged itself, and only counted here."""

RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        # XML-DSig 1.1 §4
        DS + "SignedInfo": Rule(
            (
                (DS + "CanonicalizationMethod", 1, 1),
                (DS + "SignatureMethod", 1, 1),
                (DS + "Reference", 1, MANY),
            ),
            _names("Id"),
        ),
        DS + "CanonicalizationMethod": Rule(
            ((INCLUSIVE_NAMESPACES, 0, 1),), _ALGORITHM, _ALGORITHM, reason=Reason.C14N
        ),
        DS + "SignatureMethod": Rule((), _ALGORITHM, _ALGORITHM, reason=Reason.ALGORITHM),
        DS + "Reference": Rule(
            ((DS + "Transforms", 0, 1), (DS + "DigestMethod", 1, 1), (DS + "DigestValue", 1, 1)),
            _names("Id", "URI", "Type"),
        ),
        DS + "Transforms": Rule(((DS + "Transform", 1, MANY),), reason=Reason.TRANSFORM),
        DS + "Transform": Rule(((INCLUSIVE_NAMESPACES, 0, 1),), _ALGORITHM, _ALGORITHM, reason=Reason.TRANSFORM),
        INCLUSIVE_NAMESPACES: Rule((), _names("PrefixList"), _names("PrefixList"), reason=Reason.TRANSFORM),
        DS + "DigestMethod": Rule((), _ALGORITHM, _ALGORITHM, reason=Reason.ALGORITHM),
        DS + "DigestValue": _TEXT,
        DS + "SignatureValue": Rule(attributes=_names("Id"), text=True),
        DS + "KeyInfo": Rule(((DS + "X509Data", 1, 1),), _names("Id"), reason=Reason.KEYINFO),
        DS + "X509Data": Rule(
            (
                (DS + "X509Certificate", 1, MANY),
                (DS + "X509SubjectName", 0, 1),
                (DS + "X509IssuerSerial", 0, 1),
            ),
            ordered=False,
            reason=Reason.KEYINFO,
        ),
        DS + "X509Certificate": Rule(text=True, reason=Reason.KEYINFO),
        DS + "X509SubjectName": Rule(text=True, reason=Reason.KEYINFO),
        DS + "X509IssuerSerial": Rule(
            ((DS + "X509IssuerName", 1, 1), (DS + "X509SerialNumber", 1, 1)), reason=Reason.KEYINFO
        ),
        DS + "X509IssuerName": Rule(text=True, reason=Reason.KEYINFO),
        DS + "X509SerialNumber": Rule(text=True, reason=Reason.KEYINFO),
        DS + "Object": Rule(((XADES + "QualifyingProperties", 1, 1),), _names("Id")),
        # XAdES, the properties of EN 319 132-1 that we understand: signed ones, and unsigned ones up to level LT.
        XADES + "QualifyingProperties": Rule(
            ((XADES + "SignedProperties", 1, 1), (XADES + "UnsignedProperties", 0, 1)),
            _names("Id", "Target"),
            _names("Target"),
        ),
        XADES + "SignedProperties": Rule(
            ((XADES + "SignedSignatureProperties", 1, 1), (XADES + "SignedDataObjectProperties", 0, 1)),
            _names("Id"),
            _names("Id"),
        ),
        XADES + "SignedSignatureProperties": Rule(
            tuple((XADES + name, least, most) for name, least, most in _PROPERTIES), _names("Id")
        ),
        XADES + "SigningTime": _TEXT,
        XADES + "SigningCertificate": Rule(((XADES + "Cert", 1, 5),)),
        XADES + "SigningCertificateV2": Rule(((XADES + "Cert", 1, 5),)),
        XADES + "Cert": Rule(
            ((XADES + "CertDigest", 1, 1), (XADES + "IssuerSerial", 0, 1), (XADES + "IssuerSerialV2", 0, 1))
        ),
        XADES + "CertDigest": Rule(((DS + "DigestMethod", 1, 1), (DS + "DigestValue", 1, 1))),
        XADES + "IssuerSerial": Rule(((DS + "X509IssuerName", 1, 1), (DS + "X509SerialNumber", 1, 1))),
        XADES + "IssuerSerialV2": _TEXT,
        XADES + "SignaturePolicyIdentifier": Rule(((XADES + "SignaturePolicyImplied", 1, 1),)),
        XADES + "SignaturePolicyImplied": Rule(),
        XADES + "SignatureProductionPlace": Rule(_PLACE),
        XADES + "SignatureProductionPlaceV2": Rule((_PLACE[0], (XADES + "StreetAddress", 0, 1), *_PLACE[1:])),
        **{tag: _TEXT for tag, _, _ in _PLACE},
        XADES + "StreetAddress": _TEXT,
        XADES + "SignerRole": _ROLE,
        XADES + "SignerRoleV2": _ROLE,
        XADES + "ClaimedRoles": Rule(((XADES + "ClaimedRole", 1, 5),)),
        XADES + "ClaimedRole": _TEXT,
        XADES + "SignedDataObjectProperties": Rule(((XADES + "DataObjectFormat", 1, MANY),), _names("Id")),
        XADES + "DataObjectFormat": Rule(
            ((XADES + "Description", 0, 1), (XADES + "MimeType", 0, 1), (XADES + "Encoding", 0, 1)),
            _names("ObjectReference"),
            _names("ObjectReference"),
        ),
        XADES + "Description": _TEXT,
        XADES + "MimeType": _TEXT,
        XADES + "Encoding": _TEXT,
        XADES + "UnsignedProperties": Rule(((XADES + "UnsignedSignatureProperties", 1, 1),), _names("Id")),
        XADES + "UnsignedSignatureProperties": Rule(
            (
                (XADES + "SignatureTimeStamp", 0, 4),
                (COUNTERSIGNATURE, 0, 4),
                (XADES + "CertificateValues", 0, 1),
                (XADES + "RevocationValues", 0, 1),
                (XADES141 + "TimeStampValidationData", 0, 4),
            ),
            _names("Id"),
            ordered=False,
        ),
        COUNTERSIGNATURE: Rule(((DS + "Signature", 1, 1),)),
        DS + "Signature": APART,
        # §5.1.4.4: what is stamped is implied here, so that Include and ReferenceInfo have no place.
        XADES + "SignatureTimeStamp": Rule(
            ((DS + "CanonicalizationMethod", 0, 1), (XADES + "EncapsulatedTimeStamp", 1, 4)), _names("Id")
        ),
        XADES + "EncapsulatedTimeStamp": _ENCAPSULATED,
        XADES + "CertificateValues": Rule(((XADES + "EncapsulatedX509Certificate", 0, 16),), _names("Id")),
        XADES + "EncapsulatedX509Certificate": _ENCAPSULATED,
        XADES + "RevocationValues": Rule(((XADES + "CRLValues", 0, 1), (XADES + "OCSPValues", 0, 1)), _names("Id")),
        XADES + "CRLValues": Rule(((XADES + "EncapsulatedCRLValue", 1, 16),)),
        XADES + "EncapsulatedCRLValue": _ENCAPSULATED,
        XADES + "OCSPValues": Rule(((XADES + "EncapsulatedOCSPValue", 1, 16),)),
        XADES + "EncapsulatedOCSPValue": _ENCAPSULATED,
        XADES141 + "TimeStampValidationData": Rule(
            ((XADES + "CertificateValues", 0, 1), (XADES + "RevocationValues", 0, 1)), _names("Id", "URI")
        ),
    }
)

_PARTS: Final = (
    (DS + "SignedInfo", True),
    (DS + "SignatureValue", True),
    (DS + "KeyInfo", False),
    (DS + "Object", False),
)


@dataclass(frozen=True, slots=True)
class SignatureParts:
    signed_info: etree._Element
    value: etree._Element
    key_info: etree._Element
    object: etree._Element | None


def split_signature(signature: etree._Element, most_nodes: int) -> SignatureParts:
    """Check the whole element but SignedInfo, whose grammar is checked on its canonical copy, and return its parts.

    First a count, so that what follows is bounded; comments and processing instructions are refused everywhere.
    """
    if next(signature.iter(etree.Comment, etree.ProcessingInstruction, etree.Entity), None) is not None:
        raise Refused(Reason.STRUCTURE, "a comment or processing instruction inside the signature")
    for count, _ in enumerate(signature.iter("*")):
        if count > most_nodes:
            raise Refused(Reason.LIMIT, f"more than {most_nodes} elements in the signature")
    _check_attributes(signature, _SIGNATURE)
    children = list(signature)
    _check_white(signature, children, _SIGNATURE)
    found: list[etree._Element | None] = []
    for tag, required in _PARTS:
        if children and children[0].tag == tag:
            found.append(children.pop(0))
        elif required:
            raise Refused(Reason.STRUCTURE, f"no {_local(tag)} in its place")
        else:
            found.append(None)
    if children:
        raise Refused(Reason.STRUCTURE, f"{_local(str(children[0].tag))} does not belong here")
    signed_info, value, key_info, container = found
    assert signed_info is not None
    assert value is not None
    if key_info is None:
        raise Refused(Reason.KEYINFO, "no KeyInfo")
    _check_attributes(signed_info, RULES[DS + "SignedInfo"])
    check(value)
    check(key_info)
    if container is not None:
        check(container)
    return SignatureParts(signed_info, value, key_info, container)


_SIGNATURE: Final = Rule(attributes=_names("Id"))


def check(element: etree._Element, tag: str | None = None) -> None:
    """Check `element` and everything under it. `Refused` with the reason of the rule that was broken."""
    rule = RULES[tag or str(element.tag)]
    _check_attributes(element, rule)
    children = list(element)
    if rule.text:
        if children and rule is not APART:
            raise Refused(rule.reason, f"an element inside {_local(element.tag)}")
        return
    _check_white(element, children, rule)
    if not children and not rule.children:
        return
    tags = tuple([child.tag for child in children])
    if (rule, tags) not in _SEEN_GOOD:
        fault = _order_fault(rule, tags) if rule.ordered else _bag_fault(rule, tags)
        if fault is not None:
            raise Refused(rule.reason, f"{fault} in {_local(element.tag)}")
        if len(tags) <= _SHORT and len(_SEEN_GOOD) < _MOST_SEEN:
            _SEEN_GOOD.add((rule, tags))
    for child, name in zip(children, tags, strict=True):
        check(child, name)


def _check_attributes(element: etree._Element, rule: Rule) -> None:
    names = element.keys()
    if not names and not rule.required:
        return
    for name in names:
        if name not in rule.attributes:
            raise Refused(rule.reason, f"attribute {name!s} on {_local(element.tag)}")
    for name in rule.required:
        if name not in names:
            raise Refused(rule.reason, f"no attribute {name} on {_local(element.tag)}")


def _check_white(element: etree._Element, children: list[etree._Element], rule: Rule) -> None:
    text = element.text
    if text and text.strip(_WHITE):
        raise Refused(rule.reason, f"text inside {_local(element.tag)}")
    for child in children:
        text = child.tail
        if text and text.strip(_WHITE):
            raise Refused(rule.reason, f"text inside {_local(element.tag)}")


_SHORT: Final = 16
_MOST_SEEN: Final = 512
_SEEN_GOOD: Final[set[tuple[Rule, tuple[str, ...]]]] = set()
"""Sequences of children that were found right: the signatures of this world have a few dozen. Only good and short ones,
so that nobody can fill it."""


def _order_fault(rule: Rule, tags: tuple[str, ...]) -> str | None:
    position = 0
    for tag, least, most in rule.children:
        start = position
        while position < len(tags) and tags[position] == tag:
            position += 1
        if not least <= position - start <= most:
            return f"{position - start} times {_local(tag)}"
    return f"{_local(tags[position])} does not belong" if position < len(tags) else None


def _bag_fault(rule: Rule, tags: tuple[str, ...]) -> str | None:
    for tag, least, most in rule.children:
        if not least <= tags.count(tag) <= most:
            return f"{tags.count(tag)} times {_local(tag)}"
    allowed = {tag for tag, _, _ in rule.children}
    return next((f"{_local(tag)} does not belong" for tag in tags if tag not in allowed), None)


def _local(tag: str) -> str:
    return tag.rpartition("}")[2][:60]
