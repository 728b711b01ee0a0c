"""What keeps each promise of the kill matrix, taken away: then the point must turn red, and say why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.faults import broken_trust
from tests.faults.broken_commit import BY_FAULT as COMMITS
from tests.faults.broken_network import ANSWERED
from tests.faults.broken_network import BY_FAULT as NETWORK
from tests.faults.broken_process import BY_FAULT as PROCESS
from tests.faults.field import LARGE
from tests.faults.points import Point, sending
from tests.faults.row import Broken as Broken
from tests.mutations.edit import off

ONLY_MUTATED: Final = (
    Point("K11-before", "before COMMIT, SQLite", sending("before commit"), "either"),
    Point("K12-large", "committed, before the answer, octets in a file", sending("committed", size=LARGE)),
)

MUTATIONS: Final = (
    Broken(
        "K03",
        off("a start sweeps the spool", "axis/app.py", ("        blobs.sweep()\n", "")),
        "not swept",
    ),
    Broken(
        "K09",
        off(
            "a decision is one transaction",
            "axis/sql/ledger.py",
            (
                "            self._change(change)\n",
                "            self._change(change)\n"
                "            self.session.finish()\n"
                '            for one in ("COMMIT", "BEGIN IMMEDIATE"):\n'
                "                self.session.connection.execute(one)\n"
                "            self.session._saved = False\n",
            ),
        ),
        "1 are stored",
    ),
    Broken(
        "K10a",
        off(
            "all tables are told in one transaction",
            "axis/sql/gather.py",
            (
                "                self._tell(sql, several)\n",
                "                self._tell(sql, several)\n"
                '                self.connection.execute("COMMIT", {})\n'
                '                self.connection.execute("BEGIN IMMEDIATE", {})\n',
            ),
        ),
        "1 are stored",
    ),
    Broken(
        "K11-before",
        ANSWERED,
        "NO_LEAF|AGAIN",  # the answer that was given too soon is a receipt's, or an acknowledgement's
    ),
    Broken(
        "K12",
        off(
            "a receipt is computed from the committed row",
            "axis/flow/receive.py",
            (
                "    return receipt(document, ctx.network.node",
                "    from dataclasses import replace\n\n"
                "    document = replace(document, accepted_at=ctx.now())\n"
                "    return receipt(document, ctx.network.node",
            ),
        ),
        "TWO_RECEIPTS",
    ),
    Broken(
        "K12-large",
        off(
            "large octets are durable before their row",
            "axis/flow/receive.py",
            ("            await one.keep()\n", "            pass\n"),
        ),
        "the newest packages",  # a node that has lost them does not start
    ),
    Broken(
        "K19",
        off(
            "the round is written down before anything of it",
            "axis/log/writer.py",
            ("        self._folder.write_journal(batch)\n", ""),
        ),
        "store-behind",
    ),
    Broken(
        "K23",
        off(
            "a delivery has one id over all attempts",
            "adapters/http_push.py",
            ('"Axis-Delivery": delivery.id,', '"Axis-Delivery": f"{delivery.id}-{delivery.attempts}",'),
        ),
        "DOUBLED",
    ),
    Broken(
        "K24",
        off(
            "what is delivered is recorded afterwards",
            "axis/flow/attempt.py",
            (
                "            outcome = await sink.deliver(consignment)\n",
                "            from axis.flow import dispatch\n"
                "            await dispatch.settle([Ended(delivery, Handover(), ctx.now(), document)], ctx)\n"
                "            outcome = await sink.deliver(consignment)\n",
            ),
        ),
        "LOST",
    ),
    Broken(
        "K29",
        off(
            "a status is put on its way in its own transaction",
            "axis/core/statuses.py",
            (
                "    deliveries = _onward(made, document, network, now, new_id) if first else []\n",
                "    deliveries: list[Delivery] = []\n",
            ),
        ),
        "LOST",
    ),
)

HEADS: Final = (
    Broken(
        "F44",
        off(
            "who never ends a head is let go",
            "axis/web/framing.py",
            ("[Kind.TOO_SLOW] += 1\n            self.transport.abort()\n", "[Kind.TOO_SLOW] += 1\n"),
        ),
        "never: they are let go",
    ),
    Broken(
        "F44",
        off(
            "who never ends a handshake is let go",
            "axis/web/places.py",
            ("ssl_handshake_timeout=self.handshake", "ssl_handshake_timeout=None"),
        ),
        "never: they are let go",
    ),
)

DEADLOCKS: Final = (
    Broken(
        "F31",
        off(
            "a deadlock is repeated",
            "axis/sql/postgres.py",
            ("pg.LockNotAvailable | pg.DeadlockDetected | pg.SerializationFailure", "pg.LockNotAvailable"),
        ),
        "the sender hears of it",
    ),
    Broken(
        "F31",
        off(
            "a deadlock at COMMIT is repeated",
            "axis/sql/group.py",
            (
                "            if self._database.is_contended(error) and self._rolled_back(writer):\n",
                "            if False:\n",
            ),
        ),
        "the sender hears of it",
    ),
)

TIMEOUTS: Final = (
    Broken(
        "F32",
        off(
            "a statement may take so long",
            "axis/sql/address.py",
            ('{"statement_timeout": f"{patience * 750:.0f}ms"} | ', ""),
        ),
        "it was answered with 202",
    ),
)

SETTINGS: Final = (
    Broken(
        "F33",
        off(
            "the server's settings are looked at again",
            "axis/sql/group.py",
            ("            self._writer.prove()\n", "            pass\n"),
        ),
        "never: it is told in the log",
    ),
)

QUARANTINE: Final = (
    Broken(
        "F07",
        off(
            "what is damaged in the store is set aside",
            "axis/core/settlement.py",
            ("    if problem.kind is Kind.STORED_DAMAGED:\n", "    if False:\n"),
        ),
        "never: the push was set aside",
    ),
)

BODIES: Final = (
    Broken(
        "F45",
        off("a small body has a time too", "axis/web/dto.py", ("asyncio.timeout(PATIENCE_S)", "asyncio.timeout(None)")),
        "never: it is told",
    ),
)

FULL: Final = (
    Broken(
        "F12",
        off(
            "connections are bounded",
            "axis/web/places.py",
            ("        if len(self._open) >= self.bound:\n", "        if False:\n"),
        ),
        "never: there is a bound",
    ),
    Broken(
        "F12",
        off(
            "accepting goes on when there were no more files",
            "axis/web/places.py",
            (
                '                self._troubles.happened("times", error=(error.strerror or str(error)).lower())\n',
                '                self._troubles.happened("times", error=(error.strerror or str(error)).lower())\n'
                "                return\n",
            ),
        ),
        "never: newcomers are served",
    ),
)

BY_FAULT: Final[Mapping[str, tuple[Broken, ...]]] = {
    "F07": QUARANTINE,
    "F12": FULL,
    "F31": DEADLOCKS,
    "F32": TIMEOUTS,
    "F33": SETTINGS,
    "F44": HEADS,
    "F45": BODIES,
    **{
        fault: tuple(Broken(fault, one.mutation, one.says) for one in found)
        for fault, found in broken_trust.BY_FAULT.items()
    },
    **PROCESS,
    **NETWORK,
    **COMMITS,
}
"""The same for faults beside the matrix: each has a test of its own that runs without the defence."""
