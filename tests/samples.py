"""Envelopes and packages for tests: fictional values, unsigned. Recorded ones lie in `tests/vectors/samples`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from schemas.codes import AgencyCode
from schemas.envelope import (
    AttachmentInfo,
    Business,
    DocumentNumber,
    DocumentType,
    Envelope,
    Organization,
    StatusMessage,
)
from schemas.write import serialise, write_document, write_status

SAMPLES = Path(__file__).parent / "vectors" / "samples"
DOCUMENT = "document-edxml102-library.edxml"
STATUS = "status-edxml102-library.edxml"

SENDER = AgencyCode("000.00.01.H99")
RECIPIENT = AgencyCode("000.20.31.H99")
DOCUMENT_ID = "000.00.01.H99,2025/01/15,12/UBND-VP"
PDF = b"%PDF-1.4\n%fictional\n%%EOF\n"


def sample(name: str) -> bytes:
    """A recorded package, byte for byte."""
    return (SAMPLES / name).read_bytes()


def sample_envelope(**changes: Any) -> Envelope:
    """A new document from SENDER to RECIPIENT with one PDF; `changes` are fields of `Envelope`."""
    envelope = Envelope(
        sender=Organization(SENDER, name="UBND tỉnh Thử Nghiệm"),
        recipients=(Organization(RECIPIENT, name="UBND xã Mẫu"),),
        number=DocumentNumber("12", "UBND-VP"),
        subject="V/v thử nghiệm trục liên thông",
        document_id=DOCUMENT_ID,
        issued_on=date(2025, 1, 15),
        issued_at="Thử Nghiệm",
        type=DocumentType(1, None, "Công văn"),
        business=Business(reason="Văn bản điện tử mới"),
        attachments=(AttachmentInfo("a1", "cong-van.pdf", "application/pdf", "Công văn"),),
    )
    return replace(envelope, **changes)


def sample_package(
    envelope: Envelope | None = None, attachments: Sequence[bytes] | None = None, **changes: Any
) -> bytes:
    """The octets of a package as our writer writes it; each attachment is a small PDF unless given."""
    envelope = replace(envelope, **changes) if envelope is not None else sample_envelope(**changes)
    return serialise(
        write_document(envelope, [PDF] * len(envelope.attachments) if attachments is None else attachments)
    )


def sample_status_message(**changes: Any) -> StatusMessage:
    """RECIPIENT reports 03 on the sample document to SENDER; `changes` are fields of `StatusMessage`."""
    message = StatusMessage(
        reporter=Organization(RECIPIENT, name="UBND xã Mẫu"),
        addressee=SENDER,
        document_id=DOCUMENT_ID,
        code="12/UBND-VP",
        wire_code="03",
        at=datetime(2025, 1, 15, 3, 30, tzinfo=UTC),
        description="Văn thư: đã tiếp nhận",
        promulgated_on=date(2025, 1, 15),
    )
    return replace(message, **changes)


def sample_status(**changes: Any) -> bytes:
    """The octets of a status message as our writer writes it."""
    return serialise(write_status(sample_status_message(**changes)))
