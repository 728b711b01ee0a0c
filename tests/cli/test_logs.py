"""The operational log never ends what it tells of: lines that cannot be written are left out, and counted."""

from __future__ import annotations

import json
import os
from pathlib import Path

from axis.cli.logs import Lines


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

    lines = Lines(write)
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
    lines = Lines(lambda octets: os.write(writing, octets))
    assert lines.write("a line\n") == 7
    os.close(writing)
