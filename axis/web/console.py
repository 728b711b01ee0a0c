"""The operator's listener: status pages, health, metrics. Plain HTTP, on loopback or behind a proxy."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from axis.core.applied import Applied
from axis.core.follow_up import Became
from axis.core.journey.reached import together
from axis.core.journey.step import Around
from axis.core.journey.told import journey
from axis.core.model import Document, DocumentRef
from axis.core.ports import Counts
from axis.core.problems import TABLE, Kind, Problem, Refused, Unavailable
from axis.core.states import BreakerState, DeliveryState
from axis.core.times import VIETNAM, read_day
from axis.core.witness import Witnessed
from axis.flow.context import Context
from axis.flow.traffic import Destination
from axis.web import pages
from axis.web.problem_json import problems
from axis.web.queue import OperatorQueue
from axis.web.reload import OperatorReload

CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
RECENT = 25
PAGE = 50
FAILED = 20
HELD = 20
MAX_JSON = 65_536
MAX_ASKED = 200
LATELY = 50
AMONG = 20_000
"""Of so many of the newest log entries what was refused is shown: some 10 ms of reading."""
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
"""They show no document, and are asked for by all sorts of names."""
READY_S = 5.0
"""A store that takes longer to answer than this takes nothing in good time either."""
_REF = re.compile(r"[a-z0-9]{26}")


@dataclass(frozen=True, slots=True)
class Console:
    """Pages over one `Context`. `head` reads the published log head, `None` before the first checkpoint; `connections`
    says how many are open at the agencies' listener, `stopping` whether the daemon was asked to stop."""

    ctx: Context
    head: Callable[[], tuple[int, str] | None]
    queue: OperatorQueue
    connections: Callable[[], int]
    stopping: Callable[[], bool]
    began: datetime
    """When this process began to count."""
    names: frozenset[str] = frozenset()
    """Names, besides those of this machine itself, under which the pages may be asked for."""
    ends: Callable[[], Mapping[tuple[str, str], datetime]] = dict
    """When certificates of the configuration are over, by their key there and the name of their file."""
    reload: OperatorReload | None = None
    """Applies a changed configuration, where that is wired."""
    witnesses: Callable[[], Sequence[Witnessed]] = tuple
    trouble: Callable[[], str | None] = lambda: None
    """Why nothing can be written to the store, where that is so."""

    def app(self) -> web.Application:
        app = web.Application(middlewares=[problems, self._by_own_name], client_max_size=MAX_JSON)
        app.add_routes(
            [
                web.get("/", self.get_overview),
                web.get("/documents", self.get_documents),
                web.get(r"/documents/{ref:[a-z0-9]{26}}", self.get_document),
                web.get("/refusals", self.get_refusals),
                web.get("/healthz", self.get_health),
                web.get("/readyz", self.get_ready),
                web.get("/metrics", self.get_metrics),
                *self.queue.routes(),
                *(self.reload.routes() if self.reload else ()),
                web.static("/static", Path(__file__).parent / "static"),
            ]
        )
        return app

    @property
    def _by_own_name(self) -> Middleware:
        """A page of somebody else's may be shown in a browser on this machine, and may have its own name lead here: to
        the browser it is then the same place, and what is read here is its to send away (DNS rebinding)."""

        @web.middleware
        async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path not in PROBES and not _is_own(request.headers.get("Host", "localhost"), self.names):
                told = (
                    "ask for it by an address of this machine, or localhost; other names stand in listen.operator_names"
                )
                raise Refused(Problem(Kind.BAD_REQUEST, told))
            return await handler(request)

        return check

    async def get_overview(self, request: web.Request) -> web.StreamResponse:
        views = self.ctx.store.views
        counts = await views.counts()
        recent = await views.recent(RECENT)
        head = self.head()
        known = pages.LogHead(*head, self.ctx.log_behind(), self._stale(), self.witnesses()) if head else None
        shown = await self._listed(recent)
        failed = await views.queue(None, DeliveryState.FAILED, None, FAILED)
        now = self.ctx.now()
        network, held = self.ctx.network, await views.held(HELD)
        traffic = pages.Queues(self.ctx.traffic.shown(now), await views.holds(), failed, held, network.hold)
        renewed = request.query.get("renew") == "1"
        refused = pages.Refused(self.began, self.ctx.refused)
        return _html(
            pages.overview(
                network.node,
                now,
                counts,
                known,
                shown,
                traffic,
                refused,
                renewed,
                self.ctx.applied,
                self.ctx.clock_doubt(),
            )
        )

    async def get_documents(self, request: web.Request) -> web.StreamResponse:
        """`q` asks for documents by id, reference or number, or from a day back; otherwise a page of all, those older
        than `before`."""
        views, asked = self.ctx.store.views, request.query.get("q", "").replace("\0", "").strip()[:MAX_ASKED]
        before = request.query.get("before", "")
        found, until = await views.find(asked) if asked else (), None
        if asked and not found and (until := _end_of_day(asked)) is not None:
            found = await views.recent(PAGE + 1, until=until)
        elif not asked:
            found = await views.recent(PAGE + 1, DocumentRef(before) if _REF.fullmatch(before) else None)
        shown = found[:PAGE]
        older = shown[-1].ref if len(found) > PAGE and (until is not None or not asked) else None
        listed = await self._listed(shown)
        return _html(pages.documents_page(self.ctx.network.node, listed, asked, older, until is not None))

    async def _listed(self, documents: Sequence[Document]) -> pages.Listed:
        """What a list of them shows, in two questions however many they are."""
        views, refs = self.ctx.store.views, [document.ref for document in documents]
        checks, told = await views.attachment_checks(refs), await views.reached(refs)
        called = self._around().called
        reached = {one.ref: together(one.recipients, *told[one.ref], called) for one in documents}
        return pages.Listed(documents, checks, reached)

    async def get_document(self, request: web.Request) -> web.StreamResponse:
        network = self.ctx.network
        dossier = await self.ctx.store.views.dossier(DocumentRef(request.match_info["ref"]))
        if dossier is None:
            return _html(pages.missing(network.node), 404)
        agencies = map(network.registry.find, {dossier.document.sender, *dossier.document.recipients})
        names = {agency.code: agency.name for agency in agencies if agency is not None}
        around = self._around()
        return _html(pages.document_page(network.node, dossier, journey(dossier, around), names, around.called))

    def _around(self) -> Around:
        network, head = self.ctx.network, self.head()
        destinations = self.ctx.traffic.shown(self.ctx.now())
        return Around(
            routes=network.routes,
            known=frozenset(network.roles),
            called=frozenset(one.endpoint for one in destinations),
            hold=network.hold,
            lifetime=self.ctx.retry.lifetime,
            signed=head[0] if head else 0,
            shut={one.endpoint: one.until for one in destinations if one.breaker is BreakerState.OPEN},
        )

    async def get_refusals(self, request: web.Request) -> web.StreamResponse:
        """What was refused: by code as this process counted, and lately as the log tells."""
        lately = await self.ctx.store.views.refusals(LATELY, AMONG)
        refused = pages.Refused(self.began, self.ctx.refused)
        return _html(pages.refusals(self.ctx.network.node, refused, lately, AMONG))

    async def get_health(self, request: web.Request) -> web.StreamResponse:
        """The process answers."""
        return web.json_response({"status": "ok"})

    async def get_ready(self, request: web.Request) -> web.StreamResponse:
        """Documents are taken: the store answers, the log keeps up, the clock is to be believed, the daemon is to go
        on. 503 otherwise, with which of them."""
        try:
            async with asyncio.timeout(READY_S):
                waiting, _ = await self.ctx.store.views.backlog()
        except TimeoutError:
            raise Unavailable(Problem(Kind.STORE_UNAVAILABLE), retry_after_s=5) from None
        ready = self._ready()
        second = timedelta(seconds=1)
        body = {
            "ready": ready,
            "stopping": self.stopping(),
            "log_waiting": waiting,
            "log_behind_s": self.ctx.log_behind() / second,
            "clock_off_s": round(self.ctx.clock_off() / second),
            "clock_doubt_s": round((self.ctx.clock_doubt() or timedelta()) / second),
        }
        return web.json_response(body, status=200 if ready else 503)

    def _ready(self) -> bool:
        return self.trouble() is None and not self._stale() and not self.stopping() and self.ctx.clock_holds

    def _stale(self) -> bool:
        return self.ctx.log_behind() > self.ctx.log_stale

    async def get_metrics(self, request: web.Request) -> web.StreamResponse:
        head = self.head()
        registry = CollectorRegistry()
        views, size = self.ctx.store.views, head[0] if head else 0
        registry.register(_Gauges(await views.counts(), size, self.ctx.log_behind(), self.connections()))
        registry.register(_Clock(self.ctx.clock_off(), self.ctx.clock_doubt()))
        registry.register(_Refusals(self.ctx.refused))
        registry.register(_Destinations(self.ctx.traffic.shown(self.ctx.now()), await views.holds()))
        registry.register(_Ends(await asyncio.to_thread(self.ends)))
        registry.register(_Configuration(self.ctx.applied))
        registry.register(_Witnesses(self.witnesses()))
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _end_of_day(text: str) -> datetime | None:
    """When a day of Vietnam's calendar is over; `None` for what is no day."""
    with suppress(ValueError, OverflowError):
        return datetime.combine(read_day(text), time(), VIETNAM) + timedelta(days=1)
    return None


