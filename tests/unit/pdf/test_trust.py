"""Whom to believe, and at which time: certificates, revocation, claimed times and time stamps."""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from asn1crypto import cms, keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from pyhanko.sign.timestamps import DummyTimeStamper

from signing.chain import Trust
from signing.pdf import Changes, FindingCode, PdfOutcome
from signing.policy import IF_PRESENT, OWN_NETWORK
from signing.rules import rules_of
from signing.verdict import Indication, Reason, SubIndication
from tests.pki import NOW, YEAR, Holder, Pki, issue, pki, revocation_list, rsa_key
from tests.unit.pdf.forge import (
    GOOD,
    PKCS7,
    Words,
    authority_of,
    cms_of,
    judge,
    only,
    plain,
    private_der,
    sign,
    timestamped,
    with_cms,
    words,
)
from tests.unit.timestamp.authority import info
from tests.unit.timestamp.authority import sign as token

DAY = timedelta(days=1)
UNKNOWN: Words = (PdfOutcome.INDETERMINATE, SubIndication.TRY_LATER, Reason.REVOCATION_UNKNOWN)
REVOKED: Words = (PdfOutcome.INVALID, SubIndication.REVOKED, Reason.REVOKED)
EXPIRED: Words = (PdfOutcome.INVALID, SubIndication.EXPIRED, Reason.EXPIRED)
TOO_LATE_TO_TELL: Words = (PdfOutcome.INDETERMINATE, SubIndication.OUT_OF_BOUNDS_NO_POE, Reason.EXPIRED)
UNTRUSTED: Words = (PdfOutcome.INDETERMINATE, SubIndication.NO_CERTIFICATE_CHAIN_FOUND, Reason.UNTRUSTED)
LATE: Words = (PdfOutcome.INDETERMINATE, SubIndication.SIG_CONSTRAINTS_FAILURE, Reason.TIME)

HOLDERS: dict[str, tuple[Callable[[Pki], Holder], Words]] = {
    "revoked": (lambda p: p.revoked, REVOKED),
    "of another root": (lambda p: p.from_other_root, UNTRUSTED),
    "self-signed": (lambda p: issue("Tự ký"), UNTRUSTED),
    "not yet valid": (
        lambda p: p.not_yet_valid,
        (PdfOutcome.INVALID, SubIndication.NOT_YET_VALID, Reason.NOT_YET_VALID),
    ),
    "with a weak key": (
        lambda p: p.weak,
        (PdfOutcome.INDETERMINATE, SubIndication.CRYPTO_CONSTRAINTS_FAILURE, Reason.WEAK_KEY),
    ),
    "for TLS only": (
        lambda p: issue("TLS", p.authority, purposes=[ExtendedKeyUsageOID.SERVER_AUTH]),
        (PdfOutcome.INDETERMINATE, SubIndication.CHAIN_CONSTRAINTS_FAILURE, Reason.KEY_USAGE),
    ),
}


@pytest.mark.parametrize("name", HOLDERS)
def test_a_certificate(name: str) -> None:
    holder, expected = HOLDERS[name]
    verdict = judge(sign(plain(), holder(pki())))
    assert (words(only(verdict)), verdict.outcome, verdict.reason) == (expected, expected[0], expected[2])
    assert only(verdict).changes is Changes.NONE


def test_unknown_revocation_is_never_quietly_valid() -> None:
    octets = sign(plain(), pki().good)
    for trust in (pki().trust_without_lists, pki().stale_trust):
        verdict = judge(octets, trust)
        assert (words(only(verdict)), verdict.outcome) == (UNKNOWN, PdfOutcome.INDETERMINATE)
        assert only(verdict).verdict.indication is Indication.INDETERMINATE
    assert judge(octets, pki().trust).outcome is PdfOutcome.VALID, "and judged again with a list, it is known"


def test_intermediates_come_from_our_store_and_those_in_the_file_are_hints() -> None:
    """The CMS brings the issuing authority, our store lacks it: not believed, but named for the operator."""
    lacking = Trust((pki().root.der,), (), pki().trust.crls)
    octets = sign(plain(), pki().good, others=[pki().authority])
    signature = only(judge(octets, lacking))
    assert words(signature) == UNTRUSTED
    assert f"issuer-offered {pki().authority.sha256}" in signature.verdict.quirks
    assert words(only(judge(sign(plain(), pki().good), lacking))) == UNTRUSTED
    stranger = only(judge(sign(plain(), pki().from_other_root, others=[pki().other_root])))
    assert (words(stranger), [q for q in stranger.verdict.quirks if "offered" in q]) == (UNTRUSTED, [])


