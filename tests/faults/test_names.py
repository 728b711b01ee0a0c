"""Names that nobody resolves, and two programs of one agency at its mailbox."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapters.resolve import OwnThreads
from adapters.sending import session
from axis.demo.network import HOST
from axis.tls import client_context
from tests.faults.field import LARGE, Field, again, field_of
from tests.faults.place import Place
from tests.flow.receiver import Receiver
from tests.site import FINANCE, HOME_AFFAIRS, OFFICE, row, until

pytestmark = pytest.mark.faults

NAMES = 40
"""More than any machine's loop has threads to share (32)."""
HANG_S = 20.0


def test_a_name_server_that_does_not_answer_is_no_trouble_of_those_who_send(tmp_path: Path) -> None:
    """F59. Forty destinations whose names nobody resolves: what is for others goes in and out meanwhile."""
    hanging = {"a name is asked for": Place("adapters.resolve", "socket.getaddrinfo", "before")}
    with field_of(tmp_path, hanging, start=False, more="\nin_flight = 200") as field:
        codes = [f"000.00.{number}.H99" for number in range(20, 20 + NAMES)]
        for number, code in enumerate(codes):
            field.site.signers[code] = field.site.pki.signer(code)
            field.site.registry += row(code, field.site.signers[code])
            field.site.endpoints += (
                f'[[endpoint]]\nname = "xa-{number}"\nadapter = "http-push"\nagencies = ["{code}"]\n'
                f'url = "https://xa-{number}.invalid/inbox"\n[[route]]\nprefix = "{code}"\nendpoint = "xa-{number}"\n'
            )
        again(field)
        field.site.start()
        with field.armed("a name is asked for", pause_s=HANG_S):
            far = field.site.package(OFFICE, codes)
            field.site.take(far, OFFICE)
            fired = field.inside / "fired"
            threads = min(32, (os.cpu_count() or 1) + 4)
            until("names are asked for", lambda: fired.exists() and fired.read_text().count("\n") >= threads)
            began = time.monotonic()
            for _ in range(3):
                field.insist(field.package((HOME_AFFAIRS, FINANCE), size=LARGE))
            assert field.empty(HOME_AFFAIRS) == 3
            assert time.monotonic() - began < HANG_S / 2, "they waited for the names of others"
        deliveries = "SELECT count(*) FROM delivery WHERE endpoint LIKE 'xa-%' AND state IN ('queued', 'leased')"
        assert field.site.rows(deliveries)[0][0] == NAMES, "they are tried again later"


async def test_a_name_is_resolved_as_the_system_does() -> None:
    with Receiver() as far:
        async with session(client_context(None), 4) as http, http.get(far.base.replace(HOST, "localhost")) as answer:
            assert answer.status == 200
    with pytest.raises(OSError, match=r"."):
        await OwnThreads().resolve("nobody.invalid", 443)


def test_two_programs_at_one_mailbox_lose_nothing_between_them(tmp_path: Path) -> None:
    """F62. Both may list, fetch and acknowledge the same thing."""
    with field_of(tmp_path, {}) as field:
        packages = [field.package((HOME_AFFAIRS,)) for _ in range(30)]
        with ThreadPoolExecutor(6) as pool:
            documents = {receipt["document"] for receipt in pool.map(field.insist, packages)}
        begin = threading.Barrier(2)
        fetched: list[set[str]] = [set(), set()]
        acknowledged: list[set[str]] = [set(), set()]

        def program(number: int) -> None:
            items = field.listed(HOME_AFFAIRS)
            begin.wait(20)
            for item in items:
                if field.fetch(HOME_AFFAIRS, item) is not None:
                    fetched[number].add(item["document"])
                    if field.ack(HOME_AFFAIRS, item["delivery"]):
                        acknowledged[number].add(item["document"])

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(program, range(2)))
        assert fetched[0] & fetched[1], "the fault would be none: they never met"
        assert fetched[0] | fetched[1] == documents
        assert acknowledged == fetched, "who was given it could not say so"
        assert arrived(field) == len(documents), "each arrived once"
        assert field.listed(HOME_AFFAIRS) == []
        field.settled()


def arrived(field: Field) -> int:
    (found,) = field.site.rows("SELECT count(*) FROM status_report WHERE wire = '01'")[0]
    return int(found)
