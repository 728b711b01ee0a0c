"""Our XAdES signatures before somebody else's validator: signxml, ETSI's schema, and `openssl ts` for the time stamp.

What signxml checks: the schemas of XML Signature and XAdES, every digest (attachments through a resolver), the value,
the path of the certificate at a given time, and that SigningCertificateV2 names the certificate that signed. What it
does not look at: what SigningTime says, revocation, and what a time stamp is worth. That the stamp is of this
signature, `openssl ts` says, over octets that xmllint canonicalised.
"""

from __future__ import annotations

import subprocess
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import InvalidDigest, InvalidInput, InvalidSignature
from signxml.xades.xades import XAdESSignatureConfiguration, XAdESVerifier

from signing import algorithm as names
from signing.verdict import Reason
from tests.pki import NOW, Holder, issue, pem, pki, rsa_key
from tests.tools import need
from tests.unit.signing.forge import DS, XADES, Package, by_parts, enveloped, parse, resign
from tests.unit.timestamp.authority import roots
from tests.unit.timestamp.stamped import stamp

SHAPES: dict[str, Callable[..., Package]] = {"parts": by_parts, "whole": enveloped}
ALGORITHMS = (names.ECDSA_SHA256, names.PSS_SHA256, names.RSA_SHA256)
METHODS = frozenset({SignatureMethod.ECDSA_SHA256, SignatureMethod.SHA256_RSA_MGF1, SignatureMethod.RSA_SHA256})


def made(shape: str, algorithm: str = names.ECDSA_SHA256, *, stamped: bool = False) -> Package:
    key = rsa_key() if "rsa" in algorithm.lower() and "ecdsa" not in algorithm else None
    holder = issue("Người ký", pki().authority, key=key)
    package = SHAPES[shape](holder.signer(algorithm))
    return stamp(package) if stamped else package


def oracle(package: Package, folder: Path, trust: Sequence[Holder] = ()) -> list[Any]:
    """What signxml says was signed. Raises where it does not verify under `trust`, by default our own authorities."""
    believed = trust or (pki().authority, pki().root)
    (folder / "trust.pem").write_bytes(b"".join(pem(one.certificate) for one in believed))
    config = XAdESSignatureConfiguration(
        expect_references=len(package.signature.findall(f"{DS}SignedInfo/{DS}Reference")),
        signature_methods=METHODS,
        digest_algorithms=frozenset({DigestAlgorithm.SHA256}),
        location=".//",
        verification_time=NOW,
    )
    return list(
        XAdESVerifier().verify(
            etree.tostring(package.root),
            ca_pem_file=str(folder / "trust.pem"),
            uri_resolver=lambda uri: package.attachments[uri.removeprefix("cid:")],
            expect_config=config,
        )
    )


