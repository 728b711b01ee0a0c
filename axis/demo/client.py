"""An agency's connection to its node: one keep-alive connection over TLS, with the standard library alone.

The demo starts many agencies' systems at once on a small machine, so they import little.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

PATIENCE_S: Final = 30.0
"""How long a request is repeated that got no answer, or a temporary one."""
_PAUSE_S: Final = 0.2
_TEMPORARY: Final = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of a node: status, headers in lower case, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> dict[str, Any]:
        """The body as a JSON object. `ValueError` when it is none."""
        value = json.loads(self.body)
        if not isinstance(value, dict):
            raise ValueError("the answer is no JSON object")
        return value


class NoAnswer(Exception):
    """The node did not answer, or only with temporary problems, for as long as we were willing to wait."""


@dataclass(frozen=True, slots=True)
class Door:
    """Where a server is and how the caller proves who it is: by certificate, by a header, or (a probe) not at all."""

    url: str
    ca: Path
    certificate: Path | None = None
    key: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def bearer(api_key: str) -> dict[str, str]:
    """The header of a caller that proves itself with an API key."""
    return {"Authorization": f"Bearer {api_key}"}


class Client:
    """Calls one node. Not for threads."""

    def __init__(self, door: Door, timeout_s: float = 30.0, patience_s: float = PATIENCE_S) -> None:
        parts = urlsplit(door.url)
        assert parts.hostname
        assert parts.port
        context = ssl.create_default_context(cafile=str(door.ca))
        if door.certificate is not None:
            context.load_cert_chain(door.certificate, door.key)
        self._connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout_s, context=context)
        self._headers = door.headers
        self._patience_s = patience_s

    def get(self, path: str) -> Reply:
        return self.call("GET", path)

    def post_json(self, path: str, body: Mapping[str, Any]) -> Reply:
        return self.call("POST", path, json.dumps(body).encode(), "application/json")

    def post_xml(self, path: str, body: bytes) -> Reply:
        return self.call("POST", path, body, "application/xml")

    def call(self, method: str, path: str, body: bytes = b"", content_type: str = "") -> Reply:
        """One request, repeated while that may help: to repeat the same request is always safe. Raises `NoAnswer`."""
        headers = {**self._headers, **({"Content-Type": content_type} if content_type else {})}
        deadline = time.monotonic() + self._patience_s
        while True:
            fault: str
            try:
                self._connection.request(method, path, body or None, headers)
                response = self._connection.getresponse()
                reply = Reply(
                    response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
                )
                if reply.status not in _TEMPORARY:
                    return reply
                fault = f"{reply.status}: {reply.body[:200]!r}"
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                fault = f"{type(error).__name__}: {error}"
            if time.monotonic() > deadline:
                raise NoAnswer(f"{method} {path}: {fault}")
            time.sleep(_PAUSE_S)

    def close(self) -> None:
        self._connection.close()
