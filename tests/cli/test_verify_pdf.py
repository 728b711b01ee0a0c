"""`axis verify` on PDF files, and on PDFs attached to a package."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from axis.cli import main
from schemas.envelope import AttachmentInfo
from signing.pdf import judge_attachment
from signing.policy import OWN_NETWORK
from tests.pki import NOW, pem, pki
from tests.samples import sample_envelope, sample_package
from tests.signers import packed
from tests.unit.pdf.forge import one_signature, plain, two_signatures


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    trust = pki().trust
    (tmp_path / "trust").mkdir()
    for number, der in enumerate((*trust.anchors, *trust.intermediates)):
        (tmp_path / "trust" / f"{number}.der").write_bytes(der)
    (tmp_path / "crls").mkdir()
    for number, der in enumerate(trust.crls):
        (tmp_path / "crls" / f"{number}.crl").write_bytes(der)
    assert pem(pki().good.certificate).startswith(b"-----BEGIN")
    return tmp_path


def verify(folder: Path, octets: bytes, name: str = "cong-van.pdf", *options: str) -> Result:
    (folder / name).write_bytes(octets)
    trust = ["--trust", str(folder / "trust"), "--crl", str(folder / "crls"), "--at", NOW.isoformat()]
    return CliRunner().invoke(main, ["verify", str(folder / name), *trust, *options])


@pytest.mark.parametrize(
    ("octets", "code", "outcome"),
    [
        (two_signatures, 0, "valid"),
        (lambda: one_signature().replace(b"/MediaBox", b"/MediaBux", 1), 1, "invalid"),
        (plain, 3, "unsigned"),
    ],
    ids=["person and organisation", "changed after signing", "no signature"],
)
def test_a_pdf_is_judged_offline_with_the_documented_exit_codes(
    folder: Path, octets: object, code: int, outcome: str
) -> None:
    assert callable(octets)
    result = verify(folder, octets(), "cong-van.pdf", "--json")
    assert result.exit_code == code, result.output
    assert json.loads(result.output)["pdf"]["outcome"] == outcome


def test_a_person_reads_the_conclusion_first(folder: Path) -> None:
    said = verify(folder, two_signatures()).output
    assert "hợp lệ (valid)" in said.splitlines()[0]
    assert said.count("chữ ký (signature)") == 2


def test_what_is_attached_is_looked_for_where_the_node_looks(folder: Path) -> None:
    """By what it is and not by its name, a ZIP deep; what cannot be looked into is told, because it may hide one."""
    deep = packed(muc__ke_hoach_pdf=one_signature(), anh=b"JFIF", bom_zip=packed(trong__ba_zip=packed(a=b"x")))
    attachments = [b"text", deep, b"\n% junk\n" + plain()]
    names = tuple(AttachmentInfo(f"a{number}", f"tep-{number}.bin") for number in range(3))
    octets = sample_package(sample_envelope(attachments=names), attachments)
    told = json.loads(verify(folder, octets, "goi.edxml", "--json").output)
    node = [judge_attachment(one, "?", pki().trust, NOW, OWN_NETWORK) for one in attachments]
    wanted = [(entry.path[1:], entry.verdict.outcome) for one in node for entry in one.entries]
    assert [(tuple(item["path"][1:]), item["pdf"]["outcome"]) for item in told["attachments"]] == wanted
    assert [outcome for _, outcome in wanted] == ["valid", "indeterminate"]
    assert [problem.partition("/")[2] for problem in told["attachment_problems"]] == [
        "bom_zip/trong/ba_zip: an archive too deep"
    ]
    said = verify(folder, octets, "goi.edxml").output
    assert "/muc/ke_hoach.pdf: hợp lệ (valid)" in said
    assert "bom_zip/trong/ba_zip: an archive too deep" in said


def test_attached_pdfs_are_judged_beside_the_package(folder: Path) -> None:
    result = verify(folder, sample_package(attachments=[one_signature()]), "goi.edxml", "--json")
    told = json.loads(result.output)
    assert [item["pdf"]["outcome"] for item in told["attachments"]] == ["valid"]
    assert result.exit_code == 3, "the package itself is not signed"
