"""PDFs made and bent for the tests: written and signed by pyHanko, or by `openssl cms`, then changed by hand."""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from types import MappingProxyType

from asn1crypto import cms, keys
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives import serialization
from pyhanko.pdf_utils import generic, writer
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.writer import BasePdfFileWriter
from pyhanko.sign import fields, signers
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.signers import cms_embedder, pdf_cms
from pyhanko.sign.signers.pdf_byterange import PdfSignedData
from pyhanko.sign.signers.pdf_cms import SimpleSigner
from pyhanko.sign.signers.pdf_signer import PdfSigningSession
from pyhanko.sign.timestamps import dummy_client
from pyhanko.sign.timestamps.dummy_client import DummyTimeStamper
from pyhanko_certvalidator.registry import SimpleCertificateStore

from signing.chain import Trust
from signing.pdf import (
    AttachmentVerdicts,
    EntryVerdict,
    PdfLimits,
    PdfOutcome,
    PdfPolicy,
    PdfSignature,
    PdfVerdict,
    grounded,
    judge_pdf,
)
from signing.policy import IF_PRESENT, SignaturePolicy
from signing.rules import read_rules
from signing.verdict import RULES, Reason, SubIndication, kept_pdf_evidence
from tests.pki import NOW, Holder, pem, pki
from tests.tools import need

CADES = SigSeedSubFilter.PADES
PKCS7 = SigSeedSubFilter.ADOBE_PKCS7_DETACHED
A4 = (0, 0, 595, 842)
PERSON_BOX, STAMP_BOX = (300, 100, 450, 160), (250, 90, 380, 220)


class _Loaded:
    """Keys that pyHanko has loaded before: it loads one for each signature, and that proves the primes of RSA anew."""

    load_der_private_key = staticmethod(cache(serialization.load_der_private_key))


for _signs in (pdf_cms, dummy_client):
    _signs.serialization = _Loaded  # type: ignore[attr-defined]


def plain(
    text: str = "QUYET DINH: 1.000.000 dong",
    *,
    filling: int = 0,
    objects: int = 0,
    form: bool = False,
    stream_xrefs: bool = False,
) -> bytes:
    """A PDF of one page. `filling` octets of noise, `objects` further objects, `form` adds a text field."""
    made = writer.PdfFileWriter(stream_xrefs=stream_xrefs)
    content = generic.StreamObject(stream_data=f"BT /F1 24 Tf 72 720 Td ({text}) Tj ET".encode())
    font = generic.DictionaryObject(
        {
            pdf_name("/Type"): pdf_name("/Font"),
            pdf_name("/Subtype"): pdf_name("/Type1"),
            pdf_name("/BaseFont"): pdf_name("/Times-Roman"),
        }
    )
    resources = generic.DictionaryObject(
        {pdf_name("/Font"): generic.DictionaryObject({pdf_name("/F1"): made.add_object(font)})}
    )
    page = writer.PageObject(contents=made.add_object(content), media_box=A4, resources=resources)
    page_ref = made.insert_page(page)
    extra = generic.ArrayObject()
    if filling:
        noise = generic.StreamObject(stream_data=bytes((i * i >> 3) & 0xFF for i in range(1 << 10)) * (filling >> 10))
        extra.append(made.add_object(noise))
    for number in range(objects):
        extra.append(made.add_object(generic.DictionaryObject({pdf_name("/N"): generic.NumberObject(number)})))
    if extra:
        page[pdf_name("/PieceInfo")] = generic.DictionaryObject({pdf_name("/Extra"): extra})
    if form:
        field = generic.DictionaryObject(
            {
                pdf_name("/Type"): pdf_name("/Annot"),
                pdf_name("/Subtype"): pdf_name("/Widget"),
                pdf_name("/FT"): pdf_name("/Tx"),
                pdf_name("/T"): generic.pdf_string("amount"),
                pdf_name("/V"): generic.pdf_string("1"),
                pdf_name("/Rect"): generic.ArrayObject(map(generic.NumberObject, (72, 600, 200, 620))),
                pdf_name("/P"): page_ref,
            }
        )
        ref = made.add_object(field)
        page[pdf_name("/Annots")] = generic.ArrayObject([ref])
        made.root[pdf_name("/AcroForm")] = generic.DictionaryObject({pdf_name("/Fields"): generic.ArrayObject([ref])})
    out = BytesIO()
    made.write(out)
    return out.getvalue()


