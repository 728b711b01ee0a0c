"""The lease on the log: which of the processes that share a store sequences it.

It is one fact of the store, that its holder changes again and again (`beat`). Whoever has seen it unchanged for the
length of a lease, by its own monotonic clock, takes it with the next token. So no two clocks are ever compared, and
nobody's wall clock matters (F37, F64). The lease makes one process work; what keeps two apart is the token: it is
checked in every transaction of a round and by the store of heads (`axis.log.heads`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Final

from axis.core.ports import Ledger, LostRace, Store

FACT: Final = "log_lease"
LENGTH: Final = timedelta(seconds=10)
"""How long the log stands at most when its process dies: much less than `limits.log_stale`, more than a slow disk."""


class LeaseLost(Exception):
    """Another process has the lease. Whoever hears this stops at once."""


@dataclass(frozen=True, slots=True)
class Held:
    """The lease as it stands in the store. `holder` is empty after an orderly end."""

    token: int
    holder: str
    beat: int

    def text(self) -> str:
        return json.dumps(asdict(self))


class LogLease:
    """One process's view of the lease. `holder` is its name, which no other process of the store has."""

    def __init__(self, store: Store, holder: str, monotonic: Callable[[], float], length: timedelta = LENGTH) -> None:
        self._store = store
        self._holder = holder
        self._monotonic = monotonic
        self._length = length.total_seconds()
        self._ours: Held | None = None
        self._seen: tuple[str | None, float] | None = None
        self._beaten = 0.0

    @property
    def token(self) -> int:
        assert self._ours is not None, "the lease is not held"
        return self._ours.token

    async def acquire(self) -> bool:
        """Take the lease if it is free: given back, ours from an earlier life, or unchanged for its length."""
        text = await self._store.transact(lambda ledger: ledger.fact(FACT))
        there = None if text is None else Held(**json.loads(text))
        now = self._monotonic()
        if self._seen is None or self._seen[0] != text:
            self._seen = (text, now)
        free = there is None or there.holder in ("", self._holder) or now - self._seen[1] >= self._length
        if not free:
            return False
        taken = Held(there.token + 1 if there else 1, self._holder, 0)
        try:
            await self._store.transact(lambda ledger: ledger.keep_fact(FACT, text, taken.text()))
        except LostRace:
            return False
        self._ours, self._beaten = taken, now
        return True

    def hold(self, ledger: Ledger) -> None:
        """See inside a transaction that the lease is ours, keep it so until it ends, and renew it. `LeaseLost`."""
        text = ledger.fact(FACT)
        there = None if text is None else Held(**json.loads(text))
        if self._ours is None or there is None or there.token != self._ours.token:
            raise LeaseLost(f"token {there.token if there else None} is in force")
        ledger.keep_fact(FACT, text, replace(there, beat=there.beat + 1).text())

    async def renew(self) -> None:
        """Renew the lease if it is time. `LeaseLost`."""
        now = self._monotonic()
        if now - self._beaten >= self._length / 4:
            await self._store.transact(self.hold)
            self._beaten = now

    async def pass_over(self, fence: int) -> None:
        """The store of heads has seen the token `fence`, greater than ours, and the lease is still ours: the database
        was put back, or moved. Give it back with that token, so that the next one who takes it is above it."""

        def body(ledger: Ledger) -> None:
            self.hold(ledger)
            ledger.keep_fact(FACT, ledger.fact(FACT), Held(max(fence, self.token), "", 0).text())

        with suppress(LeaseLost, LostRace):
            await self._store.transact(body)

    async def release(self) -> None:
        """Give it back, so that another process goes on at once."""
        if self._ours is None:
            return

        def body(ledger: Ledger) -> None:
            self.hold(ledger)
            text = ledger.fact(FACT)
            assert text is not None
            ledger.keep_fact(FACT, text, replace(Held(**json.loads(text)), holder="").text())

        try:
            with suppress(LeaseLost):
                await self._store.transact(body)
        finally:
            self._ours = None

    def forget(self) -> None:
        """It is lost: watch it like any other's."""
        self._ours, self._seen = None, None
