"""What only a bucket does: conditions, two steps of collecting, trouble on the way, and what is no part of it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.error import HTTPError

import pytest

from axis.blobs import Blobs
from axis.core.model import PayloadRef
from axis.core.problems import Kind, Unavailable
from axis.devpki import DevPki
from axis.holding import Sort, StoredFile, read
from axis.objects.blobs import ObjectBlobs
from axis.objects.bucket import KEY_ID, PART, SECRET, TOKEN, Bucket, Credentials, NotAnswering, NotUsable
from axis.objects.holding import Objects
from axis.objects.keys import aside, named
from tests.buckets import Proxy, Rented, Server, files_below, proxy
from tests.site import until

LARGE = os.urandom(1_300_000)
PARTS = LARGE * 7
assert len(PARTS) > PART


def ref_of(octets: bytes) -> PayloadRef:
    return PayloadRef(hashlib.sha256(octets).hexdigest(), len(octets))


def name_of(octets: bytes) -> str:
    return named(ref_of(octets).sha256)


def blobs(rented: Rented, folder: Path) -> ObjectBlobs:
    return ObjectBlobs(Blobs(folder / "blobs", 1000), rented.bucket)


async def keep(shelf: ObjectBlobs, octets: bytes) -> PayloadRef:
    ref, inline = await shelf.shelve(octets)
    assert inline is None
    return ref


# --- what a server does not offer, or does twice ---------------------------------------------------------


async def test_nothing_is_replaced_in_one_request(bucket: Rented, broken: Proxy, tmp_path: Path) -> None:
    """Another process has put it meanwhile: the answer is believed, and the size is looked at."""
    shelf = blobs(bucket.at(broken.endpoint), tmp_path)
    await keep(shelf, LARGE)
    written = (await asyncio.to_thread(bucket.bucket.look, name_of(LARGE))).at
    broken.seen.clear()
    await asyncio.sleep(1.1)
    await keep(shelf, LARGE)
    *puts, looked = [line.split()[0] for line in broken.seen]
    assert {*puts} == {"PUT"}, "not asked before: most bodies are new"
    assert looked == "HEAD"
    assert (await asyncio.to_thread(bucket.bucket.look, name_of(LARGE))).at == written


async def test_a_server_without_conditions_is_asked_first(bucket: Rented, broken: Proxy, tmp_path: Path) -> None:
    shelf = blobs(bucket.at(broken.endpoint, timedelta(seconds=8)), tmp_path)
    broken.breaks("unconditional", "PUT")
    await keep(shelf, LARGE)
    assert broken.fired > 0
    fired = broken.fired
    broken.seen.clear()
    await keep(shelf, LARGE)
    assert [line.split()[0] for line in broken.seen] == ["HEAD"], "it is there, and is not sent again"
    assert broken.fired == fired, "it was told once"
    assert await shelf.payload(ref_of(LARGE)).read() == LARGE


async def test_what_goes_in_parts_is_looked_for_before(bucket: Rented, broken: Proxy, tmp_path: Path) -> None:
    shelf = blobs(bucket.at(broken.endpoint), tmp_path)
    await keep(shelf, PARTS)
    assert [line.split()[0] for line in broken.seen].count("PUT") == 2
    broken.seen.clear()
    await keep(shelf, PARTS)
    assert [line.split()[0] for line in broken.seen] == ["HEAD"]


# --- trouble ---------------------------------------------------------------------------------------------


@asynccontextmanager
async def refused_for_now(sha256: str) -> AsyncIterator[None]:
    with pytest.raises(Unavailable) as told:
        yield
    assert told.value.problem.kind is Kind.STORE_UNAVAILABLE
    assert told.value.retry_after_s
    assert told.value.problem.context["sha256"] == sha256
    assert "127.0.0.1" not in told.value.problem.detail


@pytest.mark.faults
@pytest.mark.parametrize("octets", [LARGE, PARTS], ids=["one request", "parts"])
@pytest.mark.parametrize("trouble", ["down", "500", "slow"])
async def test_a_bucket_in_trouble_keeps_nothing_and_says_so(
    bucket: Rented, broken: Proxy, tmp_path: Path, trouble: str, octets: bytes
) -> None:
    """Nothing is half stored: what is not acknowledged has no name, and the spool is empty."""
    shelf, begun = blobs(bucket.at(broken.endpoint, timedelta(seconds=1)), tmp_path), time.monotonic()
    broken.breaks(trouble)
    async with refused_for_now(ref_of(octets).sha256):
        await keep(shelf, octets)
    assert broken.fired > 0
    assert time.monotonic() - begun < 10, "bounded"
    assert bucket.listed() == []
    assert files_below(tmp_path) == []
    broken.mend()
    await keep(shelf, octets)
    assert await shelf.payload(ref_of(octets)).read() == octets


@pytest.mark.faults
@pytest.mark.parametrize("octets", [LARGE, PARTS], ids=["one request", "parts"])
async def test_what_was_done_and_never_heard_of_is_done(
    bucket: Rented, broken: Proxy, tmp_path: Path, octets: bytes
) -> None:
    """The answer is lost: whoever repeats, here or at the sender's, finds it there or writes the same."""
    shelf = blobs(bucket.at(broken.endpoint), tmp_path)
    broken.breaks("forgotten", "PUT" if octets is LARGE else "POST", left=1)
    assert await keep(shelf, octets) == ref_of(octets)
    assert broken.fired == 1
    assert bucket.listed() == [name_of(octets)]
    assert await shelf.payload(ref_of(octets)).read() == octets


