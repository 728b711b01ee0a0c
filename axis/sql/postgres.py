"""PostgreSQL: one database, any number of processes (ADR 0023).

A process writes over one connection, in groups, and reads over others. What two processes may decide at once is kept
apart by locks that nobody waits for: rows are locked with NOWAIT, and what is not there yet by an advisory lock on its
key (`Session.alone`). Who does not get one steps aside (`axis.sql.group`).

`open_postgres` refuses a server that would not keep its promises, and says what to change.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import psycopg
from psycopg import errors as pg
from psycopg.pq import TransactionStatus
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

from axis.core.ports import About
from axis.sql.address import connect, place_of
from axis.sql.driver import NoStore, OtherSchema, Session, StoreError
from axis.sql.machinery import of_postgres, refuse_machinery
from axis.sql.news import News
from axis.sql.overheard import hear
from axis.sql.pipeline import PostgresSession, WritingSession
from axis.sql.rights import refuse_missing_rights
from axis.sql.silent import WRITES, end_silent
from axis.sql.standby import Warnings, refuse_waiting
from axis.sql.store import SqlStore
from axis.sql.tables import SCHEMA_VERSION
from axis.sql.unfinished import ASKED, refuse_unfinished
from axis.sql.views import Questions, Shelf

OLDEST: Final = 140000
"""PostgreSQL 14: the oldest that its makers still mended when this was written. The tests run on 15 and 18."""

CLOCKS_APART_S: Final = 10.0
"""Well below the shortest lease that makes sense, well above what NTP leaves."""

ROOM: Final = 262_144
"""Octets that do not shrink, to see whether a server that was full has room: more than what small free places take."""

IN_USE: Final = 0x61786973
"""The advisory lock of the database: shared by every daemon, exclusive for a migration or a copy."""
INSTANCE: Final = 0x61786974
"""The class of the advisory locks that keep a second process of one name out."""

_BROKEN: Final = ("08", "57P", "58", "XX", "F0", "26", "42501")
"""Classes of SQLSTATE after which a connection is not used any more: lost, shut down, I/O errors, damage, a prepared
statement that is not there. And one: a right that was taken away is named when the store is opened again."""


class PostgresConnection:
    """The write connection. Autocommit mode of the driver: every BEGIN is ours."""

    def __init__(
        self, connection: psycopg.Connection[Any], warnings: Warnings, heard: Callable[[tuple[str, ...]], None]
    ) -> None:
        self._connection = connection
        self._warnings = warnings
        self._heard = heard
        self._session = WritingSession(connection)
        self._resets = count()

    @property
    def session(self) -> Session:
        return self._session

    @property
    def in_transaction(self) -> bool:
        quiet = (TransactionStatus.IDLE, TransactionStatus.UNKNOWN)
        return not self._connection.closed and self._connection.info.transaction_status not in quiet

    @property
    def together(self) -> bool:
        return self._session.together

    def begin(self, together: bool = True, about: Sequence[About] = ()) -> None:
        self._session.begin_transaction(together, about)

    def foresee(self, about: Sequence[About]) -> None:
        """It was asked with BEGIN."""
        self._session.hear()

    @contextmanager
    def silence(self) -> Iterator[None]:
        self._session.silent = True
        try:
            yield
        finally:
            self._session.silent = False

    def finish(self) -> None:
        self._session.finish()

    @property
    def wrote(self) -> bool:
        return self._session.wrote

    def save(self) -> None:
        self._session.begin_body()

    def undo(self) -> None:
        if not self._session.undo_body():
            return
        with suppress(psycopg.Error):  # what was under way is aborted; why was told before
            self._session.leave()
        failed = self._connection.info.transaction_status == TransactionStatus.INERROR
        self._connection.execute("ROLLBACK TO body")
        self._session.forget_prepared()  # the driver may have had them dropped, with its own
        if failed:
            self._forget_prepared()

    def _forget_prepared(self) -> None:
        """The server has skipped what was to be prepared behind the error, and the driver does not notice (3.3.9). It
        notices this, if the text is a new one."""
        self._session.forget_prepared()
        self._connection.execute(f"DEALLOCATE ALL -- {next(self._resets)}")

    def release(self) -> None:
        self._session.end_body()

    def commit(self) -> None:
        self._warnings.forget()
        if not self._session.commit():
            raise psycopg.OperationalError("the server rolled the transaction back")
        self._warnings.refuse()

    def rollback(self) -> None:
        with suppress(psycopg.Error):
            self._session.leave()
        self._connection.execute("ROLLBACK")
        self._forget_prepared()

    def prove(self) -> None:
        """A server reads its settings again without a restart, and tells nobody; nor does it of a right taken away."""
        refuse_unsafe(self._connection)
        refuse_missing_rights(self._connection)
        self._heard(hear(self._connection))

    def relieve(self) -> Sequence[str]:
        return end_silent(self._connection)

    def try_room(self) -> None:
        self._connection.execute("BEGIN")
        put = "INSERT INTO payload (sha256, octets) VALUES (%s, %s)"
        self._connection.execute(put, (f"room {secrets.token_hex(16)}", secrets.token_bytes(ROOM)))
        self.rollback()

    def close(self) -> None:
        self._connection.close()


class PostgresDatabase:
    """One database as one process sees it. Opening the write connection proves that the server is as it must be."""

    errors: type[Exception] = psycopg.Error
    reconnects = True
    reads_aside = True

    def __init__(self, url: str, instance: str) -> None:
        self.url = url
        self.instance = instance
        self.concerns: tuple[str, ...] = ()

    def reopens(self, error: BaseException) -> bool:
        return True

    def is_busy(self, error: Exception) -> bool:
        return isinstance(error, pg.LockNotAvailable)

    def is_contended(self, error: Exception) -> bool:
        return isinstance(error, pg.LockNotAvailable | pg.DeadlockDetected | pg.SerializationFailure)

    def is_of_one(self, error: Exception) -> bool:
        return True

    def is_fatal(self, error: Exception) -> bool:
        state = getattr(error, "sqlstate", None)
        if state is None:  # it came from the client's side: the connection is gone
            return isinstance(error, psycopg.OperationalError)
        return str(state).startswith(_BROKEN)

    def is_full(self, error: Exception) -> bool:
        return isinstance(error, pg.DiskFull)

    def is_bug(self, error: Exception) -> bool:
        return isinstance(error, psycopg.IntegrityError | psycopg.ProgrammingError | psycopg.DataError)

    def open_writer(self) -> PostgresConnection:
        name = f"axis {self.instance}: writes"
        connection = connect(self.url, name)
        warnings = Warnings(connection)
        try:
            refuse_unsafe(connection)
            refuse_other_time(connection, time.time)
            end_silent(connection)  # perhaps one of this name: from a machine that is no more
            share(connection, self.url)
            # Only now: nobody can migrate it any more.
            _right_schema(_version(connection), self.url)
            refuse_unfinished(connection.execute(ASKED).fetchall(), place_of(self.url))
            refuse_machinery(of_postgres(lambda text: connection.execute(text).fetchall()), f"in {place_of(self.url)}")
            refuse_missing_rights(connection)
            if not _answer(connection, "SELECT pg_try_advisory_lock(%s, hashtext(%s))", INSTANCE, self.instance):
                refuse_waiting(connection, name)
                raise StoreError(
                    f"another process has the store open under the name {self.instance!r}; "
                    "give each process a [node] instance of its own"
                )
            # The first commit proves before the first promise that committing works.
            warnings.forget()
            connection.execute("UPDATE meta SET value = CAST(value AS bigint) + 1 WHERE name = 'openings'")
            warnings.refuse()
            self._hear(hear(connection))
        except BaseException:
            connection.close()
            raise
        return PostgresConnection(connection, warnings, self._hear)

    def _hear(self, concerns: tuple[str, ...]) -> None:
        self.concerns = concerns

    def recover(self) -> PostgresConnection:
        """A server that lost its disk ends by itself and recovers from its log; then this connects (E4)."""
        return self.open_writer()

    def messenger(self, heard: Callable[[], None]) -> News:
        return News(lambda what: connect(self.url, f"axis {self.instance}: {what}"), heard)

    def open_reader(self) -> Session:
        return PostgresSession(connect(self.url, f"axis {self.instance}: reads", readonly=True))

    def close(self) -> None:
        """Nothing is held beside the connections."""


def _answer(connection: psycopg.Connection[Any], sql: str, *values: object) -> Any:
    row = connection.execute(sql, values or None).fetchone()
    return None if row is None else row[0]


def share(connection: psycopg.Connection[Any], url: str) -> None:
    """Keep migrations and copies away as long as the connection lives. `StoreError` where there is one."""
    if not _answer(connection, "SELECT pg_try_advisory_lock_shared(%s)", IN_USE):
        raise StoreError(f"{place_of(url)} is being migrated or copied: wait for the end of it")


def _version(connection: psycopg.Connection[Any]) -> str | None:
    if _answer(connection, "SELECT to_regclass('alembic_version')") is None:
        return None
    found = _answer(connection, "SELECT version_num FROM alembic_version")
    return None if found is None else str(found)


def _right_schema(found: str | None, url: str) -> None:
    if found is None:
        raise NoStore(f"there is no store in {place_of(url)}")
    if found != SCHEMA_VERSION:
        raise OtherSchema(
            f"the store in {place_of(url)} has schema {found}, this version of axis needs {SCHEMA_VERSION}; "
            "run: axis migrate"
        )


def refuse_unsafe(connection: psycopg.Connection[Any]) -> None:
    """`StoreError` unless an answered COMMIT is durable here, and text is kept and compared as we write it."""
    version = connection.info.server_version
    if version < OLDEST:
        raise StoreError(f"PostgreSQL {version // 10000} is too old: {OLDEST // 10000} or newer is needed")
    if _answer(connection, "SELECT pg_is_in_recovery()"):
        raise StoreError("this server is a standby: name the primary, what is committed elsewhere is not seen in time")
    for setting, good, why in (
        ("fsync", ("on",), "after a power cut nothing of the database may be left"),
        ("full_page_writes", ("on",), "a page that was written by half would stay damaged after a power cut"),
        ("synchronous_commit", ("on", "remote_apply"), "what was answered with a receipt could be lost"),
        ("zero_damaged_pages", ("off",), "rows of a damaged page would be gone without a word"),
        ("ignore_checksum_failure", ("off",), "what a damaged page holds would be taken for what was stored"),
        ("session_replication_role", ("origin",), "a row could stand without what it belongs to"),
        ("server_encoding", ("UTF8",), "names and subjects are Vietnamese: CREATE DATABASE ... ENCODING 'UTF8'"),
        ("default_transaction_read_only", ("off",), "nothing could be stored"),
    ):
        value = _answer(connection, "SELECT current_setting(%s)", setting)
        if value not in good:
            raise StoreError(f"PostgreSQL says {setting} = {value}, it must be {' or '.join(good)}: {why}")
    if not _answer(connection, "SELECT '-' < 'A' AND 'Z' < 'a' AND 'z' < 'đ'"):
        collation = _answer(connection, "SELECT datcollate FROM pg_database WHERE datname = current_database()")
        raise StoreError(
            f"the database sorts as people do ({collation}): an update of the system would silently change that order "
            "and break its indexes; CREATE DATABASE ... TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
        )


def _trouble(url: str, error: Exception) -> StoreError:
    return StoreError(f"{place_of(url)} cannot be opened: {' '.join(str(error).split())}")


def refuse_other_time(connection: psycopg.Connection[Any], now: Callable[[], float]) -> None:
    """`StoreError` where this machine's clock is not the server's. Processes write when a delivery is due and when its
    lease ends; with clocks apart they would take deliveries from each other (F37). The token keeps that harmless."""
    before = now()
    there = float(_answer(connection, "SELECT extract(epoch FROM clock_timestamp())"))
    apart = there - (before + now()) / 2
    if abs(apart) > CLOCKS_APART_S:
        raise StoreError(
            f"the clocks of this machine and of the database server are {abs(apart):.0f} s apart: keep both by NTP"
        )


@dataclass(frozen=True, slots=True)
class Server:
    """What `axis doctor` tells of a server that is as it must be."""

    version: str
    octets: int
    checksums: bool
    processes: tuple[str, ...]
    concerns: tuple[str, ...]


def look(url: str, now: Callable[[], float] = time.time) -> Server:
    """Look at the server as a daemon does when it starts, and change nothing. `StoreError` if one would not start."""
    try:
        with connect(url, "axis: looks") as connection:
            refuse_unsafe(connection)
            refuse_other_time(connection, now)
            refuse_missing_rights(connection)
            names = connection.execute(
                "SELECT application_name FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name LIKE %s ORDER BY 1",
                (WRITES,),
            ).fetchall()
            return Server(
                version=str(_answer(connection, "SELECT current_setting('server_version')")),
                octets=int(_answer(connection, "SELECT pg_database_size(current_database())")),
                checksums=_answer(connection, "SELECT current_setting('data_checksums')") == "on",
                processes=tuple(name.removeprefix("axis ").removesuffix(": writes") for (name,) in names),
                concerns=hear(connection),
            )
    except psycopg.Error as error:
        raise _trouble(url, error) from error


def schema_version(url: str) -> str | None:
    """The revision of the store, `None` where there is none yet."""
    try:
        with connect(url, "axis: looks", readonly=True) as connection:
            return _version(connection)
    except psycopg.Error as error:
        raise _trouble(url, error) from error


def open_postgres(url: str, blobs: Shelf, instance: str) -> SqlStore:
    """Open the store beside other processes; `instance` is this one's name among them."""
    try:
        return SqlStore(PostgresDatabase(url, instance), blobs)
    except psycopg.Error as error:
        raise _trouble(url, error) from error


