"""The pages that are tables of the code say what the code says, and no page names what is not there."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from axis.core.acceptance import Acceptance
from axis.core.applied import Applied, decide_configured
from axis.core.attachments import Cause, decide_attachments
from axis.core.canonical import canonical
from axis.core.follow_up import FollowUpRules, begin, heard
from axis.core.intake import decide_intake, decide_recheck, refused
from axis.core.model import Decision, Delivery, Document, EntryKind, LogEntry, NoticeOutcome, Profile
from axis.core.notice import Telling, decide_notice
from axis.core.problems import Kind, Problem
from axis.core.queue import Action, Order, decide_operation
from axis.core.reconciliation import decide_answer
from axis.core.restoration import Backup, Reach, Way, decide_restored
from axis.core.retention import decide_removal
from axis.core.retry import RetryPolicy
from axis.core.settlement import decide_handover, decide_setback
from axis.core.states import DeliveryEvent, DeliveryState
from axis.core.statuses import adopt
from axis.docs import COMMAND, FACTS, FOLDER, pages
from axis.log.succession import change_facts
from tests.unit.core.world import (
    COMMUNE_1,
    DISTRICT,
    DMS_10,
    DMS_20,
    NONCE,
    NOW,
    TEN,
    TWENTY,
    content,
    decide_status,
    deliveries,
    document_of,
    ids,
    network,
    passed,
    report,
    report_of,
    submission,
    waiting,
)
from tests.unit.log.logs import SIGNER, STRANGER

ROOT = Path(__file__).parent.parent
PAGES = pages()
WRITTEN = sorted(path for path in [*FOLDER.rglob("*.md"), *ROOT.glob("*.md")] if path.name not in PAGES)
SOURCES = sorted(path for room in ("axis", "schemas", "signing", "adapters") for path in (ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_what_the_tables_say(name: str) -> None:
    path = FOLDER / name
    written = path.read_text(encoding="utf-8") if path.exists() else ""
    assert written == PAGES[name], f"docs/{name} is stale: run `{COMMAND}` and read the diff"


def decisions() -> list[Decision[Any]]:
    """One decision of each sort, so that every kind of entry is written that the core writes."""
    at, number = network(), ids()
    said = content(TWENTY, COMMUNE_1)
    taken = decide_intake(submission(), said, passed(), (), {}, at, NOW, number, NONCE)
    document = document_of(taken)
    known = dict.fromkeys(document.recipients, DeliveryState.QUEUED)
    other = submission(replace(DMS_10, name="dms-10-b"))
    again = decide_intake(other, said, passed(), [document], known, at, NOW, number, NONCE)
    doubtful = decide_intake(submission(), content(), waiting(), (), {}, at, NOW, number, NONCE)
    held = document_of(doubtful)
    leased = deliveries(taken)[0]._replace(state=DeliveryState.LEASED, attempts=1)
    down, gone = Problem(Kind.DESTINATION_UNAVAILABLE), Problem(Kind.DESTINATION_REFUSED)
    early = decide_status(report("03", COMMUNE_1), None, (), DISTRICT, (), at, NOW, number)
    return [
        taken,
        again,
        doubtful,
        decide_recheck(held, Acceptance.ACCEPT, passed(), at, NOW, number),
        decide_recheck(held, Acceptance.HOLD, waiting(), at, NOW + timedelta(days=9), number),
        refused(submission(), Problem(Kind.SIGNATURE_FAILED), passed(), NOW),
        refused(submission(), Problem(Kind.MALFORMED_XML), None, NOW),
        decide_handover(leased, DeliveryEvent.ACK, document, {}, "dms-20", at, NOW, number, "theirs"),
        followed(leased._replace(state=DeliveryState.DELIVERED), document),
        decide_setback(leased, down, RetryPolicy(), at, NOW, 0),
        decide_setback(leased, gone, RetryPolicy(), at, NOW, 0),
        decide_status(report("13", TWENTY, TEN), document, (), DMS_20, (), at, NOW, number),
        early,
        adopt(report_of(early), document, (), (), at, NOW, number),
        decide_attachments(document, None, {}, (), Cause.INTAKE, at, NOW),
        decide_operation(
            leased._replace(state=DeliveryState.FAILED),
            Order(Action.RETRY, "an", "ho da sua", NOW),
            at,
            Telling(document, None, number, canonical),
        ),
        decide_notice(held, NoticeOutcome.REFUSED, "cert-revoked", at, NOW, number, canonical),
        decide_configured("node", Applied(2, NOW, "00")),
        decide_removal(document, (), (), None, timedelta(days=30), "node", NOW + timedelta(days=31)),
        decide_restored(Way(Reach.BEHIND, 1, 2, True), Backup("00", NOW), [(1, 2)], "node", "an", "hong", NOW),
        Decision((LogEntry(EntryKind.KEY_CHANGED, NOW, "node", "", change_facts(SIGNER, STRANGER)),), (), None),
    ]


def followed(delivery: Delivery, document: Document) -> Decision[Any]:
    rules = FollowUpRules(timedelta(hours=1), timedelta(days=7))
    before = begin(delivery.id, delivery.endpoint, "theirs", NOW, rules)
    telling = Telling(document, None, ids(), canonical)
    after = heard(before, {}, NOW, rules)
    return decide_answer(delivery, before, after, False, RetryPolicy(), network(), NOW, 0, telling)


def test_every_fact_of_the_log_is_described_and_every_described_fact_is_written() -> None:
    told: dict[EntryKind, set[str]] = {kind: set() for kind in EntryKind}
    for decision in decisions():
        for entry in decision.entries:
            told[entry.kind] |= set(entry.facts)
    assert told == {kind: {key for key, _ in FACTS[kind]} for kind in EntryKind}
    assert {kind for kind, keys in told.items() if not keys} == {EntryKind.STARTED, EntryKind.STOPPED}


def test_the_acceptance_table_of_the_page_has_a_column_for_every_profile() -> None:
    assert all(f"`{profile}`" in PAGES["verdicts.md"] for profile in Profile)


LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
PLACE = re.compile(r"`((?:axis|schemas|signing|adapters|tests|docs|requirements)/[A-Za-z0-9_./-]+)`")


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_names_only_what_is_there(path: Path) -> None:
    """Links are read from the page's folder, places in backticks from the root."""
    text = path.read_text(encoding="utf-8")
    links = [link for link in LINK.findall(text) if not (path.parent / link).exists()]
    places = [place for place in PLACE.findall(text) if not (ROOT / place).exists()]
    assert (links, places) == ([], [])


HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
SECTION = re.compile(r"\]\(([\w./-]*\.md)?#([^)]+)\)")


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    bare = (
        re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", title).lower())
        for title in HEADING.findall(path.read_text("utf-8"))
    )
    return {title.replace(" ", "-") for title in bare}


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_link_to_a_section_leads_to_one(path: Path) -> None:
    found = SECTION.findall(path.read_text(encoding="utf-8"))
    assert [(page, place) for page, place in found if place not in anchors(path.parent / page if page else path)] == []


NAMED = re.compile(r"(?<![\w/.-])(?:docs/)?([A-Za-z][\w-]*\.md)\b")


def test_the_code_refers_only_to_documents_that_are_here() -> None:
    here = {path.name for path in [*WRITTEN, *FOLDER.glob("*.md")]} | {"README.md", *PAGES}
    missing = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in SOURCES
        for name in NAMED.findall(path.read_text(encoding="utf-8"))
        if name not in here and not (path.parent / name).exists() and not (path.parent / "xsd" / name).exists()
    ]
    assert missing == []
