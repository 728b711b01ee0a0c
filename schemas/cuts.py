"""Large attachment contents are cut out of a package before it is parsed, so that no tree ever holds them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from lxml import etree

from schemas.gate import Raw

_OPEN: Final = re.compile(rb"<(?:[^<>/!?:=\s\"']{1,256}:)?ContentTransferEncoded(?:[ \t\r\n][^<>]*)?(?<!/)>")
_NAME: Final = re.compile(rb"ContentTransferEncoded")
_NEXT: Final = re.compile(rb"<")
_BASE64_TEXT: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/= \t\r\n"


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A package with placeholders where attachment contents were. `breaks`: line of each, line ends cut out there."""

    octets: bytes
    cuts: dict[str, bytes]
    breaks: tuple[tuple[int, int], ...] = ()

    def original_line(self, line: int) -> tuple[int, bool]:
        """The line of the package for a line of the skeleton, and whether the column is the package's too."""
        lost = sum(count for at, count in self.breaks if at <= line)
        return line + lost, all(at != line for at, _ in self.breaks)


def cut_attachments(raw: Raw, above: int) -> Skeleton:
    """Replace every base64 content longer than `above` bytes by a placeholder.

    A content is what stands between a `ContentTransferEncoded` start tag and the next `<`, and is cut only when it
    is base64 alphabet and white space. Looking at bytes, this can be fooled by comments, CDATA sections and
    attributes; `placed` must be asked after the parse, and sees it. The placeholder holds a hash of the whole package,
    so nobody can write a package that already contains it.
    """
    pieces: list[bytes] = []
    cuts: dict[str, bytes] = {}
    breaks: list[tuple[int, int]] = []
    marker, kept, line = "", 0, 1
    at = 0 if len(raw) > above and _NAME.search(raw) else len(raw)
    while (opened := _OPEN.search(raw, at)) is not None:
        start = opened.end()
        following = _NEXT.search(raw, start)
        end = at = following.start() if following else len(raw)
        if end - start <= above:
            continue
        content = bytes(raw[start:end])
        if content.translate(None, _BASE64_TEXT):
            continue
        marker = marker or f"axis-cut-{sha256(raw).hexdigest()}-"
        placeholder = f"{marker}{len(cuts)}"
        before = bytes(raw[kept:start])
        line += before.count(b"\n")
        breaks.append((line, content.count(b"\n")))
        pieces += (before, placeholder.encode())
        cuts[placeholder] = _as_xml_gives_it(content)
        kept = end
    if not cuts:
        return Skeleton(bytes(raw), cuts)
    return Skeleton(b"".join((*pieces, bytes(raw[kept:]))), cuts, tuple(breaks))


def placed(root: etree._Element, cuts: dict[str, bytes]) -> bool:
    """Say whether every placeholder is the whole text of one `ContentTransferEncoded`, in the order of the cuts."""
    if not cuts:
        return True
    found = [
        element.text
        for element in root.iter("{*}ContentTransferEncoded")
        if len(element) == 0 and element.text is not None and element.text in cuts
    ]
    return found == list(cuts)


def _as_xml_gives_it(content: bytes) -> bytes:
    if b"\r" not in content:
        return content
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
