"""The least that judging a signed package takes: parse, canonicalise, digest, one public-key operation.

Nothing of ours is in it. No limit is checked, nothing is looked for, no certificate is read: the key is at hand, every
element is where it is known to be, and the answer is True or an exception.
"""

from __future__ import annotations

from base64 import b64decode
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from lxml import etree

_PADDING, _HASH = PKCS1v15(), SHA256()
_ECDSA = ec.ECDSA(_HASH)


def canonical(element: etree._Element) -> bytes:
    octets: bytes = etree.tostring(element, method="c14n", exclusive=True, with_comments=False)
    return octets


def _value(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey, signature: etree._Element) -> None:
    value, octets = b64decode(signature[1].text or ""), canonical(signature[0])
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(value, octets, _PADDING, _HASH)
    else:
        r, s = int.from_bytes(value[:32], "big"), int.from_bytes(value[32:], "big")
        key.verify(utils.encode_dss_signature(r, s), octets, _ECDSA)


def _digest(octets: bytes, reference: etree._Element) -> None:
    if sha256(octets).digest() != b64decode(reference[-1].text or ""):
        raise ValueError("digest")


def enveloped(raw: bytes, key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> bool:
    """A signature over the whole document and its signed properties, last child of edXMLHeader."""
    return _enveloped(etree.fromstring(raw), key)


def _enveloped(root: etree._Element, key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> bool:
    header = root[0][0]
    signature = header[-1]
    _value(key, signature)
    _digest(canonical(signature[3][0][0]), signature[0][3])
    header.remove(signature)
    _digest(canonical(root), signature[0][2])
    return True


def parts(raw: bytes, key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey, attachments: int) -> bool:
    """A signature over header, business block, manifest, each attachment's decoded octets, and signed properties."""
    return _parts(etree.fromstring(raw), key, attachments)


def _parts(root: etree._Element, key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey, attachments: int) -> bool:
    envelope = root[0]
    header = envelope[0]
    signature = header[-1]
    _value(key, signature)
    references = signature[0]
    _digest(canonical(header[0]), references[2])
    _digest(canonical(header[1][0]), references[3])
    _digest(canonical(envelope[1][0]), references[4])
    for place in range(attachments):
        _digest(b64decode(root[1][place][-1].text or ""), references[5 + place])
    _digest(canonical(signature[3][0][0]), references[-1])
    return True


def large_enveloped(raw: bytes, key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> bool:
    """The same over a document with an attachment inside that lxml's own limit on text does not let in."""
    return _enveloped(etree.fromstring(raw, etree.XMLParser(huge_tree=True)), key)


def large_parts(raw: bytes, key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey, attachments: int) -> bool:
    return _parts(etree.fromstring(raw, etree.XMLParser(huge_tree=True)), key, attachments)
