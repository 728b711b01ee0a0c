"""What became of a document (hành trình văn bản): what happened in order of time, and what it waits for now.

Pure, and one for everybody who asks: `axis why` and the console's page of a document print the same sentences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from axis.core.follow_up import Became
from axis.core.journey.dossier import Dossier
from axis.core.journey.present import present
from axis.core.journey.reached import Reached, reached
from axis.core.journey.step import (
    ATTESTED,
    BROUGHT,
    NO_WAY_BACK,
    NOTICED,
    RELEASES,
    Around,
    Step,
    What,
    cargo_words,
    join,
    of_delivery,
    problem_words,
)
from axis.core.model import Cargo, EntryKind, StatusReport
from axis.core.states import DeliveryState, IntakeState
from schemas.codes import AgencyCode
from schemas.status import STANDING_LABEL
from signing.verdict import OUTCOMES, REASONS, Reason, Sentence


@dataclass(frozen=True, slots=True)
class Sealed:
    """The log's word: so many entries about it were found, so many of them stand under the signed head of `size`."""

    entries: int
    signed: int
    size: int


@dataclass(frozen=True, slots=True)
class Journey:
    past: tuple[Step, ...]
    present: tuple[Step, ...]
    sealed: Sealed
    reached: tuple[Reached, ...] = ()


def journey(dossier: Dossier, around: Around) -> Journey:
    """Everything that is known of one document, as steps. Nothing in it is the document's content or subject."""
    past = [*_intake(dossier, around), *_routes(dossier, around), *_ended(dossier, around), *_told(dossier)]
    past.sort(key=lambda step: step.at)  # stable: what happened at one instant stays in this order
    indexes = [one.index for one in dossier.entries]
    signed = sum(index is not None and index < around.signed for index in indexes)
    sealed = Sealed(len(indexes), signed, around.signed)
    return Journey(tuple(past), tuple(present(dossier, around)), sealed, reached(dossier, around))


def _facts(dossier: Dossier, kind: EntryKind) -> Iterator[tuple[datetime, Mapping[str, Any]]]:
    return ((one.entry.at, one.entry.facts) for one in dossier.entries if one.entry.kind is kind)


def _intake(dossier: Dossier, around: Around) -> Iterator[Step]:
    document, came = dossier.document, dossier.document.accepted_at
    brought = BROUGHT[document.via]
    passed = ", ".join(hop.node for hop in document.hops)
    through = Sentence(f", đã qua {passed}", f", by way of {passed}") if passed else Sentence("", "")
    told = join(brought, through)
    yield Step(came, What.TAKEN, told, about=document.ref, endpoint=document.by, agencies=(document.sender,))
    held_for = next((facts["reason"] for _, facts in _facts(dossier, EntryKind.HELD)), None)
    if document.receipt_state is IntakeState.HELD:
        kept = Sentence("tạm giữ, chưa chuyển đi đâu", "held: it goes nowhere yet")
        yield Step(came, What.VERDICT, join(kept, _because(held_for)), held_for)
    else:
        yield _verdict(dossier, came)
    for at, facts in _facts(dossier, EntryKind.RELEASED):
        yield Step(at, What.RELEASED, join(RELEASES[facts["event"]], _because(facts["reason"])), facts["reason"])
    if dossier.verdicts:
        yield _attached(dossier)
    if document.removed_at is not None:
        gone = "hết thời hạn lưu giữ: nội dung đã xóa, mọi chứng cứ còn lại"
        told = Sentence(gone, "its time is over: the content was removed, all that proves it stays")
        yield Step(document.removed_at, What.CONTENT_REMOVED, told)


def _verdict(dossier: Dossier, at: datetime) -> Step:
    verdict = dossier.document.verdict
    named = f" [{verdict.indication.value}{f'/{verdict.sub_indication.value}' if verdict.sub_indication else ''}]"
    return Step(at, What.VERDICT, join(REASONS[verdict.reason], Sentence(named, named)), verdict.reason.value)


def _because(reason: str | None) -> Sentence:
    """The words of a verdict's reason, behind others."""
    if reason not in list(Reason):
        return Sentence("", "")
    words = REASONS[Reason(reason)]
    return Sentence(f": {words.vi}", f": {words.en}")


def _attached(dossier: Dossier) -> Step:
    """The last judgement of what is attached."""
    check, last = dossier.check, dossier.verdicts[-1]
    outcome = check.outcome if check else None
    words = OUTCOMES[outcome] if outcome else Sentence("không có tệp PDF", "no PDF in them")
    told = join(Sentence("chữ ký trong tệp đính kèm: ", "signatures inside attachments: "), words)
    until = check.due_at if check else None
    if until is not None:
        told = join(told, Sentence(", sẽ xét lại", ", to be judged again"))
    return Step(last.judged_at, What.ATTACHMENTS, told, outcome.value if outcome else None, until=until)


