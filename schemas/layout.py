"""Where everything lies in a package that our writer wrote: found in its octets by expressions, without a parser.

`schemas.write` writes one form: one prefix, no attributes but the Ids, no white space between tags. Octets of that form
have one reading, the one that a parser gives of them, and but for a few empty tags they are canonical already. Whatever
is not of the form has no layout here, and is parsed.

The expressions describe a part of XML: a start tag has its end tag by a back reference, a character of a text is one
that XML allows and canonicalisation leaves as it is. They never go back far: what follows a name or a text is no part
of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from schemas.attachment import EncodedAttachment, decoded
from schemas.content import Content, Decoded
from schemas.cuts import Skeleton
from schemas.errors import SchemaError
from schemas.limits import XmlLimits
from schemas.names import NAMESPACE

_MOST: Final = 1 << 20
"""Octets of a skeleton."""
_ELEMENTS: Final = 10_000
"""Whoever has more is no letter to a few offices: to parse it is little beside the rest."""
_DEPTH: Final = 4
"""Levels of elements in a header, a business block or a manifest: as many as our writer writes."""
_LEVELS: Final = 16
"""Levels of the whole package; those of the properties in its signature are twelve."""
_DECLARATIONS: Final = 8
"""Beside those of attachments."""
_NAME: Final = 64
"""Characters of the longest name, also of a namespace."""
_LEAST_ELEMENT: Final = 8
"""Octets. None of the form takes fewer."""

_NS: Final = re.escape(NAMESPACE)
_LETTER: Final = r"[^<>&\x00-\x08\x0b-\x1f\xef]"
"""What XML takes and C14N leaves as it is. The octet EF begins U+F000 to U+FFFF, two of which XML does not take."""
_TEXT: Final = rf"{_LETTER}*+(?:&(?:amp|lt|gt);{_LETTER}*+)*"
_ID: Final = r"[A-Za-z_][A-Za-z0-9_.\-]{0,199}+"
_VALUE: Final = r"((?! )[^<>&\x00-\x1f\xef]*+(?<! ))"
"""Without what a reader resolves or drops."""
_ELSEWHERE: Final = "(?!(?:Digital)?Signature>|AttachmentEncoded>)"
"""What others look for wherever it stands, stands where it belongs, or there is no layout."""


def _elements(name: str, depth: int = _DEPTH) -> str:
    """Elements that hold a text or such elements. What one is called is the group of `name` and its level."""
    held = rf"{_TEXT}</edXML:(?P={name}{depth})>"
    if depth > 1:
        held += rf"|{_elements(name, depth - 1)}</edXML:(?P={name}{depth})>"
    return rf"(?:<edXML:{_ELSEWHERE}(?P<{name}{depth}>[A-Za-z]{{1,60}}+)>(?:{held}))+"


_HEAD: Final = re.compile(
    (
        rf'(?:<\?xml version="1\.0" encoding="UTF-8"\?>\n?)?(?P<before><edXML xmlns="{_NS}">'
        rf'<edXML:edXMLEnvelope xmlns:edXML="{_NS}"><edXML:edXMLHeader>'
        rf'<edXML:MessageHeader(?P<header> Id="(?P<header_id>{_ID})">{_elements("h")}</edXML:MessageHeader>)'
        r"<edXML:TraceHeaderList>"
        rf'<edXML:Bussiness(?P<business> Id="(?P<business_id>{_ID})">{_elements("b")}</edXML:Bussiness>)'
        r"</edXML:TraceHeaderList>)(?=<ds:Signature )"
    ).encode()
)
_TAIL: Final = re.compile(
    (
        rf'</edXML:edXMLHeader><edXML:edXMLBody><edXML:edXMLManifest version="1\.0" Id="(?P<id>{_ID})"'
        rf"(?:/>|>(?P<listed>{_elements('m')})</edXML:edXMLManifest>)</edXML:edXMLBody></edXML:edXMLEnvelope>"
        r"(?P<block><AttachmentEncoded/?>)?"
    ).encode()
)
_BEFORE_CONTENT: Final = re.compile(
    (
        rf"<Attachment><ContentId>cid:{_VALUE}</ContentId><AttachmentName>{_VALUE}</AttachmentName>"
        rf"(?:<Description>{_VALUE}</Description>)?(?:<ContentType>{_VALUE}</ContentType>)?"
        rf'<edXML:ContentTransferEncoded xmlns:edXML="{_NS}">'
    ).encode()
)
_BEHIND_CONTENT: Final = b"</edXML:ContentTransferEncoded></Attachment>"
_BLOCK, _BLOCK_END, _END = b"<AttachmentEncoded>", b"</AttachmentEncoded>", b"</edXML>"
_SIGNATURE_END: Final = b"</ds:Signature>"

_ROOT: Final = f'<edXML xmlns="{NAMESPACE}">'.encode()
_HEADER, _BUSINESS, _MANIFEST = (
    f'<edXML:{name} xmlns:edXML="{NAMESPACE}"'.encode() for name in ("MessageHeader", "Bussiness", "edXMLManifest")
)
_LISTED: Final = b' Id="%b" version="1.0">%b</edXML:edXMLManifest>'
_BODY: Final = b"</edXML:edXMLHeader><edXML:edXMLBody><edXML:edXMLManifest%b</edXML:edXMLBody></edXML:edXMLEnvelope>"
_PLACE: Final = "/edXML/edXMLEnvelope/edXMLHeader"
_TO_HEADER: Final = f"{_PLACE}/MessageHeader"
_TO_BUSINESS: Final = f"{_PLACE}/TraceHeaderList/Bussiness"
_TO_MANIFEST: Final = "/edXML/edXMLEnvelope/edXMLBody/edXMLManifest"


class LaidPart(NamedTuple):
    """A part that will be read: its Id, the path to it, and its exclusive canonical form."""

    id: bytes
    path: str
    octets: bytes


class LaidAttachment(NamedTuple):
    """An attachment in the package, and what its content is: octets, or what is known of many."""

    encoded: EncodedAttachment
    content: Decoded | bytes


@dataclass(frozen=True, slots=True)
class Layout:
    """A package as our writer writes it.

    `octets` are it, with the placeholders of `cuts`. From `begin` to `end` in them stands what begins and ends as an
    XML signature: who proves that it is one element has proved that `octets` are well-formed, and what is said here is
    so only then. `parts`, under the names that `axis.flow.package` has for them, are all that has an Id beside it.
    `before`, `body` and `block` are the canonical document without it: what stands before it, what behind it in the
    envelope, and what behind that.
    """

    octets: bytes
    cuts: Mapping[str, Content]
    begin: int
    end: int
    parts: Mapping[str, LaidPart]
    before: bytes
    body: bytes
    block: bytes
    attachments: tuple[LaidAttachment, ...]

    @property
    def place(self) -> str:
        """The path to what the signature stands in."""
        return _PLACE

    def without_signature(self) -> bytes:
        """The exclusive canonical form of the document, its signature taken out."""
        return b"%b%b%b" % (self.before, self.body, self.block)

    def envelope_octets(self) -> bytes:
        """`schemas.digest.envelope_octets` of it, where the signature has its attributes in order, as our signer's."""
        signature = _without_empty_tags(self.octets[self.begin : self.end])
        return b"%b%b%b" % (self.before[len(_ROOT) :], signature, self.body)


