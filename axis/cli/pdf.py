"""What `axis verify` says of PDF files: those it is given, and those attached to a package."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from axis.cli.output import Answer, Exit, local, say, say_json

if TYPE_CHECKING:
    from signing.pdf import AttachmentVerdicts, PdfSignature, PdfVerdict
    from signing.trust import Trust

MAGIC: Final = b"%PDF-"


def verify_pdf(octets: bytes, file: Path, trust: Trust, at: datetime, as_json: bool) -> None:
    """Judge every signature of one PDF and end: 0 all valid, 1 one is not, 3 unsigned or undecided."""
    verdict = judge(octets, trust, at)
    if as_json:
        say_json({"ok": _exit(verdict) is Exit.YES, "file": str(file), "pdf": verdict.to_dict()})
    else:
        show(verdict, str(file))
    raise Answer(_exit(verdict))


def judge(octets: bytes, trust: Trust, at: datetime) -> PdfVerdict:
    from signing.pdf import judge_pdf
    from signing.policy import OWN_NETWORK

    _hush()
    return judge_pdf(octets, trust, at, OWN_NETWORK)


def _hush() -> None:
    for name in ("pyhanko", "pyhanko_certvalidator"):  # they would tell strangers' field names and traces
        logging.getLogger(name).disabled = True


def attached(contents: Iterable[tuple[str, bytes]], trust: Trust, at: datetime) -> list[AttachmentVerdicts]:
    """What a node says of the attachments of a package: PDFs, also those in archives. They inform; the package's
    verdict gates. Nothing of what is neither a PDF nor an archive."""
    from signing.pdf import judge_attachment
    from signing.policy import OWN_NETWORK

    _hush()
    found = (judge_attachment(content, name or "?", trust, at, OWN_NETWORK) for name, content in contents)
    return [one for one in found if one.kind != "other"]


def facts(found: Sequence[AttachmentVerdicts]) -> dict[str, list[Any]]:
    """One row for each PDF, by its path of names, and what of an archive could not be looked at."""
    pdfs = [
        {"name": "/".join(entry.path), "path": list(entry.path), "pdf": entry.verdict.to_dict()}
        for one in found
        for entry in one.entries
    ]
    return {"attachments": pdfs, "attachment_problems": [problem for one in found for problem in one.problems]}


def show_attached(found: Sequence[AttachmentVerdicts]) -> None:
    """Each PDF in words, and what nobody could look at: it may hide another one."""
    for one in found:
        for entry in one.entries:
            show(entry.verdict, "/".join(entry.path))
        for problem in one.problems:
            say(f"  không xem được bên trong (could not be looked into) {problem}", "yellow")


def show(verdict: PdfVerdict, name: str) -> None:
    """One PDF in words: the conclusion first, then each signature, then what was found."""
    from signing.pdf import FINDINGS, OUTCOMES, FindingCode
    from signing.verdict import REASONS

    words, sentence = OUTCOMES[verdict.outcome], REASONS[verdict.reason]
    say(f"{name}: {words.vi} ({words.en})", _STYLE[_exit(verdict)])
    say(f"  lý do (reason)           {sentence.vi} ({sentence.en})")
    for signature in verdict.signatures:
        _show_signature(signature)
    for finding in verdict.findings:
        told = FINDINGS[finding.code]
        detail = f": {finding.detail}" if finding.code is FindingCode.ACTIVE else ""
        say(f"  lưu ý (finding)          {told.vi} ({told.en}){detail}", "yellow")


def _show_signature(signature: PdfSignature) -> None:
    from signing.verdict import REASONS

    verdict = signature.verdict
    who = verdict.signer.subject if verdict.signer else "không rõ (unknown)"
    say(f"  chữ ký (signature)       {signature.field}, bản (revision) {signature.revision}: {who}")
    say(f"    kết luận (verdict)     {verdict.indication.value}: {REASONS[verdict.reason].vi}")
    if verdict.claimed_at is not None:
        say(f"    tự khai giờ ký (claimed) {local(verdict.claimed_at)}")
    detail = f": {signature.changes_detail}" if signature.changes_detail else ""
    say(f"    thay đổi sau ký (changes) {signature.changes.value}{detail}")


_STYLE: Final = {Exit.YES: "green", Exit.NO: "red", Exit.UNSURE: "yellow"}


def _exit(verdict: PdfVerdict) -> Exit:
    from signing.pdf import PdfOutcome

    codes = {PdfOutcome.VALID: Exit.YES, PdfOutcome.INVALID: Exit.NO}
    return codes.get(verdict.outcome, Exit.UNSURE)