def _is_own(host: str, names: Collection[str]) -> bool:
    """Say whether a request's Host is an address, this machine's own name for itself, or one of `names`."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or name in names or bool(ip_address(name))
    except ValueError:
        return False


class _Gauges(Collector):
    """The store's counts as gauges, read once a scrape, and how many connections are open."""

    def __init__(self, counts: Counts, log_size: int, behind: timedelta, connections: int) -> None:
        self._counts, self._log_size, self._behind, self._connections = counts, log_size, behind, connections

    def collect(self) -> list[GaugeMetricFamily]:
        documents = GaugeMetricFamily("axis_documents", "documents by state", labels=["state"])
        for state, number in self._counts.documents.items():
            documents.add_metric([state], number)
        deliveries = GaugeMetricFamily("axis_deliveries", "deliveries", labels=["endpoint", "state"])
        for endpoint, states in self._counts.deliveries.items():
            for state, number in states.items():
                deliveries.add_metric([endpoint, state], number)
        failed = GaugeMetricFamily("axis_deliveries_failed", "failed deliveries by problem", labels=["problem"])
        for problem, number in {Kind.STORED_DAMAGED.value: 0, **self._counts.failed}.items():
            failed.add_metric([problem], number)
        statuses = GaugeMetricFamily("axis_statuses", "business statuses by wire code", labels=["code"])
        for code, number in self._counts.statuses.items():
            statuses.add_metric([code], number)
        attached = GaugeMetricFamily(
            "axis_attached_pdfs", "documents with judged attachments by the worst outcome", labels=["outcome"]
        )
        for outcome in ("valid", "unsigned", "invalid", "indeterminate", "none", "waiting"):
            attached.add_metric([outcome], self._counts.attachments.get(outcome, 0))
        became = GaugeMetricFamily(
            "axis_handed_over", "handed over, by what its destination says became of it", labels=["endpoint", "became"]
        )
        for endpoint, numbers in self._counts.became.items():
            for what in (Became.WAITING, Became.REFUSED, Became.LOST):
                became.add_metric([endpoint, what], numbers.get(what, 0))
        size = GaugeMetricFamily("axis_log_size", "entries under the published checkpoint", value=self._log_size)
        behind = GaugeMetricFamily(
            "axis_log_behind_seconds", "age of the oldest entry without an index", value=self._behind.total_seconds()
        )
        connections = GaugeMetricFamily(
            "axis_connections", "connections open at the agencies' listener", value=self._connections
        )
        return [documents, deliveries, failed, statuses, attached, became, size, behind, connections]


