"""The CMS around a time-stamp token (RFC 3161 §2.4.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from signing.certificate import Leaf
from signing.cms import TST_INFO, Form, Naming, read_signed
from signing.policy import SignaturePolicy
from signing.refusal import Refused
from signing.verdict import Reason

MAX_TOKEN_BYTES: Final = 64 * 1024
TOKEN: Final = Form(
    TST_INFO,
    detached=False,
    most_octets=MAX_TOKEN_BYTES,
    most_certificates=16,
    most_attributes=16,
    names_signer=True,
    tolerates_bare=False,
)
VERSION_1: Final = "ess-cert-id-v1"


@dataclass(frozen=True, slots=True)
class Token:
    """A token that is in order but for its imprint, its time and its authority. `info` is the TSTInfo, parsed."""

    info: Any
    leaf: Leaf
    algorithm: str
    quirks: tuple[str, ...]


def read_token(token: bytes, known: Sequence[bytes], policy: SignaturePolicy) -> Token:
    """Read a token and check its signature by the certificate that it names, from its bag or `known` (DER).

    `Refused`: STRUCTURE, LIMIT, KEYINFO, ALGORITHM, WEAK_KEY, DIGEST, VALUE. What cannot be parsed is STRUCTURE too.
    """
    from signing.asn1 import tsp

    signed = read_signed(token, TOKEN, policy, known)
    content = signed.content
    assert content is not None
    try:
        signed.check(hashlib.new(signed.digest, content).digest())
        info = tsp.TSTInfo.load(content, strict=True)
    except (ValueError, TypeError) as error:
        raise Refused(Reason.STRUCTURE, f"not a time-stamp token: {type(error).__name__}") from error
    return Token(info, signed.leaf, signed.algorithm, (VERSION_1,) if signed.naming is Naming.BY_SHA1 else ())
