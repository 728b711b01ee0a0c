"""What packages with attachments inside cost in memory: pieces, as those in parts do, whatever is signed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.flow.test_parts_memory import MB, from_now_on, memory
from tests.site import HOME_AFFAIRS, OFFICE, Site, kept_running, until

pytestmark = [pytest.mark.slow, pytest.mark.faults]

MOST_ABOVE_IDLE = 16 * MB


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("inline") / "node")
    with kept_running(made, forked=False):
        # Everything that is loaded late is loaded, and the spool's threads have their stacks.
        for size in (0, 1, 2):
            made.receive(
                HOME_AFFAIRS, made.take(made.package(OFFICE, [HOME_AFFAIRS], [bytes(size * MB)]), OFFICE)["document"]
            )
        yield made


@pytest.mark.parametrize(
    ("size", "whole", "head"),
    [(100 * MB, False, b""), (16 * MB, True, b""), (60 * MB, False, b"%PDF-1.7\n")],
    ids=["100 MB by parts", "16 MB as a whole", "a PDF"],
)
def test_a_large_one_costs_pieces(site: Site, size: int, whole: bool, head: bytes) -> None:
    package = site.package(OFFICE, [HOME_AFFAIRS], [head + bytes(range(256)) * (size >> 8)], whole=whole)
    idle = from_now_on(site)
    document = site.take(package, OFFICE)["document"]
    if head:
        until("judged", lambda: site.facts(document, OFFICE)["attached_pdfs"]["outcome"], 120)
    taken = memory(site, "VmHWM") - idle
    assert site.receive(HOME_AFFAIRS, document)[1] == package
    given = memory(site, "VmHWM") - idle
    print(f"{size // MB} MB inline: idle {idle / MB:.0f}, taken +{taken / MB:.1f}, given out +{given / MB:.1f} MB")
    assert max(taken, given) <= MOST_ABOVE_IDLE
