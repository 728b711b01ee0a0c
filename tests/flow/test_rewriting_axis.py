"""A national axis that rewrites what it carries: never valid, never a crash, and the connection's profile decides."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.national.client import VxpClient
from adapters.national.hands import NationalSource
from adapters.national.simulator.main import Running, running
from adapters.national.simulator.settings import SeedAgency, Seeds, SeedSystem, Settings
from adapters.national.vxp import MessageType
from axis.app import context_of
from axis.blobs import Blobs
from axis.config import load_file
from axis.core.house import check_house
from axis.core.model import Document
from axis.flow.poll import take
from axis.sql.audit import open_books
from axis.sql.engine import open_store
from axis.tls import client_context
from schemas.codes import AgencyCode
from signing.verdict import Reason, SubIndication
from tests.site import HOME_AFFAIRS, OFFICE, Site

OURS, THEIRS, SECRET = "00.99.H99", "00.98.H98", "a-secret-for-tests"

NATIONAL = """
[[endpoint]]
name = "quoc-gia"
adapter = "national"
agencies = ["*", "000.00.01.H99"]
profile = "{profile}"
url = "https://127.0.0.1:1/XrdAdapter/adapter"
ca = "pki/tls-ca.pem"
system_id = "{system}"
secret_file = "national.secret"
"""


def settings(site: Site) -> Settings:
    """The sender is registered with another system here, so that its package really crosses; the national
    axis is named for it, as it is connected to us as well."""
    server = site.pki.tls_server("national")
    return Settings(
        data=site.folder / "national",
        seeds=Seeds(
            (
                SeedSystem(OURS, SECRET, (SeedAgency(HOME_AFFAIRS, "Sở Nội vụ"),)),
                SeedSystem(THEIRS, SECRET, (SeedAgency(OFFICE, "Văn phòng"),)),
            )
        ),
        port=0,
        tls_certificate=server.certificate,
        tls_key=server.key,
        rewrite=True,
    )


def now() -> datetime:
    return datetime.now(UTC)


async def octets_of(package: bytes) -> AsyncIterator[bytes]:
    yield package


async def cross(site: Site, axis: Running, package: bytes, profile: str) -> tuple[list[Document], list[str]]:
    """Send from the other system, take in as ours under `profile`; what is stored then, and the transport states."""
    tls = client_context(site.pki.tls_ca)
    sender = VxpClient(axis.url, THEIRS, SECRET, now, tls=tls)
    digest = hashlib.sha256(package).digest()
    await sender.send_edoc(AgencyCode.parse(OFFICE), MessageType.EDOC, octets_of(package), len(package), digest)
    site.config.write_text(site.config.read_text() + NATIONAL.format(profile=profile, system=OURS))
    secret = os.open(site.folder / "national.secret", os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(secret, SECRET.encode())
    os.close(secret)
    config = load_file(site.config)
    blobs = Blobs(config.node.blobs)
    store = open_store(config.store_url, blobs)
    source = NationalSource(VxpClient(axis.url, OURS, SECRET, now, tls=tls))
    try:
        ctx = context_of(config, store, {})
        async for incoming in source.poll():
            assert await take(incoming, config.principals["quoc-gia"], lambda: blobs.spool(10_000_000), ctx) == 1
        documents = list(await store.views.recent(10))
        states = [str(row["receiveStatus"]) for row in await sender.sent(MessageType.EDOC)]
    finally:
        await source.close()
        await sender.close()
        await store.close()
    with open_books(config.store_url, lambda ref: blobs.path(ref).read_bytes()) as books:
        assert check_house(books) == ()
    return documents, states


@pytest.mark.parametrize("profile", ["legacy-tolerated", "verify-if-present", "required"])
async def test_a_rewritten_package_is_not_verifiable_and_the_profile_decides(tmp_path: Path, profile: str) -> None:
    site = Site(tmp_path)
    async with running(settings(site)) as axis:
        documents, states = await cross(site, axis, site.package(OFFICE, [HOME_AFFAIRS]), profile)
    if profile == "legacy-tolerated":
        (document,) = documents
        assert document.verdict.sub_indication is SubIndication.NOT_VERIFIABLE
        assert document.verdict.reason is Reason.NAMESPACE
        assert not document.verdict.passed
        assert document.crossed
        assert states == ["done"]
    else:
        assert documents == []
        assert states == ["fail"], "the other side learns that it was not taken"
