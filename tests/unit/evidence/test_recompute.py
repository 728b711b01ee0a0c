"""A verdict is taken again from its bundle, years later and offline, and is the same in every field."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.x509 import ReasonFlags, ocsp
from lxml import etree

from axis.core.canonical import canonical
from axis.core.model import Profile
from axis.evidence.bundle import read_bundle
from axis.evidence.container import Broken, pack, unpack
from axis.evidence.recompute import Recomputed, recompute
from signing.chain import AnchorRule, Purpose, Trust
from signing.revocation.crl import Freshness
from signing.verdict import Reason, SubIndication, Verdict
from tests.pki import NOW, YEAR, Holder, issue, pki, revocation_list
from tests.unit.evidence.world import DAY, HOUR, SENDER, Desk, answer, bundle_of, delta, indirect, package, responder
from tests.unit.timestamp import authority

Case = Callable[[], tuple[Desk, bytes, Reason]]


def noise() -> Trust:
    """What is believed besides: nothing of it may be needed."""
    return Trust((pki().other_root.der,), (issue("CA khác", pki().other_root, ca=True).der,))


def among(trust: Trust) -> Trust:
    """`trust` in the middle of what nobody asks about."""
    more = noise()
    return Trust(
        (*more.anchors, *trust.anchors),
        (*more.intermediates, *trust.intermediates),
        (revocation_list(pki().other_root), *trust.crls),
        trust.answers,
        rules=trust.rules,
        freshness=trust.freshness,
        sha1_before=trust.sha1_before,
    )


def by_list() -> tuple[Desk, bytes, Reason]:
    return Desk(among(pki().trust), pki().good), package(pki().good), Reason.GOOD


def revoked() -> tuple[Desk, bytes, Reason]:
    return Desk(among(pki().trust), pki().revoked), package(pki().revoked), Reason.REVOKED


def without_lists() -> tuple[Desk, bytes, Reason]:
    return Desk(pki().trust_without_lists, pki().good), package(pki().good), Reason.REVOCATION_UNKNOWN


def with_old_lists() -> tuple[Desk, bytes, Reason]:
    return Desk(pki().stale_trust, pki().good), package(pki().good), Reason.REVOCATION_UNKNOWN


def by_answer(
    by: Holder | None = None, status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD, lists: int = 1
) -> tuple[Desk, bytes]:
    """A desk of today that has an answer, and the first or both of the lists."""
    said = answer(pki().good, pki().authority, by, status=status)
    trust = Trust((pki().root.der,), (pki().authority.der,), pki().live_trust.crls[:lists], (said,))
    desk = Desk(trust, pki().good)
    desk.clock = datetime.now(UTC) + timedelta(minutes=1)
    return desk, package(pki().good)


def answered() -> tuple[Desk, bytes, Reason]:
    return *by_answer(), Reason.GOOD


def answered_by_a_delegate() -> tuple[Desk, bytes, Reason]:
    return *by_answer(responder(pki().authority), lists=2), Reason.GOOD


def answered_by_a_delegate_of_whom_nobody_tells() -> tuple[Desk, bytes, Reason]:
    return *by_answer(responder(pki().authority)), Reason.REVOCATION_UNKNOWN


def answered_that_it_is_revoked() -> tuple[Desk, bytes, Reason]:
    return *by_answer(status=ocsp.OCSPCertStatus.REVOKED, lists=2), Reason.REVOKED


def by_an_indirect_list() -> tuple[Desk, bytes, Reason]:
    signer, trust = indirect()
    return Desk(among(trust), signer), package(signer), Reason.GOOD


def released_by_a_delta_list() -> tuple[Desk, bytes, Reason]:
    signer, trust = delta(released=True)
    return Desk(trust, signer), package(signer), Reason.GOOD


def on_hold() -> tuple[Desk, bytes, Reason]:
    signer, trust = delta(released=False)
    return Desk(trust, signer), package(signer), Reason.REVOKED


def stamping(*crls: bytes, document: Trust | None = None) -> Trust:
    """Roots for documents and for time stamps, each for its own purpose."""
    root, under = authority.roots()
    mine = document or pki().trust
    rules = {root.sha256: AnchorRule(frozenset({Purpose.TIME_STAMP, Purpose.EVIDENCE}), note="only stamps")}
    return Trust(
        (*mine.anchors, root.der),
        (*mine.intermediates, under.der),
        (*mine.crls, *(crls or authority.lists())),
        rules=rules,
    )


def stamped_before_it_was_revoked() -> tuple[Desk, bytes, Reason]:
    gone = revocation_list(pki().authority, [pki().good.certificate], revoked_at=NOW - HOUR)
    trust = stamping(document=pki().trust_with(pki().crls()[0], gone))
    return Desk(among(trust), pki().good), package(pki().good, stamps=[NOW - DAY]), Reason.GOOD


def stamped_before_it_expired() -> tuple[Desk, bytes, Reason]:
    signer = issue("hết hạn", pki().authority, validity=(NOW - YEAR, NOW - 3 * DAY))
    then = pki().trust_with(*pki().crls(at=NOW - 4 * DAY, until=NOW - 3 * DAY))
    return Desk(stamping(document=then), signer), package(signer, stamps=[NOW - 5 * DAY]), Reason.GOOD


def stamped_by_an_authority_that_has_ended() -> tuple[Desk, bytes, Reason]:
    lists = authority.lists(authority.good().certificate, revoked_at=NOW - HOUR, reason=ReasonFlags.superseded)
    return Desk(stamping(*lists), pki().good), package(pki().good, stamps=[NOW - DAY, NOW - 2 * DAY]), Reason.GOOD


def stamped_by_an_authority_without_lists() -> tuple[Desk, bytes, Reason]:
    gone = revocation_list(pki().authority, [pki().good.certificate], revoked_at=NOW - HOUR)
    root, under = authority.roots()
    mine = pki().trust_with(pki().crls()[0], gone)
    trust = Trust((*mine.anchors, root.der), (*mine.intermediates, under.der), mine.crls)
    return Desk(trust, pki().good), package(pki().good, stamps=[NOW - DAY]), Reason.REVOCATION_UNKNOWN


def under_a_root_for_other_things() -> tuple[Desk, bytes, Reason]:
    rule = AnchorRule(until=NOW - DAY, note="hết tin")
    trust = Trust((pki().root.der,), (pki().authority.der,), pki().crls(), rules={pki().root.sha256: rule})
    return Desk(trust, pki().good), package(pki().good), Reason.UNTRUSTED


def under_nobody() -> tuple[Desk, bytes, Reason]:
    return Desk(pki().trust, pki().from_other_root), package(pki().from_other_root), Reason.UNTRUSTED


def of_a_stranger() -> tuple[Desk, bytes, Reason]:
    return Desk(pki().trust), package(pki().good), Reason.NOT_BOUND


def in_grace() -> tuple[Desk, bytes, Reason]:
    old = pki().stale_trust
    trust = Trust(old.anchors, old.intermediates, old.crls, freshness=Freshness(grace=30 * DAY))
    return Desk(trust, pki().good), package(pki().good), Reason.GOOD


def unsigned() -> tuple[Desk, bytes, Reason]:
    return Desk(pki().trust, profile=Profile.LEGACY_TOLERATED), package(None), Reason.UNSIGNED


CASES: list[Case] = [
    by_list,
    revoked,
    without_lists,
    with_old_lists,
    answered,
    answered_by_a_delegate,
    answered_by_a_delegate_of_whom_nobody_tells,
    answered_that_it_is_revoked,
    by_an_indirect_list,
    released_by_a_delta_list,
    on_hold,
    stamped_before_it_was_revoked,
    stamped_before_it_expired,
    stamped_by_an_authority_that_has_ended,
    stamped_by_an_authority_without_lists,
    under_a_root_for_other_things,
    under_nobody,
    of_a_stranger,
    in_grace,
    unsigned,
]


def again(octets: bytes) -> tuple[Verdict, Recomputed]:
    bundle = read_bundle(octets)
    return bundle.verdict, recompute(bundle)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_a_verdict_is_the_same_when_it_is_taken_again(case: Case) -> None:
    desk, octets, reason = case()
    made = await desk.bundle(octets)
    stored, found = again(made)
    assert stored.reason is reason
    assert found.differences == ()
    assert found.verdict == stored
    assert pack(unpack(made)) == made


@pytest.mark.parametrize("case", [by_list, in_grace, answered], ids=lambda case: case.__name__)
async def test_also_when_the_certificate_was_judged_earlier(case: Case) -> None:
    """The second document finds the certificate's verdict in the cache; what it says of times is of then."""
    desk, octets, _ = case()
    first = desk.clock
    await desk.judged(octets)
    desk.clock += timedelta(minutes=7)
    stored, found = again(await desk.bundle(octets))
    assert (stored.at, stored.certificate_at) == (desk.clock, first)
    assert found.differences == ()


