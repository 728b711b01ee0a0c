"""The judge by itself, for floors "with the same verifier": octets in, a passed verdict or an exception."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from axis.trust import read_trust
from schemas import attachment, edxml
from schemas.limits import XmlLimits
from schemas.xml import parse_xml
from signing.chain import CertificateCache, judge_certificate
from signing.policy import OWN_NETWORK
from signing.verify import InMemory, MustCover, Tidy, conclude, inspect


def verifier(believed: Mapping[str, Sequence[str]]) -> Callable[[bytes], object]:
    """A verifier that trusts the files `anchors`, `intermediates` and `crls`."""
    files = {name: [Path(one) for one in ones] for name, ones in believed.items()}
    trust = read_trust(files["anchors"], files["intermediates"], files["crls"])
    limits, cache = XmlLimits(), CertificateCache()

    def verify(raw: bytes) -> object:
        parsed, at = parse_xml(raw, limits), datetime.now(UTC)
        parts = edxml.signed_parts(parsed.root)
        named = {"MessageHeader": parts.header, "Bussiness": parts.business, "edXMLManifest": parts.manifest}
        elements = {name: element for name, element in named.items() if element is not None}
        encoded = attachment.encoded_attachments(parsed)
        inline = {item.content_id or "": InMemory(attachment.decode(item)) for item in encoded}
        must_cover = MustCover(elements, inline, parts.place, frozenset(inline))
        tidy = None if parsed.plain is None else Tidy(parsed.plain.ids, parsed.plain.octets)
        inspection = inspect(parsed.root, edxml.signatures(parsed.root), must_cover, OWN_NETWORK, at, parsed.cuts, tidy)
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
