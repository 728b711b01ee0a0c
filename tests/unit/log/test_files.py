"""The log's folder and the store of heads: what they refuse, what they survive."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from axis.core.merkle import Frontier, leaf_hash, root_of
from axis.log.disk import Changed, Folder, Locked
from axis.log.files import Batch, Damaged, LogFolder, StoredTree
from axis.log.heads import HISTORY, CheckpointStore, Head, HeadReason, HeadRefused, HeadsDamaged
from axis.log.key import ForeignNote, LogKeys
from axis.log.tiles import Bundle, Tile, encode_bundle
from axis.log.writer import LogWriter
from signing.note import NoteKey, sign_note
from tests.faults.disk import Disk, Loss
from tests.sim.disk import Disks
from tests.unit.log.logs import KEYS, ORIGIN, SIGNER, STRANGER, batch, grow, leaves, signed, writer_at

ONE, TWO = bytes(31) + b"\x01", bytes(31) + b"\x02"


@pytest.fixture
def folder(tmp_path: Path) -> LogFolder:
    log = LogFolder(tmp_path / "log")
    log.lock()
    return log


@pytest.fixture
def heads(tmp_path: Path) -> CheckpointStore:
    store = CheckpointStore(tmp_path / "heads")
    store.open()
    return store


def test_a_file_of_the_tree_never_changes(folder: LogFolder) -> None:
    for tile in (Tile(0, 0, 2), Tile(0, 0)):
        octets = (ONE + TWO) * (tile.width // 2)
        folder.write([(tile, octets)])
        folder.write([(tile, octets)])  # the same again is what a repeated round does
        with pytest.raises(Changed, match=tile.path):
            folder.write([(tile, octets[::-1])])
        assert folder.hashes(tile)[:2] == [ONE, TWO]


def test_a_file_that_cannot_be_closed_gets_no_name(folder: LogFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems tell only then that octets did not get there. What stood in its place stands there still."""
    folder.write([(Tile(0, 0, 1), ONE)])
    close, fired = os.close, []

    def failing(handle: int) -> None:
        close(handle)
        fired.append(handle)
        if len(fired) == 1:  # the file; afterwards come folders
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr("os.close", failing)
        with pytest.raises(OSError, match="Input/output"):
            folder.write([(Tile(0, 0, 2), ONE + TWO)])
    assert len(fired) == 1
    assert not (folder.path / Tile(0, 0, 2).path).exists(), "it has its name"
    assert folder.hashes(Tile(0, 0, 1)) == [ONE]


def test_the_full_file_serves_where_the_partial_one_is_gone(folder: LogFolder) -> None:
    folder.write([(Tile(0, 0), ONE * 256), (Bundle(0), encode_bundle([b"x"] * 256))])
    assert folder.hashes(Tile(0, 0, 3)) == [ONE] * 3
    assert folder.entries(Bundle(0, 3)) == [b"x"] * 3
    assert folder.entry(2, 3) == b"x"


def test_what_is_missing_or_of_the_wrong_size_is_named(folder: LogFolder) -> None:
    folder.write([(Tile(0, 0, 2), ONE), (Bundle(0, 2), encode_bundle([b"x"])), (Bundle(1, 2), b"\x00")])
    for item, missing in ((Tile(0, 0, 2), False), (Tile(0, 1), True)):
        with pytest.raises(Damaged) as caught:
            folder.hashes(item)
        assert (caught.value.place, caught.value.missing) == (item.path, missing)
    for bundle, missing in ((Bundle(0, 2), False), (Bundle(1, 2), False), (Bundle(2, 2), True)):
        with pytest.raises(Damaged) as caught:
            folder.entries(bundle)
        assert (caught.value.place, caught.value.missing) == (bundle.path, missing)


def test_a_journal_reads_back_and_a_damaged_one_is_refused(folder: LogFolder) -> None:
    assert folder.journal() is None
    one = Batch(7, (12, 9), (b"first", b""))
    folder.write_journal(one)
    assert folder.journal() == one
    file = folder.path / "round"
    sound = file.read_bytes()
    for place in range(len(sound)):
        octets = bytearray(sound)
        octets[place] ^= 1
        file.write_bytes(octets)
        with pytest.raises(Damaged):
            folder.journal()
    for cut in (b"", sound[:-1], sound[:20], b"[]\n", b"{}\n", b"\xff\n"):
        file.write_bytes(cut)
        with pytest.raises(Damaged):
            folder.journal()


