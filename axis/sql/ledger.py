"""Business state inside one open transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import assert_never

from axis.core.model import (
    AddDelivery,
    AddDocument,
    AddNotice,
    AddStatus,
    AdoptStatus,
    Change,
    Decision,
    Delivery,
    Document,
    DocumentRef,
    MarkCrossed,
    MoveDelivery,
    MoveDocument,
    PayloadRef,
    StatusReport,
    WidenDocument,
)
from axis.core.ports import Intent, LostRace
from axis.core.states import OPEN, DeliveryState
from axis.core.times import rfc3339
from axis.sql.driver import Cursor
from axis.sql.read import Reader
from axis.sql.rows import (
    Params,
    codes_json,
    delivery_params,
    document_params,
    intent_params,
    key,
    notice_params,
    read_codes,
    read_delivery,
    read_document,
    status_params,
    verdict_json,
)
from schemas.codes import AgencyCode, document_key
from schemas.envelope import MessageKind


class SqlLedger(Reader):
    """Implements `axis.core.ports.Ledger`."""

    __slots__ = ()

    def same_document(self, sender: AgencyCode, kind: MessageKind, document_id: str) -> Sequence[Document]:
        return self.documents(
            self.sql.same_document, sender=sender.text, kind=kind.slug, document_key=document_key(document_id)
        )

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
            row = self.session.run(
                self.sql.match_by_id,
                sender=sender.text,
                receiver=receiver.text,
                document_key=document_key(document_id),
            ).fetchone()
        if row is None and number is not None:
            row = self.session.run(
                self.sql.match_by_number,
                sender=sender.text,
                receiver=receiver.text,
                number_key=document_key(number),
                issued_on=issued_on.isoformat() if issued_on else None,
            ).fetchone()
        return None if row is None else read_document(row)

    def addressed(self, ref: DocumentRef) -> frozenset[AgencyCode]:
        rows = self.session.run(self.sql.addressed, ref=ref).fetchall()
        return frozenset(code for (recipients,) in rows for code in read_codes(recipients))

    def statuses(self, ref: DocumentRef, receiver: AgencyCode) -> Sequence[StatusReport]:
        return self.reports(self.sql.statuses_of, document=ref, receiver=receiver.text)

    def orphans(self, sender: AgencyCode, document_id: str, number: str) -> Sequence[StatusReport]:
        """Orphans that name the document by its id or by its number, in the order of storing."""
        return self.reports(
            self.sql.orphans,
            sender=sender.text,
            document_key=document_key(document_id),
            number_key=document_key(number),
        )

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

    def is_head(self, delivery: Delivery) -> bool:
        older = self.session.run(self.sql.older_open, lane=delivery.lane, seq=delivery.seq)
        return older.fetchone() is None

    def held(self, limit: int) -> Sequence[Document]:
        return self.documents(self.sql.held, limit=limit)

    def held_under(self, anchor: str | None) -> int:
        (number,) = self.session.run(self.sql.held_under, anchor=anchor).fetchone()
        return int(number)

    def was_sent(self, ref: DocumentRef, endpoint: str) -> bool:
        return self.session.run(self.sql.was_sent, ref=ref, endpoint=endpoint).fetchone() is not None

    def same_notice(self, document: DocumentRef, octets: bytes) -> bool:
        return self.session.run(self.sql.same_notice, document=document, octets=octets).fetchone() is not None

    def claim(self, endpoints: Sequence[str], now: datetime, lease: timedelta, limit: int) -> Sequence[Delivery]:
        """Lease what is due. Each claimed delivery's `due_at` is the end of its lease.

        One index seek for each endpoint and priority, so that the cost does not grow with what waits.
        """
        at, until = rfc3339(now), now + lease
        waiting: dict[int, list[str]] = {}
        for endpoint in dict.fromkeys(endpoints):
            for (priority,) in self.session.run(self.sql.due_priorities, endpoint=endpoint, now=at).fetchall():
                waiting.setdefault(priority, []).append(endpoint)
        claimed: list[Delivery] = []
        for priority in sorted(waiting, reverse=True):
            wanted = limit - len(claimed)
            if wanted <= 0:
                break
            due = [
                read_delivery(row)
                for endpoint in waiting[priority]
                for row in self.session.run(
                    self.sql.due, endpoint=endpoint, priority=priority, now=at, limit=wanted
                ).fetchall()
            ]
            due.sort(key=lambda delivery: (delivery.due_at, delivery.seq))
            claimed += [self._lease(delivery, until) for delivery in due[:wanted]]
        return claimed

    def _lease(self, delivery: Delivery, until: datetime) -> Delivery:
        _moved(self.session.run(self.sql.lease, of=delivery.seq, held=delivery.token, until=rfc3339(until)))
        return replace(
            delivery,
            state=DeliveryState.LEASED,
            due_at=until,
            attempts=delivery.attempts + 1,
            token=delivery.token + 1,
        )

    def apply(self, decision: Decision[object]) -> None:
        for change in decision.changes:
            self._change(change)
        for entry in decision.entries:
            self.session.write(self.sql.add_intent, intent_params(entry))

    def _change(self, change: Change) -> None:
        match change:
            case AddDocument(document):
                self._add(self.sql.add_document, document_params(document))
                for recipient in dict.fromkeys(document.recipients):
                    self.session.run(self.sql.add_recipient, document=document.ref, recipient=recipient.text)
            case MoveDocument(ref, was, now, verdict):
                moved = self.session.run(
                    self.sql.move_document,
                    of=ref,
                    was=was.value,
                    now=now.value,
                    found=verdict_json(verdict),
                    anchor=verdict.path[-1] if verdict.path else None,
                )
                _moved(moved)
            case WidenDocument(ref, only_for):
                _moved(self.session.run(self.sql.widen_document, of=ref, codes=codes_json(only_for)))
            case MarkCrossed(ref):
                _moved(self.session.run(self.sql.mark_crossed, of=ref))
            case AddDelivery(delivery):
                head = self.session.run(self.sql.lane_open, lane=delivery.lane).fetchone() is None
                self._add(self.sql.add_delivery, delivery_params(delivery, head))
            case MoveDelivery():
                self._move_delivery(change)
            case AddStatus(report):
                self._add(self.sql.add_status, status_params(report))
            case AdoptStatus(ref, document_ref, standing):
                _moved(self.session.run(self.sql.adopt_status, of=ref, found=document_ref, now=standing.value))
                self.session.run(self.sql.adopt_deliveries, of=ref, found=document_ref)
            case AddNotice(notice):
                self._add(self.sql.add_notice, notice_params(notice))
            case _:
                assert_never(change)

    def _move_delivery(self, move: MoveDelivery) -> None:
        """`problem` and `due_at` stay as they were where the step names none; only what ended has `settled_at`."""
        ended = move.now in (DeliveryState.DELIVERED, DeliveryState.FAILED)
        moved = self.session.run(
            self.sql.move_delivery,
            of=move.id,
            was=move.was.value,
            held=move.token,
            now=move.now.value,
            due=None if move.due_at is None else rfc3339(move.due_at),
            problem=move.problem,
            settled=rfc3339(move.at) if ended else None,
        )
        _moved(moved)
        if move.now not in OPEN:
            self.session.run(self.sql.promote, of=move.id)

    def _add(self, sql: str, params: Params) -> None:
        """Insert; a key that someone else stored first is a lost race."""
        try:
            self.session.write(sql, params)
        except Exception as error:
            if self.session.is_duplicate(error):
                raise LostRace("someone else stored that key first") from error
            raise

    def put_payload(self, ref: PayloadRef, octets: bytes) -> None:
        if len(octets) != ref.size:
            raise ValueError("the octets are not those that the reference names")
        self.session.run(self.sql.put_payload, sha256=ref.sha256, octets=octets)

    def intents(self, limit: int) -> Sequence[Intent]:
        return [Intent(id_, leaf) for id_, leaf in self.session.run(self.sql.intents, limit=limit).fetchall()]

    def indexed(self, first_index: int, ids: Sequence[int]) -> None:
        for index, id_ in enumerate(ids, first_index):
            try:
                _moved(self.session.run(self.sql.index_intent, of=id_, place=index))
            except Exception as error:
                if self.session.is_duplicate(error):
                    raise LostRace("another intent has that index") from error
                raise

    def log_size(self) -> int:
        (last,) = self.session.run(self.sql.log_size).fetchone()
        return int(last) + 1


def _moved(cursor: Cursor) -> None:
    if cursor.rowcount != 1:
        raise LostRace("the row is not in the state that the decision was made from")
