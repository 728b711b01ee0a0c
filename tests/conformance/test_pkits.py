"""NIST PKITS: certification paths, revocation lists, policies, name constraints, judged for 2011."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from itertools import groupby
from typing import Any, Final

import pytest
from cryptography import x509

from signing.certificate import load_leaf, read_extensions
from signing.chain import Trust, judge_certificate, judge_paths
from signing.pathcheck import PathRules
from signing.policy import OWN_NETWORK
from signing.refusal import Refused
from signing.revocation.name import name_key
from signing.verdict import Reason
from tests.conformance.neutral import RFC_5280
from tests.conformance.record import VECTORS, Record, settle

FOLDER: Final = VECTORS / "nist-pkits"
DATA: Final[Mapping[str, Any]] = json.loads((FOLDER / "cases.json").read_text())
AT: Final = datetime.fromisoformat(DATA["validation_time"].replace("Z", "+00:00"))

pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")


SECTIONS: Final = {
    "4.1": "signature verification",
    "4.2": "validity periods",
    "4.3": "name chaining",
    "4.4": "basic revocation lists",
    "4.5": "self-issued certificates",
    "4.6": "basicConstraints",
    "4.7": "key usage",
    "4.8": "certificate policies",
    "4.9": "requireExplicitPolicy",
    "4.10": "policy mappings",
    "4.11": "inhibitPolicyMapping",
    "4.12": "inhibitAnyPolicy",
    "4.13": "name constraints",
    "4.14": "distribution points, indirect lists",
    "4.15": "delta lists",
    "4.16": "private extensions",
}


LISTED_BUT: Final = {
    "4.4.8": "an unknown critical entry extension makes the list unusable",
    "4.4.9": "an unknown critical extension makes the list unusable",
    "4.4.15": "the serial number is negative, which is refused before any list is asked",
    "4.4.21": "the certificate that signs the lists stands on one itself, so they prove nothing",
    "4.14.34": "an indirect list at a distribution point that names no cRLIssuer is not taken",
}
"""Invalid cases whose certificate stands on a list of the case and that need not be called revoked: why not."""

INHERITED: Final = """4.1.5 has a DSA key that inherits its parameters from its issuer. The library that reads
  certificates refuses such a key; our own policies refuse every DSA key."""


@dataclass(frozen=True)
class Case:
    name: str
    part: str
    chain: tuple[bytes, ...]
    trust: Trust
    valid: bool

    def judge(self, at: datetime = AT) -> Answer:
        """The path alone, under no rule of our own."""
        try:
            leaf = load_leaf(self.chain[-1])
            read_extensions(leaf.certificate)
            verdict = judge_paths(leaf, self.trust, at, RFC_5280)
        except Refused as refused:
            return Answer(refused.reason, refused.observed)
        return Answer(verdict.reason, verdict.checks[-1].observed)

    def judge_signer(self) -> Answer:
        """As the judge of documents asks."""
        verdict = judge_certificate(self.chain[-1], self.trust, AT, OWN_NETWORK)
        return Answer(verdict.reason, verdict.checks[-1].observed)


@dataclass(frozen=True)
class Answer:
    reason: Reason
    observed: str

    @property
    def good(self) -> bool:
        return self.reason is Reason.GOOD

    def __str__(self) -> str:
        return f"`{self.reason}`" + (f", {self.observed}" if self.observed else "")


def rules(item: Mapping[str, Any]) -> PathRules:
    accepted = (DATA["policies"][name] for name in item.get("initial_policy_set", ["anyPolicy"]))
    return PathRules(
        accepted=frozenset("any_policy" if oid == DATA["policies"]["anyPolicy"] else oid for oid in accepted),
        explicit=item.get("initial_explicit_policy", False),
        inhibit_mapping=item.get("initial_policy_mapping_inhibit", False),
        inhibit_any=item.get("initial_inhibit_any_policy", False),
    )


def read(item: Mapping[str, Any]) -> Case:
    chain = tuple((FOLDER / "certs" / f"{name}.crt").read_bytes() for name in item["certs"])
    lists = [(FOLDER / "crls" / f"{name}.crl").read_bytes() for name in item["crls"]]
    trust = Trust(chain[:1], chain[1:-1], lists, path_rules=rules(item))
    part = ".".join(item["section"].split(".")[:2])
    return Case(f"{item['section']} {item['title']}", part, chain, trust, item["should_validate"])


@cache
def cases() -> list[Case]:
    return [read(item) for item in DATA["cases"]]


@cache
def answers() -> list[tuple[Case, Answer]]:
    return [(case, case.judge()) for case in cases()]


@cache
def as_signers() -> list[tuple[Case, Answer]]:
    return [(case, case.judge_signer()) for case in cases()]


def stands_on_a_list(case: Case) -> bool:
    """Whether a list of the case names a certificate of the chain; who signed the list and for what is not asked."""
    certificates = [x509.load_der_x509_certificate(der) for der in case.chain[1:]]
    named = {(name_key(one.issuer), one.serial_number) for one in certificates}
    for der in case.trust.crls:
        crl = x509.load_der_x509_crl(der)
        issuer = name_key(crl.issuer)
        for entry in crl:
            for extension in entry.extensions:
                if isinstance(extension.value, x509.CertificateIssuer):
                    issuer = name_key(extension.value.get_values_for_type(x509.DirectoryName)[0])
            if (issuer, entry.serial_number) in named:
                return True
    return False


@cache
def listed() -> list[tuple[Case, Answer]]:
    """The invalid cases on a list whose reason is another than that."""
    revoked = (Reason.REVOKED, Reason.CA_REVOKED)
    others = [(case, answer) for case, answer in answers() if not case.valid and answer.reason not in revoked]
    return [(case, answer) for case, answer in others if stands_on_a_list(case)]


@cache
def run() -> Record:
    right = [(case.part, case.valid == answer.good) for case, answer in answers()]
    rows = []
    for part, group in groupby(right, key=lambda item: item[0]):
        results = [good for _, good in group]
        rows.append((part, SECTIONS[part], len(results), sum(results)))
    wrong = {f"{case.name}: {answer}": answer.good for case, answer in answers() if case.valid != answer.good}
    reasons = Counter(f"`{answer.reason}`" for case, answer in answers() if not case.valid)
    return Record(
        name="NIST PKITS",
        source="NIST PKITS 1.0.1, `tests/vectors/nist-pkits/SOURCE.txt`.",
        method="""
