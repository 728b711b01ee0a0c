"""Cosignatures of witnesses below a checkpoint (C2SP tlog-cosignature, the Ed25519 form `cosignature/v1`).

A witness says with it: at this time this was the largest checkpoint of this log that I had seen, and every older one
was its beginning. To readers that do not know the witness the line is one of an unknown key, which they pass over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signing.keys import raw_public, sign_bytes, verify_bytes
from signing.note import VerifierKey, read_signatures, signature_line

_TIME_BYTES: Final = 8
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class WitnessKey(VerifierKey):
    """The verifier of a witness (bên chứng kiến)."""

    algorithm: ClassVar[bytes] = b"\x04"
    kind: ClassVar[str] = "the key of a witness (Ed25519 cosignatures)"


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
