"""Read models → HTML. Pure: no request, no store; jinja2 with autoescape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from axis.core.applied import Applied
from axis.core.journey.advice import next_of_refusal
from axis.core.journey.dossier import Dossier
from axis.core.journey.reached import Together
from axis.core.journey.step import ATTESTED, CARGO
from axis.core.journey.told import Journey
from axis.core.journey.turn import turn_words
from axis.core.model import AttachmentCheck, Cargo, Delivery, Document, DocumentRef, EntryKind, LogEntry
from axis.core.ports import Counts
from axis.core.problems import TABLE, Kind
from axis.core.times import VIETNAM
from axis.core.witness import Witnessed
from axis.flow.traffic import Destination
from axis.web.attached import attachment_signatures, mark, words
from schemas.codes import AgencyCode
from schemas.status import BY_WIRE, LABEL, STANDING_LABEL, WIRE
from signing.verdict import REASONS, PdfOutcome, Reason, Sentence

STATE_LABEL: Mapping[str, str] = {
    "accepted": "đã nhận",
    "held": "tạm giữ",
    "refused": "từ chối",
    "queued": "chờ chuyển",
    "leased": "đang chuyển",
    "delivered": "đã chuyển",
    "on-hold": "tạm dừng",
    "failed": "không chuyển được",
    "dropped": "đã bỏ",
}

BREAKER_LABEL: Mapping[str, str] = {
    "closed": "bình thường",
    "open": "ngừng gọi",
    "half-open": "đang thử",
    "draining": "đang hồi phục",
}

_environment = Environment(
    loader=PackageLoader("axis.web"), autoescape=select_autoescape(default=True), undefined=StrictUndefined
)


def _local(at: datetime | None) -> str:
    """An instant as people in Vietnam read it."""
    return at.astimezone(VIETNAM).strftime("%d/%m/%Y %H:%M:%S") if at else "–"


_environment.filters["local"] = _local
_environment.filters["state"] = lambda name: STATE_LABEL.get(str(name), str(name))
_environment.filters["turn"] = turn_words
_environment.filters["breaker"] = lambda name: BREAKER_LABEL.get(str(name), str(name))
_environment.filters["problem"] = lambda slug: TABLE[Kind(slug)] if slug in list(Kind) else Sentence(slug, slug)


@dataclass(frozen=True, slots=True)
class LogHead:
    """The published head of the signature log; `behind` is how long its oldest waiting entry has waited, `stale`
    whether that is so long that nothing is taken."""

    size: int
    root: str
    behind: timedelta
    stale: bool
    witnesses: Sequence[Witnessed] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """Documents of a list, what is attached to them, and how far each has come with its recipients."""

    documents: Sequence[Document]
    checks: Mapping[DocumentRef, AttachmentCheck]
    reached: Mapping[DocumentRef, Sequence[Together]]

    def shown(self) -> Mapping[str, Any]:
        """What `documents_table.html` asks for."""
        marks = {ref: mark(check) for ref, check in self.checks.items()}
        return {"documents": self.documents, "marks": marks, "reached": self.reached, "reasons": REASONS}


@dataclass(frozen=True, slots=True)
class Queues:
    """Destinations as this process knows them, endpoints that are held, the first deliveries that wait for a person,
    and the first documents that are held, each of them until `hold` after it came."""

    destinations: Sequence[Destination]
    held: frozenset[str]
    failed: Sequence[Delivery]
    held_documents: Sequence[Document]
    hold: timedelta


@dataclass(frozen=True, slots=True)
class Refused:
    """How often this process refused what, since it began."""

    since: datetime
    counts: Mapping[Kind, int]


def overview(
    node: str,
    at: datetime,
    counts: Counts,
    head: LogHead | None,
    recent: Listed,
    queues: Queues,
    refused: Refused,
    renewed: bool,
    applied: Applied | None = None,
    doubt: timedelta | None = None,
) -> str:
    """The status page: what waits for a person first, then documents, deliveries, log head.

    `renewed` asks the browser to load the page again by itself. `doubt` is how much the clock is ahead, by what others
    say, where they do.
    """
    five = [(WIRE[status], LABEL[status], status.value, counts.statuses.get(WIRE[status], 0)) for status in WIRE]
    return _environment.get_template("overview.html").render(
        node=node,
        at=at,
        counts=counts,
        head=head,
        **recent.shown(),
        renewed=renewed,
        applied=applied,
        doubt=None if doubt is None else round(doubt / timedelta(minutes=1)),
        cargoes=CARGO,
        statuses=five,
        queues=queues,
        attached=[(words(outcome), counts.attachments.get(outcome, 0)) for outcome in PdfOutcome],
        refused=sum(refused.counts.values()),
        began=refused.since,
    )


def documents_page(
    node: str,
    listed: Listed,
    asked: str,
    older: DocumentRef | None,
    by_day: bool = False,
) -> str:
    """Documents, newest first: those under the id that was `asked` for, or a page of all, with the way to `older`.

    `by_day`: what was asked is a day, and they came until its end.
    """
    return _environment.get_template("documents.html").render(
        node=node,
        **listed.shown(),
        asked=asked,
        older=older,
        by_day=by_day,
    )


def document_page(
    node: str, dossier: Dossier, told: Journey, names: Mapping[AgencyCode, str], called: frozenset[str]
) -> str:
    """One document: facts, what became of it and what it waits for, verdict, where it went, what the receivers said.

    `names` are those of known agencies, `called` the endpoints that are not left to fetch for themselves.
    """
    document = dossier.document
    labels = {wire: Sentence(LABEL[status], status.value) for wire, status in BY_WIRE.items()}
    return _environment.get_template("document.html").render(
        node=node,
        document=document,
        journey=told,
        verdict=document.verdict,
        sentence=REASONS[document.verdict.reason],
        deliveries=dossier.deliveries,
        statuses=dossier.statuses,
        labels=labels,
        names=names,
        called=called,
        cargoes=CARGO,
        standings=STANDING_LABEL,
        attestations=ATTESTED,
        mark=mark(dossier.check),
        attached=[
            (record, attachment_signatures(record, place, dossier.verdicts))
            for place, record in enumerate(document.attachments, 1)
        ],
    )


def refusals(node: str, refused: Refused, lately: Sequence[LogEntry], span: int) -> str:
    """What was refused: counted by code, and as the newest `span` entries of the log tell, newest first."""
    last: dict[str, datetime] = {}
    for entry in lately:
        last.setdefault(str(entry.facts["problem"]), entry.at)
    known = {Kind(code): 0 for code in last if code in list(Kind)} | dict(refused.counts)
    counts = [
        {
            "code": kind.value,
            "words": TABLE[kind],
            "acts": turn_words(TABLE[kind].acts),
            "next": next_of_refusal(kind),
            "number": number,
            "last": last.get(kind.value),
        }
        for kind, number in sorted(known.items(), key=lambda one: -one[1])
    ]
    told = [_refusal(entry) for entry in lately]
    return _environment.get_template("refusals.html").render(
        node=node, began=refused.since, counts=counts, lately=told, span=span
    )


def _refusal(entry: LogEntry) -> dict[str, Any]:
    """One refusal, as the log has it: who, what, by which code; nothing of what was refused."""
    reason, status = entry.facts.get("reason"), entry.kind is EntryKind.STATUS_REFUSED
    code = entry.facts.get("code", "")
    return {
        "at": entry.at,
        "by": entry.actor,
        "what": Sentence(f"trạng thái {code}", f"status {code}") if status else CARGO[Cargo.DOCUMENT],
        "document": entry.subject if status else "",
        "code": entry.facts["problem"],
        "verdict": REASONS[Reason(reason)] if reason in list(Reason) else None,
    }


def missing(node: str) -> str:
    return _environment.get_template("missing.html").render(node=node)
