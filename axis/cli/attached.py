"""What `axis verify` says of the attachments of an evidence bundle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from axis.cli.output import say

if TYPE_CHECKING:
    from axis.evidence.bundle import Bundle


def attached_facts(bundle: Bundle) -> list[dict[str, Any]]:
    """The stored verdict on each judged attachment, and whether it can be taken again."""
    from axis.evidence.attached import is_promised

    return [
        {"place": one.place, "recomputed": is_promised(one), "outcome": one.verdict["outcome"], "verdict": one.verdict}
        for one in bundle.attached
    ]


def show_attached(bundle: Bundle, open_places: Sequence[int]) -> None:
    """A line for each judged attachment. They inform: the exit code is that of the package."""
    from axis.evidence.attached import is_promised
    from signing.verdict import OUTCOMES, PdfOutcome

    for one in bundle.attached:
        outcome = one.verdict["outcome"]
        words = OUTCOMES[PdfOutcome(outcome)] if outcome else None
        told = f"{words.vi} ({words.en})" if words else "không có tệp PDF (no PDF)"
        again = "" if is_promised(one) else "; bộ kiểm tra dừng giữa chừng, không tính lại được (not taken again)"
        say(f"  tệp (attachment) {one.place:<8}{told}{again}")
    for place in open_places:
        say(f"  tệp (attachment) {place}: kết luận chưa có trong nhật ký của gói (not in the bundle's log)", "yellow")
