"""Cosignatures of witnesses below a checkpoint (C2SP tlog-cosignature, the Ed25519 form `cosignature/v1`).

A witness says with it: at this time this was the largest checkpoint of this log that I had seen, and every older one
was its beginning. To readers that do not know the witness the line is one of an unknown key, which they pass over.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signing.keys import raw_public, sign_bytes, verify_bytes
from signing.note import is_name, read_signatures, signature_line
from signing.octets import decode_base64

_COSIGNATURE: Final = b"\x04"
_TIME_BYTES: Final = 8
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """The verifier of a witness (bên chứng kiến): its name, and its public key of 32 octets."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        if not is_name(self.name) or len(self.public) != 32:
            raise ValueError(f"not a key name or not a key: {self.name!r}")

    @property
    def hash(self) -> bytes:
        """The four octets that tell keys of one name apart."""
        return hashlib.sha256(self.name.encode() + b"\n" + _COSIGNATURE + self.public).digest()[:4]

    def __str__(self) -> str:
        """The verifier key string: `name+hash+base64`."""
        return f"{self.name}+{self.hash.hex()}+{b64encode(_COSIGNATURE + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> WitnessKey:
        """Read a verifier key string. `ValueError` if it is none, or the key of a log."""
        name, hash_, encoded = [*text.strip().split("+", 2), "", ""][:3]
        octets = decode_base64(encoded, 64)
        if len(octets) != 33 or octets[:1] != _COSIGNATURE:
            raise ValueError("not the key of a witness (Ed25519 cosignatures)")
        key = cls(name, octets[1:])
        if key.hash.hex() != hash_:
            raise ValueError("the key hash does not fit the key")
        return key


@dataclass(frozen=True, slots=True)
class Cosignature:
    """One that holds: whose, at what time it was made as its maker says, and its line."""

    key: WitnessKey
    at: datetime
    line: str


@dataclass(frozen=True, slots=True)
class Cosigner:
    """The private side of a `WitnessKey`. The same key signs nothing else: what is signed does not say whose it is."""

    name: str
    key: Ed25519PrivateKey

    def __repr__(self) -> str:
        return f"Cosigner({self.name})"

    @property
    def verifier(self) -> WitnessKey:
        return WitnessKey(self.name, raw_public(self.key))

    def cosign(self, text: str, at: datetime) -> str:
        """The line for a checkpoint's text (without its signatures), ending in a newline."""
        seconds = (at - _EPOCH) // timedelta(seconds=1)
        signature = seconds.to_bytes(_TIME_BYTES, "big") + sign_bytes(self.key, _signed(text, seconds))
        return signature_line(self.name, self.verifier.hash, signature)


def cosignatures_of(note: str, keys: Iterable[WitnessKey]) -> tuple[Sequence[Cosignature], Sequence[WitnessKey]]:
    """Which of `keys` cosigned a note, the newest of each; and of which there are lines that do not hold.

    Lines of others are passed over, the log's own among them: open the note with the log's key first.
    """
    text, lines = read_signatures(note) or ("", ())
    known = {(key.name, key.hash): key for key in keys}
    good, bad = dict[WitnessKey, Cosignature](), dict[WitnessKey, None]()
    for one in lines:
        key = known.get((one.name, one.hash))
        if key is None:
            continue
        seconds, signature = int.from_bytes(one.signature[:_TIME_BYTES], "big"), one.signature[_TIME_BYTES:]
        try:
            at = _EPOCH + timedelta(seconds=seconds)
        except OverflowError:
            at = None
        if at is None or not verify_bytes(key.public, _signed(text, seconds), signature):
            bad[key] = None
        elif key not in good or at > good[key].at:
            good[key] = Cosignature(key, at, one.line)
    return tuple(good.values()), tuple(bad)


def _signed(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()
