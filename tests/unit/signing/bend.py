"""Ways to bend a signed package: what the tables of refusals are made of."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable

from lxml import etree

from tests.pki import pki
from tests.unit.signing.forge import (
    DS,
    XADES,
    Package,
    element,
    parse,
    reference_to,
)


def find(package: Package, path: str) -> etree._Element:
    found = package.signature.find(path, {"ds": DS[1:-1], "xades": XADES[1:-1]})
    assert found is not None, path
    return found


def drop(package: Package, path: str) -> None:
    found = find(package, path)
    parent = found.getparent()
    assert parent is not None
    parent.remove(found)


def twice(path: str) -> Callable[[Package], None]:
    def bend(package: Package) -> None:
        found = find(package, path)
        copy = parse(etree.tostring(found))
        copy.attrib.pop("Id", None)  # not for that reason
        found.addnext(copy)

    return bend


def without(path: str) -> Callable[[Package], None]:
    return lambda package: drop(package, path)


def attribute(path: str, name: str, value: str) -> Callable[[Package], None]:
    return lambda package: find(package, path).set(name, value)


def text(path: str, change: Callable[[str], str]) -> Callable[[Package], None]:
    def bend(package: Package) -> None:
        found = find(package, path)
        found.text = change(found.text or "")

    return bend


def insert(path: str, position: int, *made: etree._Element) -> Callable[[Package], None]:
    def bend(package: Package) -> None:
        for item in made:
            find(package, path).insert(position, parse(etree.tostring(item)))

    return bend


def into(path: str, node: Callable[[], etree._Element]) -> Callable[[Package], None]:
    def bend(package: Package) -> None:
        found = find(package, path)
        added = node()
        added.tail, found.text = found.text, ""
        found.append(added)

    return bend


def transforms(uri: str, *names: str) -> Callable[[Package], None]:
    """Give the Reference to `uri` these transforms, and no Transforms element where there are none."""

    def bend(package: Package) -> None:
        reference = reference_to(package, uri)
        if reference[0].tag == DS + "Transforms":
            reference.remove(reference[0])
        if names:
            holder = element(DS + "Transforms")
            for name in names:
                etree.SubElement(holder, DS + "Transform", Algorithm=name)
            reference.insert(0, holder)

    return bend


def uri(old: str, new: str | None) -> Callable[[Package], None]:
    def bend(package: Package) -> None:
        reference = reference_to(package, old)
        if new is None:
            del reference.attrib["URI"]
        else:
            reference.set("URI", new)

    return bend


def xpath(package: Package) -> None:
    transforms("#header", "http://www.w3.org/TR/1999/REC-xpath-19991116")(package)
    etree.SubElement(reference_to(package, "#header")[0][0], DS + "XPath").text = "count(//*//*//*) > 0"


def inclusive_namespaces(namespace: str, prefixes: str) -> Callable[[Package], None]:
    def bend(package: Package) -> None:
        transform = reference_to(package, "#header")[0][0]
        etree.SubElement(transform, f"{{{namespace}}}InclusiveNamespaces", PrefixList=prefixes)

    return bend


def second_object(package: Package) -> None:
    package.signature.append(element(DS + "Object", "x"))


def many_references(package: Package) -> None:
    reference = reference_to(package, "#header")
    for number in range(80):
        copy = parse(etree.tostring(reference))
        copy.set("URI", f"#x{number}")
        reference.addnext(copy)


def manifest_object(package: Package) -> None:
    drop(package, "ds:Object")
    holder = element(DS + "Object", Id="o")
    etree.SubElement(holder, DS + "Manifest").append(parse(etree.tostring(reference_to(package, "#header"))))
    package.signature.append(holder)


def old_hashes(package: Package) -> None:
    for method in package.signature.iter(DS + "DigestMethod"):
        method.set("Algorithm", "http://www.w3.org/2000/09/xmldsig#sha1")


def hmac_length(package: Package) -> None:
    method = find(package, "ds:SignedInfo/ds:SignatureMethod")
    etree.SubElement(method, DS + "HMACOutputLength").text = "1"


def key_info(*made: etree._Element) -> Callable[[Package], None]:
    def bend(package: Package) -> None:
        info = find(package, "ds:KeyInfo")
        for child in list(info):
            info.remove(child)
        info.extend(parse(etree.tostring(item)) for item in made)

    return bend


def x509_data(*ders: bytes, more: tuple[etree._Element, ...] = ()) -> etree._Element:
    data = element(DS + "X509Data")
    data.extend(more)
    for der in ders:
        etree.SubElement(data, DS + "X509Certificate").text = b64encode(der).decode()
    return data


def issuer_serial(number: int) -> etree._Element:
    made = element(DS + "X509IssuerSerial")
    etree.SubElement(made, DS + "X509IssuerName").text = "CN=x"
    etree.SubElement(made, DS + "X509SerialNumber").text = str(number)
    return made


def no_properties(package: Package) -> None:
    drop(package, "ds:Object")
    for reference in list(package.signature.iter(DS + "Reference")):
        if reference.get("Type"):
            reference.getparent().remove(reference)  # type: ignore[union-attr]


def properties_reference(package: Package) -> etree._Element:
    return next(item for item in package.signature.iter(DS + "Reference") if item.get("Type"))


def untyped_properties(package: Package) -> None:
    del properties_reference(package).attrib["Type"]


def unsigned_properties(package: Package) -> None:
    reference = properties_reference(package)
    reference.getparent().remove(reference)  # type: ignore[union-attr]


def two_certificates_unnamed(package: Package) -> None:
    no_properties(package)
    key_info(x509_data(pki().rsa.der, pki().good.der))(package)


def junk(alphabet: str) -> Callable[[str], str]:
    return lambda value: value[:8] + alphabet + value[8:]


def stray_bits(value: str) -> str:
    """`...A=` says the same octets as `...B=` to a lax decoder."""
    assert value.endswith("=")
    position = len(value.rstrip("=")) - 1
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return value[:position] + letters[letters.index(value[position]) + 1] + value[position + 1 :]


VALUE = "ds:SignatureValue"
INFO = "ds:SignedInfo"
DIGEST_VALUE = f"{INFO}/ds:Reference/ds:DigestValue"
CERTIFICATE = "ds:KeyInfo/ds:X509Data/ds:X509Certificate"
