"""A SoftHSM token in a folder of its own, and what is put into it. Only other processes load the module itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from axis.hsm.process import TokenProcess, TokenSettings
from axis.hsm.signer import HsmSigner, PublicKey, TokenKey
from tests.pki import Holder, issue, pki
from tests.tools import need

PIN = "7391-bí-mật"
LABEL = "trục thử"
LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
OBJECTS = """
import sys, pkcs11
from pkcs11 import Attribute, KeyType, ObjectClass
from pkcs11.util.ec import encode_named_curve_parameters as curve
from pkcs11.util.x509 import decode_x509_certificate as certificate
module, token, pin_file, *objects = sys.argv[1:]
pin = open(pin_file).read().strip()
with pkcs11.lib(module).get_token(token_label=token).open(user_pin=pin, rw=True) as session:
    for one in objects:
        kind, label, *more = one.split("=")
        if kind == "rsa":
            session.generate_keypair(KeyType.RSA, 2048, store=True, label=label)
        elif kind == "ed25519":
            named = bytes.fromhex("130c656477617264733235353139")
            kinds = session.create_domain_parameters(KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: named}, local=True)
            kinds.generate_keypair(store=True, label=label)
        elif kind == "cert":
            written = certificate(open(more[0], "rb").read())
            session.create_object({**written, Attribute.LABEL: label, Attribute.TOKEN: True})
        elif kind == "forget-public":
            for found in session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.LABEL: label}):
                found.destroy()
        else:
            kinds = session.create_domain_parameters(KeyType.EC, {Attribute.EC_PARAMS: curve(kind)}, local=True)
            kinds.generate_keypair(store=True, label=label)
"""


@dataclass(frozen=True)
class SoftToken:
    """One initialised token; `settings` opens it."""

    folder: Path
    settings: TokenSettings

    @property
    def conf(self) -> Path:
        return self.folder / "softhsm2.conf"

    def put(self, *objects: str) -> None:
        """Make objects in the token: `secp256r1=label`, `rsa=label`, `ed25519=label`, `cert=label=FILE`."""
        settings = self.settings
        arguments = [str(settings.module), settings.token, str(settings.pin_file), *objects]
        self.run(sys.executable, "-c", OBJECTS, *arguments)

    def take_in(self, label: str, key: Path) -> None:
        """Put a private key of a file (PKCS#8) into the token."""
        more = ["--import", str(key), "--token", LABEL, "--label", label, "--id", key.stem.encode().hex(), "--pin", PIN]
        self.run(need("softhsm2-util"), *more)

    def run(self, *command: str) -> None:
        env = {**os.environ, "SOFTHSM2_CONF": str(self.conf)}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def library() -> Path:
    found = next((Path(path) for path in LIBRARIES if Path(path).exists()), None)
    if found is None:
        pytest.fail("softhsm2-util is here, its library is not where we look")
    return found


def soft_token(folder: Path, objects: Sequence[str] = (), *, mechanisms: str = "ALL") -> SoftToken:
    """Initialise a token in `folder`, with `objects` in it. `mechanisms` is what it offers, as SoftHSM's setting."""
    tool = need("softhsm2-util")
    (folder / "tokens").mkdir(parents=True)
    (folder / "softhsm2.conf").write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
        f"slots.mechanisms = {mechanisms}\n"
    )
    pin_file = folder / "pin"
    pin_file.touch(0o600)
    pin_file.write_text(f"{PIN}\n")
    token = SoftToken(folder, TokenSettings(library(), LABEL, pin_file))
    token.run(tool, "--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", "12345678")
    if objects:
        token.put(*objects)
    return token


@dataclass(frozen=True)
class _Elsewhere:
    """What stands for a private key that nobody can have, when a certificate is issued."""

    public: PublicKey

    def public_key(self) -> PublicKey:
        return self.public


def certified(process: TokenProcess, label: str) -> Holder:
    """A certificate of the test PKI for a key of the token."""
    return issue(label, pki().authority, key=_Elsewhere(TokenKey.find(process, label).public))  # type: ignore[arg-type]


def signer(process: TokenProcess, label: str, algorithm: str | None = None) -> HsmSigner:
    return HsmSigner.of(process, label, certified(process, label).der, algorithm)
