"""Packages whose attachments are cut out of a file, piece by piece, beside the same with everything in the tree.

Both must tell the same: verdict, coverage, digests, records, contents, codes. Where attachment content stands in a
place where none can be, cutting refuses, and nothing else is borne.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import pytest

from axis.flow.package import inspect_package, open_package, read_verified
from schemas import content, gate
from schemas.attachment import encoded_attachments
from schemas.content import Content
from schemas.errors import SchemaError
from schemas.gate import Raw
from schemas.limits import FieldLimits, XmlLimits
from schemas.trace import restore
from schemas.xml import parse_xml
from signing.policy import OWN_NETWORK
from tests.differential.mutate import mutant
from tests.differential.oracles import NOW
from tests.differential.packages import NAMES, base, parse, resign

SHORT = range(120)
LONG = range(10_000, 14_000)
IN_THE_TREE, CUT = XmlLimits(cut_above=1 << 30), XmlLimits(cut_above=16)
STRAY: Final = {"xml-malformed", "attachment-mismatch"}
"""What cutting says of content that stands where none can be."""

_ENDED_OTHERWISE: Final = re.compile(rb"ContentTransferEncoded[^<>]*>[A-Za-z0-9+/=\s]{17,}<[^/]")


class Slices:
    """Octets that can only be asked for by slices, as those of a file."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets

    def __len__(self) -> int:
        return len(self.octets)

    def __getitem__(self, at: slice) -> bytes:
        return self.octets[at]


def told(raw: Raw, limits: XmlLimits) -> dict[str, Any]:
    """All that becomes of a package but the trust in its certificates, with what was cut put back."""
    try:
        opened = open_package(raw, limits, FieldLimits())
        found = inspect_package(opened, OWN_NETWORK, NOW)
        verified, cuts = found.verified, opened.parsed.cuts
        said: dict[str, Any] = {
            "records": opened.records,
            "digest": opened.digest,
            "attached": opened.attached,
            "verdict": found.verdict,
            "findings": found.findings,
        }
        if verified is not None:
            said["whole"] = verified.whole and restore(verified.whole, cuts)
            said["parts"] = {name: restore(octets, cuts) for name, octets in verified.parts.items()}
            said["message"] = read_verified(verified, limits).message
        return said
    except SchemaError as error:
        return {"codes": [(one.code, one.path) for one in error.violations], "malformed": error.malformed}


# --- what only attachments have


def _content(change: Callable[[random.Random, bytes], bytes]) -> Callable[[random.Random, bytes], bytes]:
    def bend(chance: random.Random, octets: bytes) -> bytes:
        start = octets.index(b">", octets.index(b"ContentTransferEncoded")) + 1
        end = octets.index(b"<", start)
        return octets[:start] + change(chance, octets[start:end]) + octets[end:]

    return bend


def _at(chance: random.Random, text: bytes, *others: bytes) -> bytes:
    place = chance.randrange(len(text) + 1)
    return text[:place] + chance.choice(others) + text[place + chance.choice((0, 0, 1)) :]


def _lines(chance: random.Random, text: bytes) -> bytes:
    end, width = chance.choice((b"\n", b"\r\n", b"\r", b"\t", b" \n")), chance.randrange(1, 80)
    return end.join(text[start : start + width] for start in range(0, len(text), width)) + chance.choice((b"", end))


def _marked(chance: random.Random, octets: bytes) -> bytes:
    """The very placeholder that cutting uses for this package as it is, where it could be taken for one."""
    name = next(iter(_placeholders(octets)), f"axis-cut-{'0' * 64}-0").encode()
    block = b"<edXML:ContentTransferEncoded>%b</edXML:ContentTransferEncoded>" % name
    return chance.choice(
        (
            octets.replace(b"<edXML:Subject>", b"<edXML:Subject>" + name),
            octets.replace(b"</Attachment>", block + b"</Attachment>"),
            octets.replace(b"<edXML:MessageHeader", block + b"<edXML:MessageHeader"),
            _content(lambda _, text: name)(chance, octets),
        )
    )


def _placeholders(octets: bytes) -> tuple[str, ...]:
    try:
        return tuple(parse_xml(octets, CUT).cuts)
    except SchemaError:
        return ()


def _doubled(chance: random.Random, octets: bytes) -> bytes:
    """An attachment, or its block, twice: beside itself, in the header, behind the root."""
    name = chance.choice((b"Attachment", b"AttachmentEncoded"))
    start, end = octets.index(b"<%b>" % name), octets.index(b"</%b>" % name) + len(name) + 3
    block = octets[start:end]
    mark = chance.choice((b"</edXML>", b"</edXML:MessageHeader>", b"</AttachmentEncoded>", b"<AttachmentEncoded>"))
    without = octets if chance.random() < 0.6 else octets[:start] + octets[end:]
    return without.replace(mark, chance.choice((block + mark, mark + block)), 1)


