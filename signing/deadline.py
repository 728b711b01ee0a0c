"""A judge who was stopped because something had run out: what is said then, and how it is known again."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Final

from signing.chain import CertificateVerdict
from signing.refusal import Refused
from signing.verdict import Check, CheckStatus, Reason, Verdict

DEADLINE: Final = "deadline"
"""The check that tells of it: what had run out. Whether it does is the machine's doing, not the certificate's, so such
a verdict stands as it was recorded and is not taken again."""


def unfinished(leaf_der: bytes, at: datetime, spent: str) -> CertificateVerdict:
    """What is said where the judge was stopped because `spent` had run out (EN 319 102-1: a processing error).

    Refused and not held: the same certificate will take the same time again.
    """
    refused = Refused(Reason.PROCESSING, f"judging the path took more than {spent}")
    stopped = Check(DEADLINE, refused.check().block, CheckStatus.NOT_OK, spent)
    digest = hashlib.sha256(leaf_der).hexdigest()
    return CertificateVerdict(
        refused.sub_indication, refused.reason, at, digest, None, checks=(stopped, refused.check())
    )


def stopped_by(verdict: Verdict) -> str | None:
    """What had run out before the certificate of this signature was judged to the end; `None` where nothing had."""
    return next((check.observed for check in verdict.checks if check.id == DEADLINE), None)
