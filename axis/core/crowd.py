"""Who has to go when all places are taken and somebody comes."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final, NamedTuple

SITE_BITS: Final = 64
"""Of an IPv6 address, what names the network of one subscriber: the rest is his to choose (RFC 4291 §2.5.4)."""


@lru_cache(1024)
def origin(address: str) -> str:
    """Who a connection from `address` is counted as: an IPv4 address, also where it is written as IPv6, or the network
    of an IPv6 address. One subscriber has 2^64 of these, and would else be as many."""
    found = ip_address(address.partition("%")[0])
    if not isinstance(found, IPv6Address):
        return address
    return str(found.ipv4_mapped or IPv6Network((found, SITE_BITS), strict=False))


class Resting(NamedTuple):
    """A connection between two requests, or one that owes a head: since when, in seconds of any clock, from which
    address (`origin`), and its number."""

    since: float
    address: str
    number: int


def leaving(resting: Iterable[Resting], held: Mapping[str, int], most: int) -> list[Resting]:
    """At most `most` of those who rest, in the order in which they have to go.

    One of the address that holds most connections goes first, so that one pool does not push everybody else out; among
    these the one that has rested longest. `held` counts all connections of each address, also those that do not rest;
    it counts one less for each that goes.
    """
    of: dict[str, list[Resting]] = {}
    for one in resting:
        of.setdefault(one.address, []).append(one)
    for group in of.values():
        group.sort(reverse=True)
    queue = [(-held.get(address, len(group)), group[-1]) for address, group in of.items()]
    heapq.heapify(queue)
    gone: list[Resting] = []
    while queue and len(gone) < most:
        count, one = heapq.heappop(queue)
        gone.append(one)
        group = of[one.address]
        group.pop()
        if group:
            heapq.heappush(queue, (count + 1, group[-1]))
    return gone


def overstaying(silent: Iterable[Resting], share: int, most: int) -> list[Resting]:
    """At most `most` of those who owe a handshake or a head, where one address has more than `share` of them; in the
    order in which they have to go, as with `leaving`. No address is left with fewer than `share`."""
    crowd = list(silent)
    held = Counter(one.address for one in crowd)
    over = {address: many - share for address, many in held.items() if many > share}
    many = min(most, sum(over.values()))
    return leaving((one for one in crowd if one.address in over), over, many)
