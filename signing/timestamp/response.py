"""What a time-stamping authority answers (RFC 3161 §2.4.2): a status, and a token if it granted one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

MAX_RESPONSE_BYTES: Final = 64 * 1024


class Status(StrEnum):
    """PKIStatus, and our own word for what is no response."""

    GRANTED = "granted"
    GRANTED_WITH_MODS = "granted-with-mods"
    REJECTION = "rejection"
    WAITING = "waiting"
    REVOCATION_WARNING = "revocation-warning"
    REVOCATION_NOTIFICATION = "revocation-notification"
    NONSENSE = "nonsense"


_STATUS: Final[Mapping[int, Status]] = MappingProxyType(dict(enumerate(list(Status)[:6])))
_GRANTED: Final = frozenset({Status.GRANTED, Status.GRANTED_WITH_MODS})


@dataclass(frozen=True, slots=True)
class Response:
    """`token` is there exactly when the authority granted it, in the octets that it came in; nothing of it is judged.

    `failures` are the names of PKIFailureInfo, `text` what the authority said, cut to one short line.
    """

    status: Status
    token: bytes | None = None
    failures: tuple[str, ...] = ()
    text: str = ""


def read_response(octets: bytes) -> Response:
    """Open a TimeStampResp (DER). Never raises: what cannot be read, or contradicts itself, is `NONSENSE`."""
    if len(octets) > MAX_RESPONSE_BYTES:
        return Response(Status.NONSENSE, text=f"{len(octets)} bytes")
    try:
        return _read(octets)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        return Response(Status.NONSENSE, text=type(error).__name__)


def _read(octets: bytes) -> Response:
    from signing.asn1 import TIME_STAMP_RESPONSE, core

    answer = TIME_STAMP_RESPONSE.load(octets, strict=True)
    info = answer["status"]
    status = _STATUS.get(int(info["status"]), Status.NONSENSE)
    token = answer["time_stamp_token"]
    has_token = not isinstance(token, core.Void)
    if (status in _GRANTED) != has_token:
        return Response(Status.NONSENSE, text=f"{status} {'with' if has_token else 'without'} a token")
    return Response(status, token.dump() if has_token else None, _failures(info["fail_info"]), _text(info))


def _failures(info: Any) -> tuple[str, ...]:
    found = info.native
    return tuple(sorted(str(name)[:40] for name in found))[:8] if found else ()


def _text(info: Any) -> str:
    said = info["status_string"].native or ()
    return " ".join(" ".join(str(line) for line in said).split())[:200]
