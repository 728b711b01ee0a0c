"""What of a signed document acts by itself when it is opened, or shows something else than what was drawn.

A signature says that the octets are those that were signed. A script, a form of XML or a layer that is switched off can
show something else tomorrow with the same octets (ISO 32000-1 §8.11, §12.6 and §12.7.8, source to confirm), and a file
inside may be anything. That is told and changes no outcome; where it was added after a signature, that is a change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.misc import PdfError

from signing.pdf.reader import Exhausted, Past, Reader

MOST_STEPS: Final = 300_000
"""What looking may cost beyond what judging may: a third of a second. Not all is looked at then, which is told."""

_ACTIONS: Final = frozenset(
    {
        "/GoToE",
        "/GoToR",
        "/Hide",
        "/ImportData",
        "/JavaScript",
        "/Launch",
        "/Movie",
        "/Rendition",
        "/ResetForm",
        "/RichMediaExecute",
        "/SetOCGState",
        "/Sound",
        "/SubmitForm",
    }
)
_NOTES: Final = frozenset({"/3D", "/Movie", "/RichMedia", "/Screen", "/Sound"})
_KEYS: Final[Mapping[str, str]] = MappingProxyType({"/JS": "JavaScript", "/XFA": "XFA", "/EF": "EmbeddedFiles"})
_ELSEWHERE: Final = frozenset(
    {
        "/AP",
        "/ByteRange",
        "/Contents",
        "/DR",
        "/DSS",
        "/Metadata",
        "/P",
        "/Parent",
        "/PieceInfo",
        "/Prev",
        "/Resources",
        "/StructTreeRoot",
        "/Thumb",
    }
)
"""What is drawn, what leads back, and what readers do not act on: nothing there is an action of anything."""


def active_content(reader: Reader) -> tuple[tuple[str, ...], bool]:
    """The kinds of active content in the latest revision, by their names in PDF, and whether all of it was looked at.

    Never raises for what stands in the file, and takes nothing of the steps that are left for judging.
    """
    steps = reader.steps
    left, steps.left = steps.left, MOST_STEPS
    kinds: set[str] = set()
    try:
        whole = _search(reader.get_historical_resolver(reader.total_revisions - 1), kinds)
    except Exhausted:
        whole = False
    finally:
        steps.left = left
    return tuple(sorted(kinds)), whole


def _search(past: Past, kinds: set[str]) -> bool:
    whole, seen = True, set[generic.Reference]()
    waiting: list[Any] = [past.trailer_view.raw_get("/Root")]
    while waiting:
        item = waiting.pop()
        if isinstance(item, generic.IndirectObject):
            if item.reference in seen:
                continue
            seen.add(item.reference)
            try:
                item = past.look_at(item.reference)
            except (PdfError, ValueError, KeyError, IndexError, TypeError, AttributeError, AssertionError):
                # What a reference to nothing leads to is nothing.
                whole = whole and past.reader.xrefs[item.reference] is None
                continue
            except RecursionError:
                whole = False
                continue
        if isinstance(item, dict):
            kinds.update(_kinds(item))
            waiting += [value for key, value in item.items() if key not in _ELSEWHERE]
        elif isinstance(item, list):
            waiting += list.__iter__(item)
    return whole


def _kinds(found: dict[str, Any]) -> Iterator[str]:
    action, note = found.get("/S"), found.get("/Subtype")
    if isinstance(action, generic.NameObject) and action in _ACTIONS:
        yield action[1:]
    if isinstance(note, generic.NameObject) and note in _NOTES:
        yield note[1:]
    yield from (kind for key, kind in _KEYS.items() if key in found)
    if "/OCGs" in found and "/D" in found:
        yield from _layers(found["/D"])


def _layers(shown: Any) -> Iterator[str]:
    """Layers that are not all shown, always."""
    if not isinstance(shown, dict) or shown.get("/OFF") or shown.get("/AS") or shown.get("/BaseState", "/ON") != "/ON":
        yield "OptionalContent"
