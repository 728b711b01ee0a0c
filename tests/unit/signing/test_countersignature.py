"""Countersignatures: a signature over the value of the signature that it stands in, and over nothing else (no. 62)."""

from __future__ import annotations

import copy
import json
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from lxml import etree

from signing.chain import Trust
from signing.policy import IF_PRESENT, LEGACY, OWN_NETWORK
from signing.sign import sign_enveloped
from signing.verdict import Reason, SignatureRole, SubIndication, Verdict, verdict_from_dict
from signing.xades_t import add_signature_timestamp, timestamp_octets
from tests.pki import NOW, issue, pki
from tests.unit.signing.forge import (
    DS,
    EXC,
    PDF,
    SHA256,
    SIGNED_PROPERTIES,
    XADES,
    Package,
    by_parts,
    countersign,
    enveloped,
    parse,
    refused,
    several,
    sign_beside,
    unsigned_package,
)
from tests.unit.signing.test_interop import run
from tests.unit.timestamp import authority
from tests.unit.timestamp.stamped import judge, stamp

FORMAT = SubIndication.FORMAT_FAILURE


def the_other(package: Package) -> Verdict:
    (other,) = package.judge().verdict.others
    return other


@pytest.mark.parametrize("properties", [True, False])
@pytest.mark.parametrize("make", [by_parts, enveloped])
def test_a_good_countersignature_passes_and_is_told(make: Callable[[], Package], properties: bool) -> None:
    package = make()
    countersign(package.signature, properties=properties)
    judgement = package.judge()
    verdict = judgement.verdict
    assert verdict.passed, verdict.checks[-1]
    assert judgement.verified is not None
    (other,) = verdict.others
    assert other.passed, other.checks[-1]
    assert other.role is SignatureRole.COUNTERSIGNATURE
    assert other.place == "Signature[1]/CounterSignature[1]"
    assert other.signer is not None
    assert other.signer.certificate == pki().rsa.sha256
    assert [item.target.rpartition("/")[2] for item in other.covered] == ["SignatureValue", "SignedProperties"][
        : 1 + properties
    ]
    assert (other.claimed_at == NOW) is properties
    assert verdict_from_dict(json.loads(json.dumps(verdict.to_dict()))) == verdict


def test_xmlsec1_verifies_the_countersignature(tmp_path: Path) -> None:
    package = by_parts()
    countersign(package.signature, pki().rsa.signer("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"))
    assert package.judge().verdict.passed
    assert check_counter_with_xmlsec1(package, tmp_path)
    package.signature[1].text = b64encode(b"another value").decode()
    assert not check_counter_with_xmlsec1(package, tmp_path), "the oracle looks at another signature"


def check_counter_with_xmlsec1(package: Package, folder: Path) -> bool:
    (folder / "signed.xml").write_bytes(etree.tostring(package.root))
    (folder / "cert.pem").write_bytes(pki().rsa.pems()[0])
    arguments = ["--verify", "--pubkey-cert-pem", "cert.pem", "--node-id", "counter"]
    for name in (f"{DS[1:-1]}:Signature", f"{DS[1:-1]}:SignatureValue", f"{XADES[1:-1]}:SignedProperties"):
        arguments += ["--id-attr:Id", name]
    return run(*arguments, "signed.xml", cwd=folder).returncode == 0


def test_several_countersignatures_of_several_signatures() -> None:
    package = several(pki().good.signer(), pki().rsa.signer())
    for number, signature in enumerate(package.signatures):
        for inner in range(4):
            countersign(signature, pki().good.signer(), name=f"c{number}{inner}")
    verdict = package.judge().verdict
    assert verdict.passed, verdict.checks[-1]
    places = [f"Signature[1]/CounterSignature[{number}]" for number in range(1, 5)]
    places += ["Signature[2]", *(f"Signature[2]/CounterSignature[{number}]" for number in range(1, 5))]
    assert [other.place for other in verdict.others] == places
    assert all(other.passed for other in verdict.others)
    countersign(package.signature, name="fifth")
    refused(package, FORMAT, Reason.STRUCTURE)


