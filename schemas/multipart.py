"""Multipart bodies (RFC 2046 §5.1, RFC 2387): an envelope first, then the raw octets of each attachment.

Read as they come, without input or output of its own, and in one form only: where readers could disagree on what a body
holds, it is refused. Written in that form too.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from hashlib import sha256
from typing import Final

from schemas.errors import SchemaError, Violation


class PackageForm(StrEnum):
    """How a package travels, and is kept."""

    INLINE = "inline"  # one XML document with its attachments in base64
    PARTS = "parts"  # the envelope without them, and each attachment raw beside it


MOST_PARTS: Final = 101
"""The envelope and a hundred attachments: each part may keep a file open until the body is judged."""
MOST_HEAD: Final = 4_096
MOST_HEADERS: Final = 16
"""Octets and lines before one part. Ours take some 300 octets in five lines."""

XML_TYPES: Final = frozenset({"application/xml", "text/xml", "application/edxml+xml"})
RELATED: Final = "multipart/related"

_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
_PARAMETER: Final = re.compile(r"""[ \t]*;[ \t]*([A-Za-z0-9_-]+)=(?:"([^"\\\x00-\x1f\x7f-\uffff]*)"|([^\s";,]+))""")
_HEADER: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}):[ \t]*([\t\x20-\x7e\x80-\xff]*)")
_ID: Final = re.compile(r"<([\x21-\x3b\x3d\x3f-\x7e]{1,900})>")
_PLAIN_ID: Final = re.compile(r"[\x21-\x3b\x3d\x3f-\x7e]{1,300}")
_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_TYPE: Final = re.compile(r"[a-z0-9!#$&^_.+-]{1,64}/[a-z0-9!#$&^_.+-]{1,64}")
DIGESTS: Final = ("content-digest", "repr-digest")
_SHA256: Final = re.compile(r"(?:^|,)[ \t]*sha-256=:([A-Za-z0-9+/]{43}=):[ \t]*(?=$|,)")
_IDENTITY: Final = frozenset({"", "7bit", "8bit", "binary"})


def refused(code: str, detail: str) -> SchemaError:
    """The error for a body that cannot be read as parts."""
    return SchemaError(Violation(code, "", detail), malformed=True)


@dataclass(frozen=True, slots=True)
class PartHead:
    """What stands before one part's octets. `sha256` (hex) are digests that the sender states of them, `length` too."""

    content_id: str | None
    content_type: str
    length: int | None = None
    sha256: frozenset[str] = frozenset()

    def check(self, size: int, digest: str) -> None:
        """Hold what came to what was stated. `SchemaError`: `part-length`, `part-digest`."""
        if self.length not in (None, size):
            raise refused("part-length", "a part is not as long as its Content-Length says")
        if self.sha256 - {digest}:
            raise refused("part-digest", "the octets of a part do not have the digest that is stated")


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The octets of a part are complete."""


Event = PartHead | PartEnd | bytes


@dataclass(frozen=True, slots=True)
class Related:
    """What a request's Content-Type says of its body. `start` is the Content-ID of the first part, where named."""

    boundary: str
    start: str | None = None


def read_related(content_type: str) -> Related:
    """Read a Content-Type of `multipart/related`. `SchemaError` (`part-type`) for one that we do not take."""
    essence, separator, _ = content_type.partition(";")
    place, parameters = len(essence), dict[str, str]()
    if essence.strip().lower() != RELATED or not separator:
        raise refused("part-type", "the body is to be multipart/related with a boundary")
    while (found := _PARAMETER.match(content_type, place)) is not None:
        name, value = found[1].lower(), found[2] if found[3] is None else found[3]
        if name in parameters:
            raise refused("part-type", "a parameter of Content-Type stands twice")
        parameters[name], place = value, found.end()
    boundary = parameters.get("boundary", "")
    if content_type[place:].strip() or not _BOUNDARY.fullmatch(boundary):
        raise refused("part-type", "Content-Type has no boundary that can be read")
    start = parameters.get("start")
    if start is not None and not _ID.fullmatch(start):
        raise refused("part-type", "start is not written as <id>")
    if parameters.get("type", "application/xml").lower() not in XML_TYPES:
        raise refused("part-type", "the type of the first part is to be application/xml")
    return Related(boundary, None if start is None else start[1:-1])


