"""XAdES-B-T: a time that is proved decides for when the signer's certificate is judged."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from copy import deepcopy
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from lxml import etree

from axis.flow.context import Context
from axis.flow.judge import _conclude as judge_in_daemon
from signing import algorithm as names
from signing.chain import CertificateCache, Trust, judge_certificate
from signing.policy import IF_PRESENT, LEGACY, OWN_NETWORK
from signing.verdict import CheckStatus, Reason, SubIndication, verdict_from_dict
from signing.verify import Proof, conclude, inspect, prove
from signing.xades_t import add_signature_timestamp, timestamp_octets
from tests.pki import NOW, YEAR, Holder, issue, pki, revocation_list
from tests.unit.signing.bend import find
from tests.unit.signing.forge import DS, Package, by_parts, enveloped
from tests.unit.signing.test_interop import check_with_xmlsec1
from tests.unit.timestamp import authority
from tests.unit.timestamp.stamped import (
    DAY,
    HOUR,
    invalid_since,
    judge,
    properties,
    put,
    revoking,
    signed,
    stamp,
    stamped,
    words,
)

GOOD = (None, Reason.GOOD)
GONE = (SubIndication.REVOKED, Reason.REVOKED)
WAIT = (SubIndication.TRY_LATER, Reason.REVOCATION_UNKNOWN)
FORMAT = (SubIndication.FORMAT_FAILURE, Reason.STRUCTURE)


def test_a_time_stamp_is_told_in_the_verdict() -> None:
    verdict = judge(stamped()).verdict
    assert words(verdict) == (*GOOD, NOW - DAY)
    assert verdict.at == NOW
    tokens = [row for row in verdict.evidence if row.kind == "time-stamp"]
    assert [(row.this_update, row.source) for row in tokens] == [
        (NOW - DAY, authority.good().certificate.subject.rfc4514_string())
    ]
    assert authority.good().sha256 in [row.sha256 for row in verdict.evidence]
    rows = [check for check in verdict.checks if check.id == "sig-timestamp"]
    assert [(row.status, row.required) for row in rows] == [(CheckStatus.OK, tokens[0].sha256)]
    assert verdict_from_dict(verdict.to_dict()) == verdict


def test_without_a_time_stamp_nothing_is_proved() -> None:
    assert words(judge(signed()).verdict) == (*GOOD, None)


@pytest.mark.parametrize("make", [by_parts, enveloped])
def test_xmlsec1_still_verifies_a_stamped_signature(make: type, tmp_path: Path) -> None:
    package = stamp(make(pki().rsa.signer(names.RSA_SHA256)))
    assert judge(package).verdict.best_signature_time == NOW
    assert check_with_xmlsec1(package, tmp_path)
    package.header[0].text = "changed"
    assert not check_with_xmlsec1(package, tmp_path), "the oracle accepts anything"


# --- when the certificate is judged


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        (NOW - DAY + HOUR, (*GOOD, NOW - DAY)),
        (NOW - DAY - HOUR, (*GONE, NOW - DAY)),
        (NOW - DAY, (*GONE, NOW - DAY)),
    ],
)
def test_revoked_after_the_proven_time_is_good_and_before_is_not(since: datetime, expected: tuple[object, ...]) -> None:
    assert words(judge(stamped(), trust=revoking(pki().good, since)).verdict) == expected
    assert words(judge(signed(), trust=revoking(pki().good, since)).verdict) == (*GONE, None)


def test_a_key_that_was_lost_before_the_proven_time_is_not_good() -> None:
    """invalidityDate says since when the key may not be believed (RFC 5280 §5.3.2)."""
    lost = invalid_since(pki().good, NOW - HOUR, NOW - 2 * DAY)
    assert words(judge(stamped(), trust=lost).verdict) == (*GONE, NOW - DAY)
    later = invalid_since(pki().good, NOW - HOUR, NOW - 2 * HOUR)
    assert words(judge(stamped(), trust=later).verdict) == (*GOOD, NOW - DAY)


def test_the_accuracy_counts_against_the_signer() -> None:
    package = stamp(signed(), at=NOW - DAY, accuracy={"seconds": 600})
    for minutes, expected in ((5, GONE), (15, GOOD)):
        since = NOW - DAY + minutes * (HOUR / 60)
        assert words(judge(package, trust=revoking(pki().good, since)).verdict)[:2] == expected


def short(until: datetime = NOW - HOUR) -> Holder:
    return issue("Ngắn hạn", pki().authority, validity=(NOW - YEAR, until))


def long_ago() -> Trust:
    """Lists that were in force when the short certificate still was."""
    return pki().trust_with(*pki().crls(at=NOW - DAY - HOUR, until=NOW - 2 * HOUR), *pki().crls())


def test_expired_now_and_valid_at_the_proven_time_is_good() -> None:
    holder = short()
    verdict = judge(stamped(holder), trust=long_ago()).verdict
    assert words(verdict) == (*GOOD, NOW - DAY)
    assert verdict.valid_until == NOW + DAY
    assert words(judge(signed(holder), trust=long_ago()).verdict)[:2] == (SubIndication.EXPIRED, Reason.EXPIRED)


def test_expired_before_the_proven_time_is_expired() -> None:
    holder = short(NOW - DAY - HOUR)
    expected = (SubIndication.EXPIRED, Reason.EXPIRED, NOW - DAY)
    assert words(judge(stamp(signed(holder), at=NOW - DAY), trust=long_ago()).verdict) == expected


def test_not_yet_valid_at_the_proven_time_is_no_signature_of_that_time() -> None:
    holder = issue("Cấp sau", pki().authority, validity=(NOW - HOUR, NOW + YEAR))
    package = stamp(by_parts(holder.signer(), NOW - HOUR), at=NOW - HOUR - HOUR / 60)
    assert judge(package).verdict.sub_indication is SubIndication.NOT_YET_VALID


def test_a_list_of_after_the_end_does_not_vouch_for_an_expired_certificate() -> None:
    """An authority may drop what has expired from its lists: "not listed" says nothing then."""
    package = stamped(short(NOW - 2 * HOUR))
    assert words(judge(package).verdict)[:2] == WAIT
    too_old = pki().trust_with(*pki().crls(at=NOW - 9 * DAY, until=NOW - 2 * DAY), pki().crls()[0])
    assert words(judge(package, trust=too_old).verdict)[:2] == WAIT


# --- which time stamps count


def test_of_several_the_earliest_that_is_believed_counts() -> None:
    package = signed()
    stamp(package, authority.stamper(issuer=pki().authority), at=NOW - DAY)
    stamp(package, at=NOW - 2 * HOUR)
    stamp(package, at=NOW - 3 * HOUR)
    verdict = judge(package).verdict
    assert words(verdict) == (*GOOD, NOW - 3 * HOUR)
    rows = [check.status for check in verdict.checks if check.id == "sig-timestamp"]
    assert rows == [CheckStatus.WARNING, CheckStatus.OK, CheckStatus.OK]


def test_a_time_stamp_that_is_not_believed_changes_nothing() -> None:
    """Anybody can add one to a package on its way: it must not take a good one away."""
    for tsa in (Trust(), pki().trust, authority.trust(*authority.lists(authority.good().certificate))):
        assert words(judge(stamped(), tsa=tsa).verdict) == (*GOOD, None)
        after = revoking(pki().good, NOW - HOUR)
        assert words(judge(stamped(), trust=after, tsa=tsa).verdict) == (*GONE, None)


def test_what_an_authority_without_lists_could_save_waits_for_them() -> None:
    missing = authority.trust(revocation_list(authority.roots()[0]))
    assert words(judge(stamped(), tsa=missing).verdict) == (*GOOD, None)
    after, before = revoking(pki().good, NOW - HOUR), revoking(pki().good, NOW - 3 * DAY)
    assert words(judge(stamped(), trust=after, tsa=missing).verdict) == (*WAIT, None)
    assert words(judge(stamped(), trust=before, tsa=missing).verdict) == (*GONE, None)


def copied() -> Package:
    """Our signature, with the time stamp of another one."""
    package, other = signed(), stamped(pki().rsa)
    properties(package).append(deepcopy(properties(other)[0]))
    return package


def test_a_time_stamp_copied_from_another_signature_is_refused() -> None:
    verdict = judge(copied()).verdict
    assert words(verdict) == (SubIndication.HASH_FAILURE, Reason.TIMESTAMP, None)
    assert judge(copied()).verified is None
    assert [row.kind for row in verdict.evidence] == ["time-stamp"]


@pytest.mark.parametrize("policy", [IF_PRESENT, LEGACY])
def test_where_the_field_is_tolerated_a_false_time_stamp_is_told_and_proves_nothing(policy: object) -> None:
    verdict = judge(copied(), policy=policy).verdict  # type: ignore[arg-type]
    assert words(verdict) == (*GOOD, None)
    row = next(check for check in verdict.checks if check.id == "sig-timestamp")
    assert (row.status, row.observed) == (CheckStatus.NOT_OK, "HASH_FAILURE: sig-digest")


def test_a_time_stamp_of_the_value_alone_is_of_something_else() -> None:
    """The frequent mistake: not the canonical SignatureValue element, but the octets inside it."""
    package = signed()
    value = package.signature.find(DS + "SignatureValue")
    assert value is not None
    add_signature_timestamp(package.signature, authority.token((value.text or "").encode(), at=NOW - DAY))
    assert judge(package).verdict.reason is Reason.TIMESTAMP


def test_signed_after_the_time_that_is_proved_is_a_contradiction() -> None:
    package = stamp(by_parts(pki().good.signer(), NOW), at=NOW - HOUR)
    order = SubIndication.TIMESTAMP_ORDER_FAILURE
    assert words(judge(package).verdict) == (order, Reason.TIME, None)
    assert judge(package, policy=IF_PRESENT).verdict.passed, "local time marked as UTC"
    near = stamp(by_parts(pki().good.signer(), NOW), at=NOW - HOUR / 15)
    assert judge(near).verdict.passed


def test_a_verdict_for_another_time_is_not_taken() -> None:
    """Whoever joins the halves cannot pass a certificate's verdict for a time that this signature does not prove."""
    package = signed().again()
    inspection = inspect(package.root, package.signatures, package.must_cover, OWN_NETWORK, NOW)
    trust = revoking(pki().good, NOW - HOUR)
    certificate = judge_certificate(pki().good.der, trust, NOW, OWN_NETWORK, proven=NOW - DAY)
    assert certificate.sub_indication is None
    assert conclude(inspection, certificate).verdict.reason is Reason.PROCESSING
    assert prove(inspection, authority.trust()) == Proof()
    cache = CertificateCache()
    cache.keep(pki().good.der, trust, OWN_NETWORK, NOW, certificate)
    assert len(cache) == 0


