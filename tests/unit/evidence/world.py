"""Documents judged as the node judges them, without a node: any trust, any clock; and their bundles."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from lxml import etree

from axis.core.binding import Binding, Bindings
from axis.core.model import PayloadRef, Principal, Profile, Role
from axis.evidence.bundle import record_of, write_bundle
from axis.flow.context import Context
from axis.flow.judge import Judged, judge
from schemas.attachment import encoded_attachments
from schemas.codes import AgencyCode
from schemas.envelope import AttachmentInfo, DocumentNumber, DocumentType, Envelope, Organization
from schemas.limits import FieldLimits, XmlLimits
from schemas.structure import signature_place, signed_parts
from schemas.write import serialise, write_document
from schemas.xml import parse_xml
from signing.chain import CertificateCache, Trust
from signing.policy import IF_PRESENT, LEGACY, OWN_NETWORK
from signing.sign import sign_parts
from signing.xades_t import add_signature_timestamp, timestamp_octets
from tests.factories_core import document
from tests.pki import NOW, Holder, der, issue, name_of, pki, revocation_list
from tests.site import decode
from tests.unit.timestamp import authority

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SENDER, RECEIVER = AgencyCode("H99.07"), AgencyCode("H99.115")
Bend = Callable[[etree._Element], None]


class Desk:
    """What the intake needs to judge. `clock` and `trust` are moved by tests."""

    def __init__(self, trust: Trust, *holders: Holder, profile: Profile = Profile.REQUIRED) -> None:
        self.clock = NOW
        rows = [Binding(holder.sha256, SENDER, NOW - 900 * DAY, NOW + 900 * DAY) for holder in holders]
        self.ctx = cast(
            Context,
            SimpleNamespace(
                policies={
                    Profile.REQUIRED: OWN_NETWORK,
                    Profile.VERIFY_IF_PRESENT: IF_PRESENT,
                    Profile.LEGACY_TOLERATED: LEGACY,
                },
                now=lambda: self.clock,
                judged_at=lambda: self.clock,
                xml_limits=XmlLimits(),
                field_limits=FieldLimits(),
                inline_judging_bytes=1 << 20,
                trust=trust,
                certificates=CertificateCache(),
                evidence=None,
                paths=None,
                network=SimpleNamespace(registry=SimpleNamespace(bindings=Bindings(rows))),
            ),
        )
        self.by = Principal("so", Role.AGENCY, (), profile)

    async def judged(self, package: bytes) -> Judged:
        return await judge(memoryview(package), self.by, self.ctx)

    async def bundle(self, package: bytes) -> bytes:
        return bundle_of(package, await self.judged(package))


def bundle_of(package: bytes, judged: Judged) -> bytes:
    """The bundle of a document that is stored with this verdict."""
    kept = document(
        sender=SENDER,
        document_id=judged.content.document_id if judged.content else ID,
        digest=judged.digest,
        payload=PayloadRef(hashlib.sha256(package).hexdigest(), len(package)),
        verdict=judged.verdict,
    )
    pieces = judged.grounds.pieces(judged.verdict)
    return write_bundle(record_of(kept, "truc"), package, judged.verdict, pieces, None, ())


ID = "H99.07,2026/11/23,1/TN"


def package(
    holder: Holder | None,
    *beside: Holder,
    stamps: Sequence[Any] = (),
    bend: Bend = lambda root: None,
) -> bytes:
    """A document of `SENDER`, signed by each; `stamps` are times at which the test's authority stamps the first
    signature."""
    attachments = (b"%PDF-1.4 test",)
    envelope = Envelope(
        sender=Organization(SENDER, name="Sở"),
        recipients=(Organization(RECEIVER),),
        number=DocumentNumber("1", "TN"),
        subject="V/v thử nghiệm",
        document_id=ID,
        issued_on=date(2026, 11, 23),
        issued_at="H99",
        type=DocumentType(22, name="Công văn"),
        attachments=(AttachmentInfo("tep-0", "tep-0.pdf", "application/pdf"),),
    )
    root = write_document(envelope, list(attachments))
    if holder is not None:
        parts = signed_parts(root)
        elements = [part for part in (parts.header, parts.business, parts.manifest) if part is not None]
        encoded = encoded_attachments(parse_xml(serialise(root), XmlLimits()))
        covered = [(one.content_id, hashlib.sha256(decode(one.base64)).digest()) for one in encoded]
        at = min((NOW - HOUR, *stamps))
        signature = sign_parts(signature_place(root), elements, covered, holder.signer(), at)
        for when in stamps:
            add_signature_timestamp(signature, authority.token(timestamp_octets(signature), at=when))
        for one in beside:
            sign_parts(signature_place(root), elements, covered, one.signer(), at)
    bend(root)
    return serialise(root)


# --- evidence of every kind


def answer(
    about: Holder,
    issuer: Holder,
    by: Holder | None = None,
    *,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
) -> bytes:
    """A responder's answer, in force for a day; `by` is a delegate of the issuer, whose certificate goes with it.

    It is of now, because the library writes the real time into it.
    """
    signer, at = by or issuer, datetime.now(UTC) - HOUR
    revoked_at = at - HOUR if status is ocsp.OCSPCertStatus.REVOKED else None
    builder = ocsp.OCSPResponseBuilder().add_response(
        about.certificate, issuer.certificate, hashes.SHA256(), status, at, at + DAY, revoked_at, None
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)
    if by is not None:
        builder = builder.certificates([by.certificate])
    return builder.sign(signer.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def responder(issuer: Holder) -> Holder:
    """Whom an issuer lets answer; its own revocation is asked of lists."""
    return issue("Máy trả lời", issuer, more=[(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)])


def list_with(issuer: Holder, *extensions: x509.ExtensionType, entries: Sequence[Any] = (), number: int = 1) -> bytes:
    """A list in force at `NOW` with critical extensions."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(NOW - HOUR)
        .next_update(NOW + DAY)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    for entry in entries:
        builder = builder.add_revoked_certificate(entry)
    return der(builder.sign(issuer.key, hashes.SHA256()))


