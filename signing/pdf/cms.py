"""The CMS in a signature field of a PDF: padded, detached, of two kinds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from signing.cms import DATA, TST_INFO, Form, Naming, Signed, read_signed
from signing.pdf.policy import PdfLimits
from signing.policy import SignaturePolicy
from signing.refusal import Refused
from signing.verdict import Reason

_MOST_ATTRIBUTES: Final = 32
_QUIRKS: Final[Mapping[Naming, str]] = MappingProxyType(
    {Naming.BY_SHA1: "signing-certificate-v1", Naming.NOT: "signing-certificate-not-named"}
)


def read_cms(contents: bytes, content_type: str, policy: SignaturePolicy, limits: PdfLimits) -> Signed:
    """Read the CMS of a signature (`DATA`) or a document time stamp (`TST_INFO`). `contents` may be padded with zeros,
    as a PDF has it; nothing else may follow.

    `Refused`: STRUCTURE, KEYINFO, ALGORITHM, WEAK_KEY, LIMIT. What cannot be parsed at all is STRUCTURE too.
    """
    is_signature = content_type == DATA
    form = Form(
        content_type,
        detached=is_signature,
        most_octets=limits.most_contents,
        most_certificates=limits.most_certificates,
        most_attributes=_MOST_ATTRIBUTES,
        names_signer=not is_signature,
        tolerates_bare=is_signature,
    )
    return read_signed(unpadded(contents), form, policy)


def quirks_of(signed: Signed) -> tuple[str, ...]:
    """What is tolerated in the signed attributes, each by a name."""
    quirks = [_QUIRKS[signed.naming]] if signed.naming in _QUIRKS else []
    if "adbe_revocation_info_archival" in signed.attributes:
        quirks.append("revocation-information-not-used")
    return tuple(quirks)


def unpadded(contents: bytes) -> bytes:
    """The octets of the CMS without the zeros that a PDF pads them with. STRUCTURE if anything else follows."""
    from signing.asn1 import parser

    try:
        length = parser.peek(contents)
    except ValueError as error:
        raise Refused(Reason.STRUCTURE, "not a CMS SignedData") from error
    if contents[length:].strip(b"\0"):
        raise Refused(Reason.STRUCTURE, "octets after the CMS")
    return contents[:length]


def digest_of(name: str, *parts: bytes | memoryview) -> bytes:
    state = hashlib.new(name)
    for part in parts:
        state.update(part)
    return state.digest()


__all__ = ["DATA", "TST_INFO", "Signed", "digest_of", "quirks_of", "read_cms", "unpadded"]
