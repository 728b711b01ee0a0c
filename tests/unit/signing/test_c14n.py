"""Canonical XML: right where lxml alone is wrong, and never an empty string where it failed."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from signing.algorithm import C14N, EXC_C14N
from signing.c14n import C14nFailed, Splices, canonical, canonical_without, digest_canonical, reparse
from tests.tools import need
from tests.unit.signing.forge import parse

TRAP = '<S xmlns="urn:d" xml:lang="vi"><I><R><D A="1"/></R></I></S>'


def test_inclusive_of_a_sub_element_has_no_spurious_namespace_and_keeps_the_language() -> None:
    inner = parse(TRAP)[0]
    assert canonical(inner, C14N) == b'<I xmlns="urn:d" xml:lang="vi"><R><D A="1"></D></R></I>'
    assert b'xmlns=""' in etree.tostring(inner, method="c14n"), "lxml was repaired: `_apex` may go"
    assert canonical(inner, EXC_C14N) == b'<I xmlns="urn:d"><R><D A="1"></D></R></I>'


def test_the_nearest_ancestor_gives_the_xml_attributes() -> None:
    inner = parse('<a xml:lang="vi" xml:space="preserve"><b xml:lang="en"><c xml:space="default"/></b></a>')[0][0]
    assert canonical(inner, C14N) == b'<c xml:lang="en" xml:space="default"></c>'


def test_an_undeclared_default_namespace_stays_undeclared() -> None:
    inner = parse('<a xmlns="urn:u" xmlns:p="urn:p"><b xmlns=""><c><d/></c></b></a>')[0][0]
    assert canonical(inner, C14N) == b'<c xmlns:p="urn:p"><d></d></c>'


def test_a_prefix_list_brings_namespaces_that_only_ancestors_declare() -> None:
    inner = parse('<a xmlns="urn:u" xmlns:p="urn:p" xmlns:q="urn:q"><p:b t="q:x"/></a>')[0]
    assert canonical(inner, EXC_C14N) == b'<p:b xmlns:p="urn:p" t="q:x"></p:b>'
    assert canonical(inner, EXC_C14N, ["q"]) == b'<p:b xmlns:p="urn:p" xmlns:q="urn:q" t="q:x"></p:b>'
    for call in (
        lambda: canonical(inner, EXC_C14N, ["#default"]),
        lambda: canonical_without(inner, EXC_C14N, ["#default"]),
    ):
        with pytest.raises(C14nFailed):
            call()


@pytest.mark.parametrize("before", ["", "text", "<!-- c -->", "<x/>", "<x/>tail", "<?p i?>"])
@pytest.mark.parametrize("after", ["", " ", "tail", "<y/>", "tail<y/>"])
def test_taking_the_signature_out_keeps_what_stands_around_it(before: str, after: str) -> None:
    with_it = parse(f'<r xmlns="urn:r"><h>{before}<s xmlns="urn:s"><t/></s>{after}</h></r>')
    without = parse(f'<r xmlns="urn:r"><h>{before}{after}</h></r>')
    raw = etree.tostring(with_it)
    signature = with_it.find(".//{urn:s}s")
    assert signature is not None
    for method in (EXC_C14N, C14N):
        assert canonical_without(signature, method) == canonical(without, method)
    assert etree.tostring(with_it) == raw


def test_instructions_beside_the_root_belong_to_the_document_and_not_to_the_root() -> None:
    root = parse("<?a b?><r><s/></r><?c d?>")
    assert canonical_without(root[0]) == b"<?a b?>\n<r></r>\n<?c d?>"
    assert canonical(root) == b"<r><s></s></r>"


def test_failure_is_an_error_and_never_empty() -> None:
    root = parse("<r xmlns:x='relative'><a xmlns='relative'/></r>")
    for call in (lambda: canonical(root[0]), lambda: canonical(root[0], C14N), lambda: canonical_without(root[0])):
        with pytest.raises(C14nFailed):
            call()
    with pytest.raises(C14nFailed):
        canonical(parse("<r/>"), "http://www.w3.org/2006/12/xml-c14n11")
    with pytest.raises(C14nFailed):
        canonical(parse("<r/>"), C14N, ["p"])
    with pytest.raises(C14nFailed):
        canonical_without(parse("<r/>"))
    with pytest.raises(C14nFailed):
        reparse(b"<a>")


@given(st.lists(st.binary(max_size=20)), st.sampled_from(["sha256", "sha384", "sha512"]))
def test_pieces_have_the_digest_of_their_sum(pieces: list[bytes], name: str) -> None:
    whole = b"".join(pieces)
    assert digest_canonical(pieces, name) == (hashlib.new(name, whole).digest(), len(whole))


class InPieces:
    """Text that is told octet by octet."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets

    def __len__(self) -> int:
        return len(self.octets)

    def pieces(self) -> Iterator[bytes]:
        yield from (b"%c" % octet for octet in self.octets)


def test_splices_stand_where_their_placeholders_stand() -> None:
    splices = Splices({"@1": InPieces(b"one"), "@10": InPieces(b"ten"), "@2": InPieces(b"two")})
    for octets, spliced in (
        (b"<a>@10</a><b>@1</b>", b"<a>ten</a><b>one</b>"),
        (b"<a>@2</a>", b"<a>two</a>"),
        (b"<a>none</a>", b"<a>none</a>"),
    ):
        told = hashlib.sha256(spliced).digest(), len(spliced)
        assert digest_canonical(splices.pieces(octets), "sha256") == told
    assert Splices({}).pieces(b"x") == [b"x"]
    with pytest.raises(C14nFailed, match="twice"):
        splices.pieces(b"@1 @1")
    with pytest.raises(C14nFailed, match="missing"):
        splices.pieces(b"@1 @10", whole=True)
    with pytest.raises(C14nFailed, match="missing"):
        splices.pieces(b"none", whole=True)


@pytest.mark.parametrize(("method", "flag"), [(C14N, "--c14n"), (EXC_C14N, "--exc-c14n")])
def test_whole_documents_agree_with_xmllint(method: str, flag: str, tmp_path: Path) -> None:
    text = (
        '<a xmlns="urn:a" xmlns:p="urn:p" z="1" b="&#10;&quot;"><p:b xmlns:p="urn:q"/><![CDATA[<&>]]>é\r\n'
        "<c xmlns=''>&#13;</c></a>"
    )
    path = tmp_path / "in.xml"
    path.write_bytes(text.encode())
    done = subprocess.run([need("xmllint"), flag, str(path)], capture_output=True, check=True)
    assert canonical(parse(text), method) == done.stdout.rstrip(b"\n")
