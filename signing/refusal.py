"""Why the judge stops: one exception inside the room, turned into a verdict at its door."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from signing.policy import Mode
from signing.verdict import Check, CheckStatus, Reason, SubIndication


class Refused(Exception):
    """A rule did not hold. Never leaves `signing`.

    `sub_indication` overrides what the reason usually means; `unverifiable` marks what is no signature of ours at all,
    so that a tolerant mode may record it instead of failing it.
    """

    def __init__(
        self,
        reason: Reason,
        observed: str = "",
        required: str = "",
        *,
        sub_indication: SubIndication | None = None,
        unverifiable: bool = False,
    ) -> None:
        super().__init__(reason, observed)
        self.reason = reason
        self.observed = observed[:200]
        self.required = required
        self.sub_indication = sub_indication or MEANING[reason]
        self.unverifiable = unverifiable

    def under(self, mode: Mode) -> SubIndication:
        """The sub-indication that stands in the verdict under `mode`.

        A dialect that cannot be judged is "not verifiable" where the connection tolerates that; a duplicated Id or an
        exceeded limit is no dialect, and what was judged and found wrong stays found wrong.
        """
        if mode is Mode.REQUIRED:
            return self.sub_indication
        if self.unverifiable or (mode is Mode.LEGACY_TOLERATED and self._is_dialect()):
            return SubIndication.NOT_VERIFIABLE
        return self.sub_indication

    def _is_dialect(self) -> bool:
        return self.sub_indication in _DIALECT and self.reason not in _ATTACK

    def check(self) -> Check:
        return Check(self.reason.value, BLOCK[self.reason], CheckStatus.NOT_OK, self.observed, self.required)


def beyond(observed: str, most: int) -> Refused:
    """Too much to be judged is doubt; a long revocation list in a CMS is no crime."""
    return Refused(Reason.LIMIT, observed, f"at most {most}", sub_indication=SubIndication.POLICY_PROCESSING_ERROR)


MEANING: Final[Mapping[Reason, SubIndication]] = MappingProxyType(
    {
        Reason.STRUCTURE: SubIndication.FORMAT_FAILURE,
        Reason.DUPLICATE_ID: SubIndication.FORMAT_FAILURE,
        Reason.REFERENCE: SubIndication.FORMAT_FAILURE,
        Reason.TRANSFORM: SubIndication.FORMAT_FAILURE,
        Reason.C14N: SubIndication.FORMAT_FAILURE,
        Reason.LIMIT: SubIndication.FORMAT_FAILURE,
        Reason.NAMESPACE: SubIndication.FORMAT_FAILURE,
        Reason.ALGORITHM: SubIndication.CRYPTO_CONSTRAINTS_FAILURE,
        Reason.WEAK_KEY: SubIndication.CRYPTO_CONSTRAINTS_FAILURE,
        Reason.KEYINFO: SubIndication.NO_SIGNING_CERTIFICATE_FOUND,
        Reason.COVERAGE: SubIndication.SIG_CONSTRAINTS_FAILURE,
        Reason.TIME: SubIndication.SIG_CONSTRAINTS_FAILURE,
        Reason.TIMESTAMP: SubIndication.HASH_FAILURE,
        Reason.COUNTERSIGNATURE: SubIndication.SIG_CONSTRAINTS_FAILURE,
        Reason.DIGEST: SubIndication.HASH_FAILURE,
        Reason.VALUE: SubIndication.SIG_CRYPTO_FAILURE,
        Reason.KEY_USAGE: SubIndication.CHAIN_CONSTRAINTS_FAILURE,
        Reason.UNTRUSTED: SubIndication.NO_CERTIFICATE_CHAIN_FOUND,
        Reason.EXPIRED: SubIndication.EXPIRED,
        Reason.NOT_YET_VALID: SubIndication.NOT_YET_VALID,
        Reason.REVOKED: SubIndication.REVOKED,
        Reason.CA_REVOKED: SubIndication.REVOKED_CA_NO_POE,
        Reason.REVOCATION_UNKNOWN: SubIndication.TRY_LATER,
        Reason.CHAIN: SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE,
        Reason.PROCESSING: SubIndication.POLICY_PROCESSING_ERROR,
    }
)
"""The words of EN 319 102-1 (ADR 0005). `REVOKED` and not `REVOKED_NO_POE`: we judge at the time of receipt, and
nothing proves that the signature existed earlier."""

BLOCK: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        **dict.fromkeys(MEANING, "format"),
        Reason.KEYINFO: "isc",
        Reason.DIGEST: "cv",
        Reason.VALUE: "cv",
        Reason.REFERENCE: "cv",
        Reason.ALGORITHM: "sav",
        Reason.WEAK_KEY: "sav",
        Reason.COVERAGE: "sav",
        Reason.TIME: "sav",
        Reason.TIMESTAMP: "tst",
        Reason.KEY_USAGE: "xcv",
        Reason.UNTRUSTED: "xcv",
        Reason.EXPIRED: "xcv",
        Reason.NOT_YET_VALID: "xcv",
        Reason.REVOKED: "xcv",
        Reason.CA_REVOKED: "xcv",
        Reason.REVOCATION_UNKNOWN: "xcv",
        Reason.CHAIN: "xcv",
        Reason.PROCESSING: "vpr",
    }
)

_DIALECT: Final = frozenset(
    {
        SubIndication.FORMAT_FAILURE,
        SubIndication.NO_SIGNING_CERTIFICATE_FOUND,
        SubIndication.CRYPTO_CONSTRAINTS_FAILURE,
        SubIndication.SIGNED_DATA_NOT_FOUND,
    }
)
_ATTACK: Final = frozenset({Reason.DUPLICATE_ID, Reason.LIMIT})


@lru_cache(maxsize=512)
def passed(reason: Reason, observed: str = "", required: str = "") -> Check:
    """The row of a rule that held. Cached: most signatures give the same dozen rows."""
    return Check(reason.value, BLOCK[reason], CheckStatus.OK, observed, required)
