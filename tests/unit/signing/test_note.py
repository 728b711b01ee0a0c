"""Signed notes: the form is the one of c2sp.org/signed-note, and others can check the signature."""

from __future__ import annotations

import subprocess
from base64 import b64decode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing.keys import (
    generate_ed25519,
    generate_p256,
    load_ec,
    load_ed25519,
    load_ed25519_public,
    private_pem,
    public_pem,
    raw_public,
    sign_bytes,
    verify_bytes,
)
from signing.note import Note, NoteError, NoteKey, NoteSigner, open_note, sign_note
from tests.tools import lacking, need

# The example in the documentation of Go's golang.org/x/mod/sumdb/note.
NEUMANN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NEUMANN_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
BODY = "axis.example.vn/log\n12\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
LOG = NoteSigner("axis.example.vn/log", generate_ed25519())
OTHER = NoteSigner("nhân-chứng", generate_ed25519())


def test_a_note_that_go_wrote() -> None:
    key = NoteKey.parse(NEUMANN)
    opened = open_note(NEUMANN_NOTE, [key])
    assert opened == Note(NEUMANN_NOTE.partition("\n\n")[0] + "\n", (key,))
    assert str(key) == NEUMANN


def test_what_is_signed_opens_with_its_key() -> None:
    note = sign_note(BODY, LOG, OTHER)
    assert open_note(note, [LOG.verifier]) == Note(BODY, (LOG.verifier,))
    assert open_note(note, [OTHER.verifier, LOG.verifier]) == Note(BODY, (LOG.verifier, OTHER.verifier))
    assert sign_note(sign_note(BODY, LOG), OTHER) == note
    assert sign_note(BODY, LOG) == sign_note(BODY, LOG)


