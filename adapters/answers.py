"""What another HTTP server's answer means for a delivery: one table for all adapters that speak HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any

import aiohttp

from axis.core.problems import TYPE_PREFIX, Kind, Problem, ProblemError, Refused, Unavailable

MAX_ANSWER = 65_536

RETRY_STATUS = frozenset({401, 403, 404, 405, 407, 408, 411, 421, 423, 424, 425, 426, 428, 429, 431})
"""Client errors that somebody mends at the other side without a new package: credentials, paths, load, and what stands
between us (another server was reached, another protocol is wanted, the heads are too long for it)."""


class NetworkErrors:
    """Turns everything that a connection can raise into `Unavailable`; the context names it, for our log only.

    A body that could not be read here is told as it is: the destination has no part in it. A class, since a generator
    costs ten calls each time.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        match error:
            case None:
                return
            case TimeoutError():
                raise _unavailable("no answer in time", error) from error
            case aiohttp.ClientError() | OSError() | asyncio.IncompleteReadError():
                ours = trouble_of_ours(error)
                raise ours or _unavailable("no connection", error) from (None if ours else error)


def trouble_of_ours(error: Exception) -> ProblemError | None:
    """What a body of ours raised while it was sent: the client library wraps it in an exception of its own."""
    return error.__cause__ if isinstance(error.__cause__, ProblemError) else None


def _unavailable(detail: str, error: Exception) -> Unavailable:
    return Unavailable(
        Problem(Kind.DESTINATION_UNAVAILABLE, detail, context={"error": f"{type(error).__name__}: {error}"[:300]})
    )


async def body_of(response: aiohttp.ClientResponse) -> bytes:
    """At most 64 KiB of an answer; what is longer is cut off, never waited for.

    `read` of a stream gives what has come so far: asked until the end, or half an answer would count as a whole one.
    """
    content = response.content
    octets = b""
    while len(octets) < MAX_ANSWER and not content.at_eof():
        octets += await content.read(MAX_ANSWER - len(octets))
    return octets


def peer_ref(said: object) -> str | None:
    """The other side's id of what it took: at most 200 characters of printable ASCII, or none. It goes into our log."""
    fits = isinstance(said, str) and said.isascii() and said.isprintable() and 0 < len(said) <= 200
    return str(said) if fits else None


def is_problem(body: Mapping[str, Any]) -> bool:
    """Whether this is what an axis answers where it refuses."""
    return str(body.get("type", "")).startswith(TYPE_PREFIX)


def judge_answer(response: aiohttp.ClientResponse, body: Mapping[str, Any], *, its_own: bool = True) -> None:
    """Return for 2xx; otherwise raise what the status means. Redirects are never followed and mean a wrong address;
    what HTTP has no answer for (101, though nobody asked) is none. A refusal is none where it names a wait (413, RFC
    9110 §15.5.14), or is not the destination's own word (`its_own`)."""
    status = response.status
    if 200 <= status < 300:
        return
    kind = str(body.get("type", "")).removeprefix(TYPE_PREFIX)[:60]
    context = {"status": str(status), "answer": kind}
    wait = retry_after(response)
    if status in RETRY_STATUS or not 400 <= status < 500 or wait is not None or not its_own:
        told = "the destination cannot take it now"
        raise Unavailable(Problem(Kind.DESTINATION_UNAVAILABLE, told, context=context), wait)
    raise Refused(Problem(Kind.DESTINATION_REFUSED, "the destination refused", context=context))


def retry_after(response: aiohttp.ClientResponse) -> float | None:
    """Seconds that the destination asked to wait; `None` when it did not say, or said nonsense."""
    header = response.headers.get("Retry-After", "")
    if header.isascii() and header.isdigit() and len(header) < 8:
        return float(header)
    try:
        date = response.headers["Date"]
        return max(0.0, (parsedate_to_datetime(header) - parsedate_to_datetime(date)).total_seconds())
    except (KeyError, ValueError, TypeError, OverflowError):
        return None
