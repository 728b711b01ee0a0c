"""Attachments inside a package in a file: found there again, decoded where they are wanted, and never guessed at."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from axis.core.model import AttachmentRecord
from axis.core.problems import Kind, Unavailable
from axis.flow.judge import judge
from axis.flow.package import inspect_package, open_package
from axis.flow.pdfworker import PdfQuestion, _answer
from axis.flow.place import Stretch, octets_at
from axis.kept import FileOctets
from schemas.limits import XmlLimits
from signing.policy import OWN_NETWORK
from signing.trust import Trust
from tests.pki import NOW
from tests.site import HOME_AFFAIRS, OFFICE
from tests.unit.binding.test_judge import desk
from tests.unit.pdf.forge import plain

LIMITS = XmlLimits()
CONTENTS = [plain() + bytes(range(256)) * 600, b"%PDF-1.7 " + b"x" * 100_001, os.urandom(200_002), b"small"]


def in_file(file: Path, octets: bytes) -> FileOctets:
    file.write_bytes(octets)

    def read(at: int, count: int) -> bytes:
        with file.open("rb") as opened:
            opened.seek(at)
            return opened.read(count)

    return FileOctets(str(file), len(octets), read)


async def test_what_is_in_a_file_is_named_and_decoded_by_whoever_wants_it(tmp_path: Path) -> None:
    async with desk(tmp_path / "node") as node:
        package = node.site.package(OFFICE, [HOME_AFFAIRS], CONTENTS)
    opened = open_package(in_file(tmp_path / "package", package), LIMITS, None)
    *large, small = opened.attached
    assert all(isinstance(place, Stretch) for place in large)
    assert small == b"small"
    assert [octets_at(place) for place in opened.attached] == CONTENTS
    assert [one.sha256 for one in opened.records] == [hashlib.sha256(octets).hexdigest() for octets in CONTENTS]
    assert [one.form for one in opened.records] == ["pdf", "pdf", None, None]
    assert open_package(package, LIMITS, None).attached == tuple(CONTENTS)
    octets = opened.octets[opened.records[1].content_id]
    assert octets.digest("sha512") == hashlib.sha512(CONTENTS[1]).digest()


def asked(place: Stretch, record: AttachmentRecord) -> list[str]:
    answer = _answer(Trust(), PdfQuestion(place, record, NOW, OWN_NETWORK))
    told = ("the file cannot be read", "the file holds something else")
    return [words for words in told if words.encode() in answer.verdict]


async def test_the_judge_of_pdfs_reads_it_and_says_so_where_it_cannot(tmp_path: Path) -> None:
    async with desk(tmp_path / "node") as node:
        package = node.site.package(OFFICE, [HOME_AFFAIRS], CONTENTS)
    file = tmp_path / "package"
    opened = open_package(in_file(file, package), LIMITS, None)
    place, record = opened.attached[0], opened.records[0]
    assert isinstance(place, Stretch)
    assert asked(place, record) == []
    for changed in (package[: place.end - 4], package.replace(b"JVBERi0", b"JVBERi1"), package.replace(b"JVB", b"JV.")):
        file.write_bytes(changed)
        assert asked(place, record) == ["the file holds something else"]
    file.unlink()
    assert asked(place, record) == ["the file cannot be read"]


@pytest.mark.parametrize("whole", [False, True], ids=["parts", "whole"])
async def test_octets_that_cannot_be_read_are_nobodys_fault(tmp_path: Path, whole: bool) -> None:
    """The package is refused by nobody for it: whoever sent it is told to come again."""
    async with desk(tmp_path / "node") as node:
        package = node.site.package(OFFICE, [HOME_AFFAIRS], CONTENTS[:1], whole=whole)
        file = tmp_path / "package"
        good = in_file(file, package)
        judged = await judge(good, node.by, node.ctx)
        assert judged.content is not None
        file.write_bytes(package[:-50_000])
        with pytest.raises(Unavailable) as caught:
            await judge(good, node.by, node.ctx)
        assert caught.value.problem.kind is Kind.STORE_UNAVAILABLE
        if whole:  # the content is read again for the digest of the whole
            file.write_bytes(package)
            opened = open_package(good, LIMITS, None)
            file.unlink()
            with pytest.raises(OSError, match="package"):
                inspect_package(opened, OWN_NETWORK, NOW)
