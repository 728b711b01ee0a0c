"""SQLite: one file, one daemon, one connection that writes.

`open_store` refuses to start where a promise would not hold: another process has the store, the schema is another one,
the file lies on a network, or SQLite does not read back as durable (WAL with `synchronous=FULL`; with NORMAL a power
cut took all of 200 acknowledged rows in a probe).
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from axis.core.ports import About
from axis.durable import sync_folder
from axis.sql.driver import NoStore, OtherSchema, Session, StoreDamaged, StoreError, StoreInUse
from axis.sql.filesystem import refuse_shared
from axis.sql.gather import GatheringSession
from axis.sql.machinery import of_sqlite, refuse_machinery
from axis.sql.statements import Statements
from axis.sql.store import SqlStore
from axis.sql.tables import SCHEMA_VERSION
from axis.sql.unfinished import ASKED, refuse_unfinished
from axis.sql.views import Questions, Shelf

BUSY_S: Final = 5.0
"""How long a statement waits for a lock. Only backup tools take one: there is no second writer."""
CHECKPOINT_PAGES: Final = 4000
"""How long the write-ahead log grows before it is copied: 16 MB. Each copy syncs both files, and the four times as many
pages of by default 1000 have been written by then are often the same ones."""
WRITER_CACHE_KIB: Final = 32_768
"""Pages that the writer keeps in memory, KiB. Digests come in no order, so each row of a large store touches pages that
are far from the last ones; SQLite keeps 2 MB of itself."""
READER_CACHE_KIB: Final = 8_192
"""The same for each connection that reads: until something is committed, which empties it."""

_FATAL: Final = frozenset(
    {
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PROTOCOL,
    }
)
_NO_ROOM: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMOPEN})
"""What SQLite says where a file cannot be longer, or cannot be made: the last two of the index beside its log."""
_DUPLICATE: Final = frozenset({sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY})


@cache
def _statements() -> Statements:
    return Statements(sqlite.dialect(paramstyle="named"))


def _code(error: BaseException) -> int:
    return getattr(error, "sqlite_errorcode", 0)


def _is_duplicate(error: Exception) -> bool:
    return _code(error) in _DUPLICATE


def sqlite_path(url: str) -> Path:
    """The file that a store's address names: `sqlite:///axis.db` or `sqlite:////var/lib/axis/axis.db`."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StoreError("a store's address looks like sqlite:///axis.db") from error
    if parsed.get_backend_name() != "sqlite":
        raise StoreError(f"{parsed.get_backend_name()} is not supported as a store; use sqlite:///axis.db")
    if not parsed.database or parsed.database == ":memory:":
        raise StoreError("a store needs a file; use sqlite:///axis.db")
    return Path(parsed.database).absolute()


class InstanceLock:
    """An exclusive lock on `<db>.lock`, held as long as the process lives: SQLite means one daemon process."""

    def __init__(self, database: Path) -> None:
        path = database.with_name(database.name + ".lock")
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise StoreInUse(
                f"another process has the store open (it holds {path}); stop it, or give this one a store of its own"
            ) from error

    def release(self) -> None:
        """Give it up. The file stays: removing it would let two processes lock two files of one name."""
        os.close(self._descriptor)


class SqliteConnection:
    """The write connection. Autocommit mode of the driver: every BEGIN is ours."""

    wrote = True

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._session = GatheringSession(connection, _statements(), _is_duplicate)

    @property
    def session(self) -> Session:
        return self._session

    @property
    def together(self) -> bool:
        return self._session.together

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def begin(self, together: bool = True, about: Sequence[About] = ()) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._session.begin_transaction(together)

    def foresee(self, about: Sequence[About]) -> None:
        self._session.foresee(about)

    def silence(self) -> AbstractContextManager[None]:
        """There is no network."""
        return nullcontext()

    def finish(self) -> None:
        self._session.finish()

    def save(self) -> None:
        self._session.begin_body()

    def undo(self) -> None:
        self._session.undo_body()

    def release(self) -> None:
        self._session.end_body()

    def commit(self) -> None:
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        self._connection.execute("ROLLBACK")

    def prove(self) -> None:
        """The settings are this connection's own: nobody else can change them."""

    def relieve(self) -> Sequence[str]:
        """There are no others."""
        return ()

    def try_room(self) -> None:
        """It is never called full."""

    def close(self) -> None:
        self._connection.close()