def _routes(dossier: Dossier, around: Around) -> Iterator[Step]:
    """For each rule that decided, the recipients that it decided for; as the log tells it, from the day itself."""
    found = False
    for at, facts in _facts(dossier, EntryKind.ROUTED):
        found = True
        groups: dict[tuple[str | None, str | None], list[AgencyCode]] = {}
        for code, endpoint, prefix in facts["routes"]:
            groups.setdefault((endpoint, prefix), []).append(AgencyCode(code))
        for (endpoint, prefix), codes in groups.items():
            yield Step(at, What.ROUTED, _rule(endpoint, prefix, around), endpoint=endpoint, agencies=tuple(codes))
    if found:
        return
    for one in dossier.deliveries:
        if one.cargo is Cargo.DOCUMENT:
            told = Sentence("tuyến lúc đó: không tìm thấy trong nhật ký", "the rule of that day: not found in the log")
            yield Step(one.created_at, What.ROUTED, told, None, one.id, one.endpoint, one.recipients)


def _rule(endpoint: str | None, prefix: str | None, around: Around) -> Sentence:
    named = Sentence(f'tuyến "{prefix}"', f'rule "{prefix}"')
    rules = around.routes.rules
    rule = next((one for one in rules if one.prefix == prefix and one.endpoint == endpoint), None)
    if rule is None:
        return join(named, Sentence(", nay không còn trong cấu hình", ", no longer in the configuration"))
    return join(named, Sentence(f", {rule.origin}", f", {rule.origin}")) if rule.origin else named


def _ended(dossier: Dossier, around: Around) -> Iterator[Step]:
    """Deliveries that are over, or failed: what became of them, and when."""
    wires = {str(one.ref): one.wire for one in dossier.statuses}
    for one in dossier.deliveries:
        if one.settled_at is None:
            continue
        cargo = cargo_words(one, wires)
        if one.state is DeliveryState.DELIVERED:
            fetched = one.endpoint in around.known and one.endpoint not in around.called
            done = Sentence(" đã được nơi nhận lấy", " fetched by its recipient")
            told = done if fetched else Sentence(" đã chuyển", " delivered")
            follow_up = dossier.follow_ups.get(one.id)
            taken = follow_up is not None and follow_up.became is Became.TAKEN
            later = Sentence(", nơi nhận đã lấy", ", and fetched there") if taken else None
            tries = Sentence(f", lần {one.attempts}", f", attempt {one.attempts}") if one.attempts > 1 else None
            yield of_delivery(one, one.settled_at, What.DELIVERED, join(cargo, told, tries, later))
        elif one.state in (DeliveryState.FAILED, DeliveryState.DROPPED):
            what = What.FAILED if one.state is DeliveryState.FAILED else What.DROPPED
            why = Sentence(" không chuyển được", " not delivered")
            yield of_delivery(
                one, one.settled_at, what, join(cargo, why, problem_words(one.last_problem)), one.last_problem
            )
    ids = {str(one.id): one for one in dossier.deliveries}
    for placed in dossier.entries:
        entry = placed.entry
        if entry.kind is EntryKind.OPERATED and (about := ids.get(entry.subject)):
            who, action = entry.facts["operator"], entry.facts["action"]
            why_so = f": {entry.facts['reason']}" if entry.facts["reason"] else ""
            told = Sentence(f"người quản trị {who}: {action}{why_so}", f"operator {who}: {action}{why_so}")
            yield of_delivery(about, entry.at, What.OPERATED, told)


def _told(dossier: Dossier) -> Iterator[Step]:
    """What came back: statuses, and what was told to the sender."""
    for one in dossier.statuses:
        yield Step(one.received_at, What.STATUS, status_told(one), one.wire, one.ref, one.by, (one.receiver,))
    carried = {one.cargo_ref for one in dossier.deliveries if one.cargo is Cargo.NOTICE}
    for notice in dossier.notices:
        words = NOTICED[notice.outcome]
        if notice.ref not in carried:
            words = join(words, Sentence("; ", "; "), NO_WAY_BACK)
        yield Step(notice.at, What.NOTICE, words, notice.outcome.value, notice.ref)


def status_told(one: StatusReport) -> Sentence:
    """A status in words: its name, its reason where it has one, on whose word."""
    status = one.status
    vi = status.label if status else "trạng thái lạ"
    en = status.value if status else "unknown status"
    own = f" «{one.description}»" if one.description and one.description != vi else ""
    word = ATTESTED[one.attestation]
    standing = STANDING_LABEL[one.standing]
    return Sentence(
        f"{one.wire} {vi}{own} ({word.vi}; {standing})", f"{one.wire} {en} ({word.en}; {one.standing.value})"
    )