def signer_of(holder: Holder, *, others: Sequence[Holder] = (), pss: bool = False) -> SimpleSigner:
    registry = SimpleCertificateStore()
    registry.register_multiple([asn1_x509.Certificate.load(other.der) for other in others])
    return SimpleSigner(
        signing_cert=asn1_x509.Certificate.load(holder.der),
        signing_key=keys.PrivateKeyInfo.load(private_der(holder)),
        cert_registry=registry,
        prefer_pss=pss,
    )


def private_der(holder: Holder) -> bytes:
    return holder.key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class Signing(signers.PdfSigner):
    """pyHanko's signer at a time of our choosing: it asks the clock of the machine."""

    when = NOW

    def init_signing_session(self, pdf_out: BasePdfFileWriter, existing_fields_only: bool = False) -> PdfSigningSession:
        session = super().init_signing_session(pdf_out, existing_fields_only)
        session.system_time = self.when
        return session


def sign(
    octets: bytes,
    holder: Holder,
    name: str = "Ky",
    *,
    sub_filter: SigSeedSubFilter = CADES,
    hash_name: str = "sha256",
    box: tuple[int, int, int, int] | None = None,
    others: Sequence[Holder] = (),
    authority: DummyTimeStamper | None = None,
    certify: MDPPerm | None = None,
    signer: signers.Signer | None = None,
    pss: bool = False,
    strict: bool = True,
    claimed_at: datetime = NOW,
) -> bytes:
    """A signature in a revision of its own, made at `claimed_at` as the signer says."""
    metadata = signers.PdfSignatureMetadata(
        field_name=name,
        md_algorithm=hash_name,
        subfilter=sub_filter,
        certify=certify is not None,
        docmdp_permissions=certify or MDPPerm.FILL_FORMS,
    )
    spec = fields.SigFieldSpec(name, box=box) if box else None
    made = Signing(
        metadata, signer or signer_of(holder, others=others, pss=pss), timestamper=authority, new_field_spec=spec
    )
    made.when = claimed_at
    # Where the signature is ours alone its room is known; pyHanko signs twice to learn it.
    room = None if signer or authority else 2 * (sum(len(one.der) for one in (holder, *others)) + 1_100)
    out = BytesIO()
    made.sign_pdf(IncrementalPdfFileWriter(BytesIO(octets), strict=strict), bytes_reserved=room, output=out)
    return out.getvalue()


def timestamped(octets: bytes, authority: DummyTimeStamper, name: str = "Dau") -> bytes:
    """A document time stamp in a revision of its own."""
    out = BytesIO()
    signers.PdfTimeStamper(authority, field_name=name).timestamp_pdf(
        IncrementalPdfFileWriter(BytesIO(octets)),
        "sha256",
        validation_context=None,
        output=out,
    )
    return out.getvalue()


def authority_of(holder: Holder, at: datetime) -> DummyTimeStamper:
    return DummyTimeStamper(
        asn1_x509.Certificate.load(holder.der), keys.PrivateKeyInfo.load(private_der(holder)), fixed_dt=at
    )


