"""Axes whose routes lead in a circle: a document comes to an end there, and its sender hears."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from axis.cli import main
from axis.devpki import DevPki
from tests.site import Site, kept_running, row, until

pytestmark = [pytest.mark.slow, pytest.mark.faults]

OWN = tuple(f"000.00.{50 + at}.H99" for at in range(4))
"""The agency of each axis."""
SECOND = "000.00.60.H99"
"""Another one of the fourth."""
NOWHERE = "000.00.77.H99"
"""Registered, and connected to none of them."""
QUICK = '[delivery]\nfirst_retry = "200ms"\nretry_ceiling = "1s"\nlease = "5s"'
UNDER_WAY = "SELECT 1 FROM delivery WHERE state IN ('queued', 'leased')"

Routes = Mapping[str, int]
"""To which of the others each prefix is routed."""


def net(folder: Path, routes: Sequence[Routes]) -> list[Site]:
    """Each has one agency, takes from all of the others, and sends on as its `routes` say."""
    pki = DevPki.create(folder / "pki", datetime.now(UTC))
    sites = [
        Site(
            folder / f"truc-{at}",
            QUICK,
            name=f"truc-{at}",
            agencies={OWN[at]: f"co-quan-{at}"} | ({SECOND: "co-quan-khac"} if at == 3 else {}),
            shared=pki,
        )
        for at in range(len(routes))
    ]
    passports = [pki.tls_client(f"{site.name} ra ngoài") for site in sites]
    stranger = row(NOWHERE, pki.signer(NOWHERE))
    for at, site in enumerate(sites):
        others = [place for place in range(len(sites)) if place != at]
        site.registry = stranger + "".join(
            row(code, sites[one].signers[code]) for one in others for code in sites[one].agencies
        )
        site.endpoints = "".join(
            f'[[endpoint]]\nname = "truc-{one}"\nadapter = "node"\nagencies = ["H99"]\nurl = "{sites[one].url}"\n'
            f'ca = "{pki.tls_ca}"\ncertificate = "{passports[at].certificate}"\nkey = "{passports[at].key}"\n'
            f'certificates = ["sha256:{passports[one].fingerprint}"]\n'
            for one in others
        )
        site.endpoints += "".join(
            f'[[route]]\nprefix = "{prefix}"\nendpoint = "truc-{to}"\n' for prefix, to in routes[at].items()
        )
        site.configure()
    return sites


def ends(*sites: Site) -> None:
    until("nothing is under way", lambda: all(not site.rows(UNDER_WAY) for site in sites))


def test_what_goes_in_a_circle_ends_and_its_sender_is_told(tmp_path: Path) -> None:
    """F113. The third is refused by the first; what it tells goes back the way the document came."""
    sites = net(tmp_path, [{"H99": 1}, {"H99": 2}, {"H99": 0}])
    first, *others = sites
    with kept_running(*sites):
        document = first.take(first.package(OWN[0], [NOWHERE]), OWN[0])["document"]
        told = first.notice(OWN[0], document)
        assert (told["outcome"], told["node"], told["recipients"]) == ("undelivered", "truc-2", [NOWHERE])
        assert first.logged("refused") == 1
        assert [site.rows("SELECT count(*) FROM document")[0][0] for site in sites] == [1, 1, 1]
        ends(*others)


BY_TWO_WAYS: Sequence[Routes] = (
    {OWN[3]: 1, "H99": 2},
    {OWN[0]: 0, OWN[3]: 3, "H99": 2},
    {OWN[0]: 0, "H99": 3},
    {OWN[0]: 0, "H99": 1},
)
"""From the first to the fourth by the second for one recipient, by the third for all others; those are led on from
there to the second, and by it to the third: a circle of which the second has seen the document before."""


def test_a_circle_of_a_document_that_came_by_two_ways_ends_and_its_sender_is_told(tmp_path: Path) -> None:
    """F116. Each copy goes on with the trace of its own way, and what is told goes back along that way."""
    sites = net(tmp_path, BY_TWO_WAYS)
    first, second, third, fourth = sites
    with kept_running(first, second, fourth):
        document = first.take(first.package(OWN[0], [OWN[3], NOWHERE]), OWN[0])["document"]
        (reached,) = until("the copy at its recipient", lambda: fourth.inbox(OWN[3]))
        with kept_running(third):
            told = first.notice(OWN[0], document)
            assert (told["outcome"], told["node"], told["recipients"]) == ("undelivered", "truc-1", [NOWHERE])
            assert third.logged("refused") == 1
            assert fourth.receive(OWN[3], reached["document"])
            ends(second, third, fourth)


def test_of_a_document_that_came_by_two_ways_its_sender_hears_what_neither_reaches(tmp_path: Path) -> None:
    """F116. No circle at all: an axis believes what is told of those that it handed the document over for, no more."""
    sites = net(tmp_path, [{OWN[3]: 1, "H99": 2}, {"H99": 3}, {"H99": 3}, {"H99": 1}])
    first, fourth = sites[0], sites[3]
    with kept_running(*sites):
        document = first.take(first.package(OWN[0], [OWN[3], SECOND]), OWN[0])["document"]
        (reached,) = until("a copy", lambda: fourth.inbox(OWN[3]))
        until("the other one", lambda: fourth.inbox(SECOND))
        order = ["--document", reached["document"], "-c", str(fourth.config), "--reason", "cơ quan đã giải thể"]
        assert CliRunner().invoke(main, ["queue", "give-up", *order]).exit_code == 0
        told = [first.notice(OWN[0], document) for _ in range(2)]
        assert sorted(one["recipients"] for one in told) == [[OWN[3]], [SECOND]]
        ends(*sites[1:])
