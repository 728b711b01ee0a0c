"""The sender is given the proof that the log holds what its receipt promised, and needs nobody to believe it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from axis.cli import main
from axis.demo.client import Reply
from axis.demo.network import HOST
from axis.log.key import LogKeys
from axis.log.proof import parse_proof
from axis.log.proven import check_proof, check_receipt
from signing.keys import load_ed25519, raw_public
from signing.note import NoteSigner
from tests.site import FINANCE, HOME_AFFAIRS, OFFICE, Site, kept_running, problem, until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("proof"))
    with kept_running(made):
        yield made


def key_of(site: Site, name: str) -> object:
    return load_ed25519((site.folder / "keys" / f"{name}.pem").read_bytes())


def asked(site: Site, document: str, by: str = OFFICE) -> Reply:
    return site.get(f"/v1/receipts/{document}/proof", by)


def given(site: Site, document: str) -> Reply:
    def proved() -> Reply | None:
        reply = asked(site, document)
        if reply.status == 200:
            return reply
        assert (reply.status, problem(reply.body)) == (503, "log-stale"), "the log may not hold it yet"
        assert reply.headers["retry-after"] == "1"
        return None

    return until("proved", proved)


def test_a_proof_holds_under_the_log_s_key_for_the_very_receipt(site: Site) -> None:
    receipts = [site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE) for _ in range(20)]
    keys = LogKeys((NoteSigner(site.name, key_of(site, "log")).verifier,))  # type: ignore[arg-type]
    public = raw_public(key_of(site, "receipt"))  # type: ignore[arg-type]
    for number, receipt in enumerate(receipts):
        reply = given(site, receipt["document"])
        assert reply.headers["content-type"].startswith("text/plain")
        found = check_proof(parse_proof(reply.body.decode()), keys)
        assert found.findings == () and found.entry is not None and found.entry.subject == receipt["document"]
        assert check_receipt(receipt, found, site.name, public) == ()
        assert check_receipt(receipts[number - 1], found, site.name, public), "any receipt would do"


def test_it_is_its_sender_s_only(site: Site) -> None:
    document = site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)["document"]
    given(site, document)
    for other in (HOME_AFFAIRS, FINANCE):
        reply = asked(site, document, other)
        assert (reply.status, problem(reply.body)) == (404, "not-found")


def test_the_command_fetches_both_and_leaves_what_is_there_alone(site: Site, tmp_path: Path) -> None:
    taken = site.send(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)
    key, kept, proof, log_key = (tmp_path / name for name in ("key", "receipt", "proof", "log.vkey"))
    key.write_text(site.key(site.agencies[OFFICE]))
    log_key.write_text(str(NoteSigner(site.name, key_of(site, "log")).verifier))  # type: ignore[arg-type]
    where = ["--url", f"https://{HOST}:{site.port}", "--ca", str(site.pki.tls_ca), "--api-key-file", str(key)]
    command = ["receipt", taken.json()["document"], "-o", str(kept), "--proof", str(proof), *where]
    told = CliRunner().invoke(main, command)
    assert told.exit_code == 0, told.output
    assert kept.read_bytes() == taken.body
    judged = CliRunner().invoke(
        main, ["log", "proven", str(proof), "--key", str(log_key), "--receipt", str(kept), "--json"]
    )
    assert judged.exit_code == 0 and json.loads(judged.stdout)["ok"], judged.output
    again = CliRunner().invoke(main, command)
    assert again.exit_code == 2 and "exists already" in again.output
    refused = CliRunner().invoke(main, ["receipt", "a" * 26, "-o", str(tmp_path / "none"), *where])
    assert refused.exit_code == 1 and not (tmp_path / "none").exists()


@pytest.mark.faults
def test_a_log_that_cannot_prove_it_says_so_and_gives_nothing(tmp_path: Path) -> None:
    made = Site(tmp_path / "damaged")
    with kept_running(made):
        document = made.take(made.package(OFFICE, [HOME_AFFAIRS]), OFFICE)["document"]
        given(made, document)
        until("settled", lambda: made.rows("SELECT count(*) FROM log_intent WHERE log_index IS NULL")[0][0] == 0)
        size = json.dumps(made.verified().entries)
        files = [file for file in (made.folder / "data/log/tile/entries").rglob("*") if file.name == size]
        assert len(files) == 1, "the newest entries"
        kept = files[0].read_bytes()
        files[0].write_bytes(kept.replace(document.encode(), b"a" * 26))
        reply = asked(made, document)
        files[0].write_bytes(kept)
        assert (reply.status, problem(reply.body)) == (503, "stored-damaged")
        assert b"tile" not in reply.body, "a stranger is told no file"
        assert asked(made, document).status == 200
