"""The node of those conversations that need nothing of their own from a node."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.site import Site, kept_running


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A province's node without any setting, one for all files here that start none themselves (their own `site`).

    What others have sent lies in its mailboxes too: a test speaks of its own documents.
    """
    made = Site(tmp_path_factory.mktemp("plain"))
    with kept_running(made, forked=False):
        yield made
