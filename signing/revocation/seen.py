"""What the judge looked at on its way to an answer.

A judgement asks the store for paths, signers, lists and answers. Whoever keeps all that it was given, and gives just
that to the judge again, gets the same answer: no question is answered in another way than the first time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from signing.revocation.judge import Used
from signing.store import Issuer
from signing.verdict import Evidence

SEEN: Final = "seen"
"""The source of a row that was looked at and is not what the answer rests on: another path, a list out of date."""


@dataclass(slots=True)
class Seen:
    """Filled while judging; of each certificate and statement, by SHA-256, whether the answer rests on it.

    `turns` are the last moments before the answer may be another one, for other reasons than that a statement ends.
    """

    certificates: dict[str, bool] = field(default_factory=dict)
    statements: dict[str, tuple[Used, bool]] = field(default_factory=dict)
    turns: list[datetime] = field(default_factory=list)

    def saw(self, issuers: Iterable[Issuer], *, rests: bool = False) -> None:
        for issuer in issuers:
            self.certificates[issuer.sha256] = rests or self.certificates.get(issuer.sha256, False)

    def heard(self, statements: Iterable[Used], *, rests: bool = False) -> None:
        for one in statements:
            known, rested = self.statements.get(one.sha256, (one, False))
            self.statements[one.sha256] = (known, rests or rested)

    @property
    def ends(self) -> tuple[datetime, ...]:
        """When the statements that the answer rests on stop to be relied on."""
        return tuple(one.end for one, rests in self.statements.values() if rests)

    def rows(self, path: Iterable[str] = (), used: Iterable[Used] = ()) -> tuple[Evidence, ...]:
        """The path and what was used for it first, then what else the answer rests on, then what was only seen."""
        rows = {name: Evidence("certificate", name) for name in path}
        rows |= {one.sha256: _row(one) for one in used}
        for rests in (True, False):
            source = "" if rests else SEEN
            for name, is_so in self.certificates.items():
                if is_so is rests:
                    rows.setdefault(name, Evidence("certificate", name, source))
            for one, is_so in self.statements.values():
                if is_so is rests:
                    rows.setdefault(one.sha256, _row(one, source))
        return tuple(rows.values())


def _row(used: Used, source: str = "") -> Evidence:
    return Evidence(used.kind, used.sha256, source, used.this_update, used.end)
