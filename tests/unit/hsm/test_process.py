"""The process that owns a token: many callers, death in the middle, all that can be wrong, and the PIN's privacy."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pkcs11
import pytest

from axis.hsm import process as process_module
from axis.hsm import server
from axis.hsm.process import TokenProcess
from axis.hsm.signer import TokenKey, default_algorithm
from axis.hsm.wire import Gone, TokenError, Trouble
from signing.algorithm import ED25519, SIGNATURES, value_is_good
from tests.site import until
from tests.unit.hsm.soft import LABEL, PIN, SoftToken, soft_token

Told = list[tuple[str, Any]]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def sign_all(keys: list[TokenKey], count: int, threads: int) -> int:
    """Sign `count` different texts from `threads` threads; how many of the values verify."""

    def one(number: int) -> bool:
        key = keys[number % len(keys)]
        algorithm, text = default_algorithm(key.public), f"văn bản {number}".encode()
        head = {"op": "sign", "key": key.label, "family": SIGNATURES[algorithm].family.value}
        value = key.process.ask({**head, "hash": SIGNATURES[algorithm].hash.name}, text)[1]
        return value_is_good(SIGNATURES[algorithm], key.public, value, text)

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(one, range(count)))


@pytest.fixture
def keys(process: TokenProcess) -> list[TokenKey]:
    return [TokenKey.find(process, label) for label in ("p256", "rsa", "ed", "p384")]


def test_many_callers_share_one_process(process: TokenProcess, keys: list[TokenKey]) -> None:
    """Two threads inside the module would crash it; here 32 ask, and each gets its own answer."""
    assert sign_all(keys, 500, 32) == 500
    assert process.starts == 1


def test_a_killed_process_is_replaced_and_every_answer_is_right(process: TokenProcess, keys: list[TokenKey]) -> None:
    stop = threading.Event()
    killed = []

    def kill() -> None:
        while not stop.wait(0.15) and len(killed) < 4:
            child = process._child
            # Only one that has answered: a request is repeated once, and two deaths under it are rightly its end.
            if child is not None and child.number > 3 and child.process.pid not in killed:
                os.kill(child.process.pid, signal.SIGKILL)
                killed.append(child.process.pid)

    killer = threading.Thread(target=kill)
    killer.start()
    good = sign_all(keys, 500, 32)
    while len(killed) < 2:  # a fast machine may have been done before
        good = min(good, sign_all(keys, 500, 32))
    stop.set()
    killer.join()
    assert good == 500
    assert sign_all(keys, 8, 2) == 8
    assert process.starts > len(killed) - 1 >= 1


def test_the_watch_replaces_a_process_that_died_while_nobody_asked(process: TokenProcess) -> None:
    first = process.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    until("another process", lambda: process.pid not in (None, first))
    assert process.starts == 2


@pytest.mark.faults
def test_a_process_that_hangs_is_ended_in_time_and_the_next_one_answers(token: SoftToken) -> None:
    with TokenProcess(token.settings, timeout_s=3.0) as process:
        key = TokenKey.find(process, "ed")
        first = process.pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(TokenError, match="did not answer within 3 s") as told:
            key.sign(ED25519, b"x")
        assert told.value.trouble is Trouble.TIMEOUT
        assert time.monotonic() - began < 4.0
        assert not alive(first)
        assert key.sign(ED25519, b"x")


def test_too_many_callers_are_turned_away(token: SoftToken) -> None:
    with TokenProcess(token.settings, timeout_s=3.0, most_waiting=2) as process:
        key = TokenKey.find(process, "ed")
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)
        with ThreadPoolExecutor(2) as pool:
            waiting = [pool.submit(key.sign, ED25519, b"x") for _ in range(2)]
            until("two wait", lambda: process._waiting == 2)
            with pytest.raises(TokenError) as told:
                key.sign(ED25519, b"x")
            assert told.value.trouble is Trouble.BUSY
            for one in waiting:
                with pytest.raises(TokenError, match="did not answer"):
                    one.result()
        assert key.sign(ED25519, b"x"), "whoever was turned away may come again"


def test_an_interrupted_question_never_leaves_its_answer_to_the_next(
    process: TokenProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, receive = TokenKey.find(process, "ed"), process_module.receive

    def interrupted(channel: Any) -> Any:
        monkeypatch.setattr(process_module, "receive", receive)
        raise KeyboardInterrupt

    monkeypatch.setattr(process_module, "receive", interrupted)
    with pytest.raises(KeyboardInterrupt):
        key.sign(ED25519, b"first")
    assert key.sign(ED25519, b"second"), "`sign` verifies: the answer belongs to this question"


def test_a_broken_answer_is_asked_for_again_once(process: TokenProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    key, receive, calls = TokenKey.find(process, "ed"), process_module.receive, []

    def other(channel: Any) -> Any:
        head, octets = receive(channel)
        calls.append(head)
        return ({**head, "number": 77}, octets) if len(calls) == 1 else (head, octets)

    monkeypatch.setattr(process_module, "receive", other)
    assert key.sign(ED25519, b"x")
    assert process.starts == 2

    def gone(channel: Any) -> Any:
        raise Gone("end of stream")

    monkeypatch.setattr(process_module, "receive", gone)
    with pytest.raises(TokenError, match="broke: end of stream"):
        key.sign(ED25519, b"x")


def test_a_stop_of_the_whole_group_leaves_the_token_to_the_node(process: TokenProcess) -> None:
    """At a stop the node still signs the log's last checkpoint; systemd and the terminal signal everybody at once."""
    key, pid = TokenKey.find(process, "ed"), process.pid
    assert pid is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(pid, number)
    assert key.sign(ED25519, b"x")
    assert process.pid == pid


