"""Which faults the node was put through, how, and what shows it: the table behind `docs/faults.md`."""

from __future__ import annotations

from typing import Final

from tests.faults import rows_trust
from tests.faults.broken import MUTATIONS
from tests.faults.points import POINTS
from tests.faults.row import Row as Row
from tests.faults.row import number, row
from tests.faults.rows_network import ROWS as NETWORK
from tests.faults.rows_process import ROWS as PROCESS
from tests.faults.rows_store import ROWS as STORE

MATRIX: Final = "tests/faults/test_kill_matrix.py::test_a_node_that_ends_here_keeps_its_promise"
CUT: Final = "tests/faults/test_power_cut.py::test_a_node_that_loses_its_power_here_keeps_its_promise"
MOMENTS: Final = "tests/faults/test_power_moments.py"
STORAGE, LINES = "tests/faults/test_storage.py", "tests/faults/test_connections.py"
BASE = "tests/faults/test_database.py"
OWN_SERVER = "tests/faults/test_server.py"
HEADS = "tests/faults/test_slow_heads.py"
FULL = "tests/faults/test_full.py"
SHARED, SERVERS = "tests/contract/test_two_processes.py", "tests/contract/test_servers.py"
TRANSACTIONS, FAILED_COMMITS = "tests/contract/test_transactions.py", "tests/contract/test_failed_commits.py"
OPENING = "tests/contract/test_opening.py"
BLOBS, DELIVERY = "tests/contract/test_blobs.py", "tests/flow/test_delivery.py"
SEQUENCE, MISMATCH = "tests/unit/log/test_sequence.py", "tests/unit/log/test_mismatch.py"
SUCCESSION = "tests/unit/log/test_succession.py"
CONTENTS, RETENTION = "tests/contract/test_contents.py", "tests/flow/test_retention.py"
PRESSURE = "tests/flow/test_pressure.py"
SWEEP = "tests/faults/test_sweep.py::test_any_call_that_writes_may_be_the_last_or_fail"


KILLS: Final = (
    *(row(point.id, point.where, "SIGKILL", MATRIX, note=point.only and f"on {point.only}") for point in POINTS),
    row(
        "K20",
        "a witness has signed, its answer is not stored",
        "SIGKILL of the witness; a node that begins anew with an older answer",
        "tests/witness/test_alone.py::test_a_witness_that_is_killed_goes_on_from_what_it_may_have_said",
        "tests/witness/test_offered.py::test_the_newest_head_is_cosigned_and_served_with_the_line",
    ),
    row("K31–K34", "hot folder", "", note="there is no hot folder"),
    row(
        "K35",
        "in the middle of a migration",
        "SIGKILL",
        "tests/contract/test_migrations.py::test_a_migration_that_dies_half_way_leaves_nothing",
        "tests/contract/test_migrations.py::test_a_migration_that_dies_half_way_leaves_nothing_on_postgresql",
    ),
    row(
        "K36",
        "the key of the log is replaced: in the middle of it",
        "SIGKILL",
        f"{SUCCESSION}::test_a_change_that_is_killed_anywhere_leaves_the_old_key_or_the_new_one",
        f"{SUCCESSION}::test_an_error_after_any_step_of_the_change_is_healed_by_the_next_round",
        f"{SUCCESSION}::test_a_key_that_waits_for_its_entry_is_not_forgotten",
    ),
    row(
        "K37",
        "old content is removed: between any two of its steps",
        "an end after each step",
        f"{CONTENTS}::test_octets_go_when_nothing_names_them",
        f"{RETENTION}::test_content_goes_and_receipt_and_answers_stay",
        f"{RETENTION}::test_a_large_package_is_a_file_for_a_while_and_then_none",
        f"{RETENTION}::test_mark_and_entry_are_held_against_each_other",
        note="the mark, the names and the entry are one transaction; octets go later, and whatever is left of them is "
        "taken by the next run",
    ),
)

