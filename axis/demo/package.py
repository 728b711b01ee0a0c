"""Makes the packages that the demo sends: good ones, signed as our network signs, and bad ones made from good ones."""

from __future__ import annotations

import random
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Final

from lxml import etree

from axis.demo.plan import BY_CODE, Flaw, Planned
from schemas.codes import AgencyCode
from schemas.envelope import (
    AttachmentInfo,
    Business,
    DocumentNumber,
    DocumentType,
    Envelope,
    Organization,
    OtherInfo,
    Priority,
    SignerInfo,
)
from schemas.names import NAMESPACE
from schemas.structure import signature_place, signed_parts
from schemas.write import serialise, write_document
from signing.sign import KeySigner, sign_parts

_PDF_TAIL: Final = b"\nendstream endobj\n"
_ASKED: Final = b"100"
_WANTED: Final = b"900"


_PAGE: Final = (
    b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
    b" /Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>"
)


@dataclass(frozen=True, slots=True)
class Package:
    """The octets to send, and the SHA-256 of each attachment's own octets."""

    octets: bytes
    attachments: tuple[str, ...]


def make_package(document: Planned, issued_on: date, keys: Mapping[str, KeySigner], at: datetime) -> Package:
    """Write `document` and sign it at `at`.

    `keys` holds `own`, and under a flaw's name the key that such a package is signed with. A bad package is made from a
    good one, as an attacker or a careless system would make it.
    """
    contents = [pdf(document.name, size, place) for place, size in enumerate(document.attachments)]
    envelope = _envelope(document, issued_on)
    root = write_document(envelope, contents)
    signer = keys.get(document.flaw.value, keys["own"]) if document.flaw else keys["own"]
    digests = tuple(sha256(octets).hexdigest() for octets in contents)
    parts = signed_parts(root)
    elements = [part for part in (parts.header, parts.business, parts.manifest) if part is not None]
    listed = zip(envelope.attachments, digests, strict=True)
    covered = [(info.content_id, bytes.fromhex(digest)) for info, digest in listed]
    sign_parts(signature_place(root), elements, covered, signer, at)
    match document.flaw:
        case Flaw.CHANGED:
            return Package(_changed(serialise(root), document.subject), digests)
        case Flaw.WRAPPED:
            return Package(serialise(_wrapped(root)), digests)
        case _:
            return Package(serialise(root), digests)


def _changed(octets: bytes, subject: str) -> bytes:
    """One byte of the subject, after signing: a hundred million becomes nine hundred."""
    before = subject.encode()
    after = before.replace(_ASKED, _WANTED)
    assert before in octets
    assert sum(a != b for a, b in zip(before, after, strict=True)) == 1
    return octets.replace(before, after, 1)


def _wrapped(root: etree._Element) -> etree._Element:
    """Signature wrapping: the signed header moves aside, still intact, and a forged one takes its place.

    Who only asks whether the signature is good, and not what it covers, reads the forged one.
    """
    signed = signed_parts(root).header
    forged = deepcopy(signed)
    del forged.attrib["Id"]
    subject = forged.find(f"{{{NAMESPACE}}}Subject")
    assert subject is not None
    assert subject.text is not None
    subject.text = subject.text.replace(_ASKED.decode(), _WANTED.decode())
    place = signature_place(root)
    place.replace(signed, forged)
    aside = etree.Element(f"{{{NAMESPACE}}}Extension")
    aside.append(signed)
    place.insert(1, aside)
    return root


def _envelope(document: Planned, issued_on: date) -> Envelope:
    sender = BY_CODE[document.sender]
    return Envelope(
        sender=Organization(AgencyCode.parse(sender.code), name=sender.title),
        recipients=tuple(
            Organization(AgencyCode.parse(code), name=BY_CODE[code].title) for code in document.recipients
        ),
        number=DocumentNumber(document.number, sender.notation),
        subject=document.subject,
        document_id=document.document_id,
        issued_on=issued_on,
        issued_at="H99",
        type=DocumentType(type=22, name="Công văn"),
        signer=SignerInfo("TL.", "Chánh Văn phòng", "Nguyễn Văn Diễn"),
        other=OtherInfo(priority=Priority(document.priority), page_amount=1, promulgation_amount=1),
        business=Business(reason="Văn bản điện tử mới"),
        attachments=tuple(
            AttachmentInfo(f"{document.number}-{place}", f"Phụ lục {place + 1}.pdf", "application/pdf")
            for place, _ in enumerate(document.attachments)
        ),
    )


def pdf(title: str, size: int, place: int) -> bytes:
    """A small PDF page that any viewer opens, filled up to `size` bytes with noise that does not compress.

    The same arguments give the same octets.
    """
    name = title.encode("ascii", "replace").decode()
    text = f"BT /F1 18 Tf 60 760 Td (Trinh dien lien thong van ban: {name}, phu luc {place + 1}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        _PAGE,
        b"<< /Length %d >> stream\n%s\nendstream" % (len(text), text),
    ]
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj %s endobj\n" % (number, body)
    tail = 340  # the last object's frame, the table and the trailer
    noise = random.Random(f"{title}/{place}").randbytes(max(0, size - len(out) - tail))  # noqa: S311 (not a secret)
    offsets.append(len(out))
    out += b"5 0 obj << /Length %d >> stream\n%s%s" % (len(noise), noise, _PDF_TAIL)
    start = len(out)
    out += b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % start
    return bytes(out + b" " * max(0, size - len(out)))
