"""Nodes and floors as processes, and the requests for them."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from axis.demo.network import free_ports
from benchmarks.load import Door, request
from benchmarks.served import Requests, Side
from tests.postgres import Server, server
from tests.site import HOME_AFFAIRS, OFFICE, Site

KB = 1000


@contextmanager
def postgres() -> Iterator[Server]:
    """A server of PostgreSQL whose files lie on the same disk as those of SQLite."""
    with server(folder=tempfile.gettempdir()) as running:
        yield running


def fresh_database(running: Server, name: str) -> str:
    running.run(f"CREATE DATABASE {name} TEMPLATE template0")
    return running.url(name)


@contextmanager
def node(folder: Path, **how: Any) -> Iterator[Site]:
    """A node that runs, with three mailboxes."""
    site = Site(folder, **how)
    site.start()
    try:
        yield site
    finally:
        if site.running:
            site.stop()


def padded(size: int) -> bytes:
    """The content of an attachment that makes a package of about so many octets (inline, base64)."""
    return bytes(max(0, (size - 4_900) * 3 // 4))


def packages(site: Site, size: int = 10 * KB) -> Callable[[int], list[bytes]]:
    content = padded(size)
    return lambda count: [site.package(OFFICE, [HOME_AFFAIRS], [content]) for _ in range(count)]


def posts(make: Callable[[int], Sequence[bytes]], key: str = "") -> Requests:
    """Each package as one request."""
    told = {"Content-Type": "application/xml", **({"Authorization": f"Bearer {key}"} if key else {})}
    return lambda count: [request("POST", "/v1/documents", one, told) for one in make(count)]


def side(site: Site, requests: Requests, running: Server | None = None, **more: Any) -> Side:
    assert site.process is not None
    database = running.process.pid if running and running.process else None
    return Side(Door(site.port, site.pki.tls_ca), site.process.pid, requests, database, **more)


def key_of(site: Site, agency: str) -> str:
    return site.key(site.agencies[agency])


def trusted(site: Site) -> dict[str, list[str]]:
    """What a floor needs for the node's own verifier."""
    return {
        "anchors": [str(site.pki.root)],
        "intermediates": [str(site.pki.issuing)],
        "crls": [str(site.crls or site.pki.crls)],
    }


@contextmanager
def floor(
    site: Site, requests: Requests, *, module: str = "serve", running: Server | None = None, **facts: Any
) -> Iterator[Side]:
    """A floor that runs, under the certificate of `site`."""
    (port,) = free_ports(1)
    told = {"port": port, "certificate": str(site.server.certificate), "key": str(site.server.key), **facts}
    with ExitStack() as stack:
        process = subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.floor.{module}", json.dumps(told)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        stack.callback(process.wait)
        assert process.stdin is not None
        assert process.stdout is not None
        stack.callback(process.stdin.close)
        assert process.stdout.readline() == b"ready\n", "the floor did not start"
        database = running.process.pid if running and running.process else None
        yield Side(Door(port, site.pki.tls_ca), process.pid, requests, database)
