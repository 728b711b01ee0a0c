"""What the verdicts on an attachment rest on, as octets: beside the evidence under the package's own verdict.

All PDFs of an attachment are judged under one policy, at one time and with the same trust, so they share their frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from signing.evidence import frame
from signing.pdf.verdict import AttachmentVerdicts, PdfSignature
from signing.piece import Frame, Piece
from signing.policy import SignaturePolicy
from signing.trust import Trust
from signing.verdict import HINT, KEPT, Evidence


def grounded(
    found: AttachmentVerdicts, policy: SignaturePolicy, trust: Trust
) -> tuple[AttachmentVerdicts, tuple[Piece, ...]]:
    """The verdicts with the names of all that must be kept for them, and its octets.

    Nothing for an attachment without a PDF: nobody was asked about. `KeyError` where the verdicts are of another trust.
    """
    if not found.entries:
        return found, ()
    frames = frame(_rows(found), policy, trust)
    named = replace(found, evidence=frames.rows)
    return named, tuple(_pieces(named, frames, trust))


def _each(found: AttachmentVerdicts) -> Iterator[PdfSignature]:
    for entry in found.entries:
        yield from entry.verdict.signatures
        yield from entry.verdict.timestamps


def _rows(found: AttachmentVerdicts) -> list[Evidence]:
    return [row for one in _each(found) for row in one.verdict.evidence]


def _pieces(found: AttachmentVerdicts, frames: Frame, trust: Trust) -> Iterator[Piece]:
    brought = {name: der for one in _each(found) for name, der in one.brought.items()}
    known = {**brought, **{one.sha256: one.octets for one in frames.pieces}}
    rows = (*_rows(found), *found.evidence)
    wanted = {row.sha256: row.kind for row in rows if row.kind in KEPT and row.source != HINT}
    for name, kind in wanted.items():
        yield Piece(kind, name, known[name] if name in known else trust.octets[name])
