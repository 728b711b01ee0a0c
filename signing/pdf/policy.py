"""Which PDFs are judged, what may happen to one after it was signed, and what a document's outcome follows from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from signing.pdf.verdict import Changes, FindingCode, Role
from signing.verdict import FAILED, PdfOutcome, SubIndication

MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class PdfLimits:
    """What one document may cost. A document beyond them is not bad, it is not judged: INDETERMINATE.

    `most_steps` bounds the reading (each read of the parser is a step) and the comparison of revisions (each value that
    is met) together, so that time is bounded without a clock: ADR 0013 has the measurements. `most_decoded` bounds
    what all compressed streams together become, `most_metadata` the XMP that is parsed as XML.
    """

    most_octets: int = 64 * MIB
    most_revisions: int = 32
    most_objects: int = 200_000
    most_signatures: int = 16
    most_contents: int = 256 * 1024
    most_certificates: int = 16
    most_steps: int = 3_000_000
    most_decoded: int = 64 * MIB
    most_metadata: int = 2 * MIB


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """What may be taken out of a ZIP: entries that are looked at, octets in all, and how far one may swell."""

    most_entries: int = 256
    most_octets: int = 128 * MIB
    most_ratio: int = 200
    ratio_floor: int = MIB
    most_depth: int = 2


@dataclass(frozen=True, slots=True)
class PdfPolicy:
    """When a document is valid.

    Every signature has to be good, and what was done after it has to be in `accepted_changes`. `require` names roles
    that the certificates must let one recognise, by hints that prove nothing; by default none, because a certificate
    does not say whether its holder signs as a person or for the organisation.
    """

    name: str = "pdf-default"
    accepted_changes: frozenset[Changes] = frozenset({Changes.NONE, Changes.VALIDATION_DATA, Changes.SIGNATURES})
    require: frozenset[Role] = frozenset()

    def __post_init__(self) -> None:
        if self.accepted_changes & {Changes.OTHER, Changes.UNKNOWN}:
            raise ValueError("a policy cannot accept changes that nobody understands")


def outcome_of(sub_indication: SubIndication | None) -> PdfOutcome:
    """What one signature's verdict means in a clerk's words. Doubt is never valid and never invalid."""
    if sub_indication is None:
        return PdfOutcome.VALID
    return PdfOutcome.INVALID if sub_indication in FAILED else PdfOutcome.INDETERMINATE


EFFECTS: Final[Mapping[FindingCode, PdfOutcome | None]] = MappingProxyType(
    {
        FindingCode.DAMAGED: PdfOutcome.INDETERMINATE,
        FindingCode.ENCRYPTED: PdfOutcome.INDETERMINATE,
        FindingCode.LIMIT: PdfOutcome.INDETERMINATE,
        FindingCode.PROCESSING: PdfOutcome.INDETERMINATE,
        FindingCode.REMOVED: PdfOutcome.INVALID,
        FindingCode.TIMESTAMP_FAILED: PdfOutcome.INVALID,
        FindingCode.TIMESTAMP_UNKNOWN: PdfOutcome.INDETERMINATE,
        FindingCode.TIMESTAMP_REVOKED: PdfOutcome.INDETERMINATE,
        FindingCode.ROLE_NOT_SHOWN: PdfOutcome.INDETERMINATE,
        FindingCode.OUTSIDE_FORM: None,  # but a document without any other signature is in doubt
        FindingCode.EMPTY_FIELD: None,
        FindingCode.LENIENT: None,
        FindingCode.VALIDATION_DATA: None,
        FindingCode.TIMESTAMP_DOUBTFUL: None,
        FindingCode.ACTIVE: None,
        FindingCode.NOT_SEARCHED: None,
    }
)
"""What a finding makes of the document at best; `None` where it only informs."""
