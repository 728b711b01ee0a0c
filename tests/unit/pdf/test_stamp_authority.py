"""Whether the authority of a time stamp was revoked counts for the document, and is asked for where nobody knows it."""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache

import pytest

from signing.chain import AnchorRule, Purpose, Trust
from signing.pdf import AttachmentVerdicts, EntryVerdict, FindingCode, PdfOutcome, PdfVerdict
from signing.policy import OWN_NETWORK
from signing.revocation.request import evidence_needed
from signing.timestamp import judge_token
from signing.verdict import Reason, SubIndication
from tests.pki import NOW, YEAR, Holder, issue, pki, revocation_list, rsa_key
from tests.unit.pdf.forge import GOOD, Words, authority_of, judge, only, plain, sign, timestamped, words
from tests.unit.timestamp import authority

DAY = timedelta(days=1)
WAITS: Words = (PdfOutcome.INDETERMINATE, SubIndication.TRY_LATER, Reason.REVOCATION_UNKNOWN)


@cache
def stamps() -> Holder:
    return authority.stamper(key=rsa_key(number=3))


def trust(*lists: bytes, signers: tuple[bytes, ...] = ()) -> Trust:
    """Our signers with their lists, and time stamps under roots of their own, of which `lists` tell."""
    root, issuing = authority.roots()
    return Trust((pki().root.der, root.der), (pki().authority.der, issuing.der), (*(signers or pki().crls()), *lists))


@cache
def stamped(signer: Holder | None = None, stamper: Holder | None = None, at: datetime = NOW - DAY) -> bytes:
    made = authority_of(stamper or stamps(), at)
    return sign(plain(), signer or pki().good, authority=made, claimed_at=at)


@cache
def sealed(signer: Holder | None = None, stamper: Holder | None = None, at: datetime = NOW - DAY) -> bytes:
    return timestamped(sign(plain(), signer or pki().good, claimed_at=at), authority_of(stamper or stamps(), at))


Make = Callable[..., bytes]
BOTH = pytest.mark.parametrize("make", [stamped, sealed], ids=["of the signature", "of the document"])


def missing(verdict: PdfVerdict) -> tuple[bytes, ...]:
    return AttachmentVerdicts("a.pdf", "pdf", verdict.sha256, (EntryVerdict(("a.pdf",), verdict),)).missing


@BOTH
def test_of_whom_nobody_knows_leaves_the_document_undecided_until_a_list_comes(make: Make) -> None:
    """The signer is good without it, and still: a time that nobody can vouch for is shown to whoever opens the file."""
    verdict = judge(make(), trust())
    assert words(only(verdict)) == GOOD
    assert (verdict.outcome, verdict.reason) == (PdfOutcome.INDETERMINATE, Reason.REVOCATION_UNKNOWN)
    assert FindingCode.TIMESTAMP_UNKNOWN.value in verdict.codes
    assert missing(verdict) == (stamps().der,)
    known = judge(make(), trust(*authority.lists()))
    assert (known.outcome, known.codes, missing(known)) == (PdfOutcome.VALID, (), ())


@BOTH
def test_a_revoked_one_never_leaves_the_document_valid(make: Make) -> None:
    verdict = judge(make(), trust(*authority.lists(stamps().certificate)))
    outcome = PdfOutcome.INDETERMINATE if make is stamped else PdfOutcome.INVALID
    assert (verdict.outcome, missing(verdict)) == (outcome, ())
    assert verdict.reason in (Reason.TIMESTAMP, Reason.TIME)


@BOTH
def test_nor_does_one_whose_own_authority_was_revoked(make: Make) -> None:
    root, issuing = authority.roots()
    lists = (revocation_list(root, [issuing.certificate]), revocation_list(issuing))
    verdict = judge(make(), trust(*lists))
    assert (verdict.outcome, verdict.reason) == (PdfOutcome.INDETERMINATE, Reason.TIMESTAMP)
    assert verdict.codes == (FindingCode.TIMESTAMP_REVOKED.value,)


