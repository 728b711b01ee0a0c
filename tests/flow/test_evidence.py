"""Evidence under verdicts over a real node: kept with each document, once; exported; judged again without the node."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lxml import etree

from axis.cli import main
from axis.core.canonical import canonical
from axis.devpki import DevPki, Identity, write_ed25519
from axis.evidence.bundle import read_bundle
from axis.evidence.container import Broken, pack, unpack
from axis.evidence.logged import check_log, check_receipt, unlogged
from axis.evidence.recompute import recompute
from axis.log.heads import Head
from axis.log.key import LogKeys
from axis.log.proof import parse_proof
from signing.keys import load_ed25519
from signing.note import NoteSigner, sign_note
from signing.sign import load_signer
from signing.verdict import kept_evidence
from tests.parts import body, related, split
from tests.site import FINANCE, HOME_AFFAIRS, OFFICE, Site, kept_running, until
from tests.unit.signing.forge import countersign

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Every list of this node is larger than what goes into a row."""
    made = Site(tmp_path_factory.mktemp("evidence"), hurried=True, inline_max="300B")
    with kept_running(made):
        yield made


def run(*arguments: str | Path) -> tuple[int, dict[str, Any], str]:
    """Exit code, JSON answer and the words for people."""
    told = CliRunner().invoke(main, [*map(str, arguments)])
    data = CliRunner().invoke(main, [*map(str, arguments), "--json"])
    assert told.exit_code == data.exit_code, told.output
    return told.exit_code, json.loads(data.stdout), told.output


def logged(site: Site, document: str) -> int:
    rows = site.rows("SELECT leaf FROM log_intent WHERE kind IN ('accepted', 'held', 'released') AND log_index >= 0")
    return sum(json.loads(leaf)["subject"] == document for (leaf,) in rows)


def export(site: Site, document: str, entries: int = 1, attachments: int = 1) -> Path:
    """The document's bundle, made beside the running node when the log has this many entries about it and one more
    about its PDFs, where they are judged."""
    file = site.folder / f"{document}.zip"

    def complete() -> bool:
        code, facts, _ = run("evidence", "export", document, "-c", site.config, "-o", file)
        assert code == 0, facts
        judged = facts["attachments_judged"] == attachments
        return bool(judged and facts["log_entries"] == entries + bool(attachments))

    until("all entries under a checkpoint", complete)
    return file


def log_key(site: Site) -> Path:
    file = site.folder / "log.pub"
    key = load_ed25519((site.folder / "keys" / "log.pem").read_bytes())
    file.write_text(f"{NoteSigner(site.name, key).verifier}\n")
    return file


def evidence(site: Site) -> dict[str, tuple[str, int]]:
    return {name: (kind, size) for name, kind, size in site.rows("SELECT sha256, kind, size FROM evidence")}


def test_a_document_is_exported_and_judged_again_without_the_node(site: Site) -> None:
    receipt = site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)
    file = export(site, receipt["document"])
    code, facts, words = run("verify", file, "--trust", site.pki.root, "--log-key", log_key(site))
    assert code == 0, words
    assert (facts["ok"], facts["same"], facts["log"], facts["faults"]) == (True, True, "proved", [])
    assert [one["yours"] for one in facts["roots"]] == [True]
    assert "cùng một kết luận" in words and "the same verdict" in words
    bundle = read_bundle(file.read_bytes())
    assert bundle.receipt is not None and json.loads(bundle.receipt) == receipt
    assert {one.kind for one in bundle.pieces.values()} == {"certificate", "crl", "policy", "rules", "binding"}


