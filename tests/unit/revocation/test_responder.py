"""A real responder, `openssl ocsp`: good, revoked, unknown, stale, down, slow, and every lie we could think of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from signing.chain import CertificateVerdict, judge_certificate
from signing.policy import OWN_NETWORK
from signing.trust import Trust
from signing.verdict import Reason
from tests.pki import Holder, issue
from tests.unit.revocation.field import (
    NO_CHECK,
    Desk,
    Field,
    desk,
    openssl_responder,
    real_now,
    serving,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@cache
def field() -> Field:
    return Field()


async def asked(
    folder: Path, holder: Holder, responder: str = "", page: object = None, wait: timedelta = timedelta(0)
) -> tuple[bool, CertificateVerdict, Desk]:
    """Ask about a certificate whose lists cannot be had, and judge it with what came. The root's list is there."""
    async with serving() as server, desk(field(), folder, server, responder) as at_work:
        server.pages["/root.crl"] = field().lists(real_now() - HOUR)["/root.crl"]
        if page is not None:
            server.pages["/"] = page  # type: ignore[assignment]
        at_work.keeper.now = real_now  # the responder's clock is the real one
        errand = at_work.keeper.want(holder.der)
        assert errand is not None
        came = await errand
        at_work.at = real_now()
        return came, judge_certificate(holder.der, at_work.trust, at_work.at, OWN_NETWORK), at_work


async def test_good(tmp_path: Path) -> None:
    with openssl_responder(field(), tmp_path) as url:
        _, verdict, _ = await asked(tmp_path, field().good, url)
    assert verdict.reason is Reason.GOOD, verdict.checks[-1]
    assert {one.kind for one in verdict.evidence} == {"certificate", "crl", "ocsp"}
    assert verdict.valid_until is not None and verdict.valid_until <= real_now() + timedelta(minutes=5)


async def test_revoked(tmp_path: Path) -> None:
    with openssl_responder(field(), tmp_path) as url:
        _, verdict, _ = await asked(tmp_path, field().revoked, url)
    assert verdict.reason is Reason.REVOKED


async def test_unknown_is_neither_yes_nor_no(tmp_path: Path) -> None:
    with openssl_responder(field(), tmp_path) as url:
        _, verdict, _ = await asked(tmp_path, field().leaf("lạ"), url)
    assert verdict.reason is Reason.REVOCATION_UNKNOWN
    assert "does not know" in verdict.checks[-1].observed


async def test_the_issuer_itself_may_answer(tmp_path: Path) -> None:
    with openssl_responder(field(), tmp_path, field().authority) as url:
        _, verdict, _ = await asked(tmp_path, field().good, url)
    assert verdict.reason is Reason.GOOD


async def test_an_answer_ends_and_is_not_used_after_that(tmp_path: Path) -> None:
    with openssl_responder(field(), tmp_path) as url:
        _, verdict, at_work = await asked(tmp_path, field().good, url)
    assert verdict.valid_until is not None
    late = judge_certificate(field().good.der, at_work.trust, verdict.valid_until + timedelta(seconds=1), OWN_NETWORK)
    assert late.reason is Reason.REVOCATION_UNKNOWN


LIARS: dict[str, Callable[[], Holder]] = {
    "signed with a key of its own": lambda: issue("OCSP", issue("CA", ca=True), purposes=OCSP, more=[NO_CHECK]),
    "without the usage": lambda: issue("OCSP", field().authority, more=[NO_CHECK]),
    "for another usage": lambda: issue(
        "OCSP", field().authority, purposes=[ExtendedKeyUsageOID.EMAIL_PROTECTION], more=[NO_CHECK]
    ),
    "by another leaf": lambda: field().revoked,
    "by the root": lambda: field().root,
    "certified by the root": lambda: issue("OCSP", field().root, purposes=OCSP, more=[NO_CHECK]),
    "expired responder": lambda: issue(
        "OCSP", field().authority, purposes=OCSP, more=[NO_CHECK], validity=(real_now() - 9 * HOUR, real_now() - HOUR)
    ),
    "responder without a status of its own": lambda: issue("OCSP", field().authority, purposes=OCSP),
}
OCSP = (ExtendedKeyUsageOID.OCSP_SIGNING,)


