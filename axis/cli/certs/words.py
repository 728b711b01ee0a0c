"""One certificate in words."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from signing.certificate import Leaf

_USAGE: Final = "2.5.29.15"
_PURPOSES: Final = "2.5.29.37"
_BASIC: Final = "2.5.29.19"
_USAGES: Final = {
    "digital_signature": "digitalSignature",
    "content_commitment": "nonRepudiation",
    "key_encipherment": "keyEncipherment",
    "data_encipherment": "dataEncipherment",
    "key_agreement": "keyAgreement",
    "key_cert_sign": "keyCertSign",
    "crl_sign": "cRLSign",
}
_TRADES: Final = {
    "1.3.6.1.5.5.7.3.1": "serverAuth",
    "1.3.6.1.5.5.7.3.2": "clientAuth",
    "1.3.6.1.5.5.7.3.3": "codeSigning",
    "1.3.6.1.5.5.7.3.4": "emailProtection",
    "1.3.6.1.5.5.7.3.8": "timeStamping",
    "1.3.6.1.5.5.7.3.9": "OCSPSigning",
}


def describe(leaf: Leaf) -> dict[str, Any]:
    """Everything a person asks of a certificate, as facts."""
    extensions = _extensions(leaf)
    usage, purposes = extensions.get(_USAGE), extensions.get(_PURPOSES)
    return {
        "subject": leaf.signer.subject,
        "issuer": leaf.signer.issuer,
        "serial": leaf.signer.serial,
        "not_before": leaf.not_before,
        "not_after": leaf.not_after,
        "key": key_words(leaf.key),
        "usage": [word for name, word in _USAGES.items() if getattr(usage, name, False)],
        "purposes": [_TRADES.get(one.dotted_string, one.dotted_string) for one in purposes or ()],
        "authority": bool(getattr(extensions.get(_BASIC), "ca", False)),
        "sha256": leaf.sha256,
        "sha1": hashlib.sha1(leaf.der, usedforsecurity=False).hexdigest(),
    }


def key_words(key: object) -> str:
    """`RSA 2048`, `EC secp256r1`, `Ed25519`."""
    kind = type(key).__name__.removesuffix("PublicKey").lstrip("_")
    curve = getattr(getattr(key, "curve", None), "name", "")
    if curve:
        return f"EC {curve}"
    return f"{kind} {getattr(key, 'key_size', '')}".strip()


def _extensions(leaf: Leaf) -> dict[str, Any]:
    """By object identifier; none where they cannot be read: the judge says so in its own words."""
    try:
        return {one.oid.dotted_string: one.value for one in leaf.certificate.extensions}
    except ValueError:
        return {}


def short(name: str) -> str:
    """The common name of a distinguished name, or all of it."""
    common = [part[3:] for part in name.split(",") if part.startswith("CN=")]
    return common[0] if common else name
