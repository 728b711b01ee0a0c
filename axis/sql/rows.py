"""Nouns to columns and back. What is written here must read back equal for as long as a store lives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final

import orjson

from axis.core.entry import leaf
from axis.core.follow_up import Became, FollowUp
from axis.core.model import (
    AttachmentCheck,
    AttachmentRecord,
    AttachmentVerdict,
    Attestation,
    Cargo,
    Delivery,
    DeliveryId,
    Document,
    DocumentRef,
    Hop,
    JudgedAttachment,
    LogEntry,
    Notice,
    NoticeOutcome,
    NoticeRef,
    PayloadRef,
    Role,
    StatusRef,
    StatusReport,
    Way,
)
from axis.core.outline import Outline
from axis.core.states import DeliveryState, IntakeState
from axis.core.times import parse_rfc3339, rfc3339
from axis.sql.verdict import stored_verdict
from schemas.codes import AgencyCode, document_key
from schemas.envelope import MessageKind, Priority, StaffInfo
from schemas.multipart import PackageForm
from schemas.status import Standing
from signing.verdict import PdfOutcome, Reason

Row = Sequence[Any]
Params = Mapping[str, str | bytes | int | None]

# A dictionary, because asking an enumeration for one of its members takes three calls.
_ROLE: Final = {one.value: one for one in Role}
_ATTESTATION: Final = {one.value: one for one in Attestation}
_STANDING: Final = {one.value: one for one in Standing}
_KIND: Final = {kind.slug: kind for kind in MessageKind}
_INTAKE: Final = {one.value: one for one in IntakeState}
_PRIORITY: Final = {one.value: one for one in Priority}
_FORM: Final = {one.value: one for one in PackageForm}
_CARGO: Final = {one.value: one for one in Cargo}
_DELIVERY: Final = {one.value: one for one in DeliveryState}


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


name_key: Final = lru_cache(maxsize=1024)(document_key)
"""Of a document's id and number, which its group, its body and its row ask for, six times on SQLite."""


def key(text: str | None) -> str | None:
    return None if text is None else name_key(text)


def codes_json(codes: Iterable[AgencyCode]) -> str:
    return _json([code.text for code in codes])


def many(names: Iterable[object]) -> str:
    """What a statement about many things asks for."""
    return _json(list(names))


read_code: Final = lru_cache(maxsize=4096)(AgencyCode)
"""The same code is the same object: found among others at a glance."""


@lru_cache(maxsize=4096)
def read_codes(text: str) -> tuple[AgencyCode, ...]:
    return tuple(map(read_code, orjson.loads(text)))


def _hops(hops: Sequence[Hop]) -> Sequence[Mapping[str, str]]:
    return [{"node": hop.node, "at": rfc3339(hop.at)} for hop in hops]


def hops_json(hops: Sequence[Hop]) -> str:
    return "[]" if not hops else _json(_hops(hops))


def ways_json(ways: Sequence[Way]) -> str:
    return "[]" if not ways else _json([_way(way) for way in ways])


def _way(way: Way) -> Mapping[str, object]:
    to = [code.text for code in way.recipients]
    return {"by": way.by, "via": str(way.via), "hops": _hops(way.hops), "for": to, "at": rfc3339(way.at)}


def _read_ways(text: str) -> tuple[Way, ...]:
    return () if text == "[]" else tuple(map(_read_way, orjson.loads(text)))


def _read_way(way: Mapping[str, Any]) -> Way:
    to = tuple(map(read_code, way["for"]))
    return Way(way["by"], _ROLE[way["via"]], _listed_hops(way["hops"]), to, parse_rfc3339(way["at"]))


def _listed_hops(hops: Iterable[Mapping[str, str]]) -> tuple[Hop, ...]:
    return tuple(Hop(hop["node"], parse_rfc3339(hop["at"])) for hop in hops)


def _read_hops(text: str) -> tuple[Hop, ...]:
    return () if text == "[]" else _listed_hops(orjson.loads(text))


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def instant(text: str | None) -> datetime | None:
    return None if text is None else parse_rfc3339(text)


