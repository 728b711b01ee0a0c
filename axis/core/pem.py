"""Whether a text of PEM blocks (RFC 7468) is whole."""

from __future__ import annotations

import re
from typing import Final

_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\s[A-Za-z0-9+/=\s]+-----END \1-----")
_CUT: Final = re.compile(r"^-----BEGIN|^-{1,4}\Z|^-----(B|BE|BEG|BEGI)?\Z", re.MULTILINE)


def is_whole(text: str) -> bool:
    """Say whether there are blocks, and the last one has its end. OpenSSL takes those that stand before a half one, and
    says nothing. Text between blocks is nobody's business."""
    rest = _BLOCK.sub("", text)
    return rest != text and not _CUT.search(rest)