def test_a_time_stamp_of_the_signature_stays_good_and_one_of_the_countersignature_is_its_own() -> None:
    day = timedelta(days=1)
    package = stamp(by_parts(at=NOW - 2 * day), at=NOW - day)
    countersign(package.signature, at=NOW - day)
    countersign(package.signature, at=NOW - day, name="second")
    counter = package.signature.findall(f".//{XADES}CounterSignature/{DS}Signature")[1]
    add_signature_timestamp(counter, authority.token(timestamp_octets(counter), at=NOW - day / 2))
    verdict = judge(package).verdict
    assert verdict.passed, verdict.checks[-1]
    assert verdict.best_signature_time == NOW - day
    assert [other.best_signature_time for other in verdict.others] == [None, NOW - day / 2]
    # A false one breaks its countersignature, and so the one true shape.
    add_signature_timestamp(counter, authority.token(b"something else", at=NOW - day / 2))
    verdict = judge(package).verdict
    assert (verdict.sub_indication, verdict.reason) == (SubIndication.HASH_FAILURE, Reason.COUNTERSIGNATURE)


# --- false ones


def another_value(package: Package) -> None:
    """Over the value of the signature beside it."""
    other = sign_beside(package)
    countersign(package.signature, of=other[1])


def the_document(package: Package) -> None:
    counter = countersign(package.signature)
    reference = counter[0][2]
    reference.set("URI", "")
    del reference.attrib["Type"]
    reference[0].insert(0, etree.Element(DS + "Transform", Algorithm=f"{DS[1:-1]}enveloped-signature"))
    resign(counter)


def resign(counter: etree._Element) -> None:
    octets = etree.tostring(counter[0], method="c14n", exclusive=True, with_comments=False)
    counter[1].text = b64encode(pki().rsa.signer().sign(octets)).decode()


def reference(uri: str, octets: bytes, type_: str = "") -> str:
    transforms = f'<ds:Transforms><ds:Transform Algorithm="{EXC}"/></ds:Transforms>' if uri.startswith("#") else ""
    return (
        f'<ds:Reference URI="{uri}"{type_}>{transforms}<ds:DigestMethod Algorithm="{SHA256}"/>'
        f"<ds:DigestValue>{b64encode(sha256(octets).digest()).decode()}</ds:DigestValue></ds:Reference>"
    )


def header_too(package: Package) -> None:
    octets = etree.tostring(package.header, method="c14n", exclusive=True)
    countersign(package.signature, more=reference("#header", octets))


def attachment_too(package: Package) -> None:
    countersign(package.signature, more=reference("cid:a.pdf", PDF))


def properties_of_the_parent(package: Package) -> None:
    found = package.signature.find(f".//{XADES}SignedProperties")
    assert found is not None
    octets = etree.tostring(found, method="c14n", exclusive=True)
    more = reference(f"#{found.get('Id')}", octets, f' Type="{SIGNED_PROPERTIES}"')
    countersign(package.signature, more=more, properties=False)


def altered(package: Package) -> None:
    counter = countersign(package.signature)
    counter[0][2][-1].text = b64encode(bytes(32)).decode()
    resign(counter)


def wrong_value(package: Package) -> None:
    counter = countersign(package.signature)
    counter[1].text = b64encode(bytes(256)).decode()


def without_type(package: Package) -> None:
    countersign(package.signature, type_=None)


def without_key(package: Package) -> None:
    counter = countersign(package.signature)
    counter.remove(counter[2])


def key_by_value(package: Package) -> None:
    counter = countersign(package.signature)
    etree.SubElement(counter[2], DS + "KeyValue")


def nothing_at_all(package: Package) -> None:
    counter = countersign(package.signature)
    for child in list(counter):
        counter.remove(child)
    counter.text = "x"


def its_own_properties_alone(package: Package) -> None:
    counter = countersign(package.signature)
    counter[0].remove(counter[0][2])
    resign(counter)


CONSTRAINTS = SubIndication.SIG_CONSTRAINTS_FAILURE
FALSE: dict[str, tuple[Callable[[Package], None], SubIndication, Reason]] = {
    "over another value": (another_value, CONSTRAINTS, Reason.COVERAGE),
    "over the document": (the_document, CONSTRAINTS, Reason.COVERAGE),
    "over the header as well": (header_too, CONSTRAINTS, Reason.COVERAGE),
    "over an attachment as well": (attachment_too, CONSTRAINTS, Reason.COVERAGE),
    "over the signed properties of its parent": (properties_of_the_parent, CONSTRAINTS, Reason.COVERAGE),
    "over nothing but its own properties": (its_own_properties_alone, CONSTRAINTS, Reason.COVERAGE),
    "of a value that was changed": (altered, SubIndication.HASH_FAILURE, Reason.DIGEST),
    "with a wrong value": (wrong_value, SubIndication.SIG_CRYPTO_FAILURE, Reason.VALUE),
    "without the type": (without_type, FORMAT, Reason.STRUCTURE),
    "without a key": (without_key, SubIndication.NO_SIGNING_CERTIFICATE_FOUND, Reason.KEYINFO),
    "with a key by value": (key_by_value, SubIndication.NO_SIGNING_CERTIFICATE_FOUND, Reason.KEYINFO),
    "without content": (nothing_at_all, FORMAT, Reason.STRUCTURE),
}


