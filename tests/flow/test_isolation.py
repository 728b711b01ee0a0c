"""Who is not a party to a document cannot tell it from one that does not exist."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from axis.demo.client import Reply
from axis.ids import new_id
from tests.site import FINANCE, HOME_AFFAIRS, OFFICE, Site, kept_running, problem

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("isolation"))
    with kept_running(made):
        yield made


def _shape(reply: Reply) -> tuple[int, dict[str, object], frozenset[str]]:
    """Everything that a stranger sees, but for the random mark of the one request and the clock."""
    facts = {name: value for name, value in reply.json().items() if name != "instance"}
    return reply.status, facts, frozenset(reply.headers)


def test_a_stranger_sees_of_a_document_what_it_sees_of_a_random_id(site: Site) -> None:
    document = site.take(site.package(OFFICE, [HOME_AFFAIRS], subject="chỉ cho hai bên"), OFFICE)["document"]
    item = site.waiting(HOME_AFFAIRS, document)
    assert item is not None
    asked = [
        ("GET", "/v1/documents/{}", document),
        ("GET", "/v1/documents/{}/package", document),
        ("GET", "/v1/receipts/{}", document),
        ("GET", "/v1/receipts/{}/proof", document),
        ("POST", "/v1/documents/{}/statuses", document),
        ("GET", "/v1/deliveries/{}/package", item["delivery"]),
        ("POST", "/v1/deliveries/{}/ack", item["delivery"]),
        ("GET", "/v1/deliveries/{}/package", document),
        ("GET", "/v1/documents/{}", item["delivery"]),
    ]
    before, entries = site.state(), site.rows("SELECT count(*) FROM log_intent")
    for method, path, id in asked:
        replies = []
        for known in (id, new_id()):
            target = path.format(known)
            reply = site.get(target, FINANCE) if method == "GET" else site.post(target, FINANCE, {"code": "03"})
            assert problem(reply.body) == "not-found"
            replies.append(_shape(reply))
        assert replies[0] == replies[1], path
        assert replies[0][0] == 404
    waiting = str(site.inbox(FINANCE))
    assert document not in waiting and item["delivery"] not in waiting
    assert site.state() == before
    assert site.rows("SELECT count(*) FROM log_intent") == entries, "a stranger's guesses fill the log"


def test_the_sender_cannot_take_or_acknowledge_what_is_for_the_recipient(site: Site) -> None:
    document = site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)["document"]
    delivery = site.facts(document, OFFICE)["deliveries"][0]["delivery"]
    before = site.state()
    for reply in (
        site.get(f"/v1/deliveries/{delivery}/package", OFFICE),
        site.post(f"/v1/deliveries/{delivery}/ack", OFFICE),
    ):
        assert (reply.status, problem(reply.body)) == (404, "not-found")
    assert site.state() == before
    assert site.get(f"/v1/documents/{document}/package", OFFICE).status == 200, "its own package it may have back"


def test_a_recipient_sees_its_own_handling_and_the_sender_sees_all(site: Site) -> None:
    package = site.package(OFFICE, [HOME_AFFAIRS, FINANCE])
    document = site.take(package, OFFICE)["document"]
    for by, code, why in ((HOME_AFFAIRS, "03", "riêng của nội vụ"), (FINANCE, "02", "riêng của tài chính")):
        site.receive(by, document)
        assert site.status(by, document, code, description=why).status == 202
    own = {by: site.facts(document, by) for by in (HOME_AFFAIRS, FINANCE)}
    for by, facts in own.items():
        assert {one["receiver"] for one in facts["statuses"]} == {by}
        assert {one["endpoint"] for one in facts["deliveries"]} == {site.agencies[by]}
        assert facts["recipients"] == [HOME_AFFAIRS, FINANCE], "whom it is addressed to stands in the document itself"
    assert "riêng của tài chính" not in str(own[HOME_AFFAIRS])
    everything = site.facts(document, OFFICE)
    told = sorted((one["receiver"], one["code"]) for one in everything["statuses"])
    assert told == [(HOME_AFFAIRS, "01"), (HOME_AFFAIRS, "03"), (FINANCE, "01"), (FINANCE, "02")]
    before = site.state()
    reply = site.status(HOME_AFFAIRS, document, "06", receiver=FINANCE)
    assert (reply.status, problem(reply.body)) == (403, "not-your-agency")
    assert site.state() == before


def test_an_inbox_is_paged_and_shows_each_delivery_once(site: Site) -> None:
    already = {item["delivery"] for item in site.inbox(FINANCE)}
    documents = [site.take(site.package(HOME_AFFAIRS, [FINANCE]), HOME_AFFAIRS)["document"] for _ in range(7)]
    pages, after = [], 0
    while True:
        reply = site.get(f"/v1/inbox?after={after}&limit=3", FINANCE).json()
        pages.append(reply["items"])
        if reply["next"] is None:
            break
        after = reply["next"]
    shown = [item for page in pages for item in page]
    assert [len(page) for page in pages[:-1]] == [3] * (len(pages) - 1)
    assert [item["seq"] for item in shown] == sorted({item["seq"] for item in shown})
    assert [item["document"] for item in shown if item["delivery"] not in already] == documents
    assert site.inbox(FINANCE, f"?after={shown[-1]['seq']}") == []
    assert len(site.inbox(FINANCE, "?limit=0")) == 1
    assert len(site.inbox(FINANCE, "?limit=999999")) == len(shown)
    assert site.inbox(FINANCE, "?after=999999999999999999") == []


@pytest.mark.parametrize(
    "query",
    ["agency=000.00.13.H99", "limit=-1", "after=x", "after=", "after=%C2%B2", "limit=1&limit=2", "after=1e3", "a[]=1",
     "after=9999999999999999999", "limit=%D9%A3"],
)  # fmt: skip
def test_an_inbox_takes_two_numbers_and_nothing_else(query: str, site: Site) -> None:
    reply = site.get(f"/v1/inbox?{query}", FINANCE)
    assert (reply.status, problem(reply.body)) == (400, "bad-request")
