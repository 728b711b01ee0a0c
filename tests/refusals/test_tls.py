"""Who may open a connection to the agencies' listener: a certificate of the authority that it names, and no other."""

from __future__ import annotations

import ssl
from pathlib import Path

import aiohttp
from aiohttp import web
from cryptography.x509.oid import ExtendedKeyUsageOID

from axis.core.model import Principal, Role
from axis.core.problems import Kind, Refused
from axis.tls import server_context
from axis.web.auth import Doors
from tests.pki import Holder, Pki, issue, pem, pki


def handshake(folder: Path, client: Holder | None) -> bool:
    """Say whether the server takes the client's certificate, and sees it; both ends in memory."""
    certificate, key = pki().tls_server()
    (folder / "server.pem").write_bytes(certificate)
    (folder / "server.key").write_bytes(key)
    (folder / "ca.pem").write_bytes(pki().ca_pem)
    server_side = server_context(folder / "server.pem", folder / "server.key", [folder / "ca.pem"])
    client_side = ssl.create_default_context(cadata=pki().ca_pem.decode())
    if client is not None:
        chain, own = client.pems()
        (folder / "client.pem").write_bytes(chain)
        (folder / "client.key").write_bytes(own)
        client_side.load_cert_chain(folder / "client.pem", folder / "client.key")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        server_side.wrap_bio(to_server, to_client, server_side=True),
        client_side.wrap_bio(to_client, to_server, server_hostname="localhost"),
    ]
    for _ in range(6):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError:
                assert end is ends[0]
                return False
    return ends[0].getpeercert(binary_form=True) is not None


def for_tls(by: Pki) -> Holder:
    return issue("x", by.authority, purposes=[ExtendedKeyUsageOID.CLIENT_AUTH])


def test_a_certificate_of_our_authority_opens_a_connection(tmp_path: Path) -> None:
    assert handshake(tmp_path, for_tls(pki()))


def test_a_certificate_of_another_authority_opens_no_connection(tmp_path: Path) -> None:
    """A test authority of the same name, for one, whose certificates lie beside ours."""
    other = Pki()
    (tmp_path / "other.pem").write_bytes(pem(other.root.certificate))
    (tmp_path / "other-ca.pem").write_bytes(pem(other.authority.certificate))
    assert not handshake(tmp_path, for_tls(other))
    assert not handshake(tmp_path, issue("x", purposes=[ExtendedKeyUsageOID.CLIENT_AUTH]))


def test_a_certificate_for_documents_opens_no_connection(tmp_path: Path) -> None:
    assert not handshake(tmp_path, issue("x", pki().authority, purposes=[ExtendedKeyUsageOID.EMAIL_PROTECTION]))


def test_without_a_certificate_the_server_sees_nobody(tmp_path: Path) -> None:
    assert not handshake(tmp_path, None)


async def test_a_header_that_claims_a_certificate_opens_no_door() -> None:
    """TLS ends in the daemon: a header about a certificate is anybody's."""
    owner = Principal("office", Role.AGENCY)
    print_ = pki().good.sha256
    doors = Doors({print_: owner}, {})

    async def answer(request: web.Request) -> web.Response:
        try:
            return web.Response(text=doors.principal(request).name)
        except Refused as refused:
            return web.Response(text=refused.problem.kind.value)

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        claims = {"X-Client-Fingerprint": print_, "X-Forwarded-Client-Cert": f"Hash={print_}"}
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        async with aiohttp.ClientSession() as session, session.get(url, headers=claims) as reply:
            assert await reply.text() == Kind.UNAUTHENTICATED.value
    finally:
        await runner.cleanup()
