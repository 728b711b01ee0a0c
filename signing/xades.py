"""The signed properties of XAdES-B: who says to have signed, and when he says so."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from lxml import etree

from signing.algorithm import DATED_DIGESTS, DIGEST_SIZES, DIGESTS
from signing.grammar import DS, XADES
from signing.octets import decode_base64
from signing.policy import SignaturePolicy
from signing.refusal import Refused
from signing.verdict import Reason

_DATE_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?")
NO_ZONE: Final = "signing-time-without-zone"


@dataclass(frozen=True, slots=True)
class Properties:
    """`certificate` is (hash name, digest) of the signer's certificate, `None` where it is not told."""

    certificate: tuple[str, bytes] | None
    claimed_at: datetime | None
    quirks: tuple[str, ...] = ()

    def names(self, der: bytes) -> bool:
        """Say whether the signer's certificate can be `der`. Where none is named, every one can."""
        if self.certificate is None:
            return True
        name, digest = self.certificate
        return hashlib.new(name, der, usedforsecurity=False).digest() == digest


def signed_properties(container: etree._Element | None, signature: etree._Element) -> etree._Element | None:
    """Find SignedProperties in ds:Object, whose grammar was checked. STRUCTURE if they qualify another signature."""
    if container is None:
        return None
    qualifying = container[0]
    identifier = signature.get("Id")
    if identifier is None or qualifying.get("Target") != f"#{identifier}":
        raise Refused(Reason.STRUCTURE, "QualifyingProperties of another signature")
    return qualifying[0]


def read_properties(element: etree._Element, policy: SignaturePolicy) -> Properties:
    """Read SignedProperties. Of several certificates named, the first is the signer's.

    EN 319 132-1 wants SigningCertificateV2; the older SigningCertificate says the same about digests and is read alike.
    """
    base = element[0]
    named = [child for child in base if child.tag in _CERTIFICATES]
    if len(named) > 1:
        raise Refused(Reason.STRUCTURE, "the signing certificate is named twice")
    time = base.find(XADES + "SigningTime")
    claimed_at, quirks = (None, ()) if time is None else read_time(time.text or "")
    return Properties(_digest(named[0], policy) if named else None, claimed_at, quirks)


_CERTIFICATES: Final = frozenset({XADES + "SigningCertificate", XADES + "SigningCertificateV2"})


def _digest(named: etree._Element, policy: SignaturePolicy) -> tuple[str, bytes]:
    cert_digest = named[0][0]
    algorithm = cert_digest[0].get("Algorithm", "")
    name = DIGESTS.get(algorithm) if algorithm in policy.digest_algorithms else None
    if policy.takes_dated(algorithm):
        name = DATED_DIGESTS.get(algorithm)
    if cert_digest[0].tag != DS + "DigestMethod" or name is None:
        raise Refused(Reason.ALGORITHM, algorithm)
    try:
        return name, decode_base64(cert_digest[1].text, DIGEST_SIZES[name])
    except ValueError as error:
        raise Refused(Reason.STRUCTURE, f"CertDigest: {error}") from error


def read_time(text: str) -> tuple[datetime | None, tuple[str, ...]]:
    """Read a SigningTime, and what had to be tolerated; `None` where its zone is not told. `Refused` with TIME."""
    text = text.strip(" \t\r\n")
    if not _DATE_TIME.fullmatch(text):
        raise Refused(Reason.TIME, text)
    try:
        # `fromisoformat` takes at most six digits of a second on every version.
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
    except ValueError as error:
        raise Refused(Reason.TIME, text) from error
    if moment.tzinfo is None:
        # Which zone was meant is a guess, and the time proves nothing anyway.
        return None, (NO_ZONE,)
    return moment, ()
