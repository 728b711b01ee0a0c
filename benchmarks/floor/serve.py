"""The least that a service must do which takes signed packages: TLS, HTTP, a verdict, one durable row, an answer.

`python -m benchmarks.floor.serve FACTS` serves what the JSON in FACTS asks for and says `ready`. Nobody is asked who he
is, nothing is routed, looked for, deduplicated, logged or signed. The verdict is the judge's own where its trust is
given ("the same verifier"); nothing else of ours is imported. What is streamed to a file (all that is larger than
`in_rows`, where a folder is given) is hashed and not verified.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sqlite3
import ssl
import sys
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import uvloop
from aiohttp import web

Row = tuple[str, bytes]


class Store(Protocol):
    async def keep(self, name: str, octets: bytes) -> None: ...


class SqliteGroups:
    """INSERT on the loop, COMMIT in a thread; who comes meanwhile is in the next group."""

    def __init__(self, path: str) -> None:
        self._held = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode = WAL", "synchronous = FULL"):
            self._held.execute(f"PRAGMA {pragma}")
        self._held.execute("CREATE TABLE kept (id INTEGER PRIMARY KEY, name TEXT, octets BLOB)")
        self._thread = ThreadPoolExecutor(1)
        self._waiting: list[tuple[Row, asyncio.Future[None]]] = []
        self._busy = False

    async def keep(self, name: str, octets: bytes) -> None:
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[None] = loop.create_future()
        self._waiting.append(((name, octets), stored))
        if not self._busy:
            self._busy = True
            loop.call_soon(lambda: loop.create_task(self._groups()))
        await stored

    async def _groups(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            group, self._waiting = self._waiting, []
            await self._store(loop, [row for row, _ in group])
            for _, stored in group:
                stored.set_result(None)
        self._busy = False

    async def _store(self, loop: asyncio.AbstractEventLoop, rows: Sequence[Row]) -> None:
        self._held.execute("BEGIN IMMEDIATE")
        self._held.executemany("INSERT INTO kept (name, octets) VALUES (?, ?)", rows)
        await loop.run_in_executor(self._thread, self._held.execute, "COMMIT")


class PostgresGroups(SqliteGroups):
    """A group is one statement, which is its own transaction."""

    def __init__(self, conninfo: str) -> None:
        import psycopg

        self._driver = psycopg.connect(conninfo, autocommit=True)
        self._driver.execute("CREATE TABLE IF NOT EXISTS kept (id bigserial PRIMARY KEY, name text, octets bytea)")
        self._driver.execute("TRUNCATE kept")
        self._thread = ThreadPoolExecutor(1)
        self._waiting, self._busy = [], False

    async def _store(self, loop: asyncio.AbstractEventLoop, rows: Sequence[Row]) -> None:
        await loop.run_in_executor(
            self._thread, self._insert, [name for name, _ in rows], [octets for _, octets in rows]
        )

    def _insert(self, names: list[str], octets: list[bytes]) -> None:
        self._driver.execute(
            "INSERT INTO kept (name, octets) SELECT * FROM unnest(%s::text[], %s::bytea[])",
            (names, octets),
            binary=True,
        )


class Nothing:
    async def keep(self, name: str, octets: bytes) -> None: ...


def taker(facts: dict[str, Any]) -> Callable[[web.Request], Awaitable[web.Response]]:
    store: Store = Nothing()
    if facts.get("sqlite"):
        store = SqliteGroups(facts["sqlite"])
    elif facts.get("postgres"):
        store = PostgresGroups(facts["postgres"])
    verify: Callable[[bytes], object] = lambda raw: None  # noqa: E731
    if facts.get("trust"):
        from benchmarks.floor.verifier import verifier

        verify = verifier(facts["trust"])

    large = streamed(store, Path(facts["stream"])) if facts.get("stream") else None
    in_rows = facts.get("in_rows", 0)

    async def take(request: web.Request) -> web.Response:
        if large is not None and (request.content_length or 0) > in_rows:
            return await large(request)
        raw = await request.read()
        verify(raw)
        await store.keep(hashlib.sha256(raw).hexdigest(), raw)
        return web.Response(body=b"{}", status=202, content_type="application/json")

    return take


def streamed(store: Store, folder: Path) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Hash and write what comes, sync it, give it its name, sync the folder; then the row."""
    numbers, piece = count(), 262_144

    def append(file: BinaryIO, digest: Any, octets: bytes) -> None:
        digest.update(octets)
        file.write(octets)

    def name(file: BinaryIO, path: Path, target: Path) -> None:
        os.fdatasync(file.fileno())
        path.rename(target)
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(place)
        os.close(place)

    async def take(request: web.Request) -> web.Response:
        digest, path = hashlib.sha256(), folder / f"{next(numbers)}.part"
        with path.open("wb", buffering=0) as file:
            held = bytearray()
            async for chunk in request.content.iter_any():
                held += chunk
                if len(held) >= piece:
                    await asyncio.to_thread(append, file, digest, bytes(held))
                    held.clear()
            await asyncio.to_thread(append, file, digest, bytes(held))
            await asyncio.to_thread(name, file, path, folder / digest.hexdigest())
        await store.keep(digest.hexdigest(), b"")
        return web.Response(body=b"{}", status=202, content_type="application/json")

    return take


async def run(facts: dict[str, Any], routes: Sequence[web.RouteDef]) -> None:
    """Serve until the standard input ends."""
    app = web.Application(client_max_size=1 << 30)
    app.add_routes(routes)
    tls = None
    if facts.get("certificate"):
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(facts["certificate"], facts["key"])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", facts["port"], ssl_context=tls).start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    uvloop.run(run(told, [web.post("/v1/{what}", taker(told))]))
