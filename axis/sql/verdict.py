"""A verdict as its row has it: read when somebody asks for a part of it.

Reading it takes eight times as long as the rest of a document's row, and who hands a document on, or looks whom it
concerns, never asks (ADR 0032).
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

import orjson

from axis.core.model import Document
from signing.verdict import Verdict, verdict_from_dict

_FIELDS: Final = tuple(field.name for field in fields(Verdict) if field.init)


def stored_verdict(text: str) -> Verdict:
    """The verdict of a row. Where that is damaged, the first look at it says `ValueError`, `KeyError`, `TypeError`."""
    verdict = object.__new__(_Stored)
    object.__setattr__(verdict, "_text", text)
    object.__setattr__(verdict, "_stored", b"")
    return verdict


def read_now(document: Document) -> Document:
    """The same document, its verdict read: what is damaged shows here and not later."""
    hash(document.verdict)
    return document


class _Stored(Verdict):
    """Its fields are empty until the first of them is asked for: only then does Python call `__getattr__`."""

    __slots__ = ("_text",)

    _text: str

    def __getattr__(self, name: str) -> Any:
        if name not in _FIELDS:
            raise AttributeError(name)
        read = verdict_from_dict(orjson.loads(self._text))
        for field in _FIELDS:
            object.__setattr__(self, field, getattr(read, field))
        return getattr(read, name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Verdict):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in _FIELDS)

    def __hash__(self) -> int:
        return super().__hash__()
