"""Signals at every stage of a node's life: while it starts, while documents flow, and past the end of its leases."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from axis.demo.network import last_lines
from tests.faults.field import HEALTH, Field, field_of
from tests.faults.place import Place
from tests.mutations.edit import Edit, Mutation
from tests.site import HOME_AFFAIRS, until

pytestmark = pytest.mark.faults

STAGES = {
    "before the lock": Place("axis.app", "open_store", "before"),
    "after the lock": Place("axis.app", "open_store", "after"),
    "while the log recovers": Place("axis.flow.sequence", "Sequencer._reconcile", "before"),
    "before it listens": Place("axis.app", "listening", "before"),
}
PAUSE_S = 1.5
STORM_S = 3.0
AGAIN = "asked_to_read_again"


def reached(field: Field, stage: str) -> bool:
    fired = field.inside / "fired"
    return fired.exists() and f"{stage}#" in fired.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda one: one.name)
def test_a_node_that_is_asked_to_stop_while_it_starts_ends_in_order(tmp_path: Path, number: signal.Signals) -> None:
    """What had begun is ended; the next one finds nothing to mend."""
    with field_of(tmp_path, STAGES) as field:
        for stage in STAGES:
            field.insist(field.package())
            field.site.kill()
            with field.armed(stage, pause_s=PAUSE_S):
                field.site.start(wait=False)
                until("it is there", partial(reached, field, stage), 120)
                assert field.site.process is not None
                field.site.process.send_signal(number)
                field.site.process.send_signal(number)
                assert field.site.process.wait(120) == 0, last_lines(field.site.log)
            field.site.start()
        field.settled()


def test_a_node_that_is_asked_to_stop_at_any_moment_of_its_start_ends(tmp_path: Path) -> None:
    """Before it listens to signals it is ended by them: nothing has begun."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    with field_of(tmp_path, {}) as field:
        field.insist(field.package())
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            field.end()
            field.site.start(wait=False)
            time.sleep(chance.uniform(0.05, 2.0))
            assert field.site.process is not None
            field.site.process.send_signal(number)
            assert field.site.process.wait(120) in (0, 1, -number)
        field.site.start()
        field.settled()


@contextmanager
def sending(field: Field) -> Iterator[list[str]]:
    """Documents flow meanwhile, one after the other; what went wrong, if anything did."""
    stop, wrong = threading.Event(), list[str]()

    def work() -> None:
        try:
            while not stop.is_set():
                field.insist(field.package())
        except BaseException as error:
            wrong.append(repr(error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield wrong
    finally:
        stop.set()
        thread.join(90)
    assert not wrong, wrong


def stormed(field: Field) -> None:
    """Hundreds of signals a second, that ask for nothing or for the same: the node goes on as if there were one."""
    process = field.site.process
    assert process is not None
    harmless = (signal.SIGHUP, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE)
    with sending(field):
        before, until_then, sent = field.numbers, time.monotonic() + STORM_S, 0
        while time.monotonic() < until_then:
            process.send_signal(harmless[sent % len(harmless)])
            sent += 1
            time.sleep(0.002)
        assert process.poll() is None, "it ended: " + last_lines(field.site.log)
        until("documents flow", lambda: field.numbers > before + 2)
    assert sent > 100
    read = field.site.said(AGAIN)
    assert 1 <= read <= STORM_S + 2, f"it read everything {read} times"


def test_a_storm_of_signals_changes_nothing(tmp_path: Path) -> None:
    with field_of(tmp_path, {}) as field:
        stormed(field)
        field.settled()


def test_a_node_that_is_asked_for_its_core_is_one_that_was_killed(tmp_path: Path) -> None:
    with field_of(tmp_path, {}) as field:
        for _ in range(3):
            field.insist(field.package())
        assert field.site.process is not None
        field.site.process.send_signal(signal.SIGQUIT)
        field.dies(-signal.SIGQUIT)
        field.site.start()
        field.settled()


def test_a_node_alone_that_stands_still_past_its_leases_goes_on(tmp_path: Path) -> None:
    """SQLite: nobody else has taken its deliveries over meanwhile, and nothing is done twice under another id."""
    with field_of(tmp_path, {}) as field:
        for _ in range(3):
            field.listener.go.clear()
            documents = [field.insist(field.package((HEALTH, HOME_AFFAIRS))) for _ in range(5)]
            assert field.site.process is not None
            field.site.process.send_signal(signal.SIGSTOP)
            field.listener.go.set()  # the answers come while it stands still
            time.sleep(4.0)  # a lease is three seconds
            field.site.process.send_signal(signal.SIGCONT)
            assert len(documents) == 5
        field.settled()


UNHEARD = {
    "SIGUSR1 and SIGUSR2 mean nothing": (
        Edit("axis/cli/serve.py", "(signal.SIGUSR1, signal.SIGUSR2)", "()"),
        "it ended",
    ),
    "who asks often is answered once a second": (
        Edit(
            "axis/reread.py",
            "AT_MOST_EVERY: Final = timedelta(seconds=1)",
            "AT_MOST_EVERY = timedelta(0)",
        ),
        "it read everything",
    ),
}


@pytest.mark.parametrize("defence", UNHEARD)
def test_without_its_defence_a_storm_is_red(defence: str, tmp_path: Path) -> None:
    edit, says = UNHEARD[defence]
    with (
        field_of(tmp_path, {}, mutation=Mutation(defence, (edit,))) as field,
        pytest.raises(AssertionError, match=says),
    ):
        stormed(field)
