"""Three verifiers: ours through its front door, `xmlsec1` and signxml."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lxml import etree
from signxml.verifier import SignatureConfiguration, XMLVerifier

from axis.flow.usual import octets_in
from schemas import edxml
from schemas.attachment import decode, encoded_attachments, matched
from schemas.envelope import Envelope
from schemas.errors import SchemaError
from schemas.layout import layout_of
from schemas.limits import XmlLimits
from schemas.xml import gated, parse_xml
from signing.policy import OWN_NETWORK
from signing.verify import InMemory, MustCover, inspect_laid, settle, verify
from tests.differential.mutate import Mutant
from tests.differential.packages import FOLDER, attachment, certificate, parse, trust
from tests.pki import NOW
from tests.tools import need

LIMITS = XmlLimits()
# The system's authorities have no say here, and to load them takes four times as long as to verify.
_NO_ROOTS = {**os.environ, "SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": os.devnull}
_IDS = ("MessageHeader", "Bussiness", "edXMLManifest")
_NS = "http://www.mic.gov.vn/TBT/QCVN_102_2016"


@dataclass(frozen=True)
class Answer:
    """`code` is our reason, or the class of an oracle's error; `told` what is said beside it."""

    accepted: bool
    code: str
    told: str = ""
    message: Envelope | None = None
    octets: tuple[bytes, ...] = ()


def ours(octets: bytes) -> Answer:
    """As the daemon judges: gate, parser, reader, judge, and the reader again on what was verified."""
    try:
        parsed = parse_xml(octets, LIMITS)
        reading = edxml.read_message(parsed.root).message
        if not isinstance(reading, Envelope):
            return Answer(False, "no document")
        carried = {
            info.content_id: InMemory(decode(one)) for info, one in matched(reading, encoded_attachments(parsed))
        }
        parts = edxml.signed_parts(parsed.root)
        elements = {"MessageHeader": parts.header, "Bussiness": parts.business, "edXMLManifest": parts.manifest}
        present = {name: element for name, element in elements.items() if element is not None}
        must_cover = MustCover(present, carried, parts.place, frozenset(carried))
        found = edxml.signatures(parsed.root)
        told = (parsed.root, found, must_cover, OWN_NETWORK, trust(), NOW, parsed.cuts)
        judgement, layout = verify(*told), layout_of(gated(octets, LIMITS), LIMITS)
        if layout is not None:
            inspection = inspect_laid(layout, octets_in(layout), True, OWN_NETWORK, NOW, layout.cuts)
            short = None if inspection is None else settle(inspection, trust())
            if short is not None and short != judgement:
                return Answer(short.verdict.passed, "shortcut", "the shortcut says something else than the long way")
        verdict = judgement.verdict
        last = verdict.checks[-1] if verdict.checks else None
        if not verdict.passed:
            return Answer(False, verdict.reason.value, last.observed if last else "")
        verified = judgement.verified
        assert verified is not None
        if verified.whole is not None:
            read = (verified.whole,)
            root = parse_xml(verified.whole, LIMITS).root
        else:
            read = tuple(verified.parts.values())
            part = {name: parse_xml(one, LIMITS).root for name, one in verified.parts.items()}
            root = edxml.assemble(part["MessageHeader"], part.get("Bussiness"), part.get("edXMLManifest"))
        message = edxml.read_message(root).message
        assert isinstance(message, Envelope)
        return Answer(True, "good", "", message, read)
    except SchemaError as error:
        first = error.violations[0]
        return Answer(False, first.code, f"{first.path} {first.detail}".strip())


def xmlsec1(mutant: Mutant, folder: Path) -> Answer | None:
    """`None` where it is not asked: it does not know RSASSA-PSS by its URI."""
    if mutant.base.is_pss:
        return None
    (folder / "m.xml").write_bytes(mutant.octets)
    (folder / "a1").write_bytes(_attachment(mutant))
    ids = [f"{_NS}:{name}" for name in _IDS] + ["http://uri.etsi.org/01903/v1.3.2#:SignedProperties"]
    command = [need("xmlsec1"), "--verify", "--trusted-pem", str(FOLDER / "root.pem")]
    command += ["--untrusted-pem", str(FOLDER / "ca.pem"), "--url-map:cid:a1", "a1"]
    command += [argument for name in ids for argument in ("--id-attr:Id", name)]
    done = subprocess.run([*command, "m.xml"], cwd=folder, env=_NO_ROOTS, capture_output=True, check=False)
    lines = done.stderr.decode(errors="replace").splitlines()
    return Answer(done.returncode == 0, "OK" if done.returncode == 0 else "refused", lines[-1] if lines else "")


def signxml(mutant: Mutant) -> Answer:
    """Pinned to the signer's certificate, any number of references, in a document that it parses itself."""
    octets = _attachment(mutant)

    def resolve(uri: str) -> bytes:
        if uri == "cid:a1":
            return octets
        raise ValueError(uri)

    try:
        XMLVerifier().verify(
            mutant.octets,
            x509_cert=certificate(mutant.base.leaf),
            uri_resolver=resolve,
            expect_config=SignatureConfiguration(expect_references=True, location=".//"),
        )
    except Exception as error:
        return Answer(False, type(error).__name__, str(error)[:200])
    return Answer(True, "OK")


def _attachment(mutant: Mutant) -> bytes:
    try:
        return attachment(parse(mutant.octets))
    except (etree.LxmlError, ValueError):
        return b""
