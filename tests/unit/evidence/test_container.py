"""The zip file of a bundle: other tools open it, and only the one form is read."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axis.evidence.container import MOST_ENTRIES, Broken, pack, unpack

ENTRIES = {"manifest.json": b"{}", "evidence/a.cer": bytes(range(256)), "empty.txt": b""}


def test_another_reader_finds_the_same_entries() -> None:
    with zipfile.ZipFile(io.BytesIO(pack(ENTRIES))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == ENTRIES
        assert {(one.compress_type, one.date_time) for one in archive.infolist()} == {(0, (1980, 1, 1, 0, 0, 0))}


def test_the_order_in_which_entries_are_given_does_not_matter() -> None:
    assert pack(dict(reversed(ENTRIES.items()))) == pack(ENTRIES)


names = st.from_regex(r"[a-z0-9-]{1,9}(/[a-z0-9-]{1,9})?\.[a-z0-9]{1,4}", fullmatch=True)


@given(st.dictionaries(names, st.binary(max_size=99), max_size=9))
def test_what_was_packed_is_unpacked(entries: dict[str, bytes]) -> None:
    assert unpack(pack(entries)) == entries


@pytest.mark.parametrize(
    "name", ["../a.txt", "/a.txt", "a//b.txt", "a\\b.txt", "A.txt", "a.txt/", "", ".", "a b.txt", "đ.txt"]
)
def test_a_name_that_leads_elsewhere_is_not_written(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        pack({name: b""})


def by_zipfile(compression: int, names: list[str], comment: bytes = b"") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as archive:
        archive.comment = comment
        for name in names:
            archive.writestr(name, b"\0" * 100_000)
    return made.getvalue()


def overlapping() -> bytes:
    """Each entry of the directory names the same octets: a small file that would be unpacked to much."""
    octets = b"\0" * 100_000
    one = pack({"a.txt": octets})
    begin = len(one) - 22 - 46 - 5
    row = one[begin : begin + 51]
    rows = b"".join(row.replace(b"a.txt", b"%c.txt" % letter) for letter in b"abcdefghij")
    return one[:begin] + rows + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 10, 10, len(rows), begin, 0)


def of_many() -> bytes:
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, MOST_ENTRIES + 1, MOST_ENTRIES + 1, 0, 0, 0)
    return b"PK\x03\x04" + end


STRANGE: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "bundle-layout"),
    "compressed": (lambda: by_zipfile(zipfile.ZIP_DEFLATED, ["a.txt"]), "bundle-layout"),
    "stored by another tool": (lambda: by_zipfile(zipfile.ZIP_STORED, ["a.txt"]), "bundle-layout"),
    "a path upwards": (lambda: by_zipfile(zipfile.ZIP_STORED, ["../a.txt"]), "bundle-layout"),
    "one name twice": (lambda: pack({"a.txt": b"1", "b.txt": b"1"}).replace(b"b.txt", b"a.txt"), "bundle-layout"),
    "not in order": (lambda: pack({"a.txt": b"1", "b.txt": b"1"}).replace(b"a.txt", b"c.txt"), "bundle-layout"),
    "a comment": (lambda: by_zipfile(zipfile.ZIP_STORED, ["a.txt"], b"x"), "bundle-layout"),
    "something before": (lambda: b"x" + pack(ENTRIES), "bundle-layout"),
    "something behind": (lambda: pack(ENTRIES) + b"x", "bundle-layout"),
    "overlapping entries": (overlapping, "bundle-layout"),
    "many entries": (of_many, "bundle-too-large"),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_the_entry_in_which_an_octet_was_changed_is_named(name: str) -> None:
    """Whoever asks for it again, and whoever looks for the one who did it, wants to know where."""
    packed, had = bytearray(pack(ENTRIES)), ENTRIES[name]
    if not had:
        return
    packed[packed.index(name.encode() + had) + len(name)] ^= 1
    with pytest.raises(Broken) as broken:
        unpack(bytes(packed))
    assert (broken.value.code, broken.value.detail) == ("bundle-digest", f"{name!r}: changed since it was written")


@pytest.mark.parametrize("name", STRANGE)
def test_no_other_form_is_read(name: str) -> None:
    make, code = STRANGE[name]
    with pytest.raises(Broken) as broken:
        unpack(make())
    assert broken.value.code == code
