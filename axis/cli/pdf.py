"""What `axis verify` says of PDF files: those it is given, and those attached to a package."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from axis.cli.output import Answer, Exit, local, say, say_json

if TYPE_CHECKING:
    from signing.pdf import PdfSignature, PdfVerdict
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

    logging.getLogger("pyhanko").disabled = True  # it would tell strangers' field names and traces
    logging.getLogger("pyhanko_certvalidator").disabled = True
    return judge_pdf(octets, trust, at, OWN_NETWORK)


def attached(octets: bytes, trust: Trust, at: datetime) -> Iterator[tuple[str, PdfVerdict]]:
    """The PDFs attached to a package that can be read, each with its name. They inform; the package's verdict gates."""
    from schemas.attachment import decode, encoded_attachments
    from schemas.limits import XmlLimits
    from schemas.xml import parse_xml

    for item in encoded_attachments(parse_xml(octets, XmlLimits())):
        content = decode(item)
        if content.startswith(MAGIC):
            yield item.name or item.content_id or "?", judge(content, trust, at)


def facts(found: list[tuple[str, PdfVerdict]]) -> list[dict[str, Any]]:
    return [{"name": name, "pdf": verdict.to_dict()} for name, verdict in found]


def show(verdict: PdfVerdict, name: str) -> None:
    """One PDF in words: the conclusion first, then each signature, then what was found."""
    from signing.pdf import FINDINGS, OUTCOMES
    from signing.verdict import REASONS

    words, sentence = OUTCOMES[verdict.outcome], REASONS[verdict.reason]
    say(f"{name}: {words.vi} ({words.en})", _STYLE[_exit(verdict)])
    say(f"  lý do (reason)           {sentence.vi} ({sentence.en})")
    for signature in verdict.signatures:
        _show_signature(signature)
    for finding in verdict.findings:
        told = FINDINGS[finding.code]
        say(f"  lưu ý (finding)          {told.vi} ({told.en})", "yellow")


def _show_signature(signature: PdfSignature) -> None:
    from signing.verdict import REASONS

    verdict = signature.verdict
    who = verdict.signer.subject if verdict.signer else "không rõ (unknown)"
    say(f"  chữ ký (signature)       {signature.field}, bản (revision) {signature.revision}: {who}")
    say(f"    kết luận (verdict)     {verdict.indication.value}: {REASONS[verdict.reason].vi}")
    if verdict.claimed_at is not None:
        say(f"    tự khai giờ ký (claimed) {local(verdict.claimed_at)}")
    say(f"    thay đổi sau ký (changes) {signature.changes.value}")


_STYLE: Final = {Exit.YES: "green", Exit.NO: "red", Exit.UNSURE: "yellow"}


def _exit(verdict: PdfVerdict) -> Exit:
    from signing.pdf import PdfOutcome

    codes = {PdfOutcome.VALID: Exit.YES, PdfOutcome.INVALID: Exit.NO}
    return codes.get(verdict.outcome, Exit.UNSURE)
