"""A policy without opinions on keys, for measuring what stands beside them."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from signing.policy import OWN_NETWORK, Mode, SignaturePolicy


class AnyKey(SignaturePolicy):
    """Takes every key. The public vectors have DSA and short RSA, which no policy of ours lets in."""

    def weakness(self, key: PublicKeyTypes) -> str | None:
        return None


RFC_5280: Final = AnyKey(
    "rfc5280",
    Mode.REQUIRED,
    min_rsa_bits=1024,
    certificate_hashes=OWN_NETWORK.certificate_hashes | {"sha1"},
    max_path_length=32,
)
"""No rule of our own on certificates: what is left is RFC 5280."""
