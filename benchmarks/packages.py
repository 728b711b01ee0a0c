"""Signed packages to measure with, and the authority that their signers lead to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from schemas.codes import AgencyCode
from schemas.envelope import AttachmentInfo, DocumentNumber, DocumentType, Envelope, Organization, OtherInfo, SignerInfo
from schemas.structure import signed_parts
from schemas.write import serialise, write_document
from signing.algorithm import RSA_SHA256
from signing.sign import KeySigner, sign_enveloped, sign_parts
from tests.pki import NOW, pki

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
KEYS = ("p256", "rsa2048")


@dataclass(frozen=True)
class Package:
    octets: bytes
    key: PublicKey
    attachments: int


@cache
def signer(key: str) -> KeySigner:
    return pki().good.signer() if key == "p256" else pki().rsa.signer(RSA_SHA256)


def package(shape: str, key: str, attachments: Sequence[bytes] = ()) -> Package:
    """A document to four agencies, signed by parts or as a whole ("enveloped")."""
    infos = tuple(AttachmentInfo(f"{place}.pdf", f"{place}.pdf") for place in range(len(attachments)))
    envelope = Envelope(
        sender=Organization(AgencyCode.parse("000.00.01.H99"), name="Sở Nội vụ tỉnh H99"),
        recipients=tuple(
            Organization(AgencyCode.parse(f"000.0{place}.02.H99"), name=f"Ủy ban nhân dân huyện {place}")
            for place in range(4)
        ),
        number=DocumentNumber("125", "CV-UBND"),
        subject="Về việc kiểm tra công tác văn thư, lưu trữ năm 2026 tại các đơn vị",
        document_id="000.00.01.H99,2026/11/29,125/CV-UBND",
        issued_on=date(2026, 11, 29),
        issued_at="H99",
        type=DocumentType(type=22, name="Công văn"),
        signer=SignerInfo("TL.", "Chánh Văn phòng", "Nguyễn Văn Diễn"),
        other=OtherInfo(page_amount=1, promulgation_amount=1),
        attachments=infos,
    )
    root = write_document(envelope, list(attachments))
    parts, holder = signed_parts(root), signer(key)
    if shape == "enveloped":
        sign_enveloped(parts.place, holder, NOW)
    else:
        elements = [part for part in (parts.header, parts.business, parts.manifest) if part is not None]
        told = [(info.content_id, sha256(octets).digest()) for info, octets in zip(infos, attachments, strict=True)]
        sign_parts(parts.place, elements, told, holder, NOW)
    public = holder.key.public_key()
    assert isinstance(public, PublicKey)
    return Package(serialise(root), public, len(attachments))
