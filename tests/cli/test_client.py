"""The client against a far end that answers well, refuses, breaks, or is not there."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from click.testing import CliRunner

from axis.cli import main
from axis.cli.client import AxisClient, AxisRefused, AxisUnsure
from axis.demo.network import free_ports

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def far_end(method: str, path: str, handler: Handler) -> AsyncIterator[AxisClient]:
    app = web.Application()
    app.router.add_route(method, path, handler)
    async with (
        TestServer(app) as server,
        AxisClient(str(server.make_url("/")), api_key="axk_secret", timeout_s=5) as client,
    ):
        yield client


def problem(status: int, kind: str, **more: Any) -> Handler:
    body = {"type": f"urn:axis:problem:{kind}", "title": "no", "title_vi": "không", "status": status, **more}

    async def handle(_request: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status, content_type="application/problem+json")

    return handle


async def test_send_gives_the_octets_and_keeps_the_receipt_as_it_came() -> None:
    seen: dict[str, Any] = {}

    async def take(request: web.Request) -> web.StreamResponse:
        seen["body"], seen["type"] = await request.read(), request.content_type
        seen["authorization"] = request.headers["Authorization"]
        return web.Response(body=b'{"document": "d1",  "state":"accepted"}', status=202)

    async with far_end("POST", "/v1/documents", take) as client:
        sent = await client.send(b"<edXML/>")
    assert seen == {"body": b"<edXML/>", "type": "application/xml", "authorization": "Bearer axk_secret"}
    assert sent.octets == b'{"document": "d1",  "state":"accepted"}'
    assert sent.document == "d1"


async def test_send_streams_a_file(tmp_path: Path) -> None:
    file = tmp_path / "big.edxml"
    file.write_bytes(b"x" * 3_000_000)
    sizes: list[int | None] = []

    async def take(request: web.Request) -> web.StreamResponse:
        sizes.append(request.content_length)
        sizes.append(sum([len(piece) async for piece in request.content.iter_any()]))
        return web.json_response({}, status=202)

    async with far_end("POST", "/v1/documents", take) as client:
        await client.send(file)
    assert sizes == [3_000_000, 3_000_000]


async def test_the_inbox_is_read_page_by_page() -> None:
    pages = {"0": ([1, 2], 2), "2": ([3], None)}

    async def page(request: web.Request) -> web.StreamResponse:
        numbers, following = pages[request.query["after"]]
        items = [{"delivery": f"d{n}", "seq": n, "cargo": "document", "recipients": ["H99"]} for n in numbers]
        return web.json_response({"items": items, "next": following})

    async with far_end("GET", "/v1/inbox", page) as client:
        found = [item async for item in client.waiting(2)]
    assert [item.seq for item in found] == [1, 2, 3]
    assert found[0].recipients == ("H99",)
    assert found[0].status is None


async def test_a_refusal_carries_the_problem() -> None:
    async with far_end("POST", "/v1/documents", problem(422, "signature-failed", detail="why")) as client:
        with pytest.raises(AxisRefused, match="không: no: why") as caught:
            await client.send(b"")
    assert (caught.value.status, caught.value.kind) == (422, "signature-failed")


@pytest.mark.parametrize(("status", "kind"), [(503, "log-stale"), (500, "internal"), (429, "rate-limited")])
async def test_where_waiting_helps_nothing_is_known(status: int, kind: str) -> None:
    async with far_end("POST", "/v1/documents", problem(status, kind)) as client:
        with pytest.raises(AxisUnsure):
            await client.send(b"")


async def test_an_answer_that_breaks_off_is_no_answer() -> None:
    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.close()
        return response

    async with far_end("GET", "/v1/deliveries/d1/package", half) as client:
        with pytest.raises(AxisUnsure):
            await client.fetch("d1")
        with pytest.raises(AxisUnsure):
            await client.fetch_to("d1", BytesIO())


async def test_a_redirect_does_not_carry_the_key_elsewhere() -> None:
    async def elsewhere(_request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("http://127.0.0.1:1/")

    async with far_end("GET", "/v1/inbox", elsewhere) as client:
        with pytest.raises(AxisRefused, match="302"):
            await client.inbox()


@pytest.mark.parametrize("ref", ["", "../x", "a/b", "a?b", "a b"])
async def test_a_reference_cannot_leave_its_place_in_the_path(ref: str) -> None:
    async with far_end("GET", "/", problem(404, "not-found")) as client:
        with pytest.raises(ValueError, match="no reference"):
            await client.fetch(ref)


async def test_a_status_says_only_what_is_known() -> None:
    bodies: list[Any] = []

    async def take(request: web.Request) -> web.StreamResponse:
        bodies.append(await request.json())
        return web.json_response({"status": "s1", "standing": "applied"}, status=202)

    async with far_end("POST", "/v1/documents/d1/statuses", take) as client:
        await client.post_status("d1", "03")
        await client.post_status("d1", "02", receiver="H99", description="sai", staff={"staff": "A"})
    assert bodies == [
        {"code": "03"},
        {"code": "02", "receiver": "H99", "description": "sai", "staff": {"staff": "A"}},
    ]


def test_silence_ends_a_command_with_3_and_a_made_package_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made again it would be another package under the same id; so the one that was sent is kept."""
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    made = ["--from", "H99.07", "--to", "H99.115", "--number", "1", "--notation", "A", "--subject", "x"]
    runner = CliRunner()
    monkeypatch.chdir(tmp_path)
    result = runner.invoke(main, ["send", "--url", address, *made, "--json"])
    kept = list(tmp_path.glob("*.edxml"))
    assert result.exit_code == 3
    told = json.loads(result.stdout)
    assert told["ok"] is False
    assert len(kept) == 1
    assert f"axis send {kept[0].name}" in told["hint"]
    result = runner.invoke(main, ["inbox", "--url", address])
    assert result.exit_code == 3
    assert "could not tell" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["send"],
        ["send", "--to", "H99.115"],
        ["send", __file__, "--subject", "x"],
        ["inbox", "--cert", __file__],
        ["ack"],
        ["status", "d1", "99"],
        ["status", "d1", "03", "--at", "soon"],
        ["fetch", "d1", "-o", __file__],
        ["fetch", "d1", "-o", "-"],
        ["inbox", "--ca", __file__],
        ["inbox", "--cert", __file__, "--key", __file__],
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    result = CliRunner().invoke(main, [*arguments, "--url", "http://127.0.0.1:1"])
    assert result.exit_code == 2, result.output


def test_an_address_that_is_none_is_wrong_usage() -> None:
    result = CliRunner().invoke(main, ["inbox", "--url", "axis.example:8443"])
    assert result.exit_code == 2
    assert "--url is an address like https://host:8443" in result.output


def test_a_key_that_is_none_is_told_by_the_names_of_the_options() -> None:
    arguments = ["inbox", "--url", "https://127.0.0.1:1", "--cert", __file__, "--key", __file__]
    assert "--ca, --cert or --key cannot be used" in CliRunner().invoke(main, arguments).output


def test_plain_http_that_is_not_answered_is_told_with_the_way_out() -> None:
    (port,) = free_ports(1)
    result = CliRunner().invoke(main, ["inbox", "--url", f"http://127.0.0.1:{port}"])
    assert result.exit_code == 3
    assert "over TLS: --url https://" in result.output
