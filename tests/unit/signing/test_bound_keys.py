"""A key that its certificate binds to RSASSA-PSS signs nothing else (RFC 4055 §1.2), XML no more than CMS."""

from __future__ import annotations

import pytest

from schemas.edxml import signatures
from signing.algorithm import PSS_SHA256, PSS_SHA512, RSA_SHA256
from signing.policy import OWN_NETWORK
from signing.verdict import Reason
from signing.verify import Inspection, inspect
from tests.pki import NOW
from tests.unit.pdf.test_cms import bound
from tests.unit.signing.test_shape import package, read, shortcut

KEYS: dict[str, tuple[str, int, str, bool]] = {
    # bound to a hash, a salt of at least; signs with; may it
    "for PSS": ("", 0, PSS_SHA256, True),
    "for this hash": ("sha256", 32, PSS_SHA256, True),
    "for another hash": ("sha512", 64, PSS_SHA256, False),
    "for another hash, the other way": ("sha256", 32, PSS_SHA512, False),
    "for a longer salt": ("sha256", 40, PSS_SHA256, False),
    "for PSS, with PKCS#1": ("", 0, RSA_SHA256, False),
    "for this hash, with PKCS#1": ("sha256", 32, RSA_SHA256, False),
}


def _made(name: str) -> tuple[bytes, bool]:
    hash_name, salt, algorithm, good = KEYS[name]
    return package(bound(hash_name, salt).signer(algorithm), whole=False), good


def _long(raw: bytes) -> Inspection:
    parsed, must_cover = read(raw)
    return inspect(parsed.root, signatures(parsed.root), must_cover, OWN_NETWORK, NOW, parsed.cuts)


@pytest.mark.parametrize("name", KEYS)
def test_the_long_way(name: str) -> None:
    raw, good = _made(name)
    inspection = _long(raw)
    assert (inspection.verified is not None) is good
    assert good or (inspection.verdict is not None and inspection.verdict.reason is Reason.ALGORITHM)


@pytest.mark.parametrize("name", KEYS)
def test_the_short_way(name: str) -> None:
    raw, good = _made(name)
    short = shortcut(raw)
    assert short == _long(raw) if good else short is None
