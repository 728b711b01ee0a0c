"""A node whose receipts and log are signed in a token, and an office whose packages are: as real processes."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from axis.cli.doctor import look_at_token
from axis.cli.looked import State
from axis.config import load_file
from axis.core.canonical import canonical
from axis.demo.client import Reply
from axis.hsm.process import TokenProcess
from axis.hsm.signer import TokenKey
from axis.log.findings import LogReport
from axis.log.verify import verify_log
from signing.keys import raw_public, verify_bytes
from signing.note import NoteKey
from tests.site import HOME_AFFAIRS, OFFICE, Site, problem, until
from tests.unit.hsm.soft import LABEL, PIN, SoftToken, soft_token

pytestmark = pytest.mark.slow


@dataclass
class TokenSite(Site):
    """A node without key files: what an auditor is given comes from the token."""

    vkey: str = ""

    def verified(self) -> LogReport:
        return verify_log(self.folder / "data" / "log", self.vkey, heads=self.folder / "checkpoints")

    def child(self) -> int:
        """The process that owns the node's token, 0 while there is none."""
        assert self.process is not None
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")  # whichever thread has started it
        for pid in (one for task in tasks for one in task.read_text().split()):
            if b"axis.hsm.server" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return int(pid)
        return 0


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> SoftToken:
    return soft_token(tmp_path_factory.mktemp("hsm") / "token", ["ed25519=receipts", "ed25519=log"])


@pytest.fixture
def site(token: SoftToken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenSite]:
    monkeypatch.setenv("SOFTHSM2_CONF", str(token.conf))
    settings = token.settings
    made = TokenSite(
        tmp_path / "node",
        more=f'[hsm]\nmodule = "{settings.module}"\ntoken = "{LABEL}"\npin_file = "{settings.pin_file}"\n'
        '[keys]\nreceipts = "hsm:receipts"\nlog = "hsm:log"\n',
    )
    for name in ("receipt", "log"):
        (made.folder / "keys" / f"{name}.pem").unlink()
    made.vkey = str(NoteKey(made.name, public(token, "log")))
    yield made
    if made.running:
        made.kill()


def public(token: SoftToken, label: str) -> bytes:
    with TokenProcess(token.settings) as process:
        key = TokenKey.find(process, label).public
        assert isinstance(key, ed25519.Ed25519PublicKey)
        return raw_public(key)


def receipt_is_good(receipt: dict[str, Any], key: bytes) -> bool:
    body = {name: value for name, value in receipt.items() if name != "signature"}
    signed = verify_bytes(key, canonical(body), base64.b64decode(receipt["signature"]))
    return signed and receipt["key_id"] == key.hex()


def test_receipts_and_log_of_a_node_are_signed_in_its_token(site: TokenSite, token: SoftToken) -> None:
    key = public(token, "receipts")
    site.start()
    assert not list(site.folder.glob("keys/*")), "no key lies in a file"
    package = site.package(OFFICE, [HOME_AFFAIRS])
    first = site.take(package, OFFICE)
    assert receipt_is_good(first, key)

    # The token's process dies: the node lives on, and the same package gets the same receipt, byte for byte.
    child = site.child()
    os.kill(child, signal.SIGKILL)
    assert site.take(package, OFFICE) == first
    until("another process", lambda: site.child() not in (0, child))
    second = site.take(site.package(HOME_AFFAIRS, [OFFICE]), HOME_AFFAIRS)
    assert receipt_is_good(second, key)
    assert site.receive(HOME_AFFAIRS, first["document"])[1] == package

    for pid in (site.child(), site.process.pid if site.process else 0):
        for place in ("cmdline", "environ"):
            assert PIN.encode() not in Path(f"/proc/{pid}/{place}").read_bytes()
    assert site.stop() == 0, "the last checkpoint is signed although systemd signals the whole group"
    assert site.said("token_opened") == 2
    assert site.said("token_process_ended") == 1
    assert PIN.encode() not in (site.folder / "node.log").read_bytes()
    assert site.audit().entries >= 4


@pytest.mark.faults
def test_a_restarted_node_goes_on_with_its_token(site: TokenSite) -> None:
    site.start()
    site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)
    site.kill()
    site.start()
    site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)
    assert site.stop() == 0
    site.audit()


