"""Reads a status message (thông điệp trạng thái)."""

from __future__ import annotations

from schemas.document_xml import read_organization, read_response, read_staff
from schemas.envelope import ResponseFor, StatusMessage
from schemas.reading import Place
from schemas.status import read_wire


def read_status(message: Place) -> StatusMessage | None:
    """Read a status message; `None` when something without which there is none was refused.

    Required: From, ResponseFor with OrganId (the addressee, there is no To) and with DocumentId or Code, StatusCode.
    A code of one digit is the same as with a zero before it; unknown codes are kept. A Timestamp before the document
    it answers is no error, official samples have them so.
    """
    reporter_place = message.one("From", required=True)
    reporter = None if reporter_place is None else read_organization(reporter_place)
    concerned = message.one("ResponseFor", required=True)
    response = ResponseFor() if concerned is None else read_response(concerned)
    wire_code = _wire_code(message)
    staff = message.one("StaffInfo")
    at = message.moment("Timestamp")
    description = message.text("Description")
    if concerned is not None and response.organ is None:
        concerned.refuse("missing", "OrganId", "is required: it is the addressee of a status")
    if concerned is not None and response.document_id is None and response.code is None:
        concerned.refuse("missing", "DocumentId", "is required when there is no Code")
    if at is None:
        message.note("no-time", "Timestamp", "is absent")
    if reporter is None or response.organ is None or wire_code is None:
        return None
    return StatusMessage(
        reporter=reporter,
        addressee=response.organ,
        document_id=response.document_id,
        code=response.code,
        wire_code=wire_code,
        at=at,
        description=description,
        promulgated_on=response.promulgated_on,
        staff=None if staff is None else read_staff(staff),
    )


def _wire_code(message: Place) -> str | None:
    text = message.text("StatusCode", required=True)
    if text is None:
        return None
    try:
        return read_wire(text)
    except ValueError as error:
        message.refuse("status-code", "StatusCode", str(error))
        return None
