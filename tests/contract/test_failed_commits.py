"""What is told and kept when a commit fails, or its process dies."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from axis.blobs import Blobs
from axis.core.model import AddDocument, Document
from axis.core.ports import Ledger
from axis.core.problems import Kind, Problem, Refused, Unavailable
from axis.sql.engine import open_store, sqlite_path
from axis.sql.store import SqlStore
from tests.contract.asked import HERE, add
from tests.contract.failing import CommitsAndSaysNo, FailsToCommit
from tests.factories_core import decision, document


@pytest.fixture
def failing(
    request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path
) -> Iterator[tuple[SqlStore, type[FailsToCommit]]]:
    connection: type[FailsToCommit] = type("Connection", (request.param,), {})
    opened = open_store(sqlite_url, Blobs(tmp_path / "blobs"), connection_class=connection)
    yield opened, connection
    asyncio.run(opened.close())


@pytest.mark.faults
@pytest.mark.parametrize("failing", [FailsToCommit, CommitsAndSaysNo], indirect=True)
async def test_a_failed_commit_is_unknown_and_a_repeat_settles_it(
    failing: tuple[SqlStore, type[FailsToCommit]],
) -> None:
    """The whole group hears `unknown`, also the body that raised. The store recovers once; the repeat stores once."""
    store, connection = failing
    before, kept, gate = document(), [document() for _ in range(3)], threading.Event()
    await add(store, AddDocument(before))

    def accept(one: Document) -> Callable[[Ledger], str]:
        def body(ledger: Ledger) -> str:
            assert gate.wait(10)
            if not ledger.same_document(one.sender, one.kind, one.document_id):
                ledger.apply(decision(AddDocument(one)))
            return one.ref

        return body

    def refuse(ledger: Ledger) -> None:
        raise Refused(Problem(Kind.DUPLICATE_CONFLICT))

    connection.failures = 1
    tasks = [asyncio.ensure_future(store.transact(body)) for body in (*map(accept, kept), refuse)]
    await asyncio.sleep(0)
    gate.set()
    told = await asyncio.gather(*tasks, return_exceptions=True)
    assert connection.fired == 1
    lost = [one for one in told if isinstance(one, Unavailable) and one.problem.extra == {"outcome": "unknown"}]
    assert lost, "the first group's commit failed"
    for body in map(accept, kept):
        await store.transact(body)
    assert not store.poisoned
    assert await store.views.recent(10) == [*kept[::-1], before]
    assert (await store.views.backlog())[0] == 4


@pytest.mark.faults
@pytest.mark.parametrize("failing", [FailsToCommit], indirect=True)
@pytest.mark.parametrize("at_once", [True, False])
async def test_a_second_failed_commit_ends_the_store(
    failing: tuple[SqlStore, type[FailsToCommit]], sqlite_url: str, tmp_path: Path, at_once: bool
) -> None:
    """Whether it comes while the store recovers from the first, or long after."""
    store, connection = failing
    one = document()
    connection.failures = 2 if at_once else 1
    with pytest.raises(Unavailable) as told:
        await add(store, AddDocument(one))
    assert told.value.problem.extra == {"outcome": "unknown"}
    if not at_once:
        await add(store, AddDocument(document()))
        connection.failures = 1
        with pytest.raises(Unavailable) as told:
            await add(store, AddDocument(one))
        assert told.value.problem.extra == {"outcome": "unknown"}
    with pytest.raises(Unavailable) as told:
        await add(store, AddDocument(one))
    assert told.value.problem.extra == {"outcome": "not-stored"}
    assert connection.fired == 2
    assert store.poisoned
    await store.close()
    again = open_store(sqlite_url, Blobs(tmp_path / "blobs"))
    await add(again, AddDocument(one))
    await again.close()


@pytest.mark.faults
async def test_when_the_database_gives_up_a_transaction_its_whole_group_hears_of_it(
    sqlite_url: str, tmp_path: Path
) -> None:
    """A trigger makes SQLite roll back everything: no body that had returned may be told that it is kept."""
    store = open_store(sqlite_url, Blobs(tmp_path / "blobs"))  # before: it does not start on a trigger
    connection = sqlite3.connect(sqlite_path(sqlite_url))
    connection.execute(
        "CREATE TRIGGER abort BEFORE INSERT ON document WHEN NEW.subject = 'abort' "
        "BEGIN SELECT RAISE(ROLLBACK, 'given up'); END"
    )
    connection.close()
    gate, before, bad, after = threading.Event(), document(), document(subject="abort"), document()
    holding = asyncio.ensure_future(store.transact(lambda ledger: gate.wait(10)))
    await asyncio.sleep(0)
    tasks = [asyncio.ensure_future(add(store, AddDocument(one))) for one in (before, bad, after)]
    await asyncio.sleep(0)
    gate.set()
    told = await asyncio.gather(holding, *tasks, return_exceptions=True)
    assert [isinstance(one, Unavailable) for one in told[1:]] == [True, True, True]
    assert await store.views.recent(10) == []
    assert not store.poisoned
    await add(store, AddDocument(before))
    await store.close()


CHILD = """
import asyncio, os, sys
from pathlib import Path
from axis.blobs import Blobs
from axis.core.model import AddDelivery, AddDocument
from axis.sql.engine import open_store
from tests import factories_core as make

async def main(url, number):
    store = open_store(url, Blobs(Path("blobs")))
    async def send(worker):
        for n in range(100_000):
            one = make.document(ref=f"{number}-{worker}-{n}", document_id=f"{number}-{worker}-{n}")
            sent = make.delivery(one, id=f"d-{one.ref}")
            await store.transact(lambda ledger: ledger.apply(make.decision(AddDocument(one), AddDelivery(sent))))
            print(one.ref, flush=True)
    await asyncio.gather(*(send(worker) for worker in range(8)))

for number in range(int(sys.argv[2])):
    pid = os.fork()  # imported once; nothing runs in this process but this loop
    if not pid:
        print("pid", os.getpid(), flush=True)
        asyncio.run(main(sys.argv[1], number))
    assert os.waitpid(pid, 0)[1] == 9
"""


@pytest.mark.faults
def test_what_was_acknowledged_survives_sigkill(sqlite_url: str, tmp_path: Path) -> None:
    """Five rounds on one store; nothing is there by half."""
    acknowledged: set[str] = set()
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, sqlite_url, "5"], stdout=subprocess.PIPE, text=True, cwd=root
    ) as child:
        assert child.stdout is not None
        pid, rounds, heard = 0, 0, 0
        for line in child.stdout:
            if line.startswith("pid"):
                pid, rounds, heard = int(line.split()[1]), rounds + 1, 0
                continue
            acknowledged.add(line.strip())
            heard += 1
            if heard == 20 + 30 * rounds:
                os.kill(pid, signal.SIGKILL)
    assert child.returncode == 0
    assert rounds == 5
    assert len(acknowledged) >= 550

    async def check() -> None:
        store = open_store(sqlite_url, Blobs(tmp_path / "blobs"))
        stored = await store.views.recent(1_000_000)
        assert acknowledged <= {one.ref for one in stored}
        assert (await store.views.counts()).deliveries == {HERE: {"queued": len(stored)}}
        assert (await store.views.backlog())[0] == len(stored)
        await store.close()

    asyncio.run(check())
