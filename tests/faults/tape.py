"""The record of a node's life by strace, with the octets it wrote, and what its disk holds at any moment of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.faults.disk import Disk, Sync
from tests.tools import need

CALLS: Final = (
    "open,openat,creat,write,writev,pwrite64,pwritev,pwritev2,lseek,ftruncate,truncate,fallocate,"
    "rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,rmdir,mkdir,mkdirat,"
    "fsync,fdatasync,sync_file_range,msync,sendfile,copy_file_range,splice"
)
"""Everything that can change a file or a name. What of it nobody here understands is an error when it happens."""

_OF_FILES = frozenset({"sync", "write", "writev", "pwrite64", "pwritev", "pwritev2", "lseek", "ftruncate"}) | {
    "fallocate",
    "sync_file_range",
    "msync",
    "sendfile",
    "copy_file_range",
    "splice",
}
"""Calls whose first argument is an open file, which they change or may change."""
_SYNCS = ("fsync", "fdatasync")
_LINE = re.compile(r"(\d+) +([\d.]+) (.*)", re.DOTALL)
_CALL = re.compile(r"(\w+)\((.*)\) += (-?\d+)", re.DOTALL)
_WITHOUT_END = ("<unfinished ...>", "= ?", "= ? <unavailable>")
_HEX = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_FD = re.compile(r"(?:\d+|AT_FDCWD)<((?:\\x[0-9a-f]{2})*)>")
_WHERE = re.compile(r"(?:(?:\d+|AT_FDCWD)<((?:\\x[0-9a-f]{2})*)>, )?\"((?:\\x[0-9a-f]{2})*)\"")


def recorder(record: Path) -> tuple[str, ...]:
    """What stands before the node's command, so that it is recorded from its first call on: strace becomes its child,
    so the process that is started, waited for and killed is the node itself."""
    what = ("-xx", "-y", "-ttt", "-s", str(1 << 26), "-e", f"trace={CALLS}", "--seccomp-bpf")
    return (need("strace"), "-D", "-f", "-q", *what, "-o", str(record))


@dataclass(frozen=True)
class Step:
    """One call that returned well, or, with `begins`, a sync that begins. `time` is that of its line."""

    time: float
    call: str
    said: str
    result: int
    key: int
    begins: bool = False


def ended(record: Path) -> bool:
    """Whether the record is whole: the node has ended, and strace has written so. Its threads end before it does, its
    children may after it; each has a line of its own."""
    with record.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 4096))
        if b" +++ " not in file.read().rstrip().rpartition(b"\n")[2]:
            return False
        file.seek(0)
        node = file.read(32).partition(b" ")[0] + b" "
        return any(line.startswith(node) and b" +++ " in line for line in file)


def cut_off(record: Path) -> set[str]:
    """The paths of the calls in the midst of which the node was killed: whether they were done, nobody has written."""
    begun: dict[str, str] = {}
    with record.open(encoding="ascii", errors="replace") as file:
        for line in file:
            found = _LINE.match(line.rstrip("\n"))
            if found is None or found[3].startswith(("+++", "---")):
                continue
            said = found[3]
            if not said.startswith("<... "):
                begun[found[1]] = said
            if not said.endswith(_WITHOUT_END):
                begun.pop(found[1], None)
    return {path for said in begun.values() for path in (*_where(said), *map(_path, _FD.findall(said)))}


def steps(record: Path) -> Iterator[Step]:
    """What the record tells, in order. A sync comes twice: when it begins and when it has ended."""
    begun: dict[str, tuple[str, int]] = {}
    with record.open(encoding="ascii", errors="replace") as file:
        for key, line in enumerate(file):
            found = _LINE.match(line.rstrip("\n"))
            if found is None:
                continue
            pid, time, said = found[1], float(found[2]), found[3]
            if said.endswith("<unfinished ...>"):
                said = said.removesuffix("<unfinished ...>")
                begun[pid] = said, key
                name, _, arguments = said.partition("(")
                if name in _SYNCS:
                    yield Step(time, "sync", arguments, 0, key, begins=True)
                continue
            if said.startswith("<... "):
                (first, key), rest = begun.pop(pid), said.partition("resumed>")[2]
                said = first + rest
                resumed = True
            else:
                resumed = False
            call = _CALL.match(said)
            if call is None or int(call[3]) < 0:
                continue
            if call[1] in _SYNCS:
                if not resumed:
                    yield Step(time, "sync", call[2], 0, key, begins=True)
                yield Step(time, "sync", call[2], 0, key)
            else:
                yield Step(time, call[1], call[2], int(call[3]), key)


def _octets(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _path(text: str) -> str:
    return _octets(text).decode(errors="replace")


def _where(said: str) -> list[str]:
    """The paths that a call names."""
    return [str(Path(_path(base or "") or "/") / _path(name)) for base, name in _WHERE.findall(said)]


class Player:
    """Plays a record on a disk, step by step."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self._places: dict[str, int] = {}
        self._syncs: dict[int, Sync | None] = {}

    def play(self, step: Step) -> str:
        """Do on the disk what was done. Returns the path that was changed or synced, empty where it is not its own."""
        if step.call in ("open", "openat", "creat"):
            return self._open(step)
        if step.call not in _OF_FILES:
            return self._name(step)
        described = _FD.match(step.said)
        path = _path(described[1]) if described else ""
        if not self.disk.has(path) or path.endswith(" (deleted)"):
            return ""
        return path if self._file(step, path) else ""

    def _open(self, step: Step) -> str:
        path = _where(step.said)[0]
        if not self.disk.has(path):
            return ""
        flags = step.said.rpartition('"')[2]
        assert "O_APPEND" not in flags, f"nobody here knows where {path} is written"
        self._places[path] = 0
        create, cut = "O_CREAT" in flags, "O_TRUNC" in flags
        if "O_DIRECTORY" not in flags and (create or cut):
            self.disk.opened(path, create=create, cut=cut)
            return path
        return ""

    def _file(self, step: Step, path: str) -> bool:
        """A call about an open file. Whether it changed or synced it."""
        disk = self.disk
        match step.call:
            case "sync":
                if step.begins:
                    self._syncs[step.key] = disk.syncing(path)
                elif sync := self._syncs.pop(step.key):
                    disk.synced(sync)
            case "write":
                (text,) = _HEX.findall(step.said)
                at = self._places.get(path, 0)
                self._places[path] = at + step.result
                disk.wrote(path, at, _octets(text)[: step.result])
            case "pwrite64":
                (text,) = _HEX.findall(step.said)
                disk.wrote(path, int(step.said.rpartition(", ")[2]), _octets(text)[: step.result])
            case "lseek":
                self._places[path] = step.result
                return False
            case "ftruncate":
                disk.cut(path, int(step.said.rpartition(", ")[2]))
            case "fallocate":
                _, mode, at, size = step.said.rsplit(", ", 3)
                assert mode == "0", step
                file = disk.file(path)
                if len(file.now) < int(at) + int(size):
                    disk.cut(path, int(at) + int(size))
            case _:
                raise AssertionError(f"nobody here understands {step.call} of {path}")
        return True

    def _name(self, step: Step) -> str:
        """A call about names."""
        disk, paths = self.disk, _where(step.said)
        if not any(map(disk.has, paths)):
            return ""
        match step.call:
            case "rename" | "renameat" | "renameat2":
                disk.renamed(*paths)
            case "mkdir" | "mkdirat":
                disk.made(paths[0])
            case "unlink" | "unlinkat" | "rmdir":
                disk.removed(paths[0])
            case _:
                raise AssertionError(f"nobody here understands {step.call} of {paths}")
        return paths[-1]