def entry(holder: Holder, reason: x509.ReasonFlags, issuer: Holder | None = None) -> x509.RevokedCertificate:
    builder = (
        x509.RevokedCertificateBuilder()
        .serial_number(holder.certificate.serial_number)
        .revocation_date(NOW - 2 * HOUR)
        .add_extension(x509.CRLReason(reason), critical=False)
    )
    if issuer is not None:
        named = x509.CertificateIssuer([x509.DirectoryName(issuer.certificate.subject)])
        builder = builder.add_extension(named, critical=True)
    return builder.build()


def indirect() -> tuple[Holder, Trust]:
    """A signer whose revocation an authority of another name publishes, together with that of others."""
    publisher = issue("Cơ quan công bố", pki().root, ca=True)
    place = [x509.UniformResourceIdentifier("http://crl.test/all.crl")]
    names = [x509.DirectoryName(publisher.certificate.subject)]
    point = x509.CRLDistributionPoints([x509.DistributionPoint(place, None, None, names)])
    signer = issue("Nơi gửi", pki().authority, more=[(point, False)])
    scope = x509.IssuingDistributionPoint(place, None, False, False, None, True, False)
    listed = list_with(publisher, scope, entries=[entry(pki().revoked, x509.ReasonFlags.superseded, pki().authority)])
    lists = (revocation_list(pki().root), listed, revocation_list(publisher))
    return signer, Trust((pki().root.der,), (pki().authority.der, publisher.der), lists)


def circle(*, convicts: bool = True, outside: str = "") -> tuple[Holder, Holder, Trust]:
    """A signer whose lists three publishers make. Two tell of each other: A is good for nobody, because B has it as
    revoked, and B is good on the word of A alone. Of the third only A tells. The signer and that third one.

    Without `convicts` B has nothing against A. Of `outside` a publisher tells as well of whom the root tells.
    """
    root, place = pki().root, [x509.UniformResourceIdentifier("http://crl.test/all.crl")]

    def told_by(*names: str) -> tuple[x509.ExtensionType, bool]:
        points = [
            x509.DistributionPoint(place, None, None, [x509.DirectoryName(name_of(f"Cơ quan công bố {name}"))])
            for name in names
        ]
        return x509.CRLDistributionPoints(points), False

    first = issue("Cơ quan công bố A", root, ca=True, more=[told_by("B", "D") if outside == "A" else told_by("B")])
    second = issue("Cơ quan công bố B", root, ca=True, more=[told_by("A", "D") if outside == "B" else told_by("A")])
    third = issue("Cơ quan công bố C", root, ca=True, more=[told_by("A")])
    signer = issue("Nơi gửi", root, more=[told_by("C", "B", "A")])
    scope = x509.IssuingDistributionPoint(place, None, False, False, None, True, False)
    against = [entry(first, x509.ReasonFlags.superseded, root)] if convicts else []
    lists = [list_with(first, scope), list_with(second, scope, entries=against), list_with(third, scope)]
    publishers = [first.der, second.der, third.der]
    if outside:
        fourth = issue("Cơ quan công bố D", root, ca=True)
        lists += [list_with(fourth, scope), revocation_list(root)]
        publishers.append(fourth.der)
    return signer, third, Trust((root.der,), publishers, lists)


def delta(*, released: bool) -> tuple[Holder, Trust]:
    """A signer on hold in the complete list; the delta list releases it or says nothing of it."""
    signer = pki().holder("hold")
    complete = list_with(pki().authority, entries=[entry(signer, x509.ReasonFlags.certificate_hold)], number=5)
    gone = [entry(signer, x509.ReasonFlags.remove_from_crl)] if released else []
    amending = list_with(pki().authority, x509.DeltaCRLIndicator(5), entries=gone, number=6)
    return signer, pki().trust_with(revocation_list(pki().root), complete, amending)
