"""The rules that every history keeps, whatever broke meanwhile. Reads events and the log's folder, nothing else.

Who asks for more than the promise says writes it into his own test; what stands here holds always.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final

from tests.history.event import Event, Operation, Outcome
from tests.history.logbook import Logbook, Unreadable, is_signed, read_note

FIVE: Final = ("01", "03", "04", "05", "06")


class Rule(StrEnum):
    """What was broken; the value is what a person reads."""

    NO_LEAF = "a receipt was given, and the log has no acceptance"
    KEPT = "what was answered with 4xx reached somebody"
    UNASKED = "the log has an acceptance that nobody asked for"
    LOST = "a recipient has not got it, and the sender was told nothing"
    UNEXPECTED = "a recipient has got what nobody sent"
    DOUBLED = "one document came under two delivery ids"
    AGAIN = "a mailbox shows what was acknowledged before"
    STRANGER = "somebody saw what is none of his business"
    ALTERED = "octets differ from those that were sent"
    UNPROVEN = "the log commits to other octets, or the receipt is not signed"
    TWO_RECEIPTS = "one package has two receipts"
    TWO_ACCEPTANCES = "one package, or one id, was accepted twice"
    DISORDER = "statuses came out of order"
    OVERTAKEN = "a change came before the document that it changes"
    ILLEGAL = "a status went back"
    UNREADABLE = "the log cannot be read"
    FORKED = "two heads do not belong to one tree"
    SHRUNK = "a head is smaller than one before"
    FORGED = "a head is not signed by the log's key"
    UNLOGGED = "what was done has no entry"
    INVENTED = "an entry tells of what nobody did"
    SLOW = "what waited was not done in time"


@dataclass(frozen=True)
class Violation:
    rule: Rule
    detail: str

    def __str__(self) -> str:
        return f"{self.rule.name}: {self.rule.value} ({self.detail})"


@dataclass(frozen=True)
class World:
    """What else is known. `watched` are the agencies whose every delivery is in the history; `settled` says that
    nothing is under way any more. `openings` are the nonces of documents, `receipt_key` the public key of receipts."""

    watched: frozenset[str] = frozenset()
    settled: bool = True
    openings: Mapping[str, str] | None = None
    receipt_key: bytes | None = None


def check(events: Iterable[Event], log: Logbook | Unreadable, world: World) -> list[Violation]:
    """Every rule that is broken, with what breaks it."""
    if isinstance(log, Unreadable):
        return [Violation(Rule.UNREADABLE, str(log))]
    book = _Book(sorted(events, key=lambda event: event.completed), log, world)
    return [*_accepted(book), *_queue(book), *_isolation(book), *_integrity(book), *_order(book), *_log(book)]


class _Book:
    """The events, sorted by what the rules ask."""

    def __init__(self, events: list[Event], log: Logbook, world: World) -> None:
        self.events, self.log, self.world = events, log, world
        self.entries = log.parsed()
        self.accepted = [entry for entry in self.entries if entry["kind"] in ("accepted", "held")]
        self.submits = self.of(Operation.SUBMIT)
        self.receipts: dict[str, list[tuple[Event, dict[str, Any]]]] = defaultdict(list)
        for event in self.submits:
            if event.outcome is Outcome.OK:
                said = json.loads(event.result["receipt"])
                self.receipts[said["document"]].append((event, said))
        self.held = [one for one in self.of(Operation.FETCH, Operation.PUSH) if one.outcome is Outcome.OK]
        self.documents = [one for one in self.held if one.arguments["cargo"] == "document"]
        self.submitted = {event.arguments["sha256"]: event for event in self.submits}

    def of(self, *operations: Operation) -> list[Event]:
        return [event for event in self.events if event.operation in operations]

    def leaves(self, kind: str) -> set[str]:
        return {entry["subject"] for entry in self.entries if entry["kind"] == kind}


def _key(event: Event) -> tuple[str, str, str, str]:
    said = event.arguments
    return said["sender"], said["kind"], said["document_id"], said["sha256"]


def _accepted(book: _Book) -> Iterator[Violation]:
    """Rules 1 and 5: what was acknowledged is there once, what was refused is not, what is unknown is either."""
    leaves = [entry["subject"] for entry in book.accepted]
    for ref in book.receipts:
        if ref not in leaves:
            yield Violation(Rule.NO_LEAF, ref)
    for ref in {ref for ref in leaves if leaves.count(ref) > 1}:
        yield Violation(Rule.TWO_ACCEPTANCES, ref)
    texts: dict[tuple[str, ...], set[str]] = defaultdict(set)
    ids: dict[tuple[str, str], set[str]] = defaultdict(set)
    refs: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for ref, given in book.receipts.items():
        for event, _ in given:
            texts[_key(event)].add(event.result["receipt"])
            refs[_key(event)].add(ref)
            if event.arguments["kind"] == "new":
                ids[_key(event)[0], event.arguments["document_id"]].add(ref)
    for event in book.of(Operation.RECEIPT):
        if event.outcome is Outcome.OK:
            for first, _ in book.receipts.get(event.arguments["document"], ()):
                texts[_key(first)].add(event.result["receipt"])
    yield from (Violation(Rule.TWO_RECEIPTS, str(key)) for key, all_ in texts.items() if len(all_) > 1)
    twice = {str(key) for key, all_ in (*refs.items(), *ids.items()) if len(all_) > 1}
    yield from (Violation(Rule.TWO_ACCEPTANCES, key) for key in sorted(twice))
    # What has no receipt must be one of those whose answer was lost; each of them can have been taken once.
    open_keys = defaultdict(set)
    for event in book.submits:
        if event.outcome is Outcome.INFO and not refs.get(_key(event)):
            open_keys[event.arguments["sender"]].add(_key(event))
    strange: dict[str, list[str]] = defaultdict(list)
    for entry in book.accepted:
        if entry["subject"] not in book.receipts:
            strange[entry["facts"]["sender"]].append(entry["subject"])
    for sender, found in strange.items():
        if len(found) > len(open_keys[sender]):
            yield Violation(Rule.UNASKED, f"{sender}: {found}")
    maybe = {event.arguments["sha256"] for event in book.submits if event.outcome is not Outcome.FAIL}
    for event in book.documents:
        digest = event.result["sha256"]
        if digest in book.submitted and digest not in maybe:
            yield Violation(Rule.KEPT, f"{event.process}: {event.arguments['delivery']}")


def _queue(book: _Book) -> Iterator[Violation]:
    """Rule 2: acknowledged − delivered − told is empty; delivered − submitted is empty; duplicates share an id."""
    ids: dict[tuple[str, str], set[str]] = defaultdict(set)
    digests: dict[tuple[str, str], set[str]] = defaultdict(set)
    for event in book.documents:
        said = event.arguments
        ids[event.process, said["document"]].add(said["delivery"])
        digests[event.process, event.result["sha256"]].add(said["delivery"])
        if event.result["sha256"] not in book.submitted:
            yield Violation(Rule.UNEXPECTED, f"{event.process}: {said['delivery']}")
    told: dict[tuple[str, str], set[str]] = defaultdict(set)
    for event in book.held:
        said = event.arguments
        if said["cargo"] == "status" and said["code"] in FIVE:  # the others may be said again
            told[event.process, f"{said['code']} of {said['document']} at {said['receiver']}"].add(said["delivery"])
    doubled = {
        f"{who}: {what}" for found in (ids, digests, told) for (who, what), names in found.items() if len(names) > 1
    }
    yield from (Violation(Rule.DOUBLED, one) for one in sorted(doubled))
    acked = {
        (event.process, event.arguments["delivery"]): event.completed
        for event in reversed(book.of(Operation.ACK))
        if event.outcome is Outcome.OK
    }
    for event in book.of(Operation.LIST):
        for item in event.result.get("items", ()):
            if event.invoked > acked.get((event.process, item["delivery"]), event.invoked):
                yield Violation(Rule.AGAIN, f"{event.process}: {item['delivery']}")
    if not book.world.settled:
        return
    noticed = {event.arguments["document"] for event in book.held if event.arguments["cargo"] == "notice"}
    for ref, recipients in _recipients(book).items():
        for recipient in recipients & book.world.watched:
            if (recipient, ref) not in ids and ref not in noticed:
                yield Violation(Rule.LOST, f"{ref} for {recipient}")
    for event in book.of(Operation.STATUS):
        said, sender = event.arguments, _sender(book, event.arguments["document"])
        if event.outcome is not Outcome.OK or said["code"] not in FIVE:
            continue
        about = f"{said['code']} of {said['document']} at {event.result['receiver']}"
        if sender in book.world.watched and (sender, about) not in told:
            yield Violation(Rule.LOST, f"status {about}")
    for event in book.of(Operation.DRAIN):
        if event.outcome is not Outcome.OK or event.completed - event.invoked > event.arguments["limit_s"]:
            yield Violation(Rule.SLOW, f"{event.completed - event.invoked:.1f} s of {event.arguments['limit_s']} s")


def _sender(book: _Book, ref: str) -> str:
    return next((str(event.arguments["sender"]) for event, _ in book.receipts.get(ref, ())), "")


def _recipients(book: _Book) -> dict[str, set[str]]:
    """Whom each accepted document is for: as its sender says, and as the log says of one whose answer was lost."""
    found = {
        entry["subject"]: set(entry["facts"]["recipients"]) for entry in book.accepted if entry["kind"] == "accepted"
    }
    for ref, given in book.receipts.items():
        for event, said in given:
            if said["state"] == "accepted":
                found[ref] = found.get(ref, set()) | set(event.arguments["recipients"])
    return found


def _isolation(book: _Book) -> Iterator[Violation]:
    """Rule 3: only the sender and those whom the signed document names see anything of it."""
    parties: dict[str, set[str]] = defaultdict(set)
    for ref, given in book.receipts.items():
        for event, _ in given:
            parties[ref] |= {event.arguments["sender"], *event.arguments["recipients"]}
    for entry in book.accepted:
        if entry["subject"] not in parties:
            parties[entry["subject"]] = {entry["facts"]["sender"], *entry["facts"]["recipients"]}
    seen = [(event.process, item) for event in book.of(Operation.LIST) for item in event.result.get("items", ())]
    for event in book.of(Operation.FETCH, Operation.PUSH, Operation.DOCUMENT, Operation.RECEIPT, Operation.STATUS):
        if event.outcome is Outcome.OK or event.operation is Operation.PUSH:
            seen.append((event.process, event.arguments))
    for who, what in seen:
        ref = what.get("document")
        if ref and who not in parties.get(ref, {who}):
            yield Violation(Rule.STRANGER, f"{who}: {ref}")
    for event in book.documents:
        sent = book.submitted.get(event.result["sha256"])
        if sent is not None and event.process not in sent.arguments["recipients"]:
            yield Violation(Rule.STRANGER, f"{event.process}: {event.arguments['delivery']}")


def _integrity(book: _Book) -> Iterator[Violation]:
    """Rule 4: the same octets at the sender, in the receipt, in the log's commitment and at every receiver."""
    leaves = {entry["subject"]: entry["facts"] for entry in book.accepted}
    for ref, given in book.receipts.items():
        for event, said in given:
            if said["bytes_sha256"] != event.arguments["sha256"]:
                yield Violation(Rule.ALTERED, f"the receipt of {ref}")
            if book.world.receipt_key is not None and not _receipt_signed(said, book.world.receipt_key):
                yield Violation(Rule.UNPROVEN, f"the receipt of {ref}")
        nonce = (book.world.openings or {}).get(ref)
        digest = given[0][1]["bytes_sha256"]
        if nonce and ref in leaves and leaves[ref]["bytes_commitment"] != commitment(nonce, "bytes", digest):
            yield Violation(Rule.UNPROVEN, ref)
    came: dict[str, set[str]] = defaultdict(set)
    for event in book.held:
        came[event.arguments["delivery"]].add(event.result["sha256"])
        if event.arguments["cargo"] == "document":
            for _, said in book.receipts.get(event.arguments["document"], ()):
                if said["bytes_sha256"] != event.result["sha256"]:
                    yield Violation(Rule.ALTERED, f"{event.process}: {event.arguments['delivery']}")
    yield from (Violation(Rule.ALTERED, delivery) for delivery, all_ in came.items() if len(all_) > 1)


