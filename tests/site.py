"""One node as a real process, with agencies around it: for tests that kill, restart and look from outside."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from axis.demo.client import Client, Door, bearer
from axis.demo.network import HOST, free_ports, last_lines
from axis.devpki import DevPki, Identity, write_ed25519
from axis.sql.migrate import upgrade
from schemas.attachment import encoded_attachments
from schemas.codes import AgencyCode
from schemas.envelope import AttachmentInfo, Business, DocumentNumber, DocumentType, Envelope, MessageKind, Organization
from schemas.limits import XmlLimits
from schemas.structure import signature_place, signed_parts
from schemas.write import serialise, write_document
from schemas.xml import parse_xml
from signing.sign import load_signer, sign_parts

PROVINCE = "000.00.00.H99"
OFFICE = "000.00.01.H99"
HOME_AFFAIRS = "000.00.13.H99"
FINANCE = "000.00.14.H99"
AGENCIES = {OFFICE: "van-phong", HOME_AFFAIRS: "so-noi-vu", FINANCE: "so-tai-chinh"}
READY_S = 30.0


@dataclass
class Site:
    """A province's node with three mailboxes in `folder`. `start` and `kill` as often as one likes."""

    folder: Path
    more: str = ""
    process: subprocess.Popen[bytes] | None = None
    signers: dict[str, Identity] = field(default_factory=dict)
    made: int = 0

    def __post_init__(self) -> None:
        now = datetime.now(UTC)
        self.pki = DevPki.create(self.folder / "pki", now)
        self.port, self.operator = free_ports(2)
        server = self.pki.tls_server("node")
        rows = [f'[[agency]]\ncode = "{PROVINCE}"\nname = "UBND"\nlevel = "province"\n']
        blocks = []
        for code, name in AGENCIES.items():
            self.signers[code] = self.pki.signer(code)
            rows.append(
                f'[[agency]]\ncode = "{code}"\nname = "{name}"\nlevel = "province"\nparent = "{PROVINCE}"\n'
                f'certificates = ["sha256:{self.signers[code].fingerprint}"]\n'
            )
            digest = hashlib.sha256(self.key(name).encode()).hexdigest()
            blocks.append(
                f'[[endpoint]]\nname = "{name}"\nadapter = "mailbox"\nagencies = ["{code}"]\n'
                f'api_keys = ["sha256:{digest}"]\n[[route]]\nprefix = "{code}"\nendpoint = "{name}"\n'
            )
        (self.folder / "agencies.toml").write_text("\n".join(rows))
        for name in ("receipt", "log"):
            write_ed25519(self.folder / "keys" / f"{name}.pem")
        self.config.write_text(
            f'[node]\nname = "truc-thu"\ndata = "data"\n[listen]\nagencies = "{HOST}:{self.port}"\n'
            f'certificate = "{server.certificate}"\nkey = "{server.key}"\noperator = "{HOST}:{self.operator}"\n'
            f'[trust]\nanchors = ["{self.pki.root}"]\nintermediates = ["{self.pki.issuing}"]\n'
            f'crls = ["{self.pki.crls}"]\n{self.more}\n' + "\n".join(blocks)
        )
        (self.folder / "data").mkdir(exist_ok=True)
        upgrade(self.database)

    @property
    def config(self) -> Path:
        return self.folder / "axis.toml"

    @property
    def database(self) -> str:
        return f"sqlite:///{self.folder / 'data' / 'axis.db'}"

    @staticmethod
    def key(name: str) -> str:
        return f"axk_{hashlib.sha256(name.encode()).hexdigest()}"

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}"

    def client(self, name: str, patience_s: float = 30.0) -> Client:
        return Client(Door(self.url, self.pki.tls_ca, headers=bearer(self.key(name))), patience_s=patience_s)

    def start(self, wait: bool = True) -> None:
        with (self.folder / "node.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "axis", "serve", "-c", str(self.config), "--json"],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        probe = Client(Door(self.url, self.pki.tls_ca), patience_s=0.0, timeout_s=2.0)
        deadline = time.monotonic() + READY_S
        while True:
            assert self.process is not None
            if self.process.poll() is not None:
                raise AssertionError("the node ended:\n" + last_lines(self.folder / "node.log"))
            try:
                probe.get("/v1/inbox")
                return
            except Exception as error:
                if time.monotonic() > deadline:
                    raise AssertionError(
                        "the node does not answer:\n" + last_lines(self.folder / "node.log")
                    ) from error
                time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL: nothing in the process gets to run any more."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM, and the exit code of an orderly stop."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(20)

    def package(
        self,
        sender: str,
        recipients: Sequence[str],
        attachments: Sequence[bytes] = (b"%PDF-1.4 test",),
        *,
        document_id: str | None = None,
        subject: str = "V/v thử nghiệm",
        kind: MessageKind = MessageKind.NEW,
        signer: str | None = None,
        signed: bool = True,
    ) -> bytes:
        """A package as our network signs them; every call makes another document."""
        self.made += 1
        number = DocumentNumber(str(self.made), "TN")
        envelope = Envelope(
            sender=Organization(AgencyCode.parse(sender), name=AGENCIES.get(sender)),
            recipients=tuple(Organization(AgencyCode.parse(code)) for code in recipients),
            number=number,
            subject=subject,
            document_id=document_id or f"{sender},2026/11/23,{number}",
            issued_on=date(2026, 11, 23),
            issued_at="H99",
            type=DocumentType(22, name="Công văn"),
            business=Business(kind=kind),
            attachments=tuple(
                AttachmentInfo(f"tep-{place}", f"tep-{place}.pdf", "application/pdf")
                for place, _ in enumerate(attachments)
            ),
        )
        root = write_document(envelope, list(attachments))
        if signed:
            identity = self.signers[signer or sender]
            key = load_signer(identity.key.read_bytes(), identity.certificate.read_bytes())
            parts = signed_parts(root)
            elements = [part for part in (parts.header, parts.business, parts.manifest) if part is not None]
            listed = zip(envelope.attachments, attachments, strict=True)
            covered = [(info.content_id, hashlib.sha256(octets).digest()) for info, octets in listed]
            sign_parts(signature_place(root), elements, covered, key, datetime.now(UTC))
        return serialise(root)


def attachments_of(octets: bytes) -> list[bytes]:
    """The encoded attachments of a package that came back."""
    return [item.base64 for item in encoded_attachments(parse_xml(octets, XmlLimits()))]


def problem(body: bytes) -> str:
    """The stable last part of a problem's type."""
    facts: dict[str, Any] = json.loads(body)
    return str(facts["type"]).rpartition(":")[2]
