"""A neighbouring axis: `POST /v1/relay` over mutual TLS, with the trace of hops beside the package."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any, assert_never

import aiohttp
import orjson

from adapters.answers import NetworkErrors, body_of, is_problem, judge_answer, peer_ref
from adapters.kept import GONE
from adapters.sending import Pieces, octets_of, once_more
from axis.core.hands import Consignment, Handover
from axis.core.model import Cargo
from axis.core.problems import Kind, Problem, Unavailable
from axis.core.times import rfc3339


class NodeSink:
    """Hands packages and statuses to one neighbour. Its word counts, not that of what stands before it: an orderly
    receipt, or a refusal as an axis writes it. A balancer answers 400 where our certificate has ended.

    The package goes as it came, never rewritten. The neighbour recognises a repeat by its content, so that a repeat
    after a lost answer gives the same receipt. `session` carries the TLS settings and the time-outs; this owns it.
    `dated` is told the `Date` of each answer.
    """

    def __init__(
        self, url: str, session: aiohttp.ClientSession, dated: Callable[[str | None], None] = lambda date: None
    ) -> None:
        self._url = url.rstrip("/") + "/v1/relay"
        self._session = session
        self._dated = dated
        self._tls: ssl.SSLContext | bool = True  # the session's own

    def renew(self, tls: ssl.SSLContext) -> None:
        """What begins from now on takes connections under `tls`; those of before are used no more."""
        self._tls = tls

    async def deliver(self, consignment: Consignment) -> Handover:
        delivery = consignment.delivery
        headers = {
            "Content-Type": consignment.body.content_type,
            "Content-Length": str(consignment.body.size),
            "Axis-Delivery": delivery.id,
            "Axis-Trace": orjson.dumps([[hop.node, rfc3339(hop.at)] for hop in consignment.hops]).decode(),
        }
        if delivery.cargo is Cargo.DOCUMENT:
            headers["Axis-Recipients"] = ",".join(code.text for code in delivery.recipients)
        octets = await octets_of(consignment.body)
        with NetworkErrors():
            try:
                answer = await self._post(octets, headers)
            except GONE:
                if not once_more(octets):
                    raise
                answer = await self._post(octets, headers)
        _see_receipt(consignment, answer)
        return Handover(peer_ref(answer.get("document")))

    async def _post(self, octets: bytes | Pieces, headers: Mapping[str, str]) -> Mapping[str, Any]:
        async with self._session.post(
            self._url, data=octets, headers=headers, allow_redirects=False, ssl=self._tls
        ) as response:
            self._dated(response.headers.get("Date"))
            answer = _json(await body_of(response))
            judge_answer(response, answer, its_own=is_problem(answer))
        return answer

    async def close(self) -> None:
        await self._session.close()


def _see_receipt(consignment: Consignment, answer: Mapping[str, Any]) -> None:
    """Believe a 2xx only with the receipt of this package, status or notice: anything on the way can say 200."""
    seen: bool
    match consignment.delivery.cargo:
        case Cargo.DOCUMENT:
            assert consignment.document is not None
            seen = answer.get("package_sha256") == consignment.document.digest
        case Cargo.STATUS:
            seen = consignment.status is not None and answer.get("code") == consignment.status.wire
        case Cargo.NOTICE:
            seen = "notice" in answer
        case _:
            assert_never(consignment.delivery.cargo)
    if not seen:
        raise Unavailable(Problem(Kind.DESTINATION_UNAVAILABLE, "the answer is no receipt of what was handed over"))


def _json(octets: bytes) -> Mapping[str, Any]:
    try:
        value = orjson.loads(octets)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
