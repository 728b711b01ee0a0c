"""`axis verify` on packages that are good, changed, unsigned, untrusted, revoked or no packages at all."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_crl
from lxml import etree

from axis.cli import main
from axis.cli.send import Draft, make_package
from axis.devpki import DevPki, Identity
from schemas.attachment import decode, encoded_attachments
from schemas.codes import AgencyCode
from schemas.limits import XmlLimits
from schemas.structure import signature_place, signed_parts
from schemas.xml import parse_xml
from signing.sign import load_signer, sign_parts
from tests.parts import Raw, body, split
from tests.unit.signing.forge import countersign

AT = datetime.now(UTC) - timedelta(minutes=1)


class Office:
    """An agency with a signing certificate, and the files that `axis verify` is given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pki = DevPki.create(folder / "pki", AT)
        self.signer = self.pki.signer("H99.07")
        self.other = self.pki.signer("H99.08")
        self.attachment = folder / "phụ lục.txt"
        self.attachment.write_text("nội dung tệp đính kèm")
        self.registry = folder / "agencies.toml"
        self.registry.write_text(
            f'[[agency]]\ncode = "H99.07"\nname = "Sở"\nlevel = "province"\n'
            f'certificates = ["sha256:{self.signer.fingerprint}"]\n'
        )
        trust = folder / "trust"
        trust.mkdir()
        (trust / "root.pem").write_bytes(self.pki.root.read_bytes())
        (trust / "issuing.pem").write_bytes(self.pki.issuing.read_bytes())

    def package(self, by: Identity | None) -> bytes:
        recipients = (AgencyCode("H99.115"),)
        draft = Draft(
            AgencyCode("H99.07"), recipients, "12", "SNV-VP", "V/v thử", date(2026, 11, 23), (self.attachment,)
        )
        return make_package(draft, by.certificate if by else None, by.key if by else None, AT)

    def verify(self, octets: bytes, *more: str | Path, crls: bool = True) -> tuple[int, dict[str, Any], str]:
        """Exit code, JSON answer, and the words for people."""
        file = self.folder / "package.edxml"
        file.write_bytes(octets)
        lists = ["--crl", self.pki.crls] if crls else []
        arguments = [str(one) for one in ("verify", file, "--trust", self.folder / "trust", *lists, *more)]
        told = CliRunner().invoke(main, arguments)
        data = CliRunner().invoke(main, [*arguments, "--json"])
        assert told.exit_code == data.exit_code
        return told.exit_code, json.loads(data.stdout), told.output


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    return Office(tmp_path_factory.mktemp("office"))


def test_a_good_signature_is_valid_and_says_whose_it_is_and_what_it_covers(office: Office) -> None:
    code, data, text = office.verify(office.package(office.signer), "--registry", office.registry)
    assert code == 0
    assert text.splitlines()[0] == "Chữ ký hợp lệ (the signature is valid)"
    assert data["bound"] is True
    assert {item["uri"] for item in data["verdict"]["covered"]} >= {"#MessageHeader-1", "cid:tep-1"}
    assert office.signer.fingerprint in text
    assert "nơi gửi (sender)" in text


def test_one_changed_letter_makes_it_invalid(office: Office) -> None:
    package = office.package(office.signer)
    code, data, text = office.verify(package.replace("V/v thử".encode(), "V/v giả".encode()))
    assert code == 1
    assert data["verdict"]["sub_indication"] == "HASH_FAILURE"
    assert text.startswith("Nội dung đã bị thay đổi sau khi ký")
    assert "tự khai là (claims)" in text


def test_without_revocation_lists_nobody_can_tell(office: Office) -> None:
    code, data, _ = office.verify(office.package(office.signer), crls=False)
    assert (code, data["verdict"]["sub_indication"]) == (3, "TRY_LATER")


def test_no_signature_is_no_answer(office: Office) -> None:
    code, data, _ = office.verify(office.package(None))
    assert (code, data["verdict"]["sub_indication"]) == (3, "UNSIGNED")


def test_a_good_signature_of_somebody_else_does_not_pass(office: Office) -> None:
    code, data, text = office.verify(office.package(office.other), "--registry", office.registry)
    assert (code, data["bound"], data["verdict"]["reason"]) == (3, False, "cert-agency-mismatch")
    assert text.startswith("Chứng thư số không đại diện cho cơ quan gửi")


def test_a_saved_body_in_parts_is_a_package(office: Office) -> None:
    envelope, attached = split(office.package(office.signer))
    code, data, text = office.verify(body(envelope, attached), "--registry", office.registry)
    assert (code, data["bound"]) == (0, True), text
    assert {item["uri"] for item in data["verdict"]["covered"]} >= {"#MessageHeader-1", "cid:tep-1"}
    code, data, _ = office.verify(body(envelope, [Raw("tep-1", b"khac")]))
    assert (code, data["verdict"]["sub_indication"]) == (1, "HASH_FAILURE")
    code, data, _ = office.verify(body(envelope, [*attached, *attached]))
    assert (code, data["violations"][0][:12]) == (1, "part-doubled")


def also_signed(octets: bytes, by: Identity, countersigner: Identity | None = None) -> bytes:
    """The package with one more signature, and a countersignature of its first one."""
    parsed = parse_xml(octets, XmlLimits())
    key = load_signer(by.key.read_bytes(), by.certificate.read_bytes())
    parts = signed_parts(parsed.root)
    elements = [part for part in (parts.header, parts.business, parts.manifest) if part is not None]
    attached = [(one.content_id, sha256(decode(one)).digest()) for one in encoded_attachments(parsed)]
    sign_parts(signature_place(parsed.root), elements, attached, key, AT)
    if countersigner is not None:
        key = load_signer(countersigner.key.read_bytes(), countersigner.certificate.read_bytes())
        countersign(next(parsed.root.iter("{*}Signature")), key, AT)
    return etree.tostring(parsed.root)


