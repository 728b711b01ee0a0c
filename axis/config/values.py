"""The kinds of values that stand in a configuration: names, durations, sizes, addresses, codes. Files are `files`.

Each is a pydantic type that raises `fault(...)`: a reason and a hint, ready for people.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import parse_qs, urlsplit

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from axis.config.fault import as_day
from axis.core.registry import prefix_path
from schemas.codes import AgencyCode, CodeError

FAULT: Final = "axis"
"""The pydantic error type of our own faults; their context holds `reason` and `hint`."""

_DURATION: Final = re.compile(r"([0-9]+)(ms|s|m|h|d)")
_UNITS: Final = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_A_DURATION: Final = 'a number and one unit of ms, s, m, h, d: "5s", "10m", "7d"'
_LONGEST: Final = timedelta(days=36_500)
_SIZE: Final = re.compile(r"([0-9]+)(B|KB|MB|GB)")
_BYTES: Final = {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3}
_A_SIZE: Final = 'a number and one unit of B, KB, MB, GB (1 KB is 1,024 bytes): "128KB", "200MB"'
_SPOKEN: Final = {"giây": "s", "phút": "m", "giờ": "h", "ngày": "d"}
_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?")
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")


def fault(reason: str, hint: str = "") -> PydanticCustomError:
    # The reason goes in as data: it may hold braces, which a template would take for places to fill.
    return PydanticCustomError(FAULT, "{reason}", {"reason": reason, "hint": hint})


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. Port 0 lets the system choose one."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def text_of(value: Any) -> str:
    """A value that is text. Raises `fault`."""
    if not isinstance(value, str):
        written = f'write "{value}"' if isinstance(value, int | float) and not isinstance(value, bool) else ""
        raise fault("must be text in quotes", written)
    return value


def _name(value: Any) -> str:
    text = text_of(value)
    if not _NAME.fullmatch(text) or len(text) > 63:
        raise fault(
            "a name is 1 to 63 of a-z, 0-9, dot and dash, and begins and ends with a letter or digit",
            f'for example "{_plain(text)[:63] or "axis-1"}"',
        )
    return text


def _plain(text: str) -> str:
    """A name as it could be written: Vietnamese letters without their marks."""
    bare = unicodedata.normalize("NFD", text.lower().replace("đ", "d"))
    return re.sub(r"[^a-z0-9.-]+", "-", re.sub(r"[\u0300-\u036f]", "", bare)).strip("-.")


def parse_duration(text: str) -> timedelta:
    """`5s`, `1h`, `7d`. `ValueError` for anything else."""
    found = _DURATION.fullmatch(text)
    if found is None or len(found[1]) > 9:
        raise ValueError("not a duration")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _meant(text: str, units: Mapping[str, object], spoken: Mapping[str, str]) -> str:
    """How a number with a unit is written here, where it can be guessed: `200 mb`, `3 ngày`."""
    found = re.fullmatch(r"\s*(\d{1,9})\s*(\w+)\s*", text)
    if found is None:
        return ""
    word = unicodedata.normalize("NFC", found[2].lower())
    unit = spoken.get(word) or next((one for one in units if one.lower() == word), "")
    return f'write "{int(found[1])}{unit}"' if unit else ""


def duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        raise fault("a duration needs a unit", f'write "{value}s", or use ms, m, h or d')
    text = value if isinstance(value, str) else ""
    try:
        given = parse_duration(text)
    except ValueError:
        raise fault(f"{value!r} is not a duration", _meant(text, _UNITS, _SPOKEN) or _A_DURATION) from None
    if not given:
        raise fault("must be longer than zero", _A_DURATION)
    if given > _LONGEST:
        raise fault(f"{value!r} is too long: no calendar reaches so far", 'at most "36500d", a hundred years')
    return given


def _patience(value: Any) -> timedelta:
    """How long an answer is waited for: longer than a busy server takes, shorter than callers wait."""
    given = duration(value)
    if not timedelta(seconds=2) <= given <= timedelta(minutes=5):
        raise fault(f"{value!r} is no time to wait for an answer", 'from "2s" to "5m"; "20s" is usual')
    return given


def _duration_or_none(value: Any) -> timedelta:
    """A duration, and `0s` for not at all."""
    return timedelta(0) if value == "0s" else duration(value)


def day_of(value: Any) -> datetime:
    """A day, as the instant at which it begins in UTC."""
    try:
        return datetime.strptime(text_of(value), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise fault(
            f"{value!r} is not a day", as_day(value, 'write "{}"') or 'year, month, day: "2017-01-01"'
        ) from None


def _host_map(value: Any) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        raise fault("must be a table of hosts", '{ "ocsp.ca.ptc" = "http://ocsp.ca.gov.vn" }')
    check = _url("http", "https")
    for name, base in value.items():
        if not _HOST.fullmatch(name):
            raise fault(f"{name!r} is no host", 'the host that certificates name: "ocsp.ca.ptc"')
        if urlsplit(check(base)).path not in ("", "/"):
            raise fault(f"{base!r} has a path", "only the host is replaced: the path is the certificate's own")
    return {name.lower(): base for name, base in value.items()}


def _host(value: Any) -> str:
    name = text_of(value)
    if not _HOST.fullmatch(name):
        raise fault(f"{_plain(name)!r} is no host", 'a name without port: "truc.h99.example.vn"')
    return name.lower()


def _size(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        if value <= 0:
            raise fault("must be more than zero", _A_SIZE)
        raise fault("a size needs a unit", f'write "{value}B", or use KB, MB or GB')
    found = _SIZE.fullmatch(text_of(value))
    if found is None or len(found[1]) > 12:
        meant = _meant(value, _BYTES, {})
        raise fault(f"{value!r} is not a size", meant or _A_SIZE)
    size = int(found[1]) * _BYTES[found[2]]
    if not size:
        raise fault("must be more than zero", _A_SIZE)
    return size


def parse_address(text: str) -> Address:
    """`127.0.0.1:8443`, `[::1]:8443`, `localhost:8443`. `ValueError` for anything else."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        ipaddress.IPv6Address(host)
    elif ":" in host:
        raise ValueError("an IPv6 address stands in brackets")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) <= 65535) or re.search(r"[\s/@]", host):
        raise ValueError("not an address")
    return Address(host, int(port))


