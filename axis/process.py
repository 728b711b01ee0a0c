"""What one process needs of its system, and what it leaves alone: open files, memory."""

from __future__ import annotations

import gc
import resource
from typing import Final

from axis.config.model import Config

OPERATOR_CONNECTIONS: Final = 64
"""At the operator's listener: a person, a few probes, and who scrapes the metrics."""
BESIDES: Final = 256
"""Files for everything that does not grow with the load: libraries, database, log, workers, fetching of evidence. Some
fifty were counted on a node at work; sixteen connections to PostgreSQL would be more than it opens."""
COLLECT: Final = (50_000, 20, 50)
"""When the garbage collector looks: objects, and rounds of the younger generations."""


class TooFewFiles(Exception):
    """The system lets this process have less files open than it needs. `remedy` says what to do."""

    def __init__(self, needed: int, allowed: int, connections: int) -> None:
        super().__init__(
            f"limits.connections = {connections} needs {needed} open files, and this process may have {allowed}"
        )
        self.remedy = f"LimitNOFILE={needed} in the unit (elsewhere: ulimit -Hn), or a smaller limits.connections"


def files_needed(config: Config) -> int:
    """How many files may be open at once: one for each connection and for every other one a large file that is handed
    out over it, three for each package that is taken in (spool, part, the file that had its name before), two for each
    attempt. A file too many is answered with 503, or waited for.

    By default that is below 4,096, which older systems allow and no more.
    """
    attempts = config.delivery.in_flight + len(config.endpoint)  # each endpoint always has one place
    connections = config.limits.connections + OPERATOR_CONNECTIONS
    return connections + connections // 2 + 3 * config.limits.at_once + 2 * attempts + BESIDES


def files_allowed() -> int | None:
    """How many files this process can be allowed to have open (the hard RLIMIT_NOFILE), or `None`: any number."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if hard == resource.RLIM_INFINITY else hard


def allow_files(config: Config) -> None:
    """Raise the soft limit to what is needed. `TooFewFiles` where the system does not let us."""
    needed, allowed = files_needed(config), files_allowed()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if allowed is not None and allowed < needed:
        raise TooFewFiles(needed, allowed, config.limits.connections)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    except (ValueError, OSError):  # a kernel that allows less than it says
        raise TooFewFiles(needed, soft, config.limits.connections) from None


def settle_memory() -> None:
    """What is there now stays: the collector need not look at it again, nor run at every seven hundred objects. A
    document makes some thousands, nearly all of them gone with its answer and without the collector's help."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT)
