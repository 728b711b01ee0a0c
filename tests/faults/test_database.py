"""What PostgreSQL can do to a node that is well: deadlocks, time-outs, settings that somebody changes meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import psycopg
import pytest

from axis.sql import migrate
from axis.sql.address import connect
from axis.sql.tables import Base
from tests.faults.broken import BY_FAULT, Broken
from tests.faults.field import Field, field_of
from tests.history.package import Package
from tests.mutations.edit import Edit, Mutation, off
from tests.postgres import Server, server
from tests.site import HOME_AFFAIRS, OFFICE, last_lines, problem, until

pytestmark = pytest.mark.faults

FIRST, SECOND = 7_000_001, 7_000_002
"""Keys of advisory locks: a row of a document takes the first and rests, one of a delivery takes the second."""
CROSSING = f"""
    CREATE FUNCTION first() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_advisory_xact_lock({FIRST}); PERFORM pg_sleep(0.3); RETURN NEW; END $$;
    CREATE FUNCTION second() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_advisory_xact_lock({SECOND}); RETURN NEW; END $$;
    CREATE TRIGGER first BEFORE INSERT ON document FOR EACH ROW EXECUTE FUNCTION first();
"""
AT = {
    "a row": "CREATE TRIGGER second BEFORE INSERT ON delivery FOR EACH ROW EXECUTE FUNCTION second()",
    "COMMIT": "CREATE CONSTRAINT TRIGGER second AFTER INSERT ON delivery DEFERRABLE INITIALLY DEFERRED"
    " FOR EACH ROW EXECUTE FUNCTION second()",
}


def asked(url: str, sql: str) -> Any:
    with connect(url, "test") as beside:
        (found,) = beside.execute(sql).fetchone() or (None,)  # type: ignore[call-overload]
        return found


def deadlocks(url: str) -> int:
    return int(asked(url, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))


def stored(field: Field, document_id: str) -> int:
    return len(field.site.rows("SELECT ref FROM document WHERE document_id = ?", document_id))


@contextmanager
def rival(url: str, times: int) -> Iterator[None]:
    """A second connection that takes the locks in the other order, so often; the server ends the node's side of it."""
    over = threading.Event()

    def cross(beside: psycopg.Connection[Any]) -> None:
        has_first = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND granted"
        with beside.transaction():
            beside.execute("SELECT pg_advisory_xact_lock(%s)", (SECOND,))
            while not over.is_set():
                (held,) = beside.execute(has_first, (FIRST,)).fetchone() or (0,)
                if held:
                    beside.execute("SELECT pg_advisory_xact_lock(%s)", (FIRST,))
                    return
                time.sleep(0.005)

    def run() -> None:
        with connect(url, "rival", deadlock_timeout="1min", lock_timeout="0") as beside:
            for _ in range(times):
                cross(beside)

    thread = threading.Thread(target=run)
    thread.start()
    held = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {SECOND} AND granted"
    try:
        until("the rival has its lock", lambda: asked(url, held))
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def crossed(postgres: Server, template: str, folder: Path, at: str, broken: Mutation | None = None) -> Iterator[Field]:
    """A node on a database where its rows take two locks, one after the other."""
    url = postgres.database(template)
    name = asked(url, "SELECT current_database()")
    postgres.run(f"ALTER DATABASE {name} SET deadlock_timeout = '10ms'")  # before the node's own lock_timeout
    with field_of(folder, {}, store=url, mutation=broken) as field:
        field.insist(field.package((HOME_AFFAIRS,)))
        postgres.run(CROSSING + AT[at], name)
        yield field


@pytest.mark.parametrize("at", AT)
def test_a_deadlock_is_repeated_as_a_whole_and_the_sender_hears_nothing_of_it(
    at: str, postgres: Server, template: str, tmp_path: Path
) -> None:
    """F31. Twice in a row: the second time the unit is alone in its group."""
    with crossed(postgres, template, tmp_path, at) as field:
        before = deadlocks(field.site.store)
        package = field.package()
        with rival(field.site.store, 2):
            assert field.submit(package), "the sender hears of it"
        until("the server tells of both deadlocks", lambda: deadlocks(field.site.store) - before == 2)
        assert stored(field, package.document_id) == 1
        field.submit(package)
        field.settled()


