"""Packages in parts: made of inline ones, written as other people write them, and taken apart again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.attachment import decode, encoded_attachments
from schemas.limits import XmlLimits
from schemas.multipart import PartEnd, PartHead, PartsReader, read_related
from schemas.xml import parse_xml

_ATTACHED = re.compile(rb"<(?:\w+:)?AttachmentEncoded>.*</(?:\w+:)?AttachmentEncoded>|<AttachmentEncoded/>", re.DOTALL)
BOUNDARY = "ranh-gioi"


@dataclass(frozen=True)
class Raw:
    """One attachment as it lies beside the envelope."""

    id: str
    octets: bytes


def split(package: bytes) -> tuple[bytes, list[Raw]]:
    """The envelope of an inline package, which is signed by parts, and its attachments."""
    encoded = encoded_attachments(parse_xml(package, XmlLimits()))
    envelope, number = _ATTACHED.subn(b"", package)
    assert number == 1
    return envelope, [Raw(one.content_id, decode(one)) for one in encoded]


def part(octets: bytes, *headers: str, boundary: str = BOUNDARY) -> bytes:
    lines = "\r\n".join((f"--{boundary}", *headers, "", ""))
    return lines.encode("utf-8") + octets + b"\r\n"


def body(envelope: bytes, attached: Sequence[Raw], boundary: str = BOUNDARY) -> bytes:
    """The two as a body, as some other program would write it."""
    parts = [part(envelope, "Content-Type: application/xml", boundary=boundary)] + [
        part(one.octets, "Content-Type: application/octet-stream", f"Content-ID: <{one.id}>", boundary=boundary)
        for one in attached
    ]
    return b"".join(parts) + f"--{boundary}--\r\n".encode()


def related(boundary: str = BOUNDARY) -> dict[str, str]:
    return {"Content-Type": f'multipart/related; boundary="{boundary}"; type="application/xml"'}


def taken_apart(octets: bytes, content_type: str) -> list[tuple[PartHead, bytes]]:
    """The parts of a body that came from the axis; everything that is stated of them holds."""
    reader = PartsReader(read_related(content_type).boundary)
    found: list[tuple[PartHead, bytes]] = []
    for event in reader.feed(octets):
        if isinstance(event, PartHead):
            found.append((event, b""))
        elif not isinstance(event, PartEnd):
            found[-1] = (found[-1][0], found[-1][1] + event)
    reader.close()
    return found
