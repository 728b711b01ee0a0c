"""An auditor's machine: no network, no configuration, no home, another account, files that may only be read."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner

from axis.cli import main
from signing.keys import load_ed25519
from signing.note import NoteSigner
from tests.faults.field import Field, field_of
from tests.site import HOME_AFFAIRS
from tests.tools import lacking

pytestmark = pytest.mark.faults

BARE: Final = ("unshare", "-n", "env", "-i", "HOME=/nonexistent", "PATH=/usr/bin:/bin")
NOBODY: Final = ("setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups")
ONLY_READ: Final = 0o444


def alone(*arguments: object) -> subprocess.CompletedProcess[str]:
    """`axis` as nobody, in the folder at the top, without a network."""
    command = [*BARE, *NOBODY, sys.executable, "-P", "-m", "axis", *map(str, arguments)]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)


def handed_over(field: Field, to: Path) -> None:
    """What a node gives to an auditor: the log, its heads and key, a bundle, the root that both believe in."""
    site = field.site
    document = field.insist(field.package((HOME_AFFAIRS,)))["document"]
    field.drain()
    field.end()
    export = ["evidence", "export", document, "-c", str(site.config), "-o", str(to / "bundle.zip")]
    assert CliRunner().invoke(main, export).exit_code == 0
    shutil.copytree(site.folder / "data" / "log", to / "log")
    shutil.copytree(site.folder / "checkpoints", to / "checkpoints")
    shutil.copy(site.pki.root, to / "root.pem")
    signer = NoteSigner(site.name, load_ed25519((site.folder / "keys" / "log.pem").read_bytes()))
    (to / "log.vkey").write_text(f"{signer.verifier}\n")
    for path in (to, *to.rglob("*")):
        path.chmod(ONLY_READ | 0o111 if path.is_dir() else ONLY_READ)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="axis-audit-") as place:
        Path(place).chmod(0o755)
        if alone("--version").returncode:
            lacking("needs the right to be somebody else without a network (root), who may read the environment")
        to = Path(place) / "given"
        to.mkdir()
        with field_of(tmp_path_factory.mktemp("node"), {}) as field:
            handed_over(field, to)
        yield to


def test_log_and_bundle_are_verified_on_a_bare_machine(given: Path) -> None:
    log = alone("log", "verify", given / "log", "--key", given / "log.vkey", "--heads", given / "checkpoints")
    assert (log.returncode, log.stderr) == (0, ""), log.stdout
    bundle = alone("verify", given / "bundle.zip", "--trust", given / "root.pem", "--log-key", given / "log.vkey")
    assert (bundle.returncode, bundle.stderr) == (0, ""), bundle.stdout


def test_what_may_not_be_read_is_named_and_nothing_is_said_of_the_rest(given: Path) -> None:
    (entries,) = sorted((given / "log" / "tile" / "entries").rglob("*"), key=lambda path: len(path.parts))[-1:]
    entries.chmod(0)
    try:
        log = alone("log", "verify", given / "log", "--key", given / "log.vkey")
    finally:
        entries.chmod(ONLY_READ)
    assert log.returncode == 3
    assert str(entries) in log.stderr
    assert "Traceback" not in log.stderr
