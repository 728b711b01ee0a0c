"""A process that stands still at any line of its turn in the store of heads, while another passes it over."""

from __future__ import annotations

import fcntl
import linecache
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from axis.log import disk, heads, turn
from axis.log.disk import Folder, Locked
from axis.log.files import LogFolder
from axis.log.heads import CheckpointStore, Head, HeadRefused
from axis.log.turn import TURN, PassedOver, Turn
from tests.unit.log.logs import signed

ROOT = bytes(32)
WATCHED = {module.__file__ for module in (disk, heads, turn)}


@pytest.fixture(autouse=True)
def in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "PATIENCE_S", 0.02)
    monkeypatch.setattr(turn, "_AGAIN_S", 0.005)
    monkeypatch.setattr("os.fsync", lambda handle: None)  # nothing here is about a power cut, and there are many


class Process:
    """One of several that write a log: its store of heads and its view of the folder."""

    def __init__(self, path: Path, name: str, token: int) -> None:
        self.token = token
        self.heads = CheckpointStore(path / "heads", name)
        self.folder = LogFolder(path / "log", name)
        self.heads.passing = self.folder.drop_prepared

    def open(self) -> None:
        self.folder.lock()
        self.heads.open(self.token)

    def grow(self) -> Head:
        """Store the next head, which has one leaf more."""
        was = self.heads.latest()
        return self.heads.advance(was, signed(was.checkpoint.size + 1 if was else 1, ROOT))

    def show(self, head: Head) -> None:
        self.folder.prepare(head.note)
        with self.heads.keeping():
            self.folder.publish()


