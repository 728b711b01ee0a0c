"""Packages that cost as much as may be before anybody knows whose they are: each is as large as the limits let it be in
one respect, and changed after it was signed, so that it goes all the way and ends there."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from axis.flow.package import inspect_package, open_parsed
from axis.flow.usual import usual_of
from schemas.errors import SchemaError
from schemas.limits import FieldLimits, XmlLimits
from schemas.xml import gated, parse_gated
from signing.policy import OWN_NETWORK
from tests.flow.test_usual import package
from tests.pki import NOW

LIMITS = XmlLimits()
MILLION = 1_000_000
SUBJECT, BEFORE_SUBJECT = "Về việc".encode(), b"<edXML:Subject>"


def text(octets: bytes, times: int) -> bytes:
    return package().replace(SUBJECT, octets * times, 1)


def elements(octets: bytes, times: int) -> bytes:
    return package().replace(BEFORE_SUBJECT, octets * times + BEFORE_SUBJECT, 1)


def attributes(*values: bytes) -> bytes:
    told = b"".join(b' a%d="%b"' % one for one in enumerate(values))
    return package().replace(BEFORE_SUBJECT, b"<edXML:Subject%b>" % told, 1)


def recipients(count: int) -> bytes:
    one = (
        "<edXML:To><edXML:OrganId>000.%02d.%03d.H99</edXML:OrganId><edXML:OrganName>Ủy ban</edXML:OrganName></edXML:To>"
    )
    told = "".join(one % (number // 900, number % 900 + 10) for number in range(count))
    return package().replace(b"<edXML:DocumentId>", told.encode() + b"<edXML:DocumentId>", 1)


COSTLY: dict[str, Callable[[], bytes]] = {
    "a long text": partial(text, b"x", 3 * MILLION),
    "a long text beyond ASCII": partial(text, "ệ".encode(), 3 * MILLION // 3),
    "lines": partial(text, b"\n", 3 * MILLION),
    "line ends of two octets": partial(text, b"\r\n", 1_500_000),
    "references": partial(text, b"&amp;", 49_000),
    "references by number": partial(text, b"&#65;", 49_000),
    "CDATA": partial(text, b"<![CDATA[" + b"x" * 3 * MILLION + b"]]>", 1),
    "a long attribute": partial(attributes, b"x" * 3 * MILLION),
    "two of them": partial(attributes, b"x" * 1_500_000, b"y" * 1_500_000),
    "a long comment": partial(elements, b"<!--" + b"x" * 3 * MILLION + b"-->", 1),
    "elements": partial(elements, b"<edXML:A>1</edXML:A>", 12_000),
    "elements with text": partial(elements, b"<edXML:A>" + b"x" * 210 + b"</edXML:A>", 12_000),
    "empty elements": partial(elements, b"<a/>", 12_000),
    "recipients": partial(recipients, 4_000),
}


def taken(raw: bytes) -> tuple[str, float]:
    """How it ends, and the seconds of processor time."""
    begun = time.process_time()
    try:
        skeleton = gated(raw, LIMITS)
        usual = usual_of(skeleton, LIMITS)
        inspection = None if usual is None else usual.inspect(OWN_NETWORK, NOW)
        if inspection is None:
            opened = open_parsed(parse_gated(skeleton, LIMITS), FieldLimits())
            inspection = inspect_package(opened, OWN_NETWORK, NOW)
        said = "good" if inspection.verdict is None else str(inspection.verdict.reason)
    except SchemaError as error:
        said = error.violations[0].code
    return said, time.process_time() - begun
