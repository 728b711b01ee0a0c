"""Who is calling: mutual TLS or an API key → principal; nothing else."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

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

    def principal(self, request: web.Request) -> Principal:
        """The caller. `Refused(UNAUTHENTICATED)` without valid credentials, or with two that disagree."""
        certificate, key = self._certificate(request), self._key(request)
        who = key if certificate is None else certificate
        if who is None or (key is not None and who != key):
            raise Refused(Problem(Kind.UNAUTHENTICATED))
        return who

    def _certificate(self, request: web.Request) -> Principal | None:
        connection = request.transport.get_extra_info("ssl_object") if request.transport else None
        if not isinstance(connection, _CONNECTIONS):
            return None
        der = connection.getpeercert(binary_form=True)
        return self.by_certificate.get(hashlib.sha256(der).hexdigest()) if der else None

    def _key(self, request: web.Request) -> Principal | None:
        given = request.headers.getall("Authorization", ())
        if not given:
            return None
        header, *more = given
        if more:  # whoever reads the other one, a proxy or its log, takes it for somebody else's request
            raise Refused(Problem(Kind.UNAUTHENTICATED))
        scheme, _, key = header.partition(" ")
        if scheme.lower() == "bearer" and key.startswith(KEY_PREFIX):
            who = self.by_key.get(hashlib.sha256(key.encode()).hexdigest())
            if who is not None:
                return who
        raise Refused(Problem(Kind.UNAUTHENTICATED))


def require(principal: Principal, *roles: Role) -> Principal:
    """`Refused(FORBIDDEN)` unless the caller has one of `roles`."""
    if principal.role not in roles:
        raise Refused(Problem(Kind.FORBIDDEN))
    return principal
