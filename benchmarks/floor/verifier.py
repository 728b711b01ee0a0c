"""The judge by itself, for floors "with the same verifier": octets in, a passed verdict or an exception."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from axis.flow.usual import octets_in
from axis.trust import read_trust
from schemas.layout import layout_of
from schemas.limits import XmlLimits
from schemas.xml import gated
from signing.chain import CertificateCache, judge_certificate
from signing.policy import OWN_NETWORK
from signing.verify import conclude, inspect_laid


def verifier(believed: Mapping[str, Sequence[str]]) -> Callable[[bytes], object]:
    """A verifier that trusts the files `anchors`, `intermediates` and `crls`."""
    files = {name: [Path(one) for one in ones] for name, ones in believed.items()}
    trust = read_trust(files["anchors"], files["intermediates"], files["crls"])
    limits, cache = XmlLimits(), CertificateCache()

    def verify(raw: bytes) -> object:
        layout, at = layout_of(gated(raw, limits), limits), datetime.now(UTC)
        if layout is None:
            raise ValueError("not of the usual form")
        inspection = inspect_laid(layout, octets_in(layout), True, OWN_NETWORK, at, layout.cuts)
        if inspection is None:
            raise ValueError("not of the usual shape")
        leaf = inspection.certificate
        if leaf is None:
            raise ValueError("no certificate")
        known = cache.find(leaf, trust, OWN_NETWORK, at)
        if known is None:
            known = judge_certificate(leaf, trust, at, OWN_NETWORK)
            cache.keep(leaf, trust, OWN_NETWORK, at, known)
        judgement = conclude(inspection, known)
        if not judgement.verdict.passed:
            raise ValueError(judgement.verdict.reason)
        return judgement

    return verify
