"""The operator's listener: status pages, health, metrics. Plain HTTP, on loopback or behind a proxy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from axis.core.model import DocumentRef
from axis.core.ports import Counts
from axis.flow.context import Context
from axis.web import pages
from axis.web.name import named
from axis.web.problem_json import problems

CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
)
RECENT = 25


@dataclass(frozen=True, slots=True)
class Console:
    """Pages over one `Context`. `head` reads the published log head, `None` before the first checkpoint."""

    ctx: Context
    head: Callable[[], tuple[int, str] | None]

    def app(self) -> web.Application:
        app = web.Application(middlewares=[problems])
        app.add_routes(
            [
                web.get("/", self.get_overview),
                web.get(r"/documents/{ref:[a-z0-9]{26}}", self.get_document),
                web.get("/healthz", self.get_health),
                web.get("/readyz", self.get_ready),
                web.get("/metrics", self.get_metrics),
                web.static("/static", Path(__file__).parent / "static"),
            ]
        )
        return named(app)

    async def get_overview(self, request: web.Request) -> web.StreamResponse:
        views = self.ctx.store.views
        counts = await views.counts()
        recent = await views.recent(RECENT)
        head = self.head()
        known = pages.LogHead(*head, behind=self.ctx.log_behind()) if head else None
        return _html(pages.overview(self.ctx.network.node, self.ctx.now(), counts, known, recent))

    async def get_document(self, request: web.Request) -> web.StreamResponse:
        views = self.ctx.store.views
        document = await views.document(DocumentRef(request.match_info["ref"]))
        if document is None:
            return _html(pages.missing(self.ctx.network.node), 404)
        deliveries = await views.deliveries(document.ref)
        statuses = await views.statuses(document.ref)
        return _html(pages.document_page(self.ctx.network.node, document, deliveries, statuses))

    async def get_health(self, request: web.Request) -> web.StreamResponse:
        """The process answers."""
        return web.json_response({"status": "ok"})

    async def get_ready(self, request: web.Request) -> web.StreamResponse:
        """Documents are taken: the store answers and the log keeps up. 503 otherwise, with which of the two."""
        waiting, _ = await self.ctx.store.views.backlog()
        ready = self.ctx.log_behind() <= self.ctx.log_stale
        body = {"ready": ready, "log_waiting": waiting, "log_behind_s": self.ctx.log_behind() / timedelta(seconds=1)}
        return web.json_response(body, status=200 if ready else 503)

    async def get_metrics(self, request: web.Request) -> web.StreamResponse:
        head = self.head()
        registry = CollectorRegistry()
        registry.register(_Gauges(await self.ctx.store.views.counts(), head[0] if head else 0, self.ctx.log_behind()))
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


class _Gauges(Collector):
    """The store's counts as gauges, read once a scrape."""

    def __init__(self, counts: Counts, log_size: int, behind: timedelta) -> None:
        self._counts, self._log_size, self._behind = counts, log_size, behind

    def collect(self) -> list[GaugeMetricFamily]:
        documents = GaugeMetricFamily("axis_documents", "documents by state", labels=["state"])
        for state, number in self._counts.documents.items():
            documents.add_metric([state], number)
        deliveries = GaugeMetricFamily("axis_deliveries", "deliveries", labels=["endpoint", "state"])
        for endpoint, states in self._counts.deliveries.items():
            for state, number in states.items():
                deliveries.add_metric([endpoint, state], number)
        statuses = GaugeMetricFamily("axis_statuses", "business statuses by wire code", labels=["code"])
        for code, number in self._counts.statuses.items():
            statuses.add_metric([code], number)
        size = GaugeMetricFamily("axis_log_size", "entries under the published checkpoint", value=self._log_size)
        behind = GaugeMetricFamily(
            "axis_log_behind_seconds", "age of the oldest entry without an index", value=self._behind.total_seconds()
        )
        return [documents, deliveries, statuses, size, behind]


def _html(text: str, status: int = 200) -> web.Response:
    headers = {"Content-Security-Policy": CSP, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
    return web.Response(text=text, status=status, content_type="text/html", headers=headers)