def commitment(nonce: str, name: str, value: str) -> str:
    """What a leaf holds in place of `value` (`docs/auditing.md`)."""
    inner = hashlib.sha256(value.encode()).digest()
    return hashlib.sha256(b"axis/v1/commitment\0" + bytes.fromhex(nonce) + name.encode() + b"\0" + inner).hexdigest()


def _receipt_signed(said: Mapping[str, Any], public: bytes) -> bool:
    body = {name: value for name, value in said.items() if name != "signature"}
    octets = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    return said["key_id"] == public.hex() and is_signed(public, octets, base64.b64decode(said["signature"]))


def _order(book: _Book) -> Iterator[Violation]:
    """Rule 6: statuses are told in their order and never go back; a change follows what it changes."""
    told: dict[tuple[str, str, str], dict[str, str]] = defaultdict(dict)
    for event in book.held:
        said = event.arguments
        if said["cargo"] == "status" and said["code"] in FIVE:
            told[event.process, said["document"], said["receiver"]].setdefault(said["delivery"], said["code"])
    for key, codes in told.items():
        if list(codes.values()) != sorted(codes.values()):
            yield Violation(Rule.DISORDER, f"{key}: {list(codes.values())}")
    reached: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in book.of(Operation.STATUS):
        if event.outcome is not Outcome.OK or event.result["standing"] != "applied":
            continue
        code, past = event.arguments["code"], reached[event.arguments["document"], event.result["receiver"]]
        before = [one.arguments["code"] for one in past if one.completed < event.invoked]
        if code in FIVE and any(code <= one for one in before if one in FIVE):
            yield Violation(Rule.ILLEGAL, f"{event.arguments['document']}: {code} after {before}")
        past.append(event)
    first: dict[tuple[str, str, str, str], float] = {}
    for event in book.documents:
        sent = book.submitted.get(event.result["sha256"])
        if sent is not None:
            said = sent.arguments
            first.setdefault((event.process, said["sender"], said["document_id"], said["kind"]), event.completed)
    for (who, sender, document_id, kind), at in first.items():
        if kind != "new" and first.get((who, sender, document_id, "new"), at + 1) > at:
            yield Violation(Rule.OVERTAKEN, f"{who}: {kind} of {document_id}")


