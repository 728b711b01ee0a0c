"""The package digest: one value for the inline and the multipart form of the same package."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from hashlib import sha256
from typing import Final, Protocol

from lxml import etree

from schemas.structure import envelope_of

_DOMAIN: Final = b"truc-lien-thong/package-digest/v1"
_DIGEST_BYTES: Final = 32


class Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...


def envelope_octets(root: etree._Element) -> bytes:
    """The octets of the envelope that the digest is over: exclusive C14N with comments, no `AttachmentEncoded`.

    Header, signature and body are in it. `AttachmentEncoded` stands beside the envelope; where a sender put it inside,
    it is left out of a copy. Raises `SchemaError` when there is not exactly one envelope.
    """
    return canonical(_without_attachments(envelope_of(root)))


def canonical(element: etree._Element) -> bytes:
    """Exclusive C14N with comments of an element: the one form in which lxml is right about parts of a document."""
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=True)


def package_digest(envelope_c14n: bytes, attachments: Sequence[tuple[str, str, bytes]]) -> str:
    """SHA-256 over the envelope's digest and each attachment's id, name and digest, as lower-case hex.

    `envelope_c14n` comes from `envelope_octets`. An attachment is (content id without `cid:`, name, SHA-256 of its
    decoded octets: the 32 bytes, not the octets), in manifest order. Every field is preceded by its length in
    eight bytes, so two different packages never give one input; `_DOMAIN` keeps the value apart from other digests.
    """
    total = sha256()
    for part in (_DOMAIN, sha256(envelope_c14n).digest(), len(attachments).to_bytes(8, "big")):
        _add(total, part)
    for content_id, name, digest in attachments:
        if len(digest) != _DIGEST_BYTES:
            raise ValueError("an attachment goes into the package digest as its SHA-256, 32 bytes")
        for part in (content_id.encode(), name.encode(), digest):
            _add(total, part)
    return total.hexdigest()


def _add(total: Digest, part: bytes) -> None:
    total.update(len(part).to_bytes(8, "big") + part)


def _without_attachments(envelope: etree._Element) -> etree._Element:
    if next(envelope.iter("{*}AttachmentEncoded"), None) is None:
        return envelope
    copy = deepcopy(envelope)
    for element in list(copy.iter("{*}AttachmentEncoded")):
        parent = element.getparent()
        if parent is not None:
            _detach(parent, element)
    return copy


def _detach(parent: etree._Element, element: etree._Element) -> None:
    """Remove an element and keep the text that follows it, which lxml counts as the element's own."""
    before = element.getprevious()
    if element.tail:
        if before is None:
            parent.text = (parent.text or "") + element.tail
        else:
            before.tail = (before.tail or "") + element.tail
    parent.remove(element)
