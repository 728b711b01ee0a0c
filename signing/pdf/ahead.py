"""What the comparison of revisions takes for granted of the revision that was signed.

pyHanko takes an object that is new, and that no changed object leads to, for one that nobody sees. Who prepares a
document for somebody's signature can have it name objects that are not there yet, and add them afterwards (Mainka et
al., "Shadow Attacks", NDSS 2021). It also leaves out of account that a page inherits from what it calls its parent, and
that fields other than those of signatures are drawn anew with what the form has for all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Set
from io import BytesIO
from typing import Any, Final

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.misc import PdfReadError
from pyhanko.pdf_utils.xref import ObjStreamRef

from signing.pdf.reader import Past, Reader, Steps

_DRAWN_WITH: Final = ("/DR", "/DA", "/Q", "/NeedAppearances")
"""What a form has for the drawing of all its fields."""
_FREE: Final = (("/Info",), ("/Root", "/Extensions"), ("/Root", "/MarkInfo"), ("/Root", "/AcroForm", "/DR"))
"""Where an object may be written anew with whatever it likes in it."""
_MOST_DEEP: Final = 32


def named_ahead(reader: Reader, revision: int, end: int) -> str:
    """What a later revision puts where the revision that was signed, up to the place `end`, had left room for it; empty
    where that is nothing.

    Numbers alone count, because readers find an object by its number. `PdfReadError` and whatever else pyHanko raises
    for objects that cannot be read.
    """
    later = range(revision + 1, reader.total_revisions)
    written = {ref.idnum for number in later for ref in reader.xrefs.explicit_refs_in_revision(number)}
    past = reader.get_historical_resolver(revision)
    uses = _uses(past)
    there = _there(reader, revision)
    missing = (written & uses.keys()) - there
    if missing:
        return f"object {min(missing)} was named before it was there"
    # Readers ignore what is beyond the size of a table, until a later table has another size; pyHanko takes an object
    # from there that is written anew for one that is new.
    size = reader.xrefs.get_xref_container_info(revision).size
    beyond = [number for number in uses if number >= size and number in there]
    if beyond:
        return f"object {min(beyond)} is beyond the size that was signed"
    goes_on = _goes_on(reader, past, end)
    if goes_on:
        return goes_on
    known = uses.keys() & there
    turned = next((number for number in later if _turned_in(reader, past, number, known)), None)
    if turned is not None:
        return f"revision {turned + 1} has a string where a name was signed"
    for path in _FREE:
        number = _number_at(past, path)
        if number in written and uses[number] > 1:
            return f"object {number} is more than {path[-1]}"
    return ""


def _goes_on(reader: Reader, past: Past, end: int) -> str:
    """What of the signed revisions is read from octets behind the signature: a stream of a length that was not there, a
    string without an end, an object that a table put beyond the end of the file."""
    if max(reader.section_ends[: past.revision + 1]) > end:
        return "a table goes on behind the signature"
    reader.steps.spend(len(past.cache) * (1 + past.revision // 8))
    for ref in past.cache:
        place = reader.xrefs.get_historical_ref(ref, past.revision)
        if isinstance(place, ObjStreamRef):
            place = reader.xrefs[generic.Reference(place.obj_stream_id, 0, reader)]
        if isinstance(place, int) and reader.ends.get(place, end + 1) > end:
            return f"object {ref.idnum} goes on behind the signature"
    return ""


def _turned_in(reader: Reader, past: Past, number: int, known: Set[int]) -> bool:
    """Say whether a later revision has a string where a name was, or a name where a string was. To pyHanko they are
    equal, to readers `/OFF` is a word of theirs and `(OFF)` is none."""
    new = reader.get_historical_resolver(number)
    written = reader.xrefs.explicit_refs_in_revision(number) - reader.xrefs.refs_freed_in_revision(number)
    pairs = [(past.again(ref), new.again(ref)) for ref in written if ref.idnum in known]
    pairs.append((_at(past.root, "/AcroForm"), _at(new.root, "/AcroForm")))
    return any(_turned(old, now, reader.steps) for old, now in pairs)


def _turned(old: Any, new: Any, steps: Steps) -> bool:
    waiting = [(old, new)]
    while waiting:
        was, now = waiting.pop()
        if isinstance(was, dict) and isinstance(now, dict):
            steps.spend(1 + (len(was) >> 3))
            waiting += [(dict.__getitem__(was, key), dict.__getitem__(now, key)) for key in was.keys() & now.keys()]
        elif isinstance(was, list) and isinstance(now, list):
            steps.spend(1 + (len(was) >> 3))
            waiting += zip(list.__iter__(was), list.__iter__(now), strict=False)
        elif was == now and isinstance(was, generic.NameObject) != isinstance(now, generic.NameObject):
            return True
    return False


def is_drawn_anew(reader: Reader, revision: int) -> bool:
    """Say whether the form has other fields than those of signatures, and what they are drawn with was changed."""
    old = reader.get_historical_resolver(revision)
    form = _at(old.root, "/AcroForm")
    if form is None or all(_are_signatures(_at(form, "/Fields"))):
        return False
    for number in range(revision + 1, reader.total_revisions):
        new = reader.get_historical_resolver(number)
        changed = {ref.idnum for ref in reader.xrefs.explicit_refs_in_revision(number)}
        for key in _DRAWN_WITH:
            was, now = _raw(form, key), _raw(_at(new.root, "/AcroForm"), key)
            if _octets(was) != _octets(now) or changed & _leads_to(new, now):
                return True
    return False


def _uses(past: Past) -> Counter[int]:
    """How often each object is named by what the trailer leads to, all other numbers that are named among them."""
    return _walk(past, past.trailer_view)


def _leads_to(past: Past, value: Any) -> set[int]:
    return {*_walk(past, value)}


def _walk(past: Past, start: Any) -> Counter[int]:
    uses, waiting, seen = Counter[int](), [start], set[generic.Reference]()
    while waiting:
        for found in _named(waiting.pop()):
            uses[found.idnum] += 1
            if found.reference not in seen:
                seen.add(found.reference)
                waiting.append(past.look_at(found.reference))
    return uses


def _named(value: Any) -> Iterator[generic.IndirectObject]:
    """Every reference within one object."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, generic.IndirectObject):
            yield item
        elif isinstance(item, dict):
            waiting.extend(dict.values(item))
        elif isinstance(item, list):
            waiting.extend(list.__iter__(item))


