"""A document, and what was reported of it, as far as its next status needs it: most of both has no part in that."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple, Protocol

from axis.core.model import DocumentRef, StatusRef
from axis.core.states import IntakeState
from axis.core.times import parse_rfc3339
from schemas.codes import AgencyCode
from schemas.status import BY_WIRE, Status


class Concerned(Protocol):
    """The document that a status is told of: a whole `Document`, or its `Outline`."""

    @property
    def ref(self) -> DocumentRef: ...
    @property
    def sender(self) -> AgencyCode: ...
    @property
    def recipients(self) -> Sequence[AgencyCode]: ...
    @property
    def state(self) -> IntakeState: ...
    @property
    def by(self) -> str: ...
    @property
    def document_id(self) -> str: ...
    @property
    def number(self) -> str: ...
    @property
    def issued_on(self) -> date | None: ...
    @property
    def concerns(self) -> str: ...
    @property
    def crossed(self) -> bool: ...


class Outline(NamedTuple):
    """What `Concerned` says, read alone. The fields mean what they mean in `Document`."""

    ref: DocumentRef
    sender: AgencyCode
    recipients: tuple[AgencyCode, ...]
    state: IntakeState
    by: str
    document_id: str
    number: str
    issued_on: date | None
    concerns: str
    crossed: bool


class Earlier(Protocol):
    """What was reported before of a document at one receiver: a whole `StatusReport`, or what is `Said` there."""

    @property
    def wire(self) -> str: ...
    @property
    def at(self) -> datetime: ...
    @property
    def status(self) -> Status | None: ...


class Said(NamedTuple):
    """What of an earlier status decides what comes next, as stored. `receiver` is a code, `told_at` an instant."""

    ref: StatusRef
    document: DocumentRef
    receiver: str
    wire: str
    told_at: str

    @property
    def at(self) -> datetime:
        return parse_rfc3339(self.told_at)

    @property
    def status(self) -> Status | None:
        return BY_WIRE.get(self.wire)