def test_a_document_in_parts_is_exported_with_its_attachments(site: Site) -> None:
    large, small = b"%PDF-1.4" + bytes(5_000), b"phu luc"
    envelope, attached = split(site.package(OFFICE, [HOME_AFFAIRS], [large, small, small]))
    reply = site.ask("POST", "/v1/documents", body(envelope, attached), by=OFFICE, headers=related())
    file = export(site, reply.json()["document"])
    code, facts, words = run("verify", file, "--trust", site.pki.root, "--log-key", log_key(site))
    assert (code, facts["same"], facts["log"], facts["faults"]) == (0, True, "proved", []), words
    assert sorted(read_bundle(file.read_bytes()).beside.values()) == sorted([large, small])
    names = unpack(file.read_bytes())
    (gone, *_) = (name for name in names if name.startswith("beside/"))
    entries = {name: octets for name, octets in names.items() if name != gone}
    file.write_bytes(pack(entries))
    code, facts, _ = run("verify", file)
    assert (code, facts["fault"]) == (1, "bundle-missing")


def test_a_document_with_several_signatures_is_judged_again_with_all_of_them(site: Site) -> None:
    """Two side by side, and a countersignature of the first."""
    other = site.signers[HOME_AFFAIRS]

    def more(root: etree._Element) -> None:
        site.sign(root, HOME_AFFAIRS)
        key = load_signer(other.key.read_bytes(), other.certificate.read_bytes())
        countersign(next(root.iter("{*}Signature")), key, datetime.now(UTC))

    receipt = site.take(site.package(OFFICE, [FINANCE], after=more), OFFICE)
    file = export(site, receipt["document"])
    code, facts, words = run("verify", file, "--trust", site.pki.root, "--log-key", log_key(site))
    assert (code, facts["same"], facts["log"]) == (0, True, "proved"), words
    assert [one["role"] for one in facts["recomputed"]["others"]] == ["countersignature", "parallel"]
    told = {row["sha256"] for one in facts["verdict"]["others"] for row in one["evidence"]}
    assert other.fingerprint in told & read_bundle(file.read_bytes()).pieces.keys()


def test_by_its_document_id_too_and_the_same_octets_each_time(site: Site) -> None:
    receipt = site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)
    file = export(site, receipt["document"])
    again = site.folder / "again.zip"
    code, _, _ = run("evidence", "export", receipt["document_id"], "-c", site.config, "-o", again)
    assert code == 0
    first, second = unpack(file.read_bytes()), unpack(again.read_bytes())
    changing = {"manifest.json", "log/0.txt"}  # a younger checkpoint may stand under the same entry
    assert {name: octets for name, octets in first.items() if name not in changing} == {
        name: octets for name, octets in second.items() if name not in changing
    }


@pytest.mark.faults
def test_a_second_document_of_the_same_signer_stores_nothing_new(site: Site) -> None:
    site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)
    before = evidence(site)
    site.take(site.package(OFFICE, [FINANCE]), OFFICE)
    assert evidence(site) == before
    site.kill()
    site.start()
    site.take(site.package(OFFICE, [FINANCE]), OFFICE)
    assert evidence(site) == before, "a process that knows nothing finds what is stored"


def test_large_evidence_is_a_file_and_small_is_a_row(site: Site) -> None:
    site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)
    rows = site.rows("SELECT sha256, size, octets FROM evidence")
    files = [(name, size) for name, size, octets in rows if octets is None]
    assert files and all(size > 300 for _, size in files)
    assert all(len(octets) == size <= 300 for _, size, octets in rows if octets is not None)
    for name, size in files:
        assert (site.folder / "data" / "blobs" / name[:2] / name).stat().st_size == size


def test_a_refused_submission_leaves_no_evidence(site: Site) -> None:
    stranger = site.signers["stranger"] = site.pki.signer("stranger")
    before = evidence(site)
    reply = site.send(site.package(OFFICE, [HOME_AFFAIRS], signer="stranger"), OFFICE)
    assert reply.status == 403
    assert evidence(site) == before
    assert stranger.fingerprint not in before


def _lists(site: Site) -> list[Path]:
    return sorted(site.pki.crls.glob("*.crl"))


