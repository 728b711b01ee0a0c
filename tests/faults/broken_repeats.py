"""Without which defences what one party repeats would be kept without end, or what counts be lost: each turns a test
red."""

from __future__ import annotations

from typing import Final

from tests.faults.row import Broken
from tests.mutations.edit import off

FLOW, DECIDED = "tests/flow/test_repeats.py", "tests/unit/core/test_repeats.py"
ENDLESS = f"{FLOW}::test_a_status_that_is_told_again_without_end_is_kept_so_often_and_no_more"
BEFORE = f"{FLOW}::test_what_another_axis_tells_before_its_document_comes_is_kept_so_often"

SHOWN: Final = (
    (
        ENDLESS,
        Broken(
            "F115",
            off(
                "what was told too often is not kept",
                "axis/core/repeats.py",
                ("return again and kept >= MOST_TOLD", "return False"),
            ),
            "assert",
        ),
    ),
    (
        ENDLESS,
        Broken(
            "F115",
            off(
                "what is told in one batch counts",
                "axis/flow/report.py",
                ("return stored + sum(isinstance(one, StatusReport) for one in prior)", "return stored"),
            ),
            "assert",
        ),
    ),
    (
        f"{DECIDED}::test_a_code_that_was_not_told_is_stored_and_passed_on_however_much_is_kept",
        Broken(
            "F115",
            off(
                "a code that was not told yet is always taken",
                "axis/core/repeats.py",
                ("return again and kept >= MOST_TOLD", "return kept >= MOST_TOLD"),
            ),
            "TOO_MANY_REPEATS",
        ),
    ),
    (
        f"{DECIDED}::test_what_another_axis_repeats_is_answered_with_the_first_and_blocks_nothing_there",
        Broken(
            "F115",
            off(
                "another axis is not refused for what it repeats",
                "axis/core/statuses.py",
                ("        if often and party.is_agency:\n", "        if often:\n"),
            ),
            "assert",
        ),
    ),
    (
        f"{DECIDED}::test_what_another_axis_tells_for_the_first_time_or_anew_is_never_lost",
        Broken(
            "F115",
            off(
                "what another axis tells anew is kept",
                "axis/core/statuses.py",
                ("        if often and stands is _REPEATED:\n", "        if often:\n"),
            ),
            "Repeat",
        ),
    ),
    (
        BEFORE,
        Broken(
            "F115",
            off(
                "what comes before its document is not kept without end",
                "axis/flow/report.py",
                ("        if too_often(len(codes), reply.wire in codes):\n", "        if False:\n"),
            ),
            "assert",
        ),
    ),
)
