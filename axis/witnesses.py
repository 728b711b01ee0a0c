"""The witnesses of a node's log, by its configuration."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from adapters.witness import HttpWitness
from axis.config.model import Config
from axis.core.witness import Witnessed
from axis.flow.witness import Witnessing
from axis.log.files import LogFolder
from axis.log.heads import CheckpointStore
from axis.log.key import LogKeys
from axis.tls import client_context
from axis.watch import TlsFiles


class Witnesses:
    """Whoever is asked, each with a task of its own. `accept` as `Witnessing`."""

    def __init__(
        self,
        config: Config,
        folder: LogFolder,
        heads: CheckpointStore,
        keys: LogKeys,
        now: Callable[[], datetime],
        accept: bool,
    ) -> None:
        self.tls: list[TlsFiles] = []
        self._hands: list[HttpWitness] = []
        self.all: list[Witnessing] = []
        mark = config.node.instance if config.store.shared else ""
        for one in config.witness:
            files = (one.ca,) if one.ca else ()
            made = TlsFiles(files, partial(client_context, one.ca), one.key.name)
            hand = HttpWitness(one.url, made.make())
            made.show = hand.renew
            self.tls.append(made)
            self._hands.append(hand)
            self.all.append(Witnessing(one.key, hand, folder, heads, keys, now, mark=mark, accept=accept))

    def told(self) -> list[Witnessed]:
        """How each stands to our log, as far as this process knows."""
        return [one.told for one in self.all]

    async def close(self) -> None:
        for hand in self._hands:
            await hand.close()
