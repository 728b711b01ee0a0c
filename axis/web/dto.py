"""Bodies of requests and answers, read and written at this edge only."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any, Final, TypeVar

import orjson
from aiohttp import hdrs, web
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from axis.core.follow_up import FollowUp
from axis.core.inbox import InboxItem, ToldStatus
from axis.core.model import AttachmentCheck, AttachmentVerdict, Cargo, Delivery, Document, StatusReport
from axis.core.pressure import PATIENCE_S, WAITS_S
from axis.core.problems import Kind, Problem, Refused, Unavailable
from axis.core.times import rfc3339
from axis.web.answer import Answer
from axis.web.attached import attachment_signatures, mark, told_mark
from axis.web.fields import wrong_fields
from axis.web.shapes import REF, DeliveryFacts, DocumentFacts, InboxItemFacts, MarkFacts, StatusFacts
from schemas.status import BY_WIRE, WIRE_WITH_REASON
from signing.verdict import PdfOutcome

_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _xml_text(text: str) -> str:
    """A status goes on as XML: what XML cannot hold would never reach anybody."""
    if _NOT_XML.search(text):
        raise ValueError("there is a character that XML does not allow")
    return text


Text = Annotated[
    str,
    AfterValidator(_xml_text),
    Field(json_schema_extra={"pattern": r"^[^\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]*$"}),
]


def _written_time(value: object) -> object:
    """A number would be taken for seconds since 1970, or for milliseconds where it is large, in text too."""
    if not isinstance(value, str) or value[4:5] != "-":
        raise ValueError("a time is text that begins with its year")
    return value


Instant = Annotated[
    AwareDatetime,
    Field(ge=datetime.min.replace(tzinfo=UTC), le=datetime.max.replace(tzinfo=UTC)),
    BeforeValidator(_written_time),
]
"""There is such a time in UTC."""
_NOTHING_ELSE: Final = ConfigDict(extra="forbid")
_CODES: Final = "|".join(wire.replace("0", "0?", 1) if wire.startswith("0") else wire for wire in sorted(BY_WIRE))
REASON_NEEDED: Final[dict[str, Any]] = {
    "if": {
        "properties": {"code": {"enum": sorted({*WIRE_WITH_REASON, *(one.lstrip("0") for one in WIRE_WITH_REASON)})}}
    },
    "then": {"required": ["description"], "properties": {"description": {"type": "string", "pattern": r"\S"}}},
}
"""What the axis holds a status to after it is read, in the words of JSON Schema: the reason of a refusal."""


# Dataclasses, because to read a field of a model of pydantic's is a function; a status is asked for a dozen.
@dataclass(frozen=True, slots=True, kw_only=True)
class StaffBody:
    __pydantic_config__ = _NOTHING_ELSE

    department: Annotated[Text | None, Field(max_length=200)] = None
    staff: Annotated[Text | None, Field(max_length=200)] = None
    email: Annotated[Text | None, Field(max_length=200)] = None
    mobile: Annotated[Text | None, Field(max_length=50)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusBody:
    """One status of one receiver. `receiver` may be left out when the connection speaks for one recipient only."""

    __pydantic_config__ = ConfigDict(extra="forbid", json_schema_extra=REASON_NEEDED)

    code: Annotated[str, Field(pattern=r"^[0-9]{1,2}$", json_schema_extra={"pattern": f"^({_CODES})$"})]
    receiver: str | None = None
    at: Instant | None = None
    description: Annotated[Text | None, Field(max_length=500)] = None
    staff: StaffBody | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchItem(StatusBody):
    """One status of a batch: it names its document."""

    document: Annotated[str, Field(pattern=f"^{REF}$")]


_STATUS: Final = TypeAdapter(StatusBody)
_ITEM: Final = TypeAdapter(BatchItem)
_BATCH: Final = TypeAdapter(list[BatchItem])

B = TypeVar("B")

_DOCUMENT: Final = Cargo.DOCUMENT.value
_LABELS: Final = {wire: status.label for wire, status in BY_WIRE.items()}
NOT_TO_KEEP: Final = MappingProxyType({hdrs.CACHE_CONTROL: "no-store", "X-Content-Type-Options": "nosniff"})
"""Of answers that are for one caller only: nobody keeps them, and nobody guesses what they are."""
_JSON_NOT_TO_KEEP: Final = MappingProxyType({hdrs.CONTENT_TYPE: "application/json", **NOT_TO_KEEP})


async def whole(request: web.BaseRequest) -> bytes:
    """The body of a request that is small enough for memory, as it came: `Refused(UNSUPPORTED_MEDIA)` where it is
    packed. `Unavailable(TOO_SLOW)` where it is not there in half a minute."""
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise Refused(Problem(Kind.UNSUPPORTED_MEDIA, "send the body without Content-Encoding"))
    if request.content.is_eof():  # it is here already: nobody is waited for, and a clock costs more than reading it
        octets = request.content.read_nowait()
        if len(octets) > request.client_max_size:
            raise Refused(Problem(Kind.TOO_LARGE))
        return octets
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await request.read()
    except TimeoutError:
        raise Unavailable(Problem(Kind.TOO_SLOW), retry_after_s=WAITS_S[Kind.TOO_SLOW]) from None


async def status_body(request: web.BaseRequest) -> StatusBody:
    """The JSON of a status request. `Refused(BAD_REQUEST)` naming the fields that are wrong."""
    if request.content_type != "application/json":
        raise Refused(Problem(Kind.UNSUPPORTED_MEDIA, "application/json is expected"))
    octets = await whole(request)
    try:
        return read_body(orjson.loads(octets), _STATUS)
    except orjson.JSONDecodeError:
        raise Refused(Problem(Kind.BAD_REQUEST, "not JSON")) from None


def read_body(value: Any, model: TypeAdapter[B]) -> B:
    """A value out of JSON, held to `model`. `Refused(BAD_REQUEST)` naming the fields that are wrong."""
    try:
        return model.validate_python(value)
    except ValidationError as error:
        raise Refused(wrong_fields(error)) from None


def read_items(values: list[Any]) -> list[BatchItem | Problem]:
    """Each value out of JSON as an item, or what is wrong with it. All are read by one call where all are good."""
    try:
        return [*_BATCH.validate_python(values)]
    except ValidationError:
        return [_item(one) for one in values]


def _item(value: Any) -> BatchItem | Problem:
    try:
        return read_body(value, _ITEM)
    except Refused as error:
        return error.problem


def reply(body: Any, status: int = 200) -> Answer:
    return Answer(orjson.dumps(body), _JSON_NOT_TO_KEEP, status)


def instant(at: datetime | None) -> str | None:
    return rfc3339(at) if at else None


def document_facts(
    document: Document, check: AttachmentCheck | None, verdicts: Sequence[AttachmentVerdict]
) -> DocumentFacts:
    """What a party to the document sees of it. `verdicts` are all judgements of its attachments, in their order."""
    return {
        "document": document.ref,
        "state": document.state.value,
        "kind": document.kind.slug,
        "sender": document.sender.text,
        "document_id": document.document_id,
        "number": document.number,
        "subject": document.subject,
        "issued_on": document.issued_on.isoformat() if document.issued_on else None,
        "priority": int(document.priority),
        "recipients": [code.text for code in document.recipients],
        "attachments": [
            {
                "content_id": a.content_id,
                "name": a.name,
                "type": a.content_type,
                "size": a.size,
                "sha256": a.sha256,
                "signatures": attachment_signatures(a, place, verdicts),
            }
            for place, a in enumerate(document.attachments, 1)
        ],
        "attached_pdfs": mark(check),
        "form": document.form.value,
        "size": document.payload.size,
        "sha256": document.payload.sha256,
        "package_sha256": document.digest,
        "accepted_at": rfc3339(document.accepted_at),
        "removed_at": instant(document.removed_at),
        "crossed": document.crossed,
        "notes": list(document.notes),
        "verdict": document.verdict.to_dict(),
    }


def delivery_facts(delivery: Delivery, follow_up: FollowUp | None = None) -> DeliveryFacts:
    """`became` is what the destination said later, where it is asked (`axis.core.follow_up.Became`)."""
    return {
        "delivery": delivery.id,
        "cargo": delivery.cargo.value,
        "endpoint": delivery.endpoint,
        "recipients": [code.text for code in delivery.recipients],
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "due_at": instant(delivery.due_at),
        "settled_at": instant(delivery.settled_at),
        "problem": delivery.last_problem,
        "became": follow_up.became.value if follow_up and follow_up.became else None,
    }


def status_facts(report: StatusReport) -> StatusFacts:
    return {
        "status": report.ref,
        "code": report.wire,
        "label": _LABELS.get(report.wire),
        "receiver": report.receiver.text,
        "reporter": report.reporter.text,
        "at": rfc3339(report.at),
        "received_at": rfc3339(report.received_at),
        "description": report.description,
        "standing": str(report.standing),
        "attestation": str(report.attestation),
    }


def inbox_facts(item: InboxItem) -> InboxItemFacts:
    """What is stored as JSON is told as it is stored."""
    # Once for all: fifty times sixteen look-ups by name are a tenth of an answer.
    (
        delivery, seq, cargo, recipients, priority, document, sender, document_id, number, subject, form, size, sha256,
        rounds, outcome, due_at, notice, report,
    ) = item  # fmt: skip
    carried = cargo == _DOCUMENT and document is not None
    return {
        "delivery": delivery,
        "seq": seq,
        "cargo": cargo,
        "recipients": orjson.Fragment(recipients),
        "document": document,
        "sender": sender,
        "document_id": document_id,
        "number": number,
        "subject": subject,
        "priority": priority,
        "form": form if carried else None,
        "size": size if carried else None,
        "sha256": sha256 if carried else None,
        "attached_pdfs": None if rounds is None else _mark(outcome, rounds > 0, due_at is not None),
        "status": None if report is None else _status_of(report),
        "notice": None if notice is None else orjson.Fragment(notice),
    }


@cache
def _mark(outcome: str | None, judged: bool, again: bool) -> MarkFacts:
    return told_mark(None if outcome is None else PdfOutcome(outcome), judged, again)


def _status_of(report: ToldStatus) -> StatusFacts:
    return {
        "status": report.status,
        "code": report.wire,
        "label": _LABELS.get(report.wire),
        "receiver": report.receiver,
        "reporter": report.reporter,
        "at": report.at,
        "received_at": report.received_at,
        "description": report.description,
        "standing": report.standing,
        "attestation": report.attestation,
    }
