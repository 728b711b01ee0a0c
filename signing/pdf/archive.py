"""The PDFs in an attachment: the attachment itself, or what a ZIP holds, one ZIP deep.

Names in archives are shown and never used as paths. What cannot be looked at, because it is encrypted, damaged or too
large, is a problem and makes the outcome INDETERMINATE: nobody may hide a document by packing it badly. So is what
other readers find beside the entries: an attachment that is called `.pdf` is opened as one, whatever else it is.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from signing.chain import Trust
from signing.pdf.judge import judge_pdf
from signing.pdf.layout import END, LOCAL, Spot, directory_in_doubt, entries_in_doubt, spots, unpacked
from signing.pdf.policy import ArchiveLimits, PdfLimits, PdfPolicy
from signing.pdf.verdict import AttachmentVerdicts, EntryVerdict, Finding, FindingCode, PdfVerdict
from signing.policy import SignaturePolicy
from signing.verdict import PdfOutcome, Reason

FORM_HEAD: Final = 1024
"""Readers look for `%PDF-` this far into a file (an implementation note of the PDF Reference; source to confirm)."""
_ZIP: Final = (LOCAL, END)
_PDF, _XREF = b"%PDF-", b"startxref"
_MOST_DIRECTORY: Final = 1 << 20
# All that `zipfile` raises for octets a stranger chose: damage, encryption, unknown methods, no names, odd numbers.
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, LookupError, ValueError, OSError)
_LIMITS: Final = PdfLimits()
_POLICY: Final = PdfPolicy()
_ARCHIVE: Final = ArchiveLimits()


def judge_attachment(
    octets: bytes,
    name: str,
    trust: Trust,
    at: datetime,
    policy: SignaturePolicy,
    limits: PdfLimits = _LIMITS,
    pdf_policy: PdfPolicy = _POLICY,
    archive_limits: ArchiveLimits = _ARCHIVE,
) -> AttachmentVerdicts:
    """Judge the PDFs in an attachment, told by their first octets and never by name. Never raises for bad input."""

    def judge(found: bytes, path: tuple[str, ...]) -> EntryVerdict:
        return EntryVerdict(path, judge_pdf(found, trust, at, policy, limits, pdf_policy))

    shown = _shown(name)
    digest = hashlib.sha256(octets).hexdigest()
    form = form_of(octets)
    if form is None:
        return AttachmentVerdicts(shown, "other", digest)
    if form == "pdf":
        return AttachmentVerdicts(shown, form, digest, (judge(octets, (shown,)),))
    search = _Search(archive_limits, limits.most_octets)
    search.look_into(octets, (shown,), 1)
    entries = tuple(judge(found, path) for path, found in search.pdfs)
    return AttachmentVerdicts(shown, "zip", digest, entries, search.others, tuple(search.problems))


def form_of(octets: bytes) -> Literal["pdf", "zip"] | None:
    """What `judge_attachment` takes octets for, by the first `FORM_HEAD`; `None` where it would find nothing."""
    if octets.startswith(_ZIP):  # asked first: a PDF that is stored and not packed has its head among the first too
        return "zip"
    return "pdf" if is_pdf(octets) else None


def unjudged(
    name: str,
    form: str,
    sha256: str,
    size: int,
    at: datetime,
    policy: SignaturePolicy,
    code: FindingCode,
    detail: str,
) -> AttachmentVerdicts:
    """What is to be said of an attachment that the judge did not come to the end of: INDETERMINATE, and why."""
    shown = _shown(name)
    reason = Reason.LIMIT if code is FindingCode.LIMIT else Reason.PROCESSING
    verdict = PdfVerdict(
        PdfOutcome.INDETERMINATE,
        reason,
        at,
        sha256,
        size,
        0,
        policy.name,
        policy.sha256,
        findings=(Finding(code, detail),),
    )
    return AttachmentVerdicts(shown, form, sha256, (EntryVerdict((shown,), verdict),))


def is_pdf(octets: bytes) -> bool:
    return _PDF in octets[:FORM_HEAD]


@dataclass
class _Search:
    limits: ArchiveLimits
    most_pdf: int
    pdfs: list[tuple[tuple[str, ...], bytes]] = field(default_factory=list)
    others: int = 0
    problems: list[str] = field(default_factory=list)
    entries: int = 0
    taken: int = 0

    def look_into(self, octets: bytes, path: tuple[str, ...], depth: int) -> None:
        end = octets.rfind(END)
        if end >= 0 and int.from_bytes(octets[end + 12 : end + 16], "little") > _MOST_DIRECTORY:
            self._problem(path, "a directory too large")
            return
        try:
            with zipfile.ZipFile(io.BytesIO(octets)) as archive:
                lying = spots(octets, archive)
                doubt = _beside(octets, archive, lying) or directory_in_doubt(octets, archive)
                if not doubt and len(lying) <= self.limits.most_entries:
                    doubt = entries_in_doubt(octets, lying)
                if doubt:
                    self._problem(path, doubt)
                places = {id(one.entry): one for one in lying}
                for entry in archive.infolist():
                    if entry.is_dir():
                        continue
                    self.entries += 1
                    if self.entries > self.limits.most_entries:
                        self._problem(path, f"more than {self.limits.most_entries} entries")
                        return
                    self._entry(archive, octets, places[id(entry)], (*path, _shown(entry.filename)), depth)
        except _BROKEN as error:
            self._problem(path, f"damaged: {type(error).__name__}")

    def _entry(self, archive: zipfile.ZipFile, octets: bytes, spot: Spot, path: tuple[str, ...], depth: int) -> None:
        entry = spot.entry
        if entry.flag_bits & 1:
            self._problem(path, "encrypted")
            return
        try:
            with archive.open(entry) as content:
                head = content.read(FORM_HEAD)
                nested = head.startswith(_ZIP)
                if not is_pdf(head) and not nested:
                    self.others += 1
                    return
                if nested and depth >= self.limits.most_depth:
                    self._problem(path, "an archive too deep")
                    return
            found = self._take(octets, spot)
        except _BROKEN as error:
            self._problem(path, f"damaged: {type(error).__name__}")
            return
        if found is None:
            self._problem(path, "too large")
        elif nested:
            self.look_into(found, path, depth + 1)
        else:
            self.pdfs.append((path, found))

    def _take(self, octets: bytes, spot: Spot) -> bytes | None:
        """All of an entry. Counts what comes out, not what the entry declares; `None` beyond the limits."""
        most = min(
            self.most_pdf,
            self.limits.most_octets - self.taken,
            max(self.limits.ratio_floor, spot.entry.compress_size * self.limits.most_ratio),
        )
        found = unpacked(octets, spot, most)
        self.taken += most + 1 if found is None else len(found)
        return found

    def _problem(self, path: tuple[str, ...], what: str) -> None:
        if len(self.problems) < 32:
            self.problems.append(f"{'/'.join(path)}: {what}")


def _beside(octets: bytes, archive: zipfile.ZipFile, lying: list[Spot]) -> str:
    """What other readers find in these octets that none of the entries is; empty where that is nothing.

    Who reads from the front takes entries that the directory does not name; who takes it all for a PDF looks for its
    head among the first octets and for `startxref` behind the last.
    """
    between, end, head = list[bytes](), 0, octets.find(_PDF, 0, FORM_HEAD)
    for one in lying:
        between += (octets[end : one.at], octets[one.at + len(LOCAL) : one.begin])
        end = max(end, one.begin if one.entry.is_dir() else one.end)
        if one.begin <= head < end and not one.entry.flag_bits & 1:
            with archive.open(one.entry) as content:
                head = -1 if is_pdf(content.read(FORM_HEAD)) else head
    between.append(octets[end:])
    if any(LOCAL in piece for piece in between) or sum(piece.count(END) for piece in between) > 1:
        return "entries that the directory does not name"
    return "a PDF around the entries" if head >= 0 or any(_XREF in piece for piece in between) else ""


def _shown(name: str) -> str:
    """A name as it may be shown: no control characters, not endless."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)[:200]
