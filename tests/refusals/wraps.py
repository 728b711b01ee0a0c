"""Signature wrapping: a good signature over what nobody reads (Somorovsky et al. 2012, XSW1-8, adapted; D01-D09)."""

from __future__ import annotations

import copy
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256

from lxml import etree

from schemas.envelope import AttachmentInfo, Business, MessageKind
from schemas.structure import signed_parts
from schemas.write import serialise, write_document
from signing.grammar import XADES
from signing.sign import sign_enveloped, sign_parts
from signing.verdict import Reason, SubIndication
from tests.pki import NOW, pki
from tests.refusals.row import Case
from tests.refusals.said import bent, words
from tests.samples import PDF, sample_envelope
from tests.unit.signing.forge import DS, Package, Q, parse

FORGED = "000.66.66.H99"
FORMAT = SubIndication.FORMAT_FAILURE
CONSTRAINTS = SubIndication.SIG_CONSTRAINTS_FAILURE


def forged_header(package: Package, identifier: str | None = None) -> etree._Element:
    evil = copy.deepcopy(package.header)
    evil[0].text = FORGED
    del evil.attrib["Id"]
    if identifier is not None:
        evil.set("Id", identifier)
    return evil


def swap(package: Package, evil: etree._Element) -> etree._Element:
    """Put the forged header where it is read; return the signed one, which now stands nowhere."""
    good = package.header
    place = package.place
    place.replace(good, evil)
    return good


def wrapper(parent: etree._Element) -> etree._Element:
    """An element that keeps the prefix of what is moved into it: lxml would take another of the same namespace."""
    return etree.SubElement(parent, "{urn:x}Extensions", nsmap={"x": "urn:x", "e": Q[1:-1]})


def xsw_sibling_after(package: Package) -> None:
    package.place.append(swap(package, forged_header(package)))


def xsw_sibling_before_the_signature(package: Package) -> None:
    good = swap(package, forged_header(package))
    package.signature.addprevious(good)


def xsw_child(package: Package) -> None:
    evil = forged_header(package)
    good = swap(package, evil)
    evil.append(good)


def xsw_wrapper(package: Package) -> None:
    good = swap(package, forged_header(package, "other"))
    wrapper(package.root).append(good)


def xsw_object(package: Package) -> None:
    good = swap(package, forged_header(package))
    etree.SubElement(package.signature, DS + "Object").append(good)


def xsw_inside_properties(package: Package) -> None:
    good = swap(package, forged_header(package))
    found = package.signature.find(DS + "Object")
    assert found is not None
    found.append(good)


def xsw_key_info(package: Package) -> None:
    good = swap(package, forged_header(package))
    found = package.signature.find(DS + "KeyInfo")
    assert found is not None
    found.append(good)


def xsw_same_id(package: Package) -> None:
    package.root[-1].append(swap(package, forged_header(package, "header")))


def xsw_same_id_other_attribute(package: Package) -> None:
    evil = forged_header(package)
    evil.set("ID", "header")
    package.root[-1].append(swap(package, evil))


def xsw_forged_first(package: Package) -> None:
    package.place.insert(0, forged_header(package))


def xsw_business(package: Package) -> None:
    """The kind of business decides whether a document is new or recalled."""
    evil = copy.deepcopy(package.business)
    evil[0].text = "1"
    del evil.attrib["Id"]
    parent = package.business.getparent()
    assert parent is not None
    parent.insert(0, evil)


def xsw_document_in_extension(package: Package) -> None:
    """The whole signed document goes under a new root, with a forged one around it."""
    original = package.root
    evil = parse(etree.tostring(original))
    forged = Package(evil)
    for item in evil.iter("*"):
        item.attrib.pop("Id", None)
    forged.header[0].text = FORGED
    signature = package.signature
    forged.place.replace(forged.signature, copy.deepcopy(signature))
    signature.getparent().remove(signature)  # type: ignore[union-attr]
    wrapper(evil).append(original)
    package.root = evil


