"""The packages of the demo: good ones pass the judge, each bad one fails it for the reason that the plan names."""

from datetime import UTC, date, datetime
from io import BytesIO

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from axis.demo.desk import open_package
from axis.demo.package import make_package, pdf
from axis.demo.plan import COMMUNE_20, REFUSED_FOR, Flaw, Planned, make_plan
from axis.devpki import DevPki, Identity
from axis.trust import read_trust
from schemas import attachment, edxml
from schemas.envelope import Envelope
from schemas.limits import XmlLimits
from schemas.xml import parse_xml
from signing.policy import OWN_NETWORK
from signing.sign import KeySigner, load_signer
from signing.verdict import Reason, Verdict
from signing.verify import InMemory, MustCover, verify

NOW = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
PLAN = make_plan(date(2026, 11, 23), 4)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> DevPki:
    return DevPki.create(tmp_path_factory.mktemp("pki"), NOW)


@pytest.fixture(scope="module")
def keys(pki: DevPki) -> dict[str, KeySigner]:
    revoked = pki.signer("revoked")
    pki.revoke(revoked)
    pki.write_crl()
    used = {"own": pki.signer("own"), Flaw.REVOKED: revoked, Flaw.IMPOSTOR: pki.signer(COMMUNE_20.code)}
    return {use: _signer(identity) for use, identity in used.items()}


def _signer(identity: Identity) -> KeySigner:
    return load_signer(identity.key.read_bytes(), identity.certificate.read_bytes())


def _verdict(octets: bytes, pki: DevPki) -> Verdict:
    parsed = parse_xml(octets, XmlLimits())
    message = edxml.read_message(parsed.root).message
    assert isinstance(message, Envelope)
    pairs = attachment.matched(message, attachment.encoded_attachments(parsed))
    held = {info.content_id: InMemory(attachment.decode(item)) for info, item in pairs}
    parts = edxml.signed_parts(parsed.root)
    named = {"MessageHeader": parts.header, "Bussiness": parts.business, "edXMLManifest": parts.manifest}
    elements = {name: element for name, element in named.items() if element is not None}
    must_cover = MustCover(elements, held, inline=frozenset(held), place=edxml.signature_place(parsed.root))
    trust = read_trust([pki.root], [pki.issuing], [pki.crls])
    return verify(parsed.root, edxml.signatures(parsed.root), must_cover, OWN_NETWORK, trust, NOW, parsed.cuts).verdict


@pytest.mark.parametrize("document", PLAN.good, ids=lambda document: document.name)
def test_a_good_package_passes_and_says_what_was_planned(
    document: Planned, pki: DevPki, keys: dict[str, KeySigner]
) -> None:
    package = make_package(document, PLAN.issued_on, keys, NOW)
    assert _verdict(package.octets, pki).passed
    envelope, digests = open_package(package.octets)
    assert digests == package.attachments
    assert envelope.document_id == document.document_id
    assert [item.code.text for item in envelope.recipients] == list(document.recipients)


@pytest.mark.parametrize("flaw", [Flaw.CHANGED, Flaw.REVOKED, Flaw.WRAPPED])
def test_a_bad_package_fails_for_its_own_reason(flaw: Flaw, pki: DevPki, keys: dict[str, KeySigner]) -> None:
    document = next(document for document in PLAN.bad if document.flaw is flaw)
    verdict = _verdict(make_package(document, PLAN.issued_on, keys, NOW).octets, pki)
    assert verdict.reason is REFUSED_FOR[flaw]


def test_the_impostors_signature_is_good_and_somebody_elses(pki: DevPki, keys: dict[str, KeySigner]) -> None:
    """Only the registry knows that this certificate does not speak for the sender; the demo's nodes have one."""
    document = next(document for document in PLAN.bad if document.flaw is Flaw.IMPOSTOR)
    verdict = _verdict(make_package(document, PLAN.issued_on, keys, NOW).octets, pki)
    assert verdict.passed
    assert verdict.signer is not None
    assert COMMUNE_20.code in verdict.signer.subject
    assert REFUSED_FOR[Flaw.IMPOSTOR] is Reason.NOT_BOUND


@pytest.mark.parametrize("size", [1024, 4096, 100_001])
def test_attachments_are_pdf_files_of_the_wanted_size(size: int) -> None:
    octets = pdf("VB-01", size, 0)
    assert len(octets) == size
    assert PdfFileReader(BytesIO(octets)).root["/Type"] == "/Catalog"
    assert pdf("VB-01", size, 0) == octets
