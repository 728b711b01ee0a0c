"""What a package costs before anybody knows whose it is: 100 ms of a processor that nobody else uses (`make bench`)."""

from __future__ import annotations

import pytest

from tests.costly import COSTLY, taken

BOUND_S = 0.5
"""Beside other tests, on a slow machine: what is squared or worse is found by it all the same."""


@pytest.mark.parametrize("what", COSTLY)
def test_whoever_it_is_from_it_ends_soon(what: str) -> None:
    raw = COSTLY[what]()
    said, seconds = min((taken(raw) for _ in range(2)), key=lambda told: told[1])
    assert said in ("sig-digest", "good", "xml-mixed")
    assert seconds < BOUND_S
