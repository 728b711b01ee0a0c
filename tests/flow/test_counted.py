"""What is refused is counted by the kind of its problem, wherever in the listener it is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from cryptography import x509

from axis.core.problems import TABLE
from tests.flow.test_pressure import answer, line
from tests.site import FINANCE, HOME_AFFAIRS, OFFICE, Site, kept_running, until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("counted"), '[limits]\nhead = "1s"')
    with kept_running(made):
        yield made


def refusals(site: Site) -> dict[str, int]:
    with urlopen(f"{site.pages}/metrics") as told:
        found = re.findall(
            r'^axis_refusals_total\{problem="([a-z-]+)"\} ([0-9.]+)$', told.read().decode(), re.MULTILINE
        )
    return {problem: int(float(number)) for problem, number in found}


def since(site: Site, before: dict[str, int]) -> dict[str, int]:
    return {kind: number - before[kind] for kind, number in refusals(site).items() if number != before[kind]}


def test_every_kind_that_can_be_answered_stands_there_before_it_was(site: Site) -> None:
    assert refusals(site).keys() == {kind.value for kind, row in TABLE.items() if row.http}


def test_the_end_of_each_certificate_is_told(site: Site) -> None:
    with urlopen(f"{site.pages}/metrics") as answer:
        told = answer.read().decode()
    for key, path in {
        "listen.certificate": site.server.certificate,
        "listen.client_ca": site.pki.tls_ca,
        "trust.anchors": site.pki.root,
    }.items():
        found = re.search(
            rf'^axis_certificate_ends_timestamp_seconds\{{certificate="{key}",file="{path.name}"\}} (.+)$', told, re.M
        )
        assert found, told
        assert float(found[1]) == x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc.timestamp()


def test_what_is_refused_is_counted_by_its_kind(site: Site) -> None:
    before = refusals(site)
    document = site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)["document"]
    assert since(site, before) == {}, "what is taken is none"
    assert site.ask("GET", "/v1/inbox").status == 401
    assert site.get("/v1/nothing", OFFICE).status == 404
    assert site.ask("PUT", "/v1/inbox", by=OFFICE).status == 405
    for _ in range(2):
        assert site.send(b"<a>", OFFICE).status == 400
    assert site.send(site.package(OFFICE, [HOME_AFFAIRS]), FINANCE).status == 403
    assert site.ask("POST", "/v1/documents", b"", by=OFFICE, headers={"Expect": "200-ok"}).status == 400
    wanted = {"unauthenticated": 1, "not-found": 1, "method-not-allowed": 1, "malformed-xml": 2, "bad-request": 1}
    assert since(site, before) == wanted | {"not-your-agency": 1}
    told = [{"document": document, "code": "03"}, {"document": "0" * 26, "code": "03"}, {"code": "03"}]
    results = site.post("/v1/statuses", HOME_AFFAIRS, {"statuses": told}).json()["results"]
    assert ["status" in one for one in results] == [True, False, False]
    assert since(site, before) == wanted | {"not-your-agency": 1, "not-found": 2, "bad-request": 2}


def test_what_never_was_a_request_is_counted_too(site: Site) -> None:
    before = refusals(site)
    with closing(line(site)) as connection:
        connection.sendall(b"SECRET / HTTP/9.9\r\n\r\n")
        assert answer(connection)[0] == 400
    assert since(site, before) == {"bad-request": 1}
    with closing(line(site)) as connection:
        connection.sendall(b"GET /v1/inbox HT")
        until("it is let go", lambda: since(site, before) == {"bad-request": 1, "too-slow": 1})


def test_what_operators_are_answered_is_not_counted(site: Site) -> None:
    before = refusals(site)
    with pytest.raises(HTTPError, match="404"):
        urlopen(f"{site.pages}/nothing")
    assert since(site, before) == {}
