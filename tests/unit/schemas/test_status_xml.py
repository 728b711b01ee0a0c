"""Reading status messages: the recorded one, all nine codes, unknown ones, and what is refused."""

from datetime import UTC, date, datetime

import pytest

from schemas.codes import AgencyCode
from schemas.edxml import read_message
from schemas.envelope import StaffInfo, StatusMessage
from schemas.errors import SchemaError
from schemas.limits import XmlLimits
from schemas.status import BY_WIRE, FIVE, Status
from schemas.xml import parse_xml
from tests.samples import DOCUMENT_ID, STATUS, sample, sample_status, sample_status_message


def read(raw: bytes) -> tuple[StatusMessage, tuple[str, ...]]:
    reading = read_message(parse_xml(raw, XmlLimits()).root)
    assert isinstance(reading.message, StatusMessage)
    return reading.message, reading.notes


def codes(raw: bytes) -> list[tuple[str, str]]:
    with pytest.raises(SchemaError) as caught:
        read(raw)
    return [(v.code, v.path) for v in caught.value.violations]


def test_the_sample_of_the_java_library_is_read_in_full_without_a_note() -> None:
    message, notes = read(sample(STATUS))
    assert notes == ()
    assert message.reporter.code == AgencyCode("000.00.01.H31")
    assert message.addressee == AgencyCode("000.00.00.H31")
    assert (message.document_id, message.code) == ("000.00.00.H31,2025/01/02,12/UBND-VP", "12/UBND-VP")
    assert (message.wire_code, message.description) == ("03", "Đã tiếp nhận")
    assert message.promulgated_on == date(2026, 11, 22)
    assert message.staff == StaffInfo("VP", "B", "b@x", "09")
    assert message.at == datetime(2026, 11, 22, 5, 30, 18, tzinfo=UTC)


WIRE = [
    ("01", Status.ARRIVED),
    ("02", Status.REJECTED),
    ("03", Status.ACCEPTED),
    ("04", Status.ASSIGNED),
    ("05", Status.PROCESSING),
    ("06", Status.COMPLETED),
    ("13", Status.RECALL_REQUESTED),
    ("15", Status.CHANGE_AGREED),
    ("16", Status.CHANGE_REFUSED),
]


@pytest.mark.parametrize(("wire", "status"), WIRE)
def test_each_of_the_nine_codes_is_read(wire: str, status: Status) -> None:
    message, _ = read(sample_status(wire_code=wire))
    assert BY_WIRE[message.wire_code] is status


def test_the_five_are_01_03_04_05_06() -> None:
    assert [status.wire for status in FIVE] == ["01", "03", "04", "05", "06"]


@pytest.mark.parametrize(
    ("sent", "read_as"), [("1", "01"), ("01", "01"), (" 6 ", "06"), ("07", "07"), ("99", "99"), ("999", "999")]
)
def test_one_digit_equals_two_and_unknown_codes_are_kept(sent: str, read_as: str) -> None:
    message, _ = read(sample_status().replace(b"StatusCode>03<", b"StatusCode>" + sent.encode() + b"<"))
    assert message.wire_code == read_as


@pytest.mark.parametrize("sent", ["1000", "x", "-1", "1.0", "0x1", "１"])
def test_what_is_no_number_is_no_status_code(sent: str) -> None:
    raw = sample_status().replace(b"StatusCode>03<", b"StatusCode>" + sent.encode() + b"<")
    assert codes(raw) == [("status-code", "MessageHeader/StatusCode")]


def test_a_status_needs_its_addressee_and_its_document() -> None:
    assert codes(sample_status(document_id=None, code=None)) == [("missing", "MessageHeader/ResponseFor/DocumentId")]
    without = sample_status().replace(b"<edXML:OrganId>000.00.01.H99</edXML:OrganId>", b"")
    assert codes(without) == [("missing", "MessageHeader/ResponseFor/OrganId")]
    assert codes(sample_status().replace(b"ResponseFor>", b"Response>")) == [("missing", "MessageHeader/ResponseFor")]
    assert codes(sample_status().replace(b"From>", b"Sender>")) == [("missing", "MessageHeader/From")]


def test_two_documents_in_one_status_are_refused() -> None:
    twice = sample_status().replace(
        b"<edXML:StatusCode>", b"<edXML:ResponseFor><edXML:Code>1</edXML:Code></edXML:ResponseFor><edXML:StatusCode>"
    )
    assert codes(twice) == [("repeated", "MessageHeader/ResponseFor")]


def test_a_code_in_two_parts_is_joined() -> None:
    parts = b"<edXML:CodeNumber>12</edXML:CodeNumber><edXML:CodeNotation>UBND-VP</edXML:CodeNotation>"
    message, _ = read(sample_status().replace(b"Code>12/UBND-VP<", b"Code>" + parts + b"<"))
    assert message.code == "12/UBND-VP"


def test_a_status_without_a_time_is_noted() -> None:
    message, notes = read(sample_status(at=None))
    assert message.at is None
    assert [note.split()[0] for note in notes] == ["no-time"]


def test_a_status_by_number_alone_is_read() -> None:
    message, _ = read(sample_status(document_id=None))
    assert (message.document_id, message.code) == (None, "12/UBND-VP")
    message, _ = read(sample_status(code=None))
    assert (message.document_id, message.code) == (DOCUMENT_ID, None)


def test_a_written_status_reads_back_the_same() -> None:
    staff = StaffInfo("Văn phòng", "Nguyễn Văn A", None, "0900000000")
    message = sample_status_message(staff=staff, wire_code="02", description="Sai thể thức <số> & ký hiệu")
    read_back, notes = read(sample_status(staff=staff, wire_code="02", description=message.description))
    assert (read_back, notes) == (message, ())
