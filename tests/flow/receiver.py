"""An agency's own address, in the test's process: it keeps what it gets and answers whatever it is told to."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from axis.devpki import Identity

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class Got:
    """One request, headers in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


def status(code: int, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def text(code: int, body: bytes) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def raw(*pieces: bytes, hold: threading.Event | None = None) -> Answer:
    """These octets instead of HTTP; then the connection is closed, with `hold` after that is set."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        for piece in pieces:
            handler.wfile.write(piece)
        handler.wfile.flush()
        if hold is not None:
            hold.wait(60)

    return answer


def endless(handler: BaseHTTPRequestHandler) -> None:
    """200 and a body that never ends, until the other side hangs up."""
    handler.close_connection = True
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(bytes(65_536))
    except OSError:
        return


TAKEN = status(200)


class Slowly:
    """An answer that takes a body in pieces of 512 KB with a pause before each; behind `stops_behind` octets it takes
    nothing more until the other side hangs up."""

    def __init__(self, pause_s: float, stops_behind: int | None = None) -> None:
        self.pause_s = pause_s
        self.stops_behind = stops_behind
        self.got: list[bytes] = []
        self.took_s = 0.0
        self.stopped = threading.Event()

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        began, length, body = time.monotonic(), int(handler.headers["Content-Length"]), bytearray()
        while len(body) < length:
            time.sleep(self.pause_s)
            if self.stops_behind is not None and len(body) > self.stops_behind:
                self.stopped.set()
                time.sleep(5)
                handler.close_connection = True
                return
            body += handler.rfile.read(min(524_288, length - len(body)))
        self.took_s = time.monotonic() - began
        self.got.append(bytes(body))
        TAKEN(handler)


class Receiver:
    """A server on loopback. `plan` names, by a text in the body, the answers to give one after another.

    Everything else is answered with `otherwise`. With `tls` it speaks HTTPS under that certificate.
    """

    def __init__(self, tls: Identity | None = None, otherwise: Answer = TAKEN) -> None:
        self.got: list[Got] = []
        self.plan: dict[bytes, list[Answer]] = {}
        self._lock = threading.Lock()
        self._instead: Answer | None = None
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                if receiver._instead is not None:
                    receiver._instead(self)
                    return
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) < length:  # the other side hung up: it has given nothing
                    self.close_connection = True
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver._answer(Got(self.path, headers, body))(self)

            def do_GET(self) -> None:
                receiver._answer(Got(self.path, {}, b""))(self)

            def log_message(self, format: str, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls.certificate, tls.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._otherwise = otherwise
        self.base = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_address[1]}"
        self.url = f"{self.base}/inbox"

    def _answer(self, got: Got) -> Answer:
        with self._lock:
            self.got.append(got)
            for text, answers in self.plan.items():
                if text in got.body and got.headers.get("axis-cargo") == "document" and answers:
                    return answers.pop(0)
        return self._otherwise

    @contextmanager
    def cut(self, instead: Answer) -> Iterator[None]:
        """Inside, requests are given to `instead` before their body is read."""
        self._instead = instead
        try:
            yield
        finally:
            self._instead = None

    def about(self, text: bytes, cargo: str = "document") -> list[Got]:
        """What came about something, in its order."""
        with self._lock:
            return [one for one in self.got if text in one.body and one.headers.get("axis-cargo") == cargo]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