def boundary_within(head: bytes) -> str | None:
    """The boundary of a body that was saved without its Content-Type, from its first line; `None` where none is."""
    line, end, _ = head[:80].partition(b"\r\n")
    text = line[2:].decode("ascii", "replace")
    return text if end and line.startswith(b"--") and _BOUNDARY.fullmatch(text) else None


class _State(Enum):
    START = auto()
    DELIMITED = auto()
    HEAD = auto()
    BODY = auto()
    END = auto()


class PartsReader:
    """Reads one body piece by piece; it holds no more of it than one piece and a delimiter.

    `SchemaError`, all `malformed`: `part-preamble`, `part-boundary`, `part-header` (cannot be read, stands twice),
    `part-headers` (too many, too long), `part-id`, `part-type`, `part-encoding`, `part-length`, `part-count`,
    `part-end`, `part-epilogue`.
    """

    def __init__(self, boundary: str) -> None:
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        self._buffer = bytearray(b"\r\n")  # the first delimiter stands at the very beginning, without a line end
        self._state = _State.START
        self._begins = False
        self._parts = 0

    def feed(self, piece: bytes | memoryview) -> Iterator[Event]:
        """The heads, octets and ends that these octets bring. To be read to its end before the next piece."""
        self._buffer += piece
        while True:
            events, further = self._step()
            yield from events
            if not further:
                return

    def close(self) -> None:
        """The body has ended. `part-end` where the final delimiter is missing."""
        if self._state is not _State.END:
            raise refused("part-end", "the body ends without its final boundary")
        if bytes(self._buffer) not in (b"", b"\r\n"):
            raise refused("part-epilogue", "there is something behind the final boundary")

    def _step(self) -> tuple[tuple[Event, ...], bool]:
        match self._state:
            case _State.START:
                return self._start()
            case _State.DELIMITED:
                return self._delimited()
            case _State.HEAD:
                return self._head()
            case _State.BODY:
                return self._body()
            case _State.END:
                if len(self._buffer) > len(b"\r\n"):
                    raise refused("part-epilogue", "there is something behind the final boundary")
                return (), False

    def _start(self) -> tuple[tuple[Event, ...], bool]:
        if not self._delimiter.startswith(self._buffer[: len(self._delimiter)]):
            raise refused("part-preamble", "the body does not begin with its boundary")
        if len(self._buffer) < len(self._delimiter):
            return (), False
        del self._buffer[: len(self._delimiter)]
        self._state = _State.DELIMITED
        return (), True

    def _delimited(self) -> tuple[tuple[Event, ...], bool]:
        if len(self._buffer) < len(b"--"):
            return (), False
        mark = bytes(self._buffer[:2])
        if mark not in (b"--", b"\r\n"):
            raise refused("part-boundary", "the boundary is followed by something else: it stands inside a part")
        del self._buffer[:2]
        if mark == b"--":
            if not self._parts:
                raise refused("part-count", "there are no parts")
            self._state = _State.END
            return (), True
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise refused("part-count", f"more than {MOST_PARTS} parts")
        self._state = _State.HEAD
        return (), True

    def _head(self) -> tuple[tuple[Event, ...], bool]:
        if self._buffer.startswith(b"\r\n"):
            raise refused("part-header", "a part has no headers")
        end = self._buffer.find(b"\r\n\r\n", 0, MOST_HEAD + 4)
        if end < 0:
            if len(self._buffer) > MOST_HEAD:
                raise refused("part-headers", f"more than {MOST_HEAD} octets of headers before a part")
            return (), False
        head = read_head(bytes(self._buffer[:end]))
        del self._buffer[: end + 4]
        self._state, self._begins = _State.BODY, True
        return (head,), True

    def _body(self) -> tuple[tuple[Event, ...], bool]:
        """Some readers end lines at a line feed alone, or take a boundary at the very beginning of a part for one: what
        they would take for an end is not let in."""
        line = self._delimiter[1:]
        if self._begins:
            first = bytes(self._buffer[: len(line) - 1])
            if first == line[1:]:
                raise refused("part-boundary", "the boundary stands at the beginning of a part")
            if line[1:].startswith(first):
                return (), False
            self._begins = False
        at = self._buffer.find(line)
        if at < 0:
            ready = len(self._buffer) - len(line)
            if ready <= 0:
                return (), False
            octets = bytes(memoryview(self._buffer)[:ready])
            del self._buffer[:ready]
            return (octets,), False
        if self._buffer[at - 1 : at] != b"\r":
            raise refused("part-boundary", "the boundary stands at the beginning of a line inside a part")
        octets = bytes(memoryview(self._buffer)[: at - 1])
        del self._buffer[: at + len(line)]
        self._state = _State.DELIMITED
        return ((octets, PartEnd()) if octets else (PartEnd(),)), True


