"""The ministry's system, as a process of its own: it speaks VXP with the national axis, as software in the field does.

`python -m axis.demo.ministry settings.json` works until SIGTERM. There is no node of ours between it and the national
axis, so it reports its own 01.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeVar

from adapters.national.client import VxpClient
from adapters.national.vxp import MessageType, State
from axis.core.problems import Refused, Unavailable
from axis.demo.desk import STEPS, Case, Desk, Settings, read_settings, this_second, to_second
from axis.demo.journal import Event
from schemas.codes import AgencyCode
from schemas.edxml import read_message
from schemas.envelope import Organization, StaffInfo, StatusMessage
from schemas.limits import XmlLimits
from schemas.write import serialise, write_status
from schemas.xml import parse_xml

POLL_S: Final = 0.3
_PATIENCE: Final = 100
_PAUSE_S: Final = 0.2

T = TypeVar("T")


class Ministry:
    """One agency at the national axis."""

    def __init__(self, settings: Settings) -> None:
        assert settings.secret_file is not None
        context = ssl.create_default_context(cafile=str(settings.ca))
        secret = settings.secret_file.read_text()
        self._client = VxpClient(settings.url, settings.system_id, secret, lambda: datetime.now(UTC), tls=context)
        self._own = Organization(AgencyCode.parse(settings.agency), name=settings.name)
        self.desk = Desk(settings)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop: one document out, everything in, one step of each case, and again."""
        while not stop.is_set():
            busy = await self._send_next()
            busy = await self._collect() or busy
            busy = await self._report() or busy
            if not busy:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await stop.wait()

    async def close(self) -> None:
        await self._client.close()
        self.desk.close()

    async def _send_next(self) -> bool:
        found = self.desk.next_package()
        if found is None:
            return False
        document, package = found
        try:
            doc_id = await self._send(MessageType.EDOC, package.octets)
            self.desk.sent(document, package, doc_id)
        except Refused as error:
            self.desk.refused(document, {"type": error.problem.type, "detail": error.problem.detail})
        return True

    async def _collect(self) -> bool:
        """Fetch, note on disk, and only then tell the national axis that it is done."""
        busy = False
        for message in (MessageType.EDOC, MessageType.STATUS):
            for entry in await _patiently(partial(self._client.received, message)):
                if entry.state.lower() in (State.DONE, State.FAIL) or self.desk.knows(entry.doc_id):
                    continue
                octets = await _patiently(partial(self._fetch, entry.doc_id))
                if message is MessageType.EDOC:
                    case = self.desk.take(entry.doc_id, entry.doc_id, octets)
                    await _patiently(partial(self._client.update_status, entry.doc_id, State.DONE))
                    await self._tell(case, "01")
                else:
                    self._hear(octets)
                    await _patiently(partial(self._client.update_status, entry.doc_id, State.DONE))
                busy = True
        return busy

    def _hear(self, octets: bytes) -> None:
        message = read_message(parse_xml(octets, XmlLimits()).root).message
        assert isinstance(message, StatusMessage)
        assert message.at is not None
        at = to_second(message.at.isoformat())
        self.desk.heard(message.document_id or "", message.reporter.code.text, message.wire_code, at)

    async def _report(self) -> bool:
        busy = False
        for case, code in self.desk.due():
            await self._tell(case, code)
            busy = True
        return busy

    async def _tell(self, case: Case, code: str) -> None:
        at = this_second()
        message = StatusMessage(
            reporter=self._own,
            addressee=AgencyCode.parse(case.sender),
            document_id=case.document_id,
            code=case.number,
            wire_code=code,
            at=at,
            description=STEPS[code],
            promulgated_on=case.issued_on,
            staff=StaffInfo("Văn phòng", "Văn thư Bộ"),
        )
        await self._send(MessageType.STATUS, serialise(write_status(message)))
        self.desk.told(case.document_id, code, to_second(at.isoformat()), by="agency")

    async def _send(self, message: MessageType, octets: bytes) -> str:
        digest = sha256(octets).digest()
        return await _patiently(
            lambda: self._client.send_edoc(self._own.code, message, _once(octets), len(octets), digest)
        )

    async def _fetch(self, doc_id: str) -> bytes:
        return b"".join([piece async for piece in self._client.get_edoc(doc_id)])


async def _once(octets: bytes) -> AsyncIterator[bytes]:
    yield octets


async def _patiently(call: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Every call may be repeated; `Unavailable` means that it should be."""
    for _ in range(_PATIENCE):
        try:
            return await call()
        except Unavailable:
            await asyncio.sleep(_PAUSE_S)
    return await call()


async def work(settings: Settings) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    ministry = Ministry(settings)
    try:
        await ministry.run(stop)
    except Exception as error:
        ministry.desk.journal.write(Event.BROKEN, error=f"{type(error).__name__}: {error}"[:500])
        raise
    finally:
        await ministry.close()


def main() -> int:
    asyncio.run(work(read_settings(Path(sys.argv[1]))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
