"""Parts of a node that do not belong together: an operator has put back one or two of them, or those of another site.

Each is refused in words before anything is signed or taken in. The one that is not (database, log and heads
together, of one moment) is seen by who kept a checkpoint: docs/auditing.md.
"""

from __future__ import annotations

import asyncio
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from axis.care.findings import Code
from axis.care.packages import PackagesMissing, see_packages
from axis.cli.doctor_log import look_at_log
from axis.cli.looked import State
from axis.log.heads import CheckpointStore
from axis.log.writer import LogMismatch
from tests.care.test_fsck import axis
from tests.care.world import Node, busy, made

PARTS: Final = ("database", "blobs", "log", "heads")
OLD, NEW = "old", "new"
SAID: Final = {
    # database, blobs, log, heads: what a start says, what fsck finds
    (NEW, NEW, NEW, NEW): ("", None),
    (NEW, NEW, NEW, OLD): ("heads-behind", "log:heads-behind"),
    (NEW, NEW, OLD, NEW): ("folder-behind", "log:rolled-back"),
    (NEW, NEW, OLD, OLD): ("store-ahead", Code.STORE_AHEAD_OF_LOG),
    (NEW, OLD, NEW, NEW): ("packages", Code.PAYLOAD_MISSING),
    (NEW, OLD, NEW, OLD): ("heads-behind", Code.PAYLOAD_MISSING),
    (NEW, OLD, OLD, NEW): ("folder-behind", Code.PAYLOAD_MISSING),
    (NEW, OLD, OLD, OLD): ("store-ahead", Code.PAYLOAD_MISSING),
    (OLD, NEW, NEW, NEW): ("store-behind", Code.STORE_BEHIND_LOG),
    (OLD, NEW, NEW, OLD): ("heads-behind", Code.STORE_BEHIND_LOG),
    (OLD, NEW, OLD, NEW): ("folder-behind", Code.STORE_BEHIND_LOG),
    (OLD, NEW, OLD, OLD): ("", None),
    (OLD, OLD, NEW, NEW): ("store-behind", Code.STORE_BEHIND_LOG),
    (OLD, OLD, NEW, OLD): ("heads-behind", Code.STORE_BEHIND_LOG),
    (OLD, OLD, OLD, NEW): ("folder-behind", Code.STORE_BEHIND_LOG),
    (OLD, OLD, OLD, OLD): ("", None),
}


@pytest.fixture(scope="session")
def later(original: Node, tmp_path_factory: pytest.TempPathFactory) -> Node:
    """The same node, some rounds and documents later."""
    node = original.copy(tmp_path_factory.mktemp("later") / "node")
    for _ in range(3):
        asyncio.run(busy(node))
    return node


@pytest.fixture(scope="session")
def twin(original: Node, tmp_path_factory: pytest.TempPathFactory) -> Node:
    """A node of the same keys that went on otherwise, for just as long: a drill on another machine."""
    node = original.copy(tmp_path_factory.mktemp("twin") / "node")
    for _ in range(3):
        asyncio.run(busy(node))
    return node


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """Another site, that has done as much."""
    node = made(tmp_path_factory.mktemp("stranger") / "node")
    for _ in range(3):
        asyncio.run(busy(node))
    return node


def part(node: Node, name: str) -> Path:
    return {"database": node.data / "axis.db", "log": node.data / "log", "heads": node.heads}.get(
        name, node.config.node.blobs
    )


def put(node: Node, name: str, other: Node) -> None:
    """Put a part of `other` into its place."""
    here, there = part(node, name), part(other, name)
    if there.is_dir():
        shutil.rmtree(here)
        shutil.copytree(there, here)
    else:
        shutil.copyfile(there, here)


def start(node: Node) -> str:
    """Why the node does not start; nothing where it does, and goes on."""

    async def work() -> None:
        async with node.running() as running:
            see_packages(node.url, node.place.blobs)
            await running.send()
            await running.log()

    try:
        asyncio.run(work())
    except LogMismatch as error:
        return error.reason.value
    except PackagesMissing:
        return "packages"
    return ""


def heads(node: Node) -> list[str]:
    return [head.note for head in CheckpointStore(node.heads).history()]


@pytest.mark.parametrize("states", SAID, ids="-".join)
def test_parts_of_two_moments_are_refused_in_words(
    original: Node, later: Node, tmp_path: Path, states: tuple[str, ...]
) -> None:
    node = later.copy(tmp_path / "node")
    for name, state in zip(PARTS, states, strict=True):
        if state == OLD:
            put(node, name, original)
    said, found = SAID[states]
    signed = heads(node)
    counts = node.check().counts
    assert (found in counts) if found else not {code for code in counts if code not in (Code.BLOB_UNNAMED,)}, counts
    assert start(node) == said
    assert (heads(node) == signed) is bool(said), "something was signed"


def test_the_doctor_sees_that_a_store_has_lost_what_was_signed(original: Node, later: Node, tmp_path: Path) -> None:
    """He said that all was well of a node that would not start."""
    node = later.copy(tmp_path / "node")
    (line, *_) = look_at_log(node.config, datetime.now(UTC))
    assert line.state is State.OK
    put(node, "database", original)
    (line,) = look_at_log(node.config, datetime.now(UTC))
    assert line.state is State.FAIL
    assert "the store knows fewer" in line.told
    assert "axis restore" in line.remedy


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("database",), "store-differs"),
        (("blobs",), "packages"),
        (("log",), "forked"),
        (("heads",), "forked"),
        (("database", "blobs"), "store-differs"),
        (("database", "log"), "forked"),
        (("database", "heads"), "forked"),
        (("blobs", "log"), "forked"),
        (("blobs", "heads"), "forked"),
        (("log", "heads"), "store-differs"),
    ],
    ids=str,
)
def test_parts_of_a_twin_that_went_on_otherwise_are_refused(
    later: Node, twin: Node, tmp_path: Path, names: tuple[str, ...], said: str
) -> None:
    """As many entries as here, signed by the same key."""
    node = later.copy(tmp_path / "node")
    for name in names:
        put(node, name, twin)
    signed = heads(node)
    assert not node.check().sound
    assert start(node) == said
    assert heads(node) == signed


@pytest.mark.parametrize(
    ("name", "said"),
    [("database", "store-differs"), ("blobs", "packages"), ("log", "folder-differs"), ("heads", "heads-foreign")],
)
def test_a_part_of_another_site_is_refused(later: Node, stranger: Node, tmp_path: Path, name: str, said: str) -> None:
    node = later.copy(tmp_path / "node")
    put(node, name, stranger)
    signed = heads(node)
    assert not node.check().sound
    assert start(node) == said
    assert heads(node) == signed


@pytest.mark.faults
def test_a_node_whose_packages_are_elsewhere_says_so_and_starts_when_somebody_accepts_it(
    later: Node, tmp_path: Path
) -> None:
    node = later.copy(tmp_path / "node")
    blobs = node.config.node.blobs
    blobs.rename(tmp_path / "not mounted")
    code, told = axis("serve", "-c", node.site.config)
    assert (code, "newest packages" in told, "--accept-loss" in told) == (1, True, True), told
    node.site.watcher = ("sh", "-c", 'exec "$@" --accept-loss', "sh")
    node.site.start()
    assert node.site.stop() == 0
    assert node.site.said("packages_missing") == 1
