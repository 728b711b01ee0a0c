"""Faults below the process, by strace: a system call of a running node is the end of it, or fails."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.site import until
from tests.tools import need

if TYPE_CHECKING:
    from tests.faults.field import Field


@contextmanager
def killed_at(field: Field, call: str, when: str = "1") -> Iterator[None]:
    """Inside, the node ends at this call of the kernel, which is not carried out."""
    with injected(field, f"{call}:signal=SIGKILL:error=EIO:when={when}", call):
        yield


@contextmanager
def injected(field: Field, what: str, calls: str, *, must: bool = True) -> Iterator[Path]:
    """Follow the running node with `-e inject=what`; afterwards it must have happened. Yields where the record is."""
    with recorded(field, calls, "-e", f"inject={what}") as record:
        yield record
    assert not must or fired(record), f"the fault never fired: {what}"


def fired(record: Path) -> bool:
    """What kills at a call leaves no line of the call itself."""
    said = record.read_text(errors="replace")
    return "(INJECTED)" in said or "(DELAYED)" in said or "killed by SIGKILL" in said


@contextmanager
def recorded(field: Field, calls: str, *more: str) -> Iterator[Path]:
    """Follow the running node and write down these calls of all its threads."""
    assert field.site.process is not None
    with following(field.site.process.pid, field.site.folder / "trace", calls, *more) as record:
        yield record


@contextmanager
def following(pid: int, record: Path, calls: str, *more: str) -> Iterator[Path]:
    """Follow any process, with its threads and children, and write down these calls."""
    record.unlink(missing_ok=True)
    command = [need("strace"), "-f", "-qq", "-e", f"trace={calls}", *more, "-o", str(record), "-p", str(pid)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        until("strace follows the process", lambda: followed(pid))
        yield record
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


def followed(pid: int) -> bool:
    """Every thread of the process has a tracer."""
    return all("TracerPid:\t0" not in one.read_text() for one in Path(f"/proc/{pid}/task").glob("*/status"))
