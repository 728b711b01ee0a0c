"""Honest PDFs: who signed, what is covered, and what a document is worth (NĐ 30/2020 art. 5, Phụ lục I)."""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import fields
from pyhanko.sign.fields import MDPPerm

from signing.algorithm import ECDSA_SHA256, ECDSA_SHA384, ED25519, PSS_SHA256, RSA_SHA256, RSA_SHA512
from signing.certificate import load_leaf
from signing.pdf import (
    FINDINGS,
    OUTCOMES,
    Changes,
    FindingCode,
    PdfLimits,
    PdfOutcome,
    PdfPolicy,
    Role,
    judge_pdf,
)
from signing.pdf.policy import EFFECTS
from signing.pdf.role import guess_role
from signing.policy import IF_PRESENT, OWN_NETWORK
from signing.verdict import Reason
from tests.pki import NOW, Holder, Pki, curve_key, issue, pki
from tests.unit.pdf.forge import (
    GOOD,
    PERSON_BOX,
    PKCS7,
    judge,
    one_signature,
    only,
    openssl_cms,
    plain,
    prepared,
    sign,
    two_signatures,
    updated,
    words,
)


def test_the_person_then_the_organisation() -> None:
    """NĐ 30/2020 annex I: two signatures, the second in a revision of its own, which does not spoil the first."""
    verdict = judge(two_signatures())
    person, organisation = verdict.signatures
    assert (verdict.outcome, verdict.reason, verdict.revisions, verdict.findings) == (
        PdfOutcome.VALID,
        Reason.GOOD,
        3,
        (),
    )
    assert words(person) == words(organisation) == GOOD
    assert (person.field, person.revision, person.covers_file, person.changes) == (
        "Nguoi",
        2,
        False,
        Changes.SIGNATURES,
    )
    assert (organisation.field, organisation.revision, organisation.covers_file) == ("CoQuan", 3, True)
    assert organisation.changes is Changes.NONE
    assert person.covers_revision and organisation.covers_revision
    assert person.visible and organisation.visible


def test_a_signature_says_what_it_covers() -> None:
    octets = one_signature()
    signature = only(judge(octets))
    (covered,) = signature.verdict.covered
    start, left, right, length = signature.byte_range
    assert (start, right + length) == (0, len(octets))
    assert covered.uri == f"ByteRange 0 {left} {right} {length}"
    assert (covered.target, covered.algorithm, covered.octets) == ("Ky", "sha256", left + length)
    assert signature.verdict.profile == "pdf"
    assert signature.verdict.signer is not None
    assert signature.verdict.signer.certificate == pki().good.sha256
    assert signature.verdict.valid_until == NOW + timedelta(days=1)
    assert signature.verdict.claimed_at == NOW


MADE: dict[str, tuple[Callable[[Pki], Holder], dict[str, object], str]] = {
    "CAdES, ECDSA P-256": (lambda p: p.good, {}, ECDSA_SHA256),
    "adbe.pkcs7.detached, ECDSA": (lambda p: p.good, {"sub_filter": PKCS7}, ECDSA_SHA256),
    "CAdES, RSA PKCS#1": (lambda p: p.rsa, {}, RSA_SHA256),
    "adbe.pkcs7.detached, RSA PKCS#1": (lambda p: p.rsa, {"sub_filter": PKCS7}, RSA_SHA256),
    "RSA with SHA-512": (lambda p: p.rsa, {"hash_name": "sha512"}, RSA_SHA512),
    "RSASSA-PSS": (lambda p: p.rsa, {"pss": True}, PSS_SHA256),
    "P-384": (
        lambda p: issue("P-384", p.authority, key=curve_key("secp384r1")),
        {"hash_name": "sha384"},
        ECDSA_SHA384,
    ),
    "Ed25519": (lambda p: p.ed25519, {"hash_name": "sha512"}, ED25519),
    "nonRepudiation only": (lambda p: p.non_repudiation, {}, ECDSA_SHA256),
    "intermediates and root in the CMS": (lambda p: p.good, {"others": "chain"}, ECDSA_SHA256),
}


@pytest.mark.parametrize("name", MADE)
def test_what_the_field_signs_with(name: str) -> None:
    holder, options, algorithm = MADE[name]
    if options.get("others") == "chain":
        options = {"others": [pki().authority, pki().root]}
    signature = only(judge(sign(plain(), holder(pki()), **options)))  # type: ignore[arg-type]
    assert words(signature) == GOOD, signature.verdict.checks[-1]
    assert signature.verdict.signature_algorithm == algorithm
    assert len(signature.embedded) == (2 if "others" in options else 0)


