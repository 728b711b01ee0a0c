"""Attachments go back into their envelope: the same document, the same digest, the same good signature."""

from __future__ import annotations

import hashlib
import random

import pytest

from adapters.national.joined import join
from axis.core.model import AttachmentRecord
from axis.core.payload import Made
from axis.flow.package import open_package
from axis.flow.saved import part_in_hand
from schemas.attachment import decode, encoded_attachments
from schemas.limits import XmlLimits
from schemas.xml import parse_xml
from tests.parts import split
from tests.pki import pki
from tests.unit.evidence.world import Desk, package


class Pieces(Made):
    """Octets that come in pieces of any length."""

    async def chunks(self):  # type: ignore[no-untyped-def]
        chance, at = random.Random(len(self.octets)), 0
        while at < len(self.octets):
            size = chance.randint(1, 7)
            yield self.octets[at : at + size]
            at += size


async def test_a_joined_package_is_the_package_that_was_split() -> None:
    whole = package(pki().good)
    envelope, attached = split(whole)
    parts = [part_in_hand(one.id, one.octets) for one in attached]
    opened = open_package(envelope, XmlLimits(), None, parts)
    joined = join(envelope, opened.records, [Pieces(one.octets) for one in attached])
    octets = b"".join([piece async for piece in joined.chunks()])
    assert (joined.size, await joined.digest()) == (len(octets), hashlib.sha256(octets).digest())
    again = open_package(octets, XmlLimits(), None)
    assert (again.records, again.digest) == (opened.records, opened.digest)
    assert opened.digest == open_package(whole, XmlLimits(), None).digest
    desk = Desk(pki().trust, pki().good)
    assert (await desk.judged(octets)).verdict.passed


@pytest.mark.parametrize("root", ["edXML", "edXMLEnvelope"])
async def test_any_number_of_octets_goes_back(root: str) -> None:
    envelope = f"<!-- a --><{root}/><!-- </{root}> -->".encode()
    contents = [bytes(range(size)) for size in range(8)]
    records = [AttachmentRecord(f"tep-{n}", f"tệp {n} & <b>", None, n, "") for n in range(8)]
    joined = join(envelope, records, [Pieces(one) for one in contents])
    octets = b"".join([piece async for piece in joined.chunks()])
    found = encoded_attachments(parse_xml(octets, XmlLimits()))
    assert [decode(one) for one in found] == contents
    assert [(one.content_id, one.name) for one in found] == [(one.content_id, one.name) for one in records]
    assert joined.size == len(octets)
