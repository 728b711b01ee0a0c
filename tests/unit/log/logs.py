"""Logs to look at: a key, entries, a folder grown round by round."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from axis.core.entry import leaf
from axis.core.model import EntryKind, LogEntry
from axis.log.checkpoint import Checkpoint
from axis.log.files import Batch, LogFolder
from axis.log.findings import LogReport
from axis.log.heads import CheckpointStore, Head
from axis.log.key import LogKeys
from axis.log.tiles import decode_bundle, encode_bundle
from axis.log.verify import verify_log
from axis.log.writer import LogWriter, Step
from signing.note import NoteSigner, sign_note

ORIGIN = "truc.tinh-99.example/nhat-ky"
SIGNER = NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
STRANGER = NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))
"""The same name, another key."""
VKEY = str(SIGNER.verifier)
KEYS = LogKeys((SIGNER.verifier,))

NOW = datetime(2026, 11, 23, 1, 2, 3, 4, tzinfo=UTC)
ENTRY = EntryKind.DELIVERED


def signed(size: int, root: bytes, signer: NoteSigner = SIGNER, origin: str = ORIGIN) -> str:
    return sign_note(Checkpoint(origin, size, root).text, signer)


def entry(number: int) -> LogEntry:
    return LogEntry(ENTRY, NOW + timedelta(seconds=number), "dms-10", f"ref-{number}", {"attempt": number % 7})


def leaves(first: int, number: int) -> tuple[bytes, ...]:
    return tuple(leaf(entry(place)) for place in range(first, first + number))


def batch(first: int, number: int) -> Batch:
    """Intent ids begin at 1, as databases count."""
    return Batch(first, tuple(range(first + 1, first + number + 1)), leaves(first, number))


def writer_at(path: Path, hook: Callable[[Step], None] = lambda step: None) -> LogWriter:
    return LogWriter(LogFolder(path / "log"), CheckpointStore(path / "heads"), SIGNER, ORIGIN, hook=hook)


def grow(path: Path, *sizes: int) -> Head:
    """Grow the log below `path` to these sizes, one round each, every round published."""
    writer = writer_at(path)
    writer.open()
    try:
        known = CheckpointStore(path / "heads").history()
        writer.reconcile(max((head.checkpoint.size for head in known), default=0))
        writer.publish()
        for size in sizes:
            first = writer.head.checkpoint.size
            writer.commit(batch(first, size - first))
            writer.publish()
        return writer.head
    finally:
        writer.close()


def verified(path: Path, **how: object) -> LogReport:
    return verify_log(path / "log", VKEY, heads=path / "heads", **how)  # type: ignore[arg-type]


def codes(report: LogReport) -> set[str]:
    return {code.value for code in report.counts}


def faults(report: LogReport) -> set[str]:
    return {finding.code.value for finding in report.findings if finding.fault}


def lines(report: LogReport) -> Iterable[str]:
    return map(str, report.findings)


def flip(path: Path, place: int, bit: int = 0) -> None:
    octets = bytearray(path.read_bytes())
    octets[place] ^= 1 << bit
    path.write_bytes(octets)


def rewrite(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    path.write_bytes(encode_bundle(change(decode_bundle(path.read_bytes()))))
