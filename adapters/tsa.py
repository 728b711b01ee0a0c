"""A time-stamping authority over HTTP (RFC 3161 §3.4): one question, one token.

Authorities of the field take seconds to minutes for an answer: this is called from work that can wait and be repeated,
never while a document is taken in or routed. What comes back is opened, not judged: `signing.timestamp` judges it, with
the same nonce.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import aiohttp

from adapters.answers import NetworkErrors, judge_answer
from axis.core.problems import Kind, Problem, Refused, Unavailable

QUERY: Final = "application/timestamp-query"
REPLY: Final = "application/timestamp-reply"
MAX_REPLY: Final = 64 * 1024

_INTEGER, _BIT_STRING, _OCTET_STRING, _SEQUENCE = 0x02, 0x03, 0x04, 0x30
# SEQUENCE { OBJECT IDENTIFIER 2.16.840.1.101.3.4.2.1, NULL }
_SHA256: Final = bytes.fromhex("300d06096086480165030402010500")
_TRUE: Final = bytes.fromhex("0101ff")

_GRANTED: Final = frozenset({0, 1})
_FAILURES: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "bad-alg",
        2: "bad-request",
        5: "bad-data-format",
        14: "time-not-available",
        15: "unaccepted-policy",
        16: "unaccepted-extension",
        17: "add-info-not-available",
        25: "system-failure",
    }
)
_PASSING: Final = frozenset({"time-not-available", "system-failure", "add-info-not-available"})
"""Failures that another attempt may not meet."""


class TsaClient:
    """Asks one authority for tokens.

    `session` may carry TLS settings and credentials; this owns it. `timeout_s` bounds the whole exchange: one
    implementer measured up to 131 s at the authority of Ban Cơ yếu, so the default waits longer.
    """

    def __init__(self, url: str, session: aiohttp.ClientSession, timeout_s: float = 180) -> None:
        self._url, self._session, self._timeout_s = url, session, timeout_s

    def __repr__(self) -> str:
        return "TsaClient()"

    async def stamp(self, sha256: bytes, nonce: int) -> bytes:
        """Return a token (DER) that says to be of this digest; it may still be of anything, until it is judged.

        `nonce` is at least 64 bits of chance and comes back inside the token. `Refused` where the authority will not,
        `Unavailable` where it cannot now or what it says makes no sense; both may be repeated without harm.
        """
        headers = {"Content-Type": QUERY, "Accept": REPLY}
        with NetworkErrors():
            async with (
                asyncio.timeout(self._timeout_s),
                self._session.post(
                    self._url,
                    data=query(sha256, nonce),
                    headers=headers,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=None),
                ) as response,
            ):
                judge_answer(response, {})
                if response.content_type != REPLY:
                    raise _nonsense(f"an answer of type {response.content_type[:60]}")
                octets = await _bounded(response)
        return open_reply(octets)

    async def close(self) -> None:
        await self._session.close()


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    """The whole answer, as long as it is short: one that never ends is not waited for."""
    octets = bytearray()
    async for chunk in response.content.iter_any():
        octets += chunk
        if len(octets) > MAX_REPLY:
            raise _nonsense(f"an answer of more than {MAX_REPLY} bytes")
    return bytes(octets)


def query(sha256: bytes, nonce: int) -> bytes:
    """A TimeStampReq (DER) for a SHA-256, that asks for the authority's certificate to come with the token."""
    if len(sha256) != 32:
        raise ValueError("not a SHA-256")
    if nonce <= 0:
        raise ValueError("a nonce is a positive number")
    imprint = _tlv(_SEQUENCE, _SHA256 + _tlv(_OCTET_STRING, sha256))
    number = nonce.to_bytes(nonce.bit_length() // 8 + 1, "big")
    return _tlv(_SEQUENCE, _tlv(_INTEGER, b"\x01") + imprint + _tlv(_INTEGER, number) + _TRUE)


def open_reply(octets: bytes) -> bytes:
    """Return the token of a TimeStampResp (DER). `Refused` or `Unavailable` where none was granted."""
    try:
        tag, content, rest = _take(octets)
        if tag != _SEQUENCE or rest:
            raise ValueError("not one SEQUENCE")
        tag, info, token = _take(content)
        if tag != _SEQUENCE:
            raise ValueError("no PKIStatusInfo")
        status, failures = _status(info)
        if status in _GRANTED:
            tag, _, rest = _take(token)
            if tag != _SEQUENCE or rest:
                raise ValueError("granted, and no token")
            return token
    except (ValueError, IndexError) as error:
        raise _nonsense(str(error)) from error
    told = {"status": str(status), "failures": " ".join(failures)}
    if status == 3 or _PASSING.intersection(failures):
        raise Unavailable(Problem(Kind.DESTINATION_UNAVAILABLE, "the authority cannot stamp now", context=told))
    raise Refused(Problem(Kind.DESTINATION_REFUSED, "the authority refused to stamp", context=told))


def _status(info: bytes) -> tuple[int, tuple[str, ...]]:
    """PKIStatus, and the names of PKIFailureInfo; what the authority says in words is not passed on."""
    tag, number, rest = _take(info)
    if tag != _INTEGER or len(number) != 1 or number[0] > 5:
        raise ValueError("no PKIStatus")
    failures: tuple[str, ...] = ()
    while rest:
        tag, content, rest = _take(rest)
        if tag == _BIT_STRING:
            bits = content[1:]
            failures = tuple(
                name for bit, name in _FAILURES.items() if bit < 8 * len(bits) and bits[bit // 8] & (0x80 >> bit % 8)
            )
    return number[0], failures


def _tlv(tag: int, content: bytes) -> bytes:
    assert len(content) < 128, "a request is short"
    return bytes((tag, len(content))) + content


def _take(octets: bytes) -> tuple[int, bytes, bytes]:
    """Take one DER element: its tag, its content, and what follows. `ValueError` or `IndexError` if it is none."""
    length, start = octets[1], 2
    if length > 0x80:
        start += length & 0x7F
        if start > 6:
            raise ValueError("a length of more than four octets")
        length = int.from_bytes(octets[2:start], "big")
        if length < 128:
            raise ValueError("not the shortest length")
    elif length == 0x80:
        raise ValueError("indefinite length")
    end = start + length
    if end > len(octets):
        raise ValueError("cut off")
    return octets[0], octets[start:end], octets[end:]


def _nonsense(detail: str) -> Unavailable:
    """An authority that answers what is no answer: somebody has to mend it, and waiting helps until then."""
    context = {"answer": detail[:200]}
    return Unavailable(Problem(Kind.DESTINATION_UNAVAILABLE, "the authority's answer makes no sense", context=context))
