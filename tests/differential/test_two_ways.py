"""Other spellings of a signed package, alone and together: the shortcuts say what the long way says, or nothing.

Each change leaves the octets well-formed. Most leave what is signed as it was; some change it, and then the signer
signs again: over its canonical form, or, being the stranger himself, over the octets as they came. `signing.shape` is
held to `signing.xmldsig`, and `axis.flow.usual` to `axis.flow.package`.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable
from functools import cache

import pytest
from lxml import etree

from axis.flow.package import inspect_package, open_package, read_verified
from axis.flow.usual import Usual, usual_of
from schemas.edxml import signed_parts
from schemas.errors import SchemaError
from schemas.limits import FieldLimits, XmlLimits
from schemas.xml import gated, parse_xml
from signing.policy import OWN_NETWORK
from signing.verify import Inspection
from tests.pki import NOW, pki
from tests.unit.signing.test_shape import both_ways, package
from tests.unit.signing.test_shape_signed import header_as_it_came, signed

MIC = b"http://www.mic.gov.vn/TBT/QCVN_102_2016"
Change = Callable[[bytes, random.Random], bytes]

_START = re.compile(rb"<(?![/?!])[^<>]*>")
_TEXT = re.compile(rb">([^<>]{2,})<")
_ATTRIBUTE = re.compile(rb' [A-Za-z:]+="[^"]*"')


def _at(pattern: re.Pattern[bytes], change: Callable[[bytes, random.Random], bytes]) -> Change:
    """One of the places where `pattern` matches, written otherwise."""

    def bend(raw: bytes, chance: random.Random) -> bytes:
        places = [*pattern.finditer(raw)]
        if not places:
            return raw
        found = chance.choice(places)
        return raw[: found.start()] + change(found.group(), chance) + raw[found.end() :]

    return bend


def _within(octets: bytes, chance: random.Random, made: Callable[[bytes], bytes]) -> bytes:
    """One octet of a text, which stands between `>` and `<`, made into something."""
    at = chance.randrange(1, len(octets) - 1)
    while octets[at] & 0xC0 == 0x80 or octets[at] in b"&;#":
        at -= 1
    end = at + 1
    while octets[end] & 0xC0 == 0x80:
        end += 1
    return octets if at == 0 else octets[:at] + made(octets[at:end]) + octets[end:]


def _into_tag(added: bytes) -> Change:
    def bend(tag: bytes, chance: random.Random) -> bytes:
        end = -2 if tag.endswith(b"/>") else -1
        return tag[:end] + added + tag[end:]

    return _at(_START, bend)


def _into_text(made: Callable[[bytes], bytes]) -> Change:
    return _at(_TEXT, lambda text, chance: _within(text, chance, made))


CHANGES: dict[str, Change] = {
    "single quotes": _at(_ATTRIBUTE, lambda one, _: one.replace(b'"', b"'")),
    "a space at the end of a tag": _into_tag(b" "),
    "a line end at the end of a tag": _into_tag(b"\n"),
    "two spaces before an attribute": _at(_ATTRIBUTE, lambda one, _: b" " + one),
    "spaces around a sign": _at(_ATTRIBUTE, lambda one, _: one.replace(b"=", b" = ", 1)),
    "a decimal reference": _into_text(lambda one: b"&#%d;" % ord(one.decode())),
    "a hexadecimal reference": _into_text(lambda one: b"&#x%X;" % ord(one.decode())),
    "CDATA": _into_text(lambda one: b"<![CDATA[%b]]>" % one),
    "empty CDATA": _into_text(lambda one: one + b"<![CDATA[]]>"),
    "a comment": _into_text(lambda one: one + b"<!-- -->"),
    "an instruction": _into_text(lambda one: one + b"<?x y?>"),
    "a carriage return": _into_text(lambda one: one + b"\r"),
    "two octets for a line end": _into_text(lambda one: one + b"\r\n"),
    "a line end by reference": _into_text(lambda one: one + b"&#13;"),
    "an angle": _into_text(lambda one: one + b">"),
    "an ampersand": _into_text(lambda one: one + b"&amp;"),
    "an ampersand by number": _into_text(lambda one: one + b"&#38;"),
    "a quote in a text": _into_text(lambda one: one + b' Id="x" '),
    "something like a tag in a text": _into_text(lambda one: one + b"&lt;/edXML:MessageHeader>"),
    "a declaration that is there": _into_tag(b' xmlns:edXML="%b"' % MIC),
    "a declaration of another prefix": _into_tag(b' xmlns:q="%b"' % MIC),
    "a default namespace": _into_tag(b' xmlns="urn:x"'),
    "no default namespace": _into_tag(b' xmlns=""'),
    "an attribute": _into_tag(b' zz="1"'),
    "two attributes in no order": _into_tag(b' zz="1" aa="2"'),
    "an attribute with a prefix": _into_tag(b' edXML:zz="1"'),
    "a language": _into_tag(b' xml:lang="vi"'),
    "spaces that count": _into_tag(b' xml:space="preserve"'),
    "a tab in an attribute": _into_tag(b' zz="a\tb"'),
    "a tab in an attribute by reference": _into_tag(b' zz="a&#9;b"'),
    "an Id": _into_tag(b' Id="another"'),
    "an Id that is there": _into_tag(b' Id="MessageHeader-1"'),
    "an ID that is there": _into_tag(b' ID="MessageHeader-1"'),
    "an xml:id": _into_tag(b' xml:id="another"'),
    "an empty Id": _into_tag(b' Id=""'),
    "an Id with white space": _into_tag(b' Id=" another "'),
    "an empty element": _at(_START, lambda tag, _: b"<edXML:Odd/>" + tag),
    "an element": _at(_START, lambda tag, _: b"<edXML:Odd>1</edXML:Odd>" + tag),
    "a header in front": _at(_START, lambda tag, _: b"<edXML:MessageHeader></edXML:MessageHeader>" + tag),
    "a text between": _at(_START, lambda tag, _: b"x" + tag),
    "a line end between": _at(_START, lambda tag, _: b"\n" + tag),
    "an empty signature": _at(_START, lambda tag, _: b"<edXML:Signature/>" + tag),
    "a mark in front": lambda raw, _: b"\xef\xbb\xbf" + raw,
    "no declaration": lambda raw, _: raw[raw.index(b"?>") + 2 :],
    "a line behind": lambda raw, _: raw + b"\n\r\n",
    "an upper-case cid": lambda raw, _: raw.replace(b'URI="cid:', b'URI="CID:'),
    "a percent in a cid": lambda raw, _: raw.replace(b'URI="cid:0.pdf', b'URI="cid:0%2Epdf'),
    "another digest method": lambda raw, _: raw.replace(b"xmlenc#sha256", b"xmlenc#sha512", 1),
    "white space in base64": _at(re.compile(rb"[A-Za-z0-9+/]{40}"), lambda text, _: text[:20] + b"\n" + text[20:]),
}


OF_THE_WHOLE = frozenset(
    {
        "a mark in front",
        "no declaration",
        "a line behind",
        "an upper-case cid",
        "a percent in a cid",
        "another digest method",
        "white space in base64",
    }
)


def _header_of(raw: bytes) -> tuple[int, int]:
    """Where the content of the header is, which a signer can sign as it came."""
    return raw.index(b">", raw.index(b"<edXML:MessageHeader ")) + 1, raw.rindex(b"</edXML:MessageHeader>")


@cache
def _packages() -> tuple[bytes, ...]:
    return tuple(
        package(pki().good.signer(), whole=whole, attachments=number) for whole in (False, True) for number in (1, 2)
    )


def _signed_again(raw: bytes, chance: random.Random) -> bytes:
    """Over the canonical form, or over the octets as they came."""
    if chance.randrange(2):
        return signed(raw, {"#MessageHeader-1": header_as_it_came(raw)})
    parts = signed_parts(parse_xml(raw, XmlLimits()).root)
    told = {
        f"#{element.get('Id')}": etree.tostring(element, method="c14n", exclusive=True, with_comments=False)
        for element in (parts.header, parts.business, parts.manifest)
        if element is not None
    }
    return signed(raw, told)


def _mutant(chance: random.Random) -> tuple[bytes, str]:
    names = chance.sample([*CHANGES], chance.choice((1, 1, 1, 2, 3)))
    raw = chance.choice(_packages())
    for name in names:
        begin, end = _header_of(raw) if name not in OF_THE_WHOLE and chance.randrange(3) else (0, len(raw))
        raw = raw[:begin] + CHANGES[name](raw[begin:end], chance) + raw[end:]
    if chance.randrange(3):
        try:
            raw, again = _signed_again(raw, chance), " signed again"
        except (SchemaError, ValueError, IndexError, TypeError, AssertionError, etree.LxmlError):
            again = ""  # it cannot be: judged as it is
        names.append(again)
    return raw, ", ".join(names)


def _held_to_the_long_way(raw: bytes) -> str:
    """What both ways say of these octets. An `AssertionError` where they differ."""
    try:
        short, long = both_ways(raw)
    except (SchemaError, AssertionError):  # the latter of a package that is no document
        return "unread"
    assert short == long
    usual = usual_of(gated(raw, XmlLimits()), XmlLimits())
    inspection = None if usual is None else usual.inspect(OWN_NETWORK, NOW)
    if usual is not None and inspection is not None:
        _as_the_node_reads_it(raw, usual, inspection)
    return "refused" if short.verified is None else "good" if inspection is None else "recognised"


def _as_the_node_reads_it(raw: bytes, usual: Usual, inspection: Inspection) -> None:
    read = usual.read(FieldLimits())
    if read is None:
        return
    opened = open_package(raw, XmlLimits(), FieldLimits())
    long = inspect_package(opened, OWN_NETWORK, NOW)
    assert long.verdict == inspection.verdict
    assert long.verified == inspection.verified
    assert long.verified is not None
    assert read_verified(long.verified, XmlLimits()).message == read.reading.message
    assert (opened.digest, opened.records) == (read.digest, read.records)


def _run(number: int, seed: int) -> Counter[str]:
    chance, said = random.Random(seed), Counter[str]()
    for _ in range(number):
        raw, name = _mutant(chance)
        try:
            said[_held_to_the_long_way(raw)] += 1
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {name}: {raw!r}") from error
    return said


def test_other_spellings_are_judged_alike_by_all_ways() -> None:
    said = _run(120, 20261201)
    assert min(said["good"], said["recognised"], said["refused"], said["unread"]) > 5, said


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(3))
def test_many_other_spellings_are_judged_alike_by_all_ways(seed: int) -> None:
    assert _run(1_000, seed)["recognised"] > 20