async def test_also_when_the_evidence_came_after_the_document() -> None:
    """Judged a second time, later than the document, because a responder had only just said what was missing."""
    desk, octets, _ = without_lists()

    class Keeper:
        async def bring(self, _leaf: bytes) -> bool:
            desk.clock = NOW + timedelta(seconds=3)
            desk.ctx.trust = Trust((pki().root.der,), (pki().authority.der,), pki().crls(at=NOW + timedelta(seconds=2)))
            return True

    desk.ctx.evidence = Keeper()  # type: ignore[assignment]
    stored, found = again(await desk.bundle(octets))
    assert (stored.at, stored.certificate_at) == (NOW, NOW + timedelta(seconds=3))
    assert stored.passed
    assert found.differences == ()


async def test_another_list_gives_another_verdict_and_each_field_is_named() -> None:
    """The bundle of a good verdict with the evidence of a bad one: what differs is told."""
    desk, octets, _ = by_list()
    good = await desk.judged(octets)
    desk.ctx.trust = pki().trust_with(pki().crls()[0], revocation_list(pki().authority, [pki().good.certificate]))
    bad = await desk.judged(octets)
    forged = replace(good, verdict=replace(good.verdict, evidence=bad.verdict.evidence), grounds=bad.grounds)
    stored, found = again(bundle_of(octets, forged))
    assert stored.passed
    assert not found.same
    fields = {one.field: (one.stored, one.now) for one in found.differences}
    assert fields["indication"] == ("TOTAL-PASSED", "TOTAL-FAILED")
    assert fields["sub_indication"] == ("-", SubIndication.REVOKED.value)


