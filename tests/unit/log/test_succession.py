"""The key of a log is replaced (K36): the old one or the new one, never neither, and the log shows which."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from axis.core.entry import leaf
from axis.core.model import EntryKind, LogEntry
from axis.log.checkpoint import Checkpoint
from axis.log.files import Batch, LogFolder
from axis.log.heads import HISTORY, CheckpointStore
from axis.log.key import ForeignNote, LogKeys
from axis.log.succession import (
    Change,
    FormerKey,
    Span,
    Succession,
    change_facts,
    present_key,
    read_change,
    spans,
    upto_change,
)
from axis.log.verify import verify_log
from axis.log.writer import LogMismatch, LogWriter, Mismatch, Step
from signing.note import Note, NoteKey, NoteSigner, open_note, sign_note
from tests.unit.log.logs import NOW, ORIGIN, SIGNER, STRANGER, faults, grow, leaves, signed
from tests.unit.log.rounds import Struck, drain, intend, intend_entries, sequencer, sizes, stored

ROOT = Path(__file__).parents[3]
OLD, NEW = SIGNER, STRANGER
THIRD = NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"\3" * 32))
THIEF = NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"\4" * 32))
A, B, C = (one.verifier for one in (OLD, NEW, THIRD))


def change(was: NoteSigner, by: NoteSigner, **other: object) -> LogEntry:
    return LogEntry(EntryKind.KEY_CHANGED, NOW, ORIGIN, "", change_facts(was, by) | other)  # type: ignore[arg-type]


def signers(path: Path) -> list[tuple[int, tuple[NoteKey, ...]]]:
    """Size and keys of every stored head."""
    found = []
    for head in CheckpointStore(path / "heads").history():
        opened = open_note(head.note, (A, B, C))
        assert isinstance(opened, Note)
        found.append((head.checkpoint.size, opened.signed_by))
    return found


def found_with(path: Path, *keys: NoteKey, old: str | None = None) -> set[str]:
    report = verify_log(path / "log", " ".join(map(str, keys)), heads=path / "heads", old=old)
    return faults(report)


async def rotate(path: Path, first: int, key: NoteSigner = NEW, leaving: NoteSigner = OLD) -> int:
    """Three entries wait, the key is replaced, three more come. Returns the size at which it was."""
    async with stored(path) as store:
        await intend(store, range(first, first + 3))
    assert await drain(path, signer=key, leaving=leaving) == 4
    changed = sizes(path)[-1]
    async with stored(path) as store:
        await intend(store, range(first + 3, first + 6))
    assert await drain(path, signer=key) == 3
    return changed


def test_which_key_speaks_for_which_size() -> None:
    once, twice = [Change(5, A, B)], [Change(5, A, B), Change(9, B, C)]
    three = {A: Span(A, 0, 5), B: Span(B, 5, 9), C: Span(C, 9, None)}
    for given in ((A,), (B,), (A, B), (B, A)):
        assert spans(given, once) == {A: Span(A, 0, 5), B: Span(B, 5, None)}, given
    for given in ((A,), (B,), (C,), (C, A)):
        assert spans(given, twice) == three, given
    assert spans((C,), once) == {C: Span(C, 0, None)}, "nothing joins it to the others"
    assert spans((A,), [Change(3, THIEF.verifier, C), *once]) == {A: Span(A, 0, 5), B: Span(B, 5, None)}
    assert spans((A,), [*once, Change(9, A, C)]) == {A: Span(A, 0, 5), B: Span(B, 5, None)}, "it had ended"
    assert spans((A,), [*twice, Change(12, C, A)]) == three, "a key came back"
    assert [Span(A, 5, 9).holds(size) for size in (4, 5, 9, 10)] == [False, True, True, False]


def test_an_entry_changes_the_key_only_where_both_have_signed_for_it() -> None:
    facts = change_facts(OLD, NEW)
    assert read_change(leaf(change(OLD, NEW)), 7) == Change(8, A, B)
    text = f"axis/v1/log-key\n{A}\n{B}\n"
    for statement in (
        sign_note(text, OLD),
        sign_note(text, NEW),
        sign_note(text, NEW, THIEF),
        sign_note(f"axis/v1/log-key\n{A}\n{C}\n", OLD, NEW),
        sign_note(f"{text}x\n", OLD, NEW),
        "",
        7,
    ):
        assert read_change(leaf(change(OLD, NEW, statement=statement)), 7) is None, statement
    assert read_change(leaf(change(OLD, NEW, key=str(C))), 7) is None
    assert read_change(leaf(change(OLD, NEW, former=[])), 7) is None
    assert read_change(leaf(LogEntry(EntryKind.STARTED, NOW, ORIGIN, "", facts)), 7) is None
    assert read_change(leaf(change(OLD, OLD)), 7) is None
    some = leaves(0, 3)
    assert upto_change((*some, leaf(change(OLD, NEW)), *some)) == 4
    assert upto_change(some) == 3


async def test_the_log_goes_on_under_a_new_key_and_verifies_with_either(path: Path) -> None:
    changed = await rotate(path, 250)
    assert changed == 254
    assert signers(path) == [(0, (A,)), (100, (A,)), (250, (A,)), (254, (A, B)), (257, (B,))]
    for key in (A, B):
        report = verify_log(path / "log", str(key), heads=path / "heads")
        assert report.ok, report.findings
        assert report.keys == (Span(A, 0, 254), Span(B, 254, None))
        assert report.heads == 5
    older = list(CheckpointStore(path / "heads").history())[1].note
    assert found_with(path, B, old=older) == set(), "an older head, through the log"
    assert await drain(path, signer=NEW, leaving=OLD) == 0, "the former key may stay in the configuration"
    assert sizes(path)[-1] == 257


async def test_two_changes_are_followed_from_any_of_the_keys(path: Path) -> None:
    await rotate(path, 250)
    await rotate(path, 300, THIRD, NEW)
    for key in (A, B, C):
        report = verify_log(path / "log", str(key), heads=path / "heads")
        assert report.ok, report.findings
        assert report.keys == (Span(A, 0, 254), Span(B, 254, 261), Span(C, 261, None))


async def refused(path: Path, signer: NoteSigner, leaving: NoteSigner | None = None) -> Mismatch:
    before = sizes(path)
    with pytest.raises(LogMismatch) as caught:
        await drain(path, signer=signer, leaving=leaving)
    assert sizes(path) == before, "something was signed"
    return caught.value.reason


async def test_a_node_with_another_key_than_the_log_knows_signs_nothing(path: Path) -> None:
    assert await refused(path, NEW) is Mismatch.HEADS_FOREIGN, "the new key, and not the one before it"
    async with stored(path) as store:
        await intend(store, range(250, 253))
    assert await drain(path, signer=NEW, leaving=OLD) == 4
    assert await refused(path, OLD) is Mismatch.KEY_CHANGED, "both have signed, and the log has gone over"
    assert await refused(path, THIRD, OLD) is Mismatch.KEY_CHANGED
    assert await refused(path, OLD, NEW) is Mismatch.KEY_SPENT, "undone"
    await rotate(path, 300, THIRD, NEW)
    assert await refused(path, OLD) is Mismatch.HEADS_FOREIGN
    assert await refused(path, OLD, THIRD) is Mismatch.KEY_SPENT, "no key comes back"


async def test_a_key_that_waits_for_its_entry_is_not_forgotten(path: Path) -> None:
    """The configuration is put back before the round: the intent is there, and the old key does not sign past it."""
    async with stored(path) as store, sequencer(store, path, signer=NEW, leaving=OLD):
        pass
    assert await refused(path, OLD) is Mismatch.KEY_CHANGED
    for _ in range(2):
        async with stored(path) as store, sequencer(store, path, signer=NEW, leaving=OLD):
            pass
        async with stored(path) as store:
            await intend(store, range(250, 252))
    assert await drain(path, signer=NEW, leaving=OLD) == 5, "it is told once"
    assert signers(path)[-2:] == [(251, (A, B)), (255, (B,))], "the round ends with it, whatever waits behind"
    assert present_key(list(CheckpointStore(path / "heads").history())) == (B.hash.hex(), 251)


async def test_the_key_of_a_log_without_entries_is_replaced_as_well(tmp_path: Path) -> None:
    assert await drain(tmp_path) == 0
    assert await drain(tmp_path, signer=NEW, leaving=OLD) == 1
    assert signers(tmp_path) == [(0, (A,)), (1, (A, B))]
    assert found_with(tmp_path, A) == found_with(tmp_path, B) == set()


async def test_a_former_key_that_is_still_configured_does_not_take_the_log_back(path: Path) -> None:
    """Whoever has it puts a head of its own where the node looks for the newest."""
    await rotate(path, 250)
    head_by(path, OLD)
    async with stored(path) as store:
        await intend(store, range(257, 258))
        await store.transact(lambda ledger: ledger.indexed(257, [one.id for one in ledger.intents(1)]))
    assert await refused(path, NEW, OLD) is Mismatch.KEY_SPENT


def head_by(path: Path, signer: NoteSigner, more: int = 1) -> tuple[str, bytes]:
    """Grow a copy of the log by hand, as who has that key can; the note of its head."""
    at = sizes(path)[-1]
    store = CheckpointStore(path / "heads")
    writer = LogWriter(LogFolder(path / "log"), store, signer, ORIGIN)
    writer._keys = LogKeys((A, B, signer.verifier))
    writer._named = lambda change: signer  # type: ignore[method-assign]
    writer.open()
    try:
        writer.reconcile(at)
        writer._acting = signer
        writer.commit(Batch(at, tuple(range(900, 900 + more)), leaves(at, more)))
        writer.publish()
        return writer.head.note, writer.head.checkpoint.root
    finally:
        writer.close()


async def test_a_former_key_that_signs_on_is_found(path: Path) -> None:
    await rotate(path, 250)
    head_by(path, OLD)
    for keys in ((A,), (B,), (A, B)):
        assert found_with(path, *keys) == {"former-key"}, keys
    kept = signed(258, bytes(32), OLD)
    assert found_with(path, B, old=kept) == {"former-key"}


async def test_a_key_that_no_entry_names_is_found(path: Path) -> None:
    head_by(path, NEW)
    assert found_with(path, A) == {"checkpoint-signature", "head-signature"}
    with pytest.raises(ForeignNote):
        Succession(LogFolder(path / "log"), LogKeys((A,))).open(signed(100, bytes(32), NEW))


async def test_a_new_key_does_not_speak_for_what_was_before_it(path: Path) -> None:
    await rotate(path, 250)
    keys = Succession(LogFolder(path / "log"), LogKeys((A,)))
    keys.open((path / "log/checkpoint").read_text())
    with pytest.raises(ForeignNote, match="speaks from size 254 on only") as caught:
        keys.open(signed(253, bytes(32), NEW))
    assert not isinstance(caught.value, FormerKey)


@pytest.mark.parametrize("key", [OLD, THIEF])
async def test_a_forged_change_in_the_database_hands_nothing_over(key: NoteSigner, path: Path) -> None:
    """Whoever writes in the database can add entries, and has no key: the log says it, and goes on with its own."""
    forged = change(THIEF, THIRD) if key is THIEF else change(OLD, NEW, statement=sign_note("x\n", THIEF))
    async with stored(path) as store:
        await intend_entries(store, [forged])
    assert await drain(path) == 1
    async with stored(path) as store:
        await intend(store, range(250, 253))
    assert await drain(path) == 3
    assert found_with(path, A) == {"key-change-unsigned"}
    assert signers(path)[-1] == (254, (A,))
    await rotate(path, 300)
    assert found_with(path, A) == found_with(path, B) == {"key-change-unsigned"}, "the true one is found behind it"


async def test_a_change_that_is_taken_out_again_needs_another_history(path: Path, grown: Path) -> None:
    """The thief of the old key goes on from before the change: whoever kept a head of the new key sees it."""
    await rotate(path, 250)
    kept = (path / "log/checkpoint").read_text()
    fork = path.parent / "fork"
    shutil.copytree(grown, fork)
    head_by(fork, OLD, 30)
    assert found_with(fork, A) == set(), "alone it looks whole, as every history that is written anew"
    assert "old-inconsistent" in found_with(fork, A, B, old=kept)
    assert found_with(fork, A, old=kept) == {"old-checkpoint"}, "the new key is a stranger there"
    with_both = Checkpoint(ORIGIN, 254, list(CheckpointStore(path / "heads").history())[3].checkpoint.root)
    assert "old-inconsistent" in found_with(fork, A, old=sign_note(with_both.text, OLD, NEW))


def killed(path: Path, during: str, step: Step) -> None:
    command = [sys.executable, "-m", "tests.unit.log.rounds", str(path), during, step.value, "rotating"]
    child = subprocess.run(command, cwd=ROOT, check=False, capture_output=True)
    assert child.returncode == -signal.SIGKILL, child.stderr


@pytest.mark.faults
@pytest.mark.parametrize(
    ("during", "step"),
    [*(("start", step) for step in (Step.PUBLISHED, Step.TIDIED)), *(("round", step) for step in Step)],
)
async def test_a_change_that_is_killed_anywhere_leaves_the_old_key_or_the_new_one(
    during: str, step: Step, path: Path
) -> None:
    """SIGKILL in a child, on real files. What was signed verifies with either key, and the next start finishes."""
    async with stored(path) as store:
        await intend(store, range(250, 270))
    killed(path, during, step)
    by = signers(path)[-1]
    assert by in ((250, (A,)), (271, (A, B))), "neither"
    assert not found_with(path, A) - {"extra-entries", "extra-tile"}
    if during == "round":
        assert await refused(path, OLD) is Mismatch.KEY_CHANGED
    async with stored(path) as store:
        await intend(store, range(270, 275))
    await drain(path, signer=NEW, leaving=OLD)
    told = [one for one in signers(path) if len(one[1]) == 2]
    assert len(told) == 1
    for key in (A, B):
        report = verify_log(path / "log", str(key), heads=path / "heads")
        assert report.ok, report.findings
        assert report.entries == 276
        assert report.kinds["key-changed"] == 1
        assert report.keys == (Span(A, 0, told[0][0]), Span(B, told[0][0], None))


async def test_an_error_after_any_step_of_the_change_is_healed_by_the_next_round(path: Path) -> None:
    for step in Step:
        node = path.parent / step
        shutil.copytree(path, node)
        armed: list[Step] = []

        def strike(done: Step, armed: list[Step] = armed) -> None:
            if done in armed:
                armed.clear()
                raise Struck

        async with stored(node) as store:
            async with sequencer(store, node, hook=strike, signer=NEW, leaving=OLD) as one:
                armed.append(step)
                with pytest.raises(Struck):
                    await one.round()
                await one.round()
            await intend(store, range(250, 252))
        await drain(node, signer=NEW)
        assert signers(node)[-2:] == [(251, (A, B)), (253, (B,))], step
        assert found_with(node, A) == set(), step


def test_heads_of_a_small_log_tell_the_change_as_lines(tmp_path: Path) -> None:
    """Each line of the store of heads is a note that other programs read: a text, and one line for each key."""
    grow(tmp_path, 3)
    writer = LogWriter(LogFolder(tmp_path / "log"), CheckpointStore(tmp_path / "heads"), NEW, ORIGIN, OLD)
    writer.open()
    writer.reconcile(3)
    facts = writer.change_due()
    assert facts is not None
    octets = leaf(LogEntry(EntryKind.KEY_CHANGED, NOW, ORIGIN, "", facts))
    writer.commit(Batch(3, (4,), (octets,)))
    writer.publish()
    writer.commit(Batch(4, (5,), leaves(4, 1)))
    writer.close()
    notes = [json.loads(line)["note"] for line in (tmp_path / "heads" / HISTORY).read_text().splitlines()]
    assert [note.count(f"\n— {ORIGIN} ") for note in notes] == [1, 1, 2, 1]
