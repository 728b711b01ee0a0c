"""Whatever arrives, the room answers with a reading or one SchemaError: never with another exception."""

from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.attachment import check_names, decode, encoded_attachments, matched
from schemas.codes import AgencyCode
from schemas.digest import envelope_octets
from schemas.edxml import assemble, effective_document_id, read_message, read_trace, signatures, signed_parts
from schemas.envelope import Envelope
from schemas.errors import SchemaError
from schemas.limits import FieldLimits, XmlLimits, check_fields
from schemas.validate import validate
from schemas.write import serialise, with_trace, write_document, write_status
from schemas.xml import parse_xml
from tests.samples import DOCUMENT, STATUS, sample, sample_package, sample_status

LIMITS = XmlLimits(cut_above=16)
AT = datetime(2025, 1, 15, tzinfo=UTC)

MARKUP = [
    b"<",
    b">",
    b"/",
    b"edXML:",
    b"</edXML:To>",
    b"<edXML:To>",
    b"<!-- -->",
    b"<?p?>",
    b"<![CDATA[",
    b"]]>",
    b"&amp;",
    b"\0",
    b"\xff",
    b" xmlns=''",
    b" xmlns='x'",
    b" Id='a'",
    b"<Signature/>",
    b"<edXML:StatusCode>1</edXML:StatusCode>",
    b"\r",
    b"x",
    b"<edXML:edXMLBody>",
    b"</edXML:edXMLBody>",
    b"<AttachmentEncoded>",
    b"<Attachment>",
    b"999999999999",
]
PACKAGES = st.sampled_from([sample(DOCUMENT), sample(STATUS), sample_package(), sample_status()])
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 60), st.sampled_from(MARKUP) | st.binary(max_size=4)), max_size=3
)


def use(raw: bytes) -> None:
    parsed = parse_xml(raw, LIMITS)
    validate(parsed.root)
    signatures(parsed.root)
    envelope_octets(parsed.root)
    parts = signed_parts(parsed.root)
    read_trace(parsed.root)
    message = read_message(parsed.root).message
    assembled = read_message(assemble(parts.header, parts.business, parts.manifest)).message
    assert type(assembled) is type(message)
    if not isinstance(message, Envelope):
        serialise(write_status(message))
        return
    effective_document_id(message)
    check_fields(message, FieldLimits())
    check_names(info.name for info in message.attachments)
    octets = [decode(one) for _, one in matched(message, encoded_attachments(parsed))]
    written = serialise(write_document(message, octets))
    assert read_message(parse_xml(written, LIMITS).root).message == message
    with_trace(raw, AgencyCode("H99"), AT)


@settings(max_examples=400)
@given(PACKAGES, EDITS)
def test_an_edited_package_is_read_or_refused(raw: bytes, edits: list[tuple[float, int, bytes]]) -> None:
    for place, length, new in edits:
        at = int(place * len(raw))
        raw = raw[:at] + new + raw[at + length :]
    with suppress(SchemaError):
        use(raw)


@settings(max_examples=200)
@given(PACKAGES, st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), min_size=1, max_size=3))
def test_a_package_with_moved_elements_is_read_or_refused(raw: bytes, moves: list[tuple[int, int]]) -> None:
    """Well-formed every time: an element is copied to another place."""
    parsed = parse_xml(raw, LIMITS)
    for source, target in moves:
        elements = list(parsed.root.iter())
        piece, place = elements[source % len(elements)], elements[target % len(elements)]
        place.append(deepcopy(piece))
    with suppress(SchemaError):
        use(serialise(parsed.root))
