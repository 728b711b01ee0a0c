"""What is proved from the octets is what a walk through the tree finds; what is not proved is walked."""

from __future__ import annotations

import pytest
from lxml import etree

from schemas.errors import SchemaError
from schemas.limits import XmlLimits
from schemas.plain import is_plain
from schemas.xml import parse_xml

LIMITS = XmlLimits(elements=40, depth=8, attributes=6, name_length=20)
HEAD = b'<?xml version="1.0" encoding="UTF-8"?>'


def walked(raw: bytes) -> bool:
    """Say whether `raw` is left to a walk."""
    root = etree.fromstring(raw, etree.XMLParser(resolve_entities=False, strip_cdata=False))
    return not is_plain(root, raw, LIMITS)


@pytest.mark.parametrize(
    "raw",
    [
        b"<a/>",
        b"<a><b>text=more</b></a>",
        HEAD + b"<a/>",
        HEAD + b'\n<a Id="x"><b ID="y"/></a>\n',
        b"<a>" * 8 + b"</a>" * 8,
        b"<a " + b" ".join(b'b%d=""' % number for number in range(4)) + b"/>",
        b"<" + b"a" * 19 + b"/>",
        b"<a>" + b"<a/>" * 30 + b"</a>",
    ],
)
def test_a_usual_document_is_proved_and_read(raw: bytes) -> None:
    assert not walked(raw)
    assert parse_xml(raw, LIMITS).root is not None


REFUSED: dict[str, tuple[bytes, str]] = {
    "one level too deep": (b"<a>" * 9 + b"</a>" * 9, "xml-limit"),
    "one element too many": (b"<a>" + b"<a/>" * 40 + b"</a>", "xml-limit"),
    "one attribute too many": (
        b"<a " + b" ".join(b'b%d=""' % number for number in range(7)) + b"/>",
        "xml-limit",
    ),
    "a name too long": (b"<" + b"a" * 21 + b"/>", "xml-limit"),
    "an inner name too long": (b"<a>\n<" + b"a" * 21 + b"></" + b"a" * 21 + b"></a>", "xml-limit"),
    "an attribute's name too long": (b"<a\t" + b"a" * 21 + b'=""/>', "xml-limit"),
    "a local name too long": (b'<p:%b xmlns:p="urn:p"/>' % (b"a" * 21), "xml-limit"),
    "a comment in a value": (b"<a>x<!-- --></a>", "xml-mixed"),
    "an instruction inside": (b"<a><b/><?x?></a>", "xml-pi"),
    "an instruction before": (b"<?x?><a/>", "xml-pi"),
    "an instruction like a declaration": (b'<?xml-stylesheet href="a"?><a/>', "xml-pi"),
    "an instruction behind a declaration": (HEAD + b"<?x?><a/>", "xml-pi"),
    "an instruction behind": (b"<a/><?x?>", "xml-pi"),
    "xml:base": (b'<a xml:base="urn:x"/>', "xml-base"),
    "xml:base, spaced": (b'<a xml:base\t="urn:x"/>', "xml-base"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_walk_refuses_is_not_proved(name: str) -> None:
    raw, code = REFUSED[name]
    with pytest.raises(SchemaError) as refused:
        parse_xml(raw, LIMITS)
    assert {violation.code for violation in refused.value.violations} == {code}
    assert walked(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"<!-- --><a/>",
        b"<a/><!-- -->",
        b"<a><b/><!-- --></a>",
        b"<a><![CDATA[<b Id=]]></a>",
    ],
)
def test_a_comment_or_cdata_is_no_fault_and_not_plain(raw: bytes) -> None:
    assert walked(raw)
    assert parse_xml(raw, LIMITS).root is not None


@pytest.mark.parametrize("space", [b" ", b"\t", b"\n", b"\r"])
def test_white_space_before_an_equals_sign_hides_no_name(space: bytes) -> None:
    assert walked(b'<a Id%b="x"/>' % space)


def test_a_long_text_is_no_element() -> None:
    """What the octets are too many for, the `<` among them may still prove."""
    raw = b"<a>" + b"x " * 100_000 + b"%b</a>"
    assert not walked(raw % b"<a></a>")
    many = b"<a></a>" * 39
    assert walked(raw % many)
    assert parse_xml(raw % many, LIMITS).root is not None, "forty elements, which is as many as may be"