Every case goes through `judge_paths` of `signing/chain.py`, with the anchor, the intermediates, the lists and the
inputs (initial policies and so on) of the case as `Trust`, for the time of the case. The policy has no rule of our own:
any key, SHA-1 as well, any length of path; nor is it asked whether the leaf may sign documents. What our own network
says of the same paths, through `judge_certificate`, stands below.
""",
        total=len(right),
        right=sum(good for _, good in right),
        wrong=list(wrong),
        accepted=[name for name, accepted in wrong.items() if accepted],
        tables=[
            ("By section", ("section", "about", "cases", "right"), rows),
            ("Why invalid paths are refused", ("reason", "cases"), sorted(reasons.items())),
            (
                "Invalid paths with a certificate on a list that are refused for another reason than that",
                ("case", "our reason", "why"),
                [(case.name, answer, LISTED_BUT.get(case.name.split()[0], "?")) for case, answer in listed()],
            ),
            (
                "Valid paths that our own network refuses (policy `own-network`)",
                ("case", "why"),
                [(case.name, answer) for case, answer in as_signers() if case.valid and not answer.good],
            ),
        ],
        notes=[INHERITED],
    )


def test_the_page() -> None:
    settle(run())


def test_at_least_246_are_right_and_none_is_wrongly_accepted() -> None:
    assert run().total == 247
    assert run().right >= 246, run().wrong
    assert run().accepted == []


def test_our_own_network_accepts_nothing_more() -> None:
    accepted = {case.name for case, answer in answers() if answer.good}
    ours = {case.name for case, answer in as_signers() if answer.good}
    assert ours < accepted


def test_our_own_network_refuses_valid_paths_only_by_rules_of_its_own() -> None:
    reasons = {answer.reason for case, answer in as_signers() if case.valid and not answer.good}
    assert reasons <= {Reason.WEAK_KEY, Reason.KEY_USAGE, Reason.KEYINFO, Reason.UNTRUSTED}


def test_an_invalid_path_is_refused_for_what_is_wrong_with_it_and_not_by_accident() -> None:
    assert [case.name for case, answer in answers() if answer.reason is Reason.PROCESSING] == []
    reasons = {case.name: answer.reason for case, answer in answers()}
    assert reasons["4.4.3 Invalid Revoked EE Test3"] is Reason.REVOKED
    assert reasons["4.4.2 Invalid Revoked CA Test2"] is Reason.CA_REVOKED
    as_asked = {case.name: answer.reason for case, answer in as_signers()}
    assert as_asked["4.2.6 Invalid EE notAfter Date Test6"] is Reason.EXPIRED
    assert as_asked["4.2.2 Invalid EE notBefore Date Test2"] is Reason.NOT_YET_VALID


def test_whoever_stands_on_a_list_is_called_revoked() -> None:
    """Not merely unknown, which is held and asked again; but for the few whose reason is told above."""
    assert {case.name.split()[0] for case, _ in listed()} <= set(LISTED_BUT)
    assert sum(answer.reason is Reason.REVOKED for _, answer in answers()) >= 19


def test_without_its_lists_no_valid_path_is_good() -> None:
    """The lists decide: nothing is accepted by not looking."""
    for case in cases():
        bare = Trust(case.trust.anchors, case.trust.intermediates, path_rules=case.trust.path_rules)
        assert not replace(case, trust=bare).judge().good, case.name


def test_before_and_after_its_time_no_path_is_good() -> None:
    for case in cases()[::7]:
        for at in (AT - timedelta(days=9 * 365), AT + timedelta(days=30 * 365)):
            assert not case.judge(at).good, case.name
