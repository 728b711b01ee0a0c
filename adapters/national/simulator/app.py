"""The simulated national axis over HTTP: the calls of VXP, and a view for its operator.

Every answer under the base path is JSON, with HTTP 200 even when the call is refused: what SDKs do with another status
is to lose the reason, and a list that cannot be read counts as an empty one (VPCP SDK, observed).
"""

from __future__ import annotations

import asyncio
import hmac
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Final

import structlog
from aiohttp import web

from adapters.national import vxp
from adapters.national.simulator import operator
from adapters.national.simulator.database import Row
from adapters.national.simulator.intake import read_registration, unpack
from adapters.national.simulator.settings import Settings
from adapters.national.simulator.store import Proof, Store, VxpRefusal
from adapters.national.vxp import Call, Caller, Code, FileDigest, MessageType, State, VxpError
from axis.core.times import parse_rfc3339, rfc3339
from schemas.dates import VIETNAM, read_date, write_timestamp
from schemas.envelope import Envelope

log = structlog.get_logger()

OPERATOR_TOKEN: Final = "X-Operator-Token"
MAX_SMALL_BODY: Final = 64 * 1024
_BEGINNING: Final = rfc3339(datetime.min.replace(tzinfo=UTC))
_END: Final = rfc3339(datetime.max.replace(tzinfo=UTC))
_STATE_TEXTS: Final[Mapping[str, str]] = {
    State.INITIAL.value: "Khoi tao",
    State.PROCESSING.value: "Dang xu ly",
    State.DONE.value: "Da nhan",
    State.FAIL.value: "Nhan that bai",
}

Answer = Mapping[str, object]


