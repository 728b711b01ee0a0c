"""X01 to X42: bytes that are no XML of ours, and XML that is no edXML. All through the front door, `parse_xml`."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from schemas.codes import AgencyCode, CodeError
from tests.refusals.row import Case, Row, Said
from tests.refusals.said import raw, reading, silent, tolerated
from tests.unit.schemas.test_edxml import MINIMAL, NS, edit
from tests.unit.signing.forge import DOCUMENT

BOM = b"\xef\xbb\xbf"
DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>'
DOCTYPE, ENCODING, LIMIT, MALFORMED = "400 xml-doctype", "400 xml-encoding", "400 xml-limit", "400 xml-malformed"
NAMESPACE, MIXED = "400 xml-namespace", "422 xml-mixed"
EDXML = "tests/unit/schemas/test_edxml.py"
XML = "tests/unit/schemas/test_xml.py"
FLOW = "tests/flow/test_refusals.py::test_a_refused_package_is_named_and_nothing_of_it_stays"

LAUGHS = (
    b'<!DOCTYPE r [<!ENTITY a0 "ha">'
    + b"".join(b'<!ENTITY a%d "%s">' % (level, b"&a%d;" % (level - 1) * 10) for level in range(1, 10))
    + b"]><r>&a9;</r>"
)
QUADRATIC = b'<!DOCTYPE r [<!ENTITY a "' + b"a" * 100_000 + b'">]><r>' + b"&a;" * 10_000 + b"</r>"
SIGNED_ENTITY = DOCUMENT.format(inline="").replace("<edXML ", '<!DOCTYPE edXML [<!ENTITY x "01">]><edXML ', 1)


LONG = b"a" * (1 << 20)
"""As much as the gate reads at once."""


def depth(levels: int) -> bytes:
    return b"<a>" * levels + b"</a>" * levels


def many(form: bytes, count: int) -> bytes:
    return b"<a " + b" ".join(form % number for number in range(count)) + b"/>"


def in_scope(count: int) -> bytes:
    """One element in another, each with a declaration of its own."""
    return b"".join(b'<a xmlns:a%d="urn:x">' % number for number in range(count)) + b"</a>" * count


def package(old: str, new: str) -> Callable[[], bytes]:
    return lambda: edit(old, new).encode()


def before_subject(xml: str) -> Callable[[], bytes]:
    """The element as one of ours, where a document has its subject."""
    return lambda: MINIMAL.replace("<edXML:Subject>", xml + "<edXML:Subject>", 1).encode()


def plain() -> bytes:
    return MINIMAL.encode()


def called(name: str, code: str, text: str) -> Case:
    """`text` with the port of a listener in it, which nobody may call."""
    make: Callable[[int], Case] = lambda port: raw(name, code, text.replace("PORT", str(port)).encode())  # noqa: E731
    return silent(raw(name, code, b""), make)


def looked_up(name: str, attribute: str) -> Case:
    """An attribute that tells where a schema is: passed over, and nobody is asked for it."""
    space = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    make: Callable[[int], Case] = lambda port: tolerated(  # noqa: E731
        name,
        "nothing",
        lambda: MINIMAL.replace("<edXML ", f"<edXML {space} {attribute.replace('PORT', str(port))} ", 1).encode(),
        like=plain,
    )
    return silent(tolerated(name, "nothing", plain, like=plain), make)


def quick(name: str, value: str) -> Case:
    """A value for the pattern of agency codes, answered within 100 ms of CPU."""

    def run() -> Said:
        start = time.process_time()
        try:
            AgencyCode.parse(value)
        except CodeError:
            within = time.process_time() - start < 0.1
            return Said("agency-code within 100 ms" if within else "agency-code, late")
        return Said("taken", accepted=True)

    return Case(name, "agency-code within 100 ms", run)


def in_value(name: str, node: str) -> tuple[Case, ...]:
    """A comment or instruction in each value that is compared with something."""
    places = {
        "From": ("<OrganId>000.00.01", f"<OrganId>000.00{node}.01"),
        "To": ("<OrganId>000.20.31", f"<OrganId>000.20{node}.31"),
        "DocumentId": ("<DocumentId>000.00", f"<DocumentId>000{node}.00"),
        "Code": ("<CodeNumber>1", f"<CodeNumber>1{node}"),
        "kind of business": ("<BussinessDocType>0", f"<BussinessDocType>{node}0"),
    }
    return tuple(reading(f"{name}: {place}", MIXED, package(*change)) for place, change in places.items())


_STATUS = f'<edXML xmlns="{NS}"><edXMLEnvelope><edXMLHeader><MessageHeader><StatusCode>0<!-- -->1</StatusCode>'
_STATUS_END = "</MessageHeader></edXMLHeader></edXMLEnvelope></edXML>"

ROWS = (
    Row(
        "X01",
        "An external entity names a local file",
        (raw("SYSTEM file:", DOCTYPE, b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r>&x;</r>'),),
        defences=("gate-doctype",),
    ),
    Row(
        "X02",
        "An external entity names an address; nobody is called",
        (called("SYSTEM http:", DOCTYPE, '<!DOCTYPE r [<!ENTITY x SYSTEM "http://127.0.0.1:PORT/">]><r>&x;</r>'),),
        defences=("gate-doctype",),
    ),
    Row(
        "X03",
        "A parameter entity that would carry content away",
        (
            called(
                "parameter entity",
                DOCTYPE,
                '<!DOCTYPE r [<!ENTITY % x SYSTEM "http://127.0.0.1:PORT/x.dtd">%x;]><r/>',
            ),
        ),
        defences=("gate-doctype",),
    ),
    Row(
        "X04",
        "An external document type, by SYSTEM or PUBLIC",
        (
            called("SYSTEM", DOCTYPE, '<!DOCTYPE r SYSTEM "http://127.0.0.1:PORT/b.dtd"><r/>'),
            called("PUBLIC", DOCTYPE, '<!DOCTYPE r PUBLIC "-//a//b" "http://127.0.0.1:PORT/b.dtd"><r/>'),
        ),
        defences=("gate-doctype",),
    ),
    Row(
        "X05",
        "A document type that does no harm",
        (raw("empty subset", DOCTYPE, b"<!DOCTYPE r []><r/>"), raw("bare", DOCTYPE, b"<!DOCTYPE r><r/>")),
        defences=("gate-doctype",),
    ),
    Row("X06", "Entities in entities, nine levels", (raw("9 levels", DOCTYPE, LAUGHS),), defences=("gate-doctype",)),
    Row("X07", "One long entity, used 10,000 times", (raw("long", DOCTYPE, QUADRATIC),), defences=("gate-doctype",)),
    Row(
        "X08",
        "A document type that gives attributes, or makes one an Id",
        (
            raw("an Id by default", DOCTYPE, b'<!DOCTYPE r [<!ATTLIST r Id ID "x">]><r/>'),
            raw("an Id by type", DOCTYPE, b'<!DOCTYPE r [<!ATTLIST r a ID #IMPLIED>]><r a="x"/>'),
        ),
        defences=("gate-doctype",),
    ),
    Row(
        "X09",
        "An entity in signed text or in an attribute",
        (
            raw("in text", DOCTYPE, SIGNED_ENTITY.replace(">000.00.01", ">000.00.&x;").encode()),
            raw("in an attribute", DOCTYPE, SIGNED_ENTITY.replace('Id="header"', 'Id="header&x;"').encode()),
            raw("that nobody declares", MALFORMED, b"<a>&nbsp;</a>"),
        ),
        defences=("gate-doctype",),
    ),
    Row(
        "X10",
        "A document type that is hidden: behind a comment, in UTF-16, behind line ends",
        (
            raw("behind a long comment", DOCTYPE, DECLARATION + b"<!--" + b"x" * 100_000 + b"--><!DOCTYPE r><r/>"),
            raw("behind newlines", DOCTYPE, DECLARATION + b"\n\r\n\t <!DOCTYPE\nr><r/>"),
            raw("behind a processing instruction", DOCTYPE, b"<?a <!-- ?><!DOCTYPE r><r/>"),
            raw("behind a comment that holds a root", DOCTYPE, b"<!-- <r/> --><!DOCTYPE r><r/>"),
            raw("behind a comment that looks ended", DOCTYPE, b"<!--> <r/> --><!DOCTYPE r><r/>"),
            raw("behind a BOM", DOCTYPE, BOM + b"<!DOCTYPE r><r/>"),
            raw("in UTF-16", ENCODING, "<!DOCTYPE r><r/>".encode("utf-16")),
            raw("inside the root", MALFORMED, b"<a><!DOCTYPE a></a>"),
        ),
        defences=("gate-doctype", "gate-wide"),
    ),
    Row(
        "X11",
        "Elements nested too deep",
        tuple(raw(f"{levels} levels", LIMIT, partial(depth, levels)) for levels in (65, 257, 5_000, 1_000_000)),
        defences=("xml-depth",),
    ),
    Row(
        "X12",
        "Too many attributes on one element",
        tuple(raw(f"{count}", LIMIT, partial(many, b'a%d="1"', count)) for count in (65, 100_000)),
        defences=("xml-attributes",),
    ),
    Row(
        "X13",
        "Too many elements beside each other",
        (
            raw("1,000,000", LIMIT, lambda: b"<r>" + b"<a/>" * 1_000_000 + b"</r>"),
            raw("12,289", LIMIT, lambda: b"<r>" + b"<a/>" * 12_288 + b"</r>"),
        ),
        tests=(f"{XML}::test_a_bomb_is_answered_within_100_ms[1,000,000 siblings]",),
        defences=("xml-elements",),
    ),
    Row(
        "X14",
        "An endless attribute or name",
        (
            raw("attribute of 11 MB", LIMIT, lambda: b'<a x="' + b"x" * 11_000_000 + b'"/>'),
            raw("name of 60 kB", LIMIT, b"<" + b"a" * 60_000 + b"/>"),
            raw("name of 257", LIMIT, b"<" + b"a" * 257 + b"/>"),
            raw("attribute name of 257", LIMIT, b"<a " + b"b" * 257 + b'=""/>'),
        ),
        defences=("xml-names", "xml-huge"),
    ),
    Row(
        "X15",
        "A text above 10 MB",
        (
            raw("11 MB", LIMIT, lambda: b"<a>" + b"x." * 5_500_000 + b"</a>"),
            raw("18 MB in a child", LIMIT, lambda: b"<a><b>" + b"x." * 9_000_000 + b"</b></a>"),
            raw("one of quotation marks", LIMIT, lambda: b"<a b='" + b'"' * 2_900_000 + b"'/>"),
            raw("one of angle brackets", LIMIT, lambda: b"<a>" + b">" * 2_900_000 + b"</a>"),
        ),
        tests=(f"{XML}::test_an_attachment_of_30_mb_parses",),
        defences=("xml-huge", "xml-swelling"),
        note="an attachment may be larger: its base64 is cut out before parsing and never enters the tree",
    ),
    Row(
        "X16",
        "Too many namespace declarations",
        (
            raw("33 on one element", LIMIT, partial(many, b'xmlns:a%d="urn:x"', 33)),
            raw("33 in scope of one", LIMIT, lambda: in_scope(33)),
            raw("a name of 257", LIMIT, b'<a xmlns:a="urn:' + b"a" * 253 + b'"/>'),
            raw("a name of 140 kB", LIMIT, b'<a xmlns:a="urn:' + b"a" * 140_000 + b'">' + b"<a:a/>" * 20_000 + b"</a>"),
            raw("50,000 on one element", LIMIT, partial(many, b'xmlns:a%d="urn:x"', 50_000)),
            raw("1,025 in all", LIMIT, b"<a>" + b'<b xmlns="urn:x"/>' * 1_025 + b"</a>"),
        ),
        defences=("xml-namespaces", "xml-namespace-names", "xml-declarations"),
    ),
    Row(
        "X17",
        "UTF-7, with mark-up hidden in +ADw-",
        (raw("UTF-7", ENCODING, b'<?xml version="1.0" encoding="UTF-7"?><r>+ADw-a/+AD4-</r>'),),
        defences=("gate-declared",),
    ),
    Row(
        "X18",
        "UTF-16 without BOM, UTF-32, EBCDIC",
        (
            raw("UTF-16 little endian", ENCODING, "<r/>".encode("utf-16-le")),
            raw("UTF-16 big endian", ENCODING, "<r/>".encode("utf-16-be")),
            raw("UTF-32", ENCODING, "<r/>".encode("utf-32")),
            raw("UTF-32 big endian with BOM", ENCODING, b"\0\0\xfe\xff" + "<r/>".encode("utf-32-be")),
            raw("EBCDIC", ENCODING, '<?xml version="1.0"?><r/>'.encode("cp037")),
        ),
        defences=("gate-wide", "gate-utf8"),
    ),
    Row(
        "X19",
        "Another encoding is declared",
        tuple(
            raw(name, ENCODING, f'<?xml version="1.0" encoding="{name}"?><r/>'.encode())
            for name in ("windows-1258", "TCVN5712-1", "VISCII", "Shift_JIS", "iso-8859-1", "US-ASCII")
        ),
        defences=("gate-declared",),
    ),
    Row(
        "X20",
        "Declaration, byte order mark and HTTP disagree",
        (
            raw("declared UTF-16, sent UTF-8", ENCODING, b'<?xml version="1.0" encoding="UTF-16"?><r/>'),
            raw("UTF-16 BOM, declared UTF-8", ENCODING, b"\xff\xfe" + DECLARATION + b"<r/>"),
        ),
        defences=("gate-declared",),
        note="the charset of HTTP is passed over: the bytes are judged as UTF-8 whatever it says",
    ),
    Row(
        "X21",
        "Bytes that are no UTF-8",
        (
            raw("overlong slash", ENCODING, b"<r>\xc0\xaf</r>"),
            raw("surrogate", ENCODING, b"<r>\xed\xa0\x80</r>"),
            raw("lone continuation", ENCODING, b"<r>\x80</r>"),
            raw("beyond Unicode", ENCODING, b"<r>\xf4\x90\x80\x80</r>"),
            raw("cut at the end", ENCODING, b"<r/>\xe1\xba"),
            raw("a lone continuation in a long text", ENCODING, b"<r>" + LONG + b"\x80</r>"),
            raw("cut at the end of a long text", ENCODING, b"<r>" + LONG + b"</r>\xe1\xba"),
        ),
        defences=("gate-utf8", "gate-utf8-long"),
    ),
    Row(
        "X22",
        "A NUL: in text, after the root, as a reference",
        (
            raw("in text", "400 xml-nul", b"<r>a\0b</r>"),
            raw("after the root", "400 xml-nul", b"<r/>\0"),
            raw("in a long text", "400 xml-nul", b"<r>" + LONG + b"\0</r>"),
            raw("as a reference", MALFORMED, b"<a>&#0;</a>"),
        ),
        defences=("gate-nul", "gate-nul-long"),
    ),
    Row(
        "X23",
        "Characters that XML does not have",
        (
            raw("control", MALFORMED, b"<a>\x01</a>"),
            raw("U+FFFE", MALFORMED, b"<a>\xef\xbf\xbe</a>"),
            raw("U+FFFF", MALFORMED, b"<a>\xef\xbf\xbf</a>"),
            raw("control as a reference", MALFORMED, b"<a>&#1;</a>"),
        ),
        defences=("xml-recover",),
    ),
    Row(
        "X24",
        "XML 1.1, 1.2, 2.0",
        (
            raw("1.1", "400 xml-version", b'<?xml version="1.1"?><r/>'),
            raw("1.2", "400 xml-version", b'<?xml version="1.2" encoding="UTF-8"?><r/>'),
            raw("2.0", "400 xml-version", b"<?xml version='2.0'?><r/>"),
        ),
        defences=("gate-version",),
    ),
    Row(
        "X25",
        "Something before the declaration or after the root, two roots, nothing",
        (
            raw("text after the root", MALFORMED, b"<a/>x"),
            raw("two roots", MALFORMED, b"<a/><b/>"),
            raw("two declarations", MALFORMED, b'<?xml version="1.0"?><?xml version="1.0"?><a/>'),
            raw("space before the declaration", MALFORMED, b' <?xml version="1.0"?><a/>'),
            raw("junk before the declaration", MALFORMED, b"1212" + DECLARATION + b"<r/>"),
            raw("two BOMs", MALFORMED, BOM + BOM + b"<r/>"),
            raw("declaration without version", MALFORMED, b'<?xml encoding="UTF-8"?><r/>'),
            raw("comment that does not end", MALFORMED, b"<!-- <r/>"),
            raw("processing instruction that does not end", MALFORMED, b"<?a <r/>"),
            raw("an end tag first", MALFORMED, b"</r>"),
            raw("end tag of another", MALFORMED, b"<a><b></a></b>"),
            raw("not closed", MALFORMED, b"<a><b>"),
            raw("white space only", MALFORMED, b" \r\n"),
            raw("JSON", MALFORMED, b'{"a": 1}'),
            raw("nothing", "400 xml-empty", b""),
        ),
        defences=("xml-recover", "gate-prolog"),
    ),
    Row(
        "X26",
        "An attribute twice, an unbound prefix",
        (
            raw("attribute twice", MALFORMED, b'<a b="1" b="2"/>'),
            raw("by two prefixes", MALFORMED, b'<a xmlns:x="urn:a" xmlns:y="urn:a" x:b="1" y:b="2"/>'),
            raw("unbound prefix", MALFORMED, b"<a:b/>"),
        ),
        defences=("xml-recover",),
    ),
    Row(
        "X27",
        "A reserved prefix bound anew, a prefix bound to nothing",
        (
            raw("xml", NAMESPACE, b'<a xmlns:xml="urn:a"/>'),
            raw("xmlns", NAMESPACE, b'<a xmlns:xmlns="urn:a"/>'),
            raw("empty URI", NAMESPACE, b'<a xmlns:x=""/>'),
        ),
        defences=("xml-recover",),
    ),
    Row(
        "X28",
        "Our names in another namespace",
        (
            reading("a look-alike of the whole", "422 not-edxml", lambda: MINIMAL.replace(NS, "urn:like").encode()),
            reading(
                "a foreign From",
                "422 foreign-namespace MessageHeader",
                package("<Subject>", '<x:From xmlns:x="urn:x"/><Subject>'),
            ),
        ),
        defences=("edxml-root", "edxml-foreign"),
    ),
    Row(
        "X29",
        "A relative namespace name",
        (
            raw("default", NAMESPACE, b'<a xmlns="rel/x"/>'),
            raw("prefixed", NAMESPACE, b'<a xmlns:c="rel"/>'),
            raw("by a reference", NAMESPACE, b'<a><b xmlns:c="&#120;yz"/></a>'),
            raw("with spaces", NAMESPACE, b"<a xmlns:c  =\n'x'/>"),
            raw("network path", NAMESPACE, b'<a xmlns:c="//h/p"/>'),
        ),
        defences=("xml-relative",),
    ),
    Row(
        "X30",
        "A comment inside a value that is compared",
        (
            *in_value("comment", "<!-- -->"),
            reading("comment: status", MIXED, (_STATUS + _STATUS_END).encode),
            raw("comment alone", MIXED, b"<a><b><!-- --></b></a>"),
        ),
        same=("D17", "22"),
        defences=("xml-mixed",),
    ),
    Row("X31", "A processing instruction inside a value", in_value("instruction", "<?p?>"), defences=("xml-mixed",)),
    Row(
        "X32",
        "CDATA inside an identifier",
        (
            tolerated("the same value", "nothing", package("000.20.31.H99", "000.<![CDATA[20.31]]>.H99"), like=plain),
            reading(
                "no code",
                "422 agency-code MessageHeader/To/OrganId",
                package("000.20.31.H99", "<![CDATA[000.20.31.H99<]]>"),
            ),
        ),
        defences=("edxml-code",),
        note="taken where the whole value is equal",
    ),
    Row(
        "X33",
        "XInclude",
        (
            reading(
                "a file",
                "422 foreign-namespace MessageHeader",
                package(
                    "<Subject>", '<i:include xmlns:i="http://www.w3.org/2001/XInclude" href="/etc/passwd"/><Subject>'
                ),
            ),
        ),
        defences=("edxml-foreign",),
    ),
    Row(
        "X34",
        "A stylesheet or another processing instruction",
        (
            raw("before the root", "400 xml-pi", b'<?xml-stylesheet href="x"?><a/>'),
            raw("after the root", "400 xml-pi", b"<a/><?p?>"),
            raw("between elements", "400 xml-pi", b"<a><?p?><b/></a>"),
        ),
        defences=("xml-instructions",),
    ),
    Row(
        "X35",
        "xsi:type, xsi:schemaLocation with an address",
        (
            looked_up("schemaLocation", f'xsi:schemaLocation="{NS} http://127.0.0.1:PORT/x.xsd"'),
            looked_up("noNamespaceSchemaLocation", 'xsi:noNamespaceSchemaLocation="http://127.0.0.1:PORT/x.xsd"'),
            looked_up("type", 'xsi:type="x"'),
        ),
        defences=("xml-schema-location",),
        note="passed over and never fetched: the field writes them",
    ),
    Row(
        "X36",
        "xml:base, an xml:id twice",
        (
            raw("xml:base", "422 xml-base", b'<a><b xml:base="http://a/"/></a>'),
            raw("xml:id twice", "422 xml-id", b'<a xml:id="x"><b xml:id="x"/></a>'),
        ),
        same=("D10",),
        defences=("xml-base",),
    ),
    Row(
        "X37",
        "What must be there once is missing or there twice",
        (
            reading(
                "two From",
                "422 repeated MessageHeader/From",
                package("<DocumentId>", "<From><OrganId>H1</OrganId></From><DocumentId>"),
            ),
            reading(
                "two DocumentId",
                "422 repeated MessageHeader/DocumentId",
                package("<Subject>", "<DocumentId>1</DocumentId><Subject>"),
            ),
            reading(
                "an empty second DocumentId",
                "422 repeated MessageHeader/DocumentId",
                package("<Subject>", "<DocumentId/><Subject>"),
            ),
            reading(
                "two message headers",
                "422 repeated MessageHeader",
                package("<TraceHeaderList>", "<MessageHeader/><TraceHeaderList>"),
            ),
            reading(
                "both spellings of Business",
                "422 repeated TraceHeaderList/Bussiness",
                package("<Bussiness>", "<Business><Paper>1</Paper></Business><Bussiness>"),
            ),
            reading(
                "no To",
                "422 missing MessageHeader/To",
                package("<To><OrganId>000.20.31.H99</OrganId></To>", ""),
            ),
            reading(
                "no From",
                "422 missing MessageHeader/From",
                package("<From><OrganId>000.00.01.H99</OrganId></From>", ""),
            ),
            reading("no subject", "422 missing MessageHeader/Subject", package("<Subject>V/v</Subject>", "")),
        ),
        defences=("edxml-once", "edxml-missing"),
    ),
    Row(
        "X38",
        "An element too many: status, time of receipt, route",
        tuple(
            tolerated(name, "unknown-element", before_subject(f"<edXML:{name}>1</edXML:{name}>"), like=plain)
            for name in ("status", "receivedTime", "route")
        ),
        defences=("edxml-unknown",),
        note="noted and not read, because the field writes more than the standard has; one of another namespace is "
        "refused (X28)",
    ),
    Row(
        "X39",
        "An agency code that only looks like one",
        (
            *(
                reading(name, "422 agency-code MessageHeader/To/OrganId", package("000.20.31.H99", value))
                for name, value in {
                    "inner space": "000.20 .31.H99",
                    "full-width digits": "000.２０.31.H99",
                    "no-break space": "\u00a0000.20.31.H99",
                    "trailing dot": "000.20.31.H99.",
                    "36 characters": "1" * 36,
                    "a soft hyphen": "000.20\u00ad.31.H99",
                }.items()
            ),
            tolerated(
                "XML white space around it", "white-space", package("000.20.31.H99", "\n 000.20.31.H99\t"), like=plain
            ),
        ),
        defences=("edxml-code",),
        note="XML white space around a code is layout and noted; leading zeros belong to real codes, and a code that "
        "is not registered is refused as `unknown-agency`",
    ),
    Row(
        "X40",
        "Numbers and dates that are none",
        (
            *(
                tolerated(name, note, before_subject(xml), like=plain)
                for name, note, xml in (
                    ("1e9999", "number", "<edXML:SteeringType>1e9999</edXML:SteeringType>"),
                    ("negative", "number", "<edXML:SteeringType>-1</edXML:SteeringType>"),
                    ("31 February", "date", "<edXML:DueDate>2025/02/31</edXML:DueDate>"),
                    ("year 0", "date", "<edXML:DueDate>0000/01/01</edXML:DueDate>"),
                    ("year 99999", "date", "<edXML:DueDate>99999/01/01</edXML:DueDate>"),
                )
            ),
            reading(
                "an unknown kind",
                "422 kind TraceHeaderList/Bussiness/BussinessDocType",
                package("<BussinessDocType>0", "<BussinessDocType>7"),
            ),
        ),
        tests=(f"{EDXML}::test_what_cannot_be_trusted_to_mean_one_thing_is_refused[no id and no date]",),
        defences=("edxml-number", "edxml-kind"),
        note="read as absent and noted: an official sample has 30 February. A kind that nobody knows, and a date "
        "without which there is no id, are refused. A time without zone is Vietnam's",
    ),
    Row(
        "X41",
        "A value made for a slow pattern",
        (
            quick("alternating", "a." * 12 + "!"),
            quick("one group", "a" * 27 + "!"),
            quick("endless", "a" * 100_000 + "!"),
        ),
        tests=("tests/unit/schemas/test_validate.py::test_no_value_makes_a_pattern_run_long[a!]",),
        defences=("edxml-pattern",),
    ),
    Row(
        "X42",
        "Compressed XML",
        (raw("gzip", ENCODING, b"\x1f\x8b\x08\x00" + bytes(20)),),
        tests=(f"{FLOW}[gzip]", f"{FLOW}[an encoding that nobody knows]"),
        defences=("gate-gzip",),
    ),
)
