"""Faults of disks, servers, networks, receivers and the national axis that stand in no other file of rows."""

from __future__ import annotations

from typing import Final

from tests.faults.row import row

SERVER, DISK, WIRE = "tests/faults/test_server.py", "tests/faults/test_slow_disk.py", "tests/faults/test_wire.py"
NAMES, NATIONAL = "tests/faults/test_names.py", "tests/faults/test_national_axis.py"
CUT = "tests/faults/test_cut.py"
BEGIN, SHARED = "tests/contract/test_begin.py", "tests/contract/test_two_processes.py"
ENGINE, DELIVERY, NODES = "tests/flow/test_engine.py", "tests/flow/test_delivery.py", "tests/flow/test_two_nodes.py"
ISOLATION, KEEPER = "tests/flow/test_isolation.py", "tests/unit/revocation/test_keeper.py"

ROWS: Final = (
    row(
        "F02",
        "the commit's sync fails, PostgreSQL",
        "strace on the server's process: EIO",
        f"{SERVER}::test_a_commit_that_does_not_reach_the_servers_disk_is_unknown_and_the_node_goes_on",
        note="what came of it is settled by the sender's repeat, not by `pg_xact_status`",
    ),
    row(
        "F05",
        "close() of a file that was written fails",
        "EIO at the call",
        "tests/unit/log/test_files.py::test_a_file_that_cannot_be_closed_gets_no_name",
        note="files of the log; a package's octets are synced, named and synced again before their file is closed",
    ),
    row(
        "F14",
        "the disk becomes read-only",
        "strace: EROFS at every write of the store",
        f"{DISK}::test_a_disk_that_becomes_read_only_is_given_nothing_and_loses_nothing",
        f"{DISK}::test_without_room_to_write_nothing_starts",
    ),
    row(
        "F20",
        "a SQLite transaction that reads first and writes later",
        "every connection tells how it begins",
        f"{BEGIN}::test_every_transaction_that_may_write_begins_immediate",
    ),
    row(
        "F22",
        "a SQLite file on a network file system",
        "a list of mounts that says so",
        f"{BEGIN}::test_a_store_on_a_network_file_system_does_not_open",
        f"{BEGIN}::test_the_innermost_mount_says_where_a_file_lies",
        note="SQLite's version is not looked at: the bug of 3.7 to 3.51.2 needs two connections that write or copy its "
        "log, and there is one",
    ),
    row(
        "F23",
        "every sync takes 1.5 s",
        "strace: a delay",
        f"{DISK}::test_a_slow_disk_makes_answers_late_and_nothing_else",
    ),
    row(
        "F29",
        "the server has no more places for connections",
        "all of them are taken, the node's own ended",
        f"{SERVER}::test_a_server_without_places_is_waited_for_and_said_so",
        "tests/contract/test_transactions.py::test_the_queue_is_bounded",
    ),
    row(
        "F30",
        "the server turns into a standby; another one takes over that lacks the last commits",
        "`standby.signal`; the files of an earlier moment",
        f"{SERVER}::test_a_server_that_turns_into_a_standby_is_given_nothing_until_it_is_the_first_again",
        f"{SERVER}::test_a_server_that_takes_over_without_the_newest_commits_is_given_nothing",
        f"{SERVER}::test_a_server_that_has_lost_what_was_signed_is_not_started_on",
        note="a process looks before it writes to a server that it has found again: for the document of its newest "
        "receipt, and for all that was signed; what else was lost of the last second, before the log had it, is seen "
        "by nobody, nor is a receipt after a restart: keep a synchronous standby",
    ),
    row(
        "F111",
        "the disk of the database server is full",
        "a small disk in memory under its files",
        f"{SERVER}::test_a_server_whose_disk_is_full_is_said_to_be_and_nothing_is_lost",
        f"{SERVER}::test_a_server_whose_own_log_has_no_room_ends_and_nothing_is_lost",
        note="it is tried all the same: what changes a row may find room, and nobody else tells when there is room "
        "again",
    ),
    row(
        "F112",
        "a pooler stands before the database",
        "a relay that gives each caller a number of its own, as PgBouncer does",
        "tests/contract/test_servers.py::test_a_pooler_before_the_server_is_refused",
    ),
    row(
        "F34",
        "of two transactions the one with the larger numbers is committed first",
        "a transaction that is held open",
        f"{SHARED}::test_what_has_a_smaller_number_and_is_committed_later_is_skipped_by_nobody",
        "tests/contract/test_tally.py::test_a_smaller_number_that_is_committed_later_is_counted_too",
    ),
    row(
        "F35",
        "a report's transaction stays open",
        "a second connection that has a transaction number",
        f"{SERVER}::test_a_report_that_takes_an_hour_holds_nobody_up",
    ),
    row(
        "F36",
        "a read replica is behind, or says otherwise",
        "",
        note="nothing reads elsewhere: `[store]` has one address, and a server that is a standby is refused (F30)",
    ),
    row(
        "F38",
        "a process cannot reach the database, others can",
        "the line to the server is cut at a moment of a transaction, TCP believing in both ends; no packet gets "
        "through; one is stopped past its leases, so that others take over, and goes on, also where it keeps them out "
        "of the store of heads or of the names of packages",
        f"{CUT}::test_what_a_process_has_that_is_cut_off_is_taken_over_and_it_says_so",
        f"{CUT}::test_what_a_machine_had_that_is_no_more_is_free_within_half_a_minute",
        "tests/crash/test_processes.py::test_a_process_that_is_stopped_past_its_leases_changes_nothing_when_it_goes_on",
        "tests/crash/test_stands_still.py"
        "::test_who_stands_still_in_its_turn_is_passed_over_and_changes_nothing_when_it_goes_on",
        "tests/unit/log/test_turn.py::test_who_stands_still_while_it_writes_changes_nothing_once_another_has_the_log",
        "tests/unit/log/test_turn.py::test_who_stands_still_while_it_takes_the_log_over_is_passed_over_by_the_next",
        "tests/contract/test_deliveries.py::test_only_the_holder_of_the_token_settles",
        "tests/flow/test_engine.py::test_who_stood_still_since_its_claim_does_not_begin_when_the_lease_is_over",
        "tests/contract/test_blobs.py::test_who_stands_still_where_names_are_removed_does_not_make_others_stand",
        note="simulated by seed as well",
    ),
    row(
        "F39",
        "a receiver cannot be reached, others can",
        "one that does not answer, one that is away, a neighbour that is stopped",
        f"{ENGINE}::test_a_slow_peer_takes_its_share_and_delays_nobody_else",
        f"{ENGINE}::test_a_dead_peer_costs_few_attempts_and_is_met_again_slowly",
        f"{NODES}::test_a_neighbour_that_is_away_for_a_while_gets_everything_in_order",
    ),
    row(
        "F40",
        "three packets of ten are lost",
        "a network of its own, whose device drops them",
        f"{WIRE}::test_a_bad_network_makes_everything_slower_and_nothing_twice",
    ),
    row(
        "F41",
        "packets take 100 to 900 ms and overtake each other",
        "the same device keeps them",
        f"{WIRE}::test_a_bad_network_makes_everything_slower_and_nothing_twice",
    ),
    row(
        "F43",
        "a caller vanishes, without FIN or reset",
        "the same device drops everything",
        f"{WIRE}::test_a_caller_that_vanishes_is_let_go",
    ),
    row(
        "F48",
        "a receiver answers 5xx for a long time, then 200",
        "a receiver that does; hours are shortened to seconds",
        f"{ENGINE}::test_a_dead_peer_costs_few_attempts_and_is_met_again_slowly",
        f"{ENGINE}::test_an_express_recall_does_not_overtake_its_document",
        f"{DELIVERY}::test_a_delivery_that_fails_for_now_is_made_again_under_the_same_id",
        "tests/unit/core/test_retry.py::test_the_wait_doubles_from_five_seconds_to_an_hour",
    ),
    row(
        "F54",
        "a name points to a private address when it is connected to",
        "a name server that answers something else each time",
        f"{KEEPER}::test_a_name_with_one_private_address_is_not_asked_and_neither_is_one_that_moves",
        f"{KEEPER}::test_the_fetcher_asks_that_resolver",
        note="for addresses that certificates name; those of receivers are the operator's word, and proved by their "
        "certificate (F53)",
    ),
    row(
        "F55",
        "the national axis is away while documents queue",
        "it is not there, then it is; forty documents, seconds for hours",
        f"{NATIONAL}::test_while_the_national_axis_is_away_everything_waits_and_then_goes_once",
    ),
    row(
        "F56",
        "the national axis answers 200 and loses the message",
        "one of two documents is taken out of a simulated one's store",
        f"{NATIONAL}::test_what_the_national_axis_has_lost_is_missed_and_sent_again",
        "tests/flow/test_reconcile.py::test_what_is_lost_is_sent_again_once_the_other_side_has_named_anything",
        "tests/unit/core/test_follow_up.py::test_a_document_does_not_arrive_behind_its_own_recall_but_a_status_may",
        "tests/flow/test_reconcile.py::test_what_its_recall_is_just_overtaking_is_not_sent_again",
    ),
    row(
        "F57",
        "the national axis offers the same document three times",
        "our answer that we have it is lost, twice",
        f"{NATIONAL}::test_what_the_national_axis_offers_again_is_taken_once",
        "tests/flow/test_receipts.py::test_an_id_that_was_used_for_other_content_is_a_conflict",
        "tests/flow/test_poll.py::test_what_was_taken_is_never_rejected_whatever_is_answered",
        "tests/flow/test_poll.py::test_one_thing_that_breaks_the_program_does_not_keep_the_others",
    ),
    row(
        "F58",
        "the national axis shows a certificate of another authority",
        "a simulated one that does, then one of the same authority as before; then the authority's file is replaced",
        f"{NATIONAL}::test_a_national_axis_with_a_certificate_of_another_authority_is_given_nothing",
        f"{NATIONAL}::test_a_new_authority_is_believed_without_a_restart_and_the_old_one_no_more",
        f"{NATIONAL}::test_a_new_authority_of_any_destination_is_believed_by_itself",
        note="half a file is not believed, the old one is in force until it is whole; without `ca`, what the system "
        "trusts is read at the start",
    ),
    row(
        "F59",
        "the name server does not answer",
        "the call that asks it hangs, for forty destinations",
        f"{NAMES}::test_a_name_server_that_does_not_answer_is_no_trouble_of_those_who_send",
    ),
    row("F60–F61", "hot folder: unmounted, full, half-written files, links", "", note="there is no hot folder"),
    row(
        "F62",
        "two programs of one agency at its mailbox",
        "both list before either fetches",
        f"{NAMES}::test_two_programs_at_one_mailbox_lose_nothing_between_them",
        f"{SHARED}::test_one_delivery_is_acknowledged_once_however_many_say_so",
    ),
    row(
        "F63",
        "an acknowledgement of what was never listed",
        "ids of others, of what is parked, of nothing",
        f"{ISOLATION}::test_a_stranger_sees_of_a_document_what_it_sees_of_a_random_id",
        f"{ISOLATION}::test_the_sender_cannot_take_or_acknowledge_what_is_for_the_recipient",
        f"{DELIVERY}::test_a_recall_waits_until_its_document_is_acknowledged",
        note="no acknowledgement is of a range: each names one delivery by its random id; whether its octets were "
        "fetched is the agency's word",
    ),
)
