"""Statuses as agencies report them over HTTP: one a request, or up to a hundred, each with its own answer."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson
from aiohttp import web

from axis.core.model import DocumentRef, Principal, StatusReport
from axis.core.outline import Concerned
from axis.core.problems import Kind, Problem, Refused
from axis.core.statuses import Report, Reporting
from axis.flow.context import Context
from axis.flow.report import Told, record_statuses
from axis.web.dto import StaffBody, StatusBody, read_items, status_facts, whole
from axis.web.openapi.operations import MAX_BATCH, MOST_STATUSES
from axis.web.problem_json import members
from axis.web.shapes import ResultFacts, ResultsFacts
from schemas.codes import AgencyCode, CodeError
from schemas.envelope import StaffInfo
from schemas.status import BY_WIRE, WIRE_BY_SENDER, WIRE_WITH_REASON, read_wire


def report_of(body: StatusBody, document: Concerned, reporting: Reporting) -> Report:
    """What a caller says of a document. `Refused(BAD_REQUEST)` naming the field that is wrong or missing."""
    wire = read_wire(body.code)
    at = reporting.now if body.at is None else body.at.astimezone(UTC)
    _complete(wire, at, body.description, reporting.latest)
    if reporting.too_early(at, document.issued_on):
        told = "the status lies before its document was issued"
        raise Refused(Problem(Kind.BAD_REQUEST, told, {"fields": ("at",)}))
    part, sender = reporting.party.part_in(document), document.sender
    own, sets_as_sender = part.own, wire in WIRE_BY_SENDER
    receiver = agency(body.receiver, "receiver") if body.receiver else own[0] if len(own) == 1 else None
    # Who sets what only the other side may set speaks for itself all the same, and is told that it may not.
    by_sender = sets_as_sender and part.sends
    if receiver is None and not own and not sets_as_sender:
        receiver = sender
    if receiver is None:
        raise Refused(Problem(Kind.BAD_REQUEST, "name the receiver that this status is of", {"fields": ("receiver",)}))
    reporter, addressee = (sender, receiver) if by_sender else (receiver, sender)
    return Report(
        wire,
        reporter,
        addressee,
        at.replace(microsecond=0) if at.microsecond else at,
        document.document_id,
        document.number,
        body.description,
        document.issued_on,
        _staff(body.staff),
    )


def _staff(body: StaffBody | None) -> StaffInfo | None:
    return None if body is None else StaffInfo(body.department, body.staff, body.email, body.mobile)


async def take_batch(request: web.BaseRequest, by: Principal, ctx: Context) -> ResultsFacts:
    """`{"statuses": [...]}` with up to `MOST_STATUSES` items; the answer has one result for each, in their order: the
    recorded status, or the problem. Those that are good are stored together."""
    given = read_items(await _batch(request))
    now = ctx.now()
    told: list[Told] = [
        (DocumentRef(item.document), partial(report_of, item)) for item in given if not isinstance(item, Problem)
    ]
    recorded = iter(await record_statuses(told, by, now, ctx) if told else ())
    results = [item if isinstance(item, Problem) else next(recorded) for item in given]
    ctx.refused.update(one.kind for one in results if isinstance(one, Problem))
    return {"results": [_result(one) for one in results]}


async def _batch(request: web.BaseRequest) -> list[Any]:
    """The items of a batch, unread. `Refused(BAD_REQUEST)` where it is no list of one to `MOST_STATUSES`."""
    if request.content_type != "application/json":
        raise Refused(Problem(Kind.UNSUPPORTED_MEDIA, "application/json is expected"))
    octets = await whole(request.clone(client_max_size=MAX_BATCH))
    try:
        body = orjson.loads(octets)
    except orjson.JSONDecodeError:
        raise Refused(Problem(Kind.BAD_REQUEST, "not JSON")) from None
    items = body.get("statuses") if isinstance(body, dict) and set(body) == {"statuses"} else None
    if not isinstance(items, list) or not 1 <= len(items) <= MOST_STATUSES:
        told = f"an object with one member is expected: statuses, a list of 1 to {MOST_STATUSES}"
        raise Refused(Problem(Kind.BAD_REQUEST, told, {"fields": ("statuses",)}))
    return items


def _result(outcome: StatusReport | Problem) -> ResultFacts:
    if isinstance(outcome, Problem):
        return {"problem": members(outcome)}
    return {"status": status_facts(outcome)}


def _complete(wire: str, at: datetime, description: str | None, latest: datetime) -> None:
    """`Refused(BAD_REQUEST)` naming the field that no status of this code could have, or be without."""
    if wire not in BY_WIRE:
        told = f"unknown status code; there are {', '.join(sorted(BY_WIRE))}"
        raise Refused(Problem(Kind.BAD_REQUEST, told, {"fields": ("code",)}))
    if wire in WIRE_WITH_REASON and not (description or "").strip():
        told = "this status needs a description: the reason"
        raise Refused(Problem(Kind.BAD_REQUEST, told, {"fields": ("description",)}))
    if at > latest:
        raise Refused(Problem(Kind.BAD_REQUEST, "the status lies in the future", {"fields": ("at",)}))


def agency(text: str, field: str = "") -> AgencyCode:
    """The code that stands in that field of a body, or in a header."""
    try:
        return AgencyCode.parse(text)
    except CodeError as error:
        raise Refused(Problem(Kind.BAD_REQUEST, str(error), {"fields": (field,)} if field else {})) from None
