"""`axis queue`, beside a running daemon and without one: looking changes nothing, acting is told in the log."""

from __future__ import annotations

import getpass
import http.client
import json
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from axis.cli import main
from axis.core.states import DeliveryState
from axis.demo.network import HOST
from axis.operator import NAME, read_token
from tests.flow.receiver import TAKEN, Receiver, status
from tests.site import HOME_AFFAIRS, OFFICE, Site, kept_running, problem, pushed, row, signed_by, until

pytestmark = pytest.mark.slow

HEALTH, ENDPOINT = "000.00.15.H99", "so-y-te"
MORE = '[delivery]\nfirst_retry = "200ms"\nretry_ceiling = "1s"\nbreaker_after = 2\nbreaker_first = "500ms"\n'


@pytest.fixture(scope="module")
def far() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def site(far: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("queue"), MORE)
    made.registry = row(HEALTH)
    made.endpoints = pushed(ENDPOINT, HEALTH, far.url)
    made.configure()
    with kept_running(made):
        yield made


def run(site: Site, *args: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["queue", args[0], "-c", str(site.config), *args[1:]])
    assert result.exit_code == code, result.output
    return result


def told(site: Site, *args: str, code: int = 0) -> Any:
    return json.loads(run(site, *args, "--json", code=code).stdout)


def send(site: Site, to: str) -> tuple[str, str]:
    """A document of the office: its ref, and the id of its delivery."""
    document = site.take(site.package(OFFICE, [to]), OFFICE)["document"]
    return document, site.facts(document, OFFICE)["deliveries"][0]["delivery"]


def change(site: Site, sql: str, *values: object) -> None:
    """Write into the database beside the running node."""
    with closing(sqlite3.connect(site.folder / "data" / "axis.db")) as beside, beside:
        beside.execute(sql, values)


def state(site: Site, delivery: str) -> str:
    return str(site.rows("SELECT state FROM delivery WHERE id = ?", delivery)[0][0])


def becomes(site: Site, delivery: str, wanted: DeliveryState) -> None:
    until(f"{delivery} {wanted}", lambda: state(site, delivery) == wanted)


def refused_once(site: Site, far: Receiver) -> tuple[str, str]:
    document, delivery = "", ""
    far._otherwise = status(422)
    try:
        document, delivery = send(site, HEALTH)
        becomes(site, delivery, DeliveryState.FAILED)
    finally:
        far._otherwise = TAKEN
    return document, delivery


def operated(site: Site) -> list[dict[str, Any]]:
    leaves = site.rows("SELECT leaf FROM log_intent WHERE kind = 'operated' ORDER BY id")
    return [json.loads(leaf) for (leaf,) in leaves]


def test_a_failed_delivery_is_listed_and_sent_again(site: Site, far: Receiver) -> None:
    document, delivery = refused_once(site, far)
    (shown,) = told(site, "list", "--state", "failed", "--endpoint", ENDPOINT)["deliveries"]
    assert (shown["delivery"], shown["document"], shown["problem"]) == (delivery, document, "destination-refused")
    text = run(site, "list", "--document", document).stdout
    assert delivery in text and "Nơi nhận từ chối" in text
    answer = told(site, "retry", delivery, "--reason", "phần mềm đã sửa")
    assert answer["deliveries"] == [{"delivery": delivery, "was": "failed", "now": "queued", "problem": None}]
    becomes(site, delivery, DeliveryState.DELIVERED)
    entry = operated(site)[-1]
    assert (entry["subject"], entry["facts"]["action"]) == (delivery, "retry")
    assert entry["facts"]["reason"] == "phần mềm đã sửa"
    assert entry["facts"]["operator"].startswith(getpass.getuser())
    again = told(site, "retry", delivery, code=1)
    assert again["deliveries"] == [{"delivery": delivery, "was": "delivered", "now": None, "problem": "not-possible"}]


def test_everything_that_failed_at_an_endpoint_is_sent_again_at_once(site: Site, far: Receiver) -> None:
    failed = [refused_once(site, far)[1] for _ in range(3)]
    assert {one["delivery"] for one in told(site, "retry", "--endpoint", ENDPOINT)["deliveries"]} == set(failed)
    for delivery in failed:
        becomes(site, delivery, DeliveryState.DELIVERED)
    assert run(site, "retry", "--endpoint", ENDPOINT, code=1).stdout.startswith("không có lượt chuyển")


