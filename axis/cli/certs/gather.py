"""Read everything that a forecast is made of: registry, bindings, certificates, lists, connections."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from axis.cli.certs.forecast import Authority, Facility, Facts, Kind, Paper
from axis.cli.certs.inspect import list_until
from axis.cli.certs.known import Shelf, client_files, shelf_of
from axis.cli.certs.words import short
from axis.config import Config
from axis.config.bindings import BindingBook
from axis.core.registry import Registry
from axis.trust import certificates, read_trust
from signing.certificate import Leaf, load_leaf
from signing.chain import Trust, judge_certificate
from signing.policy import OWN_NETWORK
from signing.refusal import Refused
from signing.store import Issuer
from signing.verdict import REASONS, Reason

_OF_TIME: Final = frozenset({Reason.GOOD, Reason.EXPIRED, Reason.NOT_YET_VALID, Reason.REVOCATION_UNKNOWN})
"""What a forecast tells by dates; every other reason refuses the certificate for good."""


def gather(
    config: Config, path: Path, registry: Registry, book: BindingBook, now: datetime
) -> tuple[Facts, tuple[str, ...]]:
    """The facts, and what could not be read, in words. `path` is the configuration's file."""
    unread: list[str] = []
    shelf = shelf_of(config, book)
    try:
        trust = read_trust(config.trust.anchors, config.trust.intermediates, config.trust.crls)
    except (OSError, ValueError) as error:
        unread.append(f"trust: {error}")
        trust = Trust()
    unread += [f"trust: {problem}" for problem in trust.problems]
    authorities = {one.sha256: one for one in _authorities(trust, now)}
    papers = dict(_papers(registry, shelf, trust, now, unread))
    facilities = tuple(_facilities(config, path, unread))
    return Facts(tuple(registry), registry.bindings, papers, authorities, facilities), (*shelf.unread, *unread)


def _authorities(trust: Trust, now: datetime) -> Iterator[Authority]:
    for der in dict.fromkeys((*trust.anchors, *trust.intermediates)):
        try:
            leaf = load_leaf(der)
        except Refused:
            continue  # told under trust.problems
        issuer = Issuer(der, leaf.sha256, leaf.certificate, der in trust.anchors)
        yield Authority(
            leaf.sha256, short(leaf.signer.subject), issuer.root, leaf.not_after, list_until(issuer, trust, now)
        )


def _papers(
    registry: Registry, shelf: Shelf, trust: Trust, now: datetime, unread: list[str]
) -> Iterator[tuple[str, Paper]]:
    for sha256 in dict.fromkeys(one.certificate for one in registry.bindings if one.ends > now):
        der, where = shelf.found.get(sha256, (None, ""))
        if der is None:
            whom = ", ".join(dict.fromkeys(one.agency.text for one in registry.bindings.of_certificate(sha256)))
            unread.append(
                f"sha256:{sha256} (speaks for {whom}): no file of this node holds it, so nobody knows when it expires; "
                "axis cert bind keeps the certificate, or name its PEM file in the registry"
            )
            continue
        try:
            yield sha256, paper_of(load_leaf(der), trust, now)
        except Refused as refused:
            unread.append(f"{where}: {refused.reason}: {refused.observed}")


def paper_of(leaf: Leaf, trust: Trust, now: datetime) -> Paper:
    """A signing certificate as a forecast sees it; judged while it is in its validity, so that only dates are left."""
    found = trust.store.paths(leaf, OWN_NETWORK.max_path_length)
    paths = tuple(tuple(issuer.sha256 for issuer in path) for path in found)
    judged = judge_certificate(leaf.der, trust, min(max(now, leaf.not_before), leaf.not_after), OWN_NETWORK)
    refused = ""
    over = bool(found) and all(any(_over(issuer, judged.at) for issuer in path) for path in found)
    if judged.reason not in _OF_TIME and not (judged.reason is Reason.CHAIN and over):
        observed = next((one.observed for one in judged.checks if one.status != "ok"), "")
        refused = f"{REASONS[judged.reason].en}: {observed}" if observed else REASONS[judged.reason].en
    if not paths and not refused:
        refused = REASONS[Reason.UNTRUSTED].en
    return Paper(leaf.sha256, short(leaf.signer.subject), leaf.not_before, leaf.not_after, paths, refused)


def _over(issuer: Issuer, at: datetime) -> bool:
    return issuer.certificate.not_valid_after_utc < at


def _facilities(config: Config, path: Path, unread: list[str]) -> Iterator[Facility]:
    listen = config.listen
    places = [(Kind.SERVER_EXPIRES, listen.certificate, "listen.certificate")]
    places += [(Kind.CLIENT_CA_EXPIRES, file, "listen.client_ca") for file in listen.client_ca]
    for endpoint in config.endpoint:
        for kind, name in ((Kind.NEIGHBOUR_CA_EXPIRES, "ca"), (Kind.NEIGHBOUR_CLIENT_EXPIRES, "certificate")):
            file = getattr(endpoint, name, None)
            if file is not None:
                places.append((kind, file, f"{endpoint.name}.{name}"))
    places += [
        (Kind.ENDPOINT_CLIENT_EXPIRES, file, f"{name}.certificates") for name, file in client_files(config, path)
    ]
    for kind, file, where in places:
        try:
            first = min((load_leaf(der) for der in certificates(file)), key=lambda leaf: leaf.not_after)
        except (OSError, ValueError, Refused) as error:
            unread.append(f"{where}: {error}")
            continue
        yield Facility(kind, short(first.signer.subject), f"{where} ({file.name})", first.not_after)
