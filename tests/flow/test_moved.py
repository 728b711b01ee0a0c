"""Agencies that moved to another system, or whose endpoint is gone, while something waited for them."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from axis.app import network_of
from axis.config import load_file
from axis.config.model import Config
from axis.core.canonical import Json, canonical
from axis.core.model import DeliveryId, Principal, Role
from axis.core.ports import Ledger
from axis.core.problems import Kind, Refused
from axis.core.queue import Action
from axis.core.routing import RoutingTable
from axis.core.states import DeliveryState
from axis.core.statuses import Report
from axis.flow.expiry import ANEW, _expire, cut_off, expire_old, give_back, left_behind, run_expiry
from axis.flow.mailbox import acknowledge, fetch, inbox
from axis.flow.notices import take_notice
from axis.flow.queue import Chosen, operate
from axis.flow.recheck import recheck_held
from axis.flow.report import record_status
from schemas.codes import AgencyCode
from schemas.envelope import Business, MessageKind, Replacement
from tests.flow.engine import CALLED, HEALTH, SCHOOLS, Engine, engine
from tests.flow.receiver import Receiver, status
from tests.site import AGENCIES, HOME_AFFAIRS, OFFICE, PATIENCE_S, row

pytestmark = pytest.mark.slow

NEWCOMER = "000.00.17.H99"
NOWHERE = {HEALTH: "https://127.0.0.1:1/inbox", SCHOOLS: "https://127.0.0.1:1/inbox"}
WEEK = timedelta(days=7)


def restarted(at: Engine, *changes: tuple[str, str]) -> Config:
    """What the node goes by after a start with these changes in its configuration."""
    text = at.site.config.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    at.site.config.write_text(text)
    (at.site.folder / "agencies.toml").write_text((at.site.folder / "agencies.toml").read_text() + row(NEWCOMER))
    config = load_file(at.site.config)
    at.ctx.network = network_of(config)
    return config


def handed_to_another(name: str, was: str) -> tuple[str, str]:
    """The system behind an endpoint is another agency's now."""
    return f'agencies = ["{was}"]', f'agencies = ["{NEWCOMER}"]'


async def later(at: Engine) -> int:
    """A round past the lifetime of what waits."""
    began = at.ctx.now()
    at.ctx.now = lambda: began + WEEK
    await give_back(at.ctx, await cut_off(at.ctx))
    return await expire_old(at.ctx, await left_behind(at.ctx))


async def told(at: Engine) -> list[tuple[str, str]]:
    items = await inbox(at.config.principals[AGENCIES[OFFICE]], 0, 50, at.ctx)
    notices = [json.loads(one.notice) for one in items if one.notice is not None]
    return [(str(one["outcome"]), str(one["reason"])) for one in notices]


async def test_a_mailbox_that_became_another_agencys_shows_nothing_of_the_one_before(tmp_path: Path) -> None:
    """It would have read, and acknowledged in its name, what waited for an agency that it has nothing to do with."""
    async with engine(tmp_path, NOWHERE, "", {}) as at:
        document, _ = await at.send(HOME_AFFAIRS)
        (waiting,) = await inbox(at.config.principals[AGENCIES[HOME_AFFAIRS]], 0, 50, at.ctx)
        elsewhere = f'[[route]]\nprefix = "{HOME_AFFAIRS}"\nendpoint = "van-phong"\n'
        config = restarted(
            at,
            handed_to_another("so-noi-vu", HOME_AFFAIRS),
            (f'prefix = "{HOME_AFFAIRS}"\nendpoint = "so-noi-vu"', f'prefix = "{NEWCOMER}"\nendpoint = "so-noi-vu"'),
            (f'[[route]]\nprefix = "{NEWCOMER}"', f'{elsewhere}[[route]]\nprefix = "{NEWCOMER}"'),
        )
        other = config.principals["so-noi-vu"]
        newer, _ = await at.send(NEWCOMER)
        assert [one.document for one in await inbox(other, 0, 1, at.ctx)] == [newer], "and what is its own it sees"
        for ask in (fetch, acknowledge):
            await _is_not_there(waiting.delivery, other, ask, at)
        assert await left_behind(at.ctx) == {"so-noi-vu"}
        assert await expire_old(at.ctx, await left_behind(at.ctx)) == 0
        assert await later(at) == 1
        assert (await at.delivery(document)).state is DeliveryState.FAILED
        assert (await at.delivery(newer)).state is DeliveryState.QUEUED, "mailboxes are left alone"
        assert await told(at) == [("undelivered", "delivery-expired")]


