"""TLS settings: towards those who connect to us, and towards those whom we connect to."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path

from axis.core.pem import is_whole


def server_context(certificate: Path, key: Path, client_ca: Iterable[Path]) -> ssl.SSLContext:
    """For the agencies' listener: TLS 1.2 or newer; a client certificate is asked for when there is a CA to check it.

    A caller without one may still present an API key, so the certificate is optional here and decided in `web.auth`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    authorities = list(client_ca)
    for authority in authorities:
        see_whole(authority)
        context.load_verify_locations(authority)
    if authorities:
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def client_context(ca: Path | None, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """Towards others: their certificate is always checked, against `ca` or the system's authorities."""
    if ca is not None:
        see_whole(ca)
    context = ssl.create_default_context(cafile=str(ca) if ca else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


def see_whole(authorities: Path) -> None:
    """`OSError` for a file of PEM certificates that ends inside one, as while somebody writes it: OpenSSL takes those
    before it, and would believe in less than is meant."""
    if not is_whole(authorities.read_text(errors="replace")):
        raise OSError(f"{authorities}: no whole certificates in PEM, or cut off")
