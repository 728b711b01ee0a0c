"""Bounds on a parsed package that can be proved from its octets, for less than a walk through its tree costs."""

from __future__ import annotations

from codecs import BOM_UTF8
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from lxml import etree

from schemas.limits import XmlLimits

_NAME, _BEFORE, _OTHER = b"aw>"


def _kind(octet: int) -> int:
    if octet in b"< \t\r\n":
        return _BEFORE
    return _OTHER if octet in b">=\"'&;" else _NAME


_KINDS: Final = bytes(map(_kind, range(256)))
_DECLARED: Final = tuple(mark + b"<?xml%c" % space for mark in (b"", BOM_UTF8) for space in b" \t\r\n")


@dataclass(frozen=True, slots=True)
class Plain:
    """A document of elements and text only, within the limits of its tree. `octets` are what was parsed: every `<` in
    them begins a tag, but for that of the XML declaration.

    `ids` bounds how many attributes are an Id under any of the names in use: too many are counted, never too few.
    """

    ids: int
    octets: bytes


def plain(root: etree._Element, octets: bytes, limits: XmlLimits) -> Plain | None:
    """What can be proved about the document that `root` was parsed from; `None` proves nothing: somebody must walk.

    An attribute takes a `=`, which its name precedes; a name follows a `<` or white space and ends before anything that
    no name holds; an element takes four octets, one of them a `<`. Outside of comments, instructions and CDATA a `<`
    begins a tag, and each of those begins with a `<` of its own; an entity that XML defines is a character, and no
    other is well-formed.
    """
    if len(octets) > 4 * limits.elements and octets.count(b"<") > limits.elements:
        return None
    before = octets.split(b"=", limits.attributes + 1)
    if len(before) > limits.attributes + 1:
        return None
    names = b"=".join([text[-2:] for text in before])
    if b"se=" in names or b" =" in names or b"\n=" in names or b"\t=" in names or b"\r=" in names:
        return None  # perhaps xml:base, or white space before a `=`
    if _holds(octets, b"<!", 0) or _holds(octets, b"<?", _behind_declaration(octets)):
        return None  # comments, instructions, and CDATA: its text may look like tags
    if b"w" + b"a" * (limits.name_length + 1) in octets.translate(_KINDS) or _too_deep(limits.depth)(root):
        return None
    return Plain(names.count(b"Id=") + names.count(b"ID=") + names.count(b"id="), octets)


def _holds(octets: bytes, mark: bytes, start: int) -> bool:
    """Say whether the two octets of `mark` stand there. The second one alone, which is rare, is found much faster."""
    return octets.find(mark[1:], start) >= 0 and octets.find(mark, start) >= 0


def _behind_declaration(octets: bytes) -> int:
    return octets.find(b"?>") + 2 if octets.startswith(_DECLARED) else 0


@lru_cache(maxsize=8)
def _too_deep(depth: int) -> etree.XPath:
    """Relative to the root, so that a level less is asked for."""
    return etree.XPath(f"boolean({'/'.join('*' * depth)})", regexp=False, smart_strings=False)
