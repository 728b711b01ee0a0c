"""A place in a package that is being read: finds values by local name, and collects what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from lxml import etree

from schemas.codes import AgencyCode, CodeError
from schemas.dates import read_date, read_timestamp
from schemas.errors import Violation
from schemas.names import NAMESPACE, OURS, SIGNATURES, is_element, split

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
    places: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)
    """Of each place its path and the names of children that nobody asked for yet: not itself, which holds us."""

    def refuse(self, code: str, path: str, detail: str) -> None:
        self.violations[Violation(code, path, detail)] = None

    def note(self, code: str, path: str, detail: str) -> None:
        self.notes[str(Violation(code, path, detail))] = None

    def close(self) -> None:
        """Note the elements that nobody asked for, once everything has been read."""
        for path, left in self.places:
            for name in left:
                if name not in SIGNATURES:
                    self.note("unknown-element", _under(path, name[:64]), "not read")


class Place:
    """One element with its children by local name, and its path for messages.

    Order and prefix do not matter, and an empty element counts as absent. White space around a value is layout and
    dropped; around an identifier, that is noted. Only the whole string value counts, never a part before a comment.
    """

    __slots__ = ("_children", "_left", "element", "findings", "path")

    def __init__(self, element: etree._Element, path: str, findings: Findings) -> None:
        self.element = element
        self.path = path
        self.findings = findings
        self._children: dict[str, list[etree._Element]] = {}
        children = self._children
        stray = element.text or ""
        for child in element:
            if tail := child.tail:
                stray += tail
            tag = child.tag
            if isinstance(tag, str) and tag.startswith(_OURS):
                name = tag[_BEHIND:]
                if name in children:
                    children[name].append(child)
                else:
                    children[name] = [child]
            elif is_element(child):
                self._file(child)
        if stray and stray.strip(SPACE):
            findings.refuse("mixed", path, "there is text where only elements may stand")
        self._left = dict.fromkeys(children)
        findings.places.append((path, self._left))

    @classmethod
    def around(cls, child: etree._Element, path: str, findings: Findings) -> Place:
        """A place that holds `child` alone, wherever that stands."""
        place = cls.__new__(cls)
        place.element, place.path, place.findings = child, path, findings
        place._children, place._left = {}, {}
        place._file(child)
        return place

    def _file(self, child: etree._Element) -> None:
        namespace, name = split(child)
        if name in SIGNATURES:
            return
        if namespace not in OURS:
            self.findings.refuse("foreign-namespace", self.path, "there is an element of another namespace")
            return
        if namespace != NAMESPACE:
            self.findings.note("no-namespace", "", "elements outside the namespace of QCVN 102:2016 are read as in it")
        self._children.setdefault(name, []).append(child)

    def elements(self, *names: str) -> list[etree._Element]:
        """Every child with one of these local names, in document order."""
        found = []
        for name in names:
            children = self._children.get(name)
            if children is not None:
                self._left.pop(name, None)
                found.append(children)
        if len(found) < 2:
            return found[0] if found else []
        return [child for child in self.element if is_element(child) and split(child)[1] in names]

    def several(self, *names: str) -> list[Place]:
        """The children with one of these names that say anything."""
        elements = self.elements(*names)
        if not elements:
            return []
        path = self._under(names[0])
        return [Place(e, path, self.findings) for e in elements if _says(e)]

    def one(self, *names: str, required: bool = False) -> Place | None:
        """The child with one of these names: `repeated` when there are two, `missing` when it is required."""
        if not required and len(names) == 1 and names[0] not in self._children:  # as mostly
            return None
        element = self._single(names)
        if element is None or not _says(element):
            if required:
                self._absent(names[0])
            return None
        return Place(element, self._under(names[0]), self.findings)

    def text(self, *names: str, required: bool = False) -> str | None:
        """The value of the child with one of these names; `None` when absent or empty."""
        if not required and len(names) == 1 and names[0] not in self._children:
            return None
        element = self._single(names)
        value = None if element is None else self._value(element, names[0]).strip(SPACE) or None
        if value is None and required:
            self._absent(names[0])
        return value

    def values(self, *names: str) -> list[str | None]:
        """The `text` of each of these names."""
        children = self._children
        return [self.text(name) if name in children else None for name in names]

    def texts(self, *names: str) -> tuple[str, ...]:
        """The values of all children with one of these names, empty ones left out."""
        values = (self._value(e, names[0]).strip(SPACE) for e in self.elements(*names))
        return tuple(value for value in values if value)

    def identifier(self, *names: str, required: bool = False) -> str | None:
        """Like `text`, for values that are compared: dropped white space is noted."""
        element = self._single(names)
        value = None
        if element is not None:
            told = self._value(element, names[0])
            value = told.strip(SPACE) or None
            if value != told:
                self._note_trimmed(told, names[0])
        if value is None and required:
            self._absent(names[0])
        return value

    def code(self, *names: str, required: bool = False) -> AgencyCode | None:
        """An agency code: `agency-code` when the text is none. The word null counts as absent."""
        text = self.identifier(*names)
        if text is None or text in NULL:
            if required:
                self._absent(names[0])
            return None
        return self._agency(text, names[0])

    def codes(self, *names: str) -> tuple[AgencyCode, ...]:
        for element in self.elements(*names):
            self._note_trimmed(element.text or "", names[0])
        found = (self._agency(text, names[0]) for text in self.texts(*names) if text not in NULL)
        return tuple(code for code in found if code is not None)

    def day(self, *names: str) -> date | None:
        """A date; one that cannot be read is `None` with a note."""
        text = self.text(*names)
        value = None if text is None else read_date(text)
        if text is not None and value is None:
            self.note("date", names[0], "is not a date that exists, read as absent")
        return value

    def moment(self, *names: str) -> datetime | None:
        """A timestamp in Vietnam time; one that cannot be read is `None` with a note."""
        text = self.text(*names)
        value = None if text is None else read_timestamp(text)
        if text is not None and value is None:
            self.note("date", names[0], "is not a time that exists, read as absent")
        return value

    def number(self, *names: str) -> int | None:
        """A whole number of at most nine digits; anything else is `None` with a note."""
        text = self.text(*names)
        if text is None:
            return None
        if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS:
            return int(text)
        self.note("number", names[0], "is not a whole number, read as absent")
        return None

    def flag(self, *names: str) -> bool | None:
        """0, 1, true or false; anything else is `None` with a note."""
        text = self.text(*names)
        value = None if text is None else _FLAGS.get(text.lower())
        if text is not None and value is None:
            self.note("flag", names[0], "is none of 0, 1, true, false, read as absent")
        return value

    def note(self, code: str, name: str, detail: str) -> None:
        self.findings.note(code, self._under(name), detail)

    def refuse(self, code: str, name: str, detail: str) -> None:
        self.findings.refuse(code, self._under(name), detail)

    def _under(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name

    def _single(self, names: tuple[str, ...]) -> etree._Element | None:
        if len(names) == 1:
            name = names[0]
            found = self._children.get(name)
            if found is None:
                return None
            self._left.pop(name, None)
        else:
            found = self.elements(*names)
            if not found:
                return None
        if len(found) > 1:
            self.refuse("repeated", names[0], "may stand here only once")
        return found[0]

    def _absent(self, name: str) -> None:
        self.refuse("missing", name, "is required")

    def _value(self, element: etree._Element, name: str) -> str:
        if len(element) == 0:
            return element.text or ""
        if any(is_element(child) for child in element):
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


def _says(element: etree._Element) -> bool:
    """Say whether there is any text in it. The first leaf nearly always has some."""
    first = element
    while len(first):
        first = first[0]
    if isinstance(first.tag, str) and (first.text or "").strip(SPACE):
        return True
    return bool(_whole(element))


def _whole(element: etree._Element) -> str:
    """The string value: all text in it, comments and processing instructions left out."""
    return str(_STRING(element)).strip(SPACE)
