"""Names of attachments (rows T01, T02, T03, T05, T06)."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.attachment import check_name, check_names

BAD = {
    "T01 traversal": "../x.pdf",
    "T01 absolute": "/etc/passwd",
    "T01 drive letter": "C:x.pdf",
    "T01 UNC": "\\\\host\\share\\x.pdf",
    "T01 device": "NUL",
    "T01 device with extension": "com1.pdf",
    "T01 device with space": "AUX .txt",
    "T01 superscript device": "LPT².pdf",
    "T01 trailing dot": "x.pdf.",
    "T01 trailing space": "x.pdf ",
    "T01 leading space": " x.pdf",
    "T01 no-break space at the end": "x.pdf\u00a0",
    "T01 stream": "x.pdf:hidden",
    "T01 300 bytes": "x" * 300,
    "T01 256 bytes of Vietnamese": "ễ" * 85 + "x",
    "T01 empty": "",
    "T01 dot": ".",
    "T01 two dots": "..",
    "T01 wildcard": "*.pdf",
    "T02 NUL": "a\0.pdf",
    "T02 newline": "a\n.pdf",
    "T02 tab": "a\t.pdf",
    "T02 escape": "a\x1b[0m.pdf",
    "T02 C1 control": "a\x85.pdf",
    "T03 bidi override": "a\u202efdp.exe",
    "T03 isolate": "a\u2066b\u2069.pdf",
    "T03 zero width": "a\u200b.pdf",
    "T03 soft hyphen": "a\u00ad.pdf",
    "T03 BOM": "\ufeffa.pdf",
    "T03 line separator": "a\u2028.pdf",
    "lone surrogate": "a\ud800.pdf",
}


@pytest.mark.parametrize("name", BAD.values(), ids=BAD)
def test_a_dangerous_name_is_refused(name: str) -> None:
    violation = check_name(name)
    assert violation is not None
    assert violation.code == "attachment-name"
    assert name.strip(". ") == "" or name not in str(violation)


@pytest.mark.parametrize(
    "name",
    ["cong-van.pdf", "Công văn số 12 (đã ký)_Signed.pdf", unicodedata.normalize("NFD", "Quyết định.docx"), ".htaccess",
     "console.pdf", "a.tar.gz", "x" * 255, "con-dau.png", "phụ lục 1, 2 & 3.xlsx"],
)  # fmt: skip
def test_an_ordinary_name_passes(name: str) -> None:
    assert check_name(name) is None


@pytest.mark.parametrize(
    "names",
    [
        ("a.pdf", "a.pdf"),
        ("a.pdf", "A.PDF"),
        ("mẫu.pdf", unicodedata.normalize("NFD", "mẫu.pdf")),
        ("k.pdf", "\u212a.pdf"),
        ("straße.pdf", "STRASSE.pdf"),
    ],
)
def test_two_names_that_a_file_system_may_take_for_one_are_refused(names: tuple[str, ...]) -> None:
    assert [v.code for v in check_names(names)] == ["attachment-name"]


def test_different_good_names_pass() -> None:
    assert check_names(["a.pdf", "b.pdf", "á.pdf"]) == ()
    assert check_names([]) == ()


@given(st.text(max_size=300))
def test_any_name_gets_an_answer(name: str) -> None:
    check_name(name)
