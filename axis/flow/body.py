"""What goes out for a document: its package in the form in which it was submitted, out of the store."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass

from axis.core.attachments import attached_payloads
from axis.core.model import AttachmentRecord, Document
from axis.core.octets import Held, Kept, Payload
from axis.core.ports import Views
from axis.core.problems import Kind, Problem, Refused
from axis.flow.package import Part
from schemas.gate import Raw
from schemas.multipart import PackageForm, boundary_of, content_type_with, wire_id, write_end, write_head


async def attached_octets(document: Document, views: Views) -> tuple[Kept, ...]:
    """The stored attachments of a document, where they lie beside its envelope, in manifest order."""
    _see_kept(document)
    return tuple([await views.payload(ref) for ref in attached_payloads(document)])


def _see_kept(document: Document) -> None:
    """Octets may be there for some days after: they are not given out any more."""
    if document.removed_at is not None:
        raise Refused(Problem(Kind.CONTENT_REMOVED))


async def package_here(document: Document, views: Views, until: AsyncExitStack) -> Raw:
    """The octets of a document's package, or of its envelope, until the stack ends. `Unavailable`, `OSError`, and as in
    `body_of`."""
    _see_kept(document)
    return await (await (await views.payload(document.payload)).at_hand(until)).view()


async def attached_here(document: Document, views: Views, until: AsyncExitStack) -> tuple[Held, ...]:
    """The attachments, each where a judge can get at it, until the stack ends. `Unavailable`."""
    return tuple([await one.at_hand(until) for one in await attached_octets(document, views)])


async def stored_parts(document: Document, views: Views, until: AsyncExitStack) -> tuple[Part[Held], ...]:
    """The same, as what the envelope is judged with."""
    held = await attached_here(document, views, until)
    return tuple(
        Part(wire_id(record.content_id), one, record.form)
        for record, one in zip(document.attachments, held, strict=False)
    )


@dataclass(frozen=True, slots=True)
class Plain:
    """A `Body` of one payload."""

    payload: Payload
    content_type: str = "application/xml"

    @property
    def size(self) -> int:
        return self.payload.ref.size

    def chunks(self) -> AsyncGenerator[bytes, None]:
        return self.payload.chunks()

    async def read(self) -> bytes:
        return await self.payload.read()


@dataclass(frozen=True, slots=True)
class Joined:
    """A `Body` of an envelope and its attachments: `multipart/related`, the same octets each time."""

    envelope: Payload
    attached: Sequence[tuple[AttachmentRecord, Payload]]
    boundary: str

    @property
    def content_type(self) -> str:
        return content_type_with(self.boundary)

    @property
    def size(self) -> int:
        parts = sum(len(head) + payload.ref.size for head, payload in self._parts())
        return parts + len(write_end(self.boundary))

    def _parts(self) -> list[tuple[bytes, Payload]]:
        ref = self.envelope.ref
        first = write_head(self.boundary, None, "application/xml", ref.size, ref.sha256)
        return [(first, self.envelope)] + [
            (write_head(self.boundary, one.content_id, one.content_type, one.size, one.sha256), payload)
            for one, payload in self.attached
        ]

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        for head, payload in self._parts():
            yield head
            async with aclosing(payload.chunks()) as pieces:
                async for piece in pieces:
                    yield piece
        yield write_end(self.boundary)

    async def read(self) -> bytes:
        return b"".join([piece async for piece in self.chunks()])


async def body_of(
    document: Document, views: Views, payload: Kept | None = None
) -> tuple[Kept, tuple[Kept, ...], Plain | Joined]:
    """A document's payload, its attachments where they lie beside it, and both as they go over the wire. `payload`
    where it is at hand already. `Refused(CONTENT_REMOVED)`."""
    _see_kept(document)
    payload = payload or await views.payload(document.payload)
    if document.form is PackageForm.INLINE:
        return payload, (), Plain(payload)
    attached = await attached_octets(document, views)
    if not attached:
        return payload, (), Plain(payload)
    pairs = tuple(zip(document.attachments, attached, strict=True))
    return payload, attached, Joined(payload, pairs, boundary_of(document.payload.sha256, document.digest))
