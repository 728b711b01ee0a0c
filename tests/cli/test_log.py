"""A checkpoint that is kept, and what is said of a file that is none."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from axis.cli import main
from axis.cli.entries import _told
from axis.core.canonical import canonical
from axis.core.entry import leaf
from axis.core.model import EntryKind, LogEntry
from axis.core.times import VIETNAM
from axis.log.files import Batch, LogFolder
from axis.log.heads import CheckpointStore
from axis.log.writer import LogWriter
from signing.keys import generate_ed25519, public_pem, sign_bytes
from tests.unit.log.logs import ENTRY, NOW, ORIGIN, SIGNER, STRANGER, VKEY, grow, leaves, writer_at


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    grow(tmp_path, 3)
    (tmp_path / "key").write_text(f"{VKEY}\n")
    return tmp_path


def log(folder: Path, command: str, *more: str | Path) -> Result:
    arguments = ["log", command, folder / "log", "--key", folder / "key", *more]
    return CliRunner().invoke(main, [str(one) for one in arguments])


def test_the_printed_checkpoint_is_the_file_octet_for_octet_and_verifies_the_grown_log(folder: Path) -> None:
    printed = log(folder, "checkpoint").stdout_bytes
    assert printed == (folder / "log" / "checkpoint").read_bytes()
    (folder / "old").write_bytes(printed)
    grow(folder, 9)
    result = log(folder, "verify", "--old", folder / "old")
    assert result.exit_code == 0, result.output


def test_who_asks_by_a_number_is_told_that_the_log_has_none(folder: Path) -> None:
    def shown(*more: str) -> str:
        return CliRunner().invoke(main, ["log", "show", str(folder / "log"), *more]).output

    assert "the axis' reference" in shown("--about", "1/SNV-VP") and "tham chiếu của trục" in shown("--about", "x")
    assert "hint" not in shown("--about", "a" * 26) and "hint" not in shown("--kind", "failed")


def test_a_fact_that_is_a_time_is_shown_as_one() -> None:
    assert _told({"status_at": 1796201467, "code": "03"}) == "status_at 02/12/2026 15:51:07, code 03"
    assert _told({"status_at": "?", "backed_up_at": 10**30}) == f"status_at ?, backed_up_at {10**30}"


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (lambda note: note + b"\n", "the last line does not end with exactly one line feed"),
        (lambda note: note.rstrip(b"\n"), "the last line does not end with exactly one line feed"),
        (lambda note: note.split(b"\n\n")[0] + b"\n", "no line of a signature"),
        (lambda note: b"extra\n" + note, "a checkpoint has exactly three lines"),
        (lambda note: note.replace(b"\n3\n", b"\nthree\n"), "a size or root that cannot be read"),
        (lambda note: b"\xff" + note, "it is not UTF-8 text"),
        (lambda note: b"", "no line of a signature"),
    ],
)
def test_an_old_file_that_is_no_checkpoint_is_told_with_what_is_wrong_and_nothing_against_the_log(
    wrong: object, why: str, folder: Path
) -> None:
    assert callable(wrong)
    (folder / "old").write_bytes(wrong((folder / "log" / "checkpoint").read_bytes()))
    result = log(folder, "verify", "--old", folder / "old", "--json")
    assert result.exit_code == 2
    assert f"{folder / 'old'} is no checkpoint: {why}" in json.loads(result.stdout)["error"]


def shown(folder: Path, *more: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["log", "show", str(folder / "log"), *more])
    assert result.exit_code == code, result.output
    return result


def places(folder: Path, *more: str) -> tuple[list[int], int | None]:
    told = json.loads(shown(folder, *more, "--json").stdout)
    return [one["index"] for one in told["entries"]], told["next"]


def test_the_log_is_read_by_subject_by_kind_by_time_and_page_by_page(folder: Path) -> None:
    grow(folder, 300)  # more than one bundle
    assert places(folder, "--about", "ref-7") == ([7], None)
    assert places(folder, "--limit", "3") == ([0, 1, 2], 3)
    assert places(folder, "--from", "255", "--limit", "3") == ([255, 256, 257], 258)
    at = [(NOW + timedelta(seconds=place)).isoformat() for place in (4, 6)]
    assert places(folder, "--since", at[0], "--until", at[1]) == ([4, 5], None)
    day = NOW.astimezone(VIETNAM)
    assert places(folder, "--until", f"{day:%d/%m/%Y}", "--limit", "2") == ([0, 1], 2), "the whole day is meant"
    assert shown(folder, "--until", f"{day - timedelta(days=1):%d/%m/%Y}", "--json", code=1)
    assert places(folder, "--kind", "delivered", "--from", "299") == ([299], None)
    shown(folder, "--kind", "refused", code=1)
    assert "attempt 6" in shown(folder, "--about", "ref-6").output
    assert "còn nữa (more): --from 200" in shown(folder).output


def test_an_entry_is_also_about_what_its_facts_name_and_proofs_are_left_to_programs(tmp_path: Path) -> None:
    facts = {"cargo_ref": "doc-1", "attempt": 2, "document_commitment": "ab" * 32, "policy_sha256": "cd" * 32}
    writer = writer_at(tmp_path)
    writer.open()
    writer.reconcile(0)
    writer.commit(Batch(0, (1,), (leaf(LogEntry(ENTRY, NOW, "dms-10", "delivery-1", facts)),)))
    writer.publish()
    writer.close()
    text = shown(tmp_path, "--about", "doc-1").output
    assert "delivery-1" in text and "attempt 2, cargo_ref doc-1" in text
    assert "abab" not in text and "cdcd" not in text
    assert json.loads(shown(tmp_path, "--json").stdout)["entries"][0]["facts"] == facts


def test_a_folder_without_a_log_is_told_as_that(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    assert "the folder of a log?" in shown(tmp_path, code=1).output
    (tmp_path / "log" / "checkpoint").write_text("nothing\n")
    assert "axis log verify says more" in shown(tmp_path, code=1).output


@pytest.mark.parametrize("octets", [b"not json", b"{}", b'{"type": "axis-receipt"}'])
def test_what_is_no_receipt_is_told_and_nothing_against_the_log(octets: bytes, folder: Path) -> None:
    (folder / "receipt").write_bytes(octets)
    result = log(folder, "verify", "--receipt", folder / "receipt", "--json")
    assert result.exit_code == 2
    assert f"{folder / 'receipt'} is no receipt" in json.loads(result.stdout)["error"]


def test_a_receipt_that_the_log_does_not_hold_is_told_beside_a_log_that_is_whole(folder: Path) -> None:
    (folder / "receipt").write_bytes(canonical({"type": "axis-receipt", "document": "ref-unknown"}))
    result = log(folder, "verify", "--receipt", folder / "receipt")
    assert result.exit_code == 1
    assert result.output.startswith("Nhật ký toàn vẹn")
    assert "receipt-without-leaf" in result.output and "not checked: --receipt-key" in result.output
    told = json.loads(log(folder, "verify", "--receipt", folder / "receipt", "--json").stdout)
    assert (told["ok"], told["receipts"], told["receipts_signed"]) == (False, 1, False)
    assert [one["code"] for one in told["findings"]] == ["receipt-without-leaf"]


def test_a_receipt_is_held_against_the_log_and_the_key(folder: Path) -> None:
    key = generate_ed25519()
    said = {"type": "axis-receipt", "document": "ref-1", "state": "accepted"}
    signature = base64.b64encode(sign_bytes(key, canonical(said))).decode()
    (folder / "receipt").write_bytes(canonical({**said, "signature": signature}))
    (folder / "public").write_bytes(public_pem(key.public_key()))
    (folder / "stranger").write_bytes(public_pem(generate_ed25519().public_key()))
    given = ("verify", "--receipt", folder / "receipt", "--receipt-key")
    assert "receipt-without-leaf" in log(folder, *given, folder / "public").output, "it was signed by this key"
    assert "receipt-signature" in log(folder, *given, folder / "stranger").output
    assert log(folder, *given, folder / "key").exit_code == 2
    assert log(folder, "verify", "--receipt-key", folder / "public").exit_code == 2


def test_who_has_either_key_is_told_where_it_was_changed(folder: Path) -> None:
    """And the checkpoint behind the change is printed for who has the old key only."""
    writer = LogWriter(LogFolder(folder / "log"), CheckpointStore(folder / "heads"), STRANGER, ORIGIN, SIGNER)
    writer.open()
    writer.reconcile(3)
    facts = writer.change_due()
    assert facts is not None
    writer.commit(Batch(3, (4,), (leaf(LogEntry(EntryKind.KEY_CHANGED, NOW, ORIGIN, "", facts)),)))
    writer.commit(Batch(4, (5,), leaves(4, 1)))
    writer.publish()
    writer.close()
    for key in (VKEY, str(STRANGER.verifier)):
        (folder / "key").write_text(key)
        result = log(folder, "verify", "--heads", folder / "heads")
        assert result.exit_code == 0, result.output
        old, new = (one for one in result.output.splitlines() if "khóa (key)" in one)
        assert "from head) 0, đến mốc (up to head) 4" in old and SIGNER.verifier.hash.hex() in old
        assert "from head) 4, hiện nay (the present one)" in new and STRANGER.verifier.hash.hex() in new
        said = json.loads(log(folder, "verify", "--json").output)["keys"]
        assert [(one["first"], one["last"]) for one in said] == [(0, 4), (4, None)]
        assert log(folder, "checkpoint").exit_code == 0
