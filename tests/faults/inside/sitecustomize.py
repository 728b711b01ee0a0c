"""Loaded into a node by the harness alone, by PYTHONPATH: fails it at a named place, or runs it with other source.

Python imports a module of this name when it starts. `AXIS_TEST_INSIDE` names a folder with `plan.json`: which functions
are places (`places`: name → module, attribute, before or after), and which texts of the source stand there otherwise
(`edits`: module → pairs). Nothing happens at a place until `armed` in that folder names it; what happened is written
to `fired` first. So the product has no hook of its own, and a test can tell a fault that fired from one that did not.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.util
import inspect
import json
import os
import signal
import sys
import time
import types
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ["AXIS_TEST_INSIDE"])
PLAN: dict[str, Any] = json.loads((FOLDER / "plan.json").read_text(encoding="utf-8"))
_LEFT: dict[str, int] = {}


def reached(name: str) -> None:
    """Do what is asked for at this place: end the process, raise an error of the operating system, or take a while."""
    try:
        order = json.loads((FOLDER / "armed").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return
    if order["place"] != name:
        return
    left = _LEFT.setdefault(order["id"], order.get("skip", 0))
    _LEFT[order["id"]] = left - 1
    if left > 0:
        return
    with (FOLDER / "fired").open("a", encoding="utf-8") as fired:
        fired.write(f"{order['id']}\n")
    if order.get("pause_s"):
        time.sleep(order["pause_s"])
        return
    if order.get("errno"):
        raise OSError(order["errno"], os.strerror(order["errno"]))
    os.kill(os.getpid(), signal.SIGKILL)
    while True:
        signal.pause()


def wrapped(name: str, function: Callable[..., Any], when: str) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def later(*args: Any, **named: Any) -> Any:
            if when == "before":
                reached(name)
            result = await function(*args, **named)
            if when == "after":
                reached(name)
            return result

        return later

    @functools.wraps(function)
    def now(*args: Any, **named: Any) -> Any:
        if when == "before":
            reached(name)
        if when == "sent":
            send_commit(name, args[0])
        result = function(*args, **named)
        if when == "after":
            reached(name)
        return result

    return now


def send_commit(name: str, connection: Any) -> None:
    """Send COMMIT to the server and do not wait for the answer (`PostgresConnection.commit`)."""
    order = FOLDER / "armed"
    if not order.exists() or json.loads(order.read_text(encoding="utf-8"))["place"] != name:
        return
    connection._session.leave()
    sent = connection._connection.pgconn
    sent.send_query(b"COMMIT")
    while sent.flush():
        pass
    reached(name)


class Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of the plan where they are, and changes them when they have been executed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in WANTED:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(fullname, path, target)
            if spec is not None and spec.loader is not None:
                execute = spec.loader.exec_module
                spec.loader.exec_module = functools.partial(self.run, execute)  # type: ignore[method-assign]
                return spec
        return None

    def run(self, execute: Callable[[types.ModuleType], None], module: types.ModuleType) -> None:
        edits = PLAN["edits"].get(module.__name__)
        if edits:
            assert module.__file__
            source = Path(module.__file__).read_text(encoding="utf-8")
            for text, replacement in edits:
                if source.count(text) != 1:
                    raise ImportError(f"{text!r} stands {source.count(text)} times in {module.__name__}")
                source = source.replace(text, replacement)
            exec(compile(source, module.__file__, "exec"), module.__dict__)
        else:
            execute(module)
        for name, (home, attribute, when) in PLAN["places"].items():
            if home == module.__name__:
                *owners, last = attribute.split(".")
                owner: Any = functools.reduce(getattr, owners, module)
                setattr(owner, last, wrapped(name, getattr(owner, last), when))


WANTED = {home for home, _, _ in PLAN["places"].values()} | set(PLAN["edits"])
sys.meta_path.insert(0, Finder())