@pytest.mark.faults
@pytest.mark.parametrize("trouble", ["down", "500"])
async def test_trouble_that_passes_is_waited_out(bucket: Rented, broken: Proxy, tmp_path: Path, trouble: str) -> None:
    shelf = blobs(bucket.at(broken.endpoint, timedelta(seconds=5)), tmp_path)
    for method, octets in (("PUT", LARGE), ("GET", b"")):
        broken.breaks(trouble, method, left=2)
        if octets:
            await keep(shelf, octets)
        else:
            assert await shelf.payload(ref_of(LARGE)).read() == LARGE
        assert broken.fired == 2


@pytest.mark.faults
@pytest.mark.parametrize("trouble", ["down", "500", "slow", "reset", "short", "wrong"])
async def test_what_does_not_come_whole_is_never_handed_out_whole(
    bucket: Rented, broken: Proxy, tmp_path: Path, trouble: str
) -> None:
    await keep(blobs(bucket, tmp_path), LARGE)
    shelf, got = blobs(bucket.at(broken.endpoint, timedelta(seconds=1)), tmp_path), bytearray()
    broken.breaks(trouble, "GET")

    async def receive() -> None:
        async for piece in shelf.payload(ref_of(LARGE)).chunks():
            got.extend(piece)

    async with refused_for_now(ref_of(LARGE).sha256):
        await receive()
    assert broken.fired > 0
    assert len(got) < len(LARGE)
    broken.mend()
    assert await shelf.payload(ref_of(LARGE)).read() == LARGE


@pytest.mark.faults
async def test_uploads_that_nobody_waits_for_end_at_once(bucket: Rented, broken: Proxy, tmp_path: Path) -> None:
    shelf = blobs(bucket.at(broken.endpoint, timedelta(seconds=30)), tmp_path)
    broken.breaks("slow", "PUT")
    tasks = [asyncio.ensure_future(keep(shelf, LARGE + bytes([n]))) for n in range(20)]
    await asyncio.to_thread(until, "eight go up", lambda: broken.fired >= 8)
    begun = time.monotonic()
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(one) for one in ended} == {asyncio.CancelledError}
    assert time.monotonic() - begun < 5
    assert broken.fired == 8, "no more than eight go up at once"
    assert files_below(tmp_path) == []


async def test_a_bucket_that_is_not_there_is_told(bucket: Rented, tmp_path: Path) -> None:
    other = replace(bucket, url="s3://axis-none/truc-thu")
    with pytest.raises(Unavailable) as told:
        await keep(blobs(other, tmp_path), LARGE)
    assert "NoSuchBucket" in told.value.problem.context["error"]
    with pytest.raises(NotAnswering, match="NoSuchBucket"):
        list(Objects(other.bucket).stored())


# --- collecting ------------------------------------------------------------------------------------------


def only(holding: Objects) -> StoredFile:
    (file,) = holding.stored()
    return file


async def test_collecting_takes_two_steps_a_grace_apart(bucket: Rented, tmp_path: Path) -> None:
    shelf, holding, far = blobs(bucket, tmp_path), Objects(bucket.bucket), time.time() + 3600
    ref = await keep(shelf, LARGE)
    assert holding.collect(only(holding), far) is None
    assert bucket.listed() == [aside(ref.sha256)]
    assert only(holding).sort is Sort.ASIDE
    assert await shelf.payload(ref).read() == LARGE, "whoever named it just then has lost nothing"
    assert read(holding, ref) == LARGE
    assert holding.collect(only(holding), only(holding).mtime) is None, "moved a moment ago"
    assert holding.collect(only(holding), far) == len(LARGE)
    assert bucket.listed() == []
    assert holding.collect(StoredFile(Sort.NAMED, name_of(LARGE), len(LARGE), 0.0), far) is None


async def test_what_a_row_names_after_all_is_put_back(bucket: Rented, tmp_path: Path) -> None:
    shelf, holding = blobs(bucket, tmp_path), Objects(bucket.bucket)
    ref = await keep(shelf, LARGE)
    holding.collect(only(holding), time.time() + 3600)
    holding.claim(only(holding))
    assert bucket.listed() == [name_of(LARGE)]
    assert await shelf.payload(ref).read() == LARGE


