"""Signed notes (c2sp.org/signed-note) with Ed25519: the form in which checkpoints of the log are signed.

A note is UTF-8 text that ends in a newline, an empty line, and one or more lines `— name base64(key hash, signature)`.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from signing.keys import raw_public, sign_bytes, verify_bytes
from signing.octets import decode_base64

_ED25519: Final = b"\x01"
_DASH: Final = "— "
_MOST_SIGNATURES: Final = 100
_MOST_BYTES: Final = 1_000_000
_SECRET: Final = "PRIVATE+KEY+"


class NoteError(StrEnum):
    """Why a note could not be opened."""

    MALFORMED = "malformed"
    UNKNOWN_KEY = "no signature by a known key"
    BAD_SIGNATURE = "a signature by a known key is wrong"


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """Who signs lines of notes: a name, and a public key of 32 octets, of one `algorithm` (C2SP signed-note)."""

    algorithm: ClassVar[bytes]
    kind: ClassVar[str]
    """What it is called where something else was given."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        if not is_name(self.name) or len(self.public) != 32:
            raise ValueError(f"not a key name or not a key: {self.name!r}")

    @property
    def hash(self) -> bytes:
        """The four octets that tell keys of one name apart."""
        return hashlib.sha256(self.name.encode() + b"\n" + self.algorithm + self.public).digest()[:4]

    def __str__(self) -> str:
        """The verifier key string: `name+hash+base64`."""
        return f"{self.name}+{self.hash.hex()}+{b64encode(self.algorithm + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a verifier key string. `ValueError` if it is none, or one of another kind."""
        name, hash_, octets = _split_key(text.strip(), cls.algorithm, cls.kind)
        key = cls(name, octets)
        if key.hash.hex() != hash_:
            raise ValueError("the key hash does not fit the key")
        return key


@dataclass(frozen=True, slots=True)
class NoteKey(VerifierKey):
    """The verifier of a note. For a log, its name is the origin."""

    algorithm: ClassVar[bytes] = _ED25519
    kind: ClassVar[str] = "an Ed25519 note key"


@dataclass(frozen=True, slots=True)
class NoteSigner:
    """The private side of a `NoteKey`."""

    name: str
    key: Ed25519PrivateKey

    def __repr__(self) -> str:
        return f"NoteSigner({self.name})"

    @property
    def verifier(self) -> NoteKey:
        return NoteKey(self.name, raw_public(self.key))

    def secret(self) -> str:
        """The signer key string: `PRIVATE+KEY+name+hash+base64`. Whoever has it can sign."""
        seed = self.key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        return f"{_SECRET}{self.name}+{self.verifier.hash.hex()}+{b64encode(_ED25519 + seed).decode()}"

    @classmethod
    def parse(cls, text: str) -> NoteSigner:
        """Read a signer key string. `ValueError` if it is none; the text is not repeated in the error."""
        text = text.strip()
        if not text.startswith(_SECRET):
            raise ValueError("not a signer key")
        name, hash_, seed = _split_key(text[len(_SECRET) :], _ED25519, NoteKey.kind)
        signer = cls(name, Ed25519PrivateKey.from_private_bytes(seed))
        if signer.verifier.hash.hex() != hash_:
            raise ValueError("the key hash does not fit the key")
        return signer


@dataclass(frozen=True, slots=True)
class Note:
    """An opened note. `text` is what was signed; `signed_by` the known keys that did, in the order of their lines."""

    text: str
    signed_by: tuple[NoteKey, ...]


def sign_note(body: str, *signers: NoteSigner) -> str:
    """Sign `body`, which ends in a newline. Or add signatures to a note: give the whole note as `body`.

    `ValueError` for text that cannot be a note or without a signer: it is ours, so it is a fault and no input.
    """
    text, lines = body, ""
    parts = _split_note(body)
    if parts is not None:
        text, lines = parts
    if not signers or not _is_text(text):
        raise ValueError("not a text that can be signed as a note")
    for signer in signers:
        lines += signature_line(signer.name, signer.verifier.hash, sign_bytes(signer.key, text.encode()))
    return f"{text}\n{lines}"


def open_note(note: str, keys: Iterable[NoteKey]) -> Note | NoteError:
    """Check a note and return its text with the known keys that signed it, or say why not.

    Lines of unknown keys are passed over; a wrong signature by a known key spoils the note, and without any known key
    there is nothing to believe (c2sp.org/signed-note, "Verifying").
    """
    read = read_signatures(note)
    if read is None:
        return NoteError.MALFORMED
    text, signatures = read
    known = {(key.name, key.hash): key for key in keys}
    signed_by: list[NoteKey] = []
    for one in signatures:
        key = known.get((one.name, one.hash))
        if key is None or key in signed_by:
            continue
        if not verify_bytes(key.public, text.encode(), one.signature):
            return NoteError.BAD_SIGNATURE
        signed_by.append(key)
    return Note(text, tuple(signed_by)) if signed_by else NoteError.UNKNOWN_KEY


@dataclass(frozen=True, slots=True)
class Signature:
    """A line below a note, by whomever: `hash` says which key of that name, `line` ends in a newline."""

    name: str
    hash: bytes
    signature: bytes
    line: str


def read_signatures(note: str) -> tuple[str, Sequence[Signature]] | None:
    """The text of a note and the lines below it, none of them believed. `None` for what is no note."""
    parts = _split_note(note)
    if parts is None or not _is_text(parts[0]) or len(note) > _MOST_BYTES:
        return None
    text, block = parts
    lines = block.split("\n")[:-1]
    if not lines or len(lines) > _MOST_SIGNATURES:
        return None
    read: list[Signature] = []
    for line in lines:
        name, _, encoded = line.removeprefix(_DASH).partition(" ")
        try:
            octets = decode_base64(encoded, 16 * 1024)
        except ValueError:
            return None
        if not line.startswith(_DASH) or not is_name(name) or len(octets) < 5 or encoded.split() != [encoded]:
            return None
        read.append(Signature(name, octets[:4], octets[4:], f"{line}\n"))
    return text, read


def signature_line(name: str, hash_: bytes, signature: bytes) -> str:
    """The line of a signature, as it stands below a note."""
    return f"{_DASH}{name} {b64encode(hash_ + signature).decode()}\n"


def _split_note(note: str) -> tuple[str, str] | None:
    """Text (with its newline) and signature lines, split at the last empty line. `None` if there is none."""
    position = note.rfind("\n\n" + _DASH)
    if position < 0 or not note.endswith("\n"):
        return None
    return note[: position + 1], note[position + 2 :]


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return text.endswith("\n") and not any(ord(letter) < 0x20 and letter != "\n" for letter in text)


def is_name(name: str) -> bool:
    """Say whether `name` may be the name of a key."""
    return "+" not in name and name.split() == [name] and name.isprintable()  # a checkpoint is shown to people


def _split_key(text: str, algorithm: bytes, kind: str) -> tuple[str, str, bytes]:
    name, hash_, encoded = [*text.split("+", 2), "", ""][:3]
    octets = decode_base64(encoded, 64)
    if len(octets) != 33 or octets[:1] != algorithm:
        raise ValueError(f"not {kind}")
    return name, hash_, octets[1:]
