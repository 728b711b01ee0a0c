"""Writes the folder that the demo runs in: authorities and keys, configurations, registry, settings of each agency."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from axis.demo.client import Door, bearer
from axis.demo.network import HOST
from axis.demo.plan import (
    BY_CODE,
    COMMUNE_20,
    DISTRICT,
    MINISTRY,
    NATIONAL,
    NODES,
    PARTIES,
    PROVINCE,
    PROVINCE_CODE,
    Access,
    AxisNode,
    Flaw,
    Party,
    Plan,
)
from axis.devpki import DevPki, Identity, write_ed25519
from signing.keys import load_ed25519, raw_public
from signing.note import NoteKey

BASE_PATH: Final = "/XrdAdapter/adapter"
PROVINCE_SYSTEM: Final = "00.99.H99"
MINISTRY_SYSTEM: Final = "00.99.G99"
IMPOSTORS_KEY: Final = COMMUNE_20


@dataclass(frozen=True, slots=True)
class Ports:
    """Where everything listens: per node its two listeners, and the national axis."""

    agencies: Mapping[str, int]
    operators: Mapping[str, int]
    national: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The folder and what stands where in it."""

    folder: Path
    ports: Ports
    operator_token: str = field(repr=False)

    @property
    def pki(self) -> Path:
        return self.folder / "pki"

    @property
    def tls_ca(self) -> Path:
        return self.pki / "tls-ca.pem"

    @property
    def seeds(self) -> Path:
        return self.folder / NATIONAL / "seeds.json"

    @property
    def national_data(self) -> Path:
        return self.folder / NATIONAL / "data"

    @property
    def operator_token_file(self) -> Path:
        return self.folder / NATIONAL / "operator.token"

    @property
    def national_url(self) -> str:
        return f"https://{HOST}:{self.ports.national}"

    def node(self, name: str) -> Path:
        return self.folder / name

    def data(self, name: str) -> Path:
        return self.node(name) / "data"

    def heads(self, name: str) -> Path:
        """The store of signed heads of a node's log, apart from its data."""
        return self.node(name) / "checkpoints"

    def log_key(self, name: str) -> Path:
        """The public key of a node's log, as an auditor gets it."""
        return self.node(name) / "log.pub"

    def config(self, name: str) -> Path:
        return self.node(name) / "axis.toml"

    def node_url(self, name: str) -> str:
        return f"https://{HOST}:{self.ports.agencies[name]}"

    def operator_url(self, name: str) -> str:
        return f"http://{HOST}:{self.ports.operators[name]}"

    def agency(self, party: Party) -> Path:
        return self.folder / "co-quan" / party.name

    def settings(self, party: Party) -> Path:
        return self.agency(party) / "settings.json"

    def bad_packages(self, party: Party) -> Path:
        """Copies of the bad packages that `party` sent, to be looked at with `axis verify`."""
        return self.agency(party) / "goi-xau"

    def journal(self, party: Party) -> Path:
        return self.agency(party) / "journal.jsonl"

    def log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def door(self, party: Party) -> Door:
        """How `party` gets into its node."""
        url = self.node_url(party.home)
        if party.access is Access.API_KEY:
            return Door(url, self.tls_ca, headers=bearer((self.agency(party) / "api.key").read_text()))
        tls = self.pki / "tls"
        return Door(url, self.tls_ca, tls / f"{party.name}.pem", tls / f"{party.name}.key")


def write_layout(folder: Path, plan: Plan, ports: Ports, at: datetime) -> Layout:
    """Write everything into `folder`, which is there and empty."""
    layout = Layout(folder, ports, secrets.token_urlsafe(24))
    pki = DevPki.create(layout.pki, at)
    (folder / "logs").mkdir()
    signers = {party.code: [pki.signer(party.code, party.title)] for party in PARTIES}
    revoked = _revoked(pki, plan)
    for code, identity in revoked.items():
        signers[code].append(identity)
    _write(folder / "agencies.toml", _agencies(signers, folder))
    secret = _write_national(layout, pki)
    for node in NODES:
        pki.tls_server(f"truc-{node.name}")
        pki.tls_client(f"truc-{node.name}-client")
    for party in PARTIES:
        _write_party(layout, pki, plan, party, signers, revoked.get(party.code))
    for node in NODES:
        _write_node(layout, node, secret)
    return layout


