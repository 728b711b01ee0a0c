"""Everything about the signatures of a document but the trust in their certificates: structure, values, coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from lxml import etree

from signing.c14n import Splices, Text
from signing.company import Company
from signing.octets import Octets
from signing.policy import SignaturePolicy
from signing.refusal import Refused
from signing.shape import Laid, recognise
from signing.verdict import Reason, SignatureRole, Verdict, indication_of, unsigned
from signing.xmldsig import Findings, MustCover, Verified, examine

NO_SPLICES: Final[Mapping[str, Text]] = MappingProxyType({})


@dataclass(frozen=True)
class Inspection:
    """Everything but the certificate's trust.

    `verdict` stands where that question does not arise: there is no signature, or it is not good. Otherwise it is
    `None`, and `certificate` is the DER of the certificate that must be judged. `others` are those of further
    signatures of the package and of countersignatures, `place` says where among them this one stands.
    """

    at: datetime
    policy: SignaturePolicy
    findings: Findings
    verdict: Verdict | None
    verified: Verified | None
    role: SignatureRole = SignatureRole.PRIMARY
    place: str = ""
    others: tuple[Inspection, ...] = ()

    @property
    def each(self) -> tuple[Inspection, ...]:
        """The inspection of every signature, this one first."""
        return (self, *self.others)

    @property
    def certificate(self) -> bytes | None:
        """The certificate (DER) that must be judged, or `None` where that question does not arise."""
        leaf = self.findings.leaf
        return leaf.der if leaf is not None and self.verdict is None else None

    @property
    def has_timestamps(self) -> bool:
        """Say whether `prove` has anything to do: then the certificate is judged for what it finds."""
        return self.verdict is None and bool(self.findings.stamps.stamps)


def inspect(
    root: etree._Element,
    signatures: Sequence[etree._Element],
    must_cover: MustCover,
    policy: SignaturePolicy,
    at: datetime,
    splices: Mapping[str, Text] = NO_SPLICES,
) -> Inspection:
    """Judge structure, value, digests and coverage. Never raises for bad input: a surprise is a verdict too. `OSError`
    of octets that others hold passes through.
    """
    if not signatures:
        return Inspection(at, policy, Findings(), unsigned(at, policy.name, policy.sha256), None)
    if len(signatures) > policy.max_signatures:
        blank = Inspection(at, policy, Findings(), None, None)
        many = Refused(Reason.STRUCTURE, f"{len(signatures)} signatures", f"at most {policy.max_signatures}")
        return replace(blank, verdict=refuse(many, blank))
    task = _Task(root, Company(root, signatures, policy), policy, at, splices)
    each: list[Inspection] = []
    for number, signature in enumerate(signatures, 1):
        role = SignatureRole.PARALLEL if each else SignatureRole.PRIMARY
        one = task.inspect(signature, must_cover, role, f"Signature[{number}]")
        each.append(one)
        if one.verdict is None and task.company.countersignatures:
            each += task.countersignatures(signature, one.place)
    return each[0] if len(each) == 1 else replace(each[0], others=tuple(each[1:]))


def inspect_laid(
    laid: Laid,
    attachments: Mapping[str, Octets],
    inline: bool,
    policy: SignaturePolicy,
    at: datetime,
    splices: Mapping[str, Text] = NO_SPLICES,
) -> Inspection | None:
    """What `inspect` finds about a document of which is known where everything lies, if its signature is one of our
    signer's and good in every respect. `None` is left to `inspect`, which alone refuses.

    `attachments` must be covered, by content id without `cid:`; with `inline` they stand in the document.
    """
    usual = recognise(laid, attachments, inline, policy, at, Splices(splices))
    return None if usual is None else Inspection(at, policy, usual[1], None, usual[0], place="Signature[1]")


@dataclass(slots=True)
class _Task:
    root: etree._Element
    company: Company
    policy: SignaturePolicy
    at: datetime
    splices: Mapping[str, Text]

    def inspect(self, signature: etree._Element, must_cover: MustCover, role: SignatureRole, place: str) -> Inspection:
        found, at, policy = Findings(), self.at, self.policy
        try:
            verified = examine(self.root, signature, must_cover, policy, at, Splices(self.splices), found, self.company)
            return Inspection(at, policy, found, None, verified, role, place)
        except Refused as error:
            refused = error
        except OSError:
            raise  # octets that cannot be read say nothing of the signature: whoever holds them answers for that
        except Exception as surprise:  # noqa: BLE001 - a surprise in the judge must become neither a pass nor a crash
            refused = Refused(Reason.PROCESSING, type(surprise).__name__)
        blank = Inspection(at, policy, found, None, None, role, place)
        return replace(blank, verdict=refuse(refused, blank))

    def countersignatures(self, parent: etree._Element, place: str) -> list[Inspection]:
        """Like any signature, but for what they are of."""
        return [
            self.inspect(
                one.element,
                MustCover({"SignatureValue": one.value}, place=one.element.getparent()),
                SignatureRole.COUNTERSIGNATURE,
                f"{place}/CounterSignature[{one.number}]",
            )
            for one in self.company.countersignatures
            if one.parent is parent
        ]


def refuse(refused: Refused, inspection: Inspection) -> Verdict:
    at, policy, found = inspection.at, inspection.policy, inspection.findings
    sub_indication = refused.under(policy.mode)
    return Verdict(
        indication=indication_of(sub_indication),
        sub_indication=sub_indication,
        reason=refused.reason,
        at=at,
        policy=policy.name,
        policy_sha256=policy.sha256,
        profile=found.profile,
        signature_algorithm=found.algorithm,
        claimed_at=found.claimed_at,
        # Before the value was checked, a certificate in KeyInfo is only a claim about somebody else.
        signer=found.leaf.signer if found.leaf is not None and found.value_is_good else None,
        covered=found.covered,
        not_covered=found.not_covered,
        checks=(*found.checks, refused.check()),
        quirks=found.quirks,
        role=inspection.role,
        place=inspection.place,
    )