def test_openssl_checks_the_signature(tmp_path: Path) -> None:
    line = sign_note(BODY, LOG).splitlines()[-1]
    (tmp_path / "body").write_text(BODY)
    (tmp_path / "signature").write_bytes(b64decode(line.split(" ")[2])[4:])
    (tmp_path / "key.pem").write_bytes(public_pem(LOG.key.public_key()))
    command = [need("openssl"), "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin"]
    command += ["-in", "body", "-sigfile", "signature"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    (tmp_path / "body").write_text(BODY + "x")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode != 0


def test_keys_survive_their_strings() -> None:
    assert NoteKey.parse(str(LOG.verifier)) == LOG.verifier
    assert sign_note(BODY, NoteSigner.parse(LOG.secret())) == sign_note(BODY, LOG)
    assert LOG.secret().startswith("PRIVATE+KEY+axis.example.vn/log+")
    assert "PRIVATE" not in repr(LOG)


def test_a_wrong_signature_of_a_known_key_spoils_the_note() -> None:
    note = sign_note(BODY, LOG, OTHER)
    assert open_note(note.replace("12", "13"), [LOG.verifier]) is NoteError.BAD_SIGNATURE
    foreign = sign_note(BODY.replace("12", "13"), OTHER).splitlines()[-1]
    mixed = note.replace(note.splitlines()[-1], foreign)
    assert open_note(mixed, [LOG.verifier]) == Note(BODY, (LOG.verifier,))
    assert open_note(mixed, [LOG.verifier, OTHER.verifier]) is NoteError.BAD_SIGNATURE


def test_nobody_known_is_nobody() -> None:
    assert open_note(sign_note(BODY, LOG), []) is NoteError.UNKNOWN_KEY
    same_name = NoteSigner(LOG.name, generate_ed25519())
    assert open_note(sign_note(BODY, LOG), [same_name.verifier]) is NoteError.UNKNOWN_KEY


GOOD = sign_note(BODY, LOG)


@pytest.mark.parametrize(
    "note",
    [
        "",
        BODY,
        GOOD[:-1],
        GOOD + "x",
        GOOD + "\n",
        GOOD.replace("— ", "- "),
        GOOD.replace("\n\n", "\n"),
        GOOD.replace("12", "1\t2"),
        GOOD.replace("12", "\ud800"),
        GOOD.replace("=\n", "\n")[:-3] + "\n",
        GOOD + "— a\n",
        GOOD + "— a AA==\n",
        GOOD + "— a+b AAAAAAAA\n",
        GOOD + "— a  AAAAAAAA\n",
        GOOD + "— a AAAAAAAA\n" * 100,
        "x" * 1_000_001 + GOOD,
    ],
)
def test_what_is_no_note(note: str) -> None:
    assert open_note(note, [LOG.verifier]) is NoteError.MALFORMED


@given(st.text(max_size=200))
def test_any_text_is_opened_or_refused_by_value(text: str) -> None:
    assert isinstance(open_note(text, [LOG.verifier]), NoteError)


@pytest.mark.parametrize(
    "text",
    ["", "a", "a+b", "a+00000000+", NEUMANN.replace("c74f", "c74e"), NEUMANN + "A", NEUMANN.replace("ARpc", "AhpC")],
)
def test_what_is_no_verifier_key(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        NoteKey.parse(text)
    with pytest.raises(ValueError, match=r"."):
        NoteSigner.parse(text)
    with pytest.raises(ValueError, match=r"."):
        NoteSigner.parse("PRIVATE+KEY+" + text)


def test_what_cannot_be_signed() -> None:
    for body, signers in (("no newline", (LOG,)), ("tab\t\n", (LOG,)), (BODY, ())):
        with pytest.raises(ValueError, match="note"):
            sign_note(body, *signers)
    with pytest.raises(ValueError, match="name"):
        NoteKey("two words", bytes(32))
    with pytest.raises(ValueError, match="name"):
        NoteKey("a+b", bytes(32))


def test_a_go_program_opens_our_note(tmp_path: Path) -> None:
    """Where Go and Debian's golang-golang-x-mod-dev are installed."""
    source = Path("/usr/share/gocode/src/golang.org/x/mod/sumdb/note")
    go = need("go")
    if not source.is_dir():
        lacking("needs golang-golang-x-mod-dev")
    (tmp_path / "go.mod").write_text("module opener\n")
    package = tmp_path / "note"
    package.mkdir()
    (package / "note.go").write_bytes((source / "note.go").read_bytes())
    (tmp_path / "main.go").write_text(
        'package main\nimport ("io"; "os"; "opener/note")\nfunc main() {\n'
        "data, _ := io.ReadAll(os.Stdin)\nv, err := note.NewVerifier(os.Args[1])\nif err != nil { panic(err) }\n"
        "n, err := note.Open(data, note.VerifierList(v))\nif err != nil { panic(err) }\n"
        "os.Stdout.WriteString(n.Text) }\n"
    )
    done = subprocess.run(
        [go, "run", ".", str(LOG.verifier)],
        input=GOOD.encode(),
        capture_output=True,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "GOFLAGS": "-mod=mod", "GOPROXY": "off"},
        check=False,
    )
    assert done.stdout.decode() == BODY, done.stderr.decode()


class TestKeys:
    def test_ed25519_survives_pem(self) -> None:
        key = generate_ed25519()
        again = load_ed25519(private_pem(key))
        assert raw_public(again) == raw_public(key) == raw_public(load_ed25519_public(public_pem(key.public_key())))
        assert sign_bytes(again, b"x") == sign_bytes(key, b"x")

    def test_a_password_is_needed_where_one_was_given(self) -> None:
        pem = private_pem(generate_ed25519(), b"secret")
        assert load_ed25519(pem, b"secret")
        for password in (None, b"wrong"):
            with pytest.raises(ValueError, match=r"."):
                load_ed25519(pem, password)

    def test_a_key_of_another_kind(self) -> None:
        with pytest.raises(ValueError, match="not an Ed25519"):
            load_ed25519(private_pem(generate_p256()))
        with pytest.raises(ValueError, match="not an elliptic"):
            load_ec(private_pem(generate_ed25519()))
        with pytest.raises(ValueError, match="not an Ed25519"):
            load_ed25519_public(public_pem(generate_p256().public_key()))
        assert load_ec(private_pem(generate_p256()))

    def test_only_the_signed_bytes_under_the_signing_key(self) -> None:
        key = generate_ed25519()
        signature = sign_bytes(key, b"x")
        assert verify_bytes(raw_public(key), b"x", signature)
        assert not verify_bytes(raw_public(key), b"y", signature)
        assert not verify_bytes(raw_public(generate_ed25519()), b"x", signature)
        assert not verify_bytes(raw_public(key), b"x", signature[:-1])
        assert not verify_bytes(b"short", b"x", signature)
