"""Fetch the evidence about revocation that judging misses, keep it as files, and have it refreshed before it ends.

Judging never waits for the network here, unless the operator allows it a little (`fetch_wait`): it asks with `want`,
the document is held, and what arrives lets held documents be judged again at once. What is kept lies in a folder
that is read like every other list of the operator: a restart starts warm, and nothing is used past its own end.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

import structlog

from axis.core.problems import ProblemError, Unavailable
from signing.certificate import Leaf, load_leaf
from signing.policy import SignaturePolicy
from signing.refusal import Refused
from signing.revocation.ocsp import MAX_ANSWER_BYTES
from signing.revocation.request import CLOCKS, Need, check_answer, check_list, evidence_needed, need_of
from signing.store import Issuer
from signing.trust import Trust

log = structlog.get_logger()

MAX_LIST_BYTES: Final = 64 * 1024 * 1024
FIRST_BACK_OFF: Final = timedelta(seconds=10)
LAST_BACK_OFF: Final = timedelta(hours=1)
SOONEST: Final = timedelta(minutes=1)
LIST, ANSWER, ORIGIN = ".crl", ".ocsp", ".origin"
_MOST_WANTED: Final = 64
_KEPT: Final = timedelta(days=30)


class Fetch(Protocol):
    """`ProblemError` where nothing comes."""

    async def fetch(self, url: str, most: int, body: bytes | None = None) -> bytes: ...


@dataclass(slots=True)
class _Rest:
    """What failed is left alone until `until`; twice as long each time."""

    until: datetime
    pause: timedelta


@dataclass(slots=True)
class EvidenceKeeper:
    """`reload` reads the folder again and makes the new `Trust` the current one; `trust` gives the current one.

    `order` says which kind is asked for first; the other only where the first brought nothing. `refresh_due` holds when
    each list that is known by its URL is to be fetched again.
    """

    source: Fetch
    folder: Path
    trust: Callable[[], Trust]
    reload: Callable[[], Awaitable[None]]
    policy: SignaturePolicy
    now: Callable[[], datetime]
    nonce: Callable[[], str]
    order: Sequence[str] = ("crl", "ocsp")
    wait: timedelta = timedelta(0)
    max_list_bytes: int = MAX_LIST_BYTES
    refresh_due: dict[str, tuple[datetime, Need]] = field(default_factory=dict)
    _flights: dict[str, asyncio.Task[bool]] = field(default_factory=dict)
    _resting: dict[str, _Rest] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    # --- asked by the judge

    def want(self, leaf: bytes) -> asyncio.Task[bool] | None:
        """Set out for what is missing about the certificate `leaf` (DER), which was found to lead to a root of ours.

        One errand for everybody who wants the same. The task tells whether anything came; `None` when too many errands
        are under way, and the next recheck asks again.
        """
        return self._fly(f"leaf {hashlib.sha256(leaf).hexdigest()}", lambda: self._bring(leaf))

    async def bring(self, leaf: bytes) -> bool:
        """`want`, and wait for it no longer than the operator allows. The errand goes on after that."""
        errand = self.want(leaf)
        if errand is None or not self.wait:
            return False
        done, _ = await asyncio.wait({errand}, timeout=self.wait.total_seconds())
        return bool(done) and errand.result()

    # --- errands

    def _fly(self, key: str, errand: Callable[[], Awaitable[bool]]) -> asyncio.Task[bool] | None:
        under_way = self._flights.get(key)
        if under_way is not None:
            return under_way
        if len(self._flights) >= _MOST_WANTED:
            return None

        async def go() -> bool:
            try:
                return await errand()
            except OSError as error:
                log.error("evidence_not_kept", error=str(error))
                return False
            finally:
                del self._flights[key]

        task = self._flights[key] = asyncio.create_task(go())
        return task

    async def _bring(self, leaf: bytes) -> bool:
        needs = await asyncio.to_thread(evidence_needed, leaf, self.trust(), self.now(), self.policy)
        came = [await self._satisfy(need) for need in needs]
        if any(came):
            await self.reload()
        return any(came)

    async def _satisfy(self, need: Need) -> bool:
        for kind in self.order:
            for url in need.lists if kind == "crl" else need.responders:
                if await (self._list(url, need) if kind == "crl" else self._answer(url, need)):
                    return True
        return False

    async def _list(self, url: str, need: Need) -> bool:
        """Fetch the list at `url` once for all who want it."""
        task = self._fly(f"list {url}", lambda: self._fetch_list(url, need))
        return task is not None and await asyncio.shield(task)

    async def _fetch_list(self, url: str, need: Need) -> bool:
        der = await self._fetched(url, self.max_list_bytes)
        if der is None:
            self._again_later(url, need)
            return False
        try:
            crl = await asyncio.to_thread(check_list, der, need, self.trust(), self.now(), self.policy)
        except ValueError as error:
            self._refused(url, str(error))
            self._again_later(url, need)
            return False
        kept = {ORIGIN: need.certificate_octets, LIST: der}
        if crl.this_update > self.now() + CLOCKS:
            # One of two clocks is wrong. It may only convict, so the one in force stays, and is asked for again.
            await asyncio.to_thread(self._keep, f"{url} ahead", kept)
            self._rest(url)
            self._again_later(url, need)
            log.warning("revocation_list_ahead", url=url, sha256=crl.sha256, since=crl.this_update.isoformat())
            return True
        await asyncio.to_thread(self._keep, url, kept)
        end = crl.end(self.trust().freshness) or self.now()
        self.refresh_due[url] = (self._before(crl.this_update, end), need)
        self._changed.set()
        self._served(url)
        log.info("revocation_list_fetched", url=url, sha256=crl.sha256, number=crl.number, until=end.isoformat())
        return True

    async def _answer(self, url: str, need: Need) -> bool:
        serial = need.certificate.serial_number
        key = f"{url} {need.issuer.sha256} {serial:x}"
        task = self._fly(f"answer {key}", lambda: self._fetch_answer(url, key, need))
        return task is not None and await asyncio.shield(task)

    async def _fetch_answer(self, url: str, key: str, need: Need) -> bool:
        nonce = bytes.fromhex(self.nonce())[:32]
        der = await self._fetched(url, MAX_ANSWER_BYTES, need.ocsp_request(nonce))
        if der is None:
            return False
        try:
            end = await asyncio.to_thread(check_answer, der, need, nonce, self.trust(), self.now(), self.policy)
        except ValueError as error:
            self._refused(url, str(error))
            return False
        await asyncio.to_thread(self._keep, key, {ANSWER: der})
        self._served(url)
        log.info("revocation_answer_fetched", url=url, until=end.isoformat())
        return True

    async def _fetched(self, url: str, most: int, body: bytes | None = None) -> bytes | None:
        host = _host(url)
        for name in (host, url):
            resting = self._resting.get(name)
            if resting is not None and self.now() < resting.until:
                return None
        try:
            octets = await self.source.fetch(url, most, body)
        except ProblemError as error:
            self._rest(host if isinstance(error, Unavailable) else url)
            log.warning("evidence_unavailable", url=url, problem=error.problem.detail)
            return None
        return octets

    def _served(self, url: str) -> None:
        for name in (_host(url), url):
            self._resting.pop(name, None)

    def _refused(self, url: str, why: str) -> None:
        self._rest(url)
        log.warning("evidence_refused", url=url, why=why)

    def _rest(self, name: str) -> None:
        """Leave a host, or one URL of it, alone for a while."""
        before = self._resting.get(name)
        pause = FIRST_BACK_OFF if before is None else min(before.pause * 2, LAST_BACK_OFF)
        self._resting[name] = _Rest(self.now() + pause, pause)

    # --- files

    def _keep(self, key: str, files: Mapping[str, bytes]) -> None:
        """Write files, each whole or not at all; what is there under this key is replaced."""
        self.folder.mkdir(parents=True, exist_ok=True)
        stem = self.folder / hashlib.sha256(key.encode()).hexdigest()
        for suffix, octets in files.items():
            _write(stem.with_suffix(suffix), octets)

    def sweep(self) -> None:
        """Remove answers that ended long ago. Lists stay: their URLs say what to fetch again, and revoked is final."""
        for path in self.folder.glob(f"*{ANSWER}"):
            if self.now().timestamp() - path.stat().st_mtime > _KEPT.total_seconds():
                path.unlink(missing_ok=True)

    # --- refreshing

    async def run(self, stop: asyncio.Event) -> None:
        """Fetch lists before they end, until `stop`. Begins with those that the authorities of our store publish."""
        await asyncio.to_thread(self.sweep)
        self.schedule()
        while not stop.is_set():
            self._changed.clear()
            await self.refresh()
            await self._rest_until_due(stop)
        for task in list(self._flights.values()):
            task.cancel()

    def schedule(self) -> None:
        """Every list that our authorities' certificates name, and every one that was fetched before, at its time."""
        store = self.trust().store
        subjects: list[Leaf | Issuer] = [issuer for issuer in store.issuers if not issuer.root]
        subjects += [leaf for _, leaf in self._origins()]
        for subject in subjects:
            for path in store.paths(subject, self.policy.max_path_length)[:1]:
                need = need_of(subject.certificate, path[0])
                for url in need.lists:
                    self.refresh_due.setdefault(url, (self._due(need), need))

    def _due(self, need: Need) -> datetime:
        """When the newest list that we have of this authority is to be fetched again; now where there is none."""
        trust, now = self.trust(), self.now()
        lists = [crl for crl in trust.store.lists_of(need.issuer) if crl.is_fresh(now, trust.freshness)]
        ends = max((crl.end(trust.freshness) or now for crl in lists), default=None)
        return now if ends is None else self._before(min(crl.this_update for crl in lists), ends)

    async def refresh(self) -> bool:
        """Fetch what is due now. Tells whether anything came."""
        due = [(url, need) for url, (when, need) in self.refresh_due.items() if when <= self.now()]
        came = [await self._list(url, need) for url, need in due]
        if any(came):
            await self.reload()
        return any(came)

    async def _rest_until_due(self, stop: asyncio.Event) -> None:
        soonest = min((when for when, _ in self.refresh_due.values()), default=self.now() + LAST_BACK_OFF)
        pause = max(soonest - self.now(), timedelta(seconds=1))
        waiting = {asyncio.ensure_future(stop.wait()), asyncio.ensure_future(self._changed.wait())}
        await asyncio.wait(waiting, timeout=pause.total_seconds(), return_when=asyncio.FIRST_COMPLETED)
        for one in waiting:
            one.cancel()

    def _before(self, begin: datetime, end: datetime) -> datetime:
        """A fifth of its life before a list ends, at most half a day; then, while the old one is still served, after a
        quarter of what is left."""
        lead, left = min((end - begin) / 5, timedelta(hours=12)), end - self.now()
        return max(end - lead, self.now() + max(left / 4, SOONEST))

    def _again_later(self, url: str, need: Need) -> None:
        rests = (self._resting.get(name) for name in (_host(url), url))
        due = max([self.now() + SOONEST, *(rest.until for rest in rests if rest is not None)])
        self.refresh_due[url] = (due, need)
        self._changed.set()

    def _origins(self) -> Iterator[tuple[str, Leaf]]:
        """The certificates on whose word lists were fetched, from the files beside these."""
        for path in sorted(self.folder.glob(f"*{ORIGIN}")):
            try:
                yield path.stem, load_leaf(path.read_bytes())
            except (OSError, Refused):
                continue


def _host(url: str) -> str:
    """The host that a URL of a certificate names. What is no URL stands for itself; `Fetch` refuses it."""
    try:
        return urlsplit(url).netloc
    except ValueError:
        return url


def _write(path: Path, octets: bytes) -> None:
    spool = path.with_suffix(path.suffix + ".new")
    with spool.open("wb") as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())
    spool.replace(path)
