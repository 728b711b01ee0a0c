"""The judge of PDF signatures: every signature of every revision, what it covers, and what was changed after it.

One way in for a PDF, `judge_pdf`, one for anything that may be or hold one, `judge_attachment`. Pure, like the rest of
`signing`: bytes, trust and time come in, a frozen verdict goes out; arguments and results can be pickled, so that a
shell may run it in a process of its own with a deadline. pyHanko reads the structure, checks the mathematics of CMS and
compares revisions; whom to believe is decided by `signing.chain`, from our own store. Importing this package does not
import pyHanko: the first call does.
"""

from signing.pdf.archive import FORM_HEAD, form_of, judge_attachment, unjudged
from signing.pdf.grounds import grounded
from signing.pdf.judge import judge_pdf
from signing.pdf.policy import ArchiveLimits, PdfLimits, PdfPolicy
from signing.pdf.verdict import (
    FINDINGS,
    AttachmentVerdicts,
    Changes,
    EntryVerdict,
    Finding,
    FindingCode,
    PdfSignature,
    PdfVerdict,
    Role,
    RoleHint,
    Timestamp,
)
from signing.verdict import OUTCOMES, PdfOutcome

__all__ = [
    "FINDINGS",
    "FORM_HEAD",
    "OUTCOMES",
    "ArchiveLimits",
    "AttachmentVerdicts",
    "Changes",
    "EntryVerdict",
    "Finding",
    "FindingCode",
    "PdfLimits",
    "PdfOutcome",
    "PdfPolicy",
    "PdfSignature",
    "PdfVerdict",
    "Role",
    "RoleHint",
    "Timestamp",
    "form_of",
    "grounded",
    "judge_attachment",
    "judge_pdf",
    "unjudged",
]