# --- expired


@cache
def ended() -> Holder:
    """A certificate that was valid until ten days ago."""
    return issue("Hết hạn", pki().authority, key=rsa_key(number=7), validity=(NOW - YEAR, NOW - 10 * DAY))


def test_expired_now_without_proof_of_an_earlier_time_is_doubt() -> None:
    verdict = judge(sign(plain(), ended(), claimed_at=NOW - 20 * DAY))
    assert (words(only(verdict)), verdict.outcome) == (TOO_LATE_TO_TELL, PdfOutcome.INDETERMINATE)


def test_expired_when_the_signer_himself_says_that_he_signed() -> None:
    verdict = judge(sign(plain(), ended(), claimed_at=NOW - 5 * DAY))
    assert (words(only(verdict)), verdict.outcome) == (EXPIRED, PdfOutcome.INVALID)


# --- claimed times


def test_local_time_marked_as_utc_is_recorded_and_not_corrected() -> None:
    claimed = NOW + timedelta(hours=7)
    signature = only(judge(sign(plain(), pki().good, claimed_at=claimed)))
    assert words(signature) == GOOD
    assert "signing-time-local-as-utc" in signature.verdict.quirks
    assert signature.verdict.claimed_at == claimed
    assert "signing-time-local-as-utc" not in only(judge(sign(plain(), pki().good))).verdict.quirks


def test_a_claim_later_than_the_policy_allows() -> None:
    octets = sign(plain(), pki().good, claimed_at=NOW + timedelta(hours=7))
    assert words(only(judge(octets, policy=OWN_NETWORK))) == LATE
    assert words(only(judge(sign(plain(), pki().good, claimed_at=NOW + DAY), policy=IF_PRESENT))) == LATE


@pytest.mark.parametrize("text", [b"(D:20261123)", b"(yesterday)", b"12345", b"(D:20269999999999Z)", b"null"])
def test_a_claim_that_cannot_be_read_is_no_claim(text: bytes) -> None:
    """/M is signed, so it is written before: a signer who writes nonsense has claimed nothing."""
    import pyhanko.sign.signers.pdf_byterange as made

    class Odd(made.PdfSignedData):
        def write_to_stream(self, stream: object, handler: object = None, container_ref: object = None) -> None:
            from pyhanko.pdf_utils import generic

            class Raw(generic.PdfObject):
                def write_to_stream(self, stream: object, handler: object = None, container_ref: object = None) -> None:
                    stream.write(text)  # type: ignore[attr-defined]

            self[generic.pdf_name("/M")] = Raw()
            super().write_to_stream(stream, handler, container_ref)  # type: ignore[arg-type]

    from tests.unit.pdf import forge
    from tests.unit.pdf.test_cms import signed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forge, "PdfSignedData", Odd)
        octets = forge.prepared(plain(), signed)
    assert b"/M " + text in octets
    signature = only(judge(octets))
    assert (words(signature), signature.verdict.claimed_at) == (GOOD, None)


# --- time stamps


def tsa(
    *,
    issuer: Holder | None = None,
    validity: tuple[datetime, datetime] = (NOW - 5 * YEAR, NOW + 5 * YEAR),
    critical: bool = True,
    purposes: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.TIME_STAMPING,),
) -> Holder:
    key = rsa_key(number=3)
    assert isinstance(key, rsa.RSAPrivateKey)
    more = [(x509.ExtendedKeyUsage(list(purposes)), critical)] if purposes else []
    return issue("TSA kiểm thử", issuer or pki().authority, key=key, validity=validity, more=more)


@cache
def stamped(age: timedelta = 20 * DAY) -> bytes:
    when = NOW - age
    return sign(plain(), ended(), authority=authority_of(tsa(), when), claimed_at=when)


@cache
def archive() -> Trust:
    """Lists of today, and those that were in force when the certificate ended."""
    then = pki().crls(at=NOW - 30 * DAY, until=NOW - 2 * DAY)
    return pki().trust_with(*pki().crls(), *then)


def test_expired_now_and_valid_at_a_trusted_time_stamp() -> None:
    """Expired now, valid at a trusted time stamp: hợp lệ."""
    signature = only(judge(stamped(), archive()))
    assert words(signature) == GOOD, signature.verdict.checks[-1]
    (stamp,) = signature.timestamps
    assert (stamp.genuine, stamp.trusted, stamp.reason, stamp.gen_time) == (True, True, Reason.GOOD, NOW - 20 * DAY)
    assert stamp.certificate == tsa_in(stamped())
    assert (signature.proven_at, signature.verdict.at) == (NOW - 20 * DAY, NOW)
    assert [e.kind for e in signature.verdict.evidence].count("time-stamp") == 1


