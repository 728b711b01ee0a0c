"""What a CMS must be for the use that is made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DATA: Final = "data"
TST_INFO: Final = "tst_info"


@dataclass(frozen=True, slots=True)
class Form:
    """The content type and the bounds of one use of CMS; more than they allow is doubt, not failure.

    `detached`: the content is elsewhere and must not stand inside. `names_signer`: a signed attribute must name the
    signer's certificate. `tolerates_bare`: a CMS without signed attributes is not verifiable instead of malformed.
    """

    content_type: str
    detached: bool
    most_octets: int
    most_certificates: int
    most_attributes: int
    names_signer: bool
    tolerates_bare: bool
