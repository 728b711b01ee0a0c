"""The raw-byte gate: what is refused before any XML parser sees it."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Final, Protocol

from schemas.errors import SchemaError, Violation
from schemas.limits import XmlLimits

PIECE: Final = 1 << 16
"""How much of a large package is looked at in one go."""


class Raw(Protocol):
    """The octets of a package, in memory or in a file. They are asked for by slices, and may be asked for again."""

    def __len__(self) -> int: ...
    def __getitem__(self, at: slice, /) -> bytes | memoryview: ...


_BOM: Final = codecs.BOM_UTF8
_DECLARED: Final = re.compile(rb"<\?xml[ \t\r\n]")
_DECLARATION: Final = re.compile(
    rb"<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?P<version>\"[^\"<>]{0,64}\"|'[^'<>]{0,64}')"
    rb"(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(?P<encoding>\"[^\"<>]{0,64}\"|'[^'<>]{0,64}'))?"
    rb"(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(?:\"(?:yes|no)\"|'(?:yes|no)'))?"
    rb"[ \t\r\n]*\?>"
)
_USUAL: Final = re.compile(
    rb"(?:<\?xml version=[\"']1\.0[\"'] encoding=[\"'](?:UTF|utf)-8[\"']\?>)?[\r\n]{0,2}<[A-Za-z]"
)
"""How nearly every package begins: nothing between declaration and root, so nothing else to look for before it."""
_SPACE: Final = re.compile(rb"[ \t\r\n]*")
_PROLOG: Final = re.compile(rb"<(?:(?P<comment>!--)|(?P<pi>\?)|(?P<doctype>!(?i:DOCTYPE))|(?P<root>[^!?/\s>]))")
_COMMENT_END: Final = re.compile(rb"-->")
_PI_END: Final = re.compile(rb"\?>")
_GZIP: Final = b"\x1f\x8b"
_WIDE: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)  # UTF-32-LE's begins like UTF-16-LE's


def refusal(code: str, detail: str) -> SchemaError:
    """The error for XML that cannot be read at all."""
    return SchemaError(Violation(code, "", detail), malformed=True)


def checked(raw: Raw, limits: XmlLimits) -> Iterator[bytes]:
    """The octets in pieces, each of which has passed: plain UTF-8, as far as they tell without the prolog.

    Raises `SchemaError(malformed=True)`: `xml-empty`, `xml-too-large`, `xml-encoding`, `xml-nul`. One UTF-8 byte order
    mark is tolerated, because the field sends it.
    """
    size = len(raw)
    if size == 0:
        raise refusal("xml-empty", "there are no bytes")
    if size > limits.max_bytes:
        raise refusal("xml-too-large", f"{size} bytes, at most {limits.max_bytes} are accepted")
    first = bytes(raw[:PIECE])
    if _USUAL.match(first) is None:
        _check_head(first[:4])
    if size <= PIECE:
        _check_piece(first)
        yield first
    else:
        yield from _check_pieces(raw, size)


def _check_head(head: bytes) -> None:
    if head.startswith(_WIDE) or b"\0" in head[:2]:
        raise refusal("xml-encoding", "only UTF-8 is accepted, this looks like UTF-16 or UTF-32")
    if head.startswith(_GZIP):
        raise refusal("xml-encoding", "the bytes are compressed, only plain XML is accepted")


def _check_pieces(raw: Raw, size: int) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    for start in range(0, size, PIECE):
        piece = bytes(raw[start : start + PIECE])
        if b"\0" in piece:
            raise refusal("xml-nul", "there is a NUL byte")
        try:
            if not piece.isascii() or decoder.getstate()[0]:
                decoder.decode(piece)
        except UnicodeDecodeError:
            raise refusal("xml-encoding", "the bytes are not valid UTF-8") from None
        yield piece
    if decoder.getstate()[0]:
        raise refusal("xml-encoding", "the bytes end inside a UTF-8 character")


def _check_piece(octets: bytes) -> None:
    if b"\0" in octets:
        raise refusal("xml-nul", "there is a NUL byte")
    try:
        if not octets.isascii():
            octets.decode()
    except UnicodeDecodeError as error:
        ended = error.reason == "unexpected end of data"
        detail = "the bytes end inside a UTF-8 character" if ended else "the bytes are not valid UTF-8"
        raise refusal("xml-encoding", detail) from None


def check_prolog(raw: bytes) -> None:
    """Refuse what may not stand before the root element. `SchemaError(malformed=True)`: `xml-encoding`, `xml-version`,
    `xml-doctype`, `xml-malformed`.

    The rule for DOCTYPE: a document type can stand nowhere but before the root element, so the prolog is walked as
    XML reads it (declaration, white space, comments, processing instructions), up to the first start tag. The text
    `<!DOCTYPE` in a comment or CDATA section is only text; in content it is not well-formed and the parser refuses it.
    """
    if _USUAL.match(raw) is not None:
        return
    at = len(_BOM) if raw.startswith(_BOM) else 0
    if _DECLARED.match(raw, at):
        at = _check_declaration(raw, at)
    while True:
        space = _SPACE.match(raw, at)
        at = space.end() if space else at
        found = _PROLOG.match(raw, at)
        if found is None:
            raise refusal("xml-malformed", "there is something else than XML before the root element")
        if found["root"]:
            return
        if found["doctype"]:
            raise refusal("xml-doctype", "a document type declaration is not accepted")
        end = (_COMMENT_END if found["comment"] else _PI_END).search(raw, found.end())
        if end is None:
            raise refusal("xml-malformed", "a comment or processing instruction before the root element does not end")
        at = end.end()


def _check_declaration(raw: bytes, at: int) -> int:
    declaration = _DECLARATION.match(raw, at)
    if declaration is None:
        raise refusal("xml-malformed", "the XML declaration is not well-formed")
    if declaration["version"][1:-1] != b"1.0":
        raise refusal("xml-version", "only XML 1.0 is accepted")
    encoding = declaration["encoding"]
    if encoding is not None and encoding[1:-1].upper() != b"UTF-8":
        raise refusal("xml-encoding", "another encoding than UTF-8 is declared, only UTF-8 is accepted")
    return declaration.end()
