"""Signature wrapping beyond `tests/refusals/wraps.py`: documents signed as a whole, and what is handed out."""

from __future__ import annotations

import pytest

from signing.verdict import Reason
from tests.refusals.wraps import ATTACKS, FORGED, forged_header
from tests.unit.signing.forge import Q, by_parts, enveloped


@pytest.mark.parametrize("name", ATTACKS)
def test_wrapping_a_document_that_was_signed_as_a_whole_breaks_its_digest(name: str) -> None:
    if "business" not in name:
        attack, _, _ = ATTACKS[name]
        package = enveloped()
        attack(package)
        judgement = package.judge()
        assert judgement.verdict.reason in (
            Reason.DIGEST,
            Reason.STRUCTURE,
            Reason.KEYINFO,
            Reason.DUPLICATE_ID,
        )
        assert judgement.verified is None


def test_what_is_inside_the_signature_is_not_covered_by_the_whole() -> None:
    """The enveloped transform leaves the signature out; an element in it would be read and not signed."""
    from dataclasses import replace

    from signing.policy import OWN_NETWORK
    from signing.verify import verify
    from tests.pki import NOW, pki

    package = enveloped()
    inside = package.signature[0]
    must_cover = replace(package.must_cover, elements={"inside": inside})
    verdict = verify(package.root, package.signatures, must_cover, OWN_NETWORK, pki().trust, NOW).verdict
    assert verdict.reason is Reason.COVERAGE
    stranger = replace(package.must_cover, elements={"stranger": by_parts().header})
    verdict = verify(package.root, package.signatures, stranger, OWN_NETWORK, pki().trust, NOW).verdict
    assert verdict.reason is Reason.COVERAGE


def test_the_forged_field_is_in_no_verified_octets() -> None:
    package = by_parts()
    package.place.append(forged_header(package))
    judgement = package.judge()
    assert judgement.verdict.passed
    assert judgement.verified is not None
    assert not any(FORGED.encode() in octets for octets in judgement.verified.parts.values())
    assert package.header.tag == Q + "MessageHeader"
