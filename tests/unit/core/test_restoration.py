"""How a node may go on from a backup: every case of backup, heads and copy of the log."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from axis.core.restoration import (
    MOST_SPANS,
    Backup,
    Obstacle,
    Reach,
    Tree,
    Way,
    decide_restored,
    decide_way,
    reach,
    spans,
)

OLD, NEW, OTHER = bytes(32), b"n" * 32, b"o" * 32
BACKUP, HEAD = Tree(5, OLD), Tree(9, NEW)
EMPTY = Tree(0, OLD)


@pytest.mark.parametrize(
    ("backup", "head", "copy", "copy_at_backup", "accepted", "expected"),
    [
        # It knows all that was signed.
        (BACKUP, Tree(5, OLD), None, None, False, Way(Reach.EQUAL, 5, 5, False)),
        (BACKUP, Tree(5, OTHER), None, None, True, Obstacle.FORKED),
        (BACKUP, Tree(5, OLD), HEAD, OTHER, False, Way(Reach.EQUAL, 5, 5, False)),
        # More was signed.
        (BACKUP, HEAD, None, None, True, Obstacle.NEEDS_LOG),
        (BACKUP, HEAD, HEAD, OLD, False, Obstacle.NOT_ACCEPTED),
        (BACKUP, HEAD, HEAD, OLD, True, Way(Reach.BEHIND, 5, 9, True)),
        (BACKUP, HEAD, Tree(9, OTHER), OLD, True, Obstacle.FORKED),
        (BACKUP, HEAD, HEAD, OTHER, True, Obstacle.FORKED),
        (BACKUP, HEAD, Tree(7, NEW), OLD, True, Obstacle.LOG_TOO_SHORT),
        (BACKUP, HEAD, Tree(0, b""), None, True, Obstacle.LOG_TOO_SHORT),
        # The heads were put back.
        (BACKUP, Tree(3, OLD), None, None, True, Obstacle.HEADS_BEHIND),
        (BACKUP, Tree(3, OLD), HEAD, OLD, True, Obstacle.HEADS_BEHIND),
        # There are no heads.
        (BACKUP, None, None, None, False, Obstacle.NOT_ACCEPTED),
        (BACKUP, None, None, None, True, Way(Reach.UNKNOWN, 5, 5, False)),
        (BACKUP, None, HEAD, OLD, True, Way(Reach.UNKNOWN, 5, 9, True)),
        (BACKUP, None, HEAD, OTHER, True, Obstacle.FORKED),
        (BACKUP, None, Tree(3, NEW), None, True, Obstacle.LOG_TOO_SHORT),
        (EMPTY, None, None, None, False, Way(Reach.UNKNOWN, 0, 0, False)),
        (EMPTY, None, HEAD, OLD, False, Obstacle.NOT_ACCEPTED),
    ],
)
def test_no_second_history_and_no_silent_loss(
    backup: Tree, head: Tree | None, copy: Tree | None, copy_at_backup: bytes | None, accepted: bool, expected: object
) -> None:
    assert decide_way(backup, head, copy, copy_at_backup, accepted) == expected


def test_a_second_root_for_a_size_is_refused_whatever_is_accepted() -> None:
    """Over all small cases: wherever a way is found, it ends in the head's own root, or there is no head."""
    roots = (OLD, NEW)
    for known in range(3):
        for head in (None, *(Tree(size, root) for size in range(3) for root in roots)):
            for copy in (None, *(Tree(size, root) for size in range(3) for root in roots)):
                for at_backup in (None, *roots):
                    backup = Tree(known, OLD)
                    way = decide_way(backup, head, copy, at_backup, True)
                    if isinstance(way, Way) and head is not None:
                        end = copy if way.from_copy else backup
                        assert end is not None
                        assert (way.size, end.root) == (head.size, head.root)
                        assert way.size >= known
                    assert reach(backup, head) is not Reach.AHEAD or way is Obstacle.HEADS_BEHIND


@pytest.mark.parametrize(
    ("places", "expected"),
    [([], ()), ([3], ((3, 4),)), ([1, 2, 3], ((1, 4),)), ([1, 3, 4, 9], ((1, 2), (3, 5), (9, 10)))],
)
def test_places_are_told_as_runs(places: list[int], expected: object) -> None:
    assert spans(places) == expected


def test_runs_are_bounded_and_cover_every_place() -> None:
    places = list(range(0, 10 * MOST_SPANS, 2))
    told = spans(places)
    assert len(told) == MOST_SPANS
    assert all(any(first <= place < end for first, end in told) for place in places)


def test_the_entry_says_who_and_what_was_lost_and_changes_nothing() -> None:
    at = datetime(2026, 11, 29, tzinfo=UTC)
    way = Way(Reach.BEHIND, 5, 9, True)
    made = decide_restored(way, Backup("ab", at), [(5, 7), (8, 9)], "truc", "an", "đĩa hỏng", at)
    assert made.changes == ()
    (entry,) = made.entries
    assert (entry.kind, entry.actor, entry.facts["lost"]) == ("restored", "truc", [[5, 7], [8, 9]])
    assert (entry.facts["known"], entry.facts["signed"], entry.facts["heads"]) == (5, 9, "kept")
