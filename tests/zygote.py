"""A process that has imported a node's program and forks itself for each node that a test asks for (`tests.forked`).

To import it takes a second, which is more than most nodes work. Run by its path, in an interpreter as a node has it. A
request is a line of JSON with two open files: the node's log, and where its number and how it ended are told. What
comes out of the fork runs the command itself, as `python -m axis` does.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import threading
from contextlib import suppress
from types import ModuleType
from typing import Any

PROGRAM = (
    "axis.app axis.cli.serve axis.cli.logs axis.cli.remedy axis.flow.worker adapters.http_push adapters.node uvloop"
)
MAX_REQUEST = 1 << 20


def told(asked: socket.socket) -> dict[str, Any]:
    """In a new node: what it is to be. The process that was asked goes on asking, and ends with whoever asked it."""
    while True:
        line, files, _, _ = socket.recv_fds(asked, MAX_REQUEST, 2)
        if not line:
            _reap(0)
            os._exit(0)
        _reap(os.WNOHANG)
        if os.fork() == 0:
            asked.close()
            return _watched(json.loads(line), *files)
        for file in files:
            os.close(file)


def _reap(options: int) -> None:
    """Those that watched, so that what their nodes took is counted with what the tests took."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, options)[0]:
            pass


def _watched(request: dict[str, Any], log: int, ends: int) -> dict[str, Any]:
    """In the node; its parent stays to tell how it ended."""
    node = os.fork()
    if node:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it hears what whoever runs the tests types, and waits
        os.write(ends, b"%d\n" % node)
        os.close(log)
        _, status = os.waitpid(node, 0)
        os.write(ends, b"%d\n" % os.waitstatus_to_exitcode(status))
        os._exit(0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.closerange(3, 4096)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    return request


def run(request: dict[str, Any]) -> None:
    sys.argv[:] = ["-c", *request["arguments"]]
    if request["code"] is None:
        runpy.run_module("axis", run_name="__main__", alter_sys=True)
        return
    main = sys.modules["__main__"] = ModuleType("__main__")
    exec(request["code"], vars(main))


if __name__ == "__main__":
    for name in PROGRAM.split():
        importlib.import_module(name)
    assert threading.active_count() == 1, "a fork would lose the others"
    gc.freeze()
    run(told(socket.socket(fileno=int(sys.argv[1]))))
