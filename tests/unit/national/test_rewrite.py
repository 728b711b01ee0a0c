"""Packages as the real axis was seen to give them on."""

from __future__ import annotations

from datetime import timedelta

from lxml import etree

from adapters.national.simulator.rewrite import XMLDSIG, rewrite
from schemas.edxml import read_message
from schemas.envelope import Envelope
from schemas.limits import XmlLimits
from schemas.names import NAMESPACE, local
from schemas.xml import Parsed, parse_xml
from tests.samples import DOCUMENT, sample
from tests.unit.national.world import NOW

SIGNED = sample(DOCUMENT).replace(b"<Signature>", b'<Signature xmlns="%s">' % XMLDSIG.encode())


def parsed(octets: bytes) -> Parsed:
    return parse_xml(octets, XmlLimits())


def envelope(octets: bytes) -> Envelope:
    message = read_message(parsed(octets).root).message
    assert isinstance(message, Envelope)
    return message


def test_it_says_the_same_with_one_more_hop_in_other_octets() -> None:
    given = rewrite(parsed(SIGNED), NOW, "001.00.20.TT2")
    before, after = envelope(SIGNED), envelope(given)
    assert given != SIGNED
    assert [hop.organ for hop in after.traces] == [*(hop.organ for hop in before.traces), "001.00.20.TT2"]
    assert after.traces[-1].at == NOW
    assert after.sender == before.sender
    assert (after.document_id, after.subject, after.business) == (before.document_id, before.subject, before.business)
    assert rewrite(parsed(SIGNED), NOW, "001.00.20.TT2") == given


def test_its_hop_may_name_no_agency() -> None:
    after = envelope(rewrite(parsed(SIGNED), NOW + timedelta(hours=1), None))
    assert after.traces[-1].organ is None


def test_children_come_in_another_order() -> None:
    root = etree.fromstring(rewrite(parsed(SIGNED), NOW, None))
    header = next(root.iter("{*}MessageHeader"))
    names = [local(child) for child in header]
    assert names[-1] == "DocumentId"
    assert names.index("ToPlaces") < names.index("OtherInfo")


def test_the_signature_moves_into_the_package_namespace_with_its_digest() -> None:
    before = next(etree.fromstring(SIGNED).iter(f"{{{XMLDSIG}}}DigestValue"))
    root = etree.fromstring(rewrite(parsed(SIGNED), NOW, None))
    assert list(root.iter(f"{{{XMLDSIG}}}*")) == []
    (after,) = root.iter(f"{{{NAMESPACE}}}DigestValue")
    assert after.text == before.text
    (signature,) = root.iter(f"{{{NAMESPACE}}}Signature")
    parent = signature.getparent()
    assert parent is not None
    assert local(parent) == "edXMLHeader"


def test_empty_elements_collapse_and_attachments_stay() -> None:
    loose = SIGNED.replace(b"<edXML:Website>", b"<edXML:Website>").replace(
        b"</edXML:From>", b"<edXML:Website> </edXML:Website></edXML:From>"
    )
    given = rewrite(parsed(loose), NOW, None)
    assert b"Website/>" in given
    inside = [node.text for node in etree.fromstring(given).iter("{*}ContentTransferEncoded")]
    assert inside == [node.text for node in etree.fromstring(loose).iter("{*}ContentTransferEncoded")]


def test_large_attachments_are_put_back() -> None:
    content = b"QUJD" * 30_000
    large = SIGNED.replace(b"JVBERi0xLjQ=", content)
    assert large != SIGNED
    cut = parsed(large)
    assert len(cut.cuts) == 1
    assert rewrite(cut, NOW, None).count(content) == 1
