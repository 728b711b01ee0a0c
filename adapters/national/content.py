"""Reads the answer of `getEdoc` piece by piece: JSON with one very long base64 text in it, never held as a whole."""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import AsyncIterator, Mapping
from typing import Final

_DATA: Final = re.compile(rb'(?<!\\)"data"\s{0,8}:\s{0,8}"')
_LONGEST_DATA: Final = 32
_SPACE: Final = b" \t\r\n\v\f"
_LONGEST_ESCAPE: Final = 6  # \u003d: some servers write = so

MAX_REST: Final = 64 * 1024
"""Bound on everything in the answer besides the text."""


class BadAnswer(Exception):
    """The other side's answer cannot be understood."""


class Content:
    """One answer: `pieces` gives the decoded octets; `rest` is the answer without them, known after the last piece.

    Whether the call succeeded may stand behind the text, so what was decoded counts only after `rest` was looked at.
    """

    def __init__(self, answer: AsyncIterator[bytes]) -> None:
        self._answer = answer
        self.rest: Mapping[str, object] = {}

    async def pieces(self) -> AsyncIterator[bytes]:
        """Decoded octets, in pieces of about the size they come in. `BadAnswer` when it is not such an answer."""
        head, text = await self._head()
        decoder = _Base64()
        while text is not None:
            end = _end_of(text)
            if end is not None:
                yield decoder.feed(_unescape(text[:end])) + decoder.finish()
                head += text[end:]
                _check_rest(head)
                break
            kept = _escape_at_end(text)
            yield decoder.feed(_unescape(text[: len(text) - kept]))
            following = await anext(self._answer, None)
            if following is None:
                raise BadAnswer("the answer ends inside the text")
            text = text[len(text) - kept :] + following
        async for piece in self._answer:
            head += piece
            _check_rest(head)
        self.rest = read_object(bytes(head))

    async def _head(self) -> tuple[bytearray, bytes | None]:
        """Everything up to the text, and what came of the text so far; `None` when there is none."""
        head = bytearray()
        async for piece in self._answer:
            before = len(head)
            head += piece
            found = _DATA.search(head, max(0, before - _LONGEST_DATA))
            if found is not None:
                text = bytes(head[found.end() :])
                del head[found.end() :]
                return head, text
            _check_rest(head)
        return head, None


def read_object(octets: bytes) -> Mapping[str, object]:
    """A JSON object. `BadAnswer` for anything else."""
    try:
        tree = json.loads(octets)
    except (ValueError, RecursionError):
        tree = None
    if not isinstance(tree, dict):
        raise BadAnswer("the answer is not a JSON object")
    return tree


class _Base64:
    """Decodes base64 that comes in pieces. Line breaks are skipped; anything else foreign is `BadAnswer`."""

    def __init__(self) -> None:
        self._held = b""
        self._ended = False

    def feed(self, piece: bytes) -> bytes:
        text = self._held + piece.translate(None, _SPACE)
        whole = len(text) - len(text) % 4
        self._held = text[whole:]
        return self._decode(text[:whole])

    def finish(self) -> bytes:
        """The last octets; padding may be missing."""
        held, self._held = self._held, b""
        return self._decode(held + b"=" * (-len(held) % 4))

    def _decode(self, text: bytes) -> bytes:
        if not text:
            return b""
        if self._ended:
            raise BadAnswer("there is base64 behind its padding")
        self._ended = text.endswith(b"=")
        try:
            return binascii.a2b_base64(text, strict_mode=True)
        except binascii.Error:
            raise BadAnswer("the text is not base64") from None


def _end_of(text: bytes) -> int | None:
    """Where the text ends: the first quotation mark that is not escaped (base64 has none that is)."""
    at = text.find(b'"')
    return None if at < 0 else at


def _escape_at_end(text: bytes) -> int:
    """How many octets at the end may be the beginning of an escape."""
    at = text.rfind(b"\\", max(0, len(text) - _LONGEST_ESCAPE + 1))
    return 0 if at < 0 else len(text) - at


def _unescape(text: bytes) -> bytes:
    if b"\\" not in text:
        return text
    try:
        plain: str = json.loads(b'"' + text + b'"', strict=False)
        return plain.encode("ascii")
    except ValueError:
        raise BadAnswer("the text is not base64") from None


def _check_rest(head: bytearray) -> None:
    if len(head) > MAX_REST:
        raise BadAnswer("the answer is too long")
