"""Files put into their place, durably: linked where that is the same thing, else copied; folders that appear whole."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from axis.durable import sync_folder, write_all
from axis.plain import NotPlain, open_plain

UNFINISHED: Final = ".unfinished"
"""What stands behind the name of a folder while it is filled."""
_NO_LINK: Final = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EACCES})


class Taken(Exception):
    """There is something already where a folder is to appear, or another process fills it."""


class Filled(Taken):
    """There is something in that folder."""


def put(source: Path, target: Path, *, link: bool) -> None:
    """The octets of `source` under the new name `target`, as another name of the same file where `link` and the file
    system allow it; a copy is on stable storage afterwards (mode 0600). The folder's own entry is not synced here."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if link:
        try:
            os.link(source, target)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
        else:
            return
    try:
        there = open_plain(source)
    except NotPlain as error:
        raise OSError(f"{source}: {error}") from error
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with there, os.fdopen(handle, "wb") as copied:
        shutil.copyfileobj(there, copied, 1 << 20)
        copied.flush()
        os.fsync(copied.fileno())


def write(target: Path, octets: bytes) -> None:
    """A new file of mode 0600, on stable storage afterwards but for its name."""
    write_pieces(target, (octets,))


def write_pieces(target: Path, pieces: Iterable[bytes]) -> None:
    """The same, of octets that come one after the other."""
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        for octets in pieces:
            write_all(handle, octets)
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Make every name below `folder` durable."""
    for place, _, _ in os.walk(folder):
        sync_folder(Path(place))


def refuse_filled(target: Path) -> None:
    """`Taken` where the folder `target` is there and not empty."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Filled(f"{target} is there already, and not empty")


@contextmanager
def appearing(target: Path, refuse: Callable[[Path], None] = refuse_filled) -> Iterator[Path]:
    """A folder to fill, that gets the name `target` when the body ends well: then all of it is there, else nothing.

    What a killed one left is removed by the next. A link is followed. `Taken` where `target` is there and not empty
    (the empty folders that `refuse` lets pass are removed), or is the top of a mounted disk: that gets no other name.
    """
    target = target.resolve()
    if target.is_mount():
        raise Taken(f"{target} is where a disk is mounted, and cannot appear whole: name a folder on that disk")
    target.parent.mkdir(parents=True, exist_ok=True)
    filling = target.with_name(target.name + UNFINISHED)
    with _alone(target.with_name(f".{target.name}{UNFINISHED}.lock"), filling):
        refuse(target)  # only now: whoever had the lock before may have given the name meanwhile
        if filling.exists():
            shutil.rmtree(filling)
        filling.mkdir(mode=0o700)
        try:
            yield filling
            sync_tree(filling)
            _remove_empty(target)
            filling.rename(target)
        except BaseException:
            shutil.rmtree(filling, ignore_errors=True)
            raise
        sync_folder(target.parent)


def being_filled(target: Path) -> Path | None:
    """What is to become the folder `target`: it is being filled, or whoever filled it was ended before the end."""
    target = target.resolve()
    filling = target.with_name(target.name + UNFINISHED)
    return filling if filling.exists() else None


def refuse_used(target: Path) -> None:
    """`Taken` where anything but folders is in the folder `target`. A node that cannot start makes some, and so does
    a service manager that starts it again and again while it is restored."""
    target = target.resolve()
    if target.exists() and (not target.is_dir() or not all(map(_is_folder, target.rglob("*")))):
        raise Filled(f"{target} is there already, and not empty")


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _remove_empty(target: Path) -> None:
    """Folders in which there is nothing, and nothing else: whatever has come meanwhile stays, and is an `OSError`."""
    for folder, _, _ in os.walk(target, topdown=False):
        Path(folder).rmdir()


@contextmanager
def _alone(lock: Path, filling: Path) -> Iterator[None]:
    """Keep others from `filling` by a file that is there only meanwhile. `Taken` where another process has it."""
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_named(handle, lock):
                break
        except OSError as error:
            os.close(handle)
            raise Taken(f"another process fills {filling}") from error
        os.close(handle)  # whoever had it before has removed it meanwhile: a third one may have the next
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(handle)


def _is_named(handle: int, path: Path) -> bool:
    here = os.fstat(handle)
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
