"""A client of the national axis that speaks VXP: its calls, and what its answers mean."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

import aiohttp
import structlog

from adapters.answers import retry_after, trouble_of_ours
from adapters.kept import Quiet
from adapters.national import vxp
from adapters.national.content import MAX_REST, BadAnswer, Content, read_object
from adapters.national.vxp import Call, Code, MessageType, State
from adapters.resolve import OwnThreads
from adapters.sending import Pieces
from axis.core.problems import Kind, Problem, ProblemError, Refused, Unavailable
from schemas.codes import AgencyCode

log = structlog.get_logger()

MAX_LIST: Final = 32 * 1024 * 1024
SLOWEST: Final = 1024
"""Octets a second that a package comes with at the least, once a call has taken as long as others may: one that never
ends would keep everything that is listed behind it."""

_PERMANENT: Final[Mapping[str, tuple[Kind, str]]] = MappingProxyType(
    {
        Code.BAD_FILE: (Kind.DESTINATION_REFUSED, "the national axis does not accept the file"),
        Code.UNKNOWN_RECEIVER: (Kind.UNKNOWN_AGENCY, "the national axis does not know a recipient"),
        Code.UNKNOWN_SENDER: (Kind.DESTINATION_REFUSED, "the sender is not registered at the national axis"),
        Code.BAD_EDXML: (Kind.DESTINATION_REFUSED, "the national axis does not accept the package as edXML"),
        Code.LOCKED_RECEIVER: (Kind.INACTIVE_AGENCY, "a recipient is locked at the national axis"),
    }
)
"""Codes that no repeat of the same package can mend (the only numeric list known: HDSD LGSP Lạng Sơn v2.2).

All others are temporary. So is 15, wrong credentials: once the operator has mended them, what waits goes out by itself.
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in our inbox at the national axis. `state` is the transport state of this package for us."""

    doc_id: str
    message: MessageType
    sender: str
    receiver: str
    state: str


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to connect, to wait for the next octets, and for a whole call that carries no package."""

    connect: float = 10
    read: float = 60
    call: float = 120


