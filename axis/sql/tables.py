"""The rows. They never leave this folder: outside, the nouns of `axis.core.model` are what there is.

Every column has an explicit `sa_type`, because what SQLModel picks by itself has changed between patch releases.
Instants are text of fixed width (`axis.core.times.rfc3339`), so that they sort as time and are the same octets on every
database. Lists and objects are JSON text: nothing is asked of their inside here, except the recipients, which have a
table of their own. `_key` columns hold `schemas.codes.document_key` of their neighbour: what is compared.

Partial indexes cover open work only, so that what they cost does not grow with what is done. A query uses one when it
repeats its condition word for word: `axis.sql.statements` writes the same conditions.

For each list of more than two constants SQLite makes a table in memory, at every row that a CHECK or an index asks.
There, all of them are spelt out: in the schema here, in statements where they are compiled (ADR 0057).
"""

import re
from typing import Any, Final

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text, text
from sqlmodel import Field, SQLModel

Serial = BigInteger().with_variant(Integer, "sqlite")
"""A number that the database counts up and never gives twice (`INTEGER PRIMARY KEY AUTOINCREMENT` on SQLite)."""

KEPT = "state IN ('accepted', 'held')"
OPEN = "state IN ('failed', 'leased', 'on-hold', 'queued')"
CLAIMABLE = "head = 1 AND state IN ('leased', 'queued')"
TO_JUDGE = "due_at IS NOT NULL"
TO_ASK = "due_at IS NOT NULL"
TOLD_OF = "became IN ('lost', 'refused', 'waiting')"
WAITING = "head = 1 AND state = 'queued'"
PARKED = "head = 0 AND state = 'queued'"
FAILED = "state = 'failed'"
ON_HOLD = "state = 'on-hold'"
DROPPED = "state = 'dropped'"
WITH_CONTENT = "removed_at IS NULL"


_LISTED: Final = re.compile(r"\b(\w+) IN \(('[^']*'(?:, '[^']*'){2,})\)")


def spelt_out(sql: str) -> str:
    """The same without lists of more than two constants: `(x = 'a' OR x = 'b' OR x = 'c')`."""
    return _LISTED.sub(lambda found: f"({' OR '.join(f'{found[1]} = {one}' for one in found[2].split(', '))})", sql)


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": text(spelt_out(condition)), "postgresql_where": text(condition)}


def _check(condition: str, name: str) -> tuple[CheckConstraint, CheckConstraint]:
    of_sqlite, of_postgres = CheckConstraint(spelt_out(condition), name=name), CheckConstraint(condition, name=name)
    return of_sqlite.ddl_if(dialect="sqlite"), of_postgres.ddl_if(dialect="postgresql")


class Base(SQLModel):
    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )


