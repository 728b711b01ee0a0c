"""Making signatures: XAdES-B-B over exclusive C14N with the `ds:` prefix, for parts or for a whole document."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol
from xml.sax.saxutils import quoteattr

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from lxml import etree

from signing.algorithm import (
    ECDSA_SHA256,
    ECDSA_SHA384,
    ECDSA_SHA512,
    ED25519,
    ENVELOPED,
    EXC_C14N,
    PKCS1,
    PSS_SHA256,
    RSA_SHA256,
    SHA256_DIGEST,
    SIGNATURES,
    Family,
    key_fits,
)
from signing.c14n import canonical
from signing.grammar import DS, XADES
from signing.reference import SIGNED_PROPERTIES

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_ECDSA_BY_CURVE: Final = {"secp256r1": ECDSA_SHA256, "secp384r1": ECDSA_SHA384, "secp521r1": ECDSA_SHA512}
_CONTENT_ID: Final = re.compile(r"[A-Za-z0-9._~!$'()*+,;=:@/%\-]+")


class Signer(Protocol):
    """Something that holds a key: in memory, in a token, in another process."""

    @property
    def certificate(self) -> bytes:
        """The certificate of the key, DER."""
        ...

    @property
    def algorithm(self) -> str:
        """The SignatureMethod URI."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Sign `data` in the form of XML-DSig: for ECDSA r and s, each of the curve's length."""
        ...


@dataclass(frozen=True, slots=True)
class KeySigner:
    """A signer over a key in memory. `ValueError` where key, certificate and algorithm do not belong together."""

    key: PrivateKey
    certificate: bytes
    algorithm: str

    def __post_init__(self) -> None:
        public = self.key.public_key()
        if self.algorithm not in SIGNATURES or not key_fits(SIGNATURES[self.algorithm], public):
            raise ValueError(f"a key of this kind cannot sign with {self.algorithm}")
        form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        certified = x509.load_der_x509_certificate(self.certificate).public_key()
        if certified.public_bytes(*form) != public.public_bytes(*form):
            raise ValueError("the certificate is of another key")

    def __repr__(self) -> str:
        return f"KeySigner({hashlib.sha256(self.certificate).hexdigest()[:16]}, {self.algorithm})"

    def sign(self, data: bytes) -> bytes:
        algorithm, key = SIGNATURES[self.algorithm], self.key
        if isinstance(key, rsa.RSAPrivateKey):
            padding = algorithm.pss if algorithm.family is Family.RSA_PSS else PKCS1
            return key.sign(data, padding, algorithm.hash)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            r, s = utils.decode_dss_signature(key.sign(data, algorithm.ecdsa))
            half = (key.curve.key_size + 7) // 8
            return r.to_bytes(half, "big") + s.to_bytes(half, "big")
        return key.sign(data)


def default_algorithm(key: PrivateKey, *, pkcs1: bool = False) -> str:
    """The SignatureMethod for a key: ECDSA by its curve, RSASSA-PSS (or PKCS#1 v1.5 by choice), Ed25519.

    Circular 15/2025/TT-BKHCN asks for PSS with RSA; what exists in the field reads PKCS#1 only.
    """
    if isinstance(key, rsa.RSAPrivateKey):
        return RSA_SHA256 if pkcs1 else PSS_SHA256
    if isinstance(key, ec.EllipticCurvePrivateKey):
        if key.curve.name not in _ECDSA_BY_CURVE:
            raise ValueError(f"no signatures with curve {key.curve.name}")
        return _ECDSA_BY_CURVE[key.curve.name]
    return ED25519


def load_signer(
    key_pem: bytes, cert_pem: bytes, *, algorithm: str | None = None, password: bytes | None = None
) -> KeySigner:
    """Make a signer of a PEM key and the first certificate of a PEM file. `ValueError` if they are unfit."""
    try:
        key = load_pem_private_key(key_pem, password)
    except TypeError as error:
        raise ValueError("the key is encrypted and no password was given, or the other way round") from error
    if not isinstance(key, PrivateKey):
        raise ValueError(f"no signatures with {type(key).__name__}")
    certificate = x509.load_pem_x509_certificates(cert_pem)[0]
    return KeySigner(key, certificate.public_bytes(Encoding.DER), algorithm or default_algorithm(key))


