"""Wrong usage and help are told in both languages."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from axis.cli import main
from axis.cli.usage import HEADINGS


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), prog_name="axis")


WRONG = [
    # what click finds wrong, of which each kind is provoked once: a click with other words turns this red
    (["chek"], "không có lệnh chek; có phải check hay ack hay fsck?"),
    (["qqqqqq"], "các lệnh: demo, init"),
    (["queue", "lst"], "không có lệnh lst; có phải list?"),
    (["evidence", "verify", "x"], "không có lệnh verify; có phải axis verify?"),
    (["--foo"], "không có tùy chọn --foo"),
    (["queue", "list", "--endpont", "x"], "không có tùy chọn --endpont; có phải --endpoint?"),
    (["queue", "list", "--limit"], "tùy chọn '--limit' cần một giá trị"),
    (["queue", "list", "--json=3"], "tùy chọn '--json' không nhận giá trị"),
    (["queue", "list", "--limit", "0"], "giá trị của '--limit' không dùng được: số từ 1 đến 10000"),
    (["queue", "list", "--limit", "１"], "ghi bằng các chữ số 0 đến 9"),
    (["queue", "list", "--state", "quued"], "một trong queued, leased"),
    (["log", "show"], "thiếu đối số 'FOLDER'; xem axis log show --help"),
    (["explain"], "thiếu tùy chọn '--from'"),
    (["log", "show", "/nothing-here"], "cần một thư mục có sẵn, đọc được"),
    (["send", "/nothing-here"], "cần một tệp có sẵn, đọc được"),
    (["check", "a"], "thừa đối số: a"),
    (["check", "a", "b"], "thừa đối số: a b"),
    # what a command finds wrong
    (["queue", "retry"], "nêu các lượt chuyển, hoặc --endpoint, hoặc --document"),
    (["explain", "--from", "H 9"], "mã cơ quan gồm 1 đến 35 chữ cái"),
]


@pytest.mark.parametrize(("arguments", "told"), WRONG, ids=[" ".join(one) for one, _ in WRONG])
def test_wrong_usage_is_told_in_vietnamese_below_the_english(arguments: list[str], told: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    english, vietnamese = result.stderr.rsplit("\n", 2)[:2]
    assert english.splitlines()[-1].startswith("Error: ")
    assert vietnamese.startswith("  gợi ý: ") and told in vietnamese


@pytest.mark.parametrize("arguments", [[], ["queue"], ["queue", "list"], ["log", "verify"]], ids=" ".join)
def test_headings_of_help_are_in_both_languages(arguments: list[str]) -> None:
    text = run(*arguments, "--help").output
    assert text.startswith(f"{HEADINGS['Usage']} (Usage): axis")
    assert "\nTùy chọn (Options):\n" in text
    assert [one for one in HEADINGS if f"\n{one}:" in text] == []


@pytest.mark.parametrize(
    ("action", "more"), [("retry", []), ("release", []), ("hold", []), ("give-up", ["--reason", "x"])]
)
def test_an_endpoint_that_nobody_knows_is_said_to_be_unknown(made: Path, action: str, more: list[str]) -> None:
    result = run("queue", action, "-c", str(made / "axis.toml"), "--endpoint", "so-noi-v", *more)
    assert result.exit_code == 2
    assert "no endpoint is called 'so-noi-v'" in result.stderr
    assert "gợi ý: " in result.stderr


def test_a_list_for_an_endpoint_that_nobody_knows_says_so(made: Path) -> None:
    result = run("queue", "list", "-c", str(made / "axis.toml"), "--endpoint", "nobody", "--json")
    assert (result.exit_code, "no endpoint is called" in result.stdout) == (2, True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("usage") / "node"
    assert run("init", str(folder)).exit_code == 0
    return folder
