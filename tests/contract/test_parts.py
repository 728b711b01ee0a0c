"""Attachments beside their envelope are part of the house: kept, found, copied, and missed when they are gone."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from axis.blobs import Blobs
from axis.core.house import check_house
from axis.core.intake import decide_intake
from axis.core.model import AttachmentRecord, Document, PayloadRef
from axis.flow.body import body_of, stored_parts
from axis.sql.audit import open_books
from axis.sql.copy import copy_store
from axis.sql.engine import open_store
from axis.sql.store import SqlStore
from schemas.multipart import PackageForm, content_type_with
from tests.parts import taken_apart
from tests.stores import ready
from tests.unit.core.world import NONCE, NOW, content, ids, network, passed, submission

LARGE, SMALL, ENVELOPE = os.urandom(300_000), b"phu luc", b"<edXML/>"


def ref_of(octets: bytes) -> PayloadRef:
    return PayloadRef(hashlib.sha256(octets).hexdigest(), len(octets))


async def keep(store: SqlStore, attached: Sequence[bytes]) -> Document:
    """A document in parts with these attachments, decided and stored as intake does."""
    records = tuple(
        AttachmentRecord(f"tệp {n}", f"{n}.bin", None, len(octets), ref_of(octets).sha256)
        for n, octets in enumerate(attached)
    )
    said = replace(content(), attachments=records)
    sub = submission(form=PackageForm.PARTS, payload=ref_of(ENVELOPE))
    made = decide_intake(sub, said, passed(), (), {}, network(), NOW, ids(), NONCE)
    shelved = [await store.shelve(octets) for octets in (ENVELOPE, *attached)]

    def body(ledger: object) -> None:
        for ref, octets in shelved:
            if octets is not None:
                ledger.put_payload(ref, octets)  # type: ignore[attr-defined]
        ledger.apply(made)  # type: ignore[attr-defined]

    await store.transact(body)
    assert isinstance(made.reply, Document)
    return made.reply


def findings(url: str, blobs: Blobs) -> list[tuple[str, str]]:
    def read_file(ref: PayloadRef) -> bytes | None:
        path = blobs.path(ref)
        return path.read_bytes() if path.exists() else None

    with open_books(url, read_file) as books:
        return [(one.code, one.detail) for one in check_house(books) if one.code.startswith("payload")]


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/axis.db"
    ready(url)
    return url


async def test_what_is_stored_is_found_again_and_missed(url: str, tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    store = open_store(url, blobs)
    document = await keep(store, [LARGE, SMALL])
    stored = await store.views.document(document.ref)
    assert stored == document
    _, attached, body = await body_of(stored, store.views)
    assert [one.place for one in attached] == [str(blobs.path(ref_of(LARGE))), SMALL]
    octets = b"".join([piece async for piece in body.chunks()])
    assert len(octets) == body.size
    found = taken_apart(octets, body.content_type)
    assert [part for _, part in found] == [ENVELOPE, LARGE, SMALL]
    async with AsyncExitStack() as until:
        parts = await stored_parts(stored, store.views, until)
        assert [part.id for part in parts] == [head.content_id for head, _ in found[1:]]
        for name in ("sha256", "sha384", "sha512"):
            assert [part.digest(name) for part in parts] == [hashlib.new(name, one).digest() for one in (LARGE, SMALL)]
    await store.close()
    assert findings(url, blobs) == []
    path = blobs.path(ref_of(LARGE))
    path.write_bytes(LARGE[:-1])
    assert findings(url, blobs) == [("payload-digest", ref_of(LARGE).sha256)]
    path.unlink()
    assert findings(url, blobs) == [("payload-missing", ref_of(LARGE).sha256)]


async def test_a_copy_has_the_attachments_too(url: str, tmp_path: Path) -> None:
    """Rows go over with the database; files stay in the node's folder, and the copy is asked for them."""
    blobs = Blobs(tmp_path / "blobs")
    store = open_store(url, blobs)
    await keep(store, [LARGE, SMALL])
    await store.close()
    other = f"sqlite:///{tmp_path}/other.db"
    await asyncio.to_thread(copy_store, url, other)
    assert findings(other, blobs) == []
    assert findings(other, Blobs(tmp_path / "elsewhere")) == [("payload-missing", ref_of(LARGE).sha256)]


async def test_the_octets_of_a_spool_are_known_by_any_digest(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    for octets in (LARGE, SMALL, b""):
        async with blobs.spool(1_000_000, 100) as spool:
            await spool.write(octets)
            spooled = await spool.finish()
            place = spooled.place
            assert isinstance(place, str) == (len(octets) > 100)
            for name in ("sha256", "sha512"):
                assert spooled.digest(name) == hashlib.new(name, octets).digest()
            await spooled.keep()
            place = spooled.place
            assert place == (str(blobs.path(spooled.ref)) if len(octets) > 100 else octets)
            assert spooled.digest("sha384") == hashlib.new("sha384", octets).digest()


def test_a_content_type_names_the_boundary() -> None:
    assert content_type_with("axis-0") == 'multipart/related; boundary="axis-0"; type="application/xml"'
