"""Tokens: what is right, and what no authority of ours may get away with (signing.md §5, no. 59)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from signing.chain import AnchorRule, Purpose, Trust
from signing.policy import IF_PRESENT, OWN_NETWORK
from signing.timestamp import Query, TimestampVerdict, authority, judge_token
from signing.verdict import CheckStatus, Reason, SubIndication
from tests.pki import NOW, YEAR, Holder, issue, pki, revocation_list, rsa_key
from tests.unit.timestamp.authority import POLICY, good, info, lists, roots, sign, stamper, token, trust

OCTETS = b"what is stamped"
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def judge(made: bytes, believed: Trust | None = None, **changes: object) -> TimestampVerdict:
    arguments = {"at": NOW, "policy": OWN_NETWORK, **changes}
    return judge_token(made, arguments.pop("octets", OCTETS), believed or trust(), **arguments)  # type: ignore[arg-type]


def words(verdict: TimestampVerdict) -> tuple[SubIndication | None, Reason]:
    if verdict.sub_indication is None:
        assert all(check.status is CheckStatus.OK for check in verdict.checks)
    else:
        assert verdict.proven_at is None
        assert verdict.checks[-1].status is CheckStatus.NOT_OK
    return verdict.sub_indication, verdict.reason


def digest(name: str = "sha256") -> bytes:
    return hashlib.new(name, OCTETS).digest()


def test_a_good_token_tells_everything() -> None:
    verdict = judge(token(OCTETS, accuracy={"seconds": 2, "millis": 500}, at=NOW - HOUR))
    assert words(verdict) == (None, Reason.GOOD)
    assert (verdict.gen_time, verdict.accuracy) == (NOW - HOUR, timedelta(seconds=2.5))
    assert verdict.proven_at == NOW - HOUR + timedelta(seconds=2.5)
    assert (verdict.serial, verdict.policy_oid, verdict.hash_name) == ("7", POLICY, "sha256")
    assert verdict.signer is not None
    assert verdict.signer.certificate == good().sha256
    assert verdict.path == (good().sha256, roots()[1].sha256, roots()[0].sha256)
    assert [row.kind for row in verdict.evidence] == ["time-stamp", *["certificate"] * 3, *["crl"] * 2]
    assert verdict.valid_until == NOW + DAY


@pytest.mark.parametrize("name", ["sha256", "sha384", "sha512"])
def test_every_hash_of_the_policy_is_a_good_imprint(name: str) -> None:
    assert words(judge(token(OCTETS, hash_name=name))) == (None, Reason.GOOD)


GOOD: dict[str, Callable[[], bytes]] = {
    "RSA": lambda: token(OCTETS, stamper(key=rsa_key())),
    "RSASSA-PSS": lambda: sign(
        info(digest()),
        stamper(key=rsa_key()),
        options=["-cades", "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:digest"],
    ),
    "nonRepudiation": lambda: token(OCTETS, stamper(usages=frozenset({"content_commitment"}))),
    "no keyUsage": lambda: token(OCTETS, stamper(usages=None)),
    "signer named by key identifier": lambda: sign(info(digest()), options=["-cades", "-keyid"]),
    "another certificate first in the bag": lambda: sign(info(digest()), more=[pki().good, roots()[1]]),
}


@pytest.mark.parametrize("name", GOOD)
def test_good(name: str) -> None:
    assert words(judge(GOOD[name]())) == (None, Reason.GOOD)


def test_the_signer_is_who_the_signer_info_names() -> None:
    verdict = judge(sign(info(digest()), more=[stamper("Kẻ khác"), pki().good]))
    assert verdict.signer is not None
    assert verdict.signer.certificate == good().sha256


def test_a_certificate_that_is_not_carried_is_found_among_the_known() -> None:
    made = sign(info(digest()), options=["-cades", "-nocerts"])
    missing = (SubIndication.NO_SIGNING_CERTIFICATE_FOUND, Reason.KEYINFO)
    assert words(judge(made)) == missing
    assert words(judge(made, known=[pki().good.der])) == missing
    assert words(judge(made, known=[good().der])) == (None, Reason.GOOD)


FORMAT = (SubIndication.FORMAT_FAILURE, Reason.STRUCTURE)
USAGE = (SubIndication.CHAIN_CONSTRAINTS_FAILURE, Reason.KEY_USAGE)
ALGORITHM = (SubIndication.CRYPTO_CONSTRAINTS_FAILURE, Reason.ALGORITHM)
UNTRUSTED = (SubIndication.NO_CERTIFICATE_CHAIN_FOUND, Reason.UNTRUSTED)
HASH = (SubIndication.HASH_FAILURE, Reason.DIGEST)

BAD: dict[str, tuple[Callable[[], bytes], SubIndication, Reason]] = {
    "of something else": (lambda: token(b"something else"), *HASH),
    "the digest of another hash": (lambda: sign(info(digest("sha512"), hash_name="sha256")), *HASH),
    "the right digest under another name": (lambda: sign(info(digest(), hash_name="sha512")), *HASH),
    "imprint with SHA-1": (lambda: token(OCTETS, hash_name="sha1"), *ALGORITHM),
    "two SignerInfos": (lambda: token(OCTETS, good(), stamper("Người thứ hai")), *FORMAT),
    "no SignerInfo": (lambda: unsigned(good()), *FORMAT),
    "no signed attributes": (lambda: sign(info(digest()), options=["-noattr"]), *FORMAT),
    "signer's certificate not named": (
        lambda: sign(info(digest()), options=[]),
        SubIndication.NO_SIGNING_CERTIFICATE_FOUND,
        Reason.KEYINFO,
    ),
    "no TSTInfo inside": (lambda: sign(b"hello"), *FORMAT),
    "more after the TSTInfo": (lambda: sign(info(digest()) + b"\x05\x00"), *FORMAT),
    "TSTInfo version 2": (lambda: sign(info(digest(), version="v2")), *FORMAT),
    "an unknown critical extension": (
        lambda: sign(info(digest(), extensions=[{"extn_id": "1.2.3", "critical": True, "extn_value": b""}])),
        *FORMAT,
    ),
    "accuracy of a day": (
        lambda: token(OCTETS, accuracy={"seconds": 86400}),
        SubIndication.SIG_CONSTRAINTS_FAILURE,
        Reason.TIME,
    ),
    "accuracy below zero": (lambda: token(OCTETS, accuracy={"seconds": -1}), *FORMAT),
    "genTime in the future": (
        lambda: token(OCTETS, at=NOW + timedelta(minutes=6)),
        SubIndication.SIG_CONSTRAINTS_FAILURE,
        Reason.TIME,
    ),
    "genTime in local time": (
        lambda: sign(info(digest()).replace(b"20261123080000Z", b"2026112315+0700")),
        SubIndication.FORMAT_FAILURE,
        Reason.TIME,
    ),
    "extended key usage missing": (lambda: token(OCTETS, stamper(purposes=())), *USAGE),
    "extended key usage of mail": (
        lambda: token(OCTETS, stamper(purposes=[ExtendedKeyUsageOID.EMAIL_PROTECTION])),
        *USAGE,
    ),
    "extended key usage not alone": (
        lambda: token(
            OCTETS, stamper(purposes=[ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.EMAIL_PROTECTION])
        ),
        *USAGE,
    ),
    "extended key usage not critical": (lambda: token(OCTETS, stamper(critical=False)), *USAGE),
    "key for encipherment": (lambda: token(OCTETS, stamper(usages=frozenset({"key_encipherment"}))), *USAGE),
    "an authority of certificates": (lambda: token(OCTETS, stamper(ca=True)), *USAGE),
    "weak key": (
        lambda: token(OCTETS, stamper(key=rsa_key(1024))),
        SubIndication.CRYPTO_CONSTRAINTS_FAILURE,
        Reason.WEAK_KEY,
    ),
    "expired at genTime": (
        lambda: token(OCTETS, stamper(validity=(NOW - YEAR, NOW - HOUR))),
        SubIndication.EXPIRED,
        Reason.EXPIRED,
    ),
    "not yet valid at genTime": (
        lambda: token(OCTETS, stamper(validity=(NOW - HOUR, NOW + YEAR)), at=NOW - DAY),
        SubIndication.NOT_YET_VALID,
        Reason.NOT_YET_VALID,
    ),
    "expired since genTime": (
        lambda: token(OCTETS, stamper(validity=(NOW - YEAR, NOW - HOUR)), at=NOW - DAY),
        SubIndication.OUT_OF_BOUNDS_NO_POE,
        Reason.EXPIRED,
    ),
    "under a root for documents": (lambda: token(OCTETS, stamper(issuer=pki().authority)), *UNTRUSTED),
    "under nobody": (lambda: token(OCTETS, stamper(issuer=issue("CA dấu thời gian", ca=True))), *UNTRUSTED),
}


def unsigned(holder: Holder) -> bytes:
    made = cms.ContentInfo.load(sign(info(digest()), holder))
    made["content"]["signer_infos"] = cms.SignerInfos([])
    return bytes(made.dump(force=True))


@pytest.mark.parametrize("name", BAD)
def test_bad(name: str) -> None:
    make, sub_indication, reason = BAD[name]
    assert words(judge(make())) == (sub_indication, reason)


def test_only_what_is_wrong_in_itself_is_false() -> None:
    for name in ("of something else", "two SignerInfos", "no TSTInfo inside"):
        assert judge(BAD[name][0]()).is_false
    for name in ("under nobody", "expired since genTime", "imprint with SHA-1", "genTime in the future"):
        assert not judge(BAD[name][0]()).is_false


def test_nothing_is_told_of_a_token_that_is_not_genuine() -> None:
    verdict = judge(token(b"something else"))
    assert (verdict.signer, verdict.gen_time, verdict.serial) == (None, None, "")


def test_a_clock_a_little_ahead_of_ours_is_borne() -> None:
    assert words(judge(token(OCTETS, at=NOW + timedelta(minutes=4)))) == (None, Reason.GOOD)


def test_the_seven_hours_of_the_field_are_not_for_an_authority() -> None:
    late = token(OCTETS, at=NOW + timedelta(hours=7))
    assert judge(late, policy=IF_PRESENT).reason is Reason.TIME


def test_a_root_is_believed_for_what_its_rule_says() -> None:
    root, below = roots()

    def only(*purposes: Purpose) -> Trust:
        return Trust((root.der,), (below.der,), lists(), rules={root.sha256: AnchorRule(frozenset(purposes))})

    assert words(judge(token(OCTETS), only(Purpose.TIME_STAMP))) == (None, Reason.GOOD)
    assert words(judge(token(OCTETS), only(Purpose.DOCUMENT, Purpose.EVIDENCE))) == UNTRUSTED


def test_a_signer_of_documents_makes_no_time() -> None:
    """However well believed: its certificate is not for that."""
    assert words(judge(token(OCTETS, pki().good), pki().trust)) == USAGE


# --- what was asked


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (Query("sha256", 77), Reason.GOOD),
        (Query("sha256", 77, POLICY), Reason.GOOD),
        (Query("sha256"), Reason.GOOD),
        (Query("sha256", 78), Reason.REFERENCE),
        (Query("sha512", 77), Reason.ALGORITHM),
        (Query("sha256", 77, "1.2.3"), Reason.COVERAGE),
    ],
)
def test_the_answer_is_to_our_question(asked: Query, reason: Reason) -> None:
    assert judge(token(OCTETS, nonce=77), asked=asked).reason is reason


def test_an_answer_without_our_nonce_is_an_old_one() -> None:
    assert judge(token(OCTETS), asked=Query("sha256", 77)).reason is Reason.REFERENCE


# --- revocation

FLAGS = x509.ReasonFlags
GONE = (SubIndication.REVOKED, Reason.REVOKED)


@pytest.mark.parametrize(
    ("since", "why", "expected"),
    [
        (-HOUR, FLAGS.superseded, GONE),
        (-HOUR, FLAGS.key_compromise, GONE),
        (HOUR, FLAGS.superseded, (None, Reason.GOOD)),
        (HOUR, FLAGS.cessation_of_operation, (None, Reason.GOOD)),
        (HOUR, FLAGS.affiliation_changed, (None, Reason.GOOD)),
        (HOUR, FLAGS.key_compromise, GONE),
        (HOUR, FLAGS.ca_compromise, GONE),
        (HOUR, FLAGS.certificate_hold, GONE),
    ],
)
def test_an_authority_that_was_revoked(since: timedelta, why: FLAGS, expected: tuple[object, Reason]) -> None:
    """RFC 3161 §4: superseded and the like, told in the list, leave the tokens of before; a lost key leaves none."""
    made = token(OCTETS, at=NOW - DAY)
    believed = trust(*lists(good().certificate, revoked_at=NOW - DAY + since, reason=why))
    assert words(judge(made, believed)) == expected


def test_an_authority_without_a_list_waits() -> None:
    root = roots()[0]
    later = (SubIndication.TRY_LATER, Reason.REVOCATION_UNKNOWN)
    assert words(judge(token(OCTETS), trust(revocation_list(root)))) == later
    stale = lists(at=NOW - 9 * DAY)
    assert words(judge(token(OCTETS), trust(*stale))) == later
    assert words(judge(token(OCTETS, at=NOW - 9 * DAY), trust(*stale))) == later, "in force then says nothing now"


def test_whoever_certified_an_authority_has_to_be_good_now() -> None:
    root, below = roots()
    gone = revocation_list(root, [below.certificate], reason=FLAGS.superseded, revoked_at=NOW - HOUR)
    made = token(OCTETS, at=NOW - DAY)
    assert judge(made, trust(gone, lists()[1])).reason is Reason.CA_REVOKED
    both = lists(good().certificate, revoked_at=NOW - HOUR, reason=FLAGS.superseded)
    assert judge(made, trust(*both)).sub_indication is None
    assert judge(made, trust(gone, both[1])).reason is Reason.CA_REVOKED


def test_one_list_that_tells_another_reason_is_enough() -> None:
    root, below = roots()
    made = token(OCTETS, at=NOW - DAY)
    mild, hard = (
        revocation_list(below, [good().certificate], revoked_at=NOW - HOUR, reason=why, number=number)
        for number, why in ((3, FLAGS.superseded), (2, FLAGS.key_compromise))
    )
    assert judge(made, trust(revocation_list(root), mild)).sub_indication is None
    assert judge(made, trust(revocation_list(root), mild, hard)).reason is Reason.REVOKED


# --- octets


def test_a_token_with_one_octet_changed_proves_nothing_or_the_same() -> None:
    made = token(OCTETS)
    seed = Random(3161).randrange(1 << 32)
    print(f"seed {seed}")
    chance = Random(seed)
    before = judge(made)
    for _ in range(300):
        at = chance.randrange(len(made))
        changed = made[:at] + bytes([made[at] ^ 1 << chance.randrange(8)]) + made[at + 1 :]
        verdict = judge(changed)
        if verdict.sub_indication is None:
            # Bits of the version, of the digest list and the like are signed by nobody and used by nobody.
            assert replace(verdict, sha256="", evidence=()) == replace(before, sha256="", evidence=())


@pytest.mark.parametrize("octets", [b"", b"\x30", b"\x30\x80", b"\x05\x00", b"<html>", b"\x30\x03\x02\x01\x00"])
def test_what_is_no_token_is_false(octets: bytes) -> None:
    assert words(judge(octets)) == FORMAT


def test_octets_after_a_token_are_not_passed_over() -> None:
    assert words(judge(token(OCTETS) + b"\0")) == FORMAT


def test_a_token_cut_short_anywhere_is_refused() -> None:
    made = token(OCTETS)
    for length in range(0, len(made), 7):
        assert words(judge(made[:length])) == FORMAT


def test_limits_stand_before_the_work() -> None:
    assert judge(bytes(64 * 1024 + 1)).reason is Reason.LIMIT
    crowd = [stamper(f"Đám đông {number}") for number in range(16)]
    assert judge(sign(info(digest()), more=crowd)).reason is Reason.LIMIT


def test_a_certificate_of_the_same_name_with_another_key_does_not_take_over() -> None:
    """Its issuer and serial number are what the SignerInfo names; ESSCertIDv2 still names the other."""
    twin: Holder = stamper(serial=good().certificate.serial_number)
    made = token(OCTETS)
    for bag in ([twin], [twin, good()], [good(), twin]):
        found = judge(made_with(made, bag=bag))
        assert words(found) == (SubIndication.NO_SIGNING_CERTIFICATE_FOUND, Reason.KEYINFO)
    assert words(judge(made_with(made, bag=[good()]))) == (None, Reason.GOOD)


def made_with(made: bytes, bag: Sequence[Holder]) -> bytes:
    """The same token with these certificates in its bag, in this order, which nobody signs."""
    octets = b"".join(holder.der for holder in bag)
    outer = cms.ContentInfo.load(made)
    outer["content"]["certificates"] = cms.CertificateSet(contents=octets)
    return bytes(outer.dump(force=True))


def test_the_signed_content_type_is_that_of_a_time_stamp() -> None:
    """Or what somebody signed for another use could be shown as a token."""
    outer = cms.ContentInfo.load(token(OCTETS))
    signer = outer["content"]["signer_infos"][0]
    for attribute in signer["signed_attrs"]:
        if attribute["type"].native == "content_type":
            attribute["values"] = ["data"]
    key = good().key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    attributes = signer["signed_attrs"].dump(force=True)
    signer["signature"] = key.sign(b"\x31" + attributes[1:], ec.ECDSA(hashes.SHA256()))
    assert words(judge(outer.dump(force=True))) == FORMAT


def test_the_accuracy_counts_against_the_authority() -> None:
    made = token(OCTETS, at=NOW - DAY, accuracy={"seconds": 600})
    for minutes, expected in ((5, Reason.REVOKED), (15, Reason.GOOD)):
        since = NOW - DAY + timedelta(minutes=minutes)
        believed = trust(*lists(good().certificate, revoked_at=since, reason=FLAGS.superseded))
        assert judge(made, believed).reason is expected


def test_a_revocation_that_tells_no_reason_leaves_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither one without a reason, nor one that was found where reasons are not looked for."""
    believed = trust(*lists(good().certificate, revoked_at=NOW - HOUR, reason=FLAGS.superseded))
    made = token(OCTETS, at=NOW - DAY)
    assert judge(made, believed).reason is Reason.GOOD
    for told in ([""], ["superseded", ""], []):
        monkeypatch.setattr(authority, "_reasons", lambda *_, told=told: iter(told))
        assert judge(made, believed).reason is Reason.REVOKED
