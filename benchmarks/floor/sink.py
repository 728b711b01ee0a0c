"""A receiver that answers every POST with 200 and counts; GET says how many came, and when the first did."""

from __future__ import annotations

import json
import sys
import time

import orjson
import uvloop
from aiohttp import web

from benchmarks.floor.serve import run

SEEN: list[float] = []


async def take(request: web.Request) -> web.Response:
    await request.read()
    SEEN.append(time.time())
    return web.Response(body=b"{}", content_type="application/json")


async def count(request: web.Request) -> web.Response:
    times = [SEEN[0], SEEN[-1]] if SEEN else []
    return web.Response(body=orjson.dumps({"count": len(SEEN), "times": times}), content_type="application/json")


if __name__ == "__main__":
    uvloop.run(run(json.loads(sys.argv[1]), [web.post("/", take), web.get("/", count)]))
