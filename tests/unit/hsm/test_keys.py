"""The node's own keys from files and tokens, the probe, and what becomes of a token that fails while the node runs."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from axis.core.problems import Unavailable
from axis.devpki import write_ed25519
from axis.hsm.keys import Probe, open_keys
from axis.hsm.process import TokenProcess
from axis.hsm.signer import TokenKey
from axis.hsm.wire import TokenError, Trouble
from signing.keys import load_ed25519, raw_public, verify_bytes
from tests.site import until
from tests.unit.hsm.soft import SoftToken, soft_token


def test_files_need_no_token_and_may_stand_beside_one(token: SoftToken, tmp_path: Path) -> None:
    write_ed25519(tmp_path / "log.pem")
    in_file = raw_public(load_ed25519((tmp_path / "log.pem").read_bytes()))
    with open_keys(None, [tmp_path / "log.pem"]) as (only,):
        assert raw_public(only) == in_file
    with open_keys(token.settings, ["ed", tmp_path / "log.pem"]) as (first, second):
        assert verify_bytes(raw_public(first), b"x", first.sign(b"x"))
        assert raw_public(second) == in_file


def test_a_token_that_fails_later_is_waited_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`Unavailable` is what a caller repeats and the sequencer waits out; any other error would end the node."""
    token = soft_token(tmp_path / "token", ["ed25519=ed"])
    monkeypatch.setenv("SOFTHSM2_CONF", str(token.conf))
    opened: list[TokenProcess] = []
    enter = TokenProcess.__enter__
    monkeypatch.setattr(TokenProcess, "__enter__", lambda self: opened.append(self) or enter(self))
    with open_keys(token.settings, ["ed"]) as (key,):
        assert key.sign(b"x")
        token.settings.pin_file.chmod(0o644)
        pid = opened[0].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(Unavailable) as told:
            key.sign(b"x")
        assert told.value.problem.context["trouble"] == "pin-file"
        assert told.value.problem.detail == "", "a stranger learns nothing about the token"
        token.settings.pin_file.chmod(0o600)
        assert key.sign(b"x"), "once it is repaired the node goes on by itself"


def test_the_probe_signs_with_every_key_again_and_again(process: TokenProcess) -> None:
    keys = tuple(TokenKey.find(process, label) for label in ("ed", "p256"))
    with Probe(keys, every_s=0.01) as probe:
        until("three rounds", lambda: probe.rounds >= 3)
    assert probe.failing is None
    stranger = TokenKey(process, "ed", keys[1].public)
    wrong = Probe((*keys, stranger))
    wrong.look()
    assert wrong.failing is not None
    assert wrong.failing.trouble is Trouble.KEY


def test_a_node_does_not_start_with_a_key_that_is_not_there(token: SoftToken) -> None:
    with pytest.raises(TokenError, match="no private key 'nix'"), open_keys(token.settings, ["ed", "nix"]):
        pass
