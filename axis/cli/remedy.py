"""What to do next where a node's store, log or port cannot be used: the same words in every command."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from axis.log.writer import Mismatch

if TYPE_CHECKING:
    from axis.config import Config
    from axis.sql.driver import StoreError

LOOK: Final = "look at the disk, and at owner and mode of its files; run this as the node's own account"
LOST: Final = (
    "the checkpoint store remembers a log, so there was a store: is its disk mounted? "
    "Make no new one; if it is lost: axis restore"
)
ELSEWHERE: Final = (
    "nothing was taken in. Is its disk not mounted, or does store.blobs name another bucket? Put back what a backup "
    "has (its folder blobs); if they are lost for good: axis serve --accept-loss (axis fsck tells whose they were)"
)
_PUT_BACK: Final = "nothing was signed. Was something put back? axis fsck looks, axis restore goes on (docs/care.md)"
_OTHERS: Final = (
    "nothing was signed. The heads are signed by another key or under another name: were node.name, keys.log "
    "or keys.checkpoints changed? A new key of the log takes over while keys.log_former names the one before it"
)
_CHANGED: Final = (
    "nothing was signed. The log goes on with the key that it names, and with no other: put that one back under "
    "keys.log"
)
_SPENT: Final = "nothing was signed. Make a key that this log has never had (openssl genpkey -algorithm ed25519)"
_NOT_THERE: Final = (
    "nothing was signed. Is the disk of the log or of the checkpoint store not mounted, or its path another one? "
    "If it is lost: docs/care.md"
)

_WITNESSED: Final = (
    "nothing more was signed: database, log and checkpoint store were put back together, or the log's key signs "
    "elsewhere too. Put the newest of all three back; if it is lost for good: docs/operations.md, section 9"
)

MISMATCHES: Final[Mapping[Mismatch, str]] = MappingProxyType(
    dict.fromkeys(Mismatch, _PUT_BACK)
    | {Mismatch.KEY_CHANGED: _CHANGED, Mismatch.KEY_SPENT: _SPENT}
    | {Mismatch.WITNESS_AHEAD: _WITNESSED, Mismatch.WITNESS_DIFFERS: _WITNESSED}
    | {Mismatch.HEADS_FOREIGN: _OTHERS, Mismatch.HEADS_LOST: _NOT_THERE, Mismatch.FOLDER_BEHIND: _NOT_THERE}
)
"""By the reason why a log is not continued."""

_LISTENING: Final[Mapping[int, str]] = MappingProxyType(
    {
        errno.EADDRINUSE: "another process listens there (ss -ltnp names it): stop it, or give [listen] another port",
        errno.EADDRNOTAVAIL: "this machine does not have that address: ip address lists those that it has; "
        "0.0.0.0 listens on all of them",
        errno.EACCES: "ports below 1024 need a right: take 8443, or give the unit CAP_NET_BIND_SERVICE",
    }
)


def of_store(error: StoreError, config: Config) -> str:
    """The next step after a store that cannot be opened."""
    from axis.sql.driver import NoDriver, NoStore, OtherSchema, StoreInUse, Unfinished

    match error:
        case NoDriver():
            return "pip install --require-hashes -r requirements/postgres.lock, into the environment of this program"
        case NoStore() if remembers(config):
            return LOST
        case NoStore():
            return "axis migrate makes one"
        case OtherSchema():
            return "stop the daemon, back it up, then: axis migrate"
        case Unfinished():
            return "axis restore, with the same backup again: it goes on by itself"
        case StoreInUse():
            return f"a daemon is already running on this store ({config.node.data}): one process at a time"
    if config.store.shared:
        return "look at [store], at the server and the way to it; docs/operations.md, section 12, has the settings"
    return LOOK


def of_listening(error: OSError) -> str:
    """The next step after a node could not start for a file or a port."""
    if error.filename:
        return f"about {error.filename}: {LOOK}"
    return _LISTENING.get(error.errno or 0, LOOK)


def remembers(config: Config) -> bool:
    """Whether something was ever signed under this configuration."""
    folder = config.keys.checkpoints
    return folder.is_dir() and any(one.stat().st_size for one in folder.iterdir() if one.is_file())
