"""Where a PostgreSQL is, and how a connection to it is set up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.abc import RV, PQGen
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from axis.sql.driver import StoreDamaged, StoreError

PASSWORD_FILE: Final = "password_file"
"""The part of an address that names the file with the password, read again for each connection."""

PATIENCE: Final = "patience"
"""The part of an address that says how many seconds an answer is waited for."""

CONNECT_S: Final = 5
PATIENCE_S: Final = 20.0
"""Where the address does not say: above what any statement of ours takes, below the patience of a caller."""
SILENT_S: Final = 10
"""How long a transaction may wait for the next word of its process. What it has locked, nobody else can have."""

SETTINGS: Final = {
    # Rows are locked with NOWAIT; this is for the UPDATE that meets another one.
    "lock_timeout": "100ms",
    # It does not count everywhere in a pipeline: see `axis.sql.silent`.
    "idle_in_transaction_session_timeout": f"{SILENT_S}s",
    # A connection rests for as long as there is nothing to do.
    "idle_session_timeout": "0",
    # A machine that vanished is noticed within half a minute, so that its name and its locks are free again. The last
    # is for one that has not confirmed what it was sent: keepalives do not ask it.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "25s",
}
LIMITS_TRANSACTIONS: Final = 170_000
"""From this version on a database can limit transactions. Ours have limits of their own; older ones refuse the name."""
NOTICED: Final = {
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "25000",
}
"""The same at our end, for connections that only listen. An address may say otherwise."""


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
    facts.pop(PATIENCE, None)
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
    here = host.startswith(("/", "127.", "@")) or host in ("localhost", "::1")
    # libpq believes the system's certificates for nothing less.
    if not here and facts.setdefault("sslmode", "verify-full") == "verify-full":
        facts.setdefault("sslrootcert", "system")
    return NOTICED | facts


def place_of(url: str) -> str:
    """The database in words for the person at the terminal, without user and password."""
    parsed = make_url(url)
    host = parsed.host or str(parsed.query.get("host", "this machine"))
    return f"the database {parsed.database} on {host}"


def patience_of(url: str) -> float:
    """How many seconds an answer is waited for. `StoreError` where the address says no such number."""
    said = make_url(url).query.get(PATIENCE, str(PATIENCE_S))
    try:
        return float(said)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        raise StoreError("patience in a store's address is one number of seconds") from None


POOLED: Final = (
    "a pooler (PgBouncer or its like) stands before the database: locks of the session, LISTEN and time limits do not "
    "pass it; name the server itself in [store] url"
)


class Bounded(psycopg.Connection[Any]):
    """A connection whose other end may fall silent: whoever asks waits for `patience_s` (`None`: for ever).

    The server's own limits reach nobody when the way is cut, TCP believes in whatever stands between and confirms what
    it got, and a server that waits for its standby answers COMMIT when that comes back.
    """

    patience_s: float | None = None

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """`OperationalError` without a code, and the connection closed, when nothing has come."""
        began = time.monotonic()
        try:
            return super().wait(gen, interval, self.patience_s if timeout is None else timeout)
        except psycopg.OperationalError as error:
            patience = self.patience_s if timeout is None else None
            if patience is None or error.sqlstate is not None or time.monotonic() - began < patience:
                raise
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer within {patience:g} s") from error


def connect(url: str, name: str, *, readonly: bool = False, **more: str) -> Bounded:
    """Open a connection that is called `name`. `more` are settings of its own; where a statement may take any time its
    answer is waited for as long."""
    patience = patience_of(url)
    settings = {"statement_timeout": f"{patience * 750:.0f}ms"} | SETTINGS | more
    if readonly:
        settings["default_transaction_read_only"] = "on"
    try:
        made = Bounded.connect(
            **connection_facts(url),  # type: ignore[arg-type]
            autocommit=True,
            application_name=name,
            client_encoding="utf8",
            connect_timeout=CONNECT_S,
            options=" ".join(f"-c {key}={value}" for key, value in settings.items()),
        )
    except psycopg.OperationalError as error:
        if "unsupported startup parameter" in str(error):
            raise StoreError(POOLED) from error
        raise
    _refuse_pooler(made)
    if made.info.server_version >= LIMITS_TRANSACTIONS:
        made.execute("SET transaction_timeout = 0")
    made.patience_s = None if settings.get("statement_timeout") == "0" else patience
    return made


def _refuse_pooler(connection: psycopg.Connection[Any]) -> None:
    """`StoreError`, and the connection closed, where whoever answered the door is not who answers questions."""
    try:
        (there,) = connection.execute("SELECT pg_backend_pid()").fetchone() or (None,)
        if there != connection.info.backend_pid:
            raise StoreError(POOLED)
    except BaseException:
        connection.close()
        raise


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
