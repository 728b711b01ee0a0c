"""The API for agencies' systems and neighbouring axes, under /v1."""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType

import orjson
import structlog
from aiohttp import hdrs, web

from axis.core.hands import Body
from axis.core.model import Document, DocumentRef, Hop, Principal
from axis.core.problems import Kind, Problem, ProblemError, Refused
from axis.core.states import DeliveryState
from axis.core.times import parse_rfc3339
from axis.flow import mailbox
from axis.flow.admission import Admission
from axis.flow.body import Plain, body_of
from axis.flow.context import Context
from axis.flow.judge import problem_of
from axis.flow.notices import take_notice
from axis.flow.parts import PartsSpooler
from axis.flow.poll import OpenSpool, spool_all
from axis.flow.prove import prove_taken
from axis.flow.receive import give_receipt, receive
from axis.flow.report import record_told, visible_document
from axis.flow.witness import published
from axis.web.answer import Answer
from axis.web.auth import Doors, require
from axis.web.dto import (
    NOT_TO_KEEP,
    delivery_facts,
    document_facts,
    inbox_facts,
    instant,
    reply,
    status_body,
    status_facts,
    whole,
)
from axis.web.expect import go_on
from axis.web.openapi.document import written
from axis.web.openapi.operations import (
    GET_CHECKPOINT,
    GET_DELIVERY,
    GET_DOCUMENT,
    GET_INBOX,
    GET_PACKAGE,
    GET_PROOF,
    GET_RECEIPT,
    GET_TILE,
    GET_WITNESSED,
    INBOX_LIMIT,
    INBOX_USUAL,
    NUMBER,
    OPERATIONS,
    POST_ACK,
    POST_DOCUMENT,
    POST_RELAY,
    POST_STATUS,
    POST_STATUSES,
    SENDABLE,
)
from axis.web.openapi.row import Operation
from axis.web.ranges import Parts, cut, part_of
from axis.web.routes import Handler, Route, Routes
from axis.web.shapes import AcknowledgedFacts, InboxFacts, WholeDocumentFacts
from axis.web.statuses import agency, report_of, take_batch
from schemas.codes import AgencyCode
from schemas.errors import SchemaError
from schemas.multipart import DIGESTS, RELATED, read_related, stated_digests

log = structlog.get_logger()

TAKEN_TYPES = SENDABLE.content.keys() - {RELATED}
SUFFIXES = {"application/xml": "edxml", "application/json": "json", RELATED: "parts"}
PIECE = 65_536
DESCRIBED: Mapping[str, str] = MappingProxyType(
    {hdrs.CONTENT_TYPE: "application/json", hdrs.CACHE_CONTROL: "public, max-age=3600"}
)
_IN_QUERY = {one.name for one in GET_INBOX.query}
_NODE = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?")
"""What the configuration lets a node be called: a trace is written into the log, and goes on to the next axis."""


