"""What the disk can do to a node, and what it does then: 503 and nothing lost, or an end and an honest restart."""

from __future__ import annotations

import errno
import json
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from click.testing import CliRunner

from axis.blobs import Blobs
from axis.cli import main
from axis.core.model import PayloadRef
from tests.faults.broken import BY_FAULT
from tests.faults.field import HEALTH, LARGE, Field, field_of
from tests.faults.points import PLACES
from tests.faults.trace import injected
from tests.history.event import Operation, Outcome
from tests.history.package import Package
from tests.site import HOME_AFFAIRS, last_lines, problem, until

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    with field_of(tmp_path_factory.mktemp("storage"), PLACES) as field:
        yield field


@pytest.fixture
def field(shared: Field) -> Field:
    if not shared.site.running:
        shared.site.start()
    shared.quiet()
    return shared


def refused_for_now(field: Field, package: Package) -> None:
    """The node answers 503 and says when to come again."""
    reply = field.site.send(package.octets, package.sender)
    assert (reply.status, problem(reply.body)) == (503, "store-unavailable"), reply.body
    assert int(reply.headers["retry-after"]) > 0
    told = {"sha256": package.sha256, "recipients": list(package.recipients)}
    named = {"sender": package.sender, "kind": package.kind, "document_id": package.document_id}
    with field.history.doing(package.sender, Operation.SUBMIT, **named, **told):
        pass


def test_a_commit_that_does_not_reach_the_disk_is_unknown_and_the_node_goes_on(field: Field) -> None:
    """F01. The store is opened anew, once in the life of a process."""
    package = field.package()
    until("no round of the log has a sync of its own to make", field.site.log_has_all)
    with injected(field, "fdatasync:error=EIO:when=1", "fdatasync"):
        refused_for_now(field, package)
    field.insist(package)
    field.settled()


def test_a_disk_that_never_syncs_ends_the_process(field: Field) -> None:
    """F01."""
    package = field.package()
    with injected(field, "fdatasync:error=EIO", "fdatasync"):
        refused_for_now(field, package)
        field.dies(1)
    field.site.start()
    field.insist(package)
    field.settled()


@pytest.mark.parametrize("place", ["to be synced", "folder to be synced"])
def test_octets_that_do_not_reach_the_disk_are_not_named(field: Field, place: str) -> None:
    """F03, F04."""
    package = field.package(size=LARGE)
    with field.armed(place, errno=errno.EIO):
        refused_for_now(field, package)
    assert field.site.rows("SELECT ref FROM document WHERE document_id = ?", package.document_id) == []
    assert not field.spooled()
    field.insist(package)
    field.settled()


async def test_a_disk_that_takes_less_than_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """F06. Signals between the pieces are the interpreter's business (PEP 475)."""
    import os

    write, pieces = os.write, []

    def less(handle: int, octets: memoryview) -> int:
        pieces.append(len(octets))
        return write(handle, octets[:1000])

    blobs = Blobs(tmp_path / "blobs")
    octets = bytes(range(256)) * 1000
    monkeypatch.setattr("os.write", less)
    ref, inline = await blobs.shelve(octets)
    assert len(pieces) >= len(octets) // 1000
    assert inline is None
    assert await blobs.payload(ref).read() == octets


def test_a_disk_that_is_full_while_a_body_comes(field: Field) -> None:
    """F08. What needs no room is served meanwhile."""
    field.insist(field.package((HOME_AFFAIRS,)))
    package = field.package(size=LARGE)
    with field.armed("spool written", errno=errno.ENOSPC):
        refused_for_now(field, package)
        assert field.empty(HOME_AFFAIRS)
    assert not field.spooled()
    field.insist(package)
    field.settled()


def test_a_disk_that_is_full_at_commit(field: Field) -> None:
    """F09."""
    package = field.package()
    with injected(field, "pwrite64:error=ENOSPC:when=1", "pwrite64"):
        refused_for_now(field, package)
    if field.site.running:
        field.insist(package)
    else:
        field.site.start()
        field.insist(package)
    field.settled()


