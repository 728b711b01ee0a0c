"""`axis why`: what became of a document, beside a running daemon and without one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from axis.cli import main
from axis.cli.why import SHOWN, few
from axis.core.journey.step import Step, What
from signing.verdict import Sentence
from tests.flow.receiver import TAKEN, Receiver, status
from tests.site import FINANCE, HOME_AFFAIRS, OFFICE, Site, kept_running, pushed, row, until

pytestmark = pytest.mark.slow

HEALTH, ENDPOINT = "000.00.15.H99", "so-y-te"
MORE = '[delivery]\nfirst_retry = "60s"\nretry_ceiling = "60s"\nbreaker_after = 50\n'


@pytest.fixture(scope="module")
def far() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def site(far: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("why"), MORE)
    made.registry = row(HEALTH)
    made.endpoints = pushed(ENDPOINT, HEALTH, far.url)
    made.configure()
    with kept_running(made):
        yield made


def why(site: Site, document: str, *options: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["why", document, "-c", str(site.config), *options])
    assert result.exit_code == code, result.output
    return result


def told(site: Site, document: str) -> Any:
    return json.loads(why(site, document, "--json").stdout)


def answered(site: Site, far: Receiver, answer: int, wanted: str, to: str = HEALTH) -> str:
    """A document to which the far end has answered so, and whose first step now is `wanted`."""
    far._otherwise = status(answer)
    try:
        document = str(site.take(site.package(OFFICE, [to]), OFFICE)["document"])

        def there() -> bool:
            step = told(site, document)["present"][0]
            return bool(step["what"] == wanted and step["code"])

        until(f"{wanted} after {answer}", there)
    finally:
        far._otherwise = TAKEN
    return document


def test_a_refused_delivery_tells_its_code_the_rule_that_led_there_and_the_next_step(site: Site, far: Receiver) -> None:
    document = answered(site, far, 422, "failed")
    facts = told(site, document)
    assert [step["what"] for step in facts["past"]][:3] == ["taken", "verdict", "routed"]
    assert [step["at"] for step in facts["past"]] == sorted(step["at"] for step in facts["past"])
    route = next(step for step in facts["past"] if step["what"] == "routed")
    assert f'rule "{HEALTH}", axis.toml:' in route["told"]["en"] and route["agencies"] == [HEALTH]
    now, notice = facts["present"]
    assert notice["endpoint"] == "van-phong"
    assert (now["code"], now["endpoint"]) == ("destination-refused", ENDPOINT)
    assert now["command"] == f"axis queue retry {now['about']}"
    text = why(site, document).stdout
    assert f"Cơ quan {HEALTH}" in text
    assert "[destination-refused]" in text and now["command"] in text
    assert "Nơi nhận từ chối" in text and "the destination refused" in text
    assert "V/v thử nghiệm" not in text, "the subject is the document's content"
    assert max(map(len, text.splitlines())) < 300 and len(text.splitlines()) < 40


def test_what_waits_says_until_when_and_how_often_it_was_tried(site: Site, far: Receiver) -> None:
    (now,) = told(site, document := answered(site, far, 503, "waits"))["present"]
    assert now["code"] == "destination-unavailable" and now["at"] < now["until"] < now["ends"]
    assert "đã thử 1 lần" in now["told"]["vi"]
    assert "hạn cuối (given up at)" in why(site, document).stdout


def test_it_is_found_by_reference_document_id_number_and_delivery(site: Site) -> None:
    document = site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)["document"]
    facts = told(site, document)["document"]
    assert (facts["ref"], facts["sender"], facts["state"]) == (document, OFFICE, "accepted")
    delivery = site.facts(document, OFFICE)["deliveries"][0]["delivery"]
    for name in (facts["document_id"], facts["number"], delivery):
        assert told(site, name)["document"] == facts


def test_what_is_not_here_is_said_with_a_stable_code(site: Site) -> None:
    result = why(site, "khong-co", code=1)
    assert "not-found: không có văn bản nào" in result.stderr and "hint:" in result.stderr
    answer = json.loads(why(site, "khong-co", "--json", code=1).stdout)
    assert (answer["ok"], answer["problem"]) == (False, "not-found")


def test_several_under_one_id_are_named_to_choose_from(site: Site) -> None:
    one, same = (
        site.take(site.package(by, [HOME_AFFAIRS], document_id="H99,2026/12/01,7/TN"), by)["document"]
        for by in (OFFICE, FINANCE)
    )
    answer = json.loads(why(site, "H99,2026/12/01,7/TN", "--json", code=2).stdout)
    assert set(answer["refs"]) == {one, same}
    assert one in why(site, "H99,2026/12/01,7/TN", code=2).stdout


def test_who_holds_a_delivery_and_an_endpoint_and_why_is_told(site: Site) -> None:
    document = str(site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)["document"])
    delivery = site.facts(document, OFFICE)["deliveries"][0]["delivery"]

    def queue(*words: str) -> None:
        result = CliRunner().invoke(main, ["queue", words[0], "-c", str(site.config), *words[1:]])
        assert result.exit_code == 0, result.output

    queue("hold", delivery, "--reason", "chờ hỏi")
    (now,) = told(site, document)["present"]
    assert now["what"] == "on-hold" and "giữ lại: chờ hỏi" in now["told"]["vi"]
    queue("release", delivery)
    queue("hold", "--endpoint", "so-noi-vu", "--reason", "bảo trì")
    (now,) = told(site, document)["present"]
    assert "tạm dừng endpoint: bảo trì" in now["told"]["vi"]
    assert now["command"] == "axis queue release --endpoint so-noi-vu"
    queue("release", "--endpoint", "so-noi-vu")


def test_of_many_steps_of_one_kind_a_screenful_is_shown_and_the_rest_counted() -> None:
    told, at = Sentence("đã chuyển", "delivered"), datetime.now(UTC)
    steps = [*[Step(at, What.DELIVERED, told)] * (SHOWN + 30), *[Step(at, What.STATUS, told)] * (SHOWN + 2)]
    shown, left = few(steps, False)
    assert len(shown) == 2 * SHOWN and left == "delivered +30, status +2"
    assert few(steps, True) == (steps, "")


@pytest.mark.faults
def test_it_is_told_without_a_daemon_and_changes_nothing(tmp_path: Path) -> None:
    made = Site(tmp_path / "alone")
    with kept_running(made):
        document = made.take(made.package(OFFICE, [HOME_AFFAIRS]), OFFICE)["document"]
        until("its attachments are judged", lambda: told(made, document)["log"]["entries"] == 3)
    before = made.rows("SELECT * FROM delivery") + made.rows("SELECT * FROM log_intent")
    facts = told(made, document)
    assert facts["running"] is False
    assert facts["log"]["entries"] == facts["log"]["signed"] == 3, "the last round signed them"
    text = why(made, document).stdout
    assert "trục không chạy hoặc không trả lời" in text and "đều nằm dưới mốc đã ký" in text
    assert made.rows("SELECT * FROM delivery") + made.rows("SELECT * FROM log_intent") == before
