"""Who is at the other end of a connection."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from axis.core.registry import Path


class Role(StrEnum):
    """What the other end of a connection is."""

    AGENCY = "agency"  # an agency's document-management system (phần mềm quản lý văn bản)
    NODE = "node"  # a neighbouring axis
    NATIONAL = "national"  # Trục liên thông văn bản quốc gia
    OPERATOR = "operator"  # people who run this node


class Profile(StrEnum):
    """What a connection's packages must carry. `docs/verdicts.md` shows what each lets in."""

    REQUIRED = "required"
    VERIFY_IF_PRESENT = "verify-if-present"
    LEGACY_TOLERATED = "legacy-tolerated"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is at the other end: an authenticated connection. It may act only for agencies below `authority`."""

    name: str
    role: Role
    authority: tuple[Path, ...] = ()
    profile: Profile = Profile.REQUIRED