def _hold(site: Site, signer: Identity | None = None) -> str:
    before = site.said("trust_reloaded")
    for path in _lists(site):
        path.unlink()
    until("the trust files read again", lambda: site.said("trust_reloaded") > before)
    site.signers["held"] = signer or site.signers[OFFICE]
    receipt = site.take(site.package(OFFICE, [HOME_AFFAIRS], signer="held"), OFFICE)
    assert receipt["state"] == "held"
    return str(receipt["document"])


def _publish(site: Site) -> None:
    before = site.said("trust_reloaded")
    DevPki(site.pki.folder, datetime.now(UTC)).write_crl(None)
    until("the trust files read again", lambda: site.said("trust_reloaded") > before)


def test_a_held_document_is_judged_again_as_held_and_as_released(site: Site) -> None:
    document = _hold(site)
    file = export(site, document, attachments=0)
    code, facts, _ = run("verify", file, "--log-key", log_key(site))
    assert (code, facts["same"], facts["log"]) == (3, True, "proved")
    assert facts["verdict"]["sub_indication"] == "TRY_LATER"
    _publish(site)
    site.receive(HOME_AFFAIRS, document)
    code, facts, _ = run("verify", export(site, document, 2), "--log-key", log_key(site))
    assert (code, facts["same"], facts["log"], facts["faults"]) == (0, True, "proved", [])


@pytest.mark.faults
def test_one_that_a_recheck_refused_is_judged_again_as_refused(tmp_path: Path) -> None:
    made = Site(tmp_path / "node", hurried=True)
    signer = made.pki.signer("second")
    made.speaking[OFFICE] = [signer]
    made.configure()
    with kept_running(made):
        document = _hold(made, signer)
        made.pki.revoke(signer, datetime.now(UTC) - timedelta(days=1))
        _publish(made)
        until("refused", lambda: made.facts(document, OFFICE)["state"] == "refused")
        code, facts, words = run("verify", export(made, document, 2, attachments=0), "--log-key", log_key(made))
        assert (code, facts["same"], facts["log"]) == (1, True, "proved")
        assert facts["verdict"]["sub_indication"] == "REVOKED"
        assert "Chứng thư số đã bị thu hồi" in words


def test_a_root_that_is_not_the_readers_leaves_it_undecided(site: Site, tmp_path: Path) -> None:
    other = DevPki.create(tmp_path / "other", datetime.now(UTC))
    file = export(site, site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)["document"])
    code, facts, words = run("verify", file, "--trust", other.root)
    assert (code, facts["same"]) == (3, True)
    assert facts["strange_roots"] == [one["sha256"] for one in facts["roots"]]
    assert "not one of your roots" in words
    code, facts, words = run("verify", file)
    assert (code, facts["log"]) == (3, "not-checked"), "policy, rules, binding and time are the bundle's own word"
    assert "its own word" in words
    assert "believing these roots is your decision" in words and "not checked: --log-key" in words


def test_a_log_of_another_key_is_no_proof(site: Site, tmp_path: Path) -> None:
    file = export(site, site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)["document"])
    write_ed25519(tmp_path / "other.pem")
    other = NoteSigner(site.name, load_ed25519((tmp_path / "other.pem").read_bytes()))
    (tmp_path / "other.pub").write_text(str(other.verifier))
    code, facts, words = run("verify", file, "--log-key", tmp_path / "other.pub")
    assert (code, facts["log"]) == (1, "wrong")
    assert {one["code"] for one in facts["faults"]} == {"log-checkpoint-signature"}, "under every entry"
    assert "không mang chữ ký của khóa này" in words


def test_papers_of_another_document_are_told(site: Site, tmp_path: Path) -> None:
    """The receipt and the log entry of one document in the bundle of another, under a manifest made for both."""
    one, other = (
        unpack(export(site, site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)["document"]).read_bytes())
        for _ in range(2)
    )
    manifest = json.loads(one["manifest.json"])
    mixed = {**one, **{name: other[name] for name in ("receipt.json", "log/0.json", "log/0.txt")}}
    file = tmp_path / "mixed.zip"
    file.write_bytes(_sealed(manifest, mixed))
    code, facts, _ = run("verify", file, "--log-key", log_key(site))
    assert code == 1
    assert {one["code"] for one in facts["faults"]} == {
        "receipt-mismatch",
        "log-entry-of-another",
        "log-verdict-missing",
        "log-record",
    }