class VxpClient:
    """One connected system (`systemid`). Every method is one call and may be repeated.

    `Refused` and `Unavailable` come out of all of them, nothing else. A session that is handed in is not closed; one of
    its own has at most so many `connections`.
    """

    def __init__(
        self,
        base_url: str,
        system_id: str,
        secret: str,
        now: Callable[[], datetime],
        *,
        session: aiohttp.ClientSession | None = None,
        tls: ssl.SSLContext | bool = True,
        timeouts: Timeouts | None = None,
        connections: int = 10,
    ) -> None:
        self._base = base_url.rstrip("/")
        self._system = system_id
        self._secret = secret
        self._now = now
        self._session = session
        self._own = session is None
        self._tls = tls
        self._timeouts = timeouts or Timeouts()
        self._connections = connections

    def __repr__(self) -> str:
        return f"VxpClient({self._base!r}, {self._system!r})"

    def renew(self, tls: ssl.SSLContext) -> None:
        """Calls that begin from now on take connections under `tls`; those of before are used no more."""
        self._tls = tls

    async def close(self) -> None:
        if self._own and self._session is not None:
            await self._session.close()
            self._session = None

    async def send_edoc(
        self, sender: AgencyCode, message: MessageType, octets: AsyncIterator[bytes], size: int, digest: bytes
    ) -> str:
        """Hand a package in and return its DocId. `digest` is the SHA-256 of `octets`, `size` their number."""
        parameters = (
            ("servicetype", vxp.SERVICE),
            ("messagetype", message.value),
            ("hash-file", vxp.unpadded(digest)),
            ("from", sender.text),
        )
        whole = size + len(vxp.TAIL)
        pieces = Pieces(_with_tail(octets), whole)
        answer = await self._call(Call.SEND, parameters, pieces, whole, "application/octet-stream")
        pieces.see_taken()
        data = answer.get("data")
        doc_id = text_of(answer.get("DocId")) or text_of(data.get("DocId") if isinstance(data, dict) else data)
        if not doc_id:
            raise _unavailable("the national axis named no DocId")
        return doc_id

    async def received(self, message: MessageType) -> tuple[Entry, ...]:
        """What is listed in our inbox; entries that cannot be understood are logged and left out."""
        parameters = (("servicetype", vxp.SERVICE), ("messagetype", message.value))
        answer = await self._call(Call.RECEIVED, parameters, limit=MAX_LIST)
        entries = (_entry(row, message) for row in _list(answer))
        return tuple(entry for entry in entries if entry is not None)

    async def sent(self, message: MessageType, doc_id: str | None = None) -> Sequence[Mapping[str, object]]:
        """What the axis says of packages that we handed in, one row per receiver, as it comes."""
        parameters = [("servicetype", vxp.SERVICE), ("messagetype", message.value)]
        if doc_id is not None:
            parameters.append(("docId", doc_id))
        return _rows(await self._call(Call.SENT, parameters, limit=MAX_LIST))

    async def get_edoc(self, doc_id: str) -> AsyncIterator[bytes]:
        """The octets of one package, piece by piece. They count only when the last one came without an exception."""
        async with self._open(Call.GET, (("docId", doc_id),), b"{}") as response:
            content = Content(_moving(response.content.iter_any(), self._timeouts.call))
            async for piece in content.pieces():
                if piece:
                    yield piece
            _check(content.rest)
            if content.rest.get("data") != "":
                raise BadAnswer("there is no package in the answer")

    async def update_status(self, doc_id: str, state: State) -> None:
        await self._call(Call.UPDATE, (("docid", doc_id), ("status", state.value)), b"{}")

    async def agencies(self) -> Sequence[Mapping[str, object]]:
        return _rows(await self._call(Call.AGENCIES, (), limit=MAX_LIST))

    async def register_agency(self, code: AgencyCode, name: str, parent: str = "") -> None:
        body = {"id": "", "pcode": parent, "code": code.text, "name": name, "mail": "", "mobile": "", "fax": ""}
        await self._call(Call.REGISTER, (), vxp.write_answer(body))

    async def delete_agency(self, code: AgencyCode) -> None:
        await self._call(Call.DELETE, (("AgencyCode", code.text),), b"{}")

    async def _call(
        self,
        call: Call,
        parameters: Sequence[tuple[str, str]],
        body: bytes | AsyncIterator[bytes] = b"",
        size: int | None = None,
        content_type: str = "application/json",
        limit: int = MAX_REST,
    ) -> Mapping[str, object]:
        async with self._open(call, parameters, body, size, content_type) as response:
            octets = bytearray()
            async for piece in response.content.iter_any():
                octets += piece
                if len(octets) > limit:
                    raise BadAnswer("the answer is too long")
            answer = read_object(bytes(octets))
            _check(answer)
            return answer

    @asynccontextmanager
    async def _open(
        self,
        call: Call,
        parameters: Sequence[tuple[str, str]],
        body: bytes | AsyncIterator[bytes] = b"",
        size: int | None = None,
        content_type: str = "application/json",
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer whose head came. Whatever goes wrong, until the context is left, is `Refused` or `Unavailable`."""
        signed = vxp.sign(
            (
                ("systemid", self._system),
                *parameters,
                ("timestamp", vxp.write_timestamp(self._now())),
                (vxp.CONTENT_TYPE, content_type),
            ),
            self._secret,
        )
        length = size if size is not None else len(body) if isinstance(body, bytes) else None
        headers = [*signed, ("Content-Length", str(length))]
        timeouts = self._timeouts
        timeout = aiohttp.ClientTimeout(
            total=timeouts.call if isinstance(body, bytes) and call is not Call.GET else None,
            sock_connect=timeouts.connect,
            sock_read=timeouts.read,
        )
        answer: aiohttp.ClientResponse | None = None
        try:
            async with self._http().post(
                f"{self._base}/{call.value}",
                data=body,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
                ssl=self._tls,
            ) as answer:
                yield answer
        except ProblemError:
            raise
        except BadAnswer as error:
            told = {"reason": str(error)} | ({"status": str(answer.status)} if answer else {})
            problem = _unavailable("the answer of the national axis cannot be understood", **told)
            problem.retry_after_s = retry_after(answer) if answer else None
            raise problem from None
        except ssl.SSLError as error:
            raise _unavailable("the national axis cannot be reached", reason=type(error).__name__) from error
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            ours = trouble_of_ours(error)
            unreached = _unavailable("the national axis cannot be reached", reason=type(error).__name__)
            raise ours or unreached from (None if ours else error)

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = Quiet(limit=self._connections, resolver=OwnThreads())
            self._session = aiohttp.ClientSession(connector=connector)
        return self._session


async def _with_tail(octets: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for piece in octets:
        yield piece
    yield vxp.TAIL


async def _moving(pieces: AsyncIterator[bytes], patience_s: float) -> AsyncIterator[bytes]:
    """The same. `BadAnswer` where so little comes that it will not end, though each piece is in time."""
    loop = asyncio.get_running_loop()
    begun, size = loop.time(), 0
    async for piece in pieces:
        size += len(piece)
        spent = loop.time() - begun
        if spent > patience_s and size < spent * SLOWEST:
            raise BadAnswer("it comes too slowly")
        yield piece


def _check(answer: Mapping[str, object]) -> None:
    """Raise what an answer that is not OK means."""
    code, status = text_of(answer.get("ErrorCode")), answer.get("status")
    if status == "OK" and code in ("", Code.OK):
        return
    said = {"code": code[:16], "said": text_of(answer.get("ErrorDesc"))[:200]}
    known = _PERMANENT.get(code)
    if status != "FAIL" or known is None:
        raise Unavailable(
            Problem(Kind.DESTINATION_UNAVAILABLE, "the national axis did not carry it out", {"code": code[:16]}, said)
        )
    raise Refused(Problem(known[0], known[1], {"code": code}, said))


def text_of(value: object) -> str:
    """A text, or the digits of a number: which of both stands there differs (docs/specifications.md). Empty for
    anything else."""
    return value if isinstance(value, str) else str(value) if type(value) is int else ""


def _list(answer: Mapping[str, object]) -> Sequence[object]:
    data = answer.get("data")
    if not isinstance(data, list):
        raise _unavailable("the answer of the national axis cannot be understood", reason="no list")
    return data


def _rows(answer: Mapping[str, object]) -> Sequence[Mapping[str, object]]:
    rows = [row for row in _list(answer) if isinstance(row, dict)]
    if len(rows) < len(_list(answer)):
        raise _unavailable("the answer of the national axis cannot be understood", reason="no list")
    return rows


def _entry(row: object, message: MessageType) -> Entry | None:
    told: Mapping[str, object] = row if isinstance(row, dict) else {}
    doc_id, sender, receiver, state = [text_of(told.get(name)) for name in ("docId", "from", "to", "status")]
    if not doc_id.isascii() or not doc_id.isprintable() or not doc_id or len(doc_id) > 200:
        log.warning("national_entry_skipped", reason="it has no docId that can be asked for")
        return None
    return Entry(doc_id, message, sender, receiver, state)


def _unavailable(detail: str, **context: str) -> Unavailable:
    return Unavailable(Problem(Kind.DESTINATION_UNAVAILABLE, detail, context=context))
