"""Statuses as agencies report them over HTTP: one a request, or up to a hundred, each with its own answer."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson
from aiohttp import web

from axis.core.model import DocumentRef, Principal, StatusReport
from axis.core.network import Network
from axis.core.outline import Concerned
from axis.core.problems import Kind, Problem, Refused
from axis.core.statuses import Report
from axis.flow.context import Context
from axis.flow.report import Told, record_statuses
from axis.web.dto import StatusBody, read_items, status_facts, whole
from axis.web.problem_json import members
from schemas.codes import AgencyCode, CodeError
from schemas.envelope import StaffInfo
from schemas.status import BY_WIRE, REASON_REQUIRED, WIRE_BY_SENDER, read_wire

MOST = 100
"""Statuses of one request."""
MAX_BATCH = 262_144
"""Octets of one request with several."""


def report_of(body: StatusBody, document: Concerned, by: Principal, network: Network, now: datetime) -> Report:
    """What a caller says of a document. `Refused(BAD_REQUEST)` naming the field that is wrong or missing."""
    wire = read_wire(body.code)
    _complete(body, wire, now + network.future)
    registry = network.registry
    own = [code for code in document.recipients if registry.within(code, by.authority)]
    sets_as_sender = wire in WIRE_BY_SENDER
    receiver = agency(body.receiver) if body.receiver else own[0] if len(own) == 1 else None
    # Who sets what only the other side may set speaks for itself all the same, and is told that it may not.
    by_sender = sets_as_sender and registry.within(document.sender, by.authority)
    if receiver is None and not own and not sets_as_sender:
        receiver = document.sender
    if receiver is None:
        raise Refused(Problem(Kind.BAD_REQUEST, "name the receiver that this status is of", {"fields": ("receiver",)}))
    return Report(
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


async def take_batch(request: web.BaseRequest, by: Principal, ctx: Context) -> dict[str, Any]:
    """`{"statuses": [...]}` with up to `MOST` items; the answer has one result for each, in their order: the recorded
    status, or the problem. Those that are good are stored together."""
    given = read_items(await _batch(request))
    now = ctx.now()
    told: list[Told] = [
        (DocumentRef(item.document), partial(report_of, item, by=by, network=ctx.network, now=now))
        for item in given
        if not isinstance(item, Problem)
    ]
    recorded = iter(await record_statuses(told, by, now, ctx) if told else ())
    results = [item if isinstance(item, Problem) else next(recorded) for item in given]
    ctx.refused.update(one.kind for one in results if isinstance(one, Problem))
    return {"results": [_result(one) for one in results]}


async def _batch(request: web.BaseRequest) -> list[Any]:
    """The items of a batch, unread. `Refused(BAD_REQUEST)` where it is no list of one to `MOST`."""
    if request.content_type != "application/json":
        raise Refused(Problem(Kind.UNSUPPORTED_MEDIA, "application/json is expected"))
    octets = await whole(request.clone(client_max_size=MAX_BATCH))
    try:
        body = orjson.loads(octets)
    except orjson.JSONDecodeError:
        raise Refused(Problem(Kind.BAD_REQUEST, "not JSON")) from None
    items = body.get("statuses") if isinstance(body, dict) and set(body) == {"statuses"} else None
    if not isinstance(items, list) or not 1 <= len(items) <= MOST:
        told = f"an object with one member is expected: statuses, a list of 1 to {MOST}"
        raise Refused(Problem(Kind.BAD_REQUEST, told, {"fields": ("statuses",)}))
    return items


def _result(outcome: StatusReport | Problem) -> dict[str, Any]:
    if isinstance(outcome, Problem):
        return {"problem": members(outcome)}
    return {"status": status_facts(outcome)}


def _complete(body: StatusBody, wire: str, latest: datetime) -> None:
    """`Refused(BAD_REQUEST)` naming the field that no status of this code could have, or be without."""
    if wire not in BY_WIRE:
        raise Refused(Problem(Kind.BAD_REQUEST, "unknown status code", {"fields": ("code",)}))
    if BY_WIRE[wire] in REASON_REQUIRED and not (body.description or "").strip():
        told = "this status needs a description: the reason"
        raise Refused(Problem(Kind.BAD_REQUEST, told, {"fields": ("description",)}))
    if body.at is not None and body.at > latest:
        raise Refused(Problem(Kind.BAD_REQUEST, "the status lies in the future", {"fields": ("at",)}))


def agency(text: str) -> AgencyCode:
    try:
        return AgencyCode.parse(text)
    except CodeError as error:
        raise Refused(Problem(Kind.BAD_REQUEST, str(error))) from None