class Simulator:
    """Answers requests from one store. `now` is the clock that requests' timestamps are held against."""

    def __init__(self, store: Store, settings: Settings, now: Callable[[], datetime]) -> None:
        self._store = store
        self._settings = settings
        self._now = now
        self._zone = timezone(settings.utc_offset)
        self._uploads = asyncio.Semaphore(settings.max_uploads)
        self._calls: Mapping[Call, Callable[[Caller, bytes, Proof], Awaitable[Answer]]] = {
            Call.SEND: self._send,
            Call.RECEIVED: self._received,
            Call.SENT: self._sent,
            Call.GET: self._get,
            Call.UPDATE: self._update,
            Call.AGENCIES: self._agencies,
            Call.REGISTER: self._register,
            Call.DELETE: self._delete,
        }

    async def handle(self, request: web.Request) -> web.Response:
        """One VXP call. Nothing is read of the body, and nothing stored, before the headers prove who asks."""
        try:
            call = Call(request.match_info["call"])
        except ValueError:
            return _json(vxp.failed(VxpError(Code.BAD_FILE, "Khong co dich vu nay")), 404)
        if request.method != "POST":
            return _json(vxp.failed(VxpError(Code.BAD_FILE, "Chi nhan phuong thuc POST"), call), 405)
        try:
            answer = await self._answer(call, request)
        except VxpRefusal as refusal:
            log.info("vxp_refused", call=call.value, code=refusal.error.code.value)
            answer = vxp.failed(refusal.error, call)
        except (ConnectionError, web.HTTPException):
            raise
        except (
            Exception
        ):  # the edge of the service: a client of VXP gets its own form of "system error", the log the rest
            log.exception("vxp_broke", call=call.value)
            answer = vxp.failed(VxpError(Code.SYSTEM), call)
        return _json(answer)

    async def _answer(self, call: Call, request: web.Request) -> Answer:
        headers = [(name, value.strip()) for name, value in _headers(request)]
        secret = await self._store.run(self._store.secret, vxp.system_of(headers))
        caller = vxp.check_headers(call, headers, secret, self._now(), self._settings.skew, self._zone)
        if isinstance(caller, VxpError):
            raise VxpRefusal(caller.code, caller.text)
        log.debug("vxp_call", call=call.value, system=caller.system)
        if call is Call.SEND:
            async with self._uploads:
                return await self._dispatch(call, caller, request, self._settings.max_body_bytes)
        return await self._dispatch(call, caller, request, MAX_SMALL_BODY)

    async def _dispatch(self, call: Call, caller: Caller, request: web.Request, limit: int) -> Answer:
        try:
            async with asyncio.timeout(self._settings.body_timeout.total_seconds()):
                body, digest = await _read(request, limit)
        except TimeoutError:
            raise VxpRefusal(Code.PROCESSING, "Du lieu den qua cham") from None
        if call is Call.SEND:
            tail = digest.tail(caller.need("hash-file"))
            if tail is None:
                raise VxpRefusal(Code.BAD_FILE, "Noi dung file khong khop voi hash-file")
            body = body[: len(body) - tail]
        expires_at = caller.at + self._settings.skew + timedelta(seconds=1)
        return await self._calls[call](caller, body, Proof(caller.signature, digest.hexdigest(), expires_at))

    async def _send(self, caller: Caller, body: bytes, _proof: Proof) -> Answer:
        kind, now, settings = _message_type(caller), self._now(), self._settings
        message, parcel = await asyncio.to_thread(
            partial(unpack, body, kind, now, rewritten=settings.rewrite, organ=settings.trace_organ)
        )
        sender = message.sender.code.text if isinstance(message, Envelope) else message.reporter.code.text
        said = caller.need("from")
        if sender != said:
            raise VxpRefusal(Code.UNKNOWN_SENDER, f"Don vi gui {sender} khong dung voi ma da dang ky: {said[:35]}")
        if isinstance(message, Envelope):
            doc_id = await self._store.run(self._store.send_document, caller.system, message, parcel, now)
        else:
            doc_id = await self._store.run(self._store.send_status, caller.system, message, parcel.original, now)
        log.info("vxp_sent", message=kind.value, doc_id=doc_id, agency=sender, system=caller.system)
        return vxp.succeeded(doc_id=doc_id)

    async def _received(self, caller: Caller, _body: bytes, _proof: Proof) -> Answer:
        # An object of the SDK keeps `status` and `docid` of its last updateStatus, and that is no filter here
        # (VPCP SDK 2.0.1, read).
        state = caller.get("status") if caller.parameters.get("docid") is None else None
        rows = await self._store.run(
            self._store.received,
            caller.system,
            _message_type(caller),
            state or None,
            _day(caller.get("fromDate"), "fromDate", timedelta(0)) or _BEGINNING,
            _day(caller.get("toDate"), "toDate", timedelta(days=1)) or _END,
            self._settings.list_limit,
        )
        return vxp.succeeded([_received_row(row) for row in rows])

    async def _sent(self, caller: Caller, _body: bytes, _proof: Proof) -> Answer:
        rows = await self._store.run(
            self._store.sent,
            caller.system,
            _message_type(caller),
            caller.get("docId") or None,
            self._settings.list_limit,
        )
        return vxp.succeeded([_sent_row(row) for row in rows])

    async def _get(self, caller: Caller, _body: bytes, _proof: Proof) -> Answer:
        octets = await self._store.run(self._store.package, caller.system, caller.need("docId"))
        return vxp.succeeded(await asyncio.to_thread(_base64, octets))

    async def _update(self, caller: Caller, _body: bytes, proof: Proof) -> Answer:
        doc_id, state = caller.need("docid"), caller.need("status")
        await self._store.run(self._store.update, caller.system, doc_id, state, proof, self._now())
        return vxp.succeeded()

    async def _agencies(self, _caller: Caller, _body: bytes, _proof: Proof) -> Answer:
        rows = await self._store.run(self._store.agencies)
        return vxp.succeeded(
            [
                {
                    "id": str(row["id"]),
                    "code": row["code"],
                    "name": row["name"],
                    "mail": row["mail"],
                    "pid": row["pcode"] if row["pid"] is None else str(row["pid"]),
                }
                for row in rows
            ]
        )

    async def _register(self, caller: Caller, body: bytes, proof: Proof) -> Answer:
        registration = read_registration(body)
        await self._store.run(self._store.register, caller.system, registration, proof, self._now())
        log.info("vxp_registered", agency=registration.code, system=caller.system)
        return vxp.succeeded()

    async def _delete(self, caller: Caller, _body: bytes, proof: Proof) -> Answer:
        code = caller.need("AgencyCode")
        await self._store.run(self._store.delete, caller.system, code, proof, self._now())
        log.info("vxp_deleted", agency=code, system=caller.system)
        return vxp.succeeded()

    # --- the operator's side ------------------------------------------------------------------------------------

    async def health(self, _request: web.Request) -> web.Response:
        await self._store.run(self._store.one, "SELECT 1")
        return _json({"status": "OK"})

    async def list_statuses(self, request: web.Request) -> web.Response:
        after = self._operator(request)
        found, following = await self._store.run(operator.statuses, self._store, after)
        return _json({"statuses": found, "next": following})

    async def list_documents(self, request: web.Request) -> web.Response:
        after = self._operator(request)
        found, following = await self._store.run(operator.documents, self._store, after)
        return _json({"documents": found, "next": following})

    def _operator(self, request: web.Request) -> int:
        """Check the operator's token; answers where the page begins. Without a configured token nothing is here."""
        token = self._settings.operator_token
        if token is None:
            raise web.HTTPNotFound
        given = request.headers.get(OPERATOR_TOKEN, "")
        if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode()):
            raise web.HTTPUnauthorized
        after = request.query.get("after", "0")
        if not (after.isascii() and after.isdigit() and len(after) < 19):
            raise web.HTTPBadRequest
        return int(after)


