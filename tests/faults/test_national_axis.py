"""A national axis that is away for a long time, that offers one thing again and again, that has another certificate.
And the certificates of other destinations."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from aiohttp import web

from adapters.national.client import VxpClient
from adapters.national.hands import NationalSource
from adapters.national.simulator.main import Running, running
from adapters.national.simulator.settings import SeedAgency, Seeds, SeedSystem, Settings
from adapters.national.vxp import MessageType, State
from axis.app import context_of
from axis.blobs import Blobs
from axis.config import load_file
from axis.core.problems import Kind, Problem, Unavailable
from axis.demo.network import free_ports
from axis.devpki import DevPki, Identity
from axis.flow.poll import take
from axis.sql.engine import open_store
from axis.tls import client_context, server_context
from schemas.codes import AgencyCode
from tests.flow.test_rewriting_axis import NATIONAL, OURS, SECRET, THEIRS, now, octets_of, settings
from tests.site import HOME_AFFAIRS, OFFICE, Site, row, until

pytestmark = pytest.mark.faults

ELSEWHERE = "000.00.50.H99"
MANY = 40
QUICK = (
    '[delivery]\nlease = "20s"\nfirst_retry = "100ms"\nretry_ceiling = "400ms"\nbreaker_first = "300ms"\n'
    'breaker_ceiling = "1s"'
)


def joined(folder: Path, port: int) -> Site:
    """A node that knows one agency behind the national axis, which is to be found at `port`."""
    site = Site(folder, QUICK)
    site.registry = row(ELSEWHERE)
    block = NATIONAL.format(profile="verify-if-present", system=OURS)
    secret, authority = site.folder / "national.secret", site.pki.tls_ca
    site.endpoints = block.replace("https://127.0.0.1:1/", f"https://127.0.0.1:{port}/").replace(
        "pki/tls-ca.pem", str(authority)
    ) + (f'[[route]]\nprefix = "{ELSEWHERE}"\nendpoint = "quoc-gia"\n')
    site.configure()
    handle = os.open(secret, os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(handle, SECRET.encode())
    os.close(handle)
    return site


@asynccontextmanager
async def axis_at(site: Site, port: int, shows: Identity) -> AsyncIterator[Running]:
    systems = (
        SeedSystem(OURS, SECRET, (SeedAgency(OFFICE, "Văn phòng"),)),
        SeedSystem(THEIRS, SECRET, (SeedAgency(ELSEWHERE, "Nơi khác"),)),
    )
    data = site.folder / "national"
    async with running(
        Settings(data, Seeds(systems), port=port, tls_certificate=shows.certificate, tls_key=shows.key)
    ) as found:
        yield found


def states(site: Site) -> dict[str, int]:
    sql = "SELECT state, count(*) FROM delivery WHERE endpoint = 'quoc-gia' AND cargo = 'document' GROUP BY state"
    return dict(site.rows(sql))


async def delivered(site: Site, axis: Running, pki: DevPki | None = None) -> int:
    """Wait until everything is there; how many things the axis has, each once."""
    await asyncio.to_thread(until, "everything is delivered", lambda: states(site) == {"delivered": MANY}, 60)
    theirs = VxpClient(axis.url, THEIRS, SECRET, now, tls=client_context((pki or site.pki).tls_ca))
    entries = await theirs.received(MessageType.EDOC)
    await theirs.close()
    return len(entries)


def fill(site: Site) -> None:
    """Send what cannot go on; all of it is taken, and few attempts are spent."""
    for _ in range(MANY):
        site.take(site.package(OFFICE, [ELSEWHERE]), OFFICE)
    until("the way is closed", lambda: site.said("breaker_moved") >= 1)
    assert states(site).get("delivered", 0) == 0, "the fault would be none"
    assert sum(states(site).values()) == MANY
    site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)
    assert len(site.inbox(HOME_AFFAIRS)) == 1, "others have what is for them"
    untried = "SELECT count(*) FROM delivery WHERE endpoint = 'quoc-gia' AND attempts = 0"
    assert site.rows(untried)[0][0] > 0, "an attempt was spent on each"


async def test_while_the_national_axis_is_away_everything_waits_and_then_goes_once(tmp_path: Path) -> None:
    """F55. Where the way is known to be closed nothing is tried but a probe."""
    (port,) = free_ports(1)
    site = joined(tmp_path, port)
    site.start()
    try:
        await asyncio.to_thread(fill, site)
        async with axis_at(site, port, site.pki.tls_server("quoc-gia")) as axis:
            assert await delivered(site, axis) == MANY
        assert await asyncio.to_thread(site.stop) == 0
        site.audit()
    finally:
        if site.running:
            site.kill()


async def test_a_national_axis_with_a_certificate_of_another_authority_is_given_nothing(tmp_path: Path) -> None:
    """F58. Told in the log and by the metrics; a new certificate of the same authority needs nothing at all."""
    (port,) = free_ports(1)
    site = joined(tmp_path, port)
    (tmp_path / "other").mkdir()
    stranger = DevPki.create(tmp_path / "other" / "pki", now()).tls_server("quoc-gia")
    site.start()
    try:
        async with axis_at(site, port, stranger) as axis:
            await asyncio.to_thread(fill, site)
            told = await asyncio.to_thread(site.log.read_bytes)
            assert b"CertificateError" in told, "the fault never fired"
            entries = axis.store.call(axis.store.all, "SELECT * FROM documents")
            assert entries == [], "it was given to a stranger"
        async with axis_at(site, port, site.pki.tls_server("quoc-gia-2")) as axis:
            assert await delivered(site, axis) == MANY
    finally:
        site.kill()


RECONCILED = 'reconcile_after = "400ms"\n[[route]]'


def forget(axis: Running, doc_id: str) -> None:
    """The axis loses what it has answered for: nothing of it is there any more."""
    of_it = "(SELECT id FROM documents WHERE doc_id = ?)"

    def forgotten() -> None:
        axis.store.do(f"DELETE FROM entries WHERE document = {of_it}", doc_id)
        axis.store.do("DELETE FROM documents WHERE doc_id = ?", doc_id)

    axis.store.call(forgotten)


def became(site: Site) -> list[tuple[str, str | None]]:
    return site.rows("SELECT peer_ref, became FROM follow_up ORDER BY since")


async def test_what_the_national_axis_has_lost_is_missed_and_sent_again(tmp_path: Path) -> None:
    """F56. One document of two is lost after it was answered for; the other one is fetched."""
    (port,) = free_ports(1)
    site = joined(tmp_path, port)
    site.endpoints = site.endpoints.replace("[[route]]", RECONCILED, 1)
    site.configure()
    site.start()
    try:
        async with axis_at(site, port, site.pki.tls_server("quoc-gia")) as axis:
            theirs = VxpClient(axis.url, THEIRS, SECRET, now, tls=client_context(site.pki.tls_ca))
            for _ in range(2):
                site.take(site.package(OFFICE, [ELSEWHERE]), OFFICE)
            await asyncio.to_thread(until, "both are there", lambda: states(site) == {"delivered": 2}, 30)
            gone = became(site)[0][0]
            forget(axis, gone)
            there = await theirs.received(MessageType.EDOC)
            assert len(there) == 1, "the fault never fired"
            await theirs.update_status(there[0].doc_id, State.DONE)
            await asyncio.to_thread(until, "it is missed", lambda: site.said("handed_over_and_lost") == 1, 30)
            await asyncio.to_thread(
                until, "it is there again", lambda: gone not in {ref for ref, _ in became(site)}, 30
            )
            again = [one for one in await theirs.received(MessageType.EDOC) if one.state != State.DONE]
            assert len(again) == 1
            await theirs.update_status(again[0].doc_id, State.DONE)
            await asyncio.to_thread(
                until, "both are taken", lambda: [one for _, one in became(site)] == ["taken", "taken"], 30
            )
            told = site.rows("SELECT attempts, last_problem FROM delivery WHERE endpoint = 'quoc-gia' ORDER BY seq")
            assert [tuple(one) for one in told] == [(2, "delivery-lost"), (1, None)]
            await theirs.close()
        assert await asyncio.to_thread(site.stop) == 0
        site.audit()
    finally:
        if site.running:
            site.kill()


async def test_a_new_authority_is_believed_without_a_restart_and_the_old_one_no_more(tmp_path: Path) -> None:
    """F58. First half of its file comes, then all of it and SIGHUP; the axis shows its certificate all the while."""
    (port,) = free_ports(1)
    site = joined(tmp_path, port)
    authority = site.folder / "national-ca.pem"
    site.endpoints = site.endpoints.replace(str(site.pki.tls_ca), str(authority))
    put(authority, site.pki.tls_ca.read_text())
    site.configure()
    (tmp_path / "other").mkdir()
    other = DevPki.create(tmp_path / "other" / "pki", now())
    site.start()
    assert site.process is not None
    try:
        async with axis_at(site, port, other.tls_server("quoc-gia")) as axis:
            await asyncio.to_thread(fill, site)
            # OpenSSL would take the first of the two, and say nothing of the second.
            put(authority, other.tls_ca.read_text() + site.pki.tls_ca.read_text()[:8])
            site.process.send_signal(signal.SIGHUP)
            await asyncio.to_thread(until, "half a file is told", lambda: site.said("destination_tls_not_reloaded"))
            entries = axis.store.call(axis.store.all, "SELECT * FROM documents")
            assert entries == [], "half a file was believed"
            put(authority, other.tls_ca.read_text())
            site.process.send_signal(signal.SIGHUP)
            assert await delivered(site, axis, other) == MANY
        await shut_out(site, port)
        assert site.said("destination_tls_reloaded") == site.said("node_ready") == 1
    finally:
        site.kill()


async def shut_out(site: Site, port: int) -> None:
    """The axis shows a certificate of the authority that was believed before: nothing is handed to it any more."""
    trips = site.said("breaker_moved")
    async with axis_at(site, port, site.pki.tls_server("quoc-gia-3")) as axis:
        had = len(axis.store.call(axis.store.all, "SELECT * FROM documents"))
        for _ in range(MANY // 4):
            site.take(site.package(OFFICE, [ELSEWHERE]), OFFICE)
        await asyncio.to_thread(until, "the way is closed again", lambda: site.said("breaker_moved") > trips)
        assert len(axis.store.call(axis.store.all, "SELECT * FROM documents")) == had, "the old authority still does"


def put(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.rename(path)


@pytest.mark.parametrize("adapter", ["http-push", "node"])
async def test_a_new_authority_of_any_destination_is_believed_by_itself(adapter: str, tmp_path: Path) -> None:
    """Of an agency's system that is called, of a neighbour: their files are looked at now and then, without SIGHUP."""
    (port,) = free_ports(1)
    site = joined(tmp_path, port)
    site.hurried = True
    authority, ours = site.folder / "far-ca.pem", site.pki.tls_client("goi-di")
    (tmp_path / "other").mkdir()
    other = DevPki.create(tmp_path / "other" / "pki", now())
    put(authority, site.pki.tls_ca.read_text())
    site.endpoints = (
        f'[[endpoint]]\nname = "quoc-gia"\nadapter = "{adapter}"\nagencies = ["{ELSEWHERE}"]\n'
        f'url = "https://127.0.0.1:{port}"\nca = "{authority}"\n'
        + (f'certificate = "{ours.certificate}"\nkey = "{ours.key}"\n' if adapter == "node" else "")
        + f'[[route]]\nprefix = "{ELSEWHERE}"\nendpoint = "quoc-gia"\n'
    )
    site.configure()
    taken: list[bytes] = []
    site.start()
    try:
        async with taking(other.tls_server("he-thong"), port, taken):
            package = site.package(OFFICE, [ELSEWHERE])
            site.take(package, OFFICE)
            await asyncio.to_thread(until, "it is not talked to", lambda: site.said("delivery_deferred") > 0)
            assert taken == []
            put(authority, other.tls_ca.read_text())
            await asyncio.to_thread(until, "it is handed over", lambda: package in taken)
        assert site.said("destination_tls_reloaded") == site.said("node_ready") == 1
    finally:
        site.kill()


