"""Where the open deliveries of a document stand now: the first thing that keeps each, and what a person can do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from axis.core.follow_up import Became, FollowUp
from axis.core.journey.advice import next_of
from axis.core.journey.dossier import Dossier
from axis.core.journey.reached import STATES
from axis.core.journey.step import CARGO, Around, Step, What, cargo_words, join, of_delivery, problem_words
from axis.core.journey.turn import turn_of
from axis.core.model import Cargo, Delivery, EntryKind, NoticeOutcome
from axis.core.states import OPEN, DeliveryState, IntakeState
from signing.verdict import REASONS, Indication, Reason, Sentence

_LANE_GOES_ON = Sentence(
    "; bỏ hẳn (axis queue give-up) thì làn đi tiếp", "; given up (axis queue give-up) it lets its lane go on"
)

_ATTACHED: Final = Sentence(
    "chữ ký trong tệp đính kèm chưa kết luận được", "a signature inside an attachment could not be decided"
)
_INFORMED: Final = Sentence("nơi gửi được báo", "the sender is told")
_NOT_INFORMED: Final = Sentence("không có đường báo về nơi gửi: báo họ", "no way leads back to the sender: tell them")
_AGAIN_LATER: Final = Sentence(
    "; khi trục có danh sách thu hồi thì họ gửi lại đúng gói tin đó",
    "; once the axis has the revocation list, they send the same package again",
)
_AGAIN_SIGNED: Final = Sentence(
    "; họ sửa theo lý do, ký lại rồi gửi", "; they mend what the reason names, sign it again and send it"
)

_AFTERWARDS: Final[Mapping[Became, tuple[What, Sentence, Sentence]]] = MappingProxyType(
    {
        Became.WAITING: (
            What.UNFETCHED,
            Sentence(" đã giao, nơi nhận chưa đến lấy", " handed over; its recipient has not fetched it there"),
            Sentence("nhắc nơi nhận: hệ thống của họ chưa lấy", "ask the recipient: their system has not fetched it"),
        ),
        Became.REFUSED: (
            What.UNREADABLE,
            Sentence(" đã giao, nơi nhận báo không đọc được", " handed over; its recipient said it cannot read it"),
            Sentence("hỏi nơi nhận vì sao không đọc được", "ask the recipient why it cannot be read"),
        ),
    }
)
"""What a handover has come to, where it is not taken; what is lost is open again, or has failed."""


def present(dossier: Dossier, around: Around) -> Iterator[Step]:
    """What the document waits for, and whose turn it is: evidence, where it is held; then each delivery that is not
    done. What was held and then refused waits for nothing here, and is not done either."""
    return (replace(step, turn=turn_of(step)) for step in _present(dossier, around))


def _present(dossier: Dossier, around: Around) -> Iterator[Step]:
    if dossier.document.state is IntakeState.HELD:
        yield _held(dossier, around)
    elif dossier.document.state is IntakeState.REFUSED:
        yield _refused(dossier)
    for one in dossier.deliveries:
        follow_up = dossier.follow_ups.get(one.id)
        if one.state in OPEN:
            yield _stands(one, dossier, around)
        elif follow_up is not None and follow_up.became in _AFTERWARDS:
            yield _afterwards(one, follow_up, dossier)


_UNTIL_LISTED: Final = Sentence(
    "đưa danh sách thu hồi còn thiếu vào trust.crls; quá hạn thì bị từ chối và nơi gửi được báo",
    "put the revocation list that is missing into trust.crls; after that time it is refused, and the sender is told",
)
_UNTIL_THEN: Final = Sentence(
    "được xét lại khi đồng hồ máy này đến giờ đó; nếu đồng hồ chậm thì chỉnh lại rồi khởi động lại trục",
    "it is judged again when this machine's clock has come so far; where that is behind, set it, and start the axis "
    "again",
)


def _held(dossier: Dossier, around: Around) -> Step:
    document = dossier.document
    ours = document.verdict.indication is not Indication.TOTAL_PASSED
    told = REASONS[document.verdict.reason] if ours else _ATTACHED
    issuer = document.verdict.signer.issuer if ours and document.verdict.signer else ""
    early = ours and document.verdict.reason in (Reason.TIME, Reason.NOT_YET_VALID)
    return Step(
        document.accepted_at,
        What.HELD,
        join(Sentence("tạm giữ: ", "held: "), told, Sentence(f" ({issuer})", f" ({issuer})") if issuer else None),
        document.verdict.reason.value,
        document.ref,
        until=document.accepted_at + around.hold,
        then=_UNTIL_THEN if early else _UNTIL_LISTED,
        command="axis doctor",
    )


def _refused(dossier: Dossier) -> Step:
    document = dossier.document
    notices = [one for one in dossier.notices if one.outcome is NoticeOutcome.REFUSED]
    ours = document.verdict.indication is not Indication.TOTAL_PASSED
    reason = document.verdict.reason
    carried = {one.cargo_ref for one in dossier.deliveries}
    informed = any(one.ref in carried for one in notices)
    return Step(
        notices[-1].at if notices else document.accepted_at,
        What.REFUSED,
        join(
            Sentence("bị từ chối, không đến nơi nhận nào: ", "refused, it reaches nobody: "),
            REASONS[reason] if ours else _ATTACHED,
        ),
        reason.value,
        document.ref,
        then=join(
            _INFORMED if informed else _NOT_INFORMED,
            _AGAIN_LATER if reason is Reason.REVOCATION_UNKNOWN else _AGAIN_SIGNED,
        ),
        turn="sender" if informed else "operator, sender",
    )


def _afterwards(one: Delivery, follow_up: FollowUp, dossier: Dossier) -> Step:
    """It was handed over, and its destination says that this was not the end of it."""
    cargo = cargo_words(one, {report.ref: report.wire for report in dossier.statuses})
    assert follow_up.became is not None
    what, words, then = _AFTERWARDS[follow_up.became]
    since, until = follow_up.since, follow_up.due_at
    return of_delivery(one, since, what, join(cargo, words), follow_up.became.value, until, then)


def _stands(one: Delivery, dossier: Dossier, around: Around) -> Step:
    """Where an open delivery stands: the first thing that keeps it."""
    cargo = cargo_words(one, {report.ref: report.wire for report in dossier.statuses})
    held, ahead = dossier.holds.get(one.endpoint), dossier.ahead.get(one.id)
    retry = f"axis queue retry {one.id}"
    if one.state is DeliveryState.LEASED:
        told = Sentence(f" đang chuyển, lần {one.attempts}", f" under way, attempt {one.attempts}")
        return of_delivery(one, one.created_at, What.UNDER_WAY, join(cargo, told), one.last_problem, one.due_at)
    if one.state is DeliveryState.FAILED:
        told = join(cargo, Sentence(" chờ người xử lý", " waits for a person"), problem_words(one.last_problem))
        then, since = next_of(one.last_problem), one.settled_at or one.created_at
        if one.cargo is not Cargo.DOCUMENT:
            then = join(then, _LANE_GOES_ON)
        return of_delivery(one, since, What.FAILED, told, one.last_problem, None, then, retry)
    if one.state is DeliveryState.ON_HOLD:
        return _kept_back(one, cargo, dossier)
    if one.endpoint not in around.known:
        told = join(
            cargo, Sentence(" chờ: endpoint không còn trong cấu hình", " waits: its endpoint is not configured")
        )
        then = Sentence(
            "đặt endpoint lại vào cấu hình, hoặc dừng hẳn lượt chuyển", "put the endpoint back, or give it up"
        )
        return replace(of_delivery(one, one.created_at, What.WAITS, told, then=then), turn="operator")
    if ahead is not None:
        return _parked(one, ahead, cargo, around)
    if held is not None:
        why = f": {held.reason}" if held.reason else ""
        told = Sentence(f" chờ: {held.by} tạm dừng endpoint{why}", f" waits: {held.by} holds the whole endpoint{why}")
        release = f"axis queue release --endpoint {one.endpoint}"
        return of_delivery(one, held.at, What.ON_HOLD, join(cargo, told), command=release)
    if one.endpoint not in around.called:
        told = join(cargo, Sentence(" chờ nơi nhận lấy", " waits to be fetched"))
        then = Sentence(
            "hệ thống của nơi nhận chưa lấy: nhắc họ", "the recipient's system has not fetched it: ask them"
        )
        return replace(of_delivery(one, one.created_at, What.WAITS, told, then=then), turn="recipient")
    return _due(one, cargo, around)


def _kept_back(one: Delivery, cargo: Sentence, dossier: Dossier) -> Step:
    """By an operator, one by one: the log tells who, and why."""
    own = (placed.entry for placed in dossier.entries if placed.entry.subject == one.id)
    acts = [entry for entry in own if entry.kind is EntryKind.OPERATED and entry.facts["action"] == "hold"]
    who = Sentence("người quản trị", "an operator")
    why, since = "", one.created_at
    if acts:
        name, since = str(acts[-1].facts["operator"]), acts[-1].at
        who, why = Sentence(name, name), f": {acts[-1].facts['reason']}" if acts[-1].facts["reason"] else ""
    told = join(cargo, Sentence(f" {who.vi} giữ lại{why}", f" kept back by {who.en}{why}"))
    return of_delivery(one, since, What.ON_HOLD, told, command=f"axis queue release {one.id}")


def _due(one: Delivery, cargo: Sentence, around: Around) -> Step:
    """Of an endpoint that the node calls: in its turn, or to be tried again."""
    shut = around.shut.get(one.endpoint)
    until = max(one.due_at, shut) if shut else one.due_at
    told = Sentence(" chờ đến lượt", " waits for its turn")
    if one.attempts:
        told = Sentence(f" chờ thử lại, đã thử {one.attempts} lần", f" waits after attempt {one.attempts}")
    if one.endpoint in around.shut:
        told = join(told, Sentence(", đang ngắt mạch", ", its breaker is open"))
    code = one.last_problem if one.attempts else None
    step = of_delivery(
        one, one.created_at, What.WAITS, join(cargo, told, problem_words(code)), code, until, next_of(code)
    )
    return replace(step, ends=one.since + around.lifetime)


def _parked(one: Delivery, ahead: Delivery, cargo: Sentence, around: Around) -> Step:
    told = join(
        cargo,
        Sentence(
            f" đứng sau {CARGO[ahead.cargo].vi} {ahead.id}", f" stands behind the {CARGO[ahead.cargo].en} {ahead.id}"
        ),
        Sentence(f" ({STATES[ahead.state].vi})", f" ({ahead.state.value})"),
        problem_words(ahead.last_problem),
    )
    then = command = None
    if ahead.state is DeliveryState.FAILED:
        then, command = next_of(ahead.last_problem), f"axis queue retry {ahead.id}"
    elif ahead.state is DeliveryState.ON_HOLD:
        command = f"axis queue release {ahead.id}"
    step = of_delivery(one, one.created_at, What.PARKED, told, ahead.last_problem, None, then, command)
    fetched = ahead.state is DeliveryState.QUEUED and ahead.endpoint in around.known - around.called
    return replace(step, turn="recipient" if fetched else "")
