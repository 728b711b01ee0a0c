"""PDFs inside attachments are judged beside the way: nothing waits, every outcome is shown, kept and logged."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from axis.cli import main
from axis.core.canonical import canonical
from axis.evidence.container import pack, unpack
from signing.keys import load_ed25519
from signing.note import NoteSigner
from tests.signers import SignersSite, bomb, by, changed, holder, log_of, packed
from tests.site import HOME_AFFAIRS, OFFICE, kept_running, until
from tests.unit.pdf.forge import openssl_cms, plain, prepared

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignersSite]:
    made = SignersSite(tmp_path_factory.mktemp("attachments"), hurried=True)
    with kept_running(made):
        yield made


def test_the_person_and_the_organisation_signed(site: SignersSite) -> None:
    document = site.document(site.signed())
    (found,) = site.attached(document)
    assert (found["outcome"], found["vi"]) == ("valid", "hợp lệ")
    (pdf,) = found["pdfs"]
    signatures = pdf["signatures"]
    assert [(one["field"], one["outcome"], one["reason"]) for one in signatures] == [
        ("Nguoi", "valid", "good"),
        ("CoQuan", "valid", "good"),
    ]
    assert [one["certificate"] for one in signatures] == [site.person.fingerprint, site.organisation.fingerprint]
    assert [one["changes_after"] for one in signatures] == ["signatures", "none"]
    facts = site.facts(document, HOME_AFFAIRS)
    assert facts["attached_pdfs"] == {"outcome": "valid", "vi": "hợp lệ", "en": "valid", "again": False}
    (entry,) = log_of(site, document)
    assert (entry["cause"], entry["round"], entry["outcome"], entry["again"]) == ("due", 1, "valid", False)
    assert entry["attachments"][0][:3] == [1, "valid", "good"]


def test_what_was_said_of_the_pdfs_is_said_again_from_the_bundle(site: SignersSite, tmp_path: Path) -> None:
    """Without the node: a good one, one changed after signing, an archive with one inside, and a bomb."""
    signed = site.signed()
    archive = packed(phu_luc__ke_hoach_pdf=signed)
    document = site.document(signed, changed(signed), archive, packed(ghi_chu=b"none"), bomb())
    site.attached(document)
    file = tmp_path / "bundle.zip"

    def run(*arguments: str | Path) -> Any:
        return json.loads(CliRunner().invoke(main, [*map(str, arguments), "--json"]).stdout)

    def complete() -> bool:
        facts = run("evidence", "export", document, "-c", site.config, "-o", file)
        return bool(facts["attachments_judged"] == 5 and facts["log_entries"] == 2)

    until("the log covers it", complete)
    verifier = tmp_path / "log.pub"
    key = load_ed25519((site.folder / "keys" / "log.pem").read_bytes())
    verifier.write_text(f"{NoteSigner(site.name, key).verifier}\n")
    facts = run("verify", file, "--log-key", verifier)
    assert (facts["same"], facts["faults"], facts["attachments_not_logged"]) == (True, [], [])
    assert [(one["outcome"], one["recomputed"]) for one in facts["attachments"]] == [
        ("valid", True),
        ("invalid", True),
        ("valid", True),
        (None, True),
        ("indeterminate", False),
    ]
    files = unpack(file.read_bytes())
    told = json.loads(files["attachments.json"])
    assert told["attachments"][1]["verdict"]["outcome"] == "invalid"
    good, bad = (told["attachments"][place]["verdict"] for place in (0, 1))
    words = good["entries"][0]["verdict"]["words"]
    bad["entries"][0]["verdict"] |= {"outcome": "valid", "reason": "good", "words": words}
    bad["outcome"] = "valid"
    file.write_bytes(sealed({**files, "attachments.json": canonical(told)}))
    facts = run("verify", file, "--log-key", verifier)
    assert (facts["ok"], facts["same"], facts["attachments_not_logged"]) == (False, False, [2])
    assert "attachments[2].outcome" in {one["field"] for one in facts["differences"]}


def sealed(entries: dict[str, bytes]) -> bytes:
    """A bundle of these entries, with a manifest that is right."""
    manifest = json.loads(entries["manifest.json"])
    for row in manifest["entries"]:
        octets = entries[row["name"]]
        row |= {"sha256": hashlib.sha256(octets).hexdigest(), "size": len(octets)}
    body = {name: value for name, value in manifest.items() if name != "sha256"}
    digest = hashlib.sha256(canonical(body)).hexdigest()
    return pack({**entries, "manifest.json": canonical({**body, "sha256": digest})})


def test_a_file_that_was_changed_after_signing_is_marked_everywhere_and_travels(site: SignersSite) -> None:
    document = site.document(changed(site.signed()))
    (found,) = site.attached(document)
    assert (found["outcome"], found["reason"]) == ("invalid", "sig-digest")
    item = until("it waits", lambda: site.waiting(HOME_AFFAIRS, document))
    assert item["attached_pdfs"]["outcome"] == "invalid"
    reply = site.get(f"/v1/deliveries/{item['delivery']}/package", HOME_AFFAIRS)
    assert reply.headers["axis-attached-pdfs"] == "invalid"
    for page in ("/", f"/documents/{document}"):
        with urllib.request.urlopen(site.pages + page) as answer:
            html = answer.read().decode()
        assert "pdf-invalid" in html
        assert "không hợp lệ" in html
    assert site.metrics()["invalid"] >= 1


def test_a_stamp_that_is_only_a_picture_is_no_signature(site: SignersSite) -> None:
    (found,) = site.attached(site.document(plain("DA KY VA DONG DAU")))
    assert (found["outcome"], found["vi"]) == ("unsigned", "không ký (để biết, tham khảo)")


def test_pdfs_in_an_archive_are_named_by_their_path(site: SignersSite) -> None:
    archive = packed(phu_luc__ke_hoach_pdf=site.signed(), anh=b"JFIF")
    (found,) = site.attached(site.document(archive))
    assert found["outcome"] == "valid"
    assert [one["path"] for one in found["pdfs"]] == [["tep-0.pdf", "phu_luc/ke_hoach.pdf"]]


def test_what_is_no_pdf_is_not_judged(site: SignersSite) -> None:
    document = site.document(b"plain text", packed(ghi_chu=b"no PDF in here"))
    text, archive = site.attached(document)
    assert text is None
    assert (archive["outcome"], archive["vi"]) == (None, "không có tệp PDF")
    assert site.document(b"only text") not in {row[0] for row in site.rows("SELECT document FROM attachment_check")}


def test_a_signature_that_openssl_made(site: SignersSite, tmp_path: Path) -> None:
    octets = prepared(plain(), openssl_cms(holder(site.person), tmp_path))
    (found,) = site.attached(site.document(octets))
    assert (found["outcome"], found["pdfs"][0]["signatures"][0]["reason"]) == ("valid", "good")


@pytest.mark.faults
def test_a_pdf_that_kills_its_judge_is_undecided_and_the_node_goes_on(site: SignersSite) -> None:
    before = site.said("pdf_ended_its_judge")
    bad = site.document(bomb())
    good = site.document(site.signed())
    site.receive(HOME_AFFAIRS, bad)  # nothing waited for it
    (found,) = site.attached(bad)
    assert site.said("pdf_ended_its_judge") == before + 1, "the judge was killed"
    assert (found["outcome"], found["reason"]) == ("indeterminate", "sig-limit")
    assert [one["code"] for one in found["pdfs"][0]["findings"]] == ["limit"]
    assert site.attached(good)[0]["outcome"] == "valid"
    assert site.facts(bad, OFFICE)["attached_pdfs"]["again"] is False


@pytest.mark.faults
def test_many_such_pdfs_in_one_package_cost_three(site: SignersSite) -> None:
    before = site.said("pdf_ended_its_judge")
    found = site.attached(site.document(*[bomb(b"%d" % number) for number in range(6)]))
    assert [one["outcome"] for one in found] == ["indeterminate"] * 6
    assert site.said("pdf_ended_its_judge") == before + 3


@pytest.mark.faults
def test_unknown_revocation_is_undecided_until_the_list_comes(site: SignersSite) -> None:
    site.take_lists_away()
    document = site.document(site.signed(), changed(site.signed()))
    waits, bad = site.attached(document)
    assert (waits["outcome"], waits["vi"], waits["reason"]) == (
        "indeterminate",
        "chưa kết luận được",
        "cert-revocation-unknown",
    )
    assert waits["waits_for_revocation"] is True
    assert bad["outcome"] == "invalid"
    assert site.facts(document, OFFICE)["attached_pdfs"]["again"] is True

    site.kill()  # in between, and what waits still waits
    site.start()
    assert site.facts(document, OFFICE)["attachments"][0]["signatures"]["outcome"] == "indeterminate"

    site.publish()
    until("decided", lambda: site.facts(document, OFFICE)["attached_pdfs"]["again"] is False, 120)
    now, still = site.attached(document)
    assert now["outcome"] == "valid"
    assert now["earlier"][0]["outcome"] == "indeterminate", "the first judgement is kept"
    assert (still["outcome"], still["earlier"]) == ("invalid", []), "what was decided is not judged again"
    causes = [(entry["cause"], entry["again"]) for entry in log_of(site, document)]
    assert (causes[0], causes[-1]) == (("due", True), ("evidence", False))


def test_a_revoked_signer_is_final(site: SignersSite) -> None:
    gone = site.signers_pki.signer("nguoi-cu")
    site.signers_pki.revoke(gone, datetime.now(UTC).replace(microsecond=0))
    site.take_lists_away()
    site.publish()
    document = site.document(by(plain(), gone, "Nguoi"))
    (found,) = site.attached(document)
    assert (found["outcome"], found["reason"]) == ("invalid", "cert-revoked")


@pytest.mark.faults
def test_a_restart_goes_on_where_it_stood(site: SignersSite) -> None:
    """Killed with the work undone: stopped judge, documents accepted, SIGKILL, start."""
    site.attached(site.document(site.signed()))
    workers = [pid for pid in children(site) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    documents = [site.document(site.signed()) for _ in range(3)]
    assert site.facts(documents[0], OFFICE)["attachments"][0]["signatures"]["vi"] == "chưa kiểm tra"
    assert site.metrics()["waiting"] >= 3
    site.kill()
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    site.start()
    assert [site.attached(one)[0]["outcome"] for one in documents] == ["valid"] * 3


def children(site: SignersSite) -> list[int]:
    assert site.process is not None
    return [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/stat")
        if path.read_text().rpartition(")")[2].split()[1] == str(site.process.pid)
    ]


def test_the_log_names_no_file_and_no_content(site: SignersSite) -> None:
    document = site.document(packed(bi_mat_pdf=site.signed()))
    site.attached(document)
    leaf = next(
        leaf
        for (leaf,) in site.rows("SELECT leaf FROM log_intent WHERE kind = 'attachments'")
        if document.encode() in leaf
    )
    for secret in (b"bi_mat", b"tep-0", b"nguoi-ky", site.person.fingerprint.encode()):
        assert secret not in leaf
    logged = (site.folder / "node.log").read_bytes()
    for secret in (b"bi_mat", b"tep-0", b"nguoi-ky"):
        assert secret not in logged
