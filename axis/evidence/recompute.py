"""Take the verdict of a bundle again, from nothing but what is in it, and hold it against the stored one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from axis.core.binding import Binding, Bindings, read_bindings
from axis.core.payload import Made
from axis.evidence.attached import recompute_attached, rules_beside
from axis.evidence.bundle import Bundle, named_beside
from axis.evidence.container import Broken
from axis.evidence.frame import policy_in, rules_in, trust_under
from axis.flow.package import Opened, Part, frames_of, hold_to_bindings, inspect_package, open_package, read_verified
from axis.flow.saved import part_in_hand
from schemas import edxml
from schemas.envelope import Envelope
from schemas.errors import SchemaError
from schemas.limits import XmlLimits
from schemas.multipart import wire_id
from signing.deadline import stopped_by, unfinished
from signing.policy import SignaturePolicy
from signing.rules import Rules
from signing.verdict import BINDING, POLICY, RULES, Verdict
from signing.verify import Certified, Inspection, certify, conclude

_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class Difference:
    """One field in which two verdicts differ, as text; a field that is absent on one side reads `-`."""

    field: str
    stored: str
    now: str


@dataclass(frozen=True, slots=True)
class Recomputed:
    """`roots` are the certificates (DER) that the verdicts start from, by SHA-256. `differences` are those of the
    package's verdict and those of its attachments, by the place of each. `recorded` are the places of signatures whose
    judge had been stopped by a deadline: that is taken from the record, and all else about them was judged again.
    """

    verdict: Verdict
    differences: tuple[Difference, ...]
    roots: dict[str, bytes]
    recorded: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        return not self.differences


def recompute(bundle: Bundle) -> Recomputed:
    """Judge the package again at the time of the verdict. `Broken` where what the bundle holds cannot be judged."""
    policy, stored = _policy(bundle), bundle.verdict
    limits = XmlLimits(max_bytes=max(len(bundle.package), XmlLimits().max_bytes))
    try:
        opened = open_package(bundle.package, limits, None, _beside(bundle))
        inspection = inspect_package(opened, policy, stored.at)
        certified = _certify(inspection, bundle)
        first, *others = certified
        judgement = conclude(inspection, first.certificate, first.proof, others)
        verified = judgement.verified
        envelope = (opened.reading if verified is None else read_verified(verified, limits)).message
    except SchemaError as error:
        raise Broken("bundle-package", "the package cannot be read") from error
    if not isinstance(envelope, Envelope):
        raise Broken("bundle-package", "not a document")
    frames = frames_of(judgement, certified, policy)
    verdict = hold_to_bindings(judgement, envelope.sender.code, _bindings(bundle), frames)
    _compare_record(bundle, opened, envelope)
    differ = [*differences(stored.to_dict(), verdict.to_dict())]
    for one, now in recompute_attached(bundle, opened):
        differ += differences(one.verdict, now, f"attachments[{one.place}]")
    recorded = tuple(one.place for one in _each(bundle) if stopped_by(one) is not None)
    return Recomputed(verdict, tuple(differ), _roots(bundle), recorded)


def _beside(bundle: Bundle) -> list[Part[Made]]:
    return [part_in_hand(wire_id(id), bundle.beside[sha256]) for id, sha256 in named_beside(bundle.record)]


def _certify(inspection: Inspection, bundle: Bundle) -> list[Certified]:
    """Judge the certificate of each signature under the rules that its own verdict names, at the time that it tells.

    Where a deadline had stopped the judge, no other machine can say whether it would again: that stands as recorded.
    """
    by_place = {one.place: one for one in _each(bundle)}
    found = []
    for one in inspection.each:
        verdict = by_place.get(one.place, bundle.verdict)
        trust = trust_under(_rules(bundle, verdict), bundle.pieces)
        at, spent = verdict.certificate_at or verdict.at, stopped_by(verdict)
        if spent is None or one.certificate is None:
            found.append(certify(one, trust, at))
        else:
            found.append(Certified(unfinished(one.certificate, at, spent), trust=trust))
    return found


def _each(bundle: Bundle) -> tuple[Verdict, ...]:
    return bundle.verdict, *bundle.verdict.others


def _roots(bundle: Bundle) -> dict[str, bytes]:
    rules = (*(_rules(bundle, one) for one in _each(bundle)), *rules_beside(bundle))
    return {name: bundle.pieces[name].octets for one in rules if one is not None for name, _ in one.anchors}


def _bindings(bundle: Bundle) -> Bindings:
    """All that the bindings of the bundle say, each once: what is said of two, and of one of them and anybody, meet."""
    rows: dict[Binding, None] = {}
    for one in _each(bundle):
        piece = bundle.of_kind(BINDING, one)
        if piece is not None:
            try:
                rows |= dict.fromkeys(read_bindings(piece.octets))
            except ValueError as error:
                raise Broken("bundle-evidence", f"binding: {error}") from error
    return Bindings(rows)


def _policy(bundle: Bundle) -> SignaturePolicy:
    piece = bundle.of_kind(POLICY, bundle.verdict)
    if piece is None or piece.sha256 != bundle.verdict.policy_sha256:
        raise Broken("bundle-evidence", "the verdict's policy is not among its evidence")
    return policy_in(piece.octets)


def _rules(bundle: Bundle, verdict: Verdict) -> Rules | None:
    piece = bundle.of_kind(RULES, verdict)
    return None if piece is None else rules_in(piece.octets, bundle.pieces)


def _compare_record(bundle: Bundle, opened: Opened, envelope: Envelope) -> None:
    """The record tells of this package and no other."""
    found = {
        "sender": envelope.sender.code.text,
        "kind": envelope.kind.slug,
        "document_id": edxml.effective_document_id(envelope),
        "package_sha256": opened.digest,
        "bytes_sha256": hashlib.sha256(bundle.package).hexdigest(),
        "bytes": len(bundle.package),
    }
    for name, value in found.items():
        if bundle.record.get(name) != value:
            raise Broken("bundle-record", f"the record has another {name} than the package")


def differences(stored: Any, now: Any, field: str = "") -> Iterator[Difference]:
    """Where two JSON values differ, each place once, by its path."""
    if isinstance(stored, dict) and isinstance(now, dict):
        for name in sorted(stored.keys() | now.keys()):
            yield from differences(stored.get(name), now.get(name), f"{field}.{name}" if field else name)
    elif isinstance(stored, list) and isinstance(now, list):
        for number in range(max(len(stored), len(now))):
            one, other = (items[number] if number < len(items) else None for items in (stored, now))
            yield from differences(one, other, f"{field}[{number}]")
    elif stored != now:
        yield Difference(field, _told(stored), _told(now))


def _told(value: Any) -> str:
    return "-" if value is None else str(value)[:_LONGEST]