@pytest.mark.parametrize("chosen", ["by-itself", "with-its-endpoint"])
async def test_what_a_person_lets_go_at_the_instant_at_which_it_ends_begins_anew(tmp_path: Path, chosen: str) -> None:
    """It was read as one that is over. Since then it was let go: it waits as it did, under the same token."""
    async with engine(tmp_path, NOWHERE, "", {}) as at:
        document, _ = await at.send(HEALTH)
        spent = await at.delivery(document)
        began = at.ctx.now()
        at.ctx.now = lambda: began + WEEK
        which = Chosen((spent.id,)) if chosen == "by-itself" else Chosen(endpoint=spent.endpoint)
        for action in (Action.HOLD, Action.RELEASE):
            await operate(action, which, "somebody", "a reason", at.ctx)
        there = await at.delivery(document)
        assert (there.state, there.token, there.since) == (spent.state, spent.token, began + WEEK)
        assert not await _expire(spent, at.ctx)
        assert await at.delivery(document) == there
        assert await told(at) == []


async def _is_not_there(id: DeliveryId, by: Principal, ask: object, at: Engine) -> None:
    assert callable(ask)
    with pytest.raises(Refused) as refused:
        await ask(id, by, at.ctx)
    assert refused.value.problem.kind is Kind.NOT_FOUND


async def test_a_successor_still_gets_what_waits_where_the_route_leads_to_it(tmp_path: Path) -> None:
    """A merger: the route of the closed agency is kept, its code is in no connection's `agencies` any more."""
    async with engine(tmp_path, NOWHERE, "", {}) as at:
        document, _ = await at.send(HOME_AFFAIRS)
        config = restarted(at, handed_to_another("so-noi-vu", HOME_AFFAIRS))
        items = await inbox(config.principals["so-noi-vu"], 0, 50, at.ctx)
        assert [one.document for one in items] == [document]
        assert await left_behind(at.ctx) == frozenset()


async def test_a_recall_does_not_overtake_its_document_when_the_recipient_moved(tmp_path: Path) -> None:
    """The document lies in the mailbox of the old system, which still acts for the agency; the recall goes to the new
    one. It was there first, and the old one took the document as if it had never been recalled."""
    async with engine(tmp_path, NOWHERE, "", {}) as at:
        known = f"{OFFICE},2026/11/23,sent by mistake/TN"
        document, _ = await at.send(HOME_AFFAIRS, document_id=known)
        route = f'prefix = "{HOME_AFFAIRS}"\nendpoint = '
        restarted(at, (f'{route}"so-noi-vu"', f'{route}"so-tai-chinh"'))
        old, new = (at.config.principals[name] for name in ("so-noi-vu", "so-tai-chinh"))
        recall, _ = await at.send(
            HOME_AFFAIRS, business=Business(kind=MessageKind.RECALL, document_id=known), document_id=known
        )
        assert await inbox(new, 0, 50, at.ctx) == []
        assert (await recheck_held(dict(at.config.principals), at.ctx)).moved == 0
        (item,) = await inbox(old, 0, 50, at.ctx)
        assert item.document == document
        await acknowledge(item.delivery, old, at.ctx)
        assert (await recheck_held(dict(at.config.principals), at.ctx)).moved == 1
        assert [one.document for one in await inbox(new, 0, 50, at.ctx)] == [recall]


