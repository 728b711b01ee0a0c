"""An agency's document-management system (phần mềm quản lý văn bản), as a process of its own.

`python -m axis.demo.endpoint settings.json` sends its documents, collects its mailbox, reports statuses, until SIGTERM.
It talks to its node by the public API only, and imports little: several of these start at once.
"""

from __future__ import annotations

import base64
import signal
import sys
import threading
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from axis.demo.client import Client, Door, Reply, bearer
from axis.demo.desk import STEPS, Desk, Settings, read_settings, this_second, to_second
from axis.demo.journal import Event

POLL_S: Final = 0.15


class Broken(Exception):
    """The node answered something that this system cannot go on with."""


class Endpoint:
    """One agency at its node."""

    def __init__(self, settings: Settings) -> None:
        headers = bearer(settings.api_key_file.read_text()) if settings.api_key_file else {}
        self._agency = settings.agency
        self._client = Client(Door(settings.url, settings.ca, settings.certificate, settings.key, headers))
        self.desk = Desk(settings)

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop: one document out, everything in, one step of each case, and again."""
        while not stop.is_set():
            busy = self._send_next()
            busy = self._collect() or busy
            busy = self._report() or busy
            if not busy:
                stop.wait(POLL_S)

    def close(self) -> None:
        self._client.close()
        self.desk.close()

    def _send_next(self) -> bool:
        found = self.desk.next_package()
        if found is None:
            return False
        document, package = found
        reply = self._client.post_xml("/v1/documents", package.octets)
        if reply.ok:
            receipt = reply.json()
            self.desk.sent(document, package, str(receipt["document"]), str(receipt.get("package_sha256", "")))
        elif "problem+json" in reply.headers.get("content-type", ""):
            self.desk.refused(document, reply.json())
        else:
            raise Broken(f"POST /v1/documents: {reply.status} {reply.body[:200]!r}")
        return True

    def _collect(self) -> bool:
        items = _good(self._client.get("/v1/inbox?limit=50")).json()["items"]
        for item in items:
            if item["cargo"] == "document":
                self._take(item)
            else:
                status = item["status"]
                self.desk.heard(item["document_id"], status["receiver"], status["code"], to_second(status["at"]))
                self._acknowledge(item)
        return bool(items)

    def _take(self, item: Mapping[str, Any]) -> None:
        """Fetch, check the digest, note it on disk, and only then say that we have it."""
        if not self.desk.knows(item["delivery"]):
            reply = _good(self._client.get(f"/v1/deliveries/{item['delivery']}/package"))
            digest = sha256(reply.body)
            announced = f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
            if digest.hexdigest() != item["sha256"] or reply.headers.get("repr-digest") != announced:
                raise Broken(f"delivery {item['delivery']}: the digest is wrong")
            self.desk.take(item["delivery"], item["document"], reply.body)
        arrived = self._acknowledge(item).get("arrived")
        if arrived:
            self.desk.told(item["document_id"], arrived["code"], to_second(arrived["at"]), by="axis")

    def _acknowledge(self, item: Mapping[str, Any]) -> Mapping[str, Any]:
        return _good(self._client.post_json(f"/v1/deliveries/{item['delivery']}/ack", {})).json()

    def _report(self) -> bool:
        busy = False
        for case, code in self.desk.due():
            at = this_second().isoformat()
            body = {"receiver": self._agency, "code": code, "at": at, "description": STEPS[code]}
            _good(self._client.post_json(f"/v1/documents/{case.reference}/statuses", body))
            self.desk.told(case.document_id, code, to_second(at), by="agency")
            busy = True
        return busy


def _good(reply: Reply) -> Reply:
    if not reply.ok:
        raise Broken(f"{reply.status} {reply.body[:300]!r}")
    return reply


def main() -> int:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    endpoint = Endpoint(read_settings(Path(sys.argv[1])))
    try:
        endpoint.run(stop)
    except Exception as error:
        endpoint.desk.journal.write(Event.BROKEN, error=f"{type(error).__name__}: {error}"[:500])
        raise
    finally:
        endpoint.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
