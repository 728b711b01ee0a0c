"""Times, purposes and dates: a proven earlier time, SHA-1 only before a day, roots for some things only."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from signing.chain import AnchorRule, CertificateVerdict, Purpose, Trust, judge_certificate
from signing.pathcheck import PathRules
from signing.policy import OWN_NETWORK
from signing.revocation.crl import Freshness, load_crl
from signing.verdict import Reason, SubIndication
from tests.pki import NOW, YEAR, Holder, der, issue, pki, revocation_list
from tests.refusals.certs import sha1_leaf

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
GOOD = (None, Reason.GOOD)


def words(verdict: CertificateVerdict) -> tuple[SubIndication | None, Reason]:
    return verdict.sub_indication, verdict.reason


def judged(holder: Holder | bytes, trust: Trust, **more: object) -> CertificateVerdict:
    octets = holder if isinstance(holder, bytes) else holder.der
    return judge_certificate(octets, trust, NOW, OWN_NETWORK, **more)  # type: ignore[arg-type]


# --- a proven time


def test_revoked_after_the_proven_time_and_before_it() -> None:
    gone = revocation_list(pki().authority, [pki().good.certificate], revoked_at=NOW - 5 * DAY)
    trust = pki().trust_with(pki().crls()[0], gone)
    assert words(judged(pki().good, trust)) == (SubIndication.REVOKED, Reason.REVOKED)
    assert words(judged(pki().good, trust, proven=NOW - 6 * DAY)) == GOOD
    assert words(judged(pki().good, trust, proven=NOW - 4 * DAY)) == (SubIndication.REVOKED, Reason.REVOKED)
    assert words(judged(pki().good, trust, proven=NOW - 5 * DAY)) == (SubIndication.REVOKED, Reason.REVOKED)


def test_c14_a_key_that_was_lost_before_it_was_revoked() -> None:
    entry = (
        x509.RevokedCertificateBuilder()
        .serial_number(pki().good.certificate.serial_number)
        .revocation_date(NOW - 5 * DAY)
        .add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
        .add_extension(x509.InvalidityDate(NOW - 9 * DAY), critical=False)
        .build()
    )
    trust = pki().trust_with(pki().crls()[0], listing(entry))
    assert words(judged(pki().good, trust, proven=NOW - 6 * DAY)) == (SubIndication.REVOKED, Reason.REVOKED)
    assert words(judged(pki().good, trust, proven=NOW - 10 * DAY)) == GOOD


def test_expired_now_and_valid_when_it_was_proved() -> None:
    leaf = issue("hết hạn", pki().authority, validity=(NOW - YEAR, NOW - 3 * DAY))
    today = pki().trust
    assert words(judged(leaf, today)) == (SubIndication.EXPIRED, Reason.EXPIRED)
    proven = NOW - 5 * DAY
    unknown = judged(leaf, today, proven=proven)
    assert unknown.reason is Reason.REVOCATION_UNKNOWN, "an authority may drop what has expired from its lists"
    then = pki().trust_with(*pki().crls(at=NOW - 4 * DAY, until=NOW - 3 * DAY))
    assert words(judged(leaf, then, proven=proven)) == GOOD
    assert words(judged(leaf, then, proven=NOW - 2 * DAY)) == (SubIndication.EXPIRED, Reason.EXPIRED)


def test_a_proof_from_the_future_is_none() -> None:
    assert judged(pki().good, pki().trust, proven=NOW + HOUR).sub_indication is not None


# --- SHA-1


@pytest.mark.parametrize(
    ("before", "proven", "sub_indication"),
    [
        (None, None, SubIndication.CRYPTO_CONSTRAINTS_FAILURE),
        (None, NOW - 2 * DAY, SubIndication.CRYPTO_CONSTRAINTS_FAILURE),
        (NOW - DAY, None, SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE),
        (NOW - DAY, NOW - DAY, SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE),
        (NOW - DAY, NOW - 2 * DAY, None),
    ],
)
def test_sha1_in_the_chain(
    before: datetime | None, proven: datetime | None, sub_indication: SubIndication | None
) -> None:
    trust = Trust((pki().root.der,), (pki().authority.der,), pki().crls(), sha1_before=before)
    verdict = judged(sha1_leaf(), trust, proven=proven)
    assert verdict.sub_indication is sub_indication, verdict.checks[-1]
    assert ("certificate-sha1-before-date" in verdict.quirks) == (sub_indication is None)


# --- purposes, roots, policies


def test_a_root_for_time_stamps_only_signs_no_documents() -> None:
    stamps = issue("TSA", pki().authority, more=[(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True)])
    only = {pki().root.sha256: AnchorRule(frozenset({Purpose.TIME_STAMP, Purpose.EVIDENCE}))}
    trust = Trust((pki().root.der,), (pki().authority.der,), pki().crls(), rules=only)
    assert words(judged(stamps, trust, purpose=Purpose.TIME_STAMP)) == GOOD
    verdict = judged(pki().good, trust)
    assert verdict.reason is Reason.UNTRUSTED and "document" in verdict.checks[-1].observed
    assert judged(stamps, pki().trust).reason is Reason.KEY_USAGE
    assert judged(pki().good, pki().trust, purpose=Purpose.TIME_STAMP).reason is Reason.KEY_USAGE
    assert trust.epoch != pki().trust.epoch


def test_a_root_that_is_believed_until_a_day() -> None:
    rules = {pki().root.sha256: AnchorRule(until=NOW - DAY, note="G1")}
    trust = Trust((pki().root.der,), (pki().authority.der,), pki().crls(), rules=rules)
    assert judged(pki().good, trust).reason is Reason.UNTRUSTED
    assert judged(pki().good, trust, proven=NOW - 2 * DAY).sub_indication is None


def test_c12_certificate_policies() -> None:
    rules = PathRules(frozenset({"1.2.3.4"}), explicit=True)
    trust = Trust((pki().root.der,), (pki().authority.der,), pki().crls(), path_rules=rules)
    assert judged(pki().good, trust).reason is Reason.CHAIN


# --- lists


def listing(*entries: x509.RevokedCertificate, number: int = 2, delta: int | None = None) -> bytes:
    authority = pki().authority
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(NOW - HOUR + timedelta(minutes=number))
        .next_update(NOW + DAY)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    if delta is not None:
        builder = builder.add_extension(x509.DeltaCRLIndicator(delta), critical=True)
    builder._revoked_certificates = list(entries)
    return der(builder.sign(authority.key, hashes.SHA256()))


def entry(reason: x509.ReasonFlags) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(pki().good.certificate.serial_number)
    return builder.revocation_date(NOW - DAY).add_extension(x509.CRLReason(reason), critical=False).build()


HOLD, REMOVE, LOST = (
    x509.ReasonFlags.certificate_hold,
    x509.ReasonFlags.remove_from_crl,
    x509.ReasonFlags.key_compromise,
)


@pytest.mark.parametrize(
    ("lists", "reason"),
    [
        ([listing()], Reason.GOOD),
        ([listing(entry(HOLD))], Reason.REVOKED),
        ([listing(), listing(entry(LOST), number=3, delta=2)], Reason.REVOKED),
        ([listing(entry(HOLD)), listing(entry(REMOVE), number=3, delta=2)], Reason.GOOD),
        ([listing(entry(LOST)), listing(entry(REMOVE), number=3, delta=2)], Reason.REVOKED),
        ([listing(entry(HOLD)), listing(entry(REMOVE), number=4, delta=3)], Reason.REVOKED),
        ([listing(entry(HOLD)), listing(number=3)], Reason.GOOD),
        ([listing(entry(LOST)), listing(number=3)], Reason.REVOKED),
        ([listing(number=3, delta=2)], Reason.REVOCATION_UNKNOWN),
    ],
)
def test_holds_and_delta_lists(lists: list[bytes], reason: Reason) -> None:
    assert judged(pki().good, pki().trust_with(pki().crls()[0], *lists)).reason is reason


def test_an_expired_list_with_the_higher_number_is_not_outvoted_by_an_older_one() -> None:
    newer = revocation_list(pki().authority, at=NOW - 3 * HOUR, until=NOW - HOUR, number=7)
    older = revocation_list(pki().authority, at=NOW - 2 * HOUR, until=NOW + DAY, number=6)
    assert judged(pki().good, pki().trust_with(pki().crls()[0], newer, older)).reason is Reason.REVOCATION_UNKNOWN


def test_grace_is_declared_bounded_and_recorded() -> None:
    root, _ = pki().crls()
    stale = revocation_list(pki().authority, at=NOW - DAY, until=NOW - HOUR)
    for grace, reason in ((HOUR * 2, Reason.GOOD), (HOUR / 2, Reason.REVOCATION_UNKNOWN)):
        trust = Trust((pki().root.der,), (pki().authority.der,), (root, stale), freshness=Freshness(grace=grace))
        verdict = judged(pki().good, trust)
        assert verdict.reason is reason
        assert verdict.quirks == (("revocation=stale(3600s)",) if reason is Reason.GOOD else ())


def test_a_list_of_many_entries_costs_once() -> None:
    """Looked into by certificate, not searched: no entry becomes an object but one that is found."""
    chosen = random.Random(7)  # a fixed seed: which serials does not matter
    many = [
        x509.RevokedCertificateBuilder().serial_number(chosen.getrandbits(120) + 1).revocation_date(NOW - DAY).build()
        for _ in range(5_000)
    ]
    octets = listing(*many, entry(LOST))
    crl = load_crl(octets)
    assert crl is load_crl(bytes(bytearray(octets))), "the same issue, read from a file again"
    assert len(crl.serials) == 5_001 and crl.entries is None
    assert judged(pki().good, pki().trust_with(pki().crls()[0], octets)).reason is Reason.REVOKED
    assert judged(pki().rsa, pki().trust_with(pki().crls()[0], octets)).reason is Reason.GOOD
    assert set(crl.signed_by) == {pki().authority.sha256}
