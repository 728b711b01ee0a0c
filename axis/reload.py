"""A changed configuration in a running node: read, compared, and put in force at once and whole, or not at all."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog

from axis.config.apart import read_registry
from axis.config.bindings import open_book
from axis.config.difference import Difference, What, differences, needs_restart
from axis.config.endpoint import NationalEndpoint
from axis.config.fault import ConfigError, Fault
from axis.config.load import in_order, load_config, placed, read_text
from axis.config.locate import Places
from axis.config.model import Config
from axis.core.applied import Applied, decide_configured
from axis.core.follow_up import FollowUpRules
from axis.core.hands import Sink
from axis.core.network import Network
from axis.core.problems import Unavailable
from axis.core.registry import Registry
from axis.core.window import Windows
from axis.flow.context import Context
from axis.hands import Hands, Others, closed
from axis.process import TooFewFiles, allow_files
from axis.trust import named_certificates, see_lists, trust_of
from axis.web.auth import Doors
from signing.trust import Trust

log = structlog.get_logger()

SHOWN: Final = 200
"""So many differences are named; of more there are numbers only."""
COUNTED: Final = 10_000
"""Waiting deliveries of one endpoint that are looked at; of more it is said that there are at least so many."""
PAGE: Final = 200


def network_under(config: Config, registry: Registry, former: Network | None = None) -> Network:
    """Routes, registry and rules of the configuration, after those of `former`."""
    network = Network(
        node=config.node.name,
        routes=config.routing_table(registry),
        roles=config.roles,
        report=config.statuses.report,
        arrived_by=config.statuses.arrived_by,
        reported=config.statuses.reported,
        max_recipients=config.limits.max_recipients,
        hold=config.limits.hold,
        hold_count=config.limits.hold_count,
        pdf=config.trust.pdf,
        follow_up={
            one.name: FollowUpRules(one.reconcile_after, config.delivery.lifetime)
            for one in config.endpoint
            if isinstance(one, NationalEndpoint) and one.reconcile_after
        },
        principals=config.principals,
    )
    return network if former is None else replace(network, former={**former.former, **former.roles})


def digests_of(config: Config) -> tuple[bytes, ...]:
    """SHA-256 of the configuration as it was read, and of each file of the registry as it is now: ask before these are
    read, so that what is replaced meanwhile is read again."""
    return (config.digest, *map(_digest, config.registry.files))


def digest_of(digests: Sequence[bytes]) -> str:
    """One for all of them, hex."""
    return hashlib.sha256(b"".join(digests)).hexdigest()


def parsed_trust(config: Config) -> Trust:
    """What the files of trust say, ready. `OSError`, `ValueError`."""
    trust = trust_of(config)
    # A large list takes a tenth of a second to index, and some to be digested: here, and not on the loop.
    assert trust.epoch
    assert trust.places is not None
    return trust


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one asking, and what is in force after it. `left` are deliveries that wait where they are no
    longer handed out, by endpoint."""

    generation: int
    sha256: str
    since: datetime
    applied: bool = False
    differences: Sequence[Difference] = ()
    left: Mapping[str, int] = field(default_factory=dict)
    faults: Sequence[Fault] = ()
    error: str = ""

    @property
    def refused(self) -> bool:
        return bool(self.faults or self.error)

    def facts(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "applied": self.applied,
            "refused": self.refused,
            "generation": self.generation,
            "since": self.since.isoformat(),
            "config_sha256": self.sha256,
            "changed": {what.value: number for what, number in self.numbers.items()},
            "differences": [
                {"what": one.what.value, "subject": one.subject, "detail": one.detail}
                for one in self.differences[:SHOWN]
            ],
            "left_behind": dict(self.left),
            "faults": [
                {
                    "path": str(one.path),
                    "line": one.line,
                    "column": one.column,
                    "key": one.key,
                    "reason": one.reason,
                    "hint": one.hint,
                    "source_line": one.source_line,
                }
                for one in self.faults
            ],
            "error": self.error,
        }

    @property
    def numbers(self) -> Mapping[What, int]:
        return Counter(one.what for one in self.differences)