def test_the_process_ends_with_the_node(token: SoftToken, tmp_path: Path) -> None:
    settings = token.settings
    code = (
        "import sys, time; from pathlib import Path; from axis.hsm.process import *\n"
        "settings = TokenSettings(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))\n"
        "with TokenProcess(settings) as process: print(process.pid, flush=True); time.sleep(60)"
    )
    arguments = [str(settings.module), settings.token, str(settings.pin_file)]
    node = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)
    with node:
        assert node.stdout is not None
        pid = int(node.stdout.readline())
        assert alive(pid)
        node.kill()
    until("the token's process is gone", lambda: not alive(pid))


def test_leaving_ends_the_process_and_nobody_signs_afterwards(token: SoftToken) -> None:
    with TokenProcess(token.settings) as process:
        key, pid = TokenKey.find(process, "ed"), process.pid
        assert pid is not None
    assert not alive(pid)
    with pytest.raises(TokenError, match="closed"):
        key.sign(ED25519, b"x")
    assert process.starts == 1


def test_a_forked_copy_does_not_speak_on_the_socket(process: TokenProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    key = TokenKey.find(process, "ed")
    monkeypatch.setattr(os, "getpid", lambda: 1)
    with pytest.raises(TokenError, match="belongs to the process that opened it"):
        key.sign(ED25519, b"x")


# --- what can be wrong


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftToken:
    """A token of this test alone."""
    token = soft_token(tmp_path / "token", ["ed25519=ed"])
    monkeypatch.setenv("SOFTHSM2_CONF", str(token.conf))
    return token


def refusal(soft: SoftToken, **other: Any) -> TokenError:
    with pytest.raises(TokenError) as told, TokenProcess(replace(soft.settings, **other)):
        pass
    return told.value


def test_a_module_that_is_no_module(token: SoftToken, tmp_path: Path) -> None:
    told = refusal(token, module=tmp_path / "none.so")
    assert told.trouble is Trouble.MODULE
    assert "none.so: cannot open shared object file" in told.told
    (tmp_path / "text.so").write_text("not a library")
    assert refusal(token, module=tmp_path / "text.so").trouble is Trouble.MODULE


def test_a_token_that_is_not_there(token: SoftToken) -> None:
    told = refusal(token, token="khác")
    assert (told.trouble, told.told) == (Trouble.TOKEN, "there is no token 'khác'")
    assert f"tokens there: {LABEL}" in told.remedy


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        (b"1234\n", 0o640, "is open to other users (mode 0640)"),
        (b"1234\n", 0o604, "is open to other users (mode 0604)"),
        (b"\n1234\n", 0o600, "holds no PIN"),
        (b"\xff\n", 0o600, "holds no PIN"),
        (None, 0, "no such file"),
    ],
)
def test_a_pin_file_that_is_not_right(
    text: bytes | None, mode: int, said: str, token: SoftToken, tmp_path: Path
) -> None:
    path = tmp_path / "pin"
    if text is not None:
        path.write_bytes(text)
        path.chmod(mode)
    told = refusal(token, pin_file=path)
    assert told.trouble is Trouble.PIN_FILE
    assert said in told.told
    assert str(path) in told.told


