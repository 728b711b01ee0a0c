"""Defences of the judge of attachments: what an archive says twice, what is drawn on a page after it was signed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.mutations.edit import Mutation, off

LAYOUT, DRAWN, STRUCTURE = "signing/pdf/layout.py", "signing/pdf/drawn.py", "signing/pdf/structure.py"
JUDGE, ACTIVE, CMS = "signing/pdf/judge.py", "signing/pdf/active.py", "signing/cms/algorithm.py"
AHEAD, BEHIND = "signing/pdf/ahead.py", "signing/pdf/behind.py"

MUTATIONS: Final[Mapping[str, Mutation]] = {
    "zip-directory": off(
        "an archive has one directory, where it is said to be",
        LAYOUT,
        ("    if offset + size != at or offset != archive.start_dir:", "    if False:"),
    ),
    "zip-count": off(
        "a directory is as long as is said",
        LAYOUT,
        ("    if disk or first_disk or here != count or count != len(archive.infolist()):", "    if False:"),
    ),
    "zip-overlap": off(
        "no entry lies over another",
        LAYOUT,
        (
            'said = "entries that lie over each other" if one.at < end else _said_twice(octets, one)',
            "said = _said_twice(octets, one)",
        ),
    ),
    "zip-name": off(
        "an entry has one name",
        LAYOUT,
        ("    if header[0] != _MARK or one.name != ", "    if one.name is None and one.name != "),
    ),
    "zip-method": off("an entry is packed in one way", LAYOUT, ("if method != entry.compress_type or ", "if ")),
    "zip-encrypted": off(
        "an entry is encrypted for everybody or for nobody",
        LAYOUT,
        (" or (flags ^ entry.flag_bits) & _ENCRYPTED:", ":"),
    ),
    "zip-sizes": off(
        "an entry has one size",
        LAYOUT,
        (
            "    if any(here != there and not (flags & _BEHIND and here == 0) for here, there in pairs):",
            "    if not pairs:",
        ),
    ),
    "zip-descriptor": off(
        "an entry ends in one place",
        LAYOUT,
        (
            "octets.find(_DESCRIPTOR, one.begin, one.end) >= 0",
            "octets.find(_DESCRIPTOR, one.begin, one.end) >= one.end",
        ),
    ),
    "zip-link": off(
        "an entry is no link", LAYOUT, ("    if entry.external_attr >> 16 & _KIND == _LINK:", "    if False:")
    ),
    "zip-folder": off(
        "a folder holds no octets, and is one under all its names",
        LAYOUT,
        ('{name.endswith("/") for name in _names(one)}) > 1 or (entry.is_dir() and content)', "_names(one)) > 2"),
    ),
    "zip-out": off("a name stays in the archive", LAYOUT, ('or ".." in parts or _DRIVE.match(name)', "")),
    "zip-twice": off("no two entries have one name", LAYOUT, ("and places & taken:", "and False:")),
    "zip-whole": off(
        "an entry ends where its packed octets end",
        LAYOUT,
        (
            "        whole = inflater.eof and not inflater.unused_data\n",
            "        content = content[: one.entry.file_size]\n",
        ),
    ),
    "bomb-counted": off(
        "what comes out of an archive is counted while it comes",
        "signing/pdf/archive.py",
        ("unpacked(octets, spot, most)", "unpacked(octets, spot, 1 << 40)"),
    ),
    "pdf-drawn-over": off(
        "a later signature is not drawn over much of a page",
        STRUCTURE,
        ("        if too_much(drawn):", "        if False:"),
    ),
    "pdf-drawn-together": off(
        "what later signatures draw on a page counts together",
        DRAWN,
        ("        shares[one.page] += one.share", "        shares[one.page] = one.share"),
    ),
    "pdf-drawn-said": off(
        "what a later signature draws is said",
        STRUCTURE,
        (
            '        return Changes.SIGNATURES, _short("; ".join(map(str, drawn)))',
            '        return Changes.SIGNATURES, ""',
        ),
    ),
    "pdf-page-shown": off(
        "a page is as large as what of it is shown",
        DRAWN,
        ('_box(node, "/CropBox") or ', ""),
    ),
    "read-size-signed": off(
        "what is beyond the size of the signed table was not there", AHEAD, ("    if beyond:", "    if False:")
    ),
    "read-table-ends": off(
        "a signed table ends in what was signed",
        AHEAD,
        ("    if max(reader.section_ends[: past.revision + 1]) > end:", "    if False:"),
    ),
    "read-object-ends": off(
        "a signed object ends in what was signed", AHEAD, ("reader.ends.get(place, end + 1) > end:", "place < 0:")
    ),
    "read-name-stays": off("a name stays a name", AHEAD, ("    if turned is not None:", "    if False:")),
    "read-size-later": off(
        "a later table has no smaller size", BEHIND, ("    if section.meta_info.size < size:", "    if False:")
    ),
    "read-size-own": off("a later table has no object beyond its size", BEHIND, ("    if beyond:", "    if False:")),
    "read-table-place": off(
        "a later table is where it is said to be",
        BEHIND,
        ("    if said > start or octets[said:start].strip(BLANK):", "    if False:"),
    ),
    "read-table-once": off(
        "a later table has an object once", BEHIND, ("            if one in seen:", "            if 0:")
    ),
    "read-table-written": off(
        "a later table is written as tables are",
        BEHIND,
        ('rb"\\d{10} (\\d{5}) [nf]', 'rb"\\d{10} ([\\d_]{5}) [nf]'),
        ("if found is None or int(found[1]) > _HIGHEST_GENERATION:", "if found is None:"),
    ),
    "read-object-place": off(
        "a later object is where it is said to be",
        BEHIND,
        ('    if not octets.startswith(b"%d %d obj" % (ref.idnum, ref.generation), place):', "    if False:"),
    ),
    "read-object-apart": off(
        "later objects do not lie over each other", BEHIND, ("        if start < at:", "        if False:")
    ),
    "read-all-led-to": off(
        "later octets belong to what a table leads to",
        BEHIND,
        ('    if _COMMENT.sub(b"", rest).strip(BLANK):', "    if False:"),
    ),
    "read-strictly": off(
        "what came later is read strictly", BEHIND, ("    reader.strict = True", "    reader.strict = strict")
    ),
    "read-range-numbers": off(
        "a ByteRange has whole numbers",
        STRUCTURE,
        ("tuple(map(int, items)) if whole else ()", "tuple(map(int, items))"),
    ),
    "active-told": off("what acts by itself is told", JUDGE, ("        if kinds:", "        if False:")),
    "active-not-searched": off("what was not searched is told", JUDGE, ("        if not whole:", "        if False:")),
    "active-layers": off(
        "layers that are hidden are told", ACTIVE, ('shown.get("/OFF") or shown.get("/AS")', 'shown.get("/AS")')
    ),
    "cms-pss-trailer": off(
        "RSASSA-PSS has one trailer",
        "signing/pss.py",
        ('    if int(parameters["trailer_field"]) != 1:', "    if False:"),
    ),
    "cms-key-bound": off(
        "a key that is bound to RSASSA-PSS signs nothing else",
        CMS,
        ("    if leaf.bound is not None:\n        leaf.bound.check(SIGNATURES[uri].family, hashed, salt)\n", ""),
    ),
}

ARCHIVES: Final = tuple(name for name in MUTATIONS if name.startswith("zip-"))
DRAWN_OVER: Final = tuple(name for name in MUTATIONS if name.startswith("pdf-"))
ONE_READING: Final = tuple(name for name in MUTATIONS if name.startswith("read-"))
ACTS: Final = tuple(name for name in MUTATIONS if name.startswith("active-"))
