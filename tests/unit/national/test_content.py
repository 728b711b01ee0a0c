"""The streamed answer of `getEdoc`."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.national.content import BadAnswer, Content


async def cut(octets: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(octets), size):
        yield octets[start : start + size]


async def read(octets: bytes, size: int = 7) -> tuple[bytes, dict[str, object]]:
    content = Content(cut(octets, size))
    found = b"".join([piece async for piece in content.pieces()])
    return found, dict(content.rest)


def drive(octets: bytes, size: int) -> tuple[bytes, dict[str, object]]:
    """`read` without a loop: nothing in it really waits."""
    try:
        read(octets, size).send(None)
    except StopIteration as end:
        found: tuple[bytes, dict[str, object]] = end.value
        return found
    raise AssertionError("it waited")


@given(st.binary(max_size=300), st.integers(1, 50), st.booleans(), st.sampled_from(["plain", "\\/", "\\u003d", "\\n"]))
def test_octets_come_back_however_the_answer_is_cut_and_escaped(
    octets: bytes, size: int, first: bool, form: str
) -> None:
    text = b64encode(octets).decode()
    written = json.dumps(text)
    if form == "\\/":
        written = written.replace("/", form)
    elif form == "\\u003d":
        written = written.replace("=", form)
    elif form == "\\n":
        written = '"' + form.join(text[at : at + 76] for at in range(0, len(text), 76)) + '"'
    rest = '"status":"OK","ErrorCode":"0"'
    whole = f'{{"data" : {written},{rest}}}' if first else f'{{{rest},"data":{written}}}'
    found, said = drive(whole.encode(), size)
    assert found == octets
    assert said == {"status": "OK", "ErrorCode": "0", "data": ""}


async def test_a_quoted_data_inside_another_text_is_not_the_data() -> None:
    answer = json.dumps({"status": "FAIL", "ErrorDesc": 'no "data":"x" here', "ErrorCode": "10"})
    assert await read(answer.encode()) == (b"", json.loads(answer))


async def test_missing_padding_is_forgiven() -> None:
    assert (await read(b'{"data":"YQ"}'))[0] == b"a"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"<html>",
        b'{"data":"',
        b'{"data":"YQ==',
        b'{"data":"YQ==YQ=="}',
        b'{"data":"Y*=="}',
        b'{"data":"Y\\u"}',
        b'{"data":"\\u1eaf"}',
        b'{"data":"A"}',
        b'{"data":"YQ=="} more',
        b'{"x":"' + b"y" * 70_000 + b'"}',
        b'{"data":"YQ==","x":"' + b"y" * 70_000 + b'"}',
    ],
)
async def test_an_answer_that_is_none_is_told(answer: bytes) -> None:
    for size in (1, 5, 100_000):
        with pytest.raises(BadAnswer):
            await read(answer, size)
