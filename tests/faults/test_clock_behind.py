"""A node whose clock is wrong from its start: what is good waits, what is bad does not pass, and people are told."""

from __future__ import annotations

import signal
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from axis.devpki import DevPki
from tests.faults.field import Field, field_of
from tests.faults.test_trust import OURS, readiness, set_clock
from tests.mutations.edit import Edit, Mutation
from tests.site import HOME_AFFAIRS, OFFICE, problem, until

pytestmark = pytest.mark.faults

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OFTEN = Edit("axis/app.py", "RECHECK_EVERY = timedelta(seconds=30)", "RECHECK_EVERY = timedelta(seconds=1)")


@contextmanager
def behind(folder: Path, by: timedelta) -> Iterator[Field]:
    """A node that has begun with a clock that is behind. Its authorities' lists are older than that."""
    with field_of(folder, {}, mutation=Mutation("", (OURS, OFTEN)), start=False) as field:
        publish(field, -by - HOUR)
        set_clock(field, str(-by.total_seconds()))
        field.site.start()
        yield field


def publish(field: Field, when: timedelta) -> None:
    DevPki(field.site.pki.folder, datetime.now(UTC)).write_crl(datetime.now(UTC) + when)


def page(field: Field) -> str:
    with urllib.request.urlopen(field.site.pages, timeout=30) as answer:
        return str(answer.read().decode())


def test_what_was_signed_just_now_waits_for_a_clock_that_is_behind(tmp_path: Path) -> None:
    """F117. An hour behind: the document is held under its receipt, and released when the clock is right."""
    with behind(tmp_path, HOUR) as field:
        site = field.site
        assert readiness(field)["ready"], "nothing tells it yet"
        package = field.package((HOME_AFFAIRS,)).octets
        reply = site.send(package, OFFICE)
        assert reply.status == 202, reply.body
        assert reply.json()["state"] == "held"
        document = reply.json()["document"]
        verdict = site.facts(document, OFFICE)["verdict"]
        assert (verdict["sub_indication"], verdict["reason"]) == ("TRY_LATER", "sig-time")
        assert site.waiting(HOME_AFFAIRS, document) is None
        assert site.send(package, OFFICE).body == reply.body
        set_clock(field, "0")
        _, octets = site.receive(HOME_AFFAIRS, document)
        assert octets == package
        assert site.notice(OFFICE, document)["outcome"] == "released"
        site.stop()


def test_a_clock_that_is_behind_by_days_refuses_and_says_why(tmp_path: Path) -> None:
    with behind(tmp_path, 2 * DAY) as field:
        reply = field.site.send(field.package((HOME_AFFAIRS,)).octets, OFFICE)
        assert (reply.status, problem(reply.body)) == (422, "signature-failed")
        assert reply.json()["reason"] == "sig-time"


def test_an_authority_that_dates_a_list_later_than_now_tells_of_our_clock(tmp_path: Path) -> None:
    """F118. By our clock the older list would be in force: whom the newer one revokes does not pass meanwhile."""
    with behind(tmp_path, HOUR) as field:
        site = field.site
        assert readiness(field)["clock_doubt_s"] == 0
        assert 'id="clock"' not in page(field)
        older = {path: path.read_bytes() for path in site.pki.crls.glob("*.crl")}
        site.pki.revoke(site.signers[OFFICE], datetime.now(UTC) - HOUR / 4)
        publish(field, -HOUR / 6)
        for path, octets in older.items():
            path.with_name(f"older-{path.name}").write_bytes(octets)
        assert site.process is not None
        site.process.send_signal(signal.SIGHUP)
        until("it is told", lambda: site.said("clock_doubted") == 1)
        assert -3600 <= readiness(field)["clock_doubt_s"] <= -2000
        assert readiness(field)["ready"], "people are told; what others say decides nothing"
        assert 'id="clock"' in page(field)
        site.signed_before = 2 * HOUR
        receipt = site.take(field.package((HOME_AFFAIRS,)).octets, OFFICE)
        assert receipt["state"] == "held"
        assert site.facts(receipt["document"], OFFICE)["verdict"]["reason"] == "cert-revocation-unknown"
        set_clock(field, "0")
        until("it is refused", lambda: site.facts(receipt["document"], OFFICE)["state"] == "refused")
        until("the clock agrees", lambda: site.said("clock_agrees") == 1)
        site.stop()
