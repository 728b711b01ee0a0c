"""Verdicts on attachments without what they rest on: only that the judge did not come to an end."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from axis.core.canonical import canonical
from axis.evidence.bundle import Attached, Bundle, read_bundle
from axis.evidence.container import Broken
from axis.evidence.recompute import recompute
from signing.pdf import AttachmentVerdicts, FindingCode, PdfOutcome, unjudged
from signing.policy import IF_PRESENT
from signing.verdict import Reason
from tests.pki import NOW, pki
from tests.unit.evidence.world import Desk, package
from tests.unit.pdf.forge import judge, one_signature

OCTETS = b"%PDF-1.4 test"


async def bundle() -> tuple[Bundle, AttachmentVerdicts]:
    """A bundle whose one attachment the judge did not come to the end of."""
    desk = Desk(pki().trust, pki().good)
    octets = package(pki().good)
    judged = await desk.judged(octets)
    assert judged.content is not None
    (record,) = judged.content.attachments
    told = (record.name, "pdf", record.sha256, record.size, NOW, IF_PRESENT)
    return read_bundle(await desk.bundle(octets)), unjudged(*told, FindingCode.LIMIT, "10 s")


def with_verdict(found: Bundle, verdict: AttachmentVerdicts) -> Bundle:
    said: dict[str, Any] = json.loads(canonical(verdict.to_dict()))
    return replace(found, attached=(Attached(1, said),))


async def test_a_judge_that_was_stopped_is_taken_at_its_word() -> None:
    found, stopped = await bundle()
    assert recompute(with_verdict(found, stopped)).same


CLAIMS = {
    "valid": {"outcome": PdfOutcome.VALID, "reason": Reason.GOOD, "findings": ()},
    "unsigned": {"outcome": PdfOutcome.UNSIGNED, "reason": Reason.UNSIGNED},
    "invalid": {"outcome": PdfOutcome.INVALID, "reason": Reason.DIGEST},
    "with a signature": {"signatures": judge(one_signature()).signatures},
    "of other octets": {"sha256": "0" * 64},
    "of another size": {"octets": 12},
    "without a reason": {"findings": ()},
}


@pytest.mark.parametrize("claim", CLAIMS)
async def test_nobody_has_a_verdict_on_a_pdf_believed_by_leaving_out_what_it_rests_on(claim: str) -> None:
    """Written by who has the log's key, too: the log proves who said it, and not that it is so."""
    found, stopped = await bundle()
    (entry,) = stopped.entries
    told: dict[str, Any] = CLAIMS[claim]
    claimed = replace(stopped, entries=(replace(entry, verdict=replace(entry.verdict, **told)),))
    with pytest.raises(Broken, match="names nothing that it rests on"):
        recompute(with_verdict(found, claimed))


async def test_also_not_of_several_or_with_something_unseen() -> None:
    found, stopped = await bundle()
    for more in ({"entries": stopped.entries * 2}, {"problems": ("a: too large",)}, {"others": 1}, {"kind": "zip"}):
        changed: Any = replace(stopped, **more)  # type: ignore[arg-type]
        with pytest.raises(Broken, match="names nothing that it rests on"):
            recompute(with_verdict(found, changed))
