"""The operational log never ends what it tells of: lines that cannot be written are left out, and counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from axis.cli.logs import Lines, standard_error

NUMBER = 3000


def test_lines_that_cannot_be_written_are_counted_and_told_later(tmp_path: Path) -> None:
    room = 0
    said = b""

    def write(octets: bytes) -> int:
        nonlocal said, room
        if not room:
            raise OSError(28, "no space left on device")
        taken = octets[:room]
        said, room = said + taken, room - len(taken)
        return len(taken)

    lines = Lines(lambda octets, _: write(octets))
    lines.write(b'{"event":"lost"}\n')
    room = 5
    lines.write(b'{"event":"cut off"}\n')
    lines.write(b'{"event":"lost too"}\n')
    room = 1000
    lines.write(b'{"event":"back"}\n')
    lines.write("{}\n")
    _cut, told, back, last = said.decode().splitlines()
    assert json.loads(told)["lines"] == 3
    assert (json.loads(back), last) == ({"event": "back"}, "{}")


def test_a_pipe_that_nobody_reads_ends_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    lines = Lines(lambda octets, _: os.write(writing, octets))
    assert lines.write("a line\n") == 7
    os.close(writing)


@contextmanager
def piped(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Lines, int]]:
    """The operational log of a process whose standard error is a pipe, and where that is read."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as given:
        monkeypatch.setattr(sys, "stderr", given)
        yield standard_error(), reading
    os.close(reading)


def talks(lines: Lines, more: int) -> threading.Thread:
    text = ["".join(('{"number":', str(number), ',"more":"', "x" * more, '"}\n')) for number in range(NUMBER)]
    thread = threading.Thread(target=lambda: [lines.write(one) for one in text], daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("foreign", [False, True])
@pytest.mark.parametrize("more", [100, 9000])
def test_who_stops_reading_a_pipe_without_closing_it_holds_up_nothing(
    monkeypatch: pytest.MonkeyPatch, more: int, foreign: bool
) -> None:
    """A reader that was stopped: the pipe is full, and stays so. What is read later is whole lines again. The pipe may
    be another account's, and not be opened a second time."""
    if foreign:
        monkeypatch.setattr("axis.cli.logs._own", lambda handle: handle)
    with piped(monkeypatch) as (lines, reading):
        talking = talks(lines, more)
        talking.join(20)
        if talking.is_alive():
            os.read(reading, 1 << 30)
            pytest.fail("it stands still")
        assert os.get_blocking(sys.stderr.fileno()), "it is not ours alone"
        said = os.read(reading, 1 << 20)
        lines.write('{"event":"back"}\n')
        said += os.read(reading, 1 << 20)
    *kept, told, back = said.splitlines()
    numbers = [json.loads(line)["number"] for line in kept if line.endswith(b"}")]
    assert len(kept) - len(numbers) <= 1, "one at most is cut off"
    assert numbers == list(range(len(numbers)))
    assert (json.loads(told)["lines"], json.loads(back)) == (NUMBER - len(numbers), {"event": "back"})


def test_who_reads_slowly_loses_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with piped(monkeypatch) as (lines, reading):
        talking, said = talks(lines, 100), b""
        while said.count(b"\n") < NUMBER:
            said += os.read(reading, 500)
        talking.join(20)
    assert b"lines_lost" not in said


LIBRARIES = """
import logging, warnings
from axis.cli.logs import configure
configure(as_json=True)
logging.getLogger("psycopg").warning("error ignored terminating %r: %s", "<Pipeline [BAD]>", "the connection is lost")
logging.getLogger("psycopg.pool").info("not told")
warnings.warn("soon gone")
try:
    raise ValueError("a reason")
except ValueError:
    logging.getLogger("asyncio").exception("never %s retrieved", "was")
logging.getLogger("aiohttp").error("does not fit %d", "text")
"""


def test_what_libraries_say_is_json_too() -> None:
    done = subprocess.run([sys.executable, "-c", LIBRARIES], capture_output=True, text=True, check=True)
    told = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(one["event"], one["level"], one["library"]) for one in told] == [
        ("library_said", "warning", "psycopg"),
        ("library_said", "warning", "py.warnings"),
        ("library_said", "error", "asyncio"),
        ("library_said", "error", "aiohttp"),
    ]
    assert told[0]["said"] == "error ignored terminating '<Pipeline [BAD]>': the connection is lost"
    assert "ValueError: a reason" in told[2]["exception"]
