"""Change the operator's file of bindings: one writer at a time, all or nothing, every comment kept."""

from __future__ import annotations

import fcntl
import json
import os
import ssl
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, time
from pathlib import Path
from typing import Final

from axis.config import ConfigError
from axis.config.bindings import BindingBook, parse_book
from axis.core.binding import Binding
from axis.core.registry import Registry
from axis.core.times import VIETNAM

HEADING: Final = """\
# Chứng thư số nào ký thay cơ quan nào, từ khi nào đến khi nào. `axis cert bind` ghi tệp này; sửa tay cũng được.
# Which certificates speak for which agencies, and when. Written by `axis cert bind`; may be edited by hand.
# valid_to: từ lúc đó trở đi không còn ký thay nữa / from then on it speaks for the agency no more.
"""
FOLDER: Final = "certificates"
"""Beside the file: the certificates themselves, so that a forecast can be made of them."""


@dataclass(frozen=True, slots=True)
class Add:
    """A new row. `file` is relative to the file of bindings."""

    binding: Binding
    subject: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """The row with this index gets another `valid_to`."""

    index: int
    at: datetime


Change = Add | End


class NotEditable(Exception):
    """The file is right and yet written in a way that cannot be changed without touching what is not ours."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait until nobody else changes `path`. The lock is a file of its own: each write replaces the other one."""
    with path.with_name(f".{path.name}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def changed(book: BindingBook, changes: Sequence[Change], registry: Registry) -> BindingBook:
    """The file with `changes`, read again: what it then says is exactly what was asked for, or `NotEditable`."""
    text = book.text or HEADING
    added = [one for one in changes if isinstance(one, Add)]
    ended = sorted((one for one in changes if isinstance(one, End)), key=lambda one: -one.index)
    wanted = list(book.bindings)
    for end in ended:
        text = _with_end(text, book, end)
        wanted[end.index] = replace(wanted[end.index], valid_to=end.at)
    newline = "\r\n" if "\r\n" in text else "\n"
    for add in added:
        text = text if text.endswith("\n") else text + newline
        text += newline + newline.join([*_row(add), ""])
    wanted += [add.binding for add in added]
    try:
        after = parse_book(text, book.path, registry)
    except ConfigError as error:
        raise NotEditable(str(error)) from error
    if list(after.bindings) != wanted:
        raise NotEditable("the changed text would not say what was asked for")
    return after


def _with_end(text: str, book: BindingBook, change: End) -> str:
    """Offsets of `book` hold in `text` up to this row: ends are written from the last row to the first."""
    row = ("binding", change.index)
    written = book.places.values.get((*row, "valid_to"))
    if written is not None:
        return text[: written[0]] + instant_text(change.at) + text[written[1] :]
    after = book.places.values[(*row, "valid_from")][1]
    if book.text.startswith("[[", book.places.keys.get(row, -1)):
        line = text.find("\n", after)
        line = len(text) if line < 0 else line
        line -= text[:line].endswith("\r")
        newline = "\r\n" if "\r\n" in text else "\n"
        return f"{text[:line]}{newline}valid_to = {instant_text(change.at)}{text[line:]}"
    return f"{text[:after]}, valid_to = {instant_text(change.at)}{text[after:]}"


def _row(change: Add) -> Iterator[str]:
    binding = change.binding
    assert binding.valid_from is not None, "what is written has a beginning"
    yield "[[binding]]"
    yield f'certificate = "sha256:{binding.certificate}"'
    yield f'agency = "{binding.agency}"'
    yield f"valid_from = {instant_text(binding.valid_from)}"
    if binding.valid_to is not None:
        yield f"valid_to = {instant_text(binding.valid_to)}"
    facts = (("file", change.file), ("subject", change.subject), ("note", binding.note), ("made_by", binding.made_by))
    yield from (f"{name} = {quoted(value)}" for name, value in facts if value)


def quoted(text: str) -> str:
    """Text as TOML writes it: JSON's escapes are among TOML's, which also wants DEL escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def instant_text(at: datetime) -> str:
    """A day of Vietnam's calendar where the instant is its beginning, otherwise the instant with its zone."""
    here = at.astimezone(VIETNAM)
    return here.date().isoformat() if here.time() == time() else here.isoformat()


def keep_certificate(folder: Path, sha256: str, der: bytes) -> str:
    """Keep a certificate beside the file of bindings; its name there."""
    name = f"{FOLDER}/{sha256}.pem"
    (folder / FOLDER).mkdir(exist_ok=True)
    octets = ssl.DER_cert_to_PEM_cert(der).encode()
    if not (folder / name).exists() or (folder / name).read_bytes() != octets:
        replace_file(folder / name, octets)
    return name


def replace_file(path: Path, octets: bytes) -> None:
    """Write a file in one step: a reader meets the old one or the new one, and so does a machine after a power cut.

    Mode and owner stay, so that what root writes the daemon can still read.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    fresh = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            before = path.stat() if path.exists() else None
            os.fchmod(handle, before.st_mode & 0o777 if before else 0o644)
            if before and (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()) and os.geteuid() == 0:
                os.fchown(handle, before.st_uid, before.st_gid)
            file.write(octets)
            file.flush()
            os.fsync(handle)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
