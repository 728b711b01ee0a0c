"""What a later signature draws on the pages that an earlier one signed.

Law wants the person's and the organisation's signature in one file, and the second is drawn over what the first signer
saw: a seal, or a white box with other words on it. Nobody can tell one from the other, so the verdict says where it is
drawn; and nobody's seal takes a quarter of a page.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.misc import PdfReadError

from signing.pdf.reader import Reader

LARGEST: Final = 0.25
"""So much of a page may be drawn over by those who sign later, all together. A seal with a signature takes 6 %."""
_MOST_DEEP: Final = 32
_MOST_WIDGETS: Final = 64
_VISIT: Final = 24
_Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A box in points, on a page counted from 1 (0: on none that a reader shows), and how much of it the box takes."""

    field: str
    page: int
    box: _Box
    share: float

    def __str__(self) -> str:
        left, low, right, high = self.box
        where = f"page {self.page}" if self.page else "no page"
        return f"{self.field} draws on {where}: {right - left:.0f} x {high - low:.0f} at {left:.0f}, {low:.0f}"


def drawn_by(reader: Reader, fields: Iterable[tuple[str, Any]]) -> tuple[Drawn, ...]:
    """What these signature fields (by name, as dictionaries) draw. `PdfReadError` and what else pyHanko raises."""
    pages = [*_pages(reader)]
    if not pages:
        raise PdfReadError("there are no pages")
    smallest = min(area for _, area, _ in pages)
    found = []
    for name, field in fields:
        for widget in _widgets(field):
            box = _box(widget, "/Rect")
            if box is None or not _area(box):
                continue
            number, area = next((one[:2] for one in pages if any(_is(widget, note) for note in one[2])), (0, smallest))
            found.append(Drawn(name[:64], number, box, _area(box) / area))
    return tuple(found)


def too_much(drawn: Iterable[Drawn]) -> bool:
    """Say whether of some page so much is drawn over that its text may be another one."""
    shares: dict[int, float] = defaultdict(float)
    for one in drawn:
        shares[one.page] += one.share
    return max(shares.values(), default=0.0) > LARGEST


def _widgets(field: Any) -> list[Any]:
    kids = field.get("/Kids", ())
    if len(kids) > _MOST_WIDGETS:
        raise PdfReadError("a field with more widgets than anybody draws")
    widgets = [kid.get_object() for kid in kids]
    if any("/Kids" in widget for widget in widgets):
        raise PdfReadError("widgets inside widgets")
    return [field, *widgets]


def _is(widget: Any, note: Any) -> bool:
    return widget is note or widget.container_ref == note.container_ref


def _pages(reader: Reader) -> Iterator[tuple[int, float, list[Any]]]:
    """Each page: its number, its area, and its annotations."""
    number = 0
    waiting: list[tuple[Any, _Box | None, int]] = [(reader.root["/Pages"], None, 0)]
    while waiting:
        node, box, deep = waiting.pop()
        if deep > _MOST_DEEP:
            raise PdfReadError("a tree of pages too deep")
        reader.steps.spend(_VISIT)
        box = _box(node, "/CropBox") or _box(node, "/MediaBox") or box
        if "/Kids" in node:
            waiting += [(kid.get_object(), box, deep + 1) for kid in reversed([*list.__iter__(node["/Kids"])])]
            continue
        number += 1
        if box is None or not _area(box):
            raise PdfReadError("a page without an area")
        notes = [note.get_object() for note in list.__iter__(node.get("/Annots", generic.ArrayObject()))]
        reader.steps.spend(len(notes))
        yield number, _area(box), [note for note in notes if isinstance(note, generic.DictionaryObject)]


def _box(holder: Any, name: str) -> _Box | None:
    found = holder.get(name)
    if found is None:
        return None
    left, low, right, high = (float(number) for number in found)
    return min(left, right), min(low, high), max(left, right), max(low, high)


def _area(box: _Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
