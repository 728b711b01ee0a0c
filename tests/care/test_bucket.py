"""A node whose larger octets are in a bucket: looked after, backed up, put back and moved like one with files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from axis.care.files import Files
from axis.care.findings import Code
from axis.care.fsck import check_node
from axis.care.manifest import NoBackup
from axis.care.restore import Order, Target, restore
from axis.care.sweep import Swept, sweep
from axis.config import load_file
from axis.core.model import AddDocument, PayloadRef
from axis.objects.bucket import Bucket, Found
from axis.objects.keys import aside, named
from axis.shelf import shelf_of
from axis.sql.engine import open_store
from tests.buckets import Rented
from tests.buckets import Server as BucketServer
from tests.care.test_backup import back_up, copied
from tests.care.test_fsck import axis
from tests.care.test_sweep import where
from tests.care.world import LARGE, Node, made
from tests.factories_core import decision, document

OCTETS = b"put and never stored " * 3000
UNNAMED = sha256(OCTETS).hexdigest()
GRACE, DAY = timedelta(hours=24), timedelta(days=1)


@pytest.fixture(scope="session")
def original_in_bucket(buckets: BucketServer, tmp_path_factory: pytest.TempPathFactory) -> Node:
    return made(tmp_path_factory.mktemp("original-in-bucket") / "node", bucket=buckets.rent())


def in_bucket(original: Node, folder: Path, bucket: Rented) -> Node:
    """The same node somewhere else, with a bucket of its own."""
    here = original.site.bucket
    assert here is not None
    for key in here.listed():
        bucket.raw("PUT", key, here.raw("GET", key))
    other = original.copy(folder)
    other.site.bucket = bucket
    other.site.configure()
    return Node(other.site, load_file(other.site.config))


@pytest.fixture
def node(original_in_bucket: Node, tmp_path: Path, bucket: Rented) -> Node:
    return in_bucket(original_in_bucket, tmp_path / "node", bucket)


def now(days: float = 0) -> datetime:
    return datetime.now(UTC) + days * DAY


def only_key(bucket: Rented) -> str:
    (key,) = bucket.listed()
    return key


def test_a_node_in_a_bucket_is_sound_and_its_damage_is_found(node: Node, bucket: Rented) -> None:
    report = node.check()
    assert (report.findings, report.looked.files) == ((), 1)
    assert report.looked.octets_hashed > LARGE
    key = only_key(bucket)
    octets = bucket.raw("GET", key)
    for changed, found in (
        (octets[:-1] + b"!", {Code.PAYLOAD_DIGEST: 1}),
        (octets[:-1], {Code.PAYLOAD_SIZE: 1}),
    ):
        bucket.raw("PUT", key, changed)
        assert node.check().counts == found
    bucket.raw("DELETE", key)
    assert node.check().counts == {Code.PAYLOAD_MISSING: 1}
    bucket.raw("PUT", key, octets)
    bucket.raw("PUT", "nhat-ky.txt", b"?")
    bucket.raw("PUT", named(UNNAMED), b"not that")
    found = node.check(later=DAY).counts
    assert found == {Code.BLOB_STRAY: 1, Code.BLOB_UNNAMED: 1, Code.BLOB_DIGEST: 1, **_waiting(node)}


def _waiting(node: Node) -> dict[Code, int]:
    """What a day alone brings about."""
    return {code: number for code, number in node.check(later=DAY).counts.items() if code is Code.ENTRY_WAITING}


def test_what_no_row_names_goes_in_two_sweeps_and_what_is_named_stays(node: Node, bucket: Rented) -> None:
    kept = only_key(bucket)
    bucket.raw("PUT", named(UNNAMED), OCTETS)
    assert sweep(where(node), GRACE, now()) == Swept(), "put a moment ago"
    assert sweep(where(node), GRACE, now(2), remove=False) == Swept(1, 0, len(OCTETS))
    assert bucket.listed() == sorted([kept, named(UNNAMED)])
    assert sweep(where(node), GRACE, now(2)) == Swept(1, 0, 0)
    assert bucket.listed() == sorted([kept, aside(UNNAMED)])
    assert sweep(where(node), GRACE, now()) == Swept(), "moved a moment ago"
    assert sweep(where(node), GRACE, now(4)) == Swept(1, 1, len(OCTETS))
    assert bucket.listed() == [kept]
    assert node.check().sound


def test_what_is_named_after_the_rows_were_asked_is_read_and_put_back(node: Node, bucket: Rented) -> None:
    """The interleaving that loses a document where there is one step only: rows asked, found there by another process
    and stored, then collected."""
    bucket.raw("PUT", named(UNNAMED), OCTETS)
    fired: list[PayloadRef] = []

    async def store() -> None:
        shelf = shelf_of(node.config)
        ref, _ = await shelf.shelve(OCTETS)
        opened = open_store(node.url, shelf)
        await opened.transact(lambda ledger: ledger.apply(decision(AddDocument(document(payload=ref)))))
        await opened.close()
        fired.append(ref)

    swept = sweep(where(node), GRACE, now(2), asked=lambda: asyncio.run(store()))
    (ref,) = fired
    assert swept == Swept(1, 0, 0)
    assert aside(UNNAMED) in bucket.listed()
    assert named(UNNAMED) not in bucket.listed()
    assert asyncio.run(shelf_of(node.config).payload(ref).read()) == OCTETS
    assert Code.PAYLOAD_MISSING not in node.check().counts
    assert sweep(where(node), GRACE, now(40)) == Swept()
    assert named(UNNAMED) in bucket.listed()
    assert aside(UNNAMED) not in bucket.listed()


@pytest.mark.parametrize("way", [(named, aside), (aside, named), (named, aside, named)])
def test_what_is_moved_while_it_is_read_is_read_whole(
    node: Node, bucket: Rented, way: tuple[Callable[[str], str]]
) -> None:
    """A sweep puts aside what was named only after it had asked, or puts it back; a backup reads it meanwhile."""
    octets = b"some megabytes " * 200_000
    ref = PayloadRef(sha256(octets).hexdigest(), len(octets))
    places = [one(ref.sha256) for one in way]
    bucket.raw("PUT", places[0], octets)
    read = []
    for piece in node.place.blobs.pieces(ref):
        read.append(piece)
        if len(places) > 1:
            gone = places.pop(0)
            bucket.raw("PUT", places[0], octets)
            bucket.raw("DELETE", gone)
    assert b"".join(read) == octets
    bucket.raw("DELETE", places[0])
    with pytest.raises(FileNotFoundError):
        list(node.place.blobs.pieces(ref))


@pytest.mark.faults
def test_what_a_sweep_puts_back_between_two_pages_of_a_listing_is_not_missing(
    node: Node, bucket: Rented, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page has 1,000 objects. What is aside is listed last: put back in between, it stands on neither page."""
    key = only_key(bucket)
    octets = bucket.raw("GET", key)
    bucket.raw("PUT", aside(sha256(octets).hexdigest()), octets)
    bucket.raw("DELETE", key)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: bucket.raw("PUT", f"stray/{number}", b"."), range(1_100)))
    whole = Bucket.listed
    put_back: list[str] = []

    def listed(self: Bucket) -> Iterator[Found]:
        for number, one in enumerate(whole(self)):
            if not number and not put_back:
                put_back.append(key)
                bucket.raw("PUT", key, octets)
                bucket.raw("DELETE", aside(sha256(octets).hexdigest()))
            yield one

    monkeypatch.setattr(Bucket, "listed", listed)
    counts = check_node(node.place, now(), deep=True).counts
    assert put_back
    assert counts == {Code.BLOB_STRAY: 1_100}
    bucket.raw("DELETE", key)
    assert Code.PAYLOAD_MISSING in node.check().counts


