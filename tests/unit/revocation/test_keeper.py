"""Lists over HTTP: what is kept, what is refused, how often is asked, and what a restart still knows (F66 to F69)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from structlog.testing import capture_logs

from adapters.fetch import Fetcher, PublicResolver
from adapters.resolve import OwnThreads
from signing.chain import judge_certificate
from signing.policy import OWN_NETWORK
from signing.verdict import Reason
from tests.pki import issue, revocation_list
from tests.unit.revocation.field import Desk, Field, desk, real_now, serving, until

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@cache
def field() -> Field:
    return Field()


async def bring(at_work: Desk) -> Reason:
    errand = at_work.keeper.want(field().good.der)
    assert errand is not None
    await errand
    return reason(at_work)


def reason(at_work: Desk) -> Reason:
    return judge_certificate(field().good.der, at_work.trust, at_work.at, OWN_NETWORK).reason


async def test_lists_are_fetched_kept_and_known_after_a_restart(tmp_path: Path) -> None:
    async with serving() as server, desk(field(), tmp_path, server) as at_work:
        server.pages |= field().lists(real_now() - HOUR)
        assert reason(at_work) is Reason.REVOCATION_UNKNOWN
        assert await bring(at_work) is Reason.GOOD
        assert at_work.reloads == 1
        revoked = judge_certificate(field().revoked.der, at_work.trust, at_work.at, OWN_NETWORK)
        assert revoked.reason is Reason.REVOKED
    async with serving() as silent, desk(field(), tmp_path, silent) as again:
        assert reason(again) is Reason.GOOD
        again.keeper.schedule()
        assert {url.rpartition("/")[2] for url in again.keeper.refresh_due} == {"root.crl", "ca.crl"}
        await again.keeper.refresh()
        assert silent.asked == [], "nothing is due yet"


async def test_what_is_kept_expires_closed(tmp_path: Path) -> None:
    async with serving() as server, desk(field(), tmp_path, server) as at_work:
        server.pages |= field().lists(real_now() - HOUR)
        assert await bring(at_work) is Reason.GOOD
        at_work.at += DAY
        assert reason(at_work) is Reason.REVOCATION_UNKNOWN


async def test_lists_are_refreshed_before_they_end(tmp_path: Path) -> None:
    async with serving() as server, desk(field(), tmp_path, server) as at_work:
        server.pages |= field().lists(real_now() - HOUR)
        await bring(at_work)
        at_work.at += timedelta(hours=20)
        server.pages |= field().lists(at_work.at, number=2)
        assert await at_work.keeper.refresh()
        at_work.at += timedelta(hours=20)
        assert reason(at_work) is Reason.GOOD


async def test_fifty_who_wait_are_one_request(tmp_path: Path) -> None:
    release = asyncio.Event()
    page = field().lists(real_now() - HOUR)["/ca.crl"]

    async def held_back(request: web.Request) -> AsyncIterator[bytes]:
        await release.wait()
        yield page

    async with serving() as server, desk(field(), tmp_path, server, wait=timedelta(seconds=20)) as at_work:
        server.pages |= field().lists(real_now() - HOUR) | {"/ca.crl": held_back}
        waiting = [asyncio.create_task(at_work.keeper.bring(field().good.der)) for _ in range(25)]
        others = [field().leaf(f"lá {number}") for number in range(25)]
        waiting += [asyncio.create_task(at_work.keeper.bring(other.der)) for other in others]
        await until(lambda: "/ca.crl" in server.asked)
        await asyncio.sleep(0.3)  # who comes when the answer is there asks anew
        release.set()
        assert all(await asyncio.gather(*waiting))
        assert sorted(server.asked) == ["/ca.crl", "/root.crl"]


async def endless(request: web.Request) -> AsyncIterator[bytes]:
    while True:
        yield bytes(65_536)


BAD: dict[str, Callable[[], object]] = {
    "expired": lambda: revocation_list(field().authority, at=real_now() - 2 * DAY, until=real_now() - DAY, number=9),
    "from the future": lambda: revocation_list(
        field().authority, at=real_now() + 44 * HOUR, until=real_now() + 90 * HOUR, number=9
    ),
    "by another authority of the same name": lambda: revocation_list(
        issue("CA", ca=True), at=real_now() - HOUR, until=real_now() + DAY, number=9
    ),
    "of the root": lambda: field().lists(real_now() - HOUR, 9)["/root.crl"],
    "an older number": lambda: revocation_list(
        field().authority, at=real_now() - 2 * HOUR, until=real_now() + 9 * DAY, number=4
    ),
    "truncated": lambda: field().lists(real_now() - HOUR, 9)["/ca.crl"][:-9],
    "200 MB": lambda: endless,
    "garbage": lambda: b"<html>",
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_list_is_refused_and_the_kept_one_stays(name: str, tmp_path: Path) -> None:
    async with serving() as server, desk(field(), tmp_path, server, max_list_bytes=1 << 20) as at_work:
        server.pages |= field().lists(real_now() - HOUR, number=5)
        assert await bring(at_work) is Reason.GOOD
        kept = at_work.trust.crls
        server.pages["/ca.crl"] = BAD[name]()  # type: ignore[assignment]
        at_work.at += timedelta(hours=19)
        with capture_logs() as said:
            await at_work.keeper.refresh()
        assert server.asked.count("/ca.crl") == 2
        told = {one["event"] for one in said if one["url"].endswith("/ca.crl")}
        assert told == {"evidence_unavailable" if name == "200 MB" else "evidence_refused"}, "it is not refused"
        assert reason(at_work) is Reason.GOOD
        assert set(at_work.trust.crls) == set(kept)


@pytest.mark.parametrize("name", [name for name in BAD if name != "an older number"])
async def test_a_bad_list_alone_is_no_list(name: str, tmp_path: Path) -> None:
    async with serving() as server, desk(field(), tmp_path, server, max_list_bytes=1 << 20) as at_work:
        server.pages |= field().lists(real_now() - HOUR) | {"/ca.crl": BAD[name]()}  # type: ignore[dict-item]
        assert await bring(at_work) is Reason.REVOCATION_UNKNOWN


async def test_a_host_that_fails_is_left_alone_and_longer_each_time(tmp_path: Path) -> None:
    async with serving() as server, desk(field(), tmp_path, server) as at_work:
        server.pages |= {path: web.Response(status=503) for path in ("/root.crl", "/ca.crl")}
        times, leaf = [], field().leaf("x", responder=False).der
        for _ in range(120):
            before = len(server.asked)
            errand = at_work.keeper.want(leaf)
            assert errand is not None
            await errand
            if len(server.asked) > before:
                times.append(at_work.at)
            at_work.at += timedelta(seconds=5)
        pauses = [later - earlier for earlier, later in pairwise(times)]
        assert pauses == [timedelta(seconds=10 * 2**number) for number in range(len(pauses))]
        assert len(pauses) == 5


async def test_a_leaf_that_leads_to_no_root_sends_us_nowhere(tmp_path: Path) -> None:
    stranger = Field()
    async with serving() as server, desk(field(), tmp_path, server) as at_work:
        errand = at_work.keeper.want(stranger.good.der)
        assert errand is not None and not await errand
        assert server.asked == []


async def test_responders_first_where_the_operator_says_so(tmp_path: Path) -> None:
    async with serving() as server, desk(field(), tmp_path, server, order=("ocsp", "crl")) as at_work:
        server.pages |= field().lists(real_now() - HOUR)
        assert await bring(at_work) is Reason.GOOD
        assert server.asked == ["/", "/ca.crl", "/root.crl"]


def _private() -> list[str]:
    hosts = (
        "localhost 127.0.0.1 127.1 0 2130706433 0x7f000001 [::1] [::ffff:127.0.0.1] 169.254.169.254 10.0.0.1 "
        "192.168.1.1 100.64.0.1 [fd00::1] [64:ff9b::7f00:1] 224.0.0.1"
    )
    return [f"http://{host}:80/" for host in hosts.split()]


@pytest.mark.parametrize(
    "url",
    [
        *_private(),
        "ftp://crl.example.vn/",
        "file:///etc/passwd",
        "http://crl.example.vn:22/",
        "http://a@crl.example.vn/",
        "http://crl.example.vn\\@127.0.0.1/",
        "http://crl.example.vn/\r\nX: y",
        "http:///",
        "gopher://x/",
    ],
)
async def test_what_is_never_fetched(url: str) -> None:
    fetcher = Fetcher({"crl.ca.ptc": "http://127.0.0.1:9"}, deadline_s=3.0)
    try:
        with pytest.raises(Exception, match=r"destination-(refused|unavailable)"):
            await fetcher.fetch(url, 100)
    finally:
        await fetcher.close()


async def test_a_private_address_is_reached_through_the_host_map_and_in_no_other_way() -> None:
    async with serving() as server:
        server.pages["/x"] = b"y"
        fetcher = Fetcher({"crl.ca.ptc": server.url}, deadline_s=3.0)
        try:
            assert await fetcher.fetch("http://crl.ca.ptc/x", 10) == b"y"
            for url in (f"{server.url}/x", f"http://localhost:{server.port}/x"):
                with pytest.raises(Exception, match="destination-refused"):
                    await fetcher.fetch(url, 10)
            assert server.asked == ["/x"]
        finally:
            await fetcher.close()


async def test_no_redirect_is_followed(tmp_path: Path) -> None:
    async with serving() as server:
        server.pages |= {"/x": web.Response(status=302, headers={"Location": "/y"}), "/y": b"y"}
        fetcher = Fetcher({"crl.ca.ptc": server.url}, deadline_s=3.0)
        try:
            with pytest.raises(Exception, match="HTTP 302"):
                await fetcher.fetch("http://crl.ca.ptc/x", 10)
            assert server.asked == ["/x"]
        finally:
            await fetcher.close()


class Names(AbstractResolver):
    """A name server that says what the test wants, another thing each time."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in self.answers.pop(0)
        ]

    async def close(self) -> None:
        return


