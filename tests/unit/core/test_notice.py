"""Notices: the sender of a held document is told, in a form that it can show to others."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from axis.core.canonical import canonical
from axis.core.intake import decide_intake
from axis.core.model import AddNotice, Cargo, Decision, Document, EntryKind, Notice, NoticeOutcome, Principal
from axis.core.notice import decide_notice, pass_on
from axis.core.problems import Kind, Problem
from axis.core.receipt import seal
from tests.unit.core.world import (
    COMMUNE_1,
    DISTRICT,
    DMS_10,
    FAR,
    NONCE,
    NOW,
    TEN,
    TWENTY,
    content,
    deliveries,
    document_of,
    ids,
    network,
    passed,
    problem_of,
    sound,
    submission,
    waiting,
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def held(by: Principal = DMS_10) -> Document:
    sub = submission(by)
    return document_of(decide_intake(sub, content(TWENTY), waiting(), (), (), network(), NOW, ids("doc"), NONCE))


def of(sender: str | None = None) -> Document:
    document = held()
    return replace(document, sender=type(document.sender).parse(sender)) if sender else document


def tell(document: Document, outcome: NoticeOutcome = NoticeOutcome.REFUSED) -> Decision[Notice]:
    return sound(
        decide_notice(
            document, outcome, "cert-revoked", network(), NOW, ids("n"), lambda body: seal(body, "key", KEY.sign)
        )
    )


def test_a_local_sender_finds_the_notice_in_its_mailbox() -> None:
    decision = tell(held())
    (delivery,) = deliveries(decision)
    assert (delivery.endpoint, delivery.cargo, delivery.recipients) == ("dms-10", Cargo.NOTICE, (TEN,))
    assert decision.entries[0].kind is EntryKind.NOTICE


def test_a_notice_names_the_document_and_its_fate_and_is_signed() -> None:
    document = held()
    facts = json.loads(tell(document).reply.octets)
    assert facts["outcome"] == "refused"
    assert facts["reason"] == "cert-revoked"
    assert facts["package_sha256"] == document.digest
    signature = base64.b64decode(facts.pop("signature"))
    KEY.public_key().verify(signature, canonical(facts))


def test_a_notice_goes_back_along_the_way_the_document_came() -> None:
    (delivery,) = deliveries(tell(of(COMMUNE_1.text)))
    assert delivery.endpoint == "district"


def test_the_national_axis_has_no_message_for_a_notice() -> None:
    decision = tell(of(FAR.text))
    assert deliveries(decision) == []
    assert decision.entries[0].facts["sent"] is False
    assert [type(change) for change in decision.changes] == [AddNotice]


def test_a_neighbours_notice_is_passed_on_as_it_came_and_never_back() -> None:
    octets = tell(held()).reply.octets
    decision = pass_on(octets, NoticeOutcome.REFUSED, held(), "province-97", network(), NOW, ids("n"))
    assert decision.reply.octets == octets
    assert [delivery.endpoint for delivery in deliveries(decision)] == ["dms-10"]
    back = pass_on(octets, NoticeOutcome.REFUSED, of(COMMUNE_1.text), DISTRICT.name, network(), NOW, ids("n"))
    assert deliveries(back) == []


@pytest.mark.parametrize(("waiting_now", "kind"), [(2, None), (3, Kind.REVOCATION_UNKNOWN)])
def test_past_the_budget_of_held_documents_intake_says_so_and_keeps_nothing(
    waiting_now: int, kind: Kind | None
) -> None:
    at = network(hold_count=3)
    decision = decide_intake(submission(), content(TWENTY), waiting(), (), (), at, NOW, ids(), NONCE, held=waiting_now)
    if kind is None:
        assert not isinstance(decision.reply, Problem)
    else:
        problem = problem_of(decision)
        assert (problem.kind, problem.temporary, decision.changes) == (kind, True, ())


def test_a_good_signature_is_not_held_up_by_a_spent_budget() -> None:
    decision = decide_intake(
        submission(),
        content(TWENTY),
        passed(),
        (),
        (),
        network(hold_count=0),
        NOW,
        ids(),
        NONCE,
        held=9,
    )
    assert isinstance(decision.reply, Document)