@pytest.mark.parametrize("link", [True, False])
def test_a_backup_of_a_bucket_is_a_node_with_files(node: Node, tmp_path: Path, bucket: Rented, link: bool) -> None:
    taken = back_up(node, tmp_path / "backup", link=link)
    assert taken.manifest.blob_files == 1
    assert check_node(copied(node, tmp_path / "backup"), now(), deep=True).findings == ()
    bucket.raw("DELETE", only_key(bucket))
    code, told = axis("backup", "-c", node.site.config, tmp_path / "second")
    assert (code, "missing" in told) == (1, True)


@pytest.mark.faults
@pytest.mark.parametrize("into", ["the same bucket", "an empty bucket", "files"])
def test_a_backup_goes_back_into_a_bucket_or_into_files(
    node: Node, tmp_path: Path, bucket: Rented, buckets: BucketServer, into: str
) -> None:
    back_up(node, tmp_path / "backup")
    key = only_key(bucket)
    node.data.rename(tmp_path / "lost")
    if into != "the same bucket":
        node.site.bucket = buckets.rent() if into == "an empty bucket" else None
        node.site.configure()
        node = Node(node.site, load_file(node.site.config))
    order = Order("test", "the disk is gone", now())
    done = restore(tmp_path / "backup", Target("truc-thu", node.data, node.place), order)
    assert done.report.sound
    assert node.check().sound
    assert node.place.blobs.name == (str(node.data / "blobs") if into == "files" else node.place.blobs.name)
    assert [one.where for one in node.place.blobs.stored()] == [key]
    assert (node.data / "blobs").exists() == (into == "files")


