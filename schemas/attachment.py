"""Attachments that travel inside a package: found, matched with the manifest, decoded."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import pybase64
from lxml import etree

from schemas.content import Content, Decoded, without_space
from schemas.content_type import content_type_of
from schemas.document_xml import strip_cid
from schemas.envelope import AttachmentInfo, Envelope
from schemas.errors import SchemaError, Violation
from schemas.filename import check_name, check_names
from schemas.names import SIGNATURES, local
from schemas.reading import Findings, Place
from schemas.xml import Parsed

__all__ = [
    "EncodedAttachment",
    "Pair",
    "check_name",
    "check_names",
    "content_type_of",
    "decode",
    "decoded",
    "encoded_attachments",
    "matched",
]


@dataclass(frozen=True, slots=True)
class EncodedAttachment:
    """One `Attachment` of a package, still in base64: as text, or as what was cut out of the tree.

    `content_id` is without `cid:`, empty when there is none.
    """

    content_id: str
    name: str
    content_type: str | None
    description: str | None
    base64: bytes | Content


Pair = tuple[AttachmentInfo, EncodedAttachment]


def encoded_attachments(parsed: Parsed) -> tuple[EncodedAttachment, ...]:
    """The attachments of a package, in document order, wherever its `AttachmentEncoded` stands.

    Raises `SchemaError`: `repeated`, `mixed`, `foreign-namespace`, or `attachment-mismatch` when large base64 stands
    outside any attachment, or the block in a signature: a signature over the whole package leaves out itself.
    """
    blocks = list(parsed.root.iter("{*}AttachmentEncoded"))
    if not parsed.cuts and len(blocks) < 2 and not any(len(block) or block.text for block in blocks):
        return ()
    findings = Findings()
    if len(blocks) > 1:
        findings.refuse("repeated", "AttachmentEncoded", "may stand here only once")
    for block in blocks[:1]:
        if any(local(above) in SIGNATURES for above in block.iterancestors()):
            findings.refuse(
                "attachment-mismatch", "AttachmentEncoded", "stands in a signature, where nothing of ours is signed"
            )
    found = [_encoded(place, parsed.cuts) for block in blocks[:1] for place in _attachment_places(block, findings)]
    if sum(cut for _, cut in found) != len(parsed.cuts):
        findings.refuse("attachment-mismatch", "", "there is attachment content outside AttachmentEncoded/Attachment")
    if findings.violations:
        raise SchemaError(*findings.violations)
    return tuple(encoded for encoded, _ in found)


def _attachment_places(block: etree._Element, findings: Findings) -> list[Place]:
    place = Place(block, "AttachmentEncoded", findings)
    return [Place(e, "AttachmentEncoded/Attachment", findings) for e in place.elements("Attachment")]


def _encoded(place: Place, cuts: Mapping[str, Content]) -> tuple[EncodedAttachment, bool]:
    text = place.text("ContentTransferEncoded") or ""
    encoded = EncodedAttachment(
        content_id=strip_cid(place.identifier("ContentId") or ""),
        name=place.text("AttachmentName") or "",
        content_type=place.text("ContentType") or place.text("MimeType"),
        description=place.text("Description"),
        base64=cuts[text] if text in cuts else text.encode(),
    )
    return encoded, text in cuts


def decode(encoded: EncodedAttachment) -> bytes:
    """The octets of an attachment. White space is layout; everything else must be exact base64.

    Raises `SchemaError` (`attachment-base64`) for foreign characters, wrong padding, and bits that no octet holds.
    """
    text = encoded.base64
    if isinstance(text, Content):
        return b"".join(_exact(text).pieces())
    text = without_space(text)
    try:
        octets = pybase64.b64decode(text, validate=True)
    except ValueError:
        raise _no_base64() from None
    if text and pybase64.b64encode(octets[-(len(octets) % 3 or 3) :]) != text[-4:]:
        raise _no_base64()
    return octets


def decoded(encoded: EncodedAttachment) -> Decoded | bytes:
    """The same, but of what was cut out only what is known of it."""
    text = encoded.base64
    return _exact(text) if isinstance(text, Content) else decode(encoded)


def _exact(content: Content) -> Decoded:
    if content.decoded is None:
        raise _no_base64()
    return content.decoded


def _no_base64() -> SchemaError:
    return SchemaError(
        Violation("attachment-base64", "AttachmentEncoded/Attachment/ContentTransferEncoded", "is not valid base64")
    )


def matched(envelope: Envelope, encoded: tuple[EncodedAttachment, ...]) -> tuple[Pair, ...]:
    """Pair what the manifest lists with what the package carries, in manifest order.

    By id; then what is left by name; then what is left by position. Raises `SchemaError` (`attachment-mismatch`) when
    anything stays without its other half, when both have an id or a name and these differ, or an id occurs twice;
    `attachment-name` for a name that the manifest does not have. Only the manifest is always signed, and who unpacks a
    package may go by the other half.
    """
    listed, carried = [i.content_id for i in envelope.attachments], [e.content_id for e in encoded]
    if listed == carried and all(listed) and len({*listed}) == len(listed):  # as it nearly always is
        return _agreed(zip(envelope.attachments, encoded, strict=True))
    for ids in (listed, carried):
        if any(count > 1 for content_id, count in Counter(ids).items() if content_id):
            raise _mismatch("two attachments have one id")
    if len(envelope.attachments) != len(encoded):
        raise _mismatch(f"the manifest lists {len(envelope.attachments)}, the package carries {len(encoded)}")
    pairs: dict[int, EncodedAttachment] = {}
    left = dict(enumerate(encoded))
    for key in (_id, _name):
        _pair(dict(enumerate(envelope.attachments)), left, pairs, key)
    for place, info in enumerate(envelope.attachments):
        if place not in pairs:
            other = pairs[place] = left.pop(next(iter(left)))
            if info.content_id != other.content_id and info.content_id and other.content_id:
                raise _mismatch("an attachment is listed and not carried, or carried and not listed")
    return _agreed((info, pairs[place]) for place, info in enumerate(envelope.attachments))


def _agreed(pairs: Iterable[Pair]) -> tuple[Pair, ...]:
    """The pairs, none of which has two names."""
    agreed = tuple(pairs)
    for info, other in agreed:
        if not other.name or info.name == other.name:
            continue
        if info.named and _name(info) != _name(other):
            raise _mismatch("an attachment has another name where it is listed than where it stands")
        fault = check_name(other.name)
        if fault is not None:
            raise SchemaError(fault)
    return agreed


def _pair(
    infos: dict[int, AttachmentInfo],
    left: dict[int, EncodedAttachment],
    pairs: dict[int, EncodedAttachment],
    key: Callable[[AttachmentInfo | EncodedAttachment], str],
) -> None:
    """Pair those whose key nobody else on either side has."""
    listed = _unique({place: key(info) for place, info in infos.items() if place not in pairs})
    carried = _unique({place: key(other) for place, other in left.items()})
    for value in listed.keys() & carried.keys():
        pairs[listed[value]] = left.pop(carried[value])


def _unique(keys: dict[int, str]) -> dict[str, int]:
    counts = Counter(keys.values())
    return {key: place for place, key in keys.items() if key and counts[key] == 1}


def _id(one: AttachmentInfo | EncodedAttachment) -> str:
    return one.content_id


def _name(one: AttachmentInfo | EncodedAttachment) -> str:
    return unicodedata.normalize("NFC", one.name)


def _mismatch(detail: str) -> SchemaError:
    return SchemaError(Violation("attachment-mismatch", "", detail))
