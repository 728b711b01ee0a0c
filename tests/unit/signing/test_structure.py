"""What is signed is what is used: Ids, coverage, places, canonicalisation."""

from __future__ import annotations

import pytest

from signing.sign import sign_parts
from signing.verdict import Reason, SubIndication
from tests.pki import NOW, pki
from tests.unit.signing.bend import (
    transforms,
)
from tests.unit.signing.forge import (
    ENVELOPED,
    EXC,
    INC,
    by_parts,
    enveloped,
    reference_to,
    refused,
    resign,
    sign_again,
    unsigned_package,
)

FORMAT = SubIndication.FORMAT_FAILURE
NO_CERTIFICATE = SubIndication.NO_SIGNING_CERTIFICATE_FOUND
CRYPTO = SubIndication.CRYPTO_CONSTRAINTS_FAILURE
NOT_FOUND = SubIndication.SIGNED_DATA_NOT_FOUND
NOT_VERIFIABLE = SubIndication.NOT_VERIFIABLE
CONSTRAINTS = SubIndication.SIG_CONSTRAINTS_FAILURE


@pytest.mark.parametrize("part", ["#header", "#business", "#manifest", "cid:a.pdf"])
def test_d23_what_is_used_and_not_signed_is_named(part: str) -> None:
    package = by_parts()
    reference = reference_to(package, part)
    reference.getparent().remove(reference)  # type: ignore[union-attr]
    sign_again(package)
    judgement = refused(package, CONSTRAINTS, Reason.COVERAGE)
    assert judgement.verdict.not_covered == (part if part.startswith("cid:") else part[1:],)
    assert judgement.verified is None


@pytest.mark.parametrize("names", [(ENVELOPED,), (ENVELOPED, INC), (ENVELOPED, EXC)])
def test_enveloped_transforms_are_one_or_two(names: tuple[str, ...]) -> None:
    package = enveloped()
    transforms("", *names)(package)
    resign(package)
    assert package.judge().verdict.passed


QCVN = "urn:example:edxml"


def test_a_signature_over_parts_needs_no_attachments() -> None:
    package = unsigned_package()
    package.attachments = {}
    sign_parts(package.place, [package.header, package.business, package.manifest], [], pki().good.signer(), NOW)
    assert package.judge().verdict.passed
