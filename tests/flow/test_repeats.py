"""A recipient that tells one status again and again, on both databases: what is kept of it has an end (ADR 0084)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import orjson
import pytest

from axis.core.model import DocumentRef, Principal, Role, StatusReport
from axis.core.problems import Kind, Problem, Refused
from axis.core.repeats import MOST_TOLD
from axis.core.statuses import Report
from axis.flow.report import record_status, record_statuses, record_told
from axis.web.dto import StaffBody, StatusBody, status_facts
from axis.web.statuses import report_of
from schemas.codes import AgencyCode
from schemas.status import Standing
from tests.flow.test_notices import Desk, desk
from tests.flow.test_statuses_together import taken
from tests.site import AGENCIES, FINANCE, HOME_AFFAIRS, OFFICE

pytestmark = pytest.mark.slow

BATCH = 40
MOST_OCTETS = 300_000
"""What an answer about a document takes for each of its recipients, where every text is as long as it may be."""
LONG = StaffBody(department="Ầ" * 200, staff="Ầ" * 200, email="Ầ" * 200, mobile="Ầ" * 50)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    return None if request.param == "sqlite" else str(request.getfixturevalue("postgres_store"))


async def tell(at: Desk, ref: DocumentRef, code: str, *seconds: int) -> Sequence[StatusReport | Problem]:
    """The same code, told so many seconds before now, in one batch."""
    now, by = at.ctx.now(), at.config.principals[AGENCIES[HOME_AFFAIRS]]
    minute = now.replace(second=0, microsecond=0)
    return await record_statuses(
        [(ref, partial(report_of, _body(code, minute - timedelta(seconds=one)))) for one in seconds], by, now, at.ctx
    )


def _body(code: str, when: datetime) -> StatusBody:
    return StatusBody(code=code, at=when, description="Ầ" * 500, staff=LONG)


async def test_a_status_that_is_told_again_without_end_is_kept_so_often_and_no_more(
    tmp_path: Path, url: str | None
) -> None:
    async with desk(tmp_path, url) as at:
        (ref,) = await taken(at, 1)
        came_to = Counter[str]()
        for first in range(0, 5 * BATCH, BATCH):
            for one in await tell(at, ref, "05", *range(9_000 - first, 9_000 - first - BATCH, -1)):
                came_to[one.kind if isinstance(one, Problem) else one.standing] += 1
        assert came_to == {"applied": 1, "repeated": MOST_TOLD - 1, "too-many-repeats": 5 * BATCH - MOST_TOLD}
        (known,) = await tell(at, ref, "05", 8_999)
        assert isinstance(known, StatusReport), "what was kept is answered as before"
        now, by = at.ctx.now(), at.config.principals[AGENCIES[HOME_AFFAIRS]]
        with pytest.raises(Refused) as alone:
            await record_told((ref, partial(report_of, _body("05", now.replace(microsecond=0)))), by, now, at.ctx)
        assert alone.value.problem.kind is Kind.TOO_MANY_REPEATS

        others = [one for code in ("02", "03", "04", "06", "15", "16") for one in await tell(at, ref, code, 60)]
        assert all(isinstance(one, StatusReport) and one.standing is not Standing.REPEATED for one in others)
        kept = await at.ctx.store.views.statuses(ref)
        assert len(kept) == MOST_TOLD + len(others)
        assert len(orjson.dumps([status_facts(one) for one in kept])) < MOST_OCTETS
        to_sender = [one for one in await at.ctx.store.views.deliveries(ref) if one.cargo == "status"]
        assert len(to_sender) == 1 + len(others), "each code reaches the sender once"


async def test_what_another_axis_tells_before_its_document_comes_is_kept_so_often(
    tmp_path: Path, url: str | None
) -> None:
    async with desk(tmp_path, url) as at:
        office, finance = AgencyCode.parse(OFFICE), AgencyCode.parse(FINANCE)
        axis = Principal("quoc-gia", Role.NATIONAL, ((),))
        at.ctx.network = replace(at.ctx.network, principals={**at.ctx.network.principals, axis.name: axis})
        known = f"{OFFICE},2026/11/23,7/LAP"

        async def told(code: str, second: int, number: str | None = None) -> StatusReport:
            when = at.ctx.now().replace(second=0, microsecond=0) - timedelta(seconds=second)
            said = Report(code, finance, office, when, None if number else known, number or "7/LAP", signed=True)
            return await record_status(said, axis, (), at.ctx)

        for second in range(MOST_TOLD + 10):
            await told("05", second)
        await told("03", 1)
        for second in range(MOST_TOLD + 10):
            await told("05", second, "8/LAP")
        at.lists_come()
        package = at.site.package(OFFICE, [FINANCE], document_id=known)
        receipt = (await at.submit(package)).receipt
        assert receipt is not None
        kept = await at.ctx.store.views.statuses(receipt.document.ref)
        assert Counter(one.wire for one in kept) == {"05": MOST_TOLD, "03": 1}
        assert [one.standing for one in kept if one.standing is not Standing.REPEATED] == ["applied", "late"]
        again = await told("05", 9_000)
        assert again.ref == kept[0].ref, "nothing stands behind it, and it is known"
