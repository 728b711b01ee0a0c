"""A node tells of certificates that end: with those nobody connects, and a year is long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from structlog.testing import capture_logs

from axis.devpki import DevPki
from axis.trust import end_of
from axis.watch import watch_expiry

AT = datetime(2026, 1, 1, tzinfo=UTC)


async def told(files: dict[Path, str], now: Callable[[], datetime]) -> list[tuple[str, str]]:
    stop = asyncio.Event()
    with capture_logs() as said:
        watching = asyncio.create_task(watch_expiry(lambda: files, end_of, now, stop))
        while not said and not watching.done():
            await asyncio.sleep(0.01)
            if now() < AT + timedelta(days=1):  # nothing will be said
                break
        stop.set()
        await watching
    return [(str(one["event"]), str(one["certificate"])) for one in said]


async def test_what_ends_within_a_month_is_told_and_what_has_ended(tmp_path: Path) -> None:
    server = DevPki.create(tmp_path / "pki", AT).tls_server("server").certificate
    ends = end_of(server, "listen.certificate")
    files = {server: "listen.certificate", tmp_path / "gone.pem": "x.ca"}
    assert await told(files, lambda: AT) == []
    assert await told(files, lambda: ends - timedelta(days=29)) == [("certificate_expires", "listen.certificate")]
    assert await told(files, lambda: ends) == [("certificate_expired", "listen.certificate")]


def test_authorities_end_with_the_last_and_what_is_shown_with_the_first(tmp_path: Path) -> None:
    old = DevPki.create(tmp_path / "old", datetime(2010, 1, 1, tzinfo=UTC)).tls_ca
    new = DevPki.create(tmp_path / "new", AT).tls_ca
    both = tmp_path / "both.pem"
    both.write_bytes(old.read_bytes() + new.read_bytes())
    assert end_of(both, "truc-xa.ca") == end_of(new, "x.ca") > end_of(old, "x.ca")
    assert end_of(both, "listen.certificate") == end_of(old, "x.ca")
