"""The model of a disk loses what was not synced, keeps what was, and a record by strace tells it what was done."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from tests.faults.disk import SECTOR, Disk, Found, Loss, lay_out, lies_in
from tests.faults.tape import Player, cut_off, ended, recorder, steps
from tests.site import until

ROOT = Path("/node")
ONLY = ("data",)


def disk(**files: bytes) -> Disk:
    found: Found = {"data": None, **{f"data/{name}": octets for name, octets in files.items()}}
    return Disk(ROOT, ONLY, found)


def synced(disk: Disk, path: str) -> None:
    sync = disk.syncing(path)
    assert sync is not None
    disk.synced(sync)


def test_octets_and_name_each_need_a_sync_of_their_own() -> None:
    one = disk()
    one.opened("/node/data/a", create=True, cut=True)
    one.wrote("/node/data/a", 0, b"octets")
    assert one.after(Loss.ALL, 0) == {"data": None}
    synced(one, "/node/data/a")
    assert one.after(Loss.ALL, 0) == {"data": None}, "its name was not synced"
    synced(one, "/node/data")
    assert one.after(Loss.ALL, 0) == {"data": None, "data/a": b"octets"}


def test_a_name_without_octets_is_an_empty_file() -> None:
    one = disk()
    one.opened("/node/data/a", create=True, cut=True)
    one.wrote("/node/data/a", 0, b"octets")
    synced(one, "/node/data")
    assert one.after(Loss.ALL, 0) == {"data": None, "data/a": b""}
    assert one.after(Loss.NOTHING, 0) == {"data": None, "data/a": b"octets"}


def test_a_rename_that_was_not_synced_leaves_the_old_file() -> None:
    one = disk(a=b"old")
    one.opened("/node/data/a.new", create=True, cut=True)
    one.wrote("/node/data/a.new", 0, b"new")
    synced(one, "/node/data/a.new")
    one.renamed("/node/data/a.new", "/node/data/a")
    assert one.after(Loss.ALL, 0) == {"data": None, "data/a": b"old"}
    assert {one.after(Loss.SOME, seed)["data/a"] for seed in range(20)} == {b"old", b"new"}
    synced(one, "/node/data")
    assert one.after(Loss.ALL, 0) == {"data": None, "data/a": b"new"}


def test_a_sync_covers_what_was_written_before_it_began() -> None:
    one = disk(a=b"")
    one.wrote("/node/data/a", 0, b"1")
    sync = one.syncing("/node/data/a")
    one.wrote("/node/data/a", 1, b"2")
    assert sync is not None
    one.synced(sync)
    assert one.after(Loss.ALL, 0)["data/a"] == b"1"
    synced(one, "/node/data/a")
    one.synced(sync)  # a late answer takes nothing with it
    assert one.after(Loss.ALL, 0)["data/a"] == b"12"


def test_what_is_removed_comes_back_until_its_folder_is_synced() -> None:
    one = disk(a=b"1")
    one.removed("/node/data/a")
    assert "data/a" not in one.after(Loss.NOTHING, 0)
    assert one.after(Loss.ALL, 0)["data/a"] == b"1"
    synced(one, "/node/data")
    assert "data/a" not in one.after(Loss.ALL, 0)


def test_a_torn_write_ends_between_two_sectors() -> None:
    one = disk(a=b"")
    one.wrote("/node/data/a", 0, b"x" * 3 * SECTOR)
    kept = {len(one.after(Loss.TORN, seed)["data/a"] or b"") for seed in range(40)}
    assert kept == {0, SECTOR, 2 * SECTOR, 3 * SECTOR}


def test_some_of_the_sectors_are_there_and_the_rest_is_as_it_was() -> None:
    one = disk(a=b"o" * 4 * SECTOR)
    one.wrote("/node/data/a", 100, b"n" * 3 * SECTOR)
    for seed in range(20):
        octets = one.after(Loss.SOME, seed)["data/a"]
        assert octets is not None
        assert len(octets) == 4 * SECTOR
        for start in (100, SECTOR, 2 * SECTOR, 3 * SECTOR):
            end = min((start // SECTOR + 1) * SECTOR, 100 + 3 * SECTOR)
            assert set(octets[start:end]) in ({ord("o")}, {ord("n")})


def test_the_same_seed_loses_the_same() -> None:
    lot, one = random.Random(1), disk(a=b"", b=b"")
    for _ in range(50):
        one.wrote(f"/node/data/{lot.choice('ab')}", lot.randrange(5000), lot.randbytes(lot.randrange(1, 2000)))
    for loss in Loss:
        assert one.after(loss, 7) == one.after(loss, 7)
    assert one.after(Loss.SOME, 7) != one.after(Loss.SOME, 8)


WORK = """
import os, sys, threading
data = sys.argv[1] + '/data'
os.mkdir(data + '/in')
one = os.open(data + '/in/é.new', os.O_RDWR | os.O_CREAT | os.O_TRUNC)
os.write(one, b'durable "octets"')
os.fsync(one)
os.write(one, b', and not')
os.pwrite(one, b'D', 0)
os.rename(data + '/in/é.new', data + '/in/é')
for folder in (data + '/in', data):
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
def write():
    two = os.open(data + '/two', os.O_WRONLY | os.O_CREAT)
    os.write(two, bytes(9000))
    os.ftruncate(two, 10)
