"""What is asked of a whole store fits in memory however many documents it holds."""

from __future__ import annotations

import tracemalloc
from collections import deque

import pytest

from axis.core.model import AddDocument
from axis.sql.engine import open_readonly
from axis.sql.soundness import inline_sizes, named_files, untrue_columns
from axis.sql.store import SqlStore
from axis.sql.tables import document as table
from tests.contract.asked import add
from tests.factories_core import document

pytestmark = pytest.mark.faults

COPIES = """WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {last})
INSERT INTO document ({columns}) SELECT {values} FROM document, n WHERE document.seq = 1"""


async def test_ten_times_the_documents_take_no_more_memory(store: SqlStore, url: str) -> None:
    await add(store, AddDocument(document()))
    columns = [one.name for one in table.c if one.name != "seq"]
    beside = '\'[{"sha256": "\' || n.i || \'", "size": 7}]\''
    told = {"ref": "document.ref || n.i", "document_id": "'d' || n.i", "document_key": "'d' || n.i", "form": "'parts'"}
    values = [{**told, "attachments": beside}.get(name, f"document.{name}") for name in columns]

    async def most(first: int, last: int) -> list[int]:
        sql = COPIES.format(first=first, last=last, columns=", ".join(columns), values=", ".join(values))
        await store.transact(lambda ledger: ledger.session.run(sql))  # type: ignore[attr-defined]
        taken = []
        with open_readonly(url) as questions:
            for ask in (named_files, inline_sizes, untrue_columns):
                tracemalloc.start()
                deque(ask(questions.session), maxlen=0)
                taken.append(tracemalloc.get_traced_memory()[1])
                tracemalloc.stop()
        return taken

    few, many = await most(1, 4_000), await most(4_001, 40_000)
    assert all(much < 2 * little + 200_000 for little, much in zip(few, many, strict=True)), (few, many)
