"""The only file that wires: configuration → context → services in one task group."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

import structlog

from adapters.fetch import Fetcher
from axis import reread
from axis.blobs import Spool, free_octets
from axis.care.packages import PackagesMissing, see_packages
from axis.care.sweep import Where, run_sweep
from axis.config.bindings import registry_of
from axis.config.model import Config, InToken
from axis.core.hands import Sink
from axis.core.model import Decision, EntryKind, LogEntry, Profile
from axis.core.network import Network, PdfRule
from axis.flow.admission import Admission
from axis.flow.attachments import AttachmentJudge
from axis.flow.clock import Clocks, watch_clock
from axis.flow.context import Context, ReceiptKey
from axis.flow.dispatch import Dispatcher
from axis.flow.evidence import EvidenceKeeper, Fetch
from axis.flow.expiry import run_expiry
from axis.flow.hearing import Hearing, watch_hearing
from axis.flow.lease import LeaseLost, LogLease
from axis.flow.lost import missing
from axis.flow.pathworker import PathWorker
from axis.flow.pdfworker import PDF_BOUNDS, PdfWorker
from axis.flow.poll import run_source
from axis.flow.recheck import run_recheck
from axis.flow.reconcile import run_reconciliation
from axis.flow.retention import Times, run_retention
from axis.flow.sequence import Sequencer
from axis.flow.traffic import Traffic
from axis.flow.witness import ask_at_start
from axis.hands import Hands
from axis.hsm.keys import OwnKey, open_keys
from axis.hsm.process import TokenSettings
from axis.hsm.signer import TokenEd25519
from axis.ids import jitter, new_id, nonce
from axis.log.files import LogFolder
from axis.log.heads import CheckpointStore
from axis.log.key import LogKeys
from axis.log.writer import Fenced
from axis.operator import write_token
from axis.process import OPERATOR_CONNECTIONS, allow_files, settle_memory
from axis.reload import Configuration, digests_of, network_under
from axis.shelf import holding_of, shelf_of
from axis.sql.engine import open_store
from axis.sql.store import SqlStore
from axis.tls import server_context
from axis.trust import end_of, ends_of, trust_of
from axis.watch import TlsFiles, watch_expiry, watch_store, watch_tls
from axis.web.api import Api
from axis.web.console import Console
from axis.web.framing import listening
from axis.web.places import Door, Places
from axis.web.queue import OperatorQueue
from axis.web.reload import OperatorReload
from axis.witnesses import Witnesses
from schemas.limits import XmlLimits
from signing.chain import CertificateCache
from signing.keys import load_ed25519, raw_public, sign_bytes
from signing.note import NoteSigner
from signing.policy import IF_PRESENT, LEGACY, OWN_NETWORK, SignaturePolicy

log = structlog.get_logger()

POLICIES: Mapping[Profile, SignaturePolicy] = MappingProxyType(
    {
        Profile.REQUIRED: OWN_NETWORK,
        Profile.VERIFY_IF_PRESENT: IF_PRESENT,
        Profile.LEGACY_TOLERATED: LEGACY,
    }
)

RECHECK_EVERY = timedelta(seconds=30)
BESIDE_THE_WAY = 10
"""Niceness of the PDF judge where nothing waits for it: on a busy machine intake and delivery come first."""
KEY_PROVED_S = 10.0
"""A key in a device that signed within this is believed to do so again."""


def utc_now() -> datetime:
    return datetime.now(UTC)


_STEADY: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""It goes on while the machine sleeps, where the system counts so."""


def _steady() -> float:
    """Seconds that nobody sets."""
    return time.clock_gettime(_STEADY)


def network_of(config: Config) -> Network:
    """Routes, registry and rules of the configuration. `ConfigError` when agencies or bindings are wrong."""
    return network_under(config, registry_of(config))


