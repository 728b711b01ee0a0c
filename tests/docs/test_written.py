"""Every command on a page that people follow is run as they would, and prints what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.shell import ROOT, run

PAGES = (
    "docs/endpoints.md",
    "docs/operations.md",
    "docs/auditing.md",
    pytest.param("docs/care.md", marks=pytest.mark.faults),  # a drill: a node is lost and comes back
)


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_do_what_it_says(page: str, tmp_path: Path) -> None:
    faults = run(ROOT / page, tmp_path)
    assert not faults, f"{page}, " + "\n".join(faults)
