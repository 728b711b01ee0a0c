"""`openssl ts` behind a real socket, asked by our client and judged by our judge; and servers that are down or lie."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import subprocess
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from asn1crypto import tsp

from adapters.tsa import MAX_REPLY, TsaClient, open_reply, query
from axis.core.problems import Refused, Unavailable
from signing.chain import Trust
from signing.policy import OWN_NETWORK
from signing.timestamp import Query, Status, TimestampVerdict, judge_token, read_response
from signing.verdict import Reason
from tests.pki import Holder, issue, pem, pki, rsa_key
from tests.tools import need
from tests.unit.timestamp.authority import (
    POLICY,
    OpensslTsa,
    good,
    lists,
    live_trust,
    real_now,
    reply_of,
    roots,
    serving,
    stamper,
    status_reply,
    trust,
)

OCTETS = b"what is stamped"
SHA256 = hashlib.sha256(OCTETS).digest()
NONCE = 0xFEDCBA9876543210


async def ask(url: str, sha256: bytes = SHA256, nonce: int = NONCE, timeout_s: float = 10) -> bytes:
    client = TsaClient(url, aiohttp.ClientSession(), timeout_s)
    try:
        return await client.stamp(sha256, nonce)
    finally:
        await client.close()


async def stamped(
    folder: Path, holder: Holder, believed: Trust | None = None, nonce: int = NONCE, **changes: object
) -> TimestampVerdict:
    """Ask a real authority and judge what it answers."""
    async with serving(OpensslTsa(folder, holder, **changes).handle) as url:  # type: ignore[arg-type]
        token = await ask(url)
    asked = Query("sha256", nonce)
    return judge_token(token, OCTETS, believed or live_trust(), real_now(), OWN_NETWORK, asked=asked)


async def test_a_real_authority_proves_a_time(tmp_path: Path) -> None:
    before = real_now().replace(microsecond=0)
    verdict = await stamped(tmp_path, good())
    assert (verdict.sub_indication, verdict.reason) == (None, Reason.GOOD)
    assert verdict.gen_time is not None
    assert before <= verdict.gen_time <= real_now()
    assert verdict.accuracy == timedelta(seconds=1)
    assert verdict.policy_oid == POLICY
    assert verdict.signer is not None
    assert verdict.signer.certificate == good().sha256


@pytest.mark.parametrize("swap", [False, True])
async def test_two_certificates_that_are_not_in_der_order_are_read(tmp_path: Path, swap: bool) -> None:
    """What rfc3161-client refuses: `openssl ts` writes the signer first, whatever the order of a SET is."""
    first, second = stamper("A", key=rsa_key()), stamper("B")
    holder, other = (second, first) if swap else (first, second)
    verdict = await stamped(tmp_path, holder, chain=[other])
    assert verdict.sub_indication is None
    assert verdict.signer is not None
    assert verdict.signer.certificate == holder.sha256


async def test_the_older_way_to_name_a_certificate_is_read_and_told(tmp_path: Path) -> None:
    verdict = await stamped(tmp_path, good(), ess="sha1")
    assert verdict.sub_indication is None
    assert verdict.quirks == ("ess-cert-id-v1",)


async def test_a_revoked_authority_is_refused(tmp_path: Path) -> None:
    gone = trust(*lists(good().certificate, at=real_now()))
    assert (await stamped(tmp_path, good(), gone)).reason is Reason.REVOKED


async def test_another_nonce_is_another_answer(tmp_path: Path) -> None:
    assert (await stamped(tmp_path, good(), nonce=NONCE + 1)).reason is Reason.REFERENCE


async def test_an_authority_under_an_unknown_root_is_not_believed(tmp_path: Path) -> None:
    stranger = stamper(issuer=issue("CA lạ", ca=True))
    assert (await stamped(tmp_path, stranger)).reason is Reason.UNTRUSTED
    assert (await stamped(tmp_path, good(), pki().live_trust)).reason is Reason.UNTRUSTED


def test_openssl_and_we_agree_on_a_token(tmp_path: Path) -> None:
    """The same reply through `openssl ts -verify`."""
    reply = asyncio.run(OpensslTsa(tmp_path, good()).reply(query(SHA256, NONCE)))
    (tmp_path / "octets").write_bytes(OCTETS)
    root, authority = roots()
    (tmp_path / "root.pem").write_bytes(pem(root.certificate))
    (tmp_path / "ca.pem").write_bytes(pem(authority.certificate))
    command = [need("openssl"), "ts", "-verify", "-data", "octets", "-in", "reply", "-CAfile", "root.pem"]
    done = subprocess.run([*command, "-untrusted", "ca.pem"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    opened = read_response(reply)
    assert opened.status is Status.GRANTED
    assert opened.token == open_reply(reply)


# --- questions and answers


def test_the_question_is_one_that_others_read(tmp_path: Path) -> None:
    (tmp_path / "query").write_bytes(query(SHA256, NONCE))
    told = subprocess.run(
        [need("openssl"), "ts", "-query", "-in", "query", "-text"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "Hash Algorithm: sha256" in told
    assert "Nonce: 0xFEDCBA9876543210" in told
    assert "Certificate required: yes" in told
    for nonce in (1, 127, 128, 255, 256, 1 << 63, secrets.randbits(64) | 1):
        read = tsp.TimeStampReq.load(query(SHA256, nonce), strict=True)
        assert read["nonce"].native == nonce
        assert read.dump(force=True) == query(SHA256, nonce)


@pytest.mark.parametrize(("sha256", "nonce"), [(b"", 1), (SHA256[:-1], 1), (SHA256, 0), (SHA256, -1)])
def test_a_question_that_makes_no_sense_is_not_asked(sha256: bytes, nonce: int) -> None:
    with pytest.raises(ValueError, match=r"SHA-256|nonce"):
        query(sha256, nonce)


@pytest.mark.parametrize(
    ("status", "failure", "meaning", "raised"),
    [
        (2, None, Status.REJECTION, Refused),
        (2, 0, Status.REJECTION, Refused),
        (2, 15, Status.REJECTION, Refused),
        (2, 14, Status.REJECTION, Unavailable),
        (2, 25, Status.REJECTION, Unavailable),
        (3, None, Status.WAITING, Unavailable),
        (4, None, Status.REVOCATION_WARNING, Refused),
        (5, None, Status.REVOCATION_NOTIFICATION, Refused),
        (0, None, Status.NONSENSE, Unavailable),
        (1, None, Status.NONSENSE, Unavailable),
        (6, None, Status.NONSENSE, Unavailable),
    ],
)
async def test_a_status_without_a_token(
    status: int, failure: int | None, meaning: Status, raised: type[Exception]
) -> None:
    async def handle(_: web.Request) -> web.StreamResponse:
        return reply_of(status_reply(status, failure))

    opened = read_response(status_reply(status, failure))
    assert (opened.status, opened.token) == (meaning, None)
    async with serving(handle) as url:
        with pytest.raises(raised):
            await ask(url)


async def test_granted_with_mods_is_granted(tmp_path: Path) -> None:
    reply = await OpensslTsa(tmp_path, good()).reply(query(SHA256, NONCE))
    answer = tsp.TimeStampResp.load(reply)
    answer["status"] = {"status": "granted_with_mods"}
    modified = answer.dump(force=True)
    assert read_response(modified).status is Status.GRANTED_WITH_MODS
    assert read_response(modified).token == open_reply(modified) == open_reply(reply)


async def test_a_refusal_that_comes_with_a_token_is_nonsense(tmp_path: Path) -> None:
    answer = tsp.TimeStampResp.load(await OpensslTsa(tmp_path, good()).reply(query(SHA256, NONCE)))
    answer["status"] = {"status": "rejection"}
    assert read_response(answer.dump(force=True)).status is Status.NONSENSE
    with pytest.raises(Refused):
        open_reply(answer.dump(force=True))


# --- down, slow, lying


async def test_nobody_listens() -> None:
    async with serving(never) as url:
        pass
    with pytest.raises(Unavailable):
        await ask(url)


async def never(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def test_an_authority_that_is_too_slow_is_not_waited_for() -> None:
    async with serving(never) as url:
        with pytest.raises(Unavailable, match="no answer in time"):
            await ask(url, timeout_s=0.05)


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/timestamp-reply"})
    await response.prepare(request)
    while True:
        await response.write(b"\x30" * 4096)


async def drip(request: web.Request) -> web.StreamResponse:
    """A beginning that never ends, within every limit of size."""
    response = web.StreamResponse(headers={"Content-Type": "application/timestamp-reply"})
    await response.prepare(request)
    await response.write(b"\x30\x82\x10\x00")
    return await never(request)


async def test_an_answer_without_end_is_cut_off() -> None:
    async with serving(endless) as url:
        with pytest.raises(Unavailable) as caught:
            await ask(url)
        assert caught.value.problem.context == {"answer": f"an answer of more than {MAX_REPLY} bytes"}
    async with serving(drip) as url:
        with pytest.raises(Unavailable, match="no answer in time"):
            await ask(url, timeout_s=0.1)


@pytest.mark.parametrize(
    ("status", "kind", "body", "raised"),
    [
        (200, "text/html", b"<html>please log in</html>", Unavailable),
        (200, "application/timestamp-reply", b"<html>please log in</html>", Unavailable),
        (200, "application/timestamp-reply", b"", Unavailable),
        (200, "application/timestamp-reply", b"\x30\x80", Unavailable),
        (200, "application/timestamp-reply", b"\x30\x84\xff\xff\xff\xff", Unavailable),
        (200, "application/timestamp-reply", bytes(range(256)), Unavailable),
        (302, "text/html", b"", Unavailable),
        (404, "text/html", b"", Unavailable),
        (500, "text/html", b"", Unavailable),
        (400, "text/html", b"", Refused),
    ],
)
async def test_an_answer_that_is_none(status: int, kind: str, body: bytes, raised: type[Exception]) -> None:
    async def handle(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=body, content_type=kind)

    async with serving(handle) as url:
        with pytest.raises(raised):
            await ask(url)


async def test_a_good_answer_under_another_name_is_none(tmp_path: Path) -> None:
    reply = await OpensslTsa(tmp_path, good()).reply(query(SHA256, NONCE))

    async def handle(_: web.Request) -> web.StreamResponse:
        return web.Response(body=reply, content_type="text/html")

    async with serving(handle) as url:
        with pytest.raises(Unavailable, match="makes no sense"):
            await ask(url)


async def test_an_authority_that_stamps_something_else_is_found_out(tmp_path: Path) -> None:
    """The lie that only the judge can see: a good token, of other octets, or told again."""
    other = await OpensslTsa(tmp_path, good()).reply(query(hashlib.sha256(b"other").digest(), NONCE))

    async def handle(_: web.Request) -> web.StreamResponse:
        return reply_of(other)

    async with serving(handle) as url:
        token = await ask(url)
    verdict = judge_token(token, OCTETS, live_trust(), real_now(), OWN_NETWORK, asked=Query("sha256", NONCE))
    assert (verdict.reason, verdict.is_false) == (Reason.DIGEST, True)
