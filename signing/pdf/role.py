"""A guess at who signed: the competent person or the organisation (NĐ 30/2020 art. 5 and annex I)."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from signing.certificate import Leaf
from signing.pdf.verdict import Role, RoleHint

_PERSONAL: Final = re.compile(r"(CMND|CCCD|CC|HC|PASSPORT)\s*:", re.IGNORECASE)
_CORPORATE: Final = re.compile(r"(MST|MNS|MDVQHNS)\s*:", re.IGNORECASE)
_BODIES: Final = re.compile(
    r"(sở|bộ|cục|vụ|phòng|trường|viện|ban quản lý|ban cơ yếu)\s"
    r"|(uy ban|ubnd|hdnd|hoi dong nhan dan|van phong|chi cuc|tong cuc|thanh tra|trung tam|benh vien|cong ty|kho bac"
    r"|bao hiem xa hoi|toa an|vien kiem sat|cong an|ban quan ly|ban co yeu)\s"
)
"""Beginnings of names that no person has: short words only with their marks (Vũ and Trương are family names), longer
ones also without, as many certificates write them."""


def guess_role(leaf: Leaf) -> RoleHint:
    """Say what the subject's name suggests. Appearance and order of signatures prove nothing and take no part."""
    subject = leaf.certificate.subject
    person = [f"identifier {kind}" for kind in _identifiers(subject, _PERSONAL)]
    organisation = [f"identifier {kind}" for kind in _identifiers(subject, _CORPORATE)]
    person += [
        f"subject has {name}"
        for name, oid in (("givenName", NameOID.GIVEN_NAME), ("surname", NameOID.SURNAME), ("title", NameOID.TITLE))
        if _values(subject, oid)
    ]
    for name in _values(subject, NameOID.COMMON_NAME):
        bodies = [*_values(subject, NameOID.ORGANIZATION_NAME), *_values(subject, NameOID.ORGANIZATIONAL_UNIT_NAME)]
        if _folded(name) in map(_folded, bodies):
            organisation.append("CN equals O or OU")
        if any(_BODIES.match(form) for form in (unicodedata.normalize("NFC", name).casefold(), _folded(name))):
            organisation.append("CN begins like the name of a body")
    if bool(person) == bool(organisation):
        return RoleHint(Role.UNKNOWN, (*person, *organisation))
    return RoleHint(Role.PERSON, tuple(person)) if person else RoleHint(Role.ORGANISATION, tuple(organisation))


def _identifiers(subject: x509.Name, pattern: re.Pattern[str]) -> list[str]:
    values = [*_values(subject, NameOID.USER_ID), *_values(subject, NameOID.SERIAL_NUMBER)]
    return sorted({found[1].upper() for value in values if (found := pattern.match(value))})


def _values(subject: x509.Name, oid: x509.ObjectIdentifier) -> list[str]:
    return [value for item in subject.get_attributes_for_oid(oid) if isinstance(value := item.value, str)]


def _folded(text: str) -> str:
    """Lower case, without marks; đ is a letter of its own and has none."""
    plain = unicodedata.normalize("NFD", text.casefold().replace("đ", "d"))
    return " ".join("".join(c for c in plain if not unicodedata.combining(c)).split())
