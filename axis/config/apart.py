"""Read a large registry beside the event loop: in a process of its own, for a thread would take the interpreter from
whoever answers requests, for seconds with the agencies of a country."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from axis.config.fault import ConfigError
from axis.config.registry import load_registry
from axis.core.registry import Agency, Registry

SMALL: Final = 131_072
"""Files of so many octets together, over a thousand agencies, are read in less time than a process takes to begin."""
PORTION: Final = 500
"""So many agencies come at once: what is made of one portion keeps the interpreter for a few milliseconds."""
_BESIDE_THE_WAY: Final = 10


def read_registry(files: Sequence[Path], before: Registry) -> Registry:
    """`load_registry`, with the very agencies of `before` where nothing is new about them. Blocks; for a thread.
    `ConfigError`, `OSError`."""
    try:
        small = sum(path.stat().st_size for path in files) <= SMALL
    except OSError:  # reading it tells
        small = True
    return Registry(_kept(load_registry(files) if small else _apart(files), before))


def _kept(agencies: Iterator[Agency] | Registry, before: Registry) -> Iterator[Agency]:
    """What is the same stays the same object: it need not be found different once more, and nothing of it is freed."""
    for one in agencies:
        was = before.find(one.code)
        yield was if was is not None and was == one else one


def _apart(files: Sequence[Path]) -> Iterator[Agency]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(theirs, tuple(files)), daemon=True, name="registry")
    process.start()
    theirs.close()
    try:
        while portion := ours.recv():
            if isinstance(portion, tuple):
                raise ConfigError(portion)
            yield from portion
    except EOFError:
        raise OSError("the process that read the registry has ended before it was done") from None
    finally:
        ours.close()
        process.kill()
        process.join(5)


def _serve(pipe: Connection, files: tuple[Path, ...]) -> None:
    """The other process: portions of agencies, or a tuple of faults; at last nothing."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.nice(_BESIDE_THE_WAY)
    try:
        agencies = list(load_registry(files))
    except ConfigError as error:
        pipe.send(error.faults)
        return
    for first in range(0, len(agencies), PORTION):
        pipe.send(agencies[first : first + PORTION])
    pipe.send([])
