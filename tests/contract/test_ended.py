"""A kept connection does not outlive the certificate that the other side proved itself with."""

from __future__ import annotations

import asyncio
import ssl
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters import kept
from adapters.sending import session
from axis.devpki import DevPki
from axis.tls import client_context

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


async def test_whose_certificate_has_ended_is_met_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What always has something to send kept its connection for months past the end."""
    pki = DevPki.create(tmp_path, datetime.now(UTC))
    shown = pki.tls_server("far")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.certificate, shown.key)
    came: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(writer)
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(4)
                writer.write(GOOD)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def post() -> int:
        async with near.post(url, data=b"<a/>") as answer:
            assert await answer.read() == b"{}"
        return len(came)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with session(client_context(pki.tls_ca), 4) as near:
        assert [await post() for _ in range(3)] == [1, 1, 1]
        monkeypatch.setattr(kept, "time", lambda: time.time() + 20 * 366 * 86_400)
        assert [await post() for _ in range(2)] == [2, 3], "this machine's handshake believes in it still"
    for writer in came:
        writer.close()
    server.close()
