"""lxml reads every package here. Expat, which shares nothing with it, must read the same of what is accepted (D32)."""

from __future__ import annotations

from collections.abc import Iterator
from xml.parsers import expat

import pytest
from lxml import etree

from schemas.envelope import Envelope
from tests.differential.mutate import mutant
from tests.differential.oracles import Answer, ours
from tests.differential.packages import NAMES, base

Field = tuple[str, tuple[tuple[str, str], ...], str]
"""The path of an element by names with their namespaces, its attributes, and the whole text directly inside it."""

NS = "{http://www.mic.gov.vn/TBT/QCVN_102_2016}"


def by_expat(octets: bytes) -> list[Field]:
    parser = expat.ParserCreate(namespace_separator="}")
    path: list[str] = []
    open_: list[tuple[int, list[str]]] = []
    found: list[tuple[str, tuple[tuple[str, str], ...], list[str]]] = []

    def named(name: str) -> str:
        return "{" + name if "}" in name else name

    def start(name: str, attributes: dict[str, str]) -> None:
        path.append(named(name))
        pieces: list[str] = []
        found.append(("/".join(path), tuple(sorted((named(key), text) for key, text in attributes.items())), pieces))
        open_.append((len(found) - 1, pieces))

    def end(name: str) -> None:
        path.pop()
        open_.pop()

    def text(data: str) -> None:
        if open_:
            open_[-1][1].append(data)

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.Parse(octets, True)
    return [(where, attributes, "".join(pieces)) for where, attributes, pieces in found]


def by_lxml(octets: bytes) -> list[Field]:
    root = etree.fromstring(octets, etree.XMLParser(resolve_entities=False, no_network=True))
    return list(_fields(root, ""))


def _fields(element: etree._Element, above: str) -> Iterator[Field]:
    where = f"{above}/{element.tag}" if above else str(element.tag)
    text = (element.text or "") + "".join(child.tail or "" for child in element)
    yield where, tuple(sorted((str(key), str(value)) for key, value in element.attrib.items())), text
    for child in element:
        if isinstance(child.tag, str):
            yield from _fields(child, where)


def said(message: Envelope) -> tuple[str, list[str], str | None, str]:
    return (
        message.sender.code.text,
        [to.code.text for to in message.recipients],
        message.document_id,
        message.subject,
    )


def said_to_expat(octets: bytes) -> tuple[str, list[str], str | None, str]:
    """What decides where a document goes, read with the other parser from the packages as they came."""
    texts: dict[str, list[str]] = {}
    for where, _, text in by_expat(octets):
        local = "/".join(step.rpartition("}")[2] for step in where.split("/{"))
        if "/MessageHeader/" in f"/{local}/":
            texts.setdefault(local.partition("MessageHeader/")[2], []).append(text.strip())
    identifier = texts.get("DocumentId", [""])[0] or None
    return texts["From/OrganId"][0], texts["To/OrganId"], identifier, texts["Subject"][0]


def accepted(first: int, last: int) -> Iterator[tuple[int, bytes, Answer]]:
    for seed in range(first, last):
        made = mutant(seed)
        answer = ours(made.octets)
        if answer.accepted:
            yield seed, made.octets, answer


def agree(seed: int, octets: bytes, answer: Answer) -> None:
    assert by_lxml(octets) == by_expat(octets), f"seed {seed}"
    for part in answer.octets:
        assert by_lxml(part) == by_expat(part), f"seed {seed}"
    assert answer.message is not None
    assert said(answer.message) == said_to_expat(octets), f"seed {seed}"


def test_lxml_and_expat_read_the_same_fields_of_what_is_accepted() -> None:
    for name in NAMES:
        agree(-1, base(name).octets, ours(base(name).octets))
    count = 0
    for seed, octets, answer in accepted(20_000, 20_500):
        agree(seed, octets, answer)
        count += 1
    assert count > 50


@pytest.mark.faults
def test_they_read_the_same_of_thousands() -> None:
    count = 0
    for seed, octets, answer in accepted(30_000, 36_000):
        agree(seed, octets, answer)
        count += 1
    assert count > 600


def test_two_parsers_that_differ_are_found_out() -> None:
    octets = base("parts-p256").octets
    answer = ours(octets)
    assert answer.message is not None
    with pytest.raises(AssertionError):
        agree(0, octets.replace(b"000.20.31.H99", b"000.20.31.H98"), answer)
