"""An authority made of OpenSSL: `openssl ts` answers questions, `openssl cms` signs what no honest one would.

Nothing of `signing` takes part in making a token.
"""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aiohttp import web
from asn1crypto import tsp
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from signing.chain import Trust
from tests.pki import NOW, WIDE, Holder, issue, key_pem, pem, revocation_list
from tests.tools import need

POLICY = "1.3.6.1.4.1.99999.1"
STAMPING = ExtendedKeyUsageOID.TIME_STAMPING
CONFIG = f"""
[tsa]
default_tsa = one
[one]
serial = serial
default_policy = {POLICY}
digests = sha256, sha384, sha512
signer_digest = sha256
accuracy = secs:1
ess_cert_id_alg = %(ess)s
"""


def stamper(
    name: str = "Máy dấu thời gian",
    issuer: Holder | None = None,
    *,
    purposes: Sequence[ObjectIdentifier] = (STAMPING,),
    critical: bool = True,
    **changes: Any,
) -> Holder:
    """The certificate of an authority under the test's own root for time stamps."""
    usage = [(x509.ExtendedKeyUsage([*purposes]), critical)] if purposes else []
    return issue(name, issuer or roots()[1], more=usage, **changes)


@cache
def roots() -> tuple[Holder, Holder]:
    """A root and an authority under it that vouch for time stamps and for nothing else."""
    root = issue("Gốc dấu thời gian", ca=True)
    return root, issue("CA dấu thời gian", root, ca=True, path_length=0)


@cache
def good() -> Holder:
    return stamper()


def lists(*revoked: x509.Certificate, at: datetime = NOW, **changes: Any) -> tuple[bytes, bytes]:
    """Lists that are in force from an hour before `at` to a day after."""
    span = {"at": at - timedelta(hours=1), "until": at + timedelta(days=1)}
    root, authority = roots()
    return revocation_list(root, **span), revocation_list(authority, revoked, **{**span, **changes})


def trust(*crls: bytes) -> Trust:
    root, authority = roots()
    return Trust((root.der,), (authority.der,), crls or lists())


@cache
def live_trust() -> Trust:
    """Lists that hold at the real clock, which is the only one that `openssl ts` reads."""
    return trust(*(revocation_list(one, at=WIDE[0] + timedelta(days=1), until=WIDE[1]) for one in roots()))


# --- tokens that are made to order


def info(
    imprint: bytes,
    *,
    hash_name: str = "sha256",
    at: datetime = NOW,
    nonce: int | None = None,
    accuracy: dict[str, int] | None = None,
    **changes: Any,
) -> bytes:
    """A TSTInfo (DER) over a digest."""
    fields: dict[str, Any] = {
        "version": "v1",
        "policy": POLICY,
        "message_imprint": {"hash_algorithm": {"algorithm": hash_name}, "hashed_message": imprint},
        "serial_number": 7,
        "gen_time": at,
        **changes,
    }
    if nonce is not None:
        fields["nonce"] = nonce
    if accuracy is not None:
        fields["accuracy"] = accuracy
    return bytes(tsp.TSTInfo(fields).dump())


def sign(content: bytes, *signers: Holder, more: Sequence[Holder] = (), options: Sequence[str] = ("-cades",)) -> bytes:
    """A token by `openssl cms` over these octets, whatever they are, with the certificates of `more` beside."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "content").write_bytes(content)
        arguments = ["-in", "content", "-outform", "DER", "-md", "sha256"]
        arguments += ["-binary", "-nodetach", "-econtent_type", "1.2.840.113549.1.9.16.1.4"]
        for number, signer in enumerate(signers or (good(),)):
            (folder / f"{number}.pem").write_bytes(pem(signer.certificate))
            (folder / f"{number}.key").write_bytes(key_pem(signer.key))
            arguments += ["-signer", f"{number}.pem", "-inkey", f"{number}.key"]
        if more:
            (folder / "more.pem").write_bytes(b"".join(pem(holder.certificate) for holder in more))
            arguments += ["-certfile", "more.pem"]
        command = [need("openssl"), "cms", "-sign", *arguments, *options]
        return subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout


def token(octets: bytes, *signers: Holder, **changes: Any) -> bytes:
    """A token over the SHA-256 of `octets` by `good()`, or whoever is named."""
    hash_name = changes.get("hash_name", "sha256")
    return sign(info(hashlib.new(hash_name, octets).digest(), **changes), *signers)


# --- an authority that answers


class OpensslTsa:
    """`openssl ts` in a folder of its own, one process for each question."""

    def __init__(self, folder: Path, holder: Holder, *, chain: Sequence[Holder] = (), ess: str = "sha256") -> None:
        self._folder = folder
        (folder / "tsa.cnf").write_text(CONFIG % {"ess": ess} + ("certs = chain.pem\n" if chain else ""))
        (folder / "serial").write_text("01\n")
        (folder / "tsa.pem").write_bytes(pem(holder.certificate))
        (folder / "tsa.key").write_bytes(key_pem(holder.key))
        (folder / "chain.pem").write_bytes(b"".join(pem(one.certificate) for one in chain))

    async def reply(self, query: bytes) -> bytes:
        (self._folder / "query").write_bytes(query)
        arguments = ["-config", "tsa.cnf", "-queryfile", "query", "-signer", "tsa.pem", "-inkey", "tsa.key"]
        process = await asyncio.create_subprocess_exec(
            need("openssl"),
            *("ts", "-reply", *arguments, "-out", "reply"),
            cwd=self._folder,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
        assert process.returncode == 0, said.decode()
        return (self._folder / "reply").read_bytes()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        assert request.content_type == "application/timestamp-query"
        return reply_of(await self.reply(await request.read()))


def reply_of(octets: bytes) -> web.Response:
    return web.Response(body=octets, content_type="application/timestamp-reply")


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """A server on loopback that answers every POST so; gives its URL."""
    application = web.Application()
    application.router.add_post("/", handler)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


def status_reply(status: int, failure: int | None = None) -> bytes:
    """A TimeStampResp without a token."""
    fields: dict[str, Any] = {"status": status, "status_string": ["nói gì đó"]}
    if failure is not None:
        fields["fail_info"] = tsp.PKIFailureInfo(tuple(int(bit == failure) for bit in range(failure + 1)))
    return _sequence(tsp.PKIStatusInfo(fields).dump())


def _sequence(content: bytes) -> bytes:
    assert len(content) < 128
    return bytes((0x30, len(content))) + content


def real_now() -> datetime:
    return datetime.now(UTC)
