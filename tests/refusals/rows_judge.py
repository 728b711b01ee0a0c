"""1 to 63: what a verifier of signatures must never let pass, from before cryptography to the use of its verdict."""

from __future__ import annotations

from dataclasses import replace

from cryptography.hazmat.primitives import hashes

from signing.policy import IF_PRESENT
from signing.verdict import Reason, SubIndication
from tests.mutations import table_pdf
from tests.pki import pki
from tests.refusals import certs, forms, wraps
from tests.refusals.bends import bends
from tests.refusals.forms import (
    C14N,
    COVERAGE,
    DIGEST,
    LIMIT,
    WRONG,
    inclusive_by_several,
    inclusive_in_scope,
    over_itself,
    padded,
    pss,
    value,
)
from tests.refusals.row import Case, Row
from tests.refusals.rows_certificate import CHAIN, UNKNOWN, good
from tests.refusals.said import bent, certificate, judged, raw, received, words
from tests.unit.revocation.test_responder import ENDS
from tests.unit.signing.forge import Package, by_parts
from tests.unit.signing.test_chain import TURNS

ROUND = "tests/unit/signing/test_round_trip.py"
TOKEN = "tests/unit/timestamp/test_token.py"
ATTACHED = "tests/unit/evidence/test_attached.py"
STAMPED = "tests/unit/timestamp/test_xades_t.py"
ENDED = (
    "tests/unit/pdf/test_stamp_authority.py::"
    "test_one_that_was_revoked_since_proves_nothing_also_where_its_issuer_has_ended"
)
RESPONDER = "tests/unit/revocation/test_responder.py"
BEHIND = "tests/unit/pdf/test_behind.py"
CACHE = "tests/unit/signing/test_chain.py::TestCache"
TIME = "tests/unit/revocation/test_time.py"
SHA1 = "tests/unit/timestamp/test_sha1.py"

MISMATCH = "422 attachment-mismatch AttachmentEncoded"
NOT_VERIFIABLE = words(SubIndication.NOT_VERIFIABLE, Reason.TRANSFORM)


def unknown_dialect() -> Package:
    package = by_parts()
    from tests.unit.signing.bend import transforms
    from tests.unit.signing.forge import resign

    transforms("#header", "http://www.w3.org/TR/xml-exc-c14n#")(package)
    resign(package)
    return package


harmless_name = replace(
    received("under the same name, decomposed", words(None, Reason.GOOD), wraps.the_name_decomposed), harmless=True
)

