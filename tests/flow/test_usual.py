"""The usual package is read once, and says what it says when it is read twice; everything else goes the long way."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest
from lxml import etree

from axis.core.model import PayloadRef
from axis.flow.package import Contents, Opened, Part, inspect_package, open_package, read_verified
from axis.flow.usual import usual_of
from schemas.codes import AgencyCode
from schemas.envelope import (
    AttachmentInfo,
    Business,
    DocumentNumber,
    DocumentType,
    Envelope,
    MessageKind,
    Organization,
    OtherInfo,
    SignerInfo,
)
from schemas.errors import SchemaError
from schemas.limits import FieldLimits, XmlLimits
from schemas.multipart import wire_id
from schemas.names import NAMESPACE
from schemas.structure import signed_parts
from schemas.write import serialise, write_document
from schemas.xml import gated, parse_xml
from signing.policy import OWN_NETWORK
from signing.sign import sign_enveloped, sign_parts
from signing.verify import InMemory, Judgement, settle
from tests.pki import NOW, pki

LIMITS, FIELDS = XmlLimits(), FieldLimits()
CUT = XmlLimits(cut_above=64)
PDF = b"%PDF-1.7 " + bytes(range(256)) * 8
Bend = Callable[[etree._Element], None]


def envelope(attachments: int = 1) -> Envelope:
    return Envelope(
        sender=Organization(AgencyCode.parse("000.00.01.H99"), name="Sở Thử nghiệm", email="so@h99.example"),
        recipients=(
            Organization(AgencyCode.parse("000.00.02.H99"), name="Ủy ban thử nghiệm"),
            Organization(AgencyCode.parse("000.00.03.H99"), name="Phòng thử nghiệm"),
        ),
        number=DocumentNumber("12", "CV-STN"),
        subject="Về việc tổ chức họp",
        document_id="000.00.01.H99,2026/01/02,12/CV-STN",
        issued_on=NOW.date(),
        issued_at="H99",
        type=DocumentType(type=2, name="Công văn"),
        signer=SignerInfo("TL.", "Chánh Văn phòng", "Nguyễn Văn Thử"),
        other=OtherInfo(page_amount=1, promulgation_amount=1),
        attachments=tuple(AttachmentInfo(f"{place}.pdf", f"{place}.pdf") for place in range(attachments)),
    )


def package(
    made: Envelope | None = None,
    attachments: int = 1,
    before: Bend = lambda root: None,
    after: Bend = lambda root: None,
    whole: bool = False,
    cids: Sequence[str] = (),
) -> bytes:
    """A signed package, bent before it was signed, or after. `cids` are the names by which attachments are signed."""
    told = envelope(attachments) if made is None else made
    contents = [PDF + bytes([place]) for place in range(len(told.attachments))]
    root = write_document(told, contents)
    before(root)
    parts, signer = signed_parts(root), pki().good.signer()
    if whole:
        sign_enveloped(parts.place, signer, NOW)
    else:
        elements = [part for part in (parts.header, parts.business, parts.manifest) if part is not None]
        digests = [InMemory(content).digest("sha256") for content in contents]
        names = cids or [info.content_id for info in told.attachments]
        sign_parts(parts.place, elements, list(zip(names, digests, strict=True)), signer, NOW)
    after(root)
    return serialise(root)


@dataclass(frozen=True)
class Lying:
    """Octets beside an envelope."""

    place: bytes

    @property
    def ref(self) -> PayloadRef:
        return PayloadRef(hashlib.sha256(self.place).hexdigest(), len(self.place))

    def digest(self, name: str) -> bytes:
        return hashlib.new(name, self.place).digest()


def once(
    raw: bytes, fields: FieldLimits = FIELDS, limits: XmlLimits = LIMITS, parts: Sequence[Part[Lying]] = ()
) -> tuple[Contents, Judgement] | None:
    """What one reading gives; `None` for what is not usual."""
    usual = usual_of(gated(raw, limits), limits, parts)
    inspection = None if usual is None else usual.inspect(OWN_NETWORK, NOW)
    read = None if usual is None or inspection is None else usual.read(fields)
    return None if read is None or inspection is None else (read, settle(inspection, pki().trust))


def twice(raw: bytes, limits: XmlLimits = LIMITS, parts: Sequence[Part[Lying]] = ()) -> tuple[Opened, Judgement]:
    """The same the long way."""
    opened = open_package(raw, limits, FIELDS, parts)
    judgement = settle(inspect_package(opened, OWN_NETWORK, NOW), pki().trust)
    assert judgement.verified is not None
    message = replace(read_verified(judgement.verified, LIMITS), notes=opened.reading.notes)
    return replace(opened, reading=message), judgement


def same(raw: bytes, limits: XmlLimits = LIMITS, parts: Sequence[Part[Lying]] = ()) -> bool:
    """Whether it was read once. If so, that gave the same as reading twice."""
    short = once(raw, limits=limits, parts=parts)
    if short is None:
        return False
    (read, judgement), (opened, other) = short, twice(raw, limits, parts)
    assert judgement == other
    told = {name: getattr(read, name) for name in Contents.__slots__}
    assert told == {name: getattr(opened, name) for name in Contents.__slots__}
    return True


@pytest.mark.parametrize("attachments", [0, 1, 3])
def test_what_our_network_writes_is_read_once(attachments: int) -> None:
    assert same(package(attachments=attachments))


@pytest.mark.parametrize("attachments", [1, 3])
def test_large_contents_are_cut_out_and_the_rest_is_read_once(attachments: int) -> None:
    raw = package(attachments=attachments)
    assert len(parse_xml(raw, CUT).cuts) == attachments
    assert same(raw, CUT)


def test_a_large_content_that_is_not_what_was_signed_is_not_verified() -> None:
    def other(root: etree._Element) -> None:
        one = next(root.iter("{*}ContentTransferEncoded"))
        one.text = "A" + (one.text or "")[1:]

    assert once(package(after=other), limits=CUT) is None


def test_a_recall_and_a_package_without_a_block_of_business_are_read_once() -> None:
    recall = Business(kind=MessageKind.RECALL, reason="nhầm", document_id="000.00.01.H99,2026/01/01,1/CV")
    assert same(package(replace(envelope(), business=recall)))


# --- attachments beside the envelope


def beside(raw: bytes) -> bytes:
    """The package as its envelope travels."""
    begin, end = raw.index(b"<AttachmentEncoded"), raw.index(b"</edXML>")
    return raw[:begin] + raw[end:]


def lying(*ids: str | None) -> list[Part[Lying]]:
    return [Part(id, Lying(PDF + bytes([place])), None) for place, id in enumerate(ids)]


@pytest.mark.parametrize("ids", [(), ("0.pdf",), ("0.pdf", "1.pdf", "2.pdf")])
def test_attachments_beside_the_envelope_are_read_once_too(ids: tuple[str, ...]) -> None:
    assert same(beside(package(attachments=len(ids))), parts=lying(*ids))


BESIDE: dict[str, tuple[bytes, list[Part[Lying]]]] = {
    "inside and beside": (package(), lying("0.pdf")),
    "one too few": (beside(package(attachments=2)), lying("0.pdf")),
    "one too many": (beside(package()), lying("0.pdf", "1.pdf")),
    "one twice": (beside(package()), [*lying("0.pdf"), *lying("0.pdf")]),
    "one without an id": (beside(package()), lying(None)),
    "one of other octets": (beside(package()), [Part("0.pdf", Lying(PDF), None)]),
    "in another order": (beside(package(attachments=2)), lying("1.pdf", "0.pdf")),
    "a whole that does not hold it": (beside(package(whole=True)), lying("0.pdf")),
}


@pytest.mark.parametrize("what", BESIDE)
def test_attachments_beside_that_are_not_as_they_are_listed_go_the_long_way(what: str) -> None:
    raw, parts = BESIDE[what]
    assert once(raw, parts=parts) is None


def test_each_attachment_has_an_id_of_its_own() -> None:
    raw = package(attachments=2)
    twice_one = raw.replace(b"<ContentId>cid:1.pdf", b"<ContentId>cid:0.pdf")
    assert usual_of(gated(raw, LIMITS), LIMITS) is not None
    assert usual_of(gated(twice_one, LIMITS), LIMITS) is None
    assert usual_of(gated(beside(raw), LIMITS), LIMITS, lying("0.pdf", "0.pdf")) is None
    assert usual_of(gated(beside(raw), LIMITS), LIMITS, lying("0.pdf", None)) is None


def test_an_attachment_beside_has_the_id_under_which_it_is_listed() -> None:
    """As it is written on the way: in another spelling, it is asked for what that spelling was signed under."""
    named = replace(envelope(), attachments=(AttachmentInfo("công.pdf", "0.pdf"),))
    wired = wire_id("công.pdf")
    assert wired != "công.pdf"
    raw = beside(package(named, cids=[wired]))
    assert once(raw, parts=lying(wired)) is None
    opened = open_package(raw, LIMITS, FIELDS, lying(wired))
    assert settle(inspect_package(opened, OWN_NETWORK, NOW), pki().trust).verified is None


# --- what is not usual


def path(*names: str) -> Bend:
    """Add an element below the element that `names` lead to, the last one being its own name."""

    def bend(root: etree._Element) -> None:
        place = root
        for name in names[:-1]:
            place = next(child for child in place if etree.QName(child).localname == name)
        etree.SubElement(place, f"{{{NAMESPACE}}}{names[-1]}").text = "x"

    return bend


HEADER = ("edXMLEnvelope", "edXMLHeader")


def text_in(name: str) -> Bend:
    def bend(root: etree._Element) -> None:
        next(root.iter(f"{{*}}{name}")).text = "x"

    return bend


def text_after(name: str) -> Bend:
    def bend(root: etree._Element) -> None:
        next(root.iter(f"{{*}}{name}")).tail = "x"

    return bend


def comment(root: etree._Element) -> None:
    root.append(etree.Comment("x"))


def moved(root: etree._Element) -> None:
    """The attachments inside the envelope."""
    root[0].append(root[1])


def unnamed(root: etree._Element) -> None:
    """An attachment that does not name itself."""
    for one in list(root[1].iter("{*}ContentId")):
        one.text = ""


def twisted(root: etree._Element) -> None:
    """Attachments that name themselves as one another."""
    first, second = root[1].iter("{*}ContentId")
    first.text, second.text = second.text, first.text


def foreign(root: etree._Element) -> None:
    etree.SubElement(root[0], "{urn:x}y")


def doubled(root: etree._Element) -> None:
    etree.SubElement(root, f"{{{NAMESPACE}}}AttachmentEncoded")


def renamed(root: etree._Element) -> None:
    root.tag = f"{{{NAMESPACE}}}EdXML"


def hop(root: etree._Element) -> None:
    """A trace, which nobody signs: added on the way."""
    traces = next(root.iter("{*}TraceHeaderList"))
    organ = etree.SubElement(etree.SubElement(traces, f"{{{NAMESPACE}}}TraceHeader"), f"{{{NAMESPACE}}}OrganId")
    organ.text = "000.00.01.H99"


def status(root: etree._Element) -> None:
    """Something that makes a status message of it, but for its block of business."""
    path(*HEADER, "MessageHeader", "StatusCode")(root)


UNUSUAL: dict[str, Bend] = {
    "an unknown element in the root": path("Unknown"),
    "an unknown element in the envelope": path("edXMLEnvelope", "Unknown"),
    "an unknown element in the header": path(*HEADER, "Unknown"),
    "an unknown element beside the business": path(*HEADER, "TraceHeaderList", "Unknown"),
    "an unknown element beside the manifest": path("edXMLEnvelope", "edXMLBody", "Unknown"),
    "a second header": path("edXMLEnvelope", "edXMLHeader"),
    "a second envelope": path("edXMLEnvelope"),
    "a second list of traces": path(*HEADER, "TraceHeaderList"),
    "an element of another namespace": foreign,
    "text in the root": text_in("edXML"),
    "text in the envelope": text_in("edXMLEnvelope"),
    "text in the header": text_in("edXMLHeader"),
    "text in the list of traces": text_in("TraceHeaderList"),
    "text in the body": text_in("edXMLBody"),
    "text after the business": text_after("Bussiness"),
    "text after the header": text_after("edXMLHeader"),
    "a comment": comment,
    "attachments inside the envelope": moved,
    "a second block of attachments": doubled,
    "an attachment that does not name itself": unnamed,
    "another spelling of the root": renamed,
    "a hop": hop,
}


@pytest.mark.parametrize("what", UNUSUAL)
def test_what_is_not_usual_goes_the_long_way(what: str) -> None:
    assert once(package(after=UNUSUAL[what])) is None


def test_what_could_be_a_status_message_goes_the_long_way() -> None:
    assert once(package(before=status)) is None


def test_attachments_under_each_other_s_names_go_the_long_way() -> None:
    assert once(package(attachments=2, after=twisted)) is None


def test_an_attachment_that_is_signed_under_another_name_than_the_listed_goes_the_long_way() -> None:
    def renames(root: etree._Element) -> None:
        next(root[1].iter("{*}ContentId")).text = "cid:x.pdf"

    raw = package(before=renames, cids=["x.pdf"])
    assert once(raw) is None
    opened = open_package(raw, LIMITS, FIELDS)
    assert settle(inspect_package(opened, OWN_NETWORK, NOW), pki().trust).verified is None


def test_fields_that_are_too_long_are_left_to_the_long_way() -> None:
    raw, strict = package(replace(envelope(), subject="x" * 5000)), FieldLimits(profile="reject")
    assert once(raw) is not None
    assert once(raw, strict) is None


@pytest.mark.parametrize("limits", [LIMITS, CUT], ids=["small", "cut out"])
@pytest.mark.parametrize("attachments", [0, 2])
def test_a_whole_document_that_is_signed_is_read_once(attachments: int, limits: XmlLimits) -> None:
    assert same(package(attachments=attachments, whole=True), limits)


def test_what_is_unknown_in_a_signed_part_is_noted_as_by_the_long_way() -> None:
    raw = package(before=path(*HEADER, "MessageHeader", "Unknown"))
    assert same(raw)
    assert twice(raw)[0].reading.notes


REFUSED: dict[str, Envelope] = {
    "a recipient twice": replace(envelope(), recipients=envelope().recipients * 2),
    "a name of an attachment that leads elsewhere": replace(
        envelope(), attachments=(AttachmentInfo("0.pdf", "../0.pdf"),)
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_is_refused_by_the_long_way(what: str) -> None:
    raw = package(REFUSED[what])
    assert once(raw) is None
    with pytest.raises(SchemaError):
        twice(raw)


def test_however_octets_are_changed_both_ways_agree() -> None:
    """A change that leaves the signature good is read alike, whatever else it may do."""
    chance, raw, agreed = random.Random(31), package(), 0
    for _ in range(150):
        at = chance.randrange(len(raw))
        changed = raw[:at] + bytes([chance.choice(b" \n<>x=&/")]) + raw[at + chance.randrange(2) :]
        try:
            agreed += same(changed)
        except SchemaError:
            continue
    assert agreed < 150
