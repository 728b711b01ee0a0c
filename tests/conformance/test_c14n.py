"""Canonical XML: libxml2's own vectors, with the examples of the W3C specifications and those of Merlin Hughes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from lxml import etree

from signing.algorithm import C14N, EXC_C14N
from signing.c14n import C14nFailed, canonical, canonical_without
from signing.verdict import Reason
from tests.conformance.record import VECTORS, Record, settle
from tests.unit.signing.forge import DS, by_parts, element, sign_again

FOLDER: Final = VECTORS / "c14n-libxml2"
C14N_11: Final = "http://www.w3.org/2006/12/xml-c14n11"
XPATH: Final = "http://www.w3.org/TR/1999/REC-xpath-19991116"

METHODS: Final = {
    "without-comments": C14N,
    "exc-without-comments": EXC_C14N,
    "with-comments": C14N + "#WithComments",
    "1-1-without-comments": C14N_11,
}

WITH_COMMENTS: Final = "C14N with comments: refused by its name (`sig-c14n`)"
VERSION_11: Final = "C14N 1.1: refused by its name (`sig-c14n`)"
NO_SUBTREE: Final = "an XPath node set that is no whole subtree: XPath is refused by its name (`sig-transform`)"
DEFAULT: Final = "`#default` in a PrefixList, which lxml passes over: refused (`sig-transform`)"


@dataclass(frozen=True)
class Case:
    name: str
    kind: str
    expected: bytes
    tree: etree._ElementTree
    expression: str | None
    namespaces: dict[str, str]
    prefixes: tuple[str, ...]


def read(output: Path) -> Case:
    """The vectors want their DTD read and their entities put in, as a signer of such a document would have done."""
    kind = output.parent.name
    source = FOLDER / "test" / "c14n" / kind / f"{output.name}.xml"
    parser = etree.XMLParser(load_dtd=True, attribute_defaults=True, resolve_entities=True, no_network=True)
    expression, namespaces = None, dict[str, str]()
    if source.with_suffix(".xpath").exists():
        wanted = etree.parse(str(source.with_suffix(".xpath"))).getroot()
        expression = "".join([wanted.text or "", *(child.tail or "" for child in wanted)])
        namespaces = {prefix: uri for prefix, uri in wanted.nsmap.items() if prefix}
    prefixes = source.with_suffix(".ns")
    return Case(
        f"{kind}/{output.name}",
        kind,
        output.read_bytes(),
        etree.parse(str(source), parser),
        expression,
        namespaces,
        tuple(prefixes.read_text().split()) if prefixes.exists() else (),
    )


@cache
def cases() -> list[Case]:
    return [read(path) for path in sorted((FOLDER / "result" / "c14n").rglob("*")) if path.is_file()]


def subtree(case: Case) -> etree._Element | None:
    """The element whose subtree is the node set of the case, comments aside, or `None` if there is none."""
    found = case.tree.xpath(case.expression or "", namespaces=case.namespaces)
    assert isinstance(found, list)
    elements = [node for node in found if isinstance(node, etree._Element) and isinstance(node.tag, str)]
    inside = set(elements)
    apexes = [node for node in elements if inside.isdisjoint(node.iterancestors())]
    if len(apexes) != 1:
        return None
    place = f"(//*)[{[*case.tree.iter('*')].index(apexes[0]) + 1}]"
    below = f"{place}/descendant-or-self::node()"
    whole = f"({below} | {below}/@* | {below}/namespace::*)[not(self::comment())]"
    chosen = f"({case.expression})[not(self::comment())]"
    counts = {case.tree.xpath(f"count({nodes})", namespaces=case.namespaces) for nodes in (whole, chosen)}
    counts.add(case.tree.xpath(f"count({whole} | {chosen})", namespaces=case.namespaces))
    return apexes[0] if len(counts) == 1 else None


def of_the_whole(case: Case) -> bytes:
    """The octets of the whole document, got as a signature over the whole gets them: without that signature."""
    signature = element(DS + "Signature")
    case.tree.getroot().append(signature)
    try:
        return canonical_without(signature, METHODS[case.kind])
    finally:
        case.tree.getroot().remove(signature)


def outcome(case: Case) -> tuple[str, str]:
    """(`right`, `wrong` or `refused`, why)."""
    if case.kind == "1-1-without-comments":
        return "refused", VERSION_11
    if case.kind == "with-comments":
        return "refused", WITH_COMMENTS
    method = METHODS[case.kind]
    if case.expression is None:
        return ("right", "whole document") if of_the_whole(case) == case.expected else ("wrong", case.name)
    apex = subtree(case)
    if apex is None:
        return "refused", NO_SUBTREE
    try:
        octets = canonical(apex, method, case.prefixes)
    except C14nFailed as error:
        return ("refused", DEFAULT) if "#default" in str(error) else ("wrong", f"{case.name}: {error}")
    return ("right", "subtree") if octets == case.expected else ("wrong", case.name)


@cache
def run() -> Record:
    outcomes = [(case, *outcome(case)) for case in cases()]
    kinds = Counter((case.kind, what if what != "right" else why) for case, what, why in outcomes)
    columns = ("whole document", "subtree", "refused", "wrong")
    rows = [(f"`{kind}`", *(kinds[kind, column] for column in columns)) for kind in METHODS]
    return Record(
        name="C14N",
        source="libxml2, with the examples of the W3C and of Merlin Hughes; `tests/vectors/c14n-libxml2/SOURCE.txt`.",
        method="""
