"""What a tree of canonical octets would say, without a tree: their elements by name, and texts.

For octets of which `schemas.layout` has proved the form: tags of one prefix without attributes, each closed by its own
name, that hold elements or a text. Nothing is checked here again.
"""

from __future__ import annotations

import re
from typing import Final

Outline = dict[str, list["Outline | str"]]
"""The elements that one holds by their local names, each in the order of the document."""

_TOKEN: Final = re.compile(r"<edXML:([A-Za-z]++)>(?:([^<]*+)(</)edXML:[A-Za-z]++>)?|</")
"""A start tag with the text and the end tag behind it, a start tag alone, or an end tag."""


def outline_of(octets: bytes) -> Outline:
    """What stands in the one element that `octets` are."""
    inside: Outline = {}
    around: list[Outline] = []
    for name, text, ended in _TOKEN.findall(octets.decode()):
        if ended:
            inside.setdefault(name, []).append(_resolved(text) if "&" in text else text)
        elif name:
            around.append(inside)
            below: Outline = {}
            inside.setdefault(name, []).append(below)
            inside = below
        elif around:  # what ends otherwise is the element itself
            inside = around.pop()
    return inside


def _resolved(text: str) -> str:
    """The three references that canonical octets have here."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
