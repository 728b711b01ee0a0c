"""The keys of one log, as its readers know them: verifier key strings of C2SP signed-note."""

from __future__ import annotations

from dataclasses import dataclass

from axis.log.checkpoint import MalformedCheckpoint, parse_checkpoint
from axis.log.heads import Head
from signing.note import NoteError, NoteKey, open_note, read_signatures


class ForeignNote(Exception):
    """Not a checkpoint signed by a key of this log. Nothing in it is to be believed."""


@dataclass(frozen=True, slots=True)
class LogKeys:
    """The key of a log, and those it had before. All have the log's origin as their name."""

    keys: tuple[NoteKey, ...]

    def __post_init__(self) -> None:
        if len({key.name for key in self.keys}) != 1:
            raise ValueError("the keys of a log have one name, which is its origin")

    @classmethod
    def parse(cls, vkey: str) -> LogKeys:
        """Read one verifier key, or several with white space between. `ValueError` if it is none."""
        return cls(tuple(map(NoteKey.parse, vkey.split())))

    @property
    def name(self) -> str:
        return self.keys[0].name

    def own_lines(self, note: str) -> str:
        """A note with the lines that stand under names of these keys, and none of others'. Nothing is verified."""
        text, lines = read_signatures(note) or ("", ())
        known = {(key.name, key.hash) for key in self.keys}
        return f"{text}\n" + "".join(one.line for one in lines if (one.name, one.hash) in known)

    def open(self, note: str) -> Head:
        """Check the signature, then read what was signed. `ForeignNote`."""
        opened = open_note(note, self.keys)
        if isinstance(opened, NoteError):
            raise ForeignNote(opened.value)
        try:
            return Head(parse_checkpoint(opened.text), note)
        except MalformedCheckpoint as error:
            raise ForeignNote(str(error)) from error


@dataclass(frozen=True, slots=True)
class Span:
    """`key` speaks for heads of sizes from `first` to `last`, both included; `None` where it has not ended."""

    key: NoteKey
    first: int = 0
    last: int | None = None

    def holds(self, size: int) -> bool:
        return self.first <= size and (self.last is None or size <= self.last)
