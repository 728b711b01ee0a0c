"""Fetch what a certificate points to: bounded in size and time, over http(s) only, never from a private address.

The host map is the operator's word: a host in it is asked at the address he gives, whatever network that lies in.
Everything else must be public, which is asked of the very address that the connection is then made to.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from adapters.kept import Quiet
from adapters.resolve import OwnThreads
from axis.core.problems import Kind, Problem, Refused, Unavailable

_PORTS: Final = frozenset({80, 443})
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_CONNECT_S: Final = 5.0
_CHUNK: Final = 65_536


class Fetcher:
    """`hosts` maps a host (or host:port) that certificates name to the base URL where it is asked instead."""

    def __init__(self, hosts: Mapping[str, str], deadline_s: float = 20.0) -> None:
        self._hosts = {name.lower(): urlsplit(base) for name, base in hosts.items()}
        self._timeout = aiohttp.ClientTimeout(total=deadline_s, sock_connect=_CONNECT_S)
        self._public: aiohttp.ClientSession | None = None
        self._mapped: aiohttp.ClientSession | None = None

    async def fetch(self, url: str, most: int, body: bytes | None = None) -> bytes:
        """GET, or POST an OCSP request. At most `most` octets come back.

        `Unavailable` where the host cannot be reached or fails; `Refused` where the trouble is with this URL: it is not
        fetched at all, nothing is there, or too much.
        """
        target, mapped = self._target(url)
        session = self._session(mapped)
        headers = {"Accept-Encoding": "identity"}
        if body is not None:
            headers["Content-Type"] = "application/ocsp-request"
        method = "GET" if body is None else "POST"
        try:
            async with session.request(method, target, data=body, headers=headers, allow_redirects=False) as response:
                if response.status != 200:
                    told = f"HTTP {response.status}"
                    raise _failed(told) if response.status >= 500 else _never(told)
                if (response.content_length or 0) > most:
                    raise _never(f"{response.content_length} octets")
                return await _bounded(response.content, most)
        except TimeoutError as error:
            raise _failed("took too long") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _failed(type(error).__name__) from error

    async def close(self) -> None:
        for session in (self._public, self._mapped):
            if session is not None:
                await session.close()

    def _target(self, url: str) -> tuple[str, bool]:
        """Where to ask, and whether the operator named that place."""
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").lower().rstrip("."), parts.port
        except ValueError as error:
            raise _never("not a URL") from error
        if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc or "\\" in url:
            raise _never("not an http URL")
        if not url.isascii() or any(ord(letter) <= 32 for letter in url):
            raise _never("odd characters")
        base = self._hosts.get(f"{host}:{port}") or self._hosts.get(host)
        if base is not None:
            return urlunsplit((base.scheme, base.netloc, parts.path, parts.query, "")), True
        if port is not None and port not in _PORTS:
            raise _never(f"port {port}")
        try:
            literal = ipaddress.ip_address(host)
        except ValueError:
            pass  # a name: the resolver looks at its addresses
        else:
            if not is_public(literal):
                raise _never("a private address")
        return urlunsplit((parts.scheme, parts.netloc, parts.path, parts.query, "")), False

    def _session(self, mapped: bool) -> aiohttp.ClientSession:
        """Made at the first use, inside the loop. No proxies, no cookies, nothing decompressed."""
        if mapped:
            self._mapped = self._mapped or self._open(OwnThreads())
            return self._mapped
        self._public = self._public or self._open(PublicResolver())
        return self._public

    def _open(self, resolver: AbstractResolver) -> aiohttp.ClientSession:
        connector = Quiet(limit=16, limit_per_host=2, resolver=resolver, use_dns_cache=False)
        return aiohttp.ClientSession(
            connector=connector, timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        )


class PublicResolver(AbstractResolver):
    """Resolves, and lets nothing through where one of the addresses is not public: a name may point anywhere, and to
    something else a moment later. What it returns is what is connected to."""

    def __init__(self, inner: AbstractResolver | None = None) -> None:
        self._inner = inner or OwnThreads()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if not all(is_public(ipaddress.ip_address(one["host"].partition("%")[0])) for one in found):
            raise OSError("a private address")
        return found

    async def close(self) -> None:
        await self._inner.close()


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64 or address.sixtofour is not None or address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast


async def _bounded(content: aiohttp.StreamReader, most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for chunk in content.iter_chunked(_CHUNK):
        size += len(chunk)
        if size > most:
            raise _never(f"more than {most} octets")
        parts.append(chunk)
    return b"".join(parts)


def _never(why: str) -> Refused:
    return Refused(Problem(Kind.DESTINATION_REFUSED, why))


def _failed(why: str) -> Unavailable:
    return Unavailable(Problem(Kind.DESTINATION_UNAVAILABLE, why))
