"""Signatures by and for software we did not write: xmlsec1 and signxml."""

from __future__ import annotations

import hashlib
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, SignatureMethod
from signxml.signer import XMLSigner
from signxml.verifier import SignatureConfiguration, XMLVerifier
from signxml.xades import XAdESSigner

from signing import algorithm as names
from signing.sign import sign_enveloped
from signing.verdict import Reason
from tests.pki import NOW, Holder, curve_key, issue, pem, pki, rsa_key
from tests.tools import need
from tests.unit.signing.forge import DS, ENVELOPED, EXC, INC, PDF, Package, by_parts, enveloped, parse, unsigned_package

XMLSEC1_KNOWS = (names.RSA_SHA256, names.RSA_SHA384, names.RSA_SHA512, names.ECDSA_SHA256, names.ECDSA_SHA384)
"""xmlsec1 1.2.37 knows neither RSASSA-PSS by URI nor Ed25519."""

ID_ELEMENTS = ("MessageHeader", "Bussiness", "edXMLManifest")


def holder_for(algorithm: str) -> Holder:
    if "rsa" in algorithm:
        return issue("rsa", pki().authority, key=rsa_key())
    return issue("ec", pki().authority, key=curve_key("secp384r1" if "384" in algorithm else "secp256r1"))


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([need("xmlsec1"), *arguments], capture_output=True, text=True, cwd=cwd, check=False)


def id_attributes() -> list[str]:
    elements = [f"urn:example:edxml:{name}" for name in ID_ELEMENTS]
    elements.append("http://uri.etsi.org/01903/v1.3.2#:SignedProperties")
    return [argument for element in elements for argument in ("--id-attr:Id", element)]


def check_with_xmlsec1(package: Package, folder: Path) -> bool:
    (folder / "signed.xml").write_bytes(etree.tostring(package.root))
    (folder / "root.pem").write_bytes(pem(pki().root.certificate))
    (folder / "ca.pem").write_bytes(pem(pki().authority.certificate))
    (folder / "a.pdf").write_bytes(package.attachments["a.pdf"])
    done = run(
        "--verify",
        "--trusted-pem",
        "root.pem",
        "--untrusted-pem",
        "ca.pem",
        "--url-map:cid:a.pdf",
        "a.pdf",
        *id_attributes(),
        "signed.xml",
        cwd=folder,
    )
    return done.returncode == 0


@pytest.mark.parametrize("algorithm", XMLSEC1_KNOWS)
@pytest.mark.parametrize("shape", ["parts", "enveloped"])
def test_xmlsec1_verifies_what_we_sign(shape: str, algorithm: str, tmp_path: Path) -> None:
    signer = holder_for(algorithm).signer(algorithm)
    package = by_parts(signer) if shape == "parts" else enveloped(signer)
    assert check_with_xmlsec1(package, tmp_path)
    package.header[0].text = "changed"
    assert not check_with_xmlsec1(package, tmp_path), "the oracle accepts anything"


def reference(uri: str, *transforms: str, prefixes: str = "") -> str:
    listed = "".join(
        f'<Transform Algorithm="{name}">'
        + (f'<InclusiveNamespaces xmlns="{EXC}" PrefixList="{prefixes}"/>' if prefixes and name == EXC else "")
        + "</Transform>"
        for name in transforms
    )
    return (
        f'<Reference URI="{uri}">'
        + (f"<Transforms>{listed}</Transforms>" if listed else "")
        + f'<DigestMethod Algorithm="{names.SHA256_DIGEST}"/><DigestValue/></Reference>'
    )


def template(method: str, algorithm: str, *references: str, prefix: str = "") -> etree._Element:
    text = (
        f'<Signature xmlns="{DS[1:-1]}"><SignedInfo><CanonicalizationMethod Algorithm="{method}"/>'
        f'<SignatureMethod Algorithm="{algorithm}"/>{"".join(references)}</SignedInfo><SignatureValue/>'
        "<KeyInfo><X509Data><X509Certificate/></X509Data></KeyInfo></Signature>"
    )
    if prefix:
        text = text.replace("<Inclusive", "<\0").replace("</", "</" + prefix + ":").replace("<", f"<{prefix}:")
        text = text.replace(f"<{prefix}:/{prefix}:", f"</{prefix}:").replace(f"<{prefix}:\0", "<Inclusive")
        text = text.replace("xmlns=", f"xmlns:{prefix}=", 1)
    return parse(text)


