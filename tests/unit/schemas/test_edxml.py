"""Reading documents: the recorded sample, the variants of the field, and what is refused (X28-X40)."""

import re
from dataclasses import replace
from datetime import date, datetime

import pytest
from lxml import etree

from schemas.codes import AgencyCode
from schemas.dates import VIETNAM
from schemas.edxml import Reading, effective_document_id, read_message, read_trace
from schemas.envelope import (
    AttachmentInfo,
    Business,
    DocumentNumber,
    Envelope,
    MessageKind,
    Priority,
    Receiver,
    Replacement,
    ResponseFor,
    StaffInfo,
    TraceHeader,
)
from schemas.errors import SchemaError
from schemas.limits import XmlLimits
from schemas.xml import parse_xml
from tests.samples import DOCUMENT, STATUS, sample, sample_envelope, sample_package

NS = "http://www.mic.gov.vn/TBT/QCVN_102_2016"

MINIMAL = f"""<edXML xmlns="{NS}"><edXML:edXMLEnvelope xmlns:edXML="{NS}"><edXML:edXMLHeader>
<edXML:MessageHeader>
<edXML:From><edXML:OrganId>000.00.01.H99</edXML:OrganId></edXML:From>
<edXML:To><edXML:OrganId>000.20.31.H99</edXML:OrganId></edXML:To>
<edXML:DocumentId>000.00.01.H99,2025/01/15,12/UBND-VP</edXML:DocumentId>
<edXML:Code><edXML:CodeNumber>12</edXML:CodeNumber><edXML:CodeNotation>UBND-VP</edXML:CodeNotation></edXML:Code>
<edXML:PromulgationInfo><edXML:PromulgationDate>2025/01/15</edXML:PromulgationDate></edXML:PromulgationInfo>
<edXML:Subject>V/v</edXML:Subject>
<edXML:OtherInfo><edXML:Priority>0</edXML:Priority></edXML:OtherInfo>
</edXML:MessageHeader>
<edXML:TraceHeaderList><edXML:Bussiness><edXML:BussinessDocType>0</edXML:BussinessDocType></edXML:Bussiness></edXML:TraceHeaderList>
</edXML:edXMLHeader></edXML:edXMLEnvelope></edXML>"""


def read(package: str | bytes) -> Reading:
    raw = package.encode() if isinstance(package, str) else package
    return read_message(parse_xml(raw, XmlLimits()).root)


def document(package: str | bytes) -> Envelope:
    message = read(package).message
    assert isinstance(message, Envelope)
    return message


def edit(old: str, new: str) -> str:
    """MINIMAL with one place changed; `edXML:` is added to the tags."""
    old, new = (re.sub(r"<(/?)([A-Z])", r"<\1edXML:\2", text) for text in (old, new))
    assert MINIMAL.count(old) == 1
    return MINIMAL.replace(old, new)


def codes(package: str) -> list[tuple[str, str]]:
    with pytest.raises(SchemaError) as caught:
        read(package)
    assert not caught.value.malformed
    return [(v.code, v.path) for v in caught.value.violations]


def test_the_sample_of_the_java_library_is_read_in_full_without_a_note() -> None:
    reading = read(sample(DOCUMENT))
    envelope = reading.message
    assert isinstance(envelope, Envelope)
    assert reading.notes == ()
    assert envelope.sender.code == AgencyCode("000.00.00.H31")
    assert [str(to.code) for to in envelope.recipients] == ["000.00.01.H31", "000.00.02.H31"]
    assert envelope.recipients[1].name == "Sở Y"
    assert envelope.number == DocumentNumber("12", "UBND-VP")
    assert (envelope.issued_at, envelope.issued_on) == ("Hải Phòng", date(2026, 11, 22))
    assert envelope.other.priority is Priority.VERY_URGENT
    assert envelope.other.direction is False
    assert envelope.responses == (
        ResponseFor(AgencyCode("000.00.01.H31"), "5/SX", "000.00.01.H31,2025/01/01,5/SX", date(2026, 11, 22)),
    )
    assert envelope.places == ("Như trên", "Lưu: VT")
    assert envelope.business == Business(
        kind=MessageKind.REPLACE,
        reason="Thay thế",
        document_id="000.00.00.H31,2025/01/01,11/UBND-VP",
        document_info=True,
        document_receiver=True,
        receivers=(Receiver(AgencyCode("000.00.03.H31"), added=True),),
        replacements=(Replacement("000.00.00.H31,2025/01/01,10/UBND-VP", (AgencyCode("000.00.01.H31"),)),),
        staff=StaffInfo("VP", "B", "b@x", "09"),
    )
    assert envelope.traces == (TraceHeader("000.00.00.H31", datetime(2026, 11, 22, 12, 30, 18, tzinfo=VIETNAM)),)
    assert envelope.attachments == (
        AttachmentInfo("1", "a.pdf", "application/zip", "mota"),
        AttachmentInfo("2", "b.xlsx", "application/zip", "mota2"),
    )


