"""The least that a delivery over HTTP takes: aiohttp's client, one session, keep-alive, the octets at hand.

Each line on the standard input is how many times to POST; the answer is a line when all were answered with 200.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from typing import Any

import aiohttp
import uvloop


async def main(facts: dict[str, Any]) -> None:
    octets, loop = bytes(facts["size"]), asyncio.get_running_loop()
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=facts["ca"]), limit=facts["callers"])
    async with aiohttp.ClientSession(connector=connector) as session:
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            left = iter(range(int(line)))

            async def caller(left: Any) -> None:
                for _ in left:
                    async with session.post(facts["url"], data=octets) as response:
                        await response.read()
                        response.raise_for_status()

            await asyncio.gather(*(caller(left) for _ in range(facts["callers"])))
            sys.stdout.write("done\n")
            sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main(json.loads(sys.argv[1])))
