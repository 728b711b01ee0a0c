"""One node as a real process, with agencies around it: for tests that kill, restart and look from outside."""

from __future__ import annotations

import base64
import copy
import hashlib
import http.client
import json
import os
import signal
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pybase64
from lxml import etree

from axis.blobs import Blobs
from axis.care.files import Files
from axis.core.canonical import canonical
from axis.core.house import check_house
from axis.demo.client import Client, Door, Reply, bearer
from axis.demo.network import HOST, free_ports, last_lines
from axis.devpki import DevPki, Identity, write_ed25519
from axis.holding import Holding, read
from axis.log.findings import LogReport
from axis.log.verify import verify_log
from axis.objects.holding import Objects
from axis.sql.address import connect
from axis.sql.audit import open_books
from schemas.attachment import encoded_attachments
from schemas.codes import AgencyCode
from schemas.content import Content
from schemas.envelope import (
    AttachmentInfo,
    Business,
    DocumentNumber,
    DocumentType,
    Envelope,
    MessageKind,
    Organization,
    OtherInfo,
    Priority,
)
from schemas.limits import XmlLimits
from schemas.structure import signature_place, signed_parts
from schemas.write import serialise, write_document
from schemas.xml import parse_xml
from signing.keys import load_ed25519, raw_public, verify_bytes
from signing.note import NoteSigner
from signing.sign import load_signer, sign_enveloped, sign_parts
from tests.buckets import Rented
from tests.described import listed
from tests.forked import HEARS, Forked
from tests.stores import ready

T = TypeVar("T")

PROVINCE = "000.00.00.H99"
OFFICE = "000.00.01.H99"
HOME_AFFAIRS = "000.00.13.H99"
FINANCE = "000.00.14.H99"
AGENCIES = {OFFICE: "van-phong", HOME_AFFAIRS: "so-noi-vu", FINANCE: "so-tai-chinh"}
READY_S = 120.0
PATIENCE_S = 30.0
TABLES = (
    "document",
    "document_recipient",
    "delivery",
    "status_report",
    "notice",
    "follow_up",
    "payload",
)
"""What a request may change. Judgements of attachments, and evidence, which comes with them too, are not among them:
the node takes its time for these."""

Bend = Callable[[etree._Element], None]

_HURRIED = (
    "import sys; from dataclasses import replace; from datetime import timedelta; import axis.app; "
    "from axis.cli import main; axis.reread.EVERY = axis.app.RECHECK_EVERY = timedelta(seconds=0.2); "
    "axis.app.PDF_BOUNDS = replace(axis.app.PDF_BOUNDS, cpu_s=1.0); main(sys.argv[1:])"
)


def until(what: str, ask: Callable[[], T | None], patience_s: float = PATIENCE_S) -> T:
    """Ask again and again until the answer is true, and return it. Fails with `what` when it never is."""
    deadline = time.monotonic() + patience_s
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)
    return answer


def row(code: str, *certificates: Identity, parent: str = PROVINCE, more: str = "") -> str:
    """One agency of the registry."""
    listed = ", ".join(f'"sha256:{one.fingerprint}"' for one in certificates)
    return (
        f'[[agency]]\ncode = "{code}"\nname = "Cơ quan {code}"\nlevel = "province"\nparent = "{parent}"\n'
        f"certificates = [{listed}]\n{more}\n"
    )


def pushed(name: str, agency: str, url: str, more: str = "") -> str:
    """An endpoint that documents for one agency are pushed to, with `more` lines of its own, and the route to it."""
    return (
        f'[[endpoint]]\nname = "{name}"\nadapter = "http-push"\nagencies = ["{agency}"]\nurl = "{url}"\n{more}'
        f'[[route]]\nprefix = "{agency}"\nendpoint = "{name}"\n'
    )


