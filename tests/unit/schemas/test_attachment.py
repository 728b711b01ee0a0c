"""Attachments inside a package: found, matched, decoded."""

import base64
import io
import zipfile
from contextlib import suppress
from dataclasses import replace

import pybase64
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.attachment import (
    EncodedAttachment,
    content_type_of,
    decode,
    encoded_attachments,
    matched,
)
from schemas.edxml import read_message
from schemas.envelope import AttachmentInfo, Envelope
from schemas.errors import SchemaError
from schemas.limits import XmlLimits
from schemas.xml import parse_xml
from tests.samples import DOCUMENT, sample, sample_envelope, sample_package


def zipped(entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name, (2025, 1, 15, 0, 0, 0)), content, method)
    return buffer.getvalue()


def encoded(content_id: str = "", name: str = "", text: bytes = b"") -> EncodedAttachment:
    return EncodedAttachment(content_id, name, None, None, text)


def code_of(error: pytest.ExceptionInfo[SchemaError]) -> str:
    return error.value.violations[0].code


PDF = b"%PDF-1.7\n..."
PNG = b"\x89PNG\r\n\x1a\n..."
UUID = "245ecd20-aec9-4f72-9327-306b0084d9ff"
XLSX = zipped({"[Content_Types].xml": b"<Types/>", "xl/workbook.xml": b"<workbook/>"})
DOCX = zipped({"[Content_Types].xml": b"<Types/>", "word/document.xml": b"<document/>"})
REAL_ZIP = zipped({"a.txt": b"one entry"})
SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

MATRIX = [  # what travels, its name, its type: domain checks §10.6; the Java library zips what it does not know
    ("pdf raw", PDF, "a.pdf", "application/pdf"),
    ("xlsx zipped", zipped({f"{UUID}.xlsx": XLSX}), "b.xlsx", "application/zip"),
    ("xlsx raw", XLSX, "b.xlsx", SHEET),
    ("png zipped", zipped({f"{UUID}.png": PNG}), "c.png", "application/zip"),
    ("zip real", REAL_ZIP, "d.zip", "application/zip"),
    ("docx raw", DOCX, "e.docx", WORD),
]


@pytest.mark.parametrize("prefixed", [True, False], ids=["prefixed", "unprefixed"])
@pytest.mark.parametrize("cid", ["cid:", ""], ids=["cid", "bare"])
@pytest.mark.parametrize("cut_above", [65_536, 4], ids=["in the tree", "cut"])
@pytest.mark.parametrize(("octets", "name", "kind"), [m[1:] for m in MATRIX], ids=[m[0] for m in MATRIX])
def test_the_matrix_of_attachments(
    octets: bytes, name: str, kind: str, cut_above: int, cid: str, prefixed: bool
) -> None:
    raw = sample_package(attachments=[octets], envelope=replace(
        sample_envelope(), attachments=(AttachmentInfo("x1", name, "application/zip"),)))  # fmt: skip
    raw = raw.replace(b"<ContentId>cid:", b"<ContentId>" + cid.encode())
    if not prefixed:
        raw = raw.replace(b"edXML:ContentTransferEncoded xmlns:edXML=", b"ContentTransferEncoded xmlns=")
        raw = raw.replace(b"</edXML:ContentTransferEncoded>", b"</ContentTransferEncoded>")
    parsed = parse_xml(raw, XmlLimits(cut_above=cut_above))
    assert bool(parsed.cuts) is (cut_above == 4)
    envelope = read_message(parsed.root).message
    assert isinstance(envelope, Envelope)
    ((info, found),) = matched(envelope, encoded_attachments(parsed))
    assert decode(found) == octets
    assert content_type_of(octets, info.name) == kind


def test_the_sample_s_attachments_are_matched() -> None:
    parsed = parse_xml(sample(DOCUMENT), XmlLimits())
    envelope = read_message(parsed.root).message
    assert isinstance(envelope, Envelope)
    pairs = matched(envelope, encoded_attachments(parsed))
    assert [(i.content_id, e.name, e.content_type) for i, e in pairs] == [
        ("1", "a.pdf", "application/pdf"),
        ("2", "b.xlsx", "application/zip"),
    ]
    assert decode(pairs[0][1]) == b"%PDF-1.4"