@dataclass(frozen=True, slots=True)
class Api:
    """Handlers over one `Context`. `log_folder` holds the published checkpoint and tiles."""

    ctx: Context
    doors: Callable[[], Doors]
    open_spool: OpenSpool
    log_folder: Path
    parts: Parts = field(default_factory=Parts)

    def routes(self) -> Routes:
        handlers: tuple[Handler, ...] = (
            self.post_document,
            self.post_status,
            self.post_statuses,
            self.post_ack,
            self.post_relay,
            self.get_inbox,
            self.get_delivery,
            self.get_document,
            self.get_package,
            self.get_receipt,
            self.get_proof,
            self.get_checkpoint,
            self.get_witnessed,
            self.get_tile,
            self.get_description,
        )
        named = {one.__name__: one for one in handlers}
        return Routes(Route(one.method, one.pattern, named[one.id], one.asks) for one in OPERATIONS)

    def caller(self, request: web.BaseRequest, asking: Operation) -> Principal:
        """Who is connected, and may ask for that."""
        who = self.doors().principal(request)
        return require(who, *asking.roles) if asking.roles else who

    async def post_document(self, request: web.BaseRequest) -> Answer:
        """A document package as XML or in parts, or a status message as XML."""
        by = self.caller(request, POST_DOCUMENT)
        return await self._take(request, by, None, ())

    async def post_relay(self, request: web.BaseRequest) -> Answer:
        """The same from a neighbouring axis, with the recipients it is for and the trace of hops; or a notice."""
        by = self.caller(request, POST_RELAY)
        if request.content_type == "application/json":
            await go_on(request)
            notice = await take_notice(await whole(request), by, self.ctx)
            return reply({"notice": notice.ref if notice else None}, 202)
        only_for = _agencies(_once(request, "Axis-Recipients"))
        return await self._take(request, by, only_for, _trace(_once(request, "Axis-Trace")))

    async def _take(
        self, request: web.BaseRequest, by: Principal, only_for: tuple[AgencyCode, ...] | None, hops: tuple[Hop, ...]
    ) -> Answer:
        if (_once(request, "Content-Encoding") or "identity").lower() != "identity":
            raise Refused(Problem(Kind.UNSUPPORTED_MEDIA, "send the package without Content-Encoding"))
        kind, length = request.content_type, request.content_length or 0
        related = kind == RELATED
        if not related and kind not in TAKEN_TYPES:
            raise Refused(Problem(Kind.UNSUPPORTED_MEDIA, "send the package as application/xml or multipart/related"))
        most = self.ctx.xml_limits.max_bytes
        if length > most:  # said before it is sent: nobody need wait for the rest
            raise Refused(Problem(Kind.TOO_LARGE, f"at most {most} octets are accepted", {"max_bytes": most}))
        self.ctx.refuse_when_log_is_stale()
        door = self.ctx.admission
        door.enter(by.name, most if related else length)
        try:
            await go_on(request)
            if related:
                async with AsyncExitStack() as stack:
                    spooled, parts = await self._parts_spooler(request, stack).read(_octets(request, door))
                    taken = await receive(spooled, by, self.ctx, only_for, hops, parts)
            else:
                async with self.open_spool() as spool:
                    if request.content.is_eof():  # it is here already: nobody is waited for
                        await spool.write(request.content.read_nowait())
                        spooled = await spool.finish()
                    else:
                        spooled = await spool_all(_octets(request, door), spool)
                    _hold_to_digest(request, spooled.ref.sha256)
                    taken = await receive(spooled, by, self.ctx, only_for, hops)
        finally:
            door.leave(by.name)
        if taken.receipt is not None:
            headers: dict[str, str] = {
                hdrs.CONTENT_TYPE: "application/json",
                hdrs.LOCATION: f"/v1/documents/{taken.receipt.document.ref}",
                hdrs.CACHE_CONTROL: "no-store",
            }
            return Answer(taken.receipt.octets, headers, 202)
        assert taken.status is not None
        return reply(status_facts(taken.status), 202)

    def _parts_spooler(self, request: web.BaseRequest, stack: AsyncExitStack) -> PartsSpooler:
        try:
            related = read_related(request.headers["Content-Type"])
        except SchemaError as error:
            raise Refused(problem_of(error)) from error
        return PartsSpooler(related, self.open_spool, self.ctx.xml_limits, stack)

    async def get_document(self, request: web.BaseRequest, ref: str) -> Answer:
        by, registry = self.caller(request, GET_DOCUMENT), self.ctx.network.registry
        document = await visible_document(ref, by, self.ctx)
        views = self.ctx.store.views
        statuses = await views.statuses(document.ref)
        deliveries = await views.deliveries(document.ref)
        asked = {one.delivery: one for one in await views.follow_ups_of(document.ref)}
        check = await views.attachment_check(document.ref)
        verdicts = await views.attachment_verdicts(document.ref) if check else ()
        if not registry.within(document.sender, by.authority):
            # A recipient sees its own handling and its own deliveries, not those of the other recipients.
            statuses = [one for one in statuses if registry.within(one.receiver, by.authority)]
            deliveries = [one for one in deliveries if one.endpoint == by.name]
        told: WholeDocumentFacts = {
            **document_facts(document, check, verdicts),
            "deliveries": [delivery_facts(one, asked.get(one.id)) for one in deliveries],
            "statuses": [status_facts(one) for one in statuses],
        }
        return reply(told)

    async def get_package(self, request: web.BaseRequest, ref: str) -> Answer | web.StreamResponse:
        document = await visible_document(ref, self.caller(request, GET_PACKAGE), self.ctx)
        _, _, body = await body_of(document, self.ctx.store.views)
        return await self._stream(request, body, document.ref, document.digest)

    async def get_receipt(self, request: web.BaseRequest, ref: str) -> Answer:
        """The receipt, the same octets as the first time; its sender only."""
        document = await self._sent(request, ref, GET_RECEIPT)
        octets = (await give_receipt(document, self.ctx)).octets
        return Answer(octets, {hdrs.CONTENT_TYPE: "application/json", "Axis-State": document.state.value})

    async def get_proof(self, request: web.BaseRequest, ref: str) -> Answer:
        """That the log holds what the receipt promised, as C2SP tlog-proof; its sender only."""
        document = await self._sent(request, ref, GET_PROOF)
        proof = await prove_taken(document, self.log_folder, self.ctx)
        return Answer(proof.text.encode(), {hdrs.CONTENT_TYPE: "text/plain; charset=utf-8"})

    async def _sent(self, request: web.BaseRequest, ref: str, asking: Operation) -> Document:
        """A document for its sender; to others it reads as not found."""
        by = self.caller(request, asking)
        document = await visible_document(ref, by, self.ctx)
        if not self.ctx.network.registry.within(document.sender, by.authority):
            raise Refused(Problem(Kind.NOT_FOUND))
        return document

    async def get_inbox(self, request: web.BaseRequest) -> Answer:
        by = self.caller(request, GET_INBOX)
        query = request.query
        asked = set(query)
        if asked - _IN_QUERY or len(query) > len(asked) or not all(map(NUMBER.fullmatch, query.values())):
            raise Refused(Problem(Kind.BAD_REQUEST, "after and limit are numbers; there are no other parameters"))
        limit = min(max(int(query.get("limit", INBOX_USUAL)), 1), INBOX_LIMIT)
        items = await mailbox.inbox(by, int(query.get("after", 0)), limit, self.ctx)
        following = items[-1].seq if len(items) == limit else None
        page: InboxFacts = {"items": [inbox_facts(item) for item in items], "next": following}
        return reply(page)

    async def get_delivery(self, request: web.BaseRequest, id: str) -> Answer | web.StreamResponse:
        by = self.caller(request, GET_DELIVERY)
        fetched = await mailbox.fetch(id, by, self.ctx)
        try:
            return await self._stream(request, fetched.body, id, fetched.digest, fetched.outcome)
        except (ProblemError, BrokenOff) as error:
            if error.problem.kind is Kind.STORED_DAMAGED:
                await mailbox.set_aside(id, error.problem, self.ctx)
            raise

    async def post_ack(self, request: web.BaseRequest, id: str) -> Answer:
        by = self.caller(request, POST_ACK)
        collected = await mailbox.acknowledge(id, by, self.ctx)
        arrived = collected.arrived
        told: AcknowledgedFacts = {
            "delivery": collected.delivery.id,
            "document": collected.delivery.document,
            "state": DeliveryState.DELIVERED.value,
            "settled_at": instant(collected.delivery.settled_at),
            "arrived": status_facts(arrived) if arrived else None,
        }
        return reply(told)

    async def post_status(self, request: web.BaseRequest, ref: str) -> Answer:
        """One status of one receiver of a document."""
        by = self.caller(request, POST_STATUS)
        body = await status_body(request)
        told = DocumentRef(ref), partial(report_of, body)
        recorded = await record_told(told, by, self.ctx.now(), self.ctx)
        return reply(status_facts(recorded), 202)

    async def post_statuses(self, request: web.BaseRequest) -> Answer:
        """Up to a hundred statuses of any documents, each with its own result. Stored together or not at all."""
        by = self.caller(request, POST_STATUSES)
        return reply(await take_batch(request, by, self.ctx))

    async def get_checkpoint(self, request: web.BaseRequest) -> Answer:
        """The newest signed checkpoint. Anyone who may connect may remember it: that is what it is for."""
        self.caller(request, GET_CHECKPOINT)
        note = published(self.log_folder)
        if note is None:
            raise Refused(Problem(Kind.NOT_FOUND))
        return Answer(note, {hdrs.CONTENT_TYPE: "text/plain"})

    async def get_witnessed(self, request: web.BaseRequest, key: str) -> Answer:
        """The newest checkpoint that one witness has cosigned, by the hash of its key."""
        self.caller(request, GET_WITNESSED)
        return self._file(f"witnessed/{key}", "text/plain")

    async def get_tile(self, request: web.BaseRequest, level: str, tile: str) -> Answer:
        """A hash tile (C2SP tlog-tiles). Entry bundles are for auditors, who have the folder."""
        self.caller(request, GET_TILE)
        return self._file(f"tile/{level}/{tile}", "application/octet-stream")

    async def get_description(self, request: web.BaseRequest) -> Answer:
        """What all this is, for machines. It names nothing of this node: whoever asks may have it, and keep it."""
        return Answer(written(), DESCRIBED)

    def _file(self, path: str, content_type: str) -> Answer:
        target = (self.log_folder / path).resolve()
        if not target.is_relative_to(self.log_folder.resolve()) or not target.is_file():
            raise Refused(Problem(Kind.NOT_FOUND))
        return Answer(target.read_bytes(), {hdrs.CONTENT_TYPE: content_type})

    async def _stream(
        self,
        request: web.BaseRequest,
        body: Body,
        name: str,
        package_sha256: str | None,
        attached_pdfs: str | None = None,
    ) -> Answer | web.StreamResponse:
        """`name` is an id: letters and digits. `package_sha256` is the document's, where this is its package: over the
        whole, it names it in any form; the digest of a body in parts stands before each part."""
        content_type, size = body.content_type, body.size
        headers: dict[str, str] = {} if attached_pdfs is None else {"Axis-Attached-Pdfs": attached_pdfs}
        part = None
        if package_sha256 is not None:
            headers["Axis-Package-SHA256"] = package_sha256
            if size > PIECE:
                tag = f'"{package_sha256}"'
                headers |= {hdrs.ACCEPT_RANGES: "bytes", hdrs.ETAG: tag}
                part = part_of(_once(request, hdrs.RANGE), _once(request, hdrs.IF_RANGE), tag, size)
        if isinstance(body, Plain):
            octets = bytes.fromhex(body.payload.ref.sha256)
            headers["Repr-Digest"] = f"sha-256=:{b2a_base64(octets, newline=False).decode()}:"
        suffix = SUFFIXES[content_type.partition(";")[0]]
        headers[hdrs.CONTENT_TYPE] = content_type
        headers[hdrs.CONTENT_DISPOSITION] = f"attachment; filename*=UTF-8''{name}.{suffix}"
        headers.update(NOT_TO_KEEP)
        if size <= PIECE:
            return Answer(await body.read(), headers)
        if request.method == hdrs.METH_HEAD:  # octets would be read as the answer to the next request
            return web.Response(headers={**headers, hdrs.CONTENT_LENGTH: str(size)})
        async with aclosing(body.chunks()) as chunks:  # else a file stays open when the caller goes away
            if part is None:
                return await self._send(request, chunks, {**headers, hdrs.CONTENT_LENGTH: str(size)})
            headers[hdrs.CONTENT_RANGE] = f"bytes {part.start}-{part.stop - 1}/{size}"
            with self.parts.given_to(self.doors().principal(request).name):
                async with aclosing(cut(chunks, part)) as asked:
                    return await self._send(request, asked, {**headers, hdrs.CONTENT_LENGTH: str(len(part))}, 206)

    async def _send(
        self, request: web.BaseRequest, chunks: AsyncIterator[bytes], headers: dict[str, str], status: int = 200
    ) -> web.StreamResponse:
        first = await anext(chunks, b"")  # what cannot be read at all is answered with a problem
        response = web.StreamResponse(status=status, headers=headers)
        await response.prepare(request)
        try:
            await _write(response, first)
            async for chunk in chunks:
                await _write(response, chunk)
        except ProblemError as error:
            # Half of it is sent: all that can still be said is that this is not the whole.
            log.error("answer_broken_off", problem=error.problem.kind.value, **error.problem.context)
            if request.transport is not None:
                request.transport.close()
            raise BrokenOff(error.problem) from error
        await response.write_eof()
        return response


