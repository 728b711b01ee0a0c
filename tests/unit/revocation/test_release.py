"""A document is held because a list is missing, and released when it can be fetched, without a restart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from adapters.fetch import Fetcher
from axis.app import context_of, keeper_of
from axis.blobs import Blobs
from axis.config.load import load_file
from axis.core.house import check_house
from axis.core.model import AttachmentVerdict
from axis.core.problems import Refused
from axis.devpki import Identity
from axis.flow.mailbox import inbox
from axis.flow.pdfworker import PdfWorker
from axis.flow.receive import Taken, receive
from axis.flow.recheck import recheck_held, run_recheck
from axis.reread import reload_trust
from axis.sql.audit import open_books
from axis.sql.engine import open_store
from axis.trust import trust_of
from signing.verdict import PdfOutcome
from tests.pki import Holder, issue, revocation_list, rsa_key
from tests.site import AGENCIES, HOME_AFFAIRS, OFFICE, Site
from tests.unit.pdf.forge import authority_of, plain, sign
from tests.unit.revocation.field import LISTS, RESPONDER, Field, Server, real_now, serving, until

HOUR = timedelta(hours=1)


class Node:
    """A node's means over a real store, with a keeper that fetches from `server`."""

    def __init__(self, folder: Path, field: Field, server: Server, stack: AsyncExitStack, more: str = "") -> None:
        self.site = Site(folder)
        self.field = field
        for holder, name in ((field.root, "root"), (field.authority, "ca")):
            (folder / f"{name}.pem").write_bytes(holder.pems()[0])
        text = self.site.config.read_text()
        text = text.replace(str(self.site.pki.root), str(folder / "root.pem"))
        text = text.replace(str(self.site.pki.issuing), str(folder / "ca.pem"))
        hosts = f'hosts = {{ "{LISTS}" = "{server.url}", "{RESPONDER}" = "{server.url}" }}\n{more}\n'
        self.site.config.write_text(text.replace("[trust]\n", f"[trust]\n{hosts}"))
        self.config = load_file(self.site.config)
        self.blobs = Blobs(self.config.node.blobs)
        self.store = open_store(self.config.store_url, self.blobs)
        stack.push_async_callback(self.store.close)
        self.ctx = context_of(self.config, self.store, {})
        fetcher = Fetcher(self.config.trust.hosts, deadline_s=5.0)
        stack.push_async_callback(fetcher.close)
        self.ctx.evidence = self.keeper = keeper_of(
            self.config, self.ctx, fetcher, partial(reload_trust, self, self.ctx)
        )

    def signed_by(self, holder: Holder, *attachments: bytes) -> bytes:
        folder = self.site.folder
        certificate, key = holder.pems()
        (folder / "signer.pem").write_bytes(certificate)
        (folder / "signer.key").write_bytes(key)
        identity = Identity(folder / "signer.pem", folder / "signer.key", holder.sha256)
        self.site.speaking[OFFICE] = [identity]
        self.site.signers["field"] = identity
        return self.site.package(OFFICE, [HOME_AFFAIRS], attachments or (b"text",), signer="field")

    async def submit(self, package: bytes) -> Taken:
        async with self.blobs.spool(10_000_000) as spool:
            await spool.write(package)
            return await receive(await spool.finish(), self.config.principals[AGENCIES[OFFICE]], self.ctx)

    async def verdicts(self) -> Sequence[AttachmentVerdict]:
        """What was said of the attachments of the one document that waits."""
        (item,) = await inbox(self.config.principals[AGENCIES[HOME_AFFAIRS]], 0, 50, self.ctx)
        return await self.store.views.attachment_verdicts(item.document)

    async def waiting(self) -> int:
        return len(await inbox(self.config.principals[AGENCIES[HOME_AFFAIRS]], 0, 50, self.ctx))

    def check(self) -> None:
        with open_books(self.config.store_url, lambda ref: self.blobs.path(ref).read_bytes()) as books:
            assert check_house(books) == ()


def node(folder: Path, holder: Holder, field: Field, server: Server, stack: AsyncExitStack, more: str = "") -> Node:
    """A node whose registry knows the holder for the office."""
    row = f'"sha256:{holder.sha256}"'
    made = Node(folder, field, server, stack, more)
    agencies = folder / "agencies.toml"
    before = f'"sha256:{made.site.signers[OFFICE].fingerprint}"'
    assert before in agencies.read_text()
    agencies.write_text(agencies.read_text().replace(before, f"{before}, {row}"))
    made.config = load_file(made.site.config)
    made.ctx.network = context_of(made.config, made.store, {}).network
    return made