async def serve(config: Config, *, accept_loss: bool = False, accept_rollback: bool = False) -> None:
    """Run the node until SIGTERM or SIGINT. A core service that breaks ends the process; the service manager restarts.
    After SIGHUP it applies what its configuration says then (`axis.reload`), and reads trust, bindings and the files of
    its TLS again at once.

    Nothing is taken in before the store is open, the log is reconciled with its heads and the listeners stand.
    `TooFewFiles` where the system would not let it keep what it promises, `PackagesMissing` where its packages are
    somewhere else, unless somebody accepts that they are lost. `LogMismatch` where database, log and heads do not
    belong together, or where a witness has seen more of the log, unless somebody accepts that.
    """
    allow_files(config)
    stop, asked = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, asked.set)
    async with AsyncExitStack() as stack:
        name = config.node.instance if config.store.shared else ""
        blobs = shelf_of(config, f"spool-{name}" if name else "spool")
        store = open_store(config.store_url, blobs, instance=config.node.instance)
        stack.push_async_callback(store.close)
        blobs.sweep()
        clocks = Clocks(utc_now, _steady)
        hearing = Hearing(utc_now, clocks.off)
        hands = Hands(utc_now, hearing.heard_date)
        stack.push_async_callback(hands.close)
        hands.open(config)
        heads = CheckpointStore(config.keys.checkpoints, name)
        folder = LogFolder(config.node.log, name)
        lease = LogLease(store, name, time.monotonic) if name else None
        receipt_key, *log_keys = stack.enter_context(own_keys(config, *named_keys(config)))
        digests = digests_of(config)
        ctx = context_of(config, store, hands.sinks, receipt_key)
        paths = ctx.paths = PathWorker()
        stack.callback(paths.close)
        if config.trust.pdf is not PdfRule.OFF:
            nice = BESIDE_THE_WAY if config.trust.pdf is PdfRule.INFORM else 0
            pdfs = ctx.pdfs = PdfWorker(replace(PDF_BOUNDS, nice=nice))
            stack.callback(pdfs.close)
        if config.trust.fetch:
            fetcher = Fetcher(config.trust.hosts)
            stack.push_async_callback(fetcher.close)
            ctx.evidence = keeper_of(config, ctx, fetcher, lambda: reread.reload_trust(running, ctx))
        signer, *leaving = (NoteSigner(config.node.name, key) for key in log_keys)
        sequencer = await stack.enter_async_context(
            Sequencer(
                store,
                folder,
                heads,
                signer,
                config.node.name,
                clocks.now,
                leaving=leaving[0] if leaving else None,
                lease=lease,
                merge_delay=config.limits.merge_delay,
            )
        )
        verifiers = LogKeys(tuple(one.verifier for one in (signer, *leaving)))
        witnesses = Witnesses(config, folder, heads, verifiers, utc_now, accept_rollback)
        stack.push_async_callback(witnesses.close)
        if sequencer.leading:
            await ask_at_start(witnesses.all)
        await _see_packages(config, accept_loss)
        ctx.log_behind = lambda: sequencer.lag(clocks.now())
        ctx.log_written = sequencer.wake
        ctx.now, ctx.wall, ctx.clock_off = clocks.now, utc_now, clocks.off
        ctx.heard, ctx.clock_doubt = hearing.heard, hearing.likely_off
        store.listen(ctx.wake)
        if name:
            store.watch_for(lambda ledger: missing(ledger, ctx.newest, heads.peek))
        await _note(ctx, EntryKind.STARTED)

        def open_spool(inline_max: int | None = None) -> Spool:
            return blobs.spool(config.limits.max_bytes, inline_max)

        dispatcher = Dispatcher(ctx)
        running = Configuration(config, digests, ctx, hands, lambda: dispatcher.attempts)
        stack.push_async_callback(running.close)
        api = Api(ctx, lambda: running.doors, open_spool, config.node.log)
        places = Places(config.limits.connections, ctx.refused)
        token = write_token(config.node.data)

        async def order(dry_run: bool) -> Mapping[str, Any]:
            outcome = await running.reload(dry_run)
            if not dry_run:
                await reread.the_rest(running, ctx, watched())
            return outcome.facts()

        queue = OperatorQueue(ctx, token)
        console = Console(
            ctx,
            lambda: _head(sequencer),
            queue,
            lambda: places.taken,
            stop.is_set,
            ctx.now(),
            config.listen.operator_names,
            lambda: ends_of(running.named),
            OperatorReload(token, order, lambda: ctx.applied),
            witnesses.told,
            lambda: store.trouble,
        )
        at = config.listen
        shown = TlsFiles(
            (at.certificate, at.key, *at.client_ca), partial(server_context, at.certificate, at.key, at.client_ca)
        )
        doorways = (
            (api.routes(), at.agencies, shown.make(), places),
            (console.app(), at.operator, None, Places(OPERATOR_CONNECTIONS)),
        )
        outer, _ = [
            await stack.enter_async_context(
                listening(app, door.host, door.port, secured, config.limits.head, within, config.limits.slowest)
            )
            for app, door, secured, within in doorways
        ]
        shown.show = outer.show

        def watched() -> Sequence[TlsFiles]:
            return (shown, *hands.tls, *witnesses.tls)

        settle_memory()
        listening_at = {"agencies": str(at.agencies), "operator": str(at.operator)}
        log.info("node_ready", node=config.node.name, instance=name, **listening_at)
        async with asyncio.TaskGroup() as services:
            services.create_task(_shut(outer, stop))
            services.create_task(sequencer.run(stop))
            for one in witnesses.all:
                services.create_task(one.run(stop, lambda: sequencer.leading))
            services.create_task(dispatcher.run(stop))
            services.create_task(run_expiry(ctx, stop))
            services.create_task(run_recheck(RECHECK_EVERY, ctx, stop))
            if ctx.pdfs is not None:
                services.create_task(AttachmentJudge(ctx, RECHECK_EVERY).run(stop))
            services.create_task(reread.watch_trust(running, ctx, stop))
            if ctx.evidence is not None:
                services.create_task(ctx.evidence.run(stop))
            services.create_task(reread.watch_bindings(running, ctx, stop))
            services.create_task(reread.when_asked(running, ctx, watched, asked, stop))
            services.create_task(watch_store(store, stop))
            services.create_task(watch_clock(clocks, stop))
            services.create_task(watch_hearing(hearing, lambda: ctx.trust, stop))
            services.create_task(watch_tls(watched, reread.EVERY, stop))
            services.create_task(watch_expiry(lambda: running.named, end_of, ctx.now, stop))
            swept = Where(config.store_url, holding_of(config), config.node.log, config.keys.checkpoints)
            services.create_task(
                run_sweep(swept, config.store.keep_unnamed, clocks.of_files, stop, lambda: sequencer.leading)
            )
            if config.store.keep_content is not None:
                times = Times(config.store.keep_content, config.store.keep_unnamed)
                services.create_task(run_retention(times, ctx, stop, lambda: sequencer.leading))
            if hands.inquiries:
                services.create_task(run_reconciliation(hands.inquiries, ctx, stop, lambda: sequencer.leading))
            for source_name, (source, every) in hands.sources.items():
                by = config.principals[source_name]
                # Of several processes the one that leads asks: two would fetch the same things.
                services.create_task(
                    run_source(source, by, every, open_spool, ctx, stop, active=lambda: sequencer.leading)
                )
        log.info("node_stopping", node=config.node.name)
        await _note(ctx, EntryKind.STOPPED)
        with suppress(LeaseLost, Fenced):  # another process goes on with it
            await sequencer.round()


