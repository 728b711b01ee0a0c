"""Ids of what is stored: they sort by time, and nobody can guess one."""

from __future__ import annotations

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
    drawn = iter(range(0, 256, 16))
    monkeypatch.setattr(
        ids, "secrets", SimpleNamespace(token_bytes=lambda n: bytes(range(first := next(drawn), first + n)))
    )
    found = "".join(ids.new_id()[10:] for _ in range(16))
    assert {found.count(character) for character in ALPHABET} == {8}
    assert set(found) == set(ALPHABET)
