"""Every case of the refusal table dies with the code that stands there, and what is harmless is taken."""

from __future__ import annotations

import pytest

from tests.refusals.catalogue import CASES
from tests.refusals.row import Said


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@pytest.mark.parametrize("name", CASES)
def test_refused(name: str) -> None:
    case = CASES[name]
    assert case.run() == Said(case.code, accepted=case.harmless)
