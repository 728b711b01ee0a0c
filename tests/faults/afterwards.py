"""What is left after a power cut, brought up by the product's own recovery and judged, without a daemon: fast enough to
ask it of hundreds of moments."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from axis.blobs import Blobs
from axis.care.files import Files
from axis.care.fsck import Place, check_node
from axis.flow.sequence import Sequencer
from axis.log.files import LogFolder
from axis.log.heads import CheckpointStore, HeadsDamaged
from axis.log.writer import LogMismatch
from axis.sql.driver import StoreError
from axis.sql.engine import open_store
from signing.keys import load_ed25519, raw_public
from signing.note import NoteSigner
from tests.faults.field import Field
from tests.history.event import Event, Operation, Outcome
from tests.history.logbook import Unreadable, read_logbook
from tests.history.rules import World, check


def as_of(events: Iterable[Event], moment: float) -> Iterator[Event]:
    """What had been done at `moment` of the history's clock: what was under way then has no answer."""
    for event in events:
        if event.completed <= moment:
            yield event
        elif event.invoked <= moment:
            yield replace(event, outcome=Outcome.INFO, result={}, completed=moment)


def wrong(folder: Path, field: Field, events: Iterable[Event]) -> list[str]:
    """What is wrong with the node in `folder`, whose clients have these histories. It is recovered on the way."""
    told = list(events)
    signer = NoteSigner(field.site.name, load_ed25519((field.site.folder / "keys" / "log.pem").read_bytes()))
    url, blobs, log, heads = (
        f"sqlite:///{folder / 'data' / 'axis.db'}",
        folder / "data" / "blobs",
        folder / "data" / "log",
        folder / "checkpoints",
    )

    async def recovered() -> None:
        """As `axis.app.serve` begins."""
        shelf = Blobs(blobs)
        store = open_store(url, shelf)
        try:
            shelf.sweep()
            sequencer = Sequencer(
                store, LogFolder(log), CheckpointStore(heads), signer, field.site.name, lambda: datetime.now(UTC)
            )
            async with sequencer:
                while await sequencer.round():
                    pass
        finally:
            await store.close()

    try:
        asyncio.run(recovered())
    except (StoreError, LogMismatch, HeadsDamaged, OSError) as error:
        return [f"it does not start: {error!r}"]
    report = check_node(Place(url, Files(blobs), log, str(signer.verifier), heads), datetime.now(UTC), deep=True)
    found = [str(one) for one in report.findings if one.fault]
    try:
        book = read_logbook(log, heads, str(signer.verifier))
    except Unreadable as error:
        return [*found, str(error)]
    receipts = load_ed25519((field.site.folder / "keys" / "receipt.pem").read_bytes())
    with closing(sqlite3.connect(folder / "data" / "axis.db")) as rows:
        openings = dict(rows.execute("SELECT ref, nonce FROM document"))
        delivered = {ref for (ref,) in rows.execute("SELECT id FROM delivery WHERE state = 'delivered'")}
        statuses = {ref for (ref,) in rows.execute("SELECT ref FROM status_report")}
    world = World(settled=False, openings=openings, receipt_key=raw_public(receipts))
    found += map(str, check(told, book, world))
    for event in told:
        if event.outcome is Outcome.OK:
            if event.operation is Operation.ACK and event.arguments["delivery"] not in delivered:
                found.append(f"FORGOTTEN: {event.process} acknowledged {event.arguments['delivery']}")
            if event.operation is Operation.STATUS and event.result["status"] not in statuses:
                found.append(f"FORGOTTEN: {event.process} reported {event.result['status']}")
    return found