def layout_of(skeleton: Skeleton, limits: XmlLimits) -> Layout | None:
    """The layout of octets that passed the gate; `None` for what is not of our writer's form, or beyond `limits`."""
    octets, cuts = skeleton.octets, skeleton.cuts
    head = _HEAD.match(octets) if _is_within(octets, limits) else None
    if head is None:
        return None
    begin = head.end()
    end = octets.find(_SIGNATURE_END, begin) + len(_SIGNATURE_END)
    tail = _TAIL.match(octets, end)
    if tail is None:
        return None
    manifest_id, listed, opened = tail.group("id", "listed", "block")
    at, attachments = tail.end(), list[LaidAttachment]()
    if opened == _BLOCK:
        at = _attached(octets, at, cuts, limits, attachments)
        block = octets[tail.start("block") : at]
    else:
        at = -1 if cuts else at
        block = b"" if opened is None else _BLOCK + _BLOCK_END
    if at < 0 or octets[at:].rstrip(b"\n") != _END:
        return None
    before, header, header_id, business, business_id = head.group(
        "before", "header", "header_id", "business", "business_id"
    )
    written = _LISTED % (manifest_id, listed or b"")
    parts = {
        "MessageHeader": LaidPart(header_id, _TO_HEADER, _HEADER + header),
        "Bussiness": LaidPart(business_id, _TO_BUSINESS, _BUSINESS + business),
        "edXMLManifest": LaidPart(manifest_id, _TO_MANIFEST, _MANIFEST + written),
    }
    return Layout(octets, cuts, begin, end, parts, before, _BODY % written, block + _END, tuple(attachments))


def _without_empty_tags(octets: bytes) -> bytes:
    """What is well-formed and has `/>` nowhere but at the end of a tag, each such tag as a start tag and an end tag."""
    opened, *rest = octets.split(b"/>")
    pieces = [opened]
    for piece in rest:
        name = opened[opened.rindex(b"<") + 1 :].partition(b" ")[0]
        pieces += (b"></", name, b">", piece)
        opened = piece
    return b"".join(pieces)


def _is_within(octets: bytes, limits: XmlLimits) -> bool:
    """Say whether whatever is of the form keeps to `limits`. Attachments are counted where they are read."""
    size, most = len(octets), min(limits.elements, _ELEMENTS)
    few = size <= _LEAST_ELEMENT * most or octets.count(b"<") <= most
    return (
        few
        and size <= _MOST
        and size <= limits.tree_bytes
        and limits.depth >= _LEVELS
        and limits.attributes >= _DECLARATIONS
        and limits.namespaces >= _DECLARATIONS
        and limits.declarations >= 2 * _DECLARATIONS
        and limits.name_length >= _NAME
    )


def _attached(
    octets: bytes, at: int, cuts: Mapping[str, Content], limits: XmlLimits, found: list[LaidAttachment]
) -> int:
    """Read the attachments from `at` on into `found`; the end of their block, or -1 where one is not of the form."""
    left = [*cuts]
    while (before := _BEFORE_CONTENT.match(octets, at)) is not None:
        begin = before.end()
        end = octets.find(b"<", begin)
        text = octets[begin:end]
        if not octets.startswith(_BEHIND_CONTENT, end) or b"\r" in text or len(found) >= limits.declarations // 2:
            return -1
        at = end + len(_BEHIND_CONTENT)
        content: bytes | Content = text
        if left and text == left[0].encode():
            content = cuts[left.pop(0)]
        content_id, name, description, type_ = [(value and value.decode()) or None for value in before.groups()]
        encoded = EncodedAttachment(content_id or "", name or "", type_, description, content)
        try:
            found.append(LaidAttachment(encoded, decoded(encoded)))
        except SchemaError:
            return -1
    return at + len(_BLOCK_END) if octets.startswith(_BLOCK_END, at) and not left else -1
