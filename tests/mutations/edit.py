"""A defence, switched off: an exact text of the product's source and what would stand there without the defence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """`text` stands exactly once in `file`."""

    file: str
    text: str
    replacement: str

    def applied(self, source: str) -> str:
        assert source.count(self.text) == 1, f"{self.file}: {self.text!r} stands there {source.count(self.text)} times"
        return source.replace(self.text, self.replacement)


@dataclass(frozen=True)
class Mutation:
    """What `defence` does, and the edits without which it is gone: one, or several where two doors stand in a row."""

    defence: str
    edits: tuple[Edit, ...]


def off(defence: str, file: str, *pairs: tuple[str, str]) -> Mutation:
    """A mutation within one file."""
    return Mutation(defence, tuple(Edit(file, text, replacement) for text, replacement in pairs))
