"""What the field writes and no profile can judge: recorded where that is tolerated, never valid (official samples)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from lxml import etree

from signing.policy import IF_PRESENT, LEGACY, OWN_NETWORK
from signing.verdict import Reason, SubIndication
from signing.verify import MustCover, verify
from tests.pki import NOW, pki
from tests.unit.signing.bend import (
    INFO,
    find,
    key_info,
    old_hashes,
    text,
    transforms,
    uri,
    x509_data,
)
from tests.unit.signing.forge import (
    DS,
    ENVELOPED,
    Package,
    by_parts,
    element,
    enveloped,
    parse,
    refused,
    resign,
    sign_again,
    unsigned_package,
)

FORMAT = SubIndication.FORMAT_FAILURE
NO_CERTIFICATE = SubIndication.NO_SIGNING_CERTIFICATE_FOUND
CRYPTO = SubIndication.CRYPTO_CONSTRAINTS_FAILURE
NOT_FOUND = SubIndication.SIGNED_DATA_NOT_FOUND
NOT_VERIFIABLE = SubIndication.NOT_VERIFIABLE
CONSTRAINTS = SubIndication.SIG_CONSTRAINTS_FAILURE


def foreign_namespace() -> Package:
    """The official Java library writes the block in its own namespace: seen, never valid."""
    return Package(parse(etree.tostring(by_parts().root).replace(DS[1:-1].encode(), b"urn:example:edxml")))


def test_d14_a_signature_in_another_namespace() -> None:
    empty = unsigned_package()
    etree.SubElement(empty.place, "{urn:example:edxml}DigitalSignature")
    for package in (foreign_namespace(), empty):
        refused(package, FORMAT, Reason.NAMESPACE)
        for policy in (IF_PRESENT, LEGACY):
            refused(package, SubIndication.NOT_VERIFIABLE, Reason.NAMESPACE, policy=policy)


def test_d30_the_transform_that_does_not_exist_is_not_verifiable_where_that_is_tolerated() -> None:
    package = enveloped()
    transforms("", ENVELOPED, "http://www.w3.org/TR/xml-exc-c14n#")(package)
    resign(package)
    refused(package, FORMAT, Reason.TRANSFORM)
    for policy in (IF_PRESENT, LEGACY):
        refused(package, SubIndication.NOT_VERIFIABLE, Reason.TRANSFORM, policy=policy)


def test_the_signature_of_the_qcvn_example_is_not_verifiable() -> None:
    """RSA-SHA1, no URI, a truncated certificate and a transform that does not exist (official samples)."""
    package = enveloped()
    transforms("", ENVELOPED, "http://www.w3.org/TR/xml-exc-c14n#")(package)
    find(package, f"{INFO}/ds:SignatureMethod").set("Algorithm", "http://www.w3.org/2000/09/xmldsig#rsa-sha1")
    uri("", None)(package)
    key_info(x509_data(b"MII", more=(element(DS + "X509SubjectName", "CN=user05"),)))(package)
    refused(package, FORMAT, Reason.TRANSFORM)
    for policy in (IF_PRESENT, LEGACY):
        refused(package, SubIndication.NOT_VERIFIABLE, Reason.TRANSFORM, policy=policy)


def test_the_signature_of_the_official_library_is_not_verifiable() -> None:
    """A package as EdXML102 0.0.3 wrote it: its block stands in the namespace of QCVN 102."""
    root = parse((Path(__file__).parents[2] / "vectors/samples/document-edxml102-library.edxml").read_bytes())
    blocks = list(root.iter("{*}Signature"))
    assert len(blocks) == 1
    for policy, sub_indication in ((OWN_NETWORK, FORMAT), (IF_PRESENT, NOT_VERIFIABLE), (LEGACY, NOT_VERIFIABLE)):
        verdict = verify(root, blocks, MustCover({"root": root}), policy, pki().trust, NOW).verdict
        assert (verdict.sub_indication, verdict.reason) == (sub_indication, Reason.NAMESPACE)


def test_legacy_records_what_it_cannot_judge_and_what_it_found_wrong() -> None:
    sha1 = by_parts()
    old_hashes(sha1)
    sign_again(sha1)
    refused(sha1, CRYPTO, Reason.ALGORITHM, policy=IF_PRESENT)
    refused(sha1, SubIndication.NOT_VERIFIABLE, Reason.ALGORITHM, policy=LEGACY)
    no_uri = by_parts()
    uri("#header", None)(no_uri)
    sign_again(no_uri)
    refused(no_uri, FORMAT, Reason.REFERENCE, policy=IF_PRESENT)
    refused(no_uri, SubIndication.NOT_VERIFIABLE, Reason.REFERENCE, policy=LEGACY)
    changed = by_parts()
    changed.header[0].text = "x"
    refused(changed, SubIndication.HASH_FAILURE, Reason.DIGEST, policy=LEGACY)
    assert by_parts().judge(policy=LEGACY).verdict.passed


def test_seven_hours_ahead_is_a_quirk_of_the_field_and_no_crime() -> None:
    package = by_parts(at=NOW + timedelta(hours=7))
    refused(package, SubIndication.TRY_LATER, Reason.TIME)
    verdict = package.judge(policy=IF_PRESENT).verdict
    assert verdict.passed
    assert verdict.quirks == ("signing-time-ahead",)


def test_a_signing_time_without_zone_is_not_guessed() -> None:
    package = by_parts()
    text(".//xades:SigningTime", lambda value: value.removesuffix("Z"))(package)
    resign(package)
    verdict = package.judge().verdict
    assert verdict.passed
    assert (verdict.claimed_at, verdict.quirks) == (None, ("signing-time-without-zone",))
