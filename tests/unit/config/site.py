"""A folder with every file that the two examples name, so that they load as they stand."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from axis.devpki import DevPki, write_ed25519

ROOT = Path(__file__).parents[3]
AT = datetime(2026, 11, 23, tzinfo=UTC)


def make_site(folder: Path) -> Path:
    """Make the files and copy both examples; the path of the configuration."""
    pki = DevPki.create(folder / "pki", AT)
    (folder / "tls").mkdir()
    (folder / "trust").mkdir()
    (folder / "signers").mkdir()
    (folder / "keys").mkdir()
    server, client, neighbour = pki.tls_server("server"), pki.tls_client("client"), pki.tls_client("neighbour")
    for name in ("client-ca", "dms-ca", "neighbour-ca", "national-ca", "witness-ca"):
        shutil.copy(pki.tls_ca, folder / "tls" / f"{name}.pem")
    for target, source in (
        ("tls/server.pem", server.certificate),
        ("tls/server.key", server.key),
        ("tls/so-noi-vu.pem", client.certificate),
        ("tls/to-neighbour.pem", neighbour.certificate),
        ("tls/to-neighbour.key", neighbour.key),
        ("trust/root.pem", pki.root),
        ("trust/issuing.pem", pki.issuing),
        ("signers/so-noi-vu.pem", pki.signer("H99.07").certificate),
    ):
        shutil.copy(source, folder / target)
    shutil.copytree(pki.crls, folder / "trust" / "crls")
    for name in ("receipt", "log"):
        write_ed25519(folder / "keys" / f"{name}.pem")
    for name in ("huyen-cu.token", "national.secret"):
        path = folder / "keys" / name
        path.touch(0o600)
        path.write_text("made up\n")
    shutil.copy(ROOT / "agencies.example.toml", folder / "agencies.toml")
    return Path(shutil.copy(ROOT / "config.example.toml", folder / "axis.toml"))
