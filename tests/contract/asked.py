"""What the suite asks of a store, in a line each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from axis.core.model import AddDelivery, Delivery, MoveDelivery
from axis.core.ports import Ledger
from axis.core.states import DELIVERY, DeliveryEvent, advance
from axis.sql.store import SqlStore
from tests.factories_core import NOW, decision, later
from tests.stores import ready

T = TypeVar("T")
LEASE = timedelta(seconds=60)
HERE = "so-noi-vu"


def empty_sqlite(tmp_path: Path) -> str:
    made = f"sqlite:///{tmp_path}/axis.db"
    ready(made)
    return made


async def add(store: SqlStore, *changes: Any) -> None:
    await store.transact(lambda ledger: ledger.apply(decision(*changes)))


async def ask(store: SqlStore, question: Callable[[Ledger], T]) -> T:
    return await store.transact(question)


async def claim(
    store: SqlStore, *, at: Any = NOW, limit: int = 10, endpoints: tuple[str, ...] = (HERE,)
) -> list[Delivery]:
    return list(await store.transact(lambda ledger: ledger.claim(endpoints, at, LEASE, limit)))


def move(was: Delivery, event: DeliveryEvent, **changes: Any) -> MoveDelivery:
    made = MoveDelivery(was.id, was.state, event, advance(DELIVERY, was.state, event), was.token, later(seconds=1))
    return replace(made, **changes)


async def add_all(store: SqlStore, *deliveries: Delivery) -> list[Delivery]:
    await add(store, *map(AddDelivery, deliveries))
    stored = [await store.views.delivery(one.id) for one in deliveries]
    return [one for one in stored if one is not None]
