"""A checker that never failed is not trusted: each rule meets a history that breaks it, and says so."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.history.event import Event, History, Operation, Outcome
from tests.history.logbook import Logbook, Unreadable, read_logbook, read_note
from tests.history.rules import Rule, check
from tests.history.story import (
    FINANCE,
    HOME,
    OFFICE,
    RECEIPT_KEY,
    Story,
    canonical,
    digest,
    good,
    note,
    signed_head,
    write_folders,
)


def broken(story: Story) -> set[Rule]:
    return {violation.rule for violation in check(story.events, story.log, story.world)}


def at(story: Story, operation: Operation, number: int = 0, who: str = "") -> int:
    """The place of one event."""
    found = [place for place, one in enumerate(story.events) if one.operation is operation and who in one.process]
    return found[number]


def bend(story: Story, place: int, *, result: dict[str, Any] | None = None, **arguments: Any) -> Event:
    """The event at `place`, told otherwise."""
    was = story.events[place]
    story.events[place] = replace(
        was, arguments={**was.arguments, **arguments}, result={**was.result, **(result or {})}
    )
    return story.events[place]


def no_leaf(story: Story) -> None:
    story.submits("x", [], logged=False)


def recipient_dropped(story: Story) -> None:
    story.events = [one for one in story.events if one.arguments.get("delivery") != "a-finance"]


def lost_after_recovery(story: Story) -> None:
    """Its answer was lost, it was taken, and its recipient has not got it."""
    story.events = [one for one in story.events if one.arguments.get("delivery") != "b-home"]


def kept_after_refusal(story: Story) -> None:
    story.gets(HOME, "d", "d-home")


def unasked(story: Story) -> None:
    for ref in ("x", "y"):
        story.logged("accepted", ref, sender=FINANCE, recipients=[])


def one_more_than_was_lost(story: Story) -> None:
    """One answer is still open; the log has two more of this sender."""
    for ref in ("x", "y"):
        story.logged("accepted", ref, sender=OFFICE, recipients=[])


def altered(story: Story) -> None:
    bend(story, at(story, Operation.FETCH), result={"sha256": digest(b"other")})


def altered_the_second_time(story: Story) -> None:
    event = story.events[at(story, Operation.FETCH, -1)]
    story.events.append(replace(event, result={"sha256": digest(b"again")}))


def swapped(story: Story) -> None:
    """A document for one agency lies in the mailbox of another."""
    place = at(story, Operation.FETCH, 2, HOME)
    story.events[place] = replace(story.events[place], process=FINANCE)


def listed_to_a_stranger(story: Story) -> None:
    item = {"delivery": "b-home", "cargo": "document", "document": "b"}
    story.event(FINANCE, Operation.LIST, {}, Outcome.OK, items=[item])


def read_by_a_stranger(story: Story) -> None:
    story.event(FINANCE, Operation.DOCUMENT, {"document": "r"}, Outcome.OK)


def doubled(story: Story) -> None:
    story.gets(HOME, "a", "a-home-again")


def doubled_as_another(story: Story) -> None:
    """The same octets come as another document."""
    event = story.events[at(story, Operation.FETCH)]
    story.events.append(replace(event, arguments={**event.arguments, "delivery": "n", "document": "a2"}))


def status_doubled(story: Story) -> None:
    event = story.events[at(story, Operation.FETCH, -1, OFFICE)]
    story.events.append(replace(event, arguments={**event.arguments, "delivery": "n"}))


def shown_again(story: Story) -> None:
    story.event(HOME, Operation.LIST, {}, Outcome.OK, items=[{"delivery": "a-home", "document": "a"}])


def two_receipts(story: Story) -> None:
    bend(story, 1, result={"receipt": story.receipt("a", digest(b"a"), accepted_at="later")})


def another_receipt_when_asked(story: Story) -> None:
    text = story.receipt("a", digest(b"a"), accepted_at="later")
    story.event(OFFICE, Operation.RECEIPT, {"document": "a"}, Outcome.OK, receipt=text)


def taken_twice(story: Story) -> None:
    story.submits("a2", [])
    bend(story, -1, document_id="id-a", sha256=digest(b"a"), result={"receipt": story.receipt("a2", digest(b"a"))})


def one_id_for_two(story: Story) -> None:
    story.submits("e", [], document_id="id-a")


def two_leaves(story: Story) -> None:
    story.entries.append(story.entries[0])
    story.heads.append(signed_head(story.entries))


def unsigned_receipt(story: Story) -> None:
    text = story.events[0].result["receipt"].replace('"accepted"', '"accepted "')
    for place in (0, 1):
        bend(story, place, result={"receipt": text})


def other_commitment(story: Story) -> None:
    story.world.openings["a"] = "00" * 16  # type: ignore[index]


def statuses_swapped(story: Story) -> None:
    first, second = at(story, Operation.FETCH, 0, OFFICE), at(story, Operation.FETCH, 1, OFFICE)
    a, b = story.events[first], story.events[second]
    story.events[first] = replace(a, invoked=b.invoked, completed=b.completed)
    story.events[second] = replace(b, invoked=a.invoked, completed=a.completed)


def went_back(story: Story) -> None:
    story.says(HOME, "a", "04")


def recall_first(story: Story) -> None:
    place = next(n for n, one in enumerate(story.events) if one.arguments.get("delivery") == "r-home")
    story.events[place] = replace(story.events[place], completed=0.5)


def forked(story: Story) -> None:
    size = len(story.entries) - 3
    story.event(OFFICE, Operation.HEAD, {}, Outcome.OK, note=note(size, bytes(32)))


def rewritten(story: Story) -> None:
    """An entry is another one, and everything was signed anew."""
    was = story.entries[2]
    story.entries[2] = was.replace(b'"a"', b'"z"')
    assert story.entries[2] != was
    story.heads = [signed_head(story.entries, size) for size in range(1, len(story.entries) + 1)]


def cut_off(story: Story) -> None:
    """The log ends before what was shown, in files and heads alike."""
    story.entries = story.entries[:-4]
    story.heads = story.heads[:-4]


def forged(story: Story) -> None:
    size = len(story.entries)
    story.heads[-1] = read_note(note(size, story.log.roots([size])[size], RECEIPT_KEY))


def shrunk(story: Story) -> None:
    story.heads.append(story.heads[3])


def not_published(story: Story) -> None:
    story.published = story.heads[-2]


def unlogged_delivery(story: Story) -> None:
    story.event(HOME, Operation.ACK, {"delivery": "b-other"}, Outcome.OK, document="b")


def unlogged_status(story: Story) -> None:
    arguments = {"document": "b", "code": "03"}
    story.event(HOME, Operation.STATUS, arguments, Outcome.OK, status="b-03", receiver=HOME, standing="applied")


def invented(story: Story) -> None:
    story.logged("delivered", "nobody-acknowledged-this")


def status_not_told(story: Story) -> None:
    story.says(HOME, "r", "03")


def never_sent(story: Story) -> None:
    story.gets(HOME, "q", "q-home")


def slow(story: Story) -> None:
    event = story.events[at(story, Operation.DRAIN)]
    story.events.append(replace(event, completed=event.invoked + 11))


PLANTED: list[tuple[Callable[[Story], None], set[Rule]]] = [
    (no_leaf, {Rule.NO_LEAF}),
    (recipient_dropped, {Rule.LOST, Rule.INVENTED}),
    (lost_after_recovery, {Rule.LOST, Rule.INVENTED}),
    (kept_after_refusal, {Rule.KEPT}),
    (unasked, {Rule.UNASKED}),
    (one_more_than_was_lost, {Rule.UNASKED}),
    (altered, {Rule.ALTERED, Rule.UNEXPECTED}),
    (altered_the_second_time, {Rule.ALTERED}),
    (swapped, {Rule.STRANGER, Rule.LOST}),
    (listed_to_a_stranger, {Rule.STRANGER}),
    (read_by_a_stranger, {Rule.STRANGER}),
    (doubled, {Rule.DOUBLED}),
    (doubled_as_another, {Rule.DOUBLED}),
    (status_doubled, {Rule.DOUBLED}),
    (shown_again, {Rule.AGAIN}),
    (two_receipts, {Rule.TWO_RECEIPTS}),
    (another_receipt_when_asked, {Rule.TWO_RECEIPTS}),
    (taken_twice, {Rule.TWO_ACCEPTANCES, Rule.TWO_RECEIPTS}),
    (one_id_for_two, {Rule.TWO_ACCEPTANCES}),
    (two_leaves, {Rule.TWO_ACCEPTANCES}),
    (unsigned_receipt, {Rule.UNPROVEN}),
    (other_commitment, {Rule.UNPROVEN}),
    (statuses_swapped, {Rule.DISORDER}),
    (went_back, {Rule.ILLEGAL}),
    (recall_first, {Rule.OVERTAKEN}),
    (forked, {Rule.FORKED}),
    (rewritten, {Rule.FORKED}),
    (cut_off, {Rule.SHRUNK, Rule.UNLOGGED}),
    (forged, {Rule.FORGED}),
    (shrunk, {Rule.SHRUNK}),
    (not_published, {Rule.SHRUNK}),
    (unlogged_delivery, {Rule.UNLOGGED}),
    (unlogged_status, {Rule.UNLOGGED}),
    (invented, {Rule.INVENTED}),
    (status_not_told, {Rule.LOST}),
    (never_sent, {Rule.UNEXPECTED}),
    (slow, {Rule.SLOW}),
]


def test_a_good_history_breaks_no_rule() -> None:
    story = good()
    assert check(story.events, story.log, story.world) == []


@pytest.mark.parametrize(("plant", "rules"), PLANTED, ids=[plant.__name__ for plant, _ in PLANTED])
def test_a_planted_fault_is_caught_by_its_rule(plant: Callable[[Story], None], rules: set[Rule]) -> None:
    story = good()
    plant(story)
    assert rules <= broken(story)


def test_every_rule_was_broken_once() -> None:
    assert {rule for _, rules in PLANTED for rule in rules} == set(Rule) - {Rule.UNREADABLE}


def test_what_is_under_way_is_no_fault() -> None:
    """Nobody must have got anything before everything has settled; what was seen must be right all the same."""
    story = good()
    story.submits("z", [FINANCE])
    assert broken(story) == {Rule.LOST}
    story.world = replace(story.world, settled=False)
    assert broken(story) == set()


def test_a_sender_that_was_told_has_lost_nothing() -> None:
    story = good()
    story.submits("z", [FINANCE])
    story.gets(OFFICE, "z", "z-notice", cargo="notice")
    assert broken(story) == set()


def test_an_operation_that_says_nothing_is_unknown() -> None:
    history = History()
    with pytest.raises(OSError, match="gone"), history.doing(HOME, Operation.ACK, delivery="a"):
        raise OSError("gone")
    assert [one.outcome for one in history] == [Outcome.INFO]


# --- the log's folder


def long_log(tmp_path: Path, entries: int = 600) -> tuple[Story, Path, Path]:
    story = Story()
    story.entries = [canonical({"kind": "deferred", "subject": str(number)}) for number in range(entries)]
    return story, *write_folders(story, tmp_path)


@pytest.mark.parametrize("entries", [0, 1, 255, 256, 257, 600])
def test_a_folder_reads_back(tmp_path: Path, entries: int) -> None:
    story, log, heads = long_log(tmp_path, entries)
    book = read_logbook(log, heads)
    assert list(book.entries) == story.entries
    assert check([], book, story.world) == []


def flipped(path: Path) -> None:
    octets = bytearray(path.read_bytes())
    octets[40] ^= 1
    path.write_bytes(octets)


@pytest.mark.parametrize("name", ["tile/entries/001", "tile/0/001", "tile/entries/002.p/88"])
def test_a_flipped_bit_is_seen(tmp_path: Path, name: str) -> None:
    _, log, heads = long_log(tmp_path)
    flipped(log / name)
    with pytest.raises(Unreadable):
        read_logbook(log, heads)


@pytest.mark.parametrize("name", ["tile/entries/000", "tile/0/002.p/88"])
def test_a_missing_file_is_seen(tmp_path: Path, name: str) -> None:
    story, log, heads = long_log(tmp_path)
    (log / name).unlink()
    with pytest.raises(Unreadable, match="missing") as caught:
        read_logbook(log, heads)
    assert [one.rule for one in check([], caught.value, story.world)] == [Rule.UNREADABLE]


def test_the_roots_are_those_of_rfc_6962() -> None:
    """The tree of Certificate Transparency's own reference test, which others use too."""
    leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    book = Logbook(tuple(map(bytes.fromhex, leaves)), (), None)
    assert {size: root.hex()[:16] for size, root in book.roots([0, 1, 2, 3, 8]).items()} == {
        0: "e3b0c44298fc1c14",
        1: "6e340b9cffb37a98",
        2: "fac54203e7cc696c",
        3: "aeb6bcfe274b70a1",
        8: "5dc9da79a70659a9",
    }


def test_the_checker_shares_nothing_with_what_it_checks() -> None:
    ours, found = {"axis", "schemas", "signing", "adapters"}, set()
    for path in Path(__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found |= set(names)
    assert not {name for name in found if name.partition(".")[0] in ours}
    elsewhere = {name for name in found if name.partition(".")[0] not in sys.stdlib_module_names}
    assert {name.partition(".")[0] for name in elsewhere} == {"cryptography", "pytest", "tests"}
    assert {name.rpartition(".")[0] for name in elsewhere if name.startswith("tests")} == {"tests.history"}