def prepared(
    octets: bytes,
    make: Callable[[bytes], bytes],
    name: str = "Ky",
    sub_filter: str = "/adbe.pkcs7.detached",
    room: int = 8192,
) -> bytes:
    """A signature whose CMS `make` gives for the octets that are to be signed."""
    out = BytesIO()
    steps = cms_embedder.PdfCMSEmbedder().write_cms(field_name=name, writer=IncrementalPdfFileWriter(BytesIO(octets)))
    next(steps)
    value = PdfSignedData(pdf_name("/Sig"), SigSeedSubFilter(sub_filter), timestamp=NOW, bytes_reserved=room)
    steps.send(cms_embedder.SigObjSetup(sig_placeholder=value))
    steps.send(cms_embedder.SigIOSetup(md_algorithm="sha256", output=out))
    whole = out.getvalue()
    left, right = gap(whole)
    signed = make(whole[:left] + whole[right:])
    return fill(whole, signed, left, right)


def gap(octets: bytes, number: int = -1) -> tuple[int, int]:
    """Where the gap of a signature begins and ends, read from its ByteRange."""
    spot = [found.start() for found in re.finditer(rb"/ByteRange", octets)][number]
    numbers = octets[octets.index(b"[", spot) + 1 : octets.index(b"]", spot)].split()
    return int(numbers[1]), int(numbers[2])


def fill(octets: bytes, value: bytes, left: int, right: int) -> bytes:
    text = value.hex().encode().ljust(right - left - 2, b"0")
    assert len(text) == right - left - 2, "no room for this CMS"
    return octets[:left] + b"<" + text + b">" + octets[right:]


def cms_of(octets: bytes, number: int = -1) -> bytes:
    """The CMS in a signature, padding and all."""
    left, right = gap(octets, number)
    return bytes.fromhex(octets[left + 1 : right - 1].decode())


def with_cms(octets: bytes, change: Callable[[cms.ContentInfo], bytes | None], number: int = -1) -> bytes:
    """The same PDF with another CMS in its place, which is not covered by anything."""
    left, right = gap(octets, number)
    info = cms.ContentInfo.load(cms_of(octets, number))
    return fill(octets, change(info) or info.dump(force=True), left, right)


def updated(octets: bytes, change: Callable[[IncrementalPdfFileWriter], None]) -> bytes:
    """A revision appended by pyHanko's writer."""
    made = IncrementalPdfFileWriter(BytesIO(octets), strict=False)
    change(made)
    out = BytesIO()
    made.write(out)
    return out.getvalue()


