"""Who is there: three nodes in a row, and the agencies around them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from axis.core.model import Principal, Profile, Role
from axis.core.network import ArrivedBy, Network
from axis.core.registry import Agency as Registered
from axis.core.registry import Registry, prefix_path
from axis.core.routing import RoutingTable, Rule
from schemas.codes import AgencyCode, Level

NODES: Final = {
    "tinh": {"000.00.01.H26": False, "000.00.02.H26": False, "000.00.03.H26": True},
    "truc": {"000.00.01.H99": False},
    "bo": {"000.00.01.G05": False, "000.00.02.G05": True},
}
"""Node → its agencies, and whether each is called."""
HUB: Final = "truc"
ABOVE: Final = {"tinh": "000.00.00.H26", "truc": "000.00.00.H99", "bo": "000.00.00.G05"}
AGENCIES: Final = tuple(code for agencies in NODES.values() for code in agencies)


@cache
def network_of(name: str, arrived_by: ArrivedBy) -> tuple[Network, Mapping[str, Principal], Mapping[str, str]]:
    agencies = [Registered(AgencyCode.parse(code), code, Level.PROVINCE) for code in ABOVE.values()]
    for node, codes in NODES.items():
        above = AgencyCode.parse(ABOVE[node])
        agencies += [Registered(AgencyCode.parse(code), code, Level.PROVINCE, above) for code in codes]
    principals, rules, keys = {}, [], {}
    for code, called in NODES[name].items():
        endpoint = f"{'push' if called else 'mailbox'}-{code}"
        principals[endpoint] = Principal(endpoint, Role.AGENCY, (prefix_path(code),), Profile.VERIFY_IF_PRESENT)
        rules.append(Rule(code, endpoint))
        keys[f"axk_{code}"] = endpoint
    for other in NODES:
        if other != name and HUB in (other, name):
            principals[other] = Principal(other, Role.NODE, ((),), Profile.VERIFY_IF_PRESENT)
            rules.append(Rule(ABOVE[other] if name == HUB else "*", other))
            keys[f"axk_{other}"] = other
    table = RoutingTable(rules, Registry(agencies))
    return (
        Network(
            name,
            table,
            {one: who.role for one, who in principals.items()},
            arrived_by=arrived_by,
            principals=principals,
        ),
        principals,
        keys,
    )


def key_of(text: str) -> Any:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(text.encode()).digest())