# --- the octets that are stamped


def value_of(package: Package) -> str:
    return package.signature.findtext(DS + "SignatureValue") or ""


def id_of(package: Package) -> str:
    return find(package, "ds:SignatureValue").get("Id") or ""


def test_the_octets_are_the_canonical_signature_value() -> None:
    package = signed()
    start = f'<ds:SignatureValue xmlns:ds="{DS[1:-1]}" Id="{id_of(package)}">'
    written = f"{start}{value_of(package)}</ds:SignatureValue>"
    assert timestamp_octets(package.signature) == written.encode()


def test_without_a_method_it_is_inclusive_canonicalisation() -> None:
    """As XML-DSig has it by default, with every namespace in scope and the language of the document."""
    package = signed()
    octets = (
        f'<ds:SignatureValue xmlns="urn:example:edxml" xmlns:ds="{DS[1:-1]}" xmlns:e="urn:example:edxml"'
        f' xmlns:u="urn:unused" Id="{id_of(package)}" xml:lang="vi">{value_of(package)}</ds:SignatureValue>'
    )
    add_signature_timestamp(package.signature, authority.token(octets.encode(), at=NOW - DAY))
    stamp_ = properties(package)[0]
    assert judge(package).verdict.reason is Reason.TIMESTAMP
    stamp_.remove(stamp_[0])
    assert words(judge(package).verdict) == (*GOOD, NOW - DAY)


