"""Which servers of PostgreSQL are used, how they are addressed, and that what is done often has an index there."""

from __future__ import annotations

import asyncio
import re
import select
import socket
import socketserver
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from urllib.parse import quote

import pytest

from axis.blobs import Blobs
from axis.sql import migrate
from axis.sql.address import connect, connection_facts
from axis.sql.driver import StoreError
from axis.sql.engine import open_store
from axis.sql.pipeline import statements as postgres_statements
from axis.sql.postgres import look, refuse_other_time
from tests.postgres import Server, server
from tests.tools import lacking


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("fsync=off", "fsync = off"),
        ("full_page_writes=off", "full_page_writes = off"),
        ("synchronous_commit=off", "synchronous_commit = off"),
        ("synchronous_commit=local", "synchronous_commit = local"),
        ("zero_damaged_pages=on", "zero_damaged_pages = on"),
        ("ignore_checksum_failure=on", "ignore_checksum_failure = on"),
        ("session_replication_role=replica", "session_replication_role = replica"),
    ],
)
def test_a_server_that_is_not_durable_is_refused(postgres: Server, tmp_path: Path, setting: str, says: str) -> None:
    url = postgres.database()
    name, _, value = setting.partition("=")
    if name not in ("fsync", "full_page_writes"):
        database = url.partition("@/")[2].partition("?")[0]
        postgres.run(f"ALTER DATABASE {database} SET {name} = {value}")
        with pytest.raises(StoreError, match=says):
            migrate.upgrade(url)
        return
    with server(setting) as unsafe, pytest.raises(StoreError, match=says):
        migrate.upgrade(unsafe.database())


def test_a_database_that_writes_otherwise_is_refused(postgres: Server) -> None:
    postgres.run("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1'")
    with pytest.raises(StoreError, match="server_encoding = LATIN1"):
        migrate.upgrade(postgres.url("latin"))


def test_a_database_that_sorts_as_people_do_is_refused(postgres: Server) -> None:
    """Every server can do it for one database where the system has a language; the build of the wheel has no ICU."""
    known = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=True).stdout.split()
    language = next((name for name in known if "_" in name and "utf" in name.lower()), None)
    if language is None:
        lacking("needs a language of the system: apt-get install locales && localedef -i vi_VN -f UTF-8 vi_VN.UTF-8")
    postgres.run(f"CREATE DATABASE people TEMPLATE template0 LC_COLLATE '{language}' LC_CTYPE '{language}'")
    with pytest.raises(StoreError, match="sorts as people do"):
        migrate.upgrade(postgres.url("people"))


def test_a_database_that_is_read_only_is_refused(postgres: Server) -> None:
    url = postgres.database()
    database = url.partition("@/")[2].partition("?")[0]
    postgres.run(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    with pytest.raises(StoreError, match="default_transaction_read_only"):
        migrate.upgrade(url)


@pytest.mark.parametrize("setting", ["idle_session_timeout", "transaction_timeout"])
def test_a_connection_is_not_ended_by_what_the_database_sets_for_others(postgres: Server, setting: str) -> None:
    """One that writes rests for a minute, one that listens for as long as nothing comes; a copy takes hours."""
    url = postgres.database()
    database = url.partition("@/")[2].partition("?")[0]
    postgres.run(f"ALTER DATABASE {database} SET {setting} = '50ms'")
    with connect(url, "test") as connection:
        time.sleep(0.3)
        assert connection.execute("SELECT 1 FROM pg_sleep(0.2)").fetchone() == (1,)


@pytest.mark.parametrize("apart", [-600.0, 600.0])
def test_a_machine_whose_clock_is_not_the_servers_is_refused(postgres_store: str, apart: float) -> None:
    with connect(postgres_store, "test") as connection:
        refuse_other_time(connection, time.time)
        with pytest.raises(StoreError, match="600 s apart"):
            refuse_other_time(connection, lambda: time.time() + apart)


@pytest.mark.parametrize("apart", [-600.0, 600.0])
def test_whoever_looks_at_the_store_hears_of_clocks_that_are_apart(postgres_store: str, apart: float) -> None:
    """A daemon would not start; `axis doctor` says so before."""
    assert look(postgres_store).processes == ()
    with pytest.raises(StoreError, match="600 s apart"):
        look(postgres_store, lambda: time.time() + apart)


@pytest.fixture
def role(postgres: Server) -> Iterator[str]:
    """A role that may do everything: what is set for it is set for nobody else's tests."""
    postgres.run("CREATE ROLE watched SUPERUSER LOGIN")
    try:
        yield "watched"
    finally:
        postgres.run("DROP ROLE watched")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"log_statement": "all"}, "log_statement = all"),
        ({"log_min_duration_statement": "1000"}, "log_min_duration_statement = 1000"),
        ({"log_statement": "mod", "log_parameter_max_length": "0"}, ""),
        ({"track_activities": "off"}, "track_activities = off"),
        ({}, ""),
    ],
    ids=["all", "slow-ones", "without-values", "silent", "usual"],
)
def test_a_server_that_writes_down_what_is_stored_is_told_of(
    postgres: Server, postgres_store: str, role: str, settings: dict[str, str], told: str, tmp_path: Path
) -> None:
    """F114. By whoever looks, and by a running node at its start and each minute; nothing of it stops a node."""
    for name, value in settings.items():
        postgres.run(f"ALTER ROLE {role} SET {name} = '{value}'")
    url = postgres_store.replace("//axis@", f"//{role}@")
    store = open_store(url, Blobs(tmp_path))
    try:
        for concerns in (look(url).concerns, store.concerns):
            assert [told in one for one in concerns] == [True] * bool(told)
    finally:
        asyncio.run(store.close())


