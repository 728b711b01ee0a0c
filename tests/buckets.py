"""A real server that speaks S3 for the tests, and a proxy before it that breaks what passes.

The server is moto's, a process of its own on loopback that forgets everything when it ends; each test rents a bucket
under a name of its own. What a bucket does under trouble is asked through `Proxy`.
"""

from __future__ import annotations

import ctypes
import http.client
import itertools
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from axis.devpki import Identity
from axis.objects.bucket import Bucket, Credentials, Settings

HOST = "127.0.0.1"
_NUMBERS = itertools.count()

SERVER = """
import logging
from werkzeug.serving import make_server
from moto.moto_server.werkzeug_app import create_backend_app
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = make_server("127.0.0.1", 0, create_backend_app("s3"), threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
"""


def _die_with_us() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


@dataclass(frozen=True)
class Rented:
    """One bucket with a prefix, at a server or at the proxy before it."""

    url: str
    endpoint: str
    credentials: Credentials = field(default=Credentials("axis-test", "khong-phai-bi-mat"))
    timeout: timedelta = timedelta(seconds=10)

    @property
    def settings(self) -> Settings:
        return Settings(self.url, self.endpoint, self.credentials, timeout=self.timeout)

    @property
    def bucket(self) -> Bucket:
        return Bucket(self.settings)

    def at(self, endpoint: str, timeout: timedelta = timedelta(seconds=2)) -> Rented:
        return replace(self, endpoint=endpoint, timeout=timeout)

    def section(self, secret_file: str) -> str:
        """`[objects]` of a configuration."""
        return (
            f'[objects]\nendpoint = "{self.endpoint}"\nkey_id = "{self.credentials.key_id}"\n'
            f'secret_file = "{secret_file}"\ntimeout = "{int(self.timeout.total_seconds() * 1000)}ms"\n'
        )

    def listed(self) -> list[str]:
        return sorted(one.key for one in self.bucket.listed())

    def raw(self, method: str, key: str = "", octets: bytes | None = None) -> bytes:
        """Behind the library's back: one plain request about an object below the prefix, or about the bucket."""
        parts = urlsplit(self.url)
        path = f"/{parts.netloc}" + (f"{parts.path}/{key}" if key else "")
        request = urllib.request.Request(self.endpoint + path, method=method, data=octets)
        request.add_header("Content-Type", "application/octet-stream")
        request.add_header("Authorization", "AWS4-HMAC-SHA256 Credential=axis-test/20260101/us-east-1/s3/aws4_request")
        with urllib.request.urlopen(request) as answer:
            return bytes(answer.read())


@dataclass
class Server:
    process: subprocess.Popen[str]
    port: int

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.port}"

    def rent(self, prefix: str = "truc-thu") -> Rented:
        rented = Rented(f"s3://axis-{next(_NUMBERS)}/{prefix}", self.endpoint)
        rented.raw("PUT")
        return rented


@contextmanager
def server() -> Iterator[Server]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=_die_with_us,  # noqa: PLW1509 - one call of the kernel, no lock is taken
    )
    assert process.stdout is not None
    try:
        yield Server(process, int(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@dataclass
class Proxy:
    """Passes requests on to `behind`, and breaks those that `trouble` is about. `fired` counts what was broken.

    `left` bounds how often; `slow_s` is how long a slow answer takes.
    """

    behind: int
    trouble: str = ""
    method: str = ""
    left: int = 1 << 30
    slow_s: float = 60.0
    fired: int = 0
    seen: list[str] = field(default_factory=list)
    port: int = 0
    scheme: str = "http"
    _ended: threading.Event = field(default_factory=threading.Event)

    @property
    def endpoint(self) -> str:
        return f"{self.scheme}://{HOST}:{self.port}"

    def breaks(self, trouble: str, method: str = "", left: int = 1 << 30) -> None:
        self.trouble, self.method, self.left, self.fired = trouble, method, left, 0

    def mend(self) -> None:
        self.trouble = ""

    def hit(self, method: str, conditional: bool) -> str:
        wrong_kind = self.trouble == "unconditional" and not conditional
        if not self.trouble or self.method not in ("", method) or self.left <= 0 or wrong_kind:
            return ""
        self.left, self.fired = self.left - 1, self.fired + 1
        return self.trouble


@contextmanager
def proxy(behind: Server, tls: Identity | None = None) -> Iterator[Proxy]:
    """With `tls` it speaks HTTPS under that certificate."""
    told = Proxy(behind.port)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            told.seen.append(f"{self.command} {self.path}")
            trouble = told.hit(self.command, "If-None-Match" in self.headers)
            if trouble == "down":
                self._cut()
                return
            if trouble == "slow":
                told._ended.wait(told.slow_s)
            if trouble in ("500", "unconditional"):
                self._answer(500 if trouble == "500" else 501, {}, b"<Error><Code>InternalError</Code></Error>")
                return
            connection = http.client.HTTPConnection(HOST, told.behind, timeout=30)
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            octets, headers = answer.read(), dict(answer.getheaders())
            connection.close()
            if trouble == "forgotten":  # done, and nobody hears of it
                self._cut()
            elif trouble == "reset":
                self._head(answer.status, headers, len(octets))
                self.wfile.write(octets[: len(octets) // 2])
                self.wfile.flush()
                self._cut()
            elif trouble == "short":
                self._answer(answer.status, headers, octets[:-1])
            elif trouble == "wrong" and octets:
                self._answer(answer.status, headers, octets[:-1] + bytes([octets[-1] ^ 1]))
            else:
                self._answer(answer.status, headers, octets)

        def _cut(self) -> None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True

        def _head(self, status: int, headers: dict[str, str], length: int) -> None:
            self.send_response_only(status)
            for name, text in headers.items():
                if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                    self.send_header(name, text)
            whole = headers.get("Content-Length", headers.get("content-length", str(length)))
            self.send_header("Content-Length", whole if self.command == "HEAD" else str(length))
            self.end_headers()

        def _answer(self, status: int, headers: dict[str, str], octets: bytes) -> None:
            try:
                self._head(status, headers, len(octets))
                if self.command != "HEAD":
                    self.wfile.write(octets)
            except OSError:  # whoever asked has gone
                self.close_connection = True

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass  # noqa: N815 - the names that the library asks for

    class Listening(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *_: object) -> None:
            """A connection that was cut is the test's own doing."""

    with Listening((HOST, 0), Handler) as listening:
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls.certificate, tls.key)
            listening.socket = context.wrap_socket(listening.socket, server_side=True)
            told.scheme = "https"
        told.port = listening.server_port
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield told
        finally:
            told._ended.set()
            listening.shutdown()
            thread.join()


def wait_a_second() -> None:
    """Times of objects are whole seconds: until what was written before is older than what comes now."""
    begun = int(time.time())
    while int(time.time()) == begun:
        time.sleep(0.01)


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
