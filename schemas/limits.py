"""How much is accepted: bounds on XML before it becomes a tree, and lengths of fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from schemas.envelope import Envelope
from schemas.errors import Violation


@dataclass(frozen=True, slots=True)
class XmlLimits:
    """Bounds on one package. Everything beyond is refused with `xml-limit`, or `xml-too-large` for `max_bytes`.

    `max_bytes` lets a 100 MiB attachment in, as base64 in broken lines. `depth`, `attributes` (per element) and
    `namespaces` (in scope of an element, whoever declares them) bound what canonicalisation costs: it is quadratic in
    the last two, and writes a namespace's name for every element that uses it. `declarations` bounds
    namespace declarations in the whole package, `elements` the elements and also the attributes: 12,288 is room for
    every commune of the country in `To` (3,321 since July 2025, three elements each). Base64 content longer
    than `cut_above` bytes never enters the tree; `tree_bytes` bounds what is left. Together they keep what a stranger's
    package costs, contents apart, within 100 ms of a processor. `name_length` counts characters, prefix apart, also of
    the name of a namespace.
    """

    max_bytes: int = 160 * 1024 * 1024
    depth: int = 64
    attributes: int = 64
    namespaces: int = 32
    declarations: int = 1_024
    elements: int = 12_288
    name_length: int = 256
    cut_above: int = 16_384
    tree_bytes: int = 3 * 1024 * 1024


FIELD_LENGTHS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "OrganName": 200,
        "OrganAdd": 500,
        "OrganizationInCharge": 500,
        "Email": 100,
        "Telephone": 20,
        "Fax": 20,
        "Website": 100,
        "CodeNumber": 11,
        "CodeNotation": 30,
        "Subject": 500,
        "Content": 500,
        "PromulgationInfo/Place": 50,
        "TypeName": 100,
        "SphereOfPromulgation": 100,
        "TyperNotation": 10,
        "ToPlaces/Place": 150,
        "Appendix": 250,
        "AttachmentName": 500,
    }
)
"""Lengths in characters that one provincial axis checks. NĐ 30/2020 Phụ lục VI agrees where it names the same field
(OrganName 200, Subject 500, CodeNumber 11, CodeNotation 30, TypeName 100)."""


@dataclass(frozen=True, slots=True)
class FieldLimits:
    """Longest accepted text per field. The profile says whether a longer one is only noted or refuses the package.

    Real numbers exceed the 11 characters of CodeNumber, so the default warns.
    """

    profile: Literal["warn", "reject"] = "warn"
    lengths: Mapping[str, int] = field(default_factory=lambda: FIELD_LENGTHS)

    @property
    def rejects(self) -> bool:
        return self.profile == "reject"


def check_fields(envelope: Envelope, limits: FieldLimits) -> tuple[Violation, ...]:
    """List the fields that are longer than their limit, as `too-long`. What follows from it: `limits.rejects`."""
    found = []
    for path, text in _texts(envelope):
        name = path.rpartition("/")[2]
        limit = limits.lengths.get("/".join(path.split("/")[-2:]), limits.lengths.get(name))
        if text is not None and limit is not None and len(text) > limit:
            found.append(Violation("too-long", path, f"{len(text)} characters, at most {limit} are customary"))
    return tuple(found)


def _texts(envelope: Envelope) -> Iterator[tuple[str, str | None]]:
    for place, organization in (("From", envelope.sender), *(("To", to) for to in envelope.recipients)):
        yield f"MessageHeader/{place}/OrganName", organization.name
        yield f"MessageHeader/{place}/OrganAdd", organization.address
        yield f"MessageHeader/{place}/OrganizationInCharge", organization.in_charge
        yield f"MessageHeader/{place}/Email", organization.email
        yield f"MessageHeader/{place}/Telephone", organization.telephone
        yield f"MessageHeader/{place}/Fax", organization.fax
        yield f"MessageHeader/{place}/Website", organization.website
    yield "MessageHeader/Code/CodeNumber", envelope.number.number
    yield "MessageHeader/Code/CodeNotation", envelope.number.notation
    yield "MessageHeader/PromulgationInfo/Place", envelope.issued_at
    yield "MessageHeader/DocumentType/TypeName", envelope.type.name
    yield "MessageHeader/Subject", envelope.subject
    yield "MessageHeader/Content", envelope.content
    yield "MessageHeader/OtherInfo/SphereOfPromulgation", envelope.other.sphere
    yield "MessageHeader/OtherInfo/TyperNotation", envelope.other.typer_notation
    for appendix in envelope.other.appendixes:
        yield "MessageHeader/OtherInfo/Appendixes/Appendix", appendix
    for place in envelope.places:
        yield "MessageHeader/ToPlaces/Place", place
    for attachment in envelope.attachments:
        yield "edXMLManifest/Reference/AttachmentName", attachment.name
