"""What is sent to a witness: a checkpoint, and the proof that it continues what the witness has (C2SP tlog-witness)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Final

from axis.core.merkle import HASH_BYTES
from axis.log.checkpoint import MalformedCheckpoint
from axis.log.heads import Head
from signing.note import read_signatures

SIZE_TYPE: Final = "text/x.tlog.size"
"""The type of an answer that only says how large the checkpoint is that the witness has."""
OFFER_BYTES: Final = 1 << 16
"""Our choice: 63 hashes, and a checkpoint with signatures of many."""
_MOST_HASHES: Final = 63
_MOST_DIGITS: Final = 19


class MalformedOffer(ValueError):
    """Text that is not an offer."""


@dataclass(frozen=True, slots=True)
class Offer:
    """`old` is the size that the witness is believed to have, `proof` leads from there to the head.

    ::

        old 20852014
        PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
        ...

        truc.tinh.gov.vn/nhat-ky
        20852163
        CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

        — truc.tinh.gov.vn/nhat-ky Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurm...
    """

    old: int
    proof: tuple[bytes, ...]
    head: Head

    @property
    def text(self) -> str:
        hashes = "".join(base64.b64encode(item).decode() + "\n" for item in self.proof)
        return f"old {self.old}\n{hashes}\n{self.head.note}"


def parse_offer(text: str) -> Offer:
    """Read an offer; no signature and no proof is looked at. `MalformedOffer` for any other spelling."""
    top, blank, note = text.partition("\n\n")
    first, *lines = top.split("\n")
    if not blank or not first.startswith("old ") or len(lines) > _MOST_HASHES:
        raise MalformedOffer("an offer names the old size, then at most 63 hashes; behind a blank line, a checkpoint")
    try:
        old = parse_size(first.removeprefix("old "))
        proof = tuple(base64.b64decode(line, validate=True) for line in lines)
        offer = Offer(old, proof, Head.read(note))
    except (MalformedCheckpoint, ValueError, binascii.Error) as error:
        raise MalformedOffer(f"a part of the offer cannot be read: {error}") from error
    if offer.text != text or any(len(item) != HASH_BYTES for item in proof) or read_signatures(note) is None:
        raise MalformedOffer("a size has one spelling, a hash has 32 octets, and a note its signatures")
    return offer


def parse_size(text: str) -> int:
    """A size of a tree in its one spelling. `ValueError`."""
    if not (text.isascii() and text.isdigit()) or len(text) > _MOST_DIGITS or str(int(text)) != text:
        raise ValueError("not the size of a tree")
    return int(text)


def place_of(origin: str) -> str:
    """Where a witness shows what it has of a log, below its address: SHA-256 of the origin, in hex."""
    return hashlib.sha256(origin.encode()).hexdigest()