def _revoked(pki: DevPki, plan: Plan) -> dict[str, Identity]:
    """A second, revoked certificate for whoever is to sign with one; the registry knows it as theirs."""
    found = {}
    for document in plan.bad:
        if document.flaw is Flaw.REVOKED:
            party = BY_CODE[document.sender]
            found[party.code] = pki.signer(f"{party.code}-da-thu-hoi", party.title)
            pki.revoke(found[party.code])
    pki.write_crl()
    return found


def _write_node(layout: Layout, node: AxisNode, national_secret: str) -> None:
    folder = layout.node(node.name)
    folder.mkdir()
    write_ed25519(folder / "keys" / "receipt.pem")
    write_ed25519(folder / "keys" / "log.pem")
    log_key = load_ed25519((folder / "keys" / "log.pem").read_bytes())
    _write(layout.log_key(node.name), str(NoteKey(node.origin, raw_public(log_key))) + "\n")
    if node == PROVINCE:
        _write(folder / "keys" / "national.secret", national_secret, 0o600)
    blocks = [_node_block(layout, node)]
    blocks += [_mailbox(layout, party) for party in PARTIES if party.home == node.name]
    blocks += _neighbours(layout, node)
    _write(layout.config(node.name), "\n".join(blocks))


def _node_block(layout: Layout, node: AxisNode) -> str:
    ports = layout.ports
    return f"""\
# {node.title}, made by `axis demo`. CHỈ ĐỂ TRÌNH DIỄN.
[node]
name = "{node.origin}"
data = "data"

[listen]
agencies = "{HOST}:{ports.agencies[node.name]}"
certificate = "../pki/tls/truc-{node.name}.pem"
key = "../pki/tls/truc-{node.name}.key"
client_ca = ["../pki/tls-ca.pem"]
operator = "{HOST}:{ports.operators[node.name]}"

[trust]
anchors = ["../pki/root.pem"]
intermediates = ["../pki/issuing.pem"]
crls = ["../pki/crls"]

[registry]
files = ["../agencies.toml"]

[limits]
merge_delay = "1s"

[delivery]
first_retry = "500ms"
retry_ceiling = "2s"
"""


def _mailbox(layout: Layout, party: Party) -> str:
    proof = f'certificates = ["../pki/tls/{party.name}.pem"]'
    if party.access is Access.API_KEY:
        digest = hashlib.sha256((layout.agency(party) / "api.key").read_bytes()).hexdigest()
        proof = f'api_keys = ["sha256:{digest}"]'
    return f"""\
# {party.title}
[[endpoint]]
name = "{party.name}"
adapter = "mailbox"
agencies = ["{party.code}"]
{proof}

[[route]]
prefix = "{party.code}"
endpoint = "{party.name}"
"""


def _neighbours(layout: Layout, node: AxisNode) -> list[str]:
    if node == DISTRICT:
        return [_neighbour(layout, node, PROVINCE, "*", "*")]
    national = f"""\
# Trục liên thông văn bản quốc gia (mô phỏng)
[[endpoint]]
name = "{NATIONAL}"
adapter = "national"
agencies = ["*"]
url = "{layout.national_url}{BASE_PATH}"
ca = "../pki/tls-ca.pem"
system_id = "{PROVINCE_SYSTEM}"
secret_file = "keys/national.secret"
poll = "300ms"

[[route]]
prefix = "*"
endpoint = "{NATIONAL}"
"""
    office = next(party for party in PARTIES if party.level is DISTRICT.level)
    return [_neighbour(layout, node, DISTRICT, office.code, office.code), national]


def _neighbour(layout: Layout, node: AxisNode, other: AxisNode, authority: str, prefix: str) -> str:
    return f"""\
# {other.title}
[[endpoint]]
name = "{other.name}"
adapter = "node"
agencies = ["{authority}"]
url = "{layout.node_url(other.name)}"
ca = "../pki/tls-ca.pem"
certificate = "../pki/tls/truc-{node.name}-client.pem"
key = "../pki/tls/truc-{node.name}-client.key"
certificates = ["../pki/tls/truc-{other.name}-client.pem"]

[[route]]
prefix = "{prefix}"
endpoint = "{other.name}"
"""


