"""What the receiving half of an endpoint shows: notices, references, and what is said before anything is sent."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from click.testing import CliRunner, Result

from axis.cli import main
from axis.cli.advice import BY_REASON, NEXT, next_step
from axis.core.problems import TABLE, Kind
from schemas.status import STANDING_LABEL, Standing
from signing.verdict import Reason

DOCUMENT = "01m83gn0f0g5dw3xmgc7442zk7"
DELIVERY = "01m83gn0f0h6d4kha3aa01gkr4"
NOTICE: dict[str, Any] = {"type": "axis-notice", "document": DOCUMENT, "outcome": "refused", "reason": "cert-revoked"}
UNDELIVERED = NOTICE | {
    "outcome": "undelivered",
    "reason": "destination-refused",
    "recipients": ["H99.115", "H99.116"],
}
ITEM: dict[str, Any] = {
    "delivery": DELIVERY,
    "seq": 1,
    "recipients": ["H99.07"],
    "document": DOCUMENT,
    "sender": "H99.07",
    "document_id": "H99.07,2026/11/23,1/SNV-VP",
    "number": "1/SNV-VP",
    "subject": "V/v thử",
    "priority": 0,
}


class FarEnd:
    """An axis that answers from a table, in a thread of its own: commands run a loop themselves."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.standing = "applied"
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._ready.wait(30)

    def _run(self) -> None:
        async def start() -> web.AppRunner:
            app = web.Application()
            app.router.add_get("/v1/inbox", self._inbox)
            app.router.add_get("/v1/deliveries/{id}/package", self._package)
            app.router.add_post("/v1/deliveries/{id}/ack", self._ack)
            app.router.add_post("/v1/documents/{ref}/statuses", self._status)
            runner = web.AppRunner(app)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            return runner

        runner = self._loop.run_until_complete(start())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _inbox(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"items": self.items, "next": None})

    async def _package(self, _request: web.Request) -> web.StreamResponse:
        if self.items[0]["cargo"] == "notice":
            return web.Response(body=json.dumps(NOTICE).encode(), content_type="application/json")
        return web.Response(body=b"<edXML/>", content_type="application/xml")

    async def _status(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"status": DOCUMENT, "standing": self.standing})

    async def _ack(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["id"] == "unknown":
            told = {"type": "urn:axis:problem:not-found", "title": "not found", "instance": "urn:axis:request:0123"}
            return web.json_response(told, status=404, content_type="application/problem+json")
        told = {"delivery": request.match_info["id"], "document": DOCUMENT, "state": "delivered", "arrived": None}
        return web.json_response(told)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def ask(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, [*arguments, "--url", self.url])


@pytest.fixture
def far_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FarEnd]:
    monkeypatch.chdir(tmp_path)
    made = FarEnd()
    yield made
    made.stop()


@pytest.mark.parametrize(
    ("notice", "told"),
    [
        (NOTICE | {"outcome": "released", "reason": "good"}, "thông báo: 1/SNV-VP đã được nhận (released)"),
        (
            NOTICE,
            (
                "thông báo: 1/SNV-VP bị từ chối (refused): "
                "Chứng thư số đã bị thu hồi (cert-revoked: the certificate is revoked)"
            ),
        ),
        (NOTICE | {"reason": "of-tomorrow"}, "thông báo: 1/SNV-VP bị từ chối (refused): of-tomorrow"),
        (
            UNDELIVERED | {"cargo": "document"},
            (
                "thông báo: 1/SNV-VP không chuyển được đến H99.115, H99.116 (undelivered): "
                "Nơi nhận từ chối (destination-refused: the destination refused)"
            ),
        ),
        (
            UNDELIVERED | {"cargo": "status", "code": "03", "reason": "of-tomorrow"},
            "thông báo: trạng thái 03 của 1/SNV-VP không chuyển được đến H99.115, H99.116 (undelivered): of-tomorrow",
        ),
    ],
)
def test_a_notice_reads_as_a_notice_and_not_as_an_incoming_document(
    notice: dict[str, Any], told: str, far_end: FarEnd
) -> None:
    far_end.items = [{**ITEM, "cargo": "notice", "notice": notice}]
    text = far_end.ask("inbox").output
    assert text.splitlines()[0] == f"     1  {DELIVERY}  {told}"
    assert "0 B" not in text
    assert json.loads(far_end.ask("inbox", "--json").stdout)["items"][0]["notice"] == notice