def document_params(document: Document) -> Params:
    return {
        "ref": document.ref,
        "sender": document.sender.text,
        "kind": document.kind.slug,
        "document_id": document.document_id,
        "document_key": name_key(document.document_id),
        "concerns": document.concerns,
        "digest": document.digest,
        "payload_sha256": document.payload.sha256,
        "payload_size": document.payload.size,
        "number": document.number,
        "number_key": name_key(document.number),
        "subject": document.subject,
        "recipients": codes_json(document.recipients),
        "verdict": document.verdict.stored().decode(),
        "state": str(document.state),
        "receipt_state": str(document.receipt_state),
        "principal": document.by,
        "via": str(document.via),
        "accepted_at": rfc3339(document.accepted_at),
        "nonce": document.nonce,
        "issued_on": document.issued_on.isoformat() if document.issued_on else None,
        "priority": int(document.priority),
        "attachments": _json(document.attachments),
        "only_for": None if document.only_for is None else codes_json(document.only_for),
        "hops": hops_json(document.hops),
        "crossed": int(document.crossed),
        "notes": _json(document.notes),
        "anchor": document.anchor,
        "form": str(document.form),
        "removed_at": None if document.removed_at is None else rfc3339(document.removed_at),
        "ways": ways_json(document.ways),
    }


def read_document(row: Row) -> Document:
    (
        _seq, ref, sender, kind, document_id, _key, concerns, digest, sha256, size, number, _number_key, subject,
        recipients, verdict, state, receipt_state, by, via, accepted_at, nonce, issued_on, priority, attachments,
        only_for, hops, crossed, notes, _anchor, form, removed_at, ways,
    ) = row  # fmt: skip
    return Document(
        ref=DocumentRef(ref),
        sender=read_code(sender),
        kind=_KIND[kind],
        document_id=document_id,
        concerns=concerns,
        digest=digest,
        payload=PayloadRef(sha256, size),
        number=number,
        subject=subject,
        recipients=read_codes(recipients),
        verdict=stored_verdict(verdict),
        state=_INTAKE[state],
        receipt_state=_INTAKE[receipt_state],
        by=by,
        via=_ROLE[via],
        accepted_at=parse_rfc3339(accepted_at),
        nonce=nonce,
        issued_on=_day(issued_on),
        priority=_PRIORITY[priority],
        attachments=tuple([AttachmentRecord(**item) for item in orjson.loads(attachments)]),
        only_for=None if only_for is None else read_codes(only_for),
        hops=_read_hops(hops),
        crossed=bool(crossed),
        notes=tuple(orjson.loads(notes)),
        form=_FORM[form],
        removed_at=instant(removed_at),
        ways=_read_ways(ways),
    )


def read_outline(row: Row) -> Outline:
    ref, sender, recipients, state, by, document_id, number, issued_on, concerns, crossed = row
    return Outline(
        DocumentRef(ref),
        read_code(sender),
        read_codes(recipients),
        _INTAKE[state],
        by,
        document_id,
        number,
        _day(issued_on),
        concerns,
        bool(crossed),
    )


def delivery_params(delivery: Delivery) -> Params:
    return {
        "id": delivery.id,
        "cargo": str(delivery.cargo),
        "cargo_ref": delivery.cargo_ref,
        "document": delivery.cargo_ref if delivery.cargo is Cargo.DOCUMENT else delivery.document,
        "endpoint": delivery.endpoint,
        "recipients": codes_json(delivery.recipients),
        "lane": delivery.lane,
        "created_at": rfc3339(delivery.created_at),
        "due_at": rfc3339(delivery.due_at),
        "priority": int(delivery.priority),
        "state": str(delivery.state),
        "attempts": delivery.attempts,
        "token": delivery.token,
        "last_problem": delivery.last_problem,
        "settled_at": None if delivery.settled_at is None else rfc3339(delivery.settled_at),
        "breaks": delivery.breaks,
        "renewed_at": None if delivery.renewed_at is None else rfc3339(delivery.renewed_at),
    }


def read_delivery(row: Row) -> Delivery:
    (
        seq, id_, cargo, cargo_ref, document, endpoint, recipients, lane, created_at, due_at, priority, state, attempts,
        token, last_problem, settled_at, breaks, renewed_at,
    ) = row  # fmt: skip
    return Delivery(
        id=DeliveryId(id_),
        cargo=_CARGO[cargo],
        cargo_ref=cargo_ref,
        document=None if document is None else DocumentRef(document),
        endpoint=endpoint,
        recipients=read_codes(recipients),
        lane=lane,
        created_at=parse_rfc3339(created_at),
        due_at=parse_rfc3339(due_at),
        priority=_PRIORITY[priority],
        state=_DELIVERY[state],
        attempts=attempts,
        token=token,
        seq=seq,
        last_problem=last_problem,
        settled_at=instant(settled_at),
        breaks=breaks,
        renewed_at=instant(renewed_at),
    )


