"""A document whose certificate cannot be judged yet: held, invisible, released or refused, and the sender is told."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from axis.app import context_of
from axis.blobs import Blobs
from axis.config import load_file
from axis.config.model import Config
from axis.core.house import check_house
from axis.core.model import Cargo
from axis.core.problems import Kind, Refused, Unavailable
from axis.flow.context import Context
from axis.flow.mailbox import acknowledge, inbox
from axis.flow.receive import Taken, issue_receipt, receive
from axis.flow.recheck import recheck_held
from axis.flow.report import visible_document
from axis.sql.audit import open_books
from axis.sql.engine import open_store
from axis.trust import trust_of
from tests.site import AGENCIES, HOME_AFFAIRS, OFFICE, Site


@dataclass
class Desk:
    """A node's means without its listeners: what a flow needs, over a real store."""

    site: Site
    config: Config
    ctx: Context
    blobs: Blobs

    async def submit(self, package: bytes, agency: str = OFFICE) -> Taken:
        async with self.blobs.spool(10_000_000) as spool:
            await spool.write(package)
            return await receive(await spool.finish(), self.config.principals[AGENCIES[agency]], self.ctx)

    async def waiting(self, agency: str) -> list[str]:
        items = await inbox(self.config.principals[AGENCIES[agency]], 0, 50, self.ctx)
        return [item.cargo for item in items]

    def lists_come(self) -> None:
        for name in ("root.crl", "issuing.crl"):
            shutil.copy(self.site.folder / "kept" / name, self.site.pki.crls / name)
        self.ctx.trust = trust_of(self.config)

    async def recheck(self) -> int:
        return (await recheck_held(dict(self.config.principals), self.ctx)).moved


@asynccontextmanager
async def desk(folder: Path, url: str | None = None) -> AsyncIterator[Desk]:
    """A desk whose revocation lists have not come yet. `url` is another store than the site's own."""
    site = Site(folder)
    shutil.copytree(site.pki.crls, folder / "kept")
    for file in site.pki.crls.iterdir():
        file.unlink()
    config = load_file(site.config)
    blobs = Blobs(config.node.blobs)
    url = url or config.store_url
    store = open_store(url, blobs)
    try:
        yield Desk(site, config, context_of(config, store, {}), blobs)
    finally:
        await store.close()
    with open_books(url, lambda ref: blobs.path(ref).read_bytes()) as books:
        assert check_house(books) == ()


async def test_a_held_document_is_released_when_the_lists_come_and_both_sides_hear_of_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        package = at.site.package(OFFICE, [HOME_AFFAIRS])
        taken = await at.submit(package)
        assert taken.receipt is not None
        assert json.loads(taken.receipt.octets)["state"] == "held"
        assert await at.waiting(HOME_AFFAIRS) == []
        ref, addressed = taken.receipt.document.ref, at.config.principals[AGENCIES[HOME_AFFAIRS]]
        with pytest.raises(Refused) as hidden:
            await visible_document(ref, addressed, at.ctx)
        assert hidden.value.problem.kind is Kind.NOT_FOUND
        assert await at.recheck() == 0
        at.lists_come()
        assert await at.recheck() == 1
        assert await at.waiting(HOME_AFFAIRS) == [Cargo.DOCUMENT]
        (item,) = await inbox(at.config.principals[AGENCIES[OFFICE]], 0, 50, at.ctx)
        assert item.notice is not None
        assert json.loads(item.notice)["outcome"] == "released"
        await acknowledge(item.delivery, at.config.principals[AGENCIES[OFFICE]], at.ctx)
        document = await at.ctx.store.views.document(taken.receipt.document.ref)
        assert document is not None
        assert issue_receipt(document, at.ctx).octets == taken.receipt.octets, "the receipt is the same for ever"


async def test_a_held_document_whose_certificate_turns_out_revoked_is_refused_with_a_notice(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.submit(at.site.package(OFFICE, [HOME_AFFAIRS]))
        at.site.pki.revoke(at.site.signers[OFFICE])
        at.site.pki.write_crl()
        at.ctx.trust = trust_of(at.config)
        assert await at.recheck() == 1
        assert await at.waiting(HOME_AFFAIRS) == []
        (item,) = await inbox(at.config.principals[AGENCIES[OFFICE]], 0, 50, at.ctx)
        assert item.notice is not None
        facts = json.loads(item.notice)
        assert (facts["outcome"], facts["reason"]) == ("refused", "cert-revoked")


async def test_past_its_time_a_held_document_is_refused_with_a_notice(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.submit(at.site.package(OFFICE, [HOME_AFFAIRS]))
        began = at.ctx.now()
        at.ctx.now = lambda: began + timedelta(hours=73)
        assert await at.recheck() == 1
        assert await at.waiting(OFFICE) == [Cargo.NOTICE]
        assert await at.waiting(HOME_AFFAIRS) == []


async def test_past_the_budget_intake_answers_clearly_and_lets_judged_ones_in(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        at.ctx.network = replace(at.ctx.network, hold_count=2)
        for _ in range(2):
            await at.submit(at.site.package(OFFICE, [HOME_AFFAIRS]))
        late = at.site.package(OFFICE, [HOME_AFFAIRS])
        with pytest.raises(Unavailable) as caught:
            await at.submit(late)
        assert caught.value.problem.kind is Kind.REVOCATION_UNKNOWN
        at.lists_come()
        assert await at.recheck() == 2
        taken = await at.submit(late)
        assert taken.receipt is not None
        assert json.loads(taken.receipt.octets)["state"] == "accepted"
        assert await at.waiting(HOME_AFFAIRS) == [Cargo.DOCUMENT] * 3
