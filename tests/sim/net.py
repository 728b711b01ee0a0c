"""A network that loses, delays and repeats what it carries, and parts those whom it connects."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

GONE_S = 15.0
"""After so long a caller believes that nothing comes any more."""


@dataclass
class Weather:
    """How bad things are, each a chance for one message."""

    lost: float = 0.0
    answer_lost: float = 0.0
    twice: float = 0.0
    slow: float = 0.0
    """To take seconds where it takes milliseconds: what was sent later overtakes it."""


class Net:
    def __init__(self, lot: random.Random) -> None:
        self._lot = lot
        self.weather = Weather()
        self.parted: set[frozenset[str]] = set()
        """Pairs that do not reach each other."""
        self._tasks: set[asyncio.Task[Any]] = set()

    def aside(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Let it go on whatever becomes of the caller's process."""
        task = Context().run(asyncio.get_running_loop().create_task, work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked may be dead

    async def carry(
        self, one: str, other: str, serve: Callable[[], Coroutine[Any, Any, T]], *, once: bool = False
    ) -> T:
        """Carry a question from `one` to `other`, who answers it by `serve`, and the answer back. `ConnectionError`.

        What is said `once` is never repeated by the network itself.
        """
        lot, weather = self._lot, self.weather
        await self._way(one, other)
        if lot.random() < weather.lost:
            await asyncio.sleep(lot.choice((0.0, GONE_S)))
            raise ConnectionResetError("lost on the way")
        if not once and lot.random() < weather.twice:
            self.aside(self._again(one, other, serve))
        answer = await serve()
        await self._way(one, other)
        if lot.random() < weather.answer_lost:
            await asyncio.sleep(lot.choice((0.0, GONE_S)))
            raise ConnectionResetError("its answer was lost")
        return answer

    async def _way(self, one: str, other: str) -> None:
        await asyncio.sleep(self._lot.uniform(0.0005, 0.02))
        if self._lot.random() < self.weather.slow:
            await asyncio.sleep(self._lot.uniform(0.5, 8.0))
        if frozenset((one, other)) in self.parted:
            await asyncio.sleep(self._lot.choice((0.0, GONE_S)))
            raise ConnectionRefusedError("no way there")

    async def _again(self, one: str, other: str, serve: Callable[[], Coroutine[Any, Any, T]]) -> None:
        try:
            await self._way(one, other)
            await serve()
        except ConnectionError:
            return