def test_a_notice_is_saved_as_json_and_a_package_as_edxml(far_end: FarEnd, tmp_path: Path) -> None:
    for cargo, suffix in (("notice", "json"), ("document", "edxml")):
        far_end.items = [{**ITEM, "cargo": cargo}]
        result = far_end.ask("fetch", DELIVERY)
        assert result.exit_code == 0, result.output
        assert [path.name for path in tmp_path.iterdir()] == [f"{DELIVERY}.{suffix}"]
        assert far_end.ask("fetch", DELIVERY).exit_code == 2, "an existing file is left alone"
        (tmp_path / f"{DELIVERY}.{suffix}").unlink()


def test_inbox_and_ack_name_the_reference_that_a_status_needs(far_end: FarEnd) -> None:
    far_end.items = [{**ITEM, "cargo": "document", "size": 5}]
    assert DOCUMENT in far_end.ask("inbox").output
    assert DOCUMENT in far_end.ask("ack", DELIVERY).output
    assert json.loads(far_end.ask("ack", DELIVERY, "--json").stdout)[0]["document"] == DOCUMENT


@pytest.mark.parametrize("note", [[], ["--note", " "]])
@pytest.mark.parametrize("code", ["02", "2", "16"])
def test_a_refusal_without_its_reason_is_told_before_the_axis_is_asked(code: str, note: list[str]) -> None:
    result = CliRunner().invoke(main, ["status", DOCUMENT, code, *note, "--url", "http://127.0.0.1:1"])
    assert result.exit_code == 2
    assert "needs the reason: --note" in result.output


def test_what_was_taken_over_is_told_although_the_next_one_is_refused(far_end: FarEnd) -> None:
    result = far_end.ask("ack", DELIVERY, "unknown")
    assert result.exit_code == 1
    assert f"{DELIVERY}  đã nhận (delivered)" in result.output
    told = json.loads(far_end.ask("ack", DELIVERY, "unknown", "--json").stdout)
    assert [one["delivery"] for one in told["acknowledged"]] == [DELIVERY]


def test_a_refusal_says_what_to_do_and_which_code_to_quote(far_end: FarEnd) -> None:
    text = far_end.ask("ack", "unknown").output
    assert "(axis inbox shows" in text
    assert "(quote it when you ask): urn:axis:request:0123" in text
    told = json.loads(far_end.ask("ack", "unknown", "--json").stdout)
    assert told["hint"].startswith("axis inbox in DELIVERY") and "\n" not in told["hint"]


@pytest.mark.parametrize("standing", Standing)
def test_what_a_report_means_is_told_in_words(standing: Standing, far_end: FarEnd) -> None:
    far_end.standing = standing.value
    assert f"03 Đã tiếp nhận: {STANDING_LABEL[standing]} ({standing})" in far_end.ask("status", DOCUMENT, "03").output


def test_a_reader_that_is_gone_is_not_told_to_have_used_it_wrongly(far_end: FarEnd) -> None:
    """`axis ack ... | head -1`: it was taken over."""
    reads, writes = os.pipe()
    os.close(reads)
    command = (sys.executable, "-m", "axis", "ack", DELIVERY, "--url", far_end.url)
    with os.fdopen(writes) as gone:
        done = subprocess.run(command, stdout=gone, stderr=subprocess.PIPE, check=False)
    assert done.stderr == b"" and done.returncode != 2


def test_every_refusal_has_its_advice_but_those_that_list_what_is_wrong() -> None:
    refusals = {kind.value for kind, row in TABLE.items() if row.http and not row.temporary}
    assert refusals - set(NEXT) == {"bad-request", "malformed-xml", "schema-violation", "method-not-allowed"}


def test_who_signed_with_a_certificate_that_is_revoked_is_not_told_to_sign_again_with_it() -> None:
    told = next_step("signature-failed", {"reason": "cert-revoked"})
    assert "chứng thư số khác" in told and "another certificate" in told
    assert next_step("signature-failed", {"reason": "sig-digest"}) == next_step("signature-failed", {})
    assert set(BY_REASON) <= {reason.value for reason in Reason}


def test_a_field_that_is_wrong_is_told_with_what_it_must_be() -> None:
    told = next_step("bad-request", {"fields": ["at", "staff.mobile", "ghi_chu"]})
    assert "at: giờ kèm múi giờ" in told and "staff.mobile: " in told and "at most 200 characters" in told
    assert told.endswith("; ghi_chu")


def test_what_a_new_document_lacks_is_named(far_end: FarEnd) -> None:
    result = far_end.ask("send", "--from", "H99.07", "--to", "H99.115", "--number", "1")
    assert result.exit_code == 2
    assert "a document needs --notation, --subject, too" in result.output


def test_every_advice_is_for_a_problem_that_is_an_answer() -> None:
    assert [kind for kind in NEXT if not TABLE[Kind(kind)].http or TABLE[Kind(kind)].temporary] == []
