"""The page of results is whole, and cannot be made to say what no run said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.record import PAGE, SUITES, Record, read, settle, whole


def test_the_page_holds_every_suite_and_nothing_else() -> None:
    rows, sections = read()
    assert (tuple(rows), tuple(sections)) == (SUITES, SUITES)
    assert PAGE.read_text(encoding="utf-8") == whole(rows, sections)


def test_every_suite_has_a_module_that_settles_it() -> None:
    folders = (Path(__file__).parent, Path(__file__).parents[1] / "differential")
    modules = [path for folder in folders for path in folder.glob("test_*.py") if path != Path(__file__)]
    sources = [path.read_text(encoding="utf-8") for path in modules]
    settled = [name for name in SUITES for source in sources if _names(source, name) and "settle(" in source]
    assert sorted(settled) == sorted(SUITES)


def _names(source: str, name: str) -> bool:
    return f'name="{name}"' in source or f'record("{name}"' in source


def record(**changes: object) -> Record:
    facts: dict[str, object] = {"name": "C14N", "source": "s", "method": "m", "total": 2, "right": 2, **changes}
    return Record(**facts)  # type: ignore[arg-type]


def test_a_case_that_is_not_counted_is_no_record() -> None:
    with pytest.raises(AssertionError, match="2 of 3"):
        record(total=3)
    assert record(total=4, refused={"x": 1}, wrong=["y"]).row == "| C14N | 4 | 2 | 1 | 1 | 0 |\n"


def test_a_suite_that_comes_to_another_result_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "conformance.md"
    monkeypatch.setenv("UPDATE_GOLDEN", "1")
    settle(record(), page)
    settle(record(name="NIST PKITS", tables=[("T", ("a", "b"), [(1, "x|y")])]), page)
    monkeypatch.delenv("UPDATE_GOLDEN")
    settle(record(), page)
    settle(record(name="NIST PKITS", tables=[("T", ("a", "b"), [(1, "x|y")])]), page)
    for other in (record(right=1, wrong=["y"]), record(method="n"), record(name="Wycheproof")):
        with pytest.raises(AssertionError, match="stale"):
            settle(other, page)
