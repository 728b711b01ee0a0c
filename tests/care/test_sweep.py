"""What no row names is collected after the grace, and nothing else: not even what is named while it is collected."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from axis.blobs import Blobs
from axis.care.findings import Code
from axis.care.packages import see_packages
from axis.care.sweep import Swept, Where, run_sweep, sweep
from axis.core.model import AddDocument, PayloadRef
from axis.flow.clock import Clocks
from axis.shelf import holding_of
from axis.sql.driver import StoreError
from axis.sql.engine import open_store
from tests.care.plants import OLD, aged, blobs
from tests.care.test_fsck import axis
from tests.care.world import LARGE, Node
from tests.factories_core import decision, document, sha256

GRACE = timedelta(hours=24)
OCTETS = b"named and never stored " * 3000


def where(node: Node) -> Where:
    return Where(node.url, holding_of(node.config), node.config.node.log, node.heads)


def now() -> datetime:
    return datetime.now(UTC)


def unnamed(node: Node, octets: bytes = OCTETS) -> Path:
    name = sha256(octets)
    path = node.config.node.blobs / name[:2] / name
    aged(path, octets)
    return path


def test_an_unnamed_file_is_collected_after_the_grace_and_what_is_named_stays(both: Node) -> None:
    kept = blobs(both)
    assert kept
    for path in kept:
        os.utime(path, (time.time() - 1000 * OLD,) * 2)
    first, second = unnamed(both), unnamed(both, OCTETS * 2)
    os.utime(second)
    assert sweep(where(both), GRACE, now(), remove=False) == Swept(1, 0, len(OCTETS))
    assert sweep(where(both), GRACE, now()) == Swept(1, 1, len(OCTETS))
    assert blobs(both) == sorted([*kept, second])
    assert not first.exists()
    assert both.check().sound


def test_where_a_row_cannot_be_read_nothing_is_removed_and_it_is_said(node: Node, tmp_path: Path) -> None:
    """One such row ended the daemon at its next sweep; a backup and a copy ended in a traceback."""
    left, backup, other = unnamed(node), tmp_path / "backup", node.site.folder / "other.toml"
    node.sql("UPDATE document SET form = 'none' WHERE ref = (SELECT min(ref) FROM document)")
    with pytest.raises(StoreError, match="axis fsck"):
        sweep(where(node), GRACE, now())
    assert left.exists()
    code, told = axis("backup", backup, "-c", node.site.config)
    assert (code, "cannot be read: axis fsck" in told, backup.exists()) == (1, True, False), told
    assert see_packages(node.url, node.place.blobs) == 0, "a node starts"
    other.write_text(node.site.config.read_text().replace("sqlite:///axis.db", f"sqlite:///{tmp_path}/new/axis.db"))
    code, told = axis("store", "copy", node.site.config, other)
    assert (code, "cannot be read: axis fsck" in told) == (1, True), told


def test_evidence_in_files_is_named_too(node: Node) -> None:
    octets = b"a large list " * 5000
    path = unnamed(node, octets)
    node.sql(f"INSERT INTO evidence VALUES ('{path.name}', 'crl', {len(octets)}, NULL)")
    assert sweep(where(node), GRACE, now()) == Swept()
    assert node.check().sound


def test_attachments_beside_their_envelope_are_named_too(both: Node) -> None:
    """A package in parts names files inside its row: they are looked for, backed up, and never collected."""
    large = f"payload_size > {LARGE}"
    ((listed,),) = both.ask(f"SELECT attachments FROM document WHERE {large}")
    (said,) = json.loads(listed)
    both.sql(f"UPDATE document SET form = 'parts' WHERE {large}")
    assert both.check().counts == {Code.PAYLOAD_MISSING: 1}
    octets = next(bytes([n]) * LARGE for n in range(251) if sha256(bytes([n]) * LARGE) == said["sha256"])
    path = unnamed(both, octets)
    assert sweep(where(both), GRACE, now()) == Swept()
    report = both.check()
    assert (report.counts, report.looked.files) == ({}, 2)
    path.write_bytes(octets[:-1] + b"!")
    assert both.check().counts == {Code.PAYLOAD_DIGEST: 1}


async def publish(node: Node, octets: bytes) -> PayloadRef:
    async with Blobs(node.config.node.blobs, 1000).spool(1 << 20) as spool:
        await spool.write(octets)
        spooled = await spool.finish()
        await spooled.keep()
        return spooled.ref


def test_what_is_named_after_the_rows_were_asked_stays(both: Node) -> None:
    """The interleaving that loses a document if times are not looked at again: rows asked, then named and stored, then
    collected."""
    path, fired = unnamed(both), []

    async def store() -> None:
        ref = await publish(both, OCTETS)
        opened = open_store(both.url, Blobs(both.config.node.blobs))
        await opened.transact(lambda ledger: ledger.apply(decision(AddDocument(document(payload=ref)))))
        await opened.close()
        fired.append(ref)

    swept = sweep(where(both), GRACE, now(), asked=lambda: asyncio.run(store()))
    assert fired, "the document came in between"
    assert swept == Swept(1, 0, 0)
    assert path.read_bytes() == OCTETS


def test_the_collector_waits_for_one_who_is_just_naming(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between seeing that a name is there and saying that it is used, nobody removes it."""
    path = unnamed(node)
    collected: list[int | None] = []
    collector = threading.Thread(
        target=lambda: collected.append(Blobs(node.config.node.blobs).collect(path.name, time.time() - 3600))
    )
    real, waited = os.utime, []

    def utime(*arguments: object) -> None:
        if arguments == (path,):
            collector.start()
            collector.join(0.3)
            waited.append(collector.is_alive())
        real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "utime", utime)
    asyncio.run(publish(node, OCTETS))
    collector.join(10)
    assert waited == [True]
    assert collected == [None]
    assert path.exists()