def test_deadlocks_without_end_are_not_repeated_without_end(postgres: Server, template: str, tmp_path: Path) -> None:
    """F31. The sender is told to come back; nothing is stored; then it is taken, once."""
    with crossed(postgres, template, tmp_path, "a row") as field:
        before = deadlocks(field.site.store)
        package = field.package()
        began = time.monotonic()
        with rival(field.site.store, 1_000):
            reply = field.site.send(package.octets, package.sender)
        assert (reply.status, problem(reply.body)) == (503, "store-unavailable")
        assert int(reply.headers["retry-after"]) > 0
        assert time.monotonic() - began < 20
        assert deadlocks(field.site.store) - before > 2
        assert stored(field, package.document_id) == 0
        field.insist(package)
        assert stored(field, package.document_id) == 1
        field.settled()


@pytest.mark.parametrize("broken", BY_FAULT["F31"], ids=lambda broken: broken.mutation.defence)
def test_without_the_repeat_the_sender_hears_of_a_deadlock(
    broken: Broken, postgres: Server, template: str, tmp_path: Path
) -> None:
    at = "COMMIT" if "COMMIT" in broken.mutation.defence else "a row"
    with crossed(postgres, template, tmp_path, at, broken.mutation) as field:
        package = field.package()
        with rival(field.site.store, 2), pytest.raises(AssertionError, match=broken.says):
            assert field.submit(package), "the sender hears of it"
        assert last_lines(field.site.log)


# --- time-outs ----------------------------------------------------------------------------------------------------

LOWERED = off("", "axis/sql/address.py", ("{patience * 750:.0f}ms", "700ms"))
"""No statement of ours takes thirty seconds, and no test should."""
SLOW = """
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(3); RETURN NEW; END $$;
    CREATE TRIGGER slow BEFORE INSERT ON document FOR EACH ROW
        WHEN (NEW.document_id LIKE '%/CHAM') EXECUTE FUNCTION slow();
"""


def left_open(url: str) -> int:
    """Transactions of the node in which nothing has been done for longer than any of its own takes."""
    idle = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'axis %'"
        " AND state LIKE 'idle in transaction%' AND state_change < now() - interval '1 s'"
    )
    return int(asked(url, idle))


def refused(field: Field, package: Package) -> float:
    """The node answers 503 and says when to come again; nothing is stored. After how many seconds."""
    began = time.monotonic()
    reply = field.site.send(package.octets, package.sender)
    assert (reply.status, problem(reply.body)) == (503, "store-unavailable"), f"it was answered with {reply.status}"
    assert int(reply.headers["retry-after"]) > 0
    assert stored(field, package.document_id) == 0
    return time.monotonic() - began


def too_slow(postgres: Server, field: Field) -> None:
    """One document takes longer than a statement may, others at the same time do not."""
    name = asked(field.site.store, "SELECT current_database()")
    postgres.run(SLOW, name)
    slow = field.package(document_id="000.00.01.H99,2026/11/23,1/CHAM")
    others = [field.package((HOME_AFFAIRS,)) for _ in range(3)]
    with ThreadPoolExecutor(4) as pool:
        told = pool.submit(refused, field, slow)
        assert all(pool.map(field.insist, others))
        told.result()
    assert b"statement timeout" in field.site.log.read_bytes(), "the fault never fired"
    time.sleep(1.5)
    assert left_open(field.site.store) == 0
    postgres.run("DROP TRIGGER slow ON document", name)
    field.insist(slow)
    field.settled()


def in_the_way(field: Field) -> None:
    """Somebody else holds what every new document needs: longer than one waits for a lock, and than one asks again."""
    package = field.package()
    with connect(field.site.store, "test", idle_in_transaction_session_timeout="0") as other, other.transaction():
        other.execute("LOCK TABLE document IN SHARE MODE")
        assert refused(field, package) < 20
        assert left_open(field.site.store) == 0
    assert b"lock timeout" in field.site.log.read_bytes(), "the fault never fired"
    field.insist(package)
    field.settled()


def test_a_statement_that_takes_too_long_is_given_up_and_the_node_goes_on(
    postgres: Server, template: str, tmp_path: Path
) -> None:
    """F32."""
    with field_of(tmp_path, {}, store=postgres.database(template), mutation=LOWERED) as field:
        too_slow(postgres, field)


def test_a_lock_that_is_not_given_up_is_waited_for_so_long_and_the_node_goes_on(
    postgres: Server, template: str, tmp_path: Path
) -> None:
    """F32."""
    with field_of(tmp_path, {}, store=postgres.database(template)) as field:
        in_the_way(field)