The octets that `signing/c14n.py` digests must equal the published ones. Whole documents go through
`canonical_without`, node sets that are one whole subtree through `canonical`. What we do not canonicalise, a signature
may not name: that the judge refuses each such name is tested beside.
""",
        total=len(outcomes),
        right=sum(what == "right" for _, what, _ in outcomes),
        refused=Counter(why for _, what, why in outcomes if what == "refused"),
        wrong=[why for _, what, why in outcomes if what == "wrong"],
        tables=[("By kind", ("vectors", "right: whole documents", "right: subtrees", "refused", "wrong"), rows)],
    )


def test_the_page() -> None:
    settle(run())


def test_nothing_is_wrong_and_nothing_is_left_out() -> None:
    assert (run().wrong, run().total) == ([], 73)
    assert {case.kind for case in cases()} == set(METHODS)


def test_enough_node_sets_are_subtrees_for_the_sub_element_rules_to_be_proved() -> None:
    """lxml alone is wrong for inclusive C14N of a sub-element; some of these vectors must be able to say so."""
    inclusive = [case for case in cases() if case.kind == "without-comments" and case.expression]
    apexes = [(case, apex) for case in inclusive if (apex := subtree(case)) is not None]
    alone = [etree.tostring(apex, method="c14n", with_comments=False) == case.expected for case, apex in apexes]
    assert alone.count(False) >= 1, "no vector that lxml alone gets wrong"
    assert len(alone) >= 4


NAMES: Final = {
    C14N_11: Reason.C14N,
    C14N_11 + "#WithComments": Reason.C14N,
    C14N + "#WithComments": Reason.C14N,
    EXC_C14N + "WithComments": Reason.C14N,
    "http://www.w3.org/2010/xml-c14n2": Reason.C14N,
    XPATH: Reason.TRANSFORM,
    "http://www.w3.org/2002/06/xmldsig-filter2": Reason.TRANSFORM,
    "http://www.w3.org/TR/1999/REC-xslt-19991116": Reason.TRANSFORM,
}


@pytest.mark.parametrize("name", NAMES)
def test_a_signature_that_names_another_is_refused_by_that_name(name: str) -> None:
    as_transform, as_method = by_parts(), by_parts()
    transform = next(as_transform.signature.iter(DS + "Transform"))
    transform.set("Algorithm", name)
    sign_again(as_transform)
    method = next(as_method.signature.iter(DS + "CanonicalizationMethod"))
    method.set("Algorithm", name)
    for package, reason in ((as_transform, NAMES[name]), (as_method, Reason.C14N)):
        verdict = package.judge().verdict
        assert (verdict.passed, verdict.reason, verdict.checks[-1].observed) == (False, reason, name)


def test_default_in_a_prefix_list_is_refused() -> None:
    package = by_parts()
    transform = next(package.signature.iter(DS + "Transform"))
    transform.append(element(f"{{{EXC_C14N}}}InclusiveNamespaces", PrefixList="#default"))
    sign_again(package)
    verdict = package.judge().verdict
    assert (verdict.passed, verdict.reason) == (False, Reason.TRANSFORM)
