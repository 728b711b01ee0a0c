"""By which ways a document came here: what goes on follows one of them, and what is told goes back along them."""

from __future__ import annotations

from collections.abc import Sequence

from axis.core.hop import Hop, Way
from axis.core.model import Document
from schemas.codes import AgencyCode


def ways(document: Document) -> tuple[Way, ...]:
    """All of them, in the order in which it came."""
    own = document.recipients if document.only_for is None else document.only_for
    return (Way(document.by, document.via, document.hops, own, document.accepted_at), *document.ways)


def targets(document: Document) -> tuple[AgencyCode, ...]:
    """Everybody that it was brought for."""
    return tuple(dict.fromkeys(code for way in ways(document) for code in way.recipients))


def shares(document: Document) -> Sequence[tuple[Way, tuple[AgencyCode, ...]]]:
    """Each way with the recipients that no earlier one has: the copies for these go on from it."""
    taken: set[AgencyCode] = set()
    found: list[tuple[Way, tuple[AgencyCode, ...]]] = []
    for way in ways(document):
        found.append((way, tuple(code for code in way.recipients if code not in taken)))
        taken.update(way.recipients)
    return found


def hops_behind(document: Document, recipients: Sequence[AgencyCode]) -> tuple[Hop, ...]:
    """The axes that the copy for `recipients`, those of one delivery, has passed: no others, and all of them."""
    if not document.ways:
        return document.hops
    mine = (way.hops for way, codes in shares(document) if not set(codes).isdisjoint(recipients))
    return next(mine, document.hops)


def brought(document: Document, recipients: Sequence[AgencyCode]) -> Sequence[tuple[Way, tuple[AgencyCode, ...]]]:
    """Who brought it for some of `recipients`, and for which: each of them has our receipt. One that is on no way was
    made out before ways were kept: its copy came as the document did."""
    all_ways = ways(document)
    known = {code for way in all_ways for code in way.recipients}
    found = []
    for way in all_ways:
        theirs = {*way.recipients} | ({*recipients} - known if way is all_ways[0] else set())
        codes = tuple(code for code in recipients if code in theirs)
        if codes:
            found.append((way, codes))
    return found
