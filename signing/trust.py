"""What we believe in: roots and what for, the authorities under them, and the evidence about revocation at hand."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from signing.certificate import Leaf, OldHash, Purpose
from signing.pathcheck import ANY_POLICY, PathRules
from signing.piece import Frame
from signing.revocation.crl import PLAIN, Freshness
from signing.revocation.ocsp import Answer
from signing.store import Issuer, Store

EVERYTHING: Final = frozenset(Purpose)


@dataclass(frozen=True, slots=True)
class AnchorRule:
    """What a root is believed for, and in which time; `note` is the operator's own.

    `since` and `until` bound the time at which a certificate is judged, not the root's own validity.
    """

    purposes: frozenset[Purpose] = EVERYTHING
    since: datetime | None = None
    until: datetime | None = None
    note: str = ""

    def refusal(self, purpose: Purpose, at: datetime) -> str | None:
        """Why a path to this root does not count, or `None`."""
        if purpose not in self.purposes:
            return f"the root is not believed for {purpose.value}"
        if self.since is not None and at < self.since:
            return f"the root is believed from {self.since.isoformat()}"
        if self.until is not None and at > self.until:
            return f"the root was believed until {self.until.isoformat()}"
        return None


ANY_USE: Final = AnchorRule()


class Trust:
    """Self-signed roots, the intermediates under them, revocation lists and answers of responders, all DER.

    `rules` says for roots, by SHA-256 in hex, what they are believed for; without a rule it is everything. SHA-1 under
    a certificate is let through where the signature is proved to be older than `sha1_before`, and otherwise never.

    Immutable. `epoch` names the whole set and changes with any of it. `problems` tells in words what was given and
    cannot be used; such an entry takes no part.
    """

    def __init__(
        self,
        anchors: Sequence[bytes] = (),
        intermediates: Sequence[bytes] = (),
        crls: Sequence[bytes] = (),
        answers: Sequence[bytes] = (),
        *,
        rules: Mapping[str, AnchorRule] = MappingProxyType({}),
        freshness: Freshness = PLAIN,
        sha1_before: datetime | None = None,
        path_rules: PathRules = ANY_POLICY,
    ) -> None:
        self.anchors, self.intermediates = tuple(anchors), tuple(intermediates)
        self.crls, self.answers = tuple(crls), tuple(answers)
        self.rules, self.freshness, self.sha1_before, self.path_rules = dict(rules), freshness, sha1_before, path_rules
        self._epoch: str | None = None
        self._store: Store | None = None
        self._octets: Mapping[str, bytes] | None = None
        self._places: Mapping[str, tuple[tuple[int, int], ...]] | None = None
        self.remembered: dict[tuple[str, ...], Frame] = {}
        """What `signing.evidence` wrote out for verdicts, by their policy and what they had seen."""

    def __getstate__(self) -> dict[str, object]:
        """For another process: the octets travel, and what was parsed from them is made there again."""
        return {**self.__dict__, "_store": None, "_octets": None, "_places": None, "remembered": {}}

    def beside(self, other: Trust) -> Trust:
        """`other` with what is given here: these roots are believed for everything, by the rules of `other`."""
        unbound = {hashlib.sha256(der).hexdigest() for der in self.anchors}
        return Trust(
            (*other.anchors, *self.anchors),
            (*other.intermediates, *self.intermediates),
            (*other.crls, *self.crls),
            (*other.answers, *self.answers),
            rules={name: rule for name, rule in other.rules.items() if name not in unbound},
            freshness=other.freshness,
            sha1_before=other.sha1_before,
            path_rules=other.path_rules,
        )

    @property
    def epoch(self) -> str:
        """Of everything but the answers, each of which concerns one certificate: see `epoch_for`."""
        if self._epoch is None:
            state = hashlib.sha256()
            for label, items in (("anchor", self.anchors), ("intermediate", self.intermediates), ("crl", self.crls)):
                for digest in sorted({hashlib.sha256(item).hexdigest() for item in items}):
                    state.update(f"{label} {digest}\n".encode())
            for digest in sorted(answer.sha256 for signer in self.store.everybody for answer in self._about(signer)):
                state.update(f"answer {digest}\n".encode())
            for name, rule in sorted(self.rules.items()):
                purposes = sorted(purpose.value for purpose in rule.purposes)
                state.update(f"rule {name} {purposes} {rule.since} {rule.until}\n".encode())
            state.update(f"{self.freshness} {self.sha1_before} {_plain(self.path_rules)}\n".encode())
            self._epoch = state.hexdigest()
        return self._epoch

    def epoch_for(self, leaf: Leaf) -> str:
        """What a verdict on `leaf` depends on: the epoch, and the answers about this certificate."""
        about = self._about(leaf) if self.answers else ()
        return self.epoch if not about else " ".join((self.epoch, *sorted(answer.sha256 for answer in about)))

    def _about(self, one: Leaf | Issuer) -> Sequence[Answer]:
        return self.store.answers_about(one.certificate.serial_number)

    @property
    def store(self) -> Store:
        """The parsed form, made at the first use."""
        if self._store is None:
            self._store = Store(self.anchors, self.intermediates, self.crls, self.answers)
        return self._store

    @property
    def octets(self) -> Mapping[str, bytes]:
        """Everything that was given, by SHA-256 in hex."""
        self._look_up()
        assert self._octets is not None
        return self._octets

    @property
    def places(self) -> Mapping[str, tuple[tuple[int, int], ...]]:
        """Where each was given, by SHA-256: its group (anchors, intermediates, lists, answers) and its number there."""
        self._look_up()
        assert self._places is not None
        return self._places

    def _look_up(self) -> None:
        if self._octets is not None and self._places is not None:
            return
        octets: dict[str, bytes] = {}
        places: dict[str, tuple[tuple[int, int], ...]] = {}
        for group, items in enumerate((self.anchors, self.intermediates, self.crls, self.answers)):
            for number, one in enumerate(dict.fromkeys(items)):
                name = hashlib.sha256(one).hexdigest()
                octets[name], places[name] = one, (*places.get(name, ()), (group, number))
        self._octets, self._places = octets, places

    @property
    def problems(self) -> tuple[str, ...]:
        return self.store.problems

    def rule_of(self, root: Issuer) -> AnchorRule:
        return self.rules.get(root.sha256, ANY_USE)

    def old_hash(self, proven: datetime | None) -> OldHash:
        return OldHash(self.sha1_before, proven)


def _plain(rules: PathRules) -> str:
    return f"{sorted(rules.accepted)} {rules.explicit} {rules.inhibit_mapping} {rules.inhibit_any}"
