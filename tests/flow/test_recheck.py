"""Held documents are judged again by turns: whatever is wrong with the oldest ones, the others are not kept waiting."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

import pytest

from axis.core.model import Cargo, DocumentRef, Principal, Profile
from axis.core.routing import RoutingTable
from axis.flow.mailbox import acknowledge, inbox
from axis.flow.recheck import Round, recheck_held, run_recheck
from axis.flow.report import visible_document
from schemas.envelope import Business, MessageKind
from tests.flow.test_notices import Desk, desk
from tests.site import AGENCIES, FINANCE, HOME_AFFAIRS, OFFICE

pytestmark = pytest.mark.slow
HOUR = timedelta(hours=1)


async def held(at: Desk, agency: str, number: int) -> list[DocumentRef]:
    taken = [await at.submit(at.site.package(agency, [HOME_AFFAIRS]), agency) for _ in range(number)]
    assert all(one.receipt is not None for one in taken)
    return [DocumentRef(json.loads(one.receipt.octets)["document"]) for one in taken if one.receipt is not None]


def with_bad_ones(at: Desk) -> dict[str, Principal]:
    """Those of the office cannot be judged at all: their connection has a profile for which there is no policy."""
    bad = AGENCIES[OFFICE]
    at.ctx.policies = MappingProxyType({Profile.REQUIRED: at.ctx.policies[Profile.REQUIRED]})
    principals = dict(at.config.principals)
    return principals | {bad: replace(principals[bad], profile=Profile.LEGACY_TOLERATED)}


@pytest.mark.parametrize("business", [False, True])
async def test_a_recall_does_not_overtake_its_document_while_that_is_held(tmp_path: Path, business: bool) -> None:
    """The lists have come, and nobody has judged the document again yet: the recall was delivered first, and after it
    the document, as if it had never been recalled."""
    async with desk(tmp_path) as at:
        known = f"{OFFICE},2026/11/23,sent by mistake/TN"
        await at.submit(at.site.package(OFFICE, [HOME_AFFAIRS], document_id=known))
        at.lists_come()
        kind = Business(kind=MessageKind.RECALL, document_id=known if business else None, reason="gửi nhầm")
        taken = await at.submit(at.site.package(OFFICE, [HOME_AFFAIRS], document_id=known, business=kind))
        assert taken.receipt is not None
        assert json.loads(taken.receipt.octets)["state"] == "held"
        assert await at.waiting(HOME_AFFAIRS) == []
        assert await at.recheck() == 2
        addressed = at.config.principals[AGENCIES[HOME_AFFAIRS]]
        kinds = []
        for _ in range(2):
            (item,) = await inbox(addressed, 0, 50, at.ctx)
            document = await visible_document(str(item.document), addressed, at.ctx)
            kinds.append(document.kind)
            await acknowledge(item.delivery, addressed, at.ctx)
        assert kinds == [MessageKind.NEW, MessageKind.RECALL]


async def test_a_recall_of_what_is_held_waits_for_as_long_as_that_does(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        known = f"{OFFICE},2026/11/23,sent by mistake/TN"
        (first,) = await held(at, OFFICE, 1)
        document = await at.ctx.store.views.document(first)
        assert document is not None
        at.lists_come()
        recall = Business(kind=MessageKind.RECALL, document_id=document.document_id)
        await at.submit(at.site.package(FINANCE, [HOME_AFFAIRS], business=recall), FINANCE)
        assert await at.waiting(HOME_AFFAIRS) == [Cargo.DOCUMENT], "another sender's recall concerns nothing of it"
        await at.submit(at.site.package(OFFICE, [HOME_AFFAIRS], document_id=known, business=recall))
        principals = dict(at.config.principals)
        assert (await recheck_held(principals, at.ctx, first, limit=1)).moved == 0, "its document has not moved"
        assert (await recheck_held(principals, at.ctx)).moved == 2


async def test_a_held_document_whose_connection_is_gone_ends_with_the_budget_and_its_sender_is_told(
    tmp_path: Path,
) -> None:
    """Nobody can say any more what that connection had to sign. It was held for ever, and nobody heard of it."""
    async with desk(tmp_path) as at:
        await held(at, OFFICE, 1)
        without = {name: who for name, who in at.config.principals.items() if name != AGENCIES[OFFICE]}
        began = at.ctx.now()
        at.ctx.now = lambda: began + 71 * HOUR
        assert (await recheck_held(without, at.ctx)).moved == 0
        at.ctx.now = lambda: began + 73 * HOUR
        assert (await recheck_held(without, at.ctx)).moved == 1
        assert (await recheck_held(without, at.ctx)).moved == 0
        assert await at.waiting(HOME_AFFAIRS) == []
        (item,) = await inbox(at.config.principals[AGENCIES[OFFICE]], 0, 50, at.ctx)
        assert item.notice is not None
        told = json.loads(item.notice)
        assert (told["outcome"], told["reason"]) == ("refused", "cert-revocation-unknown")


async def test_a_good_document_that_no_route_leads_to_any_more_is_not_refused_for_its_signature(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await held(at, OFFICE, 1)
        at.lists_come()
        routes = at.ctx.network.routes
        rules = [rule for rule in routes.rules if rule.prefix != HOME_AFFAIRS]
        at.ctx.network = replace(at.ctx.network, routes=RoutingTable(rules, routes.registry))
        assert (await recheck_held(dict(at.config.principals), at.ctx)).moved == 0
        began = at.ctx.now()
        at.ctx.now = lambda: began + 73 * HOUR
        assert (await recheck_held(dict(at.config.principals), at.ctx)).moved == 1
        (item,) = await inbox(at.config.principals[AGENCIES[OFFICE]], 0, 50, at.ctx)
        assert item.notice is not None
        told = json.loads(item.notice)
        assert (told["outcome"], told["reason"]) == ("refused", "no-route")


async def test_a_held_document_that_cannot_be_judged_at_all_ends_with_the_budget_too(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await held(at, OFFICE, 1)
        principals = with_bad_ones(at)
        began = at.ctx.now()
        assert (await recheck_held(principals, at.ctx)).moved == 0
        at.ctx.now = lambda: began + 73 * HOUR
        assert (await recheck_held(principals, at.ctx)).moved == 1
        assert await at.waiting(OFFICE) == [Cargo.NOTICE]


@pytest.mark.faults
async def test_each_round_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        bad = await held(at, OFFICE, 3)
        good = await held(at, FINANCE, 2)
        principals = with_bad_ones(at)
        at.lists_come()
        assert await recheck_held(principals, at.ctx, limit=2) == Round(0, bad[1])
        assert await recheck_held(principals, at.ctx, bad[1], limit=2) == Round(1, good[0])
        assert await recheck_held(principals, at.ctx, good[0], limit=2) == Round(1, None)
        assert await recheck_held(principals, at.ctx, limit=5) == Round(0, None)


@pytest.mark.faults
async def test_new_evidence_gives_everybody_a_turn_at_once(tmp_path: Path) -> None:
    """The next round is an hour away, and one round takes two of five."""
    async with desk(tmp_path) as at:
        await held(at, OFFICE, 3)
        await held(at, FINANCE, 2)
        at.ctx.network = replace(at.ctx.network, principals=with_bad_ones(at))
        stop = asyncio.Event()
        rounds = asyncio.create_task(run_recheck(HOUR, at.ctx, stop, limit=2))
        await asyncio.sleep(0.2)
        assert await at.waiting(HOME_AFFAIRS) == []
        at.lists_come()
        at.ctx.evidence_came.set()
        async with asyncio.timeout(20):
            while await at.waiting(HOME_AFFAIRS) != [Cargo.DOCUMENT] * 2:  # noqa: ASYNC110 - nobody signals here
                await asyncio.sleep(0.01)
        stop.set()
        await rounds
