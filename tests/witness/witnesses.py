"""Witnesses of the logs of `tests.unit.log.logs`, over real sockets, and those that answer what they like."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import ClientSession, web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.witness import HttpWitness
from axis.core.pressure import Pressure
from axis.flow.witness import Witnessing
from axis.log.files import Batch, LogFolder
from axis.log.heads import CheckpointStore
from axis.log.key import LogKeys
from axis.log.offer import Offer
from axis.log.proof import prove_consistency
from axis.tls import client_context
from axis.web.framing import listening
from axis.web.places import Places
from axis.witness.memory import Memory
from axis.witness.server import Witness
from signing.cosignature import Cosigner
from tests.unit.log.logs import KEYS, ORIGIN, leaves, writer_at

AT = datetime(2026, 11, 24, 7, tzinfo=UTC)
COSIGNER = Cosigner("kiemtra.example.vn/1", Ed25519PrivateKey.from_private_bytes(b"\x07" * 32))
OTHER = Cosigner("thanhtra.example.vn/1", Ed25519PrivateKey.from_private_bytes(b"\x08" * 32))
OFTEN = Pressure(per_second=100_000, burst=100_000)


@asynccontextmanager
async def witness(
    path: Path,
    signer: Cosigner = COSIGNER,
    *,
    logs: Mapping[str, LogKeys] | None = None,
    now: Callable[[], datetime] = lambda: AT,
    rate: Pressure = OFTEN,
) -> AsyncIterator[str]:
    """The witness whose memory is `path`; yields its address."""
    with suppress(FileExistsError):
        Memory.begin(path, signer.verifier)
    memory = Memory(path, signer.verifier)
    memory.open()
    try:
        one = Witness(memory, signer, logs or {ORIGIN: KEYS}, now, lambda: 0.0, lambda: None, rate)
        async with listening(one.app(), "127.0.0.1", 0, None, timedelta(seconds=5), Places(16)) as door:
            yield f"http://127.0.0.1:{door.listeners[0].getsockname()[1]}"
    finally:
        memory.close()


def go_another_way(path: Path, size: int) -> None:
    """Grow the log below `path` to `size` with other entries than `grow` writes."""
    writer = writer_at(path)
    writer.open()
    try:
        first = max(head.checkpoint.size for head in CheckpointStore(path / "heads").history())
        writer.reconcile(first)
        writer.commit(Batch(first, tuple(range(first + 1, size + 1)), leaves(5_000, size - first)))
        writer.publish()
    finally:
        writer.close()


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def liar(offered: Handler, shown: Handler | None = None) -> AsyncIterator[str]:
    """Somebody who says to be a witness."""
    app = web.Application()
    app.router.add_post("/add-checkpoint", offered)
    if shown is not None:
        app.router.add_get("/{place}/checkpoint", shown)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def saying(status: int, text: str, content_type: str = "text/plain") -> Handler:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, text=text, content_type=content_type)

    return answer


def offer_of(path: Path, old: int, note: str | None = None) -> str:
    """The published head of the log below `path`, with the proof from `old`."""
    head = KEYS.open(note or LogFolder(path / "log").checkpoint() or "")
    proof = prove_consistency(path / "log", old, head.checkpoint.size) if 0 < old <= head.checkpoint.size else []
    return Offer(old, tuple(proof), head).text


async def post(url: str, body: str | bytes) -> tuple[int, str, str]:
    """Status, type and text of what a witness answers to an offer."""
    async with ClientSession() as session, session.post(f"{url}/add-checkpoint", data=body) as answer:
        return answer.status, answer.content_type, await answer.text()


@asynccontextmanager
async def asking(
    path: Path,
    url: str,
    signer: Cosigner = COSIGNER,
    *,
    now: Callable[[], datetime] = lambda: AT,
    accept: bool = False,
    deadline_s: float = 5.0,
) -> AsyncIterator[Witnessing]:
    """The node's side towards one witness, over the log below `path`."""
    hand = HttpWitness(url, client_context(None), deadline_s)
    heads = CheckpointStore(path / "heads")
    try:
        one = Witnessing(signer.verifier, hand, LogFolder(path / "log"), heads, KEYS, now, accept=accept)
        one.remember()
        yield one
    finally:
        await hand.close()
