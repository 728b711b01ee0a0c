"""The three lines that are signed: which log, how many leaves, which root (C2SP tlog-checkpoint)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Final

from axis.core.merkle import HASH_BYTES

MOST_LEAVES: Final = (1 << 63) - 1
"""Of any log, whoever wrote its checkpoint."""


class MalformedCheckpoint(ValueError):
    """Text that is not a checkpoint of exactly three lines."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Mốc nhật ký: the head of the tree at one size.

    ::

        truc.tinh.gov.vn/nhat-ky
        20852163
        CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    There are no extension lines: C2SP discourages them, because no monitor can audit what they say.
    """

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not self.origin or self.origin != self.origin.strip() or not self.origin.isprintable():
            raise MalformedCheckpoint("the origin of a log is one line of printable text")
        if not 0 <= self.size <= MOST_LEAVES or len(self.root) != HASH_BYTES:
            raise MalformedCheckpoint("a checkpoint has a size below 2**63 and a root of 32 octets")

    @property
    def text(self) -> str:
        """What is signed; ends with a newline."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint, without its signatures. `MalformedCheckpoint` for any other spelling."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise MalformedCheckpoint("a checkpoint has exactly three lines")
    origin, size, root = lines[:3]
    try:
        read = Checkpoint(origin, int(size), base64.b64decode(root, validate=True))
    except (ValueError, binascii.Error) as error:
        raise MalformedCheckpoint("a size or root that cannot be read") from error
    if read.text != text:  # leading zeroes, a sign, other digits, base64 with stray bits
        raise MalformedCheckpoint("a checkpoint has one spelling only")
    return read