# --- a pooler in between ------------------------------------------------------------------------------------------

_KEY = struct.Struct("!cIII")
"""BackendKeyData: its letter, its length, the number of the server's process, a secret."""


class Pooler(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Hands questions on, and gives each caller a number of its own, as a pooler does that changes the server's process
    beneath it. One that `knows` no options refuses them."""

    daemon_threads = True

    def __init__(self, path: Path, beyond: Path, knows: bool) -> None:
        super().__init__(str(path), Relay)
        self.beyond, self.knows = str(beyond), knows


class Relay(socketserver.BaseRequestHandler):
    server: Pooler

    def handle(self) -> None:
        hello = self.request.recv(8192)
        if not self.server.knows and b"options\0" in hello:
            told = b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0"
            self.request.sendall(b"E" + struct.pack("!I", len(told) + 4) + told)
            return
        with socket.socket(socket.AF_UNIX) as there:
            there.connect(self.server.beyond)
            there.sendall(hello)
            said = b""
            while (at := said.find(b"K" + struct.pack("!I", 12))) < 0 or len(said) < at + _KEY.size:
                said += there.recv(8192)
            letter, length, process, secret = _KEY.unpack_from(said, at)
            number = _KEY.pack(letter, length, process + 1, secret)
            self.request.sendall(said[:at] + number + said[at + _KEY.size :])
            while ready := select.select([self.request, there], [], [])[0]:
                for one in ready:
                    octets = one.recv(65536)
                    if not octets:
                        return
                    (there if one is self.request else self.request).sendall(octets)


@contextmanager
def pooled(postgres: Server, url: str, knows: bool) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        there = Pooler(Path(folder) / ".s.PGSQL.5432", postgres.folder / ".s.PGSQL.5432", knows)
        threading.Thread(target=there.serve_forever, daemon=True).start()
        try:
            yield url.replace(str(postgres.folder), folder)
        finally:
            there.shutdown()
            there.server_close()


@pytest.mark.parametrize("knows", [True, False])
def test_a_pooler_before_the_server_is_refused(
    knows: bool, postgres: Server, postgres_store: str, tmp_path: Path
) -> None:
    """What is locked and set in one session counts in another one there, or nowhere, and nobody would tell."""
    with pooled(postgres, postgres_store, knows) as url:
        for opens in (look, migrate.upgrade, lambda url: open_store(url, Blobs(tmp_path))):
            with pytest.raises(StoreError, match="a pooler"):
                opens(url)
    migrate.upgrade(postgres_store)  # nothing is left behind that would stand in the way


def test_a_password_stands_in_a_file_that_nobody_else_reads(postgres: Server, tmp_path: Path) -> None:
    secret = tmp_path / "a password"
    url = f"{postgres.database()}&password_file={quote(str(secret))}"
    assert "password" not in connection_facts(url)
    secret.write_text("s3cret\n")
    with pytest.raises(StoreError, match="chmod 600"):
        migrate.current(url)
    secret.chmod(0o600)
    assert connection_facts(url)["password"] == "s3cret"
    assert migrate.current(url) is None


@pytest.mark.parametrize(
    ("host", "mode"), [("localhost", None), ("127.0.0.1", None), ("", None), ("db.h99.vn", "verify-full")]
)
def test_a_server_elsewhere_must_show_its_certificate(host: str, mode: str | None) -> None:
    assert connection_facts(f"postgresql+psycopg://axis@{host}/axis").get("sslmode") == mode
    said = connection_facts(f"postgresql://axis@{host}/axis?sslmode=require")
    assert said["sslmode"] == "require"
    assert "sslrootcert" not in said, "libpq refuses the system's certificates for less than verify-full"


@pytest.mark.parametrize("said", ["bald", "5&patience=6"])
def test_an_address_says_its_patience_in_seconds(said: str) -> None:
    with pytest.raises(StoreError, match="one number of seconds"):
        connect(f"postgresql+psycopg://axis@127.0.0.1:1/axis?patience={said}", "test")


@pytest.mark.parametrize("name", ["options", "connect_timeout", "application_name"])
def test_what_the_node_sets_is_not_set_by_the_address(name: str) -> None:
    with pytest.raises(StoreError, match=f"does not set {name}"):
        migrate.current(f"postgresql+psycopg://axis@127.0.0.1/axis?{name}=5")


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("due_priorities", "ix_delivery_due"),
        ("due", "ix_delivery_due"),
        ("due", "ix_delivery_lane"),
        ("waits.beyond", "ix_delivery_due"),
        ("waits.parked", "ix_delivery_parked"),
        ("waits.first", "ix_delivery_lane"),
        ("inbox", "ix_delivery_inbox"),
        ("hold_lane", "ix_delivery_lane"),
        ("add_delivery", "ix_delivery_lane"),
        ("older_open", "ix_delivery_lane"),
        ("outgoing.listed", "ix_delivery_inbox"),
        ("promote", "ix_delivery_lane"),
        ("addressed", "ix_delivery_document"),
        ("deliveries", "ix_delivery_document"),
        ("adopt_deliveries", "ix_delivery_orphan"),
        ("same_document", "document"),
        ("match_by_id", "document"),
        ("match_by_number", "ix_document_number"),
        ("held", "ix_document_held"),
        ("statuses_of", "ix_status_report_document"),
        ("reports.said", "ix_status_report_document"),
        ("reports.said_of_pairs", "ix_status_report_document"),
        ("reports.told_of", "ix_status_report_document"),
        ("reports.orphan_codes", "ix_status_report_orphan_"),
        ("reports.orphan_codes_by_number", "ix_status_report_orphan_number"),
        ("reports.outline", "uq_document_ref"),
        ("reports.outlines", "uq_document_ref"),
        ("reports.reached", "ix_delivery_document"),
        ("reports.reached", "ix_status_report_document"),
        ("reports.checks", "pk_attachment_check"),
        ("orphans", "ix_status_report_orphan_number"),
        ("same_orphan", "ix_status_report_orphan_"),
        ("intents", "log_intent"),
        ("log_size", "uq_log_intent_log_index"),
        ("place_intents", "Index Cond: (id = ANY"),
    ],
)
def test_what_is_done_often_has_an_index_to_use(postgres_store: str, statement: str, index: str) -> None:
    """With few rows the planner would rather scan; forbidden to, it shows whether it could do otherwise."""
    sql = attrgetter(statement)(postgres_statements())
    values = {name: b"1" if name == "octets" else "1" for name in re.findall(r"%\((\w+)\)s", sql)}
    with connect(postgres_store, "test", enable_seqscan="off", enable_bitmapscan="off") as beside:
        plan = "\n".join(line for (line,) in beside.execute(f"EXPLAIN {sql}", values))  # type: ignore[call-overload]
    assert index in plan, plan
    assert "Seq Scan" not in plan, plan
