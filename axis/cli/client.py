"""A small client of the endpoints' API (`/v1`): what `axis send`, `inbox`, `fetch`, `ack` and `status` use.

Two outcomes besides success: `AxisRefused`, an answer that says no, and `AxisUnsure`, where nobody knows what became of
the request. After the latter the same request may always be repeated.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

import aiohttp

from adapters.kept import Quiet
from axis.core.times import parse_rfc3339, rfc3339
from schemas.multipart import RELATED, boundary_within, content_type_with

PIECE: Final = 262_144
_PROBLEM: Final = "application/problem+json"
_FIRST_LINE: Final = 80
_REF: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class AxisError(Exception):
    """The axis did not do what was asked."""


class AxisRefused(AxisError):
    """The axis said no. `problem` is its RFC 9457 answer, `kind` the stable last part of the type."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = problem
        self.kind = str(problem.get("type", "")).rpartition(":")[2]
        told = [str(problem[key]) for key in ("title_vi", "title", "detail") if problem.get(key)]
        super().__init__(": ".join(told) or f"HTTP {status}")


class AxisUnsure(AxisError):
    """No answer, or one that says that waiting helps: repeat the same request."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The axis took a package. `octets` is its answer as it came; for a document that is the receipt (biên nhận)."""

    octets: bytes
    facts: Mapping[str, Any]

    @property
    def document(self) -> str | None:
        """The axis' reference of the document, `None` where a status message was sent."""
        ref = self.facts.get("document")
        return ref if isinstance(ref, str) else None


@dataclass(frozen=True, slots=True)
class Item:
    """One delivery that waits: a document, a status of one that was sent, or a notice about one that was held."""

    delivery: str
    seq: int
    cargo: str
    document: str | None
    sender: str | None
    document_id: str | None
    number: str | None
    subject: str | None
    size: int | None
    sha256: str | None
    priority: int
    recipients: tuple[str, ...]
    status: Mapping[str, Any] | None
    notice: Mapping[str, Any] | None
    attached_pdfs: Mapping[str, Any] | None = None

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Item:
        plain: dict[str, Any] = {n: data.get(n) for n in cls.__slots__ if n not in ("recipients", "priority")}
        return cls(
            **plain,
            priority=int(data.get("priority") or 0),
            recipients=tuple(data.get("recipients") or ()),
        )


@dataclass(frozen=True, slots=True)
class Inbox:
    """One page of what waits. `next` is to be given as `after` for the page behind it, `None` on the last page."""

    items: tuple[Item, ...]
    next: int | None


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was written of a delivery: how many octets, and what they are. A notice is JSON, a package may be in parts,
    all else is XML.

    `attached_pdfs` is the worst outcome of the PDFs attached to a document, where the axis has judged them.
    """

    octets: int
    content_type: str
    attached_pdfs: str | None = None

    @property
    def suffix(self) -> str:
        return {"application/json": ".json", RELATED: ".parts"}.get(self.content_type, ".edxml")


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A delivery was taken over. `arrived` is the status 01 that the axis recorded with it, if it owns that status.

    `document` is the axis' reference of the document that it is, or that it tells of.
    """

    delivery: str
    state: str
    arrived: Mapping[str, Any] | None
    document: str | None = None

    @property
    def arrived_at(self) -> datetime | None:
        return parse_rfc3339(self.arrived["at"]) if self.arrived else None


