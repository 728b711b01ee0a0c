"""A copy of the log's folder may be taken at any moment: an unfinished round is worth a note and no fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from axis.log.findings import TABLE, Code
from axis.log.verify import verify_log
from axis.log.writer import Step
from tests.unit.log.logs import VKEY, batch, codes, flip, grow, lines, verified, writer_at
from tests.unit.log.rounds import Struck


@pytest.mark.parametrize(
    ("step", "expected", "entries"),
    [
        (Step.JOURNAL, set(), 250),
        (Step.BUNDLES, {"unpublished"}, 250),
        (Step.TILES, {"unpublished"}, 250),
        (Step.SIGNED, {"unpublished"}, 250),
        (Step.HEAD, {"unpublished"}, 600),
        (Step.PUBLISHED, set(), 600),
    ],
)
def test_a_log_that_is_looked_at_in_the_middle_of_a_round_is_sound(
    step: Step, expected: set[str], entries: int, tmp_path: Path
) -> None:
    grow(tmp_path, 250)

    def strike(done: Step) -> None:
        if done is step:
            raise Struck

    writer = writer_at(tmp_path, strike if step is not Step.PUBLISHED else lambda done: None)
    writer.open()
    writer.reconcile(250)
    if step is Step.PUBLISHED:
        writer.commit(batch(250, 350))
        writer.publish()
    else:
        with pytest.raises(Struck):
            writer.commit(batch(250, 350))
    writer.close()
    report = verified(tmp_path)
    assert report.ok, list(lines(report))
    assert codes(report) == expected
    assert report.entries == entries
    assert verify_log(tmp_path / "log", VKEY).ok


def test_an_unfinished_round_is_no_cover_for_more_than_it_says(tmp_path: Path) -> None:
    """The journal names where it begins and ends; a file beyond that, or a damaged journal, is no excuse."""
    grow(tmp_path, 250)
    writer = writer_at(tmp_path)
    writer.open()
    writer.reconcile(250)
    older = (tmp_path / "log/round").read_bytes()
    checkpoint, heads = (tmp_path / "log/checkpoint").read_bytes(), (tmp_path / "heads/heads.jsonl").read_bytes()
    writer.commit(batch(250, 350))
    writer.close()
    (tmp_path / "heads/heads.jsonl").write_bytes(heads)
    assert (tmp_path / "log/checkpoint").read_bytes() == checkpoint
    assert codes(verified(tmp_path)) == {"unpublished"}
    (tmp_path / "log/round").write_bytes(older)
    assert codes(verified(tmp_path)) == {"extra-entries", "extra-tile"}
    flip(tmp_path / "log/round", 3)
    assert codes(verified(tmp_path)) == {"extra-entries", "extra-tile", "journal-damaged"}


def test_the_notes_are_four() -> None:
    notes = {code for code in Code if not TABLE[code].fault}
    assert notes == {Code.TIME_BACK, Code.JOURNAL_DAMAGED, Code.UNPUBLISHED, Code.STRAY_FILE}
