"""Packages that xmlsec1 signs and curl carries go through a live node; what `axis send` signs, xmlsec1 verifies."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from schemas.attachment import encoded_attachments
from schemas.limits import XmlLimits
from schemas.names import NAMESPACE
from schemas.structure import signature_place
from schemas.xml import parse_xml
from tests.pki import WIDE, issue, pem, revocation_list
from tests.site import HOME_AFFAIRS, OFFICE, Site, decode, kept_running, until
from tests.tools import need
from tests.unit.timestamp.authority import OpensslTsa, serving, stamper

pytestmark = pytest.mark.slow

DSIG = "http://www.w3.org/2000/09/xmldsig#"
EXC = "http://www.w3.org/2001/10/xml-exc-c14n#"
ECDSA = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
PARTS = ("MessageHeader", "Bussiness", "edXMLManifest")
PROPERTIES = "http://uri.etsi.org/01903/v1.3.2#:SignedProperties"
ATTACHMENT = b"%PDF-1.7 the attachment of another program's package"
ATTACHMENTS = {"tep-1": ATTACHMENT, "tep-2": bytes(range(256)) * 2_000}


STAMPS = issue("Gốc dấu thời gian", ca=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    need("xmlsec1"), need("curl")
    folder = tmp_path_factory.mktemp("xmlsec")
    (folder / "stamps.pem").write_bytes(pem(STAMPS.certificate))
    made = Site(folder, more=f'stamp_anchors = ["{folder / "stamps.pem"}"]')
    (made.pki.crls / "stamps.crl").write_bytes(revocation_list(STAMPS, at=WIDE[0], until=WIDE[1]))
    for name in made.agencies.values():
        header = made.folder / f"{name}.header"
        header.write_text(f"Authorization: Bearer {made.key(name)}\n")
    with kept_running(made):
        yield made


def _reference(uri: str, *transforms: str) -> str:
    listed = "".join(f'<Transform Algorithm="{name}"/>' for name in transforms)
    return (
        f'<Reference URI="{uri}">{f"<Transforms>{listed}</Transforms>" if listed else ""}'
        f'<DigestMethod Algorithm="{SHA256}"/><DigestValue/></Reference>'
    )


def _template(*references: str) -> etree._Element:
    return etree.fromstring(
        f'<Signature xmlns="{DSIG}"><SignedInfo><CanonicalizationMethod Algorithm="{EXC}"/>'
        f'<SignatureMethod Algorithm="{ECDSA}"/>{"".join(references)}</SignedInfo><SignatureValue/>'
        "<KeyInfo><X509Data><X509Certificate/></X509Data></KeyInfo></Signature>"
    )


TEMPLATES = {
    "whole": (_reference("", f"{DSIG}enveloped-signature", EXC),),
    "parts": (*(_reference(f"#{name}-1", EXC) for name in PARTS), _reference("cid:tep-0")),
}


def _ids() -> list[str]:
    elements = (*(f"{NAMESPACE}:{name}" for name in PARTS), PROPERTIES)
    return [argument for element in elements for argument in ("--id-attr:Id", element)]


def _xmlsec1(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([need("xmlsec1"), *arguments], capture_output=True, text=True, cwd=folder, check=False)


def _verifies(site: Site, folder: Path, package: bytes, attachments: dict[str, bytes]) -> bool:
    (folder / "signed.edxml").write_bytes(package)
    maps = []
    for content_id, octets in attachments.items():
        (folder / content_id).write_bytes(octets)
        maps += [f"--url-map:cid:{content_id}", content_id]
    trusted = ("--trusted-pem", str(site.pki.root), "--untrusted-pem", str(site.pki.issuing))
    return _xmlsec1(folder, "--verify", *trusted, *maps, *_ids(), "signed.edxml").returncode == 0


def _curl(site: Site, by: str, path: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    header = site.folder / f"{site.agencies[by]}.header"
    command = [need("curl"), "--silent", "--show-error", "--cacert", str(site.pki.tls_ca), "-H", f"@{header}"]
    return subprocess.run([*command, *arguments, site.url + path], capture_output=True, timeout=60, check=True)


def _fetch(site: Site, document: str, folder: Path) -> bytes:
    """As the recipient's script would: look, fetch, acknowledge."""

    def look() -> dict[str, Any] | None:
        items = json.loads(_curl(site, HOME_AFFAIRS, "/v1/inbox").stdout)["items"]
        return next((one for one in items if one["document"] == document), None)

    delivery = until("the document in the mailbox", look)["delivery"]
    _curl(site, HOME_AFFAIRS, f"/v1/deliveries/{delivery}/package", "--fail", "-o", str(folder / "got.edxml"))
    _curl(site, HOME_AFFAIRS, f"/v1/deliveries/{delivery}/ack", "--fail", "-X", "POST")
    return (folder / "got.edxml").read_bytes()


