"""Files that somebody else may have put there: plain ones are read, and so much of them at most.

In the place of a file may stand a pipe that never says anything, a link to a device that never ends, or a file without
end. Whoever verifies what a stranger gave him waits for none of them.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

_NONE: Final = frozenset({errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.ENAMETOOLONG})
"""What opening says where there is something, and no file."""


class NotPlain(Exception):
    """There is something in the place of a file that is none, or more than there can be."""


def open_plain(path: Path) -> BinaryIO:
    """The file to read. `FileNotFoundError`, `NotPlain`; `OSError` where it cannot be known what there is."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        if error.errno in _NONE:
            raise NotPlain("something else stands in the place of the file") from error
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise NotPlain("something else stands in the place of the file")
    return os.fdopen(handle, "rb")


def read_plain(path: Path, most: int) -> bytes:
    """All octets of a file, which are at most so many. `FileNotFoundError`, `NotPlain`, `OSError`."""
    with open_plain(path) as file:
        octets = file.read(most + 1)
    if len(octets) > most:
        raise NotPlain(f"more than {most} octets, which is the most that it can have")
    return octets


def files_below(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Everything below a folder that is no folder itself, however deep that is; links are not followed."""
    folders = [str(folder)]
    while folders:
        try:
            with os.scandir(folders.pop()) as there:
                found = sorted(there, key=lambda one: one.name)
        except (FileNotFoundError, NotADirectoryError):
            continue
        for one in found:
            if one.is_dir(follow_symlinks=False):
                folders.append(one.path)
            else:
                yield one