OWN: Final = (
    row(
        "F01",
        "the commit's sync fails, SQLite",
        "strace: EIO; a connection class",
        f"{STORAGE}::test_a_commit_that_does_not_reach_the_disk_is_unknown_and_the_node_goes_on",
        f"{STORAGE}::test_a_disk_that_never_syncs_ends_the_process",
        f"{FAILED_COMMITS}::test_a_failed_commit_is_unknown_and_a_repeat_settles_it",
        f"{FAILED_COMMITS}::test_a_second_failed_commit_ends_the_store",
    ),
    row(
        "F03",
        "the sync of large octets fails",
        "EIO at the call",
        f"{STORAGE}::test_octets_that_do_not_reach_the_disk_are_not_named",
        f"{BLOBS}::test_what_does_not_reach_the_disk_gets_no_name",
    ),
    row(
        "F04",
        "the sync of their folder fails",
        "EIO at the call",
        f"{STORAGE}::test_octets_that_do_not_reach_the_disk_are_not_named",
        f"{BLOBS}::test_a_name_is_taken_back_when_its_folder_is_not_synced",
    ),
    row(
        "F06",
        "a write takes less than it is given",
        "a shorter os.write",
        f"{STORAGE}::test_a_disk_that_takes_less_than_it_is_given",
    ),
    row(
        "F07",
        "stored octets read back wrong",
        "the file is changed",
        f"{STORAGE}::test_octets_that_are_not_those_that_were_stored_are_never_handed_out",
        f"{BLOBS}::test_damaged_octets_are_never_handed_out_whole",
        note="the delivery has failed, as `stored-damaged`; it is tried again when a person says so (`axis queue`)",
    ),
    row(
        "F08",
        "disk full while a body comes",
        "ENOSPC at the call",
        f"{STORAGE}::test_a_disk_that_is_full_while_a_body_comes",
    ),
    row("F09", "disk full at COMMIT", "strace: ENOSPC", f"{STORAGE}::test_a_disk_that_is_full_at_commit"),
    row(
        "F10",
        "disk full for the log only",
        "ENOSPC at the call",
        f"{SEQUENCE}::test_a_full_disk_is_waited_out_and_nothing_is_lost",
    ),
    row(
        "F11",
        "free space below a water mark",
        "a water mark above any disk",
        f"{PRESSURE}::test_a_node_without_room_takes_no_documents_and_lets_go_of_those_it_has",
        f"{PRESSURE}::test_below_the_water_mark_documents_wait_and_statuses_go_on",
    ),
    row(
        "F12",
        "more connections than there are places, more files than may be open",
        "connections that rest, work, or say nothing; prlimit on the running node",
        f"{FULL}::test_the_bound_holds_and_who_has_rested_longest_makes_room",
        f"{FULL}::test_the_address_that_holds_most_makes_room_for_others",
        f"{FULL}::test_a_request_under_way_and_a_head_half_read_are_never_chosen",
        f"{FULL}::test_a_node_without_more_files_serves_whom_it_has_and_goes_on_afterwards",
        f"{FULL}::test_the_node_allows_itself_the_files_that_it_needs",
        "tests/cli/test_serve.py::test_serve_does_not_start_where_too_few_files_may_be_open",
    ),
    row("F13", "a file may not grow", "RLIMIT_FSIZE", f"{STORAGE}::test_a_file_that_may_not_grow"),
    row(
        "F15",
        "power cut",
        "strace: what was not synced is taken away",
        CUT,
        f"{MOMENTS}::test_the_power_may_go_at_any_moment",
        f"{MOMENTS}::test_without_the_sync_of_a_commit_some_moments_are_red",
        "tests/faults/test_durable.py::test_what_a_promise_rests_on_is_synced_before_it_is_made",
        f"{SEQUENCE}::test_every_file_is_synced_before_it_gets_its_name_and_every_name_before_the_head",
        note="PostgreSQL's own files are believed to be its business; the node's beside it are cut",
    ),
    row(
        "F16",
        "torn write",
        "the same; of what was not synced a beginning is there, cut between two sectors, or some sectors of it",
        CUT,
        f"{MOMENTS}::test_the_power_may_go_at_any_moment",
        "tests/faults/test_disk.py::test_a_torn_write_ends_between_two_sectors",
    ),
    row(
        "F17",
        "power cut while SQLite copies its log into the database",
        "the same, at calls that write the database file",
        f"{MOMENTS}::test_the_power_may_go_at_any_moment",
    ),
    row(
        "F18",
        "SQLite's log is deleted while the node is down",
        "the file is removed",
        f"{STORAGE}::test_a_store_that_has_forgotten_what_was_signed_does_not_start",
    ),
    row(
        "F19",
        "another program holds SQLite's lock",
        "BEGIN IMMEDIATE from outside",
        f"{STORAGE}::test_a_writer_from_outside_is_waited_for_and_then_refused",
    ),
    row(
        "F21",
        "two daemons on one SQLite file",
        "a second process",
        f"{STORAGE}::test_a_second_daemon_on_one_file_does_not_start",
        f"{OPENING}::test_a_second_process_cannot_open_the_store",
    ),
    row(
        "F24",
        "a bit flips in octets, a row or a tile",
        "the file is changed",
        f"{STORAGE}::test_octets_that_are_not_those_that_were_stored_are_never_handed_out",
        f"{MISMATCH}::test_a_flipped_bit_between_writing_and_signing_is_not_signed",
        "tests/unit/log/test_verify.py::test_what_was_done_to_a_log_is_named",
    ),
    row(
        "F25",
        "octets of another document lie there",
        "the files are exchanged",
        f"{STORAGE}::test_octets_that_are_not_those_that_were_stored_are_never_handed_out",
    ),
    row(
        "F26",
        "the server ends a connection inside a transaction",
        "pg_terminate_backend",
        f"{SHARED}::test_a_connection_that_is_cut_in_a_transaction_loses_that_group_only",
    ),
    row(
        "F27",
        "PostgreSQL is shut down at once, and started",
        "SIGQUIT",
        f"{SHARED}::test_a_server_that_is_restarted_is_found_again",
        f"{OWN_SERVER}::test_what_was_handed_over_while_the_server_is_away_is_written_when_it_is_back",
    ),
    row(
        "F28",
        "the first process of PostgreSQL is killed",
        "SIGKILL",
        f"{SHARED}::test_a_server_that_is_restarted_is_found_again",
    ),
    row(
        "F31",
        "deadlocks, and others in the way of a transaction",
        "a second connection takes locks in the other order; one holds them",
        f"{BASE}::test_a_deadlock_is_repeated_as_a_whole_and_the_sender_hears_nothing_of_it",
        f"{BASE}::test_deadlocks_without_end_are_not_repeated_without_end",
        f"{SHARED}::test_who_is_in_the_way_for_too_long_is_told_to_come_back",
        note="serialization failures, which our isolation level does not have, take the same way",
    ),
    row(
        "F32",
        "statement and lock time-outs",
        "a trigger that sleeps; a table locked by a second connection",
        f"{BASE}::test_a_statement_that_takes_too_long_is_given_up_and_the_node_goes_on",
        f"{BASE}::test_a_lock_that_is_not_given_up_is_waited_for_so_long_and_the_node_goes_on",
    ),
    row(
        "F33",
        "unsafe settings of the server; a role without a right",
        "a server with them; `ALTER SYSTEM`, `REVOKE` while the node runs",
        f"{SERVERS}::test_a_server_that_is_not_durable_is_refused",
        f"{BASE}::test_a_server_that_keeps_nothing_any_more_is_given_nothing",
        f"{OWN_SERVER}::test_a_right_that_is_taken_away_is_named_and_with_it_the_node_goes_on",
        "tests/contract/test_rights.py::test_a_node_whose_role_lacks_a_right_does_not_start",
        note="looked at when a connection for writing is opened, and every minute",
    ),
    row(
        "F37",
        "clocks of node and server apart",
        "a moved clock",
        f"{SERVERS}::test_a_machine_whose_clock_is_not_the_servers_is_refused",
        f"{SERVERS}::test_whoever_looks_at_the_store_hears_of_clocks_that_are_apart",
    ),
    row("F42", "reset in the middle of an answer", "SO_LINGER 0", f"{LINES}::test_a_reset_in_the_middle_of_the_answer"),
    row(
        "F44",
        "handshakes and heads of requests that never end",
        "five hundred TLS connections, an octet a second; two thousand that say nothing where sixteen have a place",
        f"{HEADS}::test_five_hundred_heads_that_never_end_are_let_go_and_others_are_served_meanwhile",
        f"{HEADS}::test_a_handshake_that_never_ends_is_let_go",
        f"{HEADS}::test_a_later_head_counts_and_a_rest_between_two_requests_does_not",
        f"{FULL}::test_a_flood_that_never_speaks_is_refused_and_who_is_at_work_is_served_to_the_end",
        f"{FULL}::test_silent_ones_go_when_their_time_is_over_and_newcomers_come",
    ),
    row(
        "F45",
        "a body that comes too slowly",
        "a connection that stops in the middle",
        f"{PRESSURE}::test_a_body_that_comes_too_slowly_is_cut_and_leaves_nothing",
        f"{HEADS}::test_a_small_body_that_never_ends_is_cut_too",
    ),
    row(
        "F46",
        "a client goes away in its body",
        "the connection is closed",
        f"{LINES}::test_a_client_that_goes_away_in_the_middle_of_its_body",
        f"{BLOBS}::test_a_broken_body_is_discarded",
    ),
    row(
        "F47",
        "a client goes away during the commit",
        "a slow COMMIT, the connection is closed",
        f"{LINES}::test_a_client_that_goes_away_during_the_commit",
        f"{TRANSACTIONS}::test_cancelling_the_caller_does_not_undo_the_commit",
    ),
    row(
        "F49",
        "a receiver answers late or never",
        "a receiver that waits",
        f"{DELIVERY}::test_an_answer_that_comes_after_the_lease_is_too_late_and_the_delivery_is_made_again",
    ),
    row("F50", "a receiver redirects", "301 to 308", f"{DELIVERY}::test_a_redirect_is_never_followed"),
    row(
        "F51",
        "a receiver answers nonsense, or without end",
        "a receiver that does",
        f"{DELIVERY}::test_answers_that_are_no_answers_are_waited_out",
        f"{DELIVERY}::test_an_answer_without_end_is_cut_off_and_counts_by_its_first_line",
        f"{DELIVERY}::test_who_answers_before_it_has_all_has_not_got_it",
        f"{DELIVERY}::test_who_sends_nothing_but_interim_answers_is_not_listened_to",
    ),
    row(
        "F52",
        "a receiver's status codes",
        "2xx, 4xx, 5xx",
        f"{DELIVERY}::test_what_is_pushed_is_what_was_sent",
        f"{DELIVERY}::test_a_destination_that_refuses_ends_the_delivery_for_all_to_see",
        f"{DELIVERY}::test_a_delivery_that_fails_for_now_is_made_again_under_the_same_id",
    ),
    row(
        "F53",
        "a receiver's certificate is wrong",
        "expired, another host, unknown authority",
        f"{LINES}::test_an_address_whose_certificate_is_wrong_is_given_nothing",
    ),
    *(Row(*one) for one in rows_trust.ROWS),
)

FAULTS: Final = tuple(sorted((*OWN, *NETWORK, *PROCESS, *STORE), key=lambda row: number(row.id)))
ROWS: Final = (*KILLS, *FAULTS)

MUTATED: Final = {broken.point: broken for broken in MUTATIONS}
