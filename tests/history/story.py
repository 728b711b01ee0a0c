"""A small history that keeps every rule, made by hand: four documents, statuses, a recall, a repeat, a lost answer."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.history.event import Event, Operation, Outcome
from tests.history.logbook import Head, Key, Logbook, read_note
from tests.history.rules import World, commitment

ORIGIN = "truc-thu"
OFFICE, HOME, FINANCE = "000.00.01.H99", "000.00.13.H99", "000.00.14.H99"
LOG_KEY, RECEIPT_KEY = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2))
KEY = Key(ORIGIN, LOG_KEY.public_key().public_bytes_raw())
NONCE = "5a" * 16


def canonical(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def digest(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()


def note(size: int, root: bytes, by: Ed25519PrivateKey = LOG_KEY) -> str:
    text = f"{ORIGIN}\n{size}\n{base64.b64encode(root).decode()}\n"
    tag = hashlib.sha256(ORIGIN.encode() + b"\n\x01" + KEY.public).digest()[:4]
    return f"{text}\n— {ORIGIN} {base64.b64encode(tag + by.sign(text.encode())).decode()}\n"


def signed_head(entries: Sequence[bytes], size: int | None = None) -> Head:
    """The head of the first `size` entries."""
    size = len(entries) if size is None else size
    return read_note(note(size, Logbook(tuple(entries), (), None).roots([size])[size]))


@dataclass
class Story:
    """What happened so far."""

    events: list[Event] = field(default_factory=list)
    entries: list[bytes] = field(default_factory=list)
    heads: list[Head] = field(default_factory=list)
    published: Head | None = None
    """Another one than the newest."""
    world: World = field(
        default_factory=lambda: World(
            frozenset({OFFICE, HOME, FINANCE}),
            openings={},
            receipt_key=RECEIPT_KEY.public_key().public_bytes_raw(),
        )
    )
    clock: float = 0.0

    def event(
        self, process: str, operation: Operation, arguments: dict[str, Any], outcome: Outcome, **result: Any
    ) -> Event:
        made = Event(process, operation, arguments, outcome, result, self.clock, self.clock + 1)
        self.clock += 2
        self.events.append(made)
        return made

    def logged(self, kind: str, subject: str, **facts: Any) -> None:
        self.entries.append(canonical({"v": 1, "kind": kind, "actor": "a", "subject": subject, "facts": facts}))
        self.heads.append(signed_head(self.entries))

    @property
    def log(self) -> Logbook:
        return Logbook(tuple(self.entries), tuple(self.heads), self.published or self.heads[-1], (KEY,))

    def submits(
        self,
        ref: str,
        recipients: Sequence[str],
        kind: str = "new",
        document_id: str = "",
        outcome: Outcome = Outcome.OK,
        logged: bool = True,
    ) -> Event:
        octets = digest(ref.encode())
        arguments = {
            "sender": OFFICE,
            "kind": kind,
            "document_id": document_id or f"id-{ref}",
            "sha256": octets,
            "recipients": list(recipients),
        }
        if logged:
            facts = {"sender": OFFICE, "recipients": list(recipients)}
            self.logged("accepted", ref, **facts, bytes_commitment=commitment(NONCE, "bytes", octets))
            assert self.world.openings is not None
            self.world.openings[ref] = NONCE  # type: ignore[index]
        result = {"receipt": self.receipt(ref, octets)} if outcome is Outcome.OK else {}
        return self.event(OFFICE, Operation.SUBMIT, arguments, outcome, **result)

    def receipt(self, ref: str, octets: str, **more: Any) -> str:
        public = RECEIPT_KEY.public_key().public_bytes_raw()
        body = {"document": ref, "state": "accepted", "bytes_sha256": octets, "key_id": public.hex(), **more}
        signature = base64.b64encode(RECEIPT_KEY.sign(canonical(body))).decode()
        return canonical({**body, "signature": signature}).decode()

    def gets(
        self, who: str, ref: str, delivery: str, *, cargo: str = "document", code: str = "", acked: bool = True
    ) -> None:
        """It lists, fetches and acknowledges."""
        arguments = {"delivery": delivery, "cargo": cargo, "document": ref, "code": code, "receiver": HOME}
        octets = digest(ref.encode() if cargo == "document" else f"{ref}{code}".encode())
        self.event(who, Operation.LIST, {}, Outcome.OK, items=[arguments])
        self.event(who, Operation.FETCH, arguments, Outcome.OK, sha256=octets)
        if acked:
            self.event(who, Operation.ACK, {"delivery": delivery}, Outcome.OK, document=ref)
            self.logged("delivered", delivery)

    def says(self, who: str, ref: str, code: str, standing: str = "applied") -> None:
        told = f"{ref}-{code}"
        self.logged("status", told, document=ref, code=code)
        arguments = {"document": ref, "code": code}
        self.event(who, Operation.STATUS, arguments, Outcome.OK, status=told, receiver=who, standing=standing)

    def shows(self) -> None:
        size = len(self.entries)
        root = Logbook(tuple(self.entries), (), None).roots([size])[size]
        self.event(OFFICE, Operation.HEAD, {}, Outcome.OK, note=note(size, root))


def good() -> Story:
    """Nothing is wrong with it."""
    story = Story()
    story.submits("a", [HOME, FINANCE])
    story.submits("a", [HOME, FINANCE], logged=False)  # a repeat
    story.shows()
    story.gets(HOME, "a", "a-home")
    story.gets(FINANCE, "a", "a-finance")
    story.submits("b", [HOME], outcome=Outcome.INFO)  # the answer was lost, and it was taken
    story.gets(HOME, "b", "b-home")
    story.submits("c", [HOME], outcome=Outcome.INFO, logged=False)  # the answer was lost, and it was not taken
    story.submits("d", [HOME], outcome=Outcome.FAIL, logged=False)
    story.submits("r", [HOME], kind="recall", document_id="id-a")
    story.gets(HOME, "r", "r-home")
    for code in ("03", "05", "06"):
        story.says(HOME, "a", code)
        story.gets(OFFICE, "a", f"a-{code}", cargo="status", code=code)
    story.shows()
    story.event("harness", Operation.DRAIN, {"limit_s": 10}, Outcome.OK)
    return story


def write_folders(story: Story, folder: Path) -> tuple[Path, Path]:
    """The log's folder and the heads', as C2SP and RFC 6962 say."""
    log, heads = folder / "log", folder / "heads"
    for number in range((len(story.entries) + 255) // 256):
        part = story.entries[number * 256 : number * 256 + 256]
        name = f"{number:03d}" if len(part) == 256 else f"{number:03d}.p/{len(part)}"
        bundle = b"".join(len(entry).to_bytes(2, "big") + entry for entry in part)
        hashes = b"".join(hashlib.sha256(b"\0" + entry).digest() for entry in part)
        for level, octets in (("entries", bundle), ("0", hashes)):
            path = log / "tile" / level / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(octets)
    sizes = sorted({*range(0, len(story.entries), 100), len(story.entries)})
    roots = Logbook(tuple(story.entries), (), None).roots(sizes)
    notes = [note(size, roots[size]) for size in sizes]
    for path in (log, heads):
        path.mkdir(parents=True, exist_ok=True)
    (heads / "heads.jsonl").write_text("".join(json.dumps({"note": one}) + "\n" for one in notes))
    (log / "checkpoint").write_text(notes[-1])
    return log, heads
