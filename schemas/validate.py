"""Validates our own strict form against the packaged XSD."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from threading import Lock
from types import MappingProxyType
from typing import Final, cast

from lxml import etree

from schemas.errors import Violation
from schemas.limits import XmlLimits
from schemas.names import BODY, ENVELOPE, HEADER, ROOT, is_element, local
from schemas.xml import parse_xml

_STEP: Final = re.compile(r"/(?:[^/:\[\]]+:)?([^/:\[\]]+)(?:\[([0-9]+)\])?")
_FRAME: Final = frozenset({*ROOT, *ENVELOPE, *HEADER, *BODY})
_TYPES: Final = etree.ErrorTypes
_DETAILS: Final[Mapping[int, str]] = MappingProxyType(
    {
        _TYPES.SCHEMAV_ELEMENT_CONTENT: "an element is missing, repeated, unknown or out of order here",
        _TYPES.SCHEMAV_CVC_ELT_1: "is not the root element of a package",
        _TYPES.SCHEMAV_CVC_PATTERN_VALID: "the value does not have the required form",
        _TYPES.SCHEMAV_CVC_MAXLENGTH_VALID: "the value is too long",
        _TYPES.SCHEMAV_CVC_MINLENGTH_VALID: "the value is empty",
        _TYPES.SCHEMAV_CVC_COMPLEX_TYPE_3_2_1: "there is an attribute that does not belong here",
    }
)
_OTHERWISE: Final = "does not follow the schema"
_LOCK: Final = Lock()


def validate(root: etree._Element) -> tuple[Violation, ...]:
    """List where a package departs from the one form that we write, as `schema`; nothing when it does not.

    Paths are local names; values of the package are never quoted. May be called from several threads.
    """
    with _LOCK:  # lxml keeps the errors of the last validation on the schema object
        schema = _compiled()
        if schema.validate(root):
            return ()
        errors = [(entry.type, entry.path) for entry in cast("Iterable[etree._LogEntry]", schema.error_log)]
    return tuple(dict.fromkeys(_violation(root, kind, path) for kind, path in errors))


def _violation(root: etree._Element, kind: int, path: str | None) -> Violation:
    return Violation("schema", "/".join(_names(root, path or "")), _DETAILS.get(kind, _OTHERWISE))


def _names(root: etree._Element, path: str) -> list[str]:
    """The local names along libxml2's path, which writes `*` for an element without a prefix; the frame left out."""
    element, names = root, [local(root)]
    for step in _STEP.findall(path)[1:]:
        name, index = step[0], int(step[1] or 1)
        alike = [child for child in element if is_element(child) and name in ("*", local(child))]
        if index > len(alike):
            break
        element = alike[index - 1]
        names.append(local(element))
    return [name for name in names if name not in _FRAME]


@cache
def _compiled() -> etree.XMLSchema:
    text = files("schemas").joinpath("xsd", "edxml-axis.xsd").read_bytes()
    return etree.XMLSchema(parse_xml(text, XmlLimits()).root)
