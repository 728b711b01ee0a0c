"""Lines of the operational log are what structlog's own parts would make of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import structlog

from axis.cli.logs import as_line, dated

THEIRS = (
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
)


def line(*parts: Callable[..., Any], level: str, **told: object) -> dict[str, object]:
    made: dict[str, object] = {**told, "event": "said"}
    for part in parts:
        made = part(None, level, made)
    return made


@pytest.mark.parametrize("exc_info", [True, ValueError("a reason"), False, None])
def test_a_line_has_level_and_time_and_what_was_raised(exc_info: object) -> None:
    for level in ("info", "warning", "error"):
        try:
            raise ValueError("a reason")
        except ValueError:
            ours = line(dated, level=level, exc_info=exc_info, delivery="d")
            theirs = line(*THEIRS, level=level, exc_info=exc_info, delivery="d")
        assert list(ours) == list(theirs)
        for made in (ours, theirs):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", str(made.pop("timestamp")))
        assert ours == theirs
        assert ("exception" in ours) is bool(exc_info)
    assert "exception" not in line(dated, level="info")


@pytest.mark.parametrize("said", ["\ud800", "H\udcff", 2**70, {1: "\udfff"}, b"octets", object], ids=ascii)
def test_whatever_others_said_makes_a_line(said: object) -> None:
    """The national axis' own words are logged where it refuses: half a surrogate pair in them ended the daemon."""
    octets = as_line({"event": "source_unavailable", "said": said})
    assert json.loads(octets)["event"] == "source_unavailable"
    assert octets.isascii()
    assert b"\n" not in octets
