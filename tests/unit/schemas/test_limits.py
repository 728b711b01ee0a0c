"""Lengths of fields: warned of or refused by profile, never cut."""

import pytest

from schemas.codes import AgencyCode
from schemas.envelope import AttachmentInfo, DocumentNumber, DocumentType, Organization, OtherInfo
from schemas.limits import FIELD_LENGTHS, FieldLimits, check_fields
from tests.samples import sample_envelope

H = AgencyCode("H99")


def long(name: str, extra: int = 1) -> str:
    return "ễ" * (FIELD_LENGTHS[name] + extra)


TOO_LONG = [
    ("From/OrganName", sample_envelope(sender=Organization(H, name=long("OrganName")))),
    ("From/OrganAdd", sample_envelope(sender=Organization(H, address=long("OrganAdd")))),
    ("To/OrganizationInCharge", sample_envelope(recipients=(Organization(H, in_charge=long("OrganizationInCharge")),))),
    ("To/Email", sample_envelope(recipients=(Organization(H), Organization(H, email=long("Email"))))),
    ("To/Telephone", sample_envelope(recipients=(Organization(H, telephone=long("Telephone")),))),
    ("To/Fax", sample_envelope(recipients=(Organization(H, fax=long("Fax")),))),
    ("To/Website", sample_envelope(recipients=(Organization(H, website=long("Website")),))),
    ("Code/CodeNumber", sample_envelope(number=DocumentNumber("20251020104803", "A"))),
    ("Code/CodeNotation", sample_envelope(number=DocumentNumber("1", long("CodeNotation")))),
    ("PromulgationInfo/Place", sample_envelope(issued_at=long("PromulgationInfo/Place"))),
    ("DocumentType/TypeName", sample_envelope(type=DocumentType(name=long("TypeName")))),
    ("Subject", sample_envelope(subject=long("Subject"))),
    ("Content", sample_envelope(content=long("Content"))),
    ("OtherInfo/SphereOfPromulgation", sample_envelope(other=OtherInfo(sphere=long("SphereOfPromulgation")))),
    ("OtherInfo/TyperNotation", sample_envelope(other=OtherInfo(typer_notation=long("TyperNotation")))),
    ("OtherInfo/Appendixes/Appendix", sample_envelope(other=OtherInfo(appendixes=("a", long("Appendix"))))),
    ("ToPlaces/Place", sample_envelope(places=("a", long("ToPlaces/Place")))),
    (
        "edXMLManifest/Reference/AttachmentName",
        sample_envelope(attachments=(AttachmentInfo("1", long("AttachmentName")),)),
    ),
]


@pytest.mark.parametrize(("path", "envelope"), TOO_LONG, ids=[row[0] for row in TOO_LONG])
def test_a_field_that_is_too_long_is_named(path: str, envelope: object) -> None:
    (violation,) = check_fields(envelope, FieldLimits())  # type: ignore[arg-type]
    assert violation.code == "too-long"
    assert violation.path == (path if path.startswith("edXML") else f"MessageHeader/{path}")
    assert "ễ" not in violation.detail


def test_every_limit_has_a_row_above() -> None:
    ends = [path.split("/") for path, _ in TOO_LONG]
    assert {name for name in FIELD_LENGTHS if any("/".join(e[-2:]) == name or e[-1] == name for e in ends)} == set(
        FIELD_LENGTHS
    )


def test_a_field_of_exactly_the_length_passes() -> None:
    assert (
        check_fields(
            sample_envelope(subject=long("Subject", 0), issued_at=long("PromulgationInfo/Place", 0)), FieldLimits()
        )
        == ()
    )


def test_the_profile_says_what_follows() -> None:
    assert not FieldLimits().rejects
    assert FieldLimits(profile="reject").rejects
    strict = FieldLimits(profile="reject", lengths={"Subject": 3})
    assert [v.path for v in check_fields(sample_envelope(), strict)] == ["MessageHeader/Subject"]
    assert check_fields(sample_envelope(), FieldLimits(lengths={})) == ()
