"""What is said to PostgreSQL past the driver's own cursors: the same octets, the same errors (ADR 0052)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.adapt import PyFormat, Transformer

from axis.sql.address import Bounded, connect
from axis.sql.postgres import PostgresConnection
from axis.sql.standby import Warnings
from axis.sql.wire import Wire, array

LONG = "ă" * 5000


@pytest.fixture
def connection(postgres_store: str) -> Iterator[Bounded]:
    with connect(postgres_store, "test") as made:
        yield made


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("text", ["a", "", "đ", LONG, "'{\",\\}"]),
        ("text", [None, "NULL", None]),
        ("bytea", [b"", b"\0\xff", b"x" * 5000, None]),
        ("bigint", [0, -1, 2**63 - 1, -(2**63), None]),
        ("integer", [0, -1, 2**31 - 1, -(2**31), None]),
    ],
)
def test_an_array_is_read_as_it_was_written(connection: Bounded, kind: str, values: list[Any]) -> None:
    wire = Wire(connection)
    asked = f"SELECT * FROM unnest($1::{kind}[])"
    for _ in range(2):  # the second time it is prepared already
        (answer,) = wire.tell((asked, [array(kind, values)]))
        assert [value for (value,) in wire.rows(answer)] == values


@pytest.mark.parametrize("values", [["a", "", "đ", LONG], [None, "a"]])
def test_texts_are_written_as_the_driver_writes_them(connection: Bounded, values: list[str | None]) -> None:
    adapt = Transformer.from_context(connection)
    octets = adapt.get_dumper(values, PyFormat.BINARY).upgrade(values, PyFormat.BINARY).dump(values)
    assert octets is not None
    assert array("text", values) == bytes(octets)


def test_behind_an_error_nothing_is_done_and_the_connection_goes_on(connection: Bounded) -> None:
    connection.execute("CREATE TEMPORARY TABLE said (n bigint PRIMARY KEY)")
    wire = Wire(connection)
    put = "INSERT INTO said SELECT * FROM unnest($1::bigint[])"
    with pytest.raises(psycopg.errors.UniqueViolation):
        wire.tell(("BEGIN", ()), (put, [array("bigint", [1, 1])]), ("COMMIT", ()))
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INERROR
    connection.execute("ROLLBACK")
    wire.tell(("BEGIN", ()), (put, [array("bigint", [2, 3])]), ("COMMIT", ()))
    assert connection.execute("SELECT n FROM said ORDER BY n").fetchall() == [(2,), (3,)]


def test_a_commit_that_the_server_answers_with_rollback_is_none(connection: Bounded) -> None:
    """It says so without an error, and whoever believed it would give receipts for what is not there."""
    writer = PostgresConnection(connection, Warnings(connection), lambda concerns: None)
    writer.begin()
    with pytest.raises(psycopg.errors.DivisionByZero):
        connection.execute("SELECT 1 / 0")
    with pytest.raises(psycopg.OperationalError, match="rolled the transaction back"):
        writer.commit()
    writer.begin()
    writer.commit()


def test_an_end_that_says_nothing_is_not_waited_for(connection: Bounded) -> None:
    connection.patience_s = 0.2
    with pytest.raises(psycopg.OperationalError, match=r"no answer within 0\.2 s"):
        Wire(connection).tell(("SELECT pg_sleep($1::bigint)", [(30).to_bytes(8, "big")]))
    assert connection.closed