def openssl_cms(holder: Holder, folder: Path, *options: str) -> Callable[[bytes], bytes]:
    def make(data: bytes) -> bytes:
        (folder / "data").write_bytes(data)
        (folder / "cert.pem").write_bytes(pem(holder.certificate))
        (folder / "key.pem").write_bytes(
            holder.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        command = [need("openssl"), "cms", "-sign", "-binary", "-outform", "DER", "-in", "data", "-signer", "cert.pem"]
        command += ["-inkey", "key.pem", *options]
        return subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout

    return make


# --- judging


def judge(
    octets: bytes,
    trust: Trust | None = None,
    at: datetime = NOW,
    policy: SignaturePolicy = IF_PRESENT,
    limits: PdfLimits = PdfLimits(),  # noqa: B008 - frozen
    pdf_policy: PdfPolicy = PdfPolicy(),  # noqa: B008 - frozen
) -> PdfVerdict:
    """Judge, and prove on the way that the verdict survives being stored, and is the same from its evidence alone."""
    believed = trust or pki().trust
    verdict = judge_pdf(octets, believed, at, policy, limits, pdf_policy)
    assert PdfVerdict.from_dict(verdict.to_dict()) == verdict
    alone = judge_pdf(octets, from_evidence(verdict, policy, believed), at, policy, limits, pdf_policy)
    assert alone == verdict, "judged again with what was kept"
    return verdict


def from_evidence(verdict: PdfVerdict, policy: SignaturePolicy, trust: Trust) -> Trust:
    """Believe in nothing but what is kept for the verdict, as its rules say."""
    found = AttachmentVerdicts("a.pdf", "pdf", verdict.sha256, (EntryVerdict(("a.pdf",), verdict),))
    named, pieces = grounded(found, policy, trust)
    assert {one.sha256: one.kind for one in pieces} == kept_pdf_evidence(named.to_dict())
    (rules,) = (one for one in pieces if one.kind == RULES)
    return read_rules(rules.octets).trust({one.sha256: one.octets for one in pieces})


def only(verdict: PdfVerdict) -> PdfSignature:
    (signature,) = verdict.signatures
    return signature


Words = tuple[PdfOutcome, SubIndication | None, Reason]


def words(signature: PdfSignature) -> Words:
    return signature.outcome, signature.verdict.sub_indication, signature.verdict.reason


GOOD: Words = (PdfOutcome.VALID, None, Reason.GOOD)


@cache
def one_signature() -> bytes:
    """A good PDF with one signature: CAdES, ECDSA P-256."""
    return sign(plain(), pki().good)


@cache
def two_signatures() -> bytes:
    """The person, then the organisation (NĐ 30/2020 annex I): two revisions after the first."""
    first = sign(plain(), pki().good, "Nguoi", box=PERSON_BOX)
    return sign(first, pki().rsa, "CoQuan", box=STAMP_BOX)


def object_with(octets: bytes, marker: bytes) -> tuple[int, bytes]:
    """Number and body of the last object that has `marker` in it."""
    found = re.findall(rb"(\d+) 0 obj\n(.*?)\nendobj", octets, re.DOTALL)
    return next((int(number), body) for number, body in reversed(found) if marker in body)


def by_hand(
    octets: bytes, objects: dict[int, bytes], *, root: int = 1, size: int = 0, prev: int | None = None, end: bool = True
) -> bytes:
    """A revision appended octet by octet, with a table as any writer makes it; `end=False` leaves its end out."""
    made, places = octets.rstrip(b"\n") + b"\n", {}
    for number, body in objects.items():
        places[number] = len(made)
        made += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    before = int(octets[octets.rindex(b"startxref") + 9 :].split()[0]) if prev is None else prev
    start = len(made)
    made += b"xref\n" + b"".join(b"%d 1\n%010d 00000 n \n" % (number, place) for number, place in places.items())
    size = max(size, 100, *(number + 1 for number in objects)) if objects else max(size, 100)
    made += b"trailer\n<< /Size %d /Root %d 0 R /Prev %d >>\n" % (size, root, before)
    return made + b"startxref\n%d\n%%%%EOF\n" % start if end else made


def raw_pdf(
    objects: Mapping[int, bytes],
    *,
    places: Mapping[int, int] = MappingProxyType({}),
    size: int = 0,
    trailer: bytes = b"",
    stream: int = 0,
) -> bytes:
    """A document octet by octet, object 1 its catalogue. `places` are entries of the table for objects that are not
    there, `size` is what the table says, `stream` the number of a cross-reference stream instead of a table."""
    made, spots = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", {}
    for number, body in objects.items():
        spots[number] = len(made)
        made += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(made)
    rows = sorted({**spots, **places, **({stream: start} if stream else {})}.items())
    entries = b"/Size %d /Root 1 0 R %s" % (size or rows[-1][0] + 1, trailer)
    if stream:
        data = b"".join(b"\1" + place.to_bytes(4, "big") for _, place in rows)
        index = b" ".join(b"%d 1" % number for number, _ in rows)
        head = b"<< /Type /XRef /W [1 4 0] /Index [%s] /Length %d %s >>" % (index, len(data), entries)
        made += b"%d 0 obj\n%s\nstream\n%s\nendstream\nendobj\n" % (stream, head, data)
    else:
        made += b"xref\n0 1\n0000000000 65535 f \n"
        made += b"".join(b"%d 1\n%010d 00000 n \n" % row for row in rows)
        made += b"trailer\n<< %s >>\n" % entries
    return made + b"startxref\n%d\n%%%%EOF\n" % start
