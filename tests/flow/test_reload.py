"""A changed configuration in a running node: all of it or nothing, while everybody goes on. Real sockets."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.flow.receiver import TAKEN, Receiver
from tests.site import HOME_AFFAIRS, OFFICE, Site, pushed, row, started, until

pytestmark = pytest.mark.faults

SCHOOLS = "000.00.16.H99"


def mailbox(code: str, name: str, key: str) -> str:
    digest = hashlib.sha256(key.encode()).hexdigest()
    return (
        f'[[endpoint]]\nname = "{name}"\nadapter = "mailbox"\nagencies = ["{code}"]\napi_keys = ["sha256:{digest}"]\n'
        f'[[route]]\nprefix = "{code}"\nendpoint = "{name}"\n'
    )


def reload(site: Site, *more: str) -> tuple[int, dict[str, Any]]:
    """What `axis reload` answers, and its exit code."""
    command = [sys.executable, "-P", "-m", "axis", "reload", "-c", str(site.config), "--json", *more]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    return done.returncode, json.loads(done.stdout)


def shown(site: Site) -> tuple[int, str]:
    """The generation in the metrics, and the digest."""
    import urllib.request

    with urllib.request.urlopen(f"{site.pages}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    (line,) = [one for one in lines if one.startswith("axis_configuration_generation{")]
    return int(float(line.rpartition(" ")[2])), line.split('"')[1]


def doctor(site: Site) -> str:
    """How `axis doctor` finds the configuration of the running node."""
    command = [sys.executable, "-P", "-m", "axis", "doctor", "-c", str(site.config), "--json"]
    lines = json.loads(subprocess.run(command, capture_output=True, timeout=120, check=False).stdout)["lines"]
    # It asks the node for three seconds at most: on a busy machine it is asked again.
    return "".join(line["state"] for line in lines if line["what"] == "configuration")


@contextmanager
def sending(site: Site, to: str = HOME_AFFAIRS, by: str = OFFICE, threads: int = 4) -> Iterator[list[int]]:
    """Documents flow meanwhile from several at once; what each was answered."""
    stop, answers = threading.Event(), list[int]()
    packages = [site.package(by, [to]) for _ in range(400)]
    turn = iter(packages)

    def work() -> None:
        while not stop.is_set() and (package := next(turn, None)) is not None:
            try:
                answers.append(site.send(package, by).status)
            except OSError:
                answers.append(0)

    at_work = [threading.Thread(target=work) for _ in range(threads)]
    for one in at_work:
        one.start()
    try:
        yield answers
    finally:
        stop.set()
        for one in at_work:
            one.join(90)


def test_what_administrators_change_most_is_changed_without_a_restart(tmp_path: Path) -> None:
    site = Site(tmp_path / "node")
    with started(site):
        before = shown(site)
        assert before[0] == 1
        assert reload(site)[1]["changed"] == {}
        site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)
        # An agency is added with its mailbox, while documents flow: none of them notices.
        site.registry = row(SCHOOLS)
        site.endpoints = mailbox(SCHOOLS, "so-giao-duc", "axk_" + "7" * 64)
        assert site.send(site.package(OFFICE, [SCHOOLS]), OFFICE).status == 422
        site.configure()
        code, would = reload(site, "--dry-run")
        assert (code, would["applied"], shown(site)) == (0, False, before)
        assert until("doctor knows", lambda: doctor(site), 120) == "warn"
        with sending(site) as answers:
            code, done = reload(site)
            until("they go on", lambda: len(answers) > 12, 120)
        assert set(answers) == {202}
        assert (code, done["applied"], done["generation"]) == (0, True, 2)
        assert done["changed"] == would["changed"]
        assert done["changed"] == {"agency-added": 1, "endpoint-added": 1, "route-added": 1}
        assert shown(site) == (2, done["config_sha256"]) != before
        assert until("doctor knows", lambda: doctor(site), 120) == "ok"
        site.take(site.package(OFFICE, [SCHOOLS]), OFFICE)
        assert site.logged("configured") == 1
        # A key is taken away: at the next request on a connection that was kept, it opens nothing any more.
        with closing(site.client("so-noi-vu")) as kept:
            assert kept.get("/v1/inbox").status == 200
            text = site.config.read_text()
            digest = hashlib.sha256(site.key("so-noi-vu").encode()).hexdigest()
            site.config.write_text(text.replace(digest, hashlib.sha256(b"another").hexdigest()))
            code, done = reload(site)
            assert (code, done["changed"]) == (0, {"endpoint-changed": 1})
            assert digest not in json.dumps(done), "no secret is shown, nor its hash"
            assert kept.get("/v1/inbox").status == 401
        # An agency's mailbox is another endpoint's now: what waits at the old one is given to nobody there.
        site.config.write_text(
            text.replace(
                'prefix = "000.00.13.H99"\nendpoint = "so-noi-vu"',
                'prefix = "000.00.13.H99"\nendpoint = "so-tai-chinh"',
            ).replace('agencies = ["000.00.13.H99"]', 'agencies = ["000.00.99.H99"]')
        )
        code, would = reload(site, "--dry-run")
        assert would["left_behind"] == {"so-noi-vu": would["left_behind"]["so-noi-vu"]}
        assert would["left_behind"]["so-noi-vu"] > 12
        code, done = reload(site)
        assert (code, done["changed"]) == (0, {"endpoint-changed": 1, "route-changed": 1})
        assert site.inbox(HOME_AFFAIRS) == []
        until("somebody is told", lambda: site.said("deliveries_left_behind"))
        assert site.stop() == 0
        site.audit()


def test_what_is_wrong_or_cannot_change_is_refused_with_its_line_and_the_old_one_goes_on(tmp_path: Path) -> None:
    site = Site(tmp_path / "node")
    with started(site):
        good = site.config.read_text()
        before = shown(site)
        # A fault and a good change together: neither counts.
        site.config.write_text(
            good.replace('prefix = "000.00.13.H99"', 'prefix = "000.00.13.H99"\nprefixx = 1')
            + mailbox(SCHOOLS, "moi", "axk_" + "7" * 64)
        )
        code, told = reload(site)
        assert code == 1
        (fault,) = told["faults"]
        assert (fault["reason"], fault["path"]) == ("unknown key", str(site.config))
        assert site.config.read_text().splitlines()[fault["line"] - 1].startswith("prefixx")
        assert site.process is not None
        site.process.send_signal(signal.SIGHUP)
        until("SIGHUP is refused as well", lambda: site.said("configuration_refused") == 1)
        # What counts from a start, by name.
        site.config.write_text(
            good.replace('name = "truc-thu"', 'name = "truc-khac"').replace("axis.db", "other.db")
            + mailbox(SCHOOLS, "moi", "axk_" + "7" * 64)
        )
        code, told = reload(site)
        assert (code, told["applied"]) == (1, False)
        assert [(one["key"], one["line"]) for one in told["faults"]] == [("node.name", 2), ("store.url", 6)]
        assert all(one["reason"] == "cannot change while the node runs" for one in told["faults"])
        # A registry with a fault.
        site.config.write_text(good)
        agencies = site.folder / "agencies.toml"
        kept = agencies.read_text()
        agencies.write_text(kept + '[[agency]]\ncode = "H99.1"\nname = "x"\nlevel = "province"\nparent = "H98"\n')
        code, told = reload(site)
        assert (code, told["faults"][0]["path"], told["faults"][0]["key"]) == (1, str(agencies), "agency[4].parent")
        assert shown(site) == before
        assert site.logged("configured") == 0
        site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)
        agencies.write_text(kept)
        assert reload(site)[0] == 0
        assert site.stop() == 0
        site.audit()


def test_who_is_called_can_come_move_and_go(tmp_path: Path) -> None:
    """What is under way at the old address ends there; what comes next goes to the new one."""
    site = Site(tmp_path / "node", registry=row(SCHOOLS))
    slow = threading.Event()
    slow.set()

    def patiently(handler: BaseHTTPRequestHandler) -> None:
        slow.wait(30)
        TAKEN(handler)

    with Receiver() as first, Receiver(otherwise=patiently) as second, started(site):

        def called(url: str) -> str:
            return pushed("so-giao-duc", SCHOOLS, url)

        def apply(endpoints: str) -> dict[str, Any]:
            site.endpoints = endpoints
            site.configure()
            code, done = reload(site)
            assert code == 0, done
            return done

        assert apply(called(first.url))["changed"] == {"endpoint-added": 1, "route-added": 1}
        site.take(site.package(OFFICE, [SCHOOLS]), OFFICE)
        until("it came", lambda: len(first.got) == 1)
        assert apply(called(second.url))["changed"] == {"endpoint-changed": 1}
        site.take(site.package(OFFICE, [SCHOOLS]), OFFICE)
        until("it came to the new address", lambda: len(second.got) == 1)
        assert len(first.got) == 1
        # What is under way when its endpoint goes ends there: the agency has it, and the sender hears of that.
        slow.clear()
        document = site.take(site.package(OFFICE, [SCHOOLS]), OFFICE)["document"]
        until("it is under way", lambda: len(second.got) == 2)
        assert apply("")["changed"] == {"endpoint-removed": 1, "route-removed": 1}
        slow.set()
        until("it has arrived", lambda: site.facts(document, OFFICE)["deliveries"][0]["state"] == "delivered")
        assert [one["code"] for one in site.facts(document, OFFICE)["statuses"]] == ["01"]
        assert len(second.got) == 2
        assert site.send(site.package(OFFICE, [SCHOOLS]), OFFICE).status == 422
        assert site.stop() == 0
        site.audit()


def test_a_storm_of_reloads_under_load_loses_and_refuses_nothing(tmp_path: Path) -> None:
    """F83. Good, broken and forbidden files in turn, by signal and by order, in the midst of documents."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    site = Site(tmp_path / "node")
    with started(site):
        assert site.process is not None
        with sending(site) as answers:
            end = time.monotonic() + 12
            while time.monotonic() < end:
                site.registry = row(f"000.00.{chance.randrange(20, 99)}.H99")
                site.endpoints = chance.choice(["", mailbox(SCHOOLS, "moi", "axk_" + "7" * 64), "[[route]]\n"])
                site.configure()
                if chance.random() < 0.5:
                    site.process.send_signal(signal.SIGHUP)
                    time.sleep(chance.uniform(0, 0.3))
                else:
                    code, told = reload(site)
                    assert code == (0 if told["ok"] else 1)
        assert set(answers) == {202}, sorted(set(answers))
        assert len(answers) > 20
        assert site.said("configuration_applied") > 2
        got = {one["document"] for one in inbox_of(site)}
        assert len(got) == len(answers)
        assert site.stop() == 0
        report = site.audit()
        assert report.ok


def inbox_of(site: Site) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while page := site.inbox(HOME_AFFAIRS, f"?limit=200&after={found[-1]['seq'] if found else 0}"):
        found += page
    return found
