"""What `check_house` says about the order of the log."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from axis.core.house import Hold, Leaf, Portion, check_house
from axis.core.model import (
    Cargo,
    Delivery,
    PayloadRef,
)
from axis.core.states import DeliveryState
from tests.factories_core import NOW, delivery, document


class Books:
    """A delivery of a document that is not looked at, and leaves."""

    def __init__(self, one: Delivery, leaves: Iterable[Leaf]) -> None:
        self.one, self.kept = one, list(leaves)

    def portions(self) -> Iterable[Portion]:
        return (Portion(deliveries=(self.one,), leaves=self.kept),)

    def leaves(self) -> Iterable[Leaf]:
        return self.kept

    def holds(self) -> Iterable[Hold]:
        return ()

    def octets(self, ref: PayloadRef) -> bytes | None:
        return None


def leaf(id: int, index: int | None, kind: str, subject: str) -> Leaf:
    told = {"actor": "x", "at": "2026-11-23T01:02:03.000004Z", "facts": {}, "kind": kind, "subject": subject}
    return Leaf(id, index, json.dumps(told).encode())


@pytest.mark.parametrize("kind", ["accepted", "held"])
@pytest.mark.parametrize(("first", "then", "fine"), [(0, 1, True), (1, 0, False), (None, 0, False), (0, None, True)])
def test_nothing_is_delivered_before_its_document_was_taken(
    kind: str, first: int | None, then: int | None, fine: bool
) -> None:
    one = delivery(document(), cargo=Cargo.DOCUMENT, state=DeliveryState.DELIVERED, settled_at=NOW)
    # The numbers of the intents say the contrary: they are no order.
    leaves = [leaf(9, first, kind, one.cargo_ref), leaf(4, then, "delivered", one.id)]
    codes = [finding.code for finding in check_house(Books(one, leaves))]
    assert ("log-order" in codes) is not fine


def test_indexes_have_no_gap() -> None:
    one = delivery(document())
    leaves = [leaf(1, 0, "accepted", "x"), leaf(2, 2, "accepted", "y")]
    assert "log-indexes" in [finding.code for finding in check_house(Books(one, leaves))]
