"""Gói chứng cứ: one document's package, its verdict and everything that the verdict rests on, in one file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from axis.core.canonical import Json, canonical
from axis.core.model import Document
from axis.core.times import rfc3339
from axis.evidence.container import Broken, pack, unpack
from axis.log.entries import read_canonical
from schemas.multipart import PackageForm
from signing.pdf import AttachmentVerdicts
from signing.piece import Piece
from signing.verdict import KEPT, Verdict, kept_evidence, kept_pdf_evidence, verdict_from_dict

VERSION: Final = 1
TYPE: Final = "axis-evidence"
MANIFEST, PACKAGE, VERDICT, RECORD, RECEIPT, ATTACHMENTS = (
    "manifest.json",
    "package.edxml",
    "verdict.json",
    "document.json",
    "receipt.json",
    "attachments.json",
)
ENDINGS: Final[Mapping[str, str]] = MappingProxyType(
    {"certificate": "cer", "crl": "crl", "ocsp": "ors", "policy": "json", "rules": "json", "binding": "json"}
)
"""What a piece's file is called by other tools."""

BESIDE: Final = "attachment"
_OWN: Final = MappingProxyType(
    {PACKAGE: "package", VERDICT: "verdict", RECORD: "document", RECEIPT: "receipt", ATTACHMENTS: "attachments"}
)
_NEEDED: Final = frozenset({PACKAGE, VERDICT, RECORD})


@dataclass(frozen=True, slots=True)
class Logged:
    """A log entry about the document, and its proof (C2SP tlog-proof)."""

    leaf: bytes
    proof: bytes


@dataclass(frozen=True, slots=True)
class Attached:
    """What was last said of the PDFs in one attachment: `place` counts from 1 in the manifest of the package, `verdict`
    is the stored form of `signing.pdf.AttachmentVerdicts`."""

    place: int
    verdict: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Bundle:
    """`record` is what the node's books say of the document, `pieces` the evidence of its verdicts by SHA-256.

    `octets` is the verdict's canonical JSON: what the log committed to. `attached` are the verdicts on attachments, in
    the order of their places. `beside` are the attachments that lie beside the package, by SHA-256; the record says
    which is which.
    """

    record: Mapping[str, Any]
    package: bytes
    verdict: Verdict
    octets: bytes
    pieces: Mapping[str, Piece]
    receipt: bytes | None = None
    logged: tuple[Logged, ...] = ()
    attached: tuple[Attached, ...] = ()
    beside: Mapping[str, bytes] = field(default_factory=dict)

    def of_kind(self, kind: str, verdict: Verdict) -> Piece | None:
        """The one piece of that kind that this one of its verdicts names, of those kinds that each names once."""
        named = [row.sha256 for row in verdict.evidence if row.kind == kind]
        return self.pieces.get(named[0]) if len(named) == 1 else None


def record_of(document: Document, node: str) -> dict[str, Json]:
    """What the books say of a document. The nonce opens the commitments of its log entries (`axis.core.entry`).

    `beside` is there where attachments lie beside the envelope: content id and SHA-256 of each, in manifest order.
    """
    named: list[Json] = [[one.content_id, one.sha256] for one in document.attachments]
    beside: dict[str, Json] = {"beside": named} if document.form is PackageForm.PARTS else {}
    return {
        **beside,
        "v": VERSION,
        "document": document.ref,
        "node": node,
        "sender": document.sender.text,
        "kind": document.kind.slug,
        "document_id": document.document_id,
        "package_sha256": document.digest,
        "bytes_sha256": document.payload.sha256,
        "bytes": document.payload.size,
        "state": document.state.value,
        "accepted_at": rfc3339(document.accepted_at),
        "nonce": document.nonce,
    }


