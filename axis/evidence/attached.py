"""Take the verdicts on a bundle's attachments again: from the package, the policy and the rules that each names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from axis.core.canonical import canonical
from axis.core.model import AttachmentRecord
from axis.evidence.bundle import Attached, Bundle
from axis.evidence.container import Broken
from axis.evidence.frame import policy_in, rules_in, trust_under
from axis.flow.package import Opened
from signing.pdf import AttachmentVerdicts, FindingCode, PdfOutcome, grounded, judge_attachment
from signing.policy import OWN_NETWORK
from signing.rules import Rules
from signing.trust import Trust
from signing.verdict import POLICY, RULES


def is_promised(one: Attached) -> bool:
    """Say whether the verdict can be taken again: not where the judge had not come to its end (a limit, a crash)."""
    return bool(one.verdict["evidence"]) or not one.verdict["entries"]


def recompute_attached(bundle: Bundle, opened: Opened) -> Iterator[tuple[Attached, Any]]:
    """Each promised verdict of the bundle on an attachment, and what is said of the same octets now, in stored form.

    `Broken` where the bundle tells of an attachment that the package does not have, does not hold what it names, or
    names nothing for a verdict that was reached.
    """
    for one in bundle.attached:
        if not 1 <= one.place <= len(opened.records):
            raise Broken("bundle-record", f"the package has no attachment {one.place}")
        record = opened.records[one.place - 1]
        if one.verdict["sha256"] != record.sha256:
            raise Broken("bundle-record", f"attachment {one.place} is another one in the package")
        if not is_promised(one):
            if not _was_stopped(one.verdict, record):
                raise Broken("bundle-verdict", f"that on attachment {one.place} names nothing that it rests on")
        else:
            octets = opened.attached[one.place - 1]
            assert isinstance(octets, bytes), "a bundle brings its octets with it"
            found = _again(one.verdict, record.name, octets, bundle)
            yield one, json.loads(canonical(found.to_dict()))


def _was_stopped(said: Mapping[str, Any], record: AttachmentRecord) -> bool:
    """Say whether a verdict is what is written where the judge did not come to its end: doubt about the octets as a
    whole, and not a word on any signature. Anything more would stand on its writer's word alone."""
    found = AttachmentVerdicts.from_dict(said)
    if len(found.entries) != 1 or found.others or found.problems or found.kind != record.form:
        return False
    verdict = found.entries[0].verdict
    codes = [finding.code for finding in verdict.findings]
    return (
        verdict.outcome is PdfOutcome.INDETERMINATE
        and (verdict.sha256, verdict.octets) == (record.sha256, record.size)
        and not (verdict.signatures or verdict.timestamps)
        and codes in ([FindingCode.LIMIT], [FindingCode.PROCESSING])
    )


def rules_beside(bundle: Bundle) -> Iterator[Rules]:
    """The rules that the verdicts on attachments name."""
    for one in bundle.attached:
        if one.verdict["evidence"]:
            yield rules_in(_piece(RULES, one.verdict, bundle), bundle.pieces)


def _again(said: Mapping[str, Any], name: str, octets: bytes, bundle: Bundle) -> AttachmentVerdicts:
    if not said["entries"]:  # an archive without a PDF: nobody was asked about
        return judge_attachment(octets, name, Trust(), bundle.verdict.at, OWN_NETWORK)
    policy = policy_in(_piece(POLICY, said, bundle))
    trust = trust_under(rules_in(_piece(RULES, said, bundle), bundle.pieces), bundle.pieces)
    at = datetime.fromisoformat(said["entries"][0]["verdict"]["at"])
    return grounded(judge_attachment(octets, name, trust, at, policy), policy, trust)[0]


def _piece(kind: str, said: Mapping[str, Any], bundle: Bundle) -> bytes:
    named = [row["sha256"] for row in said["evidence"] if row["kind"] == kind]
    if len(named) != 1:
        raise Broken("bundle-evidence", f"a verdict on an attachment names {len(named)} of the kind {kind}")
    return bundle.pieces[named[0]].octets
