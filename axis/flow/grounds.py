"""The grounds of a verdict: what it was taken from besides the package, kept with the document that it let in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from axis.core.binding import Bindings
from axis.core.model import EvidenceRecord
from axis.flow.context import Context
from axis.flow.known import Known
from schemas.codes import AgencyCode
from signing.evidence import gather
from signing.piece import Frame, Piece, piece
from signing.verdict import BINDING, Verdict, kept_evidence
from signing.verify import Certified


@dataclass(frozen=True, slots=True)
class Grounds:
    """What the verdicts on a package's signatures were taken under.

    `certified` says for each whom we believed, `frames` what else was asked for. `leaves` are the signers' certificates
    (DER), which came with the package. `bindings` were asked about `sender`.
    """

    certified: tuple[Certified, ...] = ()
    frames: tuple[Frame, ...] = ()
    leaves: tuple[bytes, ...] = ()
    bindings: Bindings | None = None
    sender: AgencyCode | None = None

    def pieces(self, verdict: Verdict) -> tuple[Piece, ...]:
        """The octets of everything that must be kept for `verdict`."""
        stamps = (stamp for one in self.certified for stamp in one.proof.timestamps)
        brought = (*self.leaves, *(stamp.certificate for stamp in stamps if stamp.certificate))
        made = (*(piece for one in self.frames for piece in one.pieces), *self._bound(verdict))
        return gather(verdict, (one.trust for one in self.certified), brought, made)

    def _bound(self, verdict: Verdict) -> Iterator[Piece]:
        if self.bindings is None:
            return
        for one in (verdict, *verdict.others):
            if one.signer is not None:
                for agency in (self.sender, None):
                    yield piece(BINDING, self.bindings.octets(one.signer.certificate, agency))


NO_GROUNDS: Final = Grounds()


def evidence_of(verdict: Verdict, grounds: Grounds, known: Known) -> tuple[Piece, ...]:
    """The octets of the verdict's evidence; nothing where all of it is stored already, which costs less."""
    return grounds.pieces(verdict) if known.lacks(kept_evidence(verdict)) else ()


async def make_ready(pieces: Iterable[Piece], ctx: Context) -> Collection[EvidenceRecord]:
    """What of `pieces` is not stored yet, to be put into the transaction that stores the verdict which rests on them.

    Large octets are durable under their digest when this returns. Afterwards, `ctx.known.add` what was committed.
    """
    by_name = {one.sha256: one for one in pieces}
    missing = ctx.known.lacks(by_name)
    records = []
    for name, one in by_name.items():
        if name in missing:
            ref, inline = await ctx.store.shelve(one.octets)
            assert ref.sha256 == name
            records.append(EvidenceRecord(one.kind, ref, inline))
    return tuple(records)
