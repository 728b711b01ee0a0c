"""Whom a certificate speaks for: bindings, kept by the operator because a certificate carries no agency code.

Several certificates may speak for one agency, which is what makes a rollover without a gap, and one certificate may
speak for several agencies (`docs/operations.md`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from axis.core.canonical import canonical
from axis.core.times import parse_rfc3339, rfc3339
from schemas.codes import AgencyCode
from signing.verdict import BINDING, Check, CheckStatus, Evidence, Reason, Signer, SubIndication, Verdict

_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
_END: Final = datetime.max.replace(tzinfo=UTC)


class Standing(StrEnum):
    """Whether a certificate speaks for an agency at one time, and why not."""

    GOOD = "good"
    NONE = "none"  # nobody ever said so
    NOT_YET = "not-yet"  # it will: before its first day, or between two periods
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Binding:
    """One certificate (SHA-256 of its DER, hex) speaks for one agency, from `valid_from` on until before `valid_to`.

    Without `valid_from` it always did, without `valid_to` it still does. Both equal: it was taken back before it began
    and never held. `made_by` and `note` are the operator's words, `origin` is `file:line`, all three for people.
    """

    certificate: str
    agency: AgencyCode
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    note: str = ""
    made_by: str = ""
    origin: str = field(default="", compare=False)

    @property
    def begins(self) -> datetime:
        return self.valid_from or _BEGINNING

    @property
    def ends(self) -> datetime:
        return self.valid_to or _END

    def holds(self, at: datetime) -> bool:
        return self.begins <= at < self.ends

    def meets(self, other: Binding) -> bool:
        """Say whether there is a moment at which both hold."""
        return max(self.begins, other.begins) < min(self.ends, other.ends)


@dataclass(frozen=True, slots=True)
class BindingAnswer:
    """Whether `certificate` speaks for `agency`; `binding` is the row that says so, `None` where there is none."""

    standing: Standing
    certificate: str
    agency: AgencyCode
    binding: Binding | None = None

    @property
    def good(self) -> bool:
        return self.standing is Standing.GOOD

    @property
    def told(self) -> str:
        """One sentence with the facts, for the verdict. It names neither files nor other agencies: senders read it."""
        row, who = self.binding, f"sha256:{self.certificate}"
        if row is None:
            return f"{who} is not bound to {self.agency}"
        since = f" from {rfc3339(row.valid_from)}" if row.valid_from else ""
        until = f" until {rfc3339(row.valid_to)}" if row.valid_to else ""
        return _SENTENCES[self.standing].format(who=who, agency=self.agency, since=since, until=until)


_SENTENCES: Final[Mapping[Standing, str]] = MappingProxyType(
    {
        Standing.GOOD: "{who} speaks for {agency}{since}{until}",
        Standing.NOT_YET: "not yet: {who} speaks for {agency} only{since}{until}",
        Standing.ENDED: "ended: {who} spoke for {agency}{since}{until}",
    }
)


class Bindings:
    """All bindings, looked up by certificate and agency. Immutable.

    `listed` are the certificates that the registry lists beside an agency, without dates. Where `rows` speak of the
    same certificate and agency, only the rows count: what has dates is never widened by what has none.
    """

    def __init__(self, rows: Iterable[Binding] = (), listed: Iterable[Binding] = ()) -> None:
        self.rows = tuple(rows)
        dated = {(row.certificate, row.agency) for row in self.rows}
        self.listed = tuple(listed)
        self._all = (*self.rows, *(one for one in self.listed if (one.certificate, one.agency) not in dated))
        self._by_certificate: dict[str, list[Binding]] = {}
        self._by_agency: dict[AgencyCode, list[Binding]] = {}
        self._said: dict[tuple[str, AgencyCode | None], tuple[bytes, Evidence]] = {}
        for one in sorted(self._all, key=lambda one: one.begins):
            self._by_certificate.setdefault(one.certificate, []).append(one)
            self._by_agency.setdefault(one.agency, []).append(one)

    def __iter__(self) -> Iterator[Binding]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def of_certificate(self, certificate: str) -> tuple[Binding, ...]:
        """Everything that is said of one certificate, in the order of time."""
        return tuple(self._by_certificate.get(certificate, ()))

    def of_agency(self, agency: AgencyCode) -> tuple[Binding, ...]:
        """Everything that is said of one agency, in the order of time."""
        return tuple(self._by_agency.get(agency, ()))

    def octets(self, certificate: str, agency: AgencyCode | None) -> bytes:
        """All that is known of these two, or of the certificate and any agency, as canonical JSON, for `read_bindings`.
        Names no person."""
        return self._told(certificate, agency)[0]

    def evidence(self, certificate: str, agency: AgencyCode | None) -> Evidence:
        """The row of a verdict that names `octets`."""
        return self._told(certificate, agency)[1]

    def _told(self, certificate: str, agency: AgencyCode | None) -> tuple[bytes, Evidence]:
        known = self._said.get((certificate, agency))
        if known is not None:
            return known
        rows = [one for one in self.of_certificate(certificate) if agency is None or one.agency == agency]
        rows.sort(key=lambda one: (one.agency.text, one.begins, one.ends))  # however they were put together
        told = [(one.agency.text, _text(one.valid_from), _text(one.valid_to)) for one in rows]
        said = canonical(
            {
                "v": VERSION,
                "type": TYPE,
                "certificate": certificate,
                "agency": None if agency is None else agency.text,
                "rows": [[*one] for one in dict.fromkeys(told)],
            }
        )
        known = said, Evidence(BINDING, hashlib.sha256(said).hexdigest())
        if rows:  # strangers do not fill our memory
            self._said[certificate, agency] = known
        return known

    def speaks_for(self, certificate: str, agency: AgencyCode, at: datetime) -> BindingAnswer:
        """Say whether `certificate` speaks for `agency` at `at`. `at` is the time the signature is judged at."""
        rows = [one for one in self._by_certificate.get(certificate, ()) if one.agency == agency]
        holding = next((one for one in rows if one.holds(at)), None)
        if holding is not None:
            return BindingAnswer(Standing.GOOD, certificate, agency, holding)
        coming = next((one for one in rows if at < one.begins < one.ends), None)
        if coming is not None:
            return BindingAnswer(Standing.NOT_YET, certificate, agency, coming)
        past = max((one for one in rows if one.begins < one.ends), key=lambda one: one.ends, default=None)
        if past is not None:
            return BindingAnswer(Standing.ENDED, certificate, agency, past)
        return BindingAnswer(Standing.NONE, certificate, agency)


VERSION: Final = 1
TYPE: Final = "axis-binding"


def read_bindings(octets: bytes) -> Bindings:
    """Read `Bindings.octets`, octet for octet. `ValueError` for anything else, also for another version."""
    try:
        said = json.loads(octets)
        certificate = said["certificate"]
        agency = None if said["agency"] is None else AgencyCode.parse(said["agency"])
        read = Bindings(
            Binding(certificate, AgencyCode.parse(code), _instant(begins), _instant(ends))
            for code, begins, ends in said["rows"]
        )
        same = read.octets(certificate, agency) == octets
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError("not a binding of this version") from error
    if not same:
        raise ValueError("not a binding of this version")
    return read


def _text(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else parse_rfc3339(text)


def hold_to_binding(
    verdict: Verdict, sender: AgencyCode, bindings: Bindings, rows: tuple[Evidence, ...] = ()
) -> Verdict:
    """A good signature of somebody else is no signature: the certificate must speak for the sender, at that time.

    That is now, or when a time stamp proves that it was signed already (ADR 0022). The verdict names what was known of
    the two as evidence of the kind `binding`, after `rows`, which it is given beside its own.
    """
    signer = verdict.signer
    if signer is None:
        return replace(verdict, evidence=(*verdict.evidence, *rows)) if rows else verdict
    evidence = (*verdict.evidence, *rows, bindings.evidence(signer.certificate, sender))
    answer, asked_at = ask(verdict, signer.certificate, sender, bindings)
    check = Check(
        "certificate-binding",
        "sav",
        CheckStatus.OK if answer.good else CheckStatus.NOT_OK,
        observed=answer.told,
        required=f"a certificate that speaks for {sender} at {rfc3339(asked_at)}",
    )
    if not answer.good:
        verdict = replace(verdict, evidence=evidence)
        return verdict.turned(SubIndication.SIG_CONSTRAINTS_FAILURE, Reason.NOT_BOUND, check)
    return replace(verdict, signer=_for(signer, sender.text), checks=(*verdict.checks, check), evidence=evidence)


@lru_cache(maxsize=1024)
def _for(signer: Signer, agency: str) -> Signer:
    """The signer, speaking for that agency. Remembered, because its written form is (`signing.rows`)."""
    return replace(signer, speaks_for=(agency,))


def name_agencies(verdict: Verdict, bindings: Bindings, rows: tuple[Evidence, ...] = ()) -> Verdict:
    """Say for whom the signer speaks at that time, where that decides nothing: he signed beside somebody else.

    Evidence as in `hold_to_binding`, but of all agencies: his silence for the sender is part of what was decided.
    """
    if verdict.signer is None:
        return replace(verdict, evidence=(*verdict.evidence, *rows)) if rows else verdict
    known = bindings.of_certificate(verdict.signer.certificate)
    agencies = sorted({row.agency.text for row in known if row.holds(verdict.at)})
    evidence = (*verdict.evidence, *rows, bindings.evidence(verdict.signer.certificate, None))
    return replace(verdict, signer=replace(verdict.signer, speaks_for=tuple(agencies)), evidence=evidence)


def ask(verdict: Verdict, certificate: str, sender: AgencyCode, bindings: Bindings) -> tuple[BindingAnswer, datetime]:
    """The answer for now, else for the proven time, and which of the two it is.

    A stamp may only help: nothing of it is signed, so whoever it harmed would take it off.
    """
    now, proven = bindings.speaks_for(certificate, sender, verdict.at), verdict.best_signature_time
    if now.good or proven is None:
        return now, verdict.at
    then = bindings.speaks_for(certificate, sender, proven)
    return (then, proven) if then.good else (now, verdict.at)
