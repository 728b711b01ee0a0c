"""What schemathesis is told of this API beside its description. Read by its own process, in its own environment."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from typing import Any

import schemathesis

PACKAGES = (
    "application/xml",
    "text/xml",
    "application/edxml+xml",
    "application/octet-stream",
    "multipart/related",
)
KNOWN: dict[str, list[str]] = json.loads(os.environ["AXIS_FUZZ_KNOWN"])
"""By name in a path: what is there on the node that is asked. An empty list for what nobody can guess."""


@schemathesis.serializer(*PACKAGES)
def octets(context: Any, value: Any) -> bytes:
    """A package is octets to us: a few real ones stand among what is made up."""
    if isinstance(value, str) and sha256(value.encode(errors="replace")).digest()[0] < 64:
        value = KNOWN["package"][len(value) % len(KNOWN["package"])]
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Two of three times what is there in place of what nobody has: else everything would be *not found*."""
    if not path_parameters:
        return path_parameters
    return {name: _there(name, value) for name, value in path_parameters.items()}


def _there(name: str, value: Any) -> Any:
    known = KNOWN.get(name, ())
    drawn = sha256(repr(value).encode(errors="replace")).digest()
    return known[drawn[1] % len(known)] if known and drawn[0] % 3 else value


@schemathesis.check
def a_problem_says_its_status(context: Any, response: Any, case: Any) -> None:
    """Every refusal is a problem, and the status in it is that of the answer."""
    if response.status_code >= 400:
        assert response.headers["content-type"] == ["application/problem+json"], "no problem+json"
        if case.method != "HEAD":
            told = json.loads(response.content)
            assert told["status"] == response.status_code, "another status inside"
            assert told["type"].startswith("urn:axis:problem:"), "no type of ours"
            assert told["type"] != "urn:axis:problem:internal", "an internal error"
