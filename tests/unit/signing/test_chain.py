"""Certificates: whom to believe, for how long, and why not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from signing.certificate import load_leaf
from signing.chain import CertificateCache, CertificateVerdict, Trust, judge_certificate
from signing.policy import IF_PRESENT, OWN_NETWORK
from signing.verdict import Reason, SubIndication
from tests.pki import NOW, YEAR, Holder, Pki, issue, pki, revocation_list

HOUR = timedelta(hours=1)
UNKNOWN = (SubIndication.TRY_LATER, Reason.REVOCATION_UNKNOWN)
CHAIN = (SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE, Reason.CHAIN)
USAGE = (SubIndication.CHAIN_CONSTRAINTS_FAILURE, Reason.KEY_USAGE)
UNTRUSTED = (SubIndication.NO_CERTIFICATE_CHAIN_FOUND, Reason.UNTRUSTED)
WEAK = (SubIndication.CRYPTO_CONSTRAINTS_FAILURE, Reason.WEAK_KEY)


def judge(holder: Holder, trust: Trust | None = None, at: datetime = NOW) -> CertificateVerdict:
    return judge_certificate(holder.der, trust or pki().trust, at, OWN_NETWORK)


def words(verdict: CertificateVerdict) -> tuple[SubIndication | None, Reason]:
    return verdict.sub_indication, verdict.reason


def leaf(**changes: object) -> Holder:
    return issue("lá", pki().authority, **changes)  # type: ignore[arg-type]


GOOD: dict[str, Callable[[Pki], Holder]] = {
    "P-256": lambda p: p.good,
    "RSA": lambda p: p.rsa,
    "Ed25519": lambda p: p.ed25519,
    "nonRepudiation only": lambda p: p.non_repudiation,
    "for mail": lambda p: leaf(purposes=[ExtendedKeyUsageOID.EMAIL_PROTECTION]),
    "for mail and TLS": lambda p: leaf(
        purposes=[ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.EMAIL_PROTECTION]
    ),
    "an unknown extension": lambda p: leaf(
        more=[(x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00"), False)]
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_good(name: str) -> None:
    verdict = judge(GOOD[name](pki()))
    assert words(verdict) == (None, Reason.GOOD), verdict.checks[-1]
    assert verdict.valid_until == NOW + timedelta(days=1)


BAD: dict[str, tuple[Callable[[Pki], Holder], SubIndication, Reason]] = {
    "C01 expired": (lambda p: p.expired, SubIndication.EXPIRED, Reason.EXPIRED),
    "C02 not yet valid": (lambda p: p.not_yet_valid, SubIndication.NOT_YET_VALID, Reason.NOT_YET_VALID),
    "C03 unknown root": (lambda p: p.from_other_root, *UNTRUSTED),
    "C03 self-signed": (lambda p: issue("tự ký"), *UNTRUSTED),
    "C03 same issuer name, other key": (lambda p: issue("giả", issue("CA kiểm thử", ca=True)), *UNTRUSTED),
    "C05 an authority": (lambda p: p.authority, *USAGE),
    "C05 keyCertSign on a leaf": (
        lambda p: leaf(usages=frozenset({"digital_signature", "key_cert_sign"})),
        *USAGE,
    ),
    "C05 issued by a leaf": (lambda p: issue("con", p.good), *UNTRUSTED),
    "C09 unknown critical extension": (
        lambda p: leaf(more=[(x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)]),
        *CHAIN,
    ),
    "C10 wrong usage": (lambda p: p.wrong_usage, *USAGE),
    "C10 no usage": (lambda p: leaf(usages=None), *USAGE),
    "C11 TLS client": (lambda p: leaf(purposes=[ExtendedKeyUsageOID.CLIENT_AUTH]), *USAGE),
    "C11 TLS server": (lambda p: leaf(purposes=[ExtendedKeyUsageOID.SERVER_AUTH]), *USAGE),
    "C11 time stamps": (lambda p: leaf(purposes=[ExtendedKeyUsageOID.TIME_STAMPING]), *USAGE),
    "C13 revoked": (lambda p: p.revoked, SubIndication.REVOKED, Reason.REVOKED),
    "C29 RSA 1024": (lambda p: p.weak, *WEAK),
}


@pytest.mark.parametrize("name", BAD)
def test_bad(name: str) -> None:
    make, sub_indication, reason = BAD[name]
    verdict = judge(make(pki()))
    assert words(verdict) == (sub_indication, reason), verdict.checks[-1]
    assert verdict.valid_until is None


def test_c30_a_leaf_signed_with_sha1() -> None:
    assert words(judge_certificate(_sha1_leaf(), pki().trust, NOW, OWN_NETWORK)) == WEAK


def _sha1_leaf() -> bytes:
    """A certificate signed with ecdsa-with-SHA1. cryptography will not sign one, so its algorithm is patched in."""
    key = pki().authority.key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    good = pki().good.certificate
    sha256_oid, sha1_oid = bytes.fromhex("300a06082a8648ce3d040302"), bytes.fromhex("300906072a8648ce3d0401")
    tbs = good.tbs_certificate_bytes.replace(sha256_oid, sha1_oid, 1)
    assert tbs[:2] == b"\x30\x82"
    tbs = tbs[:2] + (len(tbs) - 4).to_bytes(2, "big") + tbs[4:]
    digest = hashes.Hash(hashes.SHA1())
    digest.update(tbs)
    signature = key.sign(digest.finalize(), ec.ECDSA(Prehashed(hashes.SHA1())))
    bits = b"\x03" + bytes([len(signature) + 1]) + b"\0" + signature
    body = tbs + sha1_oid + bits
    return b"\x30\x82" + len(body).to_bytes(2, "big") + body


def test_c28_what_is_no_certificate() -> None:
    no_certificate = (SubIndication.NO_SIGNING_CERTIFICATE_FOUND, Reason.KEYINFO)
    for octets in (b"", b"x", pki().good.der[:-1], pki().good.der + b"\0", bytes(5_000_000)):
        verdict = judge_certificate(octets, pki().trust, NOW, OWN_NETWORK)
        assert words(verdict) == no_certificate
        assert verdict.signer is None


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_c28_a_certificate_with_one_octet_changed_is_never_good_and_never_a_crash() -> None:
    # A signature that ends in a zero bit, so that "one bit unused" can be said of it.
    der = next(made.der for made in iter(leaf, None) if not made.der[-1] & 1)
    for position in range(len(der)):
        for flip in (0x01, 0x80):
            changed = der[:position] + bytes([der[position] ^ flip]) + der[position + 1 :]
            verdict = judge_certificate(changed, pki().trust, NOW, OWN_NETWORK)
            assert verdict.sub_indication is not None, position
            assert verdict.reason is not Reason.PROCESSING, (position, verdict.checks[-1])


def test_c04_a_missing_intermediate() -> None:
    assert words(judge(pki().good, Trust((pki().root.der,), (), pki().crls()))) == UNTRUSTED


def test_c06_a_path_length_exceeded() -> None:
    below = issue("CA con", pki().authority, ca=True)
    trust = Trust(
        (pki().root.der,),
        (pki().authority.der, below.der),
        (*pki().crls(), revocation_list(below)),
    )
    assert words(judge(issue("cháu", below), trust)) == CHAIN


def test_c07_a_long_path_is_not_walked() -> None:
    holders = [issue("g0", ca=True)]
    for number in range(1, 30):
        holders.append(issue(f"g{number}", holders[-1], ca=True))
    trust = Trust((holders[0].der,), [holder.der for holder in holders[1:]])
    assert words(judge(issue("lá", holders[-1]), trust)) == UNTRUSTED


def test_c07_a_maze_of_cross_certificates_ends_at_once() -> None:
    names = [issue(f"m{number}", ca=True) for number in range(12)]
    cross = [
        issue(subject.certificate.subject.rfc4514_string(), by, key=subject.key, ca=True)
        for subject in names
        for by in names
    ]
    trust = Trust((), [holder.der for holder in cross])
    assert words(judge(issue("lá", names[0]), trust)) == UNTRUSTED


def test_c08_name_constraints_of_an_authority() -> None:
    constraints = x509.NameConstraints(
        [x509.DirectoryName(x509.Name([x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "LA")]))], None
    )
    authority = issue("CA nước khác", pki().root, ca=True, more=[(constraints, True)])
    trust = Trust((pki().root.der,), (authority.der,), (pki().crls()[0], revocation_list(authority)))
    assert words(judge(issue("lá", authority), trust)) == CHAIN


def test_an_authority_out_of_its_validity() -> None:
    authority = issue("CA cũ", pki().root, ca=True, validity=(NOW - 2 * YEAR, NOW - HOUR))
    trust = Trust((pki().root.der,), (authority.der,), (pki().crls()[0], revocation_list(authority)))
    assert words(judge(issue("lá", authority), trust)) == CHAIN


def test_anchors_are_self_signed_roots_and_what_is_not_is_said() -> None:
    trust = Trust((pki().authority.der, pki().good.der, b"junk"), (pki().good.der,), (b"junk",))
    assert words(judge(pki().good, trust)) == UNTRUSTED
    assert len(trust.problems) == 5
    assert "not a self-signed root" in trust.problems[0]


def test_no_list_and_a_stale_list_and_a_future_list_are_unknown() -> None:
    assert words(judge(pki().good, pki().trust_without_lists)) == UNKNOWN
    assert words(judge(pki().good, pki().stale_trust)) == UNKNOWN
    future = pki().trust_with(*pki().crls(at=NOW + HOUR, until=NOW + 2 * HOUR))
    assert words(judge(pki().good, future)) == UNKNOWN
    only_root = pki().trust_with(pki().crls()[0])
    assert words(judge(pki().good, only_root)) == UNKNOWN
    only_authority = pki().trust_with(pki().crls()[1])
    assert words(judge(pki().good, only_authority)) == UNKNOWN


def test_a_list_is_in_force_from_its_first_to_its_last_second() -> None:
    store = pki().trust.store
    issuer = store.paths(load_leaf(pki().good.der), 4)[0][0]
    (crl,) = store.lists_of(issuer)
    first, last = crl.this_update, crl.next_update
    assert last is not None
    second = timedelta(seconds=1)
    assert [crl.is_fresh(at) for at in (first - second, first, last, last + second)] == [False, True, True, False]


def test_the_last_second_of_a_list() -> None:
    end = NOW + timedelta(days=1)
    assert judge(pki().good, at=end).sub_indication is None
    assert words(judge(pki().good, at=end + timedelta(seconds=1))) == UNKNOWN


def test_a_stale_list_still_revokes() -> None:
    assert words(judge(pki().revoked, pki().stale_trust)) == (SubIndication.REVOKED, Reason.REVOKED)


@pytest.mark.parametrize("reason", [x509.ReasonFlags.certificate_hold, x509.ReasonFlags.superseded])
def test_c13_every_reason_revokes(reason: x509.ReasonFlags) -> None:
    trust = pki().trust_with(pki().crls()[0], revocation_list(pki().authority, [pki().good.certificate], reason=reason))
    assert words(judge(pki().good, trust)) == (SubIndication.REVOKED, Reason.REVOKED)


def test_a_revoked_authority() -> None:
    trust = pki().trust_with(revocation_list(pki().root, [pki().authority.certificate]), pki().crls()[1])
    assert words(judge(pki().good, trust)) == (SubIndication.REVOKED_CA_NO_POE, Reason.CA_REVOKED)


def test_c15_a_list_by_another_authority_of_the_same_name() -> None:
    impostor = issue("CA kiểm thử", ca=True)
    acquits = revocation_list(impostor)
    accuses = revocation_list(impostor, [pki().good.certificate])
    assert words(judge(pki().good, pki().trust_with(pki().crls()[0], acquits))) == UNKNOWN
    assert judge(pki().good, pki().trust_with(*pki().crls(), accuses)).sub_indication is None


def test_c17_a_list_about_authorities_only_says_nothing_of_a_leaf() -> None:
    authority = pki().authority
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(NOW - HOUR)
        .next_update(NOW + HOUR)
        .add_extension(
            x509.IssuingDistributionPoint(None, None, False, True, None, False, False),
            critical=True,
        )
    )
    from cryptography.hazmat.primitives.serialization import Encoding

    partial = builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.DER)
    trust = pki().trust_with(pki().crls()[0], partial)
    assert words(judge(pki().good, trust)) == UNKNOWN
    assert trust.problems == ()


def test_two_paths_and_the_good_one_is_found() -> None:
    """A renewed authority keeps its key; the path through the revoked certificate must not decide."""
    old = pki().authority
    renewed = issue("CA kiểm thử", pki().root, key=old.key, ca=True)
    lists = (revocation_list(pki().root, [old.certificate]), pki().crls()[1])
    trust = Trust((pki().root.der,), (old.der, renewed.der), lists)
    verdict = judge(pki().good, trust)
    assert verdict.sub_indication is None
    assert verdict.path[1] == renewed.sha256


def test_it_can_be_judged_inside_an_event_loop() -> None:
    async def inside() -> CertificateVerdict:
        return judge(pki().good)

    assert asyncio.run(inside()).sub_indication is None


def test_a_time_without_zone_is_no_pass() -> None:
    verdict = judge(pki().good, at=NOW.replace(tzinfo=None))
    assert words(verdict) == (SubIndication.POLICY_PROCESSING_ERROR, Reason.PROCESSING)


def test_the_epoch_names_the_set_and_not_its_order() -> None:
    first, second = pki().crls()
    trust = pki().trust_with(first, second)
    assert trust.epoch == pki().trust_with(second, first, second).epoch
    assert trust.epoch != pki().trust_with(first).epoch
    assert Trust((pki().root.der,)).epoch != Trust((), (pki().root.der,)).epoch


class TestCache:
    def test_a_good_verdict_is_found_until_a_fact_ends(self) -> None:
        cache, trust, der = CertificateCache(), pki().trust, pki().good.der
        verdict = judge(pki().good)
        cache.keep(der, trust, OWN_NETWORK, NOW, verdict)
        assert cache.find(der, trust, OWN_NETWORK, NOW + HOUR) is verdict
        assert cache.find(der, trust, OWN_NETWORK, NOW + timedelta(days=2)) is None
        assert cache.find(der, trust, OWN_NETWORK, NOW - HOUR) is None

    def test_another_policy_or_epoch_or_certificate_is_another_question(self) -> None:
        cache, trust, der = CertificateCache(), pki().trust, pki().good.der
        cache.keep(der, trust, OWN_NETWORK, NOW, judge(pki().good))
        assert cache.find(der, trust, IF_PRESENT, NOW) is None
        assert cache.find(der, pki().live_trust, OWN_NETWORK, NOW) is None
        assert cache.find(pki().rsa.der, trust, OWN_NETWORK, NOW) is None

    def test_bad_and_foreign_verdicts_are_not_kept(self) -> None:
        cache, trust = CertificateCache(), pki().trust
        cache.keep(pki().revoked.der, trust, OWN_NETWORK, NOW, judge(pki().revoked))
        cache.keep(pki().rsa.der, trust, OWN_NETWORK, NOW, judge(pki().good))
        cache.keep(pki().good.der, trust, OWN_NETWORK, NOW + HOUR, judge(pki().good))
        assert len(cache) == 0

    def test_it_forgets_the_least_recently_used(self) -> None:
        cache, trust = CertificateCache(2), pki().trust
        holders = [pki().good, pki().rsa, pki().ed25519]
        for holder in holders[:2]:
            cache.keep(holder.der, trust, OWN_NETWORK, NOW, judge(holder))
        assert cache.find(pki().good.der, trust, OWN_NETWORK, NOW)
        cache.keep(holders[2].der, trust, OWN_NETWORK, NOW, judge(holders[2]))
        assert len(cache) == 2
        assert cache.find(pki().rsa.der, trust, OWN_NETWORK, NOW) is None
