"""Publishes to RabbitMQ. A program of its own: it takes its core beside the broker, as our load does beside a node.

Each line on the standard input is a size and how often; the answer is the seconds from the first message to the last
confirmation. Messages are persistent, the queue durable; each of `CALLERS` waits for the confirmation of its message
before it publishes the next one, as each of our callers waits for a receipt.
"""

from __future__ import annotations

import asyncio
import sys
import time

import aio_pika

CONNECTIONS = 8
CALLERS = 64
QUEUE = "documents"


async def seconds(channels: list[aio_pika.abc.AbstractChannel], size: int, times: int) -> float:
    left = iter(range(times))
    message = aio_pika.Message(bytes(size), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)

    async def publish(channel: aio_pika.abc.AbstractChannel) -> None:
        for _ in left:
            await channel.default_exchange.publish(message, QUEUE, mandatory=True)

    began = time.perf_counter()
    await asyncio.gather(*(publish(channels[number % len(channels)]) for number in range(CALLERS)))
    return time.perf_counter() - began


async def main(port: int) -> None:
    connections = [await aio_pika.connect(port=port) for _ in range(CONNECTIONS)]
    channels = [await connection.channel(publisher_confirms=True) for connection in connections]
    queue = await channels[0].declare_queue(QUEUE, durable=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        size, times = map(int, line.split())
        taken = await seconds(channels, size, times)
        await queue.purge()
        sys.stdout.write(f"{taken}\n")
        sys.stdout.flush()
    for connection in connections:
        await connection.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
