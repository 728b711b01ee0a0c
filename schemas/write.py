"""Writes packages, in one form only: shape, order and spelling of the official Java library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Final

import pybase64
from lxml import etree

from schemas.content_type import content_type_of
from schemas.dates import write_date, write_timestamp
from schemas.envelope import (
    Business,
    Envelope,
    Organization,
    OtherInfo,
    ResponseFor,
    StaffInfo,
    StatusMessage,
    TraceHeader,
)
from schemas.errors import SchemaError, Violation
from schemas.names import NAMESPACE, default_namespace
from schemas.structure import signature_place
from schemas.trace import serialise, with_trace

__all__ = ["serialise", "signature_place", "with_trace", "write_document", "write_envelope", "write_status"]

HEADER_ID: Final = "MessageHeader-1"
BUSINESS_ID: Final = "Bussiness-1"
MANIFEST_ID: Final = "edXMLManifest-1"
"""Ids of the three parts that our signatures cover, one Reference each."""

_PREFIX: Final = {"edXML": NAMESPACE}


def write_document(
    envelope: Envelope, attachments: Sequence[bytes], *, organ_trace: TraceHeader | None = None
) -> etree._Element:
    """Build a document package, unsigned. `attachments` are octets in the order of `envelope.attachments`.

    `organ_trace` is the writer's own hop, after those in `envelope.traces`. Parts that a signature covers carry an
    `Id`; the signature becomes the last child of `signature_place`. Raises `ValueError` when the numbers of
    attachments differ, `SchemaError` (`xml-text`) for text that XML cannot hold.
    """
    if len(attachments) != len(envelope.attachments):
        raise ValueError("as many attachments as the manifest lists")
    typed = tuple(
        info if info.content_type else replace(info, content_type=content_type_of(octets, info.name))
        for info, octets in zip(envelope.attachments, attachments, strict=True)
    )
    root = write_envelope(replace(envelope, attachments=typed), organ_trace=organ_trace)
    encoded = etree.SubElement(root, _q("AttachmentEncoded"))
    for info, octets in zip(typed, attachments, strict=True):
        attachment = etree.SubElement(encoded, _q("Attachment"))
        _leaf(attachment, "ContentId", f"cid:{info.content_id}")
        _leaf(attachment, "AttachmentName", info.name)
        _leaf(attachment, "Description", info.description)
        _leaf(attachment, "ContentType", info.content_type)
        content = etree.SubElement(attachment, _q("ContentTransferEncoded"), nsmap=_PREFIX)
        content.text = pybase64.b64encode(octets).decode("ascii")
    return root


def write_envelope(envelope: Envelope, *, organ_trace: TraceHeader | None = None) -> etree._Element:
    """The same without the attachments: what goes first where they are sent beside it, each as a part of its own."""
    root, header = _frame()
    _message_header(header, envelope)
    trace_list = _sub(header, "TraceHeaderList")
    _business(trace_list, envelope.business)
    for hop in (*envelope.traces, *(() if organ_trace is None else (organ_trace,))):
        _trace(trace_list, hop)
    body = _sub(_parent(header), "edXMLBody")
    manifest = _sub(body, "edXMLManifest", version="1.0", Id=MANIFEST_ID)
    for info in envelope.attachments:
        reference = _sub(manifest, "Reference")
        _leaf(reference, "ContentId", f"cid:{info.content_id}")
        described = {"ContentType": info.content_type, "Description": info.description}
        _leaves(reference, described | {"AttachmentName": info.name})
    return root


def write_status(message: StatusMessage) -> etree._Element:
    """Build a status message, unsigned. Raises `SchemaError` (`xml-text`) for text that XML cannot hold."""
    _, header = _frame()
    top = _sub(header, "MessageHeader", Id=HEADER_ID)
    _organization(top, "From", message.reporter)
    _response(top, ResponseFor(message.addressee, message.code, message.document_id, message.promulgated_on))
    _staff(top, message.staff)
    _leaf(top, "StatusCode", message.wire_code)
    _leaf(top, "Description", message.description)
    _leaf(top, "Timestamp", None if message.at is None else write_timestamp(message.at))
    return top.getroottree().getroot()


def _frame() -> tuple[etree._Element, etree._Element]:
    root = etree.Element(_q("edXML"), nsmap=default_namespace(NAMESPACE))
    envelope = etree.SubElement(root, _q("edXMLEnvelope"), nsmap=_PREFIX)
    return root, _sub(envelope, "edXMLHeader")


def _message_header(header: etree._Element, envelope: Envelope) -> None:
    top = _sub(header, "MessageHeader", Id=HEADER_ID)
    _organization(top, "From", envelope.sender)
    for recipient in envelope.recipients:
        _organization(top, "To", recipient)
    _leaf(top, "DocumentId", envelope.document_id)
    code = _sub(top, "Code")
    _leaves(code, {"CodeNumber": envelope.number.number, "CodeNotation": envelope.number.notation})
    _group(top, "PromulgationInfo", {"Place": envelope.issued_at, "PromulgationDate": _day(envelope.issued_on)})
    kind = envelope.type
    _group(top, "DocumentType", {"Type": _number(kind.type), "TypeDetail": _number(kind.detail), "TypeName": kind.name})
    _leaf(top, "Subject", envelope.subject)
    _leaf(top, "Content", envelope.content)
    if (signer := envelope.signer) is not None:
        _group(
            top,
            "SignerInfo",
            {"Competence": signer.competence, "Position": signer.position, "FullName": signer.full_name},
        )
    _leaf(top, "DueDate", _day(envelope.due_on))
    if envelope.other != OtherInfo():
        _other(top, envelope.other)
    for response in envelope.responses:
        _response(top, response)
    _leaf(top, "SteeringType", _number(envelope.steering_type))
    _list(top, "ResponseForTask", "TaskCode", envelope.task_codes)
    _leaf(top, "ApplicationType", envelope.application_type)
    _list(top, "ToPlaces", "Place", envelope.places)


def _organization(parent: etree._Element, name: str, organization: Organization) -> None:
    _leaves(
        _sub(parent, name),
        {
            "OrganId": str(organization.code),
            "OrganizationInCharge": organization.in_charge,
            "OrganName": organization.name,
            "OrganAdd": organization.address,
            "Email": organization.email,
            "Telephone": organization.telephone,
            "Fax": organization.fax,
            "Website": organization.website,
        },
    )


def _other(parent: etree._Element, other: OtherInfo) -> None:
    element = _sub(parent, "OtherInfo")
    _leaves(
        element,
        {
            "Priority": str(other.priority.value),
            "SphereOfPromulgation": other.sphere,
            "TyperNotation": other.typer_notation,
            "PromulgationAmount": _number(other.promulgation_amount),
            "PageAmount": _number(other.page_amount),
            "ReplyFors": other.reply_fors,
            "Direction": None if other.direction is None else str(other.direction).lower(),
            "ReferenceCodes": other.reference_codes,
        },
    )
    _list(element, "Appendixes", "Appendix", other.appendixes)


def _response(parent: etree._Element, response: ResponseFor) -> None:
    fields = {
        "OrganId": None if response.organ is None else str(response.organ),
        "Code": response.code,
        "DocumentId": response.document_id,
        "PromulgationDate": _day(response.promulgated_on),
    }
    _group(parent, "ResponseFor", fields)


def _business(parent: etree._Element, business: Business) -> None:
    block = _sub(parent, "Bussiness", Id=BUSINESS_ID)
    _leaf(block, "DocumentId", business.document_id)
    _leaf(block, "BussinessDocType", str(business.kind.value))
    _leaf(block, "BussinessDocReason", business.reason)
    _leaf(block, "Paper", _flag(business.paper))
    if business.receivers or business.document_info is not None or business.document_receiver is not None:
        update = _sub(block, "BussinessDocumentInfo")
        _leaf(update, "DocumentInfo", _flag(business.document_info))
        _leaf(update, "DocumentReceiver", _flag(business.document_receiver))
        receivers = _sub(update, "ReceiverList") if business.receivers else update
        for receiver in business.receivers:
            fields = {"OrganId": str(receiver.code), "ReceiverType": _flag(receiver.added)}
            _group(receivers, "Receiver", fields)
    if business.replacements:
        replaced = _sub(block, "ReplacementInfoList")
        for replacement in business.replacements:
            element = _sub(replaced, "ReplacementInfo")
            _leaf(element, "DocumentId", replacement.document_id)
            _list(element, "OrganIdList", "OrganId", tuple(map(str, replacement.receivers)))
    _staff(block, business.staff)


def _staff(parent: etree._Element, staff: StaffInfo | None) -> None:
    if staff is not None:
        fields = {"Department": staff.department, "Staff": staff.staff, "Email": staff.email, "Mobile": staff.mobile}
        _group(parent, "StaffInfo", fields)


def _trace(parent: etree._Element, hop: TraceHeader) -> None:
    at = None if hop.at is None else write_timestamp(hop.at)
    _group(parent, "TraceHeader", {"OrganId": hop.organ, "Timestamp": at})


def _day(value: date | None) -> str | None:
    return None if value is None else write_date(value)


def _number(value: int | None) -> str | None:
    return None if value is None else str(value)


def _flag(value: bool | None) -> str | None:
    return None if value is None else str(int(value))


def _group(parent: etree._Element, name: str, fields: dict[str, str | None]) -> None:
    """An element with these leaves; none at all when every one of them is empty."""
    if any(fields.values()):
        _leaves(_sub(parent, name), fields)


def _list(parent: etree._Element, name: str, item: str, values: tuple[str, ...]) -> None:
    if values:
        element = _sub(parent, name)
        for value in values:
            _leaf(element, item, value)


def _leaves(parent: etree._Element, fields: dict[str, str | None]) -> None:
    for name, value in fields.items():
        _leaf(parent, name, value)


def _leaf(parent: etree._Element, name: str, value: str | None) -> None:
    if value:
        # A sub-element takes the nearest prefix of its namespace: `edXML:` in the envelope, none in attachments.
        element = etree.SubElement(parent, _q(name))
        try:
            element.text = value
        except ValueError:
            raise SchemaError(Violation("xml-text", name, "holds a character that XML does not allow")) from None


def _sub(parent: etree._Element, name: str, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, _q(name), dict(attributes))


def _parent(element: etree._Element) -> etree._Element:
    parent = element.getparent()
    assert parent is not None
    return parent


def _q(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"