ATTACKS: dict[str, tuple[Callable[[Package], None], SubIndication, Reason]] = {
    "D01 signed sibling after": (xsw_sibling_after, CONSTRAINTS, Reason.COVERAGE),
    "D02 signed sibling before the signature": (xsw_sibling_before_the_signature, CONSTRAINTS, Reason.COVERAGE),
    "D03 signed one as child of the forged": (xsw_child, CONSTRAINTS, Reason.COVERAGE),
    "D04 signed one in a wrapper": (xsw_wrapper, CONSTRAINTS, Reason.COVERAGE),
    "D05 signed one in an Object of its own": (xsw_object, FORMAT, Reason.STRUCTURE),
    "D06 signed one beside the properties": (xsw_inside_properties, FORMAT, Reason.STRUCTURE),
    "D06 signed one in KeyInfo": (xsw_key_info, SubIndication.NO_SIGNING_CERTIFICATE_FOUND, Reason.KEYINFO),
    "D07 forged one with the same Id": (xsw_same_id, FORMAT, Reason.DUPLICATE_ID),
    "D07 forged one with the same ID": (xsw_same_id_other_attribute, FORMAT, Reason.DUPLICATE_ID),
    "D08 forged one first": (xsw_forged_first, CONSTRAINTS, Reason.COVERAGE),
    "D08 forged business first": (xsw_business, CONSTRAINTS, Reason.COVERAGE),
    "D09 the document in an extension": (xsw_document_in_extension, CONSTRAINTS, Reason.COVERAGE),
}


# --- taken away, and nothing put in its place


def _signed(
    bend: Callable[[etree._Element], None],
    kind: MessageKind = MessageKind.NEW,
    count: int = 0,
    name: str = "",
    named: bool = True,
) -> bytes:
    """A package of our writer, signed by its parts and bent; its attachments are called `name`, or nothing."""
    infos = tuple(AttachmentInfo(f"{place}.pdf", name or f"{place}.pdf") for place in range(count))
    business = Business(kind=kind, reason="nhầm", document_id="000.00.01.H99,2026/01/02,1/CV")
    root = write_document(sample_envelope(business=business, attachments=infos), [PDF] * count)
    for title in () if named else list(_found(root, "edXMLManifest").iter("{*}AttachmentName")):
        title.getparent().remove(title)  # type: ignore[union-attr]
    parts = signed_parts(root)
    elements = [part for part in (parts.header, parts.business, parts.manifest) if part is not None]
    digests = [(info.content_id, sha256(PDF).digest()) for info in infos]
    sign_parts(parts.place, elements, digests, pki().good.signer(), NOW)
    bend(root)
    return serialise(root)


def _found(root: etree._Element, name: str) -> etree._Element:
    return next(root.iter(f"{{*}}{name}"))


def recall_without_its_kind() -> bytes:
    """The block that says that a document is recalled stands where nobody reads it: a new one, it seems."""
    return _signed(lambda root: _found(root, "edXMLHeader").append(_found(root, "Bussiness")), MessageKind.RECALL)


def manifest_away() -> bytes:
    return _signed(lambda root: _found(root, "edXMLEnvelope").append(_found(root, "edXMLManifest")))


def another_name_outside() -> bytes:
    """Signed by its parts, the manifest among them; where the attachment stands, it is called otherwise."""
    return _signed(lambda root: _rename(root, "cong-van.exe"), count=1)


def a_name_outside_alone() -> bytes:
    """The same of a manifest without names: the only one there is leads out of the folder that it is stored in."""
    return _signed(lambda root: _rename(root, "..\\..\\cong-van.exe"), count=1, named=False)


def the_name_decomposed() -> bytes:
    return _signed(lambda root: _rename(root, "va\u0306n.pdf"), count=1, name="v\u0103n.pdf")


def _rename(root: etree._Element, name: str) -> None:
    _found(_found(root, "AttachmentEncoded"), "AttachmentName").text = name


def attachment_in_a_countersignature() -> bytes:
    """Signed as a whole without the attachment that it lists; that comes in a countersignature, of which nobody looks
    further than at its weak key."""
    root = write_document(sample_envelope(), [PDF])
    block = _found(root, "AttachmentEncoded")
    root.remove(block)
    signature = sign_enveloped(signed_parts(root).place, pki().good.signer(), NOW)
    counter = copy.deepcopy(signature)
    for node in counter.iter("*"):
        node.attrib.pop("Id", None)
    counter.remove(counter[3])
    _found(counter, "X509Certificate").text = b64encode(pki().weak.der).decode()
    _found(counter, "SignedInfo").append(block)
    place = _found(signature, "QualifyingProperties")
    for name in ("UnsignedProperties", "UnsignedSignatureProperties", "CounterSignature"):
        place = etree.SubElement(place, XADES + name)
    place.append(counter)
    return serialise(root)


def wraps(*numbers: str) -> tuple[Case, ...]:
    """The attacks above that belong to these lines."""
    return tuple(
        bent(name, words(sub_indication, reason), attack, again=False)
        for name, (attack, sub_indication, reason) in ATTACKS.items()
        if name.split()[0] in numbers
    )
