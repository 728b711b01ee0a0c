"""RFC 3161 tokens that others made (tests/vectors/rfc3161, SOURCE.txt): eleven cases, each as its authors say.

Each folder's `ts_chain.pem` is the trust; none of them has revocation lists, so the policy here does without.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import cms, tsp
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from signing.chain import Trust
from signing.policy import OWN_NETWORK
from signing.timestamp import Query, TimestampVerdict, judge_token, read_response
from signing.verdict import Reason, SubIndication
from tests.conformance.record import Record, settle

FOLDER = Path(__file__).parent.parent / "vectors" / "rfc3161"
CASES: list[dict[str, str]] = json.loads((FOLDER / "cases.json").read_text(encoding="utf-8"))["cases"]
POLICY = replace(OWN_NETWORK, require_revocation=False)
SOURCE = "`tests/vectors/rfc3161` (trailofbits/rfc3161-client: Sigstore staging, a local authority, IdenTrust)"
METHOD = """\
Each answer is opened by `signing.timestamp.read_response` and its token judged by `judge_token` at the token's own
time, with the folder's `ts_chain.pem` as trust, and with the request's nonce and hash where the case has a request.
None of the authorities comes with revocation lists, so the policy does without; everything else is that of our own
network."""
NOTES = (
    "`identrust/issue-104.tsr`: the chain file has the root alone; the intermediate is put into our store by hand.",
    "`identrust/issue-104.tsr`: the message is not known, so that the imprint is not checked.",
    "`sigstore.mock/response-expired.tsr` is good at its own time and `OUT_OF_BOUNDS_NO_POE` when judged today.",
    "`test_tsa/response-injected-certs.tsr`: the signer that we name is the real authority.",
)
NAMES = [f"{number}-{case['file']}" for number, case in enumerate(CASES)]

WHY_NOT = {
    "sigstage/response-invalid-signature.tsr": (SubIndication.SIG_CRYPTO_FAILURE, Reason.VALUE),
    # Neither is the answer to the request beside it; both requests are of one message, so that the imprint is right.
    "test_tsa/other_response.tsr": (SubIndication.SIG_CONSTRAINTS_FAILURE, Reason.REFERENCE),
    "test_tsa/response.tsr": (SubIndication.SIG_CONSTRAINTS_FAILURE, Reason.REFERENCE),
}
"""What is wrong with those that are not valid, as we come upon it first."""


@dataclass(frozen=True)
class Vector:
    """One case, opened with asn1crypto alone."""

    case: dict[str, str]

    @property
    def octets(self) -> bytes:
        return (FOLDER / self.case["file"]).read_bytes()

    @property
    def token(self) -> bytes:
        opened = read_response(self.octets).token
        assert opened is not None
        return opened

    @property
    def info(self) -> Any:
        signed = cms.ContentInfo.load(self.token)["content"]
        return tsp.TSTInfo.load(bytes(signed["encap_content_info"]["content"]))

    @property
    def gen_time(self) -> datetime:
        moment: datetime = self.info["gen_time"].native
        return moment.astimezone(UTC)

    @property
    def request(self) -> Any:
        return tsp.TimeStampReq.load((FOLDER / self.case["request"]).read_bytes())

    @property
    def imprint_of(self) -> bytes | Callable[[str], bytes]:
        if "message" in self.case:
            return self.case["message"].encode()
        if "message_file" in self.case:
            return (FOLDER / self.case["message_file"]).read_bytes()
        if "request" in self.case:
            return lambda _: bytes(self.request["message_imprint"]["hashed_message"].native)
        # The message is not known: all but the imprint is checked, as the case says.
        return lambda _: bytes(self.info["message_imprint"]["hashed_message"].native)

    @property
    def asked(self) -> Query | None:
        if "request" not in self.case:
            return None
        imprint = self.request["message_imprint"]["hash_algorithm"]["algorithm"].native
        return Query(imprint, self.request["nonce"].native)

    @property
    def chain(self) -> list[x509.Certificate]:
        octets = (FOLDER / self.case["file"]).with_name("ts_chain.pem").read_bytes()
        if octets.startswith(b"\x30"):
            return [x509.load_der_x509_certificate(octets)]
        return x509.load_pem_x509_certificates(octets)

    def judge(self, at: datetime | None = None, *, with_nonce: bool = True) -> TimestampVerdict:
        ders = [certificate.public_bytes(Encoding.DER) for certificate in self.chain]
        roots = [der for der, one in zip(ders, self.chain, strict=True) if one.issuer == one.subject]
        others = [der for der in ders if der not in roots]
        if self.case["file"].startswith("identrust"):
            # Its chain file has the root alone. We never take an issuer from a token; as an operator would, we take
            # the intermediate out of it by hand and put it into our own store.
            others += issuers_of(self.token)
        trust = Trust(roots, others)
        at = at or self.gen_time
        asked = self.asked if with_nonce else None
        return judge_token(self.token, self.imprint_of, trust, at, POLICY, asked=asked, known=others)


def issuers_of(token: bytes) -> list[bytes]:
    bag = [choice.chosen for choice in cms.ContentInfo.load(token)["content"]["certificates"]]
    return [one.dump() for one in bag if one.ca]


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_a_public_vector_is_judged_as_its_authors_say(case: dict[str, str]) -> None:
    vector = Vector(case)
    verdict = vector.judge()
    if case["expect"] == "invalid":
        assert (verdict.sub_indication, verdict.reason) == WHY_NOT[case["file"]]
        assert verdict.proven_at is None
        return
    assert (verdict.sub_indication, verdict.reason) == (None, Reason.GOOD), verdict.checks[-1]
    assert verdict.gen_time == vector.gen_time
    assert verdict.sha256 == hashlib.sha256(vector.token).hexdigest()


def test_there_are_eleven() -> None:
    assert len(CASES) == 11
    assert sorted(case["expect"] for case in CASES) == ["invalid"] * 3 + ["valid"] * 6 + [
        "valid-at-genTime",
        "valid-but-signer-is-the-real-TSA",
    ]


def of(expect: str) -> Vector:
    return Vector(next(case for case in CASES if case["expect"] == expect))


def test_judged_outside_its_validity_the_expired_authority_proves_nothing() -> None:
    verdict = of("valid-at-genTime").judge(datetime(2026, 11, 23, tzinfo=UTC))
    assert (verdict.sub_indication, verdict.reason) == (SubIndication.OUT_OF_BOUNDS_NO_POE, Reason.EXPIRED)
    assert verdict.genuine


def test_the_reported_signer_is_the_real_authority_and_not_who_was_put_beside_it() -> None:
    vector = of("valid-but-signer-is-the-real-TSA")
    verdict = vector.judge()
    assert verdict.signer is not None
    assert verdict.signer.subject == "CN=Test TSA Timestamping,O=local"
    real = next(one for one in vector.chain if "Timestamping" in one.subject.rfc4514_string())
    assert verdict.signer.certificate == hashlib.sha256(real.public_bytes(Encoding.DER)).hexdigest()


def test_what_another_instance_signed_does_not_chain_either() -> None:
    """The reason that the vector itself gives, with the nonce out of the way."""
    vector = Vector(next(case for case in CASES if case["file"] == "test_tsa/other_response.tsr"))
    verdict = vector.judge(with_nonce=False)
    assert (verdict.sub_indication, verdict.reason) == (SubIndication.NO_CERTIFICATE_CHAIN_FOUND, Reason.UNTRUSTED)


def test_before_its_time_a_token_is_from_the_future() -> None:
    vector = of("valid")
    assert vector.judge(vector.gen_time - timedelta(minutes=6)).reason is Reason.TIME


def test_the_page_says_what_the_vectors_came_to() -> None:
    total, right, wrong, accepted = 0, 0, list[str](), list[str]()
    for case in CASES:
        found = Vector(case).judge()
        total += 1
        if (case["expect"] != "invalid") == (found.sub_indication is None):
            right += 1
            continue
        wrong.append(f"`{case['file']}`: {found.sub_indication or 'accepted'}")
        if found.sub_indication is None:
            accepted.append(wrong[-1])
    settle(
        Record(
            name="RFC 3161",
            source=SOURCE,
            method=METHOD,
            total=total,
            right=right,
            wrong=wrong,
            accepted=accepted,
            notes=NOTES,
        )
    )