@BOTH
def test_a_signer_whom_the_stamp_would_save_waits_with_it(make: Make) -> None:
    """Revoked since: alone it would be final, and the stamp says that it was signed before."""
    holder = pki().holder("H78")
    since = revocation_list(pki().authority, [holder.certificate], revoked_at=NOW - timedelta(hours=2))
    octets, signers = make(holder), (pki().crls()[0], since)
    verdict = judge(octets, trust(signers=signers))
    assert words(only(verdict)) == WAITS
    assert set(missing(verdict)) == {holder.der, stamps().der}
    saved = judge(octets, trust(*authority.lists(), signers=signers))
    assert (words(only(saved)), saved.outcome) == (GOOD, PdfOutcome.VALID)
    lost = judge(octets, trust(*authority.lists(stamps().certificate), signers=signers))
    assert (lost.outcome, only(lost).verdict.reason) == (PdfOutcome.INVALID, Reason.REVOKED)


@BOTH
def test_one_that_has_ended_is_in_doubt_and_not_waited_for(make: Make) -> None:
    """No list to come will tell of it (RFC 5280 §3.3)."""
    gone = ended()
    at = NOW - 20 * DAY
    verdict = judge(make(None, gone, at), trust())
    assert (verdict.outcome, verdict.reason) == (PdfOutcome.INDETERMINATE, Reason.REVOCATION_UNKNOWN)
    assert missing(verdict) == ()
    then = authority.lists(at=at)
    assert judge(make(None, gone, at), trust(*authority.lists(), *then)).outcome is PdfOutcome.VALID


@cache
def under_an_ended_one() -> tuple[Holder, Holder]:
    """An authority whose issuer has ended, and that issuer."""
    issuer = issue("CA cũ", authority.roots()[0], ca=True, validity=(NOW - YEAR, NOW - 10 * DAY))
    return authority.stamper("Máy cũ", issuer, key=rsa_key(number=3), validity=(NOW - YEAR, NOW + YEAR)), issuer


@pytest.mark.parametrize(
    ("revoked", "reason"),
    [(None, Reason.GOOD), ("authority", Reason.REVOKED), ("issuer", Reason.CA_REVOKED)],
)
def test_one_that_was_revoked_since_proves_nothing_also_where_its_issuer_has_ended(
    revoked: str | None, reason: Reason
) -> None:
    """Whoever has a lost key writes any time."""
    stamper, issuer = under_an_ended_one()
    root, at, since = authority.roots()[0], NOW - 30 * DAY, NOW - 20 * DAY
    told = {"authority": stamper.certificate, "issuer": issuer.certificate}.get(revoked or "")
    lists = [revocation_list(one, at=at - DAY, until=at + DAY) for one in (root, issuer)]
    lists.append(revocation_list(root, [told] if told is issuer.certificate else (), at=since, number=2))
    lists.append(revocation_list(issuer, [told] if told is stamper.certificate else (), at=since, number=2))
    believed = Trust((root.der,), (issuer.der,), lists)
    token = authority.token(b"x", stamper, at=at)
    verdict = judge_token(token, b"x", believed, NOW, OWN_NETWORK, takes_ended=True)
    assert (verdict.reason, verdict.proven_at is None) == (reason, revoked is not None), verdict.checks[-1]


@cache
def ended() -> Holder:
    return authority.stamper("Máy cũ", key=rsa_key(number=3), validity=(NOW - YEAR, NOW - 10 * DAY))


def test_what_is_missing_is_asked_for_under_every_root_that_is_believed_for_anything() -> None:
    root, stamper = authority.roots()[0], stamps()

    def needed(*purposes: Purpose) -> set[bytes]:
        rules = {root.sha256: AnchorRule(frozenset(purposes))}
        believed = Trust((root.der,), (authority.roots()[1].der,), rules=rules)
        return {need.certificate_octets for need in evidence_needed(stamper.der, believed, NOW, OWN_NETWORK)}

    assert needed(Purpose.TIME_STAMP) == needed(Purpose.DOCUMENT) == {stamper.der, authority.roots()[1].der}
    assert needed() == set()
