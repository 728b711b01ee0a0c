"""Database, folder and heads that do not belong together: refused by name, nothing signed (F95 to F100)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from axis.flow import sequence
from axis.log.disk import Locked
from axis.log.files import LogFolder
from axis.log.heads import HISTORY, CheckpointStore
from axis.log.writer import LogMismatch, Mismatch, Step
from signing.note import sign_note
from tests.unit.log.logs import NOW, ORIGIN, SIGNER, STRANGER, batch, grow, signed, writer_at
from tests.unit.log.rounds import Struck, check, drain, intend, sequencer, sizes, stored


async def refused(path: Path) -> Mismatch:
    with pytest.raises(LogMismatch) as caught:
        await drain(path)
    return caught.value.reason


def put_back(path: Path, older: Path, *names: str) -> None:
    for name in names:
        for item in path.glob(f"{name}*"):
            shutil.rmtree(item) if item.is_dir() else item.unlink()
        for item in older.glob(f"{name}*"):
            shutil.copytree(item, path / item.name) if item.is_dir() else shutil.copyfile(item, path / item.name)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("axis.db",), Mismatch.STORE_BEHIND),
        (("log",), Mismatch.FOLDER_BEHIND),
        (("heads",), Mismatch.HEADS_BEHIND),
        (("log", "heads"), Mismatch.STORE_AHEAD),
        (("log", "axis.db"), Mismatch.FOLDER_BEHIND),
        (("heads", "axis.db"), Mismatch.HEADS_BEHIND),
    ],
)
async def test_a_part_put_back_to_an_older_state_is_refused_by_name(
    names: tuple[str, ...], reason: Mismatch, path: Path, grown: Path
) -> None:
    """Two rounds later; F96 to F98. The database is an ordinary backup: it was closed in order."""
    for first in (250, 300):
        async with stored(path) as store:
            await intend(store, range(first, first + 50))
        await drain(path)
    put_back(path, grown, *names)
    before = sizes(path)
    assert await refused(path) is reason
    assert sizes(path) == before, "something was signed"


async def test_a_database_put_back_by_one_round_learns_its_indexes_again_only_from_the_same_intents(
    path: Path, grown: Path
) -> None:
    async with stored(path) as store:
        await intend(store, range(250, 260))
    backup = path.parent / "backup"
    shutil.copytree(path, backup)
    await drain(path)
    put_back(path, backup, "axis.db")  # still holds the ten intents, without indexes
    assert await drain(path) == 0
    await check(path, 260)
    put_back(path, grown, "axis.db")  # does not hold them
    assert await refused(path) is Mismatch.STORE_DIFFERS
    async with stored(path) as store:
        await intend(store, range(500, 510))  # takes the same ids for other entries
    assert await refused(path) is Mismatch.STORE_DIFFERS


async def test_a_round_that_was_begun_is_not_finished_with_other_intents(path: Path, grown: Path) -> None:
    """The database was put back after a crash, and gave the same ids to other entries."""

    def hook(done: Step) -> None:
        if done is Step.TILES:
            raise Struck

    async with stored(path) as store:
        await intend(store, range(250, 260))
        with pytest.raises(Struck):
            async with sequencer(store, path, hook=hook) as one:
                await one.round()
    put_back(path, grown, "axis.db")
    assert await refused(path) is Mismatch.STORE_DIFFERS
    async with stored(path) as store:
        await intend(store, range(500, 510))
    assert await refused(path) is Mismatch.STORE_DIFFERS
    assert sizes(path) == [0, 100, 250]


async def test_lost_heads_are_refused(path: Path) -> None:
    (path / "heads" / HISTORY).unlink()
    assert await refused(path) is Mismatch.HEADS_LOST


async def test_heads_of_another_key_or_log_are_refused(path: Path) -> None:
    last = list(CheckpointStore(path / "heads").history())[-1]
    for note in (
        sign_note(last.checkpoint.text, STRANGER),
        signed(250, last.checkpoint.root, origin="another/log"),
    ):
        (path / "heads" / HISTORY).write_text(json.dumps({"note": note}) + "\n")
        assert await refused(path) is Mismatch.HEADS_FOREIGN


async def test_a_published_checkpoint_of_another_history_is_refused(path: Path) -> None:
    checkpoint = path / "log/checkpoint"
    checkpoint.write_text(signed(250, bytes(32)))
    assert await refused(path) is Mismatch.FORKED
    checkpoint.write_text(signed(251, bytes(32)))
    assert await refused(path) is Mismatch.HEADS_BEHIND


@pytest.mark.parametrize("octets", [None, b"", b"\xff", b"rubbish\n"])
async def test_a_checkpoint_that_is_lost_or_cannot_be_read_is_published_again(path: Path, octets: bytes | None) -> None:
    file = path / "log/checkpoint"
    before = file.read_bytes()
    file.unlink()
    if octets is not None:
        file.write_bytes(octets)
    await drain(path)
    assert file.read_bytes() == before


@pytest.mark.parametrize("name", ["tile/0/000.p/250", "tile/entries/000.p/250"])
async def test_a_damaged_edge_is_refused_before_anything_is_signed(path: Path, name: str) -> None:
    file = path / "log" / name
    octets = bytearray(file.read_bytes())
    octets[100] ^= 1
    file.write_bytes(octets)
    assert await refused(path) is Mismatch.FOLDER_DIFFERS


async def test_a_flipped_bit_between_writing_and_signing_is_not_signed(path: Path) -> None:
    """The Yeti lesson: what is signed is what the disk says, and it must be what was committed."""
    for number, name in enumerate(("tile/0/001.p/4", "tile/entries/001.p/4", "tile/0/000", "tile/1/000.p/1")):
        node = path.parent / str(number)
        shutil.copytree(path, node)

        def flip(done: Step, file: Path = node / "log" / name) -> None:
            if done is Step.TILES:
                octets = bytearray(file.read_bytes())
                octets[31] ^= 4
                file.write_bytes(octets)

        async with stored(node) as store, sequencer(store, node, hook=flip) as one:
            await intend(store, range(250, 260))
            with pytest.raises(LogMismatch) as caught:
                await one.round()
        assert caught.value.reason is Mismatch.FOLDER_DIFFERS
        assert sizes(node) == [0, 100, 250]


def test_an_old_hash_that_was_altered_under_a_running_sequencer_is_not_signed(tmp_path: Path) -> None:
    """It would be copied into the next partial tile; only the root shows it."""
    grow(tmp_path, 300)
    writer = writer_at(tmp_path)
    writer.open()
    writer.reconcile(300)
    file = tmp_path / "log/tile/1/000.p/1"
    file.write_bytes(bytes(32))
    with pytest.raises(LogMismatch) as caught:
        writer.commit(batch(300, 300))
    writer.close()
    assert caught.value.reason is Mismatch.FOLDER_DIFFERS
    assert sizes(tmp_path) == [0, 300]


async def test_two_sequencers_cannot_have_one_log(path: Path, tmp_path: Path) -> None:
    async with stored(path) as store, stored(tmp_path) as other, sequencer(store, path):
        with pytest.raises(Locked):
            async with sequencer(other, path):
                pass


async def test_the_store_of_heads_must_lie_elsewhere(path: Path) -> None:
    async with stored(path) as store:
        for one, other in (("log", "log/heads"), ("log/x", "log"), ("log", "log")):
            with pytest.raises(ValueError, match="store of heads"):
                sequence.Sequencer(
                    store, LogFolder(path / one), CheckpointStore(path / other), SIGNER, ORIGIN, lambda: NOW
                )
        with pytest.raises(ValueError, match="named after its origin"):
            sequence.Sequencer(
                store, LogFolder(path / "log"), CheckpointStore(path / "heads"), SIGNER, "x", lambda: NOW
            )
