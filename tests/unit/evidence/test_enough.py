"""What a verdict names is enough: judged with nothing else, the certificate gets the very same verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from random import Random

import pytest

from signing.chain import CertificateVerdict, Trust, judge_certificate
from signing.evidence import frame, gather
from signing.piece import Piece, piece
from signing.policy import IF_PRESENT, LEGACY, OWN_NETWORK, SignaturePolicy, read_policy
from signing.revocation.seen import SEEN
from signing.rules import read_rules
from signing.verdict import POLICY, RULES, Evidence, Reason
from tests.conformance.neutral import RFC_5280
from tests.conformance.test_pkits import AT, Case, cases
from tests.factories_core import passed
from tests.pki import NOW, pki, revocation_list
from tests.unit.evidence.world import circle


def kept(rows: tuple[Evidence, ...], trust: Trust, policy: SignaturePolicy, *brought: bytes) -> dict[str, Piece]:
    """All pieces that would be stored."""
    made = frame(rows, policy, trust)
    verdict = replace(passed(), evidence=(*rows, *made.rows))
    return {one.sha256: one for one in gather(verdict, [trust], brought, made.pieces)}


def reduced(rows: tuple[Evidence, ...], trust: Trust, policy: SignaturePolicy, *brought: bytes) -> Trust:
    """What is believed when only the kept pieces are there."""
    pieces = kept(rows, trust, policy, *brought)
    (rules,) = (one.octets for one in pieces.values() if one.kind == RULES)
    return read_rules(rules).trust({name: one.octets for name, one in pieces.items()})


def judged_again(leaf: bytes, trust: Trust, policy: SignaturePolicy) -> Iterator[CertificateVerdict]:
    """The verdict, and the one with its evidence alone."""
    first = judge_certificate(leaf, trust, AT, policy)
    yield first
    yield judge_certificate(leaf, reduced(first.evidence, trust, policy, leaf), AT, policy)


@cache
def everything() -> Trust:
    """All authorities and lists of all cases in one store: paths cross, names repeat, lists contradict each other."""
    anchors = dict.fromkeys(one for case in cases() for one in case.trust.anchors)
    intermediates = dict.fromkeys(one for case in cases() for one in case.trust.intermediates)
    lists = dict.fromkeys(one for case in cases() for one in case.trust.crls)
    return Trust(tuple(anchors), tuple(intermediates), tuple(lists))


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_every_case_of_pkits_is_answered_in_the_same_way_from_its_evidence(case: Case) -> None:
    for policy in (RFC_5280, OWN_NETWORK):
        first, again = judged_again(case.chain[-1], case.trust, policy)
        assert again == first


@pytest.mark.slow
def test_among_the_lists_and_authorities_of_all_cases_too() -> None:
    trust = everything()
    fewer = 0
    for case in cases():
        first, again = judged_again(case.chain[-1], trust, RFC_5280)
        assert again == first, case.name
        fewer += len(first.evidence) < 40
    assert fewer == len(cases()), "evidence is what was looked at, not the whole store"


def test_what_was_only_looked_at_is_marked() -> None:
    old = revocation_list(pki().authority, at=NOW.replace(year=2020), until=NOW.replace(year=2021), number=0)
    lists = pki().crls()
    trust = pki().trust_with(*lists, old)
    verdict = judge_certificate(pki().good.der, trust, NOW, OWN_NETWORK)
    assert verdict.reason is Reason.GOOD
    sources = {row.sha256: row.source for row in verdict.evidence}
    assert sources[piece("crl", old).sha256] == SEEN
    assert [sources[piece("crl", one).sha256] for one in lists] == ["", ""]


def test_a_verdict_that_waits_names_the_lists_that_did_not_help() -> None:
    trust = pki().stale_trust
    verdict = judge_certificate(pki().good.der, trust, NOW, OWN_NETWORK)
    assert verdict.reason is Reason.REVOCATION_UNKNOWN
    assert {row.kind for row in verdict.evidence} == {"certificate", "crl"}
    again = judge_certificate(
        pki().good.der, reduced(verdict.evidence, trust, OWN_NETWORK, pki().good.der), NOW, OWN_NETWORK
    )
    assert again == verdict


def test_a_signer_of_lists_who_is_not_believed_is_part_of_the_answer() -> None:
    """He was asked about, although nobody believes him, and his list is one of those that did not help."""
    signer, publisher, trust = circle()
    verdict = judge_certificate(signer.der, trust, NOW, OWN_NETWORK)
    assert publisher.sha256 in {row.sha256 for row in verdict.evidence if row.source == SEEN}
    again = judge_certificate(signer.der, reduced(verdict.evidence, trust, OWN_NETWORK, signer.der), NOW, OWN_NETWORK)
    assert again == verdict


CIRCLES: dict[str, tuple[bool, str, Reason]] = {
    "nobody else tells of A or B": (False, "", Reason.REVOCATION_UNKNOWN),
    "and B has A as revoked": (True, "", Reason.REVOCATION_UNKNOWN),
    "of A somebody else tells": (False, "A", Reason.GOOD),
    "and B, good on the word of A, has A as revoked": (True, "A", Reason.REVOCATION_UNKNOWN),
    "of B somebody else tells, and B has A as revoked": (True, "B", Reason.GOOD),
}


@pytest.mark.parametrize("name", CIRCLES)
def test_nobody_is_good_on_a_word_that_rests_on_his_own(name: str) -> None:
    """Whoever is asked about first: publishers who vouch for each other acquit nobody, and still convict."""
    convicts, outside, reason = CIRCLES[name]
    signer, _, trust = circle(convicts=convicts, outside=outside)
    for turn in range(6):
        publishers, lists = list(trust.intermediates), list(trust.crls)
        Random(turn).shuffle(publishers)
        Random(-turn).shuffle(lists)
        turned = Trust(trust.anchors, publishers, lists)
        verdict = judge_certificate(signer.der, turned, NOW, OWN_NETWORK)
        assert verdict.reason is reason
        alone = reduced(verdict.evidence, turned, OWN_NETWORK, signer.der)
        assert judge_certificate(signer.der, alone, NOW, OWN_NETWORK) == verdict


def test_rows_of_another_trust_are_not_gathered() -> None:
    verdict = judge_certificate(pki().good.der, pki().trust, NOW, OWN_NETWORK)
    with pytest.raises(KeyError):
        kept(verdict.evidence, Trust(), OWN_NETWORK, pki().good.der)


@pytest.mark.parametrize("policy", [OWN_NETWORK, IF_PRESENT, LEGACY], ids=lambda policy: policy.name)
def test_a_policy_reads_back_from_the_text_that_is_hashed(policy: SignaturePolicy) -> None:
    assert piece(POLICY, policy.octets).sha256 == policy.sha256
    assert read_policy(policy.octets) == policy
    for wrong in (
        policy.octets + b" ",
        policy.octets[:-1],
        b"{}",
        b"[]",
        b"\xff",
        policy.octets.replace(b"2048", b"x"),
    ):
        with pytest.raises(ValueError, match="policy"):
            read_policy(wrong)
