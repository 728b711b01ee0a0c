"""A witness by itself: what it cosigns, what it refuses and how, and what it knows after it was killed."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from base64 import b64decode
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from aiohttp import ClientSession

from axis.core.pressure import Pressure
from axis.log.disk import Locked
from axis.log.files import LogFolder
from axis.log.offer import MalformedOffer, parse_offer, place_of
from axis.witness.memory import Memory, MemoryLost
from signing.cosignature import WitnessKey, cosignatures_of
from tests.unit.log.logs import KEYS, ORIGIN, STRANGER, grow, signed
from tests.witness.witnesses import AT, COSIGNER, OTHER, offer_of, post, witness

SIZE = "text/x.tlog.size"


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One log at 3, at 7 and at 300 entries, each as it was then, and another history of 7 under the same key."""
    path = tmp_path_factory.mktemp("grown")
    for size in (3, 7, 300):
        grow(path / "now", size)
        shutil.copytree(path / "now", path / str(size))
    return path


def shown(path: Path) -> str:
    return LogFolder(path / "log").checkpoint() or ""


async def test_what_continues_a_log_is_cosigned(grown: Path, tmp_path: Path) -> None:
    async with witness(tmp_path / "w") as url:
        for old, size in ((0, 3), (3, 7), (7, 7), (7, 300)):
            status, _, lines = await post(url, offer_of(grown / str(size), old))
            assert status == 200
            ((one,), bad) = cosignatures_of(shown(grown / str(size)) + lines, [COSIGNER.verifier, OTHER.verifier])
            assert (one.key, one.at, bad) == (COSIGNER.verifier, AT, ())
            assert lines == one.line
        async with ClientSession() as session, session.get(f"{url}/{place_of(ORIGIN)}/checkpoint") as answer:
            assert await answer.text() == shown(grown / "300") + lines


async def test_every_refusal_has_its_status(grown: Path, tmp_path: Path) -> None:
    seven, three = grown / "7", offer_of(grown / "3", 0)
    root = KEYS.open(shown(seven)).checkpoint.root
    other_root = bytes(31) + b"\1"
    first = offer_of(seven, 0)
    refused = [
        (first.replace("old 0", "old 00"), 400, ""),
        (first.replace("old 0", "older 0"), 400, ""),
        (first.replace("old 0\n", f"old 0\n{'AAAA' * 10}AAA=\n" * 64), 400, ""),
        (first[:-1], 400, ""),
        ("", 400, ""),
        (first + "x" * 70_000, 413, ""),
        (signed(7, root, origin="other.example", signer=replace(STRANGER, name="other.example")), 404, ""),
        (signed(7, root, STRANGER), 403, ""),
        (first.replace("old 0", "old 8"), 400, ""),
        (three, 409, "7\n"),  # smaller than what was cosigned, whatever it says
        (offer_of(grown / "3", 3), 409, "7\n"),
        (offer_of(grown / "300", 0), 409, "7\n"),
        (offer_of(grown / "300", 3), 409, "7\n"),
        (offer_of(seven, 7, signed(7, other_root)), 409, "7\n"),  # a second root for one size
        (offer_of(grown / "300", 7).replace("old 7\n", "old 7\n" + "A" * 43 + "=\n"), 422, ""),
        ("old 7\n\n" + shown(grown / "300"), 422, ""),  # no proof
        ("old 7\n\n" + signed(300, other_root), 422, ""),
    ]
    async with witness(tmp_path / "w") as url:
        assert (await post(url, "old 0\n\n" + signed(0, other_root)))[0] == 422, "an empty log with a root"
        assert (await post(url, "old 0\n" + "A" * 43 + "=\n\n" + shown(seven)))[0] == 422, "a proof from nothing"
        assert (await post(url, offer_of(seven, 0)))[0] == 200
        for text, status, told in refused:
            body = text if text.startswith(("old", "older")) or not text else f"old 7\n\n{text}"
            said = await post(url, body)
            assert said[0] == status, (body[:80], said)
            if told:
                assert said[1:] == (SIZE, told)
        assert (await post(url, offer_of(grown / "300", 7)))[0] == 200, "nothing of it changed what it knows"


async def test_of_two_offers_at_once_the_smaller_never_comes_after_the_larger(grown: Path, tmp_path: Path) -> None:
    async with witness(tmp_path / "w") as url:
        await asyncio.gather(*(post(url, offer_of(grown / str(size), 0)) for size in (3, 7, 300) * 5))
        status, _, said = await post(url, offer_of(grown / "3", 3))
    memory = Memory(tmp_path / "w", COSIGNER.verifier)
    known = memory.known(ORIGIN)
    assert known is not None
    if known.checkpoint.size != 3:
        assert (status, said) == (409, f"{known.checkpoint.size}\n")