@dataclass
class Site:
    """A province's node with three mailboxes in `folder`. `start` and `kill` as often as one likes.

    `agencies` have mailboxes here; `registry` and `endpoints` are more of both files; `more` stands between. `shared`
    is the PKI of a neighbour, `crls` where revocation lists are looked for instead of there. A `hurried` node reads its
    trust files and looks at held documents five times a second, and gives an attachment one second of its judge.

    Octets above `inline_max` are files, or objects in `bucket`. With `store`, the address of an empty PostgreSQL whose
    answers are waited for `patience`, others of the same node may run `beside` this one.
    """

    folder: Path
    more: str = ""
    name: str = "truc-thu"
    agencies: Mapping[str, str] = field(default_factory=lambda: dict(AGENCIES))
    registry: str = ""
    endpoints: str = ""
    shared: DevPki | None = None
    crls: Path | None = None
    hurried: bool = False
    signed_before: timedelta = timedelta()
    """How long ago what is made now was signed."""
    store: str = ""
    patience: str = ""
    inline_max: str = ""
    bucket: Rented | None = None
    instance: str = ""
    process: subprocess.Popen[bytes] | Forked | None = None
    forked: bool = False
    """Start it from a process that has imported the program, see `tests.forked`."""
    signers: dict[str, Identity] = field(default_factory=dict)
    doors: dict[str, Identity] = field(default_factory=dict)
    speaking: dict[str, list[Identity]] = field(default_factory=dict)
    made: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    """What the daemon's environment has beside ours."""
    watcher: Sequence[str] = ()
    """A command that runs the daemon's, and becomes it."""

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.pki = self.shared or DevPki.create(self.folder / "pki", datetime.now(UTC))
        self.port, self.operator = free_ports(2)
        self.server = self.pki.tls_server(self.name)
        for code, name in self.agencies.items():
            self.signers[code] = self.pki.signer(code)
            self.doors[code] = self.pki.tls_client(name)
        for name in ("receipt", "log"):
            write_ed25519(self.folder / "keys" / f"{name}.pem")
        self.configure()
        (self.folder / "data").mkdir(exist_ok=True)
        ready(self.database)

    def configure(self) -> None:
        """Write both files; what was changed counts from the next start on."""
        rows = [f'[[agency]]\ncode = "{PROVINCE}"\nname = "UBND"\nlevel = "province"\n', self.registry]
        blocks = [self.endpoints]
        for code, name in self.agencies.items():
            rows.append(row(code, self.signers[code], *self.speaking.get(code, ())))
            digest = hashlib.sha256(self.key(name).encode()).hexdigest()
            blocks.append(
                f'[[endpoint]]\nname = "{name}"\nadapter = "mailbox"\nagencies = ["{code}"]\n'
                f'api_keys = ["sha256:{digest}"]\ncertificates = ["sha256:{self.doors[code].fingerprint}"]\n'
                f'[[route]]\nprefix = "{code}"\nendpoint = "{name}"\n'
            )
        (self.folder / "agencies.toml").write_text("\n".join(rows))
        kept = f'inline_max = "{self.inline_max}"\n' if self.inline_max else ""
        kept += f'patience = "{self.patience}"\n' if self.patience else ""
        objects = ""
        if self.bucket is not None:
            kept += f'blobs = "{self.bucket.url}"\n'
            secret = self.folder / "keys" / "objects.secret"
            secret.touch(0o600)
            secret.write_text(self.bucket.credentials.secret)
            objects = self.bucket.section("keys/objects.secret")
        self.config.write_text(
            f'[node]\nname = "{self.name}"\ndata = "data"\ninstance = "{self.instance or "main"}"\n'
            f'[store]\nurl = "{self.store or "sqlite:///axis.db"}"\n{kept}{objects}'
            f'[listen]\nagencies = "{HOST}:{self.port}"\n'
            f'certificate = "{self.server.certificate}"\nkey = "{self.server.key}"\n'
            f'client_ca = ["{self.pki.tls_ca}"]\noperator = "{HOST}:{self.operator}"\n'
            f'[trust]\nanchors = ["{self.pki.root}"]\nintermediates = ["{self.pki.issuing}"]\n'
            f'crls = ["{self.crls or self.pki.crls}"]\n{self.more}\n' + "\n".join(blocks)
        )

    @property
    def config(self) -> Path:
        return self.folder / (f"axis-{self.instance}.toml" if self.instance else "axis.toml")

    @property
    def log(self) -> Path:
        """What the daemon says."""
        return self.folder / (f"node-{self.instance}.log" if self.instance else "node.log")

    def beside(self, instance: str) -> Site:
        """Another process of this node: the same store, folders and keys, ports of its own."""
        other = copy.copy(self)
        other.instance, other.process = instance, None
        other.port, other.operator = free_ports(2)
        other.configure()
        return other

    @property
    def database(self) -> str:
        return self.store or f"sqlite:///{self.folder / 'data' / 'axis.db'}"

    @property
    def blobs(self) -> Blobs:
        """The node's blobs, to look into."""
        return Blobs(self.folder / "data" / "blobs")

    @property
    def holding(self) -> Holding:
        """The same, or its bucket, as whoever looks after the node sees it."""
        return Files(self.folder / "data" / "blobs") if self.bucket is None else Objects(self.bucket.bucket)

    @staticmethod
    def key(name: str) -> str:
        return f"axk_{hashlib.sha256(name.encode()).hexdigest()}"

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}"

    @property
    def pages(self) -> str:
        """The operator's listener."""
        return f"http://{HOST}:{self.operator}"

    def client(self, name: str, patience_s: float = 30.0) -> Client:
        return Client(Door(self.url, self.pki.tls_ca, headers=bearer(self.key(name))), patience_s=patience_s)

    # --- running

    def start(self, wait: bool = True) -> None:
        command = ["-c", _HURRIED] if self.hurried else ["-m", "axis"]
        arguments = ["serve", "-c", str(self.config), "--json"]
        with self.log.open("ab") as log:
            if self.forked:
                assert not self.watcher and not self.environment, "these need a process of their own"
                self.process = Forked(arguments, log, _HURRIED if self.hurried else None)
            else:
                self.process = subprocess.Popen(
                    [*HEARS, *self.watcher, sys.executable, "-P", *command, *arguments],
                    stdout=log,
                    stderr=log,
                    stdin=subprocess.DEVNULL,
                    env={**os.environ, **self.environment},
                )
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        probe = Client(Door(self.url, self.pki.tls_ca), patience_s=0.0, timeout_s=2.0)
        deadline = time.monotonic() + READY_S
        while True:
            assert self.process is not None
            if self.process.poll() is not None:
                raise AssertionError("the node ended:\n" + last_lines(self.log))
            try:
                probe.get("/v1/inbox")
                return
            except Exception as error:
                if time.monotonic() > deadline:
                    raise AssertionError("the node does not answer:\n" + last_lines(self.log)) from error
                time.sleep(0.05)

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL: nothing in the process gets to run any more."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM, and the exit code of an orderly stop."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(30)

    # --- talking to it

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] = b"",
        *,
        by: str | None = None,
        certificate: Identity | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request on a connection of its own, in chunks where `body` is pieces; `by` shows an agency's key. What is
        answered is held against the description of the API."""
        context = ssl.create_default_context(cafile=str(self.pki.tls_ca))
        if certificate is not None:
            context.load_cert_chain(certificate.certificate, certificate.key)
        shown = {} if by is None else bearer(self.key(self.agencies[by]))
        connection = http.client.HTTPSConnection(HOST, self.port, timeout=60, context=context)
        with closing(connection):
            pieces = not isinstance(body, bytes)
            connection.request(method, path, body or None, {**shown, **(headers or {})}, encode_chunked=pieces)
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            reply = Reply(answer.status, told, answer.read())
        listed(method, path, reply)
        return reply

    def get(self, path: str, by: str) -> Reply:
        return self.ask("GET", path, by=by)

    def post(self, path: str, by: str, body: Mapping[str, Any] | None = None) -> Reply:
        octets = json.dumps(body or {}).encode()
        return self.ask("POST", path, octets, by=by, headers={"Content-Type": "application/json"})

    def send(self, package: bytes, by: str) -> Reply:
        return self.ask("POST", "/v1/documents", package, by=by, headers={"Content-Type": "application/xml"})

    def take(self, package: bytes, by: str) -> dict[str, Any]:
        """Send what must be accepted, and return its receipt."""
        reply = self.send(package, by)
        assert reply.status == 202, reply.body
        return reply.json()

    def inbox(self, by: str, query: str = "?limit=200") -> list[dict[str, Any]]:
        reply = self.get(f"/v1/inbox{query}", by)
        assert reply.status == 200, reply.body
        items: list[dict[str, Any]] = reply.json()["items"]
        return items

    def waiting(self, by: str, document: str, cargo: str = "document") -> dict[str, Any] | None:
        """What lies in the mailbox about this document."""
        return next((one for one in self.inbox(by) if one["document"] == document and one["cargo"] == cargo), None)

    def receive(self, by: str, document: str) -> tuple[str, bytes]:
        """Fetch one document from a mailbox and acknowledge it: the delivery's id and the octets."""
        item = until(f"{document} in the mailbox", lambda: self.waiting(by, document))
        package = self.get(f"/v1/deliveries/{item['delivery']}/package", by)
        assert package.status == 200, package.body
        assert self.post(f"/v1/deliveries/{item['delivery']}/ack", by).status == 200
        return item["delivery"], package.body

    def status(self, by: str, document: str, code: str, **more: Any) -> Reply:
        return self.post(f"/v1/documents/{document}/statuses", by, {"code": code, **more})

    def told(self, by: str, document: str) -> list[tuple[dict[str, Any], bytes]]:
        """Fetch and acknowledge every status about one document that waits in a mailbox, as facts and as XML."""
        found = []
        while (item := self.waiting(by, document, "status")) is not None:
            octets = self.get(f"/v1/deliveries/{item['delivery']}/package", by).body
            assert self.post(f"/v1/deliveries/{item['delivery']}/ack", by).status == 200
            found.append((item, octets))
        return found

    def notice(self, by: str, document: str) -> dict[str, Any]:
        """Fetch and acknowledge the notice about one document, as it came."""
        item = until(f"a notice about {document}", lambda: self.waiting(by, document, "notice"))
        reply = self.get(f"/v1/deliveries/{item['delivery']}/package", by)
        assert reply.headers["content-type"] == "application/json"
        assert self.post(f"/v1/deliveries/{item['delivery']}/ack", by).status == 200
        assert reply.json() == item["notice"]
        return reply.json()

    def facts(self, document: str, by: str) -> dict[str, Any]:
        """What a party to a document sees of it."""
        reply = self.get(f"/v1/documents/{document}", by)
        assert reply.status == 200, reply.body
        return reply.json()

    # --- looking at it from outside

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the node's database, beside the running node."""
        if self.store:
            with connect(self.store, "test", readonly=True) as beside:
                return beside.execute(sql.replace("?", "%s"), values).fetchall()  # type: ignore[call-overload]
        with closing(sqlite3.connect(f"file:{self.folder / 'data' / 'axis.db'}?mode=ro", uri=True)) as connection:
            return connection.execute(sql, values).fetchall()

    def open_blobs(self) -> list[str]:
        """The files of its packages that the running node has open, but for those that it closes meanwhile."""
        assert self.process is not None
        found = []
        for one in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                found.append(str(one.readlink()))
        return [one for one in found if "/blobs/" in one]

    def state(self) -> str:
        """A digest of everything stored but the log: documents, deliveries, statuses, payload rows, blob files."""
        digest = hashlib.sha256()
        for table in TABLES:
            for found in self.rows(f"SELECT * FROM {table} ORDER BY 1, 2"):
                digest.update(repr((table, found)).encode())
        for path in sorted((self.folder / "data" / "blobs").rglob("*")):
            if path.is_file():
                digest.update(f"{path} {path.stat().st_size}".encode())
        return digest.hexdigest()

    def logged(self, kind: str) -> int:
        """How many entries of one kind the log has, or will have within the second."""
        return int(self.rows("SELECT count(*) FROM log_intent WHERE kind = ?", kind)[0][0])

    def log_has_all(self) -> bool:
        """Whether every entry has its place, and the newest head is the one that is shown.

        It is, some milliseconds after its entries have their place.
        """
        if self.rows("SELECT 1 FROM log_intent WHERE log_index IS NULL LIMIT 1"):
            return False
        shown = self.folder / "data" / "log" / "checkpoint"
        heads = (self.folder / "checkpoints" / "heads.jsonl").read_text(encoding="utf-8").splitlines()
        return shown.exists() and json.loads(heads[-1])["note"] == shown.read_text(encoding="utf-8")

    def said(self, event: str) -> int:
        """How often the operational log names an event."""
        return self.log.read_bytes().count(f'"{event}"'.encode())

    def verified(self) -> LogReport:
        """What an auditor's tool says of the log's folder."""
        key = load_ed25519((self.folder / "keys" / "log.pem").read_bytes())
        vkey = str(NoteSigner(self.name, key).verifier)
        return verify_log(self.folder / "data" / "log", vkey, heads=self.folder / "checkpoints")

    def audit(self) -> LogReport:
        """How every conversation ends: the house is in order, the log verifies and has everything."""
        with open_books(self.database, partial(read, self.holding)) as books:
            assert check_house(books) == ()
        report = self.verified()
        assert report.ok, report.findings
        assert report.entries == self.rows("SELECT count(*) FROM log_intent")[0][0], "entries that never were logged"
        assert self.said("request_broke") == 0, last_lines(self.log, 40)
        assert self.said("delivery_attempt_broke") == 0, last_lines(self.log, 40)
        return report

    # --- packages

    def package(
        self,
        sender: str,
        recipients: Sequence[str],
        attachments: Sequence[bytes] = (b"%PDF-1.4 test",),
        *,
        document_id: str | None = None,
        subject: str = "V/v thử nghiệm",
        kind: MessageKind = MessageKind.NEW,
        business: Business | None = None,
        priority: Priority = Priority.ORDINARY,
        signer: str | None = None,
        signed: bool = True,
        whole: bool = False,
        before: Bend = lambda root: None,
        after: Bend = lambda root: None,
    ) -> bytes:
        """A package as our network signs them (`whole`: one signature over all); every call makes another document.

        `before` bends the tree before it is signed, `after` afterwards.
        """
        self.made += 1
        number = DocumentNumber(str(self.made), "TN")
        envelope = Envelope(
            sender=Organization(AgencyCode.parse(sender), name=self.agencies.get(sender)),
            recipients=tuple(Organization(AgencyCode.parse(code)) for code in recipients),
            number=number,
            subject=subject,
            document_id=document_id or f"{sender},2026/11/23,{number}",
            issued_on=date(2026, 11, 23),
            issued_at="H99",
            type=DocumentType(22, name="Công văn"),
            business=business or Business(kind=kind),
            other=OtherInfo(priority=priority),
            attachments=tuple(
                AttachmentInfo(f"tep-{place}", f"tep-{place}.pdf", "application/pdf")
                for place, _ in enumerate(attachments)
            ),
        )
        root = write_document(envelope, list(attachments))
        before(root)
        if signed:
            self.sign(root, signer or sender, whole=whole)
        after(root)
        return serialise(root)

    def sign(self, root: etree._Element, signer: str, *, whole: bool = False) -> None:
        """Sign a package of ours, with every attachment that it carries."""
        identity = self.signers[signer]
        key = load_signer(identity.key.read_bytes(), identity.certificate.read_bytes())
        if whole:
            sign_enveloped(signature_place(root), key, datetime.now(UTC) - self.signed_before)
            return
        parts = signed_parts(root)
        elements = [part for part in (parts.header, parts.business, parts.manifest) if part is not None]
        encoded = encoded_attachments(parse_xml(serialise(root), XmlLimits(depth=1000)))
        covered = [(one.content_id, hashlib.sha256(decode(one.base64)).digest()) for one in encoded]
        sign_parts(signature_place(root), elements, covered, key, datetime.now(UTC) - self.signed_before)


