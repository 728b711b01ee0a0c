"""What a store that was opened again must have: the newest document, and the leaves that were signed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from axis.blobs import Blobs
from axis.core.model import AddDocument
from axis.core.ports import Ledger
from axis.flow.lost import missing
from axis.flow.sequence import PLAN
from axis.log.checkpoint import Checkpoint
from axis.log.heads import Head, HeadsDamaged
from axis.sql.engine import open_store
from axis.sql.store import SqlStore
from tests.factories_core import decision, document
from tests.stores import ready


def signed(size: int) -> Callable[[], Head]:
    return lambda: Head(Checkpoint("truc-thu", size, bytes(32)), "")


@asynccontextmanager
async def opened(tmp_path: Path) -> AsyncIterator[SqlStore]:
    url = f"sqlite:///{tmp_path}/axis.db"
    ready(url)
    store = open_store(url, Blobs(tmp_path / "blobs"))
    try:
        yield store
    finally:
        await store.close()


@pytest.mark.parametrize(
    ("places", "first", "planned", "head", "whole"),
    [
        (3, None, 0, 3, True),
        (3, None, 0, 4, False),  # a leaf that was signed is gone
        (3, 3, 2, 5, True),  # a round that was signed, and will be marked
        (3, 3, 2, 6, False),  # more was signed than that
        (3, 1, 2, 5, False),  # the plan of a round that was marked long ago
    ],
)
async def test_what_was_signed_must_be_there_but_for_the_round_in_hand(
    places: int, first: int | None, planned: int, head: int, whole: bool, tmp_path: Path
) -> None:
    async with opened(tmp_path) as store:
        await store.transact(lambda ledger: ledger.apply(decision(entries=places)))

        def mark(ledger: Ledger) -> None:
            ledger.indexed(0, [intent.id for intent in ledger.intents(places)])
            if first is not None:
                ledger.keep_fact(PLAN, None, json.dumps({"first": first, "ids": list(range(planned))}))

        await store.transact(mark)
        said = await store.transact(lambda ledger: missing(ledger, None, signed(head)))
        assert (said is None) is whole, said


async def test_the_document_of_the_newest_receipt_must_be_there(tmp_path: Path) -> None:
    kept, lost = document(), document()
    async with opened(tmp_path) as store:
        await store.transact(lambda ledger: ledger.apply(decision(AddDocument(kept))))
        assert await store.transact(lambda ledger: missing(ledger, kept.ref, lambda: None)) is None
        said = await store.transact(lambda ledger: missing(ledger, lost.ref, lambda: None))
        assert said is not None
        assert lost.ref in said


async def test_heads_that_cannot_be_read_vouch_for_nothing(tmp_path: Path) -> None:
    def damaged() -> None:
        raise HeadsDamaged("line 7")

    async with opened(tmp_path) as store:
        assert await store.transact(lambda ledger: missing(ledger, None, damaged)) == "line 7"