@pytest.mark.parametrize("key", ["good", "rsa"])
@pytest.mark.parametrize(
    "options", [(), ("-cades",), ("-md", "sha512"), ("-keyid",), ("-nocerts", "-certfile", "cert.pem")]
)
def test_signed_by_openssl(key: str, options: tuple[str, ...], tmp_path: Path) -> None:
    """The CMS of another implementation in a PDF, as toolkits outside Python make it. It claims the real time."""
    holder: Holder = getattr(pki(), key)
    octets = prepared(plain(), openssl_cms(holder, tmp_path, *options))
    signature = only(judge(octets, pki().live_trust, datetime.now(UTC)))
    assert words(signature) == GOOD, signature.verdict.checks[-1]
    named = "signing-certificate-not-named" in signature.verdict.quirks
    assert named == ("-cades" not in options)


def test_one_signature_by_pyhanko_and_one_by_openssl(tmp_path: Path) -> None:
    first = sign(plain(), pki().good, "Nguoi")
    octets = prepared(first, openssl_cms(pki().rsa, tmp_path), "CoQuan")
    verdict = judge(octets, pki().live_trust, datetime.now(UTC))
    assert [words(signature) for signature in verdict.signatures] == [GOOD, GOOD]
    assert verdict.outcome is PdfOutcome.VALID
    assert [signature.changes for signature in verdict.signatures] == [Changes.SIGNATURES, Changes.NONE]


def test_cross_reference_streams_and_object_streams() -> None:
    octets = sign(sign(plain(stream_xrefs=True), pki().good, "A"), pki().good, "B")
    assert b"/XRef" in octets
    assert judge(octets).outcome is PdfOutcome.VALID


def test_a_certified_document_may_be_signed_again() -> None:
    first = sign(plain(), pki().good, "A", certify=MDPPerm.FILL_FORMS)
    verdict = judge(sign(first, pki().good, "B"))
    assert verdict.outcome is PdfOutcome.VALID
    assert [signature.certification for signature in verdict.signatures] == [2, None]


# --- not signed


def test_not_signed() -> None:
    verdict = judge(plain())
    assert (verdict.outcome, verdict.reason, verdict.signatures) == (PdfOutcome.UNSIGNED, Reason.UNSIGNED, ())


def test_a_visible_stamp_is_no_signature() -> None:
    """A picture of a seal and the words of a signature, and nothing behind them."""
    from pyhanko.pdf_utils import generic
    from pyhanko.pdf_utils.generic import pdf_name

    def stamp(made: IncrementalPdfFileWriter) -> None:
        picture = generic.StreamObject(
            {
                pdf_name("/Type"): pdf_name("/XObject"),
                pdf_name("/Subtype"): pdf_name("/Form"),
                pdf_name("/BBox"): generic.ArrayObject(map(generic.NumberObject, (0, 0, 100, 100))),
            },
            stream_data="Ký bởi: Ủy ban nhân dân; 2026-11-23T08:00:00+07:00".encode(),
        )
        box = generic.ArrayObject(map(generic.NumberObject, STAMP))
        annotation = generic.DictionaryObject(
            {
                pdf_name("/Type"): pdf_name("/Annot"),
                pdf_name("/Subtype"): pdf_name("/Stamp"),
                pdf_name("/Rect"): box,
                pdf_name("/AP"): generic.DictionaryObject({pdf_name("/N"): made.add_object(picture)}),
            }
        )
        made.register_annotation(made.find_page_for_modification(0)[0], made.add_object(annotation))

    STAMP = (250, 90, 380, 220)  # noqa: N806
    verdict = judge(updated(plain(), stamp))
    assert (verdict.outcome, verdict.findings) == (PdfOutcome.UNSIGNED, ())


def test_a_field_that_waits_for_a_signature_is_none() -> None:
    octets = updated(
        plain(), lambda made: fields.append_signature_field(made, fields.SigFieldSpec("Cho", box=PERSON_BOX))
    )
    verdict = judge(octets)
    assert (verdict.outcome, verdict.codes) == (PdfOutcome.UNSIGNED, ("empty-signature-field",))


def test_a_prepared_field_may_be_signed() -> None:
    octets = updated(
        plain(), lambda made: fields.append_signature_field(made, fields.SigFieldSpec("Ky", box=PERSON_BOX))
    )
    verdict = judge(sign(octets, pki().good))
    assert (verdict.outcome, verdict.findings) == (PdfOutcome.VALID, ())