async def state_of(taken: Taken) -> str:
    assert taken.receipt is not None
    return str(json.loads(taken.receipt.octets)["state"])


async def test_a_held_document_is_released_when_the_list_can_be_fetched(tmp_path: Path) -> None:
    field = Field()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving())
        at = node(tmp_path, field.good, field, server, stack)
        assert await state_of(await at.submit(at.signed_by(field.good))) == "held"
        assert await at.waiting() == 0
        stop = asyncio.Event()
        # The round is an hour away: what releases the document is the evidence itself.
        rounds = asyncio.create_task(run_recheck(HOUR, at.ctx, stop))
        await until(lambda: len(server.asked) >= 3 and not at.keeper._flights)
        assert await at.waiting() == 0
        server.pages |= field.lists(real_now() - HOUR)
        at.keeper._resting.clear()  # the time in which a silent host is left alone has passed
        errand = at.keeper.want(field.good.der)
        assert errand is not None and await errand
        async with asyncio.timeout(10):
            while await at.waiting() == 0:  # noqa: ASYNC110 - the far end of the flow signals nobody here
                await asyncio.sleep(0.01)
        stop.set()
        await rounds
    at.check()
    assert {path.suffix for path in at.config.trust.cache.iterdir()} == {".crl", ".origin"}
    assert trust_of(at.config).epoch == at.ctx.trust.epoch, "a restart starts warm"


async def test_judging_waits_where_the_operator_allows_it(tmp_path: Path) -> None:
    field = Field()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving())
        server.pages |= field.lists(real_now() - HOUR)
        at = node(tmp_path, field.good, field, server, stack, 'fetch_wait = "10s"')
        assert await state_of(await at.submit(at.signed_by(field.good))) == "accepted"
    at.check()


async def test_a_fetched_list_convicts(tmp_path: Path) -> None:
    field = Field()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving())
        server.pages |= field.lists(real_now() - HOUR)
        at = node(tmp_path, field.revoked, field, server, stack, 'fetch_wait = "10s"')
        with pytest.raises(Refused) as refused:
            await at.submit(at.signed_by(field.revoked))
        assert refused.value.problem.extra["reason"] == "cert-revoked"
    at.check()


@pytest.mark.faults
async def test_what_a_time_stamp_in_a_pdf_lacks_is_fetched(tmp_path: Path) -> None:
    """Signer and package are known to be good; the authority of the stamp has a publisher of its own."""
    field = Field()
    beside = issue("CA dấu thời gian", field.root, ca=True, more=[field.points("root")])
    usage = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True)
    stamps = issue("Máy", beside, key=rsa_key(number=3), more=[field.points("stamps"), usage])
    at_first = real_now() - timedelta(minutes=5)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving())
        server.pages |= field.lists(real_now() - HOUR)
        at = node(tmp_path, field.good, field, server, stack, 'fetch_wait = "10s"\npdf = "gate"')
        with (tmp_path / "ca.pem").open("ab") as file:
            file.write(beside.pems()[0])
        await at.keeper.reload()
        at.ctx.pdfs = pdfs = PdfWorker()
        stack.callback(pdfs.close)
        pdf = await asyncio.to_thread(  # pyHanko runs a loop of its own
            sign, plain(), field.good, authority=authority_of(stamps, at_first), claimed_at=at_first
        )
        assert await state_of(await at.submit(at.signed_by(field.good, pdf))) == "held"
        assert server.asked.count("/stamps.crl") == 1
        server.pages["/stamps.crl"] = revocation_list(beside, at=real_now() - HOUR, until=real_now() + HOUR)
        at.keeper._resting.clear()  # the time in which a silent host is left alone has passed
        at.ctx.now = lambda: real_now() + timedelta(minutes=2)  # and the document is due
        assert (await recheck_held(dict(at.config.principals), at.ctx)).moved == 1
        assert await at.waiting() == 1
        (seen,) = [one.found for one in await at.verdicts() if one.found.outcome is PdfOutcome.VALID]
        assert not seen.waits
    at.check()