OwnName = Literal["receipts", "log", "log_former"]


def named_keys(config: Config) -> tuple[OwnName, ...]:
    """The keys that a running node signs with; the log's former one for as long as the configuration has it."""
    return ("receipts", "log") if config.keys.log_former is None else ("receipts", "log", "log_former")


def own_keys(config: Config, *names: OwnName) -> AbstractContextManager[tuple[OwnKey, ...]]:
    """The keys of `[keys]` by name, to be used inside the `with`. `TokenError`, `ValueError`, `OSError`."""
    hsm, references = config.hsm, [getattr(config.keys, name) for name in names]
    settings = TokenSettings(hsm.module, hsm.token, hsm.pin_file) if hsm else None
    return open_keys(settings, [one.label if isinstance(one, InToken) else one for one in references])


def receipt_key_of(key: OwnKey) -> ReceiptKey:
    """The key of receipts. One in a device may fail, and takes its time."""
    ready = partial(key.has_signed_within, KEY_PROVED_S) if isinstance(key, TokenEd25519) else lambda: True
    return ReceiptKey(raw_public(key).hex(), partial(sign_bytes, key), isinstance(key, TokenEd25519), ready)


def context_of(
    config: Config, store: SqlStore, sinks: Mapping[str, Sink], receipt_key: OwnKey | None = None
) -> Context:
    """The means of the flows. Without `receipt_key`, it is read from its file."""
    key = receipt_key
    if key is None:
        assert isinstance(config.keys.receipts, Path), "a token is opened by `own_keys`"
        key = load_ed25519(config.keys.receipts.read_bytes())
    return Context(
        store=store,
        network=network_of(config),
        trust=trust_of(config),
        policies=POLICIES,
        certificates=CertificateCache(),
        sinks=sinks,
        receipt_key=receipt_key_of(key),
        retry=config.delivery.retry,
        now=utc_now,
        new_id=new_id,
        nonce=nonce,
        jitter=jitter,
        xml_limits=XmlLimits(max_bytes=config.limits.max_bytes),
        admission=Admission(config.limits.pressure, time.monotonic, partial(free_octets, config.node.blobs)),
        merge_delay=config.limits.merge_delay,
        log_stale=config.limits.log_stale,
        lease=config.delivery.lease,
        traffic=Traffic.of(config.windows, config.delivery.window, config.delivery.in_flight, config.delivery.breaker),
    )