def test_a_folder_has_one_writer(folder: LogFolder) -> None:
    with pytest.raises(Locked):
        LogFolder(folder.path).lock()
    folder.unlock()
    LogFolder(folder.path).lock()


def test_a_head_that_others_may_serve_stays_after_a_power_cut(tmp_path: Path) -> None:
    """Found by a seed: a process that stood by served an older checkpoint until the writer had started again."""
    (tmp_path / "log").mkdir()
    disks, disk = Disks(), Disk(tmp_path, ("log",), {"log": None})
    disks.mount(disk, lambda *_: None)
    with disks.mounted():
        for note in ("older", "newer"):
            shown = LogFolder(tmp_path / "log", "n0")
            shown.prepare(note)
            shown.publish()
            shown.keep()
    assert disk.after(Loss.ALL, 0)["log/checkpoint"] == b"newer"


def test_the_tree_on_disk_answers_for_any_size(tmp_path: Path) -> None:
    """Older sizes are read out of the newest tiles."""
    grow(tmp_path, 5, 600)
    hashes = [leaf_hash(one) for one in leaves(0, 600)]
    for size in (1, 5, 255, 256, 257, 511, 512, 599, 600):
        assert root_of(size, StoredTree(LogFolder(tmp_path / "log"), 600)) == Frontier().extend(hashes[:size]).root()


def test_heads_only_go_forward(heads: CheckpointStore) -> None:
    assert heads.latest() is None
    first = heads.advance(None, signed(0, ONE))
    second = heads.advance(first, signed(5, ONE))
    for was, note, reason in (
        (second, signed(4, ONE), HeadReason.SMALLER),
        (second, signed(5, TWO), HeadReason.FORKED),
        (first, signed(9, ONE), HeadReason.MOVED),
        (None, signed(9, ONE), HeadReason.MOVED),
        (second, signed(9, ONE, origin="another/log"), HeadReason.OTHER_ORIGIN),
    ):
        with pytest.raises(HeadRefused) as caught:
            heads.advance(was, note)
        assert caught.value.reason is reason
    assert heads.advance(first, signed(5, ONE)) == second, "the same size with the same root is no news"
    assert [head.checkpoint.size for head in heads.history()] == [0, 5]
    heads.close()
    heads.open()
    assert heads.latest() == second


def test_heads_have_one_writer_and_must_be_open(heads: CheckpointStore) -> None:
    with pytest.raises(Locked):
        CheckpointStore(heads.path).open()
    heads.close()
    with pytest.raises(RuntimeError, match="not open"):
        heads.advance(None, signed(0, ONE))
    with pytest.raises(RuntimeError, match="not open"):
        heads.latest()


def test_a_line_that_was_cut_off_was_never_acknowledged(heads: CheckpointStore) -> None:
    first = heads.advance(None, signed(0, ONE))
    heads.close()
    file = heads.path / HISTORY
    whole = file.read_bytes()
    for torn in (b'{"note": "', whole[:-1]):
        file.write_bytes(whole + torn)
        assert [head.checkpoint.size for head in heads.history()] == [0]
        heads.open()
        assert heads.latest() == first
        heads.close()
        assert file.read_bytes() == whole
    file.write_bytes(whole[:-1])
    heads.open()
    assert heads.latest() is None


def test_no_head_is_stored_where_nobody_finds_it(heads: CheckpointStore) -> None:
    """The history was put away, replaced or cut while it is open: what is written through the handle is lost."""
    first = heads.advance(None, signed(0, ONE))
    file = heads.path / HISTORY
    whole = file.read_bytes()
    aside = file.rename(file.with_name("aside"))
    with pytest.raises(HeadsDamaged, match="moved or removed"):
        heads.advance(first, signed(1, TWO))
    file.write_bytes(whole)
    with pytest.raises(HeadsDamaged, match="moved or removed"):
        heads.advance(first, signed(1, TWO))
    aside.replace(file)
    os.truncate(file, len(whole) - 1)
    with pytest.raises(HeadsDamaged, match="octets"):
        heads.advance(first, signed(1, TWO))
    file.open("ab").write(whole[-1:])
    assert heads.advance(first, signed(1, TWO)).checkpoint.size == 1


