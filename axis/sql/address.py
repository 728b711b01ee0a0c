"""Where a PostgreSQL is, and how a connection to it is set up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from axis.sql.driver import StoreDamaged, StoreError

PASSWORD_FILE: Final = "password_file"
"""The part of an address that names the file with the password, read again for each connection."""

CONNECT_S: Final = 5
SETTINGS: Final = {
    # Above what any statement of ours takes, below the patience of a caller.
    "statement_timeout": "30s",
    # Rows are locked with NOWAIT; this is for the UPDATE that meets another one.
    "lock_timeout": "100ms",
    # A process that is stopped inside a transaction holds its rows for no longer than this.
    "idle_in_transaction_session_timeout": "10s",
    # A machine that vanished is noticed within half a minute, so that its name and its locks are free again.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}


OURS: Final = frozenset({"options", "application_name", "client_encoding", "connect_timeout", "autocommit"})
"""What the node tells libpq itself: time-outs and its own name rest on it."""


def connection_facts(url: str) -> dict[str, str]:
    """What libpq is told, from the address and the file of the password. `StoreError` where the address is none.

    A server on another machine must show a certificate that the system trusts, unless the address says otherwise.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StoreError("a store's address looks like postgresql+psycopg://axis@db.example.vn/axis") from error
    if parsed.drivername not in ("postgresql", "postgresql+psycopg"):
        raise StoreError(f"{parsed.drivername} is not supported as a store; use postgresql+psycopg://")
    facts = {str(key): str(value) for key, value in parsed.query.items()}
    if taken := sorted(OURS & facts.keys()):
        raise StoreError(f"a store's address does not set {', '.join(taken)}: the node does")
    named = {"host": parsed.host, "port": parsed.port, "user": parsed.username, "dbname": parsed.database}
    facts |= {key: str(value) for key, value in named.items() if value is not None}
    if parsed.password is not None:
        raise StoreError("a store's address holds no password: name its file in [store] password_file")
    if "dbname" not in facts:
        raise StoreError("a store's address names a database: postgresql+psycopg://axis@db.example.vn/axis")
    if file := facts.pop(PASSWORD_FILE, None):
        try:
            if Path(file).stat().st_mode & 0o077:
                raise StoreError(f"the password file {file} is open to other users: chmod 600 {file}")
            facts["password"] = Path(file).read_text().strip()
        except FileNotFoundError:
            pass  # the server may believe the certificate or the socket
        except OSError as error:
            raise StoreError(f"the password file {file} cannot be read: {error.strerror}") from error
    host = facts.get("host", "/")
    if not (host.startswith(("/", "127.", "@")) or host in ("localhost", "::1")):
        facts.setdefault("sslmode", "verify-full")
        facts.setdefault("sslrootcert", "system")
    return facts


def place_of(url: str) -> str:
    """The database in words for the person at the terminal, without user and password."""
    parsed = make_url(url)
    host = parsed.host or str(parsed.query.get("host", "this machine"))
    return f"the database {parsed.database} on {host}"


def connect(url: str, name: str, *, readonly: bool = False, **more: str) -> psycopg.Connection[Any]:
    settings = SETTINGS | more | ({"default_transaction_read_only": "on"} if readonly else {})
    return psycopg.connect(
        **connection_facts(url),  # type: ignore[arg-type]
        autocommit=True,
        application_name=name,
        client_encoding="utf8",
        connect_timeout=CONNECT_S,
        options=" ".join(f"-c {key}={value}" for key, value in settings.items()),
    )


@contextmanager
def told(url: str) -> Iterator[None]:
    """What the server says while a store is read, in our words: `StoreDamaged` (class XX), `StoreError`."""
    try:
        yield
    except psycopg.Error as error:
        damaged = str(error.sqlstate or "").startswith("XX")
        raise (StoreDamaged if damaged else StoreError)(
            f"{place_of(url)} cannot be read: {' '.join(str(error).split())}"
        ) from error