def unprefixed(package: str) -> str:
    return package.replace("edXML:", "").replace("xmlns:edXML", "xmlns")


VARIANTS = {
    "root edXMLEnvelope": re.sub(r"^<edXML .*?>|</edXML>$", "", MINIMAL),
    "root EdXMLEnvelope": re.sub(r"^<edXML .*?>|</edXML>$", "", MINIMAL).replace(":edXMLEnvelope", ":EdXMLEnvelope"),
    "root EdXML": MINIMAL.replace("<edXML xmlns", "<EdXML xmlns").replace("</edXML>", "</EdXML>"),
    "root EdXML without envelope": re.sub(
        r"<edXML:edXMLEnvelope.*?>|</edXML:edXMLEnvelope>",
        "",
        MINIMAL.replace("<edXML xmlns", f'<EdXML xmlns:edXML="{NS}" xmlns').replace("</edXML>", "</EdXML>"),
    ),
    "no prefixes": unprefixed(MINIMAL),
    "another prefix": MINIMAL.replace("edXML:", "q:").replace("xmlns:edXML", "xmlns:q"),
    "a BOM": "\ufeff" + MINIMAL,
    "CRLF": MINIMAL.replace("\n", "\r\n"),
    "comments between elements": MINIMAL.replace("<edXML:To>", "<!-- to --><edXML:To>"),
    "CDATA": edit("<Subject>V/v</Subject>", "<Subject><![CDATA[V/v]]></Subject>"),
    "CDATA inside an identifier": edit("000.20.31.H99", "000.<![CDATA[20.31]]>.H99"),
    "order reversed": MINIMAL.replace("<edXML:Subject>V/v</edXML:Subject>", "").replace(
        "<edXML:From>", "<edXML:Subject>V/v</edXML:Subject><edXML:From>"
    ),
    "Business with one s": MINIMAL.replace("Bussiness", "Business"),
    "Priority 5": edit("<Priority>0<", "<Priority>5<"),
    "Priority empty": edit("<Priority>0</Priority>", "<Priority/>"),
    "no OtherInfo": edit("<OtherInfo><Priority>0</Priority></OtherInfo>", ""),
    "empty elements": edit(
        "<Subject>", "<DueDate/><ResponseFor><OrganId/></ResponseFor><ToPlaces></ToPlaces><Subject>"
    ),
    "date by day": edit("<PromulgationDate>2025/01/15", "<PromulgationDate>15/01/2025"),
    "date in ISO 8601": edit("<PromulgationDate>2025/01/15", "<PromulgationDate>2025-01-15"),
    "date with a time and zone": edit("<PromulgationDate>2025/01/15", "<PromulgationDate>2025-01-14T18:00:00Z"),
    "kind 00": edit("<BussinessDocType>0", "<BussinessDocType>00"),
    "X35 schema location": MINIMAL.replace(
        "<edXML ",
        '<edXML xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:schemaLocation="urn:x http://127.0.0.1:1/x.xsd" ',
    ),
    "empty .NET signature": edit("</TraceHeaderList>", "</TraceHeaderList><DigitalSignature/>"),
}


@pytest.mark.parametrize("package", VARIANTS.values(), ids=VARIANTS)
def test_a_variant_of_the_field_says_the_same(package: str) -> None:
    assert document(package) == document(MINIMAL)


