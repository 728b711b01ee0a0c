"""A small field: an authority whose certificates say where their revocation is published, a server, a responder."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from adapters.fetch import Fetcher
from axis.demo.network import free_ports
from axis.flow.evidence import EvidenceKeeper
from axis.trust import read_trust
from signing.chain import Trust
from signing.policy import OWN_NETWORK
from signing.revocation.request import need_of
from tests.pki import Holder, issue, key_pem, pem, revocation_list
from tests.tools import need

HOST = "127.0.0.1"
LISTS, RESPONDER = "crl.ca.ptc", "ocsp.ca.ptc"
"""Names that only the host map can resolve, like those of the field."""


def real_now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


class Field:
    """A root, an authority, and leaves that point to `http://crl.ca.ptc/NAME.crl` and `http://ocsp.ca.ptc/`."""

    def __init__(self) -> None:
        self.root = issue("Gốc", ca=True)
        self.authority = issue("CA", self.root, ca=True, more=[self.points("root")])
        self.good, self.revoked = self.leaf("Tốt"), self.leaf("Bị thu hồi")

    @staticmethod
    def points(name: str) -> tuple[x509.ExtensionType, bool]:
        url = x509.UniformResourceIdentifier(f"http://{LISTS}/{name}.crl")
        return x509.CRLDistributionPoints([x509.DistributionPoint([url], None, None, None)]), False

    def leaf(self, name: str, lists: bool = True, responder: bool = True) -> Holder:
        more: list[tuple[x509.ExtensionType, bool]] = [self.points("ca")] if lists else []
        if responder:
            url = x509.UniformResourceIdentifier(f"http://{RESPONDER}/")
            access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, url)
            more.append((x509.AuthorityInformationAccess([access]), False))
        return issue(name, self.authority, more=more)

    def lists(self, at: datetime, number: int = 1) -> dict[str, bytes]:
        until = at + timedelta(days=1)
        return {
            "/root.crl": revocation_list(self.root, at=at, until=until, number=number),
            "/ca.crl": revocation_list(self.authority, [self.revoked.certificate], at=at, until=until, number=number),
        }

    def trust(self, *lists: bytes) -> Trust:
        return Trust((self.root.der,), (self.authority.der,), lists)


class Server:
    """Serves what stands in `pages` by path, and counts."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes | Callable[[web.Request], AsyncIterator[bytes]] | web.Response] = {}
        self.asked: list[str] = []
        self.port = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        page = self.pages.get(request.path)
        if page is None:
            raise web.HTTPNotFound
        if isinstance(page, web.Response):  # each is good for one request
            return web.Response(status=page.status, headers=page.headers, body=page.body)
        if isinstance(page, bytes):
            return web.Response(body=page)
        response = web.StreamResponse()
        await response.prepare(request)
        async for chunk in page(request):
            await response.write(chunk)
        return response

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application(client_max_size=1 << 20)
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, HOST, 0)
    await site.start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()


class Desk:
    """A keeper at work: its folder, its clock, what it believes in."""

    def __init__(self, field: Field, folder: Path, fetcher: Fetcher, **more: object) -> None:
        self.field, self.folder, self.at = field, folder, real_now()
        (folder / "root.pem").write_bytes(pem(field.root.certificate))
        (folder / "ca.pem").write_bytes(pem(field.authority.certificate))
        self.reloads = 0
        self.trust = self._read()
        self.keeper = EvidenceKeeper(
            source=fetcher,
            folder=folder / "revocation",
            trust=lambda: self.trust,
            reload=self._reload,
            policy=OWN_NETWORK,
            now=lambda: self.at,
            nonce=lambda: hashlib.sha256(str(time.monotonic_ns()).encode()).hexdigest(),
            **more,  # type: ignore[arg-type]
        )

    def _read(self) -> Trust:
        root, ca = self.folder / "root.pem", self.folder / "ca.pem"
        return read_trust([root], [ca], [], fetched=self.folder / "revocation")

    async def _reload(self) -> None:
        self.trust = self._read()
        self.reloads += 1


@asynccontextmanager
async def desk(field: Field, folder: Path, server: Server, responder: str = "", **more: object) -> AsyncIterator[Desk]:
    fetcher = Fetcher({LISTS: server.url, RESPONDER: responder or server.url}, deadline_s=1.0)
    try:
        yield Desk(field, folder, fetcher, **more)
    finally:
        await fetcher.close()


async def until(true: Callable[[], bool], patience_s: float = 20.0) -> None:
    """Let the loop run until `true`."""
    async with asyncio.timeout(patience_s):
        while not true():  # noqa: ASYNC110 - a server's counter has no event
            await asyncio.sleep(0.005)


@contextmanager
def openssl_responder(field: Field, folder: Path, signer: Holder | None = None, *options: str) -> Iterator[str]:
    """`openssl ocsp` as a process of its own; yields its URL."""
    tool = need("openssl")
    signer = signer or issue("OCSP", field.authority, purposes=[ExtendedKeyUsageOID.OCSP_SIGNING], more=[NO_CHECK])
    (folder / "ca.pem").write_bytes(pem(field.authority.certificate))
    (folder / "signer.pem").write_bytes(pem(signer.certificate))
    (folder / "signer.key").write_bytes(key_pem(signer.key))
    line = "{}\t{:%y%m%d%H%M%SZ}\t{}\t{:X}\tunknown\t/CN=x\n"
    ends = real_now() + timedelta(days=3650)
    revoked = f"{real_now() - timedelta(days=1):%y%m%d%H%M%SZ},keyCompromise"
    rows = [
        line.format("V", ends, "", field.good.certificate.serial_number),
        line.format("R", ends, revoked, field.revoked.certificate.serial_number),
    ]
    (folder / "index.txt").write_text("".join(_even(row) for row in rows))
    (port,) = free_ports(1)
    process = subprocess.Popen(
        [
            *(tool, "ocsp", "-index", "index.txt", "-CA", "ca.pem", "-rsigner", "signer.pem", "-rkey", "signer.key"),
            *("-port", str(port), *(options or ("-nmin", "5"))),
        ],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        issuer = next(one for one in field.trust().store.issuers if not one.root)
        _until_it_listens(process, port, need_of(field.good.certificate, issuer).ocsp_request(bytes(16)))
        yield f"http://{HOST}:{port}"
    finally:
        process.kill()
        process.wait()


def _until_it_listens(process: subprocess.Popen[bytes], port: int, request: bytes, patience_s: float = 20.0) -> None:
    deadline = time.monotonic() + patience_s
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with socket.create_connection((HOST, port), 1) as probe:
                # It serves one at a time, waits for a request on each connection, and ends itself after a bad one.
                head = f"POST / HTTP/1.0\r\nContent-Type: application/ocsp-request\r\nContent-Length: {len(request)}"
                probe.sendall(f"{head}\r\n\r\n".encode() + request)
                while probe.recv(4096):
                    pass
            return
        except OSError:
            time.sleep(0.02)
    raise AssertionError("the responder does not listen")


def _even(row: str) -> str:
    """OpenSSL writes serial numbers in whole octets."""
    parts = row.split("\t")
    parts[3] = parts[3] if len(parts[3]) % 2 == 0 else f"0{parts[3]}"
    return "\t".join(parts)


NO_CHECK: tuple[x509.ExtensionType, bool] = (x509.OCSPNoCheck(), False)
