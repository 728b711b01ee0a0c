"""Three axes whose default routes lead to the next one: a document comes to an end there, and its sender hears."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from axis.devpki import DevPki
from tests.site import Site, kept_running, row, until

pytestmark = [pytest.mark.slow, pytest.mark.faults]

SENDERS = ("000.00.50.H99", "000.00.51.H99", "000.00.52.H99")
NOWHERE = "000.00.77.H99"
"""Registered, and connected to none of them."""
QUICK = '[delivery]\nfirst_retry = "200ms"\nretry_ceiling = "1s"\nlease = "5s"'
UNDER_WAY = "SELECT 1 FROM delivery WHERE state IN ('queued', 'leased')"


def ring(folder: Path) -> list[Site]:
    """Each has one agency, takes from both of the others, and sends on whatever is not its own."""
    pki = DevPki.create(folder / "pki", datetime.now(UTC))
    sites = [
        Site(folder / f"truc-{at}", QUICK, name=f"truc-{at}", agencies={code: f"co-quan-{at}"}, shared=pki)
        for at, code in enumerate(SENDERS)
    ]
    passports = [pki.tls_client(f"{site.name} ra ngoài") for site in sites]
    stranger = row(NOWHERE, pki.signer(NOWHERE))
    for at, site in enumerate(sites):
        others = [place for place in range(len(sites)) if place != at]
        site.registry = stranger + "".join(row(SENDERS[one], sites[one].signers[SENDERS[one]]) for one in others)
        site.endpoints = "".join(
            f'[[endpoint]]\nname = "truc-{one}"\nadapter = "node"\nagencies = ["H99"]\nurl = "{sites[one].url}"\n'
            f'ca = "{pki.tls_ca}"\ncertificate = "{passports[at].certificate}"\nkey = "{passports[at].key}"\n'
            f'certificates = ["sha256:{passports[one].fingerprint}"]\n'
            for one in others
        )
        site.endpoints += f'[[route]]\nprefix = "H99"\nendpoint = "truc-{(at + 1) % len(sites)}"\n'
        site.configure()
    return sites


def test_what_goes_in_a_circle_ends_and_its_sender_is_told(tmp_path: Path) -> None:
    """F113. The third is refused by the first; what it tells goes back the way the document came."""
    sites = ring(tmp_path)
    first, *others = sites
    with kept_running(*sites):
        document = first.take(first.package(SENDERS[0], [NOWHERE]), SENDERS[0])["document"]
        told = first.notice(SENDERS[0], document)
        assert (told["outcome"], told["node"], told["recipients"]) == ("undelivered", "truc-2", [NOWHERE])
        assert first.logged("refused") == 1
        assert [site.rows("SELECT count(*) FROM document")[0][0] for site in sites] == [1, 1, 1]
        until("nothing is under way", lambda: all(not site.rows(UNDER_WAY) for site in others))
