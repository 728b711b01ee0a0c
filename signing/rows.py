"""The rows of a verdict. Each is written as canonical JSON once: the same checks, certificates and lists stand in one
verdict after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Any, Final, cast

orjson: Any = None
with suppress(ImportError):  # who verifies a log reads this file, and may have nothing installed
    import orjson


class Row:
    """What remembers its written form. That is no field: nobody compares it, copies it or sends it on."""

    __slots__ = ("_octets",)

    _octets: bytes

    def told(self) -> dict[str, Any]:
        """Its fields, sorted by name."""
        names, values = _names(type(self))
        return dict(zip(names, values(self), strict=True))

    def written(self) -> bytes:
        """RFC 8785: sorted, nothing between."""
        try:
            return self._octets
        except AttributeError:
            octets: bytes = orjson.dumps(self.told())
            object.__setattr__(self, "_octets", octets)  # a row is frozen; what it says does not change
            return octets


def written(rows: Iterable[Row]) -> bytes:
    """The list of them."""
    return b"[%b]" % b",".join([getattr(row, "_octets", None) or row.written() for row in rows])


_Names = tuple[tuple[str, ...], Callable[[Row], tuple[Any, ...]]]
_NAMES: Final[dict[type[Row], _Names]] = {}


def _names(kind: type[Row]) -> _Names:
    """The fields of a kind of row, sorted, and what asks one for all of them."""
    known = _NAMES.get(kind)
    if known is None:
        names = tuple(sorted(one.name for one in fields(cast("Any", kind))))
        known = _NAMES[kind] = names, attrgetter(*names)
    return known


class CheckStatus(StrEnum):
    OK = "ok"
    NOT_OK = "not-ok"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Check(Row):
    """One rule that was run, in order. `block` is the building block of EN 319 102-1 (`format`, `isc`, `cv`, ...)."""

    id: str
    block: str
    status: CheckStatus
    observed: str = ""
    required: str = ""


@dataclass(frozen=True, slots=True)
class Covered(Row):
    """What one Reference covered: an element (`target` is its path of local names) or an attachment (`cid:...`).

    `octets` is the length of what was digested, `digest` its value in lower-case hex.
    """

    uri: str
    target: str
    algorithm: str
    digest: str
    octets: int

    def told(self) -> dict[str, Any]:
        # The only rows that are those of one package: a quarter of the time that it takes to look the names up.
        return {
            "algorithm": self.algorithm,
            "digest": self.digest,
            "octets": self.octets,
            "target": self.target,
            "uri": self.uri,
        }


@dataclass(frozen=True, slots=True)
class Signer(Row):
    """Người ký, as the certificate names it. `certificate` and `issuer_certificate` are SHA-256 of the DER, hex."""

    subject: str
    issuer: str
    serial: str
    certificate: str
    not_before: datetime
    not_after: datetime
    speaks_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence(Row):
    """Something that the verdict rests on, or that was looked at for it (`source` is then `seen`); `sha256` of its
    bytes, hex. A certificate, revocation list, responder's answer, token, or one of our own kinds."""

    kind: str
    sha256: str
    source: str = ""
    this_update: datetime | None = None
    next_update: datetime | None = None
