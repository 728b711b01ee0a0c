"""How objects are called, below the prefix of their node."""

from __future__ import annotations

import re
from typing import Final

from axis.holding import Sort

_NAMED: Final = re.compile(r"([0-9a-f]{2})/\1[0-9a-f]{62}")
_ASIDE: Final = re.compile(r"unnamed/[0-9a-f]{64}")


def named(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}"


def aside(sha256: str) -> str:
    """Where it lies after a collection found it in no row, before it is removed."""
    return f"unnamed/{sha256}"


def sort_of(key: str) -> Sort:
    return Sort.NAMED if _NAMED.fullmatch(key) else Sort.ASIDE if _ASIDE.fullmatch(key) else Sort.STRAY
