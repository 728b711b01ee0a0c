"""The status page as a function: what stands on it when something is wrong, and what does not when nothing is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from axis.core.model import EntryKind, LogEntry
from axis.core.ports import Counts
from axis.web import pages

NOW = datetime(2026, 12, 1, 3, 0, tzinfo=UTC)
NOTHING = Counts({}, {}, {})
IDLE = pages.Queues([], frozenset(), [], [], timedelta(hours=72))
NONE = pages.Listed([], {}, {})
WELL = pages.LogHead(7, "00" * 32, timedelta(seconds=1), stale=False)


def page(counts: Counts = NOTHING, head: pages.LogHead | None = WELL, renewed: bool = True) -> str:
    refused = pages.Refused(NOW, {})
    return pages.overview("truc-h99", NOW, counts, head, NONE, IDLE, refused, renewed)


def test_a_log_that_is_too_far_behind_is_told_above_all_else() -> None:
    stale = page(head=replace(WELL, behind=timedelta(minutes=11), stale=True))
    assert "Trục đang không nhận văn bản: nhật ký ký số chậm 660 giây" in stale
    assert stale.index('id="stale"') < stale.index('class="tiles"')


@pytest.mark.parametrize("head", [WELL, None])
def test_a_node_at_rest_complains_of_nothing(head: pages.LogHead | None) -> None:
    assert [name for name in ("stale", "failed", "held") if f'id="{name}"' in page(head=head)] == []


def test_a_page_that_renews_itself_can_be_stopped() -> None:
    assert 'http-equiv="refresh"' in page() and 'href="/">dừng' in page()
    assert "refresh" not in page(renewed=False) and 'href="/?renew=1"' in page(renewed=False)


def test_what_was_handed_over_and_is_not_taken_is_shown_where_there_is_some() -> None:
    assert 'id="handed-over"' not in page()
    shown = page(counts=replace(NOTHING, became={"quoc-gia": {"waiting": 4, "lost": 2}}))
    assert shown.index('id="handed-over"') < shown.index("statuses")
    assert '<td class="n">4</td><td class="n">0</td><td class="n bad">2</td>' in shown


def test_what_was_refused_before_this_process_began_has_its_next_step_too() -> None:
    facts = {"problem": "no-route"}
    entry = LogEntry(EntryKind.REFUSED, NOW, "so-noi-vu", "", facts)
    told = pages.refusals("truc-h99", pages.Refused(NOW, {}), [entry], 100)
    assert "axis explain" in told and '<td class="n">0</td>' in told
