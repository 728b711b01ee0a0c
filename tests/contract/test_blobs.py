"""Octets on their way in, at rest, and out again."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import os
import stat
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from axis.blobs import PIECE, Blobs
from axis.core.model import PayloadRef
from axis.core.problems import Kind, Refused, Unavailable
from axis.durable import sync_folder

SMALL, LARGE = b"a" * 100, os.urandom(300_000)


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs", inline_max=1000)


def ref_of(octets: bytes) -> PayloadRef:
    return PayloadRef(hashlib.sha256(octets).hexdigest(), len(octets))


def files(blobs: Blobs) -> list[Path]:
    return sorted(path for path in blobs.folder.rglob("*") if path.is_file())


async def store(blobs: Blobs, octets: bytes) -> PayloadRef:
    async with blobs.spool(1 << 30) as spool:
        for start in range(0, len(octets), 70_000):
            await spool.write(octets[start : start + 70_000])
        spooled = await spool.finish()
        await spooled.keep()
        return spooled.ref


@pytest.mark.parametrize("octets", [b"", SMALL, b"x" * 1000])
async def test_small_octets_never_touch_the_disk(blobs: Blobs, octets: bytes) -> None:
    async with blobs.spool(1000) as spool:
        await spool.write(octets[:10])
        await spool.write(memoryview(octets)[10:])
        spooled = await spool.finish()
        assert spooled.inline == octets
        assert spooled.view() == octets
        assert spooled.ref == ref_of(octets)
        await spooled.keep()
    assert not blobs.folder.exists()
    assert await blobs.inline(spooled.ref, octets).read() == octets


@pytest.mark.parametrize("octets", [b"x" * 1001, LARGE, LARGE * 4])
async def test_large_octets_are_kept_under_their_digest(blobs: Blobs, octets: bytes) -> None:
    async with blobs.spool(len(octets)) as spool:
        await spool.write(octets)
        spooled = await spool.finish()
        assert spooled.inline is None
        assert spooled.ref == ref_of(octets)
        assert spooled.view()[:] == octets
        assert spooled.view()[2:7] == octets[2:7]
        assert len(spooled.view()) == len(octets)
        await spooled.keep()
        assert spooled.view()[:5] == octets[:5], "still readable after it has its name"
        await spooled.keep()
    digest = ref_of(octets).sha256
    assert files(blobs) == [blobs.folder / digest[:2] / digest]
    assert stat.S_IMODE(files(blobs)[0].stat().st_mode) == 0o600
    payload = blobs.payload(ref_of(octets))
    assert payload.ref == ref_of(octets)
    assert await payload.read() == octets
    pieces = [piece async for piece in payload.chunks()]
    assert b"".join(pieces) == octets
    assert max(map(len, pieces)) <= PIECE


async def test_what_is_kept_is_read_by_slices_once_its_digest_is_verified(blobs: Blobs) -> None:
    ref, _ = await blobs.shelve(LARGE)
    view = await blobs.payload(ref).view()
    assert (len(view), view[:], view[3:9], view[5:2]) == (len(LARGE), LARGE, LARGE[3:9], b"")
    assert await blobs.inline(ref, LARGE).view() == LARGE
    blobs.path(ref).write_bytes(LARGE[:-1])
    assert view[:-1] == LARGE[:-1]
    with pytest.raises(OSError, match="shorter"):
        view[-5:]
    for damaged in (LARGE[:-1], LARGE[:-1] + b"!"):
        blobs.path(ref).write_bytes(damaged)
        for kept in (blobs.payload(ref), blobs.inline(ref, damaged)):
            with pytest.raises(Unavailable):
                await kept.view()


async def test_what_is_not_kept_is_discarded(blobs: Blobs) -> None:
    async with blobs.spool(1 << 20) as spool:
        await spool.write(LARGE)
        view = (await spool.finish()).view()
        assert len(files(blobs)) == 1
    with pytest.raises(OSError, match="Bad file descriptor"):
        view[:5]
    assert files(blobs) == []


async def test_a_broken_body_is_discarded(blobs: Blobs) -> None:
    async def receive() -> None:
        async with blobs.spool(1 << 20) as spool:
            await spool.write(LARGE)
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await receive()
    assert files(blobs) == []


@pytest.mark.parametrize("limit", [50, 5000])
async def test_one_octet_too_many_is_refused(blobs: Blobs, limit: int) -> None:
    async with blobs.spool(limit) as spool:
        await spool.write(b"x" * limit)
        with pytest.raises(Refused) as refused:
            await spool.write(b"x")
    assert refused.value.problem.kind is Kind.TOO_LARGE
    assert refused.value.problem.extra == {"max_bytes": limit}
    assert not blobs.folder.exists() or files(blobs) == []


async def test_the_same_octets_are_kept_once(blobs: Blobs) -> None:
    first = await store(blobs, LARGE)
    inode = files(blobs)[0].stat().st_ino
    refs = await asyncio.gather(*(store(blobs, LARGE) for _ in range(8)))
    assert set(refs) == {first}
    assert [path.stat().st_ino for path in files(blobs)] == [inode]


@pytest.mark.parametrize("harm", [lambda octets: octets[:5], lambda octets: b"X" + octets[1:]])
async def test_a_name_of_other_octets_is_damage_and_not_used(blobs: Blobs, harm: Callable[[bytes], bytes]) -> None:
    """A second document with the same attachment must not get a receipt for what is gone."""
    await store(blobs, LARGE)
    files(blobs)[0].write_bytes(harm(LARGE))
    with pytest.raises(Unavailable) as damaged:
        await store(blobs, LARGE)
    assert damaged.value.problem.kind is Kind.STORE_UNAVAILABLE
    assert damaged.value.problem.context["sha256"] == ref_of(LARGE).sha256


@pytest.mark.parametrize("octets", [LARGE[:50_000], LARGE])
@pytest.mark.parametrize(
    "harm",
    [lambda octets: b"X" + octets[1:], lambda octets: octets[:-1], lambda octets: octets + b"X", lambda octets: b""],
)
async def test_damaged_octets_are_never_handed_out_whole(
    blobs: Blobs, octets: bytes, harm: Callable[[bytes], bytes]
) -> None:
    ref = await store(blobs, octets)
    files(blobs)[0].write_bytes(harm(octets))
    payload, got = blobs.payload(ref), bytearray()

    async def read() -> None:
        async for piece in payload.chunks():
            got.extend(piece)

    for reading in (payload.read, read, blobs.inline(ref, harm(octets)).read):
        with pytest.raises(Unavailable) as damaged:
            await reading()
        assert damaged.value.problem.kind is Kind.STORED_DAMAGED
        assert damaged.value.problem.context["sha256"] == ref.sha256
    assert len(got) < len(octets)


async def test_a_missing_file_is_damage_and_a_missing_disk_is_waited_for(blobs: Blobs) -> None:
    """A disk that is not mounted takes the folders along."""
    ref = await store(blobs, LARGE)
    payload = blobs.payload(ref)

    async def pieces() -> None:
        [piece async for piece in payload.chunks()]

    files(blobs)[0].unlink()
    for kind in (Kind.STORED_DAMAGED, Kind.STORE_UNAVAILABLE):
        for reading in (payload.read, pieces):
            with pytest.raises(Unavailable) as missing:
                await reading()
            assert missing.value.problem.kind is kind
            assert "FileNotFoundError" in missing.value.problem.context["error"]
        if kind is Kind.STORED_DAMAGED:
            blobs.path(ref).parent.rmdir()


async def test_the_disk_may_begin_with_all_that_has_come(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    monkeypatch.setattr("os.posix_fadvise", lambda _, at, count, how: told.append((at, count, how)))
    async with blobs.spool(1 << 21) as spool:
        for piece in (LARGE, LARGE, LARGE[:1000]):
            await spool.write(piece)
        await (await spool.finish()).keep()
    size = len(LARGE)
    assert told == [(at, count, os.POSIX_FADV_DONTNEED) for at, count in ((0, size), (size, size), (2 * size, 1000))]


async def test_a_file_with_its_name_is_closed_without_a_thread(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    async with blobs.spool(1 << 20) as spool:
        await spool.write(LARGE)
        spooled = await spool.finish()
        await spooled.keep()
        monkeypatch.setattr("asyncio.to_thread", None)
    with pytest.raises(OSError, match="descriptor"):
        spooled.view()[:1]


@pytest.mark.faults
@pytest.mark.parametrize("call", ["fdatasync", "fsync", "rename"])
async def test_what_does_not_reach_the_disk_gets_no_name(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """A failed sync is not tried again on the same file: the second one would succeed for pages that are gone."""
    fired = []

    def fail(*_: object) -> None:
        fired.append(call)
        raise OSError(errno.EIO, "injected")

    async with blobs.spool(1 << 20) as spool:
        await spool.write(LARGE)
        spooled = await spool.finish()
        with monkeypatch.context() as broken:
            broken.setattr("pathlib.Path.rename" if call == "rename" else f"os.{call}", fail)
            with pytest.raises(Unavailable) as told:
                await spooled.keep()
        assert told.value.problem.kind is Kind.STORE_UNAVAILABLE
        assert fired == [call]
        with pytest.raises(Unavailable):
            await spooled.keep()
    assert files(blobs) == []
    assert await store(blobs, LARGE) == ref_of(LARGE)


@pytest.mark.faults
async def test_a_name_is_taken_back_when_its_folder_is_not_synced(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store(blobs, LARGE)
    other = next(LARGE + bytes([n]) for n in range(256) if not blobs.path(ref_of(LARGE + bytes([n]))).parent.exists())
    target, fired = blobs.path(ref_of(other)), []

    def fail(folder: Path) -> None:
        if folder == target.parent:
            fired.append(target.exists())
            raise OSError(errno.EIO, "injected")
        sync_folder(folder)

    with monkeypatch.context() as broken:
        broken.setattr("axis.blobs.sync_folder", fail)
        with pytest.raises(Unavailable):
            await store(blobs, other)
    assert fired == [True]
    assert not target.exists()


CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
from axis import blobs as module

async def main(folder, point):
    blobs = module.Blobs(Path(folder), inline_max=1000)
    die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    async with blobs.spool(1 << 20) as spool:
        await spool.write(b"x" * 300_000)
        if point == "spooling":
            die()
        spooled = await spool.finish()
        if point == "synced":
            blobs._make_durable = die
        if point == "named":
            real = module.sync_folder
            module.sync_folder = lambda folder: die() if len(folder.name) == 2 else real(folder)
        await spooled.keep()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.faults
@pytest.mark.parametrize("point", ["spooling", "synced", "named"])
async def test_what_a_crash_leaves_is_swept_or_found_again(blobs: Blobs, point: str) -> None:
    octets = b"x" * 300_000
    killed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", CHILD, str(blobs.folder), point],
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert killed.returncode == -9
    orphans = [path for path in files(blobs) if path.parent.name == "spool"]
    named = blobs.path(ref_of(octets))
    assert (len(orphans), named.exists()) == ((0, True) if point == "named" else (1, False))
    assert blobs.sweep() == len(orphans)
    assert blobs.sweep() == 0
    assert await store(blobs, octets) == ref_of(octets)
    assert files(blobs) == [named]
    assert await blobs.payload(ref_of(octets)).read() == octets


async def test_the_sweep_leaves_named_octets_alone(blobs: Blobs) -> None:
    assert blobs.sweep() == 0
    ref = await store(blobs, LARGE)
    assert blobs.sweep() == 0
    assert await blobs.payload(ref).read() == LARGE


async def test_who_stands_still_where_names_are_removed_does_not_make_others_stand(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was stopped just there, with its lock. Whoever brought something large waited for as long, each
    with one of the few threads, and soon nobody was answered. It may go on and remove, so it is not passed over."""
    monkeypatch.setattr("axis.blobs.NAMING_S", 0.1)
    await store(blobs, os.urandom(2000))  # so that the lock is there
    with blobs.folder.with_name("blobs.lock").open("rb") as stands:
        fcntl.flock(stands, fcntl.LOCK_EX)
        end = threading.Timer(5, fcntl.flock, (stands, fcntl.LOCK_UN))
        end.start()
        with pytest.raises(Unavailable):
            await store(blobs, LARGE)
        end.cancel()
        with pytest.raises(TimeoutError):
            blobs.collect("ab" * 32, 0)
    assert await blobs.payload(await store(blobs, LARGE)).read() == LARGE


async def test_a_cancelled_body_leaves_nothing(blobs: Blobs) -> None:
    entered = asyncio.Event()

    async def send() -> None:
        async with blobs.spool(1 << 30) as spool:
            for _ in range(200):
                await spool.write(LARGE)
                entered.set()

    task = asyncio.ensure_future(send())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert files(blobs) == []


async def test_fifty_megabytes_pass_through_bounded_memory(tmp_path: Path) -> None:
    blobs, piece = Blobs(tmp_path / "blobs"), os.urandom(65_536)
    expected = hashlib.sha256()
    tracemalloc.start()
    try:
        async with blobs.spool(64 << 20) as spool:
            for n in range(800):
                chunk = n.to_bytes(4, "big") + piece[4:]
                expected.update(chunk)
                await spool.write(chunk)
            spooled = await spool.finish()
            view, seen = spooled.view(), hashlib.sha256()
            for start in range(0, len(view), PIECE):
                seen.update(view[start : start + PIECE])
            assert seen.hexdigest() == spooled.ref.sha256
            await spooled.keep()
        assert spooled.ref == PayloadRef(expected.hexdigest(), 800 * 65_536)
        async for _ in blobs.payload(spooled.ref).chunks():
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20, f"{peak} octets at the peak"
