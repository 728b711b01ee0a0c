"""Business state inside one open transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final, assert_never

from axis.core.follow_up import AddFollowUp, MoveFollowUp
from axis.core.model import (
    SUSPECT,
    AddAttachmentCheck,
    AddAttachmentVerdict,
    AddDelivery,
    AddDocument,
    AddNotice,
    AddStatus,
    AdoptStatus,
    Change,
    Decision,
    Delivery,
    DeliveryId,
    Document,
    DocumentRef,
    EvidenceRecord,
    FreeEndpoint,
    HoldEndpoint,
    MarkCrossed,
    MoveAttachmentCheck,
    MoveDelivery,
    MoveDocument,
    RemoveContent,
    SetWays,
    StatusRef,
    StatusReport,
)
from axis.core.outline import Outline, Said
from axis.core.states import OPEN, DeliveryEvent, DeliveryState
from axis.core.times import rfc3339
from axis.core.turns import pick
from axis.sql.leases import handed_over_first, is_suspect, leased
from axis.sql.removing import Removing
from axis.sql.rows import (
    attachment_params,
    check_params,
    delivery_params,
    document_params,
    follow_up_params,
    intent_params,
    key,
    many,
    name_key,
    notice_params,
    read_codes,
    read_delivery,
    read_document,
    read_outline,
    read_status,
    status_params,
    ways_json,
)
from schemas.codes import AgencyCode
from schemas.envelope import MessageKind

_ANY: Final = 1_000_000_000
_LETS_GO: Final = frozenset({DeliveryEvent.REQUEUE, DeliveryEvent.RELEASE, DeliveryEvent.DROP})
"""A person does these: what stood behind the delivery in its lane did not age."""
_said: Final = Said._make


class SqlLedger(Removing):
    """Implements `axis.core.ports.Ledger`.

    What a body reads in order to decide is its own until the transaction ends: a document and a delivery by their rows,
    an id and a number of a sender, which may not be there yet, by their names. So two processes never decide from the
    same facts. On SQLite, with one writer, all of it is nothing.
    """

    __slots__ = ()

    def document(self, ref: DocumentRef) -> Document | None:
        row = self.session.run(self.sql.document_held, ref=ref).fetchone()
        return None if row is None else read_document(row)

    def delivery(self, id: DeliveryId) -> Delivery | None:
        row = self.session.run(self.sql.delivery_held, id=id).fetchone()
        return None if row is None else read_delivery(row)

    def crossed(self, refs: Iterable[DocumentRef]) -> frozenset[DocumentRef]:
        rows = self.session.run(self.sql.reports.crossed, refs=many(refs)).fetchall()
        return frozenset(DocumentRef(ref) for ref, crossed in rows if crossed)

    def _alone_with_id(self, sender: AgencyCode, document_id: str) -> None:
        if not self.sql.one_writer:
            self.session.alone("document", sender.text, name_key(document_id))

    def _alone_with_number(self, sender: AgencyCode, number: str) -> None:
        if not self.sql.one_writer:
            self.session.alone("number", sender.text, name_key(number))

    def same_document(self, sender: AgencyCode, kind: MessageKind, document_id: str) -> Sequence[Document]:
        self._alone_with_id(sender, document_id)
        name = name_key(document_id)
        known = self.session.foreseen("document", sender.text, name)
        if known is not None:
            return [one for one in map(read_document, known) if one.kind is kind]
        return self.documents(self.sql.same_document, sender=sender.text, kind=kind.slug, document_key=name)

    def match_document(
        self,
        sender: AgencyCode,
        receiver: AgencyCode,
        document_id: str | None,
        number: str | None,
        issued_on: date | None,
    ) -> Document | None:
        """By DocumentId; where that finds nothing, by number and, if it is told, the day of issue."""
        row = None
        if document_id is not None:
            self._alone_with_id(sender, document_id)
            row = self.session.run(
                self.sql.match_by_id,
                sender=sender.text,
                receiver=receiver.text,
                document_key=name_key(document_id),
            ).fetchone()
        if row is None and number is not None:
            self._alone_with_number(sender, number)
            row = self.session.run(
                self.sql.match_by_number,
                sender=sender.text,
                receiver=receiver.text,
                number_key=name_key(number),
                issued_on=issued_on.isoformat() if issued_on else None,
            ).fetchone()
        return None if row is None else read_document(row)

    def addressed(self, ref: DocumentRef) -> Mapping[AgencyCode, DeliveryState]:
        rows = self.session.run(self.sql.addressed, ref=ref).fetchall()
        return {code: DeliveryState(state) for recipients, state in rows for code in read_codes(recipients)}

    def statuses(self, ref: DocumentRef, receiver: AgencyCode) -> Sequence[StatusReport]:
        return self.reports(self.sql.statuses_of, document=ref, receiver=receiver.text)

    def outlines(self, refs: Iterable[DocumentRef]) -> Mapping[DocumentRef, Outline]:
        asked = list(refs)
        if len(asked) == 1:  # by its key: half of what it costs to take one out of a list
            rows = self.session.run(self.sql.reports.outline, ref=asked[0]).fetchall()
        else:
            rows = self.session.run(self.sql.reports.outlines, refs=many(asked)).fetchall()
        return {found.ref: found for found in map(read_outline, rows)}

    def said_of(self, pairs: Iterable[tuple[DocumentRef, str]], same: Iterable[tuple[str, str]]) -> Sequence[Said]:
        asked, told = list(pairs), list(same)
        if len(asked) == 1 and len(told) < 2:
            (ref, code), (wire, at) = asked[0], told[0] if told else ("", "")
            rows = self.session.run(self.sql.reports.said, document=ref, receiver=code, wire=wire, at=at).fetchall()
        else:
            rows = self.session.run(self.sql.reports.said_of_pairs, pairs=many(asked), same=many(told)).fetchall()
        return [*map(_said, rows)]

    def told_of(self, ref: DocumentRef, receiver: str, most: int) -> int:
        return len(self.session.run(self.sql.reports.told_of, document=ref, receiver=receiver, most=most).fetchall())

    def orphans(self, sender: AgencyCode, document_id: str, number: str) -> Sequence[StatusReport]:
        """Orphans that name the document by its id or by its number, in the order of storing.

        Nobody else stores one meanwhile: a document that is released was stored long before (`AddDocument`).
        """
        self._alone_with_id(sender, document_id)
        self._alone_with_number(sender, number)
        names = name_key(document_id), name_key(number)
        known = self.session.foreseen("orphans", sender.text, *names)
        if known is not None:
            return [read_status(row) for row in known]
        return self.reports(self.sql.orphans, sender=sender.text, document_key=names[0], number_key=names[1])

    def passed_on(self, orphan: StatusRef) -> frozenset[str]:
        rows = self.session.run(self.sql.reports.passed_on, of=orphan).fetchall()
        return frozenset(endpoint for (endpoint,) in rows)

    def same_orphan(self, report: StatusReport) -> bool:
        found = self.session.run(
            self.sql.same_orphan,
            sender=report.sender.text,
            document_key=key(report.document_id),
            number_key=key(report.number),
            reporter=report.reporter.text,
            addressee=report.addressee.text,
            wire=report.wire,
            at=rfc3339(report.at),
        )
        return found.fetchone() is not None

    def orphan_codes(self, report: StatusReport) -> Sequence[str]:
        by_id = report.document_id is not None
        named = key(report.document_id if by_id else report.number)
        asked = self.sql.reports.orphan_codes if by_id else self.sql.reports.orphan_codes_by_number
        found = self.session.run(asked, sender=report.sender.text, receiver=report.receiver.text, named=named)
        return [wire for (wire,) in found.fetchall()]

    def is_head(self, delivery: Delivery) -> bool:
        older = self.session.run(self.sql.older_open, lane=delivery.lane, seq=delivery.seq)
        return older.fetchone() is None

    def held(self, limit: int, after: DocumentRef | None = None) -> Sequence[Document]:
        return self.documents(self.sql.held, limit=limit, after=after)

    def held_under(self, anchor: str | None) -> int:
        (number,) = self.session.run(self.sql.held_under, anchor=anchor).fetchone()
        return int(number)

    def undone(self, ref: DocumentRef) -> Sequence[tuple[str, tuple[AgencyCode, ...]]]:
        rows = self.session.run(self.sql.undone, ref=ref).fetchall()
        return [(endpoint, read_codes(recipients)) for endpoint, recipients in rows]

    def handed_to(self, ref: DocumentRef) -> Sequence[tuple[str, tuple[AgencyCode, ...]]]:
        rows = self.session.run(self.sql.handed_to, ref=ref).fetchall()
        return [(endpoint, read_codes(recipients)) for endpoint, recipients in rows]

    def behind(self, delivery: Delivery) -> frozenset[DeliveryState]:
        rows = self.session.run(self.sql.follow_ups.behind, seq=delivery.seq, lane=delivery.lane).fetchall()
        return frozenset(DeliveryState(state) for (state,) in rows)

    def overtaken(self, delivery: Delivery) -> bool:
        later = self.session.run(self.sql.follow_ups.overtaken, seq=delivery.seq, lane=delivery.lane)
        return later.fetchone() is not None

    def same_notice(self, document: DocumentRef, octets: bytes) -> bool:
        return self.session.run(self.sql.same_notice, document=document, octets=octets).fetchone() is not None

    def notices(self, document: DocumentRef) -> int:
        return int(self.session.run(self.sql.notices, document=document).fetchone()[0])

    def claim(
        self,
        endpoints: Sequence[str],
        now: datetime,
        lease: timedelta,
        limit: int,
        turn: int = 0,
        suspects: bool = True,
    ) -> Sequence[Delivery]:
        """Lease what is due. Each claimed delivery's `due_at` is the end of its lease.

        One index seek for each endpoint and priority, so that the cost does not grow with what waits.
        """
        at, until = rfc3339(now), now + lease
        waiting: dict[int, list[Delivery]] = {}
        for endpoint in dict.fromkeys(endpoints):
            for (priority,) in self.session.run(self.sql.due_priorities, endpoint=endpoint, now=at).fetchall():
                waiting.setdefault(priority, []).extend(self._due(endpoint, priority, at, limit, suspects))
        for due in waiting.values():
            due.sort(key=_longest)
        picked = pick(waiting, limit, turn)
        if suspects and any(map(is_suspect, picked)):
            # One suspect, so that its end, if it ends us, tells which it was.
            chosen = next(filter(is_suspect, picked))
            if sum(map(is_suspect, picked)) > 1:
                rest = self.claim(endpoints, now, lease, limit - 1, turn, suspects=False)
                return [*self._lease([chosen], until), *rest]
        return self._lease(picked, until)

    def _due(self, endpoint: str, priority: int, at: str, limit: int, suspects: bool) -> Sequence[Delivery]:
        breaks = _ANY if suspects else SUSPECT - 1
        return self.deliveries(self.sql.due, endpoint=endpoint, priority=priority, now=at, limit=limit, breaks=breaks)

    def _lease(self, picked: Sequence[Delivery], until: datetime) -> Sequence[Delivery]:
        if picked:
            claimed = many((one.seq, one.token) for one in picked)
            self.session.change(self.sql.leases.take, len(picked), claimed=claimed, until=rfc3339(until))
        return [leased(one, until) for one in picked]

    def prolong(self, delivery: Delivery, until: datetime) -> None:
        self.session.change(self.sql.waits.prolong, of=delivery.seq, held=delivery.token, until=rfc3339(until))

    def holds(self) -> frozenset[str]:
        return frozenset(endpoint for (endpoint,) in self.session.run(self.sql.holds).fetchall())

    def waiting(self, endpoint: str, after_seq: int, limit: int) -> Sequence[Delivery]:
        return self.deliveries(self.sql.inbox, endpoint=endpoint, after=after_seq, limit=limit)

    def parked(self, endpoint: str, after_seq: int, limit: int) -> Sequence[Delivery]:
        return self.deliveries(self.sql.waits.parked, endpoint=endpoint, after=after_seq, limit=limit)

    def first_of(self, lane: str) -> Delivery | None:
        return next(iter(self.deliveries(self.sql.waits.first, lane=lane)), None)

    def begin_anew(self, endpoint: str, at: datetime, after_seq: int, limit: int) -> int | None:
        asked = self.session.run(self.sql.waits.page, endpoint=endpoint, after=after_seq, limit=limit)
        last: int | None = asked.fetchone()[0]
        if last is not None:
            for sql in (self.sql.waits.head_anew, self.sql.waits.rest_anew):
                self.session.write(sql, {"endpoint": endpoint, "after": after_seq, "last": last, "at": rfc3339(at)})
        return last

    def hasten(self, endpoint: str, now: datetime, beyond: datetime, limit: int) -> int:
        found = self.session.run(
            self.sql.waits.beyond, endpoint=endpoint, beyond=rfc3339(beyond), limit=limit
        ).fetchall()
        for (seq,) in found:
            self.session.change(self.sql.waits.hasten, of=seq, now=rfc3339(now))
        return len(found)

    def apply(self, decision: Decision[object]) -> None:
        changes: Sequence[Change] = decision.changes
        handed_over = handed_over_first(changes)
        if len(handed_over) > 1:
            self._end(handed_over)
            changes = changes[len(handed_over) :]
        for change in changes:
            self._change(change)
        for entry in decision.entries:
            self.session.write(self.sql.add_intent, intent_params(entry))

    def _change(self, change: Change) -> None:
        match change:  # asked from above: what there is most of stands first
            case AddDelivery(delivery):
                if not self.sql.one_writer:
                    self.session.write(self.sql.hold_lane, {"lane": delivery.lane})
                self.session.write(self.sql.add_delivery, delivery_params(delivery))
            case AddStatus(report):
                self.session.write(self.sql.add_status, status_params(report))
            case AddDocument(document):
                # A status that names the number and finds nothing yet is an orphan before this, or finds it after.
                self._alone_with_id(document.sender, document.document_id)
                self._alone_with_number(document.sender, document.number)
                self.session.write(self.sql.add_document, document_params(document))
                for recipient in dict.fromkeys(document.recipients):
                    names = {"document": document.ref, "recipient": recipient.text}
                    self.session.write(self.sql.add_recipient, names)
            case MoveDocument(ref, was, now, verdict):
                self.session.change(
                    self.sql.move_document,
                    of=ref,
                    was=was.value,
                    now=now.value,
                    found=verdict.stored().decode(),
                    anchor=verdict.path[-1] if verdict.path else None,
                )
            case SetWays(ref, was, ways):
                self.session.change(self.sql.set_ways, of=ref, was=was.value, all_of_them=ways_json(ways))
            case MarkCrossed(ref):
                self.session.change(self.sql.mark_crossed, of=ref)
            case MoveDelivery():
                self._move_delivery(change)
            case HoldEndpoint(endpoint, at, by, reason):
                params = {"endpoint": endpoint, "at": rfc3339(at), "principal": by, "reason": reason}
                self.session.write(self.sql.hold_endpoint, params)
            case FreeEndpoint(endpoint):
                self.session.change(self.sql.free_endpoint, of=endpoint)
            case AdoptStatus(ref, document_ref, standing):
                self.session.change(self.sql.adopt_status, of=ref, found=document_ref, now=standing.value)
                self.session.write(self.sql.adopt_deliveries, {"of": ref, "found": document_ref})
            case AddNotice(notice):
                self.session.write(self.sql.add_notice, notice_params(notice))
            case AddAttachmentCheck(check):
                self.session.write(self.sql.add_attachment_check, check_params(check))
            case AddAttachmentVerdict(judged):
                self.session.write(self.sql.add_attachment_verdict, attachment_params(judged))
            case MoveAttachmentCheck(check, before):
                self.session.change(
                    self.sql.move_attachment_check,
                    of=check.document,
                    was=before,
                    due=None if check.due_at is None else rfc3339(check.due_at),
                    now=check.rounds,
                    found=check.outcome and check.outcome.value,
                )
            case AddFollowUp(one):
                self.session.write(self.sql.follow_ups.add, follow_up_params(one))
            case MoveFollowUp(one, before):
                self.session.change(
                    self.sql.follow_ups.move,
                    of=one.delivery,
                    was=before,
                    due=None if one.due_at is None else rfc3339(one.due_at),
                    now=one.asked,
                    misses=one.missed,
                    found=one.became and one.became.value,
                    lost=one.lost,
                )
            case RemoveContent():
                self.remove_content(change)
            case _:
                assert_never(change)

    def _move_delivery(self, move: MoveDelivery) -> None:
        """Only what ended has `settled_at`."""
        ended = move.now in (DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.DROPPED)
        self.session.change(
            self.sql.move_delivery,
            of=move.id,
            was=move.was.value,
            held=move.token,
            now=move.now.value,
            due=None if move.due_at is None else rfc3339(move.due_at),
            problem=move.problem,
            settled=rfc3339(move.at) if ended else None,
            breaks=move.breaks,
        )
        if move.event is DeliveryEvent.REQUEUE:
            self.session.write(self.sql.renew_delivery, {"of": move.id, "at": rfc3339(move.at)})
        if move.event in _LETS_GO:
            self.session.write(self.sql.waits.anew, {"of": move.id, "at": rfc3339(move.at)})
        if move.was is DeliveryState.DELIVERED:  # open again: what stands behind it is no head any more
            self.session.write(self.sql.follow_ups.demote, {"of": move.id})
        if move.now not in OPEN:
            self.session.write(self.sql.promote, {"of": move.id})

    def _end(self, moves: Sequence[MoveDelivery]) -> None:
        """What was handed over together: as many `_move_delivery`, by two statements."""
        ended = many((one.id, one.token, rfc3339(one.at)) for one in moves)
        self.session.change(self.sql.leases.end, len(moves), ended=ended)
        self.session.write(self.sql.leases.promote, {"ended": ended})

    def fact(self, name: str) -> str | None:
        row = self.session.run(self.sql.fact, name=name).fetchone()
        return None if row is None else str(row[0])

    def keep_fact(self, name: str, was: str | None, now: str) -> None:
        if was is None:
            self.session.write(self.sql.add_fact, {"name": name, "value": now})
        else:
            self.session.change(self.sql.change_fact, fact=name, was=was, now=now)

    def put_evidence(self, records: Iterable[EvidenceRecord]) -> None:
        for one in records:
            if one.octets is not None and len(one.octets) != one.ref.size:
                raise ValueError("the octets are not those that the reference names")
            told = {"sha256": one.ref.sha256, "kind": one.kind, "size": one.ref.size, "octets": one.octets}
            self.session.write(self.sql.put_evidence, told)


def _longest(delivery: Delivery) -> tuple[datetime, int]:
    return delivery.due_at, delivery.seq
