"""What a person and a program read at the end."""

import json
from collections.abc import Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path

from rich.console import Console

from axis.demo.compare import Answer, Collected, Fact, compare
from axis.demo.report import Result, show, to_json
from axis.log.findings import Code, Finding, LogReport
from tests.unit.demo.test_compare import CROSSED, PLAN, perfect

GOOD_LOG = LogReport(None, 12, {"accepted": 12}, 3, (), {})
BAD_LOG = LogReport(None, 12, {}, 3, (Finding(Code.ROOT_MISMATCH, "12"),), {Code.ROOT_MISMATCH: 1})


def result(collected: Collected, logs: Mapping[str, LogReport] | None = None) -> Result:
    whole = logs if logs is not None else {"tinh": GOOD_LOG, "huyen": GOOD_LOG}
    return Result(PLAN, compare(PLAN, collected), whole, 12.3, (), Path("/demo"))


def read(what: Result) -> str:
    console = Console(width=120, record=True, file=StringIO())
    show(what, console)
    return console.export_text()


def test_a_good_result_says_so_in_four_lines_and_fits_120_columns() -> None:
    text = read(result(perfect()))
    assert text.count("✓ ") >= 4
    assert "✗" not in text
    assert f"BẰNG NHAU: {PLAN.expected_statuses}/{PLAN.expected_statuses} trạng thái" in text
    assert "4/4 gói xấu bị từ chối (sig-digest, cert-revoked, cert-agency-mismatch, sig-coverage)" in text
    assert "trục tỉnh 12 bản ghi, trục huyện 12 bản ghi" in text
    assert max(map(len, text.splitlines())) <= 120
    assert "…" not in text


def test_a_result_with_a_difference_says_which() -> None:
    whole = perfect()
    lost = next(f for f in whole.national if (f.document_id, f.receiver) == (CROSSED[0].document_id, CROSSED[1]))
    stranger = Fact("nobody", "000.00.00.X99", "03", lost.at)
    text = read(result(replace(whole, national=whole.national - {lost} | {stranger})))
    assert "KHÁC NHAU" in text
    assert f"trục thiếu {lost.code} lúc 08:02:03 của {lost.document_id}" in text
    assert "trục quốc gia có thêm 03" in text


def test_a_bad_package_that_was_let_in_is_seen() -> None:
    whole = perfect()
    taken = Answer(PLAN.bad[0].document_id, document="ref")
    told = result(replace(whole, answers=(*whole.answers, taken)))
    assert not told.good
    assert "NHẬN" in read(told)


def test_a_damaged_or_empty_log_is_not_good() -> None:
    assert not result(perfect(), {"tinh": GOOD_LOG, "huyen": BAD_LOG}).good
    assert not result(perfect(), {"tinh": GOOD_LOG, "huyen": replace(GOOD_LOG, entries=0)}).good
    assert not result(perfect(), {}).good
    assert "nhật ký trục huyện: root-mismatch" in read(result(perfect(), {"tinh": GOOD_LOG, "huyen": BAD_LOG}))


def test_the_same_as_data() -> None:
    data = json.loads(json.dumps(to_json(result(perfect()))))
    assert data["ok"]
    assert data["statuses"]["matching"] == PLAN.expected_statuses
    assert len(data["rows"]) == len(PLAN.rows)
    assert data["rows"][0]["told"][0]["by"] == "axis"
    assert [refusal["reason"] for refusal in data["refusals"]] == [
        "sig-digest",
        "cert-revoked",
        "cert-agency-mismatch",
        "sig-coverage",
    ]