def decode(content: bytes | Content) -> bytes:
    """The octets of an encoded attachment, whatever stands among them."""
    return pybase64.b64decode(text_of(content))


def text_of(content: bytes | Content) -> bytes:
    return content if isinstance(content, bytes) else content.text()


@contextmanager
def started(*sites: Site) -> Iterator[None]:
    """Start nodes, and see that none is left in the end: not even one that was stopped."""
    try:
        for site in sites:
            site.start(wait=False)
        for site in sites:
            site.wait_ready()
        yield
    finally:
        for site in sites:
            if site.running:
                assert site.process is not None
                site.process.send_signal(signal.SIGCONT)
                site.kill()


@contextmanager
def kept_running(*sites: Site, forked: bool = True) -> Iterator[None]:
    """Start nodes for a module's conversations; afterwards stop them in order and audit each."""
    for site in sites:
        site.forked = forked
    with started(*sites):
        yield
        codes = [site.stop() for site in sites]
    assert codes == [0] * len(sites)
    for site in sites:
        site.audit()


def attachments_of(octets: bytes) -> list[bytes]:
    """The encoded attachments of a package that came back."""
    return [text_of(item.base64) for item in encoded_attachments(parse_xml(octets, XmlLimits()))]


def signed_by(site: Site, said: Mapping[str, Any]) -> bool:
    """Say whether a receipt or a notice carries the signature of this node over everything else in it."""
    public = raw_public(load_ed25519((site.folder / "keys" / "receipt.pem").read_bytes()))
    body = {name: value for name, value in said.items() if name != "signature"}
    return said["key_id"] == public.hex() and verify_bytes(public, canonical(body), base64.b64decode(said["signature"]))


def problem(body: bytes) -> str:
    """The stable last part of a problem's type."""
    facts: dict[str, Any] = json.loads(body)
    return str(facts["type"]).rpartition(":")[2]
