"""Without which defences content would go that somebody still needs: each turns a test red."""

from __future__ import annotations

from typing import Final

from tests.faults.row import Broken
from tests.mutations.edit import off

CONTENTS, RETENTION = "tests/contract/test_contents.py", "tests/flow/test_retention.py"
JUDGED, PAGED = "tests/unit/core/test_retention.py", "tests/contract/test_paged.py"

SHOWN: Final = (
    (
        f"{CONTENTS}::test_octets_that_were_put_again_since_it_was_asked_stay",
        Broken(
            "F103",
            off(
                "whoever puts octets that are there raises their number",
                "axis/sql/contents.py",
                ("DO UPDATE SET named = payload.named + 1", "DO UPDATE SET named = payload.named"),
            ),
            "assert",
        ),
    ),
    (
        f"{CONTENTS}::test_of_two_processes_the_one_that_takes_in_keeps_its_octets",
        Broken(
            "F103",
            off(
                "whoever removes octets repeats the number that it saw",
                "axis/sql/contents.py",
                (
                    'payload.c.sha256 == bindparam("of"), payload.c.named == bindparam("seen"))',
                    'payload.c.sha256 == bindparam("of"), payload.c.named >= bindparam("seen"))',
                ),
            ),
            "assert",
        ),
    ),
    (
        f"{CONTENTS}::test_what_went_is_not_left_in_sqlite_s_file",
        Broken(
            "F103",
            off(
                "SQLite overwrites what is removed",
                "axis/sql/sqlite.py",
                ('"secure_delete", "ON", 1)', '"secure_delete", "OFF", 0)'),
            ),
            "assert",
        ),
    ),
    (
        f"{CONTENTS}::test_octets_that_another_document_names_stay",
        Broken(
            "F103",
            off(
                "octets that a document with content names are not removed",
                "axis/core/retention.py",
                ("return self.named is not None and not self.wanted", "return self.named is not None"),
            ),
            "assert",
        ),
    ),
    (
        f"{RETENTION}::test_what_is_not_delivered_keeps_its_content",
        Broken(
            "F103",
            off(
                "a delivery that is not made keeps the content",
                "axis/core/retention.py",
                ("        return Stays.UNDELIVERED\n", "        pass\n"),
            ),
            "assert",
        ),
    ),
    (
        f"{RETENTION}::test_nothing_goes_for_a_day_after_the_clock_has_leapt",
        Broken(
            "F103",
            off(
                "a clock that has leapt has a day to be seen",
                "axis/core/retention.py",
                ("return since if since <= last <= now <= last + LEAP else now", "return since"),
            ),
            "assert",
        ),
    ),
    (
        f"{RETENTION}::test_a_large_package_is_a_file_for_a_while_and_then_none",
        Broken(
            "K37",
            off(
                "files of what was removed have time",
                "axis/care/sweep.py",
                ("        aside.were_named(named_before(questions.session, since))\n", ""),
            ),
            "Swept|assert",
        ),
    ),
    (
        f"{RETENTION}::test_mark_and_entry_are_held_against_each_other",
        Broken(
            "K37",
            off(
                "a mark has its entry, and an entry its mark",
                "axis/core/as_logged.py",
                (
                    '    if [entry["at"] for entry in removed] != ([] if document.removed_at is None else '
                    "[rfc3339(document.removed_at)]):\n",
                    "    if False:\n",
                ),
            ),
            "assert",
        ),
    ),
    (
        f"{JUDGED}::test_any_other_delivery_of_it_keeps_it",
        Broken(
            "F103",
            off(
                "a document that failed keeps its content until a person gives it up",
                "axis/core/retention.py",
                ("        return Stays.FAILED\n", "        pass\n"),
            ),
            "assert",
        ),
    ),
    (
        f"{RETENTION}::test_a_document_that_failed_keeps_its_content_until_it_is_given_up",
        Broken(
            "F103",
            off(
                "what was given up keeps its content until its sender has heard of it",
                "axis/core/retention.py",
                ("        return Stays.UNTOLD\n", "        pass\n"),
            ),
            "assert",
        ),
    ),
    (
        f"{RETENTION}::test_a_document_that_failed_keeps_its_content_until_it_is_given_up",
        Broken(
            "F103",
            off(
                "a document without content is not sent again",
                "axis/core/queue.py",
                ("    if order.action is Action.RETRY and _is_gone(delivery, telling):\n", "    if False:\n"),
            ),
            "assert",
        ),
    ),
    (
        f"{PAGED}::test_pages_have_every_row_once_by_number_and_by_text",
        Broken(
            "F103",
            off(
                "the next page begins right behind the last row",
                "axis/sql/paged.py",
                (
                    "        after = page[-1][0]\n",
                    "        after = page[-1][0] if isinstance(page[-1][0], str) else page[-1][0] + 1\n",
                ),
            ),
            "assert",
        ),
    ),
    (
        f"{PAGED}::test_digests_that_documents_name_come_whole",
        Broken(
            "F103",
            off(
                "the next documents are those right behind the last",
                "axis/sql/leftovers.py",
                ("        after = page[-1][0]\n", "        after = page[-1][0] + 1\n"),
            ),
            "assert",
        ),
    ),
)