@pytest.mark.parametrize("name", LIARS)
async def test_who_may_not_answer(name: str, tmp_path: Path) -> None:
    with openssl_responder(field(), tmp_path, LIARS[name]()) as url:
        _, verdict, _ = await asked(tmp_path, field().good, url)
    assert verdict.reason is Reason.REVOCATION_UNKNOWN
    assert not list((tmp_path / "revocation").glob("*.ocsp"))


# --- answers that openssl will not give


def answer(
    about: Holder | None = None,
    *,
    by: Holder | None = None,
    begin: timedelta = -HOUR,
    end: timedelta | None = HOUR,
    nonce: bytes | None = None,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    changed: int | None = None,
    revoked: timedelta = -HOUR,
) -> bytes:
    signer, now = by or field().authority, real_now()
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            (about or field().good).certificate,
            field().authority.certificate,
            hashes.SHA256(),
            status,
            now + begin,
            None if end is None else now + end,
            now + revoked if status is ocsp.OCSPCertStatus.REVOKED else None,
            None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)
    )
    if by is not None:
        builder = builder.certificates([by.certificate])
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    octets = bytearray(builder.sign(signer.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))  # type: ignore[arg-type]
    if changed is not None:
        octets[changed] ^= 1
    return bytes(octets)


async def endless(request: web.Request) -> AsyncIterator[bytes]:
    while True:
        yield bytes(65_536)


async def slow(request: web.Request) -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


def error(status: ocsp.OCSPResponseStatus) -> bytes:
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(serialization.Encoding.DER)


PAGES: dict[str, Callable[[], object]] = {
    "another certificate": lambda: answer(field().revoked),
    "stale": lambda: answer(begin=-3 * HOUR, end=-HOUR),
    "stale without an end": lambda: answer(begin=-3 * HOUR, end=None),
    "older than a week, whatever it says": lambda: answer(begin=-200 * HOUR, end=HOUR),
    "from the future": lambda: answer(begin=HOUR, end=2 * HOUR),
    "another request's": lambda: answer(nonce=bytes(32)),
    "one bit wrong": lambda: answer(changed=-1),
    "garbage": lambda: b"\x30\x82garbage",
    "nothing": lambda: b"",
    "tryLater": lambda: error(ocsp.OCSPResponseStatus.TRY_LATER),
    "unauthorized": lambda: error(ocsp.OCSPResponseStatus.UNAUTHORIZED),
    "a page": lambda: web.Response(text="<html>bảo trì</html>"),
    "HTTP 500": lambda: web.Response(status=500, body=answer()),
    "elsewhere": lambda: web.Response(status=302, headers={"Location": "/ca"}),
    "endless": lambda: endless,
    "slow": lambda: slow,
}


@pytest.mark.parametrize("name", PAGES)
async def test_an_answer_that_is_none(name: str, tmp_path: Path) -> None:
    _, verdict, _ = await asked(tmp_path, field().good, page=PAGES[name]())
    assert verdict.reason is Reason.REVOCATION_UNKNOWN
    assert not list((tmp_path / "revocation").glob("*.ocsp"))


@pytest.mark.parametrize("name", PAGES)
async def test_where_no_answer_is_one_the_list_is_asked(name: str, tmp_path: Path) -> None:
    """F69, F70."""
    async with serving() as server, desk(field(), tmp_path, server, order=("ocsp", "crl")) as at_work:
        server.pages |= field().lists(real_now() - HOUR) | {"/": PAGES[name]()}  # type: ignore[dict-item]
        errand = at_work.keeper.want(field().good.der)
        assert errand is not None
        await errand
        assert server.asked[:2] == ["/", "/ca.crl"], "the list was not asked"
        verdict = judge_certificate(field().good.der, at_work.trust, at_work.at, OWN_NETWORK)
    assert verdict.reason is Reason.GOOD, verdict.checks[-1]
    assert {one.kind for one in verdict.evidence} == {"certificate", "crl"}


async def test_these_answers_differ_from_a_good_one_by_one_thing_only(tmp_path: Path) -> None:
    _, verdict, _ = await asked(tmp_path, field().good, page=answer())
    assert verdict.reason is Reason.GOOD, verdict.checks[-1]


async def test_a_responder_whose_clock_is_ahead_is_believed_when_its_time_has_come(tmp_path: Path) -> None:
    ahead = timedelta(minutes=2)
    came, verdict, at_work = await asked(tmp_path, field().good, page=answer(begin=ahead))
    assert came and verdict.reason is Reason.REVOCATION_UNKNOWN
    later = judge_certificate(field().good.der, at_work.trust, at_work.at + ahead, OWN_NETWORK)
    assert later.reason is Reason.GOOD