# --- found --------------------------------------------------------------------------------------------------


def test_two_attachment_blocks_are_refused() -> None:
    raw = sample_package().replace(b"</edXML>", b"<AttachmentEncoded/></edXML>")
    with pytest.raises(SchemaError) as caught:
        encoded_attachments(parse_xml(raw, XmlLimits()))
    assert code_of(caught) == "repeated"


def test_two_contents_in_one_attachment_are_refused() -> None:
    raw = sample_package().replace(
        b"</Attachment>", b"<ContentTransferEncoded>QUJD</ContentTransferEncoded></Attachment>"
    )
    for cut_above in (1, 65_536):
        with pytest.raises(SchemaError) as caught:
            encoded_attachments(parse_xml(raw, XmlLimits(cut_above=cut_above)))
        assert code_of(caught) == "repeated"


def test_large_base64_outside_an_attachment_is_refused() -> None:
    stray = b"<ContentTransferEncoded>QUJDQUJD</ContentTransferEncoded>"
    raw = sample_package().replace(b"</edXML:MessageHeader>", stray + b"</edXML:MessageHeader>")
    with pytest.raises(SchemaError) as caught:
        encoded_attachments(parse_xml(raw, XmlLimits(cut_above=4)))
    assert code_of(caught) == "attachment-mismatch"


def test_blocks_without_attachments_are_refused_for_the_same() -> None:
    bare = sample_package(envelope=sample_envelope(attachments=()), attachments=[])
    stray = b"<ContentTransferEncoded>QUJDQUJD</ContentTransferEncoded>"
    for before, code in ((b"<AttachmentEncoded/></edXML>", "repeated"), (stray + b"</edXML>", "attachment-mismatch")):
        with pytest.raises(SchemaError) as caught:
            encoded_attachments(parse_xml(bare.replace(b"</edXML>", before), XmlLimits(cut_above=4)))
        assert code_of(caught) == code


def test_a_package_without_attachments_has_none() -> None:
    raw = sample_package(envelope=sample_envelope(attachments=()), attachments=[])
    assert encoded_attachments(parse_xml(raw, XmlLimits())) == ()


def test_an_empty_content_is_an_empty_attachment() -> None:
    parsed = parse_xml(sample_package(attachments=[b""]), XmlLimits())
    assert [decode(e) for e in encoded_attachments(parsed)] == [b""]


# --- decoded ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        b"QQ",
        b"QQ=",
        b"Q===",
        b"QQ==QQ==",
        b"QQ==x",
        b"QUJD!",
        b"QU-_",
        "QUJDé".encode(),
        b"=",
        b"QR==",
        b"QUJ=",
        b"Q\x0bUJD",
        b"!QUJDQUJD",
        b"QUJD=QUJDQUJD",
        b"axis-cut-0",
    ],
)
def test_what_is_not_exact_base64_is_refused(text: bytes) -> None:
    with pytest.raises(SchemaError) as caught:
        decode(encoded(text=text))
    assert code_of(caught) == "attachment-base64"
    assert not caught.value.malformed


@given(st.binary(max_size=400), st.integers(1, 80), st.sampled_from([b"\n", b"\r\n", b" ", b"\t\n "]))
def test_white_space_is_layout(octets: bytes, width: int, space: bytes) -> None:
    text = base64.b64encode(octets)
    lines = space + space.join(text[i : i + width] for i in range(0, len(text), width)) + space
    assert decode(encoded(text=lines)) == decode(encoded(text=text)) == octets


@given(st.binary(min_size=1, max_size=60), st.data())
def test_no_two_texts_decode_to_the_same_octets(octets: bytes, data: st.DataObject) -> None:
    text = bytearray(pybase64.b64encode(octets))
    text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(33, 126))
    with suppress(SchemaError):
        assert (decode(encoded(text=bytes(text))) == octets) is (bytes(text) == base64.b64encode(octets))


# --- matched ------------------------------------------------------------------------------------------------


