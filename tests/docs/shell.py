"""Runs the commands of a written page in order, in one shell, and holds what they print against what the page shows.

A fence `sh` is run; a fence `text` right behind it is what it printed. In a shown line `…` stands for anything, and
lines between two shown ones may be left out. Ids, digests, times and sizes differ from run to run and compare equal.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from axis.demo.network import free_ports
from tests.tools import need

ROOT: Final = Path(__file__).parents[2]
PATIENCE_S: Final = 240.0
"""Three times what the slowest page takes on two busy cores; a page that waits for ever still ends."""
HOME: Final = "/home/an"
"""Where the pages pretend to stand."""
_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
_PORT: Final = re.compile(r"\b(8443|8444|8445|9443|9444|9445|18999)\b")
_CHANGING: Final = tuple(
    (re.compile(pattern), mark)
    for pattern, mark in (
        (r"\b01[0-9a-hjkmnp-tv-z]{24}\b", "<id>"),
        (r"\b[0-9a-f]{64}\b|\b[0-9a-f]{16}\b", "<digest>"),
        (r"[A-Za-z0-9+/]{40,}={0,2}", "<base64>"),
        (r"\d\d/\d\d/\d{4} \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT[0-9:.]+Z", "<time>"),
        (r"\d\d/\d\d/\d{4}|\d{4}[-/]\d\d[-/]\d\d", "<day>"),
        (r"\b\d+(\.\d)? [KMG]?B\b", "<size>"),
    )
)

SHIM: Final = """\
#!/bin/sh
# `axis`, with the ports of the page exchanged for free ones in what `axis init` writes. A daemon keeps its process id.
[ "$1" = init ] || exec {python} -P -m axis "$@"
{python} -P -m axis "$@" || exit $?
sed -i {ports} "$2"/axis.toml "$2"/clients/*.env
"""


@dataclass(frozen=True, slots=True)
class Block:
    """One fence `sh` with what the page shows behind it, `None` where it shows nothing."""

    line: int
    commands: str
    shown: str | None


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found: list[Block] = []
    fences = list(_FENCE.finditer(text))
    for place, fence in enumerate(fences):
        if fence[1] != "sh":
            continue
        behind = fences[place + 1] if place + 1 < len(fences) else None
        shows = behind is not None and behind[1] == "text" and not text[fence.end() : behind.start()].strip()
        line = text.count("\n", 0, fence.start()) + 1
        found.append(Block(line, fence[2], behind[2] if shows and behind else None))
    return found


def run(page: Path, folder: Path) -> list[str]:
    """Run all blocks of `page` in `folder` and say what went wrong: nothing, if the page tells the truth."""
    todo = blocks(page)
    for tool in ("curl", "openssl", "xmlsec1"):
        if any(re.search(rf"(^|[|(]\s*){tool} ", block.commands, re.MULTILINE) for block in todo):
            need(tool)
    work, kept = folder / "work", folder / "kept"
    work.mkdir(parents=True)
    kept.mkdir()
    shown = sorted({found for block in todo for found in _PORT.findall(block.commands)} | {"8443", "9443"})
    ports = dict(zip(shown, map(str, free_ports(len(shown))), strict=True))
    _shim(folder / "bin" / "axis", ports)
    script = ["set -e", f"cd {work}"]
    for number, block in enumerate(todo):
        (kept / f"{number}.sh").write_text(_PORT.sub(lambda found: ports[found[0]], block.commands))
        script += [f". {kept}/{number}.sh > {kept}/{number}.out 2>&1", f": > {kept}/{number}.done"]
    process = subprocess.Popen(
        ["sh", "-c", "\n".join(script)],
        env={**os.environ, "PATH": f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        pass  # the block under way is told as failed, with what it printed
    finally:
        _end(process.pid)
        process.wait()
    return [fault for number, block in enumerate(todo) for fault in _judge(block, kept / str(number), work, ports)]


def _shim(path: Path, ports: dict[str, str]) -> None:
    path.parent.mkdir()
    exchanged = " ".join(f"-e s/:{shown}/:{free}/" for shown, free in ports.items())
    path.write_text(SHIM.format(python=sys.executable, ports=exchanged))
    path.chmod(0o755)


def _end(session: int) -> None:
    """End what the page left running: it began in a session of its own."""
    try:
        os.killpg(session, signal.SIGTERM)
    except ProcessLookupError:
        return


def _judge(block: Block, kept: Path, work: Path, ports: dict[str, str]) -> list[str]:
    if not kept.with_suffix(".out").exists():
        return []  # an earlier block ended the shell, and is told
    printed = kept.with_suffix(".out").read_text(encoding="utf-8").replace(str(work), HOME)
    for shown, free in ports.items():
        printed = re.sub(rf"\b{free}\b", shown, printed)
    if not kept.with_suffix(".done").exists():
        return [f"line {block.line}: the commands failed:\n{printed}"]
    missing = missing_lines(block.shown or "", printed)
    return [f"line {block.line}: not printed (in this order): {missing!r}\nbut:\n{printed}"] if missing else []


def missing_lines(shown: str, printed: str) -> list[str]:
    """The first shown line that was not printed behind the ones before it, and those that follow it."""
    lines = iter(_plain(printed).splitlines())
    wanted = [line for line in _plain(shown).splitlines() if line.strip() not in ("", "…")]
    for place, line in enumerate(wanted):
        pattern = re.compile(".*".join(map(re.escape, line.split("…"))))
        if not any(pattern.fullmatch(one) for one in lines):
            return wanted[place:]
    return []


def _plain(text: str) -> str:
    for pattern, mark in _CHANGING:
        text = pattern.sub(mark, text)
    return "\n".join(line.rstrip() for line in text.splitlines())
