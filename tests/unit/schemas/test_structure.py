"""What must be signed, where signatures stand, and packages put together from verified parts."""

import pytest
from lxml import etree

from schemas.edxml import assemble, read_message, signature_place, signatures, signed_parts
from schemas.envelope import Envelope
from schemas.errors import SchemaError
from schemas.limits import XmlLimits
from schemas.names import local
from schemas.xml import parse_xml
from tests.samples import DOCUMENT, STATUS, sample, sample_package

DS = "http://www.w3.org/2000/09/xmldsig#"


def root_of(raw: bytes) -> etree._Element:
    return parse_xml(raw, XmlLimits()).root


def insert(before: bytes, markup: bytes) -> etree._Element:
    raw = sample_package()
    assert raw.count(before) == 1
    return root_of(raw.replace(before, markup + before))


def test_the_parts_to_be_signed_are_elements_of_the_tree_itself() -> None:
    root = root_of(sample(DOCUMENT))
    parts = signed_parts(root)
    found = [e for e in root.iter() if local(e) in ("MessageHeader", "Bussiness", "edXMLManifest")]
    assert [parts.header, parts.business, parts.manifest] == found


def test_a_status_has_only_a_header_to_sign() -> None:
    parts = signed_parts(root_of(sample(STATUS)))
    assert parts.header is not None
    assert (parts.business, parts.manifest) == (None, None)


@pytest.mark.parametrize(
    ("before", "markup"),
    [
        (b"<edXML:TraceHeaderList>", b"<edXML:MessageHeader/>"),
        (b"</edXML:TraceHeaderList>", b"<edXML:Bussiness/>"),
        (b"</edXML:TraceHeaderList>", b"<edXML:Business/>"),
        (b"</edXML:edXMLHeader>", b"<edXML:TraceHeaderList/>"),
        (b"</edXML:edXMLBody>", b"<edXML:edXMLManifest/>"),
        (b"</edXML:edXMLEnvelope>", b"<edXML:edXMLBody/>"),
        (b"</edXML:edXMLEnvelope>", b"<edXML:edXMLHeader/>"),
    ],
)
def test_a_part_that_is_there_twice_is_refused(before: bytes, markup: bytes) -> None:
    """Otherwise one could be signed and the other read."""
    root = insert(before, markup)
    for function in (signed_parts, read_message):
        with pytest.raises(SchemaError) as caught:
            function(root)
        assert "repeated" in [v.code for v in caught.value.violations]


def test_every_signature_is_found_whatever_its_namespace_and_place() -> None:
    raw = sample_package()
    first = f'<ds:Signature xmlns:ds="{DS}"><ds:SignedInfo/></ds:Signature>'.encode()
    raw = raw.replace(b"</edXML:edXMLHeader>", first + b"</edXML:edXMLHeader>")
    raw = raw.replace(b"</edXML:edXMLBody>", b'<Signature a="1"/></edXML:edXMLBody>')
    raw = raw.replace(b"</edXML>", b'<x:DigitalSignature xmlns:x="urn:x">v</x:DigitalSignature></edXML>')
    assert [e.tag.rpartition("}")[2] for e in signatures(root_of(raw))] == [
        "Signature",
        "Signature",
        "DigitalSignature",
    ]
    assert len(signatures(root_of(sample(DOCUMENT)))) == 1
    assert signatures(root_of(sample(STATUS))) == ()


def test_a_signature_inside_an_object_is_that_signature_s_own_affair() -> None:
    markup = (
        f'<Signature xmlns="{DS}"><KeyInfo><Signature><b/></Signature></KeyInfo>'
        "<Object><Signature><b/></Signature></Object></Signature>"
    )
    root = insert(b"</edXML:edXMLHeader>", markup.encode())
    assert [local(e.getparent()) for e in signatures(root)] == ["edXMLHeader", "KeyInfo"]  # type: ignore[arg-type]


def test_an_empty_signature_element_is_no_signature() -> None:
    assert signatures(insert(b"</edXML:edXMLHeader>", b"<edXML:DigitalSignature> </edXML:DigitalSignature>")) == ()


def test_a_signature_becomes_the_last_child_of_the_header() -> None:
    place = signature_place(root_of(sample_package()))
    assert local(place) == "edXMLHeader"
    with pytest.raises(SchemaError):
        signature_place(root_of(sample_package().replace(b"edXMLHeader", b"edXMLHead")))


def test_a_package_assembled_from_its_parts_says_the_same_but_for_the_trace() -> None:
    root = root_of(sample(DOCUMENT))
    before = etree.tostring(root)
    whole = read_message(root).message
    parts = signed_parts(root)
    again = read_message(assemble(parts.header, parts.business, parts.manifest)).message
    assert isinstance(whole, Envelope)
    assert isinstance(again, Envelope)
    assert again.traces == ()
    assert {**_fields(whole), "traces": ()} == _fields(again)
    assert etree.tostring(root) == before


def _fields(envelope: Envelope) -> dict[str, object]:
    return {name: getattr(envelope, name) for name in Envelope.__slots__}


def test_parts_reparsed_from_canonical_octets_assemble_too() -> None:
    for name in (DOCUMENT, STATUS):
        root = root_of(sample(name))
        parts = signed_parts(root)
        header, business, manifest = (
            None if part is None else root_of(etree.tostring(part, method="c14n", exclusive=True, with_tail=False))
            for part in (parts.header, parts.business, parts.manifest)
        )
        assert header is not None
        read = read_message(assemble(header, business, manifest))
        assert type(read.message) is type(read_message(root).message)


def test_what_was_not_handed_over_cannot_be_read_from_an_assembled_package() -> None:
    parts = signed_parts(root_of(sample(DOCUMENT)))
    message = read_message(assemble(parts.header, None, None)).message
    assert isinstance(message, Envelope)
    assert message.attachments == ()
    assert message.business.replacements == ()
