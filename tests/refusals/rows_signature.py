"""D01 to D54: signatures that are none, or not over what is used. Signed again where that is possible."""

from __future__ import annotations

from dataclasses import replace

from axis.core.binding import Bindings, hold_to_binding
from schemas.codes import AgencyCode
from schemas.envelope import AttachmentInfo
from signing.algorithm import ECDSA_SHA256, PSS_SHA256, RSA_SHA256
from signing.policy import IF_PRESENT
from signing.verdict import Reason, SubIndication
from tests.pki import pki
from tests.refusals import forms
from tests.refusals.bends import bends
from tests.refusals.forms import (
    COVERAGE,
    DIGEST,
    GOOD,
    REFERENCE,
    keyed,
    left_out,
    other_kind,
    same_id,
    value,
)
from tests.refusals.row import Case, Row, Said
from tests.refusals.rows_xml import SIGNED_ENTITY
from tests.refusals.said import bent, judged, raw, reading, silent, words
from tests.refusals.wraps import wraps
from tests.samples import sample_envelope, sample_package
from tests.unit.signing.bend import uri
from tests.unit.signing.forge import Package, by_parts, unsigned_package
from tests.unit.signing.test_dialects import foreign_namespace

FLOW = "tests/flow/test_refusals.py::test_a_refused_package_is_named_and_nothing_of_it_stays"
TOKEN = "tests/unit/timestamp/test_token.py"
STAMPED = "tests/unit/timestamp/test_xades_t.py"
KEEPER = "tests/unit/revocation/test_keeper.py"


def fetching(name: str, form: str) -> Case:
    """A reference to a listener that nobody may call."""
    return silent(
        bent(name, REFERENCE, lambda package: None),
        lambda port: bent(name, REFERENCE, uri("#header", form.replace("PORT", str(port)))),
    )


def set_text(name: str, path: str, new: str, code: str = DIGEST) -> Case:
    """Something changed after signing."""

    def make() -> Package:
        package = by_parts()
        element = getattr(package, path)
        (element[0] if len(element) else element).text = new
        return package

    return judged(name, code, make)


def swapped() -> Package:
    package = by_parts()
    package.attachments = {"a.pdf": b"%PDF-1.7 another under the same name"}
    return package


def copied() -> Package:
    other = unsigned_package()
    other.header[1].text = "000.99.99.H99"
    other.place.append(by_parts().signature)
    return other


def speaks_for_another() -> Said:
    verdict = hold_to_binding(by_parts().judge().verdict, AgencyCode("000.00.01.H99"), Bindings())
    return Said(words(verdict.sub_indication, verdict.reason), verdict.passed)


def two_with_one_id() -> bytes:
    infos = (AttachmentInfo("1", "a.pdf"), AttachmentInfo("1", "b.pdf"))
    return sample_package(attachments=[b"a", b"b"], envelope=replace(sample_envelope(), attachments=infos))


def without_the_manifest() -> bytes:
    package = sample_package()
    begin, end = package.index(b"<edXML:edXMLBody>"), package.index(b"</edXML:edXMLBody>")
    return package[:begin] + package[end + len(b"</edXML:edXMLBody>") :]


def without_the_attachment() -> bytes:
    package = sample_package()
    begin, end = package.index(b"<AttachmentEncoded>"), package.index(b"</AttachmentEncoded>")
    return package[:begin] + package[end + len(b"</AttachmentEncoded>") :]


def endless_value() -> bytes:
    return b"<a><SignatureValue>" + b"QUJD" * 5_000_000 + b"</SignatureValue></a>"


UNSIGNED = words(SubIndication.UNSIGNED, Reason.UNSIGNED)
NAMESPACE = words(SubIndication.FORMAT_FAILURE, Reason.NAMESPACE)
NOT_VERIFIABLE = words(SubIndication.NOT_VERIFIABLE, Reason.NAMESPACE)