def _head(sequencer: Sequencer) -> tuple[int, str] | None:
    head = sequencer.seen
    return (head.checkpoint.size, head.checkpoint.root.hex()) if head and head.checkpoint.size else None


async def _see_packages(config: Config, accept_loss: bool) -> None:
    """A place that does not answer is no reason not to start: small packages are in the database."""
    try:
        missing = await asyncio.to_thread(see_packages, config.store_url, holding_of(config))
    except PackagesMissing as error:
        if not accept_loss:
            raise
        log.error("packages_missing", error=str(error))
    except OSError as error:
        log.warning("packages_not_seen", error=str(error))
    else:
        if missing:
            log.error("packages_missing", newest=missing)


async def _note(ctx: Context, kind: EntryKind) -> None:
    entry = LogEntry(kind, ctx.now(), ctx.network.node, "")
    await ctx.store.transact(lambda ledger: ledger.apply(Decision((entry,), (), None)))


async def _shut(outer: Door, stop: asyncio.Event) -> None:
    """Whoever comes now goes to another process, or comes again later; the operator can look on until the end."""
    await stop.wait()
    await outer.close()


def keeper_of(config: Config, ctx: Context, source: Fetch, reload: Callable[[], Awaitable[None]]) -> EvidenceKeeper:
    """Who fetches what is missing about revocation, through `source`. `reload` reads the files of trust again."""
    return EvidenceKeeper(
        source=source,
        folder=config.trust.cache,
        trust=lambda: ctx.trust,
        reload=reload,
        policy=OWN_NETWORK,
        now=utc_now,
        nonce=nonce,
        order=config.trust.order,
        wait=config.trust.fetch_wait,
    )
