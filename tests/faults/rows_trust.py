"""F64 to F77, F117, F118: the clock, certificates and what is known of them, time stamps, keys: rows of `rows.Row`."""

from __future__ import annotations

from typing import Final

TRUST = "tests/faults/test_trust.py"
KEEPER, RESPONDER = "tests/unit/revocation/test_keeper.py", "tests/unit/revocation/test_responder.py"
TIME, HELD = "tests/unit/revocation/test_time.py", "tests/flow/test_held.py"
TSA, TOKEN = "tests/unit/timestamp/test_real_authority.py", "tests/unit/timestamp/test_token.py"
STAMPED = "tests/cli/test_send_stamped.py"
BEHIND, AHEAD = "tests/faults/test_clock_behind.py", "tests/unit/signing/test_ahead.py"
HINT = "tests/unit/core/test_clock_hint.py"
HSM, CLOCK = "tests/unit/hsm/test_node.py", "tests/unit/test_clock.py"

ROWS: Final[tuple[tuple[str, str, str, tuple[str, ...], str], ...]] = (
    (
        "F64",
        "the wall clock jumps: an hour on, an hour back, ten years on, a leap second",
        "a clock that a file sets, in the running node",
        (
            f"{TRUST}::test_a_clock_that_jumps_is_told_and_spends_nobodys_time",
            f"{CLOCK}::test_a_clock_is_believed_as_far_as_the_time_that_went_by",
            f"{CLOCK}::test_it_is_told_once_in_either_direction",
            "tests/flow/test_engine.py::test_what_another_clock_made_due_is_due",
            "tests/care/test_sweep.py::test_what_is_named_by_a_clock_that_was_set_back_is_not_old",
        ),
        (
            "not ready, and `clock_strayed`, until the clock is right or the node is started again; deliveries, leases "
            "and holds go by the time that went by, certificates by the wall clock; a time-stamping authority is not "
            "asked for the time, PostgreSQL is (F37)"
        ),
    ),
    (
        "F65",
        "the wall clock stands",
        "the same",
        (
            f"{TRUST}::test_a_clock_that_stands_is_told",
            f"{CLOCK}::test_a_clock_is_believed_as_far_as_the_time_that_went_by",
        ),
        "",
    ),
    (
        "F66",
        "a revocation list has ended, and no newer one can be had",
        "lists issued 400 days ago; lists taken away",
        (
            f"{TRUST}::test_a_stale_list_within_its_grace_is_used_and_said_to_be_stale",
            f"{TIME}::test_grace_is_declared_bounded_and_recorded",
            f"{HELD}::test_a_stale_list_does_not_acquit_but_still_convicts",
            f"{HELD}::test_a_held_document_is_released_when_the_list_comes",
            f"{HELD}::test_after_the_hold_budget_doubt_becomes_refusal",
        ),
        (
            "past its grace the document is taken and held, with a receipt that says so; only where too many are held"
            " is it 503"
        ),
    ),
    (
        "F67",
        "an older list is published that is still in force",
        "a list with a lower number from the same address",
        (
            f"{KEEPER}::test_a_bad_list_is_refused_and_the_kept_one_stays",
            f"{TIME}::test_an_expired_list_with_the_higher_number_is_not_outvoted_by_an_older_one",
        ),
        "",
    ),
    (
        "F68",
        "a list without end, cut short, or by another authority",
        "a publisher that serves them",
        (
            f"{KEEPER}::test_a_bad_list_is_refused_and_the_kept_one_stays",
            f"{KEEPER}::test_a_bad_list_alone_is_no_list",
            f"{KEEPER}::test_what_is_too_large_is_given_up_at_once",
        ),
        "",
    ),
    (
        "F69",
        "a responder is down, slow, answers 500, tryLater, unauthorized",
        "a responder that does; none at its address",
        (
            f"{RESPONDER}::test_where_no_answer_is_one_the_list_is_asked",
            f"{RESPONDER}::test_an_answer_that_is_none",
            f"{RESPONDER}::test_a_responder_that_is_down",
            f"{KEEPER}::test_a_host_that_fails_is_left_alone_and_longer_each_time",
        ),
        "",
    ),
    (
        "F70",
        "a responder answers another question, about another certificate, something stale, or may not answer",
        "`openssl ocsp` under certificates that are not for it; answers made by hand",
        (
            f"{RESPONDER}::test_where_no_answer_is_one_the_list_is_asked",
            f"{RESPONDER}::test_an_answer_that_is_none",
            f"{RESPONDER}::test_who_may_not_answer",
            f"{RESPONDER}::test_these_answers_differ_from_a_good_one_by_one_thing_only",
        ),
        "",
    ),
    (
        "F71",
        "a signer is revoked after the acceptance, before the delivery",
        "a new list while the document lies in a mailbox",
        (f"{HELD}::test_what_was_accepted_stays_accepted_when_its_signer_is_revoked_later",),
        (
            "what was accepted is not judged again, so recipients get no notice of it; the log has the time of the "
            "acceptance, the list that of the revocation"
        ),
    ),
    (
        "F72",
        "a time-stamping authority is away",
        "an authority that is silent, slow, busy, or refuses",
        (
            f"{STAMPED}::test_without_a_time_stamp_nothing_is_sent_unless_one_may_do_without",
            f"{STAMPED}::test_nobody_listens",
            f"{TSA}::test_nobody_listens",
            f"{TSA}::test_an_authority_that_is_too_slow_is_not_waited_for",
        ),
        (
            "who signs asks for stamps (`axis send --tsa`); a node asks for none, and takes documents in whatever an "
            "authority does"
        ),
    ),
    (
        "F73",
        "a token of other octets, for another question, of another policy or time, by an ended certificate",
        "`openssl ts` as an authority; tokens made by hand",
        (
            f"{STAMPED}::test_without_a_time_stamp_nothing_is_sent_unless_one_may_do_without",
            f"{TSA}::test_an_authority_that_stamps_something_else_is_found_out",
            f"{TOKEN}::test_bad",
            f"{TOKEN}::test_the_answer_is_to_our_question",
        ),
        "one authority is named at a time: another one is another `--tsa`",
    ),
    (
        "F74",
        "a sender's certificates are rolled over between an upload and its retry",
        "new certificates in the configuration, a restart",
        (f"{TRUST}::test_a_retry_under_new_certificates_gets_the_first_receipt",),
        "",
    ),
    (
        "F75",
        "the listener's certificate is replaced while ninety-nine uploads are under way",
        "the files are replaced, one after the other",
        (f"{TRUST}::test_a_new_certificate_is_for_new_connections_and_uploads_end_under_the_old_one",),
        "",
    ),
    (
        "F76",
        "a root is taken away while documents signed under it wait",
        "the file of the roots is replaced",
        (f"{TRUST}::test_a_root_that_is_taken_away_lets_in_nothing_new_and_what_waits_goes_on",),
        "",
    ),
    (
        "F77",
        "the token with the keys of receipts and log is gone",
        "its files are moved away, its process is killed",
        (
            f"{HSM}::test_without_its_token_a_node_takes_nothing_in_and_goes_on_afterwards",
            f"{HSM}::test_receipts_and_log_of_a_node_are_signed_in_its_token",
            f"{HSM}::test_a_wrong_pin_stops_the_node_before_it_takes_anything_in",
        ),
        (
            "what is taken in within ten seconds of the last signature is answered with 503 as well, and its receipt "
            "waits for the repeat; a key in a file is read when the node starts, and needed no more"
        ),
    ),
    (
        "F117",
        "the clock of a node is behind from its start",
        "a clock that a file sets, an hour and two days behind",
        (
            f"{BEHIND}::test_what_was_signed_just_now_waits_for_a_clock_that_is_behind",
            f"{BEHIND}::test_a_clock_that_is_behind_by_days_refuses_and_says_why",
            f"{AHEAD}::test_what_was_signed_after_our_time_waits_for_at_most_a_day",
            f"{AHEAD}::test_it_is_good_when_its_time_has_come",
            f"{AHEAD}::test_what_is_wrong_beside_it_is_said_at_once",
            f"{AHEAD}::test_a_certificate_that_is_not_valid_yet_waits_for_that",
            f"{AHEAD}::test_it_waits_for_nothing_where_it_will_not_be_good",
        ),
        (
            "held under its receipt, and judged when our clock is there; by more than a day it is refused; a status of "
            "an agency that lies over five minutes ahead is refused (400)"
        ),
    ),
    (
        "F118",
        "the clock is behind, and an authority has revoked, or others know better",
        "lists and answers that are dated after our clock; what neighbours, authorities and agencies tell of the time",
        (
            f"{BEHIND}::test_an_authority_that_dates_a_list_later_than_now_tells_of_our_clock",
            f"{AHEAD}::test_a_list_that_is_dated_ahead_acquits_nobody_and_what_it_names_waits",
            f"{AHEAD}::test_a_certificate_that_has_ended_by_what_its_authority_says_is_not_good",
            f"{RESPONDER}::test_an_answer_that_is_dated_ahead_lets_nobody_pass_whom_it_revokes",
            f"{KEEPER}::test_a_list_that_is_dated_ahead_stands_beside_the_kept_one_and_only_convicts",
            f"{HINT}::test_how_wrong_a_clock_likely_is",
            f"{HINT}::test_a_neighbour_is_heard_once_however_often_it_answers",
            f"{HINT}::test_a_list_counts_when_an_authority_of_ours_signed_it",
        ),
        (
            "`clock_doubted`, on the status page, in `/readyz` and the metrics: told to people, decides nothing; where "
            "no newer list has come, who was revoked since passes as before"
        ),
    ),
)
