"""A node as a process, two offices with some documents between them, and a stranger who asks everything."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from axis.demo.network import free_ports

HERE: Final = Path(__file__).parent
PROGRAM: Final = Path(sys.prefix) / "fuzz" / "bin" / "schemathesis"
OFFICE: Final = "so-noi-vu"
COMMUNE: Final = "phuong-an-binh"


@dataclass(frozen=True)
class Node:
    """What `axis init` makes, serving. `as_` is the command line as one of its two systems."""

    folder: Path
    url: str

    def settings(self, client: str) -> dict[str, str]:
        text = (self.folder / "clients" / f"{client}.env").read_text(encoding="utf-8")
        told = {name: shlex.split(value)[0] for name, value in re.findall(r"export (\w+)=(.*)", text)}
        return {**told, "AXIS_URL": self.url}

    def as_(self, client: str, *arguments: str) -> Any:
        command = [sys.executable, "-m", "axis", *arguments]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AXIS_")}
        environment = {**kept, **self.settings(client)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if "--json" in arguments else done.stdout


@contextmanager
def serving(folder: Path) -> Iterator[Node]:
    subprocess.run([sys.executable, "-m", "axis", "init", str(folder)], check=True, capture_output=True)
    port, operator = free_ports(2)
    config = folder / "axis.toml"
    text = config.read_text(encoding="utf-8").replace(":8443", f":{port}").replace(":9443", f":{operator}")
    config.write_text(text, encoding="utf-8")
    with (folder / "serve.log").open("w+b") as said:
        process = subprocess.Popen([sys.executable, "-m", "axis", "serve", "-c", str(config)], stderr=said)
        try:
            waiting = ["curl", "-sf", "--retry", "100", "--retry-delay", "0", "--retry-all-errors"]
            subprocess.run([*waiting, f"http://127.0.0.1:{operator}/readyz"], check=True, capture_output=True)
            yield Node(folder, f"https://127.0.0.1:{port}")
        finally:
            process.terminate()
            process.wait(30)


def some_documents(node: Node, folder: Path) -> dict[str, list[str]]:
    """What lies at the node, by the names that stand in paths; and a package as the commune sends it."""
    file = folder / "phu-luc.txt"
    file.write_text("nội dung", encoding="utf-8")
    sent = []
    for number, (by, to) in enumerate(((OFFICE, "H99.115"), (OFFICE, "H99.115"), (COMMUNE, "H99.07")), 1):
        told = ("--to", to, "--number", str(number), "--notation", "VP", "--subject", "V/v thử", "--attach", str(file))
        sent += node.as_(by, "send", *told, "--json")
    items = node.as_(COMMUNE, "inbox", "--json")["items"]
    (back,) = node.as_(OFFICE, "inbox", "--json")["items"]
    package = folder / "package.edxml"
    node.as_(OFFICE, "fetch", back["delivery"], "-o", str(package))
    return {
        "document": [one["document"] for one in sent],
        "delivery": [one["delivery"] for one in items],
        "package": [package.read_text(encoding="utf-8")],
    }


def ask_everything(node: Node, known: Mapping[str, list[str]], seconds: int, folder: Path) -> str:
    """What schemathesis has to say; nothing where the node keeps to its description."""
    settings = node.settings(COMMUNE)
    key = Path(settings["AXIS_API_KEY_FILE"]).read_text(encoding="utf-8").strip()
    command = [PROGRAM, f"--config-file={HERE / 'schemathesis.toml'}", "--no-color", "run", f"{node.url}/openapi.json"]
    command += [f"--tls-verify={settings['AXIS_CA']}", f"--header=Authorization: Bearer {key}", "--checks=all"]
    command += [f"--max-time={seconds}", "--continue-on-failure", "--warnings=off"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {
        "SCHEMATHESIS_HOOKS": "hooks",
        "PYTHONPATH": str(HERE),
        "AXIS_FUZZ_KNOWN": json.dumps(known),
    }
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout if done.returncode else ""
