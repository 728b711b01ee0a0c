"""The base64 of one attachment, decoded piece by piece: its digest is known, and none of it is held."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pybase64

from schemas.gate import PIECE, Raw

HEAD: Final = 1024
"""So many decoded octets are kept: what they are the beginning of is told by them."""

_SPACE: Final = b" \t\r\n"
_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_TEXT: Final = _ALPHABET + _SPACE


@dataclass(frozen=True, slots=True)
class Content:
    """Base64 alphabet and white space from `start` to `end` of `raw`, which is asked again for what is read of it.

    `size` counts its octets as XML gives them, whose line ends are LF. `decoded` is `None` where it is no exact base64.
    """

    raw: Raw
    start: int
    end: int
    size: int
    decoded: Decoded | None

    def __len__(self) -> int:
        return self.size

    def came(self) -> Iterator[bytes]:
        """The text as it came."""
        return _read(self.raw, self.start, self.end)

    def pieces(self) -> Iterator[bytes]:
        """The text as XML gives it."""
        ended = b""
        for piece in self.came():
            if not ended and b"\r" not in piece:
                yield piece
                continue
            whole = ended + piece
            # The second half of a line end may be in the next piece.
            ended = b"\r" if whole.endswith(b"\r") else b""
            yield whole[: len(whole) - len(ended)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if ended:
            yield b"\n"

    def text(self) -> bytes:
        return b"".join(self.pieces())


@dataclass(frozen=True, slots=True)
class Decoded:
    """The octets of an attachment: how many, their SHA-256, the first `HEAD`. All of them are decoded again when asked
    for."""

    raw: Raw
    start: int
    end: int
    size: int
    sha256: bytes
    head: bytes

    def digest(self, name: str) -> bytes:
        """The digest under a name of `hashlib`."""
        if name == "sha256":
            return self.sha256
        digest = hashlib.new(name)
        for piece in self.pieces():
            digest.update(piece)
        return digest.digest()

    def pieces(self) -> Iterator[bytes]:
        return decoded_pieces(self.raw, self.start, self.end)


def decoded_pieces(raw: Raw, start: int, end: int) -> Iterator[bytes]:
    """What the exact base64 from `start` to `end` decodes to. `ValueError` where it is not exact."""
    decoder = Decoder()
    for piece in _read(raw, start, end):
        yield decoder.decode(piece)
    yield decoder.last()


class Decoder:
    """Strict base64 in pieces. White space is layout; the last quantum is held back, for only it may be padded."""

    def __init__(self) -> None:
        self.rest = b""
        """What is not decoded, without white space."""

    def decode(self, text: bytes) -> bytes:
        """What can be decoded so far. `ValueError` for foreign characters, and for padding before the end."""
        self.rest += without_space(text)
        whole = max(len(self.rest) - 1, 0) // 4 * 4
        octets = pybase64.b64decode(memoryview(self.rest)[:whole], validate=True)
        if len(octets) != whole // 4 * 3:
            raise ValueError("padding before the end")
        self.rest = self.rest[whole:]
        return octets

    def last(self) -> bytes:
        """The last quantum. `ValueError` for wrong padding, and for bits that no octet holds."""
        octets = pybase64.b64decode(self.rest, validate=True)
        if pybase64.b64encode(octets) != self.rest:
            raise ValueError("bits that no octet holds")
        return octets


class Reader:
    """One content as it comes: `take` its pieces, then ask for the `Content`; up to `above` octets are not cut out."""

    def __init__(self, start: int, above: int) -> None:
        self.start = start
        self._above = above
        self._came = 0
        self._line_ends = 0
        self._last = b""
        self._waiting: list[bytes] = []
        self._foreign = False
        self._decoder: Decoder | None = Decoder()
        self._digest = hashlib.sha256()
        self._size = 0
        self._head = b""

    def take(self, text: bytes) -> None:
        self._came += len(text)
        if self._foreign:
            return
        self._waiting.append(text)
        if self._came <= self._above:
            return
        text = self._waiting[0] if len(self._waiting) == 1 else b"".join(self._waiting)
        self._waiting.clear()
        if self._last == b"\r" or b"\r" in text:
            self._line_ends += (self._last + text).count(b"\r\n")
        self._last = text[-1:]
        self._decode(text)

    def _decode(self, text: bytes) -> None:
        if self._decoder is not None:
            try:
                self._keep(self._decoder.decode(text))
            except ValueError:
                text, self._decoder = self._decoder.rest, None
        if self._decoder is None:
            self._foreign = bool(text.translate(None, _TEXT))

    def _keep(self, octets: bytes) -> None:
        self._digest.update(octets)
        self._size += len(octets)
        if len(self._head) < HEAD:
            self._head = (self._head + octets[:HEAD])[:HEAD]

    def content(self, raw: Raw) -> Content | None:
        """What came, of which `raw` has the octets; `None` for what is short, or holds anything but base64 text."""
        if self._came <= self._above:
            return None
        end, decoded = self.start + self._came, None
        if self._decoder is not None:
            try:
                self._keep(self._decoder.last())
                decoded = Decoded(raw, self.start, end, self._size, self._digest.digest(), self._head)
            except ValueError:
                self._foreign = bool(self._decoder.rest.translate(None, _ALPHABET))
        return None if self._foreign else Content(raw, self.start, end, self._came - self._line_ends, decoded)


def without_space(text: bytes) -> bytes:
    for space in (b"\n", b" ", b"\r", b"\t"):
        if text.find(space) >= 0:
            return text.translate(None, _SPACE)
    return text


def _read(raw: Raw, start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, PIECE):
        yield bytes(raw[at : min(at + PIECE, end)])