@pytest.mark.faults
def test_without_its_token_a_node_takes_nothing_in_and_goes_on_afterwards(site: TokenSite, token: SoftToken) -> None:
    """F77. What was taken in before anybody knew gets its receipt when the sender repeats it."""
    key, tokens, pulled = public(token, "receipts"), token.folder / "tokens", token.folder / "pulled"
    site.start()
    taken = site.package(OFFICE, [HOME_AFFAIRS])
    first = site.take(taken, OFFICE)
    unsure, later = (site.package(OFFICE, [HOME_AFFAIRS]) for _ in range(2))
    tokens.rename(pulled)
    try:
        os.kill(site.child(), signal.SIGKILL)
        assert refusal(site.send(unsure, OFFICE)) == (503, "key-unavailable")
        kept = site.state()
        for package in (later, unsure, taken):
            assert refusal(site.send(package, OFFICE)) == (503, "key-unavailable")
        assert site.state() == kept, "something was taken in that gets no receipt"
    finally:
        pulled.rename(tokens)
    until("it signs again", lambda: site.send(later, OFFICE).status == 202)
    for package in (unsure, later):
        assert receipt_is_good(site.take(package, OFFICE), key)
    assert site.take(taken, OFFICE) == first
    assert site.rows("SELECT count(*) FROM document") == [(3,)]
    assert site.stop() == 0
    site.audit()


def refusal(reply: Reply) -> tuple[int, str]:
    return reply.status, problem(reply.body)


def test_doctor_signs_with_each_key(site: TokenSite, tmp_path: Path) -> None:
    config = load_file(site.config)
    told = [(line.state, line.told) for line in look_at_token(config)]
    assert told == [
        (State.OK, f"keys.receipts signs with 'receipts' of {LABEL!r}"),
        (State.OK, f"keys.log signs with 'log' of {LABEL!r}"),
    ]
    site.config.write_text(site.config.read_text().replace('"hsm:log"', '"hsm:nix"'))
    *_, last = look_at_token(load_file(site.config))
    assert (last.state, last.told) == (State.FAIL, "the token holds no private key 'nix'")
    assert last.remedy == "keys there: log, receipts"


def test_a_wrong_pin_stops_the_node_before_it_takes_anything_in(
    site: TokenSite, token: SoftToken, tmp_path: Path
) -> None:
    pin = tmp_path / "pin"
    pin.touch(0o600)
    pin.write_text("0000\n")
    site.config.write_text(site.config.read_text().replace(str(token.settings.pin_file), str(pin)))
    site.start(wait=False)
    assert site.process is not None
    assert site.process.wait(30) == 1
    assert b"does not take the PIN" in (site.folder / "node.log").read_bytes()


@pytest.mark.faults
def test_an_office_sends_what_its_token_signed(site: TokenSite, token: SoftToken, tmp_path: Path) -> None:
    """The key was taken into the token; its file is gone before anything is sent."""
    signer = site.signers[OFFICE]
    token.take_in("van-phong", signer.key)
    signer.key.unlink()
    site.start()
    credentials = tmp_path / "api.key"
    credentials.touch(0o600)
    credentials.write_text(site.key(site.agencies[OFFICE]))
    settings = token.settings
    options = ["--hsm-module", str(settings.module), "--hsm-token", LABEL, "--hsm-key", "van-phong"]
    options += ["--pin-file", str(settings.pin_file), "--sign-cert", str(signer.certificate)]

    def send(*more: str) -> tuple[int, Any]:
        environment = {**os.environ, "AXIS_URL": site.url, "AXIS_CA": str(site.pki.tls_ca)}
        environment |= {"AXIS_API_KEY_FILE": str(credentials), "AXIS_FROM": OFFICE}
        letter = ["--to", HOME_AFFAIRS, "--number", "7", "--notation", "VP", "--subject", "V/v thử"]
        command = [sys.executable, "-P", "-m", "axis", "send", *letter, *more, "--json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr

    code, sent = send(*options)
    assert code == 0, sent
    assert (sent[0]["verdict"], sent[0]["state"]) == ("TOTAL-PASSED", "accepted")

    code, told = send(*[option.replace("van-phong", "nix") for option in options])
    assert (code, told["error"][:38]) == (2, "the token holds no private key 'nix': "), told
    code, told = send(*options[:-2], "--sign-cert", str(site.signers[HOME_AFFAIRS].certificate))
    assert (code, told["error"]) == (2, "the certificate is of another key")
    code, told = send(*options[:4])
    assert code == 2
    assert "go together" in told
    assert site.stop() == 0
    site.audit()