def infos(*pairs: tuple[str, str]) -> Envelope:
    return sample_envelope(attachments=tuple(AttachmentInfo(i, n) for i, n in pairs))


MATCHED = [
    ("by id", [("1", "a"), ("2", "b")], [("2", ""), ("1", "a")], [1, 0]),
    ("by name, ids differ", [("1", "a"), ("2", "b")], [("u", "b"), ("v", "a")], [1, 0]),
    ("by name, no ids carried", [("1", "a"), ("2", "b")], [("", "b"), ("", "a")], [1, 0]),
    ("by name in another Unicode form", [("1", "mẫu.pdf")], [("", "ma\u0302\u0303u.pdf")], [0]),
    ("by position, nothing carried", [("1", "a"), ("2", "b")], [("", ""), ("", "")], [0, 1]),
    ("by position among same names", [("", "a"), ("", "a")], [("", "a"), ("", "a")], [0, 1]),
    ("the rest by position", [("1", "a"), ("2", "b"), ("3", "c")], [("", ""), ("2", ""), ("", "")], [0, 1, 2]),
    ("none", [], [], []),
]


@pytest.mark.parametrize(("listed", "carried", "order"), [m[1:] for m in MATCHED], ids=[m[0] for m in MATCHED])
def test_the_manifest_and_what_is_carried_are_paired(
    listed: list[tuple[str, str]], carried: list[tuple[str, str]], order: list[int]
) -> None:
    others = tuple(encoded(i, n, str(k).encode()) for k, (i, n) in enumerate(carried))
    envelope = infos(*listed)
    assert matched(envelope, others) == tuple(zip(envelope.attachments, [others[k] for k in order], strict=True))


@pytest.mark.parametrize(
    ("listed", "carried"),
    [
        ([("1", "a")], []),
        ([], [("1", "a")]),
        ([("1", "a"), ("2", "b")], [("1", "a")]),
        ([("1", "a"), ("1", "b")], [("1", "a"), ("2", "b")]),
        ([("1", "a"), ("2", "b")], [("1", "a"), ("1", "b")]),
        ([("1", "a")], [("2", "b")]),
        ([("1", "a")], [("2", "")]),
        ([("1", "a")], [("", "b")]),
        ([("1", "a")], [("1", "b")]),
        ([("1", "a"), ("2", "b")], [("1", "b"), ("2", "a")]),
    ],
)
def test_what_has_no_other_half_is_a_mismatch(listed: list[tuple[str, str]], carried: list[tuple[str, str]]) -> None:
    with pytest.raises(SchemaError) as caught:
        matched(infos(*listed), tuple(encoded(i, n) for i, n in carried))
    assert code_of(caught) == "attachment-mismatch"


def test_the_only_name_of_an_attachment_is_where_it_stands() -> None:
    (info,) = infos(("1", "1")).attachments
    envelope = sample_envelope(attachments=(replace(info, named=False),))
    ((_, found),) = matched(envelope, (encoded("1", "b.pdf"),))
    assert found.name == "b.pdf"
    with pytest.raises(SchemaError) as caught:
        matched(envelope, (encoded("1", "../b.pdf"),))
    assert code_of(caught) == "attachment-name"


# --- what octets are --------------------------------------------------------------------------------------


TYPES = [
    (b"%PDF-1.4", "", "application/pdf"),
    (b"\xff\xd8\xff\xe0", "", "image/jpeg"),
    (b"GIF89a", "", "image/gif"),
    (b"II*\0", "", "image/tiff"),
    (b"Rar!\x1a\x07\x01\0", "", "application/vnd.rar"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.doc", "application/msword"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.XLS", "application/vnd.ms-excel"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a", "application/x-ole-storage"),
    (b'<?xml version="1.0"?>', "", "application/xml"),
    (b"", "a.pdf", "application/octet-stream"),
    (b"plain", "a.txt", "application/octet-stream"),
]


@pytest.mark.parametrize(("octets", "name", "kind"), TYPES)
def test_the_type_is_told_by_magic_bytes(octets: bytes, name: str, kind: str) -> None:
    assert content_type_of(octets, name) == kind