def test_without_a_time_out_a_slow_statement_goes_on(postgres: Server, template: str, tmp_path: Path) -> None:
    (broken,) = BY_FAULT["F32"]
    with (
        field_of(tmp_path, {}, store=postgres.database(template), mutation=broken.mutation) as field,
        pytest.raises(AssertionError, match=broken.says),
    ):
        too_slow(postgres, field)


# --- settings that change while the node runs ---------------------------------------------------------------------

HURRIED = Edit("axis/sql/group.py", "LOOK_S: Final = 60.0", "LOOK_S: Final = 0.2")


@contextmanager
def watched(folder: Path, broken: Mutation | None = None) -> Iterator[tuple[Field, Server]]:
    """A node that looks five times a second, on a server of its own, whose settings are nobody else's."""
    hurried = Mutation("", (HURRIED, *(broken.edits if broken else ())))
    with server() as own:
        url = own.database()
        migrate.upgrade(url)
        with field_of(folder, {}, store=url, mutation=hurried) as field:
            field.insist(field.package((HOME_AFFAIRS,)))
            yield field, own


def change(own: Server, sql: str) -> None:
    own.run(f"ALTER SYSTEM {sql}")
    own.run("SELECT pg_reload_conf()")


def stops_taking(field: Field, own: Server, setting: str) -> None:
    """While the server does not keep what it commits nothing is taken; then all of it goes on, without a restart."""
    change(own, f"SET {setting} = off")
    until("the server has heard of it", lambda: asked(own.url("postgres"), f"SHOW {setting}") == "off")
    try:
        until("it is told in the log", lambda: field.site.said("store_lost"), 10)
        assert f"PostgreSQL says {setting} = off".encode() in field.site.log.read_bytes()
        package = field.package()
        refused(field, package)
        assert urlopen(f"{field.site.pages}/healthz").status == 200
        with pytest.raises(HTTPError, match="503"):
            urlopen(f"{field.site.pages}/readyz")
        assert field.site.running
    finally:
        change(own, f"RESET {setting}")
    until("it is told in the log", lambda: field.site.said("store_back"))
    field.insist(package)
    field.settled()


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes", "synchronous_commit"])
def test_a_server_that_keeps_nothing_any_more_is_given_nothing(setting: str, tmp_path: Path) -> None:
    """F33. Somebody switches it off and has the server read its settings again."""
    with watched(tmp_path) as (field, own):
        stops_taking(field, own, setting)


def test_without_a_second_look_the_node_goes_on_promising(tmp_path: Path) -> None:
    (broken,) = BY_FAULT["F33"]
    with (
        watched(tmp_path, broken.mutation) as (field, own),
        pytest.raises(AssertionError, match=broken.says),
    ):
        stops_taking(field, own, "fsync")


# --- what is put back under it ------------------------------------------------------------------------------------


def test_tables_that_are_put_back_under_a_running_node_end_it(postgres: Server, template: str, tmp_path: Path) -> None:
    """F97. No connection is lost: an administrator restores an older dump into the database that is in use. The next
    round of the log sees that the store knows less than was signed; nobody starts on it."""
    url = postgres.database(template)
    names = [table.name for table in Base.metadata.sorted_tables]
    with field_of(tmp_path, {}, store=url) as field, connect(url, "owner", lock_timeout="5s") as owner:
        field.insist(field.package((HOME_AFFAIRS,)))
        field.quiet()
        owner.execute("CREATE SCHEMA older")
        for name in names:
            owner.execute(f"CREATE TABLE older.{name} AS TABLE public.{name}")  # type: ignore[call-overload]
        lost = field.package((HOME_AFFAIRS,))
        field.insist(lost)
        field.quiet()
        with owner.transaction():
            owner.execute(f"TRUNCATE {', '.join(f'public.{name}' for name in names)}")  # type: ignore[call-overload]
            for name in names:
                owner.execute(f"INSERT INTO public.{name} SELECT * FROM older.{name}")  # type: ignore[call-overload]
        assert stored(field, lost.document_id) == 0, "the fault would be none"
        with suppress(OSError, HTTPException):
            field.site.send(field.package((HOME_AFFAIRS,)).octets, OFFICE)
        field.dies(1)
        assert b"store-differs" in field.site.log.read_bytes()
        with pytest.raises(AssertionError, match="the node ended"):
            field.site.start()
        assert b"store-behind" in field.site.log.read_bytes()
