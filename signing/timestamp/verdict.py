"""What was asked of a time-stamping authority, and what its token is worth."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from signing.verdict import Check, Evidence, Reason, Signer, SubIndication


@dataclass(frozen=True, slots=True)
class Query:
    """What we asked for: the hash (a name of `hashlib`) of the imprint, our nonce, a policy (dotted OID) or any."""

    hash_name: str
    nonce: int | None = None
    policy: str | None = None


_FALSE: Final = frozenset({Reason.STRUCTURE, Reason.DIGEST, Reason.VALUE})


@dataclass(frozen=True, slots=True)
class TimestampVerdict:
    """Kết quả kiểm tra một dấu thời gian. `sub_indication` is `None` when the token proves its time.

    `genuine` where the token itself is right: structure, imprint, value. Only then the facts after it are set; they
    are as the authority wrote them, never corrected. `at` is when it was judged, `sha256` of the token's octets, hex,
    `certificate` the authority's (DER), as the token or the message brought it.
    """

    sub_indication: SubIndication | None
    reason: Reason
    at: datetime
    sha256: str
    genuine: bool = False
    gen_time: datetime | None = None
    accuracy: timedelta = timedelta(0)
    serial: str = ""
    policy_oid: str = ""
    hash_name: str = ""
    signer: Signer | None = None
    path: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    checks: tuple[Check, ...] = ()
    quirks: tuple[str, ...] = ()
    valid_until: datetime | None = None
    certificate: bytes = field(default=b"", repr=False)

    @property
    def proven_at(self) -> datetime | None:
        """When what was stamped existed at the latest: genTime plus its accuracy. `None` where nothing is proved."""
        if self.sub_indication is not None or self.gen_time is None:
            return None
        return self.gen_time + self.accuracy

    @property
    def waits(self) -> bool:
        """The token is right, and all that is missing is a word on whether its authority was revoked, which can still
        come: no list tells of a certificate that has ended (RFC 5280 §3.3)."""
        unknown = self.sub_indication is SubIndication.TRY_LATER
        return unknown and self.signer is not None and self.at <= self.signer.not_after

    @property
    def is_false(self) -> bool:
        """The token is wrong in itself: of something else, altered, or no token. More evidence cannot mend it."""
        return not self.genuine and self.reason in _FALSE
