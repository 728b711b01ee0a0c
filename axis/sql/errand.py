"""Work that a thread has done on an event loop, and waits for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

PATIENCE_S: Final = 1.0
"""How long a loop may be busy with something else before the thread does it by itself."""


class Errand:
    """One piece of work, done once: by the loop, or by the thread where the loop is closed or does not come to it."""

    __slots__ = ("_begun", "_ended", "_error", "_work")

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._begun, self._ended = threading.Lock(), threading.Lock()
        self._ended.acquire()
        self._error: BaseException | None = None

    def run_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have it done and return when it is. Raises what it raises."""
        ended = False
        if not _runs_here(loop):
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._do)
                ended = self._ended.acquire(timeout=PATIENCE_S)
        if not ended:
            self._do()
            self._ended.acquire()
        if self._error is not None:
            raise self._error

    def _do(self) -> None:
        if not self._begun.acquire(blocking=False):
            return
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - it is the thread's, which waits for it
            self._error = error
        finally:
            self._ended.release()


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
