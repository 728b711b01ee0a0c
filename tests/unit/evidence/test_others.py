"""Several signatures of one package: each verdict names its own grounds, and all are the same when they are taken
again."""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from lxml import etree

from axis.core.binding import Binding, Bindings
from axis.evidence.bundle import read_bundle
from axis.evidence.container import pack, unpack
from axis.evidence.recompute import Recomputed, recompute
from schemas.codes import AgencyCode
from signing.chain import Trust
from signing.verdict import BINDING, POLICY, RULES, Reason, SignatureRole, Verdict
from tests.pki import NOW, Holder, issue, pki, revocation_list
from tests.unit.evidence.test_recompute import among, stamping
from tests.unit.evidence.world import DAY, SENDER, Bend, Desk, bundle_of, package
from tests.unit.signing.forge import countersign

OTHER = AgencyCode("H99.08")
Case = Callable[[], tuple[Desk, bytes, Reason, int]]
ALWAYS = (NOW - 900 * DAY, NOW + 900 * DAY)


def speaking(desk: Desk, *rows: tuple[Holder, AgencyCode]) -> Desk:
    """Only these speak for somebody."""
    made = [Binding(holder.sha256, agency, *ALWAYS) for holder, agency in rows]
    desk.ctx.network.registry.bindings = Bindings(made)  # type: ignore[misc]
    return desk


def countersigned(by: Holder, number: int = 1) -> Bend:
    """The signature of that number carries a countersignature."""

    def bend(root: etree._Element) -> None:
        place = [*root.iter("{*}Signature")]
        countersign(place[number - 1], by.signer(), NOW)

    return bend


def two_and_a_countersignature() -> tuple[Desk, bytes, Reason, int]:
    desk = speaking(Desk(among(pki().trust)), (pki().good, SENDER), (pki().rsa, OTHER), (pki().ed25519, OTHER))
    return desk, package(pki().good, pki().rsa, bend=countersigned(pki().ed25519)), Reason.GOOD, 1


def the_second_speaks_for_the_sender() -> tuple[Desk, bytes, Reason, int]:
    desk = speaking(Desk(among(pki().trust)), (pki().good, OTHER), (pki().rsa, SENDER))
    return desk, package(pki().good, pki().rsa), Reason.GOOD, 2


def the_second_is_revoked() -> tuple[Desk, bytes, Reason, int]:
    desk = speaking(Desk(among(pki().trust)), (pki().good, SENDER), (pki().revoked, OTHER))
    return desk, package(pki().good, pki().revoked), Reason.REVOKED, 1


def nobody_speaks_for_the_sender() -> tuple[Desk, bytes, Reason, int]:
    desk = speaking(Desk(pki().trust), (pki().good, OTHER))
    return desk, package(pki().good, pki().rsa), Reason.NOT_BOUND, 1


def countersigned_by_a_stranger() -> tuple[Desk, bytes, Reason, int]:
    desk = speaking(Desk(pki().trust), (pki().good, SENDER))
    return desk, package(pki().good, bend=countersigned(pki().from_other_root)), Reason.GOOD, 1


def countersigned_by_himself() -> tuple[Desk, bytes, Reason, int]:
    """His bindings are asked twice: about the sender, and about anybody."""
    desk = speaking(Desk(pki().trust), (pki().good, OTHER), (pki().good, SENDER))
    return desk, package(pki().good, bend=countersigned(pki().good)), Reason.GOOD, 1


def the_first_is_stamped() -> tuple[Desk, bytes, Reason, int]:
    """And revoked since: each is judged for its own time."""
    gone = revocation_list(pki().authority, [pki().good.certificate], revoked_at=NOW - DAY / 24)
    desk = speaking(Desk(stamping(document=pki().trust_with(pki().crls()[0], gone))), (pki().good, SENDER))
    return desk, package(pki().good, pki().rsa, stamps=[NOW - DAY]), Reason.GOOD, 1


CASES: list[Case] = [
    two_and_a_countersignature,
    the_second_speaks_for_the_sender,
    the_second_is_revoked,
    nobody_speaks_for_the_sender,
    countersigned_by_a_stranger,
    countersigned_by_himself,
    the_first_is_stamped,
]


def again(octets: bytes) -> tuple[Verdict, Recomputed]:
    bundle = read_bundle(octets)
    return bundle.verdict, recompute(bundle)