def test_the_verdict_names_all_that_its_time_rests_on() -> None:
    """The token, its authority's path, and the lists of both: whoever judges again needs them all."""
    octets = sign(plain(), pki().good, authority=authority_of(tsa(), NOW - DAY), claimed_at=NOW - DAY)
    verdict = only(judge(octets)).verdict
    named = {row.sha256 for row in verdict.evidence}
    assert len(named) == len(verdict.evidence), "each once"
    assert {tsa_in(octets), pki().good.sha256, pki().authority.sha256, pki().root.sha256} <= named
    assert [row.kind for row in verdict.evidence].count("crl") == 2
    (stamp,) = [row for row in verdict.evidence if row.kind == "time-stamp"]
    assert stamp.this_update == NOW - DAY


def test_a_verdict_holds_no_longer_than_what_proves_its_time() -> None:
    short = NOW + timedelta(hours=1)
    authority = tsa(validity=(NOW - YEAR, short))
    octets = sign(plain(), pki().good, authority=authority_of(authority, NOW - DAY), claimed_at=NOW - DAY)
    assert only(judge(octets)).verdict.valid_until == short
    assert only(judge(sign(plain(), pki().good))).verdict.valid_until != short


class OpensslStamper(DummyTimeStamper):
    """Tokens by `openssl cms`, with its `options`, where pyHanko would make them."""

    options: tuple[str, ...] = ()

    async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> cms.ContentInfo:
        made = token(info(message_digest, hash_name=md_algorithm, at=NOW - DAY), tsa(), options=self.options)
        return cms.ContentInfo.load(made)


@pytest.mark.parametrize(("options", "reason"), [(("-cades",), Reason.GOOD), ((), Reason.KEYINFO)])
def test_a_token_that_does_not_name_its_authority_proves_nothing(options: tuple[str, ...], reason: Reason) -> None:
    """RFC 3161 §2.4.2: it must, or another certificate of the same name could take its place."""
    holder = tsa()
    key = keys.PrivateKeyInfo.load(private_der(holder))
    authority = OpensslStamper(asn1_x509.Certificate.load(holder.der), key, fixed_dt=NOW - DAY)
    authority.options = options
    (stamp,) = only(judge(sign(plain(), pki().good, authority=authority))).timestamps
    assert (stamp.reason, stamp.trusted) == (reason, reason is Reason.GOOD)


def test_a_clock_seven_hours_ahead_is_no_excuse_for_an_authority() -> None:
    octets = sign(plain(), pki().good, authority=authority_of(tsa(), NOW + timedelta(hours=7)))
    (stamp,) = only(judge(octets, policy=IF_PRESENT)).timestamps
    assert (stamp.trusted, stamp.reason) == (False, Reason.TIME)


def tsa_in(octets: bytes) -> str:
    info = cms.ContentInfo.load(cms_of(octets))["content"]["signer_infos"][0]
    token = info["unsigned_attrs"][0]["values"][0]
    (certificate,) = token["content"]["certificates"]
    return hashlib.sha256(certificate.chosen.dump()).hexdigest()


def test_expired_now_and_no_list_of_that_time() -> None:
    """A list of today says nothing of certificates that have ended (RFC 5280 §3.3)."""
    assert words(only(judge(stamped()))) == UNKNOWN


def test_a_time_stamp_after_the_end_of_the_certificate() -> None:
    assert words(only(judge(stamped(5 * DAY), archive()))) == EXPIRED


def test_revoked_after_a_trusted_time_stamp_and_before_it() -> None:
    holder = pki().holder("H77")
    octets = sign(plain(), holder, authority=authority_of(tsa(), NOW - 20 * DAY), claimed_at=NOW - 20 * DAY)
    then = pki().crls(at=NOW - 30 * DAY, until=NOW - 15 * DAY)

    def trust(revoked_at: datetime) -> Trust:
        now = revocation_list(pki().authority, [holder.certificate], revoked_at=revoked_at)
        return pki().trust_with(pki().crls()[0], now, *then)

    assert words(only(judge(octets, trust(NOW - 10 * DAY)))) == GOOD
    assert words(only(judge(octets, trust(NOW - 25 * DAY)))) == REVOKED
    today = pki().trust_with(
        pki().crls()[0], revocation_list(pki().authority, [holder.certificate], revoked_at=NOW - 10 * DAY)
    )
    assert words(only(judge(octets, today))) == GOOD, "today's list says since when"
    without = sign(plain(), holder, claimed_at=NOW - 20 * DAY)
    assert words(only(judge(without, trust(NOW - 10 * DAY)))) == REVOKED, "a claimed time proves nothing"


