"""A node that has done some of everything, in the test's process: received, delivered, reported, logged."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from axis.app import context_of, utc_now
from axis.blobs import Blobs
from axis.care.findings import Report as Findings
from axis.care.fsck import Place, check_node
from axis.config import load_file
from axis.config.model import Config
from axis.core.model import Cargo, Decision, DocumentRef, EntryKind, LogEntry
from axis.core.statuses import Report
from axis.flow.context import Context
from axis.flow.mailbox import acknowledge, inbox
from axis.flow.receive import receive
from axis.flow.report import record_told
from axis.flow.sequence import Sequencer
from axis.log.files import LogFolder
from axis.log.heads import CheckpointStore
from axis.log.writer import Step
from axis.objects.blobs import ObjectBlobs
from axis.shelf import holding_of, shelf_of
from axis.sql.address import connection_facts
from axis.sql.driver import StoreError
from axis.sql.engine import open_store, sqlite_path
from axis.sql.store import SqlStore
from schemas.codes import AgencyCode
from signing.keys import load_ed25519
from signing.note import NoteSigner
from tests.buckets import Rented
from tests.site import AGENCIES, FINANCE, HOME_AFFAIRS, OFFICE, Site

LARGE = 60_000
"""Octets of an attachment whose package lies in a file here."""


@dataclass
class Running:
    """The means of the node while its store is open."""

    node: Node
    ctx: Context
    blobs: Blobs | ObjectBlobs
    sequencer: Sequencer

    async def send(self, size: int = 100, sender: str = OFFICE) -> DocumentRef:
        others = [code for code in AGENCIES if code != sender]
        package = self.node.site.package(sender, others, [bytes([self.node.site.made % 251]) * size])
        async with self.blobs.spool(10_000_000) as spool:
            await spool.write(package)
            taken = await receive(await spool.finish(), self.node.config.principals[AGENCIES[sender]], self.ctx)
        assert taken.receipt is not None
        return taken.receipt.document.ref

    async def take(self, document: DocumentRef, by: str = FINANCE) -> None:
        """Acknowledge it in a mailbox, and report that it is being handled."""
        principal = self.node.config.principals[AGENCIES[by]]
        for item in await inbox(principal, 0, 200, self.ctx):
            if item.document == document and item.cargo == Cargo.DOCUMENT:
                await acknowledge(item.delivery, principal, self.ctx)
        said = Report("03", AgencyCode.parse(by), AgencyCode.parse(OFFICE), utc_now().replace(microsecond=0))
        await record_told((document, lambda *_: said), principal, self.ctx.now(), self.ctx)

    async def log(self) -> int:
        """Rounds until nothing waits; how many entries the log has then."""
        while await self.sequencer.round():
            pass
        return self.sequencer.head.checkpoint.size


@dataclass
class Node:
    """A node's folder. `data`, `checkpoints` and the database are its own; keys and PKI may be another's."""

    site: Site
    config: Config

    @property
    def data(self) -> Path:
        return self.config.node.data

    @property
    def heads(self) -> Path:
        return self.config.keys.checkpoints

    @property
    def url(self) -> str:
        return self.config.store_url

    @property
    def signer(self) -> NoteSigner:
        assert isinstance(self.config.keys.log, Path)
        return NoteSigner(self.config.node.name, load_ed25519(self.config.keys.log.read_bytes()))

    @property
    def place(self) -> Place:
        return Place(self.url, holding_of(self.config), self.config.node.log, str(self.signer.verifier), self.heads)

    def check(self, *, deep: bool = True, later: timedelta = timedelta(0)) -> Findings:
        return check_node(self.place, datetime.now(UTC) + later, deep=deep, merge_delay=self.config.limits.merge_delay)

    @asynccontextmanager
    async def running(self, hook: Callable[[Step], None] = lambda step: None) -> AsyncIterator[Running]:
        blobs = shelf_of(self.config)
        store = await self._open(blobs)
        try:
            folder, heads = LogFolder(self.config.node.log), CheckpointStore(self.heads)
            name = self.config.node.name
            async with Sequencer(store, folder, heads, self.signer, name, utc_now, hook=hook) as sequencer:
                ctx = context_of(self.config, store, {})
                entry = LogEntry(EntryKind.STARTED, utc_now(), self.config.node.name, "")
                await store.transact(lambda ledger: ledger.apply(Decision((entry,), (), None)))
                yield Running(self, ctx, blobs, sequencer)
        finally:
            await store.close()

    async def _open(self, blobs: Blobs | ObjectBlobs) -> SqlStore:
        """A server notices a little late that the connection before is closed."""
        async with asyncio.timeout(20):
            while True:
                try:
                    return open_store(self.url, blobs)
                except StoreError:
                    if not self.site.store:
                        raise
                    await asyncio.sleep(0.05)

    def sql(self, *texts: str) -> None:
        """Change the database behind everybody's back: without constraints that would notice."""
        if self.site.store:
            with psycopg.connect(**connection_facts(self.url)) as there:  # type: ignore[arg-type]
                there.execute("SET session_replication_role = replica")
                for text in texts:
                    there.execute(text)  # type: ignore[call-overload]
            return
        with closing(sqlite3.connect(sqlite_path(self.url))) as here:
            here.execute("PRAGMA ignore_check_constraints = ON")
            for text in texts:
                here.execute(text)
            here.commit()

    def ask(self, text: str) -> list[tuple[Any, ...]]:
        return self.site.rows(text)

    def copy(self, folder: Path) -> Node:
        """The same node somewhere else, on SQLite."""
        shutil.copytree(self.site.folder, folder, ignore=shutil.ignore_patterns("pki"))
        site = replace_folder(self.site, folder)
        return Node(site, load_file(site.config))


def replace_folder(site: Site, folder: Path) -> Site:
    from copy import copy

    other = copy(site)
    other.folder = folder
    return other


def new_node(folder: Path, store: str = "", bucket: Rented | None = None) -> Node:
    site = Site(folder, store=store, inline_max="40KB", bucket=bucket)
    return Node(site, load_file(site.config))


async def busy(node: Node) -> None:
    """Two documents, one of them in a file, delivered to one of two recipients, and everything in the log."""
    async with node.running() as work:
        for size in (100, LARGE):
            await work.take(await work.send(size))
        await work.send(200, HOME_AFFAIRS)
        await work.log()


def made(folder: Path, store: str = "", bucket: Rented | None = None) -> Node:
    node = new_node(folder, store, bucket)
    asyncio.run(busy(node))
    return node


__all__ = ["LARGE", "Node", "Running", "busy", "made", "new_node", "replace"]
