"""The API for agencies' systems and neighbouring axes, under /v1."""

from __future__ import annotations

import base64
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import orjson
from aiohttp import web

from axis.core.model import Cargo, DocumentRef, Hop, Principal, Role
from axis.core.ports import Payload
from axis.core.problems import Kind, Problem, Refused
from axis.core.states import DeliveryState
from axis.core.statuses import Report
from axis.core.times import parse_rfc3339
from axis.flow import mailbox
from axis.flow.context import Context
from axis.flow.notices import take_notice
from axis.flow.poll import OpenSpool, spool_all
from axis.flow.receive import give_receipt, receive
from axis.flow.report import record_status, visible_document
from axis.web.auth import Doors, require
from axis.web.dto import (
    StatusBody,
    delivery_facts,
    document_facts,
    inbox_facts,
    instant,
    reply,
    status_body,
    status_facts,
)
from axis.web.name import named
from axis.web.problem_json import problems
from schemas.codes import AgencyCode, CodeError
from schemas.envelope import StaffInfo
from schemas.status import BY_WIRE, REASON_REQUIRED, SET_BY_SENDER, read_wire

XML_TYPES = frozenset({"application/xml", "text/xml", "application/edxml+xml", "application/octet-stream"})
PIECE = 262_144
MAX_JSON = 65_536
INBOX_LIMIT = 200
_NUMBER = re.compile(r"[0-9]{1,18}")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Api:
    """Handlers over one `Context`. `log_folder` holds the published checkpoint and tiles."""

    ctx: Context
    doors: Callable[[], Doors]
    open_spool: OpenSpool
    log_folder: Path

    def app(self) -> web.Application:
        app = web.Application(middlewares=[problems], client_max_size=MAX_JSON)
        app.add_routes(
            [
                web.post("/v1/documents", self.post_document),
                web.get(r"/v1/documents/{ref:[a-z0-9]{26}}", self.get_document),
                web.get(r"/v1/documents/{ref:[a-z0-9]{26}}/package", self.get_package),
                web.post(r"/v1/documents/{ref:[a-z0-9]{26}}/statuses", self.post_status),
                web.get("/v1/inbox", self.get_inbox),
                web.get(r"/v1/deliveries/{id:[a-z0-9]{26}}/package", self.get_delivery),
                web.post(r"/v1/deliveries/{id:[a-z0-9]{26}}/ack", self.post_ack),
                web.get(r"/v1/receipts/{ref:[a-z0-9]{26}}", self.get_receipt),
                web.post("/v1/relay", self.post_relay),
                web.get("/v1/log/checkpoint", self.get_checkpoint),
                web.get(r"/v1/log/{path:tile/[0-9]{1,2}/[x0-9./p]{3,40}}", self.get_tile),
            ]
        )
        return named(app)

    def caller(self, request: web.Request) -> Principal:
        return self.doors().principal(request)

    async def post_document(self, request: web.Request) -> web.StreamResponse:
        """A document package or a status message, as XML."""
        by = require(self.caller(request), Role.AGENCY)
        return await self._take(request, by, None, ())

    async def post_relay(self, request: web.Request) -> web.StreamResponse:
        """The same from a neighbouring axis, with the recipients it is for and the trace of hops; or a notice."""
        by = require(self.caller(request), Role.NODE)
        if request.content_type == "application/json":
            notice = await take_notice(await request.read(), by, self.ctx)
            return reply({"notice": notice.ref if notice else None}, 202)
        only_for = _agencies(request.headers.get("Axis-Recipients"))
        return await self._take(request, by, only_for, _trace(request.headers.get("Axis-Trace")))

    async def _take(
        self, request: web.Request, by: Principal, only_for: tuple[AgencyCode, ...] | None, hops: tuple[Hop, ...]
    ) -> web.StreamResponse:
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Refused(Problem(Kind.UNSUPPORTED_MEDIA, "send the package without Content-Encoding"))
        if request.content_type not in XML_TYPES:
            raise Refused(Problem(Kind.UNSUPPORTED_MEDIA, "send the package as application/xml"))
        most = self.ctx.xml_limits.max_bytes
        if (request.content_length or 0) > most:  # said before it is sent: nobody need wait for the rest
            raise Refused(Problem(Kind.TOO_LARGE, f"at most {most} octets are accepted", {"max_bytes": most}))
        async with self.open_spool() as spool:
            spooled = await spool_all(request.content.iter_any(), spool)
            taken = await receive(spooled, by, self.ctx, only_for, hops)
        if taken.receipt is not None:
            return web.Response(
                body=taken.receipt.octets,
                status=202,
                content_type="application/json",
                headers={"Location": f"/v1/documents/{taken.receipt.document.ref}", "Cache-Control": "no-store"},
            )
        assert taken.status is not None
        return reply(status_facts(taken.status), 202)

    async def get_document(self, request: web.Request) -> web.StreamResponse:
        by = self.caller(request)
        document = await visible_document(request.match_info["ref"], by, self.ctx)
        views = self.ctx.store.views
        registry = self.ctx.network.registry
        statuses = await views.statuses(document.ref)
        deliveries = await views.deliveries(document.ref)
        if not registry.within(document.sender, by.authority):
            # A recipient sees its own handling and its own deliveries, not those of the other recipients.
            statuses = [one for one in statuses if registry.within(one.receiver, by.authority)]
            deliveries = [one for one in deliveries if one.endpoint == by.name]
        return reply(
            {
                **document_facts(document),
                "deliveries": [delivery_facts(one) for one in deliveries],
                "statuses": [status_facts(one) for one in statuses],
            }
        )

    async def get_package(self, request: web.Request) -> web.StreamResponse:
        document = await visible_document(request.match_info["ref"], self.caller(request), self.ctx)
        return await self._stream(request, await self.ctx.store.views.payload(document.payload), document.ref)

    async def get_receipt(self, request: web.Request) -> web.StreamResponse:
        """The receipt, the same octets as the first time; its sender only."""
        by = self.caller(request)
        document = await visible_document(request.match_info["ref"], by, self.ctx)
        if not self.ctx.network.registry.within(document.sender, by.authority):
            raise Refused(Problem(Kind.NOT_FOUND))
        octets = (await give_receipt(document, self.ctx)).octets
        return web.Response(body=octets, content_type="application/json", headers={"Axis-State": document.state.value})

    async def get_inbox(self, request: web.Request) -> web.StreamResponse:
        by = require(self.caller(request), Role.AGENCY)
        unknown = set(request.query) - {"after", "limit"}
        twice = len(request.query) > len(set(request.query))
        if unknown or twice or not all(_NUMBER.fullmatch(value) for value in request.query.values()):
            raise Refused(Problem(Kind.BAD_REQUEST, "after and limit are numbers; there are no other parameters"))
        limit = min(max(int(request.query.get("limit", "50")), 1), INBOX_LIMIT)
        items = await mailbox.inbox(by, int(request.query.get("after", "0")), limit, self.ctx)
        following = items[-1].delivery.seq if len(items) == limit else None
        return reply({"items": [inbox_facts(item) for item in items], "next": following})

    async def get_delivery(self, request: web.Request) -> web.StreamResponse:
        by = require(self.caller(request), Role.AGENCY)
        id = request.match_info["id"]
        consignment = await mailbox.fetch(id, by, self.ctx)
        return await self._stream(request, consignment.payload, id, consignment.delivery.cargo)

    async def post_ack(self, request: web.Request) -> web.StreamResponse:
        by = require(self.caller(request), Role.AGENCY)
        collected = await mailbox.acknowledge(request.match_info["id"], by, self.ctx)
        arrived = collected.arrived
        return reply(
            {
                "delivery": collected.delivery.id,
                "document": collected.delivery.document,
                "state": DeliveryState.DELIVERED.value,
                "settled_at": instant(collected.delivery.settled_at),
                "arrived": status_facts(arrived) if arrived else None,
            }
        )

    async def post_status(self, request: web.Request) -> web.StreamResponse:
        """One status of one receiver of a document."""
        by = require(self.caller(request), Role.AGENCY)
        document = await visible_document(request.match_info["ref"], by, self.ctx)
        body = await status_body(request)
        wire = read_wire(body.code)
        now = self.ctx.now()
        _complete(body, wire, now + self.ctx.network.future)
        registry = self.ctx.network.registry
        own = [code for code in document.recipients if registry.within(code, by.authority)]
        sets_as_sender = BY_WIRE[wire] in SET_BY_SENDER
        receiver = _agency(body.receiver) if body.receiver else own[0] if len(own) == 1 else None
        # Who sets what only the other side may set speaks for itself all the same, and is told that it may not.
        by_sender = sets_as_sender and registry.within(document.sender, by.authority)
        if receiver is None and not own and not sets_as_sender:
            receiver = document.sender
        if receiver is None:
            raise Refused(
                Problem(Kind.BAD_REQUEST, "name the receiver that this status is of", {"fields": ("receiver",)})
            )
        report = Report(
            wire=wire,
            reporter=document.sender if by_sender else receiver,
            addressee=receiver if by_sender else document.sender,
            at=(body.at or now).astimezone(UTC).replace(microsecond=0),
            document_id=document.document_id,
            number=document.number,
            description=body.description,
            issued_on=document.issued_on,
            staff=StaffInfo(**body.staff.model_dump()) if body.staff else None,
        )
        recorded = await record_status(report, DocumentRef(document.ref), by, (), self.ctx)
        return reply(status_facts(recorded), 202)

    async def get_checkpoint(self, request: web.Request) -> web.StreamResponse:
        """The newest signed checkpoint. Anyone who may connect may remember it: that is what it is for."""
        self.caller(request)
        return self._file("checkpoint", "text/plain")

    async def get_tile(self, request: web.Request) -> web.StreamResponse:
        """A hash tile (C2SP tlog-tiles). Entry bundles are for auditors, who have the folder."""
        self.caller(request)
        return self._file(request.match_info["path"], "application/octet-stream")

    def _file(self, path: str, content_type: str) -> web.StreamResponse:
        target = (self.log_folder / path).resolve()
        if not target.is_relative_to(self.log_folder.resolve()) or not target.is_file():
            raise Refused(Problem(Kind.NOT_FOUND))
        return web.Response(body=target.read_bytes(), content_type=content_type)

    async def _stream(
        self, request: web.Request, payload: Payload, name: str, cargo: Cargo = Cargo.DOCUMENT
    ) -> web.StreamResponse:
        content_type, suffix = ("application/json", "json") if cargo is Cargo.NOTICE else ("application/xml", "edxml")
        response = web.StreamResponse(
            headers={
                "Content-Type": content_type,
                "Content-Length": str(payload.ref.size),
                "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}.{suffix}",
                "Repr-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(payload.ref.sha256)).decode()}:",
                "X-Content-Type-Options": "nosniff",
                "Cache-Control": "no-store",
            }
        )
        await response.prepare(request)
        async for chunk in payload.chunks():
            for start in range(0, len(chunk), PIECE):
                await response.write(chunk[start : start + PIECE])
        await response.write_eof()
        return response


