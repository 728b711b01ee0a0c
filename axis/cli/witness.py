"""`axis witness`: a witness (bên chứng kiến) of other people's logs, for whoever wants to run one."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from axis.cli.national import ListenAddress
from axis.cli.output import Exit, give_up, json_option, say, say_json

if TYPE_CHECKING:
    from axis.log.key import LogKeys
    from axis.witness.memory import Memory
    from signing.cosignature import Cosigner

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)

KEY = "witness.pem"
STATE = "state"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def witness() -> None:
    """A witness: cosigns what continues a log, and nothing that does not. Whoever runs the log should not run it."""


@witness.command()
@click.argument("folder", type=_FOLDER)
@click.option("--name", required=True, help="The witness's name: an address without https://, as kiemtra.example.vn/1.")
@json_option
def init(folder: Path, name: str, as_json: bool) -> None:
    """Make a witness's key and its empty memory in FOLDER, and print the verifier key for logs and readers.

    Exit 0 when it is made, 2 when something lies there already or the name is none.
    """
    from axis.witness.memory import Memory
    from signing.cosignature import Cosigner
    from signing.keys import generate_ed25519, private_pem

    try:
        signer = Cosigner(name, generate_ed25519())
        verifier = signer.verifier
    except ValueError as error:
        give_up(Exit.USAGE, str(error), "a name has no blanks and no plus sign", as_json=as_json)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        handle = os.open(folder / KEY, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(private_pem(signer.key))
            file.flush()
            os.fsync(file.fileno())
        Memory.begin(folder / STATE, verifier)
    except OSError as error:
        hint = "a key that has cosigned goes on with its own memory only: name another folder"
        give_up(Exit.USAGE, (error.strerror or str(error)).lower(), hint, as_json=as_json)
    if as_json:
        say_json({"ok": True, "key": str(verifier), "folder": str(folder)})
    else:
        say(str(verifier))


@witness.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--log-key", "log_keys", type=_FILE, multiple=True, required=True, help="A log's verifier key; repeat.")
@click.option("--listen", type=ListenAddress(), default="127.0.0.1:8480", show_default=True)
@click.option("--cert", type=_FILE, help="Serve TLS with this certificate,")
@click.option("--key", "tls_key", type=_FILE, help="and this key.")
@json_option
def serve(
    folder: Path,
    log_keys: tuple[Path, ...],
    listen: tuple[str, int],
    cert: Path | None,
    tls_key: Path | None,
    as_json: bool,
) -> None:
    """Run the witness in FOLDER until SIGTERM or Ctrl-C, for the logs of these verifier keys.

    A file holds a log's key, below it those that the log had before. What was cosigned stands durably in FOLDER/state
    before anybody is answered: never put that back to an older state, and never run the key without it. The log goes to
    the standard error, with --json one JSON object a line. Exit 0 after an orderly stop, 1 when it could not start or
    its disk failed, 2 when keys or options are wrong.
    """
    if (cert is None) != (tls_key is None):
        raise click.UsageError("--cert and --key go together")
    from axis.cli.logs import configure
    from axis.log.disk import Locked
    from axis.witness.memory import Memory, MemoryLost
    from signing.cosignature import Cosigner
    from signing.keys import load_ed25519

    logs = _logs(log_keys, as_json)
    try:
        signer = Cosigner(Memory.whose(folder / STATE), load_ed25519((folder / KEY).read_bytes()))
    except ValueError as error:
        give_up(Exit.USAGE, f"{folder / KEY}: {error}", "axis witness init makes key and memory", as_json=as_json)
    except MemoryLost as error:
        give_up(Exit.NO, str(error), _LOST, as_json=as_json)
    except OSError as error:
        told = f"{folder / KEY}: {(error.strerror or str(error)).lower()}"
        give_up(Exit.USAGE, told, "axis witness init makes key and memory", as_json=as_json)
    configure(as_json=as_json)
    memory = Memory(folder / STATE, signer.verifier)
    try:
        asyncio.run(_run(memory, signer, logs, listen, cert, tls_key))
    except MemoryLost as error:
        give_up(Exit.NO, str(error), _LOST, as_json=as_json)
    except Locked as error:
        give_up(Exit.NO, str(error), "one process at a time has a witness's memory", as_json=as_json)
    except OSError as error:
        give_up(Exit.NO, (error.strerror or str(error)).lower(), "look at the disk and at --listen", as_json=as_json)
    except KeyboardInterrupt:
        return


_LOST = "nothing is cosigned without the memory of this key: bring it back, or retire the key and make a new witness"


def _logs(files: tuple[Path, ...], as_json: bool) -> dict[str, LogKeys]:
    from axis.log.key import LogKeys

    logs: dict[str, LogKeys] = {}
    for file in files:
        try:
            keys = LogKeys.parse(file.read_text())
        except (OSError, ValueError) as error:
            told = f"{file} holds no verifier key: {error}"
            give_up(Exit.USAGE, told, "axis log key, at the node, prints it", as_json=as_json)
        if keys.name in logs:
            told = f"{file} names {keys.name} a second time"
            give_up(Exit.USAGE, told, "all keys of one log stand in one file", as_json=as_json)
        logs[keys.name] = keys
    return logs


async def _run(
    memory: Memory,
    signer: Cosigner,
    logs: dict[str, LogKeys],
    listen: tuple[str, int],
    cert: Path | None,
    tls_key: Path | None,
) -> None:
    import signal
    import time
    from datetime import UTC, datetime, timedelta
    from functools import partial

    import structlog

    from axis.tls import server_context
    from axis.web.framing import listening
    from axis.web.places import Places
    from axis.witness.server import Witness

    log = structlog.get_logger()
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    memory.open()
    try:
        for origin in logs:
            memory.known(origin)  # what cannot be read ends it now, and not at the first offer
        served = Witness(memory, signer, logs, partial(datetime.now, UTC), time.monotonic, stop.set)
        tls = server_context(cert, tls_key, ()) if cert and tls_key else None
        async with listening(served.app(), *listen, tls, timedelta(seconds=20), Places(256)):
            log.info("witness_ready", name=signer.name, logs=sorted(logs), listen=f"{listen[0]}:{listen[1]}")
            await stop.wait()
        log.info("witness_stopping", name=signer.name)
        if served.broken is not None:
            raise served.broken
    finally:
        memory.close()
