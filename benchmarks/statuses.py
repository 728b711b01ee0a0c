"""Statuses taken in: one a request beside the floor, and a hundred a request beside one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import count as counting
from pathlib import Path

import orjson

from benchmarks.load import Generator, request
from benchmarks.nodes import floor, key_of, node, packages, posts, side
from benchmarks.pairs import Measure
from benchmarks.served import Side, contest
from tests.site import HOME_AFFAIRS, OFFICE, Site

CODES = ("03", "04", "05", "06")
Item = tuple[str, str, str]


def documents(generator: Generator, site: Site) -> Callable[[int], Iterator[str]]:
    """References of new documents, taken in now."""
    taken = side(site, posts(packages(site, 6000), key_of(site, OFFICE)))

    def make(wanted: int) -> Iterator[str]:
        answers = generator.run(taken.door, taken.requests(wanted), keep=True)
        for body in answers.bodies:
            yield str(orjson.loads(body)["document"])

    return make


def items(make: Callable[[int], Iterator[str]]) -> Callable[[int], list[Item]]:
    """So many statuses (document, code, time) that were not reported yet, four of each document, in their order."""
    seconds = counting()

    def make_items(wanted: int) -> list[Item]:
        refs = list(make(-(-wanted // len(CODES))))
        base = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
        return [
            (ref, code, (base + timedelta(seconds=next(seconds) % 86_400)).isoformat())
            for code in CODES
            for ref in refs
        ][:wanted]

    return make_items


def single(told: Callable[[int], list[Item]], key: str) -> Callable[[int], Sequence[bytes]]:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    return lambda wanted: [
        request("POST", f"/v1/documents/{ref}/statuses", orjson.dumps({"code": code, "at": at}), headers)
        for ref, code, at in told(wanted)
    ]


def batched(told: Callable[[int], list[Item]], key: str, each: int = 100) -> Callable[[int], Sequence[bytes]]:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}

    def make(wanted: int) -> list[bytes]:
        all_ = [{"document": ref, "code": code, "at": at} for ref, code, at in told(wanted * each)]
        parts = [all_[first : first + each] for first in range(0, len(all_), each)]
        return [request("POST", "/v1/statuses", orjson.dumps({"statuses": part}), headers) for part in parts]

    return make


def group(slice_s: float, pairs: int) -> Iterator[Measure]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        generator = stack.enter_context(Generator())
        site = stack.enter_context(node(folder / "node"))
        told, key = items(documents(generator, site)), key_of(site, HOME_AFFAIRS)
        ones = side(site, single(told, key))
        bare = {"Content-Type": "application/json"}
        octets = [request("POST", "/v1/statuses", orjson.dumps({"code": "03", "at": "2026-11-29T00:00:00Z"}), bare)]
        least = stack.enter_context(floor(site, lambda wanted: octets * wanted, sqlite=str(folder / "floor.db")))
        yield contest("status, one a request, SQLite", generator, ones, least, target=0.5, slice_s=slice_s, pairs=pairs)
        many = Side(ones.door, ones.pid, batched(told, key), each=100)
        yield contest(
            "statuses, 100 a request beside one a request",
            generator,
            many,
            ones,
            target=8.0,
            slice_s=slice_s,
            pairs=pairs,
            callers=4,
            at_least=4,
        )
