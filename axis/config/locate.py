"""Where each key and value of a TOML text stands, so that an error can name line and column.

`tomllib` decides what the text means; this scanner only walks the same text and notes places, when somebody asks for
one: a file without faults is not walked. `locate` raises `tomllib.TOMLDecodeError` for what is not TOML, so the scanner
may rely on it.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import Final

KeyPath = tuple[str | int, ...]
"""The way to a value: names of tables and keys, indexes of arrays."""

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_BLANK: Final = re.compile(r"[ \t]*")
_GAP: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_PLAIN: Final = re.compile(r"[^,\]}#\n]*")
_BASIC: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_LITERAL: Final = re.compile(r"'[^'\n]*'")
_LONG_BASIC: Final = re.compile(r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})', re.DOTALL)
_LONG_LITERAL: Final = re.compile(r"'''.*?'''(?:'{0,2})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Place:
    """A place for people: both count from 1, columns in characters."""

    line: int
    column: int


class Places:
    """The places of one text, which is TOML. `keys` and `values` hold offsets; a value has a beginning and an end."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def _scanned(self) -> _Scanner:
        scanner = _Scanner(self.text)
        scanner.document()
        return scanner

    @property
    def keys(self) -> dict[KeyPath, int]:
        return self._scanned.keys

    @property
    def values(self) -> dict[KeyPath, tuple[int, int]]:
        return self._scanned.values

    @cached_property
    def _begins(self) -> list[int]:
        """Where each line begins: with a hundred thousand agencies, counting them anew for each takes minutes."""
        return [0, *(found.end() for found in re.finditer("\n", self.text))]

    def of_key(self, path: KeyPath) -> Place:
        """Where the key itself stands; for what is not written, the nearest table above it, at last line 1."""
        while path:
            if path in self.keys:
                return self._place(self.keys[path])
            if path in self.values:
                return self._place(self.values[path][0])
            path = path[:-1]
        return Place(1, 1)

    def of_value(self, path: KeyPath) -> Place:
        """Where the value begins; for what has no value of its own (a table), the place of its key."""
        span = self.values.get(path)
        return self.of_key(path) if span is None else self._place(span[0])

    def knows(self, path: KeyPath) -> bool:
        """Say whether something is written at `path`."""
        return path in self.keys or path in self.values

    def line(self, number: int) -> str:
        """The text of a line, without its end."""
        lines = self.text.split("\n")
        return lines[number - 1].rstrip("\r") if number <= len(lines) else ""

    def _place(self, offset: int) -> Place:
        line = bisect_right(self._begins, offset)
        return Place(line, offset - self._begins[line - 1] + 1)


def locate(text: str) -> Places:
    """The place of every key and value of `text`."""
    tomllib.loads(text)
    return Places(text)


class _Scanner:
    """Walks valid TOML once. Each method begins at `self.at` and leaves it behind what it read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.keys: dict[KeyPath, int] = {}
        self.values: dict[KeyPath, tuple[int, int]] = {}
        self.arrays: dict[KeyPath, int] = {}

    def document(self) -> None:
        table: KeyPath = ()
        while True:
            self._skip(_GAP)
            if self.at >= len(self.text):
                return
            if self.text.startswith("[[", self.at):
                table = self._header(2)
            elif self.text[self.at] == "[":
                table = self._header(1)
            else:
                self._pair(table)

    def _header(self, brackets: int) -> KeyPath:
        """Read `[a.b]` or `[[a.b]]` and answer the path of the table that it opens."""
        begin = self.at
        self.at += brackets
        path: KeyPath = ()
        parts = self._key()
        for place, (part, _offset) in enumerate(parts):
            path = (*path, part)
            last = place == len(parts) - 1
            self.keys.setdefault(path, begin)
            if last and brackets == 2:
                self.arrays[path] = self.arrays.get(path, -1) + 1
            elif last:
                self.keys[path] = begin
            if path in self.arrays:
                path = (*path, self.arrays[path])
                self.keys.setdefault(path, begin)
        self.at += brackets
        return path

    def _pair(self, table: KeyPath) -> None:
        path = table
        for part, offset in self._key():
            path = (*path, part)
            self.keys.setdefault(path, offset)
        self.at += 1  # the equals sign
        self._skip(_BLANK)
        self._value(path)

    def _key(self) -> list[tuple[str, int]]:
        """Read a dotted key, with the offset of each part. Stops at `=` or `]`."""
        parts: list[tuple[str, int]] = []
        while True:
            self._skip(_BLANK)
            begin = self.at
            if self.text[begin] in "\"'":
                self._string()
                name = tomllib.loads(f"name = {self.text[begin : self.at]}")["name"]
            else:
                self._skip(_BARE)
                name = self.text[begin : self.at]
            parts.append((name, begin))
            self._skip(_BLANK)
            if self.text[self.at] != ".":
                return parts
            self.at += 1

    def _value(self, path: KeyPath) -> None:
        begin = self.at
        match self.text[begin]:
            case '"' | "'":
                self._string()
            case "[":
                self._array(path)
            case "{":
                self._inline_table(path)
            case _:
                self._skip(_PLAIN)
                self.at -= len(self.text[begin : self.at]) - len(self.text[begin : self.at].rstrip())
        self.values[path] = (begin, self.at)

    def _array(self, path: KeyPath) -> None:
        self.at += 1
        index = 0
        while True:
            self._skip(_GAP)
            if self.text[self.at] == "]":
                self.at += 1
                return
            self._value((*path, index))
            index += 1
            self._separator()

    def _inline_table(self, path: KeyPath) -> None:
        self.at += 1
        while True:
            self._skip(_GAP)
            if self.text[self.at] == "}":
                self.at += 1
                return
            self._pair(path)
            self._separator()

    def _separator(self) -> None:
        self._skip(_GAP)
        if self.text[self.at] == ",":
            self.at += 1

    def _string(self) -> None:
        for opening, pattern in (('"""', _LONG_BASIC), ("'''", _LONG_LITERAL), ('"', _BASIC), ("'", _LITERAL)):
            if self.text.startswith(opening, self.at):
                self._skip(pattern)
                return

    def _skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self.text, self.at)
        assert found is not None, "the text is valid TOML"
        self.at = found.end()
