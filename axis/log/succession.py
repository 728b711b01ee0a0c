"""Which key of a log speaks for which size: the changes that the log itself names.

An entry of kind `key-changed` names the key that signed so far and the one that signs from there on, and holds a
statement of both that both have signed. The round that adds it ends with it. So a key speaks for the heads of one run
of sizes; to the head that ends with the entry both put their names, and one is enough there.

A reader who has one key of the log by another way learns the others from here: no entry can name a successor that the
key before it has not signed for.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from axis.core.canonical import Json
from axis.core.model import EntryKind
from axis.log.checkpoint import MalformedCheckpoint
from axis.log.entries import BadEntry, read_entry
from axis.log.files import LogFolder
from axis.log.heads import Head
from axis.log.key import ForeignNote, LogKeys, Span
from axis.log.reading import leaves
from signing.note import NoteError, NoteKey, NoteSigner, open_note, sign_note

TITLE: Final = "axis/v1/log-key"
"""The first line of a statement. A statement has another second line than a checkpoint: it is never taken for one."""
_MARK: Final = f'"kind":"{EntryKind.KEY_CHANGED}"'.encode()
"""How an entry of a change must look, being canonical JSON. Others may hold it too, inside a text."""


class FormerKey(ForeignNote):
    """A head beyond the size at which its only known key had ended."""


@dataclass(frozen=True, slots=True)
class Change:
    """`key` signs in the place of `former`, from the head of `size` on, which ends with the entry that says so."""

    size: int
    former: NoteKey
    key: NoteKey


def change_facts(former: NoteSigner, key: NoteSigner) -> dict[str, Json]:
    """The facts of the entry by which `former` hands the log over to `key`."""
    statement = sign_note(_statement(former.verifier, key.verifier), former, key)
    return {"former": str(former.verifier), "key": str(key.verifier), "statement": statement}


def read_change(octets: bytes, index: int) -> Change | None:
    """The change that the entry at `index` makes, if it is one that both its keys have signed."""
    entry = read_entry(octets) if _MARK in octets else None
    if entry is None or isinstance(entry, BadEntry) or entry.kind is not EntryKind.KEY_CHANGED:
        return None
    said = [entry.facts.get(name) for name in ("former", "key", "statement")]
    try:
        former, key = (NoteKey.parse(text) if isinstance(text, str) else None for text in said[:2])
    except ValueError:
        return None
    if former is None or key is None or former == key or former.name != key.name or not isinstance(said[2], str):
        return None
    opened = open_note(said[2], (former, key))
    if isinstance(opened, NoteError) or len(opened.signed_by) != 2 or opened.text != _statement(former, key):
        return None
    return Change(index + 1, former, key)


def _statement(former: NoteKey, key: NoteKey) -> str:
    return f"{TITLE}\n{former}\n{key}\n"


def upto_change(leaves: Sequence[bytes]) -> int:
    """How many of `leaves` one round takes: it ends with an entry that changes the key."""
    return next((place for place, octets in enumerate(leaves, 1) if read_change(octets, 0)), len(leaves))


def changes(log: LogFolder, size: int, first: int = 0) -> Iterator[tuple[int, Change | None]]:
    """Index and meaning of each entry from `first` on that would change the key. `None` is one that changes nothing.

    `size` as `leaves`.
    """
    for index, octets in leaves(log, size, first):
        if _MARK in octets:
            entry = read_entry(octets)
            if not isinstance(entry, BadEntry) and entry.kind is EntryKind.KEY_CHANGED:
                yield index, read_change(octets, index)


def spans(given: Sequence[NoteKey], made: Sequence[Change]) -> Mapping[NoteKey, Span]:
    """Which key is believed for which sizes by a reader who has the `given` ones from elsewhere.

    `made` are the log's changes in their order. Only what is joined to a given key by changes counts. A given key that
    no change names speaks for every size: that is the reader's own word.
    """
    found: dict[NoteKey, Span] = {}
    for key in given:
        if key not in found:
            for span in _line(key, made):
                found.setdefault(span.key, span)
    return found


def used(span_of: Mapping[NoteKey, Span], change: Change) -> bool:
    """Whether a change is one of those that join the keys."""
    former, key = span_of.get(change.former), span_of.get(change.key)
    return former is not None and key is not None and former.last == key.first == change.size


def _line(key: NoteKey, made: Sequence[Change]) -> list[Span]:
    """The keys before and after `key`, each with its sizes. None comes back."""
    line: list[Change] = []
    known, before = {key}, key
    left = next((one.size for one in made if one.former == key), None)
    named = next((one for one in made if one.key == before and (left is None or one.size < left)), None)
    while named is not None and named.former not in known:
        line.insert(0, named)
        known.add(before := named.former)
        upto = named.size
        named = next((one for one in made if one.key == before and one.size < upto), None)
    after, since = key, line[-1].size if line else 0
    for one in made:
        if one.former == after and one.size > since and one.key not in known:
            line.append(one)
            known.add(after := one.key)
            since = one.size
    ends = [one.size for one in line]
    return [
        Span(named_key, first, last)
        for named_key, first, last in zip(
            [*(one.former for one in line[:1]), *(one.key for one in line)] or [key],
            [0, *ends],
            [*ends, None],
            strict=True,
        )
    ]


def present_key(heads: Sequence[Head]) -> tuple[str, int]:
    """The id of the key that signed the last of `heads`, and the size since which it did, by what their notes say.

    Nothing is verified: for those who know that they are whole, and want to see which key it is.
    """
    present, since = "", 0
    for head in reversed(heads):
        own = f"— {head.checkpoint.origin} "
        lines = [line.removeprefix(own) for line in head.note.split("\n")[4:] if line.startswith(own)]
        named = [base64.b64decode(line)[:4].hex() for line in lines]
        present = present or (named[-1] if named else "")
        if present not in named:
            break
        since = head.checkpoint.size
    return present, since


class Succession:
    """The keys of one log, as far as its entries were read: what a reader opens its heads with."""

    def __init__(self, log: LogFolder, given: LogKeys) -> None:
        self._log = log
        self._given = given
        self._read = 0
        self._made: list[Change] = []
        self._all: list[tuple[int, Change | None]] = []
        self._spans = spans(given.keys, ())

    @property
    def name(self) -> str:
        return self._given.name

    @property
    def line(self) -> tuple[Span, ...]:
        """The keys in their order."""
        return tuple(sorted(self._spans.values(), key=lambda span: span.first))

    def open(self, note: str) -> Head:
        """Check the signature, and that its key speaks for that size. `ForeignNote`, `FormerKey`."""
        try:
            head = Head.read(note)
        except MalformedCheckpoint as error:
            raise ForeignNote(str(error)) from error
        size = head.checkpoint.size
        self._learn(size)
        opened = open_note(note, tuple(self._spans))
        if isinstance(opened, NoteError):
            raise ForeignNote(opened.value)
        by = [self._spans[key] for key in opened.signed_by]
        if not any(span.holds(size) for span in by):
            last = max((span.last for span in by if span.last is not None and span.last < size), default=None)
            if last is None:
                raise ForeignNote(f"signed by a key that speaks from size {by[0].first} on only")
            raise FormerKey(f"size {size}, signed by a key that ended at {last}")
        return head

    def strange(self) -> Iterator[int]:
        """The entries that say they change the key, and do not: nobody who could has signed for it."""
        for index, change in self._all:
            if change is None or not used(self._spans, change):
                yield index

    def _learn(self, size: int) -> None:
        if size <= self._read:
            return
        found = list(changes(self._log, size, self._read))
        self._read = size
        if found:
            self._all += found
            self._made += [change for _, change in found if change is not None]
            self._spans = spans(self._given.keys, self._made)
