"""Our own schema: it takes what we write and the official samples, and says where others depart from it."""

import time
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files

import pytest
from lxml import etree

from schemas.edxml import signatures
from schemas.limits import XmlLimits
from schemas.validate import validate
from schemas.xml import parse_xml
from tests.samples import DOCUMENT, STATUS, sample, sample_package, sample_status
from tests.tools import need


def root_of(raw: bytes) -> etree._Element:
    return parse_xml(raw, XmlLimits()).root


def faults(raw: bytes) -> list[str]:
    return [violation.path for violation in validate(root_of(raw))]


def test_the_official_status_validates() -> None:
    assert faults(sample(STATUS)) == []


def test_the_official_document_validates_without_its_signature() -> None:
    """The library writes its Signature in the package's own namespace; ours stands in the one of xmldsig."""
    root = root_of(sample(DOCUMENT))
    assert [v.path for v in validate(root)] == ["Signature"]
    (signature,) = signatures(root)
    parent = signature.getparent()
    assert parent is not None
    parent.remove(signature)
    assert validate(root) == ()


DEPARTURES = [
    (b"<edXML:CodeNumber>12</edXML:CodeNumber>", b"", "MessageHeader/Code/CodeNotation"),
    (b"<edXML:Subject>", b"<edXML:DueDate>2025/01/01</edXML:DueDate><edXML:Subject>", "MessageHeader/DueDate"),
    (b"2025/01/15</edXML:Prom", b"2025-01-15</edXML:Prom", "MessageHeader/PromulgationInfo/PromulgationDate"),
    (b">000.20.31.H99<", b">000.20.31.H99.<", "MessageHeader/To/OrganId"),
    (b">000.20.31.H99<", b">" + b"1" * 36 + b"<", "MessageHeader/To/OrganId"),
    (b"<edXML:BussinessDocType>0", b"<edXML:BussinessDocType>4", "TraceHeaderList/Bussiness/BussinessDocType"),
    (b"<edXML:To>", b'<edXML:To status="done">', "MessageHeader/To"),
    (b"<edXML:Subject>", b"<edXML:receivedTime/><edXML:Subject>", "MessageHeader/receivedTime"),
    (b"<ContentId>cid:a1</ContentId>", b"", "AttachmentEncoded/Attachment/AttachmentName"),
    (b"<edXML:To>", b'<edXML:To xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:type="x">', "MessageHeader/To"),
]


@pytest.mark.parametrize(("old", "new", "path"), DEPARTURES)
def test_a_departure_is_named_by_its_place(old: bytes, new: bytes, path: str) -> None:
    raw = sample_package()
    assert raw.count(old) == 1
    assert path in faults(raw.replace(old, new))


def test_a_second_attachment_is_named_too() -> None:
    raw = sample_package().replace(b"</Attachment>", b"</Attachment><Attachment><x/></Attachment>")
    assert faults(raw) == ["AttachmentEncoded/Attachment/x"]


def test_another_root_and_a_mixture_of_document_and_status_are_refused() -> None:
    assert faults(b"<a/>") == ["a"]
    assert faults(
        sample_status().replace(b"<edXML:ResponseFor>", b"<edXML:Subject>x</edXML:Subject><edXML:ResponseFor>")
    )


def test_values_are_never_quoted() -> None:
    secret = b"<edXML:BussinessDocType>secret"
    (violation,) = validate(root_of(sample_package().replace(b"<edXML:BussinessDocType>0", secret)))
    assert "secret" not in str(violation)


@pytest.mark.parametrize(
    "value", [b"1." * 50_000, b"a" * 50_000 + b"!", b"a.a" * 20_000 + b"."], ids=["1.", "a!", "a.a."]
)
def test_no_value_makes_a_pattern_run_long(value: bytes) -> None:
    """X41: every pattern of the schema gets the value."""
    places = (b">000.20.31.H99<", b">2025/01/15<", b">0</edXML:BussinessDocType", b">0</edXML:Paper")
    raw = sample_package()
    for place in places:
        assert place in raw
        raw = raw.replace(place, b">" + value + place[place.index(b"<") :])
    root = root_of(raw)
    start = time.process_time()
    assert len(validate(root)) >= len(places)
    assert time.process_time() - start < 0.1


def test_threads_do_not_mix_up_their_faults() -> None:
    good, bad = sample_package(), sample_package().replace(b"BussinessDocType>0", b"BussinessDocType>9")
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda k: faults(bad if k % 2 else good), range(200)))
    assert results == [[], ["TraceHeaderList/Bussiness/BussinessDocType"]] * 100


def test_another_validator_agrees(tmp_path: object) -> None:
    """xmllint reads the same XSD file."""
    import subprocess
    from pathlib import Path

    tool, folder = need("xmllint"), Path(str(tmp_path))
    schema = str(files("schemas").joinpath("xsd", "edxml-axis.xsd"))
    good, bad = folder / "good.edxml", folder / "bad.edxml"
    good.write_bytes(sample_package())
    bad.write_bytes(sample_package().replace(b"BussinessDocType>0", b"BussinessDocType>9"))
    run = [
        subprocess.run([tool, "--noout", "--schema", schema, str(p)], capture_output=True, check=False)
        for p in (good, bad)
    ]
    assert [r.returncode == 0 for r in run] == [True, False]
