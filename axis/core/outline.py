"""A document as far as its statuses need it: most of it, the verdict above all, has no part in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from axis.core.model import DocumentRef
from axis.core.states import IntakeState
from schemas.codes import AgencyCode


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


@dataclass(frozen=True, slots=True)
class Outline:
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