def read_head(octets: bytes) -> PartHead:
    """The headers of one part. What has no meaning here is not read, but must be written as a header."""
    lines = octets.split(b"\r\n")
    if len(lines) > MOST_HEADERS:
        raise refused("part-headers", f"more than {MOST_HEADERS} headers before a part")
    headers: dict[str, str] = {}
    for line in lines:
        found = _HEADER.fullmatch(line)
        if found is None:
            raise refused("part-header", "a header of a part cannot be read")
        name = found[1].decode("ascii").lower()
        if name in headers:
            raise refused("part-header", "a header of a part stands twice")
        headers[name] = found[2].decode("latin-1").strip(" \t")
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type.startswith("multipart/"):
        raise refused("part-type", "a part is not itself made of parts")
    if headers.get("content-transfer-encoding", "").lower() not in _IDENTITY:
        raise refused("part-encoding", "a part is sent raw: Content-Transfer-Encoding is binary")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise refused("part-encoding", "a part is sent without Content-Encoding")
    length = headers.get("content-length")
    if length is not None and not re.fullmatch(r"[0-9]{1,15}", length):
        raise refused("part-length", "the Content-Length of a part is no number")
    return PartHead(_read_id(headers), content_type, None if length is None else int(length), stated_digests(headers))


def _read_id(headers: Mapping[str, str]) -> str | None:
    text = headers.get("content-id")
    if text is None:
        return None
    found = _ID.fullmatch(text)
    if found is None:
        raise refused("part-id", "a Content-ID is not written as <id>")
    return found[1]


def stated_digests(headers: Mapping[str, str]) -> frozenset[str]:
    """What RFC 9530 states of the octets, in hex; without any encoding the two headers mean the same."""
    stated = (headers.get(name, "") for name in DIGESTS)
    return frozenset(base64.b64decode(text).hex() for one in stated for text in _SHA256.findall(one))


def wire_id(content_id: str) -> str:
    """How the id of an attachment (without `cid:`) is written between the brackets of Content-ID.

    As it is; where it has characters that no header has, in percent-encoded UTF-8 (RFC 2392 §2).
    """
    if _PLAIN_ID.fullmatch(content_id):
        return content_id
    return "".join(chr(octet) if octet in _UNRESERVED else f"%{octet:02X}" for octet in content_id.encode())


def boundary_of(envelope_sha256: str, package_digest: str) -> str:
    """The boundary of a body that we write: the same for the same package, so that the body has the same octets.

    It hashes everything that stands between boundaries, so nobody can write a package that contains its own.
    """
    return f"axis-{sha256(f'{envelope_sha256}:{package_digest}'.encode()).hexdigest()}"


def content_type_with(boundary: str) -> str:
    return f'{RELATED}; boundary="{boundary}"; type="application/xml"'


def write_head(boundary: str, content_id: str | None, content_type: str | None, size: int, digest: str) -> bytes:
    """The delimiter and the headers before one part; `content_id` is `None` for the envelope, which is the first.

    `digest` is the SHA-256 of the part's octets, in hex.
    """
    kind = (content_type or "").partition(";")[0].strip().lower()
    if not _TYPE.fullmatch(kind) or kind.startswith("multipart/"):
        kind = "application/octet-stream"
    lines = [
        f"--{boundary}" if content_id is None else f"\r\n--{boundary}",
        f"Content-Type: {kind}",
        *([] if content_id is None else [f"Content-ID: <{wire_id(content_id)}>"]),
        "Content-Transfer-Encoding: binary",
        f"Content-Length: {size}",
        f"Repr-Digest: sha-256=:{base64.b64encode(binascii.unhexlify(digest)).decode()}:",
    ]
    return "\r\n".join((*lines, "", "")).encode("ascii")


def write_end(boundary: str) -> bytes:
    """What stands behind the last part."""
    return f"\r\n--{boundary}--\r\n".encode("ascii")