@pytest.mark.faults
def test_what_a_damaged_backup_holds_does_not_come_into_a_bucket(
    node: Node, tmp_path: Path, buckets: BucketServer
) -> None:
    """It would stay there under its name, and the next restore, of a good backup, would leave it."""
    back_up(node, tmp_path / "backup")
    (file,) = (one for one in (tmp_path / "backup" / "blobs").rglob("*") if one.is_file())
    octets = file.read_bytes()
    node.data.rename(tmp_path / "lost")
    node.site.bucket = empty = buckets.rent()
    node.site.configure()
    node = Node(node.site, load_file(node.site.config))
    target, order = Target("truc-thu", node.data, node.place), Order("test", "the disk is gone", now())
    file.write_bytes(octets[:-1] + b"!")
    with pytest.raises(NoBackup, match=file.name):
        restore(tmp_path / "backup", target, order)
    assert list(empty.listed()) == []
    file.write_bytes(octets)
    assert restore(tmp_path / "backup", target, order).report.sound


@pytest.mark.faults
def test_a_store_is_copied_from_files_into_a_bucket_and_back(node: Node, tmp_path: Path, bucket: Rented) -> None:
    key = only_key(bucket)

    def beside(name: str, blobs: Rented | None) -> Path:
        node.site.bucket = blobs
        node.site.configure()
        text = node.site.config.read_text().replace("sqlite:///axis.db", f"sqlite:///{name}.db")
        path = node.site.folder / f"{name}-copy.toml"
        path.write_text(text)
        return path

    source, files = beside("axis", bucket), beside("files", None)
    code, told = axis("store", "copy", "--json", source, files)
    assert code == 0, told
    assert json.loads(told)["blobs"] == 1
    assert [one.where for one in Files(node.data / "blobs").stored()] == [key]
    bucket.raw("DELETE", key)
    back = beside("back", bucket)
    code, told = axis("store", "copy", "--json", files, back)
    assert (code, json.loads(told)["blobs"]) == (0, 1), told
    assert bucket.listed() == [key]


def test_the_commands_say_what_they_cannot_reach(node: Node, bucket: Rented) -> None:
    code, told = axis("doctor", "--json", "-c", node.site.config)
    lines = {line["what"]: line for line in json.loads(told)["lines"]}
    assert (lines["bucket"]["state"], bucket.url in lines["bucket"]["told"]) == ("ok", True)
    node.site.bucket = bucket.at("http://127.0.0.1:9", timedelta(seconds=1))
    node.site.configure()
    code, told = axis("doctor", "--json", "-c", node.site.config)
    lines = {line["what"]: line for line in json.loads(told)["lines"]}
    assert (code, lines["bucket"]["state"]) == (1, "fail")
    for command in (("fsck",), ("store", "sweep")):
        code, told = axis(*command, "-c", node.site.config)
        assert code == 3, told
        assert "Traceback" not in told
