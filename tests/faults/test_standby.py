"""A server that waits for a standby before it answers COMMIT: there is none, it comes back, somebody ends the wait."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.faults.broken import BY_FAULT, Broken
from tests.faults.field import Field, again, field_of
from tests.faults.test_database import asked, change
from tests.faults.test_server import is_ready, lines
from tests.mutations.edit import Mutation
from tests.postgres import Server, server
from tests.site import HOME_AFFAIRS, until

pytestmark = pytest.mark.faults

WAIT: Final = "pg_stat_activity WHERE wait_event = 'SyncRep'"
PATIENCE_S: Final = 3.0
ENDING_S: Final = 6.0


@contextmanager
def small_patience(folder: Path, broken: Mutation | None = None) -> Iterator[tuple[Field, Server]]:
    """A node on a server of its own, whose answers it waits for only so long; nothing is under way."""
    with server() as own, field_of(folder, {}, start=False, store=own.database(), mutation=broken) as field:
        field.site.patience = f"{PATIENCE_S:g}s"
        again(field)
        field.site.start()
        field.insist(field.package((HOME_AFFAIRS,)))
        field.drain()
        yield field, own


@contextmanager
def alone(own: Server) -> Iterator[None]:
    """Inside, the server waits for a standby that is not there."""
    change(own, "SET synchronous_standby_names = 'hanoi2'")
    until("it waits for it", lambda: asked(own.url("postgres"), "SHOW synchronous_standby_names") == "hanoi2")
    try:
        yield
    finally:
        change(own, "RESET synchronous_standby_names")


def waiting(own: Server) -> int:
    return int(asked(own.url("postgres"), f"SELECT count(*) FROM {WAIT}"))


def names_it(field: Field, own: Server) -> None:
    """Who waits is answered when patience ends, others at once; the log says what to do. Then all of it is there."""
    first, second = field.package(), field.package()
    with alone(own):
        began = time.monotonic()
        assert field.submit(first) is None
        assert time.monotonic() - began < PATIENCE_S + 7
        assert waiting(own) == 1, "the fault never fired"
        until("it is told in the log", lambda: b"synchronous_standby_names = hanoi2" in field.site.log.read_bytes(), 10)
        began = time.monotonic()
        assert field.submit(second) is None
        assert time.monotonic() - began < PATIENCE_S
        assert not is_ready(field)
        assert field.site.running
        assert not any(b"another process" in line for line in lines(field, "store_lost"))
    until("it says that it is ready", lambda: is_ready(field))
    for package in (first, second):
        field.insist(package)
    field.settled()


def test_a_server_whose_standby_is_away_is_named_and_what_it_kept_is_there_once(tmp_path: Path) -> None:
    """F121."""
    with small_patience(tmp_path) as (field, own):
        names_it(field, own)


def nobody_is_answered(field: Field, own: Server) -> None:
    """Somebody ends each wait: the server answers well, and no standby has what was committed."""
    package = field.package((HOME_AFFAIRS,))
    ended = 0
    with alone(own), ThreadPoolExecutor(1) as pool:
        deadline = time.monotonic() + ENDING_S
        while time.monotonic() < deadline:
            sent = pool.submit(field.submit, package)
            while not sent.done():
                ended += int(asked(own.url("postgres"), f"SELECT count(pg_cancel_backend(pid)) FROM {WAIT}"))
                time.sleep(0.02)
            assert sent.result() is None, "it was answered, and is on one machine"
        assert ended > 2, "the fault never fired"
    field.insist(package)
    field.settled()


def test_who_ends_the_wait_for_a_standby_makes_no_receipt(tmp_path: Path) -> None:
    """F121."""
    with small_patience(tmp_path) as (field, own):
        nobody_is_answered(field, own)


@pytest.mark.parametrize("broken", BY_FAULT["F121"], ids=lambda broken: broken.mutation.defence)
def test_without_its_defence_a_standby_that_is_away_shows(broken: Broken, tmp_path: Path) -> None:
    body = names_it if "named" in broken.mutation.defence else nobody_is_answered
    with (
        small_patience(tmp_path, broken.mutation) as (field, own),
        pytest.raises(AssertionError, match=broken.says),
    ):
        body(field, own)
