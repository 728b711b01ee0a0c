"""TLS settings: towards those who connect to us, and towards those whom we connect to."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path


def server_context(certificate: Path, key: Path, client_ca: Iterable[Path]) -> ssl.SSLContext:
    """For the agencies' listener: TLS 1.2 or newer; a client certificate is asked for when there is a CA to check it.

    A caller without one may still present an API key, so the certificate is optional here and decided in `web.auth`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    authorities = list(client_ca)
    for authority in authorities:
        context.load_verify_locations(authority)
    if authorities:
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def client_context(ca: Path | None, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """Towards others: their certificate is always checked, against `ca` or the system's authorities."""
    context = ssl.create_default_context(cafile=str(ca) if ca else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context
