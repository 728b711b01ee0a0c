"""Archives that say one thing in their directory and another before an entry: what some program unpacks is not what was
judged."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable

import pytest

from signing.pdf import AttachmentVerdicts, PdfOutcome
from tests.unit.pdf.forge import one_signature, plain
from tests.unit.pdf.test_archive import judge, zipped

LOCAL, DIRECTORY, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
FLAGS, METHOD, SIZES = 6, 8, 14
"""Where they stand before an entry; in the directory two octets further on."""


def archive_of(*entries: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytearray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bytearray(zipped(*entries, method=method))


def put(octets: bytearray, at: int, form: str, *values: int) -> bytearray:
    struct.pack_into(form, octets, at, *values)
    return octets


def two_methods() -> bytes:
    """Deflated says the directory, stored says the header: the packed octets are a PDF too, behind five others."""
    pdf = one_signature()
    packer = zlib.compressobj(0, wbits=-15)
    data = packer.compress(pdf) + packer.flush()
    made = archive_of(("a.pdf", data))
    at = made.index(DIRECTORY)
    put(made, at + METHOD + 2, "<H", zipfile.ZIP_DEFLATED)
    return bytes(put(made, at + SIZES + 2, "<LLL", zlib.crc32(pdf), len(data), len(pdf)))


def shorter_before() -> bytes:
    """Before the entry it is said to end where an earlier revision of the document ends."""
    made = archive_of(("a.pdf", one_signature()))
    early = len(plain())
    return bytes(put(made, SIZES, "<LLL", zlib.crc32(one_signature()[:early]), early, early))


def more_behind() -> bytes:
    """The directory names fewer octets than the packed ones become: a revision is left out."""
    whole, early = one_signature() + b"\n% more", len(one_signature())
    made = archive_of(("a.pdf", whole), method=zipfile.ZIP_DEFLATED)
    for at, mark in ((made.index(LOCAL), 0), (made.index(DIRECTORY), 2)):
        put(made, at + SIZES + mark, "<L", zlib.crc32(one_signature()))
        put(made, at + SIZES + 8 + mark, "<L", early)
    return bytes(made)


def encrypted_before() -> bytes:
    return bytes(put(archive_of(("a.pdf", one_signature())), FLAGS, "<H", 1))


def other_name_before() -> bytes:
    """Of what is no PDF the name was never compared: it is a folder here, and a document there."""
    made = archive_of(("b/", b""), ("a.pdf", one_signature()))
    at = made.index(b"b/")
    made[at : at + 2] = b"b."
    return bytes(made)


def unicode_name() -> bytes:
    """A folder in the directory, which is passed over, and a file to everybody who reads names in Unicode."""
    name = b"b.pdf/"
    field = b"\1" + struct.pack("<L", zlib.crc32(name)) + b"b.pdf"
    first = zipfile.ZipInfo(name.decode())
    first.extra = struct.pack("<HH", 0x7075, len(field)) + field
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(first, b"")
        archive.writestr("a.pdf", one_signature())
    return out.getvalue()


def in_a_folder() -> bytes:
    made = archive_of(("b.pdf/", b"<html>"), ("a.pdf", one_signature()))
    return bytes(made)


def a_link() -> bytes:
    first = zipfile.ZipInfo("b.pdf")
    first.create_system, first.external_attr = 3, 0o120777 << 16
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(first, "../a.pdf")
        archive.writestr("a.pdf", one_signature())
    return out.getvalue()


def two_directories() -> bytes:
    """The numbers for large archives lead to another directory than the usual record: Python goes by the first."""
    made = archive_of(("a.pdf", one_signature()), ("b.pdf", one_signature()))
    at, end = made.index(DIRECTORY), made.index(END)
    directory = made[at:end]
    record = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 2, 2, len(directory), end)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end + len(directory), 1)
    return bytes(made[:end] + directory + record + locator + made[end:])


def moved() -> bytes:
    """Octets before the archive, which its directory does not know of: some add them, some look elsewhere."""
    inside = archive_of(("a.pdf", one_signature()))
    return bytes(archive_of(("hidden.bin", bytes(inside)))[: 40 + len(inside)] + inside)


def two_ends() -> bytes:
    """A stored entry without a size before it is looked for its end, and has one in its midst."""
    pdf = one_signature().replace(b"%%EOF", b"PK\x07\x08 %%EOF", 1)
    made = archive_of(("a.pdf", pdf))
    put(made, FLAGS, "<H", 8)
    put(made, made.index(DIRECTORY) + FLAGS + 2, "<H", 8)
    return bytes(put(made, SIZES, "<LLL", 0, 0, 0))


def over_each_other() -> bytes:
    """An entry inside another one."""
    pdf = one_signature()
    inner = archive_of(("b.pdf", pdf))
    inner = inner[: inner.index(DIRECTORY)]
    made = archive_of(("a.bin", b"." + bytes(inner)))
    end = made.index(END)
    record = made[made.index(DIRECTORY) : end]
    further = put(bytearray(record.replace(b"a.bin", b"b.pdf")), SIZES + 2, "<LLL", zlib.crc32(pdf), len(pdf), len(pdf))
    put(further, 42, "<L", made.index(LOCAL, 4))
    put(made, end + 8, "<HHL", 2, 2, 2 * len(record))
    return bytes(made[:end] + further + made[end:])


DOUBT: dict[str, tuple[Callable[[], bytes], str]] = {
    "two methods": (two_methods, "another method before an entry"),
    "an entry that is shorter by its header": (shorter_before, "other sizes before an entry"),
    "more octets than are said": (more_behind, "damaged: BadZipFile"),
    "encrypted by its header": (encrypted_before, "another method before an entry"),
    "another name by its header": (other_name_before, "another name before an entry"),
    "a folder that is a file in Unicode": (unicode_name, "a folder with content"),
    "a folder with content": (in_a_folder, "a folder with content"),
    "a link": (a_link, "a link"),
    "two directories": (two_directories, "a directory that is not where it is said to be"),
    "a directory of fewer entries": (
        lambda: bytes(put(m := archive_of(("a.pdf", one_signature()), ("b.txt", b"")), m.index(END) + 8, "<HH", 1, 1)),
        "a directory of another length than is said",
    ),
    "an entry that ends twice": (two_ends, "an entry that ends in two places"),
    "one name twice": (
        lambda: bytes(archive_of(("Văn bản.pdf", one_signature()), ("văn bản.PDF", b"<html>"))),
        "two entries of one name",
    ),
    "one name twice, decomposed": (
        lambda: bytes(archive_of(("v\u0103n.pdf", one_signature()), ("va\u0306n.pdf ", b"<html>"))),
        "two entries of one name",
    ),
    "a way up": (
        lambda: bytes(archive_of(("a.pdf", one_signature()), ("b\\..\\..\\c.exe", b"MZ"))),
        "a name that leads out of the archive",
    ),
    "a drive": (
        lambda: bytes(archive_of(("a.pdf", one_signature()), ("C:c.exe", b"MZ"))),
        "a name that leads out of the archive",
    ),
    "an entry without a name": (
        lambda: bytes(archive_of(("a.pdf", one_signature()), ("~", b"MZ"))).replace(b"~", b"\0"),
        "damaged: IndexError",
    ),
    "entries over each other": (over_each_other, "entries that lie over each other"),
}


@pytest.mark.parametrize("what", DOUBT)
def test_what_programs_may_unpack_otherwise_is_doubt(what: str) -> None:
    make, problem = DOUBT[what]
    found = judge(make())
    assert [one.partition(": ")[2] for one in found.problems] == [problem]
    assert found.outcome in (PdfOutcome.INDETERMINATE, PdfOutcome.INVALID)


def test_octets_before_an_archive_that_its_directory_does_not_count() -> None:
    found = judge(moved())
    assert found.problems
    assert found.outcome is PdfOutcome.INDETERMINATE


def honest() -> dict[str, bytes]:
    """As usual programs write them."""
    out = io.BytesIO()

    class Pipe(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, octets: object) -> int:
            return out.write(octets)  # type: ignore[arg-type]

    with zipfile.ZipFile(Pipe(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("thư mục/", b"")
        archive.writestr("thư mục/a.pdf", one_signature())
        archive.comment = b"comment"
    wide = io.BytesIO()
    with (
        zipfile.ZipFile(wide, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.pdf", "w", force_zip64=True) as one,
    ):
        one.write(one_signature())
    name, first = "văn bản.pdf".encode(), zipfile.ZipInfo("v?n b?n.pdf")
    field = b"\1" + struct.pack("<L", zlib.crc32(b"v?n b?n.pdf")) + name
    first.extra = struct.pack("<HH", 0x7075, len(field)) + field
    named = io.BytesIO()
    with zipfile.ZipFile(named, "w") as archive:
        archive.writestr(first, one_signature())
    return {"as it comes": out.getvalue(), "sizes for large files": wide.getvalue(), "a name twice": named.getvalue()}


@pytest.mark.parametrize("what", ["as it comes", "sizes for large files", "a name twice"])
def test_what_all_programs_unpack_alike_is_no_doubt(what: str) -> None:
    found: AttachmentVerdicts = judge(honest()[what])
    assert (found.outcome, found.problems) == (PdfOutcome.VALID, ())