async def test_a_verdict_on_another_package_is_told() -> None:
    def other(root: etree._Element) -> None:
        for element in root.iter("{*}Subject"):
            element.text = "khác"

    desk, octets, _ = by_list()
    judged = await desk.judged(octets)
    changed = package(pki().good, bend=other)
    with pytest.raises(Broken, match="bundle-record"):
        recompute(read_bundle(bundle_of(changed, judged)))


async def test_no_changed_octet_is_the_same_and_valid() -> None:
    """Of every entry, its first and last octets and some in between; and anywhere in the file."""
    desk, octets, _ = by_list()
    made = await desk.bundle(octets)
    entries = unpack(made)
    chance = random.Random(7)
    for name, content in entries.items():
        places = {0, len(content) - 1, *(chance.randrange(len(content)) for _ in range(25))}
        for place in places:
            changed = bytearray(content)
            changed[place] ^= 1 << chance.randrange(8)
            assert not _same_and_valid(pack({**entries, name: bytes(changed)})), (name, place)
    for _ in range(200):
        broken = bytearray(made)
        broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
        assert not _same_and_valid(bytes(broken))
    assert _same_and_valid(made)


@pytest.mark.parametrize("name", ["package.edxml", "verdict.json", "evidence/"])
async def test_also_when_the_manifest_is_made_for_the_changed_octet(name: str) -> None:
    desk, octets, _ = by_list()
    entries = unpack(await desk.bundle(octets))
    manifest = json.loads(entries["manifest.json"])
    chance = random.Random(8)
    for entry in (one for one in entries if one.startswith(name)):
        for _ in range(60):
            changed = bytearray(entries[entry])
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
            assert not _same_and_valid(sealed(manifest, {**entries, entry: bytes(changed)}))


def sealed(manifest: dict[str, Any], entries: dict[str, bytes]) -> bytes:
    """The file that somebody makes who knows how."""
    rows = [
        {**row, "sha256": hashlib.sha256(entries[row["name"]]).hexdigest(), "size": len(entries[row["name"]])}
        for row in manifest["entries"]
    ]
    body = {**manifest, "entries": rows}
    del body["sha256"]
    return pack(
        {**entries, "manifest.json": canonical({**body, "sha256": hashlib.sha256(canonical(body)).hexdigest()})}
    )


NOT_BUNDLES: dict[str, tuple[Callable[[dict[str, bytes], dict[str, Any]], None], str]] = {
    "of a later version": (lambda entries, manifest: manifest.update(v=2), "bundle-version"),
    "of something else": (lambda entries, manifest: manifest.update(type="photos"), "bundle-manifest"),
    "with a word more": (lambda entries, manifest: manifest.update(more="x"), "bundle-manifest"),
    "without its package": (lambda entries, manifest: _drop(entries, manifest, "package.edxml"), "bundle-missing"),
    "without a piece": (lambda entries, manifest: _drop(entries, manifest, ".crl"), "bundle-evidence"),
    "with another record": (lambda entries, manifest: manifest.update(document="x"), "bundle-manifest"),
}


def _drop(entries: dict[str, bytes], manifest: dict[str, Any], ending: str) -> None:
    name = next(one for one in entries if one.endswith(ending))
    del entries[name]
    manifest["entries"] = [row for row in manifest["entries"] if row["name"] != name]


@pytest.mark.parametrize("case", NOT_BUNDLES)
async def test_what_is_no_bundle_of_ours_is_told_by_code(case: str) -> None:
    change, code = NOT_BUNDLES[case]
    desk, octets, _ = by_list()
    entries = unpack(await desk.bundle(octets))
    manifest = json.loads(entries["manifest.json"])
    change(entries, manifest)
    with pytest.raises(Broken) as broken:
        read_bundle(sealed(manifest, entries))
    assert broken.value.code == code


def _same_and_valid(octets: bytes) -> bool:
    try:
        bundle = read_bundle(octets)
        found = recompute(bundle)
    except Broken:
        return False
    return found.same and found.verdict.passed


async def test_the_clock_of_the_reader_does_not_matter() -> None:
    """Nothing of a bundle asks what time it is."""
    desk, octets, _ = by_list()
    desk.clock = datetime(2026, 11, 23, 8, 0, 1, tzinfo=NOW.tzinfo)
    made = await desk.bundle(octets)
    desk.clock += 20 * YEAR
    assert again(made)[1].same
    assert read_bundle(made).record["sender"] == SENDER.text
