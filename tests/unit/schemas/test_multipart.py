"""Bodies of parts: read in one form only, whatever pieces they come in, and written so that anybody can read them."""

from __future__ import annotations

import email
import email.policy
import hashlib
import random

import aiohttp
import pytest

from schemas.errors import SchemaError
from schemas.multipart import (
    MOST_HEAD,
    MOST_HEADERS,
    MOST_PARTS,
    Event,
    PartEnd,
    PartHead,
    PartsReader,
    boundary_of,
    boundary_within,
    content_type_with,
    read_related,
    wire_id,
    write_end,
    write_head,
)
from tests.parts import Raw, body, part, taken_apart

XML = "Content-Type: application/xml"
ENVELOPE = part(b"<edXML/>", XML)
END = b"--ranh-gioi--\r\n"


def events(octets: bytes, *cuts: int) -> list[Event]:
    """What a reader says of a body that comes in these pieces; octets that belong together are joined."""
    reader = PartsReader("ranh-gioi")
    found: list[Event] = []
    for start, end in zip((0, *cuts), (*cuts, len(octets)), strict=True):
        for event in reader.feed(octets[start:end]):
            if isinstance(event, bytes) and found and isinstance(found[-1], bytes):
                found[-1] += event
            else:
                found.append(event)
    reader.close()
    return found


def code(octets: bytes) -> str:
    with pytest.raises(SchemaError) as error:
        events(octets)
    assert error.value.malformed
    return error.value.violations[0].code


TWO = body(b"<edXML/>", [Raw("tep-1", b"\r\n--ranh\r\n-- \r\r\n"), Raw("tep-2", b"")])
SAID = [
    PartHead(None, "application/xml"),
    b"<edXML/>",
    PartEnd(),
    PartHead("tep-1", "application/octet-stream"),
    b"\r\n--ranh\r\n-- \r\r\n",
    PartEnd(),
    PartHead("tep-2", "application/octet-stream"),
    PartEnd(),
]


def test_a_body_is_read_part_by_part() -> None:
    assert events(TWO) == SAID


def test_however_a_body_is_cut_it_is_the_same_body() -> None:
    for cut in range(1, len(TWO)):
        assert events(TWO, cut) == SAID
    assert events(TWO, *range(1, len(TWO))) == SAID
    chance = random.Random(27)
    for _ in range(100):
        assert events(TWO, *sorted(chance.sample(range(1, len(TWO)), 5))) == SAID


def test_a_reader_holds_no_more_than_one_piece() -> None:
    reader = PartsReader("ranh-gioi")
    list(reader.feed(part(b"", XML)[:-2]))
    for _ in range(100):
        (octets,) = reader.feed(b"x" * 1000)
        assert len(octets) <= 1000 + 20
        assert len(reader._buffer) < 20


def test_what_only_looks_like_a_boundary_is_let_pass() -> None:
    for octets in (b"--ranh-gio", b"-", b"\n", b"\r\n--ranh-gio", b"a--ranh-gioi\r\n", b"\r--ranh-gio\r"):
        whole = part(octets, XML) + END
        for cut in range(1, len(whole)):
            assert events(whole, cut) == [PartHead(None, "application/xml"), octets, PartEnd()]


class _Written:
    def __init__(self) -> None:
        self.octets = b""

    async def write(self, octets: bytes) -> None:
        self.octets += octets


async def test_what_other_people_write_we_read() -> None:
    """The HTTP library's writer of multipart is not ours."""
    with aiohttp.MultipartWriter("related") as writer:
        writer.append(b"<edXML/>", {"Content-Type": "application/xml"})  # type: ignore[arg-type]
        writer.append(b"\r\n--\0", {"Content-Type": "image/png", "Content-ID": "<tep-1>"})  # type: ignore[arg-type]
        written = _Written()
        await writer.write(written)
    found = taken_apart(written.octets, str(writer.headers["Content-Type"]))
    assert [(head.content_id, head.content_type, octets) for head, octets in found] == [
        (None, "application/xml", b"<edXML/>"),
        ("tep-1", "image/png", b"\r\n--\0"),
    ]


def test_what_we_take_other_people_take_for_the_same() -> None:
    """Random bodies of what matters to a reader: where we accept one, the standard library finds the same parts."""
    chance, accepted = random.Random(270), 0
    bricks = [
        b"--ranh-gioi",
        b"--",
        b"\r\n",
        b"\n",
        b"-",
        b" ",
        b"a",
        b"Content-Type: text/xml\r\n",
        b"\r\n\r\n",
        b"X: 1\r\n",
    ]
    opening = b"--ranh-gioi\r\nContent-Type: text/xml\r\n\r\n"
    for _ in range(4_000):
        middle = b"".join(chance.choices(bricks, k=chance.randint(0, 8)))
        octets = opening + middle + b"\r\n" + chance.choice((END, END, opening + b"x\r\n" + END))
        try:
            ours = [event if isinstance(event, bytes) else b"" for event in events(octets) if event != PartEnd()]
        except SchemaError:
            continue
        accepted += 1
        message = email.message_from_bytes(b'Content-Type: multipart/related; boundary="ranh-gioi"\r\n\r\n' + octets)
        theirs = [one.get_payload(decode=True) for one in message.get_payload()]  # type: ignore[union-attr]
        assert b"".join(ours) == b"".join(theirs), octets  # type: ignore[arg-type]
        assert sum(not one for one in ours) == len(theirs), octets
    assert accepted > 400