def kinds(verdict: Verdict) -> Counter[str]:
    return Counter(row.kind for row in verdict.evidence)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_every_signature_is_the_same_when_it_is_taken_again(case: Case) -> None:
    desk, octets, reason, number = case()
    made = await desk.bundle(octets)
    stored, found = again(made)
    assert (stored.reason, stored.place) == (reason, f"Signature[{number}]")
    assert stored.others
    assert found.differences == ()
    assert found.verdict == stored
    assert pack(unpack(made)) == made
    for one in (stored, *stored.others):
        named = kinds(one)
        assert (named[POLICY], named[RULES], named[BINDING]) == (1, 1, 1), one.place


async def test_the_bundle_has_what_each_of_them_rests_on_and_no_more() -> None:
    desk, octets, _, _ = two_and_a_countersignature()
    stored, found = again(await desk.bundle(octets))
    assert [one.role for one in stored.others] == [SignatureRole.COUNTERSIGNATURE, SignatureRole.PARALLEL]
    pieces = read_bundle(await desk.bundle(octets)).pieces
    assert {pki().good.sha256, pki().rsa.sha256, pki().ed25519.sha256} <= pieces.keys()
    assert Counter(one.kind for one in pieces.values())[BINDING] == 3
    assert found.roots.keys() == {pki().root.sha256}


async def test_a_binding_of_another_signer_is_part_of_what_was_decided() -> None:
    """Whoever takes away that the first does not speak for the sender gets another verdict."""
    desk, octets, _, _ = the_second_speaks_for_the_sender()
    judged = await desk.judged(octets)
    assert judged.verdict.others[0].signer is not None
    said = desk.ctx.network.registry.bindings.evidence(pki().good.sha256, None)
    assert said in judged.verdict.others[0].evidence
    speaking(desk, (pki().good, SENDER), (pki().rsa, SENDER))
    other = await desk.judged(octets)
    assert (judged.verdict.place, other.verdict.place) == ("Signature[2]", "Signature[1]")
    forged = replace(other, verdict=replace(judged.verdict, evidence=other.verdict.others[0].evidence, others=(
        replace(judged.verdict.others[0], evidence=other.verdict.evidence),
    )))  # fmt: skip
    _, found = again(bundle_of(octets, forged))
    assert "place" in {one.field for one in found.differences}


async def test_each_is_judged_under_what_was_believed_for_it() -> None:
    """Evidence for the second came while the first was judged: by then the lists were others."""
    late = issue("CA trẻ", pki().root, ca=True, path_length=0)
    second = issue("người ký thứ hai", late)
    of_root, old = pki().crls()
    before = Trust((pki().root.der,), (pki().authority.der, late.der), (of_root, old))
    new = (revocation_list(pki().authority, number=2), revocation_list(late))
    after = Trust(before.anchors, before.intermediates, (of_root, *new))
    desk = speaking(Desk(before), (pki().good, SENDER), (second, OTHER))

    class Keeper:
        async def bring(self, _leaf: bytes) -> bool:
            await asyncio.sleep(0)
            desk.clock = NOW + timedelta(seconds=3)
            desk.ctx.trust = after
            return True

    desk.ctx.evidence = Keeper()  # type: ignore[assignment]
    stored, found = again(await desk.bundle(package(pki().good, second)))
    (other,) = stored.others
    assert stored.passed
    assert (stored.certificate_at, other.certificate_at) == (NOW, NOW + timedelta(seconds=3))
    assert found.differences == ()
    lists, later = ({row.sha256 for row in one.evidence if row.kind == "crl"} for one in (stored, other))
    assert lists - later == {hashlib.sha256(old).hexdigest()}


async def test_what_a_message_brings_and_we_have_without_looking_at_it_is_not_in_the_rules() -> None:
    """Hints of a stamped signature are named, not believed and not kept."""
    spare = issue("CA dự phòng", pki().root, ca=True)
    trust = stamping(document=Trust((pki().root.der,), (pki().authority.der, spare.der), pki().crls()))
    value = b64encode(spare.der).decode()

    def hint(root: etree._Element) -> None:
        (place,) = root.iter("{*}UnsignedSignatureProperties")
        namespace = etree.QName(place).namespace
        values = etree.SubElement(place, f"{{{namespace}}}CertificateValues")
        etree.SubElement(values, f"{{{namespace}}}EncapsulatedX509Certificate").text = value

    desk = Desk(trust, pki().good)
    stored, found = again(await desk.bundle(package(pki().good, stamps=[NOW - DAY], bend=hint)))
    assert spare.sha256 in {row.sha256 for row in stored.evidence}
    assert found.differences == ()
