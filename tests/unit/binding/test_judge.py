"""A document and the binding of its signer over time: through the real intake, into a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from axis.app import context_of
from axis.blobs import Blobs
from axis.config import Config, ConfigError, Fault, load_file
from axis.core.binding import Binding
from axis.core.model import Principal
from axis.core.problems import Kind, Refused
from axis.core.registry import Registry
from axis.core.routing import RoutingTable
from axis.devpki import Identity
from axis.flow.context import Context
from axis.flow.judge import Judged, judge
from axis.flow.receive import receive
from axis.reload import parsed_trust
from axis.reread import reload_trust, watch_bindings
from axis.sql.engine import open_store
from schemas.codes import AgencyCode
from signing.trust import Trust
from signing.verdict import CheckStatus, Reason, SubIndication
from tests.site import HOME_AFFAIRS, OFFICE, Site

DAY = timedelta(days=1)
CODE, OTHER = AgencyCode(OFFICE), AgencyCode(HOME_AFFAIRS)


@dataclass
class Holding:
    config: Config


class Desk:
    """A node's means without its listeners, and a clock that a test moves."""

    def __init__(self, site: Site, ctx: Context, blobs: Blobs, by: Principal) -> None:
        self.site, self.ctx, self.blobs, self.by = site, ctx, blobs, by
        self.today = datetime.now(UTC) + timedelta(minutes=1)
        self.clock = self.today
        ctx.now = lambda: self.clock
        self.new = site.pki.signer("new")

    def bind(self, *rows: Binding) -> None:
        """What the daemon does when the file of bindings has changed."""
        network = self.ctx.network
        routes = RoutingTable(network.routes.rules, network.registry.bound(rows))
        self.ctx.network = replace(network, routes=routes)

    def row(self, begins: float | None, ends: float | None, who: Identity | None = None) -> Binding:
        since, until = (None if days is None else self.today + days * DAY for days in (begins, ends))
        return Binding((who or self.new).fingerprint, CODE, since, until)

    def package(self, who: Identity | None = None) -> bytes:
        """A document of the office, signed with a certificate that is not the one listed beside it."""
        self.site.signers["x"] = who or self.new
        return self.site.package(OFFICE, [HOME_AFFAIRS], signer="x")

    async def judged(self, octets: bytes) -> Judged:
        return await judge(memoryview(octets), self.by, self.ctx)

    async def send(self, octets: bytes) -> str:
        """The answer: `accepted`, or the kind of problem."""
        async with self.blobs.spool(1 << 20) as spool:
            await spool.write(octets)
            try:
                taken = await receive(await spool.finish(), self.by, self.ctx)
            except Refused as refused:
                return refused.problem.kind.value
        assert taken.receipt is not None
        return "accepted"


@asynccontextmanager
async def desk(folder: Path) -> AsyncIterator[Desk]:
    site = Site(folder)
    config = load_file(site.config)
    blobs = Blobs(config.node.blobs, config.store.inline_max)
    store = open_store(config.store_url, blobs)
    try:
        yield Desk(site, context_of(config, store, {}), blobs, config.principals["van-phong"])
    finally:
        await store.close()


async def test_a_document_is_refused_today_and_accepted_tomorrow_when_the_binding_begins(tmp_path: Path) -> None:
    async with desk(tmp_path / "node") as node:
        package = node.package()
        assert await node.send(package) == Kind.CERTIFICATE_MISMATCH
        node.bind(node.row(1, None))
        assert await node.send(package) == Kind.CERTIFICATE_MISMATCH
        node.clock = node.today + DAY - timedelta(microseconds=1)
        assert await node.send(package) == Kind.CERTIFICATE_MISMATCH
        node.clock = node.today + DAY
        assert await node.send(package) == "accepted"
        node.bind()
        assert await node.send(package) == "accepted", "a repeat of what was accepted stays accepted"


async def test_a_rollover_carries_documents_of_both_certificates_through_the_overlap(tmp_path: Path) -> None:
    """The certificate listed in the registry ends on day 14, narrowed by a row; the new one begins on day 1."""
    async with desk(tmp_path / "node") as node:
        old = node.site.signers[OFFICE]
        node.bind(node.row(-100, 14, old), node.row(1, None))
        answers = {}
        for day in (0, 1, 13, 14):
            node.clock = node.today + day * DAY
            answers[day] = [await node.send(node.package(who)) for who in (old, node.new)]
        refused = Kind.CERTIFICATE_MISMATCH.value
        assert answers == {
            0: ["accepted", refused],
            1: ["accepted", "accepted"],
            13: ["accepted", "accepted"],
            14: [refused, "accepted"],
        }