@pytest.mark.parametrize("shape", TEMPLATES)
def test_a_package_of_xmlsec1_sent_by_curl_arrives_byte_for_byte(shape: str, site: Site, tmp_path: Path) -> None:
    unsigned = site.package(
        OFFICE,
        [HOME_AFFAIRS],
        [ATTACHMENT],
        signed=False,
        after=lambda root: signature_place(root).append(_template(*TEMPLATES[shape])),
    )
    (tmp_path / "template.edxml").write_bytes(unsigned)
    (tmp_path / "tep-0").write_bytes(ATTACHMENT)
    signer = site.signers[OFFICE]
    keys = ("--privkey-pem", f"{signer.key},{signer.certificate}", "--url-map:cid:tep-0", "tep-0")
    done = _xmlsec1(tmp_path, "--sign", *keys, *_ids(), "--output", "signed.edxml", "template.edxml")
    assert done.returncode == 0, done.stderr

    post = ("-w", "\n%{http_code}", "-H", "Content-Type: application/xml", "--data-binary")
    body, _, status = _curl(site, OFFICE, "/v1/documents", *post, f"@{tmp_path / 'signed.edxml'}").stdout.rpartition(
        b"\n"
    )
    assert status == b"202", body
    receipt = json.loads(body)
    assert (receipt["state"], receipt["verdict"]) == ("accepted", "TOTAL-PASSED")
    assert site.facts(receipt["document"], OFFICE)["verdict"]["profile"] == {"whole": "enveloped"}.get(shape, shape)
    assert _fetch(site, receipt["document"], tmp_path) == (tmp_path / "signed.edxml").read_bytes()

    before = site.state()
    changed = (
        (tmp_path / "signed.edxml").read_bytes().replace(b">0</edXML:BussinessDocType>", b">1</edXML:BussinessDocType>")
    )
    assert changed != (tmp_path / "signed.edxml").read_bytes()
    (tmp_path / "changed.edxml").write_bytes(changed)
    refused = _curl(site, OFFICE, "/v1/documents", *post, f"@{tmp_path / 'changed.edxml'}").stdout
    assert refused.endswith(b"\n422") and b"sig-digest" in refused
    assert site.state() == before


def _send(site: Site, folder: Path, number: str, *more: str) -> dict[str, Any]:
    """`axis send` from the office with two attachments; gives what it tells."""
    for name, octets in ATTACHMENTS.items():
        (folder / f"{name}.pdf").write_bytes(octets)
    (folder / "api.key").write_text(site.key(site.agencies[OFFICE]))
    signer = site.signers[OFFICE]
    letter = ("--from", OFFICE, "--to", HOME_AFFAIRS, "--number", number, "--notation", "VP", "--subject", "V/v ký số")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "axis", "send", "--json", "--url", site.url, "--ca", str(site.pki.tls_ca),
         "--api-key-file", str(folder / "api.key"), "--sign-cert", str(signer.certificate),
         "--sign-key", str(signer.key), "--receipt", str(folder / "receipt.json"), *letter, *more,
         *(part for name in ATTACHMENTS for part in ("--attach", str(folder / f"{name}.pdf")))],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    (told,) = json.loads(done.stdout)
    return dict(told)


def _holds(site: Site, folder: Path, package: bytes) -> None:
    """The attachments are there, xmlsec1 verifies the package, and none that was changed."""
    carried = {one.content_id: decode(one.base64) for one in encoded_attachments(parse_xml(package, XmlLimits()))}
    assert carried == ATTACHMENTS
    assert _verifies(site, folder, package, ATTACHMENTS)
    assert not _verifies(site, folder, package.replace("V/v ký số".encode(), "V/v ký sổ".encode()), ATTACHMENTS)
    assert not _verifies(site, folder, package, {**ATTACHMENTS, "tep-2": b"other"}), "the oracle accepts anything"


def test_what_axis_send_signs_xmlsec1_verifies(site: Site, tmp_path: Path) -> None:
    receipt = _send(site, tmp_path, "7")
    assert json.loads((tmp_path / "receipt.json").read_bytes()) == receipt
    package = _fetch(site, receipt["document"], tmp_path)
    assert b"ecdsa-sha256" in package
    _holds(site, tmp_path, package)
    assert site.facts(receipt["document"], OFFICE)["verdict"]["best_signature_time"] is None


async def test_what_axis_send_has_stamped_a_node_and_xmlsec1_verify(site: Site, tmp_path: Path) -> None:
    """The stamp of `openssl ts` is in the package that arrives, the node tells its time, xmlsec1 is not disturbed."""
    (tmp_path / "tsa").mkdir()
    tsa = OpensslTsa(tmp_path / "tsa", stamper(issuer=STAMPS))
    async with serving(tsa.handle) as url:
        asked = ("--tsa", url, "--tsa-trust", str(site.folder / "stamps.pem"))
        told = await asyncio.to_thread(_send, site, tmp_path, "8", *asked)
    assert (told["state"], told["verdict"], told["time_stamp"]["form"]) == ("accepted", "TOTAL-PASSED", "XAdES-B-T")
    verdict = site.facts(told["document"], OFFICE)["verdict"]
    proven = datetime.fromisoformat(told["time_stamp"]["proven_at"])
    best = datetime.fromisoformat(verdict["best_signature_time"])
    assert proven - timedelta(seconds=1) <= best <= proven, "within the accuracy, and not after it was received"
    package = await asyncio.to_thread(_fetch, site, told["document"], tmp_path)
    assert b"EncapsulatedTimeStamp" in package
    await asyncio.to_thread(_holds, site, tmp_path, package)
