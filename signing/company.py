"""The signatures of one document, side by side and within each other: which may stand there, and what each must leave
alone.

A signature speaks for what is used. It never speaks for a piece of another one, except a countersignature (EN 319 132-1
§5.2.7), which speaks for the SignatureValue of the signature that it stands in, and for nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lxml import etree

from signing.grammar import COUNTERSIGNATURE, DS, XADES
from signing.policy import SignaturePolicy
from signing.reference import COUNTERSIGNED, Kind, Reference, Work, index_ids, lies_in
from signing.refusal import Refused
from signing.verdict import Reason

_SIGNATURE: Final = DS + "Signature"
_WAY_UP: Final = (
    COUNTERSIGNATURE,
    XADES + "UnsignedSignatureProperties",
    XADES + "UnsignedProperties",
    XADES + "QualifyingProperties",
    DS + "Object",
)


@dataclass(frozen=True, slots=True, eq=False)
class Countersignature:
    """A signature at its one place within `parent`, of which only that place is known yet."""

    element: etree._Element
    parent: etree._Element
    number: int

    @property
    def value(self) -> etree._Element:
        """The SignatureValue that it must be of. The grammar of the parent must have been checked."""
        return self.parent[1]


class Company:
    """What stands around a signature. `signatures` are those side by side, as the caller found them.

    What is asked of the whole document is looked up once, whichever of them asks first.
    """

    def __init__(self, root: etree._Element, signatures: Sequence[etree._Element], policy: SignaturePolicy) -> None:
        self._root, self._signatures, self._policy = root, signatures, policy
        self._within: dict[etree._Element, Countersignature] = {}
        self._index: Mapping[str, etree._Element] | None = None
        self.countersignatures: tuple[Countersignature, ...] = ()
        """In the order of the document; none before `index` was asked for."""
        self.work = Work()

    def index(self) -> Mapping[str, etree._Element]:
        """Every Id of the document, those within signatures too. `Refused`: STRUCTURE for a signature at a place where
        none belongs, DUPLICATE_ID, LIMIT."""
        if self._index is None:
            self._place()
            self._index = index_ids(self._root, self._policy)
        return self._index

    def wanted_type(self, signature: etree._Element) -> str | None:
        """What a Reference of `signature` to an element must say that this element is."""
        return COUNTERSIGNED if signature in self._within else None

    def keep_apart(
        self, signature: etree._Element, references: Sequence[Reference], properties: etree._Element | None
    ) -> None:
        """Refuse a signature that covers a piece of another one, and a countersignature that covers anything more than
        its own `properties`, before anything is digested."""
        own = self._within.get(signature)
        if own is None and len(self._signatures) + len(self._within) == 1:
            return
        index = self.index()
        targets = [index.get(one.target) if one.kind is Kind.ELEMENT else None for one in references]
        if own is not None:
            if any(target is None or target not in (own.value, properties) for target in targets):
                raise Refused(Reason.COVERAGE, "a countersignature of something else", "the SignatureValue around it")
            return
        others = [other for other in (*self._signatures, *self._within) if other is not signature]
        if any(target is not None and lies_in(target, other) for target in targets for other in others):
            raise Refused(Reason.REFERENCE, "what is referenced lies inside another signature")

    def _place(self) -> None:
        within: dict[etree._Element, Countersignature] = {}
        numbers: dict[etree._Element, int] = dict.fromkeys(self._signatures, 0)
        for element in self._root.iter(_SIGNATURE):
            if element in numbers:
                continue
            parent = _around(element)
            if parent is None or parent not in numbers:
                raise Refused(Reason.STRUCTURE, "a signature where none belongs")
            numbers[parent] += 1
            within[element] = Countersignature(element, parent, numbers[parent])
        self._within, self.countersignatures = within, tuple(within.values())


def _around(element: etree._Element) -> etree._Element | None:
    """The signature whose countersignature `element` is, by its place alone."""
    node = element.getparent()
    for tag in _WAY_UP:
        if node is None or node.tag != tag:
            return None
        node = node.getparent()
    return node
