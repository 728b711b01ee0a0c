"""The least that a mailbox must do: TLS, HTTP, one question to SQLite, an answer.

`/package/ID` gives a row's octets, `/list` fifty rows as JSON. Nobody is asked who he is, nothing is checked.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from typing import Any

import orjson
import uvloop
from aiohttp import web

from benchmarks.floor.serve import run

ROWS = 2000
COLUMNS = "id, sender, document_id, number, subject, size, sha256"


def routes(facts: dict[str, Any]) -> list[web.RouteDef]:
    held = sqlite3.connect(facts["sqlite"], isolation_level=None)
    held.execute("PRAGMA journal_mode = WAL")
    held.execute(
        "CREATE TABLE kept (id INTEGER PRIMARY KEY, sender TEXT, document_id TEXT, number TEXT, subject TEXT, "
        "size INTEGER, sha256 TEXT, octets BLOB)"
    )
    held.execute("BEGIN")
    for number in range(ROWS):
        facts_of_it = ("000.00.01.H99", f"000.00.01.H99,2026/11/29,{number}", str(number), "V/v thử nghiệm", 10_000)
        values = (*facts_of_it, f"{number:064x}", bytes(10_000))
        held.execute("INSERT INTO kept VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", values)
    held.execute("COMMIT")

    async def package(request: web.Request) -> web.Response:
        asked = (int(request.match_info["id"]),)
        (octets,) = held.execute("SELECT octets FROM kept WHERE id = ?", asked).fetchone()
        return web.Response(body=octets, content_type="application/xml")

    async def fifty(request: web.Request) -> web.Response:
        rows = held.execute(f"SELECT {COLUMNS} FROM kept WHERE id > 0 ORDER BY id LIMIT 50").fetchall()
        names = COLUMNS.split(", ")
        body = orjson.dumps({"items": [dict(zip(names, row, strict=True)) for row in rows]})
        return web.Response(body=body, content_type="application/json")

    return [web.get("/package/{id}", package), web.get("/list", fifty)]


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    uvloop.run(run(told, routes(told)))
