"""`axis receipt`: what a sender keeps of a document, and can prove with."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from axis.cli.client import AxisUnsure
from axis.cli.connection import Connection, connection_options
from axis.cli.output import json_option, say, say_json

if TYPE_CHECKING:
    from axis.cli.client import AxisClient

PATIENCE_S: Final = 30.0
"""How long the log is waited for. It promises seconds (`merge_by` of the receipt)."""
AGAIN_S: Final = 1.0

_NEW = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("document")
@click.option("-o", "--output", type=_NEW, help="Where to; default DOCUMENT.receipt.json.")
@click.option("--proof", type=_NEW, help="Keep the proof that the log holds it in this file, too.")
@connection_options
@json_option
def receipt(connection: Connection, document: str, output: Path | None, proof: Path | None, as_json: bool) -> None:
    """Fetch the receipt (biên nhận) of a document that we sent, the same octets as the first time, into a new file.

    DOCUMENT is the axis' reference of it. With --proof also what proves that the log holds what the receipt promised:
    `axis log proven` judges it without the axis. The log is waited for, half a minute at most.

    Exit 0 when all is saved, 1 when the axis refuses, 3 when nobody knows, or the log does not hold it yet.
    """
    target = output or Path(f"{document}.receipt.json")
    for taken in filter(None, (target, proof)):
        if taken.exists():
            raise click.UsageError(f"{taken} exists already; name another file")

    async def ask(axis: AxisClient) -> tuple[bytes, bytes | None]:
        octets = await axis.receipt(document)
        return octets, await _proof(axis, document) if proof else None

    octets, proved = connection.run(ask, as_json=as_json)
    for path, content in ((target, octets), (proof, proved)):
        if path is not None and content is not None:
            with path.open("xb") as file:
                file.write(content)
    if as_json:
        say_json({"document": document, "receipt": str(target), "proof": str(proof) if proof else None})
    else:
        say(f"đã lưu biên nhận (receipt saved) {target}")
        if proof:
            say(f"đã lưu chứng minh (proof saved) {proof}; kiểm tra (judge it): axis log proven {proof} --key log.vkey")


async def _proof(axis: AxisClient, document: str) -> bytes:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await axis.proof(document)
        except AxisUnsure:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(AGAIN_S)
