"""One process of a node cannot reach the database any more, the other can: the line between them is cut, at a moment of
a transaction. Nobody is told: at both ends TCP goes on believing in the other one."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import psycopg
import pytest

from axis.sql.address import connect
from tests.faults.field import Field, field_of
from tests.faults.line import Line, Moment, When
from tests.faults.test_database import asked
from tests.faults.test_wire import seed
from tests.faults.wire import FAR, NEAR, Wire, on_a_wire
from tests.history.package import Package
from tests.mutations.edit import Edit, Mutation
from tests.postgres import Server, server
from tests.site import HOME_AFFAIRS, until

pytestmark = pytest.mark.faults

PATIENCE_S = 3.0
HURRIED = Mutation(
    "",
    (
        Edit("axis/sql/address.py", "SILENT_S: Final = 10\n", "SILENT_S: Final = 4\n"),
        Edit("axis/flow/lease.py", "LENGTH: Final = timedelta(seconds=10)", "LENGTH: Final = timedelta(seconds=4)"),
    ),
)
"""Leases of deliveries are three seconds long in the field, that on the log is here four, and so long may a transaction
be silent."""
TAKEN_OVER_S = 20.0
"""All of these, a look for who is silent, and the work itself, on a busy machine."""
TOLD_S = PATIENCE_S + 12
"""An answer that does not come, readers that wait as long, a look for the server."""

STORES = b"INSERT INTO document "
MOMENTS = {
    "an attempt is settled": Moment(b"UPDATE delivery SET due_at=coalesce", When.SENT),
    "the lease on the log is held": Moment(b"UPDATE meta SET value=", When.SENT),
    "a document is to be committed": Moment(STORES, When.COMMIT),
    "a document is committed": Moment(STORES, When.ANSWER),
}


@dataclass
class Pair:
    """Two processes of one node. `cut` has the log, and a delivery under way, of `first`."""

    whole: Field
    cut: Field
    line: Line
    first: Package


@contextmanager
def pair(postgres: Server, template: str, folder: Path) -> Iterator[Pair]:
    url = postgres.database(template)
    with (
        Line(postgres.folder / ".s.PGSQL.5432") as line,
        field_of(folder, {}, start=False, store=url, mutation=HURRIED) as whole,
    ):
        whole.site.patience = f"{PATIENCE_S:g}s"
        cut = whole.beside("n1", line.url(asked(url, "SELECT current_database()")))
        try:
            cut.site.start()
            whole.listener.go.clear()
            whole.site.start()
            assert whole.site.process is not None
            os.kill(whole.site.process.pid, signal.SIGSTOP)
            first = whole.package()
            cut.insist(first)
            until("it is on its way", lambda: whole.listener.got)
            os.kill(whole.site.process.pid, signal.SIGCONT)
            yield Pair(whole, cut, line, first)
        finally:
            whole.listener.go.set()
            line.mend()
            cut.end()


def is_ready(field: Field) -> bool:
    try:
        return bool(urlopen(f"{field.site.pages}/readyz", timeout=10).status == 200)
    except HTTPError:
        return False


def offered(field: Field, package: Package) -> tuple[int, float]:
    """What the sender is told, and after how many seconds."""
    began = time.monotonic()
    return field.site.send(package.octets, package.sender).status, time.monotonic() - began


def goes_on_without_it(two: Pair, moment: Moment) -> None:
    """The line is cut at `moment`, and whole again when everything has been taken over and told."""
    whole, cut, line = two.whole, two.cut, two.line
    second, third = whole.package(), whole.package()
    with ThreadPoolExecutor(2) as pool:
        line.cut(moment)
        whole.listener.go.set()
        asks = pool.submit(cut.submit, second)
        until("the line is cut", lambda: line.is_cut)
        cut_since = time.monotonic()
        late = pool.submit(offered, cut, third)
        until("it says that it is not ready", lambda: not is_ready(cut), TOLD_S)
        until("it is told in the log", lambda: cut.site.said("store_lost"), TOLD_S)
        whole.insist(second)
        left = TAKEN_OVER_S - (time.monotonic() - cut_since)
        until("others deliver and log what it had", whole.at_rest, left)
        status, after_s = late.result()
        assert status == 503, f"while it was cut off it answered {status}"
        assert after_s < TOLD_S
        asks.result()
    assert whole.site.said("log_lease_taken"), "nobody took the log over"
    assert cut.site.running
    assert line.is_cut and line.held > 0, "the fault never fired"
    line.mend()
    until("it is told in the log", lambda: cut.site.said("store_back"), TOLD_S)
    until("it says that it is ready", lambda: is_ready(cut), TOLD_S)
    for package in (two.first, second, third, whole.package((HOME_AFFAIRS,))):
        cut.insist(package)
    whole.settled()
    pushes = Counter(got.headers["axis-delivery"] for got in whole.listener.got)
    assert len(pushes) == 3, "a document was delivered under two ids"
    assert max(pushes.values()) <= 2


@pytest.mark.parametrize("when", MOMENTS)
def test_what_a_process_has_that_is_cut_off_is_taken_over_and_it_says_so(
    when: str, postgres: Server, template: str, tmp_path: Path
) -> None:
    """F38."""
    with pair(postgres, template, tmp_path) as two:
        goes_on_without_it(two, MOMENTS[when])


# --- a machine that is no more --------------------------------------------------------------------------------------

AT_IT = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'away' AND wait_event = 'PgSleep'"


def test_what_a_machine_had_that_is_no_more_is_free_within_half_a_minute() -> None:
    """F38. No packet gets through any more, and the server has an answer on its way. Its session has what is held for
    the life of one: so a process holds its name."""

    def body(wire: Wire) -> None:
        with server(f"listen_addresses={NEAR}") as own:
            with (own.folder / "data" / "pg_hba.conf").open("a") as rules:
                rules.write(f"host all all {FAR}/32 trust\n")
            own.run("SELECT pg_reload_conf()")
            away = f"postgresql+psycopg://axis@{FAR}/postgres?sslmode=disable&gssencmode=disable"
            with connect(away, "away") as gone, connect(own.url("postgres"), "near") as here:
                gone.execute("SELECT pg_advisory_lock(1)")
                with ThreadPoolExecutor(1) as pool:
                    asks = pool.submit(gone.execute, "SELECT pg_sleep(1)")
                    until("it is at it", lambda: told(here, AT_IT))
                    wire.down = True
                    until("its lock is free", lambda: told(here, "SELECT pg_try_advisory_lock(1)"), 40)
                    assert isinstance(asks.exception(), psycopg.OperationalError)
                assert wire.lost > 0, "the fault never fired"

    on_a_wire(body, seed())


def told(connection: psycopg.Connection[Any], sql: str) -> Any:
    (found,) = connection.execute(sql).fetchone() or (None,)  # type: ignore[call-overload]
    return found
