"""Faults planted into the product: with each of them some seed must turn red, and say why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from tests.faults.broken import MUTATIONS
from tests.faults.test_durable import BROKEN
from tests.mutations.edit import Edit, Mutation, off


@dataclass(frozen=True)
class Planted:
    """`says` is what one of the first seeds must find wrong."""

    mutation: Mutation
    says: str


@dataclass(frozen=True)
class Half:
    """One of two defences of the same promise: without it alone no seed turns red, because `other` holds. Without both
    one does: that is the plant `whole`."""

    mutation: Mutation
    other: str
    whole: str


_AT = {broken.point: broken.mutation for broken in MUTATIONS}
_STATEMENTS: Final = "axis/sql/statements.py"
_TOKEN: Final = '                delivery.c.token == bindparam("held"),\n'
_SETTLED: Final = '            )\n            .values(\n                state=bindparam("now")'
_OLDER: Final = off(
    "a claim asks whether something older in the lane is open",
    _STATEMENTS,
    (
        "                    ~_older_open(),\n                ).order_by(delivery.c.due_at",
        "                ).order_by(delivery.c.due_at",
    ),
)
_HEAD: Final = off(
    "only the head of a lane stands where workers look",
    _STATEMENTS,
    ('case((exists(in_lane), literal_column("0")), else_=literal_column("1"))', 'literal_column("1")'),
)


SYNCS: Final = {
    "octets": "payload-digest|SLOW|LOST",
    "folder": "SLOW|LOST",
    "log": "LogMismatch|HeadsDamaged",
    "log folder": "LogMismatch",
    "head": "LogMismatch|HeadsDamaged|UNREADABLE",
}
"""Syncs of `tests.faults.test_durable` that seeds can miss: not that of a commit, which SQLite is believed to do."""


def _all(defence: str, *mutations: Mutation) -> Mutation:
    edits: tuple[Edit, ...] = sum((one.edits for one in mutations), ())
    return Mutation(defence, edits)


PLANTED: Final[Mapping[str, Planted]] = MappingProxyType(
    {
        "retry": Planted(
            off(
                "what failed for now is due again",
                "axis/flow/attempt.py",
                ("        outcome = error.problem\n", "        outcome = Handover()\n"),
            ),
            "LOST",
        ),
        "receipt": Planted(_AT["K12"], "TWO_RECEIPTS"),
        "octets kept": Planted(_AT["K12-large"], "SLOW|LOST"),
        "recorded early": Planted(_AT["K24"], "LOST|DISORDER"),
        "status": Planted(_AT["K29"], "LOST"),
        "lanes": Planted(_all("what concerns one document keeps its order", _OLDER, _HEAD), "DISORDER|OVERTAKEN"),
        "one id": Planted(_AT["K23"], "DOUBLED"),
        "lease": Planted(
            off(
                "a delivery under way is left to whoever has it",
                "axis/sql/ledger.py",
                ("        at, until = rfc3339(now), now + lease\n", "        at, until = rfc3339(now), now\n"),
            ),
            "LEASE: .* takes",
        ),
        "fence": Planted(
            off(
                "only whoever has the lease settles an attempt",
                _STATEMENTS,
                (
                    f"{_TOKEN}{_SETTLED}",
                    _SETTLED,
                ),
            ),
            "FENCE: .* settles",
        ),
        "log lease": Planted(
            off(
                "the log is taken over only from one who is silent",
                "axis/flow/lease.py",
                ("or now - self._seen[1] >= self._length", "or True"),
            ),
            "LEASE: .* takes the log",
        ),
        "log token": Planted(
            off(
                "a round sees in its transactions that the lease is its own",
                "axis/flow/lease.py",
                ("there is None or there.token != self._ours.token:", "there is None:"),
            ),
            "LogMismatch",
        ),
        "heads' fence": Planted(
            off(
                "the store of heads refuses an older token",
                "axis/log/heads.py",
                ("        if fence > self._token:\n            raise", "        if False:\n            raise"),
            ),
            "LogMismatch|SHRUNK|SLOW",
        ),
        "journal": Planted(_AT["K19"], "store-behind"),
        "plan": Planted(
            off(
                "a round is planned in the store, where processes share the log",
                "axis/flow/sequence.py",
                ("            if intents:\n                plan =", "            if False:\n                plan ="),
            ),
            "store-behind",
        ),
        **{f"sync: {name}": Planted(BROKEN[name], says) for name, says in SYNCS.items()},
    }
)

HALVES: Final[Mapping[str, Half]] = MappingProxyType(
    {
        "lanes, asked": Half(_OLDER, "what is parked is not among what workers look at (`head`)", "lanes"),
        "lanes, parked": Half(_HEAD, "a claim asks whether something older is open", "lanes"),
    }
)