NOTED = {
    "no Bussiness": (re.sub(r"<edXML:Bussiness>.*</edXML:Bussiness>", "", MINIMAL), "no-business"),
    "no TraceHeaderList": (re.sub(r"<edXML:TraceHeaderList>.*</edXML:TraceHeaderList>", "", MINIMAL), "no-business"),
    "no namespace": (re.sub(r' xmlns(:edXML)?="[^"]*"', "", MINIMAL).replace("edXML:", ""), "no-namespace"),
    "white space in an identifier": (edit("000.20.31.H99", "\n 000.20.31.H99\t"), "white-space"),
    "unknown Priority": (edit("<Priority>0<", "<Priority>9<"), "priority"),
    "Priority in words": (edit("<Priority>0<", "<Priority>khẩn<"), "number"),
    "unknown element": (
        edit("<Subject>", "<receivedTime>1</receivedTime><Subject>")
        .replace("<receivedTime", "<edXML:receivedTime")
        .replace("</receivedTime", "</edXML:receivedTime"),
        "unknown-element",
    ),
    "31 February": (edit("<Subject>", "<DueDate>2025/02/31</DueDate><Subject>"), "date"),
    "year 0": (edit("<Subject>", "<DueDate>0000/01/01</DueDate><Subject>"), "date"),
    "year 99999": (edit("<Subject>", "<DueDate>99999/01/01</DueDate><Subject>"), "date"),
    "not a date": (edit("<Subject>", "<DueDate>N/A</DueDate><Subject>"), "date"),
    "1e9999": (edit("<Subject>", "<SteeringType>1e9999</SteeringType><Subject>"), "number"),
    "negative": (edit("<Subject>", "<SteeringType>-1</SteeringType><Subject>"), "number"),
    "hop without an agency": (
        edit(
            "</TraceHeaderList>",
            "<TraceHeader><Timestamp>2025/10/20 10:48:03</Timestamp></TraceHeader></TraceHeaderList>",
        ),
        "trace",
    ),
    "hop of null": (
        edit("</TraceHeaderList>", "<TraceHeader><OrganId>null</OrganId></TraceHeader></TraceHeaderList>"),
        "trace",
    ),
}


@pytest.mark.parametrize(("package", "note"), NOTED.values(), ids=NOTED)
def test_what_is_odd_is_tolerated_and_noted(package: str, note: str) -> None:
    reading = read(package)
    assert [text.split()[0].rstrip(":") for text in reading.notes] == [note]
    message = reading.message
    assert isinstance(message, Envelope)
    assert replace(message, traces=()) == document(MINIMAL)


REFUSED = {
    "To without an agency": (
        edit("<OrganId>000.20.31.H99</OrganId>", "<OrganName>a</OrganName>"),
        [("missing", "MessageHeader/To/OrganId")],
    ),
    "a recipient twice": (
        edit("<DocumentId>", "<To><OrganId>000.20.31.H99</OrganId></To><DocumentId>"),
        [("repeated", "MessageHeader/To")],
    ),
    "no Subject": (edit("<Subject>V/v</Subject>", "<Subject> </Subject>"), [("missing", "MessageHeader/Subject")]),
    "no CodeNumber": (edit("<CodeNumber>12</CodeNumber>", ""), [("missing", "MessageHeader/Code/CodeNumber")]),
    "null as recipient": (edit("000.20.31.H99", "null"), [("missing", "MessageHeader/To/OrganId")]),
    "unknown kind": (
        edit("<BussinessDocType>0", "<BussinessDocType>7"),
        [("kind", "TraceHeaderList/Bussiness/BussinessDocType")],
    ),
    "an element inside a value": (
        edit("V/v", "V<b/>/v"),
        [("mixed", "MessageHeader/Subject"), ("missing", "MessageHeader/Subject")],
    ),
    "text between elements": (edit("<DocumentId>", "text<DocumentId>"), [("mixed", "MessageHeader")]),
    "no id and no date": (
        edit("<DocumentId>000.00.01.H99,2025/01/15,12/UBND-VP</DocumentId>", "").replace("2025/01/15", "N/A"),
        [("missing", "MessageHeader/DocumentId")],
    ),
    "no header": (f'<edXML xmlns="{NS}"><edXMLEnvelope/></edXML>', [("missing", "edXMLHeader")]),
    "no envelope": (f'<edXML xmlns="{NS}"/>', [("missing", "edXMLEnvelope")]),
    "two envelopes": (
        MINIMAL.replace("</edXML>", f'<edXMLEnvelope xmlns="{NS}"/></edXML>'),
        [("repeated", "edXMLEnvelope")],
    ),
    "status and trace": (
        edit(
            "<Subject>",
            "<StatusCode>01</StatusCode><ResponseFor><OrganId>H1</OrganId><Code>1</Code></ResponseFor><Subject>",
        ),
        [("ambiguous", "MessageHeader/StatusCode")],
    ),
}


