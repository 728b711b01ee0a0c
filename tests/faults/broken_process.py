"""What keeps the promises of `rows_process`, taken away: by a node that runs so, or by the test that the row names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.faults.broken_commit import SHOWN as COMMITS
from tests.faults.broken_growth import SHOWN as GROWTH
from tests.faults.broken_repeats import SHOWN as REPEATS
from tests.faults.broken_retention import SHOWN as RETENTION
from tests.faults.broken_ways import SHOWN as WAYS
from tests.faults.row import Broken
from tests.mutations.edit import off

SETTLING: Final = "            )\n            .values(\n                state"
UNRAISED: Final = "DID NOT RAISE"
WORKER: Final = "tests/unit/revocation/test_worker.py"
LEASE: Final = "tests/unit/log/test_lease.py"
FSCK: Final = "tests/care/test_fsck.py::test_a_planted_damage_is_found"
DELIVERIES, OPENING = "tests/contract/test_deliveries.py", "tests/contract/test_opening.py"
DELIVERY: Final = "tests/flow/test_delivery.py"
BETWEEN, REOPENED = "tests/flow/test_between.py", "tests/contract/test_reopened.py"
OFFERED: Final = "tests/witness/test_offered.py"
WITNESS: Final = "tests/witness/test_alone.py"
MISMATCH: Final = "tests/unit/log/test_mismatch.py"
VERIFY: Final = "tests/unit/log/test_verify.py"
PROVEN: Final = "tests/unit/log/test_proven.py"
SUCCESSION: Final = "tests/unit/log/test_succession.py"

STOP: Final = (
    Broken(
        "F78",
        off(
            "readiness is red once a node is asked to stop",
            "axis/web/console.py",
            ("not self._stale() and not self.stopping()", "not self._stale()"),
        ),
        "never: readiness is red at once",
    ),
    Broken(
        "F78",
        off(
            "the agencies' listener closes at once",
            "axis/app.py",
            ("            services.create_task(_shut(outer, stop))\n", ""),
        ),
        "newcomers are let in",
    ),
)

AGAIN: Final = (
    Broken(
        "F79",
        off(
            "a second SIGTERM changes nothing",
            "axis/app.py",
            (
                "loop.add_signal_handler(number, stop.set)",
                "loop.add_signal_handler(number, lambda one=number: (stop.set(), loop.remove_signal_handler(one)))",
            ),
        ),
        "its request was under way",
    ),
)

HANGUP: Final = (
    Broken(
        "F80",
        off(
            "SIGHUP does not end a node",
            "axis/app.py",
            ("    loop.add_signal_handler(signal.SIGHUP, asked.set)\n", ""),
        ),
        "it is there no more|it has heard",
    ),
)

STAMPED: Final = (
    Broken(
        "F83",
        off(
            "a delivery keeps the endpoint that its document was routed to",
            "axis/flow/attempt.py",
            (
                "await sink.deliver(consignment)",
                "await ctx.sinks[ctx.network.routes.route(delivery.recipients[0]).endpoint].deliver(consignment)",
            ),
        ),
        "never: the first goes where it was routed",
    ),
)

SUPERVISED: Final = (
    Broken(
        "F92",
        off(
            "a service that breaks ends the process",
            "axis/app.py",
            (
                "services.create_task(dispatcher.run(stop))",
                "asyncio.gather(dispatcher.run(stop), return_exceptions=True)",
            ),
        ),
        "the node lives",
    ),
)

SHOWN: Final = (
    *RETENTION,
    *REPEATS,
    *WAYS,
    *COMMITS,
    *GROWTH,
    (
        "tests/contract/test_servers.py::test_a_server_that_writes_down_what_is_stored_is_told_of",
        Broken(
            "F114",
            off(
                "what a server writes down is looked at",
                "axis/sql/overheard.py",
                ('        if settings.get("log_statement") in ("mod", "all"):\n', "        if False:\n"),
            ),
            "assert",
        ),
    ),
    (
        "tests/flow/test_delivery.py::test_who_answers_before_it_has_all_has_not_got_it",
        Broken(
            "F51",
            off(
                "who answers before it has all has not got it",
                "adapters/sending.py",
                ("        if self._left > 0:\n", "        if self._left < 0:\n"),
            ),
            "never: an attempt is over",
        ),
    ),
    (
        "tests/unit/revocation/test_trust_files.py::test_a_list_that_is_cut_off_is_told",
        Broken(
            "F81",
            off(
                "a list that is cut off is not read",
                "axis/trust.py",
                ("        if len(octets) < _length(octets):\n", "        if False:\n"),
            ),
            UNRAISED,
        ),
    ),
    (
        f"{DELIVERIES}::test_only_the_holder_of_the_token_settles",
        Broken(
            "F82",
            off(
                "only whoever has the lease settles an attempt",
                "axis/sql/statements.py",
                (
                    f'delivery.c.token == bindparam("held"),\n{SETTLING}',
                    f'delivery.c.id == bindparam("of"),\n{SETTLING}',
                ),
            ),
            UNRAISED,
        ),
    ),
    (
        "tests/contract/test_migrations.py::test_a_store_of_a_newer_version_is_left_alone",
        Broken(
            "F84",
            off(
                "a store whose schema is another one is not opened",
                "axis/sql/sqlite.py",
                ("    if found != SCHEMA_VERSION:\n", "    if False:\n"),
            ),
            UNRAISED,
        ),
    ),
    (
        "tests/unit/core/test_settlement.py::test_attempts_that_break_again_and_again_set_the_delivery_aside",
        Broken(
            "F85",
            off(
                "what breaks its worker so often is set aside",
                "axis/core/settlement.py",
                ("    if breaks >= policy.breaks:\n", "    if False:\n"),
            ),
            "AssertionError",
        ),
    ),
    (
        f"{WORKER}::test_a_worker_that_was_killed_is_replaced",
        Broken(
            "F87",
            off(
                "certificates are judged in another process",
                "axis/flow/pathworker.py",
                (
                    "            return self._worker.ask((leaf, at, policy), trust)\n",
                    "            return judge_certificate(leaf, trust, at, policy)\n",
                ),
            ),
            "None is not None",
        ),
    ),
    (
        "tests/flow/test_parts_memory.py::test_one_of_200_megabytes_costs_pieces",
        Broken(
            "F86",
            off(
                "a large body goes to a file as it comes",
                "axis/blobs.py",
                ("        if self._size > self._inline_max and self._waiting >= PIECE:\n", "        if False:\n"),
            ),
            "assert",
        ),
    ),
    (
        f"{WORKER}::test_a_pathological_chain_ends_after_two_seconds_and_the_next_is_judged",
        Broken(
            "F88",
            off(
                "a question that used up its time is answered, and not asked again",
                "axis/flow/worker.py",
                ("                if ended == -signal.SIGPROF:\n", "                if False:\n"),
            ),
            "Unavailable",
        ),
    ),
    (
        f"{OPENING}::test_what_is_done_often_uses_its_index[due_priorities-ix_delivery_due]",
        Broken(
            "F89",
            off(
                "what is due is found by its index",
                "axis/sql/statements.py",
                (
                    "text(CLAIMABLE),\n                    )\n",
                    'text(f"+{CLAIMABLE}"),\n                    )\n',
                ),
            ),
            "SCAN|ix_delivery_due",
        ),
    ),
    (
        "tests/unit/core/test_window.py::test_slow_ones_use_up_what_is_shared_and_the_quick_one_still_moves",
        Broken(
            "F90",
            off(
                "each destination has a window",
                "axis/core/window.py",
                ("min(self.own[endpoint] - under_way, first + max(shared, 0))", "self.together - sum(busy.values())"),
            ),
            "AssertionError",
        ),
    ),
    (
        "tests/unit/core/test_intake.py::test_a_submission_is_refused_when_it[names too many]",
        Broken(
            "F91",
            off(
                "a document names so many at most",
                "axis/core/intake.py",
                ("    if len(named) > network.max_recipients:\n", "    if False:\n"),
            ),
            "AssertionError",
        ),
    ),
    (
        f"{FSCK}[document-differs-0]",
        Broken(
            "F93",
            off(
                "each row is held against its entry",
                "axis/core/house.py",
                ("            if facts.get(name) != value:\n", "            if False:\n"),
            ),
            "document-differs",
        ),
    ),
    (
        f"{FSCK}[entry-without-document-0]",
        Broken(
            "F94",
            off(
                "each entry has its row",
                "axis/core/house.py",
                (
                    "for ref in _subjects(told, kind) if ref not in known)",
                    "for ref in _subjects(told, kind) if False)",
                ),
            ),
            "entry-without-document",
        ),
    ),
    (
        f"{MISMATCH}::test_an_old_hash_that_was_altered_under_a_running_sequencer_is_not_signed",
        Broken(
            "F95",
            off(
                "what is signed is read again from the disk",
                "axis/log/writer.py",
                ("        if before != old.checkpoint.root or root != grown.root():\n", "        if False:\n"),
            ),
            UNRAISED,
        ),
    ),
    (
        f"{MISMATCH}::test_a_published_checkpoint_of_another_history_is_refused",
        Broken(
            "F96",
            off(
                "what was published is never newer than the newest head",
                "axis/log/writer.py",
                ("        if published.size > head.checkpoint.size:\n", "        if False:\n"),
            ),
            UNRAISED,
        ),
    ),
    (
        f"{MISMATCH}::test_a_part_put_back_to_an_older_state_is_refused_by_name",
        Broken(
            "F97",
            off(
                "a store knows everything that was signed",
                "axis/log/writer.py",
                ("        if store_size < size:\n", "        if False:\n"),
            ),
            UNRAISED,
        ),
    ),
    (
        f"{MISMATCH}::test_a_part_put_back_to_an_older_state_is_refused_by_name",
        Broken(
            "F98",
            off(
                "everything that the store knows as logged was signed",
                "axis/log/writer.py",
                ("        if store_size > size:\n", "        if False:\n"),
            ),
            UNRAISED,
        ),
    ),
    (
        f"{VERIFY}::test_a_newest_head_of_another_key_is_neither_missing_nor_behind",
        Broken(
            "F101",
            off(
                "what was signed last is what the log's own key signed last",
                "axis/log/verify.py",
                ("stored is None or _signed(stored, key) else", "stored is None or True else"),
            ),
            "head-signature",
        ),
    ),
    (
        "tests/cli/test_doctor_log.py::test_a_round_that_is_signed_and_not_published_is_no_sign_of_a_backup",
        Broken(
            "F98",
            off(
                "a round that was cut off is not taken for a log that was put back",
                "axis/cli/doctor_log.py",
                ("    elif newest and journal and (", "    elif not newest and journal and ("),
            ),
            "warn",
        ),
    ),
    (
        "tests/unit/web/test_places.py::test_addresses_that_one_subscriber_chooses_among_are_one",
        Broken(
            "F126",
            off(
                "a subscriber of IPv6 is one, however many addresses it takes",
                "axis/web/places.py",
                ("        address = origin(address)\n", ""),
            ),
            "assert",
        ),
    ),
    (
        "tests/unit/web/test_ranges.py::test_one_range_is_read_and_all_else_is_not_asked_for",
        Broken(
            "F125",
            off(
                "a part is of what the far end has the rest of",
                "axis/web/ranges.py",
                ("(if_range is not None and if_range != tag)", "(if_range is not None and not tag)"),
            ),
            "assert",
        ),
    ),
    (
        "tests/flow/test_ranges.py::test_our_own_client_goes_on_over_a_line_that_breaks_again_and_again",
        Broken(
            "F125",
            off(
                "our own client goes on from where a body broke off",
                "axis/cli/client.py",
                (
                    "                if written == before or not tag:\n                    raise\n",
                    "                raise\n",
                ),
            ),
            "assert",
        ),
    ),
    (
        f"{PROVEN}::test_not_one_octet_of_a_proof_may_be_another",
        Broken(
            "F124",
            off(
                "a proof leads from its entry to its head",
                "axis/log/proven.py",
                ("    if not proof.holds(leaf):\n", "    if False:\n"),
            ),
            "assert",
        ),
    ),
    (
        f"{PROVEN}::test_a_head_that_another_key_signed_proves_nothing",
        Broken(
            "F124",
            off(
                "a proof counts under the key of the log",
                "axis/log/proven.py",
                ('        found.append(Finding(Code.CHECKPOINT_SIGNATURE, "", str(error)))\n', "        str(error)\n"),
            ),
            "checkpoint-signature",
        ),
    ),
    (
        f"{PROVEN}::test_a_head_of_another_log_proves_nothing",
        Broken(
            "F124",
            off(
                "a proof is of the log that the key names",
                "axis/log/proven.py",
                ("    if tree.origin != keys.name:\n", "    if False:\n"),
            ),
            "checkpoint-origin",
        ),
    ),
    (
        f"{PROVEN}::test_a_former_key_is_told_as_that",
        Broken(
            "F124",
            off(
                "a key that the log has no more is not enough",
                "axis/log/proven.py",
                ("len(keys.keys) > 1 and not _opens", "len(keys.keys) > 9 and not _opens"),
            ),
            "True",
        ),
    ),
    (
        f"{PROVEN}::test_a_receipt_is_held_against_the_one_entry_that_it_promised",
        Broken(
            "F124",
            off(
                "a receipt promised an entry about its own document",
                "axis/log/proven.py",
                ("or entry.subject != document:\n", "or not document:\n"),
            ),
            "receipt-mismatch",
        ),
    ),
    (
        f"{VERIFY}::test_an_older_checkpoint_larger_than_the_log_shows_a_rollback",
        Broken(
            "F99",
            off(
                "a log is as long as a checkpoint that somebody kept",
                "axis/log/verify.py",
                ("            if claim[1] is Code.OLD_INCONSISTENT:\n", "            if False:\n"),
            ),
            "rolled-back",
        ),
    ),
    (
        f"{OFFERED}::test_a_log_that_was_put_back_is_told_by_its_witness",
        Broken(
            "F99",
            off(
                "a log is as long as its witness shows",
                "axis/flow/witness.py",
                ("        if shown.size > newest:\n", "        if False:\n"),
            ),
            "ValueError",
        ),
    ),
    (
        f"{WITNESS}::test_every_refusal_has_its_status",
        Broken(
            "F99",
            off(
                "a witness cosigns only what continues the newest that it cosigned",
                "axis/witness/judge.py",
                ("    if offer.old != size:\n", "    if False:\n"),
            ),
            "test_every_refusal_has_its_status",
        ),
    ),
    (
        f"{WITNESS}::test_a_witness_that_is_killed_goes_on_from_what_it_may_have_said",
        Broken(
            "F99",
            off(
                "a witness remembers before it answers",
                "axis/witness/server.py",
                ("        self._memory.keep(origin, self._logs[origin].own_lines(offer.head.note) + line)\n", ""),
            ),
            "SIGKILL",
        ),
    ),
    (
        f"{MISMATCH}::test_two_sequencers_cannot_have_one_log",
        Broken(
            "F100",
            off(
                "a folder of the log has one writer",
                "axis/log/disk.py",
                ("            fcntl.flock(handle, how | fcntl.LOCK_NB)\n", "            pass\n"),
            ),
            "store-behind",
        ),
    ),
    (
        f"{LEASE}::test_a_shared_store_of_heads_refuses_an_older_token",
        Broken(
            "F100",
            off(
                "the store of heads refuses an older token",
                "axis/log/heads.py",
                ("        if fence > self._token:\n", "        if False:\n"),
            ),
            UNRAISED,
        ),
    ),
    (
        f"{VERIFY}::test_an_older_checkpoint_must_be_the_beginning",
        Broken(
            "F101",
            off(
                "a log begins with what somebody's checkpoint says",
                "axis/log/verify.py",
                (
                    "            if size == self._tree.size and head.checkpoint.root != self._tree.root():\n",
                    "            if False:\n",
                ),
            ),
            "old-inconsistent",
        ),
    ),
    (
        f"{SUCCESSION}::test_a_former_key_that_signs_on_is_found",
        Broken(
            "F101",
            off(
                "a key that was replaced speaks no further than the entry that says so",
                "axis/log/succession.py",
                ("        if not any(span.holds(size) for span in by):\n", "        if False:\n"),
            ),
            "former-key",
        ),
    ),
    (
        f"{SUCCESSION}::test_an_error_after_any_step_of_the_change_is_healed_by_the_next_round",
        Broken(
            "K36",
            off(
                "both keys sign the head that ends with the change",
                "axis/log/writer.py",
                ("        return self._acting, self._named(change)\n", "        return (self._named(change),)\n"),
            ),
            "assert",
        ),
    ),
    (
        f"{SUCCESSION}::test_a_key_that_waits_for_its_entry_is_not_forgotten",
        Broken(
            "K36",
            off(
                "a key signs nothing behind the entry that replaces it",
                "axis/log/writer.py",
                (
                    '        raise LogMismatch(Mismatch.KEY_CHANGED, f"entry {change.size - 1} hands the log over to '
                    '{change.key}")\n',
                    "        return self._signer\n",
                ),
            ),
            UNRAISED,
        ),
    ),
    (
        "tests/care/test_sweep.py::test_what_is_named_after_the_rows_were_asked_stays",
        Broken(
            "F103",
            off(
                "what was named since the rows were asked is not removed",
                "axis/blobs.py",
                ("            if found.st_mtime >= before:\n", "            if False:\n"),
            ),
            "Swept",
        ),
    ),
    (
        f"{BETWEEN}::test_a_copy_that_comes_while_a_held_document_is_judged_reaches_its_recipient_too",
        Broken(
            "F105",
            off(
                "a held document is let go as it is when that is written",
                "axis/flow/recheck.py",
                ("    found = ledger.document(document.ref)\n", "    found = document\n"),
            ),
            "assert",
        ),
    ),
    (
        f"{BETWEEN}::test_what_was_to_be_a_repeat_is_not_stored_without_its_octets",
        Broken(
            "F105",
            off(
                "what is stored was foreseen to be",
                "axis/flow/receive.py",
                ("        if stored and not prepared:\n", "        if False:\n"),
            ),
            UNRAISED,
        ),
    ),
    (
        f"{REOPENED}::test_a_status_that_races_the_release_of_its_document_finds_it_or_is_found",
        Broken(
            "F105",
            off(
                "nobody stores a status while its document is let go",
                "axis/sql/ledger.py",
                (
                    "        self._alone_with_id(sender, document_id)\n"
                    "        self._alone_with_number(sender, number)\n"
                    "        names =",
                    "        names =",
                ),
            ),
            "assert",
        ),
    ),
    (
        f"{REOPENED}::test_what_is_behind_it_is_not_claimed_while_it_is_decided_nor_before_it_afterwards",
        Broken(
            "F105",
            off(
                "what is open again goes before what follows it",
                "axis/sql/ledger.py",
                ("        if move.was is DeliveryState.DELIVERED:", "        if False:"),
            ),
            "assert",
        ),
    ),
    (
        f"{DELIVERY}::test_what_goes_slowly_for_longer_than_a_lease_is_one_attempt",
        Broken(
            "F106",
            off(
                "an attempt lasts as long as its octets move",
                "axis/flow/underway.py",
                ("            await self._ctx.store.transact(body)\n", ""),
            ),
            "assert",
        ),
    ),
)
"""Each with the test that turns red: it runs on a copy of the product without the defence."""


def _by_fault() -> Mapping[str, tuple[Broken, ...]]:
    found: dict[str, tuple[Broken, ...]] = {}
    for broken in (*STOP, *AGAIN, *HANGUP, *STAMPED, *SUPERVISED, *(one for _, one in SHOWN)):
        found[broken.point] = (*found.get(broken.point, ()), broken)
    return found


BY_FAULT: Final = _by_fault()
