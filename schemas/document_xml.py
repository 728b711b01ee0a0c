"""Reads the header, business block and manifest of a document package."""

from __future__ import annotations

from datetime import date
from typing import Final

from schemas.envelope import (
    AttachmentInfo,
    Business,
    DocumentNumber,
    DocumentType,
    Envelope,
    MessageKind,
    Organization,
    OtherInfo,
    Priority,
    Receiver,
    Replacement,
    ResponseFor,
    SignerInfo,
    StaffInfo,
    TraceHeader,
)
from schemas.names import BUSINESS, MANIFEST
from schemas.reading import NULL, Place, holds_elements

_ORDINARY_ON_THE_WIRE: Final = frozenset({0, 5})
_KINDS: Final = {str(kind.value): kind for kind in MessageKind} | {f"0{kind.value}": kind for kind in MessageKind}
_ORGANIZATION: Final = ("OrganizationInCharge", "OrganName", "OrganAdd", "Email", "Telephone", "Fax", "Website")
"""What is known of one beside its code, in the order of `Organization`."""
_CHANGES: Final = {"0": False, "1": True}


def read_envelope(message: Place, trace: Place | Business | None, body: Place | None) -> Envelope | None:
    """Read a document package; `None` when something without which there is no envelope was refused.

    `trace` is the list of hops, or the business block that alone stands in it, if that was read before.
    Duplicate recipients are `repeated`. A package must be identifiable: without DocumentId it needs a
    PromulgationDate that can be read.
    """
    sender_place = message.one("From", required=True)
    sender = None if sender_place is None else read_organization(sender_place)
    recipients = _recipients(message)
    number_place = message.one("Code", required=True)
    number = None if number_place is None else _number(number_place)
    subject = message.text("Subject", required=True)
    document_id = message.identifier("DocumentId")
    issued_at, issued_on = _promulgation(message)
    if document_id is None and issued_on is None:
        message.refuse("missing", "DocumentId", "is required when there is no PromulgationDate to build it with")
    type_place = message.one("DocumentType")
    signer_place = message.one("SignerInfo")
    other_place = message.one("OtherInfo")
    tasks, places = message.one("ResponseForTask"), message.one("ToPlaces")
    content, due_on, steering = message.text("Content"), message.day("DueDate"), message.number("SteeringType")
    responses = tuple(read_response(place) for place in message.several("ResponseFor"))
    application = message.text("ApplicationType")
    business, traces = _trace_list(trace, message)
    manifest = None if body is None else body.one(*MANIFEST)
    attachments = () if manifest is None else _attachments(manifest)
    if sender is None or number is None or subject is None:
        return None
    return Envelope(
        sender=sender,
        recipients=recipients,
        number=number,
        subject=subject,
        document_id=document_id,
        issued_on=issued_on,
        issued_at=issued_at,
        type=DocumentType() if type_place is None else _type(type_place),
        content=content,
        signer=None if signer_place is None else _signer(signer_place),
        due_on=due_on,
        other=OtherInfo() if other_place is None else _other(other_place),
        responses=responses,
        steering_type=steering,
        task_codes=() if tasks is None else tasks.texts("TaskCode"),
        application_type=application,
        places=() if places is None else places.texts("Place"),
        business=business,
        traces=traces,
        attachments=attachments,
    )


def read_organization(place: Place) -> Organization | None:
    code = place.code("OrganId", required=True)
    rest = place.values(*_ORGANIZATION)
    return None if code is None else Organization(code, *rest)


def read_response(place: Place) -> ResponseFor:
    """Read one ResponseFor. `Code` is the joined `số/ký hiệu`; CodeNumber and CodeNotation in it are joined."""
    return ResponseFor(
        organ=place.code("OrganId"),
        code=_joined_code(place),
        document_id=place.identifier("DocumentId"),
        promulgated_on=place.day("PromulgationDate"),
    )


def read_staff(place: Place) -> StaffInfo:
    place.elements("DepartmentId", "StaffId")  # some clients add them; keys of their own database
    return StaffInfo(
        department=place.text("Department"),
        staff=place.text("Staff"),
        email=place.text("Email"),
        mobile=place.text("Mobile"),
    )


def read_traces(place: Place) -> tuple[TraceHeader, ...]:
    return tuple(_trace(hop) for hop in place.several("TraceHeader"))


def _trace(hop: Place) -> TraceHeader:
    organ = hop.identifier("OrganId")
    if organ is None or organ in NULL:
        hop.note("trace", "OrganId", "a hop without an agency")
        organ = None
    return TraceHeader(organ, hop.moment("Timestamp"))


def _recipients(message: Place) -> tuple[Organization, ...]:
    places = message.several("To")
    if not places:
        message.refuse("missing", "To", "a document needs at least one recipient")
    found = tuple(to for to in map(read_organization, places) if to is not None)
    if len({to.code for to in found}) < len(found):
        message.refuse("repeated", "To", "a recipient is named twice")
    return found


def _number(place: Place) -> DocumentNumber | None:
    number = place.identifier("CodeNumber", required=True)
    notation = place.identifier("CodeNotation", required=True)
    return None if number is None or notation is None else DocumentNumber(number, notation)


def _joined_code(place: Place) -> str | None:
    element = next(iter(place.elements("Code")), None)
    if element is None or not holds_elements(element):
        return place.identifier("Code")
    parts = place.one("Code")
    number = None if parts is None else _number(parts)
    return None if number is None else str(number)


