"""The disagreements that are explained: each by what our judge said, and in words why the other says otherwise.

A class is found by our reason and by what was observed with it. There is none for "anything else": a disagreement
without a class fails the test.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.differential.mutate import Mutant
from tests.differential.oracles import Answer

XMLSEC1, SIGNXML = "xmlsec1", "signxml"
BOTH = frozenset({XMLSEC1, SIGNXML})


@dataclass(frozen=True)
class Disagreement:
    """`asks` sees the mutant, our answer and the oracle's. `oracles` are those of which it is known."""

    name: str
    why: str
    asks: Callable[[Mutant, Answer, Answer], bool]
    oracles: frozenset[str] = BOTH
    ours_accepts: bool = False


def refused(name: str, why: str, code: str, told: str = ".*", oracles: frozenset[str] = BOTH) -> Disagreement:
    """We refuse with this code and an observation of this form; the other accepts."""
    pattern = re.compile(told, re.DOTALL)

    def asks(mutant: Mutant, ours: Answer, other: Answer) -> bool:
        return ours.code == code and pattern.fullmatch(ours.told) is not None

    return Disagreement(name, why, asks, oracles)


def accepted(name: str, why: str, told: str, oracles: frozenset[str]) -> Disagreement:
    """We accept, and the other's error has this form: the dangerous direction."""
    pattern = re.compile(told, re.DOTALL)

    def asks(mutant: Mutant, ours: Answer, other: Answer) -> bool:
        return ours.accepted and pattern.fullmatch(f"{other.code} {other.told}") is not None

    return Disagreement(name, why, asks, oracles, ours_accepts=True)


def beside(mutant: Mutant, ours: Answer, other: Answer) -> bool:
    """The signature that decides is another one than the first."""
    return not ours.accepted and re.fullmatch(r"Signature\[[2-4]\]: [a-z\-]+", ours.told) is not None


_PACKAGE = "what a package may hold is no affair of a verifier of signatures, and what it ignores was not signed"
_GRAMMAR = "the other reads what it looks for in a signature and passes over the rest; our grammar is closed"
_XADES = "the other does not read XAdES: it is an Object to it"
_PINNED = "the key is pinned or taken from whatever it finds; we take it from the one certificate of KeyInfo"

