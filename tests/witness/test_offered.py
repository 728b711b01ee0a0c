"""A node offers its newest head to witnesses: what is kept of it, what is found, and what a bad witness changes."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from axis.flow.witness import RENEW, ask_at_start, published
from axis.log.files import LogFolder
from axis.log.witnessed import WitnessedNotes
from axis.log.writer import LogMismatch, Mismatch
from signing.cosignature import cosignatures_of
from tests.site import until
from tests.unit.log.logs import KEYS, ORIGIN, SIGNER, grow, signed, verified
from tests.witness.witnesses import AT, COSIGNER, OTHER, asking, go_another_way, liar, offer_of, post, saying, witness


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One log at 5, 9 and 300 entries, each as it was then, and one that went another way from 5 on to 40."""
    path = tmp_path_factory.mktemp("grown")
    for size in (5, 9, 300):
        grow(path / "now", size)
        shutil.copytree(path / "now", path / str(size))
    shutil.copytree(path / "5", path / "other")
    go_another_way(path / "other", 40)
    return path


@pytest.fixture
def node(grown: Path, tmp_path: Path) -> Path:
    return shutil.copytree(grown / "5", tmp_path / "node")


def put(node: Path, state: Path) -> None:
    """The whole log, with its heads, as it was at some time."""
    shutil.rmtree(node)
    shutil.copytree(state, node)


def cosigners(note: str) -> set[str]:
    good, bad = cosignatures_of(note, [COSIGNER.verifier, OTHER.verifier])
    assert not bad
    return {one.key.name for one in good}


async def test_the_newest_head_is_cosigned_and_served_with_the_line(grown: Path, node: Path, tmp_path: Path) -> None:
    heads, tile = (node / "heads" / "heads.jsonl").read_bytes(), (node / "log/tile/0/000.p/5").read_bytes()
    async with witness(tmp_path / "w") as url, asking(node, url) as one, asking(node, url) as again:
        assert await one.offer()
        assert (one.told.size, one.told.at, one.told.trouble) == (5, AT, "")
        grow(node, 300)
        assert await one.offer()
        assert one.told.size == 300
        assert await again.offer(), "it knew an older size than the witness"
    note = (published(node / "log") or b"").decode()
    assert cosigners(note) == {COSIGNER.name}
    assert note.startswith(LogFolder(node / "log").checkpoint() or "?")
    assert KEYS.open(note).checkpoint.size == 300
    assert verified(node).ok
    assert (node / "heads" / "heads.jsonl").read_bytes().startswith(heads)
    assert (node / "log/tile/0/000").read_bytes().startswith(tile)


async def test_two_witnesses_stand_below_one_checkpoint(node: Path, tmp_path: Path) -> None:
    async with (
        witness(tmp_path / "w") as first,
        witness(tmp_path / "x", OTHER) as second,
        asking(node, first) as one,
        asking(node, second, OTHER) as other,
    ):
        await ask_at_start([one, other])
    assert cosigners((published(node / "log") or b"").decode()) == {COSIGNER.name, OTHER.name}
    grow(node, 9)
    assert cosigners((published(node / "log") or b"").decode()) == set(), "lines of another text are no part of it"


async def test_what_a_witness_cosigned_is_known_after_a_restart_and_asked_for_anew(node: Path, tmp_path: Path) -> None:
    now = [AT]
    async with witness(tmp_path / "w", now=lambda: now[0]) as url:
        async with asking(node, url) as one:
            await one.offer()
        async with asking(node, url, now=lambda: now[0]) as one:
            assert (one.told.size, one.told.at) == (5, AT)
            await one.offer()
            now[0] += RENEW / 2
            await one.offer()
            assert one.told.at == AT, "it was asked lately"
            now[0] += RENEW
            await one.offer()
            assert one.told.at == now[0], "it says anew that it has seen nothing larger"


async def test_a_log_that_was_put_back_is_told_by_its_witness(grown: Path, node: Path, tmp_path: Path) -> None:
    """F99: database, log and heads of one older moment. Nothing that lies here says that there was more."""
    async with witness(tmp_path / "w") as url:
        put(node, grown / "300")
        async with asking(node, url) as one:
            await one.offer()
        put(node, grown / "9")
        assert verified(node).ok
        async with asking(node, url) as one:
            with capture_logs() as logs, pytest.raises(LogMismatch) as found:
                await ask_at_start([one])
            assert found.value.reason is Mismatch.WITNESS_AHEAD
            assert "300" in str(found.value)
            assert [(each["event"], each["claims"]) for each in logs] == [("witness_disagrees", 300)]
            assert one.told.claims == 300


async def test_a_log_that_was_put_back_and_went_on_is_told(grown: Path, node: Path, tmp_path: Path) -> None:
    """It is larger by now than what the witness has: the proof fails, and what the witness shows has another root."""
    async with witness(tmp_path / "w") as url:
        put(node, grown / "9")
        async with asking(node, url) as one:
            await one.offer()
        put(node, grown / "other")
        async with asking(node, url) as one:
            with pytest.raises(LogMismatch) as found:
                await one.offer()
    assert found.value.reason is Mismatch.WITNESS_DIFFERS


async def test_somebody_may_accept_that_the_log_was_put_back(grown: Path, node: Path, tmp_path: Path) -> None:
    async with witness(tmp_path / "w") as url:
        put(node, grown / "300")
        async with asking(node, url) as one:
            await one.offer()
        put(node, grown / "9")
        async with asking(node, url, accept=True) as one:
            with capture_logs() as logs:
                await ask_at_start([one])
                await one.offer()
            assert [each["event"] for each in logs] == ["witness_disagrees"], "once, and the node goes on"
            assert (one.told.claims, one.told.size) == (300, 0)
        assert (await post(url, offer_of(node, 9)))[0] == 409, "the witness has not forgotten"