def test_a_wrong_pin_is_tried_once(own: SoftToken) -> None:
    own.settings.pin_file.write_text("9999\n")
    process = TokenProcess(own.settings)
    for _ in range(3):
        with pytest.raises(TokenError, match="does not take the PIN") as told, process:
            pass
        assert told.value.trouble is Trouble.PIN
    assert process.starts == 1, "the next one could lock the token"


def test_a_pin_that_is_wrong_at_the_restart_is_tried_once(own: SoftToken) -> None:
    with TokenProcess(own.settings) as process:
        key = TokenKey.find(process, "ed")
        own.settings.pin_file.write_text("9999\n")
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        for _ in range(3):
            with pytest.raises(TokenError, match="does not take the PIN"):
                key.sign(ED25519, b"x")
        assert process.starts == 2
        assert process._watch is not None
        process._watch.join(2.5)  # the watch looks every second
        assert process.starts == 2


def test_the_last_try_of_a_pin_is_a_persons(monkeypatch: pytest.MonkeyPatch, own: SoftToken) -> None:
    """SoftHSM does not count tries: a token that does is played."""
    opened = []

    def played(flags: pkcs11.TokenFlag) -> Any:
        token = SimpleNamespace(label=LABEL, flags=flags, open=lambda **_: opened.append(flags))
        token.slot = SimpleNamespace(get_mechanisms=set, get_token=lambda: token)
        return lambda module: SimpleNamespace(get_slots=lambda token_present: [token.slot])

    arguments = ("module", LABEL, str(own.settings.pin_file))
    monkeypatch.setattr(pkcs11, "lib", played(pkcs11.TokenFlag.USER_PIN_FINAL_TRY))
    with pytest.raises(TokenError, match="one more wrong PIN locks") as told:
        server.Vault(*arguments)
    assert told.value.trouble is Trouble.PIN
    assert opened == []
    monkeypatch.setattr(pkcs11, "lib", played(pkcs11.TokenFlag.USER_PIN_COUNT_LOW))
    server.Vault(*arguments)
    assert opened == [pkcs11.TokenFlag.USER_PIN_COUNT_LOW]


def test_a_token_that_is_taken_out_is_missed_and_found_again(own: SoftToken) -> None:
    tokens = own.folder / "tokens"
    with TokenProcess(own.settings) as process:
        key = TokenKey.find(process, "ed")
        tokens.rename(own.folder / "pulled")
        with pytest.raises(TokenError) as told:
            key.sign(ED25519, b"x")
        assert told.value.trouble in (Trouble.TOKEN, Trouble.DEVICE, Trouble.MODULE)
        (own.folder / "pulled").rename(tokens)
        until("it signs again", lambda: _signs(key))


def _signs(key: TokenKey) -> bool:
    try:
        return bool(key.sign(ED25519, b"x"))
    except TokenError:
        return False


def test_without_the_extra_it_says_what_to_install(token: SoftToken, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "find_spec", lambda name: None)
    told = refusal(token)
    assert (told.trouble, told.remedy) == (Trouble.MODULE, "pip install 'truc-lien-thong[hsm]'")


# --- the PIN


def test_nobody_sees_the_pin(
    token: SoftToken, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told: Told = []
    with TokenProcess(token.settings, tell=lambda event, facts: told.append((event, dict(facts)))) as process:
        key = TokenKey.find(process, "p256")
        pid = process.pid
        for place in (f"/proc/{pid}/cmdline", f"/proc/{pid}/environ", "/proc/self/cmdline", "/proc/self/environ"):
            octets = Path(place).read_bytes()
            assert octets
            assert PIN.encode() not in octets
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(TokenError) as refused:
            process.ask({"op": "what"})
        seen = [repr(process), repr(key), repr(told), repr(refused.value), refused.value.remedy, caplog.text]
    own = replace(token.settings, pin_file=token.folder / "wrong")
    own.pin_file.touch(0o600)
    own.pin_file.write_text("4711-sai\n")
    seen.append(repr(refusal(token, pin_file=own.pin_file)))
    seen += capfd.readouterr()
    assert [event for event, _ in told][:3] == ["token_opened", "token_process_ended", "token_opened"]
    assert not [text for text in seen if PIN in text or "4711-sai" in text]
    assert "settings" in seen[0]
