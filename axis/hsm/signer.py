"""Keys in a token in the two forms that the rest of the house knows: a `Signer` of packages, and an Ed25519 key."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn, Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    KeySerializationEncryption,
    PrivateFormat,
    PublicFormat,
)

from axis.hsm.process import TokenProcess
from axis.hsm.wire import TokenError, Trouble
from signing.algorithm import (
    ECDSA_SHA256,
    ECDSA_SHA384,
    ECDSA_SHA512,
    ED25519,
    PSS_SHA256,
    RSA_SHA256,
    SIGNATURES,
    key_fits,
    value_is_good,
)

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

_CURVES: Final[dict[str, tuple[ec.EllipticCurve, str]]] = {
    "06082a8648ce3d030107": (ec.SECP256R1(), ECDSA_SHA256),
    "06052b81040022": (ec.SECP384R1(), ECDSA_SHA384),
    "06052b81040023": (ec.SECP521R1(), ECDSA_SHA512),
}
"""EC_PARAMS of a token (a DER object identifier) -> curve and its SignatureMethod."""

_ED25519: Final = frozenset({"130c656477617264733235353139", "06032b6570", "06092b06010401da470f01"})
"""How tokens name Ed25519: the name `edwards25519`, the identifier of RFC 8410, and that of GnuPG."""


@dataclass(frozen=True)
class TokenKey:
    """One key of a token. Any thread may sign with it."""

    process: TokenProcess = field(repr=False)
    label: str
    public: PublicKey = field(repr=False)

    @classmethod
    def find(cls, process: TokenProcess, label: str) -> Self:
        """The key of that label, with its public key from the token. `TokenError`."""
        described, _ = process.ask({"op": "describe", "key": label})
        try:
            public = _public(described)
            if public is None:
                public = _certified(certificate_of(process, label))
        except TokenError as error:
            if error.trouble is not Trouble.KEY:
                raise
            told = f"the token does not tell the public key of {label!r}"
            remedy = "write the public key or the certificate there, under the same label"
            raise TokenError(Trouble.KEY, told, remedy) from None
        except ValueError as error:
            raise TokenError(Trouble.KEY, f"the key {label!r} cannot be used: {error}") from None
        return cls(process, label, public)

    def sign(self, algorithm: str, data: bytes) -> bytes:
        """Sign in the form of XML-DSig. `TokenError`, also for a value that does not verify.

        Every value is verified before anybody gets it: a device that errs, or a key that was replaced under its label,
        must not give a receipt that proves nothing; and one faulty RSA value can give a private key away.
        """
        method = SIGNATURES[algorithm]
        head = {"op": "sign", "key": self.label, "family": method.family.value, "hash": method.hash.name}
        value = self.process.ask(head, data)[1]
        if not value_is_good(method, self.public, value, data):
            told = f"what the token signs with {self.label!r} does not verify with its public key"
            raise TokenError(Trouble.KEY, told, "do the key and the public key of this label belong together?")
        return value

    def probe(self, algorithm: str) -> None:
        """Sign something new, which verifies it."""
        self.sign(algorithm, b"axis-probe\0" + secrets.token_bytes(32))


@dataclass(frozen=True)
class HsmSigner:
    """A `signing.sign.Signer` whose key is in a token. `of` makes one."""

    key: TokenKey
    certificate: bytes
    algorithm: str

    def __repr__(self) -> str:
        return f"HsmSigner({self.key.label!r}, {self.algorithm})"

    @classmethod
    def of(
        cls, process: TokenProcess, label: str, certificate: bytes | None = None, algorithm: str | None = None
    ) -> Self:
        """A signer with the key `label` and its certificate (DER), by default the one of the same label in the token.

        Signs and verifies once. `TokenError`, `ValueError` where key, certificate and algorithm do not belong together.
        """
        key = TokenKey.find(process, label)
        der = certificate if certificate is not None else certificate_of(process, label)
        chosen = algorithm or default_algorithm(key.public)
        if chosen not in SIGNATURES or not key_fits(SIGNATURES[chosen], key.public):
            raise ValueError(f"the key {label!r} cannot sign with {chosen}")
        if _octets(_certified(der)) != _octets(key.public):
            raise ValueError("the certificate is of another key")
        key.probe(chosen)
        return cls(key, der, chosen)

    def sign(self, data: bytes) -> bytes:
        return self.key.sign(self.algorithm, data)


class TokenEd25519(ed25519.Ed25519PrivateKey):
    """An Ed25519 key that stays in its token, wherever a key of `cryptography` is expected: receipts, the log's notes.

    Its interfaces are made to be implemented so (cryptography's documentation, "Using cryptography with a cloud HSM").
    """

    def __init__(self, public: ed25519.Ed25519PublicKey, sign: Callable[[bytes], bytes]) -> None:
        self._public = public
        self._sign = sign
        self._signed_at: float | None = None

    @classmethod
    def of(cls, key: TokenKey) -> Self:
        """`TokenError` for a key of another kind, and for one whose signatures are not deterministic.

        A receipt is the same octets for ever (RFC 8032 signs so); a token that mixes chance in would break that.
        """
        if not isinstance(key.public, ed25519.Ed25519PublicKey):
            raise TokenError(Trouble.KEY, f"the key {key.label!r} is not Ed25519", "receipts and the log need Ed25519")
        key.probe(ED25519)
        if key.sign(ED25519, b"axis-probe") != key.sign(ED25519, b"axis-probe"):
            told = f"the token signs the same octets differently with {key.label!r}"
            raise TokenError(Trouble.KEY, told, "receipts must stay the same: keep this key in a file")
        return cls(key.public, lambda data: key.sign(ED25519, data))

    def __repr__(self) -> str:
        return "TokenEd25519()"

    def public_key(self) -> ed25519.Ed25519PublicKey:
        return self._public

    def sign(self, data: Any) -> bytes:
        self._signed_at = None
        value = self._sign(bytes(data))
        self._signed_at = time.monotonic()
        return value

    def has_signed_within(self, seconds: float) -> bool:
        """Say whether it signed so lately, and has not failed since."""
        signed_at = self._signed_at  # another thread may be signing
        return signed_at is not None and time.monotonic() - signed_at < seconds

    def private_bytes(
        self, encoding: Encoding, format: PrivateFormat, encryption_algorithm: KeySerializationEncryption
    ) -> NoReturn:
        raise ValueError("the key does not leave its token")

    def private_bytes_raw(self) -> NoReturn:
        raise ValueError("the key does not leave its token")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


def certificate_of(process: TokenProcess, label: str) -> bytes:
    """The certificate of that label in the token, DER. `TokenError`."""
    return process.ask({"op": "certificate", "key": label})[1]


def default_algorithm(public: PublicKey, *, pkcs1: bool = False) -> str:
    """The SignatureMethod for a key, as `signing.sign.default_algorithm` chooses it for keys in memory."""
    if isinstance(public, rsa.RSAPublicKey):
        return RSA_SHA256 if pkcs1 else PSS_SHA256
    if isinstance(public, ec.EllipticCurvePublicKey):
        for curve, algorithm in _CURVES.values():
            if curve.name == public.curve.name:
                return algorithm
        raise ValueError(f"no signatures with curve {public.curve.name}")
    return ED25519


def _public(described: dict[str, Any]) -> PublicKey | None:
    """The public key from a token's attributes; `None` where the token keeps them to itself. `ValueError`."""
    match described:
        case {"type": "rsa", "modulus": str(modulus), "public_exponent": str(exponent)}:
            return rsa.RSAPublicNumbers(int(exponent, 16), int(modulus, 16)).public_key()
        case {"type": "ec", "ec_params": str(params), "ec_point": str(point)}:
            if params not in _CURVES:
                raise ValueError("no signatures with its curve")
            curve = _CURVES[params][0]
            plain = 2 * ((curve.key_size + 7) // 8) + 1
            return ec.EllipticCurvePublicKey.from_encoded_point(curve, _point(point, plain))
        case {"type": "edwards", "ec_params": str(params), "ec_point": str(point)}:
            if params not in _ED25519:
                raise ValueError("of the Edwards curves only Ed25519 is used")
            return ed25519.Ed25519PublicKey.from_public_bytes(_point(point, 32))
        case _:
            return None


def _point(text: str, size: int) -> bytes:
    """A point as it is, or in a DER OCTET STRING: the standard says the latter, and tokens do both."""
    octets = bytes.fromhex(text)
    return octets if len(octets) == size else octets[-size:]


def _certified(der: bytes) -> PublicKey:
    public = x509.load_der_x509_certificate(der).public_key()
    if not isinstance(public, PublicKey):
        raise ValueError("the certificate's key does not sign packages")
    return public


def _octets(public: PublicKey) -> bytes:
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