class _Clock(Collector):
    """How much the wall clock is ahead, by its own course and by what others say of it."""

    def __init__(self, off: timedelta, doubt: timedelta | None) -> None:
        self._off, self._doubt = off, doubt or timedelta()

    def collect(self) -> list[GaugeMetricFamily]:
        off, doubt = self._off.total_seconds(), self._doubt.total_seconds()
        return [
            GaugeMetricFamily("axis_clock_off_seconds", "the wall clock's way beyond the time that went by", value=off),
            GaugeMetricFamily("axis_clock_doubt_seconds", "how much it is ahead by what others say", value=doubt),
        ]


class _Refusals(Collector):
    """What was answered with a problem, by kind, since this process began. Every kind that can be stands there from the
    beginning: an alert on its growth sees the first one."""

    def __init__(self, refused: Mapping[Kind, int]) -> None:
        self._refused = refused

    def collect(self) -> list[CounterMetricFamily]:
        refused = CounterMetricFamily("axis_refusals", "problems answered to agencies and axes", labels=["problem"])
        for kind, row in TABLE.items():
            if row.http:
                refused.add_metric([kind.value], self._refused.get(kind, 0))
        return [refused]


class _Destinations(Collector):
    """What this process knows of each destination."""

    def __init__(self, destinations: Sequence[Destination], held: frozenset[str]) -> None:
        self._destinations, self._held = destinations, held

    def collect(self) -> list[GaugeMetricFamily]:
        state = GaugeMetricFamily("axis_breaker", "1 for the present state", labels=["endpoint", "state"])
        busy = GaugeMetricFamily("axis_attempts_under_way", "attempts under way", labels=["endpoint"])
        window = GaugeMetricFamily("axis_window", "attempts allowed at once now", labels=["endpoint"])
        held = GaugeMetricFamily("axis_endpoint_held", "1 while an operator holds it", labels=["endpoint"])
        for one in self._destinations:
            for each in BreakerState:
                state.add_metric([one.endpoint, each.value], int(one.breaker is each))
            busy.add_metric([one.endpoint], one.busy)
            window.add_metric([one.endpoint], one.window)
        for endpoint in sorted(self._held):
            held.add_metric([endpoint], 1)
        return [state, busy, window, held]


