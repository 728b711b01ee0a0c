"""The strict writer: order and shape of the official sample, and everything written reads back the same."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from schemas.attachment import decode, encoded_attachments, matched
from schemas.codes import AgencyCode
from schemas.edxml import read_message, signature_place
from schemas.envelope import (
    AttachmentInfo,
    Business,
    DocumentNumber,
    DocumentType,
    Envelope,
    MessageKind,
    Organization,
    OtherInfo,
    Priority,
    Receiver,
    Replacement,
    ResponseFor,
    SignerInfo,
    StaffInfo,
    StatusMessage,
    TraceHeader,
)
from schemas.errors import SchemaError
from schemas.limits import XmlLimits
from schemas.names import local
from schemas.validate import validate
from schemas.write import serialise, write_document, write_status
from schemas.xml import parse_xml
from tests.samples import DOCUMENT, PDF, STATUS, sample, sample_envelope, sample_package, sample_status

LIMITS = XmlLimits()


def shape(element: etree._Element) -> list[tuple[int, str | None, str, str]]:
    """Depth, prefix, local name and value of every element, signatures left out."""
    found: list[tuple[int, str | None, str, str]] = []

    def walk(node: etree._Element, depth: int) -> None:
        if local(node) != "Signature":
            found.append((depth, node.prefix, local(node), (node.text or "").strip()))
            for child in node:
                walk(child, depth + 1)

    walk(element, 0)
    return found


def read_all(raw: bytes) -> tuple[Envelope, list[bytes]]:
    parsed = parse_xml(raw, LIMITS)
    envelope = read_message(parsed.root).message
    assert isinstance(envelope, Envelope)
    return envelope, [decode(e) for _, e in matched(envelope, encoded_attachments(parsed))]


def test_what_the_sample_says_is_written_as_the_official_library_wrote_it() -> None:
    """Elements, order, prefixes, values; but for a ContentType that the sample itself has in two versions."""
    root = parse_xml(sample(DOCUMENT), LIMITS).root
    envelope, octets = read_all(sample(DOCUMENT))
    ours, theirs = shape(write_document(envelope, octets)), shape(root)
    different = [(a, b) for a, b in zip(ours, theirs, strict=True) if a != b]
    assert different == [((3, None, "ContentType", "application/zip"), (3, None, "ContentType", "application/pdf"))]


def test_a_status_is_written_as_the_official_library_wrote_it() -> None:
    message = read_message(parse_xml(sample(STATUS), LIMITS).root).message
    assert isinstance(message, StatusMessage)
    assert shape(write_status(message)) == shape(parse_xml(sample(STATUS), LIMITS).root)


def test_the_sample_read_and_written_reads_the_same() -> None:
    envelope, octets = read_all(sample(DOCUMENT))
    assert read_all(serialise(write_document(envelope, octets))) == (envelope, octets)


def test_the_parts_that_signatures_cover_have_ids_and_nothing_else_has() -> None:
    root = parse_xml(sample_package(), LIMITS).root
    ids = {local(e): e.get("Id") for e in root.iter() if e.get("Id") is not None}
    assert ids == {"MessageHeader": "MessageHeader-1", "Bussiness": "Bussiness-1", "edXMLManifest": "edXMLManifest-1"}
    status = parse_xml(sample_status(), LIMITS).root
    assert [e.get("Id") for e in status.iter() if e.get("Id") is not None] == ["MessageHeader-1"]


def test_the_writer_s_own_hop_is_the_last() -> None:
    own = TraceHeader("000.00.01.H99", datetime(2025, 1, 15, tzinfo=UTC))
    before = TraceHeader("H99", datetime(2025, 1, 14, tzinfo=UTC))
    raw = serialise(write_document(sample_envelope(traces=(before,)), [PDF], organ_trace=own))
    assert [hop.organ for hop in read_all(raw)[0].traces] == ["H99", "000.00.01.H99"]


def test_octets_have_a_declaration_and_are_utf8() -> None:
    raw = sample_package()
    assert raw.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<edXML xmlns="')
    assert "Thử Nghiệm".encode() in raw
    assert sample_package() == raw


def test_a_signature_can_be_added_and_the_result_is_valid() -> None:
    root = write_document(sample_envelope(), [PDF])
    etree.SubElement(signature_place(root), "{http://www.w3.org/2000/09/xmldsig#}Signature").text = "x"
    assert validate(root) == ()


def test_the_numbers_of_attachments_must_agree() -> None:
    with pytest.raises(ValueError, match="as many"):
        write_document(sample_envelope(), [])


def test_text_that_xml_cannot_hold_is_refused() -> None:
    for text in ("a\0b", "a\x0bb", "\ud800"):
        with pytest.raises(SchemaError) as caught:
            write_document(sample_envelope(subject=text), [PDF])
        assert [(v.code, v.path) for v in caught.value.violations] == [("xml-text", "Subject")]


def test_a_type_that_nobody_named_is_told_by_magic_bytes() -> None:
    info = AttachmentInfo("1", "a.pdf")
    envelope, _ = read_all(sample_package(sample_envelope(attachments=(info,)), [PDF]))
    assert envelope.attachments[0].content_type == "application/pdf"


# --- properties ---------------------------------------------------------------------------------------------

_LETTERS = st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs", "M"])
TEXT = st.text(_LETTERS, min_size=1, max_size=30).map(lambda t: t.strip(" \t\r\n") or "x")
MAYBE = st.none() | TEXT
CODES = st.from_regex(r"[A-Z][0-9]{2}(\.[A-Z0-9]{1,3}){0,3}|000\.[0-9]{2}\.[0-9]{2}\.H[0-9]{2}", fullmatch=True).map(
    AgencyCode.parse
)
DAYS = st.none() | st.dates(min_value=date(1, 1, 2))
NUMBERS = st.none() | st.integers(0, 999_999_999)
MOMENTS = st.none() | st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)
ORGANIZATIONS = st.builds(Organization, CODES, MAYBE, MAYBE, MAYBE, MAYBE, MAYBE, MAYBE, MAYBE)
STAFF = st.builds(StaffInfo, TEXT, MAYBE, MAYBE, MAYBE)
RESPONSES = st.builds(ResponseFor, CODES, MAYBE, MAYBE, DAYS)
FLAGS = st.none() | st.booleans()


def several(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(strategy, max_size=3).map(tuple)


BUSINESSES = st.builds(
    Business,
    kind=st.sampled_from(MessageKind),
    reason=MAYBE,
    document_id=MAYBE,
    paper=st.booleans(),
    document_info=FLAGS,
    document_receiver=FLAGS,
    receivers=several(st.builds(Receiver, CODES, st.booleans())),
    replacements=several(st.builds(Replacement, TEXT, several(CODES))),
    staff=st.none() | STAFF,
)
ENVELOPES = st.builds(
    Envelope,
    sender=ORGANIZATIONS,
    recipients=st.lists(ORGANIZATIONS, min_size=1, max_size=3, unique_by=lambda o: o.code).map(tuple),
    number=st.builds(DocumentNumber, TEXT, TEXT),
    subject=TEXT,
    document_id=TEXT,
    issued_on=DAYS,
    issued_at=MAYBE,
    type=st.builds(DocumentType, NUMBERS, NUMBERS, MAYBE),
    content=MAYBE,
    signer=st.none() | st.builds(SignerInfo, TEXT, MAYBE, MAYBE),
    due_on=DAYS,
    other=st.builds(
        OtherInfo, st.sampled_from(Priority), MAYBE, MAYBE, NUMBERS, NUMBERS, MAYBE, FLAGS, MAYBE, several(TEXT)
    ),
    responses=several(RESPONSES),
    steering_type=NUMBERS,
    task_codes=several(TEXT),
    application_type=MAYBE,
    places=several(TEXT),
    business=BUSINESSES,
    traces=several(st.builds(TraceHeader, CODES.map(str), MOMENTS)),
    attachments=st.lists(
        st.builds(AttachmentInfo, CODES.map(str), TEXT, TEXT, MAYBE), max_size=3, unique_by=lambda i: i.content_id
    ).map(tuple),
)


@given(ENVELOPES, st.data())
def test_every_document_reads_back_as_it_was_written_and_is_valid(envelope: Envelope, data: st.DataObject) -> None:
    octets = [data.draw(st.binary(max_size=20)) for _ in envelope.attachments]
    root = write_document(envelope, octets)
    assert validate(root) == ()
    assert read_all(serialise(root)) == (envelope, octets)


@given(st.builds(StatusMessage, ORGANIZATIONS, CODES, TEXT, MAYBE, st.from_regex(r"[0-9]{2}", fullmatch=True).filter(
    str.isascii), MOMENTS, MAYBE, DAYS, st.none() | STAFF))  # fmt: skip
def test_every_status_reads_back_as_it_was_written_and_is_valid(message: StatusMessage) -> None:
    root = write_status(message)
    assert validate(root) == ()
    assert read_message(parse_xml(serialise(root), LIMITS).root).message == message


def test_line_ends_inside_a_text_survive() -> None:
    envelope = sample_envelope(subject="một\nhai\r\nba\rbốn")
    assert read_all(sample_package(envelope))[0].subject == envelope.subject


def test_an_envelope_with_only_what_is_required_is_valid() -> None:
    bare = replace(
        Envelope(Organization(AgencyCode("H99")), (Organization(AgencyCode("H98")),), DocumentNumber("1", "A"), "x"),
        issued_on=date(2025, 1, 1),
    )
    root = write_document(bare, [])
    assert validate(root) == ()
    assert read_all(serialise(root)) == (bare, [])
