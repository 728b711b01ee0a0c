"""Ids of what is stored: they sort by time, and nobody can guess one."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from axis import ids

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


@pytest.mark.parametrize("milliseconds", [0, 31, 32, 1_796_123_456_789, (1 << 48) - 1])
def test_an_id_begins_with_its_millisecond(milliseconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "time", SimpleNamespace(time_ns=lambda: milliseconds * 1_000_000 + 999_999))
    made = ids.new_id()
    assert len(made) == 26
    number = 0
    for character in made[:10]:
        number = number << 5 | ALPHABET.index(character)
    assert number == milliseconds


def test_no_character_of_its_random_part_is_likelier_than_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen characters of five bits each: every one comes from just eight of the 256 octets."""
    monkeypatch.setattr(ids, "secrets", SimpleNamespace(token_bytes=lambda n: bytes(place % 256 for place in range(n))))
    monkeypatch.setattr(ids, "_drawn", deque())
    found = "".join(ids.new_id()[10:] for _ in range(16))
    assert {found.count(character) for character in ALPHABET} == {8}
    assert set(found) == set(ALPHABET)


def test_no_id_is_given_twice_by_threads_or_by_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is drawn for many ids at once is used once: a thread may be interrupted between any two steps."""
    monkeypatch.setattr(ids, "_milliseconds", lambda number: "")
    with ThreadPoolExecutor(4) as pool:
        made = [one for several in pool.map(lambda _: [ids.new_id() for _ in range(999)], range(4)) for one in several]
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # nothing of the parent's may run here
        os.write(writing, " ".join(ids.new_id() for _ in range(99)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as told:
        made += told.read().split()
    made += [ids.new_id() for _ in range(999)]
    assert len(set(made)) == len(made) == 5 * 999 + 99
