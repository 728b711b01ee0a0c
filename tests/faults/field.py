"""A node as a real process, three agencies with mailboxes and one that is called, and a history of all they do."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Self

from axis.core.house import check_house
from axis.core.model import PayloadRef
from axis.demo.network import last_lines
from axis.sql.audit import open_books
from schemas.envelope import Business, MessageKind
from signing.keys import load_ed25519, raw_public
from signing.note import NoteSigner
from tests.faults.place import Place
from tests.flow.receiver import TAKEN, Answer, Got, Receiver
from tests.history.event import History, Operation
from tests.history.logbook import Logbook, Unreadable, read_logbook
from tests.history.package import Package
from tests.history.rules import Violation, World, check
from tests.mutations.edit import Mutation
from tests.site import AGENCIES, FINANCE, HOME_AFFAIRS, OFFICE, Site, pushed, row, until

INSIDE = Path(__file__).parent / "inside"
ROOT = Path(__file__).parents[2]
HEALTH = "000.00.15.H99"
CALLED = "so-y-te"
SETTINGS = 'pdf = "off"\n[delivery]\nlease = "3s"\nfirst_retry = "200ms"\nretry_ceiling = "1s"'
LARGE = 300_000
NOTHING = Package(b"", "", (), "")
_CODE = re.compile(rb"<(?:\w+:)?OrganId>([^<]+)<")


class Listener(Receiver):
    """The agency that is called. What it answers with 2xx it has got, for the history too. It answers while `go` is
    set."""

    def __init__(self, history: History) -> None:
        super().__init__()
        self._history = history
        self.go = threading.Event()
        self.go.set()

    def _answer(self, got: Got) -> Answer:
        answer = super()._answer(got)

        def told(handler: BaseHTTPRequestHandler) -> None:
            says = {
                "delivery": got.headers["axis-delivery"],
                "cargo": got.headers["axis-cargo"],
                "document": got.headers["axis-document"],
                "code": got.headers.get("axis-status", ""),
                "receiver": "",
            }
            if says["cargo"] == "status":
                says["receiver"] = _CODE.findall(got.body)[0].decode()
            with self._history.doing(HEALTH, Operation.PUSH, **says) as attempt:
                self.go.wait(60)
                answer(handler)
                if answer is TAKEN:
                    attempt.ok(sha256=hashlib.sha256(got.body).hexdigest())

        return told


@dataclass
class Field:
    """One site with its history. `places` are where the node can be told to fail, `mutation` what it is run without."""

    site: Site
    history: History
    listener: Listener
    places: Mapping[str, Place]
    orders: int = 0
    numbers: int = 0
    last: Package = NOTHING
    patience_s: float = 60.0
    """How long anything may take that must come to an end."""

    @classmethod
    def make(
        cls,
        folder: Path,
        places: Mapping[str, Place],
        store: str = "",
        mutation: Mutation | None = None,
        more: str = "",
    ) -> Self:
        history = History()
        listener = Listener(history)
        site = Site(folder, SETTINGS + more, store=store)
        site.signers[HEALTH] = site.pki.signer(HEALTH)
        site.registry = row(HEALTH, site.signers[HEALTH])
        key = hashlib.sha256(site.key(CALLED).encode()).hexdigest()
        site.endpoints = pushed(CALLED, HEALTH, listener.url, f'api_keys = ["sha256:{key}"]\n')
        site.configure()
        site.agencies = {**site.agencies, HEALTH: CALLED}
        inside = folder / "inside"
        inside.mkdir()
        plan = {
            "places": {name: (place.module, place.attribute, place.when) for name, place in places.items()},
            "edits": edits_of(mutation),
        }
        (inside / "plan.json").write_text(json.dumps(plan))
        path = os.pathsep.join((str(INSIDE), str(ROOT)))
        site.environment = {"PYTHONPATH": path, "AXIS_TEST_INSIDE": str(inside)}
        return cls(site, history, listener, places)

    def beside(self, instance: str, store: str) -> Self:
        """Another process of the node, that gets to its database by `store`. They have one history."""
        known, self.site.agencies = self.site.agencies, AGENCIES
        other = self.site.beside(instance)
        other.store = store
        other.configure()
        self.site.agencies = other.agencies = known
        return replace(self, site=other)

    @property
    def inside(self) -> Path:
        return self.site.folder / "inside"

    # --- faults

    @contextmanager
    def armed(self, place: str, *, skip: int = 0, errno: int = 0, pause_s: float = 0) -> Iterator[None]:
        """Inside, the node fails at this place; afterwards it must have been there."""
        self.orders += 1
        order = {"id": f"{place}#{self.orders}", "place": place, "skip": skip, "errno": errno, "pause_s": pause_s}
        (self.inside / "order").write_text(json.dumps(order))
        (self.inside / "order").rename(self.inside / "armed")
        try:
            yield
        finally:
            (self.inside / "armed").unlink()
        fired = self.inside / "fired"
        assert fired.exists() and order["id"] in fired.read_text().splitlines(), f"the fault never fired: {place}"

    def dies(self, how: int = -signal.SIGKILL) -> None:
        """The node has ended so, or does within a few seconds."""
        assert self.site.process is not None
        try:
            assert self.site.process.wait(20) == how, last_lines(self.site.log, 30)
        except subprocess.TimeoutExpired:
            raise AssertionError("the node lives: " + last_lines(self.site.log)) from None

    def quiet(self) -> None:
        """Nothing is under way in the node: what it does next was asked for."""
        until("nothing is under way", lambda: not self._open(), self.patience_s)

    # --- what agencies do

    def package(
        self,
        to: Sequence[str] = (HOME_AFFAIRS, FINANCE, HEALTH),
        *,
        by: str = OFFICE,
        size: int = 500,
        business: Business | None = None,
        document_id: str | None = None,
    ) -> Package:
        self.numbers += 1
        name = document_id or f"{by},2026/11/23,{self.numbers}/LOI"
        octets = self.site.package(by, to, [bytes([self.numbers % 251]) * size], document_id=name, business=business)
        kind = (business.kind if business else MessageKind.NEW).slug
        name = (business and business.document_id) or name
        self.last = Package(octets, by, tuple(to), name, kind)
        return self.last

    def recall(self, of: Package) -> Package:
        business = Business(kind=MessageKind.RECALL, document_id=of.document_id, reason="Gửi nhầm")
        return self.package(of.recipients, by=of.sender, business=business)

    def submit(self, package: Package) -> dict[str, Any] | None:
        """Send it once: its receipt, `None` when nobody knows or it was refused."""
        with self.history.doing(package.sender, Operation.SUBMIT, **package.said()) as attempt, unanswered():
            reply = self.site.send(package.octets, package.sender)
            if reply.status == 202:
                attempt.ok(receipt=reply.body.decode())
                return reply.json()
            if 400 <= reply.status < 500:
                attempt.fail(status=reply.status, problem=reply.json().get("type"))
        return None

    def insist(self, package: Package) -> dict[str, Any]:
        """Send it until it is taken, as a sender does who got no answer."""
        return until("it is taken", lambda: self.submit(package), self.patience_s)

    def listed(self, agency: str) -> list[dict[str, Any]]:
        with self.history.doing(agency, Operation.LIST) as attempt, unanswered():
            reply = self.site.get("/v1/inbox?limit=200", agency)
            if reply.status == 200:
                items = [_item(one) for one in reply.json()["items"]]
                attempt.ok(items=items)
                return items
        return []

    def fetch(self, agency: str, item: Mapping[str, Any]) -> bytes | None:
        with self.history.doing(agency, Operation.FETCH, **item) as attempt, unanswered():
            reply = self.site.get(f"/v1/deliveries/{item['delivery']}/package", agency)
            if reply.status == 200:
                attempt.ok(sha256=hashlib.sha256(reply.body).hexdigest())
                return reply.body
            if reply.status < 500:
                attempt.fail(status=reply.status)
        return None

    def ack(self, agency: str, delivery: str) -> bool:
        with self.history.doing(agency, Operation.ACK, delivery=delivery) as attempt, unanswered():
            reply = self.site.post(f"/v1/deliveries/{delivery}/ack", agency)
            if reply.status == 200:
                attempt.ok(document=reply.json()["document"])
                return True
            if reply.status < 500:
                attempt.fail(status=reply.status)
        return False

    def empty(self, agency: str) -> int:
        """List, fetch and acknowledge what is there; how many things were listed."""
        items = self.listed(agency)
        for item in items:
            if self.fetch(agency, item) is not None:
                self.ack(agency, item["delivery"])
        return len(items)

    def status(self, agency: str, document: str, code: str) -> dict[str, Any] | None:
        with self.history.doing(agency, Operation.STATUS, document=document, code=code) as attempt, unanswered():
            reply = self.site.status(agency, document, code)
            if reply.status == 202:
                said = reply.json()
                attempt.ok(status=said["status"], receiver=said["receiver"], standing=said["standing"])
                return said
            if reply.status < 500:
                attempt.fail(status=reply.status)
        return None

    def remember_head(self) -> None:
        """Keep the checkpoint that the axis shows now, as witnesses do."""
        with self.history.doing(OFFICE, Operation.HEAD) as attempt, unanswered():
            reply = self.site.get("/v1/log/checkpoint", OFFICE)
            if reply.status == 200:
                attempt.ok(note=reply.body.decode())

    # --- afterwards

    def _open(self) -> int:
        """Deliveries to the one that is called, and log entries, that are under way."""
        (calls,) = self.site.rows("SELECT count(*) FROM delivery WHERE endpoint = ? AND state <> 'delivered'", CALLED)[
            0
        ]
        return int(calls) + (not self.site.log_has_all())

    def spooled(self) -> list[Path]:
        """What bodies on their way have left in the spool, whatever it is called."""
        return list((self.site.folder / "data" / "blobs").glob("spool*/*"))

    def open_files(self) -> set[str]:
        """What the node has open: paths, and sockets by their inode (proc(5))."""
        assert self.site.process is not None
        found = set()
        for one in Path(f"/proc/{self.site.process.pid}/fd").iterdir():
            try:
                found.add(str(one.readlink()))
            except FileNotFoundError:
                continue
        return found

    def at_rest(self) -> bool:
        return not self._open()

    def drain(self) -> None:
        """Empty every mailbox, and wait until nothing is under way."""
        with self.history.doing("harness", Operation.DRAIN, limit_s=self.patience_s) as attempt:

            def done() -> bool:
                return not sum([self.empty(agency) for agency in AGENCIES]) and not self._open()

            until("everything is delivered and logged", done, self.patience_s)
            attempt.ok()

    def broken(self) -> list[Violation]:
        """What the history and the log's folder say, once everything has settled. Without a look into the product."""
        self.remember_head()
        openings = dict(self.site.rows("SELECT ref, nonce FROM document"))
        receipts = load_ed25519((self.site.folder / "keys" / "receipt.pem").read_bytes())
        world = World(frozenset((*AGENCIES, HEALTH)), openings=openings, receipt_key=raw_public(receipts))
        return check(self.history, self.logbook(), world)

    def logbook(self) -> Logbook | Unreadable:
        key = NoteSigner(self.site.name, load_ed25519((self.site.folder / "keys" / "log.pem").read_bytes())).verifier
        try:
            return read_logbook(self.site.folder / "data" / "log", self.site.folder / "checkpoints", str(key))
        except Unreadable as error:
            return error

    def house(self) -> list[str]:
        """What the product's own audit finds, beside the checker."""

        def octets(ref: PayloadRef) -> bytes | None:
            path = self.site.blobs.path(ref)
            return path.read_bytes() if path.exists() else None

        with open_books(self.site.database, octets) as books:
            return [str(finding) for finding in check_house(books)]

    def settled(self) -> None:
        """Drain, then nothing may be broken."""
        self.drain()
        found = [*map(str, self.broken()), *self.house()]
        assert not found, "\n".join(found)

    def end(self) -> None:
        if self.site.running:
            self.site.kill()


