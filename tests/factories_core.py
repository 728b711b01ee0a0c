"""Nouns of the core with everything filled in; a test names only what it is about."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from axis.core.model import (
    AttachmentRecord,
    Attestation,
    Cargo,
    Change,
    Decision,
    Delivery,
    DeliveryId,
    Document,
    DocumentRef,
    EntryKind,
    Hop,
    LogEntry,
    PayloadRef,
    Role,
    StatusRef,
    StatusReport,
)
from axis.core.states import IntakeState
from schemas.codes import AgencyCode
from schemas.envelope import MessageKind, Priority, StaffInfo
from signing.verdict import (
    Check,
    CheckStatus,
    Covered,
    Evidence,
    Indication,
    Reason,
    Signer,
    Verdict,
    unsigned,
)

NOW = datetime(2026, 11, 23, 1, 2, 3, 4, tzinfo=UTC)
SENDER = AgencyCode.parse("H26")
RECEIVER = AgencyCode.parse("H26.07")
OTHER = AgencyCode.parse("000.20.31.H53")

_count = itertools.count(1)


def later(**parts: float) -> datetime:
    return NOW + timedelta(**parts)


def new_id() -> str:
    return f"{next(_count):032x}"


def sha256(text: str | bytes) -> str:
    return hashlib.sha256(text if isinstance(text, bytes) else text.encode()).hexdigest()


def passed(at: datetime = NOW) -> Verdict:
    """A verdict with every field set, so that what does not survive storing shows."""
    return Verdict(
        Indication.TOTAL_PASSED,
        None,
        Reason.GOOD,
        at,
        policy="test",
        policy_sha256=sha256("policy"),
        profile="parts",
        signature_algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
        claimed_at=at - timedelta(seconds=5),
        signer=Signer(
            subject="CN=Sở Nội vụ",
            issuer="CN=CA",
            serial="0a",
            certificate=sha256("certificate"),
            not_before=at - timedelta(days=1),
            not_after=at + timedelta(days=1),
            speaks_for=("H26",),
        ),
        path=(sha256("certificate"), sha256("ca")),
        covered=(Covered("#header", "Envelope/Header/MessageHeader", "sha256", sha256("header"), 6),),
        checks=(Check("reference", "cv", CheckStatus.OK, "1", "1"),),
        evidence=(Evidence("crl", sha256("crl"), "http://crl.test/", at, at + timedelta(days=7)),),
        quirks=("xmlns",),
        valid_until=at + timedelta(hours=1),
    )


def not_signed(at: datetime = NOW) -> Verdict:
    return unsigned(at, "test", sha256("policy"))


def document(**changes: Any) -> Document:
    ref = DocumentRef(new_id())
    made = Document(
        ref=ref,
        sender=SENDER,
        kind=MessageKind.NEW,
        document_id=f"H26,2026/11/23,{ref[-6:]}/QĐ-UBND",
        concerns=f"H26,2026/11/23,{ref[-6:]}/QĐ-UBND",
        digest=sha256(ref),
        payload=PayloadRef(sha256("payload " + ref), 9),
        number=f"{ref[-6:]}/QĐ-UBND",
        subject="V/v kiểm tra trục liên thông",
        recipients=(RECEIVER,),
        verdict=passed(),
        state=IntakeState.ACCEPTED,
        receipt_state=IntakeState.ACCEPTED,
        by="so-noi-vu",
        via=Role.AGENCY,
        accepted_at=NOW,
        nonce=sha256("nonce " + ref),
        issued_on=date(2026, 11, 23),
        priority=Priority.URGENT,
        attachments=(AttachmentRecord("a1", "Quyết định.pdf", "application/pdf", 3, sha256("a1")),),
        only_for=(RECEIVER,),
        hops=(Hop("axis-1", NOW - timedelta(seconds=9)),),
        notes=("grammar",),
    )
    return replace(made, **changes)


def delivery(about: Document | None = None, **changes: Any) -> Delivery:
    """A delivery of the document `about`, in a lane of its own."""
    id_ = DeliveryId(new_id())
    ref = about.ref if about else None
    made = Delivery(
        id=id_,
        cargo=Cargo.DOCUMENT if about else Cargo.STATUS,
        cargo_ref=about.ref if about else new_id(),
        document=ref,
        endpoint="so-noi-vu",
        recipients=(RECEIVER,),
        lane=f"lane of {id_}",
        created_at=NOW,
        due_at=NOW,
    )
    return made._replace(**changes)


def report(about: Document | None = None, **changes: Any) -> StatusReport:
    """Status 01 about a document; without one, an orphan."""
    made = StatusReport(
        ref=StatusRef(new_id()),
        document=about.ref if about else None,
        sender=SENDER,
        receiver=RECEIVER,
        reporter=RECEIVER,
        addressee=SENDER,
        document_id=about.document_id if about else "H26,2026/11/23,99/QĐ-UBND",
        number=about.number if about else "99/QĐ-UBND",
        wire="01",
        at=NOW.replace(microsecond=0),
        received_at=NOW,
        by="h26-07",
        via=Role.AGENCY,
        attestation=Attestation.CONNECTION,
        description="Đã đến",
        issued_on=date(2026, 11, 23),
        staff=StaffInfo("Văn thư", "Nguyễn Văn A"),
        hops=(Hop("axis-2", NOW),),
    )
    return made._replace(**changes)


def entry(kind: EntryKind = EntryKind.ACCEPTED, subject: str = "") -> LogEntry:
    return LogEntry(kind, NOW, "test", subject, {"note": "x"})


def decision(*changes: Change, entries: int = 1) -> Decision[None]:
    return Decision(tuple(entry(subject=new_id()) for _ in range(entries)), changes, None)
