"""The package digest: golden values, and what must and must not change it."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from schemas.digest import envelope_octets, package_digest
from schemas.errors import SchemaError
from schemas.limits import XmlLimits
from schemas.xml import parse_xml
from tests.samples import DOCUMENT, STATUS, sample, sample_package

ATTACHMENT = ("a1", "công văn.pdf", sha256(b"octets").digest())
Attachment = tuple[str, str, bytes]

GOLDEN = "c360242de42110f13f2f6ffed16c6bfd2925cc97484c201563b2df8d0d37ebc5"
GOLDEN_EMPTY = "4762aeda28eb024ea8d609bafac606a919739751580f9af39b7e5e58c5031abd"
GOLDEN_DOCUMENT = "0ddb303cc2a3a1278903c24eca79319c11fb02e13f331cd92bdd5e81ea8c6ae4"
GOLDEN_STATUS = "3f17b097404c303f00a4de7c52963a80650ac3428dc5116696973e9b7d4d99b7"


def octets_of(raw: bytes) -> bytes:
    return envelope_octets(parse_xml(raw, XmlLimits()).root)


def field(data: bytes) -> bytes:
    return len(data).to_bytes(8, "big") + data


def test_the_golden_vector() -> None:
    """Pinned for ever: receipts carry this value."""
    assert package_digest(b"<e></e>", [ATTACHMENT]) == GOLDEN
    assert package_digest(b"", []) == GOLDEN_EMPTY


def test_the_value_is_what_the_docstring_says() -> None:
    """Built a second time, by hand."""
    name = "công văn.pdf".encode()
    text = (
        field(b"truc-lien-thong/package-digest/v1") + field(sha256(b"<e></e>").digest()) + field((1).to_bytes(8, "big"))
    )
    text += field(b"a1") + field(name) + field(sha256(b"octets").digest())
    assert package_digest(b"<e></e>", [ATTACHMENT]) == sha256(text).hexdigest()


def test_the_sample_s_envelope_is_pinned() -> None:
    assert sha256(octets_of(sample(DOCUMENT))).hexdigest() == GOLDEN_DOCUMENT
    assert sha256(octets_of(sample(STATUS))).hexdigest() == GOLDEN_STATUS


def test_octets_in_place_of_a_digest_are_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        package_digest(b"", [("a", "b", b"octets")])


ATTACHMENTS = st.lists(
    st.tuples(st.text(max_size=3), st.text(max_size=3), st.binary(min_size=32, max_size=32)), max_size=3
)


@given(ATTACHMENTS, ATTACHMENTS)
def test_two_packages_have_one_digest_only_when_they_are_equal(one: list[Attachment], other: list[Attachment]) -> None:
    assert (package_digest(b"", one) == package_digest(b"", other)) is (one == other)


def test_a_name_cannot_borrow_from_its_neighbour() -> None:
    digest = bytes(32)
    assert package_digest(b"", [("a", "bc", digest)]) != package_digest(b"", [("ab", "c", digest)])


def test_the_inline_and_the_multipart_form_have_the_same_envelope() -> None:
    inline = sample(DOCUMENT)
    start, end = inline.index(b"<AttachmentEncoded>"), inline.index(b"</AttachmentEncoded>")
    apart = inline[:start] + inline[end + len(b"</AttachmentEncoded>") :]
    assert octets_of(inline) == octets_of(apart)
    assert b"Signature" in octets_of(apart)
    assert b"JVBERi0xLjQ=" not in octets_of(inline)


def test_another_prefix_declaration_at_the_root_changes_nothing() -> None:
    raw = sample_package()
    assert octets_of(raw.replace(b"<edXML xmlns=", b'<edXML xmlns:unused="urn:x" xmlns=')) == octets_of(raw)


def test_attachments_inside_the_envelope_are_left_out_and_its_text_kept() -> None:
    raw = sample_package()
    start, end = raw.index(b"<AttachmentEncoded>"), raw.index(b"</AttachmentEncoded>") + len(b"</AttachmentEncoded>")
    block, bare = raw[start:end], raw[:start] + raw[end:]
    inside = bare.replace(b"</edXML:edXMLEnvelope>", block + b"\n</edXML:edXMLEnvelope>")
    first = bare.replace(b"<edXML:edXMLHeader>", block + b"\n<edXML:edXMLHeader>")
    assert octets_of(inside) == octets_of(bare.replace(b"</edXML:edXMLEnvelope>", b"\n</edXML:edXMLEnvelope>"))
    assert octets_of(first) == octets_of(bare.replace(b"<edXML:edXMLHeader>", b"\n<edXML:edXMLHeader>"))
    root = parse_xml(inside, XmlLimits()).root
    before = etree.tostring(root)
    envelope_octets(root)
    assert etree.tostring(root) == before


def test_comments_and_values_are_in_the_digest() -> None:
    raw = sample_package()
    assert octets_of(raw.replace(b"<edXML:To>", b"<!-- x --><edXML:To>")) != octets_of(raw)
    assert octets_of(raw.replace(b">12<", b">13<")) != octets_of(raw)


def test_what_has_no_envelope_has_no_octets() -> None:
    with pytest.raises(SchemaError):
        octets_of(b"<a/>")


def test_another_canonicaliser_agrees() -> None:
    """lxml's pure implementation of C14N 2.0 gives the same octets for what exclusive C14N covers here."""
    root = parse_xml(sample_package(), XmlLimits()).root
    assert octets_of(sample_package()).decode() == etree.canonicalize(
        etree.tostring(root[0], with_tail=False).decode(), with_comments=True
    )
