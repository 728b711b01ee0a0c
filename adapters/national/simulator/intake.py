"""Bodies that come in, read into values: packages and registrations."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import datetime

from adapters.national.simulator.rewrite import rewrite
from adapters.national.simulator.store import Parcel, Registration, VxpRefusal
from adapters.national.vxp import Code, MessageType
from schemas.codes import AgencyCode, CodeError
from schemas.edxml import read_message
from schemas.envelope import Envelope, StatusMessage
from schemas.errors import SchemaError
from schemas.limits import XmlLimits
from schemas.xml import parse_xml

_LIMITS = XmlLimits()
_MAX_FIELD = 500


def unpack(
    octets: bytes, kind: MessageType, now: datetime, *, rewritten: bool, organ: str | None
) -> tuple[Envelope | StatusMessage, Parcel]:
    """What a package says, and the octets to keep and to give on. Heavy for large ones: call it in a thread."""
    if not octets:
        raise VxpRefusal(Code.BAD_FILE, "File rong")
    try:
        parsed = parse_xml(octets, _LIMITS)
        message = read_message(parsed.root).message
        if isinstance(message, Envelope) is not (kind is MessageType.EDOC):
            raise VxpRefusal(Code.BAD_EDXML, f"Goi tin khong phai la messagetype {kind.value}")
        given = rewrite(parsed, now, organ) if rewritten and kind is MessageType.EDOC else octets
    except SchemaError as error:
        raise VxpRefusal(Code.BAD_EDXML, f"Sai dinh dang edXML: {error.violations[0]}") from None
    return message, Parcel(octets, given)


def read_registration(body: bytes) -> Registration:
    """The JSON body of `registerAgency`: `id, pcode, code, name, mail, mobile, fax`; `id` is the axis's to give."""
    try:
        tree = json.loads(body)
    except (ValueError, RecursionError):
        tree = None
    if not isinstance(tree, dict):
        raise VxpRefusal(Code.BAD_FILE, "Noi dung khong phai la mot doi tuong JSON")
    values: dict[str, str] = {}
    for field in fields(Registration):
        value = tree.get(field.name)
        value = "" if value is None else value
        if not isinstance(value, str) or len(value) > _MAX_FIELD or not value.isprintable():
            raise VxpRefusal(Code.BAD_FILE, f"Truong {field.name} khong hop le")
        values[field.name] = value.strip()
    try:
        AgencyCode.parse(values["code"])
    except CodeError:
        raise VxpRefusal(Code.BAD_FILE, "Truong code khong hop le") from None
    return Registration(**values)
