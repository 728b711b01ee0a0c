"""Rows F78 to F109: processes, configuration, several of them, much that waits, and what is done to rows and log."""

from __future__ import annotations

from typing import Final

from tests.faults.row import row

STOP, FILES = "tests/faults/test_stop.py", "tests/faults/test_files.py"
BACKLOG, MEMORY = "tests/faults/test_backlog.py", "tests/faults/test_memory.py"
DELIVERIES, OPENING = "tests/contract/test_deliveries.py", "tests/contract/test_opening.py"
QUEUE: Final = "tests/contract/test_queue.py"
SHARED, SERVERS = "tests/contract/test_two_processes.py", "tests/contract/test_servers.py"
PROCESSES: Final = "tests/crash/test_processes.py"
ENGINE, DELIVERY = "tests/flow/test_engine.py", "tests/flow/test_delivery.py"
OFFERED, WITNESSED = "tests/witness/test_offered.py", "tests/witness/test_put_back.py"
MISMATCH, VERIFY = "tests/unit/log/test_mismatch.py", "tests/unit/log/test_verify.py"
BETWEEN, REOPENED = "tests/flow/test_between.py", "tests/contract/test_reopened.py"
LEASE, HEADS = "tests/unit/log/test_lease.py", "tests/unit/log/test_files.py"
UNFINISHED = "tests/care/test_unfinished.py"
BACKUP, FSCK, SWEEP = "tests/care/test_backup.py", "tests/care/test_fsck.py", "tests/care/test_sweep.py"
PUT_BACK, SIGNALS = "tests/care/test_put_back.py", "tests/faults/test_signals.py"
MIGRATIONS = "tests/contract/test_migrations_killed.py"
CONFIG, WORKER = "tests/unit/config/test_faults.py", "tests/unit/revocation/test_worker.py"

