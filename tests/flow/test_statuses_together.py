"""Statuses that come one by one and are stored together: each has the answer that it would have alone (ADR 0064)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from axis.core.model import DocumentRef, StatusReport
from axis.core.ports import Ledger
from axis.core.routing import RoutingTable
from axis.flow.report import record_told
from axis.web.dto import StatusBody
from axis.web.statuses import report_of
from schemas.status import Standing
from tests.flow.test_notices import Desk, desk
from tests.site import AGENCIES, HOME_AFFAIRS, OFFICE

pytestmark = pytest.mark.slow


async def tell(at: Desk, ref: DocumentRef, code: str, minutes: int = 0) -> StatusReport:
    now, by = at.ctx.now(), at.config.principals[AGENCIES[HOME_AFFAIRS]]
    when = now.replace(second=0, microsecond=0) - timedelta(minutes=minutes)
    body = StatusBody(code=code, at=when, description="x")
    return await record_told((ref, partial(report_of, body)), by, now, at.ctx)


async def taken(at: Desk, number: int) -> Sequence[DocumentRef]:
    at.lists_come()
    receipts = [(await at.submit(at.site.package(OFFICE, [HOME_AFFAIRS]))).receipt for _ in range(number)]
    return [one.document.ref for one in receipts if one is not None]


async def together_in_the_store(at: Desk, *those: Coroutine[Any, Any, StatusReport]) -> Sequence[StatusReport]:
    """All of them in one group: it forms while another one is under way."""
    inside, gate = threading.Event(), threading.Event()

    def holds(ledger: Ledger) -> None:
        inside.set()
        assert gate.wait(10)

    holding = asyncio.ensure_future(at.ctx.store.transact(holds))
    assert await asyncio.to_thread(inside.wait, 10)
    found = asyncio.gather(*those)
    await asyncio.sleep(0)
    gate.set()
    await holding
    told = await found
    await asyncio.sleep(0)
    return told


async def told_of(at: Desk, ref: DocumentRef) -> int:
    return sum(one.cargo_ref != ref for one in await at.ctx.store.views.deliveries(ref))


async def test_a_repeat_among_others_is_answered_with_all_of_the_first(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        at = await stack.enter_async_context(desk(tmp_path))
        known, fresh, other = await taken(at, 3)
        first = await tell(at, known, "03", 60)
        found = await together_in_the_store(
            at,
            tell(at, other, "03", 60),
            tell(at, known, "03", 60),
            tell(at, fresh, "03", 60),
            tell(at, fresh, "03", 60),
            tell(at, known, "04", 60),
        )
        assert found[1] == first._replace(standing=Standing.REPEATED)
        assert found[3] == found[2]._replace(standing=Standing.REPEATED)
        assert [one.standing for one in found if one not in (found[1], found[3])] == [Standing.APPLIED] * 3
        assert [await told_of(at, ref) for ref in (known, fresh, other)] == [2, 1, 1]


async def test_what_is_recorded_together_is_logged_together_and_a_contradiction_for_itself(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        at = await stack.enter_async_context(desk(tmp_path))
        one, two, three = await taken(at, 3)
        with capture_logs() as alone:
            await tell(at, one, "06", 60)
            await asyncio.sleep(0)
        assert [(said["event"], said["document"]) for said in _recorded(alone)] == [("status_recorded", one)]
        with capture_logs() as together:
            await together_in_the_store(
                at, *(tell(at, ref, "03", 59) for ref in (two, three, two)), tell(at, one, "02", 58)
            )
        contradicted, others = _recorded(together)
        assert (contradicted["document"], contradicted["standing"]) == (one, Standing.CONFLICT)
        assert (others["by"], others["recorded"]) == (AGENCIES[HOME_AFFAIRS], 3)


async def test_where_statuses_go_is_asked_again_of_another_network(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        at = await stack.enter_async_context(desk(tmp_path))
        (ref,) = await taken(at, 1)
        await tell(at, ref, "03", 60)
        routes = RoutingTable((), at.ctx.network.registry)
        at.ctx.network, before = replace(at.ctx.network, routes=routes), at.ctx.network
        await tell(at, ref, "04", 59)
        assert await told_of(at, ref) == 1, "nobody is reached any more"
        at.ctx.network = before
        await tell(at, ref, "05", 58)
        assert await told_of(at, ref) == 2


def _recorded(lines: Sequence[Any]) -> list[Any]:
    return [line for line in lines if line["event"] in ("status_recorded", "statuses_recorded")]
