"""Our log in the eyes of others: Go's checksum database, and the openssl command."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from axis.core.entry import leaf
from axis.core.model import EntryKind, LogEntry
from axis.log.files import Batch, LogFolder
from axis.log.heads import CheckpointStore
from axis.log.proof import prove_consistency, prove_inclusion
from axis.log.writer import LogWriter
from tests.tools import need
from tests.unit.log.logs import NOW, ORIGIN, SIGNER, STRANGER, VKEY, grow, leaves, signed
from tests.witness.witnesses import AT, COSIGNER, OTHER

SOURCE = Path(__file__).parent / "go/main.go"
GOPATH = Path("/usr/share/gocode")
SIZES = (3, 256, 700, 66_000)


@pytest.fixture(scope="session")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Go program, built from Debian's sources of x/mod; nothing is fetched."""
    go = need("go")
    if not (GOPATH / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        reason = f"needs {GOPATH}/src/golang.org/x/mod: apt-get install golang-golang-x-mod-dev"
        if os.environ.get("AXIS_TEST_REQUIRE_TOOLS") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    built = tmp_path_factory.mktemp("go") / "checker"
    environment = os.environ | {
        "GOPATH": str(GOPATH),
        "GO111MODULE": "off",
        "GOCACHE": str(built.parent / "cache"),
        "GOFLAGS": "",
        "CGO_ENABLED": "0",
    }
    subprocess.run([go, "build", "-o", built, SOURCE], check=True, env=environment, timeout=300)
    return built


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The same log at four sizes, and its older checkpoint."""
    path = tmp_path_factory.mktemp("log")
    for size in SIZES:
        grow(path / str(size), *(one for one in SIZES if one <= size))
    return {size: path / str(size) for size in SIZES}


def question(path: Path, index: int, old: int) -> dict[str, Any]:
    log = path / "log"
    proof = prove_inclusion(log, index)
    size = proof.head.checkpoint.size
    heads = (path / "heads/heads.jsonl").read_text().splitlines()
    notes = [json.loads(line)["note"] for line in heads]
    return {
        "Folder": str(log),
        "Vkey": VKEY,
        "Index": index,
        "Inclusion": [base64.b64encode(item).decode() for item in proof.path],
        "Old": next(note for note in notes if note.split("\n")[1] == str(old)),
        "Consistency": [base64.b64encode(item).decode() for item in prove_consistency(log, old, size)],
    }


def ask(checker: Path, asked: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([checker], input=json.dumps(asked), text=True, capture_output=True, check=False, timeout=120)


@pytest.mark.parametrize(
    ("size", "index", "old"),
    [(3, 2, 3), (256, 0, 3), (256, 255, 256), (700, 255, 256), (700, 699, 3), (66_000, 65_536, 700), (66_000, 1, 256)],
)
def test_go_reads_our_files_and_accepts_our_proofs(
    checker: Path, logs: dict[int, Path], size: int, index: int, old: int
) -> None:
    answer = ask(checker, question(logs[size], index, old))
    assert answer.stdout == f"ok {size}\n", answer.stderr


def replace_key(path: Path) -> None:
    """A log of three entries whose key is replaced by the fourth, in a round of its own."""
    grow(path, 3)
    writer = LogWriter(LogFolder(path / "log"), CheckpointStore(path / "heads"), STRANGER, ORIGIN, SIGNER)
    writer.open()
    writer.reconcile(3)
    facts = writer.change_due()
    octets = leaf(LogEntry(EntryKind.KEY_CHANGED, NOW, ORIGIN, "", facts or {}))
    writer.commit(Batch(3, (4,), (octets,)))
    writer.publish()
    writer.close()


def test_go_and_openssl_read_the_heads_of_a_log_whose_key_was_replaced(checker: Path, tmp_path: Path) -> None:
    """At the change under either key; behind it under the new one alone."""
    replace_key(tmp_path)
    openssl, old, new = need("openssl"), str(SIGNER.verifier), str(STRANGER.verifier)
    for vkey in (old, new):
        answer = ask(checker, question(tmp_path, 3, 4) | {"Vkey": vkey})
        assert answer.stdout == "ok 4\n", answer.stderr
    text, _, lines = (tmp_path / "log/checkpoint").read_text().rpartition("\n\n")
    (tmp_path / "body").write_text(text + "\n")
    for signer, line in zip((SIGNER, STRANGER), lines.splitlines(), strict=True):
        (tmp_path / "signature").write_bytes(base64.b64decode(line.split()[2])[4:])
        public = signer.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (tmp_path / "key.pem").write_bytes(public)
        command = [openssl, "pkeyutl", "-verify", "-rawin", "-pubin"]
        command += ["-inkey", "key.pem", "-in", "body", "-sigfile", "signature"]
        assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    writer = LogWriter(LogFolder(tmp_path / "log"), CheckpointStore(tmp_path / "heads"), STRANGER, ORIGIN)
    writer.open()
    writer.reconcile(4)
    writer.commit(Batch(4, (5,), leaves(4, 1)))
    writer.publish()
    writer.close()
    answer = ask(checker, question(tmp_path, 4, 4) | {"Vkey": new})
    assert answer.stdout == "ok 5\n", answer.stderr
    assert ask(checker, question(tmp_path, 4, 4) | {"Vkey": old}).stderr.startswith("checkpoint")


def test_go_reads_a_checkpoint_that_witnesses_have_cosigned(
    checker: Path, logs: dict[int, Path], tmp_path: Path
) -> None:
    """Lines of keys that it does not know are passed over, as they are by every reader of notes."""
    shutil.copytree(logs[256], tmp_path / "node")
    shown = tmp_path / "node" / "log" / "checkpoint"
    note = shown.read_text()
    text = note.partition("\n\n")[0] + "\n"
    shown.write_text(note + COSIGNER.cosign(text, AT) + OTHER.cosign(text, AT))
    answer = ask(checker, question(tmp_path / "node", 255, 3))
    assert answer.stdout == "ok 256\n", answer.stderr


def test_go_refuses_what_does_not_hold(checker: Path, logs: dict[int, Path], tmp_path: Path) -> None:
    """Without this the test above could not fail."""
    sound = question(logs[700], 300, 256)
    zero = base64.b64encode(bytes(32)).decode()
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"Index": 301}, "inclusion"),
        ({"Inclusion": [zero, *sound["Inclusion"][1:]]}, "inclusion"),
        ({"Consistency": [*sound["Consistency"][:-1], zero]}, "consistency"),
        ({"Old": signed(256, bytes(32))}, "consistency"),
        ({"Old": signed(256, bytes(32), STRANGER)}, "old checkpoint"),
        ({"Vkey": str(STRANGER.verifier)}, "checkpoint"),
    ]
    for change, about in wrong:
        answer = ask(checker, sound | change)
        assert (answer.returncode, answer.stdout) == (1, "")
        assert answer.stderr.startswith(about), answer.stderr
    shutil.copytree(logs[700] / "log", tmp_path / "log")
    for name in ("tile/entries/001", "tile/0/001", "tile/1/000.p/2"):
        file = tmp_path / "log" / name
        octets = bytearray(file.read_bytes())
        octets[60] ^= 1
        file.write_bytes(octets)
        answer = ask(checker, sound | {"Folder": str(tmp_path / "log")})
        assert answer.returncode == 1, name
        octets[60] ^= 1
        file.write_bytes(octets)
    assert ask(checker, sound | {"Folder": str(tmp_path / "log")}).returncode == 0


def test_openssl_verifies_the_signature_of_a_checkpoint(logs: dict[int, Path], tmp_path: Path) -> None:
    """The way that needs no software of ours: strip the four octets of the key id, verify over the three lines."""
    openssl = need("openssl")
    text, _, line = (logs[700] / "log/checkpoint").read_text().rpartition("\n\n")
    (tmp_path / "body").write_text(text + "\n")
    (tmp_path / "signature").write_bytes(base64.b64decode(line.split()[2])[4:])
    public = SIGNER.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key.pem").write_bytes(public)
    command = [openssl, "pkeyutl", "-verify", "-rawin", "-pubin"]
    command += ["-inkey", "key.pem", "-in", "body", "-sigfile", "signature"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    (tmp_path / "body").write_text((text + "\n").replace("\n700\n", "\n701\n"))
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode != 0