ROWS: Final = (
    row(
        "F78",
        "a node is asked to stop while bodies come and deliveries wait for an answer",
        "SIGTERM during 100 uploads and 50 deliveries",
        f"{STOP}::test_who_is_asked_to_stop_ends_what_is_under_way_and_begins_nothing",
        "tests/faults/test_full.py::test_an_orderly_end_does_not_wait_for_handshakes",
        f"{ENGINE}::test_an_attempt_that_a_stop_cuts_off_is_due_again_at_once",
    ),
    row(
        "F79",
        "it is asked once more, or killed meanwhile",
        "SIGTERM, SIGTERM; SIGTERM, SIGKILL",
        f"{STOP}::test_who_is_asked_to_stop_ends_what_is_under_way_and_begins_nothing",
        f"{STOP}::test_who_is_killed_while_it_stops_has_lost_nothing",
        f"{SIGNALS}::test_a_node_that_is_asked_to_stop_while_it_starts_ends_in_order",
        f"{SIGNALS}::test_a_node_that_is_asked_to_stop_at_any_moment_of_its_start_ends",
    ),
    row(
        "F80",
        "a configuration with faults",
        "each fault in a file; files of a running node are replaced, SIGHUP",
        f"{CONFIG}::test_a_fault_names_place_reason_and_remedy",
        f"{CONFIG}::test_all_faults_are_told_at_once_in_the_order_of_the_file",
        f"{CONFIG}::test_the_registry_has_the_same_located_faults",
        "tests/cli/test_serve.py::test_a_signing_key_that_is_none_is_a_fault_with_its_place",
        "tests/cli/test_cert.py::test_a_running_node_believes_a_new_binding_without_a_restart",
        f"{FILES}::test_who_asks_a_node_to_read_again_is_heard_and_a_file_with_faults_changes_nothing",
        note="a running node reads only trust and bindings again; routes and the rest count from the next start",
    ),
    row(
        "F81",
        "a file is replaced half-written",
        "the file is cut",
        f"{FILES}::test_a_list_that_is_replaced_half_is_not_believed_and_the_old_ones_are",
        "tests/unit/revocation/test_trust_files.py::test_a_list_that_is_cut_off_is_told",
        f"{CONFIG}::test_what_is_not_toml_is_one_fault",
        note="the configuration is read once, as a whole, at the start",
    ),
    row(
        "F82",
        "a process is stopped past its lease, and goes on",
        "SIGSTOP, SIGCONT; an answer that comes too late",
        f"{PROCESSES}::test_a_process_that_is_stopped_past_its_leases_changes_nothing_when_it_goes_on",
        f"{SIGNALS}::test_a_node_alone_that_stands_still_past_its_leases_goes_on",
        f"{DELIVERIES}::test_only_the_holder_of_the_token_settles",
        f"{SHARED}::test_a_delivery_is_claimed_by_one_process_only",
        f"{DELIVERY}::test_an_answer_that_comes_after_the_lease_is_too_late_and_the_delivery_is_made_again",
    ),
    row(
        "F83",
        "routes change while something is under way",
        "another route, a restart",
        f"{FILES}::test_a_delivery_goes_where_its_document_was_routed_when_it_came",
        note="the endpoint is written with the delivery when the document is taken",
    ),
    row(
        "F84",
        "an old and a new version on one store",
        "another revision in the store",
        "tests/contract/test_migrations.py::test_a_store_of_a_newer_version_is_left_alone",
        "tests/contract/test_migrations.py::test_a_store_in_use_is_not_migrated",
        f"{MIGRATIONS}::test_a_migration_that_is_killed_behind_any_statement_is_done_by_the_next",
        f"{MIGRATIONS}::test_of_several_that_migrate_one_store_at_once_one_does_and_the_others_are_told",
        note="two schemas never run together: a process opens a store of its own schema only, and a store is migrated "
        "while nobody has it",
    ),
    row(
        "F85",
        "a delivery that ends its worker each time, or breaks it",
        "a claim that is never heard of again; an adapter that raises",
        f"{QUEUE}::test_an_attempt_that_is_never_heard_of_again_is_counted",
        f"{QUEUE}::test_suspects_are_claimed_one_at_a_time_and_hold_up_nobody_else",
        f"{ENGINE}::test_what_killed_its_worker_again_and_again_is_set_aside_without_another_attempt",
        f"{ENGINE}::test_poison_is_set_aside_its_sender_is_told_and_the_other_lanes_go_on",
    ),
    row(
        "F86",
        "the kernel ends the node for its memory, under a large document",
        "a cgroup with less than it needs",
        f"{MEMORY}::test_a_node_that_is_killed_for_its_memory_keeps_its_promise",
        "tests/flow/test_parts_memory.py::test_one_of_200_megabytes_costs_pieces",
        "tests/flow/test_inline_memory.py::test_a_large_one_costs_pieces",
    ),
    row(
        "F87",
        "something takes very long to judge",
        "an authority with 20,000 constraints",
        f"{MEMORY}::test_the_node_answers_while_something_is_judged_for_long",
        f"{WORKER}::test_a_pathological_chain_ends_after_two_seconds_and_the_next_is_judged",
    ),
    row(
        "F88",
        "the process that judges crashes, or hangs",
        "SIGKILL; a question without end; a PDF that ends its judge",
        f"{WORKER}::test_a_worker_that_was_killed_is_replaced",
        f"{WORKER}::test_a_pathological_chain_ends_after_two_seconds_and_the_next_is_judged",
        f"{WORKER}::test_a_machine_that_is_too_busy_is_not_the_certificate_s_fault",
        "tests/flow/test_attachments.py::test_a_pdf_that_kills_its_judge_is_undecided_and_the_node_goes_on",
        "tests/unit/hsm/test_process.py::test_a_process_that_hangs_is_ended_in_time_and_the_next_one_answers",
    ),
    row(
        "F89",
        "a million deliveries wait",
        "they are written into the store",
        f"{BACKLOG}::test_a_million_deliveries_for_nobody_delay_neither_a_start_nor_anybody_else",
        f"{OPENING}::test_what_is_done_often_uses_its_index",
        f"{SERVERS}::test_what_is_done_often_has_an_index_to_use",
    ),
    row(
        "F90",
        "a destination that is not there, with all of them",
        "an address where nobody listens; one that never answers",
        f"{BACKLOG}::test_a_million_deliveries_for_nobody_delay_neither_a_start_nor_anybody_else",
        f"{ENGINE}::test_a_slow_peer_takes_its_share_and_delays_nobody_else",
        f"{ENGINE}::test_a_dead_peer_costs_few_attempts_and_is_met_again_slowly",
    ),
    row(
        "F91",
        "a document to as many as may be, and to one more",
        "1,000 recipients, 1,001",
        f"{BACKLOG}::test_a_document_goes_to_as_many_as_may_be_or_to_nobody",
        "tests/unit/core/test_intake.py::test_a_submission_is_refused_when_it",
        note="killed between them: K09, whose mutation it shares",
    ),
    row(
        "F92",
        "a task of the node breaks",
        "EIO where no service expects it",
        f"{STOP}::test_a_task_that_breaks_ends_the_process_and_the_next_one_goes_on",
        note="a service that breaks ends the process with 1; a source that breaks is asked again",
    ),
    row(
        "F93",
        "an administrator changes a row",
        "SQL beside the node",
        f"{FSCK}::test_a_planted_damage_is_found",
        f"{FSCK}::test_what_is_planted_in_postgresql_is_found",
        "tests/faults/test_storage.py::test_octets_that_are_not_those_that_were_stored_are_never_handed_out",
        note="rows are held against the log by `axis fsck`, when somebody runs it; octets by their digest each time "
        "they are handed out",
    ),
    row(
        "F94",
        "a row is deleted, or has no entry",
        "SQL beside the node",
        f"{FSCK}::test_a_planted_damage_is_found",
        note="`entry-without-document`, `document-entry`, `delivery-entry`, `status-entry`",
    ),
    row(
        "F95",
        "a tile is edited, an entry is gone, the tail is cut",
        "the files are changed, also under a running sequencer",
        f"{MISMATCH}::test_a_damaged_edge_is_refused_before_anything_is_signed",
        f"{MISMATCH}::test_a_flipped_bit_between_writing_and_signing_is_not_signed",
        f"{MISMATCH}::test_an_old_hash_that_was_altered_under_a_running_sequencer_is_not_signed",
        f"{VERIFY}::test_what_was_done_to_a_log_is_named",
    ),
    row(
        "F96",
        "the checkpoint is replaced by an older one",
        "the files are put back",
        f"{MISMATCH}::test_a_part_put_back_to_an_older_state_is_refused_by_name",
        f"{MISMATCH}::test_a_published_checkpoint_of_another_history_is_refused",
        f"{VERIFY}::test_what_was_done_to_a_log_is_named",
        note="an older published one is no rollback by itself, and is published anew at the start",
    ),
    row(
        "F97",
        "the database is yesterday's, the log is not",
        "the file is put back",
        f"{MISMATCH}::test_a_part_put_back_to_an_older_state_is_refused_by_name",
        f"{PUT_BACK}::test_parts_of_two_moments_are_refused_in_words",
        f"{PUT_BACK}::test_parts_of_a_twin_that_went_on_otherwise_are_refused",
        f"{PUT_BACK}::test_a_part_of_another_site_is_refused",
        f"{BACKUP}::test_a_store_that_was_put_back_by_hand_is_backed_up_as_it_is_and_goes_on",
        f"{BACKUP}::test_an_older_backup_needs_the_log_and_a_person_who_accepts_the_loss",
    ),
    row(
        "F98",
        "the log is older than its heads",
        "the folder is put back",
        f"{MISMATCH}::test_a_part_put_back_to_an_older_state_is_refused_by_name",
        f"{BACKUP}::test_another_history_is_never_signed",
        f"{HEADS}::test_heads_only_go_forward",
    ),
    row(
        "F99",
        "database, log and heads are put back together",
        "an older checkpoint that somebody kept",
        f"{VERIFY}::test_an_older_checkpoint_larger_than_the_log_shows_a_rollback",
        "tests/unit/log/test_proof.py::test_a_receipt_that_the_log_does_not_know_is_found",
        f"{OFFERED}::test_a_log_that_was_put_back_is_told_by_its_witness",
        f"{OFFERED}::test_a_log_that_was_put_back_and_went_on_is_told",
        f"{WITNESSED}::test_all_put_back_together_is_told_and_a_witness_that_is_gone_is_not_waited_for",
        note="the node itself is told by its witnesses, where it has some; else who kept a checkpoint or a receipt can",
    ),
    row(
        "F100",
        "two sequencers",
        "a second one on the same folders; a process that was stopped past its lease",
        f"{MISMATCH}::test_two_sequencers_cannot_have_one_log",
        f"{LEASE}::test_of_two_that_take_a_free_lease_at_once_one_has_it",
        f"{LEASE}::test_a_shared_store_of_heads_refuses_an_older_token",
        f"{LEASE}::test_a_process_that_was_stopped_past_its_lease_publishes_nothing",
    ),
    row(
        "F101",
        "the log's key is stolen, another history is signed",
        "a second history under the same key",
        f"{VERIFY}::test_what_was_done_to_a_log_is_named",
        f"{VERIFY}::test_an_older_checkpoint_must_be_the_beginning",
        "tests/unit/log/test_proof.py::test_a_receipt_that_the_log_does_not_know_is_found",
        "tests/witness/test_readers.py::test_a_witness_that_saw_another_history_is_told",
        note="shown by the heads, by a kept checkpoint, by a receipt, by witnesses whose keys a reader has; to one who "
        "has none of them, by nothing",
    ),
    row(
        "F102",
        "a witness is down",
        "killed, silent, dripping, wrong in all ways",
        f"{OFFERED}::test_a_witness_that_hangs_or_never_ends_is_left_alone",
        f"{OFFERED}::test_a_witness_that_answers_something_else_changes_nothing",
        f"{OFFERED}::test_a_witness_that_comes_back_is_asked_again",
        f"{WITNESSED}::test_all_put_back_together_is_told_and_a_witness_that_is_gone_is_not_waited_for",
    ),
    row(
        "F103",
        "a sweep while a document is taken in",
        "what is swept is named between two of its steps",
        f"{SWEEP}::test_what_is_named_after_the_rows_were_asked_stays",
        f"{SWEEP}::test_the_collector_waits_for_one_who_is_just_naming",
        f"{SWEEP}::test_one_who_names_after_the_collector_finds_it_gone_and_names_anew",
        note="documents have no end of keeping yet: only files that no row names are removed",
    ),
    row(
        "F104",
        "a node in a crash loop",
        "SIGKILL at any moment of three starts",
        f"{STOP}::test_a_node_that_is_killed_as_often_as_it_starts_keeps_everything",
        f"{STOP}::test_the_unit_file_waits_between_two_starts_and_not_for_a_wrong_configuration",
        "tests/crash/test_kill.py::test_ten_kills_lose_nothing_and_deliver_nothing_twice",
        note="the wait between two starts is the supervisor's, and the same each time; what a start rests on stands "
        "among the points above",
    ),
    row(
        "F105",
        "something changes between what was read and what is written",
        "it is done between two transactions of one flow; in another process, in a transaction that is held open",
        f"{BETWEEN}::test_a_copy_that_comes_while_a_held_document_is_judged_reaches_its_recipient_too",
        f"{BETWEEN}::test_what_was_to_be_a_repeat_is_not_stored_without_its_octets",
        f"{REOPENED}::test_a_status_that_races_the_release_of_its_document_finds_it_or_is_found",
        f"{REOPENED}::test_what_is_just_claimed_behind_it_is_seen",
        f"{REOPENED}::test_what_is_behind_it_is_not_claimed_while_it_is_decided_nor_before_it_afterwards",
    ),
    row(
        "F106",
        "a large package takes longer than a lease",
        "a receiver that takes it in small pieces with pauses; one that stops in the middle",
        f"{DELIVERY}::test_what_goes_slowly_for_longer_than_a_lease_is_one_attempt",
        f"{DELIVERY}::test_who_stops_taking_loses_the_attempt",
        f"{DELIVERIES}::test_a_lease_is_prolonged_by_who_has_it_and_by_nobody_else",
    ),
    row(
        "F107",
        "who reads the operational log stops reading, and does not close it",
        "a pipe that is full",
        f"{STOP}::test_a_node_whose_operational_log_nobody_reads_any_more_goes_on",
        "tests/cli/test_logs.py::test_who_stops_reading_a_pipe_without_closing_it_holds_up_nothing",
        note="lines are lost and counted; a file or the journal's socket is written as ever",
    ),
    row(
        "F108",
        "backups while everything works",
        "64 senders, as many deliveries, sweeps, two backups at once and one that is killed",
        "tests/crash/test_backup_under_load.py::test_every_backup_of_a_node_under_load_is_one_moment_of_it",
        "tests/care/test_bucket.py::test_what_is_moved_while_it_is_read_is_read_whole",
        "tests/care/test_places.py::test_who_waits_for_a_lock_that_is_removed_does_not_fill_a_folder_beside_a_third",
    ),
    row(
        "F110",
        "a restore ends between any two of its last steps",
        "SIGKILL behind each; the data in one place with the database, and not; PostgreSQL",
        f"{UNFINISHED}::test_a_restore_that_is_killed_at_any_step_goes_on_when_it_is_run_again",
        f"{UNFINISHED}::test_what_a_restore_has_left_is_replaced_by_the_same_one_only",
        f"{UNFINISHED}::test_data_that_a_person_put_where_a_restore_was_ended_are_not_taken_for_its_own",
        f"{UNFINISHED}::test_a_restore_that_finds_no_room_leaves_no_half_database_in_its_place",
    ),
    row(
        "F109",
        "a storm of signals, and one that asks for a core",
        "SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE, hundreds a second; SIGQUIT",
        f"{SIGNALS}::test_a_storm_of_signals_changes_nothing",
        f"{SIGNALS}::test_a_node_that_is_asked_for_its_core_is_one_that_was_killed",
        note="without each of two defences it is red, there",
    ),
)