@pytest.fixture(scope="module")
def whole(site: Site) -> dict[str, bytes]:
    return unpack(export(site, site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)["document"]).read_bytes())


def rewritten(file: Path, entries: dict[str, bytes], without: str = "", **record: str) -> Path:
    """The bundle as somebody packs it who leaves papers out and writes the record anew; every digest fits."""
    kept = {name: octets for name, octets in entries.items() if not without or not name.startswith(without)}
    kept["document.json"] = canonical({**json.loads(kept["document.json"]), **record})
    manifest = json.loads(entries["manifest.json"])
    listed = [one for one in manifest["entries"] if one["name"] in kept]
    file.write_bytes(_sealed({**manifest, "entries": listed}, kept))
    return file


def test_a_bundle_without_its_log_entries_is_proved_by_nobody(
    site: Site, whole: dict[str, bytes], tmp_path: Path
) -> None:
    file = rewritten(tmp_path / "x.zip", whole, without="log/")
    code, facts, words = run("verify", file, "--trust", site.pki.root, "--log-key", log_key(site))
    assert (code, facts["ok"], facts["same"], facts["log"]) == (3, False, True, "none")
    assert "unproved" in words and "its own word" in words


@pytest.mark.parametrize(
    ("name", "value"), [("accepted_at", "2026-01-02T03:04:05.000006Z"), ("node", "another"), ("state", "refused")]
)
def test_what_the_record_says_plainly_is_what_the_log_says(
    site: Site, whole: dict[str, bytes], tmp_path: Path, name: str, value: str
) -> None:
    """Without the receipt nothing else in the bundle says it."""
    file = rewritten(tmp_path / "x.zip", whole, without="receipt.json", **{name: value})
    code, facts, _ = run("verify", file, "--trust", site.pki.root, "--log-key", log_key(site))
    assert (code, [one["code"] for one in facts["faults"]]) == (1, ["log-record"])
    assert facts["faults"][0]["detail"] == name


def test_two_histories_under_one_document_are_told(site: Site, whole: dict[str, bytes], tmp_path: Path) -> None:
    """Who has the log's key signs another root for the size at hand: each proof alone would do."""
    proof = parse_proof(whole["log/1.txt"].decode())
    head = replace(proof.head.checkpoint, root=bytes(32))
    signer = NoteSigner(site.name, load_ed25519((site.folder / "keys" / "log.pem").read_bytes()))
    other = replace(proof, head=Head(head, sign_note(head.text, signer))).text.encode()
    file = rewritten(tmp_path / "x.zip", {**whole, "log/1.txt": other})
    code, facts, words = run("verify", file, "--log-key", log_key(site))
    assert code == 1
    assert "log-two-histories" in {one["code"] for one in facts["faults"]}
    assert [one["root"] for one in facts["checkpoints"]].count("00" * 32) == 1
    assert f"{head.size}, {'00' * 32}" in words, "a reader holds it against what others kept"


def test_whose_receipt_it_is_says_the_readers_key(site: Site, whole: dict[str, bytes], tmp_path: Path) -> None:
    file = rewritten(tmp_path / "x.zip", whole)
    own, other = tmp_path / "own.pub", tmp_path / "other.pub"
    own.write_bytes(public_pem(load_ed25519((site.folder / "keys" / "receipt.pem").read_bytes())))
    write_ed25519(tmp_path / "other.pem")
    other.write_bytes(public_pem(load_ed25519((tmp_path / "other.pem").read_bytes())))
    arguments = ("verify", file, "--trust", site.pki.root, "--log-key", log_key(site))
    code, facts, words = run(*arguments)
    assert (code, facts["receipt_key"], "whose is not checked" in words) == (0, None, True)
    code, facts, words = run(*arguments, "--receipt-key", own)
    assert (code, facts["receipt_key"], "whose is not checked" in words) == (0, True, False)
    code, facts, _ = run(*arguments, "--receipt-key", other)
    assert (code, facts["receipt_key"]) == (1, False)