class BrokenOff(ConnectionResetError):
    """An answer that could not be ended: the connection is closed in the middle of it."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.kind.value)
        self.problem = problem


def _octets(request: web.BaseRequest, door: Admission) -> AsyncIterator[bytes]:
    return door.paced(request.content.iter_any())


async def _write(response: web.StreamResponse, chunk: bytes) -> None:
    for start in range(0, len(chunk), PIECE):
        await response.write(chunk[start : start + PIECE])


def _once(request: web.BaseRequest, name: str) -> str | None:
    """A header that says something of the package. `Refused(BAD_REQUEST)` where it stands twice: the second would count
    for nothing, and nobody be told."""
    given = request.headers.getall(name, ())
    if len(given) > 1:
        raise Refused(Problem(Kind.BAD_REQUEST, f"{name} stands twice"))
    return given[0] if given else None


def _hold_to_digest(request: web.BaseRequest, sha256: str) -> None:
    """`Refused(BAD_REQUEST)` where a digest stands beside the package (RFC 9530) that is not that of what came."""
    stated = {name: _once(request, name) or "" for name in DIGESTS if name in request.headers}
    if stated and stated_digests(stated) - {sha256}:
        told = f"{' and '.join(stated)}: what came has another digest, {sha256} in hex; it was changed on the way"
        raise Refused(Problem(Kind.BAD_REQUEST, told))


def _agencies(header: str | None) -> tuple[AgencyCode, ...] | None:
    return None if header is None else tuple(agency(text.strip()) for text in header.split(","))


def _trace(header: str | None) -> tuple[Hop, ...]:
    """The trace beside the package: JSON `[[node, instant], ...]`. `Refused(BAD_REQUEST)` for anything else."""
    if header is None:
        return ()
    try:
        hops = tuple(Hop(node, parse_rfc3339(at)) for node, at in orjson.loads(header))
        if not all(_NODE.fullmatch(hop.node) for hop in hops):
            raise ValueError
        return hops
    except (ValueError, TypeError, OverflowError):
        raise Refused(Problem(Kind.BAD_REQUEST, "the trace cannot be read")) from None