def sign_with_xmlsec1(package: Package, filled: etree._Element, holder: Holder, folder: Path) -> Package:
    package.place.append(filled)
    certificate, key = holder.pems()
    (folder / "key.pem").write_bytes(key)
    (folder / "cert.pem").write_bytes(certificate)
    (folder / "in.xml").write_bytes(etree.tostring(package.root))
    (folder / "a.pdf").write_bytes(PDF)
    done = run(
        "--sign",
        "--privkey-pem",
        "key.pem,cert.pem",
        "--url-map:cid:a.pdf",
        "a.pdf",
        *id_attributes(),
        "--output",
        "out.xml",
        "in.xml",
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return Package(parse((folder / "out.xml").read_bytes()), package.attachments, package.inline)


METHODS = {"exclusive": EXC, "inclusive": INC}


@pytest.mark.parametrize("prefix", ["", "ds"])
@pytest.mark.parametrize("info", METHODS)
@pytest.mark.parametrize("content", [*METHODS, "implicit", "prefix list"])
def test_we_verify_parts_that_xmlsec1_signed(content: str, info: str, prefix: str, tmp_path: Path) -> None:
    transforms = () if content == "implicit" else (METHODS.get(content, EXC),)
    prefixes = "u e" if content == "prefix list" else ""
    references = [reference(f"#{name}", *transforms, prefixes=prefixes) for name in ("header", "business", "manifest")]
    filled = template(METHODS[info], names.ECDSA_SHA256, *references, reference("cid:a.pdf"), prefix=prefix)
    package = sign_with_xmlsec1(unsigned_package(), filled, pki().good, tmp_path)
    verdict = package.judge().verdict
    assert verdict.passed, verdict.checks[-1]
    package.business[0].text = "1"
    assert package.judge().verdict.reason is Reason.DIGEST


@pytest.mark.parametrize("prefix", ["", "ds"])
@pytest.mark.parametrize("info", METHODS)
@pytest.mark.parametrize("content", [*METHODS, "implicit", "prefix list"])
def test_we_verify_documents_that_xmlsec1_signed(content: str, info: str, prefix: str, tmp_path: Path) -> None:
    transforms = () if content == "implicit" else (METHODS.get(content, EXC),)
    prefixes = "u e" if content == "prefix list" else ""
    whole = reference("", ENVELOPED, *transforms, prefixes=prefixes)
    filled = template(METHODS[info], names.RSA_SHA256, whole, prefix=prefix)
    package = sign_with_xmlsec1(unsigned_package(inline=True), filled, pki().rsa, tmp_path)
    verdict = package.judge().verdict
    assert verdict.passed, verdict.checks[-1]
    package.root[-1].text = b64encode(b"other").decode()
    assert package.judge().verdict.reason is Reason.DIGEST


@pytest.mark.parametrize("algorithm", XMLSEC1_KNOWS)
def test_every_algorithm_of_xmlsec1(algorithm: str, tmp_path: Path) -> None:
    filled = template(EXC, algorithm, reference("", ENVELOPED, EXC))
    package = sign_with_xmlsec1(unsigned_package(inline=True), filled, holder_for(algorithm), tmp_path)
    assert package.judge().verdict.passed


SIGNXML = {
    names.RSA_SHA256: SignatureMethod.RSA_SHA256,
    names.PSS_SHA256: SignatureMethod.SHA256_RSA_MGF1,
    names.PSS_SHA512: SignatureMethod.SHA512_RSA_MGF1,
    names.ECDSA_SHA256: SignatureMethod.ECDSA_SHA256,
}


@pytest.mark.parametrize("algorithm", SIGNXML)
def test_signxml_verifies_what_we_sign(algorithm: str) -> None:
    holder = holder_for(algorithm.lower())
    package = unsigned_package(inline=True)
    sign_enveloped(package.place, holder.signer(algorithm), NOW)
    result = XMLVerifier().verify(
        etree.tostring(package.root),
        x509_cert=holder.certificate,
        expect_config=SignatureConfiguration(
            expect_references=2,
            signature_methods=frozenset(SIGNXML.values()),
        ),
    )
    whole = next(item for item in result if item.signed_xml is not None and item.signed_xml.tag.endswith("edXML"))
    ours = package.judge().verified
    assert ours is not None
    assert ours.whole == etree.tostring(whole.signed_xml, method="c14n", exclusive=True)


@pytest.mark.parametrize("algorithm", SIGNXML)
def test_we_verify_what_signxml_signed(algorithm: str) -> None:
    holder = holder_for(algorithm.lower())
    package = unsigned_package(inline=True)
    placeholder = etree.SubElement(package.place, DS + "Signature", Id="placeholder")
    signer = XMLSigner(
        signature_algorithm=SIGNXML[algorithm], c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0
    )
    signed = signer.sign(package.root, key=holder.key, cert=[holder.certificate])
    assert placeholder.tag
    verdict = Package(signed, package.attachments, True).judge().verdict
    assert verdict.passed, verdict.checks[-1]


def test_the_xades_of_signxml_gives_its_key_by_value_too_and_is_refused() -> None:
    """KeyValue beside the certificate is what D41 forbids; without it nothing else of that signature is foreign."""
    package = unsigned_package(inline=True)
    etree.SubElement(package.place, DS + "Signature", Id="placeholder")
    signer = XAdESSigner(
        signature_algorithm=SignatureMethod.RSA_SHA256,
        c14n_algorithm=CanonicalizationMethod.CANONICAL_XML_1_0,
    )
    signed = signer.sign(package.root, key=pki().rsa.key, cert=[pki().rsa.certificate])
    judgement = Package(signed, package.attachments, True).judge()
    assert judgement.verdict.checks[-1].observed == "0 times X509Data in KeyInfo"
    assert judgement.verdict.reason is Reason.KEYINFO


def test_the_digest_of_an_attachment_is_that_of_its_decoded_octets() -> None:
    covered = by_parts().judge().verdict.covered
    assert hashlib.sha256(PDF).hexdigest() in [item.digest for item in covered]
