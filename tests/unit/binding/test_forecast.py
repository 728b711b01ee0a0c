"""What will break and when: from facts as a table, and from certificates over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from datetime import datetime, timedelta

import pytest

from axis.cli.certs.forecast import KINDS, Authority, Event, Facility, Facts, Kind, Paper, forecast
from axis.cli.certs.gather import paper_of
from axis.core.binding import Binding, Bindings
from axis.core.registry import Agency
from schemas.codes import AgencyCode, Level
from signing.certificate import load_leaf
from signing.chain import Trust
from tests.pki import NOW, Pki, issue, pki, revocation_list

DAY = timedelta(days=1)
OFFICE, OTHER = AgencyCode("H99.07"), AgencyCode("H99.08")
ONE, TWO, SUB, SUB_2, ROOT = "11" * 32, "22" * 32, "a1" * 32, "a2" * 32, "aa" * 32
SUB_ROOT, SUB_2_ROOT = ((SUB, ROOT),), ((SUB_2, ROOT),)


def at(days: float) -> datetime:
    return NOW + days * DAY


def row(begins: float, ends: float | None, certificate: str = ONE, agency: AgencyCode = OFFICE) -> Binding:
    return Binding(certificate, agency, at(begins), None if ends is None else at(ends))


def paper(
    sha256: str = ONE,
    begins: float = -100,
    ends: float = 999,
    paths: tuple[tuple[str, ...], ...] = SUB_ROOT,
    refused: str = "",
) -> Paper:
    return Paper(sha256, f"CN {sha256[:2]}", at(begins), at(ends), paths, refused)


def authority(sha256: str, ends: float = 9999, list_until: float | None = 9999) -> Authority:
    until = None if list_until is None else at(list_until)
    return Authority(sha256, f"CA {sha256[:2]}", sha256 == ROOT, at(ends), until)


def facts(
    rows: Sequence[Binding],
    papers: Sequence[Paper] = (paper(), paper(TWO)),
    authorities: Sequence[Authority] = (authority(SUB), authority(SUB_2), authority(ROOT)),
    agencies: Sequence[Agency] = (Agency(OFFICE, "Sở", Level.PROVINCE), Agency(OTHER, "Sở khác", Level.PROVINCE)),
    facilities: Sequence[Facility] = (),
) -> Facts:
    above = {one.sha256: one for one in authorities}
    return Facts(agencies, Bindings(rows), {one.sha256: one for one in papers}, above, facilities)


def told(events: Sequence[Event]) -> list[tuple[float, str, tuple[str, ...]]]:
    return [((event.at - NOW) / DAY, event.kind.value, event.agencies) for event in events]


def look(some: Facts, days: float = 90) -> list[tuple[float, str, tuple[str, ...]]]:
    return told(forecast(some, NOW, at(days)))


ALONE = ("H99.07",)
EXPIRES_30 = (paper(ends=30), paper(TWO))

SILENCES: list[tuple[str, Facts, list[tuple[float, str, tuple[str, ...]]]]] = [
    ("nothing ends", facts([row(-9, None)]), []),
    ("nobody was ever bound", facts([]), []),
    ("the binding ends", facts([row(-9, 30)]), [(30, "binding-ends", ALONE)]),
    ("it ends on the last day of the window", facts([row(-9, 90)]), [(90, "binding-ends", ALONE)]),
    ("it ends after the window", facts([row(-9, 91)]), []),
    ("the certificate expires", facts([row(-9, None)], EXPIRES_30), [(30, "certificate-expires", ALONE)]),
    ("the earlier of the two", facts([row(-9, 20)], EXPIRES_30), [(20, "binding-ends", ALONE)]),
    ("an overlapping successor", facts([row(-9, None), row(16, None, TWO)], EXPIRES_30), []),
    ("a shorter one beside it", facts([row(-9, 50), row(-1, 10, TWO)]), [(50, "binding-ends", ALONE)]),
    ("a successor in time, to the second", facts([row(-9, 30), row(30, None, TWO)]), []),
    ("a successor one day late", facts([row(-9, 30), row(31, None, TWO)]), [(30, "binding-ends", ALONE)]),
    (
        "a successor whose own certificate begins late",
        facts([row(-9, 30), row(16, None, TWO)], (paper(), paper(TWO, begins=40))),
        [(30, "binding-ends", ALONE)],
    ),
    (
        "a successor of which nobody has shown the certificate",
        facts([row(-9, 30), row(16, None, TWO)], (paper(),)),
        [],
    ),
    (
        "a successor that is not accepted",
        facts([row(-9, 30), row(16, None, TWO)], (paper(), paper(TWO, refused="untrusted"))),
        [(30, "binding-ends", ALONE)],
    ),
    ("a successor that was taken back", facts([row(-9, 30), row(20, 20, TWO)]), [(30, "binding-ends", ALONE)]),
    ("the successor of another agency", facts([row(-9, 30), row(1, None, TWO, OTHER)]), [(30, "binding-ends", ALONE)]),
    (
        "two gaps",
        facts([row(-9, 10), row(20, 30, TWO), row(40, None)]),
        [(10, "binding-ends", ALONE), (30, "binding-ends", ALONE)],
    ),
    (
        "one certificate of two agencies",
        facts([row(-9, 30), row(-9, 30, ONE, OTHER)]),
        [
            (30, "binding-ends", ("H99.07", "H99.08")),
        ],
    ),
    ("it ended in the past", facts([row(-9, -3)]), [(-3, "binding-ends", ALONE)]),
    ("it ended in the past and began again", facts([row(-9, -3), row(-2, None, TWO)]), []),
    ("it ended in the past and begins again", facts([row(-9, -3), row(5, None, TWO)]), [(-3, "binding-ends", ALONE)]),
    ("it has not begun", facts([row(5, None)]), []),
    ("it has not begun and ends", facts([row(5, 10)]), [(10, "binding-ends", ALONE)]),
    ("it is not accepted", facts([row(-9, None)], (paper(refused="revoked"),)), [(0, "certificate-refused", ALONE)]),
    (
        "it is not accepted, but another one is",
        facts([row(-9, None), row(-9, None, TWO)], (paper(refused="revoked"), paper(TWO))),
        [],
    ),
    (
        "it is not accepted, and an older one had ended",
        facts([row(-9, None), row(-99, -50, TWO)], (paper(refused="revoked"), paper(TWO))),
        [(0, "certificate-refused", ALONE)],
    ),
]


@pytest.mark.parametrize(("some", "events"), [case[1:] for case in SILENCES], ids=[case[0] for case in SILENCES])
def test_when_an_agency_loses_its_last_certificate(
    some: Facts, events: list[tuple[float, str, tuple[str, ...]]]
) -> None:
    assert look(some) == events


def test_a_gap_says_when_it_ends_by_itself() -> None:
    (event,) = forecast(facts([row(-9, 30), row(31, None, TWO)]), NOW, at(90))
    assert (event.again, event.where) == (at(31), ONE)


def test_a_closed_agency_breaks_nothing() -> None:
    closed = Agency(OFFICE, "Huyện", Level.DISTRICT, valid_to=at(-5))
    closing = Agency(OFFICE, "Huyện", Level.DISTRICT, valid_to=at(20))
    assert look(facts([row(-9, 30)], agencies=[closed])) == []
    assert look(facts([row(-9, 30)], agencies=[closing])) == [], "it needs no certificate any more"
    assert look(facts([row(-9, 10)], agencies=[closing])) == [(10, "binding-ends", ALONE)]
    revoked = (paper(refused="revoked"),)
    assert look(facts([row(-9, None)], revoked, agencies=[closed])) == []


def test_an_agency_that_is_yet_to_open_breaks_when_it_has_opened() -> None:
    opening = Agency(OFFICE, "Xã", Level.COMMUNE, valid_from=at(20))
    assert look(facts([row(-9, 10)], agencies=[opening])) == []
    assert look(facts([row(-9, 30)], agencies=[opening])) == [(30, "binding-ends", ALONE)]
    assert look(facts([row(-9, None)], (paper(refused="revoked"),), agencies=[opening])) == []


ABOVE: list[tuple[str, Facts, list[tuple[float, str, tuple[str, ...]]]]] = [
    (
        "an intermediate expires",
        facts([row(-9, None)], authorities=(authority(SUB, 30), authority(ROOT))),
        [(30, "intermediate-expires", ALONE)],
    ),
    (
        "the anchor expires before it",
        facts([row(-9, None)], authorities=(authority(SUB, 40), authority(ROOT, 30))),
        [(30, "anchor-expires", ALONE), (40, "intermediate-expires", ALONE)],
    ),
    (
        "nothing hangs under it",
        facts([row(-9, None)], authorities=(authority(SUB), authority(SUB_2, 30), authority(ROOT))),
        [(30, "intermediate-expires", ())],
    ),
    (
        "another way up remains",
        facts(
            [row(-9, None)],
            (paper(paths=(*SUB_ROOT, *SUB_2_ROOT)),),
            (authority(SUB, 30), authority(SUB_2), authority(ROOT)),
        ),
        [(30, "intermediate-expires", ())],
    ),
    (
        "the last way up decides, and then the binding",
        facts(
            [row(-9, 50)],
            (paper(paths=(*SUB_ROOT, *SUB_2_ROOT)),),
            (authority(SUB, 30), authority(SUB_2, 60), authority(ROOT)),
        ),
        [(30, "intermediate-expires", ()), (50, "binding-ends", ALONE), (60, "intermediate-expires", ())],
    ),
    (
        "the binding ends when its authority is over already",
        facts([row(-9, 50)], authorities=(authority(SUB, 30), authority(ROOT))),
        [(30, "intermediate-expires", ALONE)],
    ),
    (
        "the binding under it ended before",
        facts(
            [row(-9, 20), row(10, None, TWO)],
            (paper(), paper(TWO, paths=SUB_2_ROOT)),
            (
                authority(SUB, 30),
                authority(SUB_2),
                authority(ROOT),
            ),
        ),
        [(30, "intermediate-expires", ())],
    ),
    (
        "a list ends",
        facts([row(-9, None)], authorities=(authority(SUB, list_until=3), authority(ROOT))),
        [(3, "revocation-list-ends", ALONE)],
    ),
    (
        "a list has ended",
        facts([row(-9, None)], authorities=(authority(SUB, list_until=-3), authority(ROOT))),
        [(-3, "revocation-list-ends", ALONE)],
    ),
    (
        "a list ends that a certificate which is not accepted would need",
        facts([row(-9, None)], (paper(refused="revoked"),), (authority(SUB, list_until=3), authority(ROOT))),
        [(0, "certificate-refused", ALONE)],
    ),
    (
        "a list ends after the certificate",
        facts([row(-9, None)], (paper(ends=2),), (authority(SUB, list_until=3), authority(ROOT))),
        [(2, "certificate-expires", ALONE)],
    ),
    (
        "there is no list",
        facts([row(-9, None)], authorities=(authority(SUB, list_until=None), authority(ROOT))),
        [(0, "revocation-list-ends", ALONE)],
    ),
    (
        "the list of one that nothing hangs under",
        facts([row(-9, None)], authorities=(authority(SUB), authority(SUB_2, list_until=1), authority(ROOT))),
        [],
    ),
    (
        "the list ends when the binding has ended",
        facts(
            [row(-9, 20), row(10, None, TWO)],
            (paper(), paper(TWO, paths=SUB_2_ROOT)),
            (
                authority(SUB, list_until=25),
                authority(SUB_2),
                authority(ROOT),
            ),
        ),
        [],
    ),
]


@pytest.mark.parametrize(("some", "events"), [case[1:] for case in ABOVE], ids=[case[0] for case in ABOVE])
def test_what_authorities_and_their_lists_break(some: Facts, events: list[tuple[float, str, tuple[str, ...]]]) -> None:
    assert look(some) == events


def test_certificates_of_connections_expire() -> None:
    places = [Facility(kind, kind.value, "x", at(10)) for kind in KINDS if kind.value.startswith(("tls", "client"))]
    far = Facility(Kind.NEIGHBOUR_CLIENT_EXPIRES, "far", "x", at(91))
    assert look(facts([], facilities=[*places, far])) == [
        (10, "client-ca-expires", ()),
        (10, "tls-server-expires", ()),
    ]


def test_events_stand_in_the_order_of_time() -> None:
    some = facts([row(-9, 30), row(-9, 5, TWO, OTHER)], facilities=[Facility(Kind.SERVER_EXPIRES, "s", "x", at(7))])
    assert [days for days, _kind, _agencies in look(some)] == [5, 7, 30]


def test_every_kind_says_what_breaks_who_acts_and_how_in_words() -> None:
    assert set(KINDS) == set(Kind)
    assert all(all(astuple(one)) for one in KINDS.values())


# --- what a certificate is worth ----------------------------------------------------------------------------


REFUSED = [
    ("good", ""),
    ("expired", ""),
    ("not_yet_valid", ""),
    ("non_repudiation", ""),
    ("revoked", "revoked"),
    ("wrong_usage", "not meant for signing"),
    ("weak", "too weak"),
    ("from_other_root", "no trusted root"),
]


@pytest.mark.parametrize(("name", "why"), REFUSED)
def test_only_what_no_date_tells_refuses_a_certificate_for_good(name: str, why: str) -> None:
    found = paper_of(load_leaf(getattr(pki(), name).der), pki().trust, NOW)
    assert why in found.refused if why else not found.refused
    assert bool(found.paths) is (name != "from_other_root")


@pytest.mark.parametrize(("begins", "ends"), [(10, 50), (-50, -10)])
def test_a_stranger_is_refused_also_outside_of_its_validity(begins: float, ends: float) -> None:
    stranger = issue("Người lạ", pki().other_root, validity=(at(begins), at(ends)))
    assert "no trusted root" in paper_of(load_leaf(stranger.der), pki().trust, NOW).refused


def test_a_wrong_usage_is_told_before_the_certificate_begins() -> None:
    early = issue("Sai mục đích", pki().authority, usages=frozenset({"key_encipherment"}), validity=(at(10), at(50)))
    assert "not meant for signing" in paper_of(load_leaf(early.der), pki().trust, NOW).refused


def test_a_revoked_certificate_is_refused_also_before_it_begins() -> None:
    early = issue("Bị thu hồi sớm", pki().authority, validity=(at(10), at(50)))
    lists = (revocation_list(pki().root), revocation_list(pki().authority, [early.certificate]))
    assert "revoked" in paper_of(load_leaf(early.der), pki().trust_with(*lists), NOW).refused


def test_a_certificate_without_fresh_lists_is_not_refused_but_waits() -> None:
    assert paper_of(load_leaf(pki().good.der), pki().stale_trust, NOW).refused == ""


def test_under_an_expired_intermediate_it_is_the_date_that_tells() -> None:
    root = issue("Gốc", ca=True)
    old = issue("CA cũ", root, ca=True, path_length=0, validity=(at(-99), at(-1)))
    leaf = issue("Cơ quan", old, validity=(at(-50), at(50)))
    lists = (revocation_list(root), revocation_list(old, at=at(-9), until=at(-2)))
    found = paper_of(load_leaf(leaf.der), Trust((root.der,), (old.der,), lists), NOW)
    assert (found.refused, len(found.paths)) == ("", 1)


def test_a_forecast_over_time_tells_a_rollover_that_was_forgotten_and_one_that_was_made() -> None:
    """The certificate ends in 60 days. Nobody acts: it is told from 90 days before on. Then a successor is bound."""
    own = Pki()
    old = issue("Cũ", own.authority, validity=(at(-600), at(60)))
    new = issue("Mới", own.authority, validity=(at(40), at(900)))
    trust = own.trust_with(*own.crls(at=at(-1), until=at(2000)))
    papers = {one.sha256: paper_of(load_leaf(one.der), trust, NOW) for one in (old, new)}
    above = {
        one.sha256: Authority(one.sha256, "CA", one is own.root, at(9999), at(2000))
        for one in (own.root, own.authority)
    }
    office = (Agency(OFFICE, "Sở", Level.PROVINCE),)

    def seen(day: float, *rows: Binding) -> list[tuple[float, str, tuple[str, ...]]]:
        return told(forecast(Facts(office, Bindings(rows), papers, above), at(day), at(day + 90)))

    alone = row(-600, None, old.sha256)
    expiry = [(60, "certificate-expires", ALONE)]
    assert [seen(day, alone) for day in (-31, -30, 0, 59, 61)] == [[], expiry, expiry, expiry, expiry]
    rolled = (row(-600, 59, old.sha256), row(45, None, new.sha256))
    assert [seen(day, *rolled) for day in (-30, 0, 50, 61, 500)] == [[]] * 5
    assert seen(820, *rolled) == [(900, "certificate-expires", ALONE)]
    hasty = (row(-600, 30, old.sha256), row(20, None, new.sha256))  # the new one is valid from day 40 only
    assert seen(0, *hasty) == [(30, "binding-ends", ALONE)]
    assert forecast(Facts(office, Bindings(hasty), papers, above), NOW, at(90))[0].again == at(40)
