"""The layout against the examples of the specification, and what growth touches against what a tree has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axis.log.checkpoint import Checkpoint, MalformedCheckpoint, parse_checkpoint
from axis.log.tiles import (
    MAX_ENTRY_BYTES,
    Bundle,
    MalformedBundle,
    Tile,
    bundle_at,
    decode_bundle,
    encode_bundle,
    grown_bundles,
    grown_tiles,
    parse_path,
    tile_at,
)


@pytest.mark.parametrize(
    ("item", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(3, 1234067), "tile/3/x001/x234/067"),
        (Tile(63, 999, 255), "tile/63/999.p/255"),
        (Tile(1, 1000, 1), "tile/1/x001/000.p/1"),
        (Bundle(1234067), "tile/entries/x001/x234/067"),
        (Bundle(0, 8), "tile/entries/000.p/8"),
    ],
)
def test_paths_are_those_of_the_specification(item: Tile | Bundle, path: str) -> None:
    assert item.path == path
    assert parse_path(path) == item


@pytest.mark.parametrize(
    "path",
    [
        "tile/00/000",
        "tile/64/000",
        "tile/0/0",
        "tile/0/x000/001",
        "tile/0/001/x000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/../000",
        "tile/0/٠٠٠",
        "tile/entries/000.p/999",
        "tile/data/000",
        "tile/0/000\n",
        "checkpoint",
    ],
)
def test_any_other_spelling_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="tile"):
        parse_path(path)


def test_the_tree_of_70000_has_the_tiles_that_the_specification_counts() -> None:
    tiles = list(grown_tiles(0, 70_000))
    full = [sum(tile.level == level and tile.width == 256 for tile in tiles) for level in range(3)]
    partial = [tile for tile in tiles if tile.width < 256]
    assert full == [273, 1, 0]
    assert partial == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]


def test_a_tree_of_256_has_a_full_tile_and_one_hash_above() -> None:
    assert list(grown_tiles(0, 256)) == [Tile(0, 0), Tile(1, 0, 1)]


def test_growth_by_nothing_touches_nothing() -> None:
    for size in (0, 1, 255, 256, 70_000):
        assert list(grown_tiles(size, size)) == []
        assert list(grown_bundles(size, size)) == []


@given(old=st.integers(0, 200_000), more=st.integers(0, 70_000))
def test_growth_touches_exactly_what_the_new_tree_has_and_the_old_one_had_not(old: int, more: int) -> None:
    new = old + more
    assert set(grown_tiles(old, new)) == set(grown_tiles(0, new)) - set(grown_tiles(0, old))
    assert set(grown_bundles(old, new)) == set(grown_bundles(0, new)) - set(grown_bundles(0, old))
    assert {bundle.hashes for bundle in grown_bundles(old, new)} == {
        tile for tile in grown_tiles(old, new) if tile.level == 0
    }


def test_what_a_tree_does_not_have_has_no_tile() -> None:
    for level, index in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="1 to 256"):
            tile_at(level, index, 255)
    with pytest.raises(ValueError, match="1 to 256"):
        bundle_at(1, 256)


@given(st.lists(st.binary(max_size=300), max_size=256))
def test_a_bundle_reads_back(entries: list[bytes]) -> None:
    octets = encode_bundle(entries)
    assert decode_bundle(octets) == entries
    for cut in range(max(0, len(octets) - 3), len(octets)):
        try:
            assert decode_bundle(octets[:cut]) == entries[: len(decode_bundle(octets[:cut]))]
        except MalformedBundle:
            continue


def test_lengths_are_sixteen_bits_big_endian() -> None:
    assert encode_bundle([b"ab", b""]) == b"\x00\x02ab\x00\x00"
    assert decode_bundle(b"\x01\x00" + bytes(256)) == [bytes(256)]
    assert decode_bundle(encode_bundle([bytes(MAX_ENTRY_BYTES)])) == [bytes(MAX_ENTRY_BYTES)]
    with pytest.raises(ValueError, match="65,535"):
        encode_bundle([bytes(MAX_ENTRY_BYTES + 1)])


@pytest.mark.parametrize("octets", [b"\x00", b"\x00\x01", b"\x00\x00\x00", b"\xff\xffabc"])
def test_a_bundle_that_is_cut_off_is_refused(octets: bytes) -> None:
    with pytest.raises(MalformedBundle):
        decode_bundle(octets)


EXAMPLE = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"


def test_the_example_of_the_checkpoint_specification() -> None:
    read = parse_checkpoint(EXAMPLE)
    assert (read.origin, read.size, read.text) == ("example.com/behind-the-sofa", 20852163, EXAMPLE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        EXAMPLE[:-1],
        EXAMPLE + "an extension\n",
        EXAMPLE.replace("20852163", "020852163"),
        EXAMPLE.replace("20852163", "-1"),
        EXAMPLE.replace("20852163", "+1"),
        EXAMPLE.replace("20852163", "1_0"),
        EXAMPLE.replace("20852163", "٣"),
        EXAMPLE.replace("example.com/behind-the-sofa", ""),
        EXAMPLE.replace("q2I=", "q2J="),
        EXAMPLE.replace("q2I=", "q2I"),
        EXAMPLE.replace("CsUY", ""),
        EXAMPLE.replace("\n", "\r\n"),
    ],
)
def test_a_checkpoint_has_one_spelling(text: str) -> None:
    with pytest.raises(MalformedCheckpoint):
        parse_checkpoint(text)


def test_a_checkpoint_cannot_be_made_of_nonsense() -> None:
    for origin, size, root in (("a\nb", 1, bytes(32)), ("a", -1, bytes(32)), ("a", 1, bytes(31)), (" a", 1, bytes(32))):
        with pytest.raises(MalformedCheckpoint):
            Checkpoint(origin, size, root)