class SqliteDatabase:
    """One SQLite file. Opening a connection proves that it is as durable as it was asked to be."""

    errors: type[Exception] = sqlite3.Error
    reconnects = False
    reads_aside = False
    concerns = ()

    def __init__(self, path: Path, connection_class: type[sqlite3.Connection] = sqlite3.Connection) -> None:
        self.path = path
        self._class = connection_class
        self._lock = InstanceLock(path)

    def reopens(self, error: BaseException) -> bool:
        return _code(error) in _NO_ROOM or (isinstance(error, OSError) and error.errno == errno.ENOSPC)

    def is_busy(self, error: Exception) -> bool:
        return _code(error) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

    def is_contended(self, error: Exception) -> bool:
        return False

    def is_of_one(self, error: Exception) -> bool:
        return self.is_bug(error)  # a full disk is full for all of them

    def is_fatal(self, error: Exception) -> bool:
        return _code(error) & 0xFF in _FATAL

    def is_full(self, error: Exception) -> bool:
        return False  # its disk is one of this machine: `limits.min_free`

    def is_bug(self, error: Exception) -> bool:
        return isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError | sqlite3.InterfaceError)

    def open_writer(self) -> SqliteConnection:
        connection = _connect(self.path, "mode=rw", self._class)
        try:
            refuse_unfinished(connection.execute(ASKED).fetchall(), self.path)  # and nothing was written beside it
            _ask(connection, "journal_mode", "WAL", "wal")
            _ask(connection, "synchronous", "FULL", 2)
            _ask(connection, "foreign_keys", "ON", 1)
            _ask(connection, "cell_size_check", "ON", 1)
            _ask(connection, "secure_delete", "ON", 1)  # what is removed is overwritten, not only forgotten
            _ask(connection, "cache_size", str(-WRITER_CACHE_KIB), -WRITER_CACHE_KIB)
            _ask(connection, "wal_autocheckpoint", str(CHECKPOINT_PAGES), CHECKPOINT_PAGES)
            refuse_machinery(of_sqlite(lambda text: connection.execute(text).fetchall()), f"at {self.path}")
            # The first commit creates the log file, and proves before the first promise that committing works. SQLite
            # swallows an error of the directory's sync (E3), so the directory is synced again here, where it counts.
            # The value must change: SQLite writes nothing for a row that stays as it was.
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE name = 'openings'")
            connection.execute("COMMIT")
            sync_folder(self.path.parent)
        except BaseException:
            connection.close()
            raise
        return SqliteConnection(connection)

    def recover(self) -> SqliteConnection:
        """Copy what the log holds into the database file, which writes and syncs it anew.

        A failed sync may leave pages that read well and were never written (E1): they are not believed, they are
        written again, and where that fails there is no store.
        """
        writer = self.open_writer()
        try:
            busy, _, _ = writer.session.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if busy:
                raise StoreError("the write-ahead log could not be copied: the store is in use")
        except BaseException:
            writer.close()
            raise
        return writer

    def messenger(self, heard: Callable[[], None]) -> None:
        return None

    def open_reader(self) -> Session:
        connection = _connect(self.path, "mode=rw", self._class)
        try:
            _ask(connection, "query_only", "ON", 1)
            _ask(connection, "cache_size", str(-READER_CACHE_KIB), -READER_CACHE_KIB)
        except BaseException:
            connection.close()
            raise
        return Session(connection, _statements(), _is_duplicate)

    def close(self) -> None:
        self._lock.release()


def _connect(path: Path, how: str, connection_class: type[sqlite3.Connection]) -> sqlite3.Connection:
    # Of each value that is no text or number the module asks in three ways how it is to be stored, and then stores it
    # as it is: seven times a status. An answer that is found at once ends that; it holds for the process, and changes
    # nothing.
    sqlite3.register_adapter(type(None), dict[None, None]().get)
    sqlite3.register_adapter(bytes, bytes)
    return sqlite3.connect(
        f"file:{quote(str(path))}?{how}",
        uri=True,
        timeout=BUSY_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
        factory=connection_class,
    )


