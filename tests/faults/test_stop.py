"""A node is asked to stop, asked once more, broken in one of its tasks, or killed as often as it is started."""

from __future__ import annotations

import errno
import json
import os
import random
import re
import signal
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from axis.demo.network import last_lines
from tests.faults.broken import BY_FAULT, Broken
from tests.faults.field import HEALTH, Field, field_of
from tests.faults.place import Place
from tests.faults.points import conversation, head_of
from tests.flow.receiver import Got
from tests.mutations.edit import Edit, Mutation
from tests.site import HOME_AFFAIRS, OFFICE, until

pytestmark = pytest.mark.faults

UPLOADS = 100
DELIVERIES = 50
MANY = f"\nwindow = {DELIVERIES}\nin_flight = 200\n[limits]\nat_once = {4 * UPLOADS}"
HURRIED = (
    Edit("axis/web/framing.py", "GRACE_S: Final = 10.0", "GRACE_S: Final = 3.0"),
    Edit("axis/flow/dispatch.py", "GRACE_S = 8.0", "GRACE_S = 4.0"),
)
STARTS = 3
PLACES = {"claim": Place("axis.flow.dispatch", "Dispatcher._claim", "before")}


def readiness(field: Field) -> tuple[int, dict[str, Any]]:
    try:
        with urlopen(f"{field.site.pages}/readyz", timeout=5) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with closing(error):
            return error.code, json.load(error)


class Gate:
    """Who is called answers only those who are let through; the others wait for as long as they like."""

    def __init__(self, field: Field) -> None:
        self._field = field
        self._passes = threading.Semaphore(0)
        self._lock = threading.Lock()
        self.waiting = 0

    def let(self, count: int) -> None:
        self._passes.release(count)

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        with self._lock:
            self.waiting += 1
        if not self._passes.acquire(timeout=30):
            handler.close_connection = True
            return
        headers = {name.lower(): value for name, value in handler.headers.items()}
        body = handler.rfile.read(int(headers["content-length"]))
        self._field.listener._answer(Got(handler.path, headers, body))(handler)


