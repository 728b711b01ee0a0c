"""A copy of a log that a stranger has prepared: nothing in it makes the reader wait, run out of memory or fall over."""

from __future__ import annotations

import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from axis.core.canonical import canonical
from axis.core.entry import leaf
from axis.core.merkle import Frontier, leaf_hash
from axis.core.model import EntryKind, LogEntry
from axis.core.times import parse_rfc3339
from axis.log.checkpoint import MalformedCheckpoint, parse_checkpoint
from axis.log.files import Damaged, LogFolder
from axis.log.heads import HISTORY
from axis.log.reading import entries
from axis.log.receipts import check_receipts
from axis.log.tiles import encode_bundle
from axis.log.verify import verify_log
from tests.unit.log.logs import VKEY, codes, grow, signed, verified

PATIENCE_S = 10
MEMORY = 512 * 1024 * 1024


def pipe(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


def around(path: Path) -> None:
    path.symlink_to(path.name)


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def deep(path: Path) -> None:
    path.write_bytes(b'{"note":' + b"[" * 60_000 + b"\n")


SORTS = (pipe, endless, folder, around, huge, deep)


@contextmanager
def bounded() -> Iterator[None]:
    """An end of time and memory, as a failure and not as the end of all tests."""

    def late(number: int, frame: FrameType | None) -> None:
        raise AssertionError("waits for ever")

    was, (soft, hard) = signal.signal(signal.SIGALRM, late), resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    signal.alarm(PATIENCE_S)
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.alarm(0)
        signal.signal(signal.SIGALRM, was)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log")
    grow(path, 3, 300)
    return path


@pytest.fixture
def path(built: Path, tmp_path: Path) -> Path:
    shutil.copytree(built, tmp_path / "copy")
    return tmp_path / "copy"


PLACES = {
    "log/tile/entries/000": {"bundle-malformed"},
    "log/tile/0/001.p/44": {"tile-malformed"},
    "log/tile/1/000.p/1": {"tile-malformed"},
    "log/checkpoint": {"checkpoint-malformed"},
    "log/round": {"journal-damaged"},
    f"heads/{HISTORY}": {"heads-malformed"},
}


@pytest.mark.parametrize("sort", SORTS, ids=lambda sort: sort.__name__)
@pytest.mark.parametrize("place", PLACES)
def test_what_stands_in_the_place_of_a_file_is_named(path: Path, place: str, sort: Callable[[Path], None]) -> None:
    (path / place).unlink()
    sort(path / place)
    with bounded():
        report = verified(path)
        try:
            list(entries(LogFolder(path / "log"), 300))
            LogFolder(path / "log").checkpoint()
        except Damaged:
            assert place == "log/checkpoint"
    assert codes(report) >= PLACES[place]


def test_a_folder_without_end_is_walked_through(path: Path) -> None:
    place = path / "log/tile"
    for _ in range(1_500):
        place /= "a"
        place.mkdir()
    (place / "b").touch()
    with bounded():
        assert "stray-file" in codes(verified(path))
    (place / "b").unlink()
    while place.name == "a":  # whoever clears up after the tests is not as patient
        place.rmdir()
        place = place.parent


@pytest.mark.parametrize("size", [1 << 62, 10**30])
def test_a_size_that_nobody_signed_is_not_counted_up_to(path: Path, size: int) -> None:
    (path / "log/checkpoint").write_text(signed(min(size, 1 << 62), bytes(32)).replace(str(1 << 62), str(size)))
    receipt = canonical({"type": "axis-receipt", "document": "x"})
    with bounded():
        assert not verify_log(path / "log", VKEY).ok
        assert len(list(entries(LogFolder(path / "log"), size))) == 256, "the last bundle is narrower than that says"
        assert [one.code for one in check_receipts([receipt], path / "log", size)] == ["receipt-without-leaf"]


def test_a_checkpoint_has_a_size_that_a_log_can_have() -> None:
    root = "A" * 43 + "="
    assert parse_checkpoint(f"x\n{(1 << 63) - 1}\n{root}\n").size == (1 << 63) - 1
    with pytest.raises(MalformedCheckpoint):
        parse_checkpoint(f"x\n{1 << 63}\n{root}\n")


def dated(path: Path, *instants: str) -> None:
    """A log whose entries tell these times, signed by who has the key."""
    leaves = [leaf(LogEntry(EntryKind.STARTED, parse_rfc3339(at), "x", "")) for at in instants]
    grow(path)
    hashes = [leaf_hash(one) for one in leaves]
    for place, octets in (("entries", encode_bundle(leaves)), ("0", b"".join(hashes))):
        file = path / "log/tile" / place / f"000.p/{len(leaves)}"
        file.parent.mkdir(parents=True)
        file.write_bytes(octets)
    (path / "log/checkpoint").write_text(signed(len(leaves), Frontier().extend(hashes).root()))


def test_an_entry_that_is_dated_back_is_worth_knowing(tmp_path: Path) -> None:
    """The holder of the key can put it nowhere but at the end, and there it stands after later ones."""
    day = "2026-11-23T01:02:{}.000000Z"
    dated(tmp_path, day.format("03"), day.format("59"), day.format("04"), "2026-11-22T23:59:59.000000Z")
    report = verify_log(tmp_path / "log", VKEY)
    assert report.ok
    assert [(one.code, one.place) for one in report.findings] == [("time-back", "3")]
