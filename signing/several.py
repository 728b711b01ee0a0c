"""One verdict on a package with several signatures: that on the primary one, turned by the worst of the others.

Every signature beside the primary one must be good as well: whoever takes the package takes all of them. A
countersignature stands in an unsigned property, which anybody can add: one that nobody trusts changes nothing, one that
is false breaks the one true shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from signing.policy import Mode
from signing.refusal import Refused
from signing.verdict import Check, CheckStatus, Indication, Reason, SignatureRole, SubIndication, Verdict

_FALSE: Final = frozenset(
    {
        Reason.STRUCTURE,
        Reason.DUPLICATE_ID,
        Reason.REFERENCE,
        Reason.TRANSFORM,
        Reason.C14N,
        Reason.NAMESPACE,
        Reason.LIMIT,
        Reason.KEYINFO,
        Reason.COVERAGE,
        Reason.DIGEST,
        Reason.VALUE,
        Reason.TIMESTAMP,
    }
)
"""What is wrong with a countersignature itself. An old algorithm or a certificate that is not believed is no lie."""


def is_countersignature(verdict: Verdict) -> bool:
    return verdict.role is SignatureRole.COUNTERSIGNATURE


def countersigned(each: Sequence[Verdict], mode: Mode) -> tuple[Verdict, ...]:
    """The same verdicts, where a signature that holds a false countersignature is good no longer under `mode`."""
    if mode is not Mode.REQUIRED:
        return tuple(each)
    false = [one for one in each if is_countersignature(one) and one.reason in _FALSE]
    return tuple(verdict if is_countersignature(verdict) else _broken(verdict, false) for verdict in each)


def _broken(verdict: Verdict, false: Sequence[Verdict]) -> Verdict:
    for one in false:
        if one.place.startswith(f"{verdict.place}/"):
            refused = Refused(Reason.COUNTERSIGNATURE, f"{one.place}: {one.reason}", sub_indication=one.sub_indication)
            return verdict.turned(refused.sub_indication, refused.reason, refused.check())
    return verdict


def joined(each: Sequence[Verdict], primary: int = 0) -> Verdict:
    """The verdict on a package whose signatures were judged one by one.

    `primary` is the number of one that is no countersignature. What it says of its signature stays; what it concludes
    is the worst of all that stand beside it.
    """
    told = [_told(verdict, number == primary) for number, verdict in enumerate(each)]
    verdict = told.pop(primary)
    beside = [one for one in told if not is_countersignature(one)]
    for one in sorted(beside, key=_weight, reverse=True)[:1]:
        if _weight(one) > _weight(verdict):
            found = f"{one.place}: {one.reason}"
            check = Check("other-signature", "vpr", CheckStatus.NOT_OK, found, "every signature is good")
            verdict = replace(
                verdict,
                indication=one.indication,
                sub_indication=one.sub_indication,
                reason=one.reason,
                checks=(*verdict.checks, check),
            )
    ends = [one.valid_until for one in (verdict, *beside) if one.valid_until is not None]
    whole = any(one.profile == "enveloped" for one in (verdict, *beside))
    return replace(
        verdict,
        # Who asks whether something may be added to the package asks all of its signatures.
        profile="enveloped" if whole else verdict.profile,
        valid_until=min(ends, default=None),
        others=tuple(told),
    )


def _told(verdict: Verdict, is_primary: bool) -> Verdict:
    if is_countersignature(verdict):
        return verdict
    return replace(verdict, role=SignatureRole.PRIMARY if is_primary else SignatureRole.PARALLEL)


def _weight(verdict: Verdict) -> int:
    """What outweighs what. Not verifiable is the least of the doubts, because a profile may let it in; one that waits
    for evidence is next, because evidence can mend it."""
    if verdict.passed:
        return 0
    if verdict.sub_indication is SubIndication.NOT_VERIFIABLE:
        return 1
    if verdict.sub_indication is SubIndication.TRY_LATER:
        return 2
    return 3 if verdict.indication is Indication.INDETERMINATE else 4
