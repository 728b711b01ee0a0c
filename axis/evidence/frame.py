"""The policy and the rules of a bundle, read as `signing.evidence` keeps them."""

from __future__ import annotations

from collections.abc import Mapping

from axis.evidence.container import Broken
from signing.piece import Piece
from signing.policy import SignaturePolicy, read_policy
from signing.rules import Rules, read_rules
from signing.trust import Trust


def policy_in(octets: bytes) -> SignaturePolicy:
    """`Broken` for a policy of a version that this program does not know."""
    try:
        return read_policy(octets)
    except ValueError as error:
        raise Broken("bundle-version", str(error)) from error


def rules_in(octets: bytes, pieces: Mapping[str, Piece]) -> Rules:
    """Rules that name nothing but what is in the bundle; `Broken` for all others."""
    try:
        rules = read_rules(octets)
    except ValueError as error:
        raise Broken("bundle-version", str(error)) from error
    lacking = [name for name in rules.names if name not in pieces]
    if lacking:
        raise Broken("bundle-evidence", f"the rules name what the verdict does not: {lacking[0]}")
    return rules


def trust_under(rules: Rules | None, pieces: Mapping[str, Piece]) -> Trust:
    """Believe again in what `rules` say; in nobody where there are none."""
    return Trust() if rules is None else rules.trust({name: had.octets for name, had in pieces.items()})