@dataclass
class Stopped:
    """Work in a thread of its own that stands still before the line `number` of those that are watched, and later on
    before one that has the text `again`."""

    work: Callable[[], Any]
    number: int
    again: str = ""
    reached: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)
    reached_again: threading.Event = field(default_factory=threading.Event)
    go_again: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None
    where: str = ""

    def __post_init__(self) -> None:
        self._lines = count(1)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        sys.settrace(self._entered)
        try:
            self.work()
        except (HeadRefused, Locked) as error:
            self.error = error
        finally:
            sys.settrace(None)
            for event in (self.ended, self.reached, self.reached_again):
                event.set()

    def _entered(self, frame: FrameType, event: str, argument: object) -> Any:
        return self._line if frame.f_code.co_filename in WATCHED else None

    def _line(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == "line" and next(self._lines) == self.number:
            self.where = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
            self.reached.set()
            assert self.go.wait(20)
        elif event == "line" and self.go.is_set() and self.again and self.again in _text(frame):
            self.reached_again.set()
            assert self.go_again.wait(20)
        return self._line

    def goes_on(self) -> None:
        self.go.set()
        self.go_again.set()
        assert self.ended.wait(20)

    def goes_on_for_a_while(self) -> bool:
        """Says whether it stands still again."""
        self.go.set()
        assert self.reached_again.wait(20)
        return not self.ended.is_set()


def _text(frame: FrameType) -> str:
    return linecache.getline(frame.f_code.co_filename, frame.f_lineno)


def at_each_line(
    tmp_path: Path, make: Callable[[Path], tuple[Callable[[], Any], Callable[[Stopped], None]]], again: str = ""
) -> int:
    """Do the work once for each line it has, stopped there while `meanwhile` happens, which ends the stop by itself."""
    for number in count(1):
        path = tmp_path / str(number)
        path.mkdir()
        work, meanwhile = make(path)
        stopped = Stopped(work, number, again)
        assert stopped.reached.wait(20)
        if stopped.ended.is_set():
            return number
        try:
            meanwhile(stopped)
        except BaseException as error:
            error.add_note(f"stopped at {stopped.where}")
            raise
        finally:
            stopped.go.set()
            stopped.go_again.set()
    raise AssertionError


def shown(process: Process) -> str | None:
    return process.folder.checkpoint()


def history(process: Process) -> list[Head]:
    found = list(process.heads.history())
    sizes = [head.checkpoint.size for head in found]
    assert sizes == sorted(set(sizes))
    return found


@pytest.mark.faults
def test_who_stands_still_while_it_writes_changes_nothing_once_another_has_the_log(tmp_path: Path) -> None:
    passed = []

    def make(path: Path) -> tuple[Callable[[], Any], Callable[[Stopped], None]]:
        slow, other = Process(path, "slow", 1), Process(path, "other", 2)
        slow.open()
        slow.show(slow.grow())
        stored = []

        def work() -> None:
            stored.append(slow.grow())
            slow.show(stored[0])

        def meanwhile(stopped: Stopped) -> None:
            other.open()
            first = other.grow()
            other.show(first)
            stopped.goes_on()
            assert shown(other) == first.note, "an older head was shown"
            second = other.grow()
            other.show(second)
            known = history(other)
            assert {first, second, *stored} <= set(known)
            assert shown(other) == second.note
            if isinstance(stopped.error, PassedOver):
                passed.append(stopped.where)
            with pytest.raises(HeadRefused):
                slow.grow()

        return work, meanwhile

    assert at_each_line(tmp_path, make) > 80
    assert len(passed) > 20


@pytest.mark.faults
def test_who_stands_still_while_it_takes_the_log_over_is_passed_over_by_the_next(tmp_path: Path) -> None:
    def make(path: Path) -> tuple[Callable[[], Any], Callable[[Stopped], None]]:
        first, slow, other = Process(path, "first", 1), Process(path, "slow", 2), Process(path, "other", 3)
        first.open()
        first.show(first.grow())
        torn = path / "heads" / heads.HISTORY
        torn.write_bytes(torn.read_bytes() + b'{"no')

        def meanwhile(stopped: Stopped) -> None:
            other.open()
            grown = other.grow()
            stopped.goes_on()
            assert grown in history(other)
            again = other.grow()
            assert again in history(other)
            with pytest.raises(HeadRefused):
                slow.heads.refuse_fenced()

        return slow.open, meanwhile

    assert at_each_line(tmp_path, make) > 60


@pytest.mark.faults
def test_the_writer_of_the_log_that_is_merely_slow_loses_nothing_when_another_passes_it_over(tmp_path: Path) -> None:
    """The other one has no newer lease: it looks whether it is fenced off, and is."""
    passed = []

    def make(path: Path) -> tuple[Callable[[], Any], Callable[[Stopped], None]]:
        stale, slow = Process(path, "stale", 1), Process(path, "slow", 2)
        stale.open()
        stale.show(stale.grow())
        slow.open()
        stored = []

        def work() -> None:
            stored.append(slow.grow())
            slow.show(stored[0])

        def meanwhile(stopped: Stopped) -> None:
            with pytest.raises(HeadRefused):
                stale.heads.refuse_fenced()
            stopped.goes_on()
            assert isinstance(stopped.error, Locked | None)
            if stopped.error is not None:
                passed.append(stopped.where)
            assert slow.heads.latest() in history(slow)
            assert set(stored) <= set(history(slow))
            slow.heads.reload()
            slow.show(slow.grow())
            last = history(slow)[-1]
            assert set(stored) <= set(history(slow))
            assert last == slow.heads.latest()
            assert shown(slow) == last.note

        return work, meanwhile

    assert at_each_line(tmp_path, make) > 80
    assert len(passed) > 20


@pytest.mark.faults
@pytest.mark.parametrize("again", ["ftruncate(self._handle", "os.lseek(", "write_all(self._handle, line)"])
def test_who_goes_on_and_stands_still_again_has_written_to_nothing_that_counts(tmp_path: Path, again: str) -> None:
    """It was passed over before it opened the history, and opens the one that counts now."""
    several = []

    def make(path: Path) -> tuple[Callable[[], Any], Callable[[Stopped], None]]:
        slow, other = Process(path, "slow", 1), Process(path, "other", 2)
        slow.open()
        slow.grow()
        torn = path / "heads" / heads.HISTORY
        torn.write_bytes(torn.read_bytes() + b'{"no')

        def meanwhile(stopped: Stopped) -> None:
            other.open()
            torn.write_bytes(torn.read_bytes() + b'{"no')  # as if it were being written
            if stopped.goes_on_for_a_while():
                several.append(stopped.where)
            grown = [other.grow(), other.grow()]
            stopped.goes_on()
            assert set(grown) <= set(history(other))
            assert set(grown) <= {*history(other), other.grow()}

        return slow.grow, meanwhile

    at_each_line(tmp_path, make, again)
    assert several


@pytest.mark.faults
@pytest.mark.parametrize("again", ["", "self._folder.place(HISTORY)", "self._folder.place(TURN)"])
def test_who_stands_still_while_it_passes_another_over_is_passed_over(tmp_path: Path, again: str) -> None:
    several = []

    def make(path: Path) -> tuple[Callable[[], Any], Callable[[Stopped], None]]:
        first, slow, other = Process(path, "first", 1), Process(path, "slow", 2), Process(path, "other", 3)
        first.open()
        first.show(first.grow())
        still = os.open(path / "heads" / TURN, os.O_RDWR)
        fcntl.flock(still, fcntl.LOCK_EX)

        def meanwhile(stopped: Stopped) -> None:
            other.open()
            grown = [other.grow()]
            if stopped.goes_on_for_a_while():
                several.append(stopped.where)
                with suppress(Locked):
                    other.heads.reload()
                grown.append(other.grow())
            stopped.goes_on()
            assert set(grown) <= set(history(other))
            os.close(still)
            with suppress(Locked):
                other.heads.reload()
            grown.append(other.grow())
            assert set(grown) <= set(history(other))

        return slow.open, meanwhile

    assert at_each_line(tmp_path, make, again) > 80
    assert several or not again


def test_a_lock_that_lies_there_no_more_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process was passed over, and gave back what it had, while this one waited for it."""
    real, calls = turn._locked, count()

    def locked(handle: int) -> bool:
        if not next(calls):
            (tmp_path / "new").touch()
            (tmp_path / "new").rename(tmp_path / TURN)
        return real(handle)

    monkeypatch.setattr(turn, "_locked", locked)
    with Turn(Folder(tmp_path, "one")).taken(lambda: pytest.fail("nobody stands still")):
        pass
    assert next(calls) == 2


def test_a_turn_that_is_given_back_is_waited_for(tmp_path: Path) -> None:
    one, other = (Turn(Folder(tmp_path, name)) for name in ("one", "other"))
    passed: list[str] = []
    with one.taken(lambda: passed.append("at once")):
        pass
    with other.taken(lambda: passed.append("after one that ended")):
        pass
    assert not passed
    with pytest.raises(PassedOver), one.taken(lambda: None), other.taken(lambda: passed.append("over")):
        assert passed == ["over"]
    with one.taken(lambda: passed.append("again")):
        pass
    assert passed == ["over"]
    assert {there.name for there in tmp_path.iterdir()} == {TURN}


def test_one_that_has_the_heads_for_itself_is_never_passed_over(tmp_path: Path) -> None:
    """A node that was moved to PostgreSQL and is still running on SQLite as well."""
    alone, shares = CheckpointStore(tmp_path), CheckpointStore(tmp_path, "shares")
    alone.open()
    with pytest.raises(Locked):
        shares.open(1)
    alone.close()
    shares.open(1)
    with pytest.raises(Locked):
        alone.open()
    shares.close()
    alone.open()
    alone.close()
