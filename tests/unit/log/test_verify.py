"""Everything that was done to a log is found from its files and the public key, and named."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from axis.core.merkle import Frontier, leaf_hash
from axis.log.files import Batch, LogFolder
from axis.log.findings import TABLE, Code
from axis.log.growth import write_bundles, write_tiles
from axis.log.heads import HISTORY
from axis.log.tiles import Bundle, Tile, decode_bundle, encode_bundle, split_hashes, subtree
from axis.log.verify import verify_log
from signing.note import NoteSigner, sign_note
from tests.unit.log.logs import (
    KEYS,
    ORIGIN,
    SIGNER,
    STRANGER,
    VKEY,
    batch,
    codes,
    faults,
    flip,
    grow,
    leaves,
    lines,
    rewrite,
    signed,
    verified,
)

SIZES = (1, 3, 200, 255, 256, 257, 300, 600)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log")
    grow(path, *SIZES)
    return path


@pytest.fixture
def path(built: Path, tmp_path: Path) -> Path:
    """A copy to do damage to: 600 entries, eight rounds."""
    shutil.copytree(built, tmp_path / "copy")
    return tmp_path / "copy"


def publish(path: Path, size: int, root: bytes, signer: NoteSigner = SIGNER, origin: str = ORIGIN) -> None:
    (path / "log/checkpoint").write_text(signed(size, root, signer, origin))


def test_a_sound_log_is_found_sound(path: Path) -> None:
    report = verified(path)
    assert report.ok, list(lines(report))
    assert not report.findings
    assert report.entries == 600
    assert report.kinds == {"delivered": 600}
    assert report.heads == len(SIZES) + 1
    assert report.checkpoint is not None
    assert report.checkpoint.size == 600


def test_an_empty_log_is_found_sound(tmp_path: Path) -> None:
    grow(tmp_path)
    report = verified(tmp_path)
    assert report.ok, list(lines(report))
    assert report.entries == 0


@pytest.mark.faults
def test_a_log_larger_than_one_tile_of_tiles_is_found_sound(tmp_path: Path) -> None:
    grow(tmp_path, 65_000, 65_536, 66_000)
    report = verified(tmp_path)
    assert not report.findings, list(lines(report))
    assert report.entries == 66_000
    flip(tmp_path / "log/tile/1/000", 255 * 32)
    assert faults(verified(tmp_path)) == {"tile-mismatch"}


def test_progress_is_told_until_the_end(path: Path) -> None:
    told: list[tuple[int, int]] = []
    verify_log(path / "log", VKEY, progress=lambda done, total: told.append((done, total)))
    assert told == [(256, 600), (512, 600), (600, 600)]


def flipped_entry(path: Path) -> None:
    flip(path / "log/tile/entries/001", 60)


def flipped_tile(path: Path) -> None:
    flip(path / "log/tile/0/001", 33)


def flipped_upper_tile(path: Path) -> None:
    flip(path / "log/tile/1/000.p/2", 33)


def swapped_entries(path: Path) -> None:
    rewrite(path / "log/tile/entries/000", lambda all: [all[1], all[0], *all[2:]])


def swapped_entries_and_tile(path: Path) -> None:
    """The forger brings the leaf hashes and the tiles above in order, too; only the signature is out of reach."""
    rewrite(path / "log/tile/entries/000", lambda all: [all[1], all[0], *all[2:]])
    entries = decode_bundle((path / "log/tile/entries/000").read_bytes())
    (path / "log/tile/0/000").write_bytes(b"".join(map(leaf_hash, entries)))
    tile = path / "log/tile/1/000.p/2"
    tile.write_bytes(b"".join(subtree(split_hashes((path / f"log/tile/0/00{n}").read_bytes())) for n in (0, 1)))


def removed_entry(path: Path) -> None:
    rewrite(path / "log/tile/entries/000", lambda all: all[1:])


def removed_bundle(path: Path) -> None:
    (path / "log/tile/entries/001").unlink()


def removed_tile(path: Path) -> None:
    (path / "log/tile/0/001").unlink()


def removed_upper_tile(path: Path) -> None:
    shutil.rmtree(path / "log/tile/1")


def cut_bundle(path: Path) -> None:
    file = path / "log/tile/entries/000"
    file.write_bytes(file.read_bytes()[:-1])


def cut_tile(path: Path) -> None:
    file = path / "log/tile/0/000"
    file.write_bytes(file.read_bytes()[:-32])


def truncated(path: Path) -> None:
    """The tail is taken away, the checkpoint left."""
    shutil.rmtree(path / "log/tile/entries/002.p")
    shutil.rmtree(path / "log/tile/0/002.p")


def truncated_and_checkpoint(path: Path) -> None:
    """Rolled back to an older state that is sound in itself, with its true checkpoint: only the heads know."""
    shutil.rmtree(path / "log")
    shutil.copytree(path / "older/log", path / "log")


def older_checkpoint(path: Path) -> None:
    shutil.copyfile(path / "older/log/checkpoint", path / "log/checkpoint")


def extra_leaf_in_the_bundle(path: Path) -> None:
    rewrite(path / "log/tile/entries/002.p/88", lambda all: [*all, leaves(600, 1)[0]])


def extra_leaf_in_a_file_of_its_own(path: Path) -> None:
    folder = LogFolder(path / "log")
    entries = [*folder.entries(Bundle(2, 88)), leaves(600, 1)[0]]
    folder.write([(Bundle(2, 89), encode_bundle(entries)), (Tile(0, 2, 89), b"".join(map(leaf_hash, entries)))])


def checkpoint_of_another_key(path: Path) -> None:
    publish(path, 600, KEYS.open((path / "log/checkpoint").read_text()).checkpoint.root, STRANGER)


def checkpoint_of_another_log(path: Path) -> None:
    publish(path, 600, KEYS.open((path / "log/checkpoint").read_text()).checkpoint.root, origin="another/log")


def checkpoint_edited(path: Path) -> None:
    file = path / "log/checkpoint"
    file.write_text(file.read_text().replace("\n600\n", "\n599\n"))


def checkpoint_gone(path: Path) -> None:
    (path / "log/checkpoint").unlink()


def checkpoint_rubbish(path: Path) -> None:
    (path / "log/checkpoint").write_bytes(b"\xff\xfe")


def forked(path: Path) -> None:
    """The holder of the key signs a second history of the same size and rewrites every file to match it."""
    shutil.rmtree(path / "log")
    folder = LogFolder(path / "log")
    folder.lock()
    one = batch(0, 600)
    other = Batch(0, one.ids, (*one.leaves[:300], leaves(9_999, 1)[0], *one.leaves[301:]))
    write_bundles(folder, other)
    root = write_tiles(folder, other, Frontier()).root()
    folder.unlock()
    publish(path, 600, root)


def head_of_another_key(path: Path) -> None:
    file = path / "heads" / HISTORY
    head = KEYS.open((path / "log/checkpoint").read_text())
    rest = file.read_text().splitlines(keepends=True)[:-1]
    file.write_text("".join(rest) + json.dumps({"note": sign_note(head.checkpoint.text, STRANGER)}) + "\n")


def put_back_behind_a_forged_head(path: Path) -> None:
    truncated_and_checkpoint(path)
    with (path / "heads" / HISTORY).open("a") as file:
        file.write(json.dumps({"note": signed(900, bytes(32), STRANGER)}) + "\n")


def forged_head_of_an_older_size(path: Path) -> None:
    file = path / "heads" / HISTORY
    lines = file.read_text().splitlines(keepends=True)
    lines[3] = json.dumps({"note": signed(200, bytes(32))}) + "\n"
    file.write_text("".join(lines))


def heads_shuffled(path: Path) -> None:
    file = path / "heads" / HISTORY
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join([*lines[:3], lines[4], lines[3], *lines[5:]]))


def heads_rubbish(path: Path) -> None:
    flip(path / "heads" / HISTORY, 2)


def heads_gone(path: Path) -> None:
    (path / "heads" / HISTORY).unlink()


def heads_rolled_back(path: Path) -> None:
    file = path / "heads" / HISTORY
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))


TAMPERED = [
    (flipped_entry, {"leaf-mismatch", "entry-malformed", "root-mismatch", "entries-altered", "head-mismatch"}),
    (flipped_tile, {"leaf-mismatch", "tiles-altered"}),
    (flipped_upper_tile, {"tile-mismatch"}),
    (swapped_entries, {"leaf-mismatch", "root-mismatch", "entries-altered", "tile-mismatch", "head-mismatch"}),
    (swapped_entries_and_tile, {"root-mismatch", "head-mismatch"}),
    (removed_entry, {"bundle-malformed"}),
    (removed_bundle, {"bundle-missing"}),
    (removed_tile, {"tile-missing"}),
    (removed_upper_tile, {"tile-missing"}),
    (cut_bundle, {"bundle-malformed"}),
    (cut_tile, {"tile-malformed"}),
    (truncated, {"bundle-missing", "tile-missing", "log-cut-off", "rolled-back"}),
    (truncated_and_checkpoint, {"rolled-back"}),
    (older_checkpoint, {"rolled-back", "extra-entries", "extra-tile"}),
    (extra_leaf_in_the_bundle, {"bundle-malformed"}),
    (extra_leaf_in_a_file_of_its_own, {"extra-entries", "extra-tile"}),
    (checkpoint_of_another_key, {"checkpoint-signature"}),
    (checkpoint_of_another_log, {"checkpoint-origin"}),
    (checkpoint_edited, {"checkpoint-signature"}),
    (checkpoint_gone, {"checkpoint-missing"}),
    (checkpoint_rubbish, {"checkpoint-malformed"}),
    (forked, {"head-mismatch"}),
    (head_of_another_key, {"head-signature"}),
    (put_back_behind_a_forged_head, {"head-signature", "rolled-back"}),
    (forged_head_of_an_older_size, {"head-mismatch"}),
    (heads_shuffled, {"heads-order"}),
    (heads_rubbish, {"heads-malformed"}),
    (heads_gone, {"heads-missing"}),
    (heads_rolled_back, {"heads-behind"}),
]


@pytest.mark.parametrize(("tamper", "expected"), TAMPERED, ids=lambda item: getattr(item, "__name__", ""))
def test_what_was_done_to_a_log_is_named(
    tamper: Callable[[Path], None], expected: set[str], path: Path, tmp_path: Path
) -> None:
    grow(path / "older", *SIZES[:5])
    tamper(path)
    report = verified(path)
    assert not report.ok
    assert faults(report) >= expected, list(lines(report))


def test_a_newest_head_of_another_key_is_neither_missing_nor_behind(path: Path) -> None:
    head_of_another_key(path)
    assert codes(verified(path)) == {"head-signature"}


def test_most_tampering_is_found_without_the_heads(path: Path) -> None:
    """What needs the heads is a rollback, a fork and damage to the heads themselves."""
    for tamper, expected in TAMPERED[:12]:
        copy = path.parent / tamper.__name__
        shutil.copytree(path, copy)
        tamper(copy)
        report = verify_log(copy / "log", VKEY)
        assert not report.ok
        assert faults(report) >= expected - {"head-mismatch", "rolled-back"}
        shutil.rmtree(copy)


def test_the_place_of_a_fault_is_named(path: Path) -> None:
    flipped_entry(path)
    places = {finding.code: finding.place for finding in verified(path).findings}
    assert places[Code.LEAF_MISMATCH] == "256"
    assert places[Code.ENTRY_MALFORMED] == "256"
    assert places[Code.TILE_MISMATCH] == "tile/1/000.p/2"


def test_an_older_checkpoint_must_be_the_beginning(path: Path, tmp_path: Path) -> None:
    kept = grow(tmp_path / "older", *SIZES[:5]).note
    assert verified(path, old=kept).ok
    forked(path)
    report = verify_log(path / "log", VKEY, old=kept)
    assert report.ok  # the fork is after the older checkpoint
    late = signed(300, bytes(32))
    assert faults(verify_log(path / "log", VKEY, old=late)) == {"old-inconsistent"}


def test_an_older_checkpoint_larger_than_the_log_shows_a_rollback(path: Path, tmp_path: Path) -> None:
    kept = grow(path, 700).note
    grow(path / "older", *SIZES)
    assert codes(verify_log(path / "older/log", VKEY, old=kept)) == {"rolled-back"}


@pytest.mark.parametrize("old", ["", "rubbish", signed(0, bytes(32), STRANGER)])
def test_an_older_checkpoint_that_is_none_is_said_so(path: Path, old: str) -> None:
    assert codes(verify_log(path / "log", VKEY, old=old)) == {"old-checkpoint"}


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (b"", "entry-malformed"),
        (b"[]", "entry-malformed"),
        (b"\xff", "entry-malformed"),
        (leaves(0, 1)[0] + b"\n", "entry-malformed"),
        (leaves(0, 1)[0].replace(b'"v":1', b'"v": 1'), "entry-malformed"),
        (leaves(0, 1)[0].replace(b'"v":1', b'"v":true'), "entry-malformed"),
        (leaves(0, 1)[0].replace(b'"v":1', b'"v":0'), "entry-malformed"),
        (leaves(0, 1)[0].replace(b'"v":1', b'"v":2'), "entry-version"),
        (leaves(0, 1)[0].replace(b'"delivered"', b'"forgotten"'), "entry-kind"),
        (leaves(0, 1)[0].replace(b'"attempt":0', b'"attempt":0.5'), "entry-malformed"),
        (leaves(0, 1)[0].replace(b'"attempt":0', b'"attempt":NaN'), "entry-malformed"),
        (leaves(0, 1)[0].replace(b'"attempt":0', b'"attempt":0,"attempt":0'), "entry-malformed"),
        (leaves(0, 1)[0].replace(b'"attempt":0', b'"attempt":"\\ud800"'), "entry-malformed"),
        (leaves(0, 1)[0].replace(b'"attempt":0', b'"attempt":' + b"[" * 30_000 + b"]" * 30_000), "entry-malformed"),
        (leaves(0, 1)[0].replace(b"000004Z", b"4Z"), "entry-malformed"),
        (leaves(0, 1)[0].replace(b'"actor":"dms-10"', b'"actor":null'), "entry-malformed"),
        (leaves(0, 1)[0].replace(b'"subject"', b'"subjekt"'), "entry-malformed"),
    ],
)
def test_a_leaf_that_was_signed_but_is_no_entry_is_found(octets: bytes, code: str, tmp_path: Path) -> None:
    folder = LogFolder(tmp_path / "log")
    folder.lock()
    one = Batch(0, (1, 2), (leaves(0, 1)[0], octets))
    write_bundles(folder, one)
    publish(tmp_path, 2, write_tiles(folder, one, Frontier()).root())
    report = verify_log(tmp_path / "log", VKEY)
    assert codes(report) == {code}
    assert report.findings[0].place == "1"


def test_a_superseded_partial_file_must_be_the_beginning_of_its_successor(path: Path) -> None:
    grow(path, 610)
    assert verified(path).ok
    flip(path / "log/tile/0/002.p/88", 5)
    flip(path / "log/tile/entries/002.p/88", 60)
    assert faults(verified(path)) == {"partial-mismatch"}


def test_partial_files_are_gone_when_the_full_one_is_there(path: Path) -> None:
    assert sorted(item.name for item in (path / "log/tile/0").iterdir()) == ["000", "001", "002.p"]
    assert sorted(item.name for item in (path / "log/tile/entries").iterdir()) == ["000", "001", "002.p"]


def test_strangers_are_mentioned_and_harm_nothing(path: Path) -> None:
    (path / "log/tile/0/readme").write_text("hello")
    (path / "log/tile/0/000.new").write_text("left behind by a crash")
    report = verified(path)
    assert report.ok
    assert list(lines(report)) == ["stray-file [tile/0/readme]: a file that does not belong to the layout"]


def test_a_checkpoint_that_claims_everything_does_not_keep_the_verifier_busy(path: Path) -> None:
    publish(path, 1 << 62, bytes(32))
    assert {"log-cut-off"} <= faults(verify_log(path / "log", VKEY))


def test_every_code_is_explained() -> None:
    assert set(TABLE) == set(Code)


def test_the_verifier_imports_nothing_that_an_auditor_would_have_to_install() -> None:
    """The standard library, cryptography (with cffi) and our pure rooms."""
    script = (
        "import sys; sys.modules['orjson'] = None; import axis.log.verify, axis.log.receipts, axis.log.proof;"
        "del sys.modules['orjson']; print(*{m.split('.')[0] for m in sys.modules})"
    )
    before = set(subprocess.check_output([sys.executable, "-c", "import sys; print(*sys.modules)"], text=True).split())
    loaded = set(subprocess.check_output([sys.executable, "-c", script], text=True).split())
    ours = {"axis", "schemas", "signing"}
    ours |= {"cryptography", "_cffi_backend", "_openssl"}
    assert {name for name in loaded - ours - before if name not in sys.stdlib_module_names} == set()