def test_the_writer_touches_nothing_that_is_signed() -> None:
    package = signed()
    before = etree.tostring(package.signature, method="c14n", exclusive=True)
    stamp(stamp(package))
    unsigned = properties(package).getparent()
    assert unsigned is not None
    found = unsigned.getparent()
    assert found is not None
    found.remove(unsigned)
    assert etree.tostring(package.signature, method="c14n", exclusive=True) == before


def test_the_writer_knows_its_limits() -> None:
    package = signed()
    for _ in range(4):
        stamp(package)
    assert judge(package).verdict.passed
    with pytest.raises(ValueError, match="4 time stamps"):
        stamp(package)
    bare = signed()
    qualifying = bare.signature.find(DS + "Object")
    assert qualifying is not None
    bare.signature.remove(qualifying)
    with pytest.raises(ValueError, match="QualifyingProperties"):
        stamp(bare)


# --- what else may stand there

STAMP = (
    "<xades:SignatureTimeStamp>{}<xades:EncapsulatedTimeStamp{}>{}</xades:EncapsulatedTimeStamp>"
    "</xades:SignatureTimeStamp>"
)

MALFORMED = {
    "Include": STAMP.format('<xades:Include URI="#x"/>', "", "AAAA"),
    "no token": "<xades:SignatureTimeStamp/>",
    "XMLTimeStamp": "<xades:SignatureTimeStamp><xades:XMLTimeStamp/></xades:SignatureTimeStamp>",
    "not base64": STAMP.format("", "", "@@@@"),
    "empty": STAMP.format("", "", ""),
    "not DER": STAMP.format("", ' Encoding="http://uri.etsi.org/01903/v1.2.2#BER"', "AAAA"),
    "an attribute": STAMP.format("", ' Trust="yes"', "AAAA"),
    "another property": "<xades:CounterSignature/>",
    "text": "<xades:CertificateValues>AAAA</xades:CertificateValues>",
    "five tokens": STAMP.format("", "", "AAAA").replace(
        "</xades:SignatureTimeStamp>", "<xades:EncapsulatedTimeStamp>AAAA</xades:EncapsulatedTimeStamp>" * 4
    )
    + "</xades:SignatureTimeStamp>",
    "references": "<xades:CompleteCertificateRefs/>",
    "two lists of certificates": "<v141:TimeStampValidationData><xades:CertificateValues/><xades:CertificateValues/>"
    "</v141:TimeStampValidationData>",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_the_grammar_is_closed(name: str) -> None:
    assert words(judge(put(signed(), MALFORMED[name])).verdict)[:2] == FORMAT


def test_a_canonicalisation_with_comments_is_not_for_time_stamps_either() -> None:
    method = f'<ds:CanonicalizationMethod Algorithm="{names.EXC_C14N}WithComments"/>'
    assert judge(put(signed(), STAMP.format(method, "", "AAAA"))).verdict.reason is Reason.C14N


def test_five_time_stamps_in_two_properties_are_too_many() -> None:
    package = stamp(stamp(stamp(signed())))
    again = STAMP.format("", "", "AAAA").replace("</xades:SignatureTimeStamp>", "")
    put(package, again + "<xades:EncapsulatedTimeStamp>AAAA</xades:EncapsulatedTimeStamp></xades:SignatureTimeStamp>")
    assert judge(package).verdict.reason is Reason.LIMIT


def certificates(*holders: Holder) -> str:
    values = "".join(
        f"<xades:EncapsulatedX509Certificate>{b64encode(holder.der).decode()}</xades:EncapsulatedX509Certificate>"
        for holder in holders
    )
    return f"<xades:CertificateValues>{values}</xades:CertificateValues>"


def crls(*lists: bytes) -> str:
    values = "".join(
        f"<xades:EncapsulatedCRLValue>{b64encode(one).decode()}</xades:EncapsulatedCRLValue>" for one in lists
    )
    return f"<xades:RevocationValues><xades:CRLValues>{values}</xades:CRLValues></xades:RevocationValues>"


def test_validation_values_of_the_message_are_named_and_not_believed() -> None:
    stranger = put(signed(pki().from_other_root), certificates(pki().other_root))
    verdict = judge(stranger).verdict
    assert verdict.reason is Reason.UNTRUSTED
    hints = [(row.kind, row.sha256) for row in verdict.evidence if row.source == "message, not believed"]
    assert hints == [("certificate", pki().other_root.sha256)]
    lists = pki().crls()
    package = put(signed(), crls(*lists))
    assert words(judge(package, trust=pki().trust_without_lists).verdict)[:2] == WAIT
    verdict = judge(put(stamped(), crls(*lists))).verdict
    assert words(verdict) == (*GOOD, NOW - DAY)
    told = {row.sha256 for row in verdict.evidence if row.source == "message, not believed"}
    assert told == {hashlib.sha256(one).hexdigest() for one in lists}


def test_validation_data_of_the_time_stamp_is_read_too() -> None:
    """A token that does not carry its signer's certificate, which comes beside it."""
    package = signed()
    content = authority.info(hashlib.sha256(timestamp_octets(package.signature)).digest(), at=NOW - DAY)
    add_signature_timestamp(package.signature, authority.sign(content, options=["-cades", "-nocerts"]))
    assert words(judge(package).verdict) == (*GOOD, None)
    inner = certificates(authority.good())
    put(package, f'<v141:TimeStampValidationData URI="#x">{inner}</v141:TimeStampValidationData>')
    assert words(judge(package).verdict) == (*GOOD, NOW - DAY)


async def test_the_daemon_judges_a_stamped_package_for_its_time_and_keeps_nothing_of_it() -> None:
    trust = Trust(
        (pki().root.der, authority.roots()[0].der),
        (pki().authority.der, authority.roots()[1].der),
        (pki().crls()[0], *revoking(pki().good, NOW - HOUR).crls[1:], *authority.lists()),
    )
    ctx = cast(Context, SimpleNamespace(trust=trust, certificates=CertificateCache(), evidence=None, paths=None))
    for make, expected in ((stamped, (*GOOD, NOW - DAY)), (signed, (*GONE, None))):
        package = make().again()
        inspection = inspect(package.root, package.signatures, package.must_cover, OWN_NETWORK, NOW)
        assert words((await judge_in_daemon(inspection, OWN_NETWORK, NOW, ctx))[0].verdict) == expected
    assert len(ctx.certificates) == 0