async def test_the_bare_word_of_a_witness_stops_nobody(node: Path) -> None:
    """A number is no proof: whoever runs a witness, or stands between, could end every node with it."""
    far = saying(409, "9000000\n", "text/x.tlog.size")
    foreign = signed(9_000_000, bytes(32), origin="other.example", signer=type(SIGNER)("other.example", SIGNER.key))
    older = LogFolder(node / "log").checkpoint() or ""
    for shown in (None, saying(404, ""), saying(200, "no note"), saying(200, foreign), saying(200, older)):
        async with liar(far, shown) as url, asking(node, url) as one:
            with capture_logs() as logs:
                await ask_at_start([one])
                assert not await one.offer()
            assert one.told.claims == 9_000_000
            assert [each["event"] for each in logs] == ["witness_disagrees"]


def _other_text(size: int) -> str:
    return COSIGNER.cosign(f"{ORIGIN}\n{size}\n{'A' * 43}=\n", AT)


ANSWERS: Mapping[str, tuple[Any, str]] = {
    "an error": (saying(500, "no"), "HTTP 500"),
    "a redirection": (saying(302, ""), "HTTP 302"),
    "unknown": (saying(404, "who?"), "HTTP 404"),
    "nothing": (saying(200, ""), "did not cosign"),
    "another's line": (saying(200, OTHER.cosign("x\n", AT)), "did not cosign"),
    "a line that is none": (saying(200, "OK\n"), "did not cosign"),
    "of another text": (saying(200, _other_text(5)), "does not hold"),
    "no size": (saying(409, "many\n"), "without the size"),
    "the same size for ever": (saying(409, "3\n"), "refuses what follows"),
    "a page without end": (saying(200, "x" * 200_000), "octets"),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_a_witness_that_answers_something_else_changes_nothing(name: str, node: Path) -> None:
    answer, told = ANSWERS[name]
    async with liar(answer) as url, asking(node, url) as one:
        with capture_logs() as logs:
            assert not await one.offer()
            assert not await one.offer()
        assert told in one.told.trouble
        assert [each["event"] for each in logs] == ["witness_lost"], "told once"
        assert one.told.claims is None
    assert not (node / "log" / "witnessed").exists()


async def test_a_cosignature_from_the_future_is_not_believed(node: Path, tmp_path: Path) -> None:
    async with witness(tmp_path / "w", now=lambda: AT + timedelta(hours=1)) as url, asking(node, url) as one:
        assert not await one.offer()
        assert "clock" in one.told.trouble


async def test_a_witness_that_hangs_or_never_ends_is_left_alone(node: Path, tmp_path: Path) -> None:
    """F102: down, silent, and dripping; a good one beside them is asked all the same."""
    gone = asyncio.Event()

    async def hang(request: web.Request) -> web.Response:
        await gone.wait()
        return web.Response()

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while not gone.is_set():
            await response.write(b"x")
            await asyncio.sleep(0.01)
        return response

    async with (
        liar(hang) as silent,
        liar(drip) as dripping,
        witness(tmp_path / "w") as good,
        asking(node, silent, OTHER, deadline_s=0.2) as first,
        asking(node, dripping, OTHER, deadline_s=0.2) as second,
        asking(node, "http://127.0.0.1:9", OTHER) as down,
        asking(node, good) as one,
    ):
        await ask_at_start([first, second, down, one])
        assert one.told.size == 5
        assert all(each.told.trouble for each in (first, second, down))
        async with asking(node, silent, OTHER, deadline_s=60) as slow:
            await ask_at_start([slow], timedelta(seconds=0.1))
            assert slow.told.at is None
        gone.set()


async def test_a_witness_that_comes_back_is_asked_again(node: Path, tmp_path: Path) -> None:
    stop = asyncio.Event()
    async with witness(tmp_path / "w") as url, asking(node, "http://127.0.0.1:9") as one, asking(node, url) as other:
        with capture_logs() as logs:
            assert not await one.offer()
            one._witness = other._witness
            running = asyncio.ensure_future(one.run(stop, lambda: True))
            await asyncio.to_thread(until, "it cosigns", lambda: not one.told.trouble)
            stop.set()
            await running
    assert [each["event"] for each in logs if "witness" in each] == ["witness_lost", "witness_cosigns"]
    assert WitnessedNotes(node / "log").of(COSIGNER.verifier) is not None


async def test_a_process_that_stands_by_asks_nobody(node: Path) -> None:
    stop = asyncio.Event()
    asked = list[str]()

    async def count(request: web.Request) -> web.Response:
        asked.append("")
        return web.Response(status=500)

    async with liar(count) as url, asking(node, url) as one:
        running = asyncio.ensure_future(one.run(stop, lambda: False))
        await asyncio.sleep(0)
        stop.set()
        await running
    assert not asked


async def test_a_head_that_is_not_published_is_shown_to_nobody(node: Path, tmp_path: Path) -> None:
    """The database may not know it yet. A witness that knows more than is published, and not more than was signed, has
    it from a process that is ahead of this one."""
    ahead = shutil.copytree(node, tmp_path / "ahead")
    grow(ahead, 9)
    shutil.copy(ahead / "heads" / "heads.jsonl", node / "heads" / "heads.jsonl")
    async with witness(tmp_path / "w") as url:
        async with asking(node, url) as one:
            await one.offer()
            assert one.told.size == 5
        async with asking(ahead, url) as other:
            await other.offer()
        async with asking(node, url) as one:
            assert await one.offer()
            assert one.told.claims is None