def _there(reader: Reader, revision: int) -> set[int]:
    """The numbers of the objects that were there in `revision`, whatever their generation."""
    there = set[int]()
    for number in range(revision + 1):
        there -= {ref.idnum for ref in reader.xrefs.refs_freed_in_revision(number)}
        there |= {ref.idnum for ref in reader.xrefs.explicit_refs_in_revision(number)}
    return there


def _number_at(past: Past, path: tuple[str, ...]) -> int | None:
    value: Any = past.trailer_view
    for key in path[:-1]:
        value = _at(value, key)
    found = _raw(value, path[-1])
    return found.idnum if isinstance(found, generic.IndirectObject) else None


def _at(dictionary: Any, key: str) -> Any:
    """What stands there, also where a reference leads to it; `None` where nothing does."""
    found = _raw(dictionary, key)
    return None if found is None else found.get_object()


def _raw(dictionary: Any, key: str) -> Any:
    return dictionary.raw_get(key) if isinstance(dictionary, generic.DictionaryObject) and key in dictionary else None


def _octets(value: Any) -> bytes:
    if value is None:
        return b""
    out = BytesIO()
    value.write_to_stream(out, None)
    return out.getvalue()


def _are_signatures(fields: Any, inherited: str = "", depth: int = 0) -> Iterator[bool]:
    """Of each field without fields below it, whether it is one of a signature."""
    if depth > _MOST_DEEP:
        raise PdfReadError("fields too deep")
    for one in fields or ():
        field = one.get_object()
        kind = str(_at(field, "/FT") or inherited)
        below = [kid for kid in _at(field, "/Kids") or () if "/T" in kid.get_object()]
        if below:
            yield from _are_signatures(below, kind, depth + 1)
        else:
            yield kind == "/Sig"
