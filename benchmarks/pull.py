"""What a mailbox gives: the octets of one delivery, and a list of fifty."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import orjson

from benchmarks.load import Generator, request
from benchmarks.nodes import floor, key_of, node, packages, posts, side
from benchmarks.pairs import Measure
from benchmarks.served import contest
from tests.site import HOME_AFFAIRS, OFFICE


def group(slice_s: float, pairs: int) -> Iterator[Measure]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        generator = stack.enter_context(Generator())
        site = stack.enter_context(node(folder / "node"))
        filled = side(site, posts(packages(site), key_of(site, OFFICE)))
        generator.run(filled.door, filled.requests(200))
        shown = {"Authorization": f"Bearer {key_of(site, HOME_AFFAIRS)}"}
        (listed,) = generator.run(filled.door, [request("GET", "/v1/inbox?limit=200", headers=shown)], keep=True).bodies
        ids = [item["delivery"] for item in orjson.loads(listed)["items"]]
        packages_ = [request("GET", f"/v1/deliveries/{one}/package", headers=shown) for one in ids]
        ours = side(site, lambda wanted: [packages_[n % len(packages_)] for n in range(wanted)])
        bare = [request("GET", f"/package/{n + 1}") for n in range(len(ids))]
        least = stack.enter_context(
            floor(
                site,
                lambda wanted: [bare[n % len(bare)] for n in range(wanted)],
                module="pull",
                sqlite=str(folder / "floor.db"),
            )
        )
        yield contest("pull, body of 10 KB", generator, ours, least, target=0.6, slice_s=slice_s, pairs=pairs)
        fifty, fewest = request("GET", "/v1/inbox?limit=50", headers=shown), request("GET", "/list")
        ours.requests, least.requests = (lambda wanted: [fifty] * wanted), (lambda wanted: [fewest] * wanted)
        yield contest("pull, list of 50", generator, ours, least, target=0.5, slice_s=slice_s, pairs=pairs)
