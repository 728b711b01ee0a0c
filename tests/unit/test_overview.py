"""The status page as a function: what stands on it when something is wrong, and what does not when nothing is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from axis.core.ports import Counts
from axis.web import pages

NOW = datetime(2026, 12, 1, 3, 0, tzinfo=UTC)
NOTHING = Counts({}, {}, {})
IDLE = pages.Queues([], frozenset(), [], [], timedelta(hours=72))
WELL = pages.LogHead(7, "00" * 32, timedelta(seconds=1), stale=False)


def page(counts: Counts = NOTHING, head: pages.LogHead | None = WELL, renewed: bool = True) -> str:
    refused = pages.Refused(NOW, {})
    return pages.overview("truc-h99", NOW, counts, head, [], {}, IDLE, refused, renewed)


def test_a_log_that_is_too_far_behind_is_told_above_all_else() -> None:
    stale = page(head=replace(WELL, behind=timedelta(minutes=11), stale=True))
    assert "Trục đang không nhận văn bản: nhật ký ký số chậm 660 giây" in stale
    assert stale.index('id="stale"') < stale.index('class="tiles"')


@pytest.mark.parametrize("head", [WELL, None])
def test_a_node_at_rest_complains_of_nothing(head: pages.LogHead | None) -> None:
    assert [name for name in ("stale", "failed", "held") if f'id="{name}"' in page(head=head)] == []


def test_a_page_that_renews_itself_can_be_stopped() -> None:
    assert 'http-equiv="refresh"' in page() and 'href="/?renew=0"' in page()
    assert "refresh" not in page(renewed=False)