@dataclass(frozen=True, slots=True)
class _Read:
    """Another configuration, read and found without faults."""

    config: Config
    registry: Registry
    trust: Trust
    doors: Doors
    digests: tuple[bytes, ...]
    differences: tuple[Difference, ...]


class Configuration:
    """The configuration in force. `attempts` gives the attempts at deliveries that are under way.

    `doors` and `named` go with it: who may come in, and which certificates the node goes by.
    """

    def __init__(
        self,
        config: Config,
        digests: tuple[bytes, ...],
        ctx: Context,
        hands: Hands,
        attempts: Callable[[], Collection[asyncio.Task[None]]],
    ) -> None:
        self._ctx, self._hands, self._attempts = ctx, hands, attempts
        self._turn = asyncio.Lock()
        self._digests = digests
        ctx.applied = Applied(1, ctx.now(), digest_of(digests))
        self._retired: set[asyncio.Task[None]] = set()
        self._hold(config, Doors(config.by_certificate, config.by_api_key))

    def _hold(self, config: Config, doors: Doors) -> None:
        self.config, self.doors, self.named = config, doors, named_certificates(config)

    @property
    def _applied(self) -> Applied:
        assert self._ctx.applied is not None
        return self._ctx.applied

    async def reload(self, dry_run: bool = False) -> Outcome:
        """Put in force what the files say now, or say what is wrong with them: then nothing has changed. With
        `dry_run` only say what would change."""
        async with self._turn:
            outcome = await self._reload(dry_run)
        if outcome.refused:
            named = [f"{fault.path.name}:{fault.line}: {fault.key}: {fault.reason}" for fault in outcome.faults[:20]]
            log.error("configuration_refused", faults=named, error=outcome.error, generation=outcome.generation)
        elif outcome.applied:
            numbers = {what.value: number for what, number in outcome.numbers.items()}
            log.info(
                "configuration_applied",
                generation=outcome.generation,
                config_sha256=outcome.sha256,
                changed=numbers,
                left=dict(outcome.left),
            )
        return outcome

    async def _reload(self, dry_run: bool) -> Outcome:
        before = self._ctx.network
        try:
            read = await asyncio.to_thread(_giving_way, partial(self._read, before.registry))
            await asyncio.to_thread(allow_files, read.config)
        except ConfigError as error:
            return self._outcome(faults=error.faults)
        except (OSError, ValueError) as error:
            return self._outcome(error=str(error))
        except TooFewFiles as error:
            return self._outcome(error=f"{error}: {error.remedy}")
        network = network_under(read.config, read.registry, before)
        try:
            left = await self._left_behind(network) if read.differences else {}
            if dry_run or not read.differences:
                return self._outcome(differences=read.differences, left=left)
            others = await self._hands.others(read.config)
        except Unavailable as error:
            return self._outcome(error=f"the store cannot be read: {error.problem.kind.value}")
        except (OSError, ValueError) as error:
            return self._outcome(error=str(error))
        ctx = self._ctx
        applied = Applied(self._applied.generation + 1, ctx.now(), digest_of(read.digests))
        try:
            # First the log: auditors know of it, or nothing changes. A crash in between starts with the same files.
            await ctx.store.transact(lambda ledger: ledger.apply(decide_configured(ctx.node, applied)))
        except BaseException as error:
            await others.close()
            if not isinstance(error, Unavailable):
                raise
            return self._outcome(error=f"the log cannot be written: {error.problem.kind.value}")
        self._exchange(read, network, others, applied)
        ctx.wake()
        return self._outcome(True, read.differences, left)

    def _exchange(self, read: _Read, network: Network, others: Others, applied: Applied) -> None:
        """In one step of the loop: whoever works here sees the old one before, and the new one after it. A body of a
        transaction that is at work has read the old one, and ends with it."""
        ctx, config = self._ctx, read.config
        attempts, bindings = tuple(self._attempts()), network.registry.bindings.rows
        if bindings != ctx.network.registry.bindings.rows:
            log.info("bindings_reloaded", bindings=len(bindings))
        ctx.network, ctx.applied = network, applied
        self._hands.exchange(others)
        ctx.sinks = self._hands.sinks
        ctx.traffic.windows = Windows(config.windows, config.delivery.in_flight)
        for name in others.made:
            ctx.traffic.forget(name)
        ctx.admission.pressure = config.limits.pressure
        ctx.log_stale = config.limits.log_stale
        if (read.trust.epoch, read.trust.answers) != (ctx.trust.epoch, ctx.trust.answers):
            ctx.trust = read.trust
            log.info("trust_reloaded", epoch=read.trust.epoch)
        self._hold(config, read.doors)
        self._digests = read.digests
        ctx.evidence_came.set()  # a held document may have a route now, or a signer who speaks for its sender
        ctx.attachments_came.set()
        if others.over:
            task = asyncio.create_task(_close_after(attempts, others.over))
            self._retired.add(task)
            task.add_done_callback(self._retired.discard)

    async def close(self) -> None:
        """Those hands that are over, however their attempts end."""
        await asyncio.gather(*self._retired)

    def _outcome(
        self,
        applied: bool = False,
        differences: Sequence[Difference] = (),
        left: Mapping[str, int] | None = None,
        faults: Sequence[Fault] = (),
        error: str = "",
    ) -> Outcome:
        now = self._applied
        return Outcome(now.generation, now.sha256, now.at, applied, differences, left or {}, faults, error)

    def _read(self, registry: Registry) -> _Read:
        """Everything that the files say, in a thread. `ConfigError` for faults, `OSError`, `ValueError`."""
        old, path = self.config, self.config.path
        if path is None:
            raise ValueError("this node was not started from a file")
        text = read_text(path)
        config = load_config(text, path)
        places = Places(text)
        if faults := [placed(finding, path, places) for finding in needs_restart(old, config)]:
            raise ConfigError(in_order(faults))
        see_lists(config, path)
        digests, agencies = digests_of(config), registry
        if digests[1:] != self._digests[1:]:
            agencies = read_registry(config.registry.files, registry)
        rows = open_book(config, agencies).bindings
        if rows != agencies.bindings.rows:
            agencies = agencies.bound(rows)
        found = list(differences(old, config, registry, agencies))
        told = {one.subject for one in found if one.what in (What.ENDPOINT_CHANGED, What.ENDPOINT_ADDED)}
        stale = sorted(set(self._hands.stale(config)) - told)
        found += [Difference(What.ENDPOINT_CHANGED, name, "bearer_file") for name in stale]
        return _Read(
            config,
            agencies,
            parsed_trust(config),
            Doors(config.by_certificate, config.by_api_key),
            digests,
            tuple(found),
        )

    async def _left_behind(self, network: Network) -> Mapping[str, int]:
        """How many deliveries wait at each endpoint for somebody who would not get them there any more, and do now."""
        views, now = self._ctx.store.views, self._ctx.network
        pairs = await views.addressees()
        gone = {e for e, codes in pairs if now.serves(e, codes) and not network.serves(e, codes)}
        left: Counter[str] = Counter()
        for endpoint in sorted(gone):
            after: int | None = 0
            while after is not None and left[endpoint] < COUNTED:
                page = await views.queue(endpoint, None, None, PAGE, after)
                left[endpoint] += sum(not network.serves(endpoint, one.recipients) for one in page)
                after = page[-1].seq if page else None
        return left


def _giving_way(read: Callable[[], _Read]) -> _Read:
    """A request changes threads some times, and waits for the interpreter each time: ten times less meanwhile."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(before / 10)
    try:
        return read()
    finally:
        sys.setswitchinterval(before)


async def _close_after(attempts: Collection[Awaitable[None]], sinks: Sequence[Sink]) -> None:
    """What is under way at a hand that is over ends as it began."""
    await asyncio.gather(*attempts, return_exceptions=True)
    await closed(sinks)


def _digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:  # whoever reads it tells
        return b""