DOUBTFUL: dict[str, tuple[Callable[[], Holder], Reason]] = {
    "of another root": (lambda: tsa(issuer=pki().other_root), Reason.UNTRUSTED),
    "not for time stamping": (lambda: tsa(purposes=()), Reason.KEY_USAGE),
    "for time stamping, not critical": (lambda: tsa(critical=False), Reason.KEY_USAGE),
    "for time stamping and more": (
        lambda: tsa(purposes=(ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING)),
        Reason.KEY_USAGE,
    ),
    "not yet valid then": (lambda: tsa(validity=(NOW - DAY, NOW + YEAR)), Reason.NOT_YET_VALID),
    "expired then": (lambda: tsa(validity=(NOW - YEAR, NOW - 25 * DAY)), Reason.EXPIRED),
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_an_authority_that_proves_nothing(name: str) -> None:
    make, reason = DOUBTFUL[name]
    octets = sign(plain(), ended(), authority=authority_of(make(), NOW - 20 * DAY), claimed_at=NOW - 20 * DAY)
    signature = only(judge(octets, archive()))
    (stamp,) = signature.timestamps
    assert (stamp.genuine, stamp.trusted, stamp.reason) == (True, False, reason)
    assert words(signature) == TOO_LATE_TO_TELL


def test_a_revoked_authority_proves_nothing() -> None:
    authority = tsa()
    octets = sign(plain(), ended(), authority=authority_of(authority, NOW - 20 * DAY), claimed_at=NOW - 20 * DAY)
    lists = [
        revocation_list(pki().authority, [authority.certificate], revoked_at=NOW - 25 * DAY),
        revocation_list(pki().root),
    ]
    then = pki().crls(at=NOW - 30 * DAY, until=NOW - 2 * DAY)
    signature = only(judge(octets, pki().trust_with(*lists, *then)))
    assert (signature.timestamps[0].trusted, words(signature)) == (False, TOO_LATE_TO_TELL)


def test_an_authority_that_was_revoked_and_has_ended_since_proves_nothing() -> None:
    """Revoked after the time it wrote: whoever has the key writes the time he likes."""
    authority = tsa(validity=(NOW - YEAR, NOW - 12 * DAY))
    octets = sign(plain(), ended(), authority=authority_of(authority, NOW - 20 * DAY), claimed_at=NOW - 20 * DAY)
    listed = revocation_list(pki().authority, [authority.certificate], revoked_at=NOW - 15 * DAY)
    then = pki().crls(at=NOW - 30 * DAY, until=NOW - 2 * DAY)
    good = pki().trust_with(*pki().crls(), *then)
    assert only(judge(octets, good)).timestamps[0].trusted, "ended alone is no harm"
    (stamp,) = only(judge(octets, pki().trust_with(pki().crls()[0], listed, *then))).timestamps
    assert (stamp.genuine, stamp.trusted, stamp.reason) == (True, False, Reason.REVOKED)


@pytest.mark.parametrize("revoked", [False, True], ids=["ended", "revoked and ended"])
def test_what_the_verdict_names_is_enough_to_judge_an_authority_that_has_ended(revoked: bool) -> None:
    authority = tsa(validity=(NOW - YEAR, NOW - 12 * DAY))
    octets = sign(plain(), ended(), authority=authority_of(authority, NOW - 20 * DAY), claimed_at=NOW - 20 * DAY)
    listed = revocation_list(pki().authority, [authority.certificate], revoked_at=NOW - 15 * DAY)
    then = pki().crls(at=NOW - 30 * DAY, until=NOW - 2 * DAY)
    lists = (pki().crls()[0], listed) if revoked else pki().crls()
    trust = pki().trust_with(*lists, *then, revocation_list(pki().other_root))
    first = only(judge(octets, trust))
    assert first.timestamps[0].trusted is not revoked
    named = rules_of(trust, [row.sha256 for row in first.verdict.evidence])
    assert len(named.crls) == 4, "all but the list of strangers"
    assert only(judge(octets, named.trust(trust.octets))) == first


def test_a_time_stamp_of_the_future_proves_nothing() -> None:
    octets = sign(plain(), pki().good, authority=authority_of(tsa(), NOW + DAY))
    signature = only(judge(octets))
    assert (signature.timestamps[0].trusted, signature.timestamps[0].reason) == (False, Reason.TIME)
    assert words(signature) == GOOD, "judged now, as if it had none"


def test_a_time_stamp_copied_from_another_signature() -> None:
    """A time stamp copied from another signature; DSS `xades-t-copied-sigtst`."""
    old = cms.ContentInfo.load(cms_of(stamped()))
    attributes = old["content"]["signer_infos"][0]["unsigned_attrs"]

    def paste(info: cms.ContentInfo) -> None:
        info["content"]["signer_infos"][0]["unsigned_attrs"] = attributes

    fresh = sign(plain("another"), ended(), authority=authority_of(tsa(), NOW - 5 * DAY), claimed_at=NOW - 5 * DAY)
    signature = only(judge(with_cms(fresh, paste), archive()))
    (stamp,) = signature.timestamps
    assert (stamp.genuine, stamp.trusted, stamp.reason, stamp.gen_time) == (False, False, Reason.DIGEST, None)
    assert words(signature) == EXPIRED, "what the signer claims is after the end"


@pytest.mark.parametrize("place", range(0, 1400, 97))
def test_a_time_stamp_with_an_octet_changed_is_not_trusted(place: int) -> None:
    def spoil(info: cms.ContentInfo) -> bytes:
        token = info["content"]["signer_infos"][0]["unsigned_attrs"][0]["values"][0].dump()
        whole: bytes = info.dump()
        spot = whole.index(token) + place % len(token)
        return whole[:spot] + bytes([whole[spot] ^ 0x21]) + whole[spot + 1 :]

    signature = only(judge(with_cms(stamped(), spoil), archive()))
    assert signature.outcome is not PdfOutcome.VALID or all(
        stamp.trusted and stamp.gen_time == NOW - 20 * DAY for stamp in signature.timestamps
    )


def test_a_signer_with_a_good_time_stamp_and_local_time_in_his_claim() -> None:
    when = NOW - 20 * DAY
    octets = sign(plain(), pki().good, authority=authority_of(tsa(), when), claimed_at=when + timedelta(hours=7))
    signature = only(judge(octets))
    assert (words(signature), signature.timestamps[0].gen_time) == (GOOD, when)
    assert "signing-time-local-as-utc" in signature.verdict.quirks


# --- document time stamps


def test_a_document_time_stamp_proves_when_what_it_covers_existed() -> None:
    when = NOW - 20 * DAY
    octets = timestamped(sign(plain(), ended(), claimed_at=when), authority_of(tsa(), when))
    verdict = judge(octets, archive())
    (stamp,) = verdict.timestamps
    assert (stamp.field, stamp.sub_filter, stamp.outcome) == ("Dau", "ETSI.RFC3161", PdfOutcome.VALID)
    assert stamp.timestamps[0].gen_time == when
    assert (words(only(verdict)), only(verdict).changes) == (GOOD, Changes.VALIDATION_DATA)
    assert verdict.outcome is PdfOutcome.VALID


def test_a_document_time_stamp_before_a_signature_proves_nothing_about_it() -> None:
    octets = sign(timestamped(plain(), authority_of(tsa(), NOW - 20 * DAY)), ended(), claimed_at=NOW - 20 * DAY)
    assert words(only(judge(octets, archive()))) == TOO_LATE_TO_TELL


def test_a_document_time_stamp_by_nobody_we_know_informs() -> None:
    stranger = authority_of(tsa(issuer=pki().other_root), NOW - DAY)
    verdict = judge(timestamped(sign(plain(), pki().good), stranger))
    assert verdict.outcome is PdfOutcome.VALID
    assert FindingCode.TIMESTAMP_DOUBTFUL.value in verdict.codes


def test_a_document_time_stamp_that_is_wrong_spoils_the_document() -> None:
    octets = timestamped(sign(plain(), pki().good), authority_of(tsa(), NOW - DAY))
    spot = octets.rindex(b"/T (Dau)")
    verdict = judge(octets[:spot] + b"/T (DaU)" + octets[spot + 8 :])
    assert (verdict.outcome, verdict.reason) == (PdfOutcome.INVALID, Reason.TIME)
    assert FindingCode.TIMESTAMP_FAILED.value in verdict.codes


def test_a_document_with_nothing_but_a_time_stamp_is_not_signed() -> None:
    verdict = judge(timestamped(plain(), authority_of(tsa(), NOW - DAY)))
    assert (verdict.outcome, len(verdict.timestamps)) == (PdfOutcome.UNSIGNED, 1)


def test_times_keep_their_zone() -> None:
    zone = UTC
    signature = only(judge(sign(plain(), pki().good, sub_filter=PKCS7)))
    assert signature.verdict.claimed_at is not None
    assert signature.verdict.claimed_at.astimezone(zone) == NOW
