"""What all the evidence at hand says about one certificate: good, revoked, or nothing that can be relied on.

Revoked wins over everything, also where it stands in a list that is out of date: revoked is final. Good takes a
statement in force. "Not listed anywhere" is no statement, and a responder's "unknown" outweighs a list's silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509

from signing.revocation.crl import PLAIN, Crl, Entry, Freshness
from signing.revocation.name import NameKey, name_key
from signing.revocation.ocsp import Answer, Single, Status, signer_of, target_of, time_is_sound
from signing.revocation.point import ALL_REASONS, Scope, points_of

GOOD_HASHES: Final = frozenset({"sha256", "sha384", "sha512"})


@dataclass(frozen=True, slots=True)
class Rules:
    """`hashes` are those that may stand under a list or an answer."""

    freshness: Freshness = PLAIN
    hashes: frozenset[str] = GOOD_HASHES


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """Was `certificate`, issued by `issuer`, revoked at the time that counts?

    `at` is the time of judging; `proven`, where there is one, an earlier time at which the signature is proved to have
    existed. `issuer_name` is the SHA-256 of the issuer's certificate, hex.
    """

    certificate: x509.Certificate
    issuer: x509.Certificate
    issuer_name: str
    at: datetime
    proven: datetime | None = None

    @property
    def moment(self) -> datetime:
        return self.at if self.proven is None else self.proven


@dataclass(frozen=True, slots=True)
class Used:
    """A list or an answer that a finding rests on. `end` is when it stops to be relied on."""

    kind: str
    sha256: str
    this_update: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Finding:
    status: Status
    detail: str = ""
    used: tuple[Used, ...] = ()
    quirks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Speaker:
    """Whose key made a list, as SHA-256 of its certificate. One whose own standing rests on those that are being asked
    about only convicts: to acquit them would be a circle."""

    name: str
    acquits: bool = True


Speaks = Callable[[Crl], Speaker | None]
"""Who made the list, if it may speak; `None` where nobody we believe did."""


def judge(
    question: Question,
    rules: Rules,
    lists: Sequence[Crl],
    answers: Sequence[Answer],
    speaks: Speaks,
    delegate_is_good: Callable[[x509.Certificate], bool],
) -> Finding:
    """Both kinds of evidence together."""
    by_list = judge_lists(question, rules, lists, speaks)
    if by_list.status is Status.REVOKED or not answers:
        return by_list
    by_answer = judge_answers(question, rules, answers, delegate_is_good)
    if by_answer.status is Status.REVOKED:
        return by_answer
    if by_list.status is Status.UNKNOWN and by_list.used:  # what is dated ahead speaks against it
        return by_list
    if by_list.status is Status.UNKNOWN or by_answer.used:
        return by_answer
    return by_list


# --- lists


@dataclass(frozen=True, slots=True, eq=False)
class _Voice:
    """A list that speaks about the certificate, for some reasons of revocation, signed with the key of `signer`."""

    crl: Crl
    reasons: frozenset[x509.ReasonFlags]
    signer: str
    acquits: bool

    @property
    def series(self) -> tuple[NameKey, Scope, str]:
        return self.crl.issuer, self.crl.scope, self.signer


def judge_lists(question: Question, rules: Rules, lists: Sequence[Crl], speaks: Speaks) -> Finding:
    """RFC 5280 §6.3.3, with every list at hand instead of a fetched one for each distribution point."""
    heard = list(_voices(question, rules, lists, speaks))
    voices = [voice for voice in heard if voice.acquits]
    issuer, serial = name_key(question.certificate.issuer), question.certificate.serial_number
    for voice in heard:
        entry = voice.crl.find(issuer, serial)
        if entry is None or entry.removed or _since(entry) > question.moment:
            continue
        if not (entry.on_hold and _is_released(voice.crl, voices, issuer, question, rules)):
            return Finding(Status.REVOKED, _since(entry).isoformat(), (list_used(voice.crl, rules, question.at),))
    for voice in heard:
        against = _ahead(voice.crl, issuer, question)
        if against:
            return Finding(Status.UNKNOWN, against, (list_used(voice.crl, rules, question.at),))
    covered: frozenset[x509.ReasonFlags] = frozenset()
    used: list[Used] = []
    quirks: list[str] = []
    for voice in _vouching(question, rules, voices):
        if voice.reasons <= covered:
            continue
        covered |= voice.reasons
        amending = _delta(voice, voices, question, rules)
        for crl in (voice.crl, amending) if amending else (voice.crl,):
            used.append(list_used(crl, rules, question.at))
            quirks += _staleness(used[-1].end, rules.freshness, question)
    if covered == ALL_REASONS:
        return Finding(Status.GOOD, "", tuple(used), tuple(quirks))
    return Finding(Status.UNKNOWN, f"{len(heard)} lists about {serial:x}, none in force for every reason")


def _voices(question: Question, rules: Rules, lists: Sequence[Crl], speaks: Speaks) -> Iterable[_Voice]:
    points = points_of(question.certificate)
    for crl in lists:
        masks = [crl.scope.covers(point, crl.issuer, question.certificate) for point in points]
        reasons = frozenset[x509.ReasonFlags]().union(*(mask for mask in masks if mask is not None))
        if not reasons or crl.hash_name not in rules.hashes:
            continue
        speaker = speaks(crl)  # last, because it is costly
        if speaker is not None:
            yield _Voice(crl, reasons, speaker.name, speaker.acquits)


def _ahead(crl: Crl, issuer: NameKey, question: Question) -> str:
    """What a list that is dated after our own clock has against a certificate: nothing of it may be good meanwhile.

    Its authority says that it is that late already. Where that is so, our clock is behind, and an older list, or a
    certificate that has ended, only looks as if it were in force.
    """
    if question.proven is not None or crl.this_update <= question.at:
        return ""
    entry = crl.find(issuer, question.certificate.serial_number)
    if entry is not None and not entry.removed:
        return f"revoked at {_since(entry).isoformat()} by a list that is dated ahead"
    if crl.this_update > question.certificate.not_valid_after_utc:
        return f"its end is past for a list that is dated {crl.this_update.isoformat()}"
    return ""


def _since(entry: Entry) -> datetime:
    """When it counts as revoked: also before the entry, where the key is known to have been lost earlier."""
    return entry.revoked_at if entry.invalid_from is None else min(entry.revoked_at, entry.invalid_from)


def _is_released(crl: Crl, voices: list[_Voice], issuer: NameKey, question: Question, rules: Rules) -> bool:
    """A hold ends with a newer list in force that lacks the entry, or with a delta list that removes it."""
    serial = question.certificate.serial_number
    for other in (voice.crl for voice in voices):
        if other.issuer != crl.issuer or other.scope != crl.scope or not other.is_fresh(question.at, rules.freshness):
            continue
        entry = other.find(issuer, serial)
        if other.amends(crl):
            if entry is not None and entry.removed:
                return True
        elif other.base is None and entry is None and other.this_update > crl.this_update:
            return True
    return False


def _vouching(question: Question, rules: Rules, voices: list[_Voice]) -> list[_Voice]:
    """The complete lists that may acquit: of each series the newest, if it is in force.

    Lists made with the key that signed the certificate go before those of another key of the same issuer, which may
    keep a list for each of its keys.
    """
    complete = [v for v in voices if v.crl.base is None and v.crl.this_update <= question.at]
    if any(v.signer == question.issuer_name and v.crl.scope == Scope() for v in complete):
        complete = [v for v in complete if v.signer == question.issuer_name]
    newest: dict[object, _Voice] = {}
    for voice in sorted(complete, key=_age):
        newest[voice.series] = voice
    found = [voice for voice in newest.values() if _is_in_force(voice.crl, question, rules)]
    if question.proven is not None:
        found += [voice for voice in complete if _looks_back(voice.crl, question, question.proven, rules)]
    return found


def _age(voice: _Voice) -> tuple[int, datetime]:
    """A number that goes back is an older list, whatever its times say (RFC 5280 §5.2.3)."""
    number = voice.crl.number
    return (-1 if number is None else number), voice.crl.this_update


def _is_in_force(crl: Crl, question: Question, rules: Rules) -> bool:
    # An authority may drop what has expired from its lists.
    listed = question.proven is None or crl.this_update <= question.certificate.not_valid_after_utc
    return listed and crl.is_fresh(question.at, rules.freshness)


def _looks_back(crl: Crl, question: Question, proven: datetime, rules: Rules) -> bool:
    """A list that was in force at the proven time, or one made later while the certificate could still be on it."""
    return crl.is_fresh(proven, rules.freshness) or (
        proven <= crl.this_update <= question.certificate.not_valid_after_utc
    )


def _delta(voice: _Voice, voices: list[_Voice], question: Question, rules: Rules) -> Crl | None:
    found = [
        other.crl
        for other in voices
        if other.crl.amends(voice.crl) and other.crl.is_fresh(question.at, rules.freshness)
    ]
    return max(found, key=lambda crl: (crl.number or 0, crl.this_update), default=None)


def list_used(crl: Crl, rules: Rules, at: datetime) -> Used:
    """The list as something that an answer rests on."""
    return Used("crl", crl.sha256, crl.this_update, crl.end(rules.freshness) or at)


# --- answers of responders


def judge_answers(
    question: Question,
    rules: Rules,
    answers: Sequence[Answer],
    delegate_is_good: Callable[[x509.Certificate], bool],
) -> Finding:
    """RFC 6960 §3.2 over every answer at hand. A finding with something `used` is an authorised statement in force."""
    target = target_of(question.certificate, question.issuer)
    heard: list[tuple[Single, Answer]] = []
    late: list[tuple[Single, Answer]] = []
    ahead: list[tuple[Single, Answer]] = []
    for answer in answers:
        singles = answer.about(target)
        if not singles or answer.hash_name not in rules.hashes:
            continue
        is_sound = time_is_sound(answer, question.certificate, question.at)
        # Revoked is final: that a key was stolen may be found out when its certificate has ended.
        is_late = question.certificate.not_valid_after_utc < answer.produced_at <= question.at
        is_ahead = answer.produced_at > question.at and question.proven is None
        if not is_sound and not is_late and not is_ahead:
            continue
        if signer_of(answer, question.issuer, answer.produced_at, delegate_is_good) is not None:
            (heard if is_sound else ahead if is_ahead else late).extend((single, answer) for single in singles)
    for single, answer in (*heard, *late):
        revoked_at = single.revoked_at
        if single.status is Status.REVOKED and revoked_at is not None and revoked_at <= question.moment:
            if single.reason == "certificate_hold" and _answered_since(single, heard, question, rules):
                continue
            return Finding(Status.REVOKED, revoked_at.isoformat(), (told(single, answer, rules),))
    for single, answer in ahead:  # nothing is good meanwhile: our clock may be behind
        if single.status is Status.REVOKED:
            told_ahead = f"revoked by an answer that is dated {answer.produced_at.isoformat()}"
            return Finding(Status.UNKNOWN, told_ahead, (told(single, answer, rules),))
    current = [pair for pair in heard if _holds(pair[0], question, rules)]
    if not current:
        return Finding(Status.UNKNOWN, f"{len(heard)} answers about {target.serial:x}, none in force")
    newest = max(single.this_update for single, _ in current)
    latest = [(single, answer) for single, answer in current if single.this_update == newest]
    used = tuple(told(single, answer, rules) for single, answer in latest)
    if any(single.status is Status.UNKNOWN for single, _ in latest):
        return Finding(Status.UNKNOWN, f"the responder does not know {target.serial:x}", used)
    quirks = [quirk for one in used for quirk in _staleness(one.end, rules.freshness, question)]
    return Finding(Status.GOOD, "", used, tuple(quirks))


def list_turns(question: Question, crl: Crl) -> Iterator[datetime]:
    """The last moments before a list says something else: it, or the revocation on it, is dated ahead."""
    entry = crl.find(name_key(question.certificate.issuer), question.certificate.serial_number)
    yield from _before([crl.this_update] if entry is None else [crl.this_update, _since(entry)], question)


def answer_turns(question: Question, answers: Sequence[Answer]) -> Iterator[datetime]:
    """The same of the answers about the certificate."""
    target = target_of(question.certificate, question.issuer) if answers else None
    for answer in answers:
        for single in answer.about(target) if target is not None else ():
            dated = (answer.produced_at, single.this_update, single.revoked_at)
            yield from _before((one for one in dated if one is not None), question)


def _before(begins: Iterable[datetime], question: Question) -> Iterator[datetime]:
    """Where a time is proved, nothing that begins later counts."""
    if question.proven is None:
        yield from (begin - datetime.resolution for begin in begins if begin > question.at)


def told_about(question: Question, rules: Rules, answers: Sequence[Answer]) -> Iterable[Used]:
    """Every answer that says something about the certificate, whatever it is worth."""
    target = target_of(question.certificate, question.issuer) if answers else None
    for answer in answers:
        for single in answer.about(target) if target is not None else ():
            yield told(single, answer, rules)


def _answered_since(single: Single, heard: list[tuple[Single, Answer]], question: Question, rules: Rules) -> bool:
    return any(
        other.status is Status.GOOD
        and other.this_update > single.this_update
        and other.is_fresh(question.at, rules.freshness)
        for other, _ in heard
    )


def _holds(single: Single, question: Question, rules: Rules) -> bool:
    if single.is_fresh(question.at, rules.freshness):
        return True
    if question.proven is None or single.this_update > question.at:
        return False
    ends = question.certificate.not_valid_after_utc
    return single.is_fresh(question.proven, rules.freshness) or question.proven <= single.this_update <= ends


def told(single: Single, answer: Answer, rules: Rules) -> Used:
    """What an answer says of one certificate, as something that a finding rests on."""
    return Used("ocsp", answer.sha256, single.this_update, single.end(rules.freshness))


def _staleness(end: datetime, freshness: Freshness, question: Question) -> list[str]:
    """The use of grace is said aloud, with how far the evidence is out of date."""
    if question.proven is not None or question.at <= end or not freshness.grace:
        return []
    return [f"revocation=stale({int((question.at - end).total_seconds())}s)"]
