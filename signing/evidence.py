"""What a verdict rests on, as octets: enough to take the same verdict again, offline, from what is kept.

A verdict names its evidence by kind and SHA-256. Besides certificates, lists and answers these are small pieces of
JSON: the policy and the rules say what we asked for and whom we believed, the binding whom the signer speaks for.
Tokens, and what a message brought along as hints, are in the package itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from signing.piece import Frame, Piece, piece
from signing.policy import SignaturePolicy
from signing.rules import rules_of
from signing.trust import Trust
from signing.verdict import HINT, POLICY, RULES, Evidence, Verdict, kept_evidence

_MOST_REMEMBERED: Final = 4096


def frame(rows: Iterable[Evidence], policy: SignaturePolicy, trust: Trust | None) -> Frame:
    """The policy, and the rules under which all that `rows` name was looked at; hints of the message were not.

    Without `trust` nobody was asked about. Remembered, because the verdicts of one signer look at the same things.
    """
    if trust is None:
        return _frame(Piece(POLICY, policy.sha256, policy.octets))
    seen = (policy.sha256, *[row.sha256 for row in rows if row.source != HINT])
    known = trust.remembered.get(seen)
    if known is None:
        rules = piece(RULES, rules_of(trust, seen[1:]).octets)
        known = _frame(Piece(POLICY, policy.sha256, policy.octets), rules)
        if len(trust.remembered) >= _MOST_REMEMBERED:
            trust.remembered.clear()
        trust.remembered[seen] = known
    return known


def _frame(*pieces: Piece) -> Frame:
    return Frame(pieces, tuple(Evidence(one.kind, one.sha256) for one in pieces))


def gather(
    verdict: Verdict, trusts: Iterable[Trust | None], brought: Iterable[bytes] = (), made: Iterable[Piece] = ()
) -> tuple[Piece, ...]:
    """The octets of everything that must be kept for `verdict` and its `others`.

    `trusts` are what was believed when each was judged, `brought` the certificates (DER) that came with what was
    judged: of signers and of time-stamping authorities. `made` are pieces that are neither. `KeyError` where a row's
    octets are in none of these: then the verdict is not of this trust.
    """
    came = {one.sha256: one.octets for one in (*(piece("certificate", der) for der in brought), *made)}
    known = (came, *(one.octets for one in trusts if one is not None))
    return tuple(Piece(kind, name, _octets(name, known)) for name, kind in kept_evidence(verdict).items())


def _octets(name: str, known: Iterable[Mapping[str, bytes]]) -> bytes:
    for one in known:
        if name in one:
            return one[name]
    raise KeyError(name)
