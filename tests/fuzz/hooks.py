"""What schemathesis is told of this API beside its description. Read by its own process, in its own environment."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from itertools import count
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
"""By name in a path: what is there on the node that is asked; and packages."""
TURNS = count()


@schemathesis.serializer(*PACKAGES)
def octets(context: Any, value: Any) -> bytes:
    """A package is octets to us: a few real ones stand among what is made up."""
    if isinstance(value, str) and sha256(value.encode(errors="replace")).digest()[0] < 64:
        value = KNOWN["package"][len(value) % len(KNOWN["package"])]
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Two of three times what is there in place of what nobody has: else everything would be *not found*."""
    for name in case.path_parameters or {}:
        known = KNOWN.get(name, ())
        drawn = next(TURNS)
        if known and drawn % 3:
            case.path_parameters[name] = known[drawn // 3 % len(known)]


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