EXPLAINED: Final = (
    # --- before any parser
    refused("document type", "the other takes any document type", "xml-doctype", oracles=frozenset({XMLSEC1})),
    refused("encoding", "the other decodes UTF-16", "xml-encoding", ".*looks like UTF-16.*"),
    refused("XML version", "the other takes any 1.x", "xml-version"),
    refused("processing instruction", "allowed by XML, and signed where it is inside", "xml-pi"),
    refused(
        "comment in a value", "C14N drops comments, so the signature holds; readers disagree on the value", "xml-mixed"
    ),
    refused("xml:id twice", "not an error to a parser that does not validate", "xml-id"),
    refused("relative namespace", "where nothing is signed that has it, nobody canonicalises it", "xml-namespace"),
    # --- the package
    *(
        refused(f"package: {code}", _PACKAGE, code)
        for code in (
            *("not-edxml", "foreign-namespace", "mixed", "missing", "repeated", "agency-code", "kind", "ambiguous"),
            *("attachment-mismatch", "attachment-base64", "filename"),
        )
    ),
    # --- the signature
    refused("not covered", "it has no notion of what will be used", "sig-coverage"),
    refused("Id twice", "it knows other attributes as Ids, or does not mind", "sig-duplicate-id"),
    refused(
        "several signatures",
        "it takes the first that it finds",
        "sig-structure",
        r"(\d+ signatures|a signature where none belongs)",
    ),
    refused(
        "another place",
        "it finds a signature wherever it stands",
        "sig-structure",
        "the signature stands at another place",
    ),
    refused(
        "comment inside the signature",
        "C14N drops it and the schema does not see it",
        "sig-structure",
        "a comment or processing instruction inside the signature",
    ),
    refused("unknown attribute", _GRAMMAR, "sig-structure", r"(attribute \S+ on|no attribute \w+ on) \w+"),
    refused("text between", _GRAMMAR, "sig-structure", r"text inside \w+"),
    refused("element inside a value", _GRAMMAR, "sig-structure", r"an element inside \w+"),
    refused("child too many or too few", _GRAMMAR, "sig-structure", r"(\d+ times \w+|\w+ does not belong) in \w+"),
    refused("child of the signature", _GRAMMAR, "sig-structure", r"(\w+ does not belong here|no \w+ in its place)"),
    refused("XAdES not signed", _XADES, "sig-structure", "SignedProperties are not signed"),
    refused("XAdES of another signature", _XADES, "sig-structure", "QualifyingProperties of another signature"),
    refused("Type of a reference", _XADES, "sig-structure", ".*: Type and target do not belong together"),
    refused("XAdES names a hash that we do not take", _XADES, "sig-algorithm", r"\S+"),
    refused("XAdES digest", _XADES, "sig-structure", "CertDigest: .*"),
    refused("XAdES names another certificate", _XADES, "sig-keyinfo", "XAdES names another certificate"),
    refused("claimed time", _XADES, "sig-time"),
    refused(
        "algorithm with more", _GRAMMAR, "sig-algorithm", r"(attribute \S+ on|no attribute \w+ on|text inside) \w+.*"
    ),
    refused(
        "base64", "it decodes leniently", "sig-structure", r".*(not base64|not canonical base64|too long|no base64)"
    ),
    # --- whose key
    refused(
        "KeyInfo",
        _PINNED,
        "sig-keyinfo",
        r"((\d+ times \w+|\w+ does not belong) in|attribute \S+ on|text inside|an element inside) \w+",
    ),
    refused("no KeyInfo", _PINNED, "sig-keyinfo", "no KeyInfo"),
    refused(
        "certificate spelled otherwise",
        _PINNED,
        "sig-keyinfo",
        r"(X509Certificate: .*|not a certificate|a certificate that is not DER)",
    ),
    refused("another certificate in KeyInfo", _PINNED, "sig-value", "", frozenset({SIGNXML})),
    refused("several certificates", _PINNED, "sig-keyinfo", r"\d+ of \d+ certificates can be the signer's"),
    refused("untrusted certificate in KeyInfo", _PINNED, "cert-untrusted", ".*", frozenset({SIGNXML})),
    # --- references and transforms
    refused("referenced twice", "it digests what it is told to, as often", "sig-reference", ".* is referenced twice"),
    refused("Type of a Reference", "it passes over Types", "sig-reference", "Type .*"),
    refused("signs itself", "it digests its own parts like any", "sig-reference", ".* lies inside the signature"),
    Disagreement("a second signature that is not good", "it looks at the first alone; we take the worst", beside),
    refused(
        "a piece of another signature",
        "it digests whatever is referenced",
        "sig-reference",
        "what is referenced lies inside another signature",
    ),
    refused("XPointer", "it evaluates XPointers", "sig-reference", r"#xpointer\(.*"),
    refused(
        "attachment that is not listed",
        "it is handed the octets from outside, whether the package lists them or not",
        "sig-reference",
        r"cid:\S+",
    ),
    refused("transforms", "it takes more transforms, in any order, or passes over them", "sig-transform"),
    refused("canonicalisation", "it takes C14N with comments and C14N 1.1", "sig-c14n"),
    # --- the dangerous direction
    accepted(
        "a prefix list where its schema has none",
        "XML-DSig lets an algorithm have parameters, and exclusive C14N has this one; the other's copy of the schema "
        "does not hold its namespace",
        r"DocumentInvalid Element '\{http://www.w3.org/2001/10/xml-exc-c14n#\}InclusiveNamespaces'.*",
        frozenset({SIGNXML}),
    ),
)


def explain(oracle: str, mutant: Mutant, ours: Answer, other: Answer) -> Disagreement | None:
    """The class of a disagreement, or `None`: then it is not explained."""
    for known in EXPLAINED:
        if oracle in known.oracles and known.ours_accepts is ours.accepted and known.asks(mutant, ours, other):
            return known
    return None
