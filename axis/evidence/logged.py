"""What a bundle's receipt and log entries prove, with the log's public key at hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final

from axis.core.canonical import canonical
from axis.core.entry import commitment
from axis.core.model import EntryKind
from axis.core.states import IntakeState
from axis.evidence.bundle import Attached, Bundle
from axis.log.checkpoint import Checkpoint
from axis.log.entries import BadEntry, ReadEntry, read_canonical, read_entry
from axis.log.key import LogKeys
from axis.log.proof import MalformedProof, parse_proof
from axis.log.receipts import differences, is_signed
from signing.note import NoteError, open_note
from signing.verdict import Sentence


class Fault(StrEnum):
    """What speaks against the papers of a bundle. Stable."""

    PROOF = "log-proof-malformed"
    SIGNATURE = "log-checkpoint-signature"
    INCLUSION = "log-entry-not-included"
    ENTRY = "log-entry-malformed"
    STRANGER = "log-entry-of-another"
    COMMITMENT = "log-commitment"
    VERDICT = "log-verdict-missing"
    RECORD = "log-record"
    FORK = "log-two-histories"
    RECEIPT = "receipt-malformed"
    RECEIPT_SIGNATURE = "receipt-signature"
    RECEIPT_MISMATCH = "receipt-mismatch"


FAULTS: Final[Mapping[Fault, Sentence]] = MappingProxyType(
    {
        Fault.PROOF: Sentence("Chứng minh nhật ký không đọc được", "a proof of the log cannot be read"),
        Fault.SIGNATURE: Sentence("Mốc không mang chữ ký của khóa này", "a checkpoint is not signed by this key"),
        Fault.INCLUSION: Sentence("Bản ghi không nằm dưới mốc đã ký", "an entry is not under the signed root"),
        Fault.ENTRY: Sentence("Bản ghi sai định dạng", "an entry is not a canonical log entry"),
        Fault.STRANGER: Sentence("Bản ghi của văn bản khác", "an entry tells of another document"),
        Fault.COMMITMENT: Sentence("Cam kết không mở ra nội dung của gói", "a commitment does not open to the bundle"),
        Fault.VERDICT: Sentence("Nhật ký không có kết luận này", "no entry commits to this verdict"),
        Fault.RECORD: Sentence("Sổ sách trong gói khác với nhật ký", "the bundle's record is not what the log says"),
        Fault.FORK: Sentence("Có hai lịch sử cho cùng một kích thước", "two roots were signed for one size"),
        Fault.RECEIPT: Sentence("Biên nhận không đọc được", "the receipt cannot be read"),
        Fault.RECEIPT_SIGNATURE: Sentence(
            "Biên nhận không mang chữ ký của khóa ghi trong đó, hay của khóa bạn đưa ra",
            "the receipt is not signed by the key that it names, or not by yours",
        ),
        Fault.RECEIPT_MISMATCH: Sentence("Biên nhận khác với gói", "the receipt tells something else than the bundle"),
    }
)


_TOLD: Final = (
    "document",
    "node",
    "sender",
    "kind",
    "document_id",
    "package_sha256",
    "bytes_sha256",
    "bytes",
    "accepted_at",
)
"""What receipt and record both say."""


@dataclass(frozen=True, slots=True)
class Finding:
    fault: Fault
    detail: str = ""


def check_receipt(bundle: Bundle, public: bytes | None = None) -> tuple[Finding, ...]:
    """The receipt is of this document, and whole under the key that it names. Whose key that is, only a reader knows
    who has the node's (`public`, 32 octets) from elsewhere."""
    if bundle.receipt is None:
        return ()
    try:
        said = read_canonical(bundle.receipt)
        named = bytes.fromhex(said["key_id"])
    except (ValueError, KeyError, TypeError) as error:
        return (Finding(Fault.RECEIPT, str(error)),)
    if not is_signed(said, named) or (public is not None and named != public):
        return (Finding(Fault.RECEIPT_SIGNATURE, str(said["key_id"])),)
    record = bundle.record
    return tuple(Finding(Fault.RECEIPT_MISMATCH, name) for name in _TOLD if said.get(name) != record.get(name))


def check_log(bundle: Bundle, key: LogKeys) -> tuple[Finding, ...]:
    """Every entry is in the log of that key, tells of this document, and opens to it; one of them to this verdict. The
    record tells no more than they do."""
    found: list[Finding] = []
    told: list[ReadEntry] = []
    judged = 0
    for one in bundle.logged:
        entry = read_entry(one.leaf)
        if isinstance(entry, BadEntry):
            found.append(Finding(Fault.ENTRY, entry.detail))
            continue
        found += _included(one.leaf, one.proof, key)
        if entry.kind is EntryKind.ATTACHMENTS:
            found += _is_of(bundle, entry)
        else:
            told.append(entry)
            found += _opens(bundle, entry)
            judged += _commits_to_verdict(bundle, entry)
    if bundle.logged:
        if not judged:
            found.append(Finding(Fault.VERDICT))
        found += _recorded(bundle.record, told, key.name)
        found += _forked(bundle)
    return tuple(found)


