"""Canonical XML: the only place that calls lxml's canonicaliser, and the traps around it.

Trees come from outside through a gate that refuses DOCTYPE and bounds size, depth, attributes and namespace
declarations (C14N is quadratic in those of one element). Comments are always left out.

Large attachments may have been cut out of the tree before parsing. Then a unique placeholder stands in their place, and
the text that belongs there is given as a *splice*; what is digested is the document with the text in it, by pieces.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import pairwise
from typing import Final, Protocol

from lxml import etree

from signing.algorithm import C14N, EXC_C14N

XML: Final = "{http://www.w3.org/XML/1998/namespace}"


class C14nFailed(Exception):
    """There is no canonical form, or it is empty. Never to be taken for empty octets (CVE-2025-66568)."""


def canonical(element: etree._Element, method: str = EXC_C14N, prefixes: Sequence[str] = ()) -> bytes:
    """Return the canonical octets of `element` and its content, in the context of its document.

    `method` is `EXC_C14N` or `C14N`; `prefixes` the InclusiveNamespaces PrefixList, for the former only. `#default` in
    it fails: lxml passes over prefixes that its document does not know, and that one it never knows.

    lxml is right for exclusive C14N and for a root. For inclusive C14N of a sub-element it inserts `xmlns=""` and drops
    inherited `xml:lang`, so that goes through a copy that carries the inherited namespaces and `xml:*` attributes.
    """
    if method == EXC_C14N and not prefixes:
        return _checked(_run(element, True, None))
    _check_prefixes(prefixes)
    if method == EXC_C14N:
        apex = element if element.getparent() is None else _copy(element)
        return _checked(_run(apex, True, [*prefixes]))
    if method == C14N and not prefixes:
        return _checked(_run(element if element.getparent() is None else _apex(element), False, None))
    raise C14nFailed(f"no canonicalisation {method}")


def canonical_without(signature: etree._Element, method: str = C14N, prefixes: Sequence[str] = ()) -> bytes:
    """Return the canonical octets of the whole document of `signature` but that element (enveloped-signature).

    It is taken out of a copy: to take it out and put it back would let lxml rename its prefixes. White space after it
    belongs to the document and stays.
    """
    if method not in (EXC_C14N, C14N) or (prefixes and method == C14N):
        raise C14nFailed(f"no canonicalisation {method}")
    _check_prefixes(prefixes)
    return _checked(_run(_taken_out(signature), method == EXC_C14N, [*prefixes] or None))


def work_beside_octets(node: etree._Element, method: str, prefixes: Sequence[str] = ()) -> int:
    """What it costs to canonicalise `node` beyond the octets that come of it, in what as many octets would cost.

    For each namespace in scope, or in the list of prefixes, libxml2 looks through all that are in scope, at every
    element, whether it writes one or not: some 8 ns a look. Nothing where neither is asked for.
    """
    if method == EXC_C14N and not prefixes:
        return 0
    above = node.getparent()
    here = most = 0 if above is None else len(above.nsmap)
    for event, _ in etree.iterwalk(node, events=("start-ns", "end-ns")):
        here += 1 if event == "start-ns" else -1
        most = max(most, here)
    elements = sum(1 for _ in node.iter("*"))
    return elements * most * (len(prefixes) or most)


def reparse(octets: bytes) -> etree._Element:
    """Parse canonical octets again, so that what is read is what was digested. `C14nFailed` if they are no document."""
    # `huge_tree` is safe here: these octets come from a tree that passed the gate, bounded by the policy's sizes.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
    try:
        return etree.fromstring(octets, parser)
    except (etree.LxmlError, ValueError) as error:
        raise C14nFailed("the canonical octets are not well-formed") from error


class Text(Protocol):
    """Text that was cut out, told by whoever cut it: it may be in a file."""

    def __len__(self) -> int: ...
    def pieces(self) -> Iterator[bytes]: ...


Spliced = bytes | memoryview | Text


class Splices:
    """The texts that were cut out of a tree, by placeholder.

    A placeholder is ASCII without XML specials, unique in its document; a text is base64 with LF line ends, so that
    canonicalisation would leave both as they are. Whoever cuts guarantees that.
    """

    def __init__(self, texts: Mapping[str, Text]) -> None:
        self._texts = {name.encode("ascii"): text for name, text in texts.items()}
        self._begin = _common_beginning(self._texts)

    @property
    def none(self) -> bool:
        return not self._texts

    def pieces(self, octets: bytes, *, whole: bool = False) -> list[Spliced]:
        """Cut canonical octets at the placeholders and put the texts between. Nothing is copied.

        `C14nFailed` if a placeholder stands there twice or, in a `whole` document, not at all: then what would be
        digested is not what was cut.
        """
        if not self._texts or (not whole and octets.find(self._begin) < 0):
            return [octets]
        # Longest first, should one placeholder begin like another.
        names = sorted(self._texts, key=len, reverse=True)
        found = re.finditer(b"|".join(map(re.escape, names)), octets)
        view, seen, result, start = memoryview(octets), set[bytes](), list[Spliced](), 0
        for match in found:
            name = match.group()
            if name in seen:
                raise C14nFailed("a placeholder stands twice")
            seen.add(name)
            result += (view[start : match.start()], self._texts[name])
            start = match.end()
        if whole and len(seen) != len(self._texts):
            raise C14nFailed("a placeholder is missing")
        result.append(view[start:])
        return result


def _common_beginning(names: Collection[bytes]) -> bytes:
    """What all of `names` begin with."""
    first, last = min(names, default=b""), max(names, default=b"")
    differs = (place for place, (one, other) in enumerate(zip(first, last, strict=False)) if one != other)
    return first[: next(differs, len(first))]


def digest_canonical(pieces: Iterable[Spliced], name: str) -> tuple[bytes, int]:
    """Digest the pieces as if they were one; return the digest under `hashlib` name and how many octets it covers."""
    state, count = hashlib.new(name), 0
    for piece in pieces:
        count += len(piece)
        for octets in (piece,) if isinstance(piece, bytes | memoryview) else piece.pieces():
            state.update(octets)
    return state.digest(), count


def _run(node: etree._Element | etree._ElementTree, exclusive: bool, prefixes: list[str] | None) -> bytes:
    try:
        octets: bytes = etree.tostring(
            node, method="c14n", exclusive=exclusive, with_comments=False, inclusive_ns_prefixes=prefixes
        )
    except (etree.LxmlError, ValueError) as error:
        raise C14nFailed(str(error) or "canonicalisation failed") from error
    return octets


def _check_prefixes(prefixes: Sequence[str]) -> None:
    if "#default" in prefixes:
        raise C14nFailed("#default in a prefix list")


def _checked(octets: bytes) -> bytes:
    if not octets.startswith(b"<") or not octets.endswith(b">"):
        raise C14nFailed("empty canonical form")
    return octets


def _copy(element: etree._Element) -> etree._Element:
    """A document of its own whose root has every namespace that was in scope."""
    try:
        return reparse(etree.tostring(element, encoding="utf-8", with_tail=False))
    except etree.LxmlError as error:
        raise C14nFailed("the element cannot be copied") from error


def _apex(element: etree._Element) -> etree._Element:
    """The copy that inclusive C14N needs: `xml:*` attributes of the ancestors left out come along, nearest first
    (Canonical XML 1.0 §2.4)."""
    copy = _copy(element)
    for ancestor in element.iterancestors():
        for name, value in ancestor.items():
            if str(name).startswith(XML) and name not in copy.attrib:
                copy.set(name, value)
    return copy


def _taken_out(element: etree._Element) -> etree._ElementTree:
    parent = element.getparent()
    if parent is None:
        raise C14nFailed("the signature is the document")
    steps = [parent.index(element)]
    steps += (above.index(below) for below, above in pairwise((parent, *parent.iterancestors())))
    tree = deepcopy(element.getroottree())
    found = tree.getroot()
    for step in reversed(steps):
        found = found[step]
    parent, before, tail = found.getparent(), found.getprevious(), found.tail
    assert parent is not None
    if tail is not None:
        # lxml takes the tail away with the element.
        if before is None:
            parent.text = (parent.text or "") + tail
        else:
            before.tail = (before.tail or "") + tail
    parent.remove(found)
    return tree
