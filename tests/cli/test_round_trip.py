"""An office's day at the command line, against a real daemon: init, serve, send, inbox, fetch, ack, status, verify."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from axis.cli import main
from axis.demo.network import free_ports

pytestmark = pytest.mark.slow


class Node:
    """A daemon made by `axis init`, and the command line as each of its two example systems."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        assert CliRunner().invoke(main, ["init", str(folder)]).exit_code == 0
        port, operator = free_ports(2)
        config = folder / "axis.toml"
        config.write_text(config.read_text().replace(":8443", f":{port}").replace(":9443", f":{operator}"))
        self.url = f"https://127.0.0.1:{port}"
        command = [sys.executable, "-m", "axis", "serve", "--json", "-c", str(config)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        said = []
        for line in self.process.stderr:
            said.append(line)
            if "node_ready" in line:
                return
        raise AssertionError("".join(said))

    def as_(self, client: str, *arguments: str) -> tuple[int, Any]:
        text = (self.folder / "clients" / f"{client}.env").read_text()
        settings = dict(re.findall(r"export (\w+)=(.*)", text))
        environment = {name: shlex.split(value)[0] for name, value in settings.items()} | {"AXIS_URL": self.url}
        result = CliRunner().invoke(main, [*arguments, "--json"], env=environment)
        return result.exit_code, json.loads(result.stdout)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=30)
        return self.process.returncode


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path / "node")
    yield made
    if made.process.poll() is None:
        made.stop()


def test_a_document_goes_from_office_to_office_and_its_status_comes_back(node: Node, tmp_path: Path) -> None:
    attachment = tmp_path / "phụ lục.txt"
    attachment.write_text("nội dung")
    letter = ["--number", "7", "--notation", "SNV-VP", "--subject", "V/v thử", "--attach", str(attachment)]
    receipt = tmp_path / "receipt.json"
    code, sent = node.as_("so-noi-vu", "send", "--to", "H99.115", *letter, "--receipt", str(receipt))
    assert code == 0, sent
    assert sent[0]["verdict"] == "TOTAL-PASSED"
    assert json.loads(receipt.read_bytes()) == sent[0]

    code, refused = node.as_("so-noi-vu", "send", "--to", "H99.116", *letter, "--document-id", "another")
    assert (code, refused["problem"]["type"]) == (1, "urn:axis:problem:unknown-agency")

    code, inbox = node.as_("phuong-an-binh", "inbox")
    assert code == 0
    (item,) = inbox["items"]
    assert (item["sender"], item["number"], item["document"]) == ("H99.07", "7/SNV-VP", sent[0]["document"])

    got = tmp_path / "got.edxml"
    assert node.as_("phuong-an-binh", "fetch", item["delivery"], "-o", str(got))[0] == 0
    judged = CliRunner().invoke(main, ["verify", str(got), "-c", str(node.folder / "axis.toml"), "--json"])
    assert (judged.exit_code, json.loads(judged.stdout)["bound"]) == (0, True)

    code, done = node.as_("phuong-an-binh", "ack", item["delivery"])
    assert (code, done[0]["state"], done[0]["arrived"]["code"]) == (0, "delivered", "01")
    assert node.as_("phuong-an-binh", "inbox")[0] == 1
    code, told = node.as_("phuong-an-binh", "status", item["document"], "03", "--staff", "Chị A")
    assert (code, told["standing"]) == (0, "applied")

    # One lane: the second status waits until the first was taken over, so they cannot overtake each other.
    for expected in ("01", "03"):
        code, back = node.as_("so-noi-vu", "inbox")
        assert [one["status"]["code"] for one in back["items"]] == [expected]
        assert node.as_("so-noi-vu", "ack", back["items"][0]["delivery"])[0] == 0

    large = tmp_path / "ảnh.bin"
    large.write_bytes(bytes(range(256)) * 1_000)
    more = ["--number", "8", "--notation", "SNV-VP", "--subject", "V/v thử", "--attach", str(attachment)]
    code, whole = node.as_("so-noi-vu", "send", "--to", "H99.115", *more, "--attach", str(large), "--parts")
    assert (code, whole[0]["verdict"]) == (0, "TOTAL-PASSED"), whole
    (item,) = node.as_("phuong-an-binh", "inbox")[1]["items"]
    body = tmp_path / "got.parts"
    assert node.as_("phuong-an-binh", "fetch", item["delivery"], "-o", str(body))[0] == 0
    assert large.read_bytes() in body.read_bytes()
    judged = CliRunner().invoke(main, ["verify", str(body), "-c", str(node.folder / "axis.toml"), "--json"])
    assert (judged.exit_code, json.loads(judged.stdout)["bound"]) == (0, True), judged.output
    again = node.as_("so-noi-vu", "send", str(body))
    assert again == (0, whole), "what was fetched can be sent: the first receipt"
    assert node.as_("phuong-an-binh", "ack", item["delivery"])[0] == 0

    assert node.stop() == 0
    folder = str(node.folder)
    key = ["--key", f"{folder}/keys/log.vkey"]
    heads = ["--heads", f"{folder}/checkpoints"]
    whole = CliRunner().invoke(main, ["log", "verify", f"{folder}/data/log", *key, *heads, "--json"])
    report = json.loads(whole.stdout)
    assert whole.exit_code == 0, report
    assert report["kinds"]["accepted"] == 2
    assert report["kinds"]["status"] == 3
    head = CliRunner().invoke(main, ["log", "checkpoint", f"{folder}/data/log", *key, "--json"])
    assert json.loads(head.stdout)["size"] == report["checkpoint"]["size"] == report["entries"]
    assert CliRunner().invoke(main, ["doctor", "-c", f"{folder}/axis.toml"]).exit_code == 0