class DocumentRow(Base, table=True):
    """`seq` is the order of storing. `principal` is the connection that brought it (`Document.by`)."""

    __tablename__ = "document"
    __table_args__ = (
        *_check("state IN ('accepted', 'held', 'refused')", "state"),
        # Idempotency: the same sender, kind, DocumentId and package get the same receipt.
        Index("uq_document_key", "sender", "document_key", "kind", "digest", unique=True, **_where(KEPT)),
        Index("ix_document_number", "sender", "number_key", **_where(KEPT)),
        Index("ix_document_held", "seq", **_where("state = 'held'")),
        Index("ix_document_refused", "seq", **_where("state = 'refused'")),
        Index("ix_document_held_under", "anchor", **_where("state = 'held'")),
        Index("ix_document_search", "document_key", "sender"),
        Index("ix_document_content", "seq", **_where(WITH_CONTENT)),
        {"sqlite_autoincrement": True},
    )

    seq: int | None = Field(default=None, sa_type=Serial, primary_key=True)
    ref: str = Field(sa_type=Text, unique=True)
    sender: str = Field(sa_type=Text)
    kind: str = Field(sa_type=Text)
    document_id: str = Field(sa_type=Text)
    document_key: str = Field(sa_type=Text)
    concerns: str = Field(sa_type=Text)
    digest: str = Field(sa_type=Text)
    payload_sha256: str = Field(sa_type=Text)
    payload_size: int = Field(sa_type=BigInteger)
    number: str = Field(sa_type=Text)
    number_key: str = Field(sa_type=Text)
    subject: str = Field(sa_type=Text)
    recipients: str = Field(sa_type=Text)
    verdict: str = Field(sa_type=Text)
    state: str = Field(sa_type=Text)
    receipt_state: str = Field(sa_type=Text)
    principal: str = Field(sa_type=Text)
    via: str = Field(sa_type=Text)
    accepted_at: str = Field(sa_type=Text)
    nonce: str = Field(sa_type=Text)
    issued_on: str | None = Field(default=None, sa_type=Text)
    priority: int = Field(sa_type=Integer)
    attachments: str = Field(sa_type=Text)
    only_for: str | None = Field(default=None, sa_type=Text)
    hops: str = Field(sa_type=Text)
    crossed: int = Field(sa_type=Integer)
    notes: str = Field(sa_type=Text)
    anchor: str | None = Field(default=None, sa_type=Text)
    form: str = Field(sa_type=Text, sa_column_kwargs={"server_default": text("'inline'")})
    removed_at: str | None = Field(default=None, sa_type=Text)
    ways: str = Field(sa_type=Text, sa_column_kwargs={"server_default": text("'[]'")})


class DocumentRecipientRow(Base, table=True):
    """One recipient that the signed document names: whom a status may come from, who may see it."""

    __tablename__ = "document_recipient"
    __table_args__ = ({"sqlite_with_rowid": False},)

    document: str = Field(sa_type=Text, sa_column_args=(ForeignKey("document.ref"),), primary_key=True)
    recipient: str = Field(sa_type=Text, primary_key=True)


