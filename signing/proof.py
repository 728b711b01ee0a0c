"""What time stamps prove of a signature, and its certificate judged for the time that is proved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from signing.chain import CertificateVerdict, Trust, judge_certificate, with_seen
from signing.policy import SignaturePolicy
from signing.refusal import Refused
from signing.revocation.seen import Seen
from signing.timestamp import TimestampVerdict
from signing.verdict import Reason, SubIndication


@dataclass(frozen=True)
class Proof:
    """What the time stamps of a signature prove.

    `at` is the earliest time by which the signature is proved to have existed; `None` where no token is believed.
    `waiting` is the same of tokens that lack only revocation evidence.
    """

    timestamps: tuple[TimestampVerdict, ...] = ()
    at: datetime | None = None
    waiting: datetime | None = None

    @property
    def earliest(self) -> datetime | None:
        """The earliest time that a believed token tells, by its authority's clock: `at` is never after ours."""
        return min((one.proven_at for one in self.timestamps if one.proven_at is not None), default=None)


NO_PROOF: Final = Proof()


def proof_of(timestamps: Sequence[TimestampVerdict], at: datetime) -> Proof:
    """What these prove at the time `at`."""
    proven = [one.proven_at for one in timestamps if one.proven_at is not None]
    waiting = (one.gen_time + one.accuracy for one in timestamps if one.waits and one.gen_time is not None)
    # An authority's clock may be a little ahead of ours; the signature lies before us all the same.
    return Proof(tuple(timestamps), min((at, *proven)) if proven else None, min(waiting, default=None))


def judge_proven(leaf: bytes, trust: Trust, at: datetime, policy: SignaturePolicy, proof: Proof) -> CertificateVerdict:
    """Judge the certificate for the time that is proved, or for `at`.

    What fails now, and would be good at the time of a token that lacks only evidence of revocation, waits with it.
    """
    seen = Seen()
    verdict = judge_certificate(leaf, trust, at, policy, proven=proof.at, seen=seen)
    if verdict.sub_indication is None or proof.waiting is None or verdict.sub_indication is SubIndication.TRY_LATER:
        return verdict
    later = judge_certificate(leaf, trust, at, policy, proven=min(at, proof.waiting), seen=seen)
    verdict = with_seen(verdict, seen)
    if later.sub_indication is not None:
        return verdict
    missing = Refused(Reason.REVOCATION_UNKNOWN, "the time stamp's authority")
    return replace(
        verdict,
        sub_indication=missing.sub_indication,
        reason=missing.reason,
        checks=(*verdict.checks, missing.check()),
    )