# --- roles


def named(**attributes: str) -> Role:
    oids = {
        "cn": NameOID.COMMON_NAME,
        "o": NameOID.ORGANIZATION_NAME,
        "ou": NameOID.ORGANIZATIONAL_UNIT_NAME,
        "uid": NameOID.USER_ID,
        "title": NameOID.TITLE,
    }
    subject = x509.Name([x509.NameAttribute(oids[key], value) for key, value in attributes.items()])
    certificate = pki().good.certificate
    leaf = load_leaf(pki().good.der)

    class Renamed:
        def __getattr__(self, name: str) -> object:
            return subject if name == "subject" else getattr(certificate, name)

    hint = guess_role(replace(leaf, certificate=Renamed()))  # type: ignore[arg-type]
    assert hint.because or hint.role is Role.UNKNOWN
    return hint.role


@pytest.mark.parametrize(
    ("subject", "role"),
    [
        ({"cn": "Nguyễn Văn An", "uid": "CCCD:001099000001"}, Role.PERSON),
        ({"cn": "Nguyễn Văn An", "title": "Chủ tịch"}, Role.PERSON),
        ({"cn": "Ủy ban nhân dân tỉnh Kiểm Thử"}, Role.ORGANISATION),
        ({"cn": "UBND xã Kiểm Thử", "uid": "MST:0100000000"}, Role.ORGANISATION),
        ({"cn": "Đơn vị A", "o": "đơn vị  a"}, Role.ORGANISATION),
        ({"cn": "Sở Tài chính", "uid": "CMND:001099000001"}, Role.UNKNOWN),
        ({"cn": "Nguyễn Văn An", "o": "Sở Tài chính"}, Role.UNKNOWN),
        ({"cn": "So Tai chinh"}, Role.UNKNOWN),
        ({"cn": "Cong ty Kiem thu"}, Role.ORGANISATION),
        *(({"cn": name}, Role.UNKNOWN) for name in ("Bồ Văn Sơn", "Vu Van An", "Trương Thị Bình", "Vũ Ban")),
    ],
)
def test_a_role_is_a_hint_with_its_reasons(subject: dict[str, str], role: Role) -> None:
    assert named(**subject) is role


def test_a_policy_may_require_that_roles_can_be_recognised() -> None:
    wanted = PdfPolicy("hai chữ ký", require=frozenset({Role.PERSON, Role.ORGANISATION}))
    organisation = issue("Sở Tài chính", pki().authority)
    verdict = judge(sign(plain(), organisation), pdf_policy=wanted)
    assert (verdict.outcome, verdict.reason) == (PdfOutcome.INDETERMINATE, Reason.KEYINFO)
    assert [(f.code, f.detail) for f in verdict.findings] == [(FindingCode.ROLE_NOT_SHOWN, "person")]
    assert judge(plain(), pdf_policy=wanted).outcome is PdfOutcome.UNSIGNED


# --- the form of the answer


def test_arguments_and_results_can_cross_to_another_process() -> None:
    trust = pki().trust_with(*pki().crls())
    arguments = (one_signature(), trust, NOW, IF_PRESENT, PdfLimits(), PdfPolicy())
    verdict = judge_pdf(*pickle.loads(pickle.dumps(arguments)))
    assert pickle.loads(pickle.dumps(verdict)) == judge(one_signature(), trust)


def test_the_same_question_has_the_same_answer() -> None:
    assert judge(two_signatures()).to_dict() == judge(two_signatures()).to_dict()


def test_every_outcome_and_finding_has_words_and_an_effect() -> None:
    assert set(OUTCOMES) == set(PdfOutcome)
    assert set(FINDINGS) == set(EFFECTS) == set(FindingCode)
    assert OUTCOMES[PdfOutcome.INDETERMINATE].vi == "chưa kết luận được"
    assert judge(plain()).to_dict()["words"] == {
        "vi": "không ký (để biết, tham khảo)",
        "en": "not signed (for information only)",
    }


def test_the_policy_is_named_in_every_verdict() -> None:
    verdict = judge(one_signature(), policy=OWN_NETWORK)
    assert (verdict.policy, verdict.policy_sha256) == (OWN_NETWORK.name, OWN_NETWORK.sha256)
    assert only(verdict).verdict.policy_sha256 == OWN_NETWORK.sha256
