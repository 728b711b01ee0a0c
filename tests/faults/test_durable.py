"""What a power cut would leave: the order in which a running node writes, syncs and names, as the kernel is told it.

No layer here forgets what was not synced. But the calls of one document can be read, and whatever a promise rests on
must have been synced before the promise is made: its octets, then their name, then the folder of the name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.field import LARGE, Field, field_of
from tests.faults.trace import recorded
from tests.mutations.edit import Mutation, off
from tests.site import HOME_AFFAIRS, until

pytestmark = pytest.mark.faults

CALLS = "write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,mkdir,ftruncate"
_CALL = re.compile(r"^\d+ +(\w+)\((.*)\) += (-?\d+)")
_PATH = re.compile(r"\d+<([^>]*)>")
_QUOTED = re.compile(r'"([^"]*)"')


@dataclass(frozen=True)
class Call:
    """One call that has returned: `path` is the file of its descriptor, or what a rename gave its name."""

    name: str
    path: str
    was: str
    said: str


def calls_of(record: str) -> Iterator[Call]:
    """The calls in the order of their return; what a thread began and finished later is put together."""
    begun: dict[str, str] = {}
    for line in record.splitlines():
        pid = line.partition(" ")[0]
        if line.endswith("<unfinished ...>"):
            begun[pid] = line.removesuffix("<unfinished ...>")
            continue
        if "resumed>" in line:
            line = begun.pop(pid, "") + line.partition("resumed>")[2]
        found = _CALL.match(line)
        if found is None or int(found[3]) < 0:
            continue
        name, said = found[1], found[2]
        quoted = _QUOTED.findall(said)
        if name.startswith("rename"):
            yield Call("rename", quoted[1], quoted[0], said)
        elif name == "mkdir":
            yield Call(name, quoted[0], "", said)
        elif path := _PATH.search(said):
            yield Call("sync" if "sync" in name else "write", path[1], "", said)


def unsafe(calls: Iterator[Call], data: Path) -> list[str]:
    """What was promised too early: a name without its octets, a receipt or a head without what it is about."""
    found: list[str] = []
    dirty: set[str] = set()
    unnamed: set[str] = set()  # folders with names that are not synced

    def need(promise: str, *places: Path) -> None:
        roots = tuple(map(str, places))
        found.extend(f"{promise}: {path} is not synced" for path in sorted(dirty | unnamed) if path.startswith(roots))

    for call in calls:
        if call.name == "sync":
            dirty.discard(call.path)
            unnamed.discard(call.path)
        elif call.name == "write":
            if "document_taken" in call.said:
                need("a receipt", data / "blobs", data / "axis.db-wal")
            if call.path.endswith("heads.jsonl"):
                need("a head", data / "log")
            if not call.path.endswith(("-shm", ".log")):
                dirty.add(call.path)
        elif call.name == "mkdir":
            unnamed.add(str(Path(call.path).parent))
        else:
            if call.was in dirty:
                found.append(f"a name: {call.path} was given to octets that are not synced")
            if call.path.endswith("/checkpoint"):
                need("a checkpoint", data.parent / "checkpoints")
            unnamed.add(str(Path(call.path).parent))
    return found


def published(record: Path) -> bool:
    calls = calls_of(record.read_text(errors="replace"))
    return any(call.name == "rename" and call.path.endswith("/checkpoint") for call in calls)


def traced(field: Field) -> list[str]:
    field.quiet()
    with recorded(field, CALLS, "-y", "-s", "256") as record:
        assert field.submit(field.package((HOME_AFFAIRS,), size=LARGE))
        field.quiet()
        until("the trace tells of the checkpoint too", lambda: published(record))
    calls = list(calls_of(record.read_text(errors="replace")))
    for sort in ("write", "sync", "rename"):
        assert any(call.name == sort for call in calls), sort
    assert any("document_taken" in call.said for call in calls), "the receipt was not seen"
    assert any(call.path.endswith("heads.jsonl") for call in calls), "no head was seen"
    assert any("/blobs/" in call.path for call in calls if call.name == "rename"), "no large octets were seen"
    return unsafe(iter(calls), field.site.folder / "data")


def test_what_a_promise_rests_on_is_synced_before_it_is_made(tmp_path: Path) -> None:
    with field_of(tmp_path, {}) as field:
        for _ in range(3):
            assert traced(field) == []
        field.settled()


BROKEN = {
    "octets": off("large octets are synced", "axis/blobs.py", ("        os.fdatasync(descriptor)\n", "")),
    "folder": off(
        "the folder of a name is synced",
        "axis/blobs.py",
        ("            try:\n                sync_folder(target.parent)\n", "            try:\n                pass\n"),
    ),
    "commit": off(
        "a commit is synced",
        "axis/sql/sqlite.py",
        ('"cell_size_check", "ON", 1)', '"synchronous", "NORMAL", 1)'),
    ),
    "log": off("files of the log are synced", "axis/log/disk.py", ("            os.fsync(handle)\n", "")),
    "log folder": off(
        "folders of the log are synced",
        "axis/log/disk.py",
        ("        for folder in touched:\n            sync_folder(folder)\n", ""),
    ),
    "head": off(
        "a head is synced",
        "axis/log/heads.py",
        ("        os.fsync(self._handle)\n        self._broken = False\n", "        self._broken = False\n"),
    ),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_sync_that_is_left_out_is_seen(broken: Mutation, tmp_path: Path) -> None:
    with field_of(tmp_path, {}, mutation=broken) as field:
        assert traced(field) != []
