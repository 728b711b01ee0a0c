"""What becomes of a submission: refused in a fixed order, repeated, held, accepted; and where it goes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axis.core.acceptance import Acceptance
from axis.core.concern import concerned_id
from axis.core.entry import leaf
from axis.core.intake import Content, decide_intake, decide_recheck, refused
from axis.core.model import (
    AddDocument,
    Cargo,
    Decision,
    Document,
    EntryKind,
    Hop,
    LogEntry,
    MarkCrossed,
    Principal,
    Profile,
    Role,
    SetWays,
    Submission,
    Way,
)
from axis.core.network import Network
from axis.core.problems import Kind, Problem
from axis.core.registry import Agency, Registry
from axis.core.routing import RoutingTable, Rule
from axis.core.states import DeliveryState, IntakeState
from axis.core.way import hops_behind
from schemas.codes import AgencyCode, Level
from schemas.envelope import Business, MessageKind, OtherInfo, Priority, Replacement, ResponseFor
from signing.verdict import Reason, SubIndication, Verdict
from tests.unit.core.world import (
    CLOSED,
    COMMUNE_1,
    COMMUNE_2,
    DIGEST,
    DISTRICT,
    DMS_10,
    DOCUMENT_ID,
    FAR,
    MINISTRY,
    NATIONAL,
    NEIGHBOUR,
    NONCE,
    NOW,
    OTHER_DIGEST,
    PROVINCE_97,
    REGISTERED,
    STRANGER,
    TEN,
    TWENTY,
    code,
    content,
    deliveries,
    document_of,
    envelope,
    ids,
    network,
    passed,
    problem_of,
    registry,
    routing,
    sound,
    submission,
    targets,
    verdict_of,
    waiting,
)

UNSIGNED = verdict_of(SubIndication.UNSIGNED, Reason.UNSIGNED)
BROKEN = verdict_of(SubIndication.HASH_FAILURE, Reason.DIGEST)
UNVERIFIABLE = verdict_of(SubIndication.NOT_VERIFIABLE, Reason.TRANSFORM)
UNBOUND = verdict_of(SubIndication.SIG_CONSTRAINTS_FAILURE, Reason.NOT_BOUND)


def decide(
    sub: Submission | None = None,
    said: Content | None = None,
    verdict: Verdict | None = None,
    seen: Sequence[Document] = (),
    addressed: Collection[AgencyCode] = (),
    at: Network | None = None,
) -> Decision[Document | Problem]:
    return sound(
        decide_intake(
            sub or submission(),
            said or content(),
            verdict or passed(),
            seen,
            addressed if isinstance(addressed, Mapping) else dict.fromkeys(addressed, DeliveryState.QUEUED),
            at or network(),
            NOW,
            ids(),
            NONCE,
        )
    )


def ways_in(decision: Decision[Any]) -> tuple[Way, ...]:
    return next(change.ways for change in decision.changes if isinstance(change, SetWays))


def kinds(decision: Decision[Any]) -> list[EntryKind]:
    return [entry.kind for entry in decision.entries]


def hops(count: int, *last: str) -> tuple[Hop, ...]:
    return tuple(Hop(name, NOW) for name in [*(f"node-{n}" for n in range(count - len(last))), *last])


FIRST = document_of(decide())


# --- refusals, in their order ------------------------------------------------------------------------------

REFUSALS: list[tuple[str, dict[str, Any], Kind]] = [
    ("sends in another's name", {"said": content(TEN, sender=TWENTY)}, Kind.NOT_YOUR_AGENCY),
    ("has no authority at all", {"sub": submission(Principal("x", DMS_10.role))}, Kind.NOT_YOUR_AGENCY),
    (
        "is not registered",
        {"sub": submission(replace(DMS_10, authority=(("H99",),))), "said": content(sender=STRANGER)},
        Kind.UNKNOWN_AGENCY,
    ),
    ("was here before", {"sub": submission(hops=hops(3, "province-99"))}, Kind.ROUTING_LOOP),
    ("has made ten hops", {"sub": submission(hops=hops(10))}, Kind.ROUTING_LOOP),
    ("is signed badly", {"verdict": BROKEN}, Kind.SIGNATURE_FAILED),
    ("is signed by somebody else", {"verdict": UNBOUND}, Kind.CERTIFICATE_MISMATCH),
    ("is not signed", {"verdict": UNSIGNED}, Kind.SIGNATURE_MISSING),
    ("uses an id again", {"seen": [FIRST], "sub": submission(digest=OTHER_DIGEST)}, Kind.DUPLICATE_CONFLICT),
    ("names too many", {"said": content(TWENTY, COMMUNE_1), "at": network(max_recipients=1)}, Kind.TOO_LARGE),
    ("names its own sender", {"said": content(TWENTY, TEN)}, Kind.SCHEMA_VIOLATION),
    ("is a copy for nobody it names", {"sub": submission(only_for=(COMMUNE_1,))}, Kind.BAD_REQUEST),
    ("is a copy for nobody at all", {"sub": submission(only_for=())}, Kind.BAD_REQUEST),
    ("names a stranger", {"said": content(TWENTY, STRANGER)}, Kind.UNKNOWN_AGENCY),
    ("names a closed agency", {"said": content(TWENTY, CLOSED)}, Kind.INACTIVE_AGENCY),
    ("cannot be routed", {"said": content(TWENTY, FAR), "at": network(routing(**{"*": None}))}, Kind.NO_ROUTE),
    (
        "would go back where it came from",
        {"sub": submission(DISTRICT), "said": content(COMMUNE_2, sender=COMMUNE_1)},
        Kind.ROUTING_LOOP,
    ),
    (
        "would go back to the national axis",
        {"sub": submission(NATIONAL), "said": content(FAR, sender=MINISTRY)},
        Kind.ROUTING_LOOP,
    ),
]


@pytest.mark.parametrize(("case", "kind"), [(c, k) for _, c, k in REFUSALS], ids=[name for name, _, _ in REFUSALS])
def test_a_submission_is_refused_when_it(case: dict[str, Any], kind: Kind) -> None:
    decision = decide(**case)
    problem = problem_of(decision)
    assert problem.kind is kind
    assert not problem.temporary
    assert not decision.changes
    assert kinds(decision) == [EntryKind.REFUSED]
    assert decision.entries[0].facts["problem"] == kind.value
    assert decision.entries[0].subject == ""


def test_the_first_thing_that_is_wrong_is_what_is_answered() -> None:
    """Everything is wrong at once; repaired one by one, the answers come in one order, the same each time."""
    everywhere = replace(DMS_10, authority=())
    sub = submission(everywhere, digest=OTHER_DIGEST, hops=hops(10), only_for=(COMMUNE_1,))
    said = content(TWENTY, STRANGER, CLOSED, FAR, STRANGER, sender=STRANGER)
    case: dict[str, Any] = {
        "sub": sub,
        "said": said,
        "verdict": BROKEN,
        "seen": [FIRST],
        "at": network(routing(**{"*": None}), max_recipients=1),
    }
    answers = []

    def repair(**repaired: Any) -> None:
        answers.append(problem_of(decide(**case)).kind)
        case.update(repaired)

    mine = submission(DMS_10, digest=OTHER_DIGEST, hops=hops(10), only_for=(COMMUNE_1,))
    wide = replace(mine, by=replace(DMS_10, authority=(("H99",),)))
    repair(sub=wide)
    repair(said=content(TEN, STRANGER, CLOSED, FAR, sender=TEN))
    repair(sub=replace(wide, hops=hops(9)))
    repair(verdict=passed())
    repair(seen=[])
    repair(at=network(routing(**{"*": None})))
    repair(said=content(STRANGER, CLOSED, FAR, sender=TEN))
    repair(sub=replace(wide, hops=(), only_for=None))
    repair(said=content(CLOSED, FAR))
    repair(said=content(FAR))
    repair(said=content(TWENTY))
    assert answers == [
        Kind.NOT_YOUR_AGENCY,
        Kind.UNKNOWN_AGENCY,
        Kind.ROUTING_LOOP,
        Kind.SIGNATURE_FAILED,
        Kind.DUPLICATE_CONFLICT,
        Kind.TOO_LARGE,
        Kind.SCHEMA_VIOLATION,
        Kind.BAD_REQUEST,
        Kind.UNKNOWN_AGENCY,
        Kind.INACTIVE_AGENCY,
        Kind.NO_ROUTE,
    ]
    assert document_of(decide(**case)).state is IntakeState.ACCEPTED


def test_a_closed_recipient_is_answered_with_its_successors() -> None:
    problem = problem_of(decide(said=content(CLOSED)))
    assert problem.extra == {"agency": "H99.66", "successors": ("H99.20",)}


def test_a_stranger_may_write_through_the_national_axis_only() -> None:
    unknown = code("H60.01")
    taken = document_of(decide(submission(NATIONAL), content(TWENTY, sender=unknown)))
    assert taken.sender == unknown
    wide = replace(PROVINCE_97, authority=((),))
    assert problem_of(decide(submission(wide), content(TWENTY, sender=unknown))).kind is Kind.UNKNOWN_AGENCY


@pytest.mark.parametrize("alike", ["h99.10", "g09"])
def test_a_stranger_is_nobody_whose_code_is_registered_in_another_case(alike: str) -> None:
    """The clerk who reads it would take one for the other."""
    refusal = problem_of(decide(submission(NATIONAL), content(TWENTY, sender=code(alike))))
    assert refusal.kind is Kind.UNKNOWN_AGENCY


def test_nine_hops_are_taken() -> None:
    assert document_of(decide(submission(hops=hops(9)))).hops == hops(9)


def test_a_refusal_tells_the_verdict_when_there_is_one() -> None:
    entry = refused(submission(), Problem(Kind.SIGNATURE_FAILED), BROKEN, NOW).entries[0]
    assert entry.facts == {
        "problem": "signature-failed",
        "role": "agency",
        "verdict": "TOTAL-FAILED",
        "reason": "sig-digest",
    }
    assert "verdict" not in refused(submission(), Problem(Kind.MALFORMED_XML), None, NOW).entries[0].facts


# --- repeats -----------------------------------------------------------------------------------------------


def test_a_repeated_submission_gets_the_first_document_and_changes_nothing() -> None:
    decision = decide(seen=[FIRST], addressed={TWENTY})
    assert decision.reply is FIRST
    assert not decision.changes
    assert kinds(decision) == [EntryKind.REPEATED]


@pytest.mark.parametrize("verdict", [BROKEN, UNBOUND, UNSIGNED, waiting()])
def test_what_was_accepted_stays_accepted_whatever_is_thought_of_it_now(verdict: Verdict) -> None:
    assert decide(verdict=verdict, seen=[FIRST], addressed={TWENTY}).reply is FIRST


def test_a_repeat_is_told_by_its_digest_among_others_of_the_same_id() -> None:
    recall = replace(FIRST, kind=MessageKind.RECALL, digest=OTHER_DIGEST)
    assert decide(seen=[recall, FIRST], addressed={TWENTY}).reply is FIRST


@pytest.mark.parametrize("kind", [MessageKind.RECALL, MessageKind.UPDATE, MessageKind.REPLACE])
def test_a_change_may_carry_the_id_of_an_earlier_one_with_other_content(kind: MessageKind) -> None:
    first = document_of(decide(said=content(kind=kind)))
    second = document_of(decide(submission(digest=OTHER_DIGEST), content(kind=kind), seen=[first]))
    assert second.ref
    assert second.digest == OTHER_DIGEST


def test_a_repeat_by_one_who_may_not_send_it_is_refused() -> None:
    assert problem_of(decide(submission(PROVINCE_97), seen=[FIRST])).kind is Kind.NOT_YOUR_AGENCY


SHARED = content(TWENTY, COMMUNE_1, COMMUNE_2, FAR, sender=NEIGHBOUR)


def taken_for(*only: AgencyCode) -> Document:
    return document_of(decide(submission(PROVINCE_97, only_for=only), SHARED))


def test_a_neighbour_may_bring_the_same_package_for_further_recipients() -> None:
    first = taken_for(TWENTY)
    again = submission(PROVINCE_97, only_for=(TWENTY, COMMUNE_1, COMMUNE_2))
    decision = decide(again, SHARED, seen=[first], addressed={TWENTY})
    assert decision.reply is first
    assert targets(decision) == {"district": [(COMMUNE_1, COMMUNE_2)]}
    assert kinds(decision) == [EntryKind.REPEATED, EntryKind.ROUTED]
    assert {delivery.cargo_ref for delivery in deliveries(decision)} == {first.ref}


def test_what_has_no_content_any_more_keeps_its_receipt_and_reaches_nobody_else() -> None:
    first = replace(taken_for(TWENTY), removed_at=NOW)
    assert decide(submission(PROVINCE_97, only_for=(TWENTY,)), SHARED, seen=[first], addressed={TWENTY}).reply is first
    decision = decide(submission(PROVINCE_97, only_for=(COMMUNE_1,)), SHARED, seen=[first], addressed={TWENTY})
    assert isinstance(decision.reply, Problem)
    assert decision.reply.kind is Kind.CONTENT_REMOVED
    assert (decision.changes, kinds(decision)) == ((), [EntryKind.REFUSED])


def test_a_copy_for_some_followed_by_one_for_all_reaches_all() -> None:
    first = taken_for(TWENTY)
    decision = decide(submission(PROVINCE_97), SHARED, seen=[first], addressed={TWENTY})
    assert targets(decision) == {"district": [(COMMUNE_1, COMMUNE_2)], "national": [(FAR,)]}
    held = replace(first, state=IntakeState.HELD)
    way = Way(PROVINCE_97.name, Role.NODE, (), (COMMUNE_1, COMMUNE_2, FAR), NOW)
    assert decide(submission(PROVINCE_97), SHARED, seen=[held]).changes == (SetWays(first.ref, held.state, (way,)),)


def test_who_brings_a_package_first_does_not_lead_the_copies_of_others_astray() -> None:
    """A trace that names the district made the district refuse what came for its communes by an honest way."""
    liar = submission(replace(PROVINCE_97, authority=((),)), only_for=(TWENTY,), hops=hops(2, "district"))
    first = document_of(decide(liar, SHARED))
    honest = submission(PROVINCE_97, only_for=(COMMUNE_1,), hops=hops(1))
    decision = decide(honest, SHARED, seen=[first], addressed={TWENTY})
    assert targets(decision) == {"district": [(COMMUNE_1,)]}
    (way,) = ways_in(decision)
    assert way == Way(PROVINCE_97.name, Role.NODE, hops(1), (COMMUNE_1,), NOW)
    both = replace(first, ways=(way,))
    assert hops_behind(both, (TWENTY,)) == hops(2, "district"), "each copy has the trace of its own way"
    assert hops_behind(both, (COMMUNE_1,)) == hops(1)
    held = replace(first, state=IntakeState.HELD)
    assert ways_in(decide(honest, SHARED, seen=[held])) == (way,)
    released = sound(decide_recheck(replace(held, ways=(way,)), Acceptance.ACCEPT, passed(), network(), NOW, ids()))
    assert targets(released) == {"dms-20": [(TWENTY,)], "district": [(COMMUNE_1,)]}


def test_copies_for_the_same_axis_that_came_by_two_ways_are_released_apart() -> None:
    """Each with its own trace."""
    held = document_of(decide(submission(PROVINCE_97, only_for=(COMMUNE_1,)), SHARED, waiting()))
    again = decide(submission(NATIONAL, only_for=(COMMUNE_2, COMMUNE_1)), SHARED, waiting(), seen=[held])
    (way,) = ways_in(again)
    assert way.recipients == (COMMUNE_2, COMMUNE_1)
    both = replace(held, ways=(way,))
    released = sound(decide_recheck(both, Acceptance.ACCEPT, passed(), network(), NOW, ids()))
    assert targets(released) == {"district": [(COMMUNE_1,), (COMMUNE_2,)]}


def test_who_brings_again_what_another_one_brought_is_kept_once() -> None:
    """It has our receipt, so it is told where the recipient is not reached. Who never got it and sends again is not
    another one."""
    first = taken_for(TWENTY)
    asked: dict[str, Any] = {"seen": [first], "addressed": {TWENTY: DeliveryState.DELIVERED}}
    assert decide(submission(PROVINCE_97, only_for=(TWENTY,), hops=hops(2)), SHARED, **asked).changes == ()
    other = submission(NATIONAL, only_for=(TWENTY,), hops=hops(1))
    decision = decide(other, SHARED, **asked)
    way = Way(NATIONAL.name, Role.NATIONAL, hops(1), (TWENTY,), NOW)
    assert (decision.reply, decision.changes) == (first, (SetWays(first.ref, first.state, (way,)),))
    assert decision.entries[0].facts == {"role": "national", "hops": ["node-0"], "for": [TWENTY.text]}
    both = replace(first, ways=(way,))
    assert hops_behind(both, (TWENTY,)) == (), "what goes out was made out for the first"
    assert decide(other, SHARED, seen=[both], addressed={TWENTY}).changes == ()


def test_there_is_no_receipt_for_a_recipient_that_was_not_reached_by_another_way() -> None:
    """Those who brought it before were told. This one would never hear."""
    first = taken_for(TWENTY, COMMUNE_1)
    stands = {TWENTY: DeliveryState.FAILED, COMMUNE_1: DeliveryState.DELIVERED}
    problem = problem_of(decide(submission(NATIONAL, only_for=(COMMUNE_1, TWENTY)), SHARED, None, [first], stands))
    assert (problem.kind, problem.extra) == (Kind.NO_ROUTE, {"agency": TWENTY.text})
    assert decide(submission(NATIONAL, only_for=(COMMUNE_1,)), SHARED, None, [first], stands).reply is first
    same = submission(PROVINCE_97, only_for=(TWENTY,))
    assert decide(same, SHARED, None, [first], stands).reply is first, "it was told"


def test_further_recipients_beyond_the_national_axis_mark_the_document_as_crossed() -> None:
    first = taken_for(TWENTY)
    assert not first.crossed
    decision = decide(submission(PROVINCE_97, only_for=(FAR,)), SHARED, seen=[first], addressed={TWENTY})
    assert MarkCrossed(first.ref) in decision.changes
    assert targets(decision) == {"national": [(FAR,)]}


def test_a_repeat_out_of_the_national_axis_for_further_recipients_marks_it_too() -> None:
    first = taken_for(TWENTY)
    decision = decide(submission(NATIONAL, only_for=(COMMUNE_1,)), SHARED, seen=[first], addressed={TWENTY})
    assert MarkCrossed(first.ref) in decision.changes


@pytest.mark.parametrize(
    ("recipient", "at", "kind"),
    [
        (FAR, network(routing(**{"*": None})), Kind.NO_ROUTE),
        (CLOSED, network(), Kind.INACTIVE_AGENCY),
        (STRANGER, network(), Kind.UNKNOWN_AGENCY),
    ],
)
def test_further_recipients_that_cannot_be_reached_are_refused_not_dropped(
    recipient: AgencyCode, at: Network, kind: Kind
) -> None:
    """A receipt promises an offer to every recipient it was asked for: dropping one silently would break that."""
    said = content(TWENTY, COMMUNE_1, recipient, sender=NEIGHBOUR)
    first = document_of(decide(submission(PROVINCE_97, only_for=(TWENTY,)), said))
    again = decide(
        submission(PROVINCE_97, only_for=(TWENTY, COMMUNE_1, recipient)), said, seen=[first], addressed={TWENTY}, at=at
    )
    assert problem_of(again).kind is kind
    assert not again.changes


def test_a_repeat_for_somebody_the_document_does_not_name_is_refused() -> None:
    first = taken_for(TWENTY)
    again = decide(submission(PROVINCE_97, only_for=(TEN,)), SHARED, seen=[first], addressed={TWENTY})
    assert problem_of(again).kind is Kind.BAD_REQUEST


def test_further_recipients_of_a_held_document_are_remembered_for_its_release() -> None:
    """The neighbour has a receipt for both copies, so the release goes to those of both."""
    held = document_of(decide(submission(PROVINCE_97, only_for=(TWENTY,)), SHARED, waiting()))
    further = submission(PROVINCE_97, only_for=(COMMUNE_1, TWENTY))
    decision = decide(further, SHARED, waiting(), seen=[held])
    assert decision.reply is held
    (way,) = ways_in(decision)
    assert (way.recipients, len(decision.changes)) == ((COMMUNE_1,), 1)
    assert kinds(decision) == [EntryKind.REPEATED]
    widened = replace(held, ways=(way,))
    released = decide_recheck(widened, Acceptance.ACCEPT, passed(), network(), NOW, ids())
    assert targets(sound(released)) == {"dms-20": [(TWENTY,)], "district": [(COMMUNE_1,)]}


def test_further_recipients_of_a_held_document_that_cannot_be_reached_are_refused() -> None:
    said = content(TWENTY, CLOSED, sender=NEIGHBOUR)
    held = document_of(decide(submission(PROVINCE_97, only_for=(TWENTY,)), said, waiting()))
    decision = decide(submission(PROVINCE_97, only_for=(CLOSED,)), said, waiting(), seen=[held])
    assert problem_of(decision).kind is Kind.INACTIVE_AGENCY
    assert not decision.changes


@pytest.mark.parametrize(
    ("first", "again"),
    [(None, None), (None, (TWENTY,)), ((TWENTY, COMMUNE_1), (TWENTY,)), ((TWENTY, COMMUNE_1), (COMMUNE_1, TWENTY))],
)
def test_a_held_document_is_repeated_for_those_it_was_for(
    first: tuple[AgencyCode, ...] | None, again: tuple[AgencyCode, ...] | None
) -> None:
    held = document_of(decide(submission(PROVINCE_97, only_for=first), SHARED, waiting()))
    decision = decide(submission(PROVINCE_97, only_for=again), SHARED, waiting(), seen=[held])
    assert (decision.reply, decision.changes) == (held, ())


# --- held --------------------------------------------------------------------------------------------------


def test_doubt_holds_a_document_and_delivers_nothing() -> None:
    decision = decide(verdict=waiting())
    document = document_of(decision)
    assert document.state is document.receipt_state is IntakeState.HELD
    assert decision.changes == (AddDocument(document),)
    assert kinds(decision) == [EntryKind.HELD]


def test_a_change_of_what_is_held_is_held_too() -> None:
    recall = content(kind=MessageKind.RECALL)
    decision = decide_intake(
        submission(), recall, passed(), (), {}, network(), NOW, ids(), NONCE, held=0, early=True
    )  # fmt: skip
    assert document_of(sound(decision)).state is IntakeState.HELD
    assert not deliveries(decision)
    full = decide_intake(submission(), recall, passed(), (), {}, network(), NOW, ids(), NONCE, held=1_000, early=True)
    assert problem_of(full).kind is Kind.REVOCATION_UNKNOWN, "and it counts like everything that is held"


def test_a_document_that_cannot_be_delivered_is_not_held() -> None:
    assert problem_of(decide(verdict=waiting(), said=content(STRANGER))).kind is Kind.UNKNOWN_AGENCY


def test_a_repeat_of_a_held_document_is_still_held() -> None:
    held = document_of(decide(verdict=waiting()))
    decision = decide(verdict=passed(), seen=[held])
    assert decision.reply is held
    assert not decision.changes


@pytest.mark.parametrize(
    ("profile", "accepted"),
    [(Profile.REQUIRED, False), (Profile.VERIFY_IF_PRESENT, True), (Profile.LEGACY_TOLERATED, True)],
)
def test_the_profile_of_the_connection_decides_on_unsigned_packages(profile: Profile, accepted: bool) -> None:
    decision = decide(submission(replace(DMS_10, profile=profile)), verdict=UNSIGNED)
    assert isinstance(decision.reply, Document) is accepted


@pytest.mark.parametrize("verdict", [UNSIGNED, UNVERIFIABLE])
@pytest.mark.parametrize("sender", [TEN, code("000.00.10.H99"), COMMUNE_1, NEIGHBOUR])
def test_another_axis_brings_nothing_unsigned_of_an_agency_that_is_connected_here_or_behind_a_third_axis(
    sender: AgencyCode, verdict: Verdict
) -> None:
    """Nor under its code in the other grammar, registered or not."""
    tolerant = replace(NATIONAL, profile=Profile.LEGACY_TOLERATED)
    decision = decide(submission(tolerant), content(TWENTY, sender=sender), verdict=verdict)
    assert problem_of(decision).kind is Kind.NOT_YOUR_AGENCY
    assert not decision.changes


def test_another_axis_brings_what_such_an_agency_signed_or_where_it_is_named_as_closely() -> None:
    tolerant = replace(NATIONAL, profile=Profile.LEGACY_TOLERATED)
    assert document_of(decide(submission(tolerant), content(TWENTY))).via is Role.NATIONAL
    named = replace(tolerant, authority=((), ("H99", "10")))
    assert document_of(decide(submission(named), content(TWENTY), verdict=UNSIGNED)).sender == TEN
    far = content(TWENTY, sender=MINISTRY)
    assert document_of(decide(submission(tolerant), far, verdict=UNSIGNED)).sender == MINISTRY


# --- where it goes -----------------------------------------------------------------------------------------


def test_there_is_one_delivery_for_each_recipient_here_and_one_for_each_axis() -> None:
    decision = decide(said=content(COMMUNE_1, TWENTY, FAR, COMMUNE_2, NEIGHBOUR, MINISTRY))
    assert targets(decision) == {
        "district": [(COMMUNE_1, COMMUNE_2)],
        "dms-20": [(TWENTY,)],
        "national": [(FAR, MINISTRY)],
        "province-97": [(NEIGHBOUR,)],
    }


def test_two_recipients_in_one_system_get_a_delivery_each() -> None:
    both = Registry([*registry(), Agency(code("H99.20.1"), "", Level.COMMUNE)])
    routes = RoutingTable([Rule("H99.20", "dms-20"), Rule("H99.31", "district")], both)
    decision = decide(said=content(TWENTY, code("H99.20.1")), at=network(routes))
    assert targets(decision) == {"dms-20": [(TWENTY,), (code("H99.20.1"),)]}
    assert len({delivery.lane for delivery in deliveries(decision)}) == 2


def test_a_recipient_that_is_named_twice_gets_one_delivery() -> None:
    decision = decide(said=content(TWENTY, COMMUNE_1, TWENTY, COMMUNE_1))
    assert targets(decision) == {"dms-20": [(TWENTY,)], "district": [(COMMUNE_1,)]}
    copy = submission(PROVINCE_97, only_for=(TWENTY, COMMUNE_1, TWENTY))
    assert targets(decide(copy, SHARED)) == {"dms-20": [(TWENTY,)], "district": [(COMMUNE_1,)]}


def test_a_copy_goes_only_to_those_it_is_for_and_names_all() -> None:
    decision = decide(submission(PROVINCE_97, only_for=(COMMUNE_2,)), SHARED)
    assert targets(decision) == {"district": [(COMMUNE_2,)]}
    document = document_of(decision)
    assert document.recipients == (TWENTY, COMMUNE_1, COMMUNE_2, FAR)
    assert document.only_for == (COMMUNE_2,)


def test_recipients_that_a_copy_is_not_for_need_not_be_known_here() -> None:
    said = content(TWENTY, STRANGER, CLOSED, sender=NEIGHBOUR)
    assert document_of(decide(submission(PROVINCE_97, only_for=(TWENTY,)), said))


def test_a_document_goes_back_to_a_system_that_serves_sender_and_recipient() -> None:
    """Only another axis is never given back what it brought."""
    shared = network(routing(**{"H99.20": "dms-10"}))
    assert targets(decide(at=shared)) == {"dms-10": [(TWENTY,)]}


@pytest.mark.parametrize(
    ("sub", "said", "crossed"),
    [
        (submission(), content(TWENTY, COMMUNE_1), False),
        (submission(), content(TWENTY, FAR), True),
        (submission(NATIONAL), content(TWENTY, sender=MINISTRY), True),
        (submission(PROVINCE_97), content(TWENTY, sender=NEIGHBOUR), False),
        (submission(PROVINCE_97, only_for=(TWENTY,)), SHARED, False),
    ],
)
def test_a_document_has_crossed_when_it_came_or_goes_through_the_national_axis(
    sub: Submission, said: Content, crossed: bool
) -> None:
    decision = decide(sub, said)
    assert document_of(decision).crossed is crossed
    assert AddDocument(document_of(decision)) in decision.changes


def test_a_delivery_is_due_at_once_urgent_as_its_document_and_fresh() -> None:
    said = content(other=OtherInfo(priority=Priority.EXPRESS))
    (delivery,) = deliveries(decide(said=said))
    assert (delivery.due_at, delivery.created_at) == (NOW, NOW)
    assert delivery.priority is Priority.EXPRESS
    assert (delivery.cargo, delivery.state, delivery.attempts, delivery.token) == (
        Cargo.DOCUMENT,
        DeliveryState.QUEUED,
        0,
        0,
    )


def test_a_recall_waits_in_the_lane_of_the_document_that_it_concerns() -> None:
    new = decide(said=content(TWENTY, FAR))
    named = Business(MessageKind.RECALL, document_id=f" {DOCUMENT_ID} ")
    said = Content(envelope((TWENTY, FAR), business=named), "another-id")
    recall = decide(submission(digest=OTHER_DIGEST), said)
    assert document_of(recall).concerns == DOCUMENT_ID
    assert [one.lane for one in deliveries(recall)] == [one.lane for one in deliveries(new)]
    other = decide(said=Content(envelope((TWENTY, FAR)), "another-id"))
    assert not {one.lane for one in deliveries(other)} & {one.lane for one in deliveries(new)}


CONCERNS: list[tuple[MessageKind, dict[str, Any], str]] = [
    (MessageKind.NEW, {}, "own"),
    (MessageKind.NEW, {"responses": (ResponseFor(document_id="asked"),)}, "own"),
    (MessageKind.RECALL, {}, "own"),
    (MessageKind.RECALL, {"business": Business(MessageKind.RECALL, document_id="block")}, "block"),
    (
        MessageKind.RECALL,
        {
            "business": Business(MessageKind.RECALL, document_id="block"),
            "responses": (ResponseFor(), ResponseFor(document_id="response")),
        },
        "response",
    ),
    (MessageKind.UPDATE, {"business": Business(MessageKind.UPDATE, document_id=" block ")}, "block"),
    (MessageKind.UPDATE, {"responses": (ResponseFor(document_id="response"),)}, "own"),
    (MessageKind.REPLACE, {"business": Business(MessageKind.REPLACE, replacements=(Replacement("old"),))}, "old"),
    (MessageKind.REPLACE, {"business": Business(MessageKind.REPLACE, document_id="block")}, "block"),
]


@pytest.mark.parametrize(("kind", "facts", "expected"), CONCERNS)
def test_a_change_concerns_the_document_that_it_names(kind: MessageKind, facts: dict[str, Any], expected: str) -> None:
    assert concerned_id(envelope(kind=kind, **facts), "own") == expected


# --- what is written ---------------------------------------------------------------------------------------


def test_an_acceptance_is_two_entries_with_commitments_in_place_of_content() -> None:
    decision = decide(said=content(TWENTY, FAR))
    accepted, routed = decision.entries
    assert (accepted.kind, accepted.actor, routed.kind, routed.actor) == (
        EntryKind.ACCEPTED,
        "dms-10",
        EntryKind.ROUTED,
        "province-99",
    )
    assert accepted.facts["sender"] == "H99.10"
    assert accepted.facts["recipients"] == ["H99.20", "H98.05"]
    assert routed.facts == {"routes": [["H99.20", "dms-20", "H99.20"], ["H98.05", "national", "*"]]}
    committed = [value for key, value in accepted.facts.items() if key.endswith("_commitment")]
    assert len(set(committed)) == 4
    assert all(len(str(value)) == 64 for value in committed)


def test_the_document_keeps_what_the_submission_and_the_envelope_say() -> None:
    document = document_of(decide(submission(hops=hops(1)), Content(envelope(), DOCUMENT_ID, (), ("a quirk",))))
    assert (document.sender, document.number, document.issued_on) == (TEN, "12/UBND-VP", envelope().issued_on)
    assert (document.digest, document.payload, document.by, document.via) == (
        DIGEST,
        submission().payload,
        "dms-10",
        DMS_10.role,
    )
    assert (document.accepted_at, document.nonce, document.notes, document.hops) == (NOW, NONCE, ("a quirk",), hops(1))


def test_a_document_to_as_many_as_are_allowed_fits_its_log_entries() -> None:
    """500 recipients with the longest codes, each by a route of its own, over an endpoint of 40 characters."""
    many = [code(f"H99.{number:04}.{'A' * 26}") for number in range(500)]
    assert len(many[0].text) == 35
    known = Registry([*registry(), *(Agency(one, "", Level.COMMUNE) for one in many)])
    routes = RoutingTable([Rule(one.text, "e" * 40) for one in many], known)
    at = network(routes, roles={"e" * 40: DMS_10.role})
    decision = decide(said=content(*many), at=at)
    assert len(deliveries(decision)) == 500


def test_a_decision_with_changes_and_no_entry_cannot_be_made() -> None:
    change = AddDocument(FIRST)
    with pytest.raises(AssertionError):
        Decision((), (change,), None)
    assert Decision((LogEntry(EntryKind.ACCEPTED, NOW, "", ""),), (change,), None).changes == (change,)


anyone = st.sampled_from([*REGISTERED, STRANGER, CLOSED])
connections = st.sampled_from([DMS_10, DISTRICT, PROVINCE_97, NATIONAL])
verdicts = st.sampled_from([passed(), waiting(), BROKEN, UNSIGNED])


@given(
    st.lists(anyone, min_size=1, max_size=6, unique=True),
    st.none() | st.lists(anyone, max_size=3, unique=True),
    anyone,
    connections,
    verdicts,
    st.booleans(),
)
def test_whatever_comes_is_stored_and_offered_to_everyone_it_is_for_or_refused_and_not_stored(
    to: list[AgencyCode],
    only: list[AgencyCode] | None,
    sender: AgencyCode,
    by: Principal,
    verdict: Verdict,
    again: bool,
) -> None:
    said = content(*to, sender=sender)
    sub = submission(by, only_for=None if only is None else tuple(only))
    decision = decide(sub, said, verdict)
    if isinstance(decision.reply, Problem):
        assert not decision.changes
        assert kinds(decision) == [EntryKind.REFUSED]
        return
    document = decision.reply
    asked = to if only is None else only
    offered = [one for delivery in deliveries(decision) for one in delivery.recipients]
    assert sorted(offered) == (sorted(asked) if document.state is IntakeState.ACCEPTED else [])
    assert by.name not in targets(decision) or not network().leads_away(by.name)
    assert len({delivery.id for delivery in deliveries(decision)}) == len(deliveries(decision))
    assert all(len(leaf(entry)) < 65_536 for entry in decision.entries)
    repeat = decide(sub, said, verdict, seen=[document], addressed=set(offered))
    assert repeat.reply is document
    assert not repeat.changes


def test_the_budget_of_a_hold_is_72_hours_unless_said_otherwise() -> None:
    assert network().hold == timedelta(hours=72)