class _Ends(Collector):
    """When the certificates that the node goes by are over."""

    def __init__(self, ends: Mapping[tuple[str, str], datetime]) -> None:
        self._ends = ends

    def collect(self) -> list[GaugeMetricFamily]:
        labels = ["certificate", "file"]
        told = GaugeMetricFamily("axis_certificate_ends_timestamp_seconds", "when it is over", labels=labels)
        for (key, file), at in self._ends.items():
            told.add_metric([key, file], at.timestamp())
        return [told]


class _Configuration(Collector):
    """Which configuration is in force. Processes of one node differ in `sha256` until each was reloaded."""

    def __init__(self, applied: Applied | None) -> None:
        self._applied = applied

    def collect(self) -> list[GaugeMetricFamily]:
        number = GaugeMetricFamily(
            "axis_configuration_generation", "the how manyth configuration since the start", labels=["sha256"]
        )
        since = GaugeMetricFamily("axis_configuration_applied_timestamp_seconds", "when it was applied")
        if self._applied is not None:
            number.add_metric([self._applied.sha256], self._applied.generation)
            since.add_metric([], self._applied.at.timestamp())
        return [number, since]


class _Witnesses(Collector):
    """How the witnesses of the log stand to it."""

    def __init__(self, witnesses: Sequence[Witnessed]) -> None:
        self._witnesses = witnesses

    def collect(self) -> list[GaugeMetricFamily]:
        size = GaugeMetricFamily("axis_witnessed_size", "entries that a witness has cosigned", labels=["witness"])
        at = GaugeMetricFamily(
            "axis_witnessed_timestamp_seconds", "when it cosigned last, 0 for never", labels=["witness"]
        )
        trouble = GaugeMetricFamily("axis_witness_trouble", "1 while it cosigns nothing", labels=["witness"])
        ahead = GaugeMetricFamily(
            "axis_witness_disagrees", "1 while it says to have seen another log than ours", labels=["witness"]
        )
        for one in self._witnesses:
            size.add_metric([one.name], one.size)
            at.add_metric([one.name], one.at.timestamp() if one.at else 0)
            trouble.add_metric([one.name], int(bool(one.trouble)))
            ahead.add_metric([one.name], int(one.claims is not None))
        return [size, at, trouble, ahead]


def _html(text: str, status: int = 200) -> web.Response:
    headers = {"Content-Security-Policy": CSP, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
    return web.Response(text=text, status=status, content_type="text/html", headers=headers)
