"""Files that a configuration names, and what names a certificate or a key by its hash.

They are resolved against the folder of the configuration, which comes in with the validation context (`Reading`).
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, ValidationInfo

from axis.config.values import day_of, fault, text_of
from axis.core.pem import is_whole

_FINGERPRINT: Final = re.compile(r"sha256:((?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2})")
_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_LOST_KEY: Final = (
    "paths are relative to the file they are written in; a key in use is restored from its copy, never made anew"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """The validation context: paths are relative to `folder`; without `secrets` the files that hold one are not opened.

    Who only looks (an auditor, on a copy) has no keys, and needs none.
    """

    folder: Path
    secrets: bool = True


def _fingerprints(value: Any) -> Mapping[str, datetime]:
    if not isinstance(value, Mapping):
        raise fault("must be a table of fingerprints and days", '{ "sha256:..." = "2030-01-01" }')
    found: dict[str, datetime] = {}
    for name, day in value.items():
        fingerprint = _fingerprint(name)
        if fingerprint is None:
            raise fault(f"{name!r} is not the fingerprint of a certificate", '"sha256:" and 64 hex digits')
        found[fingerprint] = day_of(day)
    return found


def _resolved(value: Any, info: ValidationInfo) -> Path:
    text = text_of(value)
    if not text or "\0" in text:
        raise fault("must name a file", "paths are relative to the file they are written in")
    assert isinstance(info.context, Reading), "how the configuration is read"
    return (info.context.folder / Path(text).expanduser()).absolute()


def _existing(path: Path) -> Path:
    if path.is_dir():
        raise fault(f"{path} is a folder", "name the file itself")
    try:
        with path.open("rb"):
            return path
    except FileNotFoundError:
        raise fault(f"{path} does not exist", "paths are relative to the file they are written in") from None
    except OSError as error:
        told = f"{path} cannot be read: {(error.strerror or str(error)).lower()}"
        raise fault(told, "run this as the node's own account, or let it read the file") from None


def _file(value: Any, info: ValidationInfo) -> Path:
    return _existing(_resolved(value, info))


def _secret(value: Any, info: ValidationInfo) -> Path:
    if isinstance(info.context, Reading) and not info.context.secrets:
        return _resolved(value, info)
    path = _resolved(value, info)
    if not path.exists():
        raise fault(f"{path} does not exist", _LOST_KEY)
    _existing(path)
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise fault(f"{path} is open to other users (mode {mode:04o})", f"chmod 600 {path}")
    if not path.stat().st_size:
        raise fault(f"{path} is empty", "put the secret into it; a key in use is restored, never made anew")
    return path


def _certificates(value: Any, info: ValidationInfo) -> Path:
    path = _file(value, info)
    octets = path.read_bytes()
    if b"PRIVATE KEY-----" in octets and not pem_fingerprints(octets):
        raise fault(f"{path} is a private key, not a certificate", "are certificate and key exchanged?")
    if not pem_fingerprints(octets):
        raise fault(f"{path} holds no certificate in PEM form", "openssl x509 -inform DER -in FILE -out FILE.pem")
    if not is_whole(octets.decode(errors="replace")):
        raise fault(f"{path} is cut off inside a certificate", "copy it again, and into place with mv")
    return path


def _trust_file(value: Any, info: ValidationInfo) -> Path:
    path = _file(value, info)
    octets = path.read_bytes()
    if octets[:1] != b"\x30" and not pem_fingerprints(octets):
        told = f"{path} holds no certificate, neither as PEM nor as DER"
        raise fault(told, "ask the authority for its certificate as PEM, or openssl x509 -in FILE -out FILE.pem")
    return path


def _file_or_folder(value: Any, info: ValidationInfo) -> Path:
    path = _resolved(value, info)
    return path if path.is_dir() else _existing(path)


def pem_fingerprints(octets: bytes) -> tuple[str, ...]:
    """SHA-256 of the DER of each certificate of a PEM file, in lower-case hex."""
    found = []
    for block in _PEM.findall(octets.decode("ascii", "replace")):
        try:
            found.append(sha256(ssl.PEM_cert_to_DER_cert(block)).hexdigest())
        except ValueError:
            continue
    return tuple(found)


def fingerprint_of(text: str, base: Path) -> str | None:
    """The certificate that `text` names, by fingerprint or as a PEM file, `None` where it names none."""
    if text.startswith("sha256:"):
        return _fingerprint(text)
    try:
        return next(iter(pem_fingerprints((base / text).read_bytes())), None)
    except (OSError, ValueError):
        return None


def _fingerprint(value: str) -> str | None:
    found = _FINGERPRINT.fullmatch(value)
    return found[1].replace(":", "").lower() if found else None


def _certificate(value: Any, info: ValidationInfo) -> str:
    """A certificate, given by fingerprint or as a PEM file, as SHA-256 of its DER in hex."""
    text = text_of(value)
    if not text.startswith("sha256:"):
        found = pem_fingerprints(_certificates(text, info).read_bytes())
        if len(found) > 1:
            raise fault(f"{text} holds {len(found)} certificates", "one file for one certificate, without its chain")
        return found[0]
    fingerprint = _fingerprint(text)
    if fingerprint is None:
        raise fault(
            f"{text!r} is not the fingerprint of a certificate",
            '"sha256:" and 64 hex digits, of the DER form: openssl x509 -noout -fingerprint -sha256 -in FILE',
        )
    return fingerprint


def _api_key(value: Any) -> str:
    text = text_of(value)
    fingerprint = _fingerprint(text)
    if fingerprint is None:
        raise fault(
            "must be the hash of a key, never the key itself"
            if text.startswith("axk_")
            else "is not the hash of a key",
            "\"sha256:\" and the output of: printf %s 'axk_...' | sha256sum",
        )
    return fingerprint


Folder = Annotated[Path, BeforeValidator(_resolved)]
AnyFile = Annotated[Path, BeforeValidator(_file)]
CertificateFile = Annotated[Path, BeforeValidator(_certificates)]
TrustFile = Annotated[Path, BeforeValidator(_trust_file)]
SecretFile = Annotated[Path, BeforeValidator(_secret)]
FileOrFolder = Annotated[Path, BeforeValidator(_file_or_folder)]
Certificate = Annotated[str, BeforeValidator(_certificate)]
Days = Annotated[Mapping[str, datetime], BeforeValidator(_fingerprints)]
ApiKeyHash = Annotated[str, BeforeValidator(_api_key)]
