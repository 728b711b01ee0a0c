"""A server that waits for a standby before it answers COMMIT: there is none, it comes back, somebody ends the wait."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.faults.field import Field
from tests.faults.test_database import asked, change
from tests.faults.test_server import is_ready, lines, own_server
from tests.postgres import Server
from tests.site import HOME_AFFAIRS, until

pytestmark = pytest.mark.faults

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
PATIENCE_S = 4.0


def waits(own: Server) -> int:
    return int(asked(own.url("postgres"), WAITING))


def no_standby(own: Server) -> None:
    change(own, "SET synchronous_standby_names = 'elsewhere'")
    until("the server waits for it", lambda: asked(own.url("postgres"), "SHOW synchronous_standby_names"))


def test_a_server_that_waits_for_its_standby(tmp_path: Path) -> None:
    with own_server(tmp_path) as (field, own):
        field.drain()
        no_standby(own)
        for _ in range(3):
            p = field.package()
            began = time.monotonic()
            reply = field.site.send(p.octets, p.sender)
            print(reply.status, reply.body, time.monotonic() - began, is_ready(field), waits(own))
        time.sleep(6)
        print(waits(own), is_ready(field))
        for l in lines(field, "store_lost")[-5:]:
            print(l)
        print(field.site.log.read_text()[-3000:])
        change(own, "RESET synchronous_standby_names")
        began = time.monotonic()
        until("ready", lambda: is_ready(field), 30)
        print("ready after", time.monotonic() - began)
        field.insist(p)
        field.settled()
        assert 0