REFUSED = {
    "nothing": (b"", "part-end"),
    "a preamble": (b"xin chao\r\n" + ENVELOPE + END, "part-preamble"),
    "an empty line first": (b"\r\n" + ENVELOPE + END, "part-preamble"),
    "another boundary": (b"--ranh-gio\r\n" + END, "part-preamble"),
    "no parts": (END, "part-count"),
    "too many parts": (part(b"", XML) * (MOST_PARTS + 1) + END, "part-count"),
    "no final boundary": (ENVELOPE, "part-end"),
    "half a final boundary": (ENVELOPE + END[:-3], "part-end"),
    "an end inside a part": (ENVELOPE[:-4], "part-end"),
    "an end inside headers": (ENVELOPE + b"--ranh-gioi\r\nContent-", "part-end"),
    "an epilogue": (ENVELOPE + END + b"x", "part-epilogue"),
    "an epilogue at once": (ENVELOPE + END[:-2] + b"x", "part-epilogue"),
    "a long epilogue": (ENVELOPE + END + b"\r\n\r\n", "part-epilogue"),
    "a boundary that goes on": (ENVELOPE[:-2] + b"\r\n--ranh-gioi-2\r\n" + END, "part-boundary"),
    "a boundary behind a line feed": (part(b"a\n--ranh-gioi\r\n", XML) + END, "part-boundary"),
    "a boundary behind two line feeds": (part(b"\n\n--ranh-gioi--", XML) + END, "part-boundary"),
    "a boundary at the beginning": (part(b"--ranh-gioi--\r\n", XML) + END, "part-boundary"),
    "a boundary for an empty part": (b"--ranh-gioi\r\nContent-Type: text/xml\r\n\r\n" + END, "part-boundary"),
    "white space behind a boundary": (ENVELOPE + b"--ranh-gioi \r\n" + END, "part-boundary"),
    "line feeds alone": (ENVELOPE.replace(b"\r\n", b"\n") + END, "part-boundary"),
    "no headers": (b"--ranh-gioi\r\n\r\n<edXML/>\r\n" + END, "part-header"),
    "a header without a colon": (part(b"", XML, "Content-ID") + END, "part-header"),
    "a header over two lines": (part(b"", XML, "Content-ID:\r\n <a>") + END, "part-header"),
    "a bare carriage return": (part(b"", XML, "X-A: a\rb") + END, "part-header"),
    "a bare line feed": (part(b"", XML, "X-A: a\nContent-ID: <a>") + END, "part-header"),
    "a zero octet": (part(b"", XML, "X-A: a\0b") + END, "part-header"),
    "a name with a space": (part(b"", "Content-Type : application/xml") + END, "part-header"),
    "a header twice": (part(b"", XML, "content-type: text/xml") + END, "part-header"),
    "many headers": (part(b"", XML, *(f"X-{n}: 1" for n in range(MOST_HEADERS))) + END, "part-headers"),
    "long headers": (part(b"", XML, "X-A: " + "a" * MOST_HEAD) + END, "part-headers"),
    "headers without an end": (b"--ranh-gioi\r\n" + b"X: 1\r\n" * 10_000, "part-headers"),
    "parts of parts": (part(b"", 'Content-Type: Multipart/mixed; boundary="a"') + END, "part-type"),
    "base64": (part(b"", XML, "Content-Transfer-Encoding: base64") + END, "part-encoding"),
    "quoted-printable": (part(b"", XML, "Content-Transfer-Encoding: quoted-printable") + END, "part-encoding"),
    "an unknown encoding": (part(b"", XML, "Content-Transfer-Encoding: x-binary") + END, "part-encoding"),
    "gzip": (part(b"", XML, "Content-Encoding: gzip") + END, "part-encoding"),
    "an id without brackets": (part(b"", XML, "Content-ID: a") + END, "part-id"),
    "an empty id": (part(b"", XML, "Content-ID: <>") + END, "part-id"),
    "an id with a space": (part(b"", XML, "Content-ID: <a b>") + END, "part-id"),
    "an id in other letters": (part(b"", XML, "Content-ID: <tệp>") + END, "part-id"),
    "a length that is none": (part(b"", XML, "Content-Length: +1") + END, "part-length"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_body_that_others_could_read_otherwise_is_refused(name: str) -> None:
    octets, expected = REFUSED[name]
    assert code(octets) == expected


def test_headers_without_a_meaning_here_are_let_pass() -> None:
    said = events(part(b"a", XML, "Content-Transfer-Encoding: BINARY", "Content-Disposition: x; name=tệp.pdf") + END)
    assert said[0] == PartHead(None, "application/xml")


def test_what_is_stated_of_a_part_is_held_to() -> None:
    stated = "sha-512=:AAAA:, sha-256=:LCa0a2j/xo/5m0U8HTBBNBNCLXBkg7+g+YpeiGJm564=:"
    head = events(part(b"foo", XML, "Content-Length: 3", f"Repr-Digest: {stated}") + END)[0]
    assert isinstance(head, PartHead)
    digest = hashlib.sha256(b"foo").hexdigest()
    head.check(3, digest)
    for size, found, expected in ((4, digest, "part-length"), (3, hashlib.sha256(b"").hexdigest(), "part-digest")):
        with pytest.raises(SchemaError) as error:
            head.check(size, found)
        assert error.value.violations[0].code == expected


TYPES = {
    'multipart/related; boundary="a b"': ("a b", None),
    "Multipart/Related;BOUNDARY=abc;type=text/xml": ("abc", None),
    'multipart/related ; type="application/xml" ; boundary=a=b; start="<goc@axis>"; charset=utf-8': ("a=b", "goc@axis"),
}


@pytest.mark.parametrize("text", TYPES)
def test_a_content_type_is_read(text: str) -> None:
    found = read_related(text)
    assert (found.boundary, found.start) == TYPES[text]


@pytest.mark.parametrize(
    "text",
    [
        "multipart/related",
        "multipart/related; boundary=",
        'multipart/related; boundary="a "',
        f"multipart/related; boundary={'a' * 71}",
        "multipart/related; boundary=a; boundary=b",
        'multipart/related; boundary="a',
        "multipart/related; boundary=a, multipart/related; boundary=b",
        "multipart/related; boundary=a; type=text/plain",
        "multipart/related; boundary=a; start=goc",
        'multipart/related; boundary="a\\"b"',
        "multipart/mixed; boundary=a",
    ],
)
def test_a_content_type_that_is_not_ours_is_refused(text: str) -> None:
    with pytest.raises(SchemaError) as error:
        read_related(text)
    assert error.value.violations[0].code == "part-type"


def written(envelope: bytes, attached: list[Raw]) -> tuple[bytes, str]:
    def digest(octets: bytes) -> str:
        return hashlib.sha256(octets).hexdigest()

    boundary = boundary_of(digest(envelope), digest(b"package"))
    heads = [write_head(boundary, None, "application/xml", len(envelope), digest(envelope)) + envelope]
    for one in attached:
        heads.append(write_head(boundary, one.id, "image/png", len(one.octets), digest(one.octets)) + one.octets)
    return b"".join(heads) + write_end(boundary), content_type_with(boundary)


ATTACHED = [Raw("tep-1", b"\r\n--axis-\r\n"), Raw("tệp số 2", bytes(range(256))), Raw("", b"")]


def test_what_we_write_we_read() -> None:
    octets, content_type = written(b"<edXML/>", ATTACHED[:2])
    found = taken_apart(octets, content_type)
    assert [(head.content_id, head.content_type, part) for head, part in found] == [
        (None, "application/xml", b"<edXML/>"),
        ("tep-1", "image/png", ATTACHED[0].octets),
        ("t%E1%BB%87p%20s%E1%BB%91%202", "image/png", ATTACHED[1].octets),
    ]
    for head, part_octets in found:
        assert (head.length, head.sha256) == (len(part_octets), {hashlib.sha256(part_octets).hexdigest()})
    assert boundary_within(octets) == read_related(content_type).boundary
    assert boundary_within(b"<edXML/>\r\n") is None
    assert boundary_within(b"--" + b"a" * 90) is None


def test_other_people_read_what_we_write() -> None:
    """The standard library's parser of mail is not ours."""
    octets, content_type = written(b"<edXML/>", ATTACHED[:2])
    text = b"MIME-Version: 1.0\r\nContent-Type: " + content_type.encode() + b"\r\n\r\n" + octets
    message = email.message_from_bytes(text, policy=email.policy.HTTP)
    assert message.defects == []
    first, second, third = message.iter_parts()
    assert first.get_content_type() == "application/xml"
    assert second["Content-ID"] == "<tep-1>"
    assert second.get_payload(decode=True) == ATTACHED[0].octets
    assert third.get_content_type() == "image/png"


@pytest.mark.parametrize("kind", [None, "", "multipart/mixed", "text/html\r\nX: 1", "không", "text"])
def test_a_type_that_no_header_may_have_becomes_octets(kind: str | None) -> None:
    assert b"Content-Type: application/octet-stream\r\n" in write_head("b", "a", kind, 0, "00" * 32)


@pytest.mark.parametrize(
    ("content_id", "wire"),
    [("tep-1", "tep-1"), ("a@b", "a@b"), ("100%", "100%"), ("a<b>", "a%3Cb%3E"), ("a\r\nb", "a%0D%0Ab")],
)
def test_an_id_fits_between_brackets(content_id: str, wire: str) -> None:
    assert wire_id(content_id) == wire
