"""The files that a node reads change under it: routes before a restart, lists of trust and bindings while it runs."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from axis.devpki import DevPki
from tests.faults.broken import BY_FAULT
from tests.faults.field import CALLED, HEALTH, Field, field_of
from tests.flow.receiver import Answer, status
from tests.mutations.edit import Mutation
from tests.site import HOME_AFFAIRS, OFFICE, Site, until

pytestmark = pytest.mark.faults

AWAY: Answer = status(503)


def rerouted(field: Field) -> None:
    """A document waits for its recipient's address; then the recipient gets another one, and the node is restarted."""
    with field.listener.cut(AWAY):
        first = field.insist(field.package((HEALTH,)))["document"]
        until("it was tried", lambda: field.site.facts(first, OFFICE)["deliveries"][0]["attempts"])
        assert field.site.stop() == 0
        config, was = field.site.config, f'prefix = "{HEALTH}"\nendpoint = "{CALLED}"'
        assert was in config.read_text()
        config.write_text(config.read_text().replace(was, was.replace(CALLED, "so-noi-vu")))
        field.site.start()
        second = field.site.take(field.site.package(OFFICE, [HEALTH]), OFFICE)["document"]
        until("the second lies there", lambda: field.site.waiting(HOME_AFFAIRS, second))
    until("the first goes where it was routed", lambda: field.listener.got, 8)
    found = [field.site.facts(one, OFFICE)["deliveries"][0]["endpoint"] for one in (first, second)]
    assert found == [CALLED, "so-noi-vu"]


def test_a_delivery_goes_where_its_document_was_routed_when_it_came(tmp_path: Path) -> None:
    """F83."""
    with field_of(tmp_path, {}) as field:
        rerouted(field)
        field.quiet()
        assert field.house() == []


def test_without_its_defence_a_delivery_goes_by_the_new_table(tmp_path: Path) -> None:
    (broken,) = BY_FAULT["F83"]
    with (
        field_of(tmp_path, {}, mutation=broken.mutation) as field,
        pytest.raises(AssertionError, match=broken.says),
    ):
        rerouted(field)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "node", 'pdf = "off"\nfetch = false', hurried=True)
    made.crls = tmp_path / "lists"
    shutil.copytree(made.pki.crls, made.crls)
    made.configure()
    made.start()
    try:
        yield made
    finally:
        if made.running:
            made.kill()


@pytest.mark.parametrize(("half", "form"), [(0, "PEM"), (50, "DER")])
def test_a_list_that_is_replaced_half_is_not_believed_and_the_old_ones_are(half: int, form: str, site: Site) -> None:
    """F80, F81. `half` is how many octets in a hundred have been written; whoever writes it ends some time."""
    assert site.crls is not None
    for one in site.crls.iterdir():
        octets = one.read_bytes()
        if form == "DER":
            octets = x509.load_pem_x509_crl(octets).public_bytes(Encoding.DER)
        one.write_bytes(octets[: len(octets) * half // 100])
    until("it is told", lambda: site.said("trust_not_reloaded"))
    assert site.said("trust_reloaded") == 0
    receipt = site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)
    assert receipt["state"] == "accepted", "the old ones are believed"
    DevPki(site.pki.folder, datetime.now(UTC)).write_crl()
    for one in site.pki.crls.iterdir():
        shutil.copy(one, site.crls)
    until("the new ones are believed", lambda: site.said("trust_reloaded"))
    site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)
    assert site.stop() == 0
    site.audit()


def asked_to_read(folder: Path, mutation: Mutation | None = None) -> None:
    """A new certificate is bound, with a slip and without it; after SIGHUP the node knows, long before its time."""
    with field_of(folder, {}, mutation=mutation) as field:
        site = field.site
        new = site.pki.signer("new")
        site.signers["new"] = new
        assert site.process is not None

        def ask() -> None:
            heard = site.said("asked_to_read_again")
            site.process.send_signal(signal.SIGHUP)  # type: ignore[union-attr]
            until("it has heard", lambda: site.said("asked_to_read_again") > heard or not site.running)
            assert site.running, "it is there no more"

        def taken() -> int:
            return site.send(site.package(OFFICE, [HOME_AFFAIRS], signer="new"), OFFICE).status

        assert taken() == 403
        row = f'[[binding]]\ncertificate = "sha256:{new.fingerprint}"\nagency = "{OFFICE}"\nvalid_from = 2026-11-24\n'
        file = site.folder / "bindings.toml"
        file.write_text(row.replace("valid_from", "valid_form"))
        ask()
        until("the fault is told", lambda: site.said("bindings_not_reloaded"))
        (told,) = [line for line in site.log.read_text().splitlines() if "bindings_not_reloaded" in line]
        assert "bindings.toml:4" in told, "with its place"
        assert taken() == 403
        file.write_text(row)
        ask()
        until("it is believed", lambda: site.said("bindings_reloaded"))
        assert taken() == 202
        assert site.said("bindings_not_reloaded") == 1
        assert site.stop() == 0


def test_who_asks_a_node_to_read_again_is_heard_and_a_file_with_faults_changes_nothing(tmp_path: Path) -> None:
    """F80."""
    asked_to_read(tmp_path)


def test_without_its_defence_a_node_ends_when_it_is_asked_to_read(tmp_path: Path) -> None:
    (broken,) = BY_FAULT["F80"]
    with pytest.raises(AssertionError, match=broken.says):
        asked_to_read(tmp_path, broken.mutation)
