"""The raw-byte gate: what is refused before any XML parser sees it."""

from __future__ import annotations

import codecs
import re
from mmap import mmap
from typing import Final

from schemas.errors import SchemaError, Violation
from schemas.limits import XmlLimits

Raw = bytes | memoryview | mmap

_PIECE: Final = 1 << 20
_BOM: Final = codecs.BOM_UTF8
_DECLARED: Final = re.compile(rb"<\?xml[ \t\r\n]")
_DECLARATION: Final = re.compile(
    rb"<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?P<version>\"[^\"<>]{0,64}\"|'[^'<>]{0,64}')"
    rb"(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(?P<encoding>\"[^\"<>]{0,64}\"|'[^'<>]{0,64}'))?"
    rb"(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(?:\"(?:yes|no)\"|'(?:yes|no)'))?"
    rb"[ \t\r\n]*\?>"
)
_SPACE: Final = re.compile(rb"[ \t\r\n]*")
_PROLOG: Final = re.compile(rb"<(?:(?P<comment>!--)|(?P<pi>\?)|(?P<doctype>!(?i:DOCTYPE))|(?P<root>[^!?/\s>]))")
_COMMENT_END: Final = re.compile(rb"-->")
_PI_END: Final = re.compile(rb"\?>")
_GZIP: Final = b"\x1f\x8b"
_WIDE: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)  # UTF-32-LE's begins like UTF-16-LE's


def refusal(code: str, detail: str) -> SchemaError:
    """The error for XML that cannot be read at all."""
    return SchemaError(Violation(code, "", detail), malformed=True)


def check_bytes(raw: Raw, limits: XmlLimits) -> None:
    """Refuse bytes that are not plain UTF-8 XML 1.0 without a document type. Constant memory, one pass, no copy.

    Raises `SchemaError(malformed=True)`: `xml-empty`, `xml-too-large`, `xml-encoding`, `xml-nul`, `xml-version`,
    `xml-doctype`, `xml-malformed`. One UTF-8 byte order mark is tolerated, because the field sends it.

    The rule for DOCTYPE: a document type can stand nowhere but before the root element, so the prolog is walked as
    XML reads it (declaration, white space, comments, processing instructions), up to the first start tag. The text
    `<!DOCTYPE` in a comment or CDATA section is only text; in content it is not well-formed and the parser refuses it.
    """
    size = len(raw)
    if size == 0:
        raise refusal("xml-empty", "there are no bytes")
    if size > limits.max_bytes:
        raise refusal("xml-too-large", f"{size} bytes, at most {limits.max_bytes} are accepted")
    _check_text(raw, size)
    _check_prolog(raw)


def _check_text(raw: Raw, size: int) -> None:
    head = bytes(raw[:4])
    if head.startswith(_WIDE) or b"\0" in head[:2]:
        raise refusal("xml-encoding", "only UTF-8 is accepted, this looks like UTF-16 or UTF-32")
    if head.startswith(_GZIP):
        raise refusal("xml-encoding", "the bytes are compressed, only plain XML is accepted")
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    for start in range(0, size, _PIECE):
        piece = bytes(raw[start : start + _PIECE])
        if b"\0" in piece:
            raise refusal("xml-nul", "there is a NUL byte")
        try:
            if not piece.isascii() or decoder.getstate()[0]:
                decoder.decode(piece)
        except UnicodeDecodeError:
            raise refusal("xml-encoding", "the bytes are not valid UTF-8") from None
    if decoder.getstate()[0]:
        raise refusal("xml-encoding", "the bytes end inside a UTF-8 character")


def _check_prolog(raw: Raw) -> None:
    at = len(_BOM) if bytes(raw[: len(_BOM)]) == _BOM else 0
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


def _check_declaration(raw: Raw, at: int) -> int:
    declaration = _DECLARATION.match(raw, at)
    if declaration is None:
        raise refusal("xml-malformed", "the XML declaration is not well-formed")
    if declaration["version"][1:-1] != b"1.0":
        raise refusal("xml-version", "only XML 1.0 is accepted")
    encoding = declaration["encoding"]
    if encoding is not None and encoding[1:-1].upper() != b"UTF-8":
        raise refusal("xml-encoding", "another encoding than UTF-8 is declared, only UTF-8 is accepted")
    return declaration.end()