def test_every_signature_is_shown_and_the_sender_is_found_among_them(office: Office) -> None:
    both = also_signed(office.package(office.other), office.signer, office.other)
    code, data, text = office.verify(both, "--registry", office.registry)
    assert (code, data["bound"]) == (0, True)
    assert data["verdict"]["place"] == "Signature[2]"
    told = [(one["place"], one["role"], one["indication"]) for one in data["verdict"]["others"]]
    assert told == [
        ("Signature[1]", "parallel", "TOTAL-PASSED"),
        ("Signature[1]/CounterSignature[1]", "countersignature", "TOTAL-PASSED"),
    ]
    assert "Signature[1], song song (parallel): Chữ ký hợp lệ (the signature is valid)" in text
    assert "Signature[1]/CounterSignature[1], xác nhận (countersignature): Chữ ký hợp lệ" in text
    code, data, text = office.verify(both)
    assert (code, data["bound"], data["verdict"]["place"]) == (0, None, "Signature[1]")


def test_one_bad_signature_beside_the_senders_decides(office: Office, tmp_path: Path) -> None:
    stranger = DevPki.create(tmp_path / "pki", AT).signer("H99.09")
    code, data, text = office.verify(
        also_signed(office.package(office.signer), stranger), "--registry", office.registry
    )
    assert (code, data["verdict"]["reason"]) == (3, "cert-untrusted")
    assert [one["reason"] for one in data["verdict"]["others"]] == ["cert-untrusted"]
    assert "other-signature: Signature[2]: cert-untrusted" in text


def test_without_a_registry_the_binding_is_said_to_be_open(office: Office) -> None:
    code, data, text = office.verify(office.package(office.other))
    assert (code, data["bound"]) == (0, None)
    assert "không kiểm tra (not checked: --registry)" in text


def test_another_root_is_not_trusted(office: Office, tmp_path: Path) -> None:
    stranger = DevPki.create(tmp_path / "pki", AT)
    file = tmp_path / "package.edxml"
    file.write_bytes(office.package(office.signer))
    result = CliRunner().invoke(main, ["verify", str(file), "--trust", str(stranger.root), "--crl", str(stranger.crls)])
    assert result.exit_code == 3
    assert "Chứng thư số không được tin cậy" in result.output
    assert "làm gì tiếp (next)       --trust" in result.output


def test_a_node_is_believed_as_a_whole(office: Office, tmp_path: Path) -> None:
    node, strange = tmp_path / "node", tmp_path / "pki"
    assert CliRunner().invoke(main, ["init", str(node)]).exit_code == 0
    file = tmp_path / "package.edxml"
    file.write_bytes(office.package(office.signer))
    agencies = node / "agencies.toml"
    agencies.write_text(
        agencies.read_text().replace("pki/signers/H99.07.pem", f"sha256:{office.signer.fingerprint}", 1)
    )
    config, text = node / "axis.toml", (node / "axis.toml").read_text()
    own = f'anchors = ["{office.pki.root}"]\nintermediates = ["{office.pki.issuing}"]\ncrls = ["empty"]\n'

    def judged(trust: str, *more: str) -> str:
        config.write_text(re.sub(r"anchors = .*\nintermediates = .*\ncrls = .*\n", lambda _: trust, text))
        told = CliRunner().invoke(main, ["verify", str(file), "-c", str(config), "--json", *more])
        reason = json.loads(told.stdout)["verdict"]["reason"]
        return str(reason)

    (node / "empty").mkdir()
    assert judged(own) == "cert-revocation-unknown"
    fetched = node / "revocation"
    fetched.mkdir()
    for published in office.pki.crls.iterdir():
        issued = load_pem_x509_crl(published.read_bytes())
        (fetched / published.name).write_bytes(issued.public_bytes(Encoding.DER))
    assert judged(own) == "good", "by what the node fetched"
    stranger = DevPki.create(strange, AT)
    for_stamps = own.replace(str(office.pki.root), str(stranger.root)) + f'stamp_anchors = ["{office.pki.root}"]\n'
    assert judged(for_stamps) == "cert-untrusted", "a root for time stamps signs no documents"
    assert judged(for_stamps, "--trust", str(office.pki.root)) == "good", "the reader's own word goes further"


def test_a_revoked_certificate_is_invalid_and_an_expired_one_too(tmp_path: Path) -> None:
    office = Office(tmp_path)
    package = office.package(office.signer)
    code, data, _ = office.verify(package, "--at", "2040-01-01")
    assert (code, data["verdict"]["reason"]) == (1, "cert-expired")
    office.pki.revoke(office.signer)
    office.pki.write_crl()
    code, data, text = office.verify(package)
    assert (code, data["verdict"]["reason"]) in ((1, "cert-revoked"), (3, "cert-revoked"))
    assert "đã bị thu hồi" in text


@pytest.mark.parametrize("octets", [b"", b"<a/>", b"not xml", b"<!DOCTYPE a><a/>"])
def test_what_is_no_package_is_told_so(office: Office, octets: bytes) -> None:
    code, data, text = office.verify(octets)
    assert code == 1
    assert data["violations"]
    assert "không phải gói tin edXML" in text


def test_verify_needs_somebody_to_trust(office: Office) -> None:
    result = CliRunner().invoke(main, ["verify", str(office.attachment)])
    assert result.exit_code == 2
    assert "--trust" in result.output
