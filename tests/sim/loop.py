"""An event loop whose time is told, not measured: the same callbacks in the same order for the same seed.

Time stands still while callbacks run and jumps to the next timer when none is ready. There are no sockets, and a thread
is a greenlet: it begins some moments after it was asked for, and others run only where it lets them (`wait`), which is
where its process is stopped at a call, and where it sleeps. A callback belongs to the life in whose
context it was made; when that life is over, it is dropped, so that nothing of a killed process runs any more. While
that life is stopped, it waits: all that would have happened meanwhile happens when the life goes on.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")

THREAD_S = 0.002
"""The longest that something handed to a thread takes to begin, and that its answer takes to be heard."""


class Life:
    """One process: from its start to its end, which may come at any moment. It may be stopped for a while."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.over = False
        self.stopped = False
        self.waiting: list[asyncio.Handle] = []
        """What is due while it is stopped."""
        self.tasks: list[asyncio.Task[Any]] = []
        self.threads: dict[greenlet, None] = {}
        """Those that have begun and not ended."""

    def end(self) -> None:
        """It is over: nothing of it runs any more, and its threads hold nothing."""
        self.over = True
        self.waiting.clear()
        here = getcurrent()
        for thread in [one for one in self.threads if one is not here]:
            thread.parent = here
            with suppress(Died):
                thread.throw(Died)
        self.threads.clear()


LIFE: ContextVar[Life | None] = ContextVar("life", default=None)


class Died(BaseException):
    """The process has ended at this very step."""


def wait(seconds: float) -> None:
    """Let others run for a while, inside a thread; whatever runs on the loop goes on at once."""
    here = getcurrent()
    if here.parent is not None:
        here.parent.switch(seconds)


class Stuck(Exception):
    """Everybody waits, and nothing will ever happen."""


class _Task(asyncio.Task[T]):
    """Its place in a set, as of those that a group of tasks cancels, is by its number and not by its address."""

    def __init__(self, number: int, coro: Coroutine[Any, Any, T], **more: Any) -> None:
        self._number = number
        super().__init__(coro, **more)

    def __hash__(self) -> int:
        return self._number


class SimLoop(asyncio.BaseEventLoop):
    """`lot` decides how long threads take."""

    def __init__(self, lot: random.Random) -> None:
        super().__init__()
        self._moment = 0.0
        self._lot = lot
        self.steps = 0
        self._made = 0
        self.set_task_factory(self._task)  # type: ignore[arg-type]
        self.set_exception_handler(self._heard)
        self.troubles: list[str] = []

    def time(self) -> float:
        return self._moment

    def _task(self, loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, T], **more: Any) -> asyncio.Task[T]:
        self._made += 1
        task = _Task(self._made, coro, loop=loop, **more)
        if life := LIFE.get():
            life.tasks.append(task)
            task.add_done_callback(life.tasks.remove)
        return task

    def _heard(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is None or isinstance(error, Exception):  # else the end of a process, which nobody waits for
            self.troubles.append(f"{context.get('message')}: {error!r}")

    def _write_to_self(self) -> None:
        """Nobody sleeps here."""

    def _process_events(self, event_list: object) -> None:
        """There are none."""

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        return self.call_later(self._lot.uniform(0, THREAD_S), callback, *args, context=context)

    def run_in_executor(self, executor: object, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        future: asyncio.Future[T] = self.create_future()
        thread = greenlet(func)
        thread.gr_context = copy_context()
        self.call_later(self._lot.uniform(0, THREAD_S), self._begin, thread, future, args)
        return future

    def _begin(self, thread: greenlet, future: asyncio.Future[Any], args: tuple[Any, ...]) -> None:
        if not future.cancelled():
            if life := LIFE.get():
                life.threads[thread] = None
            self._work(thread, future, args)

    def _work(self, thread: greenlet, future: asyncio.Future[Any], args: tuple[Any, ...] = ()) -> None:
        """Let a thread work until it ends, or lets others run."""
        life = LIFE.get()
        thread.parent = getcurrent()
        try:
            result = thread.switch(*args)
        except Exception as error:
            if not future.done():
                future.set_exception(error)
        else:
            if not thread.dead:
                self._later(life, result, thread, future)
            elif not future.done():
                future.set_result(result)
        finally:
            if life and thread.dead:
                life.threads.pop(thread, None)

    def _later(self, life: Life | None, seconds: float, thread: greenlet, future: asyncio.Future[Any]) -> None:
        if life and life.stopped:
            # First, when it goes on: it may have a lock that others of its process would wait for.
            life.waiting.insert(0, asyncio.Handle(self._work, (thread, future), self, copy_context()))
        else:
            self.call_later(seconds, self._work, thread, future)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as inherited
        """There is none."""

    def _run_once(self) -> None:
        timers, ready = self._scheduled, self._ready  # type: ignore[attr-defined]
        while timers and timers[0]._cancelled:
            heapq.heappop(timers)._scheduled = False
        if not ready:
            if not timers:
                raise Stuck
            self._moment = max(self._moment, timers[0]._when)
        while timers and timers[0]._when <= self._moment:
            timer = heapq.heappop(timers)
            timer._scheduled = False
            ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            life = handle._context.get(LIFE)
            if handle._cancelled or (life and life.over):
                continue
            if life and life.stopped:
                life.waiting.append(handle)
                continue
            self.steps += 1
            handle._run()

    def go_on(self, life: Life) -> None:
        """End a stop."""
        life.stopped = False
        self._ready.extendleft(reversed(life.waiting))  # type: ignore[attr-defined]
        life.waiting.clear()
