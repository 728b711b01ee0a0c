"""The signed packages that are mutated, and whom to believe about them. All of it is fixed: `make_vectors`."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from functools import cache
from hashlib import new
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from lxml import etree

from signing.chain import Trust

FOLDER: Final = Path(__file__).parents[1] / "vectors" / "differential"
NAMES: Final = tuple(f"{shape}-{kind}" for shape in ("parts", "whole") for kind in ("pkcs1", "pss", "p256"))
DS: Final = "{http://www.w3.org/2000/09/xmldsig#}"
EXC: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED: Final = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"


@dataclass(frozen=True)
class Base:
    """A signed package. `leaf` names its certificate and key."""

    name: str
    octets: bytes
    leaf: str

    @property
    def is_pss(self) -> bool:
        return self.name.endswith("pss")


@cache
def base(name: str) -> Base:
    leaf = "p256" if name.endswith("p256") else "rsa"
    return Base(name, (FOLDER / f"{name}.edxml").read_bytes(), leaf)


@cache
def certificate(name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((FOLDER / f"{name}.pem").read_bytes())


def der_of(name: str) -> bytes:
    return certificate(name).public_bytes(Encoding.DER)


@cache
def trust() -> Trust:
    lists = [(FOLDER / f"{name}.crl").read_bytes() for name in ("root", "ca")]
    return Trust((der_of("root"),), (der_of("ca"),), lists)


@cache
def _key(name: str) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    key = load_pem_private_key((FOLDER / f"{name}.key").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    return key


def parse(octets: bytes) -> etree._Element:
    return etree.fromstring(
        octets, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True, collect_ids=False)
    )


def attachment(root: etree._Element) -> bytes:
    """What the attachment says to whoever decodes leniently; an oracle is given that."""
    for element in root.iter("{*}ContentTransferEncoded"):
        try:
            return b64decode("".join(element.itertext()), validate=False)
        except ValueError:
            break
    return b""


def resign(root: etree._Element, of: Base) -> None:
    """Compute digests and value again, as far as that can be done. Nothing of `signing` takes part."""
    signature = next(root.iter(DS + "Signature"), None)
    info = None if signature is None else signature.find(DS + "SignedInfo")
    value = None if signature is None else signature.find(DS + "SignatureValue")
    if signature is None or info is None or value is None:
        return
    for reference in info.iterchildren(DS + "Reference"):
        octets = _octets(root, signature, reference)
        method, digest = reference.find(DS + "DigestMethod"), reference.find(DS + "DigestValue")
        if octets is None or method is None or digest is None:
            continue
        name = (method.get("Algorithm") or "").rpartition("#")[2]
        if name in ("sha1", "sha256", "sha384", "sha512", "md5"):
            digest.text = b64encode(new(name, octets, usedforsecurity=False).digest()).decode()
    method = info.find(DS + "CanonicalizationMethod")
    octets = canonical(info, "" if method is None else method.get("Algorithm") or "")
    if octets is not None:
        value.text = b64encode(_sign(octets, of)).decode()


def canonical(element: etree._Element, method: str) -> bytes | None:
    """What this method makes of the element, by lxml alone; `None` where lxml cannot say it rightly."""
    comments = method.endswith("WithComments")
    if method.startswith(EXC):
        try:
            return etree.tostring(element, method="c14n", exclusive=True, with_comments=comments)
        except (etree.LxmlError, ValueError):
            return None
    return None


def _octets(root: etree._Element, signature: etree._Element, reference: etree._Element) -> bytes | None:
    uri = reference.get("URI")
    names = [transform.get("Algorithm") or "" for transform in reference.iter(DS + "Transform")]
    method = names[-1] if names else ""
    if uri == "":
        return _without(root, signature, method)
    if uri is not None and uri.startswith("cid:"):
        return attachment(root)
    found = [element for element in root.iter("*") if uri == f"#{element.get('Id')}"]
    return canonical(found[0], method) if found else None


def _without(root: etree._Element, signature: etree._Element, method: str) -> bytes | None:
    copy = parse(etree.tostring(root.getroottree()))
    twin = list(copy.iter(DS + "Signature"))[list(root.iter(DS + "Signature")).index(signature)]
    parent, before = twin.getparent(), twin.getprevious()
    if parent is None:
        return None
    if before is None:
        parent.text = (parent.text or "") + (twin.tail or "")
    else:
        before.tail = (before.tail or "") + (twin.tail or "")
    parent.remove(twin)
    return canonical(copy, method)


def _sign(octets: bytes, of: Base) -> bytes:
    key = _key(of.leaf)
    if isinstance(key, rsa.RSAPrivateKey):
        scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32) if of.is_pss else padding.PKCS1v15()
        return key.sign(octets, scheme, hashes.SHA256())
    r, s = decode_dss_signature(key.sign(octets, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")
