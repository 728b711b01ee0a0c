"""`axis send --tsa` against a real authority (`openssl ts`), and against ones that are slow, lying or strangers."""

from __future__ import annotations

import asyncio
import hashlib
import json
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from asn1crypto import cms, tsp
from click.testing import CliRunner, Result
from lxml import etree

from adapters.tsa import query
from axis.cli import main
from signing.xades_t import timestamp_octets
from tests.pki import Holder, issue, pem, pki, revocation_list
from tests.unit.timestamp.authority import (
    Handler,
    OpensslTsa,
    good,
    info,
    lists,
    real_now,
    reply_of,
    roots,
    serving,
    sign,
    stamper,
    status_reply,
)

DS = "{http://www.w3.org/2000/09/xmldsig#}"
STAMP = "{http://uri.etsi.org/01903/v1.3.2#}EncapsulatedTimeStamp"
LETTER = ("--from", "H99.07", "--to", "H99.115", "--number", "1", "--notation", "A", "--subject", "x")


class Desk:
    """An office with a signing key, and an axis that takes what comes and remembers it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.taken = folder, list[bytes]()
        certificate, key = pki().good.pems()
        (folder / "sign.pem").write_bytes(certificate)
        (folder / "sign.key").write_bytes(key)
        (folder / "roots.pem").write_bytes(b"".join(pem(one.certificate) for one in roots()))
        self.url = ""

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.taken.append(await request.read())
        facts = {"document": "d1", "state": "accepted", "accepted_at": "2026-11-23T08:00:00Z"}
        return web.json_response({**facts, "merge_by": "2026-11-23T08:00:05Z"}, status=202)

    async def send(self, *more: str, tsa: str | None = None, trust: str = "roots.pem", signed: bool = True) -> Result:
        arguments = ["send", "--url", self.url, *more]
        if signed:
            arguments += ["--sign-cert", str(self.folder / "sign.pem"), "--sign-key", str(self.folder / "sign.key")]
        if tsa is not None:
            arguments += ["--tsa", tsa, "--tsa-trust", str(self.folder / trust)]
        return await asyncio.to_thread(CliRunner().invoke, main, arguments)

    def token(self) -> bytes:
        """The one time stamp of the one package that was taken, which must be of its signature."""
        (package,) = self.taken
        root = etree.fromstring(package)
        (signature,), (stamp,) = root.iter(DS + "Signature"), root.iter(STAMP)
        text = stamp.text
        assert text
        der = b64decode(text)
        imprint = tsp.TSTInfo.load(cms.ContentInfo.load(der)["content"]["encap_content_info"]["content"].parsed.dump())[
            "message_imprint"
        ]["hashed_message"].native
        assert imprint == hashlib.sha256(timestamp_octets(signature)).digest()
        return der


@asynccontextmanager
async def desk(folder: Path) -> AsyncIterator[Desk]:
    made = Desk(folder)
    app = web.Application()
    app.router.add_post("/v1/documents", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()


def authority(folder: Path, holder: Holder | None = None) -> OpensslTsa:
    (folder / "tsa").mkdir()
    return OpensslTsa(folder / "tsa", holder or good())


async def never(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def test_a_package_is_stamped_before_it_is_sent(tmp_path: Path) -> None:
    async with desk(tmp_path) as office, serving(authority(tmp_path).handle) as tsa:
        result = await office.send(*LETTER, tsa=tsa)
    assert result.exit_code == 0, result.output
    assert "dấu thời gian (time stamp)" in result.output
    assert "Máy dấu thời gian" in result.output
    assert office.token()


async def test_programs_are_told_the_form_and_the_time(tmp_path: Path) -> None:
    async with desk(tmp_path) as office, serving(authority(tmp_path).handle) as tsa:
        result = await office.send(*LETTER, "--json", tsa=tsa)
    (told,) = json.loads(result.stdout)
    assert told["document"] == "d1"
    assert told["time_stamp"]["form"] == "XAdES-B-T"
    assert told["time_stamp"]["sha256"] == hashlib.sha256(office.token()).hexdigest()
    assert told["time_stamp"]["proven_at"].endswith("+00:00")


async def test_the_lists_of_the_authority_count_where_they_are_named(tmp_path: Path) -> None:
    now = real_now()
    named = {
        "in-force": lists(at=now),
        "revoked": lists(good().certificate, at=now),
        "stale": tuple(revocation_list(one, at=now - timedelta(9), until=now - timedelta(8)) for one in roots()),
    }
    async with desk(tmp_path) as office, serving(authority(tmp_path).handle) as tsa:
        for name, expected in (("in-force", 0), ("revoked", 1), ("stale", 3)):
            folder = tmp_path / name
            folder.mkdir()
            for number, octets in enumerate(named[name]):
                (folder / f"{number}.crl").write_bytes(octets)
            result = await office.send(*LETTER, "--tsa-crl", str(folder), tsa=tsa)
            assert result.exit_code == expected, result.output
    assert len(office.taken) == 1


def lying(folder: Path) -> Handler:
    """A good token with the nonce that was asked for, of other octets."""
    real = authority(folder)

    async def handle(request: web.Request) -> web.StreamResponse:
        nonce = tsp.TimeStampReq.load(await request.read())["nonce"].native
        return reply_of(await real.reply(query(hashlib.sha256(b"other").digest(), nonce)))

    return handle


def repeating(folder: Path) -> Handler:
    """The right octets, and a nonce of another question."""
    real = authority(folder)

    async def handle(request: web.Request) -> web.StreamResponse:
        imprint = tsp.TimeStampReq.load(await request.read())["message_imprint"]["hashed_message"].native
        return reply_of(await real.reply(query(imprint, 77)))

    return handle


def behind(_: Path) -> Handler:
    """Its clock is an hour slow."""

    async def handle(request: web.Request) -> web.StreamResponse:
        asked = tsp.TimeStampReq.load(await request.read())
        imprint = asked["message_imprint"]["hashed_message"].native
        octets = info(imprint, at=real_now() - timedelta(hours=1), nonce=asked["nonce"].native)
        token = cms.ContentInfo.load(await asyncio.to_thread(sign, octets))
        answer = tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": token})
        return reply_of(answer.dump())

    return handle


def saying(status: int, failure: int) -> Handler:
    async def handle(_: web.Request) -> web.StreamResponse:
        return reply_of(status_reply(status, failure))

    return handle


async def page(_: web.Request) -> web.StreamResponse:
    return web.Response(text="<html>please log in</html>", content_type="text/html")


FAULTS: dict[str, tuple[Any, int, str]] = {
    "too slow": (lambda _: never, 3, "no answer in time"),
    "not an authority": (lambda _: page, 3, "makes no sense"),
    "busy": (lambda _: saying(2, 14), 3, "cannot stamp now"),
    "refusing": (lambda _: saying(2, 15), 1, "unaccepted-policy"),
    "of other octets": (lying, 1, "sig-digest"),
    "an old answer": (repeating, 1, "nonce"),
    "with a slow clock": (behind, 1, "behind ours"),
    "of a stranger": (lambda folder: authority(folder, stamper(issuer=issue("Lạ", ca=True))).handle, 1, "untrusted"),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_without_a_time_stamp_nothing_is_sent_unless_one_may_do_without(name: str, tmp_path: Path) -> None:
    make, code, word = FAULTS[name]
    async with desk(tmp_path) as office, serving(make(tmp_path)) as tsa:
        wait = ("--tsa-wait", "0.2") if name == "too slow" else ()
        result = await office.send(*LETTER, *wait, tsa=tsa)
        assert (result.exit_code, office.taken) == (code, []), result.output
        assert word in result.output
        assert "nothing was sent" in result.output
        assert "--tsa-optional" in result.output

        result = await office.send(*LETTER, *wait, "--tsa-optional", "--json", tsa=tsa)
        assert result.exit_code == 0, result.output
        (told,) = json.loads(result.stdout)
        assert told["time_stamp"]["form"] == "XAdES-B-B"
        assert word in told["time_stamp"]["reason"]
    (package,) = office.taken
    assert b"SigningCertificateV2" in package and b"EncapsulatedTimeStamp" not in package


def kept(folder: Path) -> list[Path]:
    return list(folder.glob("*.edxml"))


async def test_nobody_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with desk(tmp_path) as office:
        async with serving(never) as tsa:
            pass
        refused = await office.send(*LETTER, "--json", tsa=tsa)
        sent = await office.send(*LETTER, "--tsa-optional", tsa=tsa)
    told = json.loads(refused.stdout)
    assert (refused.exit_code, told["ok"], told["sent"]) == (3, False, False)
    assert kept(tmp_path) == [], "nothing was sent, so nothing is kept to be sent again"
    assert sent.exit_code == 0
    assert "sent without a time stamp" in sent.output
    assert len(office.taken) == 1


async def test_the_environment_asks_for_stamps_and_leaves_ready_files_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = tmp_path / "ready.edxml"
    ready.write_bytes(b"<edXML/>")
    async with desk(tmp_path) as office, serving(authority(tmp_path).handle) as tsa:
        monkeypatch.setenv("AXIS_TSA", tsa)
        monkeypatch.setenv("AXIS_TSA_TRUST", str(tmp_path / "roots.pem"))
        assert (await office.send(str(ready), signed=False)).exit_code == 0
        assert office.taken.pop() == b"<edXML/>"
        assert (await office.send(*LETTER)).exit_code == 0
        assert office.token()


WRONG: dict[str, tuple[str, ...]] = {
    "needs --tsa-trust": (*LETTER, "--tsa", "http://127.0.0.1:1/"),
    "begins with http": (*LETTER, "--tsa", "tsa.example.vn", "--tsa-trust", __file__),
    "names the authority": (*LETTER, "--tsa-optional"),
    "options of --tsa": (*LETTER, "--tsa-wait", "3"),
    "FILEs are sent as they are": (__file__, "--tsa", "http://127.0.0.1:1/", "--tsa-trust", __file__),
    "stamps a signature": (*LETTER, "--tsa", "http://127.0.0.1:1/", "--tsa-trust", __file__),
    "no root": (*LETTER, "--tsa", "http://127.0.0.1:1/", "--tsa-trust", "leaf"),
    "neither DER nor PEM": (*LETTER, "--tsa", "http://127.0.0.1:1/", "--tsa-trust", __file__),
}


@pytest.mark.parametrize("told", WRONG)
async def test_wrong_usage_ends_with_2_before_anybody_is_asked(told: str, tmp_path: Path) -> None:
    (tmp_path / "leaf.pem").write_bytes(pem(good().certificate))
    arguments = [str(tmp_path / "leaf.pem") if one == "leaf" else one for one in WRONG[told]]
    async with desk(tmp_path) as office:
        result = await office.send(*arguments, signed=told in ("no root", "neither DER nor PEM"))
    assert (result.exit_code, office.taken) == (2, []), result.output
    assert told in result.output