def make_app(store: Store, settings: Settings, now: Callable[[], datetime]) -> web.Application:
    """The simulated axis as an application; whoever makes it also closes the store."""
    simulator = Simulator(store, settings, now)
    app = web.Application(middlewares=[_always_json])
    app.router.add_route("*", settings.base_path + "/{call:.*}", simulator.handle)
    app.router.add_get("/healthz", simulator.health)
    app.router.add_get("/operator/statuses", simulator.list_statuses)
    app.router.add_get("/operator/documents", simulator.list_documents)
    return app


@web.middleware
async def _always_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as answer:
        return _json(vxp.failed(VxpError(Code.BAD_FILE, answer.reason)), answer.status)
    except ConnectionError:
        raise
    except Exception:  # the same outside of a call: no page of the framework goes out, the log has the rest
        log.exception("request_broke", path=request.path)
        return _json(vxp.failed(VxpError(Code.SYSTEM)), 500)


def _json(answer: Answer, status: int = 200) -> web.Response:
    return web.Response(body=vxp.write_answer(answer), status=status, content_type="application/json", charset="utf-8")


def _headers(request: web.Request) -> list[tuple[str, str]]:
    """The headers with their names as they came: CIMultiDict would do, but does not promise it."""
    return [
        (name.decode("ascii", "replace"), value.decode("utf-8", "surrogateescape"))
        for name, value in request.raw_headers
    ]


async def _read(request: web.Request, limit: int) -> tuple[bytes, FileDigest]:
    """The body, hashed as it comes. Refused as soon as it is known to be longer than `limit`."""
    body, digest = bytearray(), FileDigest()
    too_long = (request.content_length or 0) > limit
    if not too_long:
        async for piece in request.content.iter_any():
            if len(body) + len(piece) > limit:
                too_long = True
                break
            body += piece
            digest.update(piece)
    if too_long:
        raise VxpRefusal(Code.BAD_FILE, f"Du lieu vuot qua gioi han {limit} byte")
    return bytes(body), digest


def _message_type(caller: Caller) -> MessageType:
    try:
        return MessageType(caller.need("messagetype").lower())
    except ValueError:
        raise VxpRefusal(Code.BAD_FILE, "Tham so messagetype khong hop le") from None


def _day(text: str | None, name: str, more: timedelta) -> str | None:
    """The beginning of a day of Vietnam, `more` later, as the store writes instants."""
    if not text:
        return None
    day = read_date(text)
    if day is None or not 1 < day.year < 9999:
        raise VxpRefusal(Code.BAD_FILE, f"Tham so {name} khong hop le")
    return rfc3339(datetime(day.year, day.month, day.day, tzinfo=VIETNAM) + more)


def _received_row(row: Row) -> dict[str, object]:
    return {
        "docId": row["doc_id"],
        "serviceType": vxp.SERVICE,
        "messageType": row["message"],
        "created_time": _time(row["created_at"]),
        "updated_time": _time(row["updated_at"]),
        "from": row["sender"],
        "to": row["receiver"],
        "status": row["state"],
        "status_desc": _STATE_TEXTS[row["state"]],
    }


def _sent_row(row: Row) -> dict[str, object]:
    done = State.DONE.value
    return {
        "senderDocId": row["sent_id"],
        "receiverDocId": row["doc_id"],
        "fromCode": row["sender"],
        "toCode": row["receiver"],
        "title": row["title"],
        "notation": row["number"],
        "sentTime": _time(row["sent_at"]),
        "receivedTime": _time(row["updated_at"]) if row["state"] == done else "",
        "sendStatus": done,
        "sendStatusDesc": "Da gui",
        "receiveStatus": row["state"],
        "receiveStatusDesc": _STATE_TEXTS[row["state"]],
        "messageType": row["message"],
        "serviceType": vxp.SERVICE,
    }


def _base64(octets: bytes) -> str:
    return b64encode(octets).decode()


def _time(stored: str) -> str:
    return write_timestamp(parse_rfc3339(stored))