def _agencies(signers: Mapping[str, Sequence[Identity]], folder: Path) -> str:
    """The registry: who exists, under whom, and which certificates speak for them."""
    rows = [_agency(PROVINCE_CODE, "UBND tỉnh H99", "province", "", [])]
    for party in PARTIES:
        parent = {"district": PROVINCE_CODE, "province": PROVINCE_CODE, "commune": "000.00.31.H99"}
        certificates = [identity.certificate.relative_to(folder).as_posix() for identity in signers[party.code]]
        rows.append(_agency(party.code, party.title, party.level, parent.get(party.level, ""), certificates))
    return "\n".join(rows)


def _agency(code: str, name: str, level: str, parent: str, certificates: Sequence[str]) -> str:
    facts: dict[str, Any] = {"code": code, "name": name, "level": level, "parent": parent, "certificates": certificates}
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in facts.items() if value]
    return "\n".join(["[[agency]]", *lines, ""])


def _write_national(layout: Layout, pki: DevPki) -> str:
    """Seeds and the operator's token; returns the secret of the province's system."""
    (layout.folder / NATIONAL).mkdir()
    pki.tls_server("truc-quoc-gia")
    province, ministry = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    local = [party for party in PARTIES if party.home != NATIONAL]
    systems = [
        _system(PROVINCE_SYSTEM, province, [(PROVINCE_CODE, "UBND tỉnh H99"), *((p.code, p.title) for p in local)]),
        _system(MINISTRY_SYSTEM, ministry, [(MINISTRY.code, MINISTRY.title)]),
    ]
    _write(layout.seeds, json.dumps({"systems": systems}, ensure_ascii=False, indent=1), 0o600)
    _write(layout.operator_token_file, layout.operator_token, 0o600)
    layout.agency(MINISTRY).mkdir(parents=True)
    _write(layout.agency(MINISTRY) / "national.secret", ministry, 0o600)
    return province


def _system(id: str, secret: str, agencies: Sequence[tuple[str, str]]) -> dict[str, Any]:
    return {"id": id, "secret": secret, "agencies": [{"code": code, "name": name} for code, name in agencies]}


def _write_party(
    layout: Layout,
    pki: DevPki,
    plan: Plan,
    party: Party,
    signers: Mapping[str, Sequence[Identity]],
    revoked: Identity | None,
) -> None:
    folder = layout.agency(party)
    folder.mkdir(parents=True, exist_ok=True)
    layout.bad_packages(party).mkdir()
    keys = {"own": signers[party.code][0], Flaw.IMPOSTOR.value: signers[IMPOSTORS_KEY.code][0]}
    if revoked is not None:
        keys[Flaw.REVOKED.value] = revoked
    settings: dict[str, Any] = {
        "agency": party.code,
        "name": party.title,
        "journal": str(layout.journal(party)),
        "bad_packages": str(layout.bad_packages(party)),
        "issued_on": plan.issued_on.isoformat(),
        "keys": {use: {"certificate": str(k.certificate), "key": str(k.key)} for use, k in keys.items()},
        "documents": [asdict(document) for document in plan.sent_by(party.code)],
        "refuses": list(plan.refused_by(party.code)),
        "ca": str(layout.tls_ca),
    }
    match party.access:
        case Access.VXP:
            settings |= {
                "url": layout.national_url + BASE_PATH,
                "system_id": MINISTRY_SYSTEM,
                "secret_file": str(folder / "national.secret"),
            }
        case Access.CERTIFICATE:
            client = pki.tls_client(party.name)
            settings |= {
                "url": layout.node_url(party.home),
                "certificate": str(client.certificate),
                "key": str(client.key),
            }
        case Access.API_KEY:
            _write(folder / "api.key", f"axk_{secrets.token_urlsafe(32)}", 0o600)
            settings |= {"url": layout.node_url(party.home), "api_key_file": str(folder / "api.key")}
    _write(layout.settings(party), json.dumps(settings, ensure_ascii=False, indent=1), 0o600)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
