"""What is asked some rows at a time is all that one question would have told: what a page left out, a sweep would take
for something that nobody names.
"""

from __future__ import annotations

import pytest
from sqlalchemy import select

from axis.core.model import AddDocument
from axis.sql import leftovers
from axis.sql.engine import open_readonly
from axis.sql.paged import paged
from axis.sql.store import SqlStore
from axis.sql.tables import document as table
from tests.contract.asked import add
from tests.factories_core import document

MANY = 7


@pytest.mark.parametrize("some", [1, 2, 3, MANY, MANY + 1])
async def test_pages_have_every_row_once_by_number_and_by_text(some: int, store: SqlStore, url: str) -> None:
    documents = [document() for _ in range(MANY)]
    await add(store, *map(AddDocument, documents))
    with open_readonly(url) as questions:
        for by in (table.c.seq, table.c.ref):
            pages = [*paged(questions.session, select(by, table.c.ref), by, some)]
            assert [len(page) for page in pages[:-1]] == [some] * (len(pages) - 1)
            assert [ref for page in pages for _, ref in page] == sorted(one.ref for one in documents)


async def test_digests_that_documents_name_come_whole(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [document() for _ in range(MANY)]
    await add(store, *map(AddDocument, documents))
    monkeypatch.setattr(leftovers, "_PAGE", 2)
    asked = store.views._aside(lambda ask: [*leftovers._names(ask.session, ask.session.statements.contents.named)])
    assert await asked == [one.payload.sha256 for one in documents]