_STATES: Final[Mapping[EntryKind, IntakeState]] = MappingProxyType(
    {EntryKind.ACCEPTED: IntakeState.ACCEPTED, EntryKind.HELD: IntakeState.HELD}
)


def _recorded(record: Mapping[str, Any], told: Sequence[ReadEntry], node: str) -> Iterator[Finding]:
    """What the record says plainly, and nothing commits to, is what the entries say."""
    taken = [one for one in told if one.kind in _STATES]
    ended = [one for one in told if one.kind is EntryKind.RELEASED]
    if len(taken) != 1:
        yield Finding(Fault.RECORD, f"{len(taken)} entries of its acceptance")
        return
    passed = IntakeState.ACCEPTED if ended and ended[-1].facts.get("event") == "pass" else IntakeState.REFUSED
    said = {
        "node": node,
        "kind": taken[0].facts.get("kind"),
        "accepted_at": taken[0].at,
        "state": (passed if ended else _STATES[taken[0].kind]).value,
    }
    yield from (Finding(Fault.RECORD, name) for name, value in said.items() if record.get(name) != value)


def heads_of(bundle: Bundle) -> list[Checkpoint]:
    """The checkpoints of its proofs, by size: what a reader holds against those that others kept."""
    found = set()
    for one in bundle.logged:
        with suppress(MalformedProof, UnicodeDecodeError):
            found.add(parse_proof(one.proof.decode()).head.checkpoint)
    return sorted(found, key=lambda head: (head.size, head.root))


def _forked(bundle: Bundle) -> Iterator[Finding]:
    heads = heads_of(bundle)
    yield from (Finding(Fault.FORK, f"size {one.size}") for one, next in pairwise(heads) if one.size == next.size)


def unlogged(bundle: Bundle) -> tuple[int, ...]:
    """Places of the attachments whose verdicts no entry of the bundle commits to: its checkpoint is older than they."""
    entries = [read_entry(one.leaf) for one in bundle.logged]
    told = {row for one in entries if isinstance(one, ReadEntry) for row in _told_of_attachments(one)}
    return tuple(one.place for one in bundle.attached if _made(one, bundle) not in told)


def _made(one: Attached, bundle: Bundle) -> tuple[object, ...]:
    """What an entry tells of this verdict: the place, and what commits to the octets and to the verdict."""
    octets = _commitment(bundle.record, "attachment", one.verdict["sha256"])
    return one.place, octets, _commitment(bundle.record, "attachment_verdict", canonical(one.verdict).decode())


def _told_of_attachments(entry: ReadEntry) -> set[tuple[object, ...]]:
    told = entry.facts.get("attachments") if entry.kind is EntryKind.ATTACHMENTS else None
    rows = [row for row in told if isinstance(row, list) and len(row) == 5] if isinstance(told, list) else []
    return {(row[0], *row[3:]) for row in rows if [type(one) for one in (row[0], *row[3:])] == [int, str, str]}


def _is_of(bundle: Bundle, entry: ReadEntry) -> Iterator[Finding]:
    if entry.subject != bundle.record.get("document"):
        yield Finding(Fault.STRANGER, entry.subject)


def _included(leaf: bytes, octets: bytes, key: LogKeys) -> Iterator[Finding]:
    try:
        proof = parse_proof(octets.decode())
    except (MalformedProof, UnicodeDecodeError) as error:
        yield Finding(Fault.PROOF, str(error))
        return
    opened = open_note(proof.head.note, key.keys)
    if isinstance(opened, NoteError):
        yield Finding(Fault.SIGNATURE, opened.value)
    elif proof.head.checkpoint.origin != key.name:
        yield Finding(Fault.SIGNATURE, f"the log of {proof.head.checkpoint.origin}")
    elif not proof.holds(leaf):
        yield Finding(Fault.INCLUSION, f"index {proof.index}")


def _opens(bundle: Bundle, entry: ReadEntry) -> Iterator[Finding]:
    record = bundle.record
    if entry.subject != record.get("document") or entry.facts.get("sender") != record.get("sender"):
        yield Finding(Fault.STRANGER, entry.subject)
        return
    for fact, name, value in (
        ("document_commitment", "document_id", record["document_id"]),
        ("package_commitment", "package", record["package_sha256"]),
        ("bytes_commitment", "bytes", record["bytes_sha256"]),
    ):
        if entry.facts.get(fact) != _commitment(record, name, value):
            yield Finding(Fault.COMMITMENT, fact)
    if entry.kind is not EntryKind.RELEASED and bundle.receipt is not None:
        yield from _receipt_agrees(bundle.receipt, entry)


def _receipt_agrees(receipt: bytes, entry: ReadEntry) -> Iterator[Finding]:
    try:
        said = read_canonical(receipt)
    except ValueError:
        return  # `check_receipt` tells it
    yield from (Finding(Fault.RECEIPT_MISMATCH, name) for name in differences(said, entry))


def _commits_to_verdict(bundle: Bundle, entry: ReadEntry) -> bool:
    made = _commitment(bundle.record, "verdict", bundle.octets.decode())
    return made is not None and entry.facts.get("verdict_commitment") == made


def _commitment(record: Mapping[str, Any], name: str, value: str) -> object:
    try:
        return commitment(record["nonce"], name, value)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
