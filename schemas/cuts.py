"""Large attachment contents are cut out of a package before it is parsed, so that no tree ever holds them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from lxml import etree

from schemas.content import Content, Reader
from schemas.gate import Raw

_PREFIXED: Final = rb"<(?:[^<>/!?:=\s\"']{1,256}:)?ContentTransferEncoded"
_OPEN: Final = re.compile(_PREFIXED + rb"(?:[ \t\r\n][^<>]*)?(?<!/)>")
_BEGUN: Final = re.compile(_PREFIXED + rb"[ \t\r\n][^<>]*\Z")
_ANGLE: Final = re.compile(rb"[<>]")
_NAME: Final = b"ContentTransferEncoded"
_NAMED: Final = 300
"""A start tag whose first so many octets do not say that it is of a content is of something else."""


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A package with placeholders where attachment contents were."""

    octets: bytes
    cuts: Mapping[str, Content] = field(default_factory=dict)

    def original_line(self, line: int) -> tuple[int, bool]:
        """The line of the package for a line of the skeleton, and whether the column is the package's too."""
        exact, at = True, 0
        told = line
        for placeholder, content in self.cuts.items():
            at = self.octets.index(placeholder.encode(), at)
            here = self.octets.count(b"\n", 0, at) + 1
            if here <= line:
                told += sum(piece.count(b"\n") for piece in content.came())
                exact = exact and here != line
        return told, exact


class Scanner:
    """Finds in `raw`, which comes by pieces, every base64 content longer than `above` octets. For one use.

    A content is what stands between a `ContentTransferEncoded` start tag and the next `<`, and is cut only when it
    is base64 alphabet and white space. Looking at octets, this can be fooled by comments, CDATA sections and
    attributes; `placed` must be asked after the parse, and sees it.
    """

    def __init__(self, raw: Raw, above: int, most: int) -> None:
        """After `most` start tags of contents no more is looked for: nobody may have so many elements."""
        self._raw, self._above, self._left = raw, above, most
        self._came = 0
        self._begun = b""
        """A tag that may become one of a content."""
        self._attributes = b""
        """The last octet of such a tag, whose name was read and which has not ended."""
        self._reader: Reader | None = None
        self._found: list[Content] = []

    def take(self, piece: bytes) -> None:
        """The next octets of `raw`."""
        first, self._came = self._came - len(self._begun), self._came + len(piece)
        piece, self._begun = self._begun + piece if self._begun else piece, b""
        at = 0
        while self._reader is not None or (self._left > 0 and (at := self._opened(piece, at)) >= 0):
            end = piece.find(b"<", at)
            if self._reader is None:
                self._left -= 1
                if 0 <= end - at <= self._above:
                    at = end
                    continue
                self._reader = Reader(first + at, self._above)
            self._reader.take(piece[at : end if end >= 0 else None] if at or end >= 0 else piece)
            if end < 0:
                return
            self._finish()
            at = end

    def _opened(self, piece: bytes, at: int) -> int:
        """Where the next content begins in a piece, or -1 when what has begun of it is kept."""
        if self._attributes:
            angle = _ANGLE.search(piece, at)
            if angle is None:
                self._attributes = piece[-1:] or self._attributes
                return -1
            before = piece[angle.start() - 1 : angle.start()] or self._attributes
            self._attributes, at = b"", angle.start()
            if angle[0] == b">" and before != b"/":
                return angle.end()
        found = _OPEN.search(piece, at) if piece.find(_NAME, at) >= 0 else None
        if found is not None:
            return found.end()
        begun = piece.rfind(b"<", at)
        if begun >= 0 and piece.find(b">", begun) < 0:
            if len(piece) - begun <= _NAMED:
                self._begun = piece[begun:]
            elif _BEGUN.match(piece, begun):
                self._attributes = piece[-1:]
        return -1

    def _finish(self) -> None:
        assert self._reader is not None
        content = self._reader.content(self._raw)
        if content is not None:
            self._found.append(content)
        self._reader = None

    def skeleton(self, most: int) -> Skeleton:
        """The package without what was found; where more than `most` octets are left of it, the first of them and one.

        A placeholder holds a hash of the octets around the contents and of the contents, so nobody can write a package
        that already contains it.
        """
        if self._reader is not None:
            self._finish()
        around = [*self._around(most)]
        if not self._found:
            return Skeleton(b"".join(around)[: most + 1])
        mark = sha256()
        for piece in around:
            mark.update(b"%d " % len(piece))
            mark.update(piece)
        for content in self._found:
            told = content.decoded
            mark.update(b"%d-%d " % (content.start, content.end) + (told.sha256 if told else b""))
        name, cuts = f"axis-cut-{mark.hexdigest()}-", dict[str, Content]()
        pieces = [around[0]]
        for content, behind in zip(self._found, around[1:], strict=True):
            placeholder = f"{name}{len(cuts)}"
            cuts[placeholder] = content
            pieces += (placeholder.encode(), behind)
        return Skeleton(b"".join(pieces)[: most + 1], cuts)

    def _around(self, most: int) -> Iterator[bytes]:
        """What stands before, between and behind the contents; no more than the first `most` octets of it, and one."""
        starts = [0, *(content.end for content in self._found)]
        ends = [*(content.start for content in self._found), self._came]
        left = most + 1
        for start, end in zip(starts, ends, strict=True):
            octets = bytes(self._raw[start : min(end, start + left)])
            left -= len(octets)
            yield octets


def placed(root: etree._Element, cuts: Mapping[str, Content]) -> bool:
    """Say whether every placeholder is the whole text of one `ContentTransferEncoded`, in the order of the cuts."""
    if not cuts:
        return True
    found = [
        element.text
        for element in root.iter("{*}ContentTransferEncoded")
        if len(element) == 0 and element.text is not None and element.text in cuts
    ]
    return found == list(cuts)