ROWS = (
    Row("1", "A document type of any kind", same=("X01", "X04", "X05", "X08", "X10"), defences=("gate-doctype",)),
    Row("2", "Entities and XInclude", same=("X02", "X03", "X09", "X33"), defences=("gate-doctype", "edxml-foreign")),
    Row("3", "Entities that multiply", same=("X06", "X07", "X09"), defences=("gate-doctype",)),
    Row(
        "4",
        "Another encoding or version of XML, a NUL",
        same=("X17", "X18", "X19", "X20", "X22", "X24"),
        defences=("gate-declared", "gate-wide", "gate-version", "gate-nul"),
    ),
    Row("5", "Bytes behind the root, two roots, two declarations", same=("X25",), defences=("xml-recover",)),
    Row(
        "6",
        "Too large, too deep, too many elements",
        (raw("161 MB", "400 xml-too-large", lambda: b"<a>" + b" " * (161 << 20) + b"</a>"),),
        same=("X11", "X13", "X15"),
        defences=("gate-size",),
    ),
    Row("7", "A text or a tree beyond the parser's own bounds", same=("X11", "X14", "X15"), defences=("xml-huge",)),
    Row(
        "8",
        "Compressed content that grows beyond its bound",
        tests=("tests/unit/pdf/test_archive.py::test_a_bomb_stays_packed",),
        same=("X42",),
        defences=("bomb-counted",),
    ),
    Row("9", "More than 64 attributes on an element", bends("9"), same=("X12",), defences=("limit-attributes",)),
    Row(
        "10",
        "More than 32 declarations in scope of an element",
        (
            judged("29, used by 30,000 elements", LIMIT, inclusive_in_scope),
            judged("by three signatures together", LIMIT, inclusive_by_several),
        ),
        same=("X16",),
        defences=("limit-work", "limit-work-together"),
    ),
    Row("11", "Too many References or transforms", same=("D52", "D27"), defences=("limit-references",)),
    Row(
        "12",
        "Anything in a signature that the grammar does not have",
        bends("12"),
        same=("D15", "D16", "D18", "D31"),
        defences=(
            "grammar-text",
            "grammar-rest",
        ),
    ),
    Row(
        "14",
        "What is referenced is not what is used",
        (
            Case("read from inside the signature", COVERAGE, forms.inside_the_signature),
            Case("read from another tree", COVERAGE, forms.another_document),
        ),
        tests=(
            "tests/unit/pdf/test_changes.py::test_what_a_later_signature_draws_is_said",
            "tests/unit/pdf/test_changes.py::test_a_later_signature_drawn_over_much_of_a_page_is_a_change",
            "tests/unit/pdf/test_changes.py::test_a_small_page_is_drawn_over_by_a_small_box",
            "tests/unit/pdf/test_active.py::test_what_acts_is_told",
            "tests/unit/pdf/test_active.py::test_looking_takes_nothing_from_judging_and_says_where_it_ended",
        ),
        same=("D01", "D03", "D04", "D08", "D09"),
        defences=("coverage-inside", "coverage-root", *table_pdf.DRAWN_OVER, *table_pdf.ACTS),
        note="of a PDF also: what is shown is what later signatures have drawn over it, and what scripts and layers "
        "make of it (told, not refused)",
    ),
    Row("15", "An Id twice under any name", same=("D10", "D07"), defences=("ids-once",)),
    Row("16", "An Id that is a query", bends("16"), same=("D20",), defences=("reference-kinds",)),
    Row(
        "17",
        "The signed part moved away, a forged one or none in its place",
        (
            received("the kind of a recall", COVERAGE, wraps.recall_without_its_kind),
            received("the manifest", COVERAGE, wraps.manifest_away),
        ),
        same=("D01", "D02", "D03", "D04", "D05", "D06", "D07", "D08", "D09"),
        defences=("coverage", "coverage-used"),
    ),
    Row(
        "18",
        "A signature over a part of itself",
        (*bends("18"), over_itself("ds:KeyInfo"), over_itself("ds:Object")),
        defences=("reference-inside",),
    ),
    Row(
        "19", "A Reference without URI, or one target twice", bends("19"), same=("D20",), defences=("reference-twice",)
    ),
    Row("20", "A Reference to outside the package", bends("20"), same=("D21", "D22"), defences=("reference-absent",)),
    Row("21", "A part of the signature twice", bends("21"), same=("D16",), defences=("grammar-rest",)),
    Row("22", "A comment or element inside a value", bends("22"), same=("D17",), defences=("grammar-comments",)),
    Row(
        "23",
        "A value that a comment splits",
        tests=(
            f"{ROUND}::test_a_comment_that_splits_a_value_does_not_reach_the_reader",
            "tests/unit/schemas/test_edxml.py::test_a_value_that_a_comment_splits_is_read_whole",
        ),
        same=("X30",),
        defences=("verified-octets", "edxml-whole"),
    ),
    Row(
        "24",
        "Digest and content from two parses",
        tests=(
            f"{ROUND}::test_the_parts_are_given_back_as_they_were_signed",
            f"{ROUND}::test_a_comment_that_splits_a_value_does_not_reach_the_reader",
            "tests/unit/pdf/test_layout.py::test_what_programs_may_unpack_otherwise_is_doubt",
            "tests/unit/pdf/test_range.py::test_a_byte_range_that",
            f"{BEHIND}::test_an_object_beyond_the_end_of_what_was_signed",
            f"{BEHIND}::test_a_stream_that_goes_on_behind_the_signature",
            f"{BEHIND}::test_a_string_that_goes_on_behind_the_signature",
            f"{BEHIND}::test_a_trailer_that_goes_on_behind_the_signature",
            f"{BEHIND}::test_a_table_of_fewer_objects_makes_old_objects_new",
            f"{BEHIND}::test_an_object_beyond_the_size_that_was_signed_is_not_there_yet",
            f"{BEHIND}::test_an_object_beyond_the_size_of_its_own_revision",
            f"{BEHIND}::test_a_string_in_the_place_of_a_name",
            f"{BEHIND}::test_a_revision_with",
            f"{BEHIND}::test_objects_that_lie_over_each_other",
            f"{BEHIND}::test_what_an_honest_tool_writes_is_none_of_it",
        ),
        defences=("verified-octets", *table_pdf.ARCHIVES, *table_pdf.ONE_READING),
        note="an archive, too, is read twice, by the judge and by whoever unpacks it; so is a PDF, whose readers "
        "differ in what they do with tables that are odd",
    ),
    Row(
        "25",
        "A DigestValue found by searching the document",
        (judged("the digest of what was changed, first in the document", DIGEST, forms.stray_digest),),
        defences=("digest-place",),
        note="the digest is read at its place in the canonical SignedInfo",
    ),
    Row(
        "26",
        "An attachment that is not signed, or not as it is used",
        (
            judged("beside a document that is signed as a whole", COVERAGE, forms.beside_the_document),
            bent("the digest of its base64", DIGEST, forms.encoded_digest, again=False),
            received("in a countersignature", MISMATCH, wraps.attachment_in_a_countersignature),
            received("under another name than is signed", "422 attachment-mismatch", wraps.another_name_outside),
            received("whose only name leads away", "422 attachment-name AttachmentName", wraps.a_name_outside_alone),
            harmless_name,
        ),
        same=("D23", "D24", "D54"),
        defences=("coverage-inline", "digest", "attachments-place", "attachments-named", "attachments-only-name"),
    ),
    Row("27", "XSLT", same=("D25",), defences=("transform-known",)),
    Row("28", "XPath", same=("D26",), defences=("transform-known",)),
    Row(
        "29",
        "An unknown transform, a wrong order, enveloped where it is not",
        (
            *bends("29"),
            *(judged(name, code, lambda names=names: forms.whole(*names)) for name, code, names in forms.WHOLES),
        ),
        same=("D27",),
        defences=("transform-last", "transform-attachment", "transform-first"),
    ),
    Row(
        "30",
        "The URI of a page about exclusive C14N for an algorithm",
        (*bends("30"), judged("where the field is tolerated", NOT_VERIFIABLE, unknown_dialect, policy=IF_PRESENT)),
        defences=("transform-page",),
    ),
    Row(
        "31",
        "C14N with comments, C14N 2, a failure taken for nothing",
        (bent("C14N 2", C14N, forms.c14n2),),
        same=("D29", "D30"),
        defences=("c14n-others",),
    ),
    Row(
        "32",
        "Prefixes bound anew, namespaces around what was moved",
        (
            judged("a prefix inside the signed part", DIGEST, forms.rebound_prefix),
            replace(
                bent("a namespace around it", words(None, Reason.GOOD), forms.namespace_around, again=False),
                harmless=True,
            ),
        ),
        same=("X26", "X27", "X29"),
        defences=("digest",),
        note="a namespace that the signed part does not use is not part of its exclusive form",
    ),
    Row(
        "33",
        '` xmlns=""` in signed text',
        (judged("left out", DIGEST, forms.empty_declaration),),
        defences=("c14n-excise",),
    ),
    Row(
        "34",
        "SHA-1, MD5",
        same=("D35",),
        tests=(f"{SHA1}::test_sha1_counts_only_if_it_is_proved_to_be_old",),
        defences=("sha1-proof",),
    ),
    Row("35", "HMAC", same=("D33", "D34"), defences=("algorithm-known",)),
    Row("36", "An algorithm that does not fit the key", same=("D37",), defences=("key-fits",)),
    Row("37", "An RSA key out of bounds", same=("C29", "D36"), defences=("weak-rsa", "weak-exponent")),
    Row(
        "38",
        "PKCS#1 v1.5 padding of another form",
        (
            *bends("38"),
            padded("octets behind the digest", forms.trailing),
            padded("no NULL", forms.no_null),
            padded("padding that is none", forms.short_padding),
            replace(padded("the right padding", forms.well_padded), code=words(None, Reason.GOOD), harmless=True),
            value("beyond the modulus", forms.beyond_the_modulus, lambda: pki().rsa),
        ),
        same=("D38", "D39"),
        defences=("value-padding",),
    ),
    Row(
        "39",
        "RSASSA-PSS with other parameters",
        (
            pss("a salt of 20", hashes.SHA256(), hashes.SHA256(), 20),
            pss("no salt", hashes.SHA256(), hashes.SHA256(), 0),
            pss("MGF1 with SHA-1", hashes.SHA256(), hashes.SHA1(), 32),
            pss("SHA-512 throughout", hashes.SHA512(), hashes.SHA512(), 64),
            judged("a PKCS#1 v1.5 value", WRONG, forms.pkcs1_for_pss),
        ),
        tests=(
            "tests/unit/pdf/test_cms.py::test_a_cms_with",
            "tests/unit/signing/test_bound_keys.py::test_the_long_way",
        ),
        defences=("value-salt", "value-mask", "cms-pss-trailer", "cms-key-bound", "key-bound"),
    ),
    Row(
        "40",
        "ECDSA values and curves of another form",
        (forms.low_hash("SHA-1 under the name of SHA-256"),),
        same=("D36", "D38", "C29"),
        defences=("value-hash",),
    ),
    Row(
        "41",
        "Base64 of another form",
        (*bends("41"), bent("bits beyond a digest", forms.STRUCTURE, forms.stray_digest_bits, again=False)),
        same=("D53",),
        defences=("base64",),
    ),
    Row(
        "42",
        "An error taken for anything but a refusal",
        tests=(
            f"{ROUND}::test_a_surprise_inside_is_a_verdict_and_a_disk_that_fails_is_none",
            f"{ATTACHED}::test_nobody_has_a_verdict_on_a_pdf_believed_by_leaving_out_what_it_rests_on",
        ),
        defences=("surprise", "evidence-stopped"),
    ),
    Row("43", "A key by value, by name, by reference", same=("D40", "D41", "D43"), defences=("keyinfo-closed",)),
    Row("44", "Several certificates, none of them named", same=("D42", "D46"), defences=("keyinfo-one",)),
    Row("45", "A certificate that does not speak for the sender", same=("D51",), defences=("binding",)),
    Row(
        "46",
        "Certificates of the message in the path; too many; too long a path",
        bends("46"),
        same=("C07", "C04"),
        defences=("keyinfo-most",),
    ),
    Row(
        "47",
        "Certificates that are no DER, with bad serials or extensions",
        same=("C09", "C27", "C28"),
        defences=("cert-der",),
    ),
    Row(
        "48",
        "Not valid at the time that counts",
        (
            certificate("both ends turned", words(SubIndication.NOT_YET_VALID, Reason.NOT_YET_VALID), certs.turned),
            certificate(
                "an authority out of its time",
                CHAIN,
                lambda: certs.old_authority()[0],
                lambda: certs.old_authority()[1],
            ),
        ),
        same=("C01", "C02"),
        defences=("chain-validity",),
    ),
    Row("49", "Who may issue, how deep, and who is no leaf", same=("C05", "C06"), defences=("chain-length",)),
    Row("50", "A certificate of another usage", same=("C10", "C11"), defences=("cert-usage",)),
    Row("51", "Names that the authority may not certify", same=("C08",), defences=("chain-second-opinion",)),
    Row(
        "52",
        "Certificate policies that multiply",
        tests=(
            "tests/unit/revocation/test_worker.py::test_a_pathological_chain_ends_after_two_seconds_and_the_next_is_judged",
        ),
        same=("C12",),
        defences=("worker-deadline",),
        note="judged in a process of its own with a deadline",
    ),
    Row(
        "53",
        "A weak hash in the chain",
        same=("C30",),
        tests=(f"{TIME}::test_sha1_in_the_chain",),
        defences=("cert-hash",),
    ),
    Row(
        "54",
        "Revoked before the time that is proved",
        same=("C13", "C14"),
        tests=(f"{TIME}::test_revoked_after_the_proven_time_and_before_it",),
        defences=("revoked",),
    ),
    Row("55", "A list that cannot be relied on", same=("C15", "C16", "C17"), defences=("list-signed", "list-fresh")),
    Row(
        "56",
        "An answer that cannot be relied on",
        tests=(
            f"{RESPONDER}::test_an_answer_that_is_none[tryLater]",
            f"{RESPONDER}::test_an_answer_that_is_none[one bit wrong]",
            f"{RESPONDER}::test_a_status_of_tomorrow_acquits_nobody_today_whatever_time_is_proved",
            f"{RESPONDER}::test_revoked_is_final_also_where_it_is_told_after_the_certificate_has_ended",
        ),
        same=("C18", "C19", "C20"),
        defences=("answer-signed", "answer-tomorrow", "answer-late"),
    ),
    Row(
        "57",
        "Nothing is known about its revocation",
        (
            good("no list", lambda: pki().trust_without_lists, UNKNOWN),
            good("only the root's", lambda: pki().trust_with(pki().crls()[0]), UNKNOWN),
            good("only the authority's", lambda: pki().trust_with(pki().crls()[1]), UNKNOWN),
        ),
        defences=("revocation-needed",),
    ),
    Row(
        "58",
        "A claimed time for a proof; one after receipt",
        bends("58"),
        tests=(f"{STAMPED}::test_without_a_time_stamp_nothing_is_proved",),
        defences=("time-future",),
    ),
    Row(
        "59",
        "Time-stamp tokens with anything wrong",
        tests=(
            *(
                f"{TOKEN}::test_bad[{name}]"
                for name in (
                    "of something else",
                    "imprint with SHA-1",
                    "two SignerInfos",
                    "signer's certificate not named",
                    "extended key usage not critical",
                    "expired at genTime",
                )
            ),
            f"{TOKEN}::test_the_answer_is_to_our_question",
            f"{ENDED}[authority-cert-revoked]",
            f"{ENDED}[issuer-cert-ca-revoked]",
            f"{TOKEN}::test_the_signer_is_who_the_signer_info_names",
            f"{STAMPED}::test_a_time_stamp_copied_from_another_signature_is_refused",
        ),
        defences=(
            "stamp-imprint",
            "stamp-hash",
            "stamp-one",
            "stamp-named",
            "stamp-usage",
            "stamp-time",
            "stamp-nonce",
            "stamp-ended",
        ),
    ),
    Row(
        "60",
        "Times that contradict each other",
        tests=(f"{STAMPED}::test_signed_after_the_time_that_is_proved_is_a_contradiction",),
        defences=("time-order",),
    ),
    Row(
        "61",
        "An id that was used for other content",
        tests=(
            "tests/flow/test_receipts.py::test_an_id_that_was_used_for_other_content_is_a_conflict",
            "tests/unit/core/test_intake.py::test_a_repeat_is_told_by_its_digest_among_others_of_the_same_id",
        ),
        defences=("replay",),
    ),
    Row(
        "63",
        "A verdict that is used beyond the policy, the roots or the lists it rests on",
        tests=(
            f"{CACHE}::test_another_policy_or_epoch_or_certificate_is_another_question",
            f"{CACHE}::test_a_good_verdict_is_found_until_a_fact_ends",
            f"{CACHE}::test_bad_and_foreign_verdicts_are_not_kept",
            *(f"{CACHE}::test_a_good_verdict_is_not_used_when_it_would_be_another[{name}]" for name in TURNS),
            *(f"{RESPONDER}::test_a_good_verdict_is_not_used_when_it_would_be_another[{name}]" for name in ENDS),
        ),
        defences=(
            "cache-policy",
            "cache-epoch",
            "cache-end",
            "cache-ahead",
            "cache-root",
            "cache-signer",
            "cache-delegate",
        ),
    ),
)