@pytest.mark.parametrize("stamped", [False, True], ids=["B-B", "B-T"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("shape", SHAPES)
def test_signxml_verifies_our_xades(shape: str, algorithm: str, stamped: bool, tmp_path: Path) -> None:
    package = made(shape, algorithm, stamped=stamped)
    results = oracle(package, tmp_path)
    properties = [found for one in results if (found := getattr(one, "signed_properties", None)) is not None]
    assert len(properties) == 1
    assert properties[0].find(XADES + "SigningTime").text == NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert len(results) == {"parts": 5, "whole": 2}[shape]
    if shape == "parts":
        assert package.attachments["a.pdf"] in [one.signed_data for one in results]


def of_signed(package: Package, name: str) -> etree._Element:
    (found,) = package.signature.iter(XADES + name)
    return found


def earlier(package: Package) -> None:
    of_signed(package, "SigningTime").text = "2020-01-01T00:00:00Z"


def other_certificate(package: Package) -> None:
    value = of_signed(package, "SigningCertificateV2").find(f".//{DS}DigestValue")
    assert value is not None
    value.text = b64encode(bytes(32)).decode()


def no_certificate(package: Package) -> None:
    named = of_signed(package, "SigningCertificateV2")
    parent = named.getparent()
    assert parent is not None
    parent.remove(named)


def more(package: Package) -> None:
    etree.SubElement(of_signed(package, "SignedSignatureProperties"), XADES + "SignerRoleV2")


def changed_attachment(package: Package) -> None:
    package.attachments = {"a.pdf": b"other"}


TAMPERED: dict[str, Callable[[Package], None]] = {
    "an earlier SigningTime": earlier,
    "another certificate named": other_certificate,
    "no certificate named": no_certificate,
    "one property more": more,
    "another attachment": changed_attachment,
}


@pytest.mark.parametrize("stamped", [False, True], ids=["B-B", "B-T"])
@pytest.mark.parametrize("name", TAMPERED)
def test_signxml_and_we_refuse_what_was_changed(name: str, stamped: bool, tmp_path: Path) -> None:
    package = made("parts", stamped=stamped)
    TAMPERED[name](package)
    assert not package.judge().verdict.passed
    with pytest.raises((InvalidDigest, InvalidInput, InvalidSignature, etree.DocumentInvalid)):
        oracle(package, tmp_path)


def test_a_signer_who_names_another_certificate_is_refused_for_that(tmp_path: Path) -> None:
    """Signed anew, every digest and the value fit: what is left is XAdES' own rule."""
    package = by_parts(pki().good.signer())
    other_certificate(package)
    resign(package, pki().good.signer())
    assert package.judge().verdict.reason is Reason.KEYINFO
    with pytest.raises(InvalidDigest, match="certificate digest"):
        oracle(package, tmp_path)


def test_properties_that_name_no_certificate_are_no_xades_to_signxml_and_no_harm_to_us(tmp_path: Path) -> None:
    """Our profile asks for XML signatures and takes XAdES properties along: what stands in them has to be right, but
    one that is not there is as in a signature without any. Ours always name the certificate."""
    package = by_parts(pki().good.signer())
    no_certificate(package)
    resign(package, pki().good.signer())
    assert package.judge().verdict.passed
    with pytest.raises(InvalidInput, match="SigningCertificate"):
        oracle(package, tmp_path)


def test_signxml_refuses_another_root(tmp_path: Path) -> None:
    """The oracle does judge the path."""
    package = made("parts")
    assert oracle(package, tmp_path)
    with pytest.raises(InvalidSignature):
        oracle(package, tmp_path, [pki().other_root])


def test_signxml_does_not_look_into_a_time_stamp(tmp_path: Path) -> None:
    """So that nobody takes its yes for more than it is."""
    package = made("parts", stamped=True)
    next(package.signature.iter(XADES + "EncapsulatedTimeStamp")).text = "AAAA"
    assert oracle(package, tmp_path)
    assert not package.judge().verdict.passed


def schema() -> etree.XMLSchema:
    """ETSI's own for XAdES 1.3.2 (EN 319 132-1)."""
    return etree.XMLSchema(etree.parse(str(files("signxml.xades.schemas") / "XAdES01903v132-201601.xsd")))


@pytest.mark.parametrize("shape", SHAPES)
def test_etsis_schema_takes_our_properties(shape: str) -> None:
    package = made(shape, stamped=True)
    stamp(package)
    (qualifying,) = package.again().signature.iter(XADES + "QualifyingProperties")
    schema().assertValid(parse(etree.tostring(qualifying)))
    (unsigned,) = qualifying.iter(XADES + "UnsignedSignatureProperties")
    qualifying.insert(0, unsigned)
    assert not schema().validate(parse(etree.tostring(qualifying))), "the oracle accepts anything"


def test_openssl_verifies_the_stamp_over_octets_that_xmllint_made(tmp_path: Path) -> None:
    package = made("parts", stamped=True).again()
    value = package.signature.find(DS + "SignatureValue")
    encapsulated = next(package.signature.iter(XADES + "EncapsulatedTimeStamp"))
    assert value is not None
    assert encapsulated.text
    (tmp_path / "token").write_bytes(b64decode(encapsulated.text))
    for name, holder in zip(("root.pem", "ca.pem"), roots(), strict=True):
        (tmp_path / name).write_bytes(pem(holder.certificate))

    def verifies(element: etree._Element) -> bool:
        (tmp_path / "value.xml").write_bytes(etree.tostring(element, with_tail=False))
        canonical = subprocess.run(
            [need("xmllint"), "--exc-c14n", "value.xml"], cwd=tmp_path, capture_output=True, check=True
        ).stdout
        (tmp_path / "octets").write_bytes(canonical)
        command = [need("openssl"), "ts", "-verify", "-data", "octets", "-in", "token", "-token_in"]
        trust = ["-CAfile", "root.pem", "-untrusted", "ca.pem", "-attime", str(int(NOW.timestamp()))]
        return subprocess.run([*command, *trust], cwd=tmp_path, capture_output=True, check=False).returncode == 0

    assert verifies(value)
    value.text = f"{value.text} "
    assert not verifies(value), "the oracle accepts anything"