async def test_a_name_with_one_private_address_is_not_asked_and_neither_is_one_that_moves() -> None:
    resolver = PublicResolver(Names(["1.1.1.1"], ["1.1.1.1", "10.0.0.1"], ["127.0.0.1"], ["fe80::1%eth0"]))
    assert [one["host"] for one in await resolver.resolve("crl.example.vn", 80)] == ["1.1.1.1"]
    for _ in range(3):
        with pytest.raises(OSError, match="private"):
            await resolver.resolve("crl.example.vn", 80)


async def test_the_fetcher_asks_that_resolver() -> None:
    fetcher = Fetcher({})
    try:
        connector = fetcher._session(mapped=False).connector
        assert isinstance(connector, aiohttp.TCPConnector)
        assert isinstance(connector._resolver, PublicResolver)
        mapped = fetcher._session(mapped=True).connector
        assert isinstance(mapped, aiohttp.TCPConnector)
        assert isinstance(mapped._resolver, OwnThreads), "a name server that hangs takes threads that others need"
    finally:
        await fetcher.close()


async def test_what_an_authority_misspelt_ends_nothing(tmp_path: Path) -> None:
    """Such an address in the certificate of a believed authority ended the daemon, at each start."""
    async with serving() as server, desk(field(), tmp_path, server) as at_work:
        at_work.keeper.schedule()
        (_, need), *_ = at_work.keeper.refresh_due.values()
        at_work.keeper.refresh_due = {"http://[crl.example.vn/ca.crl": (at_work.at, need)}
        with capture_logs() as logs:
            assert not await at_work.keeper.refresh()
        assert [one["event"] for one in logs] == ["evidence_unavailable"]
        ((due, _),) = at_work.keeper.refresh_due.values()
        assert due > at_work.at