def altered(value: Any, by: Any) -> Iterator[Any]:
    """`value` with `by` in the place of each of its parts."""
    yield by
    for name, one in value.items() if isinstance(value, dict) else ():
        yield from ({**value, name: other} for other in altered(one, by))
    for number, one in enumerate(value) if isinstance(value, list) else ():
        yield from ([*value[:number], other, *value[number + 1 :]] for other in altered(one, by))


@pytest.mark.faults
@pytest.mark.parametrize("by", [None, 7, "", "9999-12-31T23:59:59.000000Z", [], ["x"], {}, {"x": 1}])
def test_a_bundle_that_a_stranger_wrote_is_answered_whatever_stands_in_it(
    site: Site, whole: dict[str, bytes], tmp_path: Path, by: object
) -> None:
    key = LogKeys.parse(log_key(site).read_text())
    chosen = Random(48)
    for name in ("document.json", "verdict.json", "attachments.json", "receipt.json", "log/0.json", "log/1.json"):
        others = [one for one in altered(json.loads(whole[name]), by) if one != json.loads(whole[name])]
        for one in chosen.sample(others, min(60, len(others))):
            octets = _sealed(json.loads(whole["manifest.json"]), {**whole, name: canonical(one)})
            try:
                bundle = read_bundle(octets)
                same = recompute(bundle).same
                faults = (*check_receipt(bundle), *check_log(bundle, key), *unlogged(bundle))
            except Broken:
                continue
            assert not same or faults, f"{name} says something else, and nobody noticed"


def public_pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _sealed(manifest: dict[str, Any], entries: dict[str, bytes]) -> bytes:
    for row in manifest["entries"]:
        row |= {"sha256": sha256(entries[row["name"]]).hexdigest(), "size": len(entries[row["name"]])}
    body = {name: value for name, value in manifest.items() if name != "sha256"}
    return pack({**entries, "manifest.json": canonical({**body, "sha256": sha256(canonical(body)).hexdigest()})})


def test_what_is_no_bundle_and_what_goes_with_none(site: Site, tmp_path: Path) -> None:
    file = export(site, site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)["document"])
    cut = tmp_path / "cut.zip"
    cut.write_bytes(file.read_bytes()[:-1])
    code, facts, words = run("verify", cut)
    assert (code, facts["fault"]) == (1, "bundle-layout")
    assert "a broken or altered bundle" in words and "hint: use the very file" in words and "gợi ý: " in words
    changed = bytearray(file.read_bytes())
    changed[changed.index(b"<?xml") + 200] ^= 1
    cut.write_bytes(changed)
    code, facts, words = run("verify", cut)
    assert (code, facts["fault"]) == (1, "bundle-digest") and "'package.edxml': changed" in words
    assert CliRunner().invoke(main, ["verify", str(file), "--legacy"]).exit_code == 2
    assert CliRunner().invoke(main, ["verify", str(file), "--log-key", str(site.config)]).exit_code == 2
    code, facts, _ = run("evidence", "export", "nobody", "-c", site.config, "-o", tmp_path / "none.zip")
    assert (code, facts["error"]) == (1, "there is no such document here")


def test_every_verdict_of_the_node_has_its_evidence(site: Site) -> None:
    from axis.sql.engine import open_readonly

    with open_readonly(site.database) as books:
        for document in books.recent(50):
            named = kept_evidence(document.verdict)
            assert "policy" in named.values()
            assert all(books.evidence(name) is not None for name in named)
