"""What a database does by itself to what is written and read: nothing, in a store of ours.

A trigger can undo a row in the transaction that answered with a receipt, a view or a rule can show other rows than are
there, a lost unique index takes a document twice. Whoever has the database can make such a thing without touching a
row, and every digest still fits. So a daemon does not start on it, and `axis fsck` names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from axis.sql.driver import Session, StoreError
from axis.sql.tables import Base

Ask = Callable[[str], Sequence[Sequence[Any]]]
"""Runs a question without values and gives all rows."""

_OURS: Final = (*(table.name for table in Base.metadata.sorted_tables), "alembic_version")
_LISTED: Final = ", ".join(f"'{name}'" for name in _OURS)
_INDEXES: Final = {
    (str(index.name), table.name, bool(index.unique))
    for table in Base.metadata.sorted_tables
    for index in table.indexes
}


_OID: Final = "to_regclass(quote_ident(current_schema()) || '.' || quote_ident(t.name))"
_EACH: Final = f"(SELECT t.name, {_OID} AS oid FROM unnest(ARRAY[{_LISTED}]) t(name)) o"  # noqa: S608 - our own names
_HIDING: Final = (
    f"SELECT o.name, c.relkind::text FROM {_EACH} JOIN pg_class c ON c.relname = o.name "  # noqa: S608
    "AND c.oid <> coalesce(o.oid, 0) JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = ANY(current_schemas(true)) ORDER BY 1"
)
_TABLES: Final = (
    "SELECT o.name, c.relkind::text, c.relpersistence::text, c.relrowsecurity, "  # noqa: S608
    "EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = o.oid) "
    f"FROM {_EACH} LEFT JOIN pg_class c ON c.oid = o.oid ORDER BY 1"
)
_TRIGGERS: Final = (
    f"SELECT o.name, t.tgname FROM {_EACH} JOIN pg_trigger t ON t.tgrelid = o.oid "  # noqa: S608
    "WHERE NOT t.tgisinternal ORDER BY 1"
)
_SWITCHED_OFF: Final = (
    f"SELECT DISTINCT o.name FROM {_EACH} JOIN pg_trigger t ON t.tgrelid = o.oid "  # noqa: S608
    "WHERE t.tgisinternal AND t.tgenabled <> 'O' ORDER BY 1"
)
_HELD: Final = (
    "SELECT o.name, count(*) FILTER (WHERE k.contype = 'p'), count(*) FILTER (WHERE k.contype = 'f') "  # noqa: S608
    f"FROM {_EACH} LEFT JOIN pg_constraint k ON k.conrelid = o.oid AND k.convalidated GROUP BY o.name ORDER BY 1"
)
_INHERITED: Final = f"SELECT o.name FROM {_EACH} JOIN pg_inherits i ON o.oid IN (i.inhparent, i.inhrelid) ORDER BY 1"  # noqa: S608
_COLUMNS: Final = (
    f"SELECT o.name, a.attname, a.attgenerated::text <> '' FROM {_EACH} JOIN pg_attribute a ON a.attrelid = o.oid "  # noqa: S608
    "WHERE a.attnum > 0 AND NOT a.attisdropped ORDER BY 1, 2"
)
_INDEXED: Final = (
    "SELECT c.relname, o.name, i.indisunique AND i.indisvalid "  # noqa: S608
    f"FROM {_EACH} JOIN pg_index i ON i.indrelid = o.oid JOIN pg_class c ON c.oid = i.indexrelid"
)


def refuse_machinery(found: Iterator[str], place: str) -> None:
    """`StoreError` that names the first thing of `found`."""
    for one in found:
        raise StoreError(f"the store {place} is not as axis made it: {one}; axis fsck names all of it")


def machinery(session: Session) -> Iterator[str]:
    """What is strange about the database of `session`, each thing in a few words."""

    def ask(text: str) -> Sequence[Sequence[Any]]:
        return session.run(text).fetchall()

    return of_sqlite(ask) if session.statements.one_writer else of_postgres(ask)


def of_sqlite(ask: Ask) -> Iterator[str]:
    """Triggers, views, tables that are none, columns that are computed, indexes that are gone."""
    there = {(kind, name): text for kind, name, text in ask("SELECT type, name, sql FROM sqlite_master")}
    for kind, name in sorted(there):
        if kind in ("trigger", "view"):
            yield f"a {kind} {_plain(name)}"
    for name in _OURS:
        text = there.get(("table", name))
        if text is None or not str(text).upper().startswith("CREATE TABLE"):
            yield f"{name} is no table"
            continue
        columns = {column: hidden for _, column, _, _, _, _, hidden in ask(f'PRAGMA table_xinfo("{name}")')}
        yield from _columns(name, columns.keys())
        yield from (f"{name}.{_plain(column)} is computed" for column, hidden in columns.items() if hidden)
    indexes = {
        (index, name, bool(unique)) for name in _OURS for _, index, unique, *_ in ask(f'PRAGMA index_list("{name}")')
    }
    yield from _lost(indexes)


def of_postgres(ask: Ask) -> Iterator[str]:
    """The same, and what only PostgreSQL has: rules, row security, inheritance, a schema that hides another one, tables
    without a journal, keys and references that are gone or switched off."""
    for name, kind in ask(_HIDING):
        yield f"another {name} ({_plain(kind)}) in the search path"
    for name, kind, kept, secured, ruled in ask(_TABLES):
        if kind != "r":
            yield f"{name} is no table"
        elif kept != "p":
            yield f"{name} is emptied when the server breaks down"
        if secured:
            yield f"{name} shows each user other rows"
        if ruled:
            yield f"a rule on {name}"
    yield from (f"a trigger {_plain(trigger)} on {name}" for name, trigger in ask(_TRIGGERS))
    yield from (f"the references of {name} are not looked at" for (name,) in ask(_SWITCHED_OFF))
    yield from (f"{name} has rows of another table" for (name,) in ask(_INHERITED))
    for name, keys, references in ask(_HELD):
        if not keys:
            yield f"no primary key on {name}"
        table = Base.metadata.tables.get(name)
        if table is not None and references < len(table.foreign_key_constraints):
            yield f"a reference of {name} is gone"
    columns: dict[str, list[str]] = {name: [] for name in _OURS}
    for name, column, computed in ask(_COLUMNS):
        columns[name].append(column)
        if computed:
            yield f"{name}.{_plain(column)} is computed"
    for name, found in columns.items():
        yield from _columns(name, found)
    yield from _lost({(index, name, bool(unique)) for index, name, unique in ask(_INDEXED)})


def _columns(table: str, found: Any) -> Iterator[str]:
    if table == "alembic_version":
        return
    wanted = {column.name for column in Base.metadata.tables[table].columns}
    yield from (f"{table}.{_plain(name)} is none of our columns" for name in sorted({*found} - wanted))
    yield from (f"{table} has no column {name}" for name in sorted(wanted - {*found}))


def _lost(found: set[tuple[str, str, bool]]) -> Iterator[str]:
    """Indexes of ours that are gone, stand on another table, or no longer keep values apart."""
    yield from (
        f"no {'unique ' if unique else ''}index {name} on {table}" for name, table, unique in sorted(_INDEXES - found)
    )


def _plain(name: object) -> str:
    """A name that somebody else gave, so that it cannot lead a reader's eyes astray."""
    return ascii(str(name)[:80])