async def test_octets_that_come_again_while_they_lie_aside_are_there_twice_for_a_while(
    bucket: Rented, tmp_path: Path
) -> None:
    shelf, holding, far = blobs(bucket, tmp_path), Objects(bucket.bucket), time.time() + 3600
    ref = await keep(shelf, LARGE)
    holding.collect(only(holding), far)
    await keep(shelf, LARGE)
    assert bucket.listed() == sorted([name_of(LARGE), aside(ref.sha256)])
    lying = next(one for one in holding.stored() if one.sort is Sort.ASIDE)
    assert holding.collect(lying, far) == len(LARGE)
    assert bucket.listed() == [name_of(LARGE)]


@pytest.mark.faults
@pytest.mark.parametrize("method", ["PUT", "HEAD", "DELETE"])
async def test_a_collection_that_breaks_loses_nothing(
    bucket: Rented, broken: Proxy, tmp_path: Path, method: str
) -> None:
    """Wherever it ends, the octets are under one of the two names, and the next one goes on."""
    shelf, far = blobs(bucket, tmp_path), time.time() + 3600
    ref = await keep(shelf, LARGE)
    holding = Objects(bucket.at(broken.endpoint, timedelta(seconds=1)).bucket)
    file = only(Objects(bucket.bucket))
    broken.breaks("down", method)
    with pytest.raises(NotAnswering):
        await asyncio.to_thread(holding.collect, file, far)
    assert broken.fired > 0
    assert await shelf.payload(ref).read() == LARGE
    broken.mend()
    await asyncio.to_thread(holding.collect, file, far)
    assert bucket.listed() == [aside(ref.sha256)]


# --- where it goes, and as whom --------------------------------------------------------------------------


async def test_the_environment_sends_nothing_elsewhere(
    bucket: Rented, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = "http://127.0.0.1:1"
    ambient = {
        "AWS_ENDPOINT_URL_S3": nowhere,
        "AWS_ENDPOINT": nowhere,
        "AWS_BUCKET": "other",
        "AWS_SKIP_SIGNATURE": "true",
        "HTTP_PROXY": nowhere,
        "http_proxy": nowhere,
        "ALL_PROXY": nowhere,
    }
    for name, text in ambient.items():
        monkeypatch.setenv(name, text)
    await keep(blobs(bucket, tmp_path), LARGE)
    assert {name: os.environ.get(name) for name in ambient} == ambient, "left as it was"
    monkeypatch.undo()
    assert bucket.listed() == [name_of(LARGE)]


async def test_a_server_must_show_a_certificate_that_is_believed(
    bucket: Rented, buckets: Server, tmp_path: Path
) -> None:
    pki = DevPki.create(tmp_path / "pki", datetime.now(UTC))
    with proxy(buckets, pki.tls_server("s3")) as behind_tls:
        settings = bucket.at(behind_tls.endpoint).settings
        source = tmp_path / "octets"
        source.write_bytes(LARGE)
        with pytest.raises(NotAnswering):
            await Bucket(settings).put(name_of(LARGE), len(LARGE), source)
        assert bucket.listed() == []
        believed = Bucket(replace(settings, ca=pki.tls_ca.read_bytes()))
        await believed.put(name_of(LARGE), len(LARGE), source)
    assert bucket.listed() == [name_of(LARGE)]


def test_credentials_of_the_environment_are_whole_or_none() -> None:
    whole = {KEY_ID: "a", SECRET: "b", TOKEN: "c"}
    assert Credentials.ambient(whole) == Credentials("a", "b", "c")
    assert "b" not in repr(Credentials.ambient(whole)).replace("ambient", "")
    for missing in (KEY_ID, SECRET):
        with pytest.raises(NotUsable, match=KEY_ID):
            Credentials.ambient({name: text for name, text in whole.items() if name != missing})


@pytest.mark.parametrize(
    ("path_style", "address"), [(True, "https://s3.h99.vn:9000"), (False, "https://axis.s3.h99.vn:9000")]
)
def test_the_bucket_stands_in_the_path_or_in_the_host(bucket: Rented, path_style: bool, address: str) -> None:
    settings = replace(bucket.settings, url="s3://axis/a/b", endpoint="https://s3.h99.vn:9000", path_style=path_style)
    assert (settings.address, settings.bucket, settings.prefix) == (address, "axis", "a/b")
    assert Bucket(settings).name == "s3://axis/a/b"


async def test_nodes_beside_each_other_do_not_see_each_other(bucket: Rented, tmp_path: Path) -> None:
    other = replace(bucket, url=f"{bucket.url}-khac")
    await keep(blobs(bucket, tmp_path), LARGE)
    assert other.listed() == []
    with pytest.raises(HTTPError):
        other.raw("GET", name_of(LARGE))
