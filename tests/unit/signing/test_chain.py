"""Certificates: whom to believe, for how long, and why not."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from signing.certificate import load_leaf
from signing.chain import AnchorRule, CertificateCache, CertificateVerdict, Trust, judge_certificate
from signing.policy import IF_PRESENT, OWN_NETWORK
from signing.rules import rules_of
from signing.verdict import Reason, SubIndication
from tests.pki import NOW, Holder, Pki, issue, pem, pki, revocation_list
from tests.refusals.certs import odd_name, under
from tests.tools import need

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


def test_anchors_are_self_signed_roots_and_what_is_not_is_said() -> None:
    trust = Trust((pki().authority.der, pki().good.der, b"junk"), (pki().good.der,), (b"junk",))
    assert words(judge(pki().good, trust)) == UNTRUSTED
    assert len(trust.problems) == 5
    assert "not a self-signed root" in trust.problems[0]


def test_a_name_of_another_kind_is_said_and_stops_nothing() -> None:
    """`cryptography` raises a TypeError for a name that is a BIT STRING, where all else is a ValueError."""
    root, authority = pki().root.der, odd_name(pki().authority.der)
    trust = Trust((root,), (pki().authority.der, authority), (*pki().crls(), odd_name(pki().crls()[1])))
    assert words(judge(pki().good, trust)) == (None, Reason.GOOD)
    assert [problem.partition(" ")[0] for problem in trust.problems] == ["intermediate", "crl"]


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


def believed_until() -> Trust:
    rules = {pki().root.sha256: AnchorRule(until=NOW + HOUR)}
    return Trust((pki().root.der,), (pki().authority.der,), pki().crls(), rules=rules)


def on_a_list(holder: Holder, by: Holder, **changes: object) -> Trust:
    """`holder` is revoked from in an hour on."""
    ahead = revocation_list(by, [holder.certificate], revoked_at=NOW + HOUR, number=2, **changes)  # type: ignore[arg-type]
    return pki().trust_with(*pki().crls(), ahead)


def signed_by_another() -> Trust:
    """The list is made by somebody of the authority's name whose certificate ends in an hour."""
    other = issue("CA kiểm thử", pki().root, usages=frozenset({"crl_sign"}), validity=(NOW - HOUR, NOW + HOUR))
    lists = (pki().crls()[0], revocation_list(other))
    return Trust((pki().root.der,), (pki().authority.der, other.der), lists)


TURNS: dict[str, Callable[[], Trust]] = {
    "the root is believed until then": believed_until,
    "revoked from then on": lambda: on_a_list(pki().good, pki().authority),
    "its authority is": lambda: on_a_list(pki().authority, pki().root),
    "who signed the list ends": signed_by_another,
}


class TestCache:
    @pytest.mark.parametrize("what", TURNS)
    def test_a_good_verdict_is_not_used_when_it_would_be_another(self, what: str) -> None:
        cache, trust, der = CertificateCache(), TURNS[what](), pki().good.der
        verdict, later = judge(pki().good, trust), NOW + HOUR + timedelta(seconds=1)
        assert verdict.sub_indication is None, verdict.checks[-1]
        assert judge(pki().good, trust, later).sub_indication is not None
        rules = rules_of(trust, [row.sha256 for row in verdict.evidence])
        assert judge(pki().good, rules.trust(trust.octets)) == verdict, "from its evidence it ends at another time"
        cache.keep(der, trust, OWN_NETWORK, NOW, verdict)
        assert cache.find(der, trust, OWN_NETWORK, NOW + HOUR / 2) is verdict
        assert cache.find(der, trust, OWN_NETWORK, later) is None
        if judge(pki().good, trust, NOW + HOUR).sub_indication is not None:
            assert cache.find(der, trust, OWN_NETWORK, NOW + HOUR) is None

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


def test_openssl_too_believes_nobody_below_an_authority_for_tls(tmp_path: Path) -> None:
    for purposes, good in (
        ((), True),
        ((ExtendedKeyUsageOID.SERVER_AUTH,), False),
        ((ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.EMAIL_PROTECTION), True),
    ):
        one, trust = under(purposes=purposes)
        for name, octets in (("root", trust.anchors[0]), ("under", trust.intermediates[0]), ("leaf", one.der)):
            (tmp_path / name).write_bytes(pem(x509.load_der_x509_certificate(octets)))
        asked = [need("openssl"), "verify", "-purpose", "smimesign", "-attime", str(int(NOW.timestamp()))]
        files = ["-CAfile", tmp_path / "root", "-untrusted", tmp_path / "under", tmp_path / "leaf"]
        by_openssl = subprocess.run([*asked, *files], capture_output=True, check=False).returncode == 0
        assert (judge(one, trust).sub_indication is None, by_openssl) == (good, good)


def test_two_threads_judge_under_the_same_authority() -> None:
    usual = sys.getswitchinterval()
    try:
        sys.setswitchinterval(1e-6)
        with ThreadPoolExecutor(2) as threads:
            for number in range(12):
                root = issue(f"gốc {number}", ca=True)
                above = issue(f"CA {number}", root, ca=True)
                lists = (revocation_list(root), revocation_list(above))
                trust = Trust((root.der,), (above.der,), lists)
                found = threads.map(partial(judge, trust=trust), [issue(f"lá {each}", above) for each in range(2)])
                assert [words(one) for one in found] == [(None, Reason.GOOD)] * 2
    finally:
        sys.setswitchinterval(usual)
