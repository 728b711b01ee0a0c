"""Private keys as PEM bytes: making, writing, reading. No files here; where bytes are kept is the shell's business."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)


def generate_ed25519() -> ed25519.Ed25519PrivateKey:
    """A new key for receipts or the log."""
    return ed25519.Ed25519PrivateKey.generate()


def generate_p256() -> ec.EllipticCurvePrivateKey:
    """A new key for packages or TLS."""
    return ec.generate_private_key(ec.SECP256R1())


def private_pem(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey, password: bytes | None = None) -> bytes:
    """PKCS#8, encrypted if a password is given."""
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def public_pem(key: ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def load_ed25519(pem: bytes, password: bytes | None = None) -> ed25519.Ed25519PrivateKey:
    """Read a private key. `ValueError` if it is none, of another kind, or the password is wrong or missing."""
    key = _load(pem, password)
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise ValueError("not an Ed25519 key")
    return key


def load_ec(pem: bytes, password: bytes | None = None) -> ec.EllipticCurvePrivateKey:
    """Read a private key on a curve. `ValueError` as `load_ed25519`."""
    key = _load(pem, password)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("not an elliptic-curve key")
    return key


def load_ed25519_public(pem: bytes) -> ed25519.Ed25519PublicKey:
    """Read a public key. `ValueError` if it is none or of another kind."""
    key = load_pem_public_key(pem)
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise ValueError("not an Ed25519 key")
    return key


def raw_public(key: ed25519.Ed25519PrivateKey | ed25519.Ed25519PublicKey) -> bytes:
    """The 32 octets of the public key."""
    public = key.public_key() if isinstance(key, ed25519.Ed25519PrivateKey) else key
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)


def sign_bytes(key: ed25519.Ed25519PrivateKey, data: bytes) -> bytes:
    """64 octets, the same for the same data for ever (RFC 8032)."""
    return key.sign(data)


def verify_bytes(public: bytes, data: bytes, signature: bytes) -> bool:
    """Say whether `signature` is the Ed25519 signature of `data` under the 32 octets `public`."""
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def _load(pem: bytes, password: bytes | None) -> object:
    try:
        return load_pem_private_key(pem, password)
    except TypeError as error:
        raise ValueError("the key is encrypted and no password was given, or the other way round") from error
    except UnsupportedAlgorithm as error:
        raise ValueError("a key of an unknown kind") from error
