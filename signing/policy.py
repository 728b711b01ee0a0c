"""What a signature may look like: policies as data, each with a hash that the verdict names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from signing.algorithm import C14N, DATED_DIGESTS, DATED_SIGNATURES, DIGESTS, ENVELOPED, EXC_C14N, SIGNATURES
from signing.roca import is_roca
from signing.small_order import is_of_small_order


class Mode(StrEnum):
    """How a connection treats the package signature.

    REQUIRED: the one true shape, everything else is a format failure. VERIFY_IF_PRESENT: the same judgement, but a
    block that is no XML signature is "not verifiable" instead. LEGACY_TOLERATED: whatever cannot be judged is
    recorded as "not verifiable" (không kiểm tra được), never as good.
    """

    REQUIRED = "required"
    VERIFY_IF_PRESENT = "verify-if-present"
    LEGACY_TOLERATED = "legacy-tolerated"


@dataclass(frozen=True)
class SignaturePolicy:
    """The closed list of what is accepted. Everything absent is refused.

    `max_references_beyond_parts` counts beyond what the caller demands to be covered. `max_enveloped_bytes` bounds the
    sum of canonical octets of all XML references of one signature, and what else it costs to make them.
    `max_signatures` counts those of one package that stand side by side. `signing_time_ahead` is how far the claimed
    time may lie after ours.
    `sha1_before`: SHA-1 in a signature and its digests is taken where a trusted time stamp proves that it existed
    before; `None` is never. The date for certificates is that of `Trust`.
    """

    name: str
    mode: Mode
    signature_algorithms: frozenset[str] = frozenset(SIGNATURES)
    digest_algorithms: frozenset[str] = frozenset(DIGESTS)
    c14n_algorithms: frozenset[str] = frozenset({EXC_C14N, C14N})
    transforms: frozenset[str] = frozenset({ENVELOPED, EXC_C14N, C14N})
    min_rsa_bits: int = 2048
    max_rsa_bits: int = 8192
    curves: frozenset[str] = frozenset({"secp256r1", "secp384r1", "secp521r1"})
    certificate_hashes: frozenset[str] = frozenset({"sha256", "sha384", "sha512"})
    require_revocation: bool = True
    max_references_beyond_parts: int = 64
    max_transforms: int = 3
    max_prefixes: int = 16
    max_certificates: int = 5
    max_path_length: int = 4
    max_signatures: int = 4
    max_attributes: int = 64
    max_depth: int = 64
    max_enveloped_bytes: int = 25 * 1024 * 1024
    signing_time_ahead: timedelta = timedelta(minutes=5)
    sha1_before: datetime | None = None

    @cached_property
    def octets(self) -> bytes:
        """The policy as canonical JSON: what is hashed, and kept beside verdicts."""
        facts = {field.name: _plain(getattr(self, field.name)) for field in fields(self)}
        return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of `octets`, lower-case hex."""
        return hashlib.sha256(self.octets).hexdigest()

    def takes_dated(self, algorithm: str) -> bool:
        """Say whether this SignatureMethod or DigestMethod is out of date and worked on all the same: whether it counts
        is decided with the proof of time."""
        return self.sha1_before is not None and (algorithm in DATED_SIGNATURES or algorithm in DATED_DIGESTS)

    def takes_sha1(self, proven_at: datetime | None) -> bool:
        """Say whether SHA-1 counts in a signature that is proved to have existed at `proven_at`."""
        return self.sha1_before is not None and proven_at is not None and proven_at < self.sha1_before

    def weakness(self, key: PublicKeyTypes) -> str | None:
        """Say what is too weak (or too costly) about `key`, or `None`."""
        if isinstance(key, rsa.RSAPublicKey):
            if not self.min_rsa_bits <= key.key_size <= self.max_rsa_bits:
                return f"RSA {key.key_size} bits"
            numbers = key.public_numbers()
            if numbers.e < 65537 or numbers.e % 2 == 0 or numbers.n % 2 == 0:
                return f"RSA exponent {numbers.e}"
            return "RSA modulus of the ROCA form" if is_roca(numbers.n) else None
        if isinstance(key, ec.EllipticCurvePublicKey):
            return None if key.curve.name in self.curves else f"curve {key.curve.name}"
        if isinstance(key, ed25519.Ed25519PublicKey):
            return "Ed25519 key of small order" if is_of_small_order(key.public_bytes_raw()) else None
        return type(key).__name__


def _plain(value: object) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, datetime):
        return value.isoformat()
    return value


def read_policy(octets: bytes) -> SignaturePolicy:
    """Read back `SignaturePolicy.octets`. `ValueError` for anything else, also a policy of another version."""
    try:
        facts = json.loads(octets)
        read = {field.name: _READ.get(str(field.type), _same)(facts[field.name]) for field in fields(SignaturePolicy)}
        policy = SignaturePolicy(**read)
        same = policy.octets == octets
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError("not a signature policy of this version") from error
    if not same:
        raise ValueError("not a signature policy of this version")
    return policy


def _same(value: Any) -> Any:
    return value


_READ: Final[Mapping[str, Callable[[Any], Any]]] = MappingProxyType(
    {
        "Mode": Mode,
        "frozenset[str]": frozenset,
        "timedelta": lambda seconds: timedelta(seconds=seconds),
        "datetime | None": lambda text: None if text is None else datetime.fromisoformat(text),
    }
)


OWN_NETWORK: Final = SignaturePolicy("own-network", Mode.REQUIRED)

_FIELD_CLOCKS: Final = timedelta(hours=7, minutes=5)
"""Some tools of the field write Vietnamese local time and mark it UTC (observed, docs/specifications.md)."""

IF_PRESENT: Final = SignaturePolicy("verify-if-present", Mode.VERIFY_IF_PRESENT, signing_time_ahead=_FIELD_CLOCKS)
LEGACY: Final = SignaturePolicy("legacy-tolerated", Mode.LEGACY_TOLERATED, signing_time_ahead=_FIELD_CLOCKS)