STANDINGS = [
    # when the binding begins and ends, in days from now; what the check begins with, of a certificate CERT
    (None, None, CheckStatus.OK, "CERT speaks for"),
    (-1, 1, CheckStatus.OK, "CERT speaks for"),
    (1, 2, CheckStatus.NOT_OK, "not yet: CERT speaks for"),
    (-2, -1, CheckStatus.NOT_OK, "ended: CERT spoke for"),
    (0, 0, CheckStatus.NOT_OK, "CERT is not bound to"),
]


@pytest.mark.parametrize(("begins", "ends", "status", "told"), STANDINGS)
async def test_the_verdict_says_why_and_at_which_time(
    tmp_path: Path, begins: float | None, ends: float | None, status: CheckStatus, told: str
) -> None:
    async with desk(tmp_path / "node") as node:
        node.bind(node.row(begins, ends))
        verdict = (await node.judged(node.package())).verdict
        check = verdict.checks[-1]
        assert (check.id, check.status) == ("certificate-binding", status)
        assert check.observed.startswith(f"{told.replace('CERT', f'sha256:{node.new.fingerprint}')} {OFFICE}")
        assert node.clock.strftime("%Y-%m-%dT%H:%M:%S") in check.required
        assert verdict.at == node.clock
        assert verdict.signer is not None
        if status is CheckStatus.OK:
            assert (verdict.passed, verdict.reason, verdict.signer.speaks_for) == (True, Reason.GOOD, (OFFICE,))
        else:
            assert (verdict.sub_indication, verdict.reason) == (
                SubIndication.SIG_CONSTRAINTS_FAILURE,
                Reason.NOT_BOUND,
            )
            assert verdict.signer.speaks_for == ()


async def test_a_certificate_bound_to_another_agency_does_not_speak_for_this_one(tmp_path: Path) -> None:
    async with desk(tmp_path / "node") as node:
        node.bind(replace(node.row(None, None), agency=OTHER))
        verdict = (await node.judged(node.package())).verdict
        assert verdict.reason is Reason.NOT_BOUND
        assert HOME_AFFAIRS not in verdict.checks[-1].observed


async def test_a_binding_mends_no_other_fault(tmp_path: Path) -> None:
    """Bound or not, a document that was changed after signing fails for that, and an unsigned one is unsigned."""
    async with desk(tmp_path / "node") as node:
        changed = node.package().replace("thử nghiệm".encode(), "thử nghiêm".encode())
        unsigned = node.site.package(OFFICE, [HOME_AFFAIRS], signed=False)
        reasons = {}
        for name, rows in (("bound", [node.row(None, None)]), ("unbound", [])):
            node.bind(*rows)
            reasons[name] = [(await node.judged(one)).verdict.reason for one in (changed, unsigned)]
        assert reasons["bound"] == reasons["unbound"] == [Reason.DIGEST, Reason.UNSIGNED]


async def test_wrong_bindings_are_told_once_and_again_when_they_are_wrong_in_another_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each round of the daemon reads the file; what it reads is scripted here, a text for what is wrong with it."""
    stop = asyncio.Event()
    rounds = iter(["one", "one", "one", "two", "two", None, "two", None])

    def read(_config: Config, registry: Registry) -> Registry:
        told = next(rounds, "over")
        if told == "over":
            loop.call_soon_threadsafe(stop.set)
            return registry
        if told is not None:
            raise ConfigError([Fault(Path("bindings.toml"), 1, 1, "", told, "", "")])
        return registry.bound([Binding("ab" * 32, CODE)])

    loop = asyncio.get_running_loop()
    monkeypatch.setattr("axis.reread.EVERY", timedelta(milliseconds=1))
    monkeypatch.setattr("axis.reread.reread", read)
    async with desk(tmp_path / "node") as node:
        with capture_logs() as said:
            await watch_bindings(Holding(load_file(node.site.config)), node.ctx, stop)
        assert len(node.ctx.network.registry.bindings.rows) == 1
    events = [(one["event"], one.get("error", "")[-3:]) for one in said]
    wrong, fresh = "bindings_not_reloaded", ("bindings_reloaded", "")
    assert events == [(wrong, "one"), (wrong, "two"), fresh, (wrong, "two"), fresh]


@pytest.mark.parametrize("meanwhile", [False, True])
async def test_trust_that_was_read_for_a_former_configuration_is_not_believed(
    meanwhile: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another configuration is applied while the files of the former one are read."""
    other = load_file(Site(tmp_path / "other").config)
    async with desk(tmp_path / "node") as node:
        running = Holding(load_file(node.site.config))
        before = node.ctx.trust.epoch

        def read(_config: Config) -> Trust:
            if meanwhile:
                running.config = other
            return parsed_trust(other)

        monkeypatch.setattr("axis.reread.parsed_trust", read)
        await reload_trust(running, node.ctx)
        assert (node.ctx.trust.epoch == before) == meanwhile
