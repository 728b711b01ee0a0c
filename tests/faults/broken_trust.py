"""What holds F64 to F77, F117, F118, taken away: the tests named must turn red, and say why (`test_trust_defences`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tests.faults.rows_trust import AHEAD, BEHIND, HELD, HINT, HSM, KEEPER, RESPONDER, STAMPED, TIME, TOKEN, TRUST
from tests.mutations.edit import Edit, Mutation, off
from tests.mutations.table_trust import MUTATIONS

REQUEST, INTAKE = "signing/revocation/request.py", "axis/core/intake.py"


@dataclass(frozen=True)
class Off:
    """Without `mutation` one of `tests` fails with words that match `says`."""

    mutation: Mutation
    says: str
    tests: tuple[str, ...]


REPEATS: Final = off(
    "a repeat has its receipt, whatever would be said of it now",
    INTAKE,
    (
        "    if same is not None:\n        return _repeat(",
        "    if same is not None and accept(sub.by.profile, verdict) is Acceptance.ACCEPT:\n        return _repeat(",
    ),
)

BY_FAULT: Final[Mapping[str, tuple[Off, ...]]] = {
    "F64": (
        Off(
            off("a node whose clock jumped is not ready", "axis/web/console.py", (" and self.ctx.clock_holds", "")),
            "never: it is not ready",
            (f"{TRUST}::test_a_clock_that_jumps_is_told_and_spends_nobodys_time[back]",),
        ),
        Off(
            Mutation(
                "deliveries go by a clock that does not jump",  # `hasten` alone mends it within a round
                (
                    Edit(
                        "axis/flow/clock.py",
                        "        return wall if abs(off) <= _SLACK_S else self._passed()\n",
                        "        return wall\n",
                    ),
                    Edit("axis/flow/expiry.py", "            await hasten(ctx)\n", ""),
                ),
            ),
            "never: attempts go on",
            (f"{TRUST}::test_a_clock_that_jumps_is_told_and_spends_nobodys_time[back]",),
        ),
        Off(
            off("what another clock made due is due", "axis/flow/expiry.py", ("            await hasten(ctx)\n", "")),
            "what waits goes out",
            ("tests/flow/test_engine.py::test_what_another_clock_made_due_is_due[3]",),
        ),
    ),
    "F65": (
        Off(
            off("a clock that stands is noticed", "axis/flow/clock.py", ("abs(off) <= SLACK", "off <= SLACK")),
            "never: it is not ready",
            (f"{TRUST}::test_a_clock_that_stands_is_told",),
        ),
    ),
    "F66": (
        Off(
            off(
                "the use of grace is told",
                "signing/revocation/judge.py",
                ('    return [f"revocation=stale({int((question.at - end).total_seconds())}s)"]\n', "    return []\n"),
            ),
            "revocation=stale",
            (f"{TIME}::test_grace_is_declared_bounded_and_recorded",),
        ),
    ),
    "F67": (
        Off(
            off(
                "a list with a lower number is not kept",
                REQUEST,
                ("        if same and believed and (known.number", "        if False and (known.number"),
            ),
            "it is not refused",
            (f"{KEEPER}::test_a_bad_list_is_refused_and_the_kept_one_stays[an older number]",),
        ),
    ),
    "F68": (
        Off(
            off(
                "a fetched list is signed by who may",
                REQUEST,
                (
                    "    if not any(crl.is_signed_by(one.certificate, one.sha256) for one in",
                    "    if not any(True for one in",
                ),
            ),
            "it is not refused",
            (f"{KEEPER}::test_a_bad_list_is_refused_and_the_kept_one_stays",),
        ),
        Off(
            off(
                "what is fetched is bounded",
                "adapters/fetch.py",
                ("                if (response.content_length or 0) > most:", "                if False:"),
                ("        if size > most:", "        if False:"),
            ),
            "DID NOT RAISE",
            (f"{KEEPER}::test_what_is_too_large_is_given_up_at_once[page1]",),
        ),
    ),
    "F69": (
        Off(
            off(
                "where the first kind of evidence brings nothing, the other is asked for",
                "axis/flow/evidence.py",
                ("        for kind in self.order:", "        for kind in self.order[:1]:"),
            ),
            "the list was not asked",
            (f"{RESPONDER}::test_where_no_answer_is_one_the_list_is_asked[tryLater]",),
        ),
    ),
    "F70": (
        Off(
            MUTATIONS["answer-nonce"],
            "the list was not asked",
            (f"{RESPONDER}::test_where_no_answer_is_one_the_list_is_asked[another request's]",),
        ),
        Off(
            MUTATIONS["answer-fresh"],
            "the list was not asked",
            (f"{RESPONDER}::test_where_no_answer_is_one_the_list_is_asked[stale]",),
        ),
        Off(
            MUTATIONS["answer-serial"],
            "the list was not asked",
            (f"{RESPONDER}::test_where_no_answer_is_one_the_list_is_asked[another certificate]",),
        ),
        Off(MUTATIONS["answer-delegate"], "GOOD", (f"{RESPONDER}::test_who_may_not_answer",)),
    ),
    "F71": (
        Off(
            REPEATS,
            "a repeat gets another answer",
            (f"{HELD}::test_what_was_accepted_stays_accepted_when_its_signer_is_revoked_later",),
        ),
    ),
    "F72": (
        Off(
            off(
                "nothing is sent without the time stamp that was asked for",
                "axis/cli/send.py",
                ("            if not authority.optional:\n", "            if False:\n"),
            ),
            "sent without a time stamp",
            (f"{STAMPED}::test_without_a_time_stamp_nothing_is_sent_unless_one_may_do_without[busy]",),
        ),
    ),
    "F73": (
        Off(
            MUTATIONS["stamp-imprint"],
            "time stamp",
            (f"{STAMPED}::test_without_a_time_stamp_nothing_is_sent_unless_one_may_do_without[of other octets]",),
        ),
        Off(
            off(
                "a token of a time to come proves none",
                "signing/timestamp/judge.py",
                ("    if gen_time > at + _CLOCKS:", "    if False:"),
            ),
            "good",
            (f"{TOKEN}::test_bad[genTime in the future]",),
        ),
    ),
    "F74": (
        Off(
            off(
                "the same octets of the same sender are one document",
                INTAKE,
                (
                    "    same = next((document for document in seen if document.digest == sub.digest), None)\n",
                    "    same = None\n",
                ),
            ),
            "409",
            (f"{TRUST}::test_a_retry_under_new_certificates_gets_the_first_receipt",),
        ),
    ),
    "F75": (
        Off(
            off(
                "new connections get the new certificate",
                "axis/web/places.py",
                ("        self.tls = tls\n", "        pass\n"),
            ),
            "never: new connections get the new one",
            (f"{TRUST}::test_a_new_certificate_is_for_new_connections_and_uploads_end_under_the_old_one",),
        ),
    ),
    "F76": (
        Off(
            off(
                "the roots are read again",
                "axis/reread.py",
                ("    if (fresh.epoch, fresh.answers) != (ctx.trust.epoch, ctx.trust.answers):", "    if False:"),
            ),
            "never: the roots are read again",
            (f"{TRUST}::test_a_root_that_is_taken_away_lets_in_nothing_new_and_what_waits_goes_on",),
        ),
        Off(
            REPEATS,
            "a repeat gets another answer",
            (f"{TRUST}::test_a_root_that_is_taken_away_lets_in_nothing_new_and_what_waits_goes_on",),
        ),
    ),
    "F77": (
        Off(
            off(
                "without a key that signs nothing is taken in",
                "axis/flow/receive.py",
                ("    if not ctx.receipt_key.ready():\n", "    if False:\n"),
            ),
            "something was taken in that gets no receipt",
            (f"{HSM}::test_without_its_token_a_node_takes_nothing_in_and_goes_on_afterwards",),
        ),
    ),
    "F117": (
        Off(
            off(
                "what was signed after our own time waits",
                "signing/xmldsig.py",
                ("        if not may_wait(claimed_at, at):\n", "        if True:\n"),
            ),
            "422",
            (f"{BEHIND}::test_what_was_signed_just_now_waits_for_a_clock_that_is_behind",),
        ),
        Off(
            off(
                "it is not good before its time has come",
                "signing/verify.py",
                (
                    "        if sub_indication is None:\n            sub_indication, reason = found.ahead",
                    "        if False:\n            sub_indication, reason = found.ahead",
                ),
            ),
            "accepted",
            (f"{BEHIND}::test_what_was_signed_just_now_waits_for_a_clock_that_is_behind",),
        ),
        Off(
            off(
                "nothing waits longer than a day",
                "signing/ahead.py",
                ("return at < dated <= at + WAITS", "return at < dated"),
            ),
            "assert",
            (f"{BEHIND}::test_a_clock_that_is_behind_by_days_refuses_and_says_why",),
        ),
        Off(
            off(
                "a certificate that is not valid yet waits only where nothing else is wrong",
                "signing/chain.py",
                ("    if then.sub_indication not in (None, SubIndication.TRY_LATER):\n", "    if False:\n"),
            ),
            "assert",
            (f"{AHEAD}::test_it_waits_for_nothing_where_it_will_not_be_good",),
        ),
    ),
    "F118": (
        Off(
            off(
                "whom a list names that is dated ahead does not pass",
                "signing/revocation/judge.py",
                ("        if against:\n", "        if False:\n"),
            ),
            "held",
            (f"{BEHIND}::test_an_authority_that_dates_a_list_later_than_now_tells_of_our_clock",),
        ),
        Off(
            off(
                "nor whom an answer revokes that is dated ahead",
                "signing/revocation/judge.py",
                (
                    "        if single.status is Status.REVOKED:\n            told_ahead",
                    "        if False:\n            told_ahead",
                ),
            ),
            "assert",
            (f"{RESPONDER}::test_an_answer_that_is_dated_ahead_lets_nobody_pass_whom_it_revokes",),
        ),
        Off(
            off(
                "a list that is dated ahead is kept",
                "signing/revocation/request.py",
                ("at + WAITS), trust.freshness)", "at + CLOCKS), trust.freshness)"),
            ),
            "assert",
            (f"{KEEPER}::test_a_list_that_is_dated_ahead_stands_beside_the_kept_one_and_only_convicts",),
        ),
        Off(
            off(
                "a list that is dated ahead stands beside the one in force",
                "axis/flow/evidence.py",
                ('self._keep, f"{url} ahead", kept', "self._keep, url, kept"),
            ),
            "assert",
            (f"{KEEPER}::test_a_list_that_is_dated_ahead_stands_beside_the_kept_one_and_only_convicts",),
        ),
        Off(
            off(
                "what speaks against our clock is told",
                "axis/app.py",
                ("            services.create_task(watch_hearing(hearing, lambda: ctx.trust, stop))\n", ""),
            ),
            "never: it is told",
            (f"{BEHIND}::test_an_authority_that_dates_a_list_later_than_now_tells_of_our_clock",),
        ),
        Off(
            off(
                "nobody's word alone raises an alarm",
                "axis/core/clock_hint.py",
                ("if _weight(accusing) >= ENOUGH and", "if accusing and"),
            ),
            "assert",
            (f"{HINT}::test_a_neighbour_is_heard_once_however_often_it_answers",),
        ),
    ),
}