def _log(book: _Book) -> Iterator[Violation]:
    """Rule 7: one tree that only grows, signed; an entry for what was done, and for nothing else."""
    log = book.log
    shown = [read_note(event.result["note"]) for event in book.of(Operation.HEAD) if event.outcome is Outcome.OK]
    published = [log.published] if log.published else []
    roots = log.roots(head.size for head in (*log.heads, *shown, *published))
    for head in (*log.heads, *shown, *published):
        if log.keys and not any(key.signed(head) for key in log.keys):
            yield Violation(Rule.FORGED, f"size {head.size}")
        if head.size in roots and roots[head.size] != head.root:
            yield Violation(Rule.FORKED, f"size {head.size}")
        elif head.size not in roots and head not in log.heads:
            yield Violation(Rule.SHRUNK, f"{head.size} was shown, {len(log.entries)} are there")
    for heads in (log.heads, shown):
        for before, after in pairwise(heads):
            if after.size < before.size:
                yield Violation(Rule.SHRUNK, f"{after.size} after {before.size}")
            elif after.size == before.size and after.root != before.root:
                yield Violation(Rule.FORKED, f"size {after.size}")
    if not book.world.settled:
        return
    if log.heads and log.published != log.heads[-1]:
        yield Violation(Rule.SHRUNK, "the newest head is not published")
    delivered, statuses = book.leaves("delivered"), book.leaves("status")
    acks = book.of(Operation.ACK)
    done = {event.arguments["delivery"] for event in acks if event.outcome is Outcome.OK}
    done |= {event.arguments["delivery"] for event in book.of(Operation.PUSH) if event.outcome is Outcome.OK}
    told = {event.result["status"] for event in book.of(Operation.STATUS) if event.outcome is Outcome.OK}
    yield from (Violation(Rule.UNLOGGED, f"delivery {one}") for one in sorted(done - delivered))
    yield from (Violation(Rule.UNLOGGED, f"status {one}") for one in sorted(told - statuses))
    maybe = done | {event.arguments["delivery"] for event in acks}
    maybe |= {event.arguments["delivery"] for event in book.of(Operation.PUSH)}
    yield from (Violation(Rule.INVENTED, f"delivery {one}") for one in sorted(delivered - maybe))
