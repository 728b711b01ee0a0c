"""Push to an agency's own address: the axis calls, the agency's system answers 2xx when it has the package durably."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

import aiohttp

from adapters.answers import NetworkErrors, body_of, judge_answer
from adapters.kept import GONE
from adapters.sending import Pieces, octets_of, once_more
from axis.core.hands import Consignment, Handover
from axis.core.model import Cargo


class HttpPushSink:
    """POSTs packages and status messages to one URL.

    `Axis-Delivery` is the same over every attempt: the receiver keeps it and answers 2xx to a repeat. A package goes in
    the form in which it was submitted; in parts, `Axis-SHA256` is the envelope's. `bearer` is the
    secret that the receiver expects, sent as `Authorization: Bearer`.
    """

    def __init__(self, url: str, session: aiohttp.ClientSession, bearer: str | None = None) -> None:
        self._url = url
        self._session = session
        self._tls: ssl.SSLContext | bool = True  # the session's own
        self._bearer = bearer

    def __repr__(self) -> str:
        return "HttpPushSink()"

    def renew(self, tls: ssl.SSLContext) -> None:
        """What begins from now on takes connections under `tls`; those of before are used no more."""
        self._tls = tls

    async def deliver(self, consignment: Consignment) -> Handover:
        delivery = consignment.delivery
        headers = {
            "Content-Type": consignment.body.content_type,
            "Content-Length": str(consignment.body.size),
            "Axis-Delivery": delivery.id,
            "Axis-Cargo": str(delivery.cargo),
            "Axis-Document": delivery.document or "",
            "Axis-Recipients": ",".join([code.text for code in delivery.recipients]),
            "Axis-SHA256": consignment.payload.ref.sha256,
        }
        if consignment.attached and consignment.document is not None:
            headers["Axis-Package-SHA256"] = consignment.document.digest
        if delivery.cargo is Cargo.STATUS and consignment.status is not None:
            headers["Axis-Status"] = consignment.status.wire
        if self._bearer:
            headers["Authorization"] = f"Bearer {self._bearer}"
        octets = await octets_of(consignment.body)
        with NetworkErrors():
            try:
                await self._post(octets, headers)
            except GONE:
                if not once_more(octets):
                    raise
                await self._post(octets, headers)
        return Handover()

    async def _post(self, octets: bytes | Pieces, headers: Mapping[str, str]) -> None:
        async with self._session.post(
            self._url, data=octets, headers=headers, allow_redirects=False, ssl=self._tls
        ) as response:
            if not response.content.is_eof():  # else nothing is left to wait for, and nobody looks at it
                await body_of(response)
            judge_answer(response, {})
            if isinstance(octets, Pieces):
                octets.see_taken()

    async def close(self) -> None:
        await self._session.close()
