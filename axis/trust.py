"""Trust anchors, intermediates and revocation lists from files."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from axis.config.fault import ConfigError, Fault, Finding
from axis.config.load import placed, read_text
from axis.config.locate import locate
from signing.certificate import Purpose, load_leaf
from signing.refusal import Refused
from signing.revocation.crl import Freshness
from signing.trust import AnchorRule, Trust

if TYPE_CHECKING:
    from axis.config import Config

_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s+([A-Za-z0-9+/=\s]+?)-----END \1-----")
_CERTIFICATE = frozenset({b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE"})
_CRL = frozenset({b"X509 CRL"})
FETCHED_LIST, FETCHED_ANSWER = ".crl", ".ocsp"
CRL_SUFFIXES = frozenset({".crl", ".pem", ".der"})
CERTIFICATE_SUFFIXES = frozenset({".pem", ".crt", ".cer", ".der"})


def read_trust(
    anchors: Iterable[Path],
    intermediates: Iterable[Path],
    crls: Iterable[Path],
    *,
    stamp_anchors: Iterable[Path] = (),
    anchors_until: Mapping[str, datetime] = MappingProxyType({}),
    fetched: Path | None = None,
    grace: timedelta = timedelta(0),
    sha1_before: datetime | None = None,
) -> Trust:
    """Read everything anew. `OSError` when a file is gone; a file that holds none of what it should is an error too.

    `stamp_anchors` are roots that are believed for time stamps and for nothing else; `anchors_until` ends the belief in
    roots, by SHA-256 in hex. `fetched` is the folder of what was fetched, which may not exist yet.
    """
    roots = tuple(der for path in anchors for der in certificates(path))
    for_stamps = tuple(der for path in stamp_anchors for der in certificates(path))
    rules = {name: AnchorRule(until=until) for name, until in anchors_until.items()}
    only_stamps = frozenset({Purpose.TIME_STAMP, Purpose.EVIDENCE})
    for name in {hashlib.sha256(der).hexdigest() for der in for_stamps if der not in roots}:
        rules[name] = AnchorRule(only_stamps, until=anchors_until.get(name))
    lists = [der for path in crls for file in _files(path, CRL_SUFFIXES) for der in _blocks(file, _CRL)]
    answers: list[bytes] = []
    if fetched is not None and fetched.is_dir():
        lists += [path.read_bytes() for path in sorted(fetched.glob(f"*{FETCHED_LIST}"))]
        answers += [path.read_bytes() for path in sorted(fetched.glob(f"*{FETCHED_ANSWER}"))]
    return Trust(
        anchors=(*roots, *for_stamps),
        intermediates=tuple(der for path in intermediates for der in certificates(path)),
        crls=tuple(lists),
        answers=tuple(answers),
        rules=rules,
        freshness=Freshness(grace=grace),
        sha1_before=sha1_before,
    )


def trust_of(config: Config) -> Trust:
    """What a node believes, as `read_trust`: its files, and what it fetched."""
    section = config.trust
    return read_trust(
        section.anchors,
        section.intermediates,
        section.crls,
        stamp_anchors=section.stamp_anchors,
        anchors_until=section.anchors_until,
        fetched=section.cache,
        grace=section.grace,
        sha1_before=section.sha1_before,
    )


def see_lists(config: Config, path: Path) -> None:
    """`ConfigError` for what stands in place of a revocation list and is none: a node does not start with it, nor
    reload. Other commands do without: lists change every day, and a broken one must not keep anybody from looking."""
    found: list[Fault] = []
    for index, name in enumerate(config.trust.crls):
        try:
            read_trust((), (), [name])
        except ValueError as error:
            told = f"{str(error).rpartition(': ')[0]} holds no revocation list, neither as PEM nor as DER"
            hint = "name files or folders of lists (PEM or DER)"
            found.append(placed(Finding(("trust", "crls", index), told, hint), path, locate(read_text(path))))
    if found:
        raise ConfigError(found)


def certificates(path: Path) -> tuple[bytes, ...]:
    """Every certificate of a PEM or DER file, as DER. `ValueError` when there is none."""
    return tuple(_blocks(path, _CERTIFICATE))


def named_certificates(config: Config) -> Mapping[Path, str]:
    """Every file of certificates that a node goes by, with the key that names it; agencies' own are bindings."""
    files: dict[Path, str] = {config.listen.certificate: "listen.certificate"}
    for section, names in ((config.listen, ("client_ca",)), (config.trust, ("anchors", "intermediates"))):
        for name in names:
            title = "listen" if section is config.listen else "trust"
            files |= dict.fromkeys(getattr(section, name), f"{title}.{name}")
    for endpoint in config.endpoint:
        for name in ("ca", "certificate"):
            path = getattr(endpoint, name, None)
            if path is not None:
                files.setdefault(path, f"{endpoint.name}.{name}")
    return files


def end_of(path: Path, key: str) -> datetime:
    """When the certificates of a file are over: the first of what is shown under `key`, the last of authorities, of
    which a file may hold the old and the new one. `OSError`, `ValueError` for what cannot be read."""
    try:
        ends = [load_leaf(der).not_after for der in certificates(path)]
    except Refused as error:
        raise ValueError(f"{path}: {error}") from error
    return min(ends) if key.endswith("certificate") else max(ends)


def ends_of(files: Mapping[Path, str]) -> Mapping[tuple[str, str], datetime]:
    """The same of all `files`, by key and name of the file; without those that cannot be read."""
    found = {}
    for path, key in files.items():
        with suppress(OSError, ValueError):
            found[key, path.name] = end_of(path, key)
    return found


def certificate_files(path: Path) -> Iterator[Path]:
    """The files of a folder that may hold certificates, or the file itself."""
    return _files(path, CERTIFICATE_SUFFIXES)


def _files(path: Path, suffixes: frozenset[str]) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.iterdir() if file.suffix.lower() in suffixes)
    else:
        yield path


def _length(octets: bytes) -> int:
    """How long the DER value that begins there says it is, with its head (X.690 §8.1.3)."""
    first = octets[1] if len(octets) > 1 else 0
    if first < 0x80:
        return 2 + first
    more = first & 0x7F
    return 2 + more + int.from_bytes(octets[2 : 2 + more], "big")


def _blocks(path: Path, labels: frozenset[bytes]) -> list[bytes]:
    octets = path.read_bytes()
    if octets[:1] == b"\x30":  # a DER SEQUENCE
        if len(octets) < _length(octets):
            raise ValueError(f"{path}: cut off")
        return [octets]
    found = [base64.b64decode(body) for label, body in _PEM.findall(octets) if label in labels]
    if not found:
        raise ValueError(f"{path}: neither DER nor PEM of the kind that is expected here")
    return found