class AxisClient:
    """A connection to one axis as one endpoint: `async with AxisClient(url, ...) as axis: ...`."""

    def __init__(
        self,
        url: str,
        *,
        ca: Path | None = None,
        certificate: Path | None = None,
        key: Path | None = None,
        api_key: str | None = None,
        timeout_s: float = 60,
    ) -> None:
        """`OSError` for files that cannot be read, `ssl.SSLError` for a key that does not belong to its certificate."""
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(10.0, timeout_s))
        self._context = ssl.create_default_context(cafile=str(ca) if ca else None)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        if certificate is not None:
            self._context.load_cert_chain(certificate, key)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = Quiet(ssl=self._context)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=self._timeout, headers=self._headers, cookie_jar=aiohttp.DummyCookieJar()
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, package: bytes | Path) -> Sent:
        """Send one edXML package, or one in parts as it was saved; a file is streamed.

        Sending the same octets again gives the same receipt.
        """
        if isinstance(package, Path):
            with package.open("rb") as file:
                headers = {"Content-Type": _content_type(file.read(_FIRST_LINE))}
                file.seek(0)
                async with self._ask("POST", "/v1/documents", data=file, headers=headers) as response:
                    octets = await response.read()
        else:
            headers = {"Content-Type": _content_type(package[:_FIRST_LINE])}
            async with self._ask("POST", "/v1/documents", data=package, headers=headers) as response:
                octets = await response.read()
        return Sent(octets, _object(octets))

    async def inbox(self, after: int = 0, limit: int = 50) -> Inbox:
        """What waits for this endpoint, oldest first; it waits until it is acknowledged."""
        data = await self._json("GET", "/v1/inbox", params={"after": str(after), "limit": str(limit)})
        return Inbox(tuple(Item.read(item) for item in data["items"]), data["next"])

    async def waiting(self, page: int = 50) -> AsyncIterator[Item]:
        """Everything that waits, page by page."""
        after: int | None = 0
        while after is not None:
            inbox = await self.inbox(after, page)
            for item in inbox.items:
                yield item
            after = inbox.next

    async def fetch(self, delivery: str) -> bytes:
        """The package of a delivery, as the axis took it."""
        async with self._ask("GET", f"/v1/deliveries/{_ref(delivery)}/package") as response:
            return await response.read()

    async def fetch_to(self, delivery: str, target: BinaryIO) -> Fetched:
        """The same, written to `target` in pieces. Where a large one breaks off it is gone on with from there, as long
        as each turn brings some of it."""
        written, tag = 0, ""
        while True:
            before = written
            more = {"Range": f"bytes={written}-", "If-Range": tag} if written else {}
            try:
                async with self._ask("GET", f"/v1/deliveries/{_ref(delivery)}/package", headers=more) as response:
                    if response.status != HTTPStatus.PARTIAL_CONTENT:
                        written = before = target.seek(0)
                        target.truncate()
                    tag = response.headers.get("ETag", "")
                    async for piece in response.content.iter_chunked(PIECE):
                        written += target.write(piece)
                    return Fetched(written, response.content_type, response.headers.get("Axis-Attached-Pdfs"))
            except AxisUnsure:
                if written == before or not tag:
                    raise

    async def ack(self, delivery: str) -> Acknowledged:
        """Confirm that a delivery was taken over and stored. Repeating is harmless."""
        data = await self._json("POST", f"/v1/deliveries/{_ref(delivery)}/ack")
        return Acknowledged(data["delivery"], data["state"], data.get("arrived"), data.get("document"))

    async def post_status(
        self,
        document: str,
        code: str,
        *,
        receiver: str | None = None,
        at: datetime | None = None,
        description: str | None = None,
        staff: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        """Report a status (`03` Đã tiếp nhận, ...) of a document; the axis answers how it stands."""
        body = {
            "code": code,
            "receiver": receiver,
            "at": rfc3339(at) if at else None,
            "description": description,
            "staff": dict(staff) if staff else None,
        }
        told = {name: value for name, value in body.items() if value is not None}
        return await self._json("POST", f"/v1/documents/{_ref(document)}/statuses", json=told)

    async def document(self, document: str) -> Mapping[str, Any]:
        """What the axis knows of a document: its facts, deliveries and statuses."""
        return await self._json("GET", f"/v1/documents/{_ref(document)}")

    async def package(self, document: str) -> bytes:
        async with self._ask("GET", f"/v1/documents/{_ref(document)}/package") as response:
            return await response.read()

    async def receipt(self, document: str) -> bytes:
        """The receipt, the same octets as the first time."""
        async with self._ask("GET", f"/v1/receipts/{_ref(document)}") as response:
            return await response.read()

    async def proof(self, document: str) -> bytes:
        """What proves that the log holds the entry of its acceptance. `AxisUnsure` while it does not."""
        async with self._ask("GET", f"/v1/receipts/{_ref(document)}/proof") as response:
            return await response.read()

    async def checkpoint(self) -> str:
        """The newest signed head of the axis' log."""
        async with self._ask("GET", "/v1/log/checkpoint") as response:
            return await response.text()

    async def _json(self, method: str, path: str, **options: Any) -> Mapping[str, Any]:
        async with self._ask(method, path, **options) as response:
            return _object(await response.read())

    @asynccontextmanager
    async def _ask(self, method: str, path: str, **options: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        assert self._session is not None, "use the client in `async with`"
        try:
            # A redirect would carry the key elsewhere.
            async with self._session.request(method, self._url + path, allow_redirects=False, **options) as response:
                if response.status >= HTTPStatus.MULTIPLE_CHOICES:
                    raise await _trouble(response)
                yield response
        except (aiohttp.ClientError, TimeoutError, ssl.SSLError) as error:
            raise AxisUnsure(_silence(error)) from error


def _silence(error: BaseException) -> str:
    """Why there is no answer, for the person at the terminal."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            told = getattr(error.certificate_error, "verify_message", "") or error.certificate_error
            return f"không tin được chứng thư số của trục (the axis' certificate is not believed): {told}"
        case aiohttp.ClientConnectorError():
            told = (error.os_error.strerror or str(error.os_error)).lower()
            return f"không kết nối được với trục (no connection to the axis), {error.host}:{error.port}: {told}"
        case aiohttp.ServerDisconnectedError():
            return "trục ngắt kết nối, không trả lời (the axis ended the connection without an answer)"
        case TimeoutError():
            return "trục không trả lời kịp (the axis did not answer in time)"
    return str(error) or type(error).__name__


def _content_type(head: bytes) -> str:
    boundary = boundary_within(head)
    return "application/xml" if boundary is None else content_type_with(boundary)


async def _trouble(response: aiohttp.ClientResponse) -> AxisError:
    octets = await response.read()
    problem: Any = {}
    if response.content_type == _PROBLEM:
        try:
            problem = json.loads(octets)
        except ValueError:
            problem = {}
    refused = AxisRefused(response.status, problem if isinstance(problem, dict) else {})
    waiting_helps = response.status >= HTTPStatus.INTERNAL_SERVER_ERROR or response.status in (
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.REQUEST_TIMEOUT,
    )
    instance = refused.problem.get("instance")
    return AxisUnsure(f"{refused} ({instance})" if instance else str(refused)) if waiting_helps else refused


def _object(octets: bytes) -> Mapping[str, Any]:
    try:
        data = json.loads(octets)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise AxisUnsure("the answer is not a JSON object: is this the address of an axis?")
    return data


def _ref(text: str) -> str:
    """A reference that goes into a path: nothing that could leave its place there."""
    if not _REF.fullmatch(text):
        raise ValueError(f"{text!r} is no reference of the axis")
    return text
