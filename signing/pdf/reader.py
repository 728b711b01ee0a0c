"""pyHanko's PDF reader within bounds. Imported when the first PDF is judged, because pyHanko takes its time.

pyHanko reads honest files well and was not made for a time limit: a cross-reference stream of a few octets may announce
a thousand million objects, a comment at the end of an object stream is read for ever, and the comparison of revisions
follows every path to every object. Every read and every visit costs a step here, and steps run out.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from pyhanko.pdf_utils import generic, misc
from pyhanko.pdf_utils.decode_limits import (
    DEFAULT_PURPOSE_LIMITS,
    DecodeLimits,
    DecodePurpose,
    DocumentDecodeBudget,
    StreamDecodeLimits,
)
from pyhanko.pdf_utils.reader import (
    HistoricalResolver,
    PdfFileReader,
    process_data_at_eof,
)
from pyhanko.pdf_utils.rw_common import PdfHandler
from pyhanko.pdf_utils.xref import XRefBuilder, XRefSection, XRefSectionType

from signing.pdf.policy import PdfLimits

_WIDEST: Final = 8
_TOKEN_PIECE: Final = 16
_VISIT: Final = 24


class Exhausted(Exception):
    """The document costs more than one document may. Derived from nothing that pyHanko catches on its way."""


class Steps:
    """How much work is left. Once it has run out it stays so, whoever swallowed the exception."""

    __slots__ = ("left",)

    def __init__(self, most: int) -> None:
        self.left = most

    def spend(self, amount: int = 1) -> None:
        self.left -= amount
        if self.left < 0:
            raise Exhausted("steps")


class Metered(BytesIO):
    """Octets of which every read costs a step, and a long token more: pyHanko joins the pieces of a number one by one,
    so that five million digits took it 55 s."""

    def __init__(self, octets: bytes, steps: Steps) -> None:
        super().__init__(octets)
        self._steps = steps
        self._pieces = 0

    def read(self, size: int | None = -1, /) -> bytes:
        steps = self._steps
        if size == _TOKEN_PIECE:
            self._pieces += 1
            steps.left -= 1 + (self._pieces >> 6)
        else:
            self._pieces = 0
            steps.left -= 1
        if steps.left < 0:
            raise Exhausted("steps")
        return super().read(size)


@dataclass(frozen=True, slots=True)
class Survey:
    """Cross-reference sections, oldest first, and for each the place behind all that belongs to it: its trailer, and
    its second table where it has one."""

    sections: list[Any]
    ends: tuple[int, ...]


def survey(octets: bytes, steps: Steps, limits: PdfLimits) -> Survey:
    """Read the chain of cross-reference sections once with every size checked.

    Before the real reader, which believes what a section announces and compares every section with every other. Raises
    `Exhausted`, or whatever pyHanko raises for a file that is none.
    """
    stream = Metered(octets, steps)
    stream.seek(-1, 2)
    surveyor = _Surveyor(stream, steps, limits, process_data_at_eof(stream))
    sections: list[Any] = surveyor.read_xrefs()  # type: ignore[no-untyped-call]
    objects = 0
    for section in sections:
        parts = [section.xref_data]
        if section.xref_data.hybrid is not None:
            parts.append(section.xref_data.hybrid.xref_data)
        for data in parts:
            objects += len(data.explicit_refs_in_revision)
            odd = len(data.freed) + sum(1 for _ in data.higher_generation_refs())
            steps.spend(odd * len(sections))
    if objects > limits.most_objects:
        raise Exhausted(f"{objects} objects")
    return Survey(sections, tuple(reversed(surveyor.ends)))


class _Surveyor(XRefBuilder):
    def __init__(self, stream: Metered, steps: Steps, limits: PdfLimits, last_startxref: int) -> None:
        super().__init__(PdfHandler(), stream, strict=False, last_startxref=last_startxref)
        self._limits = limits
        self._seen = 0
        self._behind = 0
        self.ends: list[int] = []

    def _read_xref_table(self, declared_startxref: int) -> Any:
        self._count()
        self._behind = 0
        previous = super()._read_xref_table(declared_startxref)
        self.ends.append(max(self._behind, self.stream.tell()))
        return previous

    def _read_xref_stream(self, declared_startxref: int) -> Any:
        previous = super()._read_xref_stream(declared_startxref)
        self.ends.append(self._behind)
        return previous

    def _read_xref_stream_object(self) -> Any:
        self._count()
        ref, stream = super()._read_xref_stream_object()  # type: ignore[no-untyped-call]
        self._behind = self.stream.tell()
        widths = stream["/W"]
        pairs = stream.get("/Index") or [0, stream["/Size"]]
        if not isinstance(widths, list) or not isinstance(pairs, list):
            raise misc.PdfReadError("a cross-reference stream without sizes")
        sizes, numbers = [int(width) for width in widths], [int(number) for number in pairs]
        if min((*sizes, *numbers), default=-1) < 0 or max(sizes, default=0) > _WIDEST or len(numbers) % 2:
            raise misc.PdfReadError("a cross-reference stream of impossible sizes")
        if sum(numbers[1::2]) > self._limits.most_objects:
            raise Exhausted("objects announced")
        return ref, stream

    def _count(self) -> None:
        self._seen += 1
        # A hybrid file has two sections a revision.
        if self._seen > 2 * self._limits.most_revisions or len(self.sections) >= self._limits.most_revisions:
            raise Exhausted("revisions")


def is_hybrid(section: XRefSection) -> bool:
    """Say whether a section has two tables, one for old readers and one for new ones. Word writes such files."""
    return bool(section.meta_info.xref_section_type == XRefSectionType.HYBRID_MAIN)


class Reader(PdfFileReader):
    """A reader that pays for what it does, and reads every object stream once instead of once for each object.

    `section_ends` are those of the survey. `ends`: for each object that was read, by the place where it begins, the
    place behind it. `read_strictly` are the revisions all objects of which were read
    strictly.
    """

    def __init__(
        self, octets: bytes, steps: Steps, limits: PdfLimits, strict: bool, section_ends: tuple[int, ...]
    ) -> None:
        self.steps = steps
        self.section_ends = section_ends
        self.ends: dict[int, int] = {}
        self.read_strictly: set[int] = set()
        self._past: dict[int, Past] = {}
        self._containers: dict[int, tuple[Metered, list[tuple[int, int]]]] = {}
        xmp = StreamDecodeLimits(max_output_size=limits.most_metadata)
        decode = DecodeLimits(
            per_purpose={**DEFAULT_PURPOSE_LIMITS, DecodePurpose.XMP_METADATA: xmp},
            per_stream=StreamDecodeLimits(max_output_size=limits.most_decoded),
            document_budget=DocumentDecodeBudget(base_allowance=limits.most_decoded, max_ratio=1),
        )
        super().__init__(Metered(octets, steps), strict=strict, decode_limits=decode)

    def get_historical_resolver(self, revision: int) -> Past:
        past = self._past.get(revision)
        if past is None:
            past = self._past[revision] = Past(self, revision)
        return past

    def _read_object(self, ref: Any, marker: Any, never_decrypt: bool = False, as_metadata_stream: bool = False) -> Any:
        found = super()._read_object(ref, marker, never_decrypt, as_metadata_stream)
        if isinstance(marker, int):
            self.ends[marker] = self.stream.tell()
        return found

    def _get_object_from_stream(self, idnum: int, stmnum: int, idx: int) -> Any:
        """As in pyHanko, which decodes and scans the stream again for each object; always as strict."""
        content, places = self._container(stmnum)
        if not 0 <= idx < len(places) or places[idx][0] != idnum:
            raise misc.PdfStrictReadError("an object stream that does not have the object at its place")
        content.seek(places[idx][1])
        found = generic.read_object(content, generic.Reference(idnum, 0, self))
        if isinstance(found, generic.StreamObject | generic.IndirectObject):
            raise misc.PdfStrictReadError("an object stream with an object that may not be there")
        return found

    def _container(self, name: int) -> tuple[Metered, list[tuple[int, int]]]:
        known = self._containers.get(name)
        if known is not None:
            return known
        stream = generic.Reference(name, 0, self).get_object()
        if not isinstance(stream, generic.StreamObject) or stream["/Type"] != "/ObjStm":
            raise misc.PdfReadError("not an object stream")
        content = Metered(stream.data, self.steps)
        first, places = int(stream["/First"]), []
        for _ in range(int(stream["/N"])):
            numbers = []
            for _ in range(2):
                misc.read_non_whitespace(content, seek_back=True)  # type: ignore[no-untyped-call]
                number = generic.NumberObject.read_from_stream(content)  # type: ignore[no-untyped-call]
                numbers.append(int(number))
            places.append((numbers[0], first + numbers[1]))
        self._containers[name] = content, places
        return content, places


class Past(HistoricalResolver):
    """A revision as it was. Each visit to an object costs as many steps as there are values in it."""

    def __init__(self, reader: Reader, revision: int) -> None:
        super().__init__(reader, revision)
        # pyHanko gives every revision the whole budget for decoding again.
        self._decode_context = reader.decode_context
        self._steps = reader.steps
        self._weights: dict[Any, int] = {}

    def get_object(self, ref: Any, as_metadata_stream: bool = False) -> Any:
        found = super().get_object(ref, as_metadata_stream)
        self._steps.spend(_VISIT + self._weight(ref, found))
        return found

    def look_at(self, ref: Any) -> Any:
        """`get_object` for whoever looks at each object once: only its values are paid for."""
        found = super().get_object(ref)
        self._steps.spend(1 + self._weight(ref, found))
        return found

    def again(self, ref: Any) -> Any:
        """The object for whoever has paid for it, or pays for what he does with it."""
        return super().get_object(ref)

    def _weight(self, ref: Any, found: Any) -> int:
        weight = self._weights.get(ref)
        if weight is None:
            weight = self._weights[ref] = _values_in(found)
        return weight


def _values_in(value: Any) -> int:
    weight, waiting = 0, [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            weight += len(item)
            waiting.extend(item.values())
        elif isinstance(item, list):
            weight += len(item)
            waiting.extend(list.__iter__(item))
    return weight
