"""The token that opens the operator's listener to whoever may read this node's own folder."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

NAME = "operator.token"
_LENGTH = 64


def write_token(data: Path) -> str:
    """The token in `data`, for this account alone; drawn by the first process that asks, and shared by those of one
    node that share the folder. Not synced: where a power cut leaves less than a token, the next one draws anew."""
    path = data / NAME
    known = read_token(data)
    if known and len(known) == _LENGTH and path.stat().st_mode & 0o077 == 0:
        return known
    token = secrets.token_hex(_LENGTH // 2)
    fresh = path.with_name(f".{NAME}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token)
    fresh.replace(path)
    return token


def read_token(data: Path) -> str | None:
    """The token of the node, `None` where there never was one."""
    try:
        return (data / NAME).read_text().strip()
    except FileNotFoundError:
        return None
