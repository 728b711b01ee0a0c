"""What is asked of a whole store fits in memory however many documents it holds."""

from __future__ import annotations

import time
import tracemalloc
from collections import deque
from collections.abc import Callable, Iterator

import pytest

from axis.care.compared import compared
from axis.care.findings import Collector
from axis.care.octets import check_files, check_rows, check_strangers
from axis.core.model import AddDocument, PayloadRef
from axis.holding import Sort, StoredFile
from axis.sql.driver import Session
from axis.sql.engine import open_readonly
from axis.sql.soundness import inline_sizes, named_files, untrue_columns
from axis.sql.store import SqlStore
from axis.sql.tables import document as table
from axis.sql.tables import evidence
from tests.contract.asked import add
from tests.factories_core import document

pytestmark = pytest.mark.faults

COPIES = """WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {last})
INSERT INTO document ({columns}) SELECT {values} FROM document, n WHERE document.seq = 1"""
EVIDENCE = """WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {last})
INSERT INTO evidence ({columns}) SELECT {values} FROM n"""
SEEN = {"sha256": "'e' || n.i", "kind": "'crl'", "size": "3", "octets": "{octets}"}


class Lying:
    """A holding that has every file that is named, and as many that nobody names: said one by one."""

    name = "lying"

    def __init__(self, last: int) -> None:
        self._last = last

    def stored(self) -> Iterator[StoredFile]:
        for number in range(1, self._last + 1):
            yield StoredFile(Sort.NAMED, f"aa/{number}", 7, time.time())
            yield StoredFile(Sort.NAMED, f"aa/x{number}", 7, time.time())

    def pieces(self, ref: PayloadRef) -> Iterator[bytes]:
        raise FileNotFoundError

    has = file = digest_of = take = collect = claim = pieces


def held_against_files(session: Session, last: int) -> None:
    holding, found = Lying(last), Collector()
    with compared() as aside:
        check_files(session, holding, False, lambda *told: None, found, aside)  # type: ignore[arg-type]
        check_strangers(holding, aside, time.time(), False, found)  # type: ignore[arg-type]
    assert set(found.counts) <= {"payload-missing"}, found.counts


def held_against_rows(session: Session, last: int) -> None:
    check_rows(session, False, lambda *told: None, Collector())


async def test_ten_times_the_documents_take_no_more_memory(store: SqlStore, url: str) -> None:
    await add(store, AddDocument(document()))
    columns = [one.name for one in table.c if one.name != "seq"]
    beside = '\'[{"sha256": "\' || n.i || \'", "size": 7}]\''
    told = {"ref": "document.ref || n.i", "document_id": "'d' || n.i", "document_key": "'d' || n.i", "form": "'parts'"}
    values = [{**told, "attachments": beside}.get(name, f"document.{name}") for name in columns]
    octets = "x'616263'" if url.startswith("sqlite") else "'abc'::bytea"
    seen = {name: said.format(octets=octets) for name, said in SEEN.items()}
    assert set(seen) <= {one.name for one in evidence.c}

    async def most(first: int, last: int) -> list[int]:
        copies = COPIES.format(first=first, last=last, columns=", ".join(columns), values=", ".join(values))
        certificates = EVIDENCE.format(first=first, last=last, columns=", ".join(seen), values=", ".join(seen.values()))
        for sql in (copies, certificates):
            await store.transact(lambda ledger, sql=sql: ledger.session.run(sql))  # type: ignore[misc]
        taken = []
        with open_readonly(url) as questions:
            for ask in ASKED:
                tracemalloc.start()
                ask(questions.session, last)
                taken.append(tracemalloc.get_traced_memory()[1])
                tracemalloc.stop()
        return taken

    few, many = await most(1, 2_000), await most(2_001, 20_000)
    assert all(much < 2 * little + 200_000 for little, much in zip(few, many, strict=True)), (few, many)


def _emptied(ask: Callable[[Session], Iterator[object]]) -> Callable[[Session, int], object]:
    return lambda session, last: deque(ask(session), maxlen=0)


ASKED = (*map(_emptied, (named_files, inline_sizes, untrue_columns)), held_against_files, held_against_rows)