@contextmanager
def field_of(folder: Path, places: Mapping[str, Place], *, start: bool = True, **options: Any) -> Iterator[Field]:
    """A field whose node runs, or is yet to `start`. Afterwards nothing of it does."""
    made = Field.make(folder, places, **options)
    with made.listener:
        try:
            if start:
                made.site.start()
            yield made
        finally:
            made.end()


def again(field: Field) -> None:
    """Write the configuration again, for a start that is to come: the one that is called has no mailbox."""
    known, field.site.agencies = field.site.agencies, AGENCIES
    field.site.configure()
    field.site.agencies = known


@contextmanager
def unanswered() -> Iterator[None]:
    """Whatever a connection can do when the other side is killed: nobody knows what came of it."""
    try:
        yield
    except (OSError, http.client.HTTPException):
        time.sleep(0.05)


def edits_of(mutation: Mutation | None) -> dict[str, list[tuple[str, str]]]:
    """What the node's loader changes: module → texts and what stands there instead."""
    found: dict[str, list[tuple[str, str]]] = {}
    for edit in mutation.edits if mutation else ():
        found.setdefault(edit.file.removesuffix(".py").replace("/", "."), []).append((edit.text, edit.replacement))
    return found


def _item(said: Mapping[str, Any]) -> dict[str, Any]:
    status = said["status"] or {}
    return {
        "delivery": said["delivery"],
        "cargo": said["cargo"],
        "document": said["document"],
        "code": status.get("code", ""),
        "receiver": status.get("receiver", ""),
    }
