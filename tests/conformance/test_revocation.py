"""BoringSSL's vectors for revocation: 36 answers of responders and 66 lists, each judged as its table says.

Source, commit and licence: tests/vectors/revocation-boringssl/SOURCE.txt. They allow what we do not by default: SHA-1
under an answer, evidence without nextUpdate for a week; `RULES` says so and changes nothing else.
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes

from signing.revocation.crl import Crl, Freshness, load_crl
from signing.revocation.judge import GOOD_HASHES, Question, Rules, Speaker, judge_answers, judge_lists
from signing.revocation.ocsp import Answer, Status, Target, key_bits, read_ocsp, signer_of
from signing.store import issued
from tests.conformance.record import Record, settle

VECTORS = Path(__file__).parent.parent / "vectors" / "revocation-boringssl"
CASES: dict[str, Any] = json.loads((VECTORS / "cases.json").read_text())
WEEK = timedelta(days=7)
RULES = Rules(Freshness(max_age=WEEK, ocsp_max_age=WEEK, ocsp_without_end=WEEK), GOOD_HASHES | {"sha1"})
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s+([A-Za-z0-9+/=\s]*?)-----END \1-----")

# The serial number in this certificate is negative, and `cryptography` will not read such a certificate; a package
# signed with it is refused before anybody asks about revocation.
NO_CERTIFICATE = "ocsp_unittest/good_response_invalid_serial.pem"


def blocks(name: str) -> dict[str, bytes]:
    found = _PEM.findall((VECTORS / name).read_bytes())
    return {label.decode(): base64.b64decode(body) for label, body in found}


@pytest.mark.parametrize("case", CASES["crl"], ids=lambda case: case["file"].partition("/")[2])
def test_list(case: dict[str, str]) -> None:
    assert status_by_list(blocks(case["file"])).value.upper() == case["expect"]


def fingerprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex()


def status_by_list(parts: dict[str, bytes]) -> Status:
    leaf, issuer = (x509.load_der_x509_certificate(parts[name]) for name in ("CERTIFICATE", "CA CERTIFICATE"))
    others = [x509.load_der_x509_certificate(der) for name, der in parts.items() if name == "CA CERTIFICATE 2"]
    try:
        crl = load_crl(parts["CRL"])
    except (ValueError, x509.InvalidVersion):
        return Status.UNKNOWN

    def speaks(one: Crl) -> Speaker | None:
        """Every authority that stands in the file is believed."""
        names = (fingerprint(signer) for signer in (issuer, *others) if one.is_signed_by(signer, fingerprint(signer)))
        return next(map(Speaker, names), None)

    question = Question(leaf, issuer, fingerprint(issuer), datetime.fromtimestamp(CASES["crl_verify_time"], UTC))
    return judge_lists(question, RULES, [crl], speaks).status


@pytest.mark.parametrize("case", CASES["ocsp"], ids=lambda case: case["file"].partition("/")[2])
def test_answer(case: dict[str, str]) -> None:
    parts = blocks(case["file"])
    try:
        answer = read_ocsp(parts["OCSP RESPONSE"])
    except ValueError:
        assert case["status"] == "UNKNOWN"
        assert case["verify"] not in ("PROVIDED", "NO_MATCHING_RESPONSE", "INVALID_DATE", "BAD_PRODUCED_AT")
        return
    if case["file"] == NO_CERTIFICATE:
        assert status_of_a_certificate_that_cannot_be_read(answer, parts) == case["status"]
        return
    leaf, issuer = (x509.load_der_x509_certificate(parts[name]) for name in ("CERTIFICATE", "CA CERTIFICATE"))
    assert issued(leaf, issuer)
    question = Question(leaf, issuer, fingerprint(issuer), datetime.fromtimestamp(CASES["ocsp_verify_time"], UTC))
    finding = judge_answers(question, RULES, [answer], lambda delegate: True)
    assert finding.status.value.upper() == case["status"]
    if case["verify"] in ("NO_MATCHING_RESPONSE", "INVALID_DATE", "BAD_PRODUCED_AT"):
        assert not finding.used


def status_of_a_certificate_that_cannot_be_read(answer: Answer, parts: dict[str, bytes]) -> str:
    """The same questions, asked below `judge_answers`."""
    with pytest.raises((ValueError, InvalidSignature)):
        x509.load_der_x509_certificate(parts["CERTIFICATE"])
    issuer = x509.load_der_x509_certificate(parts["CA CERTIFICATE"])
    serial = int(asn1_x509.Certificate.load(parts["CERTIFICATE"])["tbs_certificate"]["serial_number"].native)
    at = datetime.fromtimestamp(CASES["ocsp_verify_time"], UTC)
    (single,) = answer.about(Target(issuer.subject.public_bytes(), key_bits(issuer), serial))
    assert single.is_fresh(at, RULES.freshness)
    assert signer_of(answer, issuer, at, lambda delegate: True) is issuer
    return single.status.value.upper()


def right(case: dict[str, str], test: Callable[[dict[str, str]], None]) -> bool:
    try:
        test(case)
    except AssertionError:
        return False
    return True


def test_the_page_says_what_they_came_to() -> None:
    lists, answers = CASES["crl"], CASES["ocsp"]
    wrong = [case["file"] for case in lists if not right(case, test_list)]
    wrong += [case["file"] for case in answers if not right(case, test_answer)]
    passed = Counter(case.get("expect", case.get("status", "")) for case in (*lists, *answers))
    settle(
        Record(
            name="Revocation",
            source="BoringSSL, as Chromium tests its own; `tests/vectors/revocation-boringssl/SOURCE.txt`.",
            method=METHOD,
            total=len(lists) + len(answers),
            right=len(lists) + len(answers) - len(wrong),
            wrong=wrong,
            accepted=[name for name in wrong if "good" not in name],
            notes=[NO_CERTIFICATE_NOTE],
            tables=[("What they expect", ("status", "cases"), sorted(passed.items()))],
        )
    )


METHOD = """66 lists go through `judge_lists` and 36 answers of responders through `judge_answers` of
`signing/revocation/judge.py`. Two things that our policies refuse are let in, because the vectors are built on them:
SHA-1 under an answer, and evidence without nextUpdate, for a week."""
NO_CERTIFICATE_NOTE = """`good_response_invalid_serial.pem` is about a certificate with a negative serial number. The
  library that reads certificates refuses it; the answer about it is read, matched and verified all the same."""
