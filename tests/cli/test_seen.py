"""What somebody else wrote does not act on the terminal of the one who reads it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from axis.cli import main
from axis.cli.output import give_up, local, say, say_json, seen
from axis.core.entry import leaf
from axis.core.merkle import Frontier, leaf_hash
from axis.core.model import EntryKind, LogEntry
from axis.core.times import parse_rfc3339
from axis.log.tiles import encode_bundle
from signing.note import NoteError, open_note
from tests.unit.log.logs import KEYS, VKEY, grow, signed

HOSTILE = {
    "\x1b[2J\x1b[31m": r"\x1b[2J\x1b[31m",
    "\x9b2J": r"\x9b2J",
    "a\n  nhật ký (log)  có": r"a\n  nhật ký (log)  có",
    "\r": r"\r",
    "\u202e9H.000": r"\u202e9H.000",
    "\u2067\u2069\u200b\ufeff": r"\u2067\u2069\u200b\ufeff",
    "\U000e0041": r"\U000e0041",
    "\udc9b": r"\udc9b",
}


@pytest.mark.parametrize(("text", "shown"), HOSTILE.items(), ids=map(ascii, HOSTILE))
def test_a_line_stays_one_line_and_shows_all_that_is_in_it(
    text: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert seen(text) == shown
    say(f"  {text}")
    assert capsys.readouterr().out == f"  {shown}\n"
    say_json({"name": text})
    told = capsys.readouterr().out
    assert told.replace("\n", "").isprintable()
    assert json.loads(told) == {"name": text}
    with pytest.raises(SystemExit):
        give_up(1, text)  # type: ignore[arg-type]
    assert capsys.readouterr().err == f"axis: {shown}\n"


def test_vietnamese_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    text = "V/v biên nhận: Sở Nội vụ tỉnh Đắk Lắk – “khẩn”\N{NO-BREAK SPACE}…"
    assert seen(text) == text
    say_json({"subject": text})
    assert text in capsys.readouterr().out


def test_the_last_hours_of_time_end_no_command() -> None:
    assert local(parse_rfc3339("9999-12-31T23:00:00.000000Z")) == "9999-12-31T23:00:00+00:00"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log with one entry of a hostile vendor, and a file beside it whose name is one."""
    grow(tmp_path)
    octets = leaf(
        LogEntry(
            EntryKind.OPERATED,
            parse_rfc3339("9999-12-31T23:00:00.000000Z"),
            "node\x1b[8m",
            "\n     0  01/01/2026 00:00:00  accepted",
            {"reason": "\u202egood", "operator": "\x9b2K"},
        )
    )
    shutil.rmtree(tmp_path / "log/tile", ignore_errors=True)
    for place, there in (("entries", encode_bundle([octets])), ("0", leaf_hash(octets))):
        file = tmp_path / "log/tile" / place / "000.p/1"
        file.parent.mkdir(parents=True)
        file.write_bytes(there)
    (tmp_path / "log/tile/\x1b[2Jx\udcff").touch()
    (tmp_path / "log/checkpoint").write_text(signed(1, Frontier().extend([leaf_hash(octets)]).root()))
    (tmp_path / "key").write_text(VKEY)
    return tmp_path


def axis(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments], prog_name="axis")


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_what_a_log_says_is_shown_and_not_done(log: Path, as_json: tuple[str, ...]) -> None:
    shown = axis("log", "show", log / "log", *as_json)
    verified = axis("log", "verify", log / "log", "--key", log / "key", *as_json)
    for answer in (shown, verified):
        assert answer.exit_code == 0, (answer.output, answer.exception)
        assert answer.output.replace("\n", "").isprintable()
    if not as_json:
        lines = shown.output.splitlines()
        assert (len(lines), lines[2]) == (4, ""), "one entry and its facts, and what its kind means"


def test_a_note_has_no_name_that_acts_on_a_terminal(log: Path) -> None:
    """`axis log checkpoint` prints a note octet for octet, also signatures by keys that nobody here knows."""
    note = signed(1, bytes(32))
    assert not isinstance(open_note(f"{note}— witness AAAAAAAA\n", KEYS.keys), NoteError)
    (log / "log/checkpoint").write_text(f"{note}— \x1b[2J AAAAAAAA\n")
    answer = axis("log", "checkpoint", log / "log", "--key", log / "key")
    assert answer.exit_code == 1
    assert answer.output.replace("\n", "").isprintable()
