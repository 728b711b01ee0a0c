"""C01 to C32: certificates, the paths above them, what revokes them, and whom they speak for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache

from cryptography import x509
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from axis.core.binding import Binding, Bindings, hold_to_binding
from schemas.codes import AgencyCode
from signing.chain import Trust
from signing.pathcheck import PathRules
from signing.revocation.crl import Freshness
from signing.verdict import Reason, SubIndication
from tests.pki import NOW, Holder, issue, pki, revocation_list, rsa_key
from tests.refusals import certs
from tests.refusals.bends import bends
from tests.refusals.certs import DAY, HOUR, leaf
from tests.refusals.row import Case, Row, Said
from tests.refusals.said import certificate, words
from tests.unit.revocation.test_responder import answer, field, real_now
from tests.unit.signing.forge import by_parts

_S = SubIndication
EXPIRED, NOT_YET = words(_S.EXPIRED, Reason.EXPIRED), words(_S.NOT_YET_VALID, Reason.NOT_YET_VALID)
UNTRUSTED = words(_S.NO_CERTIFICATE_CHAIN_FOUND, Reason.UNTRUSTED)
CHAIN = words(_S.CERTIFICATE_CHAIN_GENERAL_FAILURE, Reason.CHAIN)
USAGE = words(_S.CHAIN_CONSTRAINTS_FAILURE, Reason.KEY_USAGE)
REVOKED = words(_S.REVOKED, Reason.REVOKED)
UNKNOWN = words(_S.TRY_LATER, Reason.REVOCATION_UNKNOWN)
WEAK = words(_S.CRYPTO_CONSTRAINTS_FAILURE, Reason.WEAK_KEY)
NO_CERTIFICATE = words(_S.NO_SIGNING_CERTIFICATE_FOUND, Reason.KEYINFO)
NOT_BOUND = words(_S.SIG_CONSTRAINTS_FAILURE, Reason.NOT_BOUND)
GOOD = words(None, Reason.GOOD)

CHAIN_TESTS = "tests/unit/signing/test_chain.py"
TIME = "tests/unit/revocation/test_time.py"
RESPONDER = "tests/unit/revocation/test_responder.py"
SENDER = AgencyCode("000.00.01.H99")


def along(name: str, code: str, made: Callable[[], tuple[Holder, Trust]]) -> Case:
    """A leaf with whom to believe."""
    return certificate(name, code, lambda: made()[0], lambda: made()[1])


def good(name: str, trust: Callable[[], Trust], code: str = UNKNOWN, **options: object) -> Case:
    """The good leaf, with what is said about its revocation."""
    return certificate(name, code, lambda: pki().good, trust, **options)  # type: ignore[arg-type]


def within_200_ms(case: Case) -> Case:
    """The least of three runs counts: others on the machine can make a run dearer, never cheaper."""

    def run() -> Said:
        said = case.run()  # makes the authorities too
        spent = []
        for _ in range(3):
            start = time.process_time()
            case.run()
            spent.append(time.process_time() - start)
        return said if min(spent) < 0.2 else replace(said, code=f"{said.code}, late")

    return replace(case, run=run)


def answered(name: str, code: str, answers: Callable[[], tuple[bytes, ...]], harmless: bool = False) -> Case:
    """A certificate about which only responders speak, judged at the real clock, as the answers are made."""

    def trust() -> Trust:
        known = field()
        return Trust(
            (known.root.der,),
            (known.authority.der,),
            (known.lists(real_now() - HOUR)["/root.crl"],),
            answers(),
        )

    return Case(
        name,
        code,
        lambda: certificate(name, code, lambda: field().good, trust, real_now(), harmless).run(),
        harmless,
    )


def bound(
    name: str, code: str, who: Callable[[], Holder], to: Callable[[], Holder] | None, harmless: bool = False
) -> Case:
    """A package by `who`, where the certificate of `to` (or none) is bound to the sender."""

    def run() -> Said:
        rows = () if to is None else (Binding(to().sha256, SENDER),)
        verdict = hold_to_binding(by_parts(who().signer()).judge().verdict, SENDER, Bindings(rows))
        return Said(words(verdict.sub_indication, verdict.reason), verdict.passed)

    return Case(name, code, run, harmless)


def says(**attributes: str) -> Callable[[], Holder]:
    """A good certificate that says the sender's code of itself, in its alternative names and the name given."""
    alternative = x509.SubjectAlternativeName([x509.RegisteredID(x509.ObjectIdentifier("1.2.3")), x509.DNSName("h99")])
    return lambda: issue(attributes["name"], pki().authority, more=[(alternative, False)])