def short_lived() -> Holder:
    return issue(
        "OCSP",
        field().authority,
        purposes=OCSP,
        more=[NO_CHECK],
        validity=(real_now() - HOUR, real_now() + timedelta(minutes=30)),
    )


ENDS: dict[str, Callable[[], list[bytes]]] = {
    "the responder's certificate ends": lambda: [answer(by=short_lived())],
    "a revocation is dated ahead": lambda: [
        answer(),
        answer(status=ocsp.OCSPCertStatus.REVOKED, revoked=timedelta(minutes=30)),
    ],
    "an answer is": lambda: [answer(), answer(begin=timedelta(minutes=30), status=ocsp.OCSPCertStatus.UNKNOWN)],
}


@pytest.mark.parametrize("what", ENDS)
def test_a_good_verdict_is_not_used_when_it_would_be_another(what: str) -> None:
    answers, at, der = ENDS[what](), real_now() + timedelta(seconds=5), field().good.der
    root = field().lists(at - HOUR)["/root.crl"]
    trust = Trust((field().root.der,), (field().authority.der,), (root,), answers)
    verdict, later = judge_certificate(der, trust, at, OWN_NETWORK), at + timedelta(minutes=31)
    assert verdict.reason is Reason.GOOD, verdict.checks[-1]
    assert judge_certificate(der, trust, later, OWN_NETWORK).reason is not Reason.GOOD
    assert verdict.valid_until is not None and verdict.valid_until < later


def test_a_status_of_tomorrow_acquits_nobody_today_whatever_time_is_proved() -> None:
    at, der = real_now() + timedelta(seconds=5), field().good.der
    root = field().lists(at - 2 * HOUR)["/root.crl"]
    for begin, reason in ((-HOUR / 2, Reason.GOOD), (HOUR / 2, Reason.REVOCATION_UNKNOWN)):
        trust = Trust((field().root.der,), (field().authority.der,), (root,), (answer(begin=begin),))
        verdict = judge_certificate(der, trust, at, OWN_NETWORK, proven=at - HOUR)
        assert verdict.reason is reason, verdict.checks[-1]


async def test_a_responder_that_is_down(tmp_path: Path) -> None:
    _, verdict, _ = await asked(tmp_path, field().good, "http://127.0.0.1:9")
    assert verdict.reason is Reason.REVOCATION_UNKNOWN


def test_revoked_is_final_also_where_it_is_told_after_the_certificate_has_ended() -> None:
    """A theft that is found out late. A list that was in force at the proved time knows nothing of it."""
    at = real_now() + timedelta(seconds=5)
    ended = issue("đã hết hạn", field().authority, validity=(at - 90 * DAY, at - 2 * HOUR))
    lists = field().lists(at - 6 * HOUR)
    for revoked, reason in ((-5 * HOUR, Reason.REVOKED), (-3 * HOUR, Reason.GOOD)):
        told = answer(ended, status=ocsp.OCSPCertStatus.REVOKED, revoked=revoked)
        for answers, wanted in (((), Reason.GOOD), ((told,), reason)):
            trust = Trust((field().root.der,), (field().authority.der,), (*lists.values(),), answers)
            verdict = judge_certificate(ended.der, trust, at, OWN_NETWORK, proven=at - 4 * HOUR)
            assert verdict.reason is wanted, verdict.checks[-1]


def test_an_answer_that_is_dated_ahead_lets_nobody_pass_whom_it_revokes() -> None:
    """F118. Our clock is an hour behind, and by a list in force all is well: it is held until our clock is there."""
    at, der = real_now() - HOUR, field().good.der
    lists = tuple(octets for path, octets in field().lists(at - HOUR).items() if path in ("/root.crl", "/ca.crl"))
    revoked = answer(status=ocsp.OCSPCertStatus.REVOKED, revoked=-HOUR / 2)
    trust = Trust((field().root.der,), (field().authority.der,), lists, (revoked,))
    assert judge_certificate(der, trust, at, OWN_NETWORK).reason is Reason.REVOCATION_UNKNOWN
    assert judge_certificate(der, trust, real_now() + HOUR / 60, OWN_NETWORK).reason is Reason.REVOKED
    of_others = Trust((field().root.der,), (field().authority.der,), lists, (answer(),))
    assert judge_certificate(der, of_others, at, OWN_NETWORK).reason is Reason.GOOD
