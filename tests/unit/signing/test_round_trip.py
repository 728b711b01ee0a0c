"""What we sign, we verify; what is read is what was signed; whatever is changed afterwards is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from signing import algorithm as names
from signing.policy import IF_PRESENT, LEGACY, OWN_NETWORK
from signing.sign import KeySigner, default_algorithm, load_signer, sign_enveloped, sign_parts
from signing.verdict import CheckStatus, Indication, Reason, SubIndication, Verdict, verdict_from_dict
from signing.verify import InMemory, MustCover, conclude, inspect, verify
from tests.pki import NOW, Holder, curve_key, issue, key_pem, pem, pki, rsa_key
from tests.unit.signing.forge import (
    DS,
    PDF,
    Package,
    Q,
    by_parts,
    enveloped,
    refused,
    unsigned_package,
)

SHAPES = {"parts": by_parts, "enveloped": enveloped}


def holder_for(algorithm: str) -> Holder:
    family = names.SIGNATURES[algorithm].family
    if family in (names.Family.RSA_PKCS1, names.Family.RSA_PSS):
        return issue("r", pki().authority, key=rsa_key())
    if family is names.Family.ED25519:
        return issue("e", pki().authority, key=ed25519.Ed25519PrivateKey.generate())
    curve = {names.ECDSA_SHA256: "secp256r1", names.ECDSA_SHA384: "secp384r1"}.get(algorithm, "secp521r1")
    return issue("c", pki().authority, key=curve_key(curve))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("algorithm", names.SIGNATURES)
def test_every_algorithm_signs_and_verifies(algorithm: str, shape: str) -> None:
    package = SHAPES[shape](holder_for(algorithm).signer(algorithm))
    verdict = package.judge().verdict
    assert verdict.passed, verdict.checks[-1]
    assert verdict.signature_algorithm == algorithm
    assert verdict.profile == shape


def test_the_verdict_tells_everything_it_rests_on() -> None:
    judgement = by_parts().judge()
    verdict = judgement.verdict
    assert (verdict.indication, verdict.reason) == (Indication.TOTAL_PASSED, Reason.GOOD)
    assert (verdict.policy, verdict.policy_sha256) == ("own-network", OWN_NETWORK.sha256)
    assert verdict.at == verdict.claimed_at == NOW
    assert verdict.signer is not None
    assert verdict.signer.certificate == pki().good.sha256
    assert verdict.path == (pki().good.sha256, pki().authority.sha256, pki().root.sha256)
    assert [covered.target for covered in verdict.covered] == [
        "/edXML/edXMLEnvelope/edXMLHeader/MessageHeader",
        "/edXML/edXMLEnvelope/edXMLHeader/TraceHeaderList/Bussiness",
        "/edXML/edXMLEnvelope/edXMLBody/edXMLManifest",
        "cid:a.pdf",
        "/edXML/edXMLEnvelope/edXMLHeader/Signature/Object/QualifyingProperties/SignedProperties",
    ]
    assert verdict.covered[3].octets == len(PDF)
    assert verdict.covered[3].digest == InMemory(PDF).digest("sha256").hex()
    assert all(check.status is CheckStatus.OK for check in verdict.checks)
    assert {item.kind for item in verdict.evidence} == {"certificate", "crl"}
    assert verdict.valid_until == NOW + timedelta(days=1)
    assert verdict_from_dict(json.loads(json.dumps(verdict.to_dict()))) == verdict


def test_the_parts_are_given_back_as_they_were_signed() -> None:
    verified = by_parts().judge().verified
    assert verified is not None
    assert verified.whole is None
    assert set(verified.parts) == {"header", "business", "manifest"}
    assert verified.parts["business"] == (
        b'<e:Bussiness xmlns:e="urn:example:edxml" Id="business"><e:Type>0</e:Type></e:Bussiness>'
    )


def test_the_whole_is_given_back_without_its_signature() -> None:
    verified = enveloped().judge().verified
    assert verified is not None
    assert verified.whole is not None
    assert b"Signature" not in verified.whole
    assert b"MessageHeader" in verified.whole
    assert verified.parts == {}


def test_a_comment_that_splits_a_value_does_not_reach_the_reader() -> None:
    """C14N drops comments, so the signature stays good; `.text` of the tree reads half the code (CVE-2017-11427)."""
    package = by_parts()
    sender = package.header[0]
    sender.text = "000.00"
    comment = etree.Comment("x")
    comment.tail = ".01.H99"
    sender.append(comment)
    judgement = package.judge()
    assert judgement.verdict.passed
    assert judgement.verified is not None
    octets = judgement.verified.parts["header"]
    assert b"<!--" not in octets
    assert etree.fromstring(octets)[0].text == "000.00.01.H99"


CHANGES: dict[str, Callable[[Package], None]] = {
    "header text": lambda p: setattr(p.header[0], "text", "000.00.02.H99"),
    "header attribute": lambda p: p.header.set("x", "1"),
    "header child": lambda p: etree.SubElement(p.header, Q + "To").__setattr__("text", "x"),
    "kind of business": lambda p: setattr(p.business[0], "text", "1"),
    "manifest": lambda p: setattr(p.manifest[0], "text", "cid:b.pdf"),
    "claimed time": lambda p: setattr(next(p.signature.iter("{*}SigningTime")), "text", "2026-11-22T08:00:00Z"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_change_after_signing_is_found(shape: str, change: str) -> None:
    package = SHAPES[shape]()
    CHANGES[change](package)
    judgement = refused(package, SubIndication.HASH_FAILURE, Reason.DIGEST)
    assert judgement.verified is None
    assert judgement.verdict.signer is not None


def test_another_attachment_under_the_same_name_is_found() -> None:
    package = by_parts()
    package.attachments = {"a.pdf": PDF + b"."}
    refused(package, SubIndication.HASH_FAILURE, Reason.DIGEST)


def test_a_signature_copied_to_another_document_is_found() -> None:
    other = unsigned_package()
    other.header[1].text = "000.99.99.H99"
    other.place.append(by_parts().signature)
    refused(other, SubIndication.HASH_FAILURE, Reason.DIGEST)


def test_a_trace_of_hops_does_not_touch_what_is_signed() -> None:
    package = by_parts()
    trace = package.business.getparent()
    assert trace is not None
    etree.SubElement(trace, Q + "TraceHeader").text = "hop"
    assert package.judge().verdict.passed


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_single_changed_octet_of_the_signature_passes(data: st.DataObject) -> None:
    """Flip one character anywhere in the signature element: it may only stay good where its meaning stays."""
    raw = _SIGNED
    start, end = raw.index(b"<ds:Signature"), raw.index(b"</ds:Signature>") + 15
    position = data.draw(st.integers(start, end - 1))
    other = data.draw(st.sampled_from(b"Ab0 /#<>=\"'.:-"))
    changed = raw[:position] + bytes([other]) + raw[position + 1 :]
    try:
        package = Package(etree.fromstring(changed))
        must_cover, signatures = package.must_cover, package.signatures
    except (etree.XMLSyntaxError, AssertionError):
        return
    verdict = verify(package.root, signatures, must_cover, OWN_NETWORK, pki().trust, NOW).verdict
    assert verdict.reason is not Reason.PROCESSING
    if verdict.passed:
        assert _meant(package.root) == _meant(etree.fromstring(raw)) or (
            # White space between elements outside SignedInfo and SignedProperties is nobody's.
            changed[position : position + 1].isspace() or raw[position : position + 1].isspace()
        )


def _meant(root: etree._Element) -> bytes:
    """All but the name that SignatureValue has for those who countersign it: the signature does not cover that."""
    value = root.find(f".//{DS}SignatureValue")
    assert value is not None
    assert value.attrib.pop("Id")
    return etree.tostring(root, method="c14n")


_SIGNED = etree.tostring(by_parts().root)


def test_a_package_without_signature_is_unsigned_and_never_passes() -> None:
    for policy in (OWN_NETWORK, IF_PRESENT, LEGACY):
        refused(unsigned_package(), SubIndication.UNSIGNED, Reason.UNSIGNED, policy=policy)


def test_inspect_and_conclude_are_the_halves_of_verify() -> None:
    package = by_parts().again()
    inspection = inspect(package.root, package.signatures, package.must_cover, OWN_NETWORK, NOW)
    assert inspection.certificate == pki().good.der
    without = conclude(inspection, None)
    assert (without.verdict.sub_indication, without.verified) == (SubIndication.POLICY_PROCESSING_ERROR, None)


def test_a_verdict_on_another_certificate_concludes_nothing() -> None:
    from signing.chain import judge_certificate

    package = by_parts().again()
    inspection = inspect(package.root, package.signatures, package.must_cover, OWN_NETWORK, NOW)
    other = judge_certificate(pki().rsa.der, pki().trust, NOW, OWN_NETWORK)
    assert other.sub_indication is None
    assert conclude(inspection, other).verdict.reason is Reason.PROCESSING


def test_what_was_signed_may_be_read_although_the_certificate_waits() -> None:
    judgement = by_parts().judge(trust=pki().stale_trust)
    assert judgement.verdict.sub_indication is SubIndication.TRY_LATER
    assert judgement.verified is not None


def test_a_surprise_inside_is_a_verdict_and_a_disk_that_fails_is_none() -> None:
    class Broken:
        size = 1

        def __init__(self, error: Exception) -> None:
            self.error = error

        def digest(self, name: str) -> bytes:
            raise self.error

    package = by_parts().again()

    def judged(error: Exception) -> Verdict:
        must_cover = replace(package.must_cover, attachments={"a.pdf": Broken(error)})
        return verify(package.root, package.signatures, must_cover, OWN_NETWORK, pki().trust, NOW).verdict

    verdict = judged(RuntimeError("surprise"))
    assert (verdict.sub_indication, verdict.reason) == (SubIndication.POLICY_PROCESSING_ERROR, Reason.PROCESSING)
    with pytest.raises(OSError, match="disk"):
        judged(OSError("disk"))


def test_attachments_that_were_cut_out_are_digested_as_if_they_stood_there() -> None:
    text = b"\n".join([b"QUJD" * 19] * 50) + b"\n"
    full = unsigned_package()
    full.root[-1].text = text.decode()
    sign_enveloped(full.place, pki().good.signer(), NOW)
    raw = etree.tostring(full.root)
    package = Package(etree.fromstring(raw.replace(text, b"@cut-1@")), {}, True)
    splices = {"@cut-1@": text}
    arguments = (package.root, package.signatures, package.must_cover, OWN_NETWORK, pki().trust, NOW)
    good = verify(*arguments, splices)
    assert good.verdict.passed, good.verdict.checks[-1]
    assert good.verdict.covered[0].octets == len(etree.tostring(full.root, method="c14n", exclusive=True)) - len(
        etree.tostring(full.signature, method="c14n", exclusive=True)
    )
    assert good.verified is not None
    assert good.verified.whole is not None
    assert b"@cut-1@" in good.verified.whole
    changed = verify(*arguments, {"@cut-1@": text[:-4] + b"QUE\n"})
    assert changed.verdict.reason is Reason.DIGEST
    assert verify(*arguments).verdict.reason is Reason.DIGEST
    package.root[-1].tail = "@cut-1@"
    assert verify(*arguments, splices).verdict.reason is Reason.C14N


def test_inline_text_covers_only_attachments_that_are_inline() -> None:
    package = enveloped()
    package.inline = False
    judgement = refused(package, SubIndication.SIG_CONSTRAINTS_FAILURE, Reason.COVERAGE)
    assert judgement.verdict.not_covered == ("cid:a.pdf",)


def test_a_signer_refuses_what_does_not_belong_together() -> None:
    good, other = pki().good, pki().rsa
    with pytest.raises(ValueError, match="another key"):
        KeySigner(good.key, pki().holder("000.00.01.H99").der, names.ECDSA_SHA256)
    with pytest.raises(ValueError, match="cannot sign"):
        KeySigner(good.key, good.der, names.RSA_SHA256)
    with pytest.raises(ValueError, match="curve"):
        default_algorithm(curve_key("secp256k1"))
    assert default_algorithm(other.key) == names.PSS_SHA256
    assert default_algorithm(other.key, pkcs1=True) == names.RSA_SHA256
    loaded = load_signer(key_pem(good.key), pem(good.certificate))
    assert by_parts(loaded).judge().verdict.passed
    assert "PRIVATE" not in repr(loaded)


def test_sign_parts_refuses_what_no_verifier_would_accept() -> None:
    package, signer = unsigned_package(), pki().good.signer()
    with pytest.raises(ValueError, match="no Id"):
        sign_parts(package.place, [package.place[1]], [], signer, NOW)
    package.root.set("Id", "root")
    with pytest.raises(ValueError, match="its own signature"):
        sign_parts(package.place, [package.root], [], signer, NOW)
    with pytest.raises(ValueError, match="cid"):
        sign_parts(package.place, [], [("tệp.pdf", bytes(32))], signer, NOW)
    with pytest.raises(ValueError, match="nothing"):
        sign_parts(package.place, [], [], signer, NOW)
    with pytest.raises(ValueError, match="zone"):
        sign_enveloped(package.place, signer, NOW.replace(tzinfo=None))
    assert MustCover({}).place is None
