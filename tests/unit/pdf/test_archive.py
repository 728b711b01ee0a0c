"""PDFs inside attachments: found by their octets, taken out within bounds, never lost sight of."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable

import pytest

from signing.pdf import ArchiveLimits, AttachmentVerdicts, PdfLimits, PdfOutcome, PdfPolicy, judge_attachment
from signing.policy import IF_PRESENT
from tests.pki import NOW, pki
from tests.unit.pdf.forge import one_signature, plain, two_signatures


def zipped(*entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, octets in entries:
            archive.writestr(name, octets)
    return out.getvalue()


def judge(
    octets: bytes,
    name: str = "tep.bin",
    limits: ArchiveLimits = ArchiveLimits(),  # noqa: B008 - frozen
) -> AttachmentVerdicts:
    found = judge_attachment(octets, name, pki().trust, NOW, IF_PRESENT, PdfLimits(), PdfPolicy(), limits)
    assert AttachmentVerdicts.from_dict(found.to_dict()) == found
    return found


def test_a_pdf_whatever_its_name() -> None:
    found = judge(one_signature(), "van-ban.docx")
    assert (found.kind, found.outcome, found.problems) == ("pdf", PdfOutcome.VALID, ())
    assert [entry.path for entry in found.entries] == [("van-ban.docx",)]


@pytest.mark.parametrize("octets", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"<?xml version='1.0'?><a/>"])
def test_something_else(octets: bytes) -> None:
    found = judge(octets, "van-ban.pdf")
    assert (found.kind, found.outcome, found.entries) == ("other", None, ())


def test_a_pdf_behind_other_octets_is_a_pdf_to_its_readers_and_so_to_us() -> None:
    found = judge(b"#!/bin/sh\n" + one_signature())
    assert (found.kind, found.outcome) == ("pdf", PdfOutcome.INDETERMINATE)


def test_a_zip_with_pdfs_and_other_things() -> None:
    found = judge(
        zipped(("a.pdf", one_signature()), ("thư mục/b.PDF", two_signatures()), ("c.txt", b"text"), ("d/", b""))
    )
    assert (found.kind, found.others, found.problems) == ("zip", 1, ())
    assert [entry.path[-1] for entry in found.entries] == ["a.pdf", "thư mục/b.PDF"]
    assert found.outcome is PdfOutcome.VALID


def test_the_worst_pdf_decides() -> None:
    changed = one_signature().replace(b"1.000.000", b"9.000.000")
    assert judge(zipped(("a", one_signature()), ("b", plain()))).outcome is PdfOutcome.UNSIGNED
    assert judge(zipped(("a", one_signature()), ("b", changed), ("c", plain()))).outcome is PdfOutcome.INVALID


def test_an_archive_of_other_things_has_no_outcome() -> None:
    assert judge(zipped(("a.txt", b"text"))).outcome is None


def test_one_archive_inside_another_and_no_more() -> None:
    inner = zipped(("a.pdf", one_signature()))
    found = judge(zipped(("inner.zip", inner)))
    assert [entry.path for entry in found.entries] == [("tep.bin", "inner.zip", "a.pdf")]
    assert found.outcome is PdfOutcome.VALID
    deeper = judge(zipped(("middle.zip", zipped(("inner.zip", inner)))))
    assert (deeper.entries, deeper.outcome) == ((), PdfOutcome.INDETERMINATE)
    assert deeper.problems == ("tep.bin/middle.zip/inner.zip: an archive too deep",)


def test_names_are_shown_and_never_used() -> None:
    found = judge(zipped(("../../etc/passwd", one_signature()), ("a\x1b[31m\n.pdf", plain()), ("x" * 500, plain())))
    assert [entry.path[-1] for entry in found.entries] == ["../../etc/passwd", "a�[31m�.pdf", "x" * 200]


def test_two_entries_of_one_name_are_both_judged() -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        octets = zipped(("a.pdf", one_signature()), ("a.pdf", plain()))
    assert [entry.verdict.outcome for entry in judge(octets).entries] == [PdfOutcome.VALID, PdfOutcome.UNSIGNED]


def test_a_bomb_stays_packed() -> None:
    found = judge(zipped(("bomb.pdf", b"%PDF-1.7\n" + b"\0" * 50_000_000)))
    assert (found.entries, found.problems) == ((), ("tep.bin/bomb.pdf: too large",))
    assert found.outcome is PdfOutcome.INDETERMINATE


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        (ArchiveLimits(most_entries=2), "tep.bin: more than 2 entries"),
        (ArchiveLimits(most_octets=6000), "tep.bin/b.pdf: too large"),
    ],
)
def test_a_limit_is_a_problem_and_a_problem_is_doubt(limits: ArchiveLimits, problem: str) -> None:
    octets = zipped(*((f"{name}.pdf", one_signature()) for name in "abc"), method=zipfile.ZIP_STORED)
    found = judge(octets, limits=limits)
    assert found.problems[0] == problem
    assert (found.outcome, len(found.entries) > 0) == (PdfOutcome.INDETERMINATE, True)


def test_encrypted_and_damaged_entries_are_problems() -> None:
    octets = bytearray(zipped(("a.pdf", one_signature())))
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):
        spot = octets.index(mark) + (6 if mark == b"PK\x03\x04" else 8)
        octets[spot] |= 1
    assert judge(bytes(octets)).problems == ("tep.bin/a.pdf: encrypted",)
    damaged = bytearray(zipped(("a.pdf", one_signature())))
    damaged[200] ^= 0xFF
    assert judge(bytes(damaged)).outcome is PdfOutcome.INDETERMINATE
    assert judge(b"PK\x03\x04" + b"\0" * 100).problems == ("tep.bin: damaged: BadZipFile",)


def test_a_directory_without_end_is_not_read() -> None:
    octets = zipped(("a.pdf", plain()))
    end = octets.rindex(b"PK\x05\x06")
    claimed = octets[: end + 12] + (1 << 30).to_bytes(4, "little") + octets[end + 16 :]
    assert judge(claimed).problems == ("tep.bin: a directory too large",)


def test_an_archive_cut_anywhere_never_raises() -> None:
    octets = zipped(("a.pdf", one_signature()), ("b.zip", zipped(("c.pdf", plain()))))
    for length in range(0, len(octets), 61):
        judge(octets[:length])


def behind(lead: bytes) -> bytes:
    """An archive with one signed PDF, behind octets that its directory knows of and does not name."""
    out = io.BytesIO(lead)
    out.seek(0, io.SEEK_END)
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.pdf", one_signature())
    return out.getvalue()


def with_entry(name: str, octets: bytes = b"", extra: bytes = b"", comment: bytes = b"") -> bytes:
    """An archive with such an entry and one signed PDF."""
    out, first = io.BytesIO(), zipfile.ZipInfo(name)
    first.extra = b"\x99\x99" + len(extra).to_bytes(2, "little") + extra if extra else b""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(first, octets)
        archive.writestr("a.pdf", one_signature())
        archive.comment = comment
    return out.getvalue()


def packed_late() -> bytes:
    """A PDF as it is, behind more zeros than readers look past, which take a few octets: its head is near the front of
    the archive and not of the entry."""
    out, packer = io.BytesIO(), zlib.compressobj(9, wbits=-15)
    content = bytes(4096) + plain()
    data = packer.compress(content[:4096]) + packer.flush(zlib.Z_FULL_FLUSH)
    size = len(plain()).to_bytes(2, "little")
    data += b"\1" + size + bytes(octet ^ 0xFF for octet in size) + plain()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.bin", data)
        archive.writestr("a.pdf", one_signature())
    made = bytearray(out.getvalue())
    for mark, method in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = made.index(mark)
        made[at + method : at + method + 2] = zipfile.ZIP_DEFLATED.to_bytes(2, "little")
        crc = at + method + 6
        made[crc : crc + 4] = zlib.crc32(content).to_bytes(4, "little")
        made[crc + 8 : crc + 12] = len(content).to_bytes(4, "little")
    return bytes(made)


HIDDEN: dict[str, Callable[[], bytes]] = {
    "a PDF before the first entry": lambda: behind(b"PK\x03\x04\n" + plain()),
    "another archive before it": lambda: zipped(("b.pdf", plain())) + zipped(("a.pdf", one_signature())),
    "a PDF in an extra field": lambda: with_entry("a.txt", b"x", extra=plain()),
    "a PDF in a folder": lambda: with_entry("d/", plain()),
    "the end of a PDF in the comment": lambda: with_entry("b.pdf", one_signature(), comment=b"startxref\n9\n%%EOF"),
    "a PDF that is late in its entry": packed_late,
}


@pytest.mark.parametrize("what", HIDDEN)
def test_what_other_readers_find_beside_the_entries_is_doubt(what: str) -> None:
    octets = HIDDEN[what]()
    found = judge(octets, "van-ban.pdf")
    assert octets.startswith(b"PK\x03\x04") and PdfOutcome.VALID in [one.verdict.outcome for one in found.entries]
    assert (found.outcome, len(found.problems)) == (PdfOutcome.INDETERMINATE, 1)


def test_a_pdf_that_is_stored_and_not_packed_is_an_entry_like_others() -> None:
    found = judge(zipped(("a.pdf", one_signature()), ("b.pdf", two_signatures()), method=zipfile.ZIP_STORED))
    assert (found.outcome, found.problems) == (PdfOutcome.VALID, ())