@pytest.mark.parametrize("name", FALSE)
def test_62_a_false_one_breaks_the_one_true_shape_and_elsewhere_is_only_told(name: str) -> None:
    bend, sub_indication, reason = FALSE[name]
    package = by_parts()
    bend(package)
    judgement = refused(package, sub_indication, Reason.COUNTERSIGNATURE)
    assert judgement.verified is None
    assert judgement.verdict.checks[-1].observed == f"Signature[1]/CounterSignature[1]: {reason}"
    for policy in (OWN_NETWORK, IF_PRESENT, LEGACY):
        judgement = package.judge(policy=policy)
        told = next(one for one in judgement.each if one.role is SignatureRole.COUNTERSIGNATURE)
        assert told.reason is reason
        assert not told.passed
        if policy is not OWN_NETWORK:
            assert judgement.verdict.passed
            assert judgement.verified is not None


def test_a_false_one_in_the_second_signature_breaks_the_package_too() -> None:
    package = several(pki().good.signer(), pki().rsa.signer())
    counter = countersign(package.signatures[1])
    counter[0][2][-1].text = b64encode(bytes(32)).decode()
    resign(counter)
    judgement = refused(package, SubIndication.HASH_FAILURE, Reason.COUNTERSIGNATURE)
    assert judgement.verified is None
    assert [one.passed for one in judgement.each] == [True, False, False]


# --- where one may stand


def deeper(package: Package) -> None:
    countersign(countersign(package.signature), pki().good.signer(), name="inner")


def in_the_signed_properties(package: Package) -> None:
    counter = countersign(package.signature).getparent()
    found = package.signature.find(f".//{XADES}SignedSignatureProperties")
    assert counter is not None
    assert found is not None
    found.append(counter)


def beside_the_unsigned_properties(package: Package) -> None:
    counter = countersign(package.signature).getparent()
    found = package.signature.find(f".//{XADES}UnsignedProperties")
    assert counter is not None
    assert found is not None
    found.append(counter)


def in_the_header(package: Package) -> None:
    counter = countersign(package.signature).getparent()
    assert counter is not None
    package.place.append(counter)


def two_in_one(package: Package) -> None:
    counter = countersign(package.signature)
    second = countersign(package.signature, pki().good.signer(), name="second")
    holder = second.getparent()
    counter.addnext(second)
    assert holder is not None
    holder.getparent().remove(holder)  # type: ignore[union-attr]


def empty(package: Package) -> None:
    counter = countersign(package.signature)
    counter.getparent().remove(counter)  # type: ignore[union-attr]


MISPLACED = (deeper, in_the_signed_properties, beside_the_unsigned_properties, in_the_header, two_in_one, empty)


@pytest.mark.parametrize("bend", MISPLACED)
def test_one_at_another_place_is_refused_under_every_policy(bend: Callable[[Package], None]) -> None:
    package = by_parts()
    bend(package)
    judgement = refused(package, FORMAT, Reason.STRUCTURE)
    assert judgement.verified is None
    refused(package, FORMAT, Reason.STRUCTURE, policy=IF_PRESENT)
    refused(package, SubIndication.NOT_VERIFIABLE, Reason.STRUCTURE, policy=LEGACY)


def test_a_comment_inside_one_is_refused_like_everywhere_in_a_signature() -> None:
    package = by_parts()
    countersign(package.signature)[0].append(etree.Comment("x"))
    refused(package, FORMAT, Reason.STRUCTURE)


def test_an_id_of_the_package_inside_one_is_refused() -> None:
    package = by_parts()
    countersign(package.signature, name="header")
    refused(package, FORMAT, Reason.DUPLICATE_ID)