class DeliveryRow(Base, table=True):
    """One `Delivery`. While it is leased, `due_at` is the end of the lease: then it is due again.

    `head` is 1 where nothing older was open in the lane when it was written, or everything older was delivered since.
    It is a hint that keeps parked deliveries out of the indexes that workers and mailboxes read; the truth is asked of
    the lane itself.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        *_check("state IN ('queued', 'leased', 'on-hold', 'delivered', 'failed', 'dropped')", "state"),
        *_check("cargo IN ('document', 'status', 'notice')", "cargo"),
        Index("ix_delivery_lane", "lane", "seq", **_where(OPEN)),
        Index("ix_delivery_due", "endpoint", "priority", "due_at", "seq", **_where(CLAIMABLE)),
        Index("ix_delivery_inbox", "endpoint", "seq", **_where(WAITING)),
        Index("ix_delivery_document", "document", "seq"),
        # Few rows each: what is in its turn and under way stands in the two above, and costs nothing here.
        Index("ix_delivery_parked", "endpoint", "seq", **_where(PARKED)),
        Index("ix_delivery_failed", "endpoint", "seq", **_where(FAILED)),
        Index("ix_delivery_on_hold", "endpoint", "seq", **_where(ON_HOLD)),
        Index("ix_delivery_dropped", "endpoint", "seq", **_where(DROPPED)),
        Index("ix_delivery_orphan", "cargo_ref", **_where("document IS NULL")),
        {"sqlite_autoincrement": True},
    )

    seq: int | None = Field(default=None, sa_type=Serial, primary_key=True)
    id: str = Field(sa_type=Text, unique=True)
    cargo: str = Field(sa_type=Text)
    cargo_ref: str = Field(sa_type=Text)
    document: str | None = Field(default=None, sa_type=Text, sa_column_args=(ForeignKey("document.ref"),))
    endpoint: str = Field(sa_type=Text)
    recipients: str = Field(sa_type=Text)
    lane: str = Field(sa_type=Text)
    head: int = Field(sa_type=Integer)
    created_at: str = Field(sa_type=Text)
    due_at: str = Field(sa_type=Text)
    priority: int = Field(sa_type=Integer)
    state: str = Field(sa_type=Text)
    attempts: int = Field(sa_type=Integer)
    token: int = Field(sa_type=Integer)
    last_problem: str | None = Field(default=None, sa_type=Text)
    settled_at: str | None = Field(default=None, sa_type=Text)
    breaks: int = Field(sa_type=Integer, sa_column_kwargs={"server_default": text("0")})
    renewed_at: str | None = Field(default=None, sa_type=Text)


class EndpointHoldRow(Base, table=True):
    """An endpoint for which an operator lets nothing be claimed. `principal` is who."""

    __tablename__ = "endpoint_hold"

    endpoint: str = Field(sa_type=Text, primary_key=True)
    at: str = Field(sa_type=Text)
    principal: str = Field(sa_type=Text)
    reason: str = Field(sa_type=Text)


class StatusReportRow(Base, table=True):
    """One `StatusReport`; `document` is NULL for an orphan. `principal` is the connection that brought it."""

    __tablename__ = "status_report"
    __table_args__ = (
        Index("ix_status_report_document", "document", "receiver", "seq"),
        Index("ix_status_report_orphan_id", "sender", "document_key", **_where("document IS NULL")),
        Index("ix_status_report_orphan_number", "sender", "number_key", **_where("document IS NULL")),
        {"sqlite_autoincrement": True},
    )

    seq: int | None = Field(default=None, sa_type=Serial, primary_key=True)
    ref: str = Field(sa_type=Text, unique=True)
    document: str | None = Field(default=None, sa_type=Text, sa_column_args=(ForeignKey("document.ref"),))
    sender: str = Field(sa_type=Text)
    receiver: str = Field(sa_type=Text)
    reporter: str = Field(sa_type=Text)
    addressee: str = Field(sa_type=Text)
    document_id: str | None = Field(default=None, sa_type=Text)
    document_key: str | None = Field(default=None, sa_type=Text)
    number: str | None = Field(default=None, sa_type=Text)
    number_key: str | None = Field(default=None, sa_type=Text)
    wire: str = Field(sa_type=Text)
    at: str = Field(sa_type=Text)
    received_at: str = Field(sa_type=Text)
    principal: str = Field(sa_type=Text)
    via: str = Field(sa_type=Text)
    attestation: str = Field(sa_type=Text)
    standing: str = Field(sa_type=Text)
    description: str | None = Field(default=None, sa_type=Text)
    issued_on: str | None = Field(default=None, sa_type=Text)
    staff: str | None = Field(default=None, sa_type=Text)
    hops: str = Field(sa_type=Text)


class NoticeRow(Base, table=True):
    """One `Notice`, ours or a neighbour's that was passed on."""

    __tablename__ = "notice"
    __table_args__ = (Index("ix_notice_document", "document"),)

    ref: str = Field(sa_type=Text, primary_key=True)
    document: str = Field(sa_type=Text, sa_column_args=(ForeignKey("document.ref"),))
    outcome: str = Field(sa_type=Text)
    octets: bytes = Field(sa_type=LargeBinary)
    at: str = Field(sa_type=Text)


class AttachmentCheckRow(Base, table=True):
    """One `AttachmentCheck`: `due_at` is NULL where nothing more is to be judged."""

    __tablename__ = "attachment_check"
    __table_args__ = (Index("ix_attachment_check_due", "due_at", "document", **_where(TO_JUDGE)),)

    document: str = Field(sa_type=Text, sa_column_args=(ForeignKey("document.ref"),), primary_key=True)
    since: str = Field(sa_type=Text)
    due_at: str | None = Field(default=None, sa_type=Text)
    rounds: int = Field(sa_type=Integer)
    outcome: str | None = Field(default=None, sa_type=Text)


