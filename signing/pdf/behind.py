"""What was written behind a signature, octet by octet.

Who reads a file by its tables sees what they lead to; who finds them broken looks for objects himself, and takes what
he finds last. So what stands behind a signature has one reading, or it is a change: every octet belongs to something
that a table leads to, every table names an object once, and all of it is read strictly, however the document that was
signed had to be read (ISO 32000-1 §7.5.4 to §7.5.6, source to confirm).
"""

from __future__ import annotations

import re
from typing import Any, Final

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.misc import PdfStrictReadError
from pyhanko.pdf_utils.xref import XRefSection, parse_xref_stream, read_object_header

from signing.pdf.reader import Reader

BLANK: Final = b" \n\r\t\f\0"
_END: Final = re.compile(rb"startxref[ \n\r\t\f\0]+\d{1,12}[ \n\r\t\f\0]+%%EOF")
_COMMENT: Final = re.compile(rb"%[^\r\n]*")
_TABLE: Final = re.compile(rb"xref[ \t\r\n]+")
_PART: Final = re.compile(rb"(\d{1,10}) (\d{1,10})[ \t]*(?:\r\n|\n|\r)")
_ENTRY: Final = re.compile(rb"\d{10} (\d{5}) [nf] ?(?:\r\n|\n|\r)")
_TRAILER: Final = re.compile(rb"[ \t\r\n]*trailer[ \n\r\t\f\0]*")
_WORD: Final = re.compile(rb"[ \n\r\t\f\0]*endobj")
"""Behind a cross-reference stream; a table has none."""
_HIGHEST_GENERATION: Final = 0xFFFF


class _Otherwise(Exception):
    """Something that another reader may take otherwise."""


def written_behind(octets: bytes, reader: Reader, revision: int, end: int) -> str:
    """What of all that was written behind the place `end`, where `revision` ends, can be read in more than one way;
    empty where that is nothing.

    `PdfStrictReadError` where `reader` is strict and something breaks the grammar, and whatever else pyHanko raises.
    """
    strict = reader.strict
    reader.strict = True
    try:
        spans: dict[int, int] = {}
        size = reader.xrefs.get_xref_container_info(revision).size
        for number in range(revision + 1, reader.total_revisions):
            size = _section(octets, reader, number, size, spans)
            _objects(octets, reader, number, end, spans, anew=not strict)
        _between(octets, reader.total_revisions - revision - 1, end, spans)
    except _Otherwise as otherwise:
        return str(otherwise)
    except PdfStrictReadError:
        if strict:
            raise
        return "a later revision that breaks the grammar"
    finally:
        reader.strict = strict
    return ""


def _section(octets: bytes, reader: Reader, number: int, size: int, spans: dict[int, int]) -> int:
    """Read the table of a revision again, strictly. Its size, which does not become smaller than `size`."""
    section: XRefSection = reader.xrefs._xref_sections[number]
    start, said = section.meta_info.start_location, section.meta_info.declared_startxref
    if section.meta_info.stream_ref is None:
        start -= len(b"xref\n")  # pyHanko counts from behind the word
    if said > start or octets[said:start].strip(BLANK):
        raise _Otherwise("a table that is not where it is said to be")
    if section.meta_info.size < size:
        raise _Otherwise("a later revision of fewer objects")
    beyond = [one for one, _ in section.xref_data.explicit_refs_in_revision if one >= section.meta_info.size]
    if beyond:
        raise _Otherwise(f"object {min(beyond)} is beyond the size of its revision")
    if section.meta_info.stream_ref is None:
        reader.stream.seek(_table(octets, start, reader))
        trailer = generic.TrailerReference(reader)  # type: ignore[no-untyped-call]
        generic.DictionaryObject.read_from_stream(reader.stream, trailer)
    else:
        reader.stream.seek(start)
        name, generation = read_object_header(reader.stream, strict=True)  # type: ignore[no-untyped-call]
        ref = generic.Reference(name, generation, reader)
        _headed(octets, start, ref)
        for _ in parse_xref_stream(generic.StreamObject.read_from_stream(reader.stream, ref), strict=True):
            reader.steps.spend()
    word = _WORD.match(octets, reader.section_ends[number])
    spans[start] = word.end() if word else reader.section_ends[number]
    return int(section.meta_info.size)


def _table(octets: bytes, start: int, reader: Reader) -> int:
    """The place behind the word `trailer`, where the dictionary begins."""
    found = _TABLE.match(octets, start)
    seen: set[int] = set()
    while found is not None:
        place = found.end()
        trailer = _TRAILER.match(octets, place)
        if trailer is not None:
            return trailer.end()
        found = _PART.match(octets, place)
        if found is None:
            break
        first, count = int(found[1]), int(found[2])
        for one in range(first, first + count):
            reader.steps.spend()
            found = _ENTRY.match(octets, found.end())
            if found is None or int(found[1]) > _HIGHEST_GENERATION:
                raise _Otherwise("a table that is not written as tables are")
            if one in seen:
                raise _Otherwise(f"object {one} stands twice in a table")
            seen.add(one)
    raise _Otherwise("a table that is not written as tables are")


def _objects(octets: bytes, reader: Reader, number: int, end: int, spans: dict[int, int], *, anew: bool) -> None:
    """Where the objects of a revision lie. Each is read strictly: `anew`, but only once, where it may have been read
    less strictly before."""
    data, resolver = reader.xrefs.get_xref_data(number), reader.get_historical_resolver(number)
    for ref in reader.xrefs.explicit_refs_in_revision(number):
        reader.steps.spend()
        place: Any = data.try_resolve(ref)
        if place is None:
            continue  # it was freed, which is no reading of octets
        if not anew:
            resolver.again(ref)
        elif number not in reader.read_strictly:
            reader.get_object(ref, revision=number, transparent_decrypt=False)  # type: ignore[no-untyped-call]
        if isinstance(place, int):
            _headed(octets, place, ref)
            if place >= end:
                spans[place] = max(spans.get(place, 0), reader.ends[place])
    reader.read_strictly.add(number)


def _headed(octets: bytes, place: int, ref: generic.Reference) -> None:
    if not octets.startswith(b"%d %d obj" % (ref.idnum, ref.generation), place):
        raise _Otherwise(f"object {ref.idnum} is not where it is said to be")


def _between(octets: bytes, revisions: int, end: int, spans: dict[int, int]) -> None:
    """What no table leads to are blanks, comments, and one end of file for each revision."""
    at, parts = end, list[bytes]()
    for start in sorted(spans):
        if start < at:
            raise _Otherwise("objects that lie over each other")
        parts.append(octets[at:start])
        at = spans[start]
    rest, ends = _END.subn(b"", b"\n".join([*parts, octets[at:]]))
    if ends != revisions:
        raise _Otherwise(f"{ends} ends of file after the signature, {revisions} revisions")
    if _COMMENT.sub(b"", rest).strip(BLANK):
        raise _Otherwise("octets that no table leads to")