async def test_what_replaces_two_documents_overtakes_neither(tmp_path: Path) -> None:
    """It goes in the lane of the first, and the second was overtaken."""
    async with engine(tmp_path, NOWHERE, "", {}) as at:
        names = [f"{OFFICE},2026/11/23,{place}/TN" for place in ("first", "second")]
        for name in names:
            await at.send(HOME_AFFAIRS, document_id=name)
        by = at.config.principals[AGENCIES[HOME_AFFAIRS]]
        first, second = await inbox(by, 0, 50, at.ctx)
        await acknowledge(first.delivery, by, at.ctx)
        both = Business(kind=MessageKind.REPLACE, replacements=tuple(map(Replacement, names)))
        replacing, _ = await at.send(HOME_AFFAIRS, business=both)
        assert [one.document for one in await inbox(by, 0, 50, at.ctx)] == [second.document]
        assert (await recheck_held(dict(at.config.principals), at.ctx)).moved == 0
        await acknowledge(second.delivery, by, at.ctx)
        assert (await recheck_held(dict(at.config.principals), at.ctx)).moved == 1
        assert [one.document for one in await inbox(by, 0, 50, at.ctx)] == [replacing]


async def test_an_address_that_became_another_agencys_is_not_given_what_waits_for_the_one_before(
    tmp_path: Path,
) -> None:
    name = CALLED[HEALTH]
    with Receiver() as far:
        async with engine(tmp_path, {HEALTH: f"{far.base}/inbox", SCHOOLS: f"{far.base}/inbox"}, "", {}) as at:
            document, _ = await at.send(HEALTH)
            restarted(
                at,
                handed_to_another(name, HEALTH),
                (f'prefix = "{HEALTH}"\nendpoint = "{name}"', f'prefix = "{NEWCOMER}"\nendpoint = "{name}"'),
            )
            newer, mark = await at.send(NEWCOMER)
            at.start()
            await at.in_state(newer, DeliveryState.DELIVERED)
            await at.stop()
            waits = await at.delivery(document)
            assert (waits.state, waits.attempts) == (DeliveryState.QUEUED, 1)
            assert [one.body.count(mark) for one in far.got] == [1], "its own it gets, and nothing else"
            assert await later(at) == 1
            assert await told(at) == [("undelivered", "delivery-expired")]


@pytest.mark.parametrize("leased", [False, True])
async def test_what_waits_for_an_endpoint_that_is_gone_ends_with_its_lifetime_and_the_sender_is_told(
    tmp_path: Path, leased: bool
) -> None:
    """Nobody claims for it and nobody comes: it waited for ever, also with a lease that a killed node left behind."""
    async with engine(tmp_path, NOWHERE, "", {}) as at:
        document, _ = await at.send(HEALTH)
        if leased:

            def lease(ledger: Ledger) -> None:
                assert ledger.claim([CALLED[HEALTH]], at.ctx.now(), at.ctx.lease, 9)

            await at.ctx.store.transact(lease)
        network = at.ctx.network
        at.ctx.sinks = {}
        roles = {name: role for name, role in network.roles.items() if name != CALLED[HEALTH]}
        rules = [rule for rule in network.routes.rules if rule.endpoint != CALLED[HEALTH]]
        at.ctx.network = replace(network, roles=roles, routes=RoutingTable(rules, network.registry))
        assert await left_behind(at.ctx) == {CALLED[HEALTH]}
        assert await expire_old(at.ctx, await left_behind(at.ctx)) == 0
        assert await later(at) == 1
        assert (await at.delivery(document)).state is DeliveryState.FAILED
        assert await told(at) == [("undelivered", "delivery-expired")]