async def test_what_was_cosigned_is_on_the_disk_before_anybody_is_told(
    grown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the disk fails nothing is cosigned, and nothing any more: what lies there is not known."""
    async with witness(tmp_path / "w") as url:
        assert (await post(url, offer_of(grown / "3", 0)))[0] == 200

        def full(handle: int, octets: bytes) -> None:
            raise OSError(5, "Input/output error")

        with monkeypatch.context() as broken:
            broken.setattr("axis.log.disk.write_all", full)
            status, _, said = await post(url, offer_of(grown / "7", 3))
            assert (status, said) == (500, "nothing was cosigned\n")
        assert (await post(url, offer_of(grown / "7", 3)))[0] == 500
    async with witness(tmp_path / "w") as url:
        assert (await post(url, offer_of(grown / "7", 3)))[0] == 200


async def test_a_witness_is_asked_only_so_often(grown: Path, tmp_path: Path) -> None:
    async with witness(tmp_path / "w", rate=Pressure(per_second=1, burst=2)) as url:
        said = [(await post(url, offer_of(grown / "3", 0)))[0] for _ in range(4)]
    assert said == [200, 409, 429, 429]


def test_a_witness_without_its_memory_does_not_begin(tmp_path: Path) -> None:
    with pytest.raises(MemoryLost):
        Memory(tmp_path / "w", COSIGNER.verifier).open()
    assert not (tmp_path / "w").exists()
    Memory.begin(tmp_path / "w", COSIGNER.verifier)
    with pytest.raises(MemoryLost, match="another key"):
        Memory(tmp_path / "w", OTHER.verifier).open()
    with pytest.raises(FileExistsError):
        Memory.begin(tmp_path / "w", OTHER.verifier)
    one, other = Memory(tmp_path / "w", COSIGNER.verifier), Memory(tmp_path / "w", COSIGNER.verifier)
    one.open()
    with pytest.raises(Locked):
        other.open()
    one.close()
    (tmp_path / "w" / place_of(ORIGIN)).write_text("something else\n")
    with pytest.raises(MemoryLost):
        one.known(ORIGIN)


def test_an_offer_has_one_spelling(grown: Path) -> None:
    text = offer_of(grown / "300", 7)
    assert parse_offer(text).text == text
    for wrong in (
        text.replace("old 7", "old +7"),
        text.replace("\n", "\r\n", 1),
        text.replace("=\n", "\n", 1),
        "old 7\n",
    ):
        with pytest.raises(MalformedOffer):
            parse_offer(wrong)


_DIES = """
import os, signal, sys
from pathlib import Path
import axis.log.disk as disk
from axis.log.offer import parse_offer
from axis.witness.memory import Memory
from axis.witness.server import Witness
from tests.unit.log.logs import KEYS, ORIGIN
from tests.witness.witnesses import AT, COSIGNER, OFTEN

place, real, where = disk.Folder.place, disk.sync_folder, sys.argv[3]
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if where == "before":
    disk.Folder.place = die
async def answer():
    memory = Memory(Path(sys.argv[1]), COSIGNER.verifier)
    memory.open()
    one = Witness(memory, COSIGNER, {ORIGIN: KEYS}, lambda: AT, lambda: 0.0, lambda: None, OFTEN)
    judged, line = one._answered(parse_offer(Path(sys.argv[2]).read_text()))
    assert int(judged.status) == 200 and line
    die()  # the answer is made, and not sent
import asyncio
asyncio.run(answer())
"""


def _killed(path: Path, where: str) -> int:
    command = [sys.executable, "-c", _DIES, str(path / "w"), str(path / "offer"), where]
    return subprocess.run(command, check=False, env={**os.environ, "PYTHONPATH": str(Path.cwd())}).returncode


@pytest.mark.parametrize(("where", "knows"), [("before", 3), ("after", 7)])
async def test_a_witness_that_is_killed_goes_on_from_what_it_may_have_said(
    grown: Path, tmp_path: Path, where: str, knows: int
) -> None:
    """Killed before the file is in its place it has said nothing; afterwards it may have, and signs no other root."""
    async with witness(tmp_path / "w") as url:
        assert (await post(url, offer_of(grown / "3", 0)))[0] == 200
    (tmp_path / "offer").write_text(offer_of(grown / "7", 3))
    assert _killed(tmp_path, where) == -signal.SIGKILL
    other = signed(7, bytes(32))
    async with witness(tmp_path / "w") as url:
        status, _, said = await post(url, "old 3\n\n" + other)
        assert (status, said) == ((409, "7\n") if knows == 7 else (422, said))
        assert (await post(url, offer_of(grown / "7", knows)))[0] == 200


def test_a_cosignature_is_what_the_specification_says() -> None:
    """The example of C2SP tlog-cosignature has the key id of a name and key that are not told; ours is held to the
    rules: four octets of the key, eight of the time, and the signature over header, time and checkpoint."""
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    line = COSIGNER.cosign(text, AT)
    name, octets = line.split()[1], b64decode(line.split()[2])
    public = COSIGNER.verifier.public
    assert octets[:4] == sha256(name.encode() + b"\n\x04" + public).digest()[:4]
    seconds = int.from_bytes(octets[4:12], "big")
    assert seconds == int(AT.timestamp())
    COSIGNER.key.public_key().verify(octets[12:], f"cosignature/v1\ntime {seconds}\n{text}".encode())
    assert WitnessKey.parse(str(COSIGNER.verifier)) == COSIGNER.verifier
    with pytest.raises(ValueError, match="not the key of a witness"):
        WitnessKey.parse(str(KEYS.keys[0]))


def test_a_cosignature_of_something_else_does_not_hold() -> None:
    text = "a.example\n1\n" + "A" * 43 + "=\n"
    for line in (
        COSIGNER.cosign(text.replace("\n1\n", "\n2\n"), AT),
        OTHER.cosign(text, AT).replace(OTHER.name, COSIGNER.name),
        COSIGNER.cosign(text, AT + timedelta(days=400_000)).replace("AAAA", "AAAB", 1),
    ):
        good, bad = cosignatures_of(f"{text}\n{line}", [COSIGNER.verifier])
        assert not good
        assert bad in ((), (COSIGNER.verifier,))