@pytest.mark.parametrize(
    "line", [b"{}\n", b'{"note": 1}\n', b"\xff\n", b'{"note": "text"}\n', b"\n", b"x" * 70_000 + b"\n"]
)
def test_a_line_that_cannot_be_read_stops_everything(heads: CheckpointStore, line: bytes) -> None:
    heads.advance(None, signed(0, ONE))
    heads.close()
    with (heads.path / HISTORY).open("ab") as file:
        file.write(line)
    with pytest.raises(HeadsDamaged):
        heads.open()


def test_a_full_disk_leaves_the_heads_as_they_were(heads: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    first = heads.advance(None, signed(0, ONE))
    before, real = (heads.path / HISTORY).read_bytes(), os.write

    def partly(handle: int, octets: bytes) -> int:
        if len(octets) < 20:
            raise OSError(errno.ENOSPC, "no space left on device")
        return real(handle, octets[:10])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", partly)
        with pytest.raises(OSError, match="no space"):
            heads.advance(first, signed(1, ONE))
    assert heads.latest() == first
    assert (heads.path / HISTORY).read_bytes() == before, "a part of a line stayed"
    second = heads.advance(first, signed(2, ONE))
    assert list(heads.history()) == [first, second]


def test_after_a_failed_sync_the_heads_take_nothing_more(
    heads: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = heads.advance(None, signed(0, ONE))

    def failing(handle: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", failing)
        with pytest.raises(OSError, match="input/output"):
            heads.advance(first, signed(1, ONE))
    with pytest.raises(RuntimeError, match="sync of it failed"):
        heads.advance(first, signed(1, ONE))


def test_a_head_is_the_text_before_the_signatures() -> None:
    head = Head.read(signed(3, ONE))
    assert (head.checkpoint.origin, head.checkpoint.size, head.checkpoint.root) == (ORIGIN, 3, ONE)


def test_only_a_checkpoint_signed_by_a_known_key_is_opened() -> None:
    assert KEYS.open(signed(3, ONE)).checkpoint.size == 3
    for note in (signed(3, ONE, STRANGER), sign_note("three words only\n", SIGNER), "", "rubbish\n"):
        with pytest.raises(ForeignNote):
            KEYS.open(note)
    both = LogKeys.parse(f"{SIGNER.verifier}\n{STRANGER.verifier}\n")
    assert both.open(signed(3, ONE, STRANGER)).checkpoint.size == 3
    for vkey in ("", "rubbish", f"{SIGNER.verifier}x", f"{SIGNER.verifier} {NoteKey('another/log', bytes(32))}"):
        with pytest.raises(ValueError, match=r"key|base64|octets"):
            LogKeys.parse(vkey)


def test_what_growth_made_superfluous_is_removed_by_who_shows_it(tmp_path: Path) -> None:
    """In the end by the one who finds it done: what he did himself before is not what the journal tells of."""
    one, other = writer_at(tmp_path), writer_at(tmp_path)
    partial = tmp_path / "log/tile/0/000.p"

    def grown(writer: LogWriter, size: int, first: int, *, shown: bool) -> None:
        writer.open()
        writer.reconcile(first)
        writer.publish()
        if size > first:
            writer.commit(batch(first, size - first))
        if shown:
            writer.publish()
        writer.close()

    grown(one, 100, 0, shown=True)
    assert partial.exists()
    grown(other, 300, 100, shown=False)
    assert partial.exists()
    grown(one, 300, 300, shown=False)
    assert not partial.exists()
    grown(one, 500, 300, shown=True)
    assert (tmp_path / "log/tile/0/001.p").exists()
    grown(one, 600, 500, shown=True)
    assert not (tmp_path / "log/tile/0/001.p").exists()


def test_what_is_known_of_folders_does_not_grow_with_the_log(
    folder: LogFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each 256 entries have folders of their own."""
    monkeypatch.setattr("axis.log.disk.MOST_SETTLED", 8)
    disk = Folder(folder.path)
    for number in range(50):
        disk.write([(f"tile/{number}/000", b"x")], once=True)
    assert len(disk._settled) <= 10
