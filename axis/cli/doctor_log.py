"""What `axis doctor` sees of the log: its head, the key that signs it, its witnesses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from axis.cli.looked import Line, State
from axis.cli.output import local

if TYPE_CHECKING:
    from axis.config import Config


def look_at_log(config: Config, now: datetime) -> Iterator[Line]:
    """The published head must be the newest one that was remembered apart from it, or lack the last round alone, and
    the store know all of it."""
    from axis.cli.remedy import MISMATCHES
    from axis.log.checkpoint import MalformedCheckpoint
    from axis.log.files import Damaged, LogFolder
    from axis.log.heads import CheckpointStore, Head, HeadsDamaged
    from axis.log.succession import present_key
    from axis.log.writer import Mismatch

    published = config.node.log / "checkpoint"
    try:
        history = list(CheckpointStore(config.keys.checkpoints).history())
        heads = [head.checkpoint for head in history]
        head = Head.read(published.read_text()).checkpoint if published.exists() else None
        journal = LogFolder(config.node.log).journal()
    except (MalformedCheckpoint, HeadsDamaged, Damaged, OSError, UnicodeDecodeError) as error:
        yield Line("log", State.FAIL, str(error), "axis log verify tells what is wrong")
        return
    newest = max(heads, key=lambda one: one.size, default=None)
    size = head.size if head else 0
    if head is None and newest is None:
        yield Line("log", State.OK, "no entries yet")
    elif newest and journal and (journal.first, journal.end) == (size, newest.size):
        told = f"{size} entries are published, {newest.size} are signed: the last round was cut off, nothing is lost"
        yield Line("log", State.WARN, told, "axis serve publishes it when it starts; while it runs, look again")
    elif head is None or newest is None or head != newest:
        told = f"published {head.size if head else 'none'}, remembered {newest.size if newest else 'none'}"
        yield Line("log", State.FAIL, told, "axis fsck; was something put back from a backup?")
    elif head.origin != config.node.name:
        yield Line("log", State.FAIL, f"it is the log of {head.origin}", "node.name must not change")
    elif _signed_by_another(config, published.read_text()):
        yield Line("log", State.FAIL, "its head is not signed by keys.log", MISMATCHES[Mismatch.HEADS_FOREIGN])
    elif _is_ahead_of_store(config):
        told = f"{head.size} entries were signed, the store knows fewer: documents with receipts are missing"
        yield Line("log", State.FAIL, told, MISMATCHES[Mismatch.STORE_BEHIND])
    else:
        age = now - datetime.fromtimestamp(published.stat().st_mtime, UTC)
        yield Line("log", State.OK, f"{head.size} entries, published {int(age.total_seconds())} s ago")
        key, since = present_key(history)
        yield Line("log key", State.OK, f"{key} signs since the head of {since} entries")


def _is_ahead_of_store(config: Config) -> bool:
    """An older state of the store was put back, or a standby has taken over that had not got everything."""
    from axis.care.logged import is_behind, log_state
    from axis.sql.driver import StoreError
    from axis.sql.engine import open_readonly, told

    before = log_state(config.node.log, config.keys.checkpoints)
    try:
        with told(config.store_url), open_readonly(config.store_url) as questions:
            questions.session.run(questions.session.snapshot)
            return is_behind(questions.session, before)
    except StoreError:
        return False  # told under "store"


def look_at_witnesses(config: Config) -> Iterator[Line]:
    """Ask each witness what it has seen of the log, and offer nothing."""
    if not config.witness:
        return
    import asyncio

    from axis.app import named_keys, own_keys
    from axis.cli.remedy import MISMATCHES
    from axis.core.problems import ProblemError
    from axis.flow.witness import Trouble, Witnessing
    from axis.hsm.wire import TokenError
    from axis.log.files import LogFolder
    from axis.log.heads import CheckpointStore
    from axis.log.key import LogKeys
    from axis.log.writer import LogMismatch
    from axis.witnesses import Witnesses
    from signing.note import NoteSigner

    async def look(one: Witnessing) -> Line:
        kept = f", cosigned {one.told.size} at {local(one.told.at)}" if one.told.at else ", nothing cosigned here yet"
        try:
            size = await one.look()
        except LogMismatch as error:
            return Line("witness", State.FAIL, str(error), MISMATCHES[error.reason])
        except (Trouble, ProblemError, OSError) as error:
            return Line("witness", State.WARN, f"{one.key.name}: {error}{kept}", _WITNESS)
        return Line("witness", State.OK, f"{one.key.name} has seen {size} entries of this log{kept}")

    async def ask(keys: LogKeys) -> list[Line]:
        heads, folder = CheckpointStore(config.keys.checkpoints), LogFolder(config.node.log)
        asked = Witnesses(config, folder, heads, keys, lambda: datetime.now(UTC), accept=False)
        for one in asked.all:
            one.remember()
        try:
            return await asyncio.gather(*map(look, asked.all))
        finally:
            await asked.close()

    try:
        with own_keys(config, *named_keys(config)[1:]) as own:
            keys = LogKeys(tuple(NoteSigner(config.node.name, key).verifier for key in own))
    except (TokenError, ValueError, OSError):
        return  # told of the key itself
    yield from asyncio.run(ask(keys))


_WITNESS: Final = "the log goes on without it; ask its operator, and look at the network and [[witness]]"


def _signed_by_another(config: Config, note: str) -> bool:
    """Whether the published head was signed by another key than the files of `keys.log` and `keys.log_former` hold. A
    token is asked for its own under `token`."""
    from signing.keys import load_ed25519
    from signing.note import NoteError, NoteSigner, open_note

    files = [one for one in (config.keys.log, config.keys.log_former) if one is not None]
    if not all(isinstance(one, Path) for one in files):
        return False
    keys = [load_ed25519(one.read_bytes()) for one in files if isinstance(one, Path)]
    return isinstance(open_note(note, [NoteSigner(config.node.name, key).verifier for key in keys]), NoteError)
