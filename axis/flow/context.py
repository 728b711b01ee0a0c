"""Everything a flow needs, put together once by `axis.app`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from axis.core.applied import Applied
from axis.core.canonical import Json
from axis.core.clock_hint import Heard
from axis.core.hands import Sink
from axis.core.model import DocumentRef, NewId, Profile, StatusReport
from axis.core.network import Network
from axis.core.ports import LostRace, Store
from axis.core.problems import Kind, Problem, Unavailable
from axis.core.receipt import seal
from axis.core.retry import RetryPolicy
from axis.core.statuses import Party
from axis.flow.admission import Admission
from axis.flow.clock import holds
from axis.flow.evidence import EvidenceKeeper
from axis.flow.known import Known
from axis.flow.pathworker import PathWorker
from axis.flow.pdfworker import PdfWorker
from axis.flow.traffic import Traffic
from schemas.limits import FieldLimits, XmlLimits
from signing.chain import CertificateCache, Trust
from signing.policy import SignaturePolicy


@dataclass(frozen=True, slots=True)
class ReceiptKey:
    """Signs receipts: Ed25519, so that the same receipt has the same bytes for ever."""

    id: str
    sign: Callable[[bytes], bytes]
    blocks: bool = False
    """It asks a device: never on the event loop."""
    ready: Callable[[], bool] = lambda: True
    """Says whether it signed so lately that it will now."""

    def seal(self, body: Mapping[str, Json]) -> bytes:
        """A body with this key's id and signature: what a receipt or a notice is."""
        return seal(body, self.id, self.sign)


class Outdated(LostRace):
    """The configuration has changed since what is decided was asked about."""


@dataclass(slots=True)
class Context:
    """The daemon's means. `network`, `trust`, `sinks` and the windows of `traffic` are snapshots that a reload
    exchanges, on the event loop and in one step (`axis.reload`); the rest stays.

    Who decides reads `network` once: a body of a transaction runs in a thread, and what it read a second time could be
    another one. What was asked of one and is decided under another raises `Outdated` there, and is asked again.

    `now`, `new_id`, `nonce` (32 octets, hex) and `jitter` (0 to 1) are given, never taken from the system here.
    `log_behind` answers how long the oldest unsequenced log entry has waited.
    """

    store: Store
    network: Network
    trust: Trust
    policies: Mapping[Profile, SignaturePolicy]
    certificates: CertificateCache
    sinks: Mapping[str, Sink]
    receipt_key: ReceiptKey
    retry: RetryPolicy
    now: Callable[[], datetime]
    new_id: NewId
    nonce: Callable[[], str]
    jitter: Callable[[], float]
    xml_limits: XmlLimits = field(default_factory=XmlLimits)
    field_limits: FieldLimits = field(default_factory=FieldLimits)
    merge_delay: timedelta = timedelta(seconds=5)
    log_stale: timedelta = timedelta(minutes=10)
    lease: timedelta = timedelta(seconds=60)
    traffic: Traffic = field(default_factory=lambda: Traffic.of({}))
    inline_judging_bytes: int = 131_072
    admission: Admission = field(default_factory=Admission)
    """Who may begin to hand something over."""
    log_behind: Callable[[], timedelta] = timedelta
    clock_off: Callable[[], timedelta] = timedelta
    """How much further the wall clock has gone than the time that went by since the process began."""
    wall: Callable[[], datetime] | None = None
    """The wall clock whatever it does, for certificates; `now` does not follow it where it jumps."""
    heard: Callable[[Heard, str, datetime], None] = lambda by, who, theirs: None
    """Takes a time that somebody who was authenticated told just now (`axis.flow.hearing`)."""
    clock_doubt: Callable[[], timedelta | None] = lambda: None
    """How much the wall clock is ahead, below zero behind, by what others say; `None` where nothing does."""
    written: asyncio.Event = field(default_factory=asyncio.Event)
    """Set after each transaction that may have made work: the dispatcher waits for it."""
    log_written: Callable[[], None] = lambda: None
    """Tells the sequencer the same."""
    paths: PathWorker | None = None
    """Judges certificates that the cache does not know; without it a thread does."""
    pdfs: PdfWorker | None = None
    """Judges the PDFs inside attachments; without it, and where the site's rule is `off`, nobody does."""
    attachments_came: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a document with such attachments was accepted, and when we believe in something new."""
    evidence: EvidenceKeeper | None = None
    """Fetches what is missing about revocation; without it only the operator's files count."""
    known: Known = field(default_factory=Known)
    """What of the evidence under verdicts is stored already."""
    parties: dict[str, Party] = field(default_factory=dict)
    """Who reported statuses for itself, by its connection: what was asked for it is kept. Of bodies of transactions."""
    recorded: list[tuple[str, StatusReport]] = field(default_factory=list)
    """Statuses that were recorded one by one, and by whom, of which the operational log was not told yet."""
    applied: Applied | None = None
    """Which configuration is in force; without one nobody reloads."""
    newest: DocumentRef | None = None
    """The document for which this process gave its newest receipt."""
    refused: Counter[Kind] = field(default_factory=Counter)
    """How often each kind of problem was answered at the agencies' listener since this process began."""
    evidence_came: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when we believe in something new: held documents are judged again at once."""

    @property
    def node(self) -> str:
        """The name of this node, which no reload changes."""
        return self.network.node

    def see_current(self, network: Network) -> None:
        """`Outdated` where another one is in force now. In a body of a transaction, before it decides."""
        if self.network is not network:
            raise Outdated("the configuration has changed meanwhile")

    def wake(self) -> None:
        self.written.set()
        self.log_written()

    @property
    def clock_holds(self) -> bool:
        return holds(self.clock_off())

    def judged_at(self) -> datetime:
        """The time to judge certificates by."""
        return (self.wall or self.now)()

    def refuse_when_log_is_stale(self) -> None:
        """No log, no service: raise `Unavailable(LOG_STALE)` when the log has not kept up."""
        if self.log_behind() > self.log_stale:
            raise Unavailable(Problem(Kind.LOG_STALE), retry_after_s=30)