def test_one_who_names_after_the_collector_finds_it_gone_and_names_anew(node: Node) -> None:
    path = unnamed(node)
    assert Blobs(node.config.node.blobs).collect(path.name, time.time() - 3600) == len(OCTETS)
    asyncio.run(publish(node, OCTETS))
    assert path.read_bytes() == OCTETS
    assert Blobs(node.config.node.blobs).collect(path.name, time.time() - 3600) is None
    assert Blobs(node.config.node.blobs).collect("ab" * 32, time.time()) is None


def test_what_is_named_by_a_clock_that_was_set_back_is_not_old(both: Node) -> None:
    """The node's time goes on as it was, the files' follows the wall clock: what was named this moment, and whose row
    is not committed yet, was removed."""
    back = [timedelta()]
    clocks = Clocks(lambda: now() - back[0], time.monotonic)
    back[0] = 2 * GRACE
    path = unnamed(both)
    os.utime(path, (clocks.wall().timestamp(),) * 2)
    assert sweep(where(both), GRACE, clocks.now(), remove=False).found == 1, "it is of that clock"
    assert sweep(where(both), GRACE, clocks.of_files()) == Swept()
    assert path.exists()


def test_a_store_that_has_lost_rows_collects_nothing(node: Node) -> None:
    """What it does not name now may be wanted when the right database is put back."""
    path = unnamed(node)
    node.sql("UPDATE log_intent SET log_index = NULL WHERE log_index >= 5")
    with pytest.raises(StoreError, match="may name"):
        sweep(where(node), GRACE, now())
    os.utime(path, (time.time() - 8 * OLD,) * 2)
    code, told = axis("store", "sweep", "-c", node.site.config)
    assert (code, "nothing was removed" in told, path.exists()) == (3, True, True)


def test_the_command_counts_and_removes(node: Node) -> None:
    path = unnamed(node)
    os.utime(path, (time.time() - 8 * OLD,) * 2)
    code, told = axis("store", "sweep", "--dry-run", "-c", node.site.config)
    assert (code, path.exists(), "counted only" in told) == (0, True, True)
    code, told = axis("store", "sweep", "-c", node.site.config)
    assert (code, path.exists(), "(removed) 1" in told) == (0, False, True)
    assert len(blobs(node)) == 1
    assert blobs(node)[0].stat().st_size > LARGE


async def test_a_node_sweeps_by_itself_while_it_is_the_one_that_leads(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, stop, asked = unnamed(node), asyncio.Event(), []
    monkeypatch.setattr("axis.care.sweep.EVERY", timedelta(milliseconds=10))

    def leads() -> bool:
        asked.append(path.exists())
        return len(asked) > 3

    async with asyncio.timeout(30), asyncio.TaskGroup() as services:
        services.create_task(run_sweep(where(node), GRACE, now, stop, leads))
        while path.exists():  # noqa: ASYNC110 - the file system wakes nobody
            await asyncio.sleep(0.01)
        stop.set()
    assert asked[:4] == [True] * 4, "nothing was removed while another process led"