def stopped_at_work(field: Field) -> None:
    """A hundred bodies have come half, fifty deliveries wait for their answer: then SIGTERM, and another one."""
    site, gate = field.site, Gate(field)
    documents = [field.insist(field.package((HOME_AFFAIRS,)))["document"]]
    assert site.process is not None
    with ExitStack() as stack:
        stack.callback(gate.let, 10_000)
        stack.enter_context(field.listener.cut(gate))
        documents += [field.insist(field.package((HEALTH,)))["document"] for _ in range(DELIVERIES)]
        until("deliveries are under way", lambda: gate.waiting >= DELIVERIES)
        uploads = []
        for _ in range(UPLOADS):
            package = field.package((HOME_AFFAIRS,))
            line = stack.enter_context(conversation(field, package))
            line.sendall(head_of(field, package) + package.octets[:-1])
            uploads.append((line, package))
        assert readiness(field)[0] == 200
        began = time.monotonic()
        site.process.send_signal(signal.SIGTERM)
        until("readiness is red at once", lambda: readiness(field)[0] == 503, 3)
        assert readiness(field)[1]["stopping"] is True
        assert closed(field), "newcomers are let in"
        site.process.send_signal(signal.SIGTERM)
        gate.let(DELIVERIES // 2)
        for line, package in uploads[::2]:
            assert heard(line, package.octets[-1:]).startswith(b"HTTP/1.1 202 "), "its request was under way"
        for line, _ in uploads[1::2]:
            assert heard(line) == b"", "half a document was taken"
        assert site.process.wait(60) == 0, last_lines(site.log)
        assert time.monotonic() - began < 60
    (leased,) = site.rows("SELECT count(*) FROM delivery WHERE state = 'leased'")[0]
    assert leased == 0, "a lease is left behind"
    half = {package.document_id for _, package in uploads[1::2]}
    stored = {name for (name,) in site.rows("SELECT document_id FROM document")}
    assert not half & stored
    assert {package.document_id for _, package in uploads[::2]} < stored
    (delivered,) = site.rows("SELECT count(*) FROM delivery WHERE endpoint = 'so-y-te' AND state = 'delivered'")[0]
    assert delivered >= DELIVERIES // 2


def heard(line: ssl.SSLSocket, last: bytes = b"") -> bytes:
    """The beginning of the answer to what is sent; nothing where the connection ends without one, in whatever way."""
    line.settimeout(60)
    try:
        line.sendall(last)
        return line.recv(20)
    except OSError:
        return b""


def closed(field: Field) -> bool:
    """Whether nobody can come in any more."""
    try:
        field.site.get("/v1/inbox", OFFICE)
    except ConnectionRefusedError:
        return True
    return False


@contextmanager
def patient(folder: Path, mutation: Mutation | None = None) -> Iterator[Field]:
    """A node that leaves a delivery under way for longer than it takes to stop, and takes in many at once. Its stop is
    the product's with shorter times, so that the test need not wait for them."""
    edits = (*HURRIED, *(mutation.edits if mutation else ()))
    with field_of(folder, {}, start=False, mutation=Mutation("", edits), more=MANY) as field:
        config = field.site.config
        config.write_text(config.read_text().replace('lease = "3s"', 'lease = "20s"'))
        field.site.start()
        yield field


def test_who_is_asked_to_stop_ends_what_is_under_way_and_begins_nothing(tmp_path: Path) -> None:
    """F78, F79."""
    with patient(tmp_path) as field:
        stopped_at_work(field)
        assert field.spooled() == []
        field.site.start()
        assert readiness(field)[0] == 200
        field.settled()


def test_who_is_killed_while_it_stops_has_lost_nothing(tmp_path: Path) -> None:
    """F79."""
    with field_of(tmp_path, {}, more=MANY) as field:
        gate = Gate(field)
        with ExitStack() as stack:
            stack.callback(gate.let, 10_000)
            stack.enter_context(field.listener.cut(gate))
            for _ in range(5):
                field.insist(field.package((HEALTH, HOME_AFFAIRS)))
            until("deliveries are under way", lambda: gate.waiting >= 5)
            assert field.site.process is not None
            field.site.process.send_signal(signal.SIGTERM)
            until("it stops", lambda: readiness(field)[0] == 503, 3)
            gate.let(2)
            assert field.site.running
            field.site.kill()
        field.site.start()
        field.settled()


def breaks_in_a_task(field: Field) -> None:
    """What no service expects is raised in the dispatcher: the process ends, and says of what."""
    with field.armed("claim", errno=errno.EIO):
        field.dies(1)
    assert b"input/output error" in field.site.log.read_bytes().lower()


def test_a_task_that_breaks_ends_the_process_and_the_next_one_goes_on(tmp_path: Path) -> None:
    """F92."""
    with field_of(tmp_path, PLACES) as field:
        field.insist(field.package())
        breaks_in_a_task(field)
        field.site.start()
        field.insist(field.package())
        field.settled()


def test_a_node_that_is_killed_as_often_as_it_starts_keeps_everything(tmp_path: Path) -> None:
    """F104."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    with field_of(tmp_path, {}) as field:
        for _ in range(3):
            field.insist(field.package())
        for _ in range(STARTS):
            field.site.kill()
            field.site.start(wait=False)
            time.sleep(chance.uniform(0.05, 1.5))  # it is ready by then, or on its way
            assert field.site.running
        field.site.kill()
        field.site.start()
        field.insist(field.package())
        field.settled()


def test_the_unit_file_waits_between_two_starts_and_not_for_a_wrong_configuration() -> None:
    """F104. What `axis serve` says with its exit code: 1, try again; 2, a person must change something."""
    text = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    unit = text.partition("[Service]")[2].partition("[Install]")[0]
    settings = dict(re.findall(r"^(\w+)=(.*)$", unit, re.MULTILINE))
    assert settings["Restart"] == "on-failure"
    assert int(settings["RestartSec"]) >= 1
    assert settings["RestartPreventExitStatus"] == "2"
    assert settings["RestartForceExitStatus"] == "SIGHUP", "which would pass for an orderly stop while Python starts"
    assert int(settings["TimeoutStopSec"]) > 60, "longer than an orderly stop may take"


@pytest.mark.parametrize("broken", [*BY_FAULT["F78"][:2], *BY_FAULT["F79"]], ids=lambda one: one.mutation.defence)
def test_without_its_defence_a_stop_is_red(broken: Broken, tmp_path: Path) -> None:
    with patient(tmp_path, broken.mutation) as field, pytest.raises(AssertionError, match=broken.says):
        stopped_at_work(field)


def test_without_its_defence_a_task_ends_in_silence(tmp_path: Path) -> None:
    (broken,) = BY_FAULT["F92"]
    with (
        field_of(tmp_path, PLACES, mutation=broken.mutation) as field,
        pytest.raises(AssertionError, match=broken.says),
    ):
        breaks_in_a_task(field)


def on_a_full_disk(field: Field) -> None:
    """Its operational log cannot be written, from the first line on."""
    field.site.watcher = ("sh", "-c", 'exec "$@" 2> /dev/full', "sh")
    field.site.start()
    field.insist(field.package())
    assert field.site.stop() == 0


def test_a_node_whose_operational_log_cannot_be_written_goes_on(tmp_path: Path) -> None:
    with field_of(tmp_path, {}, start=False) as field:
        on_a_full_disk(field)


def test_without_its_defence_such_a_node_does_not_even_start(tmp_path: Path) -> None:
    edit = Edit(
        "axis/cli/logs.py",
        "        except OSError:\n            self._torn",
        "        except KeyError:\n            self._torn",
    )
    with (
        field_of(tmp_path, {}, start=False, mutation=Mutation("the node is not told of it", (edit,))) as field,
        pytest.raises(AssertionError, match="the node ended"),
    ):
        on_a_full_disk(field)


@contextmanager
def unread_pipe(field: Field) -> Iterator[None]:
    """Who reads its operational log has stopped, and has not closed the pipe."""
    pipe = field.site.folder / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    field.site.watcher = ("sh", "-c", f'exec "$@" 2> {pipe}', "sh")
    try:
        writing = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        with suppress(BlockingIOError):
            while os.write(writing, b"?" * 1000):
                pass
        os.close(writing)
        yield
    finally:
        os.close(reading)


def on_a_pipe(field: Field) -> None:
    with unread_pipe(field):
        field.site.start()
        field.insist(field.package())
        assert field.site.stop() == 0


def test_a_node_whose_operational_log_nobody_reads_any_more_goes_on(tmp_path: Path) -> None:
    """F107."""
    with field_of(tmp_path, {}, start=False) as field:
        on_a_pipe(field)


def test_without_its_defence_it_stands_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.site.READY_S", 30.0)
    edit = Edit("axis/cli/logs.py", "if stat.S_ISFIFO(os.fstat(handle).st_mode) or os.isatty(handle):", "if False:")
    with (
        field_of(tmp_path, {}, start=False, mutation=Mutation("a pipe is waited for", (edit,))) as field,
        pytest.raises(AssertionError, match="does not answer"),
    ):
        on_a_pipe(field)
