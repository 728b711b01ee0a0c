"""A simulated national axis for tests: two systems, their agencies, a clock that stands still, raw sockets."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp

from adapters.national import vxp
from adapters.national.client import VxpClient
from adapters.national.simulator.main import Running, running
from adapters.national.simulator.settings import SeedAgency, SeedDocument, Seeds, SeedSystem, Settings
from adapters.national.vxp import Call, MessageType
from schemas.codes import AgencyCode
from schemas.dates import VIETNAM
from tests.samples import SAMPLES

SECRET = "test-secret"
SYSTEM = "00.31.W00"
SENDER = "000.00.00.H31"
NEAR = "000.00.01.H31"
FAR_SYSTEM = "00.53.W00"
FAR_SECRET = "another-secret"
FAR = "000.00.02.H31"
LOCKED = "000.00.09.H31"
SEEDED = "1f0c5d3e-6a0b-4c53-9d52-0a4f6f0d7a11"
TOKEN = "operator-token"
NOW = datetime(2026, 11, 22, 14, 31, 33, tzinfo=VIETNAM)

SEEDS = Seeds(
    systems=(
        SeedSystem(SYSTEM, SECRET, (SeedAgency(SENDER, "UBND A"),)),
        SeedSystem(
            FAR_SYSTEM, FAR_SECRET, (SeedAgency(FAR, "Sở Y", pcode=SENDER), SeedAgency(LOCKED, "Sở Z", locked=True))
        ),
    ),
    documents=(SeedDocument(SEEDED, SENDER, SAMPLES / "document-edxml102-library.edxml"),),
)


@dataclass
class Clock:
    """Time that moves only when a test says so."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


@dataclass(frozen=True)
class Recorded:
    """One request of the real SDK, as octets on the wire."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def call(self) -> Call:
        return Call(self.path.rpartition("/")[2])

    @property
    def at(self) -> datetime:
        found = vxp.read_timestamp(dict(self.headers)["XroadVnpt-timestamp"])
        assert found is not None
        return found

    def with_header(self, name: str, value: str) -> Recorded:
        return replace(self, headers=tuple((n, value if n == name else v) for n, v in self.headers))

    def head(self) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in self.headers)]
        return "\r\n".join([*lines, "", ""]).encode()


def recorded() -> list[Recorded]:
    tree = json.loads((SAMPLES / "vxp-sdk-2.0.4-requests.json").read_bytes())
    return [
        Recorded(
            item["method"],
            item["path"],
            tuple((name, value) for name, value in item["headers"]),
            base64.b64decode(item["body_base64"]),
        )
        for item in tree
    ]


@asynccontextmanager
async def simulator(data: Path, clock: Clock | None = None, **changes: Any) -> AsyncIterator[Running]:
    settings = Settings(data, **{"seeds": SEEDS, "port": 0, "operator_token": TOKEN, **changes})
    async with running(settings, clock or Clock()) as found:
        yield found


async def exchange(url: str, request: Recorded) -> tuple[int, dict[str, Any]]:
    """Send one request octet by octet as it was recorded; the body after `100 Continue` where it asks for that."""
    host, port = url.split("//")[1].split("/")[0].rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(request.head())
        if ("Expect", "100-continue") in request.headers:
            interim = await reader.readuntil(b"\r\n\r\n")
            if not interim.startswith(b"HTTP/1.1 100 "):
                return await _answer(interim, reader)
        writer.write(request.body)
        await writer.drain()
        return await _answer(await reader.readuntil(b"\r\n\r\n"), reader)
    finally:
        writer.close()


async def _answer(head: bytes, reader: asyncio.StreamReader) -> tuple[int, dict[str, Any]]:
    lines = head.decode().split("\r\n")
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    assert fields["content-type"].startswith("application/json"), lines
    answer = json.loads(await reader.readexactly(int(fields["content-length"])))
    assert isinstance(answer, dict)
    return int(lines[0].split()[1]), answer


def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


def far_client(url: str, clock: Clock, **options: Any) -> VxpClient:
    return VxpClient(url, FAR_SYSTEM, FAR_SECRET, clock, **options)


def near_client(url: str, clock: Clock, **options: Any) -> VxpClient:
    return VxpClient(url, SYSTEM, SECRET, clock, **options)


async def one(octets: bytes) -> AsyncIterator[bytes]:
    yield octets


async def send(client: VxpClient, sender: str, message: MessageType, octets: bytes) -> str:
    return await client.send_edoc(AgencyCode(sender), message, one(octets), len(octets), sha256(octets).digest())


async def operator(url: str) -> Any:
    async with aiohttp.request("GET", url, headers={"X-Operator-Token": TOKEN}) as response:
        assert response.status == 200
        return await response.json()


async def fetch(client: VxpClient, doc_id: str) -> bytes:
    return b"".join([piece async for piece in client.get_edoc(doc_id)])
