"""A place in a package that is being read: finds values by local name, and collects what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from lxml import etree

from schemas.codes import AgencyCode, CodeError
from schemas.dates import read_date, read_timestamp
from schemas.errors import Violation
from schemas.names import NAMESPACE, OURS, SIGNATURES, is_element, split
from schemas.outline import Outline

Names = Mapping[str, object]

Node = etree._Element | Outline | str
"""An element: one of a tree, or what the outline of one says of it."""

SPACE: Final = " \t\r\n"
"""XML white space. Nothing else is trimmed: not the no-break space, not full-width blanks."""

NULL: Final = frozenset({"null", "NULL"})
"""What some systems write where they have no agency code (seen in a trace header of 2025)."""

_OURS: Final = f"{{{NAMESPACE}}}"
_BEHIND: Final = len(_OURS)
_STRING: Final = etree.XPath("string()")
_FLAGS: Final = {"1": True, "true": True, "0": False, "false": False}
_MAX_DIGITS: Final = 9


@dataclass(slots=True)
class Findings:
    """What was found wrong (`violations`: the package is refused) or merely odd (`notes`) while reading.

    Neither ever quotes the package; names of unknown elements are the one exception, cut to 64 characters.
    """

    violations: dict[Violation, None] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    places: list[tuple[str, Names, Names]] = field(default_factory=list)
    """Of each place its path, its children by name, and what was asked for: not itself, which holds us."""

    def refuse(self, code: str, path: str, detail: str) -> None:
        self.violations[Violation(code, path, detail)] = None

    def note(self, code: str, path: str, detail: str) -> None:
        self.notes[str(Violation(code, path, detail))] = None

    def close(self) -> None:
        """Note the elements that nobody asked for, once everything has been read."""
        for path, children, asked in self.places:
            if len(asked) < len(children):
                for name in children:
                    if name not in asked and name not in SIGNATURES:
                        self.note("unknown-element", _under(path, name[:64]), "not read")


class Place:
    """One element with its children by local name, and its path for messages.

    Order and prefix do not matter, and an empty element counts as absent. White space around a value is layout and
    dropped; around an identifier, that is noted. Only the whole string value counts, never a part before a comment.
    """

    __slots__ = ("_asked", "_children", "_node", "findings", "path")

    _children: Mapping[str, Sequence[Node]]

    def __init__(self, node: Node, path: str, findings: Findings) -> None:
        self._node, self.path, self.findings = node, path, findings
        asked: dict[str, None] = {}
        self._asked = asked
        if isinstance(node, dict):
            self._children = node
        else:
            self._children, stray = ({}, node) if isinstance(node, str) else self._filed(node)
            if stray and stray.strip(SPACE):
                findings.refuse("mixed", path, "there is text where only elements may stand")
        findings.places.append((path, self._children, asked))

    def _filed(self, element: etree._Element) -> tuple[dict[str, list[etree._Element]], str]:
        """The children of an element of a tree by local name, and the text around them."""
        children: dict[str, list[etree._Element]] = {}
        stray = element.text or ""
        for child in element:
            if tail := child.tail:
                stray += tail
            tag = child.tag
            if isinstance(tag, str):
                name = tag[_BEHIND:] if tag.startswith(_OURS) else self._odd(child)
                if name is None:
                    continue
                if name in children:
                    children[name].append(child)
                else:
                    children[name] = [child]
        return children, stray

    def _odd(self, child: etree._Element) -> str | None:
        """The name under which a child outside our namespace is read, if it is."""
        namespace, name = split(child)
        if name in SIGNATURES:
            return None
        if namespace not in OURS:
            self.findings.refuse("foreign-namespace", self.path, "there is an element of another namespace")
            return None
        if namespace != NAMESPACE:
            self.findings.note("no-namespace", "", "elements outside the namespace of QCVN 102:2016 are read as in it")
        return name

    def elements(self, *names: str) -> Sequence[Node]:
        """Every child with one of these local names, in document order.

        An outline does not tell the order of different names; of those that were meant for one, one is `repeated`.
        """
        found = [children for children in map(self._named, names) if children]
        if len(found) < 2:
            return found[0] if found else ()
        if isinstance(self._node, etree._Element):
            return [child for child in self._node if is_element(child) and split(child)[1] in names]
        return [child for children in found for child in children]

    def several(self, name: str) -> list[Place]:
        """The children with this name that say anything."""
        elements = self._named(name)
        if not elements:
            return []
        path = self._under(name)
        return [Place(e, path, self.findings) for e in elements if _says(e)]

    def one(self, name: str, *others: str, required: bool = False) -> Place | None:
        """The child with one of these names: `repeated` when there are two, `missing` when it is required."""
        if name not in self._children and not (others or required):  # as mostly
            return None
        element = self._single(name, others)
        if element is None or not _says(element):
            if required:
                self._absent(name)
            return None
        return Place(element, self._under(name), self.findings)

    def text(self, name: str, *others: str, required: bool = False) -> str | None:
        """The value of the child with one of these names; `None` when absent or empty."""
        if name not in self._children and not (others or required):
            return None
        element = self._single(name, others)
        value = None if element is None else self._value(element, name).strip(SPACE) or None
        if value is None and required:
            self._absent(name)
        return value

    def values(self, *names: str) -> list[str | None]:
        """The `text` of each of these names."""
        children = self._children
        return [self.text(name) if name in children else None for name in names]

    def texts(self, name: str) -> tuple[str, ...]:
        """The values of all children with this name, empty ones left out."""
        values = (self._value(e, name).strip(SPACE) for e in self._named(name))
        return tuple(value for value in values if value)

    def identifier(self, name: str, required: bool = False) -> str | None:
        """Like `text`, for values that are compared: dropped white space is noted."""
        element = self._single(name)
        value = None
        if element is not None:
            told = self._value(element, name)
            value = told.strip(SPACE) or None
            if value != told:
                self._note_trimmed(told, name)
        if value is None and required:
            self._absent(name)
        return value

    def code(self, name: str, required: bool = False) -> AgencyCode | None:
        """An agency code: `agency-code` when the text is none. The word null counts as absent."""
        text = self.identifier(name)
        if text is None or text in NULL:
            if required:
                self._absent(name)
            return None
        return self._agency(text, name)

    def codes(self, name: str) -> tuple[AgencyCode, ...]:
        for element in self._named(name):
            self._note_trimmed(_first_text(element), name)
        found = (self._agency(text, name) for text in self.texts(name) if text not in NULL)
        return tuple(code for code in found if code is not None)

    def day(self, name: str) -> date | None:
        """A date; one that cannot be read is `None` with a note."""
        text = self.text(name)
        value = None if text is None else read_date(text)
        if text is not None and value is None:
            self.note("date", name, "is not a date that exists, read as absent")
        return value

    def moment(self, name: str) -> datetime | None:
        """A timestamp in Vietnam time; one that cannot be read is `None` with a note."""
        text = self.text(name)
        value = None if text is None else read_timestamp(text)
        if text is not None and value is None:
            self.note("date", name, "is not a time that exists, read as absent")
        return value

    def number(self, name: str) -> int | None:
        """A whole number of at most nine digits; anything else is `None` with a note."""
        text = self.text(name)
        if text is None:
            return None
        if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS:
            return int(text)
        self.note("number", name, "is not a whole number, read as absent")
        return None

    def flag(self, name: str) -> bool | None:
        """0, 1, true or false; anything else is `None` with a note."""
        text = self.text(name)
        value = None if text is None else _FLAGS.get(text.lower())
        if text is not None and value is None:
            self.note("flag", name, "is none of 0, 1, true, false, read as absent")
        return value

    def attribute(self, name: str) -> str:
        """The value of the attribute of this local name, in whatever namespace; empty where there is none."""
        if not isinstance(self._node, etree._Element):
            return ""
        return next((str(value) for key, value in self._node.items() if str(key).rpartition("}")[2] == name), "")

    def note(self, code: str, name: str, detail: str) -> None:
        self.findings.note(code, self._under(name), detail)

    def refuse(self, code: str, name: str, detail: str) -> None:
        self.findings.refuse(code, self._under(name), detail)

    def _under(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name

    def _named(self, name: str) -> Sequence[Node]:
        found = self._children.get(name)
        if found is None:
            return ()
        self._asked[name] = None
        return found

    def _single(self, name: str, others: tuple[str, ...] = ()) -> Node | None:
        found = self.elements(name, *others) if others else self._named(name)
        if not found:
            return None
        if len(found) > 1:
            self.refuse("repeated", name, "may stand here only once")
        return found[0]

    def _absent(self, name: str) -> None:
        self.refuse("missing", name, "is required")

    def _value(self, element: Node, name: str) -> str:
        if isinstance(element, str):
            return element
        if len(element) == 0:
            return _first_text(element)
        if isinstance(element, dict) or any(is_element(child) for child in element):
            self.refuse("mixed", name, "there are elements where only a value may stand")
            return ""
        return _whole(element)

    def _agency(self, text: str, name: str) -> AgencyCode | None:
        try:
            return AgencyCode.parse(text)
        except CodeError as error:
            self.refuse("agency-code", name, str(error))
            return None

    def _note_trimmed(self, text: str, name: str) -> None:
        if text.strip(SPACE) not in (text, ""):
            self.note("white-space", name, "white space around the value was dropped")


def _under(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def holds_elements(element: Node) -> bool:
    """Say whether it is more than a value."""
    return not isinstance(element, str) and len(element) > 0


def _first_text(element: Node) -> str:
    """What stands in it before anything else."""
    if isinstance(element, str):
        return element
    return "" if isinstance(element, dict) else element.text or ""


def _says(element: Node) -> bool:
    """Say whether there is any text in it. The first leaf nearly always has some."""
    if isinstance(element, str):
        return bool(element.strip(SPACE))
    if isinstance(element, dict):
        for children in element.values():
            for child in children:
                if child.strip(SPACE) if isinstance(child, str) else _says(child):
                    return True
        return False
    first = element
    while len(first):
        first = first[0]
    if isinstance(first.tag, str) and (first.text or "").strip(SPACE):
        return True
    return bool(_whole(element))


def _whole(element: etree._Element) -> str:
    """The string value: all text in it, comments and processing instructions left out."""
    return str(_STRING(element)).strip(SPACE)