def write_bundle(
    record: Mapping[str, Json],
    package: bytes,
    verdict: Verdict,
    pieces: Sequence[Piece],
    receipt: bytes | None,
    logged: Sequence[Logged],
    attached: Sequence[Attached] = (),
    beside: Sequence[bytes] = (),
) -> bytes:
    """The file: the same octets for the same document, verdict and checkpoint. `beside` as the record names them."""
    files = {PACKAGE: package, VERDICT: canonical(verdict.to_dict()), RECORD: canonical(record)}
    kinds = {name: _OWN[name] for name in files}
    if receipt is not None:
        files[RECEIPT], kinds[RECEIPT] = receipt, _OWN[RECEIPT]
    if attached:
        told: list[Json] = [
            {"place": one.place, "verdict": one.verdict} for one in sorted(attached, key=lambda one: one.place)
        ]
        files[ATTACHMENTS], kinds[ATTACHMENTS] = canonical({"v": VERSION, "attachments": told}), _OWN[ATTACHMENTS]
    for one in pieces:
        name = _piece_name(one.kind, one.sha256)
        files[name], kinds[name] = one.octets, one.kind
    for octets in beside:
        name = _beside_name(_digest(octets))
        files[name], kinds[name] = octets, BESIDE
    for number, one_of in enumerate(logged):
        for name, kind, octets in (
            (f"log/{number}.json", "log-entry", one_of.leaf),
            (f"log/{number}.txt", "log-proof", one_of.proof),
        ):
            files[name], kinds[name] = octets, kind
    body: dict[str, Json] = {
        "v": VERSION,
        "type": TYPE,
        "document": record["document"],
        "entries": [
            {"name": name, "kind": kinds[name], "sha256": _digest(files[name]), "size": len(files[name])}
            for name in sorted(files)
        ],
    }
    return pack({**files, MANIFEST: canonical({**body, "sha256": _digest(canonical(body))})})


def read_bundle(octets: bytes) -> Bundle:
    """Read what `write_bundle` wrote: every digest compared, every piece named by the verdict there, and no more.

    `Broken` says why not. Nothing is judged here.
    """
    files = unpack(octets)
    manifest = _manifest(files.pop(MANIFEST, b""))
    kinds = _compare(manifest, files)
    missing = _NEEDED - files.keys()
    if missing:
        raise Broken("bundle-missing", ", ".join(sorted(missing)))
    record = _canonical(RECORD, files[RECORD])
    verdict = _verdict(files[VERDICT])
    pieces, beside = {}, {}
    for name, kind in kinds.items():
        if kind == BESIDE:
            sha256 = _digest(files[name])
            if name != _beside_name(sha256):
                raise Broken("bundle-digest", name)
            beside[sha256] = files[name]
        elif kind in KEPT:
            sha256 = _digest(files[name])
            if name != _piece_name(kind, sha256):
                raise Broken("bundle-digest", name)
            pieces[sha256] = Piece(kind, sha256, files[name])
        elif kind != _OWN.get(name) and not (name.startswith("log/") and kind in {"log-entry", "log-proof"}):
            raise Broken("bundle-manifest", f"{name} is called {kind}")
    attached = _attached(files.get(ATTACHMENTS))
    named = _named(verdict, attached)
    if named != {name: one.kind for name, one in pieces.items()}:
        lacking = sorted(named.keys() - pieces.keys()) or sorted(pieces.keys() - named.keys())
        raise Broken("bundle-evidence", f"not what the verdicts rest on: {', '.join(lacking)}")
    if record.get("v") != VERSION or record.get("document") != manifest["document"]:
        raise Broken("bundle-manifest", "two documents, or a record of another version")
    if beside.keys() != {sha256 for _, sha256 in named_beside(record)}:
        raise Broken("bundle-missing", "other attachments than the record names")
    logged = tuple(_logged(files, kinds))
    return Bundle(record, files[PACKAGE], verdict, files[VERDICT], pieces, files.get(RECEIPT), logged, attached, beside)


