"""Who is let in on a connection that has been open for a while."""

from __future__ import annotations

import asyncio
import http.client
import ssl
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web

from axis.core.model import Principal, Role
from axis.demo.network import HOST, free_ports
from axis.devpki import DevPki
from axis.tls import server_context
from axis.web.answer import Answer
from axis.web.auth import Doors
from axis.web.framing import listening
from axis.web.places import Places
from axis.web.routes import Route, Routes

OWNER = Principal("so-noi-vu", Role.AGENCY, (("H99", "07"),))


async def test_a_certificate_that_expires_while_its_connection_is_open_opens_no_more(tmp_path: Path) -> None:
    """Somebody who left keeps a connection in use, or resumes its session: TLS looked at the certificate once."""
    now = datetime.now(UTC)
    pki = DevPki.create(tmp_path / "pki", now)
    client, server = pki.tls_client("so-noi-vu"), pki.tls_server("truc")
    clock = [now.timestamp()]
    doors = Doors({client.fingerprint: OWNER}, {}, lambda: clock[0])

    async def who(request: web.BaseRequest) -> Answer:
        return Answer(doors.principal(request).name.encode(), {})

    (port,) = free_ports(1)
    tls = server_context(server.certificate, server.key, (pki.tls_ca,))
    async with listening(Routes([Route("GET", "/", who)]), HOST, port, tls, timedelta(seconds=20), Places(16)):
        context = ssl.create_default_context(cafile=str(pki.tls_ca))
        context.load_cert_chain(client.certificate, client.key)
        with closing(http.client.HTTPSConnection(HOST, port, timeout=30, context=context)) as connection:
            assert await asyncio.to_thread(asked, connection) == (200, b"so-noi-vu")
            clock[0] = (now + timedelta(days=4_000)).timestamp()
            status, body = await asyncio.to_thread(asked, connection)
            assert (status, b"so-noi-vu" in body) == (401, False)
            clock[0] = now.timestamp()
            assert (await asyncio.to_thread(asked, connection))[0] == 200, "on the same connection"


def asked(connection: http.client.HTTPSConnection) -> tuple[int, bytes]:
    connection.request("GET", "/")
    answer = connection.getresponse()
    return answer.status, answer.read()