class AttachmentVerdictRow(Base, table=True):
    """One `AttachmentVerdict`. The PDFs in a ZIP and their paths are inside `verdict`."""

    __tablename__ = "attachment_verdict"

    document: str = Field(sa_type=Text, sa_column_args=(ForeignKey("document.ref"),), primary_key=True)
    place: int = Field(sa_type=Integer, primary_key=True)
    round: int = Field(sa_type=Integer, primary_key=True)
    content_id: str = Field(sa_type=Text)
    judged_at: str = Field(sa_type=Text)
    outcome: str | None = Field(default=None, sa_type=Text)
    reason: str | None = Field(default=None, sa_type=Text)
    waits: int = Field(sa_type=Integer)
    verdict: str = Field(sa_type=Text)


class FollowUpRow(Base, table=True):
    """One `FollowUp`: `due_at` is NULL where nothing more is asked. Few are told of: most are taken soon."""

    __tablename__ = "follow_up"
    __table_args__ = (
        Index("ix_follow_up_due", "endpoint", "due_at", "delivery", **_where(TO_ASK)),
        Index("ix_follow_up_told", "became", "since", "delivery", **_where(TOLD_OF)),
    )

    delivery: str = Field(sa_type=Text, sa_column_args=(ForeignKey("delivery.id"),), primary_key=True)
    endpoint: str = Field(sa_type=Text)
    peer_ref: str = Field(sa_type=Text)
    since: str = Field(sa_type=Text)
    due_at: str | None = Field(default=None, sa_type=Text)
    asked: int = Field(sa_type=Integer)
    missed: int = Field(sa_type=Integer)
    became: str | None = Field(default=None, sa_type=Text)
    lost: int = Field(sa_type=Integer)


class LogIntentRow(Base, table=True):
    """One leaf of the log, `log_index` NULL until the sequencer has given it its place."""

    __tablename__ = "log_intent"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, sa_type=Serial, primary_key=True)
    leaf: bytes = Field(sa_type=LargeBinary)
    kind: str = Field(sa_type=Text)
    at: str = Field(sa_type=Text)
    log_index: int | None = Field(default=None, sa_type=BigInteger, unique=True)


class PayloadRow(Base, table=True):
    """Octets small enough to share the row's flush. Larger ones are files, named by their digest.

    `named` counts how often they were put here anew: whoever removes them sees by it that nobody has since it looked.
    """

    __tablename__ = "payload"

    sha256: str = Field(sa_type=Text, primary_key=True)
    octets: bytes = Field(sa_type=LargeBinary)
    named: int = Field(sa_type=Integer, sa_column_kwargs={"server_default": text("0")})


class LeftoverRow(Base, table=True):
    """Octets that a document named whose content was removed at `since`: their row in `payload` goes when nothing else
    names them."""

    __tablename__ = "leftover"

    sha256: str = Field(sa_type=Text, primary_key=True)
    since: str = Field(sa_type=Text)


class EvidenceRow(Base, table=True):
    """Octets that verdicts rest on, one row for all verdicts that name them; never removed. `octets` is NULL where they
    are a file, which is durable before its row."""

    __tablename__ = "evidence"

    sha256: str = Field(sa_type=Text, primary_key=True)
    kind: str = Field(sa_type=Text)
    size: int = Field(sa_type=BigInteger)
    octets: bytes | None = Field(default=None, sa_type=LargeBinary)


class MetaRow(Base, table=True):
    """Facts of the store itself: `store_id`, random, given when it was made, kept by a copy; `openings`, how often it
    was opened for writing."""

    __tablename__ = "meta"

    name: str = Field(sa_type=Text, primary_key=True)
    value: str = Field(sa_type=Text)


def _table(name: str) -> Table:
    return Base.metadata.tables[name]


document = _table("document")
document_recipient = _table("document_recipient")
delivery = _table("delivery")
endpoint_hold = _table("endpoint_hold")
status_report = _table("status_report")
notice = _table("notice")
attachment_check = _table("attachment_check")
attachment_verdict = _table("attachment_verdict")
follow_up = _table("follow_up")
log_intent = _table("log_intent")
payload = _table("payload")
leftover = _table("leftover")
evidence = _table("evidence")
meta = _table("meta")

SCHEMA_VERSION = "0009"
"""The alembic revision that these tables are. A test compares."""
