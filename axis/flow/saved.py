"""A package in a file: one XML document, or a body in parts as it was sent or fetched."""

from __future__ import annotations

from collections.abc import Iterable

from axis.core.payload import Made
from axis.flow.package import Part
from schemas.multipart import PartEnd, PartHead, PartsReader, boundary_within, refused
from signing.pdf import FORM_HEAD, form_of


def part_in_hand(id: str | None, octets: bytes) -> Part[Made]:
    """An attachment whose octets are at hand; `id` is its Content-ID."""
    return Part(id, Made(octets), form_of(octets[:FORM_HEAD]))


def read_saved(octets: bytes) -> tuple[bytes, tuple[Part[Made], ...]]:
    """The document or envelope, and the attachments beside it. `SchemaError` for a body that cannot be read."""
    boundary = boundary_within(octets)
    if boundary is None:
        return octets, ()
    parts = list(_parts(octets, boundary))
    for head, part in parts:
        made = Made(part)
        head.check(made.ref.size, made.ref.sha256)
    ids = [head.content_id for head, _ in parts[1:]]
    if len({*ids}) != len(ids):
        raise refused("part-doubled", "two parts have one Content-ID")
    return parts[0][1], tuple(part_in_hand(head.content_id, part) for head, part in parts[1:])


def _parts(octets: bytes, boundary: str) -> Iterable[tuple[PartHead, bytes]]:
    reader = PartsReader(boundary)
    head, pieces = PartHead(None, ""), list[bytes]()
    for event in reader.feed(octets):
        if isinstance(event, PartHead):
            head, pieces = event, []
        elif isinstance(event, PartEnd):
            yield head, b"".join(pieces)
        else:
            pieces.append(event)
    reader.close()
