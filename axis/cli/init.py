"""`axis init`: a directory with everything that a first node needs."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import click

from axis.cli import scaffold
from axis.cli.output import Exit, give_up, json_option, say, say_json
from axis.core.times import VIETNAM

MADE = (
    ("axis.toml", "the configuration, commented"),
    ("agencies.toml", "the registry: two made-up agencies"),
    ("pki/", "a development PKI: TLS, document signatures, revocation lists. Worth nothing outside"),
    ("keys/", "the node's own keys for receipts and the log (mode 0600)"),
    ("keys/receipt.pub", "checks receipts (PEM): give it to those who send"),
    ("keys/log.vkey", "verifies the log: give it to auditors and neighbours"),
    ("clients/", "settings of two example systems: one with a certificate, one with an API key"),
    ("data/axis.db", "the database, at the schema of this version"),
    ("checkpoints/", "the store of signed log heads"),
)
_CERTIFICATE = {"AXIS_CERT": "pem", "AXIS_KEY": "key"}


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
@click.option("--name", default="axis-1", show_default=True, help="The node's name: in receipts, hops and the log.")
@json_option
def init(folder: Path, name: str, as_json: bool) -> None:
    """Make DIR with a configuration, a development PKI, keys and a database. Nothing that exists is touched.

    Exit 0 when it was made, 1 when DIR exists and holds something.
    """
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?", name):
        raise click.UsageError(
            "--name is 1 to 63 of a-z, 0-9, dot and dash, and begins and ends with a letter or digit"
        )
    folder = folder.absolute()
    if folder.exists() and any(folder.iterdir()):
        give_up(Exit.NO, f"{folder} holds something already", "name a new directory", as_json=as_json)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        make(folder, name, datetime.now(UTC))
    except OSError as error:
        give_up(Exit.NO, f"{error.filename}: {(error.strerror or str(error)).lower()}", as_json=as_json)
    following = scaffold.next_commands(folder, datetime.now(VIETNAM).date())
    if as_json:
        say_json({"ok": True, "folder": str(folder), "made": dict(MADE), "next": list(following)})
        return
    say(f"đã tạo (made) {folder}", "green")
    for place, what in MADE:
        say(f"  {place:<17} {what}")
    say("tiếp theo (next):")
    for command in following:
        say(f"  {command}")
    say("trang trạng thái khi trục chạy (the status page, while it runs): http://127.0.0.1:9443/")


def make(folder: Path, name: str, at: datetime) -> None:
    """Build everything beside its place and move it there in one step: either all of it stands, or nothing."""
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        work.chmod(0o750)
        _fill(work, folder, name, at)
        work.rename(folder)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise


def _fill(work: Path, folder: Path, name: str, at: datetime) -> None:
    """Write into `work` what will stand in `folder`."""
    from axis.devpki import DevPki, write_ed25519
    from axis.sql.migrate import upgrade
    from signing.keys import load_ed25519, public_pem
    from signing.note import NoteSigner

    pki = DevPki.create(work / "pki", at, name)
    pki.tls_server("server")
    pki.tls_client("so-noi-vu")
    for code, title in (("H99.07", "So Noi vu tinh H99"), ("H99.115", "UBND phuong An Binh")):
        pki.signer(code, title)
    for key in ("receipt", "log"):
        write_ed25519(work / "keys" / f"{key}.pem")
    receipt, log = (load_ed25519((work / "keys" / f"{key}.pem").read_bytes()) for key in ("receipt", "log"))
    (work / "keys" / "receipt.pub").write_bytes(public_pem(receipt.public_key()))
    (work / "keys" / "log.vkey").write_text(f"{NoteSigner(name, log).verifier}\n")
    api_key = f"axk_{secrets.token_urlsafe(32)}"
    for part in ("clients", "data", "checkpoints"):
        (work / part).mkdir(mode=0o750)
    _write_secret(work / "clients" / "phuong-an-binh.key", api_key)
    by_certificate = {name: str(folder / "pki" / "tls" / f"so-noi-vu.{end}") for name, end in _CERTIFICATE.items()}
    by_key = {"AXIS_API_KEY_FILE": str(folder / "clients" / "phuong-an-binh.key")}
    for client, code, credentials in (("so-noi-vu", "H99.07", by_certificate), ("phuong-an-binh", "H99.115", by_key)):
        (work / "clients" / f"{client}.env").write_text(scaffold.environment(folder, code, credentials))
    key_hash = hashlib.sha256(api_key.encode()).hexdigest()
    (work / "axis.toml").write_text(scaffold.AXIS_TOML.format(name=name, key_hash=key_hash))
    (work / "agencies.toml").write_text(scaffold.AGENCIES_TOML)
    upgrade(f"sqlite:///{work / 'data' / 'axis.db'}")


def _write_secret(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(f"{text}\n")
