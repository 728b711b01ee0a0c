"""What is hashed once a name."""

from __future__ import annotations

import hashlib

import pytest

from signing.verify import InMemory

NAMES = ("sha256", "sha384", "sha512")


@pytest.mark.parametrize("name", NAMES)
def test_octets_have_the_digest_of_the_name_that_is_asked_for(name: str) -> None:
    held = InMemory(b"octets")
    for other in (*NAMES, name, *NAMES):
        assert held.digest(other) == hashlib.new(other, b"octets").digest()


def test_what_was_hashed_already_changes_nothing_else() -> None:
    asked, fresh = InMemory(b"octets"), InMemory(b"octets")
    asked.digest("sha256")
    assert asked == fresh
    assert hash(asked) == hash(fresh)
    assert repr(asked) == repr(fresh)
    assert InMemory(b"others").digest("sha256") != asked.digest("sha256")
