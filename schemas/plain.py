"""Bounds on a parsed package that can be proved from its octets, for less than a walk through its tree costs."""

from __future__ import annotations

from codecs import BOM_UTF8
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


def is_plain(root: etree._Element, octets: bytes, limits: XmlLimits) -> bool:
    """Say whether the document that `root` was parsed from is proved to be of elements and text only, within the limits
    of a tree. Where it is not, somebody must walk.

    An attribute takes a `=`, which its name precedes; a name follows a `<` or white space and ends before anything that
    no name holds; an element takes four octets, one of them a `<`. Outside of comments, instructions and CDATA a `<`
    begins a tag, and each of those begins with a `<` of its own; an entity that XML defines is a character, and no
    other is well-formed.
    """
    if len(octets) > 4 * limits.elements and octets.count(b"<") > limits.elements:
        return False
    before = octets.split(b"=", limits.attributes + 1)
    if len(before) > limits.attributes + 1:
        return False
    names = b"=".join([text[-2:] for text in before])
    if b"se=" in names or b" =" in names or b"\n=" in names or b"\t=" in names or b"\r=" in names:
        return False  # perhaps xml:base, or white space before a `=`
    if _holds(octets, b"<!", 0) or _holds(octets, b"<?", _behind_declaration(octets)):
        return False  # comments, instructions, and CDATA: its text may look like tags
    long_name = b"w" + b"a" * (limits.name_length + 1) in octets.translate(_KINDS)
    return not long_name and not _too_deep(limits.depth)(root)


def _holds(octets: bytes, mark: bytes, start: int) -> bool:
    """Say whether the two octets of `mark` stand there. The second one alone, which is rare, is found much faster."""
    return octets.find(mark[1:], start) >= 0 and octets.find(mark, start) >= 0


def _behind_declaration(octets: bytes) -> int:
    return octets.find(b"?>") + 2 if octets.startswith(_DECLARED) else 0


@lru_cache(maxsize=8)
def _too_deep(depth: int) -> etree.XPath:
    """Relative to the root, so that a level less is asked for."""
    return etree.XPath(f"boolean({'/'.join('*' * depth)})", regexp=False, smart_strings=False)