def _address(value: Any) -> Address:
    if isinstance(value, Address):
        return value
    try:
        return parse_address(text_of(value))
    except ValueError:
        raise fault(
            f"{value!r} is not an address to listen on", 'host and port: "0.0.0.0:8443", "[::1]:8443"'
        ) from None


def _prefix(value: Any) -> str:
    text = text_of(value)
    try:
        prefix_path(text)
    except CodeError as error:
        above = text.removesuffix("*").rstrip(".")
        if text.endswith("*") and above:
            raise fault(f"{text!r} is no agency code", f'a prefix means all below it: write "{above}"') from None
        raise fault(f"{text!r} is no agency code", f'{error}, or "*" for everything') from None
    return text


def _code(value: Any) -> AgencyCode:
    if isinstance(value, AgencyCode):
        return value
    text = text_of(value)
    try:
        return AgencyCode.parse(text)
    except CodeError as error:
        raise fault(f"{text!r} is no agency code", str(error)) from None


def _url(*schemes: str, loopback_only: str = "") -> Callable[[Any], str]:
    def check(value: Any) -> str:
        text = text_of(value)
        try:
            parts = urlsplit(text)
            host, _port = parts.hostname, parts.port
        except ValueError:
            raise fault(f"{text!r} is not a URL", f"for example {schemes[0]}://host.example.vn:8443/path") from None
        if parts.scheme not in (*schemes, loopback_only) or not parts.scheme or not host:
            told = f"must be a URL that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}"
            raise fault(told, f"for example {schemes[0]}://host.example.vn:8443/path")
        if parts.username is not None:
            raise fault("a URL holds no user name or password", "secrets stand in files of their own")
        if parts.query or parts.fragment:
            told = "must end with the path: no question mark, no fragment"
            raise fault(told, f"for example {schemes[0]}://host.example.vn:8443/path")
        if parts.scheme == loopback_only and not Address(host, 0).loopback:
            raise fault(f"{loopback_only}:// is only for this machine itself", f"use {schemes[0]}://")
        return text

    return check


def _store_url(value: Any) -> str:
    text = text_of(value)
    kind, _, rest = text.partition("://")
    if kind in ("postgresql", "postgresql+psycopg"):
        parts = urlsplit(text)
        if parts.password is not None or "password" in parse_qs(parts.query):
            raise fault("the address of the store holds a password", "put it into a file and name it in password_file")
        if not parts.path.strip("/"):
            raise fault("the address names no database", '"postgresql+psycopg://axis@host/axis"')
        return text
    if kind != "sqlite" or not rest.startswith("/"):
        raise fault(
            f"unknown store {text.partition(':')[0]!r}",
            'use "sqlite:///axis.db", relative to the data folder, or "postgresql+psycopg://axis@host/axis"',
        )
    if not rest.strip("/") or "?" in rest or rest == "/:memory:":
        raise fault(f"{text!r} names no file", 'use "sqlite:///axis.db", relative to the data folder')
    return text


Name = Annotated[str, BeforeValidator(_name)]
Duration = Annotated[timedelta, BeforeValidator(duration)]
Patience = Annotated[timedelta, BeforeValidator(_patience)]
DurationOrNone = Annotated[timedelta, BeforeValidator(_duration_or_none)]
Day = Annotated[datetime, BeforeValidator(day_of)]
HostName = Annotated[str, BeforeValidator(_host)]
HostMap = Annotated[Mapping[str, str], BeforeValidator(_host_map)]
StoreUrl = Annotated[str, BeforeValidator(_store_url)]
Size = Annotated[int, BeforeValidator(_size)]
ListenAddress = Annotated[Address, BeforeValidator(_address)]
Prefix = Annotated[str, BeforeValidator(_prefix)]
Code = Annotated[AgencyCode, BeforeValidator(_code)]
TlsUrl = Annotated[str, BeforeValidator(_url("https"))]
HttpsUrl = Annotated[str, BeforeValidator(_url("https", loopback_only="http"))]
HttpUrl = Annotated[str, BeforeValidator(_url("https", "http"))]
