"""Who is calling: mutual TLS or an API key → principal; nothing else."""

from __future__ import annotations

import hashlib
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from axis.core.model import Principal, Role
from axis.core.problems import Kind, Problem, Refused

KEY_PREFIX = "axk_"
_CONNECTIONS = (ssl.SSLObject, ssl.SSLSocket)


@dataclass(frozen=True, slots=True)
class Doors:
    """Which certificate (SHA-256 of DER, hex) and which API key (SHA-256 of the key, hex) open for whom.

    Keys are 32 random octets, so a plain digest at rest is enough and the look-up by digest leaks no useful timing.
    """

    by_certificate: Mapping[str, Principal]
    by_key: Mapping[str, Principal]
    clock: Callable[[], float] = time.time
    _ends: dict[str, float] = field(default_factory=dict)

    def principal(self, request: web.BaseRequest) -> Principal:
        """The caller. `Refused(UNAUTHENTICATED)` without valid credentials, or with two that disagree."""
        certificate, key = self._certificate(request), self._key(request)
        who = key if certificate is None else certificate
        if who is None:
            told = "neither a client certificate that this axis knows came, nor Authorization: Bearer axk_..."
            raise _unknown(told)
        if key is not None and who is not key and who != key:
            raise _unknown("client certificate and API key belong to different connections")
        return who

    def _certificate(self, request: web.BaseRequest) -> Principal | None:
        connection = request.transport.get_extra_info("ssl_object") if request.transport else None
        if not isinstance(connection, _CONNECTIONS):
            return None
        try:
            der = connection.getpeercert(binary_form=True)
        except ValueError:  # what came behind the request was no TLS: the library has no handshake any more
            raise ConnectionResetError("the connection broke") from None
        if not der:
            return None
        fingerprint = hashlib.sha256(der).hexdigest()
        who = self.by_certificate.get(fingerprint)
        if who is not None and self._ended(fingerprint, connection):
            raise _unknown("the client certificate has expired")
        return who

    def _ended(self, fingerprint: str, connection: ssl.SSLObject | ssl.SSLSocket) -> bool:
        """Say whether a certificate has expired since. TLS asks at the handshake: a connection is kept as long as it is
        used, and a session is resumed without asking again."""
        ends = self._ends.get(fingerprint)
        if ends is None:
            told = connection.getpeercert() or {}
            ends = self._ends[fingerprint] = ssl.cert_time_to_seconds(str(told["notAfter"]))
        return self.clock() > ends

    def _key(self, request: web.BaseRequest) -> Principal | None:
        given = request.headers.getall("Authorization", ())
        if not given:
            return None
        header, *more = given
        if more:  # whoever reads the other one, a proxy or its log, takes it for somebody else's request
            raise _unknown("Authorization stands twice")
        scheme, _, key = header.partition(" ")
        if scheme.lower() != "bearer" or not key.startswith(KEY_PREFIX):
            raise _unknown("an API key is shown as Authorization: Bearer axk_...")
        who = self.by_key.get(hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest())
        if who is None:
            raise _unknown("this axis does not know that API key")
        return who


def _unknown(told: str) -> Refused:
    """What is told is what the caller did, never whom the axis knows."""
    return Refused(Problem(Kind.UNAUTHENTICATED, told))


def require(principal: Principal, *roles: Role) -> Principal:
    """`Refused(FORBIDDEN)` unless the caller has one of `roles`."""
    if principal.role not in roles:
        raise Refused(Problem(Kind.FORBIDDEN))
    return principal