def test_what_waits_in_a_mailbox_is_said_to_wait_for_its_owner(site: Site) -> None:
    site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)
    text = run(site, "list", "--endpoint", "so-noi-vu").stdout
    assert "chờ nơi nhận lấy (waits to be fetched)" in text and "lại lúc (due)" not in text


def test_one_delivery_is_held_and_released(site: Site) -> None:
    document, delivery = send(site, HOME_AFFAIRS)
    run(site, "hold", delivery)
    assert state(site, delivery) == "on-hold"
    assert site.waiting(HOME_AFFAIRS, document) is None
    run(site, "hold", delivery, code=1)
    run(site, "release", delivery)
    assert site.waiting(HOME_AFFAIRS, document) is not None
    site.receive(HOME_AFFAIRS, document)


def test_an_endpoint_is_held_with_what_is_to_come_and_released(site: Site, far: Receiver) -> None:
    before = len(far.got)
    assert told(site, "hold", "--endpoint", ENDPOINT, "--reason", "bảo trì")["changed"] is True
    _, delivery = send(site, HEALTH)
    sentinel, beside = send(site, HOME_AFFAIRS)
    site.receive(HOME_AFFAIRS, sentinel)
    assert state(site, beside) == "delivered"
    shape = told(site, "shape")
    assert shape["held"] == [ENDPOINT]
    assert {(one["endpoint"], one["state"], one["number"]) for one in shape["heaps"]} >= {(ENDPOINT, "queued", 1)}
    assert len(far.got) == before, "nothing went there"
    assert "tạm dừng" in run(site, "shape").stdout
    assert f'axis_endpoint_held{{endpoint="{ENDPOINT}"}} 1.0' in page(site, "/metrics")
    run(site, "release", "--endpoint", ENDPOINT)
    becomes(site, delivery, DeliveryState.DELIVERED)
    assert told(site, "release", "--endpoint", ENDPOINT)["changed"] is False


def test_a_delivery_is_given_up_with_a_reason_and_the_sender_is_told(site: Site) -> None:
    document, delivery = send(site, HOME_AFFAIRS)
    run(site, "give-up", delivery, code=2)
    assert state(site, delivery) == "queued"
    (done,) = told(site, "give-up", "--document", document, "--reason", "nơi nhận đã giải thể")["deliveries"]
    assert (done["delivery"], done["now"]) == (delivery, "failed")
    notice = site.notice(OFFICE, document)
    assert (notice["outcome"], notice["reason"], notice["recipients"]) == ("undelivered", "given-up", [HOME_AFFAIRS])
    assert signed_by(site, notice)
    assert "giải thể" not in json.dumps(notice), "the operator's words are for the log"
    run(site, "give-up", delivery, "--reason", "lần nữa", code=1)


def test_breakers_and_failed_deliveries_are_shown(site: Site, far: Receiver) -> None:
    far._otherwise = status(503)
    try:
        waiting = [send(site, HEALTH)[1] for _ in range(3)]

        def opened() -> dict[str, Any] | None:
            (one,) = told(site, "shape")["destinations"]
            return one if one["breaker"] == "open" else None

        assert until("the breaker open", opened)["until"]
        assert f'axis_breaker{{endpoint="{ENDPOINT}",state="' in page(site, "/metrics")
        assert 'id="destinations"' in page(site, "/")
    finally:
        far._otherwise = TAKEN
    for delivery in waiting:
        becomes(site, delivery, DeliveryState.DELIVERED)
    _, failed = refused_once(site, far)
    assert failed in page(site, "/")
    run(site, "retry", failed)
    becomes(site, failed, DeliveryState.DELIVERED)


def page(site: Site, path: str) -> str:
    with urllib.request.urlopen(site.pages + path, timeout=30) as answer:
        return str(answer.read().decode())