async def test_what_a_killed_node_had_under_way_is_fetched_where_nobody_calls_any_more(tmp_path: Path) -> None:
    """It was in no list, could be neither acknowledged nor given up, and what followed it waited for ever."""
    async with engine(tmp_path, NOWHERE, "", {}) as at:
        document, _ = await at.send(HEALTH)

        def lease(ledger: Ledger) -> None:
            assert ledger.claim([CALLED[HEALTH]], at.ctx.now(), at.ctx.lease, 9)

        await at.ctx.store.transact(lease)
        began, by = at.ctx.now(), Principal(CALLED[HEALTH], Role.AGENCY, (AgencyCode.parse(HEALTH).path,))
        at.ctx.sinks = {}  # a start by which its endpoint is a mailbox
        cut = await cut_off(at.ctx)
        assert cut == {CALLED[HEALTH]}
        await give_back(at.ctx, cut)
        assert await inbox(by, 0, 50, at.ctx) == [], "another process may still be about it"
        at.ctx.now = lambda: began + at.ctx.lease
        stop = asyncio.Event()
        looking = asyncio.create_task(run_expiry(at.ctx, stop))
        async with asyncio.timeout(PATIENCE_S):
            while not (items := await inbox(by, 0, 50, at.ctx)):  # noqa: ASYNC110 - as `in_state`
                await asyncio.sleep(0.01)
        stop.set()
        await looking
        (item,) = items
        assert item.document == document
        await acknowledge(item.delivery, by, at.ctx)
        assert await cut_off(at.ctx) == frozenset()


async def test_what_a_process_of_before_leaves_behind_later_is_given_back_too(tmp_path: Path) -> None:
    """A restart of one process after the other: this one began while another went by the configuration of before, and
    that one was killed and never came again. It was asked once, at the start, and so waited for the next one."""
    async with engine(tmp_path, NOWHERE, "", {}) as at:
        document, _ = await at.send(HEALTH)
        by = Principal(CALLED[HEALTH], Role.AGENCY, (AgencyCode.parse(HEALTH).path,))
        at.ctx.sinks, at.ctx.retry = {}, replace(at.ctx.retry, lifetime=timedelta(seconds=0.2))
        stop = asyncio.Event()
        looking = asyncio.create_task(run_expiry(at.ctx, stop))
        assert await cut_off(at.ctx) == frozenset()
        await asyncio.sleep(0.3)  # some rounds

        def lease(ledger: Ledger) -> None:
            assert ledger.claim([CALLED[HEALTH]], at.ctx.now(), at.ctx.lease, 9)

        await at.ctx.store.transact(lease)
        began = at.ctx.now()
        at.ctx.now = lambda: began + ANEW
        async with asyncio.timeout(PATIENCE_S):
            while not (items := await inbox(by, 0, 50, at.ctx)):  # noqa: ASYNC110 - as `in_state`
                await asyncio.sleep(0.01)
        stop.set()
        await looking
        assert [one.document for one in items] == [document]


async def test_a_neighbour_whose_endpoint_was_renamed_still_tells_of_what_it_was_handed(tmp_path: Path) -> None:
    """It went by the name of then: its notices were not found, and the sender never heard of the failure."""
    async with engine(tmp_path, NOWHERE, "", {}) as at:
        ref, _ = await at.send(HEALTH)
        document = await at.ctx.store.views.document(ref)
        assert document is not None
        was, now, network = CALLED[HEALTH], "truc-y-te", at.ctx.network
        roles = {name: role for name, role in network.roles.items() if name != was}
        rules = [replace(one, endpoint=now if one.endpoint == was else one.endpoint) for one in network.routes.rules]
        at.ctx.network = replace(
            network,
            roles={**roles, now: Role.NODE, "truc-khac": Role.NODE},
            routes=RoutingTable(rules, network.registry),
        )
        about: dict[str, Json] = {"sender": OFFICE, "kind": "new", "document_id": document.document_id}
        said: dict[str, Json] = {"outcome": "undelivered", "reason": "given-up", "cargo": "document"}
        notice = {
            "v": 1,
            "type": "axis-notice",
            "node": "truc-xa",
            "signature": "AAAA",
            **about,
            **said,
            "recipients": [HEALTH],
        }
        octets = canonical({**notice, "package_sha256": document.digest})
        with pytest.raises(Refused) as refused:
            await take_notice(octets, Principal("truc-khac", Role.NODE, ((),)), at.ctx)
        assert refused.value.problem.kind is Kind.NOT_FOUND, "another axis was not handed it"
        assert await take_notice(octets, Principal(now, Role.NODE, ((),)), at.ctx) is not None
        assert await told(at) == [("undelivered", "given-up")]