def _complete(body: StatusBody, wire: str, latest: datetime) -> None:
    """`Refused(BAD_REQUEST)` naming the field that no status of this code could have, or be without."""
    if wire not in BY_WIRE:
        raise Refused(Problem(Kind.BAD_REQUEST, "unknown status code", {"fields": ("code",)}))
    if BY_WIRE[wire] in REASON_REQUIRED and not (body.description or "").strip():
        told = "this status needs a description: the reason"
        raise Refused(Problem(Kind.BAD_REQUEST, told, {"fields": ("description",)}))
    if body.at is not None and body.at > latest:
        raise Refused(Problem(Kind.BAD_REQUEST, "the status lies in the future", {"fields": ("at",)}))


def _agency(text: str) -> AgencyCode:
    try:
        return AgencyCode.parse(text)
    except CodeError as error:
        raise Refused(Problem(Kind.BAD_REQUEST, str(error))) from None


def _agencies(header: str | None) -> tuple[AgencyCode, ...] | None:
    return None if header is None else tuple(_agency(text.strip()) for text in header.split(","))


def _trace(header: str | None) -> tuple[Hop, ...]:
    """The trace beside the package: JSON `[[node, instant], ...]`. `Refused(BAD_REQUEST)` for anything else."""
    if header is None:
        return ()
    try:
        return tuple(Hop(str(node), parse_rfc3339(at)) for node, at in orjson.loads(header))
    except (ValueError, TypeError, OverflowError):
        raise Refused(Problem(Kind.BAD_REQUEST, "the trace cannot be read")) from None