def test_a_file_that_may_not_grow(field: Field) -> None:
    """F13."""
    assert field.site.process is not None
    package = field.package(size=12 * LARGE)
    there = max(path.stat().st_size for path in field.site.folder.rglob("*") if path.is_file())
    limits = resource.prlimit(field.site.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(field.site.process.pid, resource.RLIMIT_FSIZE, (there + 2 * LARGE, limits[1]))
    try:
        refused_for_now(field, package)
    finally:
        resource.prlimit(field.site.process.pid, resource.RLIMIT_FSIZE, limits)
    assert not field.spooled()
    field.insist(package)
    field.settled()


def test_a_writer_from_outside_is_waited_for_and_then_refused(field: Field) -> None:
    """F19."""
    package = field.package()
    with closing(sqlite3.connect(field.site.folder / "data" / "axis.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        refused_for_now(field, package)
        other.execute("ROLLBACK")
    assert field.site.running
    field.insist(package)
    field.settled()


def test_a_second_daemon_on_one_file_does_not_start(field: Field) -> None:
    """F21."""
    command = [sys.executable, "-P", "-m", "axis", "serve", "-c", str(field.site.config)]
    second = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert second.returncode != 0
    assert b"another process has the store open" in second.stdout + second.stderr
    field.insist(field.package())
    field.settled()


def flip(path: Path) -> None:
    octets = bytearray(path.read_bytes())
    octets[len(octets) // 2] ^= 1
    path.write_bytes(octets)


def shown(field: Field, *args: str) -> list[dict[str, Any]]:
    """What `axis queue` tells of the deliveries that it lists or acts on."""
    done = CliRunner().invoke(main, ["queue", args[0], "-c", str(field.site.config), "--json", *args[1:]])
    deliveries: list[dict[str, Any]] = json.loads(done.stdout)["deliveries"]
    return deliveries


def alarm(field: Field) -> str:
    """The line of the metrics on which an operator is woken."""
    with urlopen(f"{field.site.pages}/metrics") as answer:
        told = answer.read().decode()
    (line,) = (one for one in told.splitlines() if one.startswith(DAMAGED))
    return str(line.partition(" ")[2])


DAMAGED = 'axis_deliveries_failed{problem="stored-damaged"}'


def damage(field: Field, package: Package, other: Package, how: str) -> Path:
    """Do harm to a package where it is stored: its file."""
    mine, theirs = (field.site.blobs.path(PayloadRef(one.sha256, len(one.octets))) for one in (package, other))
    if how == "flipped":
        flip(mine)
    elif how == "swapped":
        mine.write_bytes(theirs.read_bytes())
    else:
        mine.unlink()
    return mine


def quarantined(field: Field, how: str) -> None:
    """Octets that are not those that were stored go to nobody, once; put back, `axis queue retry` sends them."""
    other = field.package((HOME_AFFAIRS,), size=LARGE)
    field.insist(other)
    field.drain()
    package = field.package((HOME_AFFAIRS, HEALTH), size=LARGE)
    with field.armed("claimed"):
        field.submit(package)
        field.dies()
    mine = damage(field, package, other, how)
    assert any("payload" in finding for finding in field.house())
    said = field.site.said("delivery_quarantined")
    field.site.start()
    until("the push was set aside", lambda: field.site.said("delivery_quarantined") > said, 15)
    (item,) = until("it is listed", lambda: field.listed(HOME_AFFAIRS))
    began = time.monotonic()
    assert field.fetch(HOME_AFFAIRS, item) is None
    assert time.monotonic() - began < 20, "the receiver waited for what did not come"
    until("the one that is fetched too", lambda: field.site.said("delivery_quarantined") > said + 1)
    assert field.listed(HOME_AFFAIRS) == []
    assert not [one for one in field.listener.got if one.headers["axis-document"] == item["document"]]
    failed = shown(field, "list", "--state", "failed", "--document", item["document"])
    assert {(one["endpoint"], one["problem"]) for one in failed} == {
        ("so-noi-vu", "stored-damaged"),
        ("so-y-te", "stored-damaged"),
    }
    assert alarm(field) == "2.0"
    notice = until("its sender is told", lambda: field.site.waiting(package.sender, item["document"], "notice"))
    assert notice["notice"]["reason"] == "stored-damaged"

    again = shown(field, "retry", "--document", item["document"])
    assert [one["problem"] for one in again] == [None, None], "before it is put back"
    until("it is set aside again", lambda: field.site.said("delivery_quarantined") > said + 2)
    mine.write_bytes(package.octets)
    (call,) = shown(field, "list", "--state", "failed", "--endpoint", "so-y-te", "--document", item["document"])
    shown(field, "retry", call["delivery"])
    field.settled()
    assert alarm(field) == "0.0"


@pytest.mark.parametrize("how", ["flipped", "swapped", "gone"])
def test_octets_that_are_not_those_that_were_stored_are_never_handed_out(field: Field, how: str) -> None:
    """F07, F24, F25. Neither to the one that is called nor to the one that comes; mended, both get them."""
    quarantined(field, how)


def test_without_its_quarantine_a_damaged_package_is_tried_for_ever(tmp_path: Path) -> None:
    (broken,) = BY_FAULT["F07"]
    with (
        field_of(tmp_path, PLACES, mutation=broken.mutation) as field,
        pytest.raises(AssertionError, match=broken.says),
    ):
        quarantined(field, "flipped")


def test_a_store_that_has_forgotten_what_was_signed_does_not_start(tmp_path: Path) -> None:
    """F18."""
    with field_of(tmp_path, {}) as field:
        field.insist(field.package((HOME_AFFAIRS,)))
        field.quiet()
        field.site.kill()
        log = field.site.folder / "data" / "axis.db-wal"
        assert log.stat().st_size, "the fault would be none"
        log.unlink()
        with pytest.raises(AssertionError, match="the node ended"):
            field.site.start()
        assert b"store-behind" in field.site.log.read_bytes(), last_lines(field.site.log)


def test_the_history_of_all_this_knows_no_answer_that_was_lost_for_good(field: Field) -> None:
    """What was answered with 503 was unknown, and each was taken in the end."""
    submits = [one for one in field.history if one.operation is Operation.SUBMIT]
    taken = {one.arguments["sha256"] for one in submits if one.outcome is Outcome.OK}
    assert {one.arguments["sha256"] for one in submits} == taken