@pytest.mark.parametrize(("package", "expected"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_trusted_to_mean_one_thing_is_refused(package: str, expected: list[tuple[str, str]]) -> None:
    assert codes(package) == expected


def test_all_faults_are_told_at_once() -> None:
    package = (
        edit("<Subject>V/v</Subject>", "")
        .replace("000.20.31.H99", "?")
        .replace("<edXML:CodeNumber>12<", "<edXML:CodeNumber><")
    )
    assert set(codes(package)) == {
        ("agency-code", "MessageHeader/To/OrganId"),
        ("missing", "MessageHeader/Subject"),
        ("missing", "MessageHeader/Code/CodeNumber"),
    }


SOAP = '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">'
FOREIGN = {
    "flat eDoc": ('<EdXMLEnvelope xmlns="http://www.go.vn/eDoc"><MessageHeader/></EdXMLEnvelope>', "flat eDoc"),
    "e-doc.vn in SOAP": (
        f'{SOAP}<s:Body><SendDocument xmlns="http://www.e-doc.vn/Schema/"/></s:Body></s:Envelope>',
        "e-doc.vn",
    ),
    "malware report in SOAP": (
        f'{SOAP}<s:Header><e:H xmlns:e="http://edxml.gov.vn/schema"/></s:Header></s:Envelope>',
        "edxml.gov.vn",
    ),
    "SOAP": ('<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"/>', "SOAP 1.2"),
    "a web page": ('<html xmlns="http://www.w3.org/1999/xhtml"><body/></html>', "web page"),
    "anything": ("<a/>", "root element"),
}


@pytest.mark.parametrize(("package", "words"), FOREIGN.values(), ids=FOREIGN)
def test_another_format_is_named_in_the_refusal(package: str, words: str) -> None:
    with pytest.raises(SchemaError, match=words) as caught:
        read(package)
    assert caught.value.violations[0].code == "not-edxml"


def test_a_prefix_out_of_scope_gets_a_clear_answer() -> None:
    """An official sample closes the element that declares the prefix and goes on using it."""
    with pytest.raises(SchemaError, match="prefix is not bound") as caught:
        read(MINIMAL.replace("</edXML>", "<edXML:AttachmentEncoded/></edXML>"))
    assert caught.value.malformed


def test_nothing_that_was_sent_is_quoted() -> None:
    for package, _ in REFUSED.values():
        with pytest.raises(SchemaError) as caught:
            read(package)
        assert "UBND-VP" not in str(caught.value)
        assert "000.2" not in str(caught.value)


@pytest.mark.parametrize("wire", ["1", "2", "3", "4"])
def test_the_four_urgent_priorities_are_read(wire: str) -> None:
    assert document(edit("<Priority>0<", f"<Priority>{wire}<")).other.priority == int(wire)


def test_a_status_is_told_from_a_document() -> None:
    assert not isinstance(read(sample(STATUS)).message, Envelope)


def test_an_xlink_names_an_attachment_that_has_no_content_id() -> None:
    body = (
        '<edXMLBody><edXMLManifest version="1.0"><Reference xmlns:xlink="http://www.w3.org/1999/xlink" '
        'xlink:href="cid:u1"><AttachmentName>a.pdf</AttachmentName></Reference></edXMLManifest></edXMLBody>'
    )
    package = unprefixed(MINIMAL).replace("</edXMLEnvelope>", body + "</edXMLEnvelope>")
    assert document(package).attachments == (AttachmentInfo("u1", "a.pdf"),)


def test_two_attachments_with_one_id_are_refused() -> None:
    infos = (AttachmentInfo("1", "a.pdf"), AttachmentInfo("1", "b.pdf"))
    assert codes(
        sample_package(attachments=[b"a", b"b"], envelope=replace(sample_envelope(), attachments=infos)).decode()
    ) == [("repeated", "edXMLManifest/Reference/ContentId")]


def test_the_customary_id_is_built_when_there_is_none() -> None:
    envelope = sample_envelope(document_id=None)
    assert effective_document_id(envelope) == "000.00.01.H99,2025/01/15,12/UBND-VP"
    assert effective_document_id(sample_envelope(document_id="u-1")) == "u-1"
    with pytest.raises(SchemaError):
        effective_document_id(sample_envelope(document_id=None, issued_on=None))


def test_a_value_that_a_comment_splits_is_read_whole() -> None:
    """Signed trees reach the reader from elsewhere too; `.text` would stop at the comment."""
    root = parse_xml(MINIMAL.encode(), XmlLimits()).root
    recipient = next(e for e in root.iter(f"{{{NS}}}OrganId") if e.text == "000.20.31.H99")
    recipient.text = "000.20"
    recipient.append(etree.Comment("x"))
    recipient[0].tail = ".31.H99"
    assert read_message(root).message == document(MINIMAL)


def test_the_trace_can_be_read_by_itself() -> None:
    root = parse_xml(sample(DOCUMENT), XmlLimits()).root
    assert [hop.organ for hop in read_trace(root)] == ["000.00.00.H31"]
    assert read_trace(parse_xml(sample(STATUS), XmlLimits()).root) == ()
