"""What a running node answers is what the description of its API says, and the description is what is served."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from axis.core.problems import TABLE, Kind
from axis.demo.client import Reply
from axis.docs import COMMAND, DESCRIPTION, description
from axis.web.openapi.document import document
from axis.web.openapi.operations import GET_DESCRIPTION, OPERATIONS
from tests.described import hold, operation_of
from tests.site import HOME_AFFAIRS, OFFICE, Site, until

ROOT = Path(__file__).parents[2]
NOBODY = "0" * 26


class Asked:
    """Asks a node, and holds each answer against the description."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.met: set[str] = set()

    def __call__(self, method: str, path: str, body: Any = None, by: str | None = OFFICE, status: int = 200) -> Reply:
        octets, headers = b"", {}
        if isinstance(body, bytes):
            octets, headers = body, {"Content-Type": "application/xml"}
        elif body is not None:
            octets, headers = json.dumps(body).encode(), {"Content-Type": "application/json"}
        reply = self.site.ask(method, path, octets, by=by, headers=headers)
        assert reply.status == status, reply.body
        hold(method, path, reply)
        if reply.status < 300:
            one = operation_of(method, path)
            assert one is not None
            self.met.add(one.id)
        return reply


def test_every_operation_answers_as_it_is_described(site: Site) -> None:
    ask = Asked(site)
    ref = ask("POST", "/v1/documents", site.package(OFFICE, [HOME_AFFAIRS]), status=202).json()["document"]
    item = site.waiting(HOME_AFFAIRS, ref)
    assert item is not None
    ask("GET", "/v1/inbox?after=0&limit=200", by=HOME_AFFAIRS)
    ask("GET", f"/v1/deliveries/{item['delivery']}/package", by=HOME_AFFAIRS)
    ask("POST", f"/v1/deliveries/{item['delivery']}/ack", by=HOME_AFFAIRS)
    status = {"code": "03", "description": "đã nhận", "staff": {"staff": "An"}}
    ask("POST", f"/v1/documents/{ref}/statuses", status, HOME_AFFAIRS, 202)
    several = {"statuses": [{"document": ref, "code": "04"}, {"document": NOBODY, "code": "04"}, {"code": "99"}]}
    ask("POST", "/v1/statuses", several, HOME_AFFAIRS)
    for by in (OFFICE, HOME_AFFAIRS):
        ask("GET", f"/v1/documents/{ref}", by=by)
        ask("GET", f"/v1/documents/{ref}/package", by=by)
    ask("GET", "/v1/inbox?limit=200")
    back = site.waiting(OFFICE, ref, "status")
    assert back is not None
    ask("GET", f"/v1/deliveries/{back['delivery']}/package")
    ask("GET", f"/v1/receipts/{ref}")
    proof = f"/v1/receipts/{ref}/proof"
    until("the log holds it", lambda: site.get(proof, OFFICE).status == 200)
    ask("GET", proof)
    ask("GET", "/v1/log/checkpoint")
    ask("GET", "/v1/log/tile/0/000.p/1")
    assert ask("GET", "/openapi.json", by=None).json() == document()
    unmet = {one.id for one in OPERATIONS} - ask.met
    assert unmet == {"post_relay", "get_witnessed"}, "what needs a neighbour, and a witness"


REFUSED: list[tuple[str, str, Any, str | None, int]] = [
    ("POST", "/v1/documents", b"<no", OFFICE, 400),
    ("POST", "/v1/documents", b"<no/>", OFFICE, 422),
    ("POST", "/v1/documents", {}, OFFICE, 415),
    ("POST", "/v1/documents", b"", None, 401),
    ("POST", "/v1/relay", b"", OFFICE, 403),
    ("GET", "/v1/inbox?limit=-1", None, OFFICE, 400),
    ("GET", "/v1/inbox", None, None, 401),
    ("GET", f"/v1/documents/{NOBODY}", None, OFFICE, 404),
    ("GET", f"/v1/receipts/{NOBODY}", None, OFFICE, 404),
    ("POST", f"/v1/deliveries/{NOBODY}/ack", None, OFFICE, 404),
    ("POST", f"/v1/documents/{NOBODY}/statuses", {"code": "3", "at": 1}, OFFICE, 400),
    ("POST", f"/v1/documents/{NOBODY}/statuses", b"", OFFICE, 415),
    ("POST", f"/v1/documents/{NOBODY}/statuses", {"code": "0" * 70_000}, OFFICE, 413),
    ("POST", "/v1/statuses", {"statuses": []}, OFFICE, 400),
]


@pytest.mark.parametrize(("method", "path", "body", "by", "status"), REFUSED)
def test_a_refusal_is_described(method: str, path: str, body: Any, by: str | None, status: int, site: Site) -> None:
    Asked(site)(method, path, body, by, status)


def test_who_may_keep_the_description_is_told_so(site: Site) -> None:
    reply = site.ask("GET", GET_DESCRIPTION.path)
    assert reply.headers["cache-control"] == "public, max-age=3600"


def test_the_committed_description_is_what_the_tables_say() -> None:
    written = DESCRIPTION.read_text(encoding="utf-8") if DESCRIPTION.exists() else ""
    assert written == description(), f"schemas/openapi.json is stale: run `{COMMAND}` and read the diff"


def test_every_reference_in_the_description_leads_somewhere() -> None:
    whole = document()
    text = json.dumps(whole)
    for found in set(re.findall(r'"#/components/(\w+)/([\w.-]+)"', text)):
        assert found[1] in whole["components"][found[0]], found
    shapes = whole["components"]["schemas"]
    assert {name for name in shapes if f'"#/components/schemas/{name}"' not in text} == set(), "nobody asks for it"


def test_every_kind_with_a_status_is_described_somewhere_and_is_one_that_the_program_has() -> None:
    described = {kind for one in OPERATIONS for kind in one.problems}
    assert all(TABLE[kind].http for kind in described)
    unsaid = {kind for kind, row in TABLE.items() if row.http} - described
    assert unsaid == {Kind.METHOD_NOT_ALLOWED, Kind.SIGNATURE_INDETERMINATE}
    raised = "\n".join(_sources())
    assert {kind for kind in described if f"Kind.{kind.name}" not in raised} == set(), "nobody ever answers that"


def _sources() -> Iterator[str]:
    """The rooms that decide and answer, but for the tables that tell of kinds."""
    for room in ("core", "flow", "web", "sql", "hsm"):
        for path in (ROOT / "axis" / room).rglob("*.py"):
            if path.parent.name != "openapi" and path.name not in ("problems.py", "advice.py"):
                yield path.read_text(encoding="utf-8")
    yield (ROOT / "axis" / "kept.py").read_text(encoding="utf-8")