@pytest.mark.parametrize("page", [endless, bytes(101)])
async def test_what_is_too_large_is_given_up_at_once(page: object) -> None:
    async with serving() as server:
        server.pages["/x"] = page  # type: ignore[assignment]
        fetcher = Fetcher({"crl.ca.ptc": server.url}, deadline_s=60.0)
        try:
            with pytest.raises(Exception, match=r"101 octets|more than 100"):
                await fetcher.fetch("http://crl.ca.ptc/x", 100)
        finally:
            await fetcher.close()


async def test_a_list_that_is_dated_ahead_stands_beside_the_kept_one_and_only_convicts(tmp_path: Path) -> None:
    """F118. Our clock is half a day behind: the list in force only looks so, and what a newer one names waits."""
    async with serving() as server, desk(field(), tmp_path, server) as at_work:
        server.pages |= field().lists(real_now() - HOUR, number=5)
        assert await bring(at_work) is Reason.GOOD
        kept = set(at_work.trust.crls)
        ahead = revocation_list(
            field().authority,
            [field().good.certificate],
            at=real_now() + 31 * HOUR,
            until=real_now() + 60 * HOUR,
            revoked_at=real_now() + 30 * HOUR,
            number=9,
        )
        server.pages["/ca.crl"] = web.Response(body=ahead)
        at_work.at += timedelta(hours=19)
        with capture_logs() as said:
            await at_work.keeper.refresh()
        assert "revocation_list_ahead" in {one["event"] for one in said}
        assert set(at_work.trust.crls) >= kept | {ahead}
        assert reason(at_work) is Reason.REVOCATION_UNKNOWN
        at_work.at += timedelta(hours=13)
        assert reason(at_work) is Reason.REVOKED
