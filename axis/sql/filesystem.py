"""Where a SQLite file may lie: on a disk of this machine, never where other machines reach it too."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from axis.sql.driver import StoreError

MOUNTS: Final = Path("/proc/self/mountinfo")
SHARED: Final = frozenset(
    {"afs", "beegfs", "ceph", "cifs", "gfs2", "glusterfs", "lustre", "nfs", "nfs4", "ocfs2", "smb3", "smbfs"}
    | {"fuse.ceph", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs"}
)
_OCTAL: Final = re.compile(r"\\([0-7]{3})")


def kind_of(path: Path, mounts: str) -> str:
    """The kind of file system that `path` lies on, by the text of `mountinfo` (proc(5)); empty where it says nothing.

    Of two mounts at one place, the later one covers the other.
    """
    found, depth = "", -1
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        if len(fields := before.split(" ")) < 5 or not after:
            continue
        place = Path(_OCTAL.sub(lambda code: chr(int(code[1], 8)), fields[4]))
        if path.is_relative_to(place) and len(place.parts) >= depth:
            found, depth = after.partition(" ")[0], len(place.parts)
    return found


def refuse_shared(path: Path) -> None:
    """`StoreError` where `path` lies on a network file system: its locks and syncs are promises of another machine, and
    SQLite's log needs memory that its users share (sqlite.org/wal.html). Where the kernel tells nothing, it is let be.
    """
    try:
        mounts = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return
    kind = kind_of(path.resolve(), mounts)
    if kind in SHARED:
        raise StoreError(
            f"{path} lies on a network file system ({kind}), where a commit may be lost: "
            "use a disk of this machine, or PostgreSQL"
        )