def _ask(connection: sqlite3.Connection, pragma: str, value: str, expected: object) -> None:
    connection.execute(f"PRAGMA {pragma} = {value}")
    (answer,) = connection.execute(f"PRAGMA {pragma}").fetchone()
    if answer != expected:
        raise StoreError(f"SQLite does not do {pragma} = {value} here (it says {answer}); use a local file system")


def schema_version(path: Path) -> str | None:
    """The revision of the store in `path`, `None` where there is none yet."""
    if not path.exists():
        return None
    connection = _connect(path, "mode=rw", sqlite3.Connection)
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise StoreError(f"{path} cannot be read: {error}") from error
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{path} is not a store: {error}") from error
    finally:
        connection.close()
    return None if row is None else str(row[0])


def _right_schema(path: Path) -> None:
    found = schema_version(path)
    if found is None:
        raise NoStore(f"there is no store at {path}")
    if found != SCHEMA_VERSION:
        raise OtherSchema(
            f"the store at {path} has schema {found}, this version of axis needs {SCHEMA_VERSION}; run: axis migrate"
        )


def open_sqlite(url: str, blobs: Shelf, *, connection_class: type[sqlite3.Connection] = sqlite3.Connection) -> SqlStore:
    """Open the store for this process alone. `StoreError` when it cannot keep its promises.

    Close it with `SqlStore.close`. `connection_class` is for tests that make SQLite fail.
    """
    path = sqlite_path(url)
    refuse_shared(path)
    _right_schema(path)
    database = SqliteDatabase(path, connection_class)
    try:
        _right_schema(path)  # once more: now nobody can migrate it
        return SqlStore(database, blobs)
    except sqlite3.Error as error:
        database.close()
        raise StoreError(f"the store at {path} cannot be opened: {error}") from error
    except BaseException:
        database.close()
        raise


@contextmanager
def open_readonly(url: str) -> Iterator[Questions]:
    """Ask a store on this machine without a daemon, or beside a running one. Nothing is written, no lock is taken.

    A copy on read-only media works too, if it was closed in order.
    """
    path = sqlite_path(url)
    _right_schema(path)
    connection = _connect(path, "mode=ro", sqlite3.Connection)
    try:
        connection.execute("SELECT count(*) FROM meta")
    except sqlite3.OperationalError:
        connection.close()
        log = path.with_name(path.name + "-wal")
        if log.exists() and log.stat().st_size:
            raise StoreError(f"{path} was not closed in order and cannot be recovered on read-only media") from None
        connection = _connect(path, "immutable=1", sqlite3.Connection)
    try:
        connection.execute("PRAGMA query_only = ON")
        yield Questions(Session(connection, _statements(), _is_duplicate))
    finally:
        connection.close()


@contextmanager
def told(url: str) -> Iterator[None]:
    """What SQLite says while a store is read, in our words: `StoreDamaged`, `StoreError`."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        damaged = _code(error) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
        raise (StoreDamaged if damaged else StoreError)(f"{sqlite_path(url)} cannot be read: {error}") from error


@contextmanager
def alone(path: Path) -> Iterator[sqlite3.Connection]:
    """A durable connection while no daemon has the store, and none can open it. `StoreError` when one has."""
    lock = InstanceLock(path)
    try:
        connection = _connect(path, "mode=rw", sqlite3.Connection)
        try:
            _ask(connection, "journal_mode", "WAL", "wal")
            _ask(connection, "synchronous", "FULL", 2)
            _ask(connection, "foreign_keys", "ON", 1)
            yield connection
            sync_folder(path.parent)
        finally:
            connection.close()
    finally:
        lock.release()


@contextmanager
def migration_engine(url: str) -> Iterator[Engine]:
    """An engine for alembic, while no daemon has the store. The file is made when it is missing.

    The driver's own transactions do not cover CREATE TABLE; with ours, a migration that dies half way leaves nothing.
    """
    path = sqlite_path(url)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = InstanceLock(path)
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)

    def ours(connection: Any, _record: object) -> None:
        connection.isolation_level = None

    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", ours)
    event.listen(engine, "begin", begin)
    try:
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
        yield engine
        sync_folder(path.parent)
    finally:
        engine.dispose()
        lock.release()
