"""One more hop on a copy, nothing else touched."""

import base64
from datetime import UTC, datetime

import pytest
from lxml import etree

from schemas.codes import AgencyCode
from schemas.content import Content
from schemas.edxml import read_trace
from schemas.errors import SchemaError
from schemas.limits import XmlLimits
from schemas.names import local
from schemas.trace import restore
from schemas.write import with_trace
from schemas.xml import parse_xml
from tests.samples import DOCUMENT, sample, sample_package, sample_status

ORGAN = AgencyCode("001.00.20.TT2")
AT = datetime(2025, 1, 15, 3, 0, tzinfo=UTC)


def root_of(raw: bytes) -> etree._Element:
    return parse_xml(raw, XmlLimits()).root


@pytest.mark.parametrize("raw", [sample(DOCUMENT), sample_package()], ids=["sample", "ours"])
def test_a_copy_has_exactly_one_more_hop_and_is_otherwise_the_same(raw: bytes) -> None:
    root = root_of(with_trace(raw, ORGAN, AT))
    hops = read_trace(root)
    assert hops[:-1] == read_trace(root_of(raw))
    assert (hops[-1].organ, hops[-1].at) == ("001.00.20.TT2", AT)
    added = [e for e in root.iter() if local(e) == "TraceHeader"][-1]
    parent, before = added.getparent(), added.getprevious()
    assert parent is not None
    assert before is not None
    before.tail = added.tail
    parent.remove(added)
    assert etree.tostring(root, method="c14n") == etree.tostring(root_of(raw), method="c14n")


def test_twice_is_two_hops() -> None:
    raw = with_trace(with_trace(sample_package(), ORGAN, AT), AgencyCode("H99"), AT)
    assert [hop.organ for hop in read_trace(root_of(raw))] == ["001.00.20.TT2", "H99"]


def test_a_large_attachment_comes_back_whole() -> None:
    octets = bytes(range(256)) * 4000
    raw = with_trace(sample_package(attachments=[octets]), ORGAN, AT)
    assert base64.b64encode(octets) in raw
    assert b"axis-cut" not in raw


def test_eleven_cuts_are_told_apart() -> None:
    texts = {f"axis-cut-x-{n}": b"%d" % n * 3 for n in range(12)}
    cuts = {name: Content(text, 0, len(text), len(text), None) for name, text in texts.items()}
    octets = b"<" + b"><".join(placeholder.encode() for placeholder in cuts) + b">"
    assert restore(octets, cuts) == b"<" + b"><".join(texts.values()) + b">"


def test_a_package_without_a_list_gets_one_before_its_signature() -> None:
    raw = sample(DOCUMENT)
    start, end = raw.index(b"<edXML:TraceHeaderList>"), raw.index(b"</edXML:TraceHeaderList>")
    root = root_of(with_trace(raw[:start] + raw[end + len(b"</edXML:TraceHeaderList>") :], ORGAN, AT))
    header = next(e for e in root.iter() if local(e) == "edXMLHeader")
    assert [local(e) for e in header] == ["MessageHeader", "TraceHeaderList", "Signature"]
    assert [hop.organ for hop in read_trace(root)] == ["001.00.20.TT2"]


def test_a_status_has_no_trace_and_stays_as_it_is() -> None:
    assert with_trace(sample_status(), ORGAN, AT) == sample_status()


def test_two_lists_are_refused() -> None:
    raw = sample_package().replace(b"<edXML:TraceHeaderList>", b"<edXML:TraceHeaderList/><edXML:TraceHeaderList>")
    with pytest.raises(SchemaError):
        with_trace(raw, ORGAN, AT)