def renewed() -> Holder:
    return issue("Tốt", pki().authority, key=pki().good.key)


def explicit_policy() -> Trust:
    rules = PathRules(frozenset({"1.2.3.4"}), explicit=True)
    return Trust((pki().root.der,), (pki().authority.der,), pki().crls(), path_rules=rules)


def graced(grace: timedelta) -> Callable[[], Trust]:
    stale = lambda: revocation_list(pki().authority, at=NOW - DAY, until=NOW - HOUR)  # noqa: E731
    return lambda: Trust(
        (pki().root.der,), (pki().authority.der,), (pki().crls()[0], stale()), freshness=Freshness(grace=grace)
    )


def lower_number() -> Trust:
    newer = revocation_list(pki().authority, at=NOW - 3 * HOUR, until=NOW - HOUR, number=7)
    older = revocation_list(pki().authority, at=NOW - 2 * HOUR, until=NOW + DAY, number=6)
    return pki().trust_with(pki().crls()[0], newer, older)


@cache
def _self_signed() -> Holder:
    return issue("tự ký")


REASONS = [reason for reason in x509.ReasonFlags if reason.value not in ("unspecified", "removeFromCRL")]
DELTA = (x509.DeltaCRLIndicator(1), True)

ROWS = (
    Row(
        "C01",
        "Expired",
        (
            certificate("at receipt", EXPIRED, lambda: pki().expired),
            certificate("at the time that is proved", EXPIRED, lambda: pki().expired, proven=NOW),
        ),
        tests=(f"{TIME}::test_expired_now_and_valid_when_it_was_proved",),
        defences=("cert-expired",),
    ),
    Row(
        "C02",
        "Not yet valid",
        (certificate("by a day and a second", NOT_YET, lambda: pki().not_yet_valid),),
        defences=("cert-early",),
    ),
    Row(
        "C03",
        "An unknown root, a self-signed leaf, a leaf among the roots",
        (
            certificate("unknown root", UNTRUSTED, lambda: pki().from_other_root),
            certificate("self-signed", UNTRUSTED, lambda: issue("tự ký")),
            certificate("an issuer of the same name", UNTRUSTED, lambda: issue("giả", issue("CA kiểm thử", ca=True))),
            certificate(
                "a self-signed leaf among the roots",
                UNTRUSTED,
                _self_signed,
                lambda: Trust((_self_signed().der,), (), ()),
            ),
            certificate(
                "an authority among the roots that is none",
                UNTRUSTED,
                lambda: pki().good,
                lambda: Trust((pki().authority.der,), (), pki().crls()),
            ),
        ),
        defences=("chain-issued", "chain-self-signed"),
    ),
    Row(
        "C04",
        "An intermediate is missing",
        (good("the only one", lambda: Trust((pki().root.der,), (), pki().crls()), UNTRUSTED),),
        same=("D44",),
        defences=("chain-fetch",),
    ),
    Row(
        "C05",
        "An issuer that is no authority; a leaf that is one",
        (
            certificate("an authority signs a document", USAGE, lambda: pki().authority),
            certificate(
                "keyCertSign on a leaf",
                USAGE,
                lambda: leaf(usages=frozenset({"digital_signature", "key_cert_sign"})),
            ),
            certificate("issued by a leaf", UNTRUSTED, lambda: issue("con", pki().good)),
            along("issued by a leaf that is among the authorities", UNTRUSTED, certs.under_a_leaf),
            along("an authority that may only sign lists", CHAIN, certs.under_no_issuer),
        ),
        defences=("cert-authority", "chain-authority", "chain-may-issue"),
    ),
    Row(
        "C06",
        "A path longer than its authority allows",
        (along("by one", CHAIN, certs.too_deep),),
        defences=("chain-length",),
    ),
    Row(
        "C07",
        "A path of 30, a maze of cross-certificates",
        (
            within_200_ms(along("30", UNTRUSTED, certs.long_path)),
            within_200_ms(along("a maze", UNTRUSTED, certs.maze)),
        ),
        tests=(
            "tests/unit/revocation/test_worker.py::test_a_pathological_chain_ends_after_two_seconds_and_the_next_is_judged",
        ),
        defences=("chain-depth",),
    ),
    Row(
        "C08",
        "Names that the authority may not certify",
        (
            along("not permitted", CHAIN, lambda: certs.under(more=(certs.constrained(permitted=("LA",)),))),
            along("excluded", CHAIN, lambda: certs.under(more=(certs.constrained(excluded=("VN",)),))),
            along("not permitted by the root", CHAIN, lambda: certs.under_a_root(certs.constrained(permitted=("LA",)))),
            along("excluded by the root", CHAIN, lambda: certs.under_a_root(certs.constrained(excluded=("VN",)))),
            replace(
                along("permitted by the root", GOOD, lambda: certs.under_a_root(certs.constrained(permitted=("VN",)))),
                harmless=True,
            ),
        ),
        tests=("tests/conformance/test_pkits.py::test_at_least_246_are_right_and_none_is_wrongly_accepted",),
        defences=("chain-second-opinion", "chain-root-names"),
    ),
    Row(
        "C09",
        "An unknown critical extension",
        (
            certificate("on the leaf", CHAIN, lambda: leaf(more=[certs.UNKNOWN_CRITICAL])),
            along("on an authority", CHAIN, lambda: certs.under(more=(certs.UNKNOWN_CRITICAL,))),
        ),
        defences=("cert-critical",),
    ),
    Row(
        "C10",
        "keyUsage that is not for signing",
        (
            certificate("keyEncipherment", USAGE, lambda: pki().wrong_usage),
            certificate("none", USAGE, lambda: leaf(usages=None)),
        ),
        defences=("cert-usage",),
    ),
    Row(
        "C11",
        "A certificate of another trade",
        (
            certificate("TLS client", USAGE, lambda: leaf(purposes=[ExtendedKeyUsageOID.CLIENT_AUTH])),
            certificate("TLS server", USAGE, lambda: leaf(purposes=[ExtendedKeyUsageOID.SERVER_AUTH])),
            certificate("time stamps", USAGE, lambda: leaf(purposes=[ExtendedKeyUsageOID.TIME_STAMPING])),
            certificate("answers of responders", USAGE, lambda: leaf(purposes=[ExtendedKeyUsageOID.OCSP_SIGNING])),
            certificate("code", USAGE, lambda: leaf(purposes=[ExtendedKeyUsageOID.CODE_SIGNING])),
            along(
                "under an authority for TLS",
                CHAIN,
                lambda: certs.under(purposes=(ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)),
            ),
            replace(
                along(
                    "under one for TLS and mail",
                    GOOD,
                    lambda: certs.under(
                        purposes=(ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.EMAIL_PROTECTION)
                    ),
                ),
                harmless=True,
            ),
        ),
        tests=(
            "tests/refusals/test_tls.py::test_a_certificate_for_documents_opens_no_connection",
            f"{CHAIN_TESTS}::test_openssl_too_believes_nobody_below_an_authority_for_tls",
        ),
        defences=("cert-purpose", "chain-trade"),
    ),
    Row(
        "C12",
        "A certificate policy that is not accepted",
        (good("none of ours", explicit_policy, CHAIN),),
        tests=("tests/conformance/test_pkits.py::test_at_least_246_are_right_and_none_is_wrongly_accepted",),
        defences=("chain-policies",),
    ),
    Row(
        "C13",
        "Revoked, for whatever reason",
        (
            certificate("revoked", REVOKED, lambda: pki().revoked),
            *(
                good(reason.value, lambda reason=reason: certs.listed(certs.entry(reason)), REVOKED)
                for reason in REASONS
            ),
            good("without a reason", lambda: certs.listed(certs.entry(None)), REVOKED),
            certificate("by a list that has ended", REVOKED, lambda: pki().revoked, lambda: pki().stale_trust),
            good(
                "its authority",
                lambda: pki().trust_with(revocation_list(pki().root, [pki().authority.certificate]), pki().crls()[1]),
                words(_S.REVOKED_CA_NO_POE, Reason.CA_REVOKED),
            ),
            good("by a list that only one of two roots leads to", certs.two_roots, REVOKED),
            certificate("by an indirect list that marks nothing", REVOKED, certs.pointed_away, certs.indirect),
        ),
        tests=(f"{TIME}::test_holds_and_delta_lists",),
        defences=("revoked", "revoked-authority", "revoked-anywhere", "list-indirect"),
    ),
    Row(
        "C14",
        "Revoked, and the key was lost before",
        (
            good(
                "lost before the proven time",
                lambda: certs.listed(certs.entry(x509.ReasonFlags.key_compromise, NOW - 9 * DAY)),
                REVOKED,
                proven=NOW - 6 * DAY,
            ),
            *(
                good(
                    f"named twice, {order}", lambda places=places: certs.listed(*places), REVOKED, proven=NOW - 6 * DAY
                )
                for order, places in certs.twice().items()
            ),
            good(
                "lost after it",
                lambda: certs.listed(certs.entry(x509.ReasonFlags.key_compromise, NOW - 9 * DAY)),
                GOOD,
                proven=NOW - 10 * DAY,
                harmless=True,
            ),
        ),
        defences=("revoked-since", "revoked-twice"),
    ),
    Row(
        "C15",
        "A list by another authority of the same name",
        (
            good("that acquits", lambda: pki().trust_with(pki().crls()[0], certs.by_impostor())),
            good(
                "that accuses, beside a real one",
                lambda: pki().trust_with(*pki().crls(), certs.by_impostor(pki().good.certificate)),
                GOOD,
                harmless=True,
            ),
        ),
        defences=("list-signed",),
    ),
    Row(
        "C16",
        "A list that has ended, that is of tomorrow, or that has a lower number",
        (
            good("ended", lambda: pki().stale_trust),
            good("of tomorrow", lambda: pki().trust_with(*pki().crls(at=NOW + HOUR, until=NOW + 2 * HOUR))),
            good("a lower number", lower_number),
            good("beyond its grace", graced(HOUR / 2)),
            good("none", lambda: pki().trust_without_lists),
        ),
        defences=("list-fresh", "revocation-needed"),
    ),
    Row(
        "C17",
        "A list of another scope, a delta alone, an unknown critical extension",
        (
            good("about authorities only", lambda: certs.listed(more=[certs.scoped(authorities_only=True)])),
            good("of another distribution point", lambda: certs.listed(more=[certs.scoped(url="http://x/other")])),
            good("a delta without its base", lambda: certs.listed(more=[DELTA])),
            good("an unknown critical extension", lambda: certs.listed(more=[certs.UNKNOWN_CRITICAL])),
        ),
        tests=("tests/conformance/test_revocation.py::test_list",),
        defences=("list-scope", "list-delta", "list-critical"),
        note="indirect lists are taken where the certificate's distribution point names their issuer",
    ),
    Row(
        "C18",
        "An old answer of a responder, told again",
        (
            answered("stale", UNKNOWN, lambda: (answer(begin=-3 * HOUR, end=-HOUR),)),
            answered("without an end", UNKNOWN, lambda: (answer(begin=-3 * HOUR, end=None),)),
            answered("older than a week", UNKNOWN, lambda: (answer(begin=-200 * HOUR, end=HOUR),)),
            answered("from the future", UNKNOWN, lambda: (answer(begin=HOUR, end=2 * HOUR),)),
            answered("in force", GOOD, lambda: (answer(),), harmless=True),
        ),
        tests=(f"{RESPONDER}::test_an_answer_that_is_none[another request's]",),
        defences=("answer-fresh", "answer-nonce"),
    ),
    Row(
        "C19",
        "A responder does not know the certificate",
        (
            answered("unknown", UNKNOWN, lambda: (answer(status=ocsp.OCSPCertStatus.UNKNOWN),)),
            answered("an answer about another", UNKNOWN, lambda: (answer(field().revoked),)),
        ),
        defences=("answer-unknown", "answer-serial"),
    ),
    Row(
        "C20",
        "Somebody answers who may not",
        (answered("another leaf", UNKNOWN, lambda: (answer(by=field().good),)),),
        tests=(
            f"{RESPONDER}::test_who_may_not_answer[without the usage]",
            f"{RESPONDER}::test_who_may_not_answer[responder without a status of its own]",
            f"{RESPONDER}::test_who_may_not_answer[certified by the root]",
        ),
        defences=("answer-delegate", "answer-delegate-revoked"),
    ),
    Row(
        "C21",
        "The certificate of another agency than the sender",
        (bound("bound to nobody", NOT_BOUND, lambda: pki().good, None),),
        same=("D51",),
        defences=("binding",),
    ),
    Row(
        "C22",
        "A certificate that names the sender in several places",
        (
            bound("in its name", NOT_BOUND, says(name="000.00.01.H99"), None),
            bound("in its name, and bound", GOOD, lambda: pki().good, lambda: pki().good, harmless=True),
        ),
        defences=("binding-subject",),
        note="what a certificate says of itself is never read for this: the operator binds it by its fingerprint",
    ),
    Row(
        "C23",
        "Names that look alike",
        (
            bound("look-alike letters", NOT_BOUND, says(name="000.00.01.Н99"), None),
            bound("a longer code", NOT_BOUND, says(name="000.00.01.H991"), None),
            bound("another spelling", NOT_BOUND, says(name="000.00.01.H99 "), None),
        ),
        defences=("binding-subject",),
        note="as C22",
    ),
    Row(
        "C24",
        "The same key in a certificate issued anew",
        (
            bound("and not bound", NOT_BOUND, renewed, lambda: pki().good),
            bound("and bound", GOOD, lambda: pki().good, lambda: pki().good, harmless=True),
        ),
        defences=("binding",),
        note="accepted once it is bound; the verdict names the certificate by its fingerprint",
    ),
    Row(
        "C25",
        "The same name with a new key",
        (bound("and not bound", NOT_BOUND, lambda: issue("Tốt", pki().authority), lambda: pki().good),),
        defences=("binding",),
    ),
    Row(
        "C26",
        "One certificate for two agencies",
        tests=("tests/unit/config/test_faults.py::test_the_registry_has_the_same_located_faults",),
        defences=("registry-one-agency",),
        note="the registry refuses it; dated bindings may name several agencies for one certificate, on purpose, as "
        "the old and the new code of one agency share it",
    ),
    Row(
        "C27",
        "A serial number that may not be",
        (
            certificate("0", CHAIN, lambda: certs.serial(0)),
            certificate("negative", CHAIN, lambda: certs.serial(-7)),
            certificate("of 21 octets", CHAIN, lambda: certs.serial(1 << 161)),
        ),
        defences=("cert-serial",),
        note="two certificates with one serial number are both revoked by its entry: nothing is told apart by it alone",
    ),
    Row(
        "C28",
        "What is no DER",
        (
            *(
                certificate(name, NO_CERTIFICATE, octets)
                for name, octets in {
                    "nothing": lambda: b"",
                    "a letter": lambda: b"x",
                    "one octet short": lambda: pki().good.der[:-1],
                    "one octet more": lambda: pki().good.der + b"\0",
                    "indefinite length": certs.indefinite,
                    "an unused bit": certs.unused_bit,
                    "a name that is a BIT STRING": lambda: certs.odd_name(pki().good.der),
                    "5 MB": lambda: pki().good.der[:4] + bytes(5_000_000),
                }.items()
            ),
            *bends("47"),
            certificate("version 1", CHAIN, certs.version_1),
            certificate("an extension twice", CHAIN, certs.extension_twice),
        ),
        tests=(f"{CHAIN_TESTS}::test_c28_a_certificate_with_one_octet_changed_is_never_good_and_never_a_crash",),
        defences=("cert-der", "cert-version"),
    ),
    Row(
        "C29",
        "Keys that can be broken, or that cost too much",
        (
            certificate("RSA 1024", WEAK, lambda: pki().weak),
            certificate("RSA 16384", WEAK, lambda: certs.with_key((1 << 16383) + 1)),
            certificate("exponent 3", WEAK, lambda: certs.with_key(_modulus(), 3)),
            certificate("an even modulus", WEAK, lambda: certs.with_key(_modulus() - 1)),
            certificate("ROCA", WEAK, lambda: certs.with_key(certs.roca())),
            certificate("an ordinary modulus", GOOD, lambda: pki().rsa, harmless=True),
            certificate("a curve by its parameters", WEAK, certs.explicit_curve),
            *(certificate(f"Ed25519, {name}", WEAK, certs.small(point)) for name, point in certs.SMALL.items()),
        ),
        defences=("weak-rsa", "weak-exponent", "weak-roca", "weak-order"),
        note="primes that two keys share are not looked for: that takes everybody's keys",
    ),
    Row(
        "C30",
        "Weak hashes in the chain; algorithms inside and outside that differ",
        (
            certificate("a leaf signed with SHA-1", WEAK, certs.sha1_leaf),
            along("an authority signed with SHA-1", WEAK, certs.under_sha1),
            certificate(
                "SHA-384 outside, SHA-256 inside",
                UNTRUSTED,
                lambda: certs.altered(lambda contents: None, outer="sha384_ecdsa"),
            ),
        ),
        tests=("tests/conformance/test_pkits.py::test_at_least_246_are_right_and_none_is_wrongly_accepted",),
        defences=("cert-hash",),
        note="a certificate signed with MD5 leads to no root at all",
    ),
    Row(
        "C31",
        "TLS with a certificate of another environment",
        tests=("tests/refusals/test_tls.py::test_a_certificate_of_another_authority_opens_no_connection",),
        defences=("tls-authority",),
    ),
    Row(
        "C32",
        "A header that claims a certificate",
        tests=("tests/refusals/test_tls.py::test_a_header_that_claims_a_certificate_opens_no_door",),
        defences=("http-certificate",),
        note="TLS ends in the daemon; there is no proxy whose headers would be believed",
    ),
)


def _modulus() -> int:
    return rsa_key().public_key().public_numbers().n