def knock(site: Site, token: str | None, body: bytes, path: str = "/operator/queue/give-up") -> tuple[int, bytes]:
    headers = {} if token is None else {"Axis-Operator": token}
    with closing(http.client.HTTPConnection(HOST, site.operator, timeout=30)) as connection:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_who_cannot_read_the_node_s_folder_cannot_act(site: Site) -> None:
    _, delivery = send(site, HOME_AFFAIRS)
    order = json.dumps({"deliveries": [delivery], "operator": "kẻ lạ", "reason": "thử"}).encode()
    for token in (None, "", "0" * 64, read_token(site.folder / "data") or "")[:3]:
        code, body = knock(site, token, order)
        assert (code, problem(body)) == (401, "unauthenticated")
    assert state(site, delivery) == "queued"
    assert (site.folder / "data" / NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "order",
    [
        b"",
        b"[]",
        b"{}",
        b'{"operator": "an", "reason": "x"}',
        b'{"operator": "an", "reason": "x", "deliveries": ["../etc"]}',
        b'{"operator": "an", "reason": "x", "endpoint": "a", "document": "b"}',
        b'{"operator": "an\\n", "reason": "x", "endpoint": "a"}',
        b'{"operator": "an", "reason": " ", "endpoint": "a"}',
        b'{"operator": "an", "reason": "x", "endpoint": "a", "force": true}',
        b'{"operator": "an", "reason": "%s", "endpoint": "a"}' % (b"x" * 201),
    ],
)
def test_an_order_that_is_none_is_refused(order: bytes, site: Site) -> None:
    before = site.state()
    code, body = knock(site, read_token(site.folder / "data"), order)
    assert (code, problem(body)) == (400, "bad-request")
    assert site.state() == before
    assert knock(site, read_token(site.folder / "data"), order, "/operator/queue/purge")[0] == 404


def alone(site: Site, *args: str) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own: it opens the store, and its log is its own."""
    command = [sys.executable, "-P", "-m", "axis", "queue", args[0], "-c", str(site.config), *args[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.mark.faults
def test_without_a_daemon_the_command_does_it_itself(site: Site, far: Receiver) -> None:
    _, delivery = refused_once(site, far)
    assert site.stop() == 0
    try:
        assert told(site, "shape")["destinations"] is None
        assert "ngắt mạch" in run(site, "shape").stdout
        done = alone(site, "retry", delivery, "--reason", "trong lúc dừng", "--json")
        assert json.loads(done.stdout)["deliveries"][0] == {
            "delivery": delivery,
            "was": "failed",
            "now": "queued",
            "problem": None,
        }
        assert done.stderr == ""
        assert operated(site)[-1]["facts"]["reason"] == "trong lúc dừng"
    finally:
        site.start()
    becomes(site, delivery, DeliveryState.DELIVERED)


def test_what_was_handed_over_and_is_not_taken_is_listed(site: Site) -> None:
    document, delivery = send(site, HOME_AFFAIRS)
    run(site, "handed-over", code=1)
    row = (delivery, "quoc-gia", "d-7", "2026-11-23T01:02:03.000004Z", None, 9, 0, "waiting", 0)
    change(site, "INSERT INTO follow_up VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", *row)
    (one,) = told(site, "handed-over")["handed_over"]
    assert (one["became"], one["peer_ref"], one["asked"], one["ask_at"]) == ("waiting", "d-7", 9, None)
    assert (one["delivery"]["delivery"], one["delivery"]["document"]) == (delivery, document)
    shown = run(site, "handed-over").stdout
    assert "chưa ai lấy (not fetched)" in shown
    assert document in shown
    run(site, "handed-over", "--became", "lost", code=1)
    assert site.facts(document, OFFICE)["deliveries"][0]["became"] == "waiting"
    change(site, "DELETE FROM follow_up")


def test_nothing_is_told_as_nothing(site: Site) -> None:
    assert run(site, "list", "--endpoint", "so-tai-chinh", code=1).stdout.strip() == "hàng đợi trống (nothing waits)"
    run(site, "list", "--endpoint", "không-có", code=2)
    run(site, "retry", code=2)
    run(site, "hold", "--endpoint", "không-có", code=2)
    run(site, "retry", "0" * 26, code=1)
    assert "'nope' is no delivery" in run(site, "retry", "nope", code=2).output
    assert "--reason" in run(site, "give-up", "0" * 26, "--reason", " ", code=2).output


def test_a_store_that_is_not_there_is_told(tmp_path: Path) -> None:
    bare = Site(tmp_path / "bare")
    (bare.folder / "data" / "axis.db").unlink()
    result = CliRunner().invoke(main, ["queue", "list", "-c", str(bare.config)])
    assert (result.exit_code, "axis migrate" in result.stderr) == (3, True)