@asynccontextmanager
async def taking(shows: Identity, port: int, taken: list[bytes]) -> AsyncIterator[None]:
    """An agency's system that takes everything, by TLS."""

    async def take_it(request: web.Request) -> web.Response:
        taken.append(await request.read())
        return web.Response()

    app = web.Application(client_max_size=10**7)
    app.router.add_post("/{anywhere:.*}", take_it)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=server_context(shows.certificate, shows.key, ())).start()
    try:
        yield
    finally:
        await runner.cleanup()


async def lost() -> None:
    raise Unavailable(Problem(Kind.DESTINATION_UNAVAILABLE, "the answer was lost"))


async def test_what_the_national_axis_offers_again_is_taken_once(tmp_path: Path) -> None:
    """F57. Our word that we have it was lost, twice."""
    site = Site(tmp_path)
    async with running(replace(settings(site), rewrite=False)) as axis:
        tls = client_context(site.pki.tls_ca)
        package = site.package(OFFICE, [HOME_AFFAIRS])
        sender = VxpClient(axis.url, THEIRS, SECRET, now, tls=tls)
        digest = sha256(package).digest()
        await sender.send_edoc(AgencyCode.parse(OFFICE), MessageType.EDOC, octets_of(package), len(package), digest)
        await sender.close()
        site.endpoints = NATIONAL.format(profile="verify-if-present", system=OURS)
        handle = os.open(site.folder / "national.secret", os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(handle, SECRET.encode())
        os.close(handle)
        site.configure()
        config = load_file(site.config)
        blobs = Blobs(config.node.blobs)
        store = open_store(config.store_url, blobs)
        source = NationalSource(VxpClient(axis.url, OURS, SECRET, now, tls=tls))
        ctx = context_of(config, store, {})
        settled = []
        try:
            for heard in (False, False, True):
                async for incoming in source.poll():
                    offered = incoming if heard else replace(incoming, accept=lost)
                    by = config.principals["quoc-gia"]
                    settled.append(await take(offered, by, lambda: blobs.spool(10_000_000), ctx))
            assert settled == [0, 0, 1], "the fault never fired"
            assert [one async for one in source.poll()] == []
            assert len(await store.views.recent(10)) == 1
        finally:
            await source.close()
            await store.close()
    assert site.logged("accepted") == 1
