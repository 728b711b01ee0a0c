"""Our hands at the national axis: the one that delivers, and the one that fetches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from functools import partial
from typing import Final

import structlog

from adapters.answers import peer_ref
from adapters.national.client import VxpClient
from adapters.national.joined import Joined, join
from adapters.national.vxp import Code, MessageType, State
from axis.core.hands import Consignment, Handover, Incoming
from axis.core.model import Cargo
from axis.core.payload import Made
from axis.core.problems import Kind, Problem, ProblemError, Refused, Unavailable
from schemas.codes import AgencyCode, CodeError
from schemas.write import with_trace

log = structlog.get_logger()

_FINISHED: Final = frozenset({State.DONE.value, State.FAIL.value})
_ABOUT_THE_ITEM: Final = frozenset({Code.BAD_FILE.value, Code.BAD_EDXML.value})

TRACEABLE: Final = frozenset({"parts", "none"})
"""Signature profiles that a hop inside the package does not disturb: parts signed one by one, or none at all."""


def _traced(octets: bytes, organ: AgencyCode, at: datetime) -> Made:
    """A copy for this peer; the stored octets stay as evidence."""
    return Made(with_trace(octets, organ, at))


class NationalSink:
    """Delivers documents and statuses to the national axis. The axis recognises a repeat by its content.

    With `trace_organ` a copy gets this node's own TraceHeader where the signature permits it; the time in it is that of
    acceptance, so a repeat is the same octets. Attachments that lie beside the envelope go back into it: the axis takes
    one XML document.
    """

    def __init__(self, client: VxpClient, trace_organ: AgencyCode | None = None) -> None:
        self._client = client
        self._trace_organ = trace_organ

    async def deliver(self, consignment: Consignment) -> Handover:
        payload = consignment.payload
        joined: Joined | None = None
        status, document = consignment.status, consignment.document
        if consignment.delivery.cargo is Cargo.STATUS:
            assert status is not None, "a status delivery without its status"
            sender, message = status.reporter, MessageType.STATUS
        else:
            assert document is not None, "a document delivery without its document"
            sender, message = document.sender, MessageType.EDOC
            if self._trace_organ is not None and document.verdict.profile in TRACEABLE:
                payload = await asyncio.to_thread(
                    _traced, await payload.read(), self._trace_organ, consignment.hops[-1].at
                )
            if consignment.attached:
                if document.verdict.profile not in TRACEABLE:
                    told = "the signature does not hold in the one form that the national axis takes"
                    raise Refused(Problem(Kind.DESTINATION_REFUSED, told))
                records, octets = document.attachments, await payload.read()
                joined = await asyncio.to_thread(join, octets, records, consignment.attached)
        if joined is not None:
            digest = await joined.digest()
            doc_id = await self._client.send_edoc(sender, message, joined.chunks(), joined.size, digest)
            return Handover(peer_ref(doc_id))
        ref = payload.ref
        doc_id = await self._client.send_edoc(sender, message, payload.chunks(), ref.size, bytes.fromhex(ref.sha256))
        return Handover(peer_ref(doc_id))

    async def close(self) -> None:
        await self._client.close()


class NationalSource:
    """Fetches what the national axis holds for our agencies. Delivery is at-least-once: what is not done comes again.

    Entries that we marked `fail` are listed again by the axis and skipped here: their refusal is final.
    """

    def __init__(self, client: VxpClient) -> None:
        self._client = client
        self._unknown: Problem | None = None

    async def poll(self) -> AsyncIterator[Incoming]:
        """Documents first, so that a status finds the document it tells of.

        Octets are fetched only when they are read, and then raise for their own item: `Refused` when the axis itself
        will never give them, `Unavailable` otherwise. So a broken item never blocks the others, nor does a list that
        cannot be had the other one. Who is no longer known there asks for nothing more: some lock those who go on.
        """
        self._unknown = None
        trouble: ProblemError | None = None
        for message in (MessageType.EDOC, MessageType.STATUS):
            try:
                entries = await self._client.received(message)
            except ProblemError as error:
                if _is_unknown(error.problem):
                    raise
                trouble = trouble or error
                continue
            for entry in entries:
                if entry.state.lower() in _FINISHED:
                    continue
                try:
                    receiver = AgencyCode.parse(entry.receiver)
                except CodeError:
                    log.warning("national_entry_skipped", doc_id=entry.doc_id, reason="its receiver is no agency code")
                    continue
                yield Incoming(
                    octets=self._octets(entry.doc_id),
                    only_for=(receiver,),
                    accept=partial(self._client.update_status, entry.doc_id, State.DONE),
                    reject=partial(self._reject, entry.doc_id),
                )
                if self._unknown is not None:
                    raise Unavailable(self._unknown)
        if trouble is not None:
            raise trouble

    async def close(self) -> None:
        await self._client.close()

    async def _octets(self, doc_id: str) -> AsyncIterator[bytes]:
        try:
            async for piece in self._client.get_edoc(doc_id):
                yield piece
        except Unavailable as error:
            if _is_unknown(error.problem):
                self._unknown = error.problem
            raise
        except Refused as error:
            if error.problem.extra.get("code") in _ABOUT_THE_ITEM:
                raise
            raise Unavailable(
                Problem(Kind.DESTINATION_UNAVAILABLE, error.problem.detail, error.problem.extra, error.problem.context)
            ) from None

    async def _reject(self, doc_id: str, _problem: Problem) -> None:
        await self._client.update_status(doc_id, State.FAIL)


def _is_unknown(problem: Problem) -> bool:
    return problem.extra.get("code") == Code.CREDENTIALS