@contextmanager
def open_readonly(url: str, patient: bool = False) -> Iterator[Questions]:
    """Ask a store beside running daemons. Nothing is written, no lock is taken. `patient`: without time limits."""
    limits = {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"} if patient else {}
    try:
        connection = connect(url, "axis: asks", readonly=True, **limits)
    except psycopg.Error as error:
        raise _trouble(url, error) from error
    with connection:
        _right_schema(_version(connection), url)
        yield Questions(PostgresSession(connection))


@contextmanager
def alone(url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection while no daemon has the store, and none can open it. `StoreError` when one has."""
    try:
        connection = connect(url, "axis: alone", statement_timeout="0", idle_in_transaction_session_timeout="0")
    except psycopg.Error as error:
        raise _trouble(url, error) from error
    with connection:
        refuse_unsafe(connection)
        if not _answer(connection, "SELECT pg_try_advisory_lock(%s)", IN_USE):
            raise StoreError("another process has the store open: stop every daemon of this database first")
        yield connection
        _answer(connection, "SELECT pg_advisory_unlock(%s)", IN_USE)  # the server may notice our end a little late


@contextmanager
def migration_engine(url: str) -> Iterator[Engine]:
    """An engine for alembic, while no daemon has the store; the database must be there. In the driver's autocommit
    mode, a migration that dies half way would leave half of it."""

    def migrating() -> psycopg.Connection[Any]:
        patience = {"statement_timeout": "0", "lock_timeout": "30s", "idle_in_transaction_session_timeout": "0"}
        connection = connect(url, "axis: migrates", readonly=False, **patience)
        connection.autocommit = False
        return connection

    with alone(url):
        engine = create_engine("postgresql+psycopg://", creator=migrating, poolclass=NullPool)
        try:
            yield engine
        finally:
            engine.dispose()
