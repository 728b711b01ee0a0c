"""The delivery engine of one node in the test's process: a real store, real sockets, no listeners."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from axis.app import context_of, utc_now
from axis.blobs import Blobs
from axis.config import load_file
from axis.config.model import Config
from axis.core.house import check_house
from axis.core.inbox import InboxItem
from axis.core.model import Delivery, DocumentRef
from axis.core.states import DeliveryState
from axis.flow.context import Context
from axis.flow.dispatch import Dispatcher
from axis.flow.expiry import run_expiry
from axis.flow.mailbox import inbox
from axis.flow.receive import receive
from axis.hands import Hands
from axis.sql.audit import open_books
from axis.sql.engine import open_store
from schemas.envelope import Business, Priority
from tests.site import AGENCIES, OFFICE, PATIENCE_S, Site, row

T = TypeVar("T")

HEALTH, SCHOOLS = "000.00.15.H99", "000.00.16.H99"
CALLED = {HEALTH: "so-y-te", SCHOOLS: "so-giao-duc"}


@dataclass
class Engine:
    """A province's node whose departments of health and of schools are called at addresses of the test."""

    site: Site
    config: Config
    ctx: Context
    blobs: Blobs
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self) -> None:
        """Begin to deliver; what was sent before waits until then."""
        self._stop = asyncio.Event()
        self._tasks = [
            asyncio.create_task(Dispatcher(self.ctx).run(self._stop)),
            asyncio.create_task(run_expiry(self.ctx, self._stop)),
        ]

    async def stop(self) -> None:
        self._stop.set()
        await asyncio.gather(*self._tasks)
        self._tasks = []

    async def send(
        self,
        to: str,
        priority: Priority = Priority.ORDINARY,
        business: Business | None = None,
        document_id: str | None = None,
    ) -> tuple[DocumentRef, bytes]:
        """A document of the office: its ref, and a text to know it by where it arrives."""
        known = document_id or f"{OFFICE},2026/11/23,{self.site.made}/MAY"

        package = self.site.package(OFFICE, [to], [b"%PDF"], document_id=known, business=business, priority=priority)
        async with self.blobs.spool(10_000_000) as spool:
            await spool.write(package)
            taken = await receive(await spool.finish(), self.config.principals[AGENCIES[OFFICE]], self.ctx)
        assert taken.receipt is not None
        return taken.receipt.document.ref, known.encode() + b"<"

    async def delivery(self, document: DocumentRef) -> Delivery:
        """The delivery of the document itself."""
        return (await self.ctx.store.views.deliveries(document))[0]

    async def waiting(self, agency: str = OFFICE) -> list[InboxItem]:
        return list(await inbox(self.config.principals[AGENCIES[agency]], 0, 200, self.ctx))

    async def eventually(self, what: str, ask: Callable[[], T | None], patience_s: float = PATIENCE_S) -> T:
        """Wait until the answer is true, while the engine works on the same loop."""
        async with asyncio.timeout(patience_s):
            while not (answer := ask()):  # noqa: ASYNC110 - receivers answer in threads of their own
                await asyncio.sleep(0.01)
        return answer

    async def in_state(self, document: DocumentRef, state: DeliveryState, patience_s: float = PATIENCE_S) -> Delivery:
        async with asyncio.timeout(patience_s):
            while (found := await self.delivery(document)).state is not state:  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.01)
        return found


@asynccontextmanager
async def engine(folder: Path, urls: Mapping[str, str], more: str, windows: Mapping[str, int]) -> AsyncIterator[Engine]:
    """An engine that is not started yet. Afterwards it is stopped, and the house must be in order."""
    site = Site(folder, more)
    site.registry = "".join(row(code) for code in CALLED)
    for code, name in CALLED.items():
        window = f"window = {windows[code]}\n" if code in windows else ""
        site.endpoints += (
            f'[[endpoint]]\nname = "{name}"\nadapter = "http-push"\nagencies = ["{code}"]\n'
            f'url = "{urls[code]}"\n{window}'
            f'[[route]]\nprefix = "{code}"\nendpoint = "{name}"\n'
        )
    site.configure()
    config = load_file(site.config)
    blobs = Blobs(config.node.blobs)
    store = open_store(config.store_url, blobs)
    hands = Hands(utc_now, lambda who, date: None)
    try:
        hands.open(config)
        made = Engine(site, config, context_of(config, store, hands.sinks), blobs)
        yield made
        await made.stop()
    finally:
        await hands.close()
        await store.close()
    with open_books(config.store_url, lambda ref: blobs.path(ref).read_bytes()) as books:
        assert check_house(books) == ()
