"""Names of attachments: which are refused, because some system downstream would do harm with them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from schemas.errors import Violation

_PLACE: Final = "AttachmentName"
_MAX_BYTES: Final = 255  # what Linux, Windows and macOS file systems take as one name
_SEPARATORS: Final = re.compile(r'[/\\:*?"<>|]')
_DEVICES: Final = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(?:\..*)?", re.IGNORECASE | re.DOTALL
)
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Unicode categories that one does not see: controls, bidi and zero-width formats, surrogates, line separators."""


def check_name(name: str) -> Violation | None:
    """Say why an attachment's name is refused (`attachment-name`), `None` when it is good.

    Refused: empty, `.` and `..`, path separators and other characters that no Windows file name has (drive letters,
    UNC paths and streams among them), device names, a space or dot at the end, a space at the beginning, more than
    255 bytes of UTF-8, and characters that one does not see. Vietnamese in either normal form is fine.
    """
    detail = _fault(name)
    return None if detail is None else Violation("attachment-name", _PLACE, detail)


def check_names(names: Iterable[str]) -> tuple[Violation, ...]:
    """`check_name` for all names of one document, and no two the same after NFC and case folding."""
    names = tuple(names)
    found = [violation for violation in map(check_name, names) if violation is not None]
    if len({_folded(name) for name in names}) != len(names):
        found.append(Violation("attachment-name", _PLACE, "two names differ in case or Unicode form only"))
    return tuple(found)


def _fault(name: str) -> str | None:
    if name in ("", ".", ".."):
        return "is empty or a directory"
    if _SEPARATORS.search(name):
        return "holds a path separator or another character that file names may not have"
    if not name.isprintable() and any(unicodedata.category(character) in _UNSEEN for character in name):
        return "holds a character that cannot be seen"
    if name[-1] in ". " or name[0].isspace() or name[-1].isspace():
        return "begins with a space, or ends with a space or dot"
    if len(name.encode()) > _MAX_BYTES:
        return f"is longer than {_MAX_BYTES} bytes"
    if _DEVICES.fullmatch(name):
        return "is the name of a device"
    return None


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", name).casefold())