thread = threading.Thread(target=write)
thread.start()
thread.join()
os.unlink(data + '/old')
os.kill(os.getpid(), 9)
"""


def test_a_record_tells_what_a_process_has_done(tmp_path: Path) -> None:
    lay_out({"data": None, "data/old": b"old"}, tmp_path, ONLY)
    one, record = Disk(tmp_path, ONLY, lies_in(tmp_path, ONLY)), tmp_path / "tape"
    subprocess.run([*recorder(record), sys.executable, "-c", WORK, str(tmp_path)], check=False)
    until("the record is whole", lambda: ended(record))
    player = Player(one)
    for step in steps(record):
        player.play(step)
    assert one.after(Loss.NOTHING, 0) == lies_in(tmp_path, ONLY)
    assert one.after(Loss.ALL, 0) == {
        "data": None,
        "data/in": None,
        "data/in/é": b'durable "octets"',
        "data/old": b"old",
    }


BACK_AND_FORTH = """
import os, sys, threading, time
data = sys.argv[1] + '/data'
os.close(os.open(data + '/a', os.O_RDWR | os.O_CREAT))
os.close(os.open(data + '/c', os.O_RDWR | os.O_CREAT))
def back_and_forth():
    while True:
        os.rename(data + '/a', data + '/b')
        os.rename(data + '/b', data + '/a')
threading.Thread(target=back_and_forth).start()
time.sleep(0.02)
os.kill(os.getpid(), 9)
"""


def test_what_a_kill_cut_off_may_be_done_or_not(tmp_path: Path) -> None:
    """A call whose end nobody saw is not in the record, and its paths are named, no others."""
    seen = set()
    for number in range(200):
        place, record = tmp_path / str(number), tmp_path / f"{number}.tape"
        lay_out({"data": None}, place, ONLY)
        one = Disk(place, ONLY, lies_in(place, ONLY))
        subprocess.run([*recorder(record), sys.executable, "-S", "-c", BACK_AND_FORTH, str(place)], check=False)
        until("the record is whole", lambda record=record: ended(record))
        player = Player(one)
        for step in steps(record):
            player.play(step)
        told, off = one.after(Loss.NOTHING, 0) == lies_in(place, ONLY), cut_off(record)
        assert off in (set(), {f"{place}/data/a", f"{place}/data/b"})
        assert told or off, "a call that was done is neither told nor cut off"
        seen.add((told, bool(off)))
        if seen >= {(True, False), (False, True)}:
            break
    assert (False, True) in seen, "no kill cut off a call that was done"
