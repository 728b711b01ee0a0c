"""What files and objects promise alike, as blobs of a daemon and as a holding of whoever looks after it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
import tracemalloc
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from axis.blobs import PIECE, Blobs
from axis.care.files import Files, bring
from axis.core.model import PayloadRef
from axis.core.problems import Kind, Unavailable
from axis.holding import Holding, Sort, read
from axis.objects.blobs import ObjectBlobs
from axis.objects.holding import Objects
from tests.buckets import Rented, files_below

SMALL, LARGE = b"a" * 100, os.urandom(1_300_000)


def ref_of(octets: bytes) -> PayloadRef:
    return PayloadRef(hashlib.sha256(octets).hexdigest(), len(octets))


@dataclass
class Adapter:
    """One adapter, with the hands that a test has behind its back."""

    shelf: Blobs | ObjectBlobs
    holding: Holding
    names: Callable[[], list[str]]
    overwrite: Callable[[str, bytes], None]
    remove: Callable[[str], None]
    spooled: Callable[[], list[Path]]


def in_files(folder: Path) -> Adapter:
    def overwrite(name: str, octets: bytes) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(octets)

    return Adapter(
        Blobs(folder, 1000),
        Files(folder),
        lambda: [str(one.relative_to(folder)) for one in files_below(folder) if one.parent.name != "spool"],
        overwrite,
        lambda name: (folder / name).unlink(),
        lambda: files_below(folder / "spool"),
    )


def in_objects(folder: Path, rented: Rented) -> Adapter:
    return Adapter(
        ObjectBlobs(Blobs(folder, 1000), rented.bucket),
        Objects(rented.bucket),
        rented.listed,
        lambda name, octets: void(rented.raw("PUT", name, octets)),
        lambda name: void(rented.raw("DELETE", name)),
        lambda: files_below(folder),
    )


def read_file(place: bytes | str) -> bytes:
    return Path(os.fsdecode(place)).read_bytes()


def void(_: object) -> None:
    pass


@pytest.fixture(params=["files", "objects"])
def one(request: pytest.FixtureRequest, tmp_path: Path) -> Adapter:
    folder = tmp_path / "blobs"
    return in_files(folder) if request.param == "files" else in_objects(folder, request.getfixturevalue("bucket"))


def name_of(octets: bytes) -> str:
    digest = ref_of(octets).sha256
    return f"{digest[:2]}/{digest}"


async def store(one: Adapter, octets: bytes) -> PayloadRef:
    async with one.shelf.spool(1 << 30) as spool:
        for start in range(0, len(octets), 70_000):
            await spool.write(octets[start : start + 70_000])
        spooled = await spool.finish()
        await spooled.keep()
        return spooled.ref


async def test_small_octets_stay_where_they_are(one: Adapter) -> None:
    assert await one.shelf.shelve(SMALL) == (ref_of(SMALL), SMALL)
    assert await one.shelf.inline(ref_of(SMALL), SMALL).read() == SMALL
    assert one.names() == []


@pytest.mark.parametrize("octets", [b"x" * 1001, LARGE, LARGE * 8], ids=["small", "one request", "parts"])
async def test_large_octets_are_kept_under_their_digest_and_given_back(one: Adapter, octets: bytes) -> None:
    async with one.shelf.spool(len(octets)) as spool:
        await spool.write(octets)
        spooled = await spool.finish()
        assert spooled.inline is None
        await spooled.keep()
        assert spooled.view()[:5] == octets[:5], "still readable after it is kept"
        assert spooled.digest("sha512") == hashlib.sha512(octets).digest()
        await spooled.keep()
    assert one.names() == [name_of(octets)]
    assert one.spooled() == []
    payload = one.shelf.payload(ref_of(octets))
    assert await payload.read() == octets
    pieces = [piece async for piece in payload.chunks()]
    assert b"".join(pieces) == octets
    assert max(map(len, pieces)) <= PIECE
    async with AsyncExitStack() as until:
        here = await payload.at_hand(until)
        assert here.place == octets or read_file(here.place) == octets
        assert here.digest("sha384") == hashlib.sha384(octets).digest()
    assert one.spooled() == []


async def test_what_is_not_kept_is_discarded(one: Adapter) -> None:
    async with one.shelf.spool(1 << 30) as spool:
        await spool.write(LARGE)
        await spool.finish()
        assert len(one.spooled()) == 1
    assert (one.names(), one.spooled()) == ([], [])


async def test_the_same_octets_are_kept_once(one: Adapter) -> None:
    refs = await asyncio.gather(*(store(one, LARGE) for _ in range(5)))
    assert set(refs) == {ref_of(LARGE)}
    assert one.names() == [name_of(LARGE)]
    assert await one.shelf.payload(ref_of(LARGE)).read() == LARGE


@pytest.mark.parametrize("octets", [LARGE, LARGE * 8], ids=["one request", "parts"])
async def test_a_name_of_another_size_is_damage_and_not_used(one: Adapter, octets: bytes) -> None:
    one.overwrite(name_of(octets), octets[:5])
    with pytest.raises(Unavailable) as damaged:
        await store(one, octets)
    assert damaged.value.problem.kind is Kind.STORE_UNAVAILABLE
    assert damaged.value.problem.context["sha256"] == ref_of(octets).sha256
    assert read(one.holding, ref_of(octets)) == octets[:5], "what was there is left for people to look at"


@pytest.mark.parametrize("octets", [LARGE[:50_000], LARGE], ids=["a piece", "pieces"])
@pytest.mark.parametrize(
    "harm",
    [lambda octets: b"X" + octets[1:], lambda octets: octets[:-1], lambda octets: octets + b"X", lambda octets: b""],
    ids=["another", "short", "long", "empty"],
)
async def test_damaged_octets_are_never_handed_out_whole(
    one: Adapter, octets: bytes, harm: Callable[[bytes], bytes]
) -> None:
    ref = await store(one, octets)
    one.overwrite(name_of(octets), harm(octets))
    payload, got = one.shelf.payload(ref), bytearray()

    async def receive() -> None:
        async for piece in payload.chunks():
            got.extend(piece)

    with pytest.raises(Unavailable) as damaged:
        await payload.read()
    assert damaged.value.problem.context["sha256"] == ref.sha256
    with pytest.raises(Unavailable):
        await receive()
    assert len(got) < len(octets)
    if isinstance(one.shelf, ObjectBlobs):
        async with AsyncExitStack() as until:
            with pytest.raises(Unavailable):
                await payload.at_hand(until)
    assert one.spooled() == []


async def test_missing_octets_say_so(one: Adapter) -> None:
    with pytest.raises(Unavailable) as missing:
        await one.shelf.payload(ref_of(LARGE)).read()
    assert "FileNotFoundError" in missing.value.problem.context["error"]
    assert read(one.holding, ref_of(LARGE)) is None


async def test_a_cancelled_body_leaves_nothing(one: Adapter) -> None:
    entered = asyncio.Event()

    async def send() -> None:
        async with one.shelf.spool(1 << 30) as spool:
            for _ in range(100):
                await spool.write(LARGE)
                entered.set()

    task = asyncio.ensure_future(send())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (one.names(), one.spooled()) == ([], [])


@pytest.mark.faults
async def test_forty_megabytes_pass_through_bounded_memory(one: Adapter) -> None:
    piece = os.urandom(65_536)
    tracemalloc.start()
    try:
        async with one.shelf.spool(64 << 20) as spool:
            for n in range(640):
                await spool.write(n.to_bytes(4, "big") + piece[4:])
            spooled = await spool.finish()
            await spooled.keep()
        async for _ in one.shelf.payload(spooled.ref).chunks():
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 << 20, f"{peak} octets at the peak"


async def test_a_holding_tells_what_is_there(one: Adapter) -> None:
    before = time.time() - 2
    for octets in (LARGE, SMALL * 20):
        await store(one, octets)
    one.overwrite("stray/thing", b"?")
    one.overwrite(f"00/{'f' * 64}", b"a name below another name's beginning")
    there = list(one.holding.stored())
    assert [file.where for file in there] == sorted(one.names())
    sorts = {file.where: file.sort for file in there}
    assert sorts.pop("stray/thing") is Sort.STRAY
    assert sorts.pop(f"00/{'f' * 64}") is Sort.STRAY
    assert sorts == {name_of(LARGE): Sort.NAMED, name_of(SMALL * 20): Sort.NAMED}
    large = next(file for file in there if file.size == len(LARGE))
    assert before <= large.mtime <= time.time() + 2
    assert one.holding.digest_of(large) == (large.name, large.size) == (ref_of(LARGE).sha256, len(LARGE))


@pytest.mark.parametrize("link", [True, False])
async def test_octets_are_brought_to_a_file_and_taken_from_one(one: Adapter, tmp_path: Path, link: bool) -> None:
    await store(one, LARGE)
    target = tmp_path / "copy" / "octets"
    bring(one.holding, ref_of(LARGE), target, link=link)
    assert target.read_bytes() == LARGE
    assert target.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileNotFoundError):
        bring(one.holding, ref_of(SMALL), tmp_path / "copy" / "none", link=link)
    other = tmp_path / "other"
    other.write_bytes(LARGE[::-1])

    def take() -> None:
        one.holding.take(ref_of(LARGE[::-1]), other)
        one.holding.take(ref_of(LARGE[::-1]), other)

    await asyncio.to_thread(take)
    assert read(one.holding, ref_of(LARGE[::-1])) == LARGE[::-1]
    assert await one.shelf.payload(ref_of(LARGE[::-1])).read() == LARGE[::-1]
    assert one.spooled() == []


async def test_what_was_named_lately_is_not_collected(one: Adapter) -> None:
    await store(one, LARGE)
    (file,) = one.holding.stored()
    assert one.holding.collect(file, file.mtime) is None
    assert one.names() == [name_of(LARGE)]
    one.holding.claim(file)
    assert one.names() == [name_of(LARGE)]
