"""Which part of a body is asked for, and that it is cut out of it to the octet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axis.core.problems import Kind, Refused, Unavailable
from axis.web.ranges import AT_ONCE, Parts, cut, part_of

TAG = '"ab"'


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-", range(1_000)),
        ("bytes=999-", range(999, 1_000)),
        ("bytes=10-19", range(10, 20)),
        ("bytes=10-5000", range(10, 1_000)),
        ("bytes=-300", range(700, 1_000)),
        ("bytes=-5000", range(1_000)),
        (None, None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=20-10", None),
        ("bytes=0-1,5-6", None),
        ("lines=0-1", None),
        ("bytes=٣-", None),
        ("bytes=1-" + "9" * 19, None),
    ],
)
def test_one_range_is_read_and_all_else_is_not_asked_for(asked: str | None, part: range | None) -> None:
    assert part_of(asked, None, TAG, 1_000) == part
    assert part_of(asked, TAG, TAG, 1_000) == part
    assert part_of(asked, '"other"', TAG, 1_000) is None, "the far end has something else"
    assert part_of(asked, f"W/{TAG}", TAG, 1_000) is None


@pytest.mark.parametrize("asked", ["bytes=1000-", "bytes=1000-1001", "bytes=-0"])
def test_what_begins_behind_the_end_is_refused(asked: str) -> None:
    with pytest.raises(Refused) as told:
        part_of(asked, None, TAG, 1_000)
    assert told.value.problem.kind is Kind.RANGE and told.value.problem.extra == {"bytes": 1_000}


@given(st.lists(st.binary(max_size=9), max_size=9), st.data())
def test_what_is_cut_out_is_the_slice(chunks: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(chunks)
    start = data.draw(st.integers(0, len(whole)))
    part = range(start, data.draw(st.integers(start, len(whole))))

    async def pieces() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    async def go() -> bytes:
        return b"".join([piece async for piece in cut(pieces(), part)])

    assert asyncio.run(go()) == whole[part.start : part.stop]


def test_one_caller_is_given_a_few_parts_at_once() -> None:
    parts = Parts()
    with ExitStack() as stack:
        for _ in range(AT_ONCE):
            stack.enter_context(parts.given_to("so-noi-vu"))
        with pytest.raises(Unavailable) as told, parts.given_to("so-noi-vu"):
            pass
        assert told.value.problem.kind is Kind.BUSY
        with parts.given_to("so-y-te"):
            pass
    with parts.given_to("so-noi-vu"):
        pass
    assert not parts._of, "who asks no more is not remembered"
