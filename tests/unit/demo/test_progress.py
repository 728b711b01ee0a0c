"""Counting what stands in the journals."""

from datetime import date
from pathlib import Path

from axis.demo.journal import Event, Journal, Tail
from axis.demo.plan import COMMUNE_20, COMMUNE_21, make_plan
from axis.demo.progress import count
from schemas.codes import Level

PLAN = make_plan(date(2026, 11, 23), 3)


def test_counts_are_by_level_and_a_status_heard_twice_counts_once() -> None:
    heard = {"event": "heard", "document_id": "a", "receiver": "b", "code": "01"}
    progress = count(
        PLAN,
        {
            COMMUNE_20.code: [{"event": "sent"}, heard, heard, {"event": "refused"}],
            COMMUNE_21.code: [{"event": "sent"}, {"event": "received"}, {"event": "status", "code": "01"}],
        },
        1.0,
    )
    assert progress.sent == {Level.COMMUNE: 2}
    assert progress.refused == {Level.COMMUNE: 1}
    assert progress.received == {Level.COMMUNE: 1}
    assert progress.statuses == {(Level.COMMUNE, "01"): 1}
    assert progress.heard == 1
    assert not progress.finished


def test_a_journal_is_read_line_by_line_as_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    tail = Tail(path)
    assert tail.read() == []
    journal = Journal(path)
    journal.write(Event.SENT, name="VB-01")
    with path.open("a") as half:
        half.write('{"event": "rec')
    assert [line["name"] for line in tail.read()] == ["VB-01"]
    with path.open("a") as rest:
        rest.write('eived", "name": "VB-02"}\n')
    assert [line["name"] for line in tail.read()] == ["VB-02"]
    assert tail.read() == []
    journal.close()
