"""Two processes of one node on one PostgreSQL and one bucket: each hands over what the other took in, and trouble of
the bucket is the node's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from tests.buckets import Proxy, Rented, proxy
from tests.buckets import Server as BucketServer
from tests.flow.receiver import Receiver
from tests.parts import body, related, split
from tests.postgres import Server
from tests.site import FINANCE, OFFICE, Site, kept_running, problem, pushed, row, until

pytestmark = [pytest.mark.slow, pytest.mark.faults]

HEALTH = "000.00.15.H99"
NAME = "so-y-te"
RULES = '[delivery]\nfirst_retry = "200ms"\nretry_ceiling = "1s"\nbreaker_after = 1\nbreaker_first = "1m"'


@dataclass
class Both:
    one: Site
    other: Site
    far: Receiver
    between: Proxy
    bucket: Rented


@pytest.fixture(scope="module")
def both(
    postgres: Server, template: str, buckets: BucketServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Both]:
    with proxy(buckets) as between, Receiver() as far:
        bucket = buckets.rent()
        store = postgres.database(template)
        seen = bucket.at(between.endpoint, timedelta(seconds=3))
        one = Site(tmp_path_factory.mktemp("objects") / "node", RULES, store=store, inline_max="8KB", bucket=seen)
        one.instance = "mot"
        one.signers[HEALTH] = one.pki.signer(HEALTH)
        one.registry = row(HEALTH, one.signers[HEALTH])
        one.endpoints = pushed(NAME, HEALTH, far.url)
        one.configure()
        other = one.beside("hai")
        with kept_running(one, other):
            yield Both(one, other, far, between, bucket)


def test_each_hands_over_what_the_other_took_in(both: Both) -> None:
    package = both.one.package(OFFICE, [FINANCE], [os.urandom(3_000_000)])
    document = both.one.take(package, OFFICE)["document"]
    _, got = both.other.receive(FINANCE, document)
    assert got == package
    assert len(both.bucket.listed()) == 1
    assert not [path for path in (both.one.folder / "data" / "blobs").rglob("*") if path.is_file()]


def test_without_the_bucket_large_ones_come_later_and_small_ones_now(both: Both) -> None:
    """503 with Retry-After, and nothing of it is kept; the same request is taken when the bucket is back."""
    large = both.one.package(OFFICE, [FINANCE], [os.urandom(50_000)])
    small = both.one.package(OFFICE, [FINANCE], [b"%PDF-1.4"])
    before, state = both.bucket.listed(), both.one.state()
    both.between.breaks("500")
    reply = both.one.send(large, OFFICE)
    assert (reply.status, problem(reply.body)) == (503, "store-unavailable")
    assert int(reply.headers["retry-after"]) > 0
    assert b"127.0.0.1" not in reply.body
    assert both.between.fired > 0
    assert both.one.state() == state
    assert both.bucket.listed() == before
    taken = both.one.take(small, OFFICE)["document"]
    both.between.mend()
    again = both.one.take(large, OFFICE)["document"]
    assert both.other.receive(FINANCE, taken)[1] == small
    assert both.other.receive(FINANCE, again)[1] == large


@pytest.mark.parametrize("trouble", ["500", "wrong", "reset"])
def test_what_cannot_be_read_is_delivered_later_and_not_held_against_the_recipient(both: Both, trouble: str) -> None:
    """One failure opens the breaker here, for a minute: this one is none of the recipient's."""
    package = both.one.package(OFFICE, [HEALTH], [os.urandom(3_000_000)])
    both.between.breaks(trouble, "GET")
    said = both.one.said("delivery_deferred") + both.other.said("delivery_deferred")
    document = both.one.take(package, OFFICE)["document"]
    until(
        "two attempts that could not be made",
        lambda: both.one.said("delivery_deferred") + both.other.said("delivery_deferred") >= said + 2,
    )
    assert both.between.fired > 0
    assert [one for one in both.far.got if one.body == package] == []
    assert both.far.got == [one for one in both.far.got if len(one.body) == int(one.headers["content-length"])]
    both.between.mend()
    until("the delivery", lambda: [one for one in both.far.got if one.body == package])
    until("its end", lambda: both.one.facts(document, OFFICE)["deliveries"][0]["state"] == "delivered")


def test_a_mailbox_says_that_it_cannot_read_now(both: Both) -> None:
    package = both.one.package(OFFICE, [FINANCE], [os.urandom(60_000)])
    document = both.one.take(package, OFFICE)["document"]
    item = until("it waits", lambda: both.other.waiting(FINANCE, document))
    both.between.breaks("down", "GET")
    reply = both.other.get(f"/v1/deliveries/{item['delivery']}/package", FINANCE)
    assert (reply.status, problem(reply.body)) == (503, "store-unavailable")
    both.between.mend()
    assert both.other.receive(FINANCE, document)[1] == package


def test_attachments_beside_their_envelope_are_judged_where_they_are_brought(both: Both) -> None:
    attached = b"%PDF-1.4\n" + os.urandom(20_000)
    package = body(*split(both.one.package(OFFICE, [FINANCE], [attached])))
    reply = both.one.ask("POST", "/v1/documents", package, by=OFFICE, headers=related())
    assert reply.status == 202, reply.body
    document = reply.json()["document"]
    until("a judgement", lambda: both.one.logged("attachments"))
    assert both.one.facts(document, OFFICE)