ROWS = (
    Row("D01", "Wrapped: the signed part behind the forged one", wraps("D01"), defences=("coverage", "coverage-same")),
    Row("D02", "Wrapped: the signed part before the signature", wraps("D02"), defences=("coverage", "coverage-same")),
    Row("D03", "Wrapped: the signed part inside the forged one", wraps("D03"), defences=("coverage", "coverage-same")),
    Row("D04", "Wrapped: the signed part in an extension", wraps("D04"), defences=("coverage", "coverage-same")),
    Row("D05", "Wrapped: the signed part in an Object", wraps("D05"), defences=("grammar-rest",)),
    Row("D06", "Wrapped: the signed part elsewhere in the signature", wraps("D06"), defences=("grammar-children",)),
    Row("D07", "Wrapped: the forged part with the same Id", wraps("D07"), defences=("ids-once",)),
    Row("D08", "Wrapped: the forged part first", wraps("D08"), defences=("coverage",)),
    Row(
        "D09",
        "One node is validated and another one read",
        (*wraps("D09"), Case("read from another tree", COVERAGE, forms.another_document)),
        defences=("coverage", "coverage-root"),
    ),
    Row(
        "D10",
        "An Id twice, whatever it is called",
        (*(same_id(name) for name in forms.ID_NAMES), forms.unreferenced_ids),
        defences=("ids-once", "ids-names"),
    ),
    Row(
        "D11",
        "An Id that differs by case, by normalisation, by an entity",
        (*bends("D11"), raw("by an entity", "400 xml-doctype", SIGNED_ENTITY.replace('"header"', '"he&x;"').encode())),
        defences=("ids-exact", "gate-doctype"),
    ),
    Row(
        "D14",
        "No signature; a signature in another namespace",
        (
            judged("none", UNSIGNED, unsigned_package),
            judged("another namespace", NAMESPACE, foreign_namespace),
            judged("another namespace, tolerated", NOT_VERIFIABLE, foreign_namespace, policy=IF_PRESENT),
        ),
        tests=(f"{FLOW}[unsigned]",),
        defences=("sig-missing", "sig-namespace"),
    ),
    Row("D15", "No Reference; an empty SignedInfo", bends("D15"), defences=("grammar-children",)),
    Row("D16", "Two SignedInfo", bends("D16"), defences=("grammar-rest",)),
    Row("D17", "A comment inside DigestValue or SignatureValue", bends("D17"), defences=("grammar-comments",)),
    Row("D18", "A part of SignedInfo twice", bends("D18"), defences=("grammar-children",)),
    Row("D19", "A reference to an Id that is not there", bends("D19"), defences=("reference-missing",)),
    Row("D20", "A reference by query, by pointer, by nothing", bends("D20"), defences=("reference-kinds",)),
    Row(
        "D21",
        "A reference to the network; nobody is called",
        (
            *bends("D21"),
            fetching("a listener", "http://127.0.0.1:PORT/x"),
            bent("https", REFERENCE, uri("#header", "https://127.0.0.1/x")),
            bent("ftp", REFERENCE, uri("#header", "ftp://127.0.0.1/x")),
        ),
        defences=("reference-kinds", "reference-fetch"),
    ),
    Row("D22", "A reference to a file, a path, data:", bends("D22"), defences=("reference-kinds",)),
    Row(
        "D23",
        "Only a part of what is used is signed",
        tuple(left_out(part) for part in ("#header", "#business", "#manifest", "cid:a.pdf")),
        defences=("coverage",),
    ),
    Row("D24", "References in a Manifest", bends("D24"), defences=("grammar-manifest", "reference-type")),
    Row("D25", "XSLT", bends("D25"), defences=("transform-known",)),
    Row("D26", "XPath, XPath Filter 2", bends("D26"), defences=("transform-known",)),
    Row(
        "D27",
        "Another transform, too many, enveloped twice",
        (*bends("D27"), judged("enveloped twice", forms.TRANSFORM, forms.enveloped_twice)),
        defences=("transform-known", "transform-count"),
    ),
    Row("D28", "InclusiveNamespaces that are none of ours", bends("D28"), defences=("transform-prefixes",)),
    Row("D29", "C14N with comments, C14N 1.1, an unknown one", bends("D29"), defences=("c14n-comments",)),
    Row(
        "D30",
        "No canonical form",
        (
            bent("relative namespace in a part", forms.C14N, forms.relative_namespace, again=False),
            bent("and the digest of nothing", forms.C14N, forms.void, again=False),
            judged("in a whole document", forms.C14N, forms.relative_in_the_whole),
            judged("in SignedInfo", forms.C14N, forms.relative_in_signed_info),
        ),
        defences=("c14n-void",),
    ),
    Row("D31", "Attributes that nobody reads", bends("D31"), defences=("grammar-attributes",)),
    Row(
        "D32",
        "Two parsers read two documents",
        tests=("tests/differential/test_parsers.py::test_lxml_and_expat_read_the_same_fields_of_what_is_accepted",),
        same=("23", "24"),
        defences=("edxml-exact",),
        note="one parser reads everything here; a second one, expat, is asked in the tests",
    ),
    Row("D33", "HMAC with a public key for a secret", bends("D33"), defences=("algorithm-known",)),
    Row("D34", "HMACOutputLength", bends("D34"), defences=("grammar-method",)),
    Row("D35", "SHA-1, MD5", bends("D35"), defences=("algorithm-known", "digest-known")),
    Row(
        "D36",
        "Weak keys: RSA 1024, a small exponent, other curves",
        (
            keyed("RSA 1024", lambda: pki().weak),
            keyed("RSA, exponent 3", forms.small_exponent, RSA_SHA256),
            keyed("secp256k1", forms.weak_curve("secp256k1"), ECDSA_SHA256),
            keyed("secp224r1", forms.weak_curve("secp224r1"), ECDSA_SHA256),
        ),
        same=("C29",),
        defences=("weak-rsa", "weak-exponent", "weak-curve"),
    ),
    Row(
        "D37",
        "An algorithm for another kind of key",
        (
            *bends("D37"),
            other_kind("ECDSA, key is RSA", lambda: pki().rsa, ECDSA_SHA256),
            other_kind("RSASSA-PSS, key on a curve", lambda: pki().good, PSS_SHA256),
        ),
        defences=("key-fits",),
    ),
    Row(
        "D38",
        "Signature values in another form",
        (
            value("ECDSA as DER", forms.as_der),
            value("ECDSA, r and s zero", lambda octets: bytes(64)),
            value("ECDSA, r zero", lambda octets: bytes(32) + octets[32:]),
            value("ECDSA, s zero", lambda octets: octets[:32] + bytes(32)),
            value("ECDSA, s beyond the order", lambda octets: octets[:32] + b"\xff" * 32),
            value("RSA with a leading zero", lambda octets: b"\0" + octets, lambda: pki().rsa),
            value("RSA without its last octet", lambda octets: octets[:-1], lambda: pki().rsa),
            value("RSA, all ones", lambda octets: b"\xff" * 256, lambda: pki().rsa),
            replace(value("ECDSA with the other s", forms.other_s, code=GOOD), harmless=True),
        ),
        defences=("value-der", "value-zero", "value-length"),
        note="a high s is a valid value; what a package is, is told by the digest of its bytes",
    ),
    Row(
        "D39",
        "Wycheproof: RSA PKCS#1 v1.5, RSASSA-PSS, ECDSA, Ed25519",
        tests=(
            "tests/conformance/test_wycheproof.py::test_nothing_is_wrong",
            "tests/conformance/test_wycheproof.py::test_a_valid_value_in_any_other_form_is_no_value",
        ),
        defences=("value-zero",),
    ),
    Row("D40", "A key by value only, or none", bends("D40"), defences=("keyinfo-closed",)),
    Row("D41", "A certificate and a key by value", bends("D41"), defences=("keyinfo-closed",)),
    Row("D42", "Several certificates, and nobody says which", bends("D42"), defences=("keyinfo-one",)),
    Row(
        "D43", "A key by name, by reference, by retrieval", bends("D43"), defences=("keyinfo-closed", "keyinfo-serial")
    ),
    Row(
        "D44",
        "A certificate that says where its issuer can be fetched",
        (forms.issuer_by_address,),
        tests=(
            f"{KEEPER}::test_what_is_never_fetched",
            f"{KEEPER}::test_a_leaf_that_leads_to_no_root_sends_us_nowhere",
        ),
        defences=("chain-fetch",),
    ),
    Row("D45", "An encrypted key", bends("D45"), defences=("keyinfo-closed",)),
    Row(
        "D46",
        "XAdES of another certificate, of another signature, not signed, of a wrong time",
        bends("D46"),
        defences=("xades-names", "xades-signed", "xades-target", "xades-type", "time-past", "time-form"),
    ),
    Row(
        "D47",
        "Time stamps: of something else, by nobody we believe, before the certificate",
        bends("D47"),
        tests=(
            f"{STAMPED}::test_a_time_stamp_copied_from_another_signature_is_refused",
            f"{STAMPED}::test_a_time_stamp_that_is_not_believed_changes_nothing",
            f"{STAMPED}::test_not_yet_valid_at_the_proven_time_is_no_signature_of_that_time",
            f"{TOKEN}::test_bad[under nobody]",
        ),
        defences=("stamp-false", "stamp-imprint"),
        note="a time stamp that is not believed proves nothing and changes nothing, because anybody can add one",
    ),
    Row(
        "D49",
        "Changed after signing",
        (
            set_text("the sender", "header", "000.00.02.H99"),
            set_text("the kind of business", "business", "1"),
            set_text("the manifest", "manifest", "cid:b.pdf"),
            judged("an attachment under the same name", DIGEST, swapped),
        ),
        tests=(f"{FLOW}[subject changed]", f"{FLOW}[another attachment]"),
        defences=("digest",),
    ),
    Row("D50", "A signature copied onto another document", (judged("copied", DIGEST, copied),), defences=("digest",)),
    Row(
        "D51",
        "A good signature by another agency than the sender",
        (
            Case(
                "nobody bound it",
                words(SubIndication.SIG_CONSTRAINTS_FAILURE, Reason.NOT_BOUND),
                speaks_for_another,
            ),
        ),
        tests=(
            f"{FLOW}[another agency's certificate]",
            "tests/unit/binding/test_judge.py::test_a_certificate_bound_to_another_agency_does_not_speak_for_this_one",
        ),
        defences=("binding",),
    ),
    Row(
        "D52",
        "200 references, a SignedInfo of 200 kB, an endless SignatureValue",
        (*bends("D52"), raw("20 MB of SignatureValue", "400 xml-limit", endless_value)),
        defences=("limit-references", "limit-signed-info"),
    ),
    Row("D53", "Base64 with junk, in another alphabet, flooded with white space", bends("D53"), defences=("base64",)),
    Row(
        "D54",
        "Attachments: one id twice, not listed, not carried, without a digest",
        (
            reading("one id twice", "422 repeated edXMLManifest/Reference/ContentId", two_with_one_id),
            reading("not listed", "422 attachment-mismatch", without_the_manifest),
            reading("not carried", "422 attachment-mismatch", without_the_attachment),
            left_out("cid:a.pdf"),
        ),
        tests=(
            f"{FLOW}[an attachment that is not listed]",
            "tests/unit/schemas/test_filename.py::test_two_names_that_a_file_system_may_take_for_one_are_refused",
        ),
        defences=("attachments", "coverage"),
    ),
)