def named_beside(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Content id and SHA-256 of each attachment beside the envelope, as the record names them. `Broken`."""
    named = record.get("beside", [])
    try:
        pairs = [(id, sha256) for id, sha256 in named]
    except (TypeError, ValueError) as error:
        raise Broken("bundle-manifest", "the attachments of the record") from error
    if not all(isinstance(one, str) for pair in pairs for one in pair):
        raise Broken("bundle-manifest", "the attachments of the record")
    return pairs


def _beside_name(sha256: str) -> str:
    return f"beside/{sha256}.bin"


def kept_of(verdict: Verdict, attached: Iterable[Attached]) -> dict[str, str]:
    """Kind by digest of all that a bundle of these verdicts holds as evidence."""
    named = kept_evidence(verdict)
    for one in attached:
        named |= kept_pdf_evidence(one.verdict)
    return named


def _named(verdict: Verdict, attached: Iterable[Attached]) -> dict[str, str]:
    """`kept_of`, of verdicts that a stranger wrote."""
    try:
        named = kept_of(verdict, attached)
    except (TypeError, KeyError) as error:
        raise Broken("bundle-verdict", "evidence without a name") from error
    places = [one.place for one in (verdict, *verdict.others)]
    if not all(isinstance(one, str) for pair in (*named.items(), places) for one in pair):
        raise Broken("bundle-verdict", "evidence without a name")
    return named


def _attached(octets: bytes | None) -> tuple[Attached, ...]:
    """The verdicts on attachments, each as `signing.pdf` writes them, by ascending places."""
    if octets is None:
        return ()
    said = _canonical(ATTACHMENTS, octets)
    try:
        found = tuple(Attached(one["place"], one["verdict"]) for one in said["attachments"])
        places = [one.place for one in found]
        known = said["v"] == VERSION and all(
            canonical(AttachmentVerdicts.from_dict(one.verdict).to_dict()) == canonical(one.verdict) for one in found
        )
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        raise Broken("bundle-verdict", "not verdicts on attachments that this program knows") from error
    if not known or not places or any(type(place) is not int for place in places) or places != sorted(set(places)):
        raise Broken("bundle-verdict", "not verdicts on attachments as this program writes them")
    return found


def _piece_name(kind: str, sha256: str) -> str:
    return f"evidence/{sha256}.{ENDINGS[kind]}"


def _digest(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()


def _manifest(octets: bytes) -> dict[str, Any]:
    said = _canonical(MANIFEST, octets)
    if said.get("type") != TYPE:
        raise Broken("bundle-manifest", "not an evidence bundle")
    if said.get("v") != VERSION:
        raise Broken("bundle-version", f"version {said.get('v')!a} is not known to this program")
    digest = said.pop("sha256", None)
    if said.keys() != {"v", "type", "document", "entries"} or digest != _digest(canonical(said)):
        raise Broken("bundle-manifest", "the manifest is not as it was written")
    return said


def _canonical(name: str, octets: bytes) -> dict[str, Any]:
    try:
        return read_canonical(octets)
    except ValueError as error:
        raise Broken("bundle-manifest", f"{name}: {error}") from error


def _compare(manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> dict[str, str]:
    """The kinds of the entries by name. `Broken` where manifest and entries differ."""
    kinds: dict[str, str] = {}
    entries = manifest["entries"]
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise Broken("bundle-manifest", "entries")
    for one in entries:
        name = one.get("name")
        if not isinstance(name, str) or name not in files:
            raise Broken("bundle-missing", f"{name!a:.200}")
        if (one.get("sha256"), one.get("size")) != (_digest(files[name]), len(files[name])):
            raise Broken("bundle-digest", name)
        kinds[name] = str(one.get("kind"))
    strange = files.keys() - kinds.keys()
    if strange:
        raise Broken("bundle-manifest", f"not in the manifest: {', '.join(sorted(strange))}")
    return kinds


def _verdict(octets: bytes) -> Verdict:
    said = _canonical(VERDICT, octets)
    try:
        verdict = verdict_from_dict(said)
        same = canonical(verdict.to_dict()) == octets
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        raise Broken("bundle-verdict", "not a verdict that this program knows") from error
    if not same:
        raise Broken("bundle-verdict", "not a verdict as this program writes it")
    return verdict


def _logged(files: Mapping[str, bytes], kinds: Mapping[str, str]) -> list[Logged]:
    found = []
    for name in sorted(name for name, kind in kinds.items() if kind == "log-entry"):
        proof = name.removesuffix(".json") + ".txt"
        if kinds.get(proof) != "log-proof":
            raise Broken("bundle-missing", proof)
        found.append(Logged(files[name], files[proof]))
    if len(found) != sum(kind == "log-proof" for kind in kinds.values()):
        raise Broken("bundle-manifest", "a proof without its entry")
    return found
