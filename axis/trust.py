"""Trust anchors, intermediates and revocation lists from files."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from signing.chain import Trust

_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s+([A-Za-z0-9+/=\s]+?)-----END \1-----")
_CERTIFICATE = frozenset({b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE"})
_CRL = frozenset({b"X509 CRL"})
CRL_SUFFIXES = frozenset({".crl", ".pem", ".der"})


def read_trust(anchors: Iterable[Path], intermediates: Iterable[Path], crls: Iterable[Path]) -> Trust:
    """Read everything anew. `OSError` when a file is gone; a file that holds none of what it should is an error too."""
    return Trust(
        anchors=tuple(der for path in anchors for der in certificates(path)),
        intermediates=tuple(der for path in intermediates for der in certificates(path)),
        crls=tuple(der for path in crls for file in _files(path) for der in _blocks(file, _CRL)),
    )


def certificates(path: Path) -> tuple[bytes, ...]:
    """Every certificate of a PEM or DER file, as DER. `ValueError` when there is none."""
    return tuple(_blocks(path, _CERTIFICATE))


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.iterdir() if file.suffix.lower() in CRL_SUFFIXES)
    else:
        yield path


def _blocks(path: Path, labels: frozenset[bytes]) -> list[bytes]:
    octets = path.read_bytes()
    if octets[:1] == b"\x30":  # a DER SEQUENCE
        return [octets]
    found = [base64.b64decode(body) for label, body in _PEM.findall(octets) if label in labels]
    if not found:
        raise ValueError(f"{path}: neither DER nor PEM of the kind that is expected here")
    return found
