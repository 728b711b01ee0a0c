"""Whose key: the one certificate in KeyInfo that the signature is checked with.

KeyInfo is a hint. Keys by value, by name or by retrieval are refused by the grammar; intermediates are not taken from
here.
"""

from __future__ import annotations

from functools import lru_cache

from lxml import etree

from signing.certificate import MAX_CERTIFICATE_BYTES, Leaf, load_leaf
from signing.grammar import DS
from signing.octets import decode_base64
from signing.policy import SignaturePolicy
from signing.refusal import Refused
from signing.verdict import Reason
from signing.xades import read_properties


def choose_leaf(key_info: etree._Element, properties: etree._Element | None, policy: SignaturePolicy) -> Leaf:
    """Return the signer's certificate.

    One certificate is the signer's. Among several it is the one that XAdES names (in `properties`, which are believed
    here and verified later); without that, nobody can say which, and trying keys until one fits would let a signature
    change hands. `Refused` with KEYINFO.
    """
    data = key_info[0]
    texts = [child.text or "" for child in data if child.tag == DS + "X509Certificate"]
    if len(texts) > policy.max_certificates:
        raise Refused(Reason.KEYINFO, f"{len(texts)} certificates", f"at most {policy.max_certificates}")
    leaves = [read_leaf(text) for text in texts]
    if len(leaves) > 1 and properties is not None:
        named = read_properties(properties, policy)
        leaves = [leaf for leaf in leaves if named.names(leaf.der)]
    if len(leaves) != 1:
        raise Refused(Reason.KEYINFO, f"{len(leaves)} of {len(texts)} certificates can be the signer's")
    leaf = leaves[0]
    serial = data.find(f"{DS}X509IssuerSerial/{DS}X509SerialNumber")
    if serial is not None and (serial.text or "").strip() != str(leaf.certificate.serial_number):
        raise Refused(Reason.KEYINFO, "X509IssuerSerial names another certificate")
    return leaf


@lru_cache(maxsize=512)
def read_leaf(text: str) -> Leaf:
    """Read the text of an X509Certificate. `Refused` with KEYINFO."""
    try:
        der = decode_base64(text, MAX_CERTIFICATE_BYTES)
    except ValueError as error:
        raise Refused(Reason.KEYINFO, f"X509Certificate: {error}") from error
    return load_leaf(der)
