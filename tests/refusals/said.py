"""Hands bad input to the product and says what it answered. A crash is an answer too, and never the right one."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import datetime
from typing import Any

from lxml import etree

from axis.flow.package import inspect_package, open_package, read_verified
from schemas.attachment import decode, encoded_attachments, matched
from schemas.edxml import read_message
from schemas.envelope import Envelope
from schemas.errors import SchemaError
from schemas.limits import FieldLimits, XmlLimits
from schemas.xml import parse_xml
from signing.chain import Trust, judge_certificate
from signing.policy import OWN_NETWORK
from signing.verdict import Reason, SubIndication
from signing.verify import settle
from tests.pki import NOW, Holder, pki
from tests.refusals.row import Case, Said
from tests.unit.signing.forge import DS, Package, by_parts, resign

LIMITS = XmlLimits()


def words(sub_indication: SubIndication | None, reason: Reason) -> str:
    """A verdict as the table names it: our key of the reason, and the standard's sub-indication."""
    return reason.value if sub_indication is None else f"{reason.value} ({sub_indication.value})"


def _caught(run: Callable[[], Said]) -> Callable[[], Said]:
    def running() -> Said:
        try:
            return run()
        except SchemaError as error:
            first = error.violations[0]
            return Said(f"{400 if error.malformed else 422} {first.code} {first.path}".rstrip())
        except Exception as crash:
            return Said(f"crash: {type(crash).__name__}")

    return running


# --- XML


def raw(name: str, code: str, octets: bytes | Callable[[], bytes]) -> Case:
    """Octets at the front door: the gate, the parser and its limits."""

    def run() -> Said:
        parse_xml(octets() if callable(octets) else octets, LIMITS)
        return Said("taken", accepted=True)

    return Case(name, code, _caught(run))


def reading(name: str, code: str, octets: Callable[[], bytes]) -> Case:
    """A package that is parsed, read, and its attachments paired and decoded."""
    return Case(name, code, _caught(lambda: Said(_read(octets()), accepted=True)))


def _read(octets: bytes) -> str:
    parsed = parse_xml(octets, LIMITS)
    message = read_message(parsed.root).message
    if isinstance(message, Envelope):
        for _, encoded in matched(message, encoded_attachments(parsed)):
            decode(encoded)
    return "taken"


def tolerated(name: str, code: str, octets: Callable[[], bytes], *, like: Callable[[], bytes]) -> Case:
    """A package that is taken, says nothing else than `like`, and is noted with `code` (`nothing` for no note)."""

    def run() -> Said:
        found = read_message(parse_xml(octets(), LIMITS).root)
        plain = read_message(parse_xml(like(), LIMITS).root)
        if found.message != plain.message:
            return Said("it says something else", accepted=True)
        notes = sorted({note.partition(" ")[0].rstrip(":") for note in set(found.notes) - set(plain.notes)})
        return Said(f"taken, noted: {', '.join(notes) or 'nothing'}", accepted=True)

    return Case(name, f"taken, noted: {code}", _caught(run), harmless=True)


def silent(case: Case, make: Callable[[int], Case]) -> Case:
    """`make` gets the port of a listener that nobody may call."""

    def run() -> Said:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            said = make(listener.getsockname()[1]).run()
            try:
                listener.accept()
            except BlockingIOError:
                return said
        return Said("somebody was called", said.accepted)

    return Case(case.name, case.code, run, case.harmless)


# --- signatures


def judged(name: str, code: str, make: Callable[[], Package], **options: Any) -> Case:
    """A package before the judge, as it is read from the wire."""

    def run() -> Said:
        judgement = make().judge(**options)
        verdict = judgement.verdict
        if not verdict.passed and not verdict.reason.value.startswith("cert-") and judgement.verified is not None:
            return Said("what was not verified is handed out", accepted=True)
        return Said(words(verdict.sub_indication, verdict.reason), verdict.passed)

    return Case(name, code, _caught(run))


def bent(name: str, code: str, bend: Callable[[Package], object], *, again: bool = True, **options: Any) -> Case:
    """A package signed by parts and bent, then signed again, so that it dies for its own reason."""

    def make() -> Package:
        package = by_parts()
        bend(package)
        signature = package.signatures[0] if package.signatures else None
        if again and signature is not None and _can_be_signed(signature):
            resign(package)
        return package

    return judged(name, code, make, **options)


def _can_be_signed(signature: etree._Element) -> bool:
    return None not in (signature.find(DS + "SignedInfo"), signature.find(DS + "SignatureValue"))


def received(name: str, code: str, octets: Callable[[], bytes]) -> Case:
    """A package as a node takes it in: opened, told what must be covered, judged, and read again."""

    def run() -> Said:
        opened = open_package(octets(), LIMITS, FieldLimits())
        judgement = settle(inspect_package(opened, OWN_NETWORK, NOW), pki().trust)
        verdict = judgement.verdict
        if judgement.verified is not None:
            read_verified(judgement.verified, LIMITS)
        return Said(words(verdict.sub_indication, verdict.reason), verdict.passed)

    return Case(name, code, _caught(run))


# --- certificates


def certificate(
    name: str,
    code: str,
    make: Callable[[], Holder | bytes],
    trust: Callable[[], Trust] | None = None,
    at: datetime = NOW,
    harmless: bool = False,
    **options: Any,
) -> Case:
    """A certificate judged by itself, by our network's policy, for signing documents."""

    def run() -> Said:
        made = make()
        octets = made if isinstance(made, bytes) else made.der
        verdict = judge_certificate(octets, trust() if trust else pki().trust, at, OWN_NETWORK, **options)
        return Said(words(verdict.sub_indication, verdict.reason), verdict.sub_indication is None)

    return Case(name, code, _caught(run), harmless)
