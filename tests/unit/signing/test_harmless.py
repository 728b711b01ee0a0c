"""What other software writes and is harmless. What must be refused stands in `tests/refusals`."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable

import pytest
from lxml import etree

from tests.pki import pki
from tests.unit.signing.bend import (
    VALUE,
    inclusive_namespaces,
    issuer_serial,
    key_info,
    no_properties,
    text,
    x509_data,
)
from tests.unit.signing.forge import (
    DS,
    EXC,
    Package,
    by_parts,
    element,
    enveloped,
    reference_to,
    resign,
    sign_again,
)


def test_a_package_that_is_only_signed_again_passes() -> None:
    """The forge itself works: without this the table above could refuse everything for one wrong reason."""
    for package in (by_parts(), enveloped()):
        resign(package)
        assert package.judge().verdict.passed


HARMLESS: dict[str, Callable[[Package], object]] = {
    "no properties": no_properties,
    "two certificates, one named": key_info(x509_data(pki().rsa.der, pki().good.der)),
    "subject name beside the certificate": key_info(
        x509_data(pki().good.der, more=(element(DS + "X509SubjectName", "CN=x"),))
    ),
    "serial of the certificate": key_info(
        x509_data(pki().good.der, more=(issuer_serial(pki().good.certificate.serial_number),))
    ),
    "prefix list": inclusive_namespaces(EXC, "u absent"),
    "white space": lambda p: setattr(p.signature[0], "tail", "\n  "),
    "value in lines": text(VALUE, lambda value: "\r\n".join((value[:40], value[40:]))),
    "a further element": lambda p: (p.root.set("Id", "r"), None),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_other_software_writes_and_is_harmless_passes(name: str) -> None:
    package = by_parts()
    HARMLESS[name](package)
    if name == "prefix list":
        # A namespace that is not used is now rendered too: let the forge's own C14N say so.
        octets = etree.tostring(package.header, method="c14n", exclusive=True, inclusive_ns_prefixes=["u"])
        assert b"urn:unused" in octets

        reference_to(package, "#header")[-1].text = b64encode(hashlib.sha256(octets).digest()).decode()
        sign_again(package)
    elif name != "value in lines":
        resign(package)
    verdict = package.judge().verdict
    assert verdict.passed, verdict.checks[-1]