def status_params(report: StatusReport) -> Params:
    return {
        "ref": report.ref,
        "document": report.document,
        "sender": report.sender.text,
        "receiver": report.receiver.text,
        "reporter": report.reporter.text,
        "addressee": report.addressee.text,
        "document_id": report.document_id,
        "document_key": key(report.document_id),
        "number": report.number,
        "number_key": key(report.number),
        "wire": report.wire,
        "at": rfc3339(report.at),
        "received_at": rfc3339(report.received_at),
        "principal": report.by,
        "via": str(report.via),
        "attestation": str(report.attestation),
        "standing": str(report.standing),
        "description": report.description,
        "issued_on": report.issued_on.isoformat() if report.issued_on else None,
        "staff": None if report.staff is None else _json(report.staff),
        "hops": hops_json(report.hops),
    }


def read_status(row: Row) -> StatusReport:
    (
        _seq, ref, document, sender, receiver, reporter, addressee, document_id, _key, number, _number_key, wire, at,
        received_at, by, via, attestation, standing, description, issued_on, staff, hops,
    ) = row  # fmt: skip
    return StatusReport(
        ref=StatusRef(ref),
        document=None if document is None else DocumentRef(document),
        sender=read_code(sender),
        receiver=read_code(receiver),
        reporter=read_code(reporter),
        addressee=read_code(addressee),
        document_id=document_id,
        number=number,
        wire=wire,
        at=parse_rfc3339(at),
        received_at=parse_rfc3339(received_at),
        by=by,
        via=_ROLE[via],
        attestation=_ATTESTATION[attestation],
        standing=_STANDING[standing],
        description=description,
        issued_on=_day(issued_on),
        staff=None if staff is None else StaffInfo(**orjson.loads(staff)),
        hops=_read_hops(hops),
    )


def notice_params(notice: Notice) -> Params:
    return {
        "ref": notice.ref,
        "document": notice.document,
        "outcome": notice.outcome.value,
        "octets": notice.octets,
        "at": rfc3339(notice.at),
    }


def read_notice(row: Row) -> Notice:
    ref, document, outcome, octets, at = row
    return Notice(NoticeRef(ref), DocumentRef(document), NoticeOutcome(outcome), bytes(octets), parse_rfc3339(at))


def check_params(check: AttachmentCheck) -> Params:
    return {
        "document": check.document,
        "since": rfc3339(check.since),
        "due_at": None if check.due_at is None else rfc3339(check.due_at),
        "rounds": check.rounds,
        "outcome": check.outcome and check.outcome.value,
    }


def read_check(row: Row) -> AttachmentCheck:
    document, since, due_at, rounds, outcome = row
    found = None if outcome is None else PdfOutcome(outcome)
    return AttachmentCheck(DocumentRef(document), parse_rfc3339(since), instant(due_at), rounds, found)


def follow_up_params(one: FollowUp) -> Params:
    return {
        "delivery": one.delivery,
        "endpoint": one.endpoint,
        "peer_ref": one.peer_ref,
        "since": rfc3339(one.since),
        "due_at": None if one.due_at is None else rfc3339(one.due_at),
        "asked": one.asked,
        "missed": one.missed,
        "became": one.became and one.became.value,
        "lost": one.lost,
    }


def read_follow_up(row: Row) -> FollowUp:
    delivery, endpoint, peer_ref, since, due_at, asked, missed, became, lost = row
    found = None if became is None else Became(became)
    return FollowUp(delivery, endpoint, peer_ref, parse_rfc3339(since), instant(due_at), asked, missed, found, lost)


def attachment_params(verdict: AttachmentVerdict) -> Params:
    found = verdict.found
    return {
        "document": verdict.document,
        "place": found.place,
        "round": verdict.round,
        "content_id": found.content_id,
        "judged_at": rfc3339(verdict.judged_at),
        "outcome": found.outcome and found.outcome.value,
        "reason": found.reason and found.reason.value,
        "waits": int(found.waits),
        "verdict": _json(found.verdict),
    }


def read_attachment(row: Row) -> AttachmentVerdict:
    document, place, number, content_id, judged_at, outcome, reason, waits, verdict = row
    found = JudgedAttachment(
        place=place,
        content_id=content_id,
        outcome=None if outcome is None else PdfOutcome(outcome),
        reason=None if reason is None else Reason(reason),
        waits=bool(waits),
        verdict=orjson.loads(verdict),
    )
    return AttachmentVerdict(DocumentRef(document), number, parse_rfc3339(judged_at), found)


def intent_params(entry: LogEntry) -> Params:
    return {"leaf": leaf(entry), "kind": str(entry.kind), "at": rfc3339(entry.at), "log_index": None}
