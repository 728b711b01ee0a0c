"""Every statement of the hot path, written in SQLAlchemy Core and compiled once for a database.

The driver runs the compiled text: that costs two fifths of what the ORM or Core's own execution cost (measured; ADR
0003). All values are named parameters; `_compiled` refuses a statement that would carry one of its own. Conditions that
a partial index names stand here word for word as in `axis.sql.tables`, otherwise the index would not be used; being
unqualified, they speak of the innermost table.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import (
    ClauseElement,
    ColumnElement,
    Integer,
    Select,
    Table,
    Text,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    text,
    union,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

from axis.sql.contents import PUT, Contents
from axis.sql.follow_ups import FollowUps
from axis.sql.leases import Leases
from axis.sql.outgoing import Outgoing
from axis.sql.places import place_intents
from axis.sql.queues import Queues
from axis.sql.reports import Reports
from axis.sql.tables import (
    CLAIMABLE,
    KEPT,
    OPEN,
    TO_JUDGE,
    WAITING,
    attachment_check,
    attachment_verdict,
    delivery,
    document,
    document_recipient,
    endpoint_hold,
    evidence,
    follow_up,
    leftover,
    log_intent,
    meta,
    notice,
    payload,
    spelt_out,
    status_report,
)
from axis.sql.waits import Waits
from schemas.envelope import Priority

DELIVERY_COLUMNS: Final = [column for column in delivery.c if column.name != "head"]
_LIMIT: Final = bindparam("limit", type_=Integer)
_ONE: Final[ColumnElement[Any]] = literal_column("1")


def _compiled(statement: ClauseElement, dialect: Dialect, columns: Iterable[str] | None = None) -> str:
    compiled = statement.compile(dialect=dialect, column_keys=None if columns is None else list(columns))
    own = {name for name, value in compiled.params.items() if value is not None and name not in set(columns or ())}
    assert not own, f"a statement with values of its own: {own}"
    sql = str(compiled)
    return spelt_out(sql) if dialect.name == "sqlite" else sql


def _at_most(statement: Select[Any], limit: Any = _LIMIT) -> Select[Any]:
    return statement.limit(limit).offset(literal_column("0"))


def _mine(statement: Select[Any]) -> Select[Any]:
    """Lock the rows until the transaction ends, without waiting: another who holds one of them is an error.

    FOR NO KEY UPDATE NOWAIT, so that rows that refer to them can still be added. Nothing on SQLite: one writer.
    """
    return statement.with_for_update(nowait=True, key_share=True)


def _older_open() -> ColumnElement[bool]:
    """Something older in the same lane is open: queued, leased or failed."""
    older = delivery.alias("older")
    return exists(select(older.c.seq).where(older.c.lane == delivery.c.lane, older.c.seq < delivery.c.seq, text(OPEN)))


def _broken() -> ColumnElement[int]:
    """How many attempts in a row ended without an outcome: one more where a lease has run out."""
    return delivery.c.breaks + case(
        (delivery.c.state == literal_column("'leased'"), literal_column("1")), else_=literal_column("0")
    )


def _names_receiver() -> ColumnElement[bool]:
    named = document_recipient
    return exists(
        select(named.c.document).where(named.c.document == document.c.ref, named.c.recipient == bindparam("receiver"))
    )


class Statements:
    """The compiled texts for one dialect; parameters by name (`:name` or `%(name)s`)."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.one_writer = dialect.name == "sqlite"
        self._documents()
        self._matching()
        self._deliveries()
        self._statuses()
        self._attachments()
        self._log()
        self._kept()
        self._lists()
        self.follow_ups = FollowUps(self._text, self._insert(follow_up))
        self.waits = Waits(self._text, DELIVERY_COLUMNS)
        put = _compiled(insert(payload).inline(), self._dialect, PUT)
        self.contents = Contents(self._text, put, self._insert(leftover), DELIVERY_COLUMNS)

    def _text(self, statement: ClauseElement) -> str:
        return _compiled(statement, self._dialect)

    def _insert(self, table: Table) -> str:
        counted = table.autoincrement_column
        columns = [column.name for column in table.c if column is not counted]
        return _compiled(insert(table).inline(), self._dialect, columns)

    def _documents(self) -> None:
        documents = select(document)
        self.add_document = self._insert(document)
        self.add_recipient = self._insert(document_recipient)
        one = documents.where(document.c.ref == bindparam("ref"))
        self.document = self._text(one)
        self.document_held = self._text(_mine(one))
        self.same_document = self._text(
            documents.where(
                document.c.sender == bindparam("sender"),
                document.c.document_key == bindparam("document_key"),
                document.c.kind == bindparam("kind"),
                text(KEPT),
            ).order_by(document.c.seq)
        )
        turn = select(document.c.seq).where(document.c.ref == bindparam("after")).correlate(None).scalar_subquery()
        held = documents.where(text("state = 'held'"), document.c.seq > func.coalesce(turn, literal_column("0")))
        self.held = self._text(_at_most(held.order_by(document.c.seq)))
        self.held_under = self._text(
            select(func.count())
            .select_from(document)
            .where(text("state = 'held'"), document.c.anchor.is_not_distinct_from(bindparam("anchor", type_=Text)))
        )
        self.undone = self._text(
            select(delivery.c.endpoint, delivery.c.recipients).where(
                delivery.c.document == bindparam("ref"),
                delivery.c.cargo == literal_column("'document'"),
                text("state IN ('queued', 'leased', 'on-hold')"),
            )
        )
        self.handed_to = self._text(
            select(delivery.c.endpoint, delivery.c.recipients).where(
                delivery.c.document == bindparam("ref"), delivery.c.cargo == literal_column("'document'")
            )
        )
        self.add_notice = self._insert(notice)
        self.notice = self._text(select(notice).where(notice.c.ref == bindparam("ref")))
        self.same_notice = self._text(
            select(notice.c.ref).where(
                notice.c.document == bindparam("document"), notice.c.octets == bindparam("octets")
            )
        )
        self.notices = self._text(select(func.count()).where(notice.c.document == bindparam("document")))
        self.move_document = self._text(
            update(document)
            .where(document.c.ref == bindparam("of"), document.c.state == bindparam("was"))
            .values(state=bindparam("now"), verdict=bindparam("found"), anchor=bindparam("anchor"))
        )
        self.set_ways = self._text(
            update(document)
            .where(document.c.ref == bindparam("of"), document.c.state == bindparam("was"))
            .values(ways=bindparam("all_of_them"))
        )
        self.mark_crossed = self._text(
            update(document).where(document.c.ref == bindparam("of")).values(crossed=literal_column("1"))
        )

    def _matching(self) -> None:
        accepted = (
            select(document)
            .where(document.c.sender == bindparam("sender"), text(KEPT), text("state = 'accepted'"), _names_receiver())
            .order_by(document.c.seq.desc())
        )
        issued_on = bindparam("issued_on", type_=Text)
        self.match_by_id = self._text(
            _mine(_at_most(accepted.where(document.c.document_key == bindparam("document_key")), _ONE))
        )
        by_number = accepted.where(
            document.c.number_key == bindparam("number_key"),
            or_(issued_on.is_(None), document.c.issued_on == issued_on),
        )
        self.match_by_number = self._text(_mine(_at_most(by_number, _ONE)))

    def _deliveries(self) -> None:
        deliveries = select(*DELIVERY_COLUMNS)
        in_lane = select(delivery.c.seq).where(delivery.c.lane == bindparam("lane"), text(OPEN))
        # Locked before one is added: whoever delivers the last open one of the lane meanwhile steps aside, then finds
        # the new one and makes it head.
        self.hold_lane = self._text(_mine(in_lane))
        head = case((exists(in_lane), literal_column("0")), else_=literal_column("1"))
        given: dict[str, Any] = {one.name: bindparam(one.name) for one in DELIVERY_COLUMNS if one.name != "seq"}
        self.add_delivery = self._text(insert(delivery).values(given | {"head": head}).inline())
        one = deliveries.where(delivery.c.id == bindparam("id"))
        self.delivery = self._text(one)
        self.delivery_held = self._text(_mine(one))
        self.older_open = self._text(
            _at_most(
                select(delivery.c.seq).where(
                    delivery.c.lane == bindparam("lane"), delivery.c.seq < bindparam("seq"), text(OPEN)
                ),
                _ONE,
            )
        )
        waits: list[Select[Any]] = [
            select(literal_column(str(int(priority)))).where(
                exists(
                    select(delivery.c.seq).where(
                        delivery.c.endpoint == bindparam("endpoint"),
                        delivery.c.priority == literal_column(str(int(priority))),
                        delivery.c.due_at <= bindparam("now"),
                        text(CLAIMABLE),
                    )
                )
            )
            for priority in Priority
        ]
        # Most endpoints have nothing due most of the time: one question tells, for all priorities.
        self.due_priorities = self._text(union_all(*waits))
        self.due = self._text(
            _at_most(
                deliveries.where(
                    delivery.c.endpoint == bindparam("endpoint"),
                    delivery.c.priority == bindparam("priority"),
                    delivery.c.due_at <= bindparam("now"),
                    text(CLAIMABLE),
                    _broken() <= bindparam("breaks"),
                    ~_older_open(),
                ).order_by(delivery.c.due_at, delivery.c.seq)
            ).with_for_update(skip_locked=True)
        )
        self.leases = Leases(one_writer=self.one_writer)
        self.move_delivery = self._text(
            update(delivery)
            .where(
                delivery.c.id == bindparam("of"),
                delivery.c.state == bindparam("was"),
                delivery.c.token == bindparam("held"),
            )
            .values(
                state=bindparam("now"),
                due_at=func.coalesce(bindparam("due", type_=Text), delivery.c.due_at),
                last_problem=func.coalesce(bindparam("problem", type_=Text), delivery.c.last_problem),
                settled_at=bindparam("settled"),
                breaks=func.coalesce(bindparam("breaks", type_=Integer), delivery.c.breaks),
            )
        )
        self.renew_delivery = self._text(
            update(delivery)
            .where(delivery.c.id == bindparam("of"))
            .values(attempts=literal_column("0"), breaks=literal_column("0"), renewed_at=bindparam("at"))
        )
        self.hold_endpoint = self._insert(endpoint_hold)
        self.free_endpoint = self._text(delete(endpoint_hold).where(endpoint_hold.c.endpoint == bindparam("of")))
        self.holds = self._text(select(endpoint_hold.c.endpoint))
        open_one, done = delivery.alias("open_one"), delivery.alias("done")
        lane = select(done.c.lane).where(done.c.id == bindparam("of")).scalar_subquery()
        oldest = select(func.min(open_one.c.seq)).where(open_one.c.lane == lane, text(OPEN)).scalar_subquery()
        self.promote = self._text(update(delivery).where(delivery.c.seq == oldest).values(head=literal_column("1")))
        self.addressed = self._text(
            select(delivery.c.recipients, delivery.c.state).where(
                delivery.c.document == bindparam("ref"), delivery.c.cargo == literal_column("'document'")
            )
        )

    def _statuses(self) -> None:
        statuses = select(status_report)
        orphan = status_report.c.document.is_(None)
        self.add_status = self._insert(status_report)
        self.status = self._text(statuses.where(status_report.c.ref == bindparam("ref")))
        told = statuses.where(status_report.c.document == bindparam("document")).order_by(status_report.c.seq)
        self.statuses = self._text(told)
        self.statuses_of = self._text(told.where(status_report.c.receiver == bindparam("receiver")))
        self.reports = Reports(one_writer=self.one_writer)
        # By id and by number, each by its index: for "id or number" SQLite reads all orphans of the sender.
        of_sender = statuses.where(status_report.c.sender == bindparam("sender"), orphan)
        self.orphans = self._text(
            union(
                of_sender.where(status_report.c.document_key == bindparam("document_key")),
                of_sender.where(status_report.c.number_key == bindparam("number_key")),
            ).order_by("seq")
        )
        self.same_orphan = self._text(
            _at_most(
                select(status_report.c.seq).where(
                    status_report.c.sender == bindparam("sender"),
                    orphan,
                    status_report.c.document_key.is_not_distinct_from(bindparam("document_key", type_=Text)),
                    status_report.c.number_key.is_not_distinct_from(bindparam("number_key", type_=Text)),
                    status_report.c.reporter == bindparam("reporter"),
                    status_report.c.addressee == bindparam("addressee"),
                    status_report.c.wire == bindparam("wire"),
                    status_report.c.at == bindparam("at"),
                ),
                _ONE,
            )
        )
        self.adopt_status = self._text(
            update(status_report)
            .where(status_report.c.ref == bindparam("of"), orphan)
            .values(document=bindparam("found"), standing=bindparam("now"))
        )
        self.adopt_deliveries = self._text(
            update(delivery)
            .where(delivery.c.cargo_ref == bindparam("of"), delivery.c.document.is_(None))
            .values(document=bindparam("found"))
        )

    def _attachments(self) -> None:
        check, verdict = attachment_check, attachment_verdict
        checks = select(check)
        owner = select(document.c.seq).where(document.c.ref == check.c.document).correlate(check)
        accepted = exists(owner.where(document.c.state == literal_column("'accepted'")))
        self.add_attachment_check = self._insert(check)
        self.add_attachment_verdict = self._insert(verdict)
        self.attachment_check = self._text(checks.where(check.c.document == bindparam("document")))
        self.attachment_verdicts = self._text(
            select(verdict)
            .where(verdict.c.document == bindparam("document"))
            .order_by(verdict.c.round, verdict.c.place)
        )
        self.move_attachment_check = self._text(
            update(check)
            .where(check.c.document == bindparam("of"), check.c.rounds == bindparam("was"))
            .values(due_at=bindparam("due"), rounds=bindparam("now"), outcome=bindparam("found"))
        )
        self.checks_due = self._text(
            _at_most(
                checks.where(text(TO_JUDGE), check.c.due_at <= bindparam("now"), accepted).order_by(
                    check.c.due_at, check.c.document
                )
            )
        )
        self.checks_waiting = self._text(
            _at_most(
                checks.where(
                    text(TO_JUDGE),
                    check.c.rounds > literal_column("0"),
                    check.c.document > bindparam("after"),
                    accepted,
                ).order_by(check.c.document)
            )
        )
        begun = (check.c.rounds > literal_column("0")).label("begun")
        self.count_checks = self._text(select(check.c.outcome, begun, func.count()).group_by(check.c.outcome, begun))

    def _log(self) -> None:
        waiting = log_intent.c.log_index.is_(None)
        self.add_intent = self._insert(log_intent)
        self.intents = self._text(
            _at_most(select(log_intent.c.id, log_intent.c.leaf).where(waiting).order_by(log_intent.c.id))
        )
        self.place_intents = place_intents(one_writer=self.one_writer)
        self.judged_leaves = self._text(
            select(log_intent.c.log_index, log_intent.c.leaf)
            .where(text("kind IN ('accepted', 'held', 'released', 'attachments')"))
            .where(log_intent.c.at >= bindparam("since"))
            .order_by(log_intent.c.id)
        )
        self.log_size = self._text(select(func.coalesce(func.max(log_intent.c.log_index), literal_column("-1"))))
        self.placed = self._text(select(log_intent.c.leaf).where(log_intent.c.log_index == bindparam("index")))
        self.backlog = self._text(select(func.count()).select_from(log_intent).where(waiting))
        self.oldest_intent = self._text(
            _at_most(select(log_intent.c.at).where(waiting).order_by(log_intent.c.id), literal_column("1"))
        )

    def _once(self, table: Table) -> str:
        """Insert what is named by its digest; where it is already, it is the same."""
        anew: dict[str, ClauseElement] = {
            "sqlite": sqlite.insert(table).on_conflict_do_nothing().inline(),
            "postgresql": postgresql.insert(table).on_conflict_do_nothing().inline(),
        }
        return _compiled(anew[self._dialect.name], self._dialect, [column.name for column in table.c])

    def _kept(self) -> None:
        self.put_evidence = self._once(evidence)
        self.evidence = self._text(
            select(evidence.c.kind, evidence.c.size, evidence.c.octets).where(evidence.c.sha256 == bindparam("sha256"))
        )
        known = select(meta.c.value).where(meta.c.name == bindparam("name"))
        self.meta = self._text(known)
        self.fact = self._text(_mine(known))
        self.add_fact = self._insert(meta)
        self.change_fact = self._text(
            update(meta)
            .where(meta.c.name == bindparam("fact"), meta.c.value == bindparam("was"))
            .values(value=bindparam("now"))
        )

    def _lists(self) -> None:
        deliveries = select(*DELIVERY_COLUMNS)
        newest = select(document).order_by(document.c.seq.desc())
        page = document.alias("page")
        last = select(page.c.seq).where(page.c.ref == bindparam("before")).scalar_subquery()
        self.deliveries = self._text(
            deliveries.where(delivery.c.document == bindparam("document")).order_by(delivery.c.seq)
        )
        waiting = deliveries.where(
            delivery.c.endpoint == bindparam("endpoint"),
            delivery.c.seq > bindparam("after"),
            text(WAITING),
            ~_older_open(),
            ~exists(select(endpoint_hold.c.endpoint).where(endpoint_hold.c.endpoint == bindparam("endpoint"))),
        )
        self.inbox = self._text(_at_most(waiting.order_by(delivery.c.seq)))
        self.outgoing = Outgoing(self._text, waiting, self.reports.among, self.reports.these)
        self.recent = self._text(_at_most(newest))
        self.recent_before = self._text(_at_most(newest.where(document.c.seq < last)))
        self.search = self._text(
            _at_most(
                newest.where(
                    or_(document.c.document_key == bindparam("document_key"), document.c.ref == bindparam("ref"))
                )
            )
        )
        self.queues = Queues(self._text, DELIVERY_COLUMNS)