INSIDE: Final[dict[str, Callable[[random.Random, bytes], bytes]]] = {
    "octet": _content(lambda chance, text: _at(chance, text, b"A", b"z", b"=", b"-", b"&#65;", b"&amp;")),
    "odd": _content(lambda chance, text: _at(chance, text, b"<!---->", b"<![CDATA[QUJD]]>", b"<b/>", b"<?x?>", b"]]>")),
    "padding": _content(lambda chance, text: text.rstrip(b"=") + chance.choice((b"", b"=", b"==", b"===", b"QQ=="))),
    "bits": _content(lambda chance, text: text + chance.choice((b"QR==", b"QUJ=", b"QUI=", b"Q"))),
    "layout": _content(_lines),
    "long": _content(lambda chance, text: text * chance.randrange(2, 40)),
    "short": _content(lambda chance, text: text[: chance.randrange(len(text))]),
    "nothing": _content(lambda chance, text: chance.choice((b"", b" " * 40, b"\r\n" * 20))),
    "comment": lambda chance, octets: octets.replace(
        chance.choice((b"<AttachmentEncoded>", b"<edXML:Subject>")),
        b"<!-- <ContentTransferEncoded>QUJDQUJDQUJDQUJDQUJDQUJD</ContentTransferEncoded> --><AttachmentEncoded>",
        1,
    ),
    "attribute": lambda chance, octets: octets.replace(
        b"<Attachment>", b"<Attachment x='&lt;ContentTransferEncoded>QUJDQUJDQUJDQUJDQUJDQUJDQUJD'>", 1
    ),
    "tag": lambda chance, octets: octets.replace(
        b"ContentTransferEncoded ", b"ContentTransferEncoded " + b"a='" + b">" * chance.randrange(3) + b"' ", 1
    ),
    "truncated": lambda chance, octets: octets[: chance.randrange(len(octets) // 2, len(octets))],
    "marked": _marked,
    "doubled": _doubled,
}


def package(seed: int) -> tuple[str, bytes]:
    """A mutant of the other differential, or a package whose attachment is bent, signed again or not."""
    chance = random.Random(seed)
    if seed % 3 == 0:
        made = mutant(seed)
        return " ".join(made.steps), made.octets
    name = chance.choice([*INSIDE])
    signed = base(chance.choice(NAMES))
    octets = INSIDE[name](chance, signed.octets)
    if chance.random() < 0.5:
        try:
            octets = _again(signed, octets)
        except Exception:
            return name, octets
        return f"{name}, signed again", octets
    return name, octets


def _again(signed: Any, octets: bytes) -> bytes:
    from lxml import etree

    root = parse(octets)
    resign(root, signed)
    written: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return written


def compare(seeds: range, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    seen = Counter[str]()
    for seed in seeds:
        how, octets = package(seed)
        step = random.Random(seed).choice((7, 64, 1000, 1 << 16))
        for room in (gate, content):
            monkeypatch.setattr(room, "PIECE", step)
        tree, cut = told(octets, IN_THE_TREE), told(Slices(octets), CUT)
        if tree == cut:
            codes = "".join(code for code, _ in tree.get("codes", ())) or ("good" if "message" in tree else "bad")
            seen[codes] += 1
            continue
        more = {*cut.get("codes", ("accepted",))} - {*tree.get("codes", ())}
        assert more and {code for code, *_ in more} <= STRAY, (seed, how, tree, cut)
        assert _stray(octets), (seed, how, tree, cut)
        seen["stray"] += 1
    return seen


def _stray(octets: bytes) -> bool:
    """Say whether there is something in the package that only a scanner takes for attachment content, or for all of
    it."""
    if _ENDED_OTHERWISE.search(octets):
        return True
    try:
        parsed = parse_xml(octets, IN_THE_TREE)
        real = sum(len(one.base64) > 16 for one in encoded_attachments(parsed))
    except SchemaError:
        return True
    return octets.count(b"ContentTransferEncoded") > 2 * real


@pytest.mark.parametrize("name", NAMES)
def test_a_good_package_is_good_both_ways_and_nothing_of_it_is_held(name: str) -> None:
    octets = base(name).octets
    assert told(octets, IN_THE_TREE) == told(Slices(octets), CUT)
    assert "message" in told(octets, CUT)
    assert all(isinstance(one.base64, Content) for one in encoded_attachments(parse_xml(octets, CUT)))


def test_both_ways_tell_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = compare(SHORT, monkeypatch)
    assert seen["good"] >= 10
    assert seen["bad"] >= 10
    assert seen["attachment-base64"] >= 10


@pytest.mark.faults
def test_both_ways_tell_the_same_of_thousands(monkeypatch: pytest.MonkeyPatch) -> None:
    print(compare(LONG, monkeypatch))


def test_a_placeholder_is_nobodys_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the placeholder of the package as it was, in every place where one could be taken for it."""
    for seed in range(40):
        octets = _marked(random.Random(seed), base(NAMES[seed % len(NAMES)]).octets)
        assert told(octets, IN_THE_TREE) == told(Slices(octets), CUT)
