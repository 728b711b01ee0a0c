"""Without which defences a document would come to an end in a circle, or on one of its ways, and its sender never hear:
each turns a test red."""

from __future__ import annotations

from typing import Final

from tests.faults.row import Broken
from tests.mutations.edit import off

CIRCLE, TAKEN = "tests/flow/test_circle.py", "tests/unit/core/test_intake.py"

SHOWN: Final = (
    (
        f"{CIRCLE}::test_what_goes_in_a_circle_ends_and_its_sender_is_told",
        Broken(
            "F113",
            off(
                "a notice goes to the axis that brought the document",
                "axis/core/notice.py",
                ("neighbour = way.via is Role.NODE and", "neighbour = False and"),
            ),
            "never: a notice",
        ),
    ),
    (
        f"{CIRCLE}::test_a_circle_of_a_document_that_came_by_two_ways_ends_and_its_sender_is_told",
        Broken(
            "F116",
            off(
                "each copy goes on with the whole trace of its own way",
                "axis/core/way.py",
                (
                    "    return next(mine, document.hops)",
                    "    return tuple(hop for hop in document.hops if all(hop in way.hops for way in document.ways))",
                ),
            ),
            "never: a notice",
        ),
    ),
    (
        f"{CIRCLE}::test_of_a_document_that_came_by_two_ways_its_sender_hears_what_neither_reaches",
        Broken(
            "F116",
            off(
                "each axis is told of those that it brought the document for",
                "axis/core/way.py",
                (
                    "codes = tuple(code for code in recipients if code in theirs)",
                    "codes = tuple(recipients) if way is all_ways[0] else ()",
                ),
            ),
            "never: a notice",
        ),
    ),
    (
        f"{TAKEN}::test_there_is_no_receipt_for_a_recipient_that_was_not_reached_by_another_way",
        Broken(
            "F116",
            off(
                "no receipt for what is known not to be reached",
                "axis/core/intake.py",
                ("        if addressed.get(code) is DeliveryState.FAILED:\n", "        if False:\n"),
            ),
            "AssertionError",
        ),
    ),
    (
        f"{TAKEN}::test_who_brings_again_what_another_one_brought_is_kept_once",
        Broken(
            "F116",
            off(
                "who brings a document again is kept",
                "axis/core/intake.py",
                ("    if theirs:\n", "    if fresh:\n"),
            ),
            "AssertionError",
        ),
    ),
    (
        "tests/care/test_fsck.py::test_a_planted_damage_is_found[document-differs-4]",
        Broken(
            "F116",
            off(
                "the ways of a row are those of the log",
                "axis/core/as_logged.py",
                (
                    "    if sorted(way for way in ways if way[-1]) != sorted(map(_way, document.ways)):\n",
                    "    if False:\n",
                ),
            ),
            "document-differs",
        ),
    ),
)
