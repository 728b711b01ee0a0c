"""`[[witness]]`: who is shown the log's checkpoints, and cosigns them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from axis.config.files import CertificateFile
from axis.config.section import Section
from axis.config.values import HttpsUrl, fault
from signing.cosignature import WitnessKey


def _key(value: Any) -> WitnessKey:
    if isinstance(value, WitnessKey):
        return value
    try:
        return WitnessKey.parse(value if isinstance(value, str) else "")
    except ValueError:
        raise fault(
            "is not the verifier key of a witness",
            "one line, name+hash+base64, as its operator's `axis witness init` has printed it",
        ) from None


class WitnessRules(Section):
    """A witness (bên chứng kiến) of the log. Without `ca` the system's authorities are believed."""

    url: Annotated[HttpsUrl, Field(examples=["https://witness.example.gov.vn"])]
    key: Annotated[
        WitnessKey,
        BeforeValidator(_key),
        Field(examples=["witness.example.gov.vn/1+00000000+BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]),
    ]
    ca: CertificateFile | None = None
