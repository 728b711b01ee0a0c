"""Where the signatures of a PDF are, which octets each covers, and what was changed after it.

pyHanko follows cross-references and compares revisions; that a signature covers what it must is checked here on the
octets themselves (ISO 32000-1 §12.8.1, source to confirm), because every game with ByteRange is played between what a
library computes and what the file says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.misc import PdfError, PdfStrictReadError
from pyhanko.sign.diff_analysis import (
    DEFAULT_DIFF_POLICY,
    ModificationLevel,
    SuspiciousModification,
)
from pyhanko.sign.fields import enumerate_sig_fields
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel

from signing.pdf.ahead import is_drawn_anew, named_ahead
from signing.pdf.behind import BLANK, written_behind
from signing.pdf.drawn import Drawn, drawn_by, too_much
from signing.pdf.policy import PdfLimits
from signing.pdf.reader import Exhausted, Reader, is_hybrid
from signing.pdf.verdict import Changes
from signing.refusal import Refused, beyond
from signing.verdict import Reason, SubIndication

_HEX: Final = re.compile(rb"(?:[0-9A-Fa-f]{2})+")
_CONTENTS: Final = re.compile(rb"/Contents[ \n\r\t\f\0]*\Z")
_MOST_NUMBER: Final = (1 << 53) - 1
"""Beyond, canonical JSON has no form for a number (RFC 8785 §3.2.2.3), and no file is that large."""
_MOST_WIDGETS: Final = 64
_BYTE_RANGE: Final = re.compile(rb"/ByteRange[ \n\r\t\f\0]*\[")


@dataclass(frozen=True, slots=True)
class Field:
    """A signature field with a value. `dictionary` is the signature dictionary, `value` the reference to it, `made` the
    revision that it was last changed in, counted from 0."""

    name: str
    field: Any
    value: Any
    dictionary: Any
    shared: bool
    made: int

    @property
    def sub_filter(self) -> str:
        return _text(self.dictionary, "/SubFilter")

    @property
    def is_timestamp(self) -> bool:
        return self.sub_filter == "/ETSI.RFC3161"


@dataclass(frozen=True, slots=True)
class Range:
    """A ByteRange that leaves out exactly the signature value: octets [0, left) and [right, end)."""

    left: int
    right: int
    end: int
    contents: bytes


@dataclass(frozen=True, slots=True)
class Form:
    """The signature fields of the latest revision, and names of those whose signature of an earlier one is gone."""

    filled: tuple[Field, ...]
    empty: tuple[str, ...]
    removed: tuple[str, ...]


def read_form(reader: Reader, limits: PdfLimits) -> Form:
    """Find every signature field, in all revisions, in the order in which the signatures were made."""
    filled: list[tuple[int, Field]] = []
    empty: list[str] = []
    seen: set[tuple[int, int]] = set()
    for name, value, field in enumerate_sig_fields(reader):
        if len(filled) + len(empty) > limits.most_signatures:
            raise Exhausted("signature fields")
        dictionary = field.get_object()
        value = value and dictionary.raw_get("/V")
        if not value:
            empty.append(str(name))
            continue
        reference = (value.idnum, value.generation) if isinstance(value, generic.IndirectObject) else None
        made = reader.xrefs.get_last_change(value.reference) if reference else 0
        content = value.get_object()
        filled.append((made, Field(str(name), dictionary, value, content, reference in seen, made)))
        if reference:
            seen.add(reference)
    filled.sort(key=lambda item: item[0])
    now = {_reference(field.value) for _, field in filled}
    removed = {name for revision in range(reader.total_revisions - 1) for name in _gone(reader, revision, now)}
    return Form(tuple(field for _, field in filled), tuple(empty), tuple(sorted(removed)))


def _gone(reader: Reader, revision: int, now: set[tuple[int, int] | None]) -> Iterator[str]:
    """Names of fields that were signed in an earlier revision and whose signature no field holds any more."""
    try:
        for name, _, field in enumerate_sig_fields(reader.get_historical_resolver(revision), filled_status=True):
            if _reference(field.get_object().raw_get("/V")) not in now:
                yield str(name)
    except (KeyError, PdfError):
        # The first section of a linearised file is no revision and has no catalogue of its own.
        return


def _reference(value: Any) -> tuple[int, int] | None:
    return (value.idnum, value.generation) if isinstance(value, generic.IndirectObject) else None


def stray_signatures(octets: bytes, form: Form) -> int:
    """How many signature dictionaries the octets seem to hold beyond those that fields hold."""
    return max(0, len(_BYTE_RANGE.findall(octets)) - len(form.filled))


def read_byte_range(field: Field) -> tuple[int, ...]:
    """The ByteRange as it stands in the file, empty where it is none: whole numbers that stand there themselves."""
    try:
        value = field.dictionary.raw_get("/ByteRange")
        items = [*list.__iter__(value)] if isinstance(value, list) and len(value) <= 64 else []
        whole = all(isinstance(item, generic.NumberObject) for item in items)
        numbers = tuple(map(int, items)) if whole else ()
        return () if any(abs(number) > _MOST_NUMBER for number in numbers) else numbers
    except (AttributeError, KeyError, TypeError, ValueError):
        return ()


def check_range(octets: bytes, field: Field, reader: Reader, limits: PdfLimits) -> Range:
    """The range of a signature, if it leaves out its own Contents and nothing else.

    `Refused`: STRUCTURE where the dictionary is not in order, COVERAGE where the range is not.
    """
    if not isinstance(field.dictionary, generic.DictionaryObject) or not isinstance(
        field.value, generic.IndirectObject
    ):
        raise Refused(Reason.STRUCTURE, "the value of the field is not a reference to a dictionary")
    if field.shared:
        raise Refused(Reason.STRUCTURE, "two fields with one signature")
    kind = _text(field.dictionary, "/Type") or "/Sig"
    if kind != ("/DocTimeStamp" if field.is_timestamp else "/Sig"):
        raise Refused(Reason.STRUCTURE, f"{kind} with SubFilter {field.sub_filter}")
    numbers = read_byte_range(field)
    if len(numbers) != 4:
        raise Refused(Reason.STRUCTURE, f"ByteRange of {len(numbers)} numbers", "four")
    start, left, right, length = numbers
    end = right + length
    if start != 0 or not 0 < left < right < end <= len(octets):
        raise _uncovered(f"ByteRange {list(numbers)} of {len(octets)} octets")
    hole = octets[left:right]
    if len(hole) > 2 * limits.most_contents + 2:
        raise beyond(f"{len(hole) // 2} octets of Contents", limits.most_contents)
    if hole[:1] != b"<" or hole[-1:] != b">" or not _HEX.fullmatch(hole, 1, len(hole) - 1):
        raise _uncovered("the gap in ByteRange is not one hexadecimal string")
    place = reader.xrefs[field.value.reference]
    if not isinstance(place, int) or not place < left:
        raise _uncovered("the gap in ByteRange is not in the signature dictionary")
    before = octets[place:left]
    if b"endobj" in before or not _CONTENTS.search(before[-64:]):
        raise _uncovered("the gap in ByteRange is not the dictionary's Contents")
    contents = bytes.fromhex(hole[1:-1].decode("ascii"))
    raw = field.dictionary.raw_get("/Contents", decrypt=generic.EncryptedObjAccess.RAW)
    if getattr(raw, "original_bytes", None) != contents:
        raise _uncovered("the gap in ByteRange is not the value that the dictionary has")
    return Range(left, right, end, contents)


def _uncovered(observed: str) -> Refused:
    return Refused(Reason.COVERAGE, observed, sub_indication=SubIndication.FORMAT_FAILURE)


class Coverage:
    """What a signature covers and what came after it, once its range is known to be in order."""

    def __init__(self, octets: bytes, reader: Reader, field: Field, spot: Range) -> None:
        self._octets, self._reader, self._field, self._spot = octets, reader, field, spot
        self._embedded = EmbeddedPdfSignature(reader, field.field, field.name)
        self.revision = int(self._embedded.signed_revision)
        self.level = self._embedded.evaluate_signature_coverage()
        # pyHanko sets this together with its own verdict, which takes a digest more; its types do not tell.
        self._embedded.coverage = self.level  # type: ignore[assignment]
        level = self._embedded.docmdp_level
        self.certification: int | None = None if level is None else int(level.value)

    @property
    def revision_is_covered(self) -> bool:
        return bool(self.level >= SignatureCoverageLevel.ENTIRE_REVISION)

    @property
    def file_is_covered(self) -> bool:
        return self._spot.end == len(self._octets)

    def changes(self, signed: Sequence[Field]) -> tuple[Changes, str]:
        """What was done after the signature. `signed` are the other fields with a signature, but for those that nobody
        answers for what they draw.

        A new field that nobody signed counts as filling in a form: anything can be drawn there. So does what other
        fields than those of signatures are drawn with, and a signature that is drawn over much of a page.
        """
        tail = self._octets[self._spot.end :]
        if not tail.strip(BLANK):
            return Changes.NONE, ""
        hidden = self._hidden(tail)
        if hidden:
            return Changes.OTHER, hidden
        try:
            said = written_behind(self._octets, self._reader, self.revision, self._spot.end)
            said = said or named_ahead(self._reader, self.revision, self._spot.end)
            if said:
                return Changes.OTHER, said
            drawn_anew = is_drawn_anew(self._reader, self.revision)
            result = self._embedded.evaluate_modifications(DEFAULT_DIFF_POLICY)
            drawn = self._drawn(signed)
        except (Exhausted, PdfStrictReadError):
            raise
        except Exception as surprise:  # noqa: BLE001 - the analysis met what it does not know; that is no approval
            return Changes.UNKNOWN, type(surprise).__name__
        self._reader.steps.spend(0)  # a rule of pyHanko's may have taken the end of our patience for a finding
        if isinstance(result, SuspiciousModification):
            return Changes.OTHER, _short(str(result))
        level = result.modification_level
        if drawn_anew:
            level = max(level, ModificationLevel.FORM_FILLING)
        if self.certification is not None and level.value > self.certification:
            return Changes.OTHER, f"{level.name} after a certification of level {self.certification}"
        if level <= ModificationLevel.LTA_UPDATES:
            return Changes.VALIDATION_DATA, ""
        if level > ModificationLevel.FORM_FILLING:
            return Changes.OTHER, level.name
        others = set(result.changed_form_fields) - {one.name for one in signed}
        if drawn_anew:
            others.add("what fields are drawn with")
        if too_much(drawn):
            others.update(map(str, drawn))
        if others:
            return Changes.FORM_FILLING, _short(", ".join(sorted(others)))
        return Changes.SIGNATURES, _short("; ".join(map(str, drawn)))

    def _drawn(self, signed: Sequence[Field]) -> tuple[Drawn, ...]:
        """What those who signed later draw on the pages."""
        later = [(one.name, one.field) for one in signed if one.made > self.revision and is_visible(one.field)]
        return drawn_by(self._reader, later) if later else ()

    def _hidden(self, tail: bytes) -> str:
        """Octets after the signature that no cross-reference leads to, or that one leads away from."""
        reader = self._reader
        later = range(self.revision + 1, reader.total_revisions)
        if not later:
            return "octets after the last revision"
        last = tail.rfind(b"%%EOF") + len(b"%%EOF")
        if tail[last:].strip(BLANK):
            return "octets after the last end of file"
        for number in later:
            section = reader.xrefs._xref_sections[number]
            if section.meta_info.start_location < self._spot.end:
                return "a later revision inside the octets that were signed"
            if is_hybrid(section):
                return "a later revision with two cross-reference tables"
        return ""


def is_visible(field: Any) -> bool:
    """Say whether a field, or a widget of it, has an area. What cannot be read may well be seen."""
    try:
        kids = field.get("/Kids", ())
        widgets = [field, *(kid.get_object() for kid in kids)] if len(kids) <= _MOST_WIDGETS else []
        return not widgets or any(map(_has_area, widgets)) or any("/Kids" in widget for widget in widgets[1:])
    except (AttributeError, KeyError, TypeError, ValueError, PdfError):
        return True


def _has_area(widget: Any) -> bool:
    box = [float(number) for number in widget.get("/Rect", (0, 0, 0, 0))]
    return len(box) != 4 or (box[0] != box[2] and box[1] != box[3])


def has_validation_data(reader: Reader) -> bool:
    return "/DSS" in reader.root


def _text(dictionary: Any, key: str) -> str:
    try:
        value = dictionary[key]
    except (KeyError, TypeError, PdfError):
        return ""
    return str(value)[:100] if isinstance(value, str) else ""


def _short(text: str) -> str:
    return text if len(text) <= 300 else text[:297] + "..."
