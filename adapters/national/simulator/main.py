"""Runs the simulated national axis until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import structlog
from aiohttp import web

from adapters.national import vxp
from adapters.national.simulator.app import make_app
from adapters.national.simulator.intake import unpack
from adapters.national.simulator.settings import Seeds, Settings, SettingsError
from adapters.national.simulator.store import Store, VxpRefusal
from adapters.national.vxp import Code, MessageType, VxpError
from schemas.envelope import Envelope

log = structlog.get_logger()

MAX_HEADER = 64 * 1024
"""The text of all signed headers is itself one header."""

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Running:
    """A simulated axis that serves. `url` is the base that clients are given, `root` where `/healthz` is."""

    url: str
    root: str
    store: Store


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; requests in flight get `settings.grace` to end."""
    asyncio.run(serve(settings))


async def serve(settings: Settings, started: Callable[[Running], None] | None = None) -> None:
    """`run` for a program that has a loop; `started` is called once the port is open."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        async with running(settings) as simulator:
            if started is not None:
                started(simulator)
            await stop.wait()
            log.info("national_stopping")
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


@asynccontextmanager
async def running(settings: Settings, now: Clock | None = None) -> AsyncIterator[Running]:
    """A simulated axis that serves as long as the context lasts. `SettingsError` when it cannot begin."""
    clock = now or clock_of(settings)
    tls = _tls(settings)
    store = Store(settings.data / "national.db")
    try:
        store.call(store.seed, settings.seeds)
        _seed_documents(store, settings.seeds, clock())
        runner = web.AppRunner(
            make_app(store, settings, clock), access_log=None, shutdown_timeout=settings.grace.total_seconds()
        )
        await runner.setup()
        server = None
        try:
            server = await _listen(runner, settings, tls)
            port = server.sockets[0].getsockname()[1]
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            root = f"{'https' if tls else 'http'}://{host}:{port}"
            log.info("national_started", url=root + settings.base_path, rewrite=settings.rewrite)
            yield Running(root + settings.base_path, root, store)
        finally:
            if server is not None:
                server.close()
            await runner.cleanup()
    finally:
        store.close()


def clock_of(settings: Settings) -> Clock:
    """The system's clock, or one that begins at `start_at` now and runs on."""
    if settings.start_at is None:
        return lambda: datetime.now(UTC)
    ahead = settings.start_at - datetime.now(UTC)
    return lambda: datetime.now(UTC) + ahead


class _Connection(web.RequestHandler):
    """One connection. What is not even HTTP gets JSON as well, and no word about what broke."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun, no other can follow")
        if not isinstance(exc, ConnectionError):  # who went away has no use for an answer
            log.info("request_garbled", status=status, error=type(exc).__name__)
        code = Code.SYSTEM if status >= 500 else Code.BAD_FILE
        answer = web.Response(
            body=vxp.write_answer(vxp.failed(VxpError(code))),
            status=status,
            content_type="application/json",
            charset="utf-8",
        )
        answer.force_close()
        return answer


async def _listen(runner: web.AppRunner, settings: Settings, tls: ssl.SSLContext | None) -> asyncio.Server:
    try:
        return await asyncio.get_running_loop().create_server(
            partial(_connection, runner), settings.host, settings.port, ssl=tls, backlog=1024
        )
    except OSError as error:
        raise SettingsError(f"host and port: cannot listen there: {error.strerror}") from None


def _connection(runner: web.AppRunner) -> web.RequestHandler:
    assert runner.server is not None
    return _Connection(
        runner.server,
        loop=asyncio.get_running_loop(),
        max_line_size=MAX_HEADER,
        max_field_size=MAX_HEADER,
    )


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls_certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    except (OSError, ssl.SSLError):
        raise SettingsError("tls_certificate, tls_key: cannot be read, or do not belong together") from None
    return context


def _seed_documents(store: Store, seeds: Seeds, now: datetime) -> None:
    for seed in seeds.documents:
        try:
            octets = seed.package.read_bytes()
            message, _ = unpack(octets, MessageType.EDOC, now, rewritten=False, organ=None)
        except OSError as error:
            raise SettingsError(f"seeds: package of {seed.doc_id}: cannot be read: {error.strerror}") from None
        except VxpRefusal as refusal:
            raise SettingsError(f"seeds: package of {seed.doc_id}: {refusal.error.text}") from None
        assert isinstance(message, Envelope)
        store.call(store.seed_document, seed, message, octets, now)