async def test_what_waited_in_a_mailbox_is_tried_where_its_owner_is_called(tmp_path: Path) -> None:
    """Mailboxes do not age. It ended at the first round after the start, before anybody had called."""
    with Receiver() as far:
        async with engine(tmp_path, dict.fromkeys(NOWHERE, far.url), "", {}) as at:
            document, mark = await at.send(HEALTH)
            assert await later(at) == 0
            at.start()
            await at.in_state(document, DeliveryState.DELIVERED)
            assert len(far.about(mark)) == 1


async def test_what_stood_behind_what_a_person_sends_again_has_its_lifetime_too(tmp_path: Path) -> None:
    """Its own began with the document, which had failed: at the first setback it was over."""
    with Receiver() as far:
        async with engine(tmp_path, dict.fromkeys(NOWHERE, far.url), "", {}) as at:
            known = f"{OFFICE},2026/11/23,sent by mistake/TN"
            document, mark = await at.send(HEALTH, document_id=known)
            business = Business(kind=MessageKind.RECALL, document_id=known)
            recall, _ = await at.send(HEALTH, business=business, document_id=known)
            far.plan = {mark: [status(422), status(200), status(503), status(200)]}
            at.start()
            await at.in_state(document, DeliveryState.FAILED)
            began = at.ctx.now()
            at.ctx.now = lambda: began + 2 * WEEK
            await operate(Action.RETRY, Chosen(((await at.delivery(document)).id,)), "an", "a reason", at.ctx)
            await at.in_state(document, DeliveryState.DELIVERED)
            await at.eventually("the recall was tried", lambda: len(far.about(mark)) == 3)
            await at.stop()
            tried = await at.delivery(recall)
            assert (tried.state, tried.last_problem) == (DeliveryState.QUEUED, "destination-unavailable")


async def test_what_is_parked_at_a_held_endpoint_does_not_age(tmp_path: Path) -> None:
    """Behind a status that had failed it ended while a person kept all of the endpoint back."""

    def no_statuses(handler: BaseHTTPRequestHandler) -> None:
        status(422 if handler.headers["Axis-Cargo"] == "status" else 200)(handler)

    with Receiver(otherwise=no_statuses) as far:
        async with engine(tmp_path, dict.fromkeys(NOWHERE, far.url), "", {}) as at:
            known = f"{OFFICE},2026/11/23,sent by mistake/TN"
            document, _ = await at.send(HEALTH, document_id=known)
            at.start()
            await at.in_state(document, DeliveryState.DELIVERED)
            office, by = AgencyCode.parse(OFFICE), at.config.principals[AGENCIES[OFFICE]]
            asks = Report("13", office, AgencyCode.parse(HEALTH), at.ctx.now().replace(microsecond=0), known)
            await record_status(asks, by, (), at.ctx)
            await at.eventually("the status came", lambda: len(far.got) == 2)
            await at.stop()
            recall, _ = await at.send(
                HEALTH, business=Business(kind=MessageKind.RECALL, document_id=known), document_id=known
            )
            await operate(Action.HOLD, Chosen(endpoint=CALLED[HEALTH]), "an", "a reason", at.ctx)
            assert await later(at) == 0
            await operate(Action.RELEASE, Chosen(endpoint=CALLED[HEALTH]), "an", "a reason", at.ctx)
            assert await expire_old(at.ctx) == 0
            assert (await at.delivery(recall)).state is DeliveryState.QUEUED