def _promulgation(message: Place) -> tuple[str | None, date | None]:
    place = message.one("PromulgationInfo")
    return (None, None) if place is None else (place.text("Place"), place.day("PromulgationDate"))


def _type(place: Place) -> DocumentType:
    return DocumentType(place.number("Type"), place.number("TypeDetail"), place.text("TypeName"))


def _signer(place: Place) -> SignerInfo:
    return SignerInfo(*place.values("Competence", "Position", "FullName"))


def _other(place: Place) -> OtherInfo:
    appendixes = place.one("Appendixes")
    return OtherInfo(
        priority=_priority(place),
        sphere=place.text("SphereOfPromulgation"),
        typer_notation=place.text("TyperNotation"),
        promulgation_amount=place.number("PromulgationAmount"),
        page_amount=place.number("PageAmount"),
        reply_fors=place.text("ReplyFors"),
        direction=place.flag("Direction"),
        reference_codes=place.text("ReferenceCodes"),
        appendixes=() if appendixes is None else appendixes.texts("Appendix"),
    )


def _priority(place: Place) -> Priority:
    """Độ khẩn; the sources disagree on the number for ordinary, so 0, 5, empty and absent all are."""
    number = place.number("Priority")
    if number is None or number in _ORDINARY_ON_THE_WIRE:
        return Priority.ORDINARY
    try:
        return Priority(number)
    except ValueError:
        place.note("priority", "Priority", "is a number without a known meaning, read as ordinary")
        return Priority.ORDINARY


def _trace_list(trace: Place | Business | None, message: Place) -> tuple[Business, tuple[TraceHeader, ...]]:
    if isinstance(trace, Business):
        return trace, ()
    block = None if trace is None else trace.one(*BUSINESS)
    if block is None:
        message.findings.note("no-business", "TraceHeaderList/Bussiness", "is absent, read as a new document")
    return (
        Business() if block is None else read_business(block),
        () if trace is None else read_traces(trace),
    )


def read_business(block: Place) -> Business:
    staff = block.one("StaffInfo")
    update = block.one("BussinessDocumentInfo", "BusinessDocumentInfo")
    receivers = None if update is None else update.one("ReceiverList")
    replaced = block.one("ReplacementInfoList")
    return Business(
        kind=_kind(block),
        reason=block.text("BussinessDocReason", "BusinessDocReason"),
        document_id=block.identifier("DocumentId"),
        paper=block.flag("Paper") or False,
        document_info=None if update is None else update.flag("DocumentInfo"),
        document_receiver=None if update is None else update.flag("DocumentReceiver"),
        receivers=() if receivers is None else _receivers(receivers),
        replacements=() if replaced is None else _replacements(replaced),
        staff=None if staff is None else read_staff(staff),
    )


def _kind(block: Place) -> MessageKind:
    """The kind of message. Unlike other numbers an unknown one is refused: nobody could say what to do with it."""
    text = block.text("BussinessDocType", "BusinessDocType")
    if text is None:
        block.note("no-business", "BussinessDocType", "is absent, read as a new document")
        return MessageKind.NEW
    found = _KINDS.get(text)
    if found is None:
        block.refuse("kind", "BussinessDocType", "is none of 0, 1, 2, 3")
    return found or MessageKind.NEW


def _receivers(place: Place) -> tuple[Receiver, ...]:
    found = []
    for receiver in place.several("Receiver"):
        code = receiver.code("OrganId", required=True)
        added = _CHANGES.get(receiver.text("ReceiverType", required=True) or "")
        if added is None:
            receiver.refuse("kind", "ReceiverType", "is neither 0 (removed) nor 1 (added)")
        elif code is not None:
            found.append(Receiver(code, added))
    return tuple(found)


def _replacements(place: Place) -> tuple[Replacement, ...]:
    found = []
    for replacement in place.several("ReplacementInfo"):
        document_id = replacement.identifier("DocumentId", required=True)
        receivers = replacement.one("OrganIdList")
        if document_id is not None:
            found.append(Replacement(document_id, () if receivers is None else receivers.codes("OrganId")))
    return tuple(found)


def _attachments(manifest: Place) -> tuple[AttachmentInfo, ...]:
    found = [_attachment(place) for place in manifest.several("Reference")]
    ids = [info.content_id for info in found if info is not None and info.content_id]
    if len({*ids}) < len(ids):
        manifest.refuse("repeated", "Reference/ContentId", "two attachments have one id")
    return tuple(info for info in found if info is not None)


def _attachment(place: Place) -> AttachmentInfo | None:
    # The .NET library names the attachment in an `xlink:href` as well.
    content_id = strip_cid(place.identifier("ContentId") or place.attribute("href"))
    name = place.text("AttachmentName")
    if name is None and content_id:
        place.note("no-name", "AttachmentName", "is absent, the id is taken")
    elif name is None:
        place.refuse("missing", "AttachmentName", "is required")
        return None
    kind, description = place.text("ContentType"), place.text("Description")
    return AttachmentInfo(content_id, name or content_id, kind, description, name is not None)


def strip_cid(text: str) -> str:
    """A content id without the `cid:` that some writers put before it."""
    return text[4:] if text[:4].lower() == "cid:" else text