def sign_parts(
    place: etree._Element,
    elements: Sequence[etree._Element],
    attachments: Sequence[tuple[str, bytes]],
    signer: Signer,
    at: datetime,
) -> etree._Element:
    """Append a signature to `place` that covers each of `elements` (by its `Id`) and each attachment, and return it.

    `attachments` are (content id without `cid:`, SHA-256 of the decoded octets). `at` becomes the SigningTime.
    `ValueError` for an element without Id, one that contains `place`, a content id that is no URI, or nothing to sign.
    """
    references = []
    for element in elements:
        name = element.get("Id")
        if not name:
            raise ValueError(f"{element.tag} has no Id")
        if element is place or element in place.iterancestors():
            raise ValueError(f"#{name} would contain its own signature")
        digest = hashlib.sha256(canonical(element)).digest()
        references.append(_reference(f"#{name}", digest, (EXC_C14N,)))
    for content_id, digest in attachments:
        if not _CONTENT_ID.fullmatch(content_id) or len(digest) != 32:
            raise ValueError(f"cannot reference cid:{content_id}")
        references.append(_reference(f"cid:{content_id}", digest, ()))
    if not references:
        raise ValueError("nothing to sign")
    return _sign(place, references, signer, at)


def sign_enveloped(place: etree._Element, signer: Signer, at: datetime) -> etree._Element:
    """Append a signature to `place` that covers the whole document but itself, and return it."""
    # Exclusive C14N of the tree before the signature is in it is what is left when the signature is taken out again.
    octets = etree.tostring(place.getroottree(), method="c14n", exclusive=True, with_comments=False)
    return _sign(place, [_reference("", hashlib.sha256(octets).digest(), (ENVELOPED, EXC_C14N))], signer, at)


def _sign(place: etree._Element, references: list[str], signer: Signer, at: datetime) -> etree._Element:
    if at.tzinfo is None:
        raise ValueError("the signing time has no zone")
    # Ids must be unique in the document and the same for the same content: they are made of what is signed and by whom.
    certificate = hashlib.sha256(signer.certificate)
    named = "".join((*references, at.isoformat(), certificate.hexdigest()))
    stem = hashlib.sha256(named.encode()).hexdigest()[:16]
    signature = etree.fromstring(
        _SIGNATURE.format(
            stem=stem,
            algorithm=signer.algorithm,
            references="".join(references)
            + _reference(f"#sp-{stem}", b"", (EXC_C14N,), f' Type="{SIGNED_PROPERTIES}"'),
            certificate=b64encode(signer.certificate).decode(),
            time=at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            digest=b64encode(certificate.digest()).decode(),
        )
    )
    place.append(signature)
    signed_info = signature[0]
    properties = signature[3][0][0]
    signed_info[-1][-1].text = b64encode(hashlib.sha256(canonical(properties)).digest()).decode()
    signature[1].text = b64encode(signer.sign(canonical(signed_info))).decode()
    return signature


def _reference(uri: str, digest: bytes, transforms: Sequence[str], more: str = "") -> str:
    inner = "".join(f'<ds:Transform Algorithm="{transform}"/>' for transform in transforms)
    return (
        f"<ds:Reference{more} URI={quoteattr(uri)}>"
        + (f"<ds:Transforms>{inner}</ds:Transforms>" if inner else "")
        + f'<ds:DigestMethod Algorithm="{SHA256_DIGEST}"/>'
        + f"<ds:DigestValue>{b64encode(digest).decode()}</ds:DigestValue></ds:Reference>"
    )


_SIGNATURE: Final = (
    f'<ds:Signature xmlns:ds="{DS[1:-1]}" Id="sig-{{stem}}"><ds:SignedInfo>'
    f'<ds:CanonicalizationMethod Algorithm="{EXC_C14N}"/>'
    '<ds:SignatureMethod Algorithm="{algorithm}"/>{references}</ds:SignedInfo>'
    # With an Id, so that it can be countersigned without a change.
    '<ds:SignatureValue Id="sv-{stem}"/>'
    "<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
    f'<ds:Object><xades:QualifyingProperties xmlns:xades="{XADES[1:-1]}" Target="#sig-{{stem}}">'
    '<xades:SignedProperties Id="sp-{stem}"><xades:SignedSignatureProperties>'
    "<xades:SigningTime>{time}</xades:SigningTime>"
    "<xades:SigningCertificateV2><xades:Cert><xades:CertDigest>"
    f'<ds:DigestMethod Algorithm="{SHA256_DIGEST}"/><ds:DigestValue>{{digest}}</ds:DigestValue>'
    "</xades:CertDigest></xades:Cert></xades:SigningCertificateV2>"
    "</xades:SignedSignatureProperties></xades:SignedProperties></xades:QualifyingProperties></ds:Object>"
    "</ds:Signature>"
)