def test_one_that_was_moved_to_the_signature_beside_it_is_false() -> None:
    package = several(pki().good.signer(), pki().rsa.signer())
    countersign(package.signatures[1], name="stays")
    moved = countersign(package.signatures[0]).getparent()
    found = package.signatures[1].find(f".//{XADES}UnsignedSignatureProperties")
    assert moved is not None
    assert found is not None
    found.append(moved)
    # What held it is empty now, which the grammar knows as nothing.
    refused(package, CONSTRAINTS, Reason.COUNTERSIGNATURE)


def test_a_countersignature_is_no_signature_of_the_package() -> None:
    """It stands at no place where a signature is looked for, and covers nothing that is used."""
    package = by_parts()
    counter = countersign(package.signature)
    package.place.replace(package.signature, copy.deepcopy(counter))
    judgement = package.judge()
    assert not judgement.verdict.passed
    assert judgement.verified is None


# --- whose it is


def test_one_that_nobody_trusts_changes_nothing_and_is_told() -> None:
    for holder, reason in (
        (pki().from_other_root, Reason.UNTRUSTED),
        (pki().revoked, Reason.REVOKED),
        (pki().expired, Reason.EXPIRED),
        (pki().wrong_usage, Reason.KEY_USAGE),
        (pki().weak, Reason.WEAK_KEY),
    ):
        package = by_parts()
        countersign(package.signature, holder.signer())
        verdict = package.judge().verdict
        assert verdict.passed, verdict.checks[-1]
        assert verdict.others[0].reason is reason
        assert not verdict.others[0].passed
        # Nor does it help a signature that is not good.
        bad = by_parts(pki().from_other_root.signer())
        countersign(bad.signature, pki().good.signer())
        assert bad.judge().verdict.reason is Reason.UNTRUSTED


def test_one_whose_revocation_is_unknown_does_not_make_the_package_wait() -> None:
    """Neither does an unknown authority's time stamp: anybody could hold back a package in that way."""
    silent = issue("CA không có danh sách", pki().root, ca=True, path_length=0)
    trust = Trust((pki().root.der,), (pki().authority.der, silent.der), pki().crls())
    other = issue("Người ký xác nhận", silent)
    package = by_parts()
    countersign(package.signature, other.signer())
    verdict = package.judge(trust=trust).verdict
    assert verdict.passed
    assert verdict.others[0].sub_indication is SubIndication.TRY_LATER
    # Side by side it does.
    package = several(pki().good.signer(), other.signer())
    verdict = package.judge(trust=trust).verdict
    assert verdict.sub_indication is SubIndication.TRY_LATER
    assert verdict.checks[-1].observed == "Signature[2]: cert-revocation-unknown"


def test_a_signature_of_the_whole_document_may_be_countersigned_and_what_it_covers_may_not() -> None:
    """The enveloped transform leaves out the signature itself and no other one."""
    package = unsigned_package(inline=True)
    first = sign_beside(package)
    sign_enveloped(package.place, pki().good.signer(), NOW)
    countersign(package.signatures[1], name="last")
    assert package.judge().verdict.passed
    countersign(first, name="first")
    refused(package, SubIndication.HASH_FAILURE, Reason.DIGEST)


def test_the_octets_that_are_signed_are_the_whole_element_with_its_tags() -> None:
    package = by_parts()
    counter = countersign(package.signature)
    value = package.signature[1]
    start = f'<ds:SignatureValue xmlns:ds="{DS[1:-1]}" Id="{value.get("Id")}">'
    written = f"{start}{value.text}</ds:SignatureValue>".encode()
    assert counter[0][2][-1].text == b64encode(sha256(written).digest()).decode()
    assert the_other(package).covered[0].octets == len(written)
    assert parse(written).text == value.text


def test_values_that_came_with_a_countersignature_are_its_own() -> None:
    package = by_parts()
    counter = countersign(package.signature)
    countersign(counter, name="taken-out").getparent().getparent().clear()  # type: ignore[union-attr]
    place = counter.find(f".//{XADES}UnsignedSignatureProperties")
    assert place is not None
    values = etree.SubElement(place, XADES + "CertificateValues")
    etree.SubElement(values, XADES + "EncapsulatedX509Certificate").text = b64encode(pki().good.der).decode()
    verdict = package.judge().verdict
    assert verdict.passed, verdict.checks[-1]
    came_along = "message, not believed"
    assert came_along not in [one.source for one in verdict.evidence]
    assert came_along in [one.source for one in verdict.others[0].evidence]
